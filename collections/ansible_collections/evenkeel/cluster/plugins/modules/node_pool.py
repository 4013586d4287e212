#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: reconcile the node pool of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_pool
short_description: Reconcile all tiers of nodes behind the balancer
version_added: 0.1.0
description:
  - Makes the running nodes of all tiers equal to the declared counts and revision, without losing a request.
  - New nodes start first. When they pass their health check and are in rotation, the old nodes drain and are removed.
    All tiers are reconciled in parallel.
  - >-
    If a replacement fails half-way, or the balancer's API does not answer, the tier is rolled back: its old nodes are
    kept (stopped) until all new ones serve, and are started again.
  - Removes broken nodes (exited, or never started), and replaces nodes that are stale or do not answer, in waves.
  - Guests (containers started by hand from a tier's image, and copies of nodes) are beside the declared nodes. They
    drain and are removed, unless they were stopped.
  - Sets back what was changed by hand about a node while it runs on - its name, its network, its limits, its restart
    policy, a pause - and replaces it where that is not possible.
  - Changes only containers with the cluster's labels. Another container with the name of a node is an error.
  - Check mode, diff, RV(actions) and C(changed) come from one plan, so the prediction is what a run does.
  - Only one reconciliation per cluster runs at a time; others wait for its lock and then reconcile the state they find.
options:
  state:
    description:
      - V(present) reconciles.
      - V(absent) removes all nodes of the cluster at once without draining them, including guests and stopped nodes.
        O(tiers) may then be empty, and the balancer's API is not used.
    type: str
    choices: [present, absent]
    default: present
  renew:
    description:
      - Tiers whose nodes are all replaced, in waves, even if nothing changed.
      - A run with this option always changes something.
    type: list
    elements: str
    default: []
  routes_file:
    description: File in the balancer's dynamic folder which holds the tiers' routes. Required by O(state=present).
    type: path
  api_url:
    description:
      - Address of the balancer's dashboard entry point, such as V(http://127.0.0.1:9000).
      - It answers C(/api) and C(/metrics). Required by O(state=present).
    type: str
  api_user:
    description: User of the balancer's API.
    type: str
    default: admin
  api_password_file:
    description: File with the password of O(api_user) in its first line. Required by O(state=present).
    type: path
  declaration_file:
    description:
      - File on the target in which the declaration is left, for what changes the pool without Ansible.
      - It is written while the cluster's lock is held, and for its owner alone, because it has the tiers' environment
        in it. O(state=absent) removes it. Writing it does not count as a change.
    type: path
extends_documentation_fragment:
  - evenkeel.cluster.pool
  - evenkeel.cluster.reconciliation
attributes:
  check_mode:
    description: Predicts exactly the actions of a run.
    support: full
  diff_mode:
    description: Shows the pool before and after, one line per container, and which secrets change.
    support: full
  idempotent:
    description: A second run has nothing to do.
    support: full
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Reconcile the pool
  evenkeel.cluster.node_pool:
    cluster: "{{ cluster_spec.name }}"
    network: "{{ cluster_spec.network }}"
    tiers: "{{ cluster_spec.tiers }}"
    tier_secrets: "{{ cluster_tiers | evenkeel.cluster.tier_secrets }}"
    secrets_dir: "{{ cluster_spec.paths.secrets_dir }}"
    images: "{{ app_images_refs }}"
    hosts: "{{ cluster_spec.hosts }}"
    routes_file: "{{ cluster_spec.state_dir }}/balancer/dynamic/tiers.yml"
    api_url: http://127.0.0.1:9000
    api_password_file: "{{ cluster_spec.state_dir }}/secrets/dashboard_password"

- name: Replace all nodes of one tier
  evenkeel.cluster.node_pool:
    cluster: "{{ cluster_spec.name }}"
    network: "{{ cluster_spec.network }}"
    tiers: "{{ cluster_spec.tiers }}"
    images: "{{ app_images_refs }}"
    routes_file: "{{ cluster_spec.state_dir }}/balancer/dynamic/tiers.yml"
    api_url: http://127.0.0.1:9000
    api_password_file: "{{ cluster_spec.state_dir }}/secrets/dashboard_password"
    renew: [static]

- name: Remove all nodes
  evenkeel.cluster.node_pool:
    cluster: evenkeel
    network: evenkeel
    tiers: []
    routes_file: /var/lib/evenkeel/evenkeel/balancer/dynamic/tiers.yml
    api_url: http://127.0.0.1:9000
    api_password_file: /var/lib/evenkeel/evenkeel/secrets/dashboard_password
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode what would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: start, tier: static, node: static-4, step: 1, reason: scale up, id: "", together: []}
summary:
  description: The actions as text, one line each.
  returned: always
  type: list
  elements: str
  sample: ["start static-4 (scale up)"]
