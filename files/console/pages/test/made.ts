// States for tests.
import type { Node, State, Tier } from "../src/contract";

export function node(id: string, more: Partial<Node> = {}): Node {
  return {
    id,
    name: id,
    tier: "static",
    managed: true,
    word: "in rotation",
    shape: "serves",
    reason: "",
    advice: "",
    since: 0,
    changed: null,
    restarts: 0,
    revision: "r1",
    stale: false,
    image: "image",
    image_id: "sha256:1",
    address: "10.0.0.1",
    memory_limit: 0,
    cpus: 0,
    pids_limit: 0,
    requests: 0,
    rate: 0,
    p50: null,
    p95: null,
    errors: null,
    ...more,
  };
}

export function tier(more: Partial<Tier> = {}): Tier {
  return {
    desired: 1,
    declared: 1,
    override: null,
    running: 1,
    in_rotation: 1,
    guests: 0,
    stale: 0,
    revision: "r1",
    drift: [],
    drift_since: null,
    unknown_servers: [],
    path: "/",
    sticky: false,
    requests: 0,
    rate: 0,
    p50: null,
    p95: null,
    errors: null,
    ...more,
  };
}

export function state(nodes: Node[], tiers: Record<string, Tier> = {}): State {
  return {
    cluster: "evenkeel",
    at: 0,
    trouble: [],
    tiers,
    nodes: Object.fromEntries(nodes.map((one) => [one.id, one])),
    undeclared: {},
    drift: [],
    balancer: { reachable: true, version: "3", reason: "" },
    lock: "",
    sampled: false,
  };
}
