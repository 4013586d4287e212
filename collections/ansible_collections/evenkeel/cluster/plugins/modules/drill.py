#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: change the cluster under load and prove that no request is lost."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drill
short_description: Change the cluster under load and measure what happens to the requests
version_added: 0.1.0
description:
  - Sends requests at a fixed rate through the balancer while nodes join, leave, are replaced, crash or hang.
  - >-
    The load is open loop: each request is sent when it is due, whether or not earlier ones have been answered, and its
    latency counts from when it was due. The load has GET, POST with idempotency keys, slow requests, clients with and
    without cookies, and kept and new connections.
  - >-
    Judges failed requests, POSTs that were executed twice or not at all, sessions that moved although their node was
    up, and how fast nodes join and leave. Compares the counts of the clients, the balancer's access log and the nodes.
  - >-
    If this machine cannot produce the load, the verdict is V(not measured), with the offered and the achieved rate, and
    the cluster is not blamed.
  - Starts only if the pool is as declared, holds the cluster's lock, and leaves the pool as declared.
  - >-
    A drill is bounded in time and number of requests. SIGINT, SIGTERM, SIGHUP and the end of the run that waits for its
    result stop it cleanly: the pool is restored, and the result has the measurements so far and the verdict V(stopped).
extends_documentation_fragment:
  - evenkeel.cluster.pool
  - evenkeel.cluster.api
  - evenkeel.cluster.routes
  - evenkeel.cluster.reconciliation
options:
  scenario:
    description:
      - What happens under load.
      - V(steady) nothing; V(scale) tiers grow and shrink; V(roll) all nodes of a tier are replaced;
        V(stop) a plain C(docker stop) of a node, then C(docker start); V(kill) SIGKILL of a node, then C(docker start);
        V(hang) all processes of a node are frozen, then resumed; V(guest) a container started by hand joins and leaves;
        V(policy) a change to another balancing policy and back;
        V(balancer) the balancer itself is replaced; V(mixed) grow, stop, guest, shrink and roll in turn.
    type: str
    required: true
  only:
    description: The tiers that get load and events; empty means all.
    type: list
    elements: str
    default: []
  events:
    description:
      - Number of events. An event that changes the pool is followed by one that restores the declaration.
      - A whole number from 1 to 1000.
    type: raw
    default: 6
  interval:
    description:
      - Seconds from one event to the next; an event that takes longer delays the next.
      - A number from 0.1 to 600.
    type: raw
    default: 4.0
  amount:
    description:
      - Number of nodes that a tier grows by.
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
      - Minimum duration of the load in seconds. It goes on until two seconds after the last event.
      - A number from 1 to 86400.
    type: raw
    default: 20.0
  time_limit:
    description:
      - Maximum duration of the load in seconds.
      - A number from 1 to 86400.
    type: raw
    default: 600.0
  clients:
    description:
      - Number of clients that share the requests; at most O(rate).
      - A whole number from 1 to 1000.
    type: raw
    default: 40
  post_share:
    description:
      - Share of requests that are POST, in tiers with a path for POST.
      - A number from 0 to 1.
    type: raw
    default: 0.3
  slow_share:
    description:
      - Share of slow requests, in tiers with a path for them.
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
      - Time-out in seconds, from sending a request to the end of its answer.
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
    description: C(Host) header to send; empty means that of O(url).
    type: str
    default: ""
  requests:
    description:
      - Paths per tier, a dict with V(get), V(post), V(slow) and V(slow_post), each relative to the tier's path.
      - A tier that is not listed gets only GET of its path. POST must accept JSON and an C(Idempotency-Key).
    type: dict
    default: {}
  access_log:
    description: The balancer's access log in JSON, to compare with. Empty means no comparison with it.
    type: path
  thresholds:
    description: Upper limits for the drill's figures.
    type: dict
    default: {}
    suboptions:
      failed:
        description:
          - Failed requests, except those in flight on a node that was killed or frozen.
          - A whole number from 0 to 2000000.
        type: raw
        default: 0
      failed_in_flight:
        description:
          - Failed requests that were in flight on a node that was killed or frozen.
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
          - Sessions that left a node although it was up.
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
          - Seconds from the start of a node's drain to its last request.
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
          - Seconds from when a request was due to the end of its answer, slow requests included; 0 means not judged.
          - A number from 0 to 2000000.
        type: raw
        default: 0.0
      rate_share:
        description:
          - Minimum share of O(rate) that this machine must offer.
          - A number from 0 to 1.
        type: raw
        default: 0.98
      late_p99:
        description:
          - Maximum delay in seconds with which this machine may send 99 % of the requests.
          - A number from 0 to 2000000.
        type: raw
        default: 0.25
  control:
    description:
      - Send the same load to an unprotected baseline (temporary nodes without drain, health check or retry) with the
        same number of stops. It must lose requests.
      - The drill fails if it does not, because a measurement that cannot fail proves nothing.
    type: bool
    default: true
  control_images:
    description:
      - Image of the baseline's nodes per tier, without labels of the cluster.
      - For a tier that is not listed, an image is made from the tier's image and removed at the end.
    type: dict
    default: {}
  folder:
    description: Folder for the report and the file with one line per request; created if missing. Empty writes neither.
    type: path
