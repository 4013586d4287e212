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
  retry_attempts:
    description:
      - How often the balancer tries a request, as C(load_balancer_retry_attempts) says.
      - The option C(max_failures) of each tier must be less.
    type: raw
    default: 128
  docker_socket:
    description:
      - The engine's socket that the balancer is given, as C(load_balancer_docker_socket) says.
      - The engine behind it must be the one that this run uses.
    type: raw
    default: /var/run/docker.sock
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
  tiers:
    description: The tiers, a mapping of names to options, as P(evenkeel.cluster.without_secrets#filter) leaves it.
    type: raw
  tier_secrets:
    description: What that filter leaves out, as the filter P(evenkeel.cluster.tier_secrets#filter) makes it.
    type: str
    default: ""
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
      values:
        description: Knobs of roles, each with what it is set to. A wrong number, size, time or choice is a problem.
        type: dict
        default: {}
      counts:
        description: What the command line sets that ends in C(_nodes); C(<tier>_nodes) replaces the tier's C(nodes).
        type: dict
        default: {}
      places:
        description: For variables that end in C(_nodes), the line of the inventory that sets it.
        type: dict
        default: {}
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
extends_documentation_fragment:
  - evenkeel.cluster.switched_parts
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
"""

RETURN = r"""
advice:
  description:
    - Parts that are switched off and still there, one line each.
    - Unless O(check_machine) is false, also what the machine and a Docker Engine that was found lack. The cluster runs,
      and survives less.
  returned: success, unless RV(become) is true
  type: list
  elements: str
  sample: []
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
  contains:
    name:
      description: Name of the cluster; its other knobs are beside it, in their final form.
      type: str
      sample: evenkeel
    tiers:
      description: The tiers, each with all options and with the balancer's service and labels that follow from them.
      type: list
      elements: dict
      sample: [{name: static, image: res/apache_php, port: 8080, path: /, nodes: 3}]
    paths:
      description: Files and folders in the state folder, by name, such as C(routes_file) and C(access_log).
      type: dict
      sample: {access_log: /var/lib/evenkeel/evenkeel/log/access.log}
    endpoints:
      description:
        - Where C(web), C(dashboard), C(console) and C(portainer) answer on this machine itself.
        - Each has C(scheme), C(host), C(port) and C(url).
      type: dict
      sample: {web: {scheme: http, host: 127.0.0.1, port: 8080, url: "http://127.0.0.1:8080"}}
    api:
      description: What a client of the balancer's API needs, C(url), C(user) and C(password_file).
      type: dict
      sample:
        url: http://127.0.0.1:9000
        user: admin
        password_file: /var/lib/evenkeel/evenkeel/secrets/dashboard_password
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
    console_network:
      description: Whether the console's network exists.
      type: bool
      sample: true
    images:
      description: The images on this machine, as C(name:tag), each with its ID.
      type: dict
      sample: {"evenkeel/static:b9ed47b62c5b": "sha256:63c0..."}
    remains:
      description: IDs of containers of drills and release commands that run or were killed; nodes are not among them.
      type: list
      elements: str
      sample: []
    live_restore:
      description: Whether containers run on while Docker is restarted.
      type: bool
      sample: true
    rules_missing:
      description: Whether Docker's packet filter rules are gone although it has published ports. Only root can tell.
      type: bool
      sample: false
    switched_off:
      description: The parts that have containers although their knobs are false, such as V(portainer).
      type: list
      elements: str
      sample: []
    full_disks:
      description:
        - A line per disk without space for new images, with which a run that makes images is refused.
        - A run that needs more nodes or images in any case has been refused by then.
      type: list
      elements: str
      sample: []
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

from ..module_utils.core.redaction import without_variables
from ..module_utils.engine.docker_facts import read_docker
from ..module_utils.host.checks import docker_reason
from ..module_utils.host.declaration import KNOBS, OPTIONAL_KNOBS
from ..module_utils.host.facts import read_machine, sudo_without_password
from ..module_utils.host.preflight import engine_facts, preflight


def argument_spec() -> dict[str, Any]:
    """The options, in Ansible's form; judged by :func:`read_declaration`, so mostly raw."""
    names = {"type": "list", "elements": "str", "default": []}
    variables: dict[str, Any] = dict.fromkeys(("names", "knobs", "roles"), names)
    variables |= {name: {"type": "dict", "default": {}} for name in ("places", "counts", "values")}
    return {
        **{knob: {"type": "raw"} for knob in KNOBS},
        **{knob: {"type": "raw", "default": default} for knob, default in OPTIONAL_KNOBS.items()},
        # The path is no secret, what is in the file is.
        "console_key": {"type": "raw", "default": OPTIONAL_KNOBS["console_key"], "no_log": False},
        "tier_secrets": {"type": "str", "default": "", "no_log": True},
        "root": {"type": "path"},
        "variables": {"type": "dict", "default": {}, "options": variables},
        "existing_files": names,
        "check_machine": {"type": "bool", "default": True},
        "may_become": {"type": "bool", "default": True},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    # Ansible shows a module's options with -vvv.
    params, module.params = module.params, without_variables(module.params)
    machine, docker = read_machine(), read_docker()
    may_become = params["may_become"] and not machine.root
    if may_become and docker_reason(machine, docker) and sudo_without_password():
        module.exit_json(changed=False, become=True)
    found = preflight(params, machine, docker)
    for line in found.warnings:
        module.warn(line)
    if found.problems or found.spec is None:
        module.fail_json(msg=found.message)
    module.exit_json(
        changed=False,
        become=False,
        cluster_spec=found.spec.as_dict(),
        docker=engine_facts(machine, docker, found.spec, found.full_disks),
        machine=dataclasses.asdict(machine),
        advice=list(found.advice),
    )


if __name__ == "__main__":
    main()
