#!/usr/bin/python
# Copyright (c) 2026 Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Module that checks every input and the machine before anything is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check all inputs and the machine before anything changes
version_added: 0.1.0
description:
  - Checks what an inventory declares, and whether this machine can run it. Changes nothing.
  - Finds all problems in one pass and reports each as one line, C(what) got X, want Y (fix).
  - Returns the declared cluster, checked and completed, for the other modules and roles.
  - Options may have any type, as the command line or YAML gives them, and are checked here. So a wrong value is
    reported with a line that says what is valid, rather than as a failed conversion.
options:
  name:
    description: Name of the cluster, in the labels of all its objects in Docker.
    type: raw
  domain:
    description: The site's host name.
    type: raw
  hosts:
    description: All host names that the balancer answers to, as a list; empty means any.
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
    description: Whether to run Portainer.
    type: raw
  portainer_port:
    description: Published port of Portainer.
    type: raw
  state_dir:
    description:
      - Folder for configuration, secrets, logs and evidence.
      - Empty means C(/var/lib/evenkeel/<name>) for root and C(~/.local/state/evenkeel/<name>) for other users.
    type: raw
    default: ""
  image_source:
    description: Where images come from, V(packages) or V(registry).
    type: raw
  registry_prefix:
    description: Prefix for the names of pulled images; ends in a slash, or is empty.
    type: raw
    default: ""
  apt_mirror:
    description: Address of a mirror of the distribution's packages; empty means the distribution's own.
    type: raw
    default: ""
  ca_bundle:
    description: File on the controller with the certificate authorities that downloads trust; empty means none.
    type: raw
    default: ""
  portainer_archive:
    description: File on the controller with Portainer's image; empty means none.
    type: raw
    default: ""
  tiers:
    description: The tiers, a mapping of names to options.
    type: raw
  node_variables:
    description: Names of the variables that end in C(_nodes). Each must name a tier.
    type: list
    elements: str
    default: []
  min_free_disk:
    description:
      - Free disk space required for Docker's data and the state folder, for example V(500m) or V(3g).
      - Empty means 3 GiB if O(image_source=packages) and images must be built, else 500 MiB.
    type: raw
    default: ""
  root:
    description: Folder on the controller where relative build contexts start.
    type: path
  existing_files:
    description:
      - Those files that O(tiers), O(ca_bundle) and O(portainer_archive) name and that exist on the controller.
      - The module runs on the managed machine and cannot check this.
    type: list
    elements: str
    default: []
  check_machine:
    description:
      - Whether to check that the machine can run the cluster.
      - Not needed to inspect or remove a cluster. Even then, Docker must be accessible if it runs, and the state folder
        must be valid.
    type: bool
    default: true
  may_become:
    description:
      - Whether the caller can run the module again as root if this user has no access to Docker.
      - The module then returns RV(become) as true, and leaves all further checks to that second run.
    type: bool
    default: true
attributes:
  check_mode:
    description: Runs the same in check mode.
    support: full
  diff_mode:
    description: There is nothing to change.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
author:
  - Evenkeel contributors (!UNKNOWN)
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

- name: Show the checked and completed declaration
  ansible.builtin.debug:
    var: shop_preflight.cluster_spec
"""

RETURN = r"""
become:
  description:
    - Whether root's rights are needed and available through sudo without a password.
    - If true, the other values are missing; run the module again as root with O(may_become=false).
  returned: success
  type: bool
  sample: false
cluster_spec:
  description: The declared cluster, checked, and completed with defaults and derived values.
  returned: success, unless RV(become) is true
  type: dict
  sample: {name: evenkeel, network: evenkeel, web_port: 8080, tiers: []}
docker:
  description: The state of Docker on this machine.
  returned: success, unless RV(become) is true
  type: dict
  contains:
    usable:
      description: Whether this user can use Docker as it is; it answers, is recent enough, and the SDK is there.
      type: bool
      sample: true
    reason:
      description: Why it is not usable; empty if it is.
      type: str
      sample: ""
    installed:
      description: Whether a Docker Engine is on this machine, running or not.
      type: bool
      sample: true
    answers:
      description: Whether a Docker Engine answers.
      type: bool
      sample: true
    sdk:
      description: Whether the interpreter that runs modules has the Docker SDK for Python.
      type: bool
      sample: true
    version:
      description: Version of the engine that answers, or empty.
      type: str
      sample: 20.10.24+dfsg1
    api_version:
      description: Version of its API, or empty.
      type: str
      sample: "1.41"
    socket:
      description: The socket that was used.
      type: str
      sample: /var/run/docker.sock
    socket_group:
      description: Numeric group of the socket, or null.
      type: int
      sample: 999
    network:
      description: Whether the cluster's network exists.
      type: bool
      sample: true
    images:
      description: The images on this machine, as C(name:tag), each with its ID.
      type: dict
      sample: {"evenkeel/static:b9ed47b62c5b": "sha256:63c0..."}
machine:
  description: The machine, and the user that the module runs as. Memory is in bytes.
  returned: success, unless RV(become) is true
  type: dict
  sample: {os_id: debian, os_version: "12", architecture: x86_64, user: root, root: true, cpus: 2}
msg:
  description:
    - The number of problems, then one line per problem.
    - The only value of a failed run, to keep the output short.
  returned: failure
  type: str
  sample: |-
    1 problem, nothing has been changed
    static_nodes: got '-1', want a whole number from 0 to 1000 (fix: -e static_nodes=3)
"""

import dataclasses
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.engine.docker_facts import read_docker
from ..module_utils.host.checks import (
    KNOBS,
    OPTIONAL_KNOBS,
    check_all,
    check_docker,
    check_machine,
    declared_cluster,
    docker_reason,
)
from ..module_utils.host.facts import read_machine, sudo_without_password


def argument_spec() -> dict[str, Any]:
    """The options, in Ansible's form; judged by :func:`declared_cluster`, so mostly raw."""
    return {
        **{knob: {"type": "raw"} for knob in KNOBS},
        **{knob: {"type": "raw", "default": ""} for knob in OPTIONAL_KNOBS},
        "root": {"type": "path"},
        "node_variables": {"type": "list", "elements": "str", "default": []},
        "existing_files": {"type": "list", "elements": "str", "default": []},
        "check_machine": {"type": "bool", "default": True},
        "may_become": {"type": "bool", "default": True},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    machine = read_machine()
    docker = read_docker()
    reason = docker_reason(machine, docker)
    if reason and module.params["may_become"] and not machine.root and sudo_without_password():
        module.exit_json(changed=False, become=True)
    spec, free_disk, problems = declared_cluster(module.params, machine)
    # A daemon that is down is no obstacle to a removal, which then has no containers to remove.
    must_carry = bool(module.params["check_machine"])
    if must_carry or docker.trouble != "absent":
        problems += check_docker(machine, docker)
    if must_carry:
        problems += check_machine(machine)
    if spec is not None:
        problems += check_all(spec, free_disk, module.params, machine, docker)
    if problems or spec is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        module.fail_json(msg="\n".join([f"{count}, nothing has been changed", *problems]))
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
