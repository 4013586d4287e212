#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: change the cluster under load and prove that no request is lost."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drill
short_description: Change the cluster under load and measure what becomes of the requests
version_added: 0.1.0
description:
  - Sends requests at a fixed rate through the balancer while nodes join, leave, are replaced, crash or hang.
  - >-
    The load is open loop: a request leaves when it is due whether or not earlier ones have been answered, and its
    latency counts from when it was due. GET, POST with idempotency keys, slow requests, clients with and without
    cookies, kept and new connections.
  - >-
    Judges failed requests, POSTs that were executed twice or not at all, sessions that moved without need, and how
    fast nodes join and leave, and compares what the clients, the balancer's access log and the nodes themselves
    counted.
  - >-
    A load that this machine cannot produce is not blamed on the cluster: the verdict is then V(not measured), with
    what was offered and what was achieved.
  - Begins only when the pool is as declared, holds the cluster's lock, and leaves the pool as declared.
  - >-
    Bounded in time and count. SIGINT, SIGTERM and SIGHUP end it cleanly, and so does the end of the run that waits
    for its result: the pool is restored, and the result tells what was seen so far with the verdict V(stopped).
extends_documentation_fragment:
  - evenkeel.cluster.pool
  - evenkeel.cluster.api
  - evenkeel.cluster.reconciliation
options:
  scenario:
    description:
      - What happens under load.
      - V(steady) nothing; V(scale) tiers grow and shrink; V(roll) all nodes of a tier are replaced;
        V(stop) a plain C(docker stop) of a node, which is then started again; V(kill) SIGKILL of a node;
        V(hang) all processes of a node are frozen; V(guest) a container started by hand joins and leaves;
        V(policy) another balancing policy and back;
        V(balancer) the balancer itself is replaced; V(mixed) growing, a stop, a guest, shrinking and a roll in turn.
    type: str
    required: true
  only:
    description: The tiers that get load and events, all when empty.
    type: list
    elements: str
    default: []
  events:
    description:
      - How many events; those that change the pool are followed by one that leads back to the declaration.
      - A whole number from 1 to 1000.
    type: raw
    default: 6
  interval:
    description:
      - Seconds from one event to the next; one that lasts longer delays the next.
      - A number from 0.1 to 600.
    type: raw
    default: 4.0
  amount:
    description:
      - By how many nodes a tier grows.
      - A whole number from 1 to 100.
    type: raw
    default: 2
  rate:
    description:
      - Requests per second, all tiers together.
      - A number from 0.1 to 20000.
    type: raw
    default: 400.0
  duration:
    description:
      - Least seconds of load. It goes on until the last event has been over for two seconds.
      - A number from 1 to 86400.
    type: raw
    default: 20.0
  time_limit:
    description:
      - Most seconds of load.
      - A number from 1 to 86400.
    type: raw
    default: 600.0
  clients:
    description:
      - How many clients share the requests; at most one per request and second.
      - A whole number from 1 to 1000.
    type: raw
    default: 40
  post_share:
    description:
      - Share of requests that are POST, in tiers that take them.
      - A number from 0 to 1.
    type: raw
    default: 0.3
  slow_share:
    description:
      - Share of requests that the node is asked to take its time for, in tiers that can.
      - A number from 0 to 1.
    type: raw
    default: 0.02
  sticky_share:
    description:
      - Share of clients that keep cookies.
      - A number from 0 to 1.
    type: raw
    default: 0.5
  new_connection_share:
    description:
      - Share of clients that open a connection per request.
      - A number from 0 to 1.
    type: raw
    default: 0.25
  timeout:
    description:
      - Seconds from when a request leaves to the end of its answer.
      - A number from 0.1 to 600.
    type: raw
    default: 10.0
  seed:
    description:
      - The same seed gives the same requests in the same order.
      - A whole number from 0 to 999999999.
    type: raw
    default: 1
  url:
    description: The web entry point, without the tiers' paths, such as V(http://127.0.0.1:8080).
    type: str
    required: true
  host:
    description: C(Host) header to send; empty for that of O(url).
    type: str
    default: ""
  requests:
    description:
      - Tier to what it can be asked, a dict with V(get), V(post), V(slow) and V(slow_post), each relative to the
        tier's path.
      - A tier that is not named gets GET of its path only. POST must take JSON and an C(Idempotency-Key).
    type: dict
    default: {}
  access_log:
    description: The balancer's access log in JSON. Empty compares without it.
    type: path
  thresholds:
    description: What the drill may show at most.
    type: dict
    default: {}
    suboptions:
      failed:
        description:
          - Failed requests, besides those in flight on a node that was killed or frozen.
          - A whole number from 0 to 2000000.
        type: raw
        default: 0
      failed_in_flight:
        description:
          - Requests that failed because they were in flight there.
          - A whole number from 0 to 2000000.
        type: raw
        default: 1000
      twice:
        description:
          - POSTs that were delivered more than once.
          - A whole number from 0 to 2000000.
        type: raw
        default: 0
      missing:
        description:
          - POSTs that were answered but not executed.
          - A whole number from 0 to 2000000.
        type: raw
        default: 0
      moved:
        description:
          - Sessions that left a node which was there.
          - A whole number from 0 to 2000000.
        type: raw
        default: 0
      join_p95:
        description:
          - Seconds from a node's start to its first answer.
          - A number from 0 to 2000000.
        type: raw
        default: 1.0
      leave_p95:
        description:
          - Seconds from a node's order to leave to its last request.
          - A number from 0 to 2000000.
        type: raw
        default: 3.0
      out:
        description:
          - Seconds until a node that hangs is out of rotation.
          - A number from 0 to 2000000.
        type: raw
        default: 2.0
      latency_p99:
        description:
          - Seconds from when a request was due to its whole answer, slow requests included; 0 judges none.
          - A number from 0 to 2000000.
        type: raw
        default: 0.0
      rate_share:
        description:
          - Share of O(rate) that this machine must offer at least.
          - A number from 0 to 1.
        type: raw
        default: 0.98
      late_p99:
        description:
          - Seconds that 99 % of the requests may leave late on this machine.
          - A number from 0 to 2000000.
        type: raw
        default: 0.25
  control:
    description:
      - Send the same load to naive nodes made for the purpose, which stop as often. They must lose requests.
      - The drill fails when they do not, because a measurement that cannot fail proves nothing.
    type: bool
    default: true
  control_images:
    description:
      - Tier to an image for its naive nodes, without labels of the cluster.
      - For a tier that is not named, one is made from its image and removed at the end.
    type: dict
    default: {}
  folder:
    description: Folder for the report and for one line per request; made when it is missing. Empty writes nothing.
    type: path
