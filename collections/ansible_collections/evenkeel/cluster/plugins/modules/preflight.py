#!/usr/bin/python
# Copyright (c) 2026 Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Module that checks every input and the machine before anything is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check every input and the machine before anything changes
version_added: 0.1.0
description:
  - Checks what an inventory declares, and whether this machine can carry it. Reads only.
  - Finds all problems in one pass and reports each as one line, C(what) got X, want Y (fix).
  - Returns the declared cluster checked and completed, for the other modules and roles.
  - Options are taken as they come, with whatever type the command line or YAML gave them, and are judged here.
    So a wrong value gets a line that says what is right, rather than a failed conversion.
options:
  name:
    description: Name of the cluster. Every object in Docker bears it.
    type: raw
  dashboard_user:
    description: User of the balancer's dashboard and API.
    type: raw
    default: admin
  web_address:
    description: IP address that the web entry point is published on, as C(load_balancer_web_address) says.
    type: raw
    default: 0.0.0.0
  dashboard_address:
    description: IP address that the dashboard is published on, as C(load_balancer_dashboard_address) says.
    type: raw
    default: 0.0.0.0
  portainer_address:
    description: IP address that Portainer is published on, as C(portainer_address) says.
    type: raw
    default: 0.0.0.0
  retry_attempts:
    description:
      - How often the balancer tries a request, as C(load_balancer_retry_attempts) says.
      - The option C(max_failures) of each tier must be less.
    type: raw
    default: 24
  domain:
    description: The host name that the cluster answers to.
    type: raw
  hosts:
    description: All host names that the cluster answers to, as a list; empty for any.
    type: raw
  engine:
    description: Where nodes run.
    type: raw
  web_port:
    description: Published port of the web entry point.
    type: raw
  dashboard_port:
    description: Published port of the balancer's dashboard and API.
    type: raw
  portainer:
    description: Whether Portainer is wanted.
    type: raw
  portainer_port:
    description: Published port of Portainer.
    type: raw
  state_dir:
    description:
      - Folder for configuration, secrets, logs and evidence.
      - Empty chooses C(/var/lib/evenkeel/<name>) for root and C(~/.local/state/evenkeel/<name>) for others.
    type: raw
    default: ""
  image_source:
    description: Where images come from, V(packages) or V(registry).
    type: raw
  registry_prefix:
    description: What to put before the names of images that are pulled; ends in a slash, or is empty.
    type: raw
    default: ""
  apt_mirror:
    description: Address of a mirror of the distribution's packages; empty for the distribution's own.
    type: raw
    default: ""
  ca_bundle:
    description: File on the controller with the certificate authorities that downloads must trust; empty for none.
    type: raw
    default: ""
  portainer_archive:
    description: File on the controller with Portainer's image; empty for none.
    type: raw
    default: ""
  tiers:
    description: The tiers, as a mapping of names to options.
    type: raw
  variables:
    description:
      - The variables that are set and all knobs, as the lookup P(evenkeel.cluster.knobs#lookup) finds them.
      - A variable that is nearly a knob, or nearly C(<tier>_nodes), is a problem. Other variables are ignored.
      - A removed knob is a problem that names its successor.
    type: dict
    default: {}
    suboptions:
      names:
        description: Names of the variables that are no knobs.
        type: list
        elements: str
        default: []
      knobs:
        description: Names of the knobs of all roles.
        type: list
        elements: str
        default: []
      roles:
        description: Names of the roles, which their knobs begin with.
        type: list
        elements: str
        default: []
      places:
        description: For variables that end in C(_nodes), the line of the inventory that sets it.
        type: dict
        default: {}
  min_free_disk:
    description:
      - Free space that Docker's data and the state folder need, such as V(500m) or V(3g).
      - Empty means 3 GiB when O(image_source=packages) has images to build, else 500 MiB.
    type: raw
    default: ""
  root:
    description: Folder on the controller that relative build contexts start from.
    type: path
  existing_files:
    description:
      - The files on the controller that are there, of those that O(tiers), O(ca_bundle) and O(portainer_archive) name.
      - The module runs on the managed machine and cannot see for itself.
    type: list
    elements: str
    default: []
  check_machine:
    description:
      - Whether the machine must be able to carry the cluster.
      - To look at a cluster or to remove it, it need not; but Docker must be in reach if it runs, and the state
        folder right.
    type: bool
    default: true
  may_become:
    description:
      - Whether the caller can run the module again as root when Docker is out of this user's reach.
      - The module then says so in RV(become), and leaves all further checks to that second run.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode and return the same as without.
    support: full
  diff_mode:
    description: Returns what it would change, which is nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
author:
  - Evenkeel contributors
"""

EXAMPLES = r"""
- name: Check a cluster of one tier
  evenkeel.cluster.preflight:
    name: shop
    domain: shop.example.org
    hosts: [shop.example.org, localhost]
    engine: docker
    web_port: 8080
    dashboard_port: 9000
    portainer: false
    portainer_port: 9090
    image_source: registry
    tiers:
      app:
        image: example/app:1.2
        port: 8000
        path: /
        nodes: 2
  register: shop_preflight

- name: Show what follows from it
  ansible.builtin.debug:
    var: shop_preflight.cluster_spec
"""

RETURN = r"""
become:
  description:
    - Whether root's rights are needed and to be had through sudo without a password.
    - When true the other values are missing, and the module is to be run again as root with O(may_become=false).
  returned: success
  type: bool
  sample: false
cluster_spec:
  description: The declared cluster, checked and completed with defaults and with what follows from it.
  returned: success, unless RV(become) is true
  type: dict
  sample: {name: evenkeel, network: evenkeel, web_port: 8080, tiers: []}
  contains:
    paths:
      description: Files and folders in the state folder, by name, such as C(routes_file) and C(access_log).
      type: dict
    endpoints:
      description:
        - Where C(web), C(dashboard) and C(portainer) answer on this machine itself.
        - Each has C(scheme), C(host), C(port) and C(url).
      type: dict
    api:
      description: What a client of the balancer's API needs, C(url), C(user) and C(password_file).
      type: dict
docker:
  description: What is known about Docker on this machine.
  returned: success, unless RV(become) is true
  type: dict
  contains:
    usable:
      description: Whether everything can be done with Docker as it is, by this user.
      type: bool
    reason:
      description: Why it is not usable; empty when it is.
      type: str
    installed:
      description: Whether a Docker Engine is on this machine, running or not.
      type: bool
    answers:
      description: Whether a Docker Engine answers.
      type: bool
    sdk:
      description: Whether Python's Docker SDK is there for the interpreter that runs modules.
      type: bool
    version:
      description: Version of the engine that answers, or empty.
      type: str
    api_version:
      description: Version of its API, or empty.
      type: str
    socket:
      description: The socket that was asked.
      type: str
    socket_group:
      description: Number of the group that the socket belongs to, or null.
      type: int
    network:
      description: Whether the cluster's network is there.
      type: bool
    images:
      description: The images that are there, as C(name:tag), each with its ID.
      type: dict
machine:
  description: The machine and the user on it. Memory is in bytes.
  returned: success, unless RV(become) is true
  type: dict
  sample: {os_id: debian, os_version: "12", architecture: x86_64, user: root, root: true, cpus: 2}
msg:
  description:
    - The number of problems, then one line per problem.
    - It is all that a failure returns, to be short on the screen.
  returned: failure
  type: str
  sample: |-
    1 problem, nothing has been changed
    static_nodes: got '-1', want a whole number from 0 to 1000 (fix: -e static_nodes=3)
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.engine.docker_facts import Docker, read_docker
from ..module_utils.host.checks import (
    MachineFacts,
    check_all,
    check_docker,
    check_machine,
    docker_reason,
    published_ports,
)
from ..module_utils.host.declaration import KNOBS, OPTIONAL_KNOBS, read_declaration
from ..module_utils.host.facts import Machine, read_disk, read_listeners, read_machine, sudo_without_password

if TYPE_CHECKING:
    from ..module_utils.cluster.spec import ClusterSpec


def argument_spec() -> dict[str, Any]:
    """The options, in Ansible's form; judged by :func:`read_declaration`, so mostly raw."""
    names = {"type": "list", "elements": "str", "default": []}
    variables = {"names": names, "knobs": names, "roles": names, "places": {"type": "dict", "default": {}}}
    return {
        **{knob: {"type": "raw"} for knob in KNOBS},
        **{knob: {"type": "raw", "default": default} for knob, default in OPTIONAL_KNOBS.items()},
        "root": {"type": "path"},
        "variables": {"type": "dict", "default": {}, "options": variables},
        "existing_files": names,
        "check_machine": {"type": "bool", "default": True},
        "may_become": {"type": "bool", "default": True},
    }


def _read_facts(spec: ClusterSpec, machine: Machine, docker: Docker, must_carry: bool) -> MachineFacts:
    """What the checks need to know; ports only where they are to be published."""
    ports = [port for _, port, _ in published_ports(spec)] if must_carry else []
    return MachineFacts(
        machine=machine,
        docker=docker,
        state_disk=read_disk(spec.state_dir),
        data_disk=read_disk(docker.data_root),
        listeners=read_listeners(ports),
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    machine = read_machine()
    docker = read_docker()
    reason = docker_reason(machine, docker)
    if reason and module.params["may_become"] and not machine.root and sudo_without_password():
        module.exit_json(changed=False, become=True)
    declaration = read_declaration(module.params, machine, docker)
    for line in declaration.warnings:
        module.warn(line)
    spec, problems = declaration.spec, list(declaration.problems)
    # A daemon that is down is no obstacle to a removal, which then has no containers to remove.
    if declaration.must_carry or docker.trouble != "absent":
        problems += check_docker(machine, docker)
    if declaration.must_carry:
        problems += check_machine(machine)
    if spec is not None:
        problems += check_all(declaration, _read_facts(spec, machine, docker, declaration.must_carry))
    if problems or spec is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        module.fail_json(msg="\n".join([f"{count}, nothing has been changed", *map(str, problems)]))
    module.exit_json(
        changed=False,
        become=False,
        cluster_spec=spec.as_dict(),
        docker={
            "usable": not reason,
            "reason": reason,
            "installed": machine.docker_installed,
            "answers": not docker.trouble,
            "sdk": machine.docker_sdk,
            "version": docker.version,
            "api_version": docker.api_version,
            "socket": docker.socket,
            "socket_group": docker.socket_group,
            "network": spec.network in docker.networks,
            "images": dict(docker.images),
        },
        machine=dataclasses.asdict(machine),
    )


if __name__ == "__main__":
    main()
