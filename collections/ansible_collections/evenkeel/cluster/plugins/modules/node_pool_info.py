#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: look at the node pool of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_pool_info
short_description: Compare the declared pool with Docker and with the balancer
version_added: 0.1.0
description:
  - Returns per tier how many nodes are declared, running and in rotation, and what a reconciliation would change.
  - Changes nothing. If the balancer's API does not answer, this is reported in RV(balancer) and is not an error.
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
- name: Compare the pool with its declaration
  evenkeel.cluster.node_pool_info:
    cluster: "{{ cluster_spec.name }}"
    network: "{{ cluster_spec.network }}"
    tiers: "{{ cluster_spec.tiers }}"
    hosts: "{{ cluster_spec.hosts }}"
    routes_file: "{{ cluster_spec.state_dir }}/balancer/dynamic/tiers.yml"
    api_url: http://127.0.0.1:9000
    api_password_file: "{{ cluster_spec.state_dir }}/secrets/dashboard_password"
    require_agreement: true
"""

RETURN = r"""
tiers:
  description: >-
    Per tier the counts RV(ignore:desired), RV(ignore:running), RV(ignore:in_rotation) and RV(ignore:guests), the
    balancer's RV(ignore:service), the RV(ignore:revision) and the RV(ignore:drift) in words.
  returned: always
  type: dict
  sample:
    static: {desired: 3, running: 3, in_rotation: 3, guests: 0, service: static-3f2a91bc, revision: 0c1d2e3f4a5b,
             unknown_servers: [], drift: []}
nodes:
  description: All containers of all tiers, as Docker and the balancer see them.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: static-1, tier: static, managed: true, state: running, revision: 0c1d2e3f4a5b, address: 172.18.0.3,
       url: "http://static-1:8080", direct_url: "http://172.18.0.3:8080/", served_by: static-1,
       in_rotation: true, balancer_status: UP}
undeclared:
  description: Tiers with nodes or routes that the inventory does not declare, and what a run would change there.
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
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.errors import EvenkeelError
from ..module_utils.core.poll import wait_until
from ..module_utils.core.redaction import without_variables
from ..module_utils.core.results import PoolResult
from ..module_utils.pool.drift import disagreements
from ..module_utils.pool.options import pool_arguments, ports_of, request_of
from ..module_utils.pool.reconcile import status

_POLL_SECONDS = 0.2


def argument_spec() -> dict[str, dict[str, Any]]:
    """The module's options."""
    return {
        **pool_arguments(),
        "require_agreement": {"type": "bool", "default": False},
        "settle_timeout": {"type": "int", "default": 5},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
    )
    # Ansible shows a module's options with -vvv.
    params, module.params = module.params, without_variables(module.params)
    must_agree = params["require_agreement"]
    found: list[PoolResult] = []

    def disagreement() -> str:
        view = status(request, ports)
        found.append({**view, "agreement": disagreements(view)})
        return "\n".join(found[-1]["agreement"])

    try:
        request, ports = request_of(params), ports_of(params)
        problem = wait_until(disagreement, params["settle_timeout"] if must_agree else 0, _POLL_SECONDS)
    except (EvenkeelError, OSError) as error:
        module.fail_json(msg=str(error))
    if must_agree and problem:
        module.fail_json(msg=problem, **found[-1])
    module.exit_json(changed=False, **found[-1])


if __name__ == "__main__":
    main()