requirements:
  - aiohttp >= 3.8
attributes:
  check_mode:
    description: Checks all inputs and that the pool is as declared, and tells the events and the number of requests.
    support: full
  diff_mode:
    description: The pool is the same before and after.
    support: none
  idempotent:
    description: Each run is a drill of its own.
    support: none
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Stop nodes under load, and naive ones as a control
  evenkeel.cluster.drill:
    scenario: stop
    events: 10
    rate: 400
    url: http://127.0.0.1:8080
    host: labo-http.res.ch
    requests:
      static: {post: echo.php, slow: "slow.php?delay_ms=500", slow_post: "echo.php?delay_ms=500"}
      dynamic: {post: "", slow: "?delay_ms=500", slow_post: "?delay_ms=500"}
    access_log: "{{ cluster_spec.state_dir }}/log/access.log"
    cluster: "{{ cluster_spec.name }}"
    network: "{{ cluster_spec.network }}"
    tiers: "{{ cluster_spec.tiers }}"
    hosts: "{{ cluster_spec.hosts }}"
    routes_file: "{{ cluster_spec.state_dir }}/balancer/dynamic/tiers.yml"
    api_url: http://127.0.0.1:9000
    api_password_file: "{{ cluster_spec.state_dir }}/secrets/dashboard_password"

- name: Roll one tier under a light load, and allow no request to last longer than half a second
  evenkeel.cluster.drill:
    scenario: roll
    only: [static]
    rate: 50
    clients: 10
    slow_share: 0
    thresholds: {latency_p99: 0.5}
    control: false
    url: http://127.0.0.1:8080
    cluster: evenkeel
    network: evenkeel
    tiers: "{{ cluster_spec.tiers }}"
    routes_file: /var/lib/evenkeel/evenkeel/balancer/dynamic/tiers.yml
    api_url: http://127.0.0.1:9000
    api_password_file: /var/lib/evenkeel/evenkeel/secrets/dashboard_password
