#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: run the balancer, and replace it without refusing a connection."""

from __future__ import annotations

DOCUMENTATION = r"""
module: balancer
short_description: Run the balancer and replace it without refusing a connection
version_added: 0.1.0
description:
  - >-
    There are two kinds of containers. The I(edge) holds the published ports and addresses and does nothing else. The
    balancer (Traefik) runs in the edge's network, in one of two slots.
  - >-
    If image, options or static configuration change, a new balancer starts in the other slot and listens on the same
    ports as the old one (C(SO_REUSEPORT)), which still gets all connections. When the new balancer has all servers of
    the old one in rotation, it gets all new connections. The old one then sends C(Connection: close) in its answers for
    O(closing_seconds), so that its clients reconnect, and stops.
  - >-
    The kernel hands connections that the old balancer has not accepted to the new one
    (C(net.ipv4.tcp_migrate_req), Linux 5.14; with an older kernel they may be reset).
  - If the new balancer does not get ready, it is removed, and the old one keeps serving.
  - >-
    A change of O(ports) or O(network) creates a new edge; this refuses connections for about two seconds, because
    Docker cannot publish a port twice.
  - This module does not write the dynamic configuration, which Traefik reloads on change, except for one file.
    C(dynamic/edge.yml) in O(config_dir) defines the middleware C(evenkeel-edge), which every route must use.
options:
  state:
    description: V(present) runs it; V(absent) removes edge and balancers (needs only O(cluster) and O(network)).
    type: str
    choices: [present, absent]
    default: present
  cluster:
    description: Name of the cluster; value of the label C(evenkeel.cluster) on its containers.
    type: str
    required: true
  network:
    description: The cluster's network; it must exist. The edge also joins Docker's default bridge, for guests.
    type: str
    required: true
  image:
    description: Image of the balancer.
    type: str
  edge_image:
    description: Image of the edge; it must have C(sleep) and C(perl). The default is the balancer's image.
    type: str
  static:
    description: Traefik's static configuration. Every entry point must have C(reusePort).
    type: dict
    default: {}
  seed:
    description:
      - Any text; a change of it starts a new balancer.
      - For example the hash of a file that Traefik reads only at its start.
    type: str
    default: ""
  ports:
    description: Ports to publish, each a dict with RV(ignore:inside), RV(ignore:address) and RV(ignore:outside).
    type: list
    elements: dict
    default: []
    suboptions:
      inside:
        description: Port that the balancer listens on.
        type: int
        required: true
      address:
        description: Address of the host to publish it on; empty means all.
        type: str
        default: ""
      outside:
        description: Port of the host.
        type: int
        required: true
  user:
    description: Numeric user of the processes.
    type: str
    default: "65532"
  groups:
    description: Supplementary groups of the processes, for example the group of the Docker socket.
    type: list
    elements: str
    default: []
  memory:
    description: Memory limit, for example V(1g).
    type: str
    default: 1g
  pids:
    description: Limit of processes and threads.
    type: int
    default: 512
  environment:
    description: Environment variables of the balancer's process.
    type: dict
    default: {}
  docker_socket:
    description: The Docker socket on the host.
    type: path
    default: /var/run/docker.sock
  config_dir:
    description: Folder that is mounted at C(/etc/traefik); it must have a folder C(dynamic).
    type: path
  log_dir:
    description: Folder that is mounted at C(/var/log/traefik).
    type: path
  api_user:
    description: User of the balancer's API.
    type: str
    default: admin
  api_password_file:
    description: File with the password of O(api_user).
    type: path
  stop_seconds:
    description: Seconds after which Docker kills a stopping balancer; longer than Traefik's own grace times.
    type: int
    default: 45
  closing_seconds:
    description: Seconds during which a balancer that is replaced tells its clients to reconnect, before it stops.
    type: float
    default: 3.0
  ready_seconds:
    description: Seconds to wait until a new balancer is ready.
    type: float
    default: 30.0
  lock_timeout:
    description: Seconds to wait for the lock while another run works on the same cluster.
    type: int
    default: 300
attributes:
  check_mode:
    description: Predicts exactly the actions of a run.
    support: full
  diff_mode:
    description: Shows the containers before and after, one line each.
    support: full
  idempotent:
    description: A second run has nothing to do.
    support: full
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Ensure the balancer runs
  evenkeel.cluster.balancer:
    cluster: shop
    network: shop
    image: res/traefik:latest
    static:
      entryPoints:
        web: {address: ":8000", reusePort: true}
      providers:
        file: {directory: /etc/traefik/dynamic, watch: true}
      api: {}
    ports:
      - {inside: 8000, outside: 8080}
    groups: ["999"]
    config_dir: /var/lib/evenkeel/shop/balancer
    log_dir: /var/lib/evenkeel/shop/log
    api_password_file: /var/lib/evenkeel/shop/secrets/dashboard_password

- name: Ensure the balancer is gone
  evenkeel.cluster.balancer:
    state: absent
    cluster: shop
    network: shop
"""

