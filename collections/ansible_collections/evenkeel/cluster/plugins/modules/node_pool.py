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
  - New nodes start first; when they answer their health check and the balancer has them in rotation, the old ones
    drain and leave. Tiers are worked on side by side.
  - >-
    A tier whose replacement fails half-way, or while the balancer cannot be asked, returns to what it was: its old
    nodes are kept, stopped, until all new ones serve, and are started again.
  - Removes what is broken (exited or half-made nodes), replaces stale nodes in waves, counts guests (nodes that
    somebody started by hand from a tier's image) and lets them leave first.
  - Touches only containers with the cluster's labels. A container of somebody else that has a node's name is an error.
  - Check mode, diff, RV(actions) and C(changed) come from one plan, so the prediction is what a run does.
  - One reconciliation per cluster runs at a time; others wait for its lock and then work on what they find.
options:
  state:
    description:
      - V(present) reconciles.
      - V(absent) removes all nodes of the cluster at once, guests and stopped ones too, without draining them;
        O(tiers) may be empty then and the balancer is not asked.
    type: str
    choices: [present, absent]
    default: present
  renew:
    description:
      - Tiers whose nodes are all replaced, in waves, although nothing about them changed.
      - A run with this always changes something.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - evenkeel.cluster.pool
  - evenkeel.cluster.api
  - evenkeel.cluster.reconciliation
attributes:
  check_mode:
    description: Predicts exactly the actions of a run.
    support: full
  diff_mode:
    description: Shows the pool before and after, one line per container.
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
    - {kind: start, tier: static, node: static-4, step: 1, reason: scale up, id: ""}
summary:
  description: The actions as text, one line each.
  returned: always
  type: list
  elements: str
  sample: ["start static-4 (scale up)"]
tiers:
  description: >-
    Per tier the counts RV(ignore:desired), RV(ignore:running), RV(ignore:in_rotation) and RV(ignore:guests), the
    balancer's RV(ignore:service), the RV(ignore:revision) and the remaining RV(ignore:drift).
  returned: success
  type: dict
  sample:
    static: {desired: 3, running: 3, in_rotation: 3, guests: 0, service: static-3f2a91bc, revision: 0c1d2e3f4a5b,
             unknown_servers: [], drift: []}
nodes:
  description: All containers of all tiers, as Docker and the balancer see them.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: static-1, tier: static, managed: true, state: running, revision: 0c1d2e3f4a5b, address: 172.18.0.3,
       url: "http://static-1:8080", served_by: static-1, in_rotation: true, balancer_status: UP}
undeclared:
  description: Tiers with nodes or routes that the inventory does not declare, and what a run does about them.
  returned: success
  type: dict
  sample: {}
balancer:
  description: Whether the balancer's API answered, its version, or the reason why not.
  returned: success
  type: dict
  sample: {reachable: true, version: 3.7.15, reason: ""}