"""

RETURN = r"""
verdict:
  description: >-
    V(pass), V(fail), V(not measured) (this machine did not produce the load), V(stopped) (by a signal) or V(planned)
    (check mode).
  returned: unless an input is refused
  type: str
  sample: pass
message:
  description: The verdict in one line; the same as RV(ignore:msg) when it is not V(pass).
  returned: unless an input is refused
  type: str
  sample: >-
    drill stop of static, dynamic: 0 of 14400 requests failed in 10 events at 400/s (failure rate below 0.00021, 95 %
    confidence); 4310 of 4310 POSTs found executed once; sessions moved: 9 with their node, 0 others; join p95 0.62 s;
    leave p95 0.71 s; control: 311 of 14400 requests lost in 10 events, as it must
problems:
  description: Everything that is not as it must be, one line each.
  returned: unless an input is refused
  type: list
  elements: str
  sample: []
plan:
  description: What was to happen - requests per second, least seconds and requests of the load, and the events.
  returned: unless an input is refused
  type: dict
  sample: {rate: 400.0, seconds: 41.0, requests: 16400, events: ["   3.0 s  stop (static)"]}
drill:
  description: >-
    The figures. RV(ignore:requests) with the causes of failures, RV(ignore:rate) offered and achieved,
    RV(ignore:latency_ms), RV(ignore:posts), RV(ignore:sessions), RV(ignore:join_seconds),
    RV(ignore:leave_seconds), RV(ignore:out_seconds), RV(ignore:counts) from three sides, RV(ignore:events) with
    throughput and latency before, during and after each, and RV(ignore:notes). For charts, RV(ignore:join_times) and
    RV(ignore:leave_times) list each time, and RV(ignore:timeline) has per RV(ignore:timeline.bin_seconds) the
    requests answered and failed, the latencies p50_ms, p95_ms and p99_ms (null without answers), and per tier the
    nodes in use.
  returned: after a load
  type: dict
  sample:
    requests: {sent: 16400, answered: 16400, failed: 0, failed_in_flight: 0, causes: {}}
    rate: {offered: 400.0, achieved: 400.0, late_p99: 0.004}
    timeline: {bin_seconds: 0.25, answered: [100], failed: [0], p50_ms: [2.0], p95_ms: [4.3],
               p99_ms: [7.1], nodes: {static: [3]}}
control:
  description: The same of the control; RV(ignore:failed) tells whether it failed as it must.
  returned: after a load with O(control=true)
  type: dict
  sample: {failed: true, message: "control: 311 of 14400 requests lost in 10 events, as it must"}
progress:
  description: What happened, one line each.
  returned: when something did, and it was not written to O(progress_file)
  type: list
  elements: str
  sample: ["  4.0 s  1600 sent, 0 failed", "  3.0 s  stop (static): done in 4.1 s"]
files:
  description: What was written into O(folder).
  returned: unless an input is refused
  type: list
  elements: str
  sample: [/var/lib/evenkeel/evenkeel/evidence/drill-stop-18f3a2.json]
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.evenkeel.cluster.plugins.module_utils import docker_pool, drill_load
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_lock import LockBusyError
from ansible_collections.evenkeel.cluster.plugins.module_utils.docker_pool import DockerPoolError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_events import EventError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_options import argument_spec
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_run import run
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_stop import Stop
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_verdict import PASSED, PLANNED
from ansible_collections.evenkeel.cluster.plugins.module_utils.observation import CheckInputError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_context import PoolInputError
from ansible_collections.evenkeel.cluster.plugins.module_utils.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik_api import TraefikApiError

_EXPECTED_ERRORS = (
    CheckInputError,
    PoolInputError,
    DockerPoolError,
    LockBusyError,
    EventError,
    TraefikApiError,
    OSError,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if docker_pool.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("docker"), exception=docker_pool.IMPORT_ERROR)
    if drill_load.IMPORT_ERROR is not None:
        module.fail_json(
            msg="load: got no Python library aiohttp, want it (fix: apt-get install python3-aiohttp on the Docker host)"
        )
    stop = Stop()
    stop.listen()
    progress = Progress(module.params["progress_file"])
    try:
        result = run(module.params, module.check_mode, stop, progress.tell)
    except _EXPECTED_ERRORS as error:
        module.fail_json(msg=str(error), **progress.result())
    result.update(progress.result())
    if result["verdict"] not in {PASSED, PLANNED}:
        module.fail_json(msg=result["message"], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
