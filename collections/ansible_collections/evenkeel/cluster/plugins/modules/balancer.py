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
    O(drain_seconds), so that its clients reconnect, and stops.
  - >-
    The kernel hands connections that the old balancer has not accepted to the new one
    (C(net.ipv4.tcp_migrate_req), Linux 5.14; with an older kernel they may be reset).
  - If the new balancer does not get ready, it is removed, and the old one keeps serving.
  - >-
    If the API of the old balancer does not tell its servers within O(ready_seconds), the new one takes over without the
    comparison, and the module warns.
  - >-
    A change of O(ports) or O(network) creates a new edge; this refuses connections for about two seconds, because
    Docker cannot publish a port twice.
  - This module does not write the dynamic configuration, which Traefik reloads on change, except for one file.
    C(dynamic/edge.yml) in O(config_dir) defines the middleware C(evenkeel-edge), which every route must use.
options:
  state:
    description:
      - V(present) runs it; needs O(image), O(config_dir), O(log_dir) and O(api_password_file).
      - V(absent) removes edge and balancers, and then the file of the cluster's lock.
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
    type: raw
    default: 512
  log_size:
    description: Size per file of what the balancer prints, at least V(1m); V(0) for Docker's own log driver and limits.
    type: raw
    default: 10m
  log_files:
    description: How many of these files are kept.
    type: raw
    default: 3
  access_log_size:
    description: Size of the access log and all its rotated files together, at least V(1m).
    type: raw
    default: 200m
  access_log_keep:
    description: How many rotated files there are.
    type: raw
    default: 3
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
  drain_seconds:
    description: Seconds during which a balancer that is replaced tells its clients to reconnect, before it stops.
    type: raw
    default: 3.0
  ready_seconds:
    description: Seconds to wait until a new balancer is ready.
    type: raw
    default: 30.0
  lock_timeout:
    description: Seconds to wait for the lock while another run works on the same cluster.
    type: raw
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
      new connections: got 'no perl in the edge container', want all of them directed to evenkeel-balancer-blue while
      the balancer is replaced; some may have reached a balancer without routes (fix: an edge image with perl, Linux 4.5
      or newer)
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.balancer.containers import BalancerPool
from ..module_utils.balancer.options import NEEDED, balancer_arguments
from ..module_utils.balancer.ports import Ports
from ..module_utils.balancer.reconcile import BalancerRunError, as_result, diff, preview, reconcile, request_of
from ..module_utils.core.errors import EvenkeelError
from ..module_utils.core.redaction import without_variables
from ..module_utils.engine.docker_client import sdk_missing


def argument_spec() -> dict[str, dict[str, Any]]:
    """The module's options."""
    return balancer_arguments()


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=argument_spec(), supports_check_mode=True, required_if=[("state", "present", NEEDED)]
    )
    # Ansible shows a module's options with -vvv.
    params, module.params = module.params, without_variables(module.params)
    if sdk_missing():
        module.fail_json(msg=missing_required_lib("docker"))
    try:
        request = request_of(params)
        ports = Ports(BalancerPool(request.cluster, params["network"]))
        outcome = preview(request, ports) if module.check_mode else reconcile(request, ports)
    except BalancerRunError as error:
        for warning in error.outcome.warnings:
            module.warn(warning)
        module.fail_json(msg=str(error), **as_result(error.outcome))
    except (EvenkeelError, OSError) as error:
        module.fail_json(msg=str(error), changed=False, actions=[])
    for warning in outcome.warnings:
        module.warn(warning)
    found = {"slot": outcome.slot, **({"revision": outcome.revision} if request.options else {})}
    shown = {"diff": diff(outcome)} if module._diff else {}
    module.exit_json(**as_result(outcome), **found, **shown)


if __name__ == "__main__":
    main()