timings:
  description: >-
    Seconds: RV(ignore:lock) waited for the lock, RV(ignore:plan), RV(ignore:apply), and per node when it was
    started, ready, in rotation, began to drain and was gone, counted from the begin of the reconciliation.
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
  description: What people should know although the run succeeded, such as nodes that had to be killed.
  returned: when there are any
  type: list
  elements: str
  sample:
    - >-
      node static-2: got no end within 30 s of SIGTERM, want it to drain and exit (it was killed; fix: see the node
      image contract)
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.evenkeel.cluster.plugins.module_utils import docker_pool
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_lock import LockBusyError, cluster_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_spec import printable
from ansible_collections.evenkeel.cluster.plugins.module_utils.docker_pool import DockerPoolError
from ansible_collections.evenkeel.cluster.plugins.module_utils.number_options import (
    RECONCILE_NUMBERS,
    number_specs,
    of_role,
    read_numbers,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_context import (
    PoolContext,
    PoolInputError,
    balancer_of,
    describe,
    load,
    noticed_leaving,
    pool_arguments,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_plan import (
    START,
    Action,
    Node,
    apply_to_model,
    plan,
    plan_removal,
    summary,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils.reconcile import ReconcileError, Reconciler
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik_api import TraefikApiError

_EXPECTED_ERRORS = (PoolInputError, DockerPoolError, LockBusyError, ReconcileError, TraefikApiError, OSError)


def argument_spec() -> dict[str, dict[str, Any]]:
    """The module's options."""
    return {
        **pool_arguments(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **number_specs(RECONCILE_NUMBERS),
        "renew": {"type": "list", "elements": "str", "default": []},
        "progress_file": {"type": "path"},
    }


def check_names(context: PoolContext, actions: list[Action]) -> None:
    """Refuse to begin when somebody else's container has a name that a new node needs.

    Raises:
        PoolInputError: naming the container and its image.
    """
    names = [action.node for action in actions if action.kind == START]
    foreign = context.pool.foreign_names(names) if names else {}
    if foreign:
        raise PoolInputError(
            "\n".join(
                f"container {name}: got one of image {image} without the label evenkeel.cluster={context.cluster},"
                f" want the name free (fix: docker rename or remove {name})"
                for name, image in sorted(foreign.items())
            )
        )


def check_images(context: PoolContext, actions: list[Action]) -> None:
    """Refuse to begin when the image of a node to start is not on this host.

    Raises:
        PoolInputError: naming the tier and the image.
    """
    needed = {action.tier for action in actions if action.kind == START} & context.missing_images.keys()
    if needed:
        raise PoolInputError(
            "\n".join(
                f"image of tier {tier}: got no {context.missing_images[tier]} on this host, want it built or pulled"
                " (fix: ansible-playbook site.yml)"
                for tier in sorted(needed)
            )
        )


def check_renewal(tiers: list[str], context: PoolContext) -> None:
    """Check the names of the tiers to renew.

    Raises:
        PoolInputError: there is no such tier.
    """
    for tier in tiers:
        if tier not in context.tiers:
            known = sorted(context.tiers)
            fix = f"-e tier={known[0]}" if known else "declare it in cluster_tiers"
            raise PoolInputError(
                f"tier: got '{printable(tier)}', want one of {', '.join(known) or 'none'} (fix: {fix})"
            )


def numbers_of(params: dict[str, Any]) -> dict[str, Any]:
    """The numbers among the options, read.

    Raises:
        PoolInputError: some cannot be used; one line for each.
    """
    numbers, problems = read_numbers(params, of_role("node_pool", RECONCILE_NUMBERS))
    if problems:
        raise PoolInputError("\n".join(problems))
    return numbers


def run(module: AnsibleModule, result: dict[str, Any], progress: Progress) -> None:
    """Plan, and unless in check mode carry the plan out; fills *result* as it goes."""
    params = module.params
    params.update(numbers_of(params))
    patience = 0 if module.check_mode else params["lock_timeout"]
    with cluster_lock(params["cluster"], "node_pool", patience, progress.tell) as waited:
        began = time.monotonic()
        context = load(params)
        nodes = context.pool.nodes()
        if params["state"] == "absent":
            actions = plan_removal(nodes)
        else:
            check_renewal(params["renew"], context)
            if Path(params["api_password_file"]).is_file():  # else there has not been a balancer yet
                nodes = noticed_leaving(context, nodes, balancer_of(params))
            actions = plan(nodes, context.targets, context.routed, params["surge_percent"], params["renew"])
            actions += context.route_actions(actions)
        result.update(
            changed=bool(actions),
            actions=[dataclasses.asdict(action) for action in actions],
            summary=[str(action) for action in actions],
            timings={"lock": round(waited, 3), "plan": round(time.monotonic() - began, 3), "apply": 0.0, "nodes": {}},
        )
        check_names(context, actions)
        after: list[Node] = apply_to_model(nodes, actions, context.targets)
        if actions and not module.check_mode:
            check_images(context, actions)
            result["changed"] = False  # until something has been done
            apply(module, context, actions, result, progress)
            after = context.pool.nodes()
        if module._diff:
            result["diff"] = {
                "before": "\n".join(summary(nodes)) + "\n",
                "after": "\n".join(summary(after)) + "\n",
                "before_header": "pool",
                "after_header": "pool",
            }
        asked = params["state"] == "present" and not module.check_mode
        result.update(describe(context, after if asked else nodes, balancer_of(params) if asked else None))


def apply(
    module: AnsibleModule, context: PoolContext, actions: list[Action], result: dict[str, Any], progress: Progress
) -> None:
    """Carry the plan out and record what was really done, also when a step fails."""
    if module.params["state"] == "present":
        balancer_of(module.params).version()
    began = time.monotonic()
    reconciler = Reconciler(
        context.pool,
        lambda: balancer_of(module.params),
        context.builds,
        context.route_file(),
        workers=module.params["workers"],
        ready_timeout=module.params["ready_timeout"],
        tell=progress.tell,
    )
    try:
        reconciler.apply(actions)
    finally:
        for warning in reconciler.warnings:
            module.warn(warning)
        result["changed"] = bool(reconciler.done)
        result["actions"] = [dataclasses.asdict(action) for action in reconciler.done]
        result["timings"]["apply"] = round(time.monotonic() - began, 3)
        result["timings"]["nodes"] = {
            name: {key: value for key, value in dataclasses.asdict(timing).items() if value is not None}
            for name, timing in sorted(reconciler.timings.items())
        }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if docker_pool.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("docker"), exception=docker_pool.IMPORT_ERROR)
    result: dict[str, Any] = {"changed": False, "actions": [], "summary": [], "timings": {}}
    progress = Progress(module.params["progress_file"])
    try:
        run(module, result, progress)
    except _EXPECTED_ERRORS as error:
        module.fail_json(msg=str(error), **result, **progress.result())
    module.exit_json(**result, **progress.result())


if __name__ == "__main__":
    main()