RETURN = r"""
actions:
  description: What was done, or in check mode what would be done, in order.
  returned: always
  type: list
  elements: str
  sample:
    - start shop-balancer-green (image or configuration changed)
    - retire shop-balancer-blue (is replaced)
slot:
  description: The slot of the balancer that serves now; empty if there is none.
  returned: success
  type: str
  sample: green
revision:
  description: Identifies image, options and static configuration of the balancer; changes if one of them does.
  returned: success with O(state=present)
  type: str
  sample: 0c1d2e3f4a5b
warnings:
  description: What people should know although the run succeeded, such as connections that may have been refused.
  returned: when there are any
  type: list
  elements: str
  sample:
    - >-
      new connections: got 'no perl in the edge container', want them led to evenkeel-balancer-blue alone while the
      balancer is replaced; some may have met one without routes (fix: an edge image with perl, Linux 4.5 or newer)
"""

import math
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.balancer.config import draining_slot, edge_config
from ..module_utils.balancer.containers import BalancerPool, Options
from ..module_utils.balancer.plan import BalancerAction, BalancerContainer, Desired, plan, plan_removal, predict
from ..module_utils.balancer.swap import BalancerError, BalancerSwap
from ..module_utils.core.errors import quote
from ..module_utils.core.files import write_atomically
from ..module_utils.core.lock import LockBusyError, cluster_lock
from ..module_utils.core.values import parse_size
from ..module_utils.engine import docker_client
from ..module_utils.engine.docker_client import DockerPoolError
from ..module_utils.traefik.api import TraefikApi, TraefikApiError, read_password

_EXPECTED_ERRORS = (BalancerError, DockerPoolError, LockBusyError, TraefikApiError, OSError)
_NEEDED = ("image", "config_dir", "log_dir", "api_password_file")
_RANGES = {"pids": (1, 4_194_304), "stop_seconds": (1, 3600), "closing_seconds": (0, 600), "ready_seconds": (1, 3600)}


def argument_spec() -> dict[str, dict[str, Any]]:
    """The module's options."""
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "cluster": {"type": "str", "required": True},
        "network": {"type": "str", "required": True},
        "image": {"type": "str"},
        "edge_image": {"type": "str"},
        "static": {"type": "dict", "default": {}},
        "seed": {"type": "str", "default": ""},
        "ports": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "inside": {"type": "int", "required": True},
                "address": {"type": "str", "default": ""},
                "outside": {"type": "int", "required": True},
            },
        },
        "user": {"type": "str", "default": "65532"},
        "groups": {"type": "list", "elements": "str", "default": []},
        "memory": {"type": "str", "default": "1g"},
        "pids": {"type": "int", "default": 512},
        "environment": {"type": "dict", "default": {}},
        "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
        "config_dir": {"type": "path"},
        "log_dir": {"type": "path"},
        "api_user": {"type": "str", "default": "admin"},
        # The path is no secret, what is in the file is.
        "api_password_file": {"type": "path", "no_log": False},
        "stop_seconds": {"type": "int", "default": 45},
        "closing_seconds": {"type": "float", "default": 3.0},
        "ready_seconds": {"type": "float", "default": 30.0},
        "lock_timeout": {"type": "int", "default": 300},
    }


