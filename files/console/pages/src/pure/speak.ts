// What a screen reader is told: changes of state only, at most one sentence in five seconds. Pure.
import type { Action, State } from "../contract";
import { byName } from "./rows";
import { actionTitle } from "./words";

export const PAUSE_SECONDS = 5;
const MOST = 3;

/** What changed, one sentence for each; figures are no changes. */
export function sentences(before: State | null, now: State): string[] {
  if (!before) return [];
  const found: string[] = [];
  const nodes = Object.values(now.nodes).sort((one, other) => byName(one.name, other.name));
  for (const node of nodes) {
    const old = before.nodes[node.id];
    if (!old) found.push(`${node.name} is new, ${node.word}`);
    else if (old.word !== node.word) found.push(`${node.name} ${changed(old.shape === "serves", node)}`);
  }
  for (const [id, old] of Object.entries(before.nodes)) if (!now.nodes[id]) found.push(`${old.name} is gone`);
  if (before.balancer.reachable !== now.balancer.reachable)
    found.push(now.balancer.reachable ? "the balancer answers again" : "the balancer's API does not answer");
  for (const line of now.trouble) if (!before.trouble.includes(line)) found.push(line);
  return found;
}

function changed(served: boolean, node: { word: string; shape: string }): string {
  return served && node.shape !== "serves" ? `out of rotation, ${node.word}` : node.word;
}

/** The end of an action in a sentence; empty while it runs. */
export function ended(action: Action, nodeName: string): string {
  return action.state === "running" ? "" : `${actionTitle(action, nodeName)}: ${action.state}`;
}

/** Gathers sentences, and gives at most one in five seconds. */
export class Speaker {
  private waiting: string[] = [];
  private last = Number.NEGATIVE_INFINITY;

  add(...lines: string[]): void {
    for (const line of lines) if (line && !this.waiting.includes(line)) this.waiting.push(line);
  }

  /** The sentence to say now, if there is one and the pause is over. `now` is in seconds. */
  next(now: number): string {
    if (this.waiting.length === 0 || now - this.last < PAUSE_SECONDS) return "";
    this.last = now;
    const lines = this.waiting;
    this.waiting = [];
    const rest = lines.length - MOST;
    return `${lines.slice(0, MOST).join("; ")}${rest > 0 ? `; and ${rest} more` : ""}.`;
  }
}