requirements:
  - aiohttp >= 3.8
attributes:
  check_mode:
    description: Checks all inputs and that the pool is as declared, and returns the planned events and requests.
    support: full
  diff_mode:
    description: The pool is the same before and after.
    support: none
  idempotent:
    description: Each run is a new drill.
    support: none
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Stop nodes under load, with an unprotected baseline as control
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

- name: Roll one tier under a light load, with a p99 latency of at most half a second
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
  description: The verdict in one line; the same as RV(ignore:msg) if it is not V(pass).
  returned: unless an input is refused
  type: str
  sample: >-
    drill stop of static, dynamic: 0 of 14400 requests failed in 10 events at 400/s (failure rate below 0.00021, 95 %
    confidence); 4310 of 4310 POSTs found executed once; sessions moved: 9 with their node, 0 others; join p95 0.62 s;
    leave p95 0.71 s; control: 311 of 14400 requests lost in 10 events, as it must
problems:
  description: What is wrong, one line each.
  returned: unless an input is refused
  type: list
  elements: str
  sample: []
plan:
  description: The plan - requests per second, minimum seconds and number of requests, and the events.
  returned: unless an input is refused
  type: dict
  sample: {rate: 400.0, seconds: 41.0, requests: 16400, events: ["   3.0 s  stop (static)"]}
drill:
  description: >-
    The figures. RV(ignore:requests) with the causes of failures, RV(ignore:rate) offered and achieved,
    RV(ignore:latency_ms), RV(ignore:posts), RV(ignore:sessions), RV(ignore:join_seconds),
    RV(ignore:leave_seconds), RV(ignore:out_seconds), RV(ignore:counts) from three sides, RV(ignore:named_by) with
    V(header) or V(log) per tier (how its nodes are known), RV(ignore:events) with
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
  description: The same for the control; RV(ignore:failed) is true if it failed as it must.
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
  description: Files written to O(folder).
  returned: unless an input is refused
  type: list
  elements: str
  sample: [/var/lib/evenkeel/evenkeel/evidence/drill-stop-18f3a2.json]
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.core.errors import EvenkeelError
from ..module_utils.core.progress import Progress
from ..module_utils.core.redaction import without_variables
from ..module_utils.core.verdict import PASSED, PLANNED
from ..module_utils.drill import load
from ..module_utils.drill.adapters import session_of
from ..module_utils.drill.options import argument_spec
from ..module_utils.drill.stop import Stop
from ..module_utils.engine.docker_client import sdk_missing


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    # Ansible shows a module's options with -vvv.
    params, module.params = module.params, without_variables(module.params)
    if sdk_missing():
        module.fail_json(msg=missing_required_lib("docker"))
    if load.IMPORT_ERROR is not None:
        module.fail_json(
            msg="load: got no Python library aiohttp, want it (fix: apt-get install python3-aiohttp on the Docker host)"
        )
    stop = Stop()
    stop.listen()
    progress = Progress(params["progress_file"])
    try:
        result = session_of(params, stop, progress.tell).run(check_mode=module.check_mode)
    except (EvenkeelError, OSError) as error:
        module.fail_json(msg=str(error), **progress.result())
    result.update(progress.result())
    if result["verdict"] not in {PASSED, PLANNED}:
        module.fail_json(msg=result["message"], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
