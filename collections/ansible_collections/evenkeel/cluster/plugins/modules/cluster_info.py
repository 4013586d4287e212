#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: look at a whole cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Compare a whole cluster with its declaration
version_added: 0.1.0
description:
  - Returns what M(evenkeel.cluster.node_pool_info) returns, and in RV(parts) the rest of the cluster - published
    addresses, edge, balancer, network, routes, the balancer's view of the engine, secrets, files and free disk.
  - Tells per part what is not as it must be, and what a run would change.
  - Changes nothing, and waits for no other run. An engine or a balancer that does not answer is reported, and is no
    error unless O(require_agreement) is set.
  - A neighbour is asked for as root from a network namespace that ends with the question. Other users ask an address
    of the machine other than the loopback, which takes the same address translation.
options:
  balancer:
    description: Options of M(evenkeel.cluster.balancer), to tell what it would do. Empty looks at no balancer.
    type: dict
    default: {}
  files:
    description: Options O(evenkeel.cluster.managed_files#module:folders),
      O(evenkeel.cluster.managed_files#module:files) and O(evenkeel.cluster.managed_files#module:set_aside) of
      M(evenkeel.cluster.managed_files), to tell what it would write.
    type: dict
    default: {}
  secret_contents:
    description: As O(evenkeel.cluster.managed_files#module:secret_contents), for O(files).
    type: dict
    default: {}
  addresses:
    description: Published addresses to ask.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What is published, for messages.
        type: str
        required: true
      address:
        description: Address of the machine that it is published on. A neighbour is not asked for the loopback.
        type: str
        required: true
      port:
        description: Published port.
        type: int
        required: true
      path:
        description: What to ask for.
        type: str
        default: /
      host:
        description: C(Host) header to send; empty means that of the address.
        type: str
        default: ""
      serves:
        description: Whether a node must answer. If not, any answer will do.
        type: bool
        default: false
      tls:
        description: Whether it speaks HTTPS. Its certificate is not checked.
        type: bool
        default: false
  secrets:
    description: Files that must exist and be readable for the user of this run only.
    type: list
    elements: path
    default: []
  console:
    description: Names of the console's two containers; none if it is not declared.
    type: list
    elements: str
    default: []
  portainer:
    description: Name of Portainer's container; empty if it is not declared.
    type: str
    default: ""
  state_dir:
    description: The cluster's state folder, for its free disk space.
    type: path
  min_free_disk:
    description: Free disk space that a run requires, such as V(500m); empty means the usual one.
    type: str
    default: ""
extends_documentation_fragment:
  - evenkeel.cluster.agreement
  - evenkeel.cluster.pool
  - evenkeel.cluster.api
  - evenkeel.cluster.routes
  - evenkeel.cluster.read_only
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Compare the cluster with its declaration
  evenkeel.cluster.cluster_info:
    cluster: "{{ cluster_spec.name }}"
    network: "{{ cluster_spec.network }}"
    tiers: "{{ cluster_spec.tiers }}"
    hosts: "{{ cluster_spec.hosts }}"
    routes_file: "{{ cluster_spec.paths.routes_file }}"
    api_url: "{{ cluster_spec.api.url }}"
    api_password_file: "{{ cluster_spec.api.password_file }}"
    addresses:
      - {name: web, address: 0.0.0.0, port: 8080, serves: true}
    secrets: ["{{ cluster_spec.api.password_file }}"]
    state_dir: "{{ cluster_spec.state_dir }}"
"""

RETURN = r"""
tiers:
  description: As RV(evenkeel.cluster.node_pool_info#module:tiers); empty if the engine does not answer.
  returned: always
  type: dict
  sample: {}
nodes:
  description: As RV(evenkeel.cluster.node_pool_info#module:nodes).
  returned: always
  type: list
  elements: dict
  sample: []
undeclared:
  description: As RV(evenkeel.cluster.node_pool_info#module:undeclared).
  returned: always
  type: dict
  sample: {}
balancer:
  description: Whether the balancer's API answered, and its version or the reason why it did not answer.
  returned: always
  type: dict
  sample: {reachable: true, version: 3.7.15, reason: ""}
agreement:
  description: Where declaration, Docker and the balancer differ, one line each; empty if they agree.
  returned: always
  type: list
  elements: str
  sample: []
parts:
  description: The other parts, each with its state, a line for each thing that is wrong, and what a run would change.
  returned: always
  type: list
  elements: dict
  sample:
    - {part: edge, state: evenkeel-edge running, lines: [], to_do: []}
    - {part: network, state: none, lines: [], to_do: [create network evenkeel]}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.balancer.options import balancer_arguments
from ..module_utils.core.errors import EvenkeelError
from ..module_utils.core.redaction import without_variables
from ..module_utils.engine.docker_client import DockerClient
from ..module_utils.overview.look import Overview
from ..module_utils.overview.options import overview_arguments
from ..module_utils.overview.settled import settled
from ..module_utils.pool.options import ports_of, request_of


def argument_spec() -> dict[str, dict[str, Any]]:
    """The module's options."""
    return overview_arguments()


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = dict(module.params)
    # Ansible shows a module's options with -vvv.
    module.params = without_variables(module.params)
    if params["balancer"]:
        checked = ArgumentSpecValidator(balancer_arguments()).validate(params["balancer"])
        if checked.error_messages:
            module.fail_json(msg=f"balancer: {'; '.join(checked.error_messages)}")
        params["balancer"] = checked.validated_parameters
    try:
        overview = Overview(params, request_of(params), ports_of(params), DockerClient())
        found, problem = settled(overview, params["settle_timeout"], must_agree=params["require_agreement"])
    except (EvenkeelError, OSError) as error:
        module.fail_json(msg=str(error))
    if problem:
        module.fail_json(msg=problem, **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