settled:
  description:
    - The numbers of nodes set in the console that went for the declared ones, or would go in check mode, one line each.
  returned: always
  type: list
  elements: str
  sample: ["static: 5 set in the console by alice at 2026-11-28 10:02:11 UTC, declared 3: back to 3"]
secrets:
  description: What changed about the tiers' secrets, or in check mode what would change, one line each; names only.
  returned: always
  type: list
  elements: str
  sample: [secret db_password of static changed]
tiers:
  description: >-
    Per tier the counts RV(ignore:desired), RV(ignore:running), RV(ignore:in_rotation) and RV(ignore:guests), the
    balancer's RV(ignore:service), the RV(ignore:revision) and the remaining RV(ignore:drift).
  returned: success
  type: dict
  sample:
    static: {desired: 3, running: 3, in_rotation: 3, guests: 0, service: static-3f2a91bc, revision: 0c1d2e3f4a5b,
             unknown_servers: [], drift: [], override: ""}
nodes:
  description: All containers of all tiers, as Docker and the balancer see them.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: static-1, tier: static, managed: true, state: running, revision: 0c1d2e3f4a5b, address: 172.18.0.3,
       url: "http://static-1:8080", served_by: static-1, in_rotation: true, balancer_status: UP}
undeclared:
  description: Tiers with nodes or routes that the inventory does not declare, and what a run would change there.
  returned: success
  type: dict
  sample: {}
balancer:
  description: Whether the balancer's API answered, and its version or the reason why it did not answer.
  returned: success
  type: dict
  sample: {reachable: true, version: 3.7.15, reason: ""}
timings:
  description: >-
    Seconds: RV(ignore:lock) (waiting for the lock), RV(ignore:plan), RV(ignore:apply), and per node the time at which
    it was started, ready, in rotation, draining and gone, counted from the start of the reconciliation.
  returned: always
  type: dict
  sample: {lock: 0.0, plan: 0.05, apply: 1.4, nodes: {static-4: {started: 0.3, ready: 0.9, in_rotation: 1.0}}}
progress:
  description: What happened, one line each.
  returned: when something did, and it was not written to O(progress_file)
  type: list
  elements: str
  sample: ["static-4: started 0.3 s", "static-4: in rotation 1.0 s"]
warnings:
  description: Warnings of a run that succeeded, for example nodes that had to be killed.
  returned: when there are any
  type: list
  elements: str
  sample:
    - >-
      node static-2: got no end within 30 s of SIGTERM, want it to drain and exit (it was killed; fix: see the node
      image contract)
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.core.errors import EvenkeelError
from ..module_utils.core.progress import Progress
from ..module_utils.core.redaction import without_variables
from ..module_utils.core.values import number_specs
from ..module_utils.engine.docker_client import sdk_missing
from ..module_utils.pool.options import RECONCILE_NUMBERS, pool_arguments, ports_of, request_of
from ..module_utils.pool.reconcile import Outcome, RunFailedError, as_result, diff, preview, reconcile


def argument_spec() -> dict[str, dict[str, Any]]:
    """The module's options."""
    return {
        **pool_arguments(required=False),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **number_specs(RECONCILE_NUMBERS),
        "renew": {"type": "list", "elements": "str", "default": []},
        "declaration_file": {"type": "path"},
        "progress_file": {"type": "path"},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "present", ("routes_file", "api_url", "api_password_file"))],
    )
    # Ansible shows a module's options with -vvv.
    params, module.params = module.params, without_variables(module.params)
    if sdk_missing():
        module.fail_json(msg=missing_required_lib("docker"))
    progress = Progress(params["progress_file"])
    outcome = Outcome()
    try:
        request, ports = request_of(params, write=not module.check_mode), ports_of(params)
        if module.check_mode:
            outcome = preview(request, ports, on_wait=progress.tell)
        else:
            outcome = reconcile(request, ports, on_step=progress.tell_step, on_wait=progress.tell)
    except RunFailedError as error:
        done = as_result(error.outcome, changed=error.outcome.changed)
        for warning in error.outcome.warnings:
            module.warn(warning)
        module.fail_json(msg=str(error), **done, **progress.result())
    except (EvenkeelError, OSError) as error:
        module.fail_json(msg=str(error), **as_result(outcome, changed=False), **progress.result())
    for warning in outcome.warnings:
        module.warn(warning)
    for line in outcome.settled:
        progress.tell(line)
    shown = {"diff": diff(outcome)} if module._diff else {}
    module.exit_json(**as_result(outcome, changed=outcome.changed), **shown, **progress.result())


if __name__ == "__main__":
    main()
