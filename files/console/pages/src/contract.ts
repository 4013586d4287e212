// What the console's API gives. The pages use nothing else.

export type Shape = "serves" | "moves" | "trouble" | "stopped";
export type Verb =
  | "scale"
  | "roll"
  | "settle"
  | "verify"
  | "drain"
  | "undrain"
  | "start"
  | "stop"
  | "restart"
  | "remove"
  | "kill";

/** Of a tier or a node over the last seconds. Seconds for latencies, a part of 1 for errors; null: nothing measured. */
export interface Figures {
  requests: number;
  rate: number;
  p50: number | null;
  p95: number | null;
  errors: number | null;
}

export interface Override {
  nodes: number;
  declared: number;
  by: string;
  at: number;
}

export interface Tier extends Figures {
  desired: number;
  declared: number;
  override: Override | null;
  running: number;
  in_rotation: number | null;
  guests: number;
  stale: number;
  revision: string;
  drift: string[];
  /** When the drift began, in seconds since the epoch; null without drift, or if it is not known. */
  drift_since: number | null;
  unknown_servers: string[];
  path: string;
  sticky: boolean;
}

export interface Node extends Figures {
  id: string;
  name: string;
  tier: string;
  managed: boolean;
  word: string;
  shape: Shape;
  reason: string;
  advice: string;
  since: number | null;
  /** When its state became what it is, in seconds since the epoch; null if it is not known. */
  changed: number | null;
  restarts: number;
  revision: string;
  stale: boolean;
  image: string;
  image_id: string;
  address: string;
  memory_limit: number;
  cpus: number;
  pids_limit: number;
}

export interface Balancer {
  reachable: boolean;
  version: string;
  reason: string;
  slot?: string;
  reloads?: number | null;
}

export interface State {
  cluster: string;
  at: number;
  trouble: string[];
  tiers: Record<string, Tier>;
  nodes: Record<string, Node>;
  undeclared: Record<string, string[]>;
  drift: string[];
  balancer: Balancer;
  lock: string;
  sampled: boolean;
}

/** A change: tiers and nodes entry by entry, null for one that is gone. */
export type Change = Partial<Omit<State, "tiers" | "nodes">> & {
  tiers?: Record<string, Tier | null>;
  nodes?: Record<string, Node | null>;
};

export interface Event {
  number?: number;
  at: number;
  kind: string;
  node: string;
  name: string;
  tier: string;
  role?: string;
  exit_code?: string;
  signal?: string;
  actor?: string;
  reason?: string;
  /** Of an event of kind "state": the words. */
  before?: string;
  after?: string;
}

export interface Step {
  node: string;
  step: string;
  at: number;
}

export interface Verdict {
  check: string;
  ok: boolean | null;
  line: string;
  counts?: Record<string, number>;
}

export type ActionState = "running" | "done" | "failed" | "halted" | "unfinished";

export interface Action {
  id: string;
  verb: Verb;
  tier: string;
  node: string;
  count: number | null;
  actor: string;
  at: number;
  lines: string[];
  state: ActionState;
  steps: Step[];
  result: string;
  warnings: string[];
  seconds: number | null;
  halted_by: string;
  verdicts?: Verdict[];
}

export interface AuditEntry {
  number: number;
  at: number;
  kind: string;
  actor?: string;
  verb?: string;
  tier?: string;
  node?: string;
  count?: number | null;
  action?: string;
  lines?: string[];
  state?: string;
  result?: string;
  seconds?: number | null;
  [other: string]: unknown;
}

export interface Plan {
  plan: string;
  verb: Verb;
  tier: string;
  node: string;
  actions: string[];
  warnings: string[];
  type_name: string;
}

export interface Wish {
  verb: Verb;
  tier?: string;
  node?: string;
  count?: number;
}

export interface Me {
  name: string;
  role: "viewer" | "operator";
  cluster: string;
  links: { site: string; dashboard: string; portainer: string; report: boolean };
  verbs: Verb[];
}

export interface Sample {
  cpu: number | null;
  memory: number | null;
}

export interface Series {
  rate: (number | null)[];
  p95: (number | null)[];
}

export interface History {
  step: number;
  until: number;
  /** Empty for a tier that was not measured yet. */
  tier: Partial<Series & { in_rotation: (number | null)[] }>;
  nodes: Record<string, Series>;
}

export interface Token {
  id: string;
  user: string;
  role: string;
  name: string;
  expires: number | null;
  token?: string;
}

export interface User {
  name: string;
  role: string;
}

/** One line of the stream. */
export type Message =
  | { number: number; state: State }
  | { number: number; change: Change; at?: number }
  | { number: number; event: Event }
  | { number: number; action: Action }
  | { beat: number };
