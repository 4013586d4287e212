// What a viewer computes from the stream. Pure.
import type { Action, Change, Event, Node, State } from "../contract";

const NOTHING: State = {
  cluster: "",
  at: 0,
  trouble: [],
  tiers: {},
  nodes: {},
  undeclared: {},
  drift: [],
  balancer: { reachable: false, version: "", reason: "" },
  lock: "",
  sampled: false,
};

/** A snapshot with all its parts: an agent that has not looked yet has none. */
export function whole(found: Partial<State>): State {
  return { ...NOTHING, ...found };
}

/** What is shown: while the cluster cannot be read, the tiers and nodes that were known last. */
export function shownOf(before: State | null, now: State): State {
  // Where the balancer answered, the cluster was read, and the trouble is another one, such as a refused replacement.
  const unread = now.trouble.length > 0 && !now.balancer.reachable && Object.keys(now.tiers).length === 0;
  return unread && before ? { ...now, tiers: before.tiers, nodes: before.nodes } : now;
}

/** Whether a node is gone for good. An agent that has not looked yet knows no node, and an old state tells nothing. */
export function isGone(live: boolean, now: State | null, id: string): boolean {
  return live && now !== null && now.at > 0 && now.trouble.length === 0 && !now.nodes[id];
}

/** The state after a change; the former one stays as it was. Entries that did not change stay the same objects. */
export function applied(before: State, change: Change): State {
  const { tiers, nodes, ...rest } = change;
  return {
    ...before,
    ...rest,
    tiers: tiers ? merged(before.tiers, tiers) : before.tiers,
    nodes: nodes ? merged(before.nodes, nodes) : before.nodes,
  };
}

function merged<T>(before: Record<string, T>, change: Record<string, T | null>): Record<string, T> {
  const found = { ...before };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete found[key];
    else found[key] = value;
  }
  return found;
}

/** Whether a change says more than other figures; then it is shown at once, and not at the next second. */
export function isUrgent(before: State, change: Change): boolean {
  const { tiers, nodes, ...rest } = change;
  if (Object.keys(rest).length > 0) return true;
  for (const [id, node] of Object.entries(nodes ?? {})) {
    const old = before.nodes[id];
    if (!old || !node || !sameState(old, node)) return true;
  }
  for (const [name, tier] of Object.entries(tiers ?? {})) {
    const old = before.tiers[name];
    if (!old || !tier) return true;
    if (old.desired !== tier.desired || old.running !== tier.running || old.in_rotation !== tier.in_rotation)
      return true;
    if (old.guests !== tier.guests || old.drift.length !== tier.drift.length) return true;
  }
  return false;
}

function sameState(one: Node, other: Node): boolean {
  return one.word === other.word && one.shape === other.shape && one.reason === other.reason;
}

/** Of an action that is known and one that was asked for, the one that says more: no end and no step is taken back. */
export function newerOf(known: Action | undefined, found: Action): Action {
  if (!known || found.state !== "running") return found;
  return known.state !== "running" || known.steps.length > found.steps.length ? known : found;
}

/** The events of an answer, and those that it cannot have: told since it was asked for, or written to no journal. */
export function withTold(found: readonly Event[], known: readonly Event[], before: readonly Event[]): Event[] {
  const [had, numbers] = [new Set(before), new Set(found.map((event) => event.number))];
  const told = known.filter((event) => event.number === undefined || !(had.has(event) || numbers.has(event.number)));
  return [...told, ...found].sort((one, other) => other.at - one.at);
}

/** The actions of an answer, and those that were told since it was asked for. */
export function withBegun(
  found: readonly Action[],
  known: Record<string, Action>,
  before: Record<string, Action>,
): Record<string, Action> {
  const told = Object.values(known).filter((action) => !before[action.id]);
  const newest = found.map((action) => newerOf(known[action.id], action));
  return Object.fromEntries([...told, ...newest].map((action) => [action.id, action]));
}

/** When each node's word became what it is, as far as it was seen here. */
export function wordsSince(
  known: ReadonlyMap<string, { word: string; at: number | null }>,
  nodes: Record<string, Node>,
  at: number,
): Map<string, { word: string; at: number | null }> {
  const found = new Map<string, { word: string; at: number | null }>();
  for (const [id, node] of Object.entries(nodes)) {
    const old = known.get(id);
    if (old && old.word === node.word) found.set(id, old);
    else found.set(id, { word: node.word, at: known.size === 0 ? null : at });
  }
  return found;
}

/** The same, completed by events that tell when a node's word came. `events` are the newest first. */
export function sinceEvents(
  known: ReadonlyMap<string, { word: string; at: number | null }>,
  events: readonly Event[],
): Map<string, { word: string; at: number | null }> {
  const found = new Map(known);
  const told = new Set<string>();
  for (const event of events) {
    if (event.kind !== "state" || !event.node || told.has(event.node)) continue;
    told.add(event.node);
    const old = found.get(event.node);
    if (old && old.word === event.after) found.set(event.node, { word: old.word, at: event.at });
  }
  return found;
}