def options_of(params: dict[str, Any]) -> Options:
    """Check the options.

    Raises:
        BalancerError: one cannot be used.
    """
    for name in _NEEDED:
        if not params[name]:
            raise BalancerError(f"{name}: got nothing, want it with state present (fix: pass {name})")
    for name, (low, high) in _RANGES.items():
        value = params[name]
        if not math.isfinite(value) or not low <= value <= high:
            default = argument_spec()[name]["default"]
            raise BalancerError(f"{name}: got {value:g}, want {low} to {high} (fix: {name}: {default})")
    memory = parse_size(params["memory"])
    if memory is None:
        raise BalancerError(f"memory: got {quote(params['memory'])}, want a size such as 1g (fix: memory: 1g)")
    for name, entry in (params["static"].get("entryPoints") or {}).items():
        if not isinstance(entry, dict) or entry.get("reusePort") is not True:
            raise BalancerError(
                f"static.entryPoints.{name}: got no reusePort, want it, or no two balancers can listen beside each"
                " other (fix: reusePort: true)"
            )
    return Options(
        cluster=params["cluster"],
        network=params["network"],
        image=params["image"],
        edge_image=params["edge_image"] or params["image"],
        static=params["static"],
        seed=params["seed"],
        ports={port["inside"]: (port["address"], port["outside"]) for port in params["ports"]},
        user=params["user"],
        groups=list(params["groups"]),
        memory=memory,
        pids=params["pids"],
        environment={str(name): str(value) for name, value in params["environment"].items()},
        socket=params["docker_socket"],
        config_dir=Path(params["config_dir"]),
        log_dir=Path(params["log_dir"]),
        stop_seconds=params["stop_seconds"],
        closing_seconds=params["closing_seconds"],
        ready_seconds=params["ready_seconds"],
    )


def lines(holders: list[BalancerContainer]) -> str:
    """The containers as text, one line each, for diff mode."""
    return "".join(
        f"{holder.name}: {holder.state}, revision {holder.revision}\n"
        for holder in sorted(holders, key=lambda item: item.name)
    )


def run(module: AnsibleModule, result: dict[str, Any]) -> None:
    """Plan, and unless in check mode carry the plan out; fills *result* as it goes."""
    params = module.params
    present = params["state"] == "present"
    options = options_of(params) if present else None
    with cluster_lock(params["cluster"], "balancer", 0 if module.check_mode else params["lock_timeout"]):
        pool = BalancerPool(params["cluster"], params["network"], {})
        pool.connect()
        holders = pool.holders()
        wanted = Desired(params["cluster"], "", "")
        if options is None:
            actions = plan_removal(holders)
        else:
            wanted = options.wanted(image_id(pool, options, check_mode=module.check_mode))
            edge_file = options.edge_file
            text = edge_file.read_text(encoding="utf-8") if edge_file.is_file() else ""
            actions = plan(wanted, holders, draining_slot(text))
            if not module.check_mode and not text:
                write_atomically(edge_file, edge_config(""))
        after = predict(wanted, holders, actions)
        result.update(changed=bool(actions), actions=[str(action) for action in actions])
        if actions and not module.check_mode:
            apply(module, pool, options, wanted, actions, holders, result)
            after = pool.holders()
        if module._diff:
            result["diff"] = {"before": lines(holders), "after": lines(after)}
        result["slot"] = next((holder.slot for holder in after if holder.slot and holder.running), "")
        if present:
            result["revision"] = wanted.balancer


def image_id(pool: BalancerPool, options: Options, *, check_mode: bool) -> str:
    """The image's id; in check mode an image may yet have to be made.

    Raises:
        BalancerError: it is not there.
    """
    found = pool.image(options.image)
    if found is None and not check_mode:
        raise BalancerError(
            f"image {options.image}: got none on this host, want it built or pulled (fix: ansible-playbook site.yml)"
        )
    return found[0] if found else "not built"


def apply(
    module: AnsibleModule,
    pool: BalancerPool,
    options: Options | None,
    wanted: Desired,
    actions: list[BalancerAction],
    holders: list[BalancerContainer],
    result: dict[str, Any],
) -> None:
    """Carry the plan out and record what was really done, also when a step fails."""
    result["changed"] = False  # until something has been done
    if options is None:
        for action in actions:
            pool.remove(action.id)
        result["changed"] = True
        return
    user, password = module.params["api_user"], read_password(module.params["api_password_file"])
    swap = BalancerSwap(pool, options, wanted, lambda url: TraefikApi(url, user, password))
    try:
        swap.apply(actions, [holder for holder in holders if holder.slot])
    finally:
        for warning in swap.warnings:
            module.warn(warning)
        result["changed"] = bool(swap.done)
        result["actions"] = [str(action) for action in swap.done]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if docker_client.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("docker"), exception=docker_client.IMPORT_ERROR)
    result: dict[str, Any] = {"changed": False, "actions": []}
    try:
        run(module, result)
    except _EXPECTED_ERRORS as error:
        module.fail_json(msg=str(error), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
