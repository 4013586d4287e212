// Words for what the API names by a keyword. Pure.
import type { Action, Event, Shape, State, Verb } from "../contract";
import { plural } from "./format";

export const SHAPES: Record<Shape, string> = { serves: "●", moves: "◐", trouble: "▲", stopped: "○" };

const VERBS: Record<Verb, string> = {
  scale: "Scale",
  roll: "Roll",
  settle: "Settle",
  verify: "Verify",
  drain: "Drain",
  undrain: "Undrain",
  start: "Start",
  stop: "Stop",
  restart: "Restart",
  remove: "Remove",
  kill: "Kill",
};

export function verbWord(verb: string): string {
  return VERBS[verb as Verb] ?? verb;
}

const STEPS: Record<string, string> = {
  started: "started",
  ready: "ready",
  in_rotation: "in rotation",
  drain_began: "drains",
  gone: "gone",
  removed: "removed",
  mended: "mended",
  released: "release command done",
  discarded: "did not come up, removed",
  discarded_drained: "drained and removed again",
  route_switched: "route switched",
  route_dropped: "route dropped",
  returning: "a step failed, returning to what it was",
};

export function stepWord(step: string): string {
  return STEPS[step] ?? step.replaceAll("_", " ");
}

const KINDS: Record<string, string> = {
  create: "created",
  start: "started",
  die: "ended",
  kill: "got a signal",
  stop: "stopped",
  oom: "out of memory",
  pause: "paused",
  unpause: "resumed",
  rename: "renamed",
  update: "changed",
  destroy: "removed",
  restart: "restarted",
  state: "changed its state",
};

export const EVENT_KINDS = Object.keys(KINDS);

/** What happened, with its cause. */
export function eventWords(event: Event): string {
  if (event.after) {
    const why = event.reason ? `: ${event.reason}` : "";
    return `${event.before ? `${event.before} → ` : ""}${event.after}${why}`;
  }
  const what = event.signal ? `got signal ${event.signal}` : (KINDS[event.kind] ?? event.kind);
  const more = [];
  if (event.exit_code) more.push(`exit code ${event.exit_code}`);
  if (event.reason) more.push(event.reason);
  if (event.actor) more.push(`by ${event.actor}`);
  return more.length > 0 ? `${what}: ${more.join(", ")}` : what;
}

/** An action's title, as in "scale static to 5". */
export function actionTitle(action: Pick<Action, "verb" | "tier" | "node" | "count">, nodeName: string): string {
  const word = verbWord(action.verb);
  if (action.node) return `${word} ${nodeName}`;
  const to = action.verb === "scale" && action.count !== null ? ` to ${action.count}` : "";
  return `${word} ${action.tier || "all tiers"}${to}`;
}

export interface Trouble {
  tier: string;
  text: string;
  /** Those that have trouble, then those that should serve and are stopped. */
  nodes: string[];
  /** Whether nodes of it have trouble. */
  trouble: boolean;
}

/** What is wrong, in words: one entry for each tier that has trouble. */
export function troubles(state: State): Trouble[] {
  const found: Trouble[] = [];
  for (const [name, tier] of Object.entries(state.tiers)) {
    const nodes = Object.values(state.nodes).filter((node) => node.tier === name && node.shape === "trouble");
    const known = tier.in_rotation !== null;
    const few = known && (tier.in_rotation ?? 0) < tier.desired;
    const stopped = Object.values(state.nodes).filter((node) => node.tier === name && node.shape === "stopped");
    if (nodes.length === 0 && tier.drift.length === 0 && tier.unknown_servers.length === 0 && !few) continue;
    const text = known ? `${tier.in_rotation} of ${tier.desired} in rotation` : `rotation unknown`;
    const more = [];
    if (tier.unknown_servers.length > 0) more.push(plural(tier.unknown_servers.length, "unknown server"));
    found.push({
      tier: name,
      text: [text, ...more].join(", "),
      nodes: [...nodes, ...(few ? stopped : [])].map((node) => node.id),
      trouble: nodes.length > 0,
    });
  }
  return found;
}

/** What is wrong with the cluster and not with one of its tiers, a line for each. */
export function clusterLines(state: State): string[] {
  const ofTiers = new Set(Object.values(state.tiers).flatMap((tier) => tier.drift));
  const found = [...state.trouble, ...state.drift.filter((line) => !ofTiers.has(line))];
  for (const [name, lines] of Object.entries(state.undeclared))
    found.push(`tier ${name} is not declared: ${lines.join("; ") || "nodes of it are there"}`);
  // Before the first look, the balancer was not asked.
  if (state.at > 0 && !state.balancer.reachable)
    found.push(`balancer: ${state.balancer.reason || "its API does not answer"}; rotation unknown`);
  return [...new Set(found)];
}

/** Why nothing can be changed now; empty if it can. */
export function blocked(live: boolean, state: State | null, running: Action | null): string {
  if (!live || !state) return "Not live: what is shown may be old.";
  if (state.trouble.length > 0 && !state.balancer.reachable) return state.trouble[0] ?? "";
  if (!state.balancer.reachable) return "The balancer's API does not answer: the rotation is unknown.";
  if (running) {
    const name = state.nodes[running.node]?.name ?? running.node.slice(0, 12);
    return `${actionTitle(running, name)} of ${running.actor} runs: one change at a time.`;
  }
  return "";
}

/** A reader's name as the console knows it: phones begin words with capitals and end them with spaces. */
export function plainName(typed: string): string {
  return typed.trim().toLowerCase();
}
