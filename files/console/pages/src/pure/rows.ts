// Which rows of a table are shown, and in which order. Pure.
import type { Node, Sample } from "../contract";

export type Column = "name" | "state" | "share" | "rate" | "p95" | "cpu" | "memory" | "restarts" | "age" | "revision";

export interface Order {
  column: Column;
  descending: boolean;
}

const SHAPES = ["trouble", "moves", "stopped", "serves"];

/** Names with numbers in the order that people count: static-2 before static-10. */
const NAMES = new Intl.Collator("en", { numeric: true });

export function byName(one: string, other: string): number {
  return NAMES.compare(one, other);
}

function value(node: Node, column: Column, samples: Record<string, Sample>): number | string | null {
  switch (column) {
    case "name":
      return node.name;
    case "state":
      return SHAPES.indexOf(node.shape);
    case "share":
    case "rate":
      return node.rate;
    case "p95":
      return node.p95;
    case "cpu":
      return samples[node.id]?.cpu ?? null;
    case "memory":
      return samples[node.id]?.memory ?? null;
    case "restarts":
      return node.restarts;
    case "age":
      return node.since === null ? null : -node.since;
    case "revision":
      return node.revision;
  }
}

/** The nodes in order. What was not measured comes last, in both directions; equal ones are ordered by name. */
export function sorted(nodes: readonly Node[], order: Order, samples: Record<string, Sample> = {}): Node[] {
  const sign = order.descending ? -1 : 1;
  return nodes
    .map((node) => ({ node, key: value(node, order.column, samples) }))
    .sort((one, other) => {
      if (one.key === null || other.key === null) {
        if (one.key !== other.key) return one.key === null ? 1 : -1;
      } else if (one.key !== other.key) {
        if (typeof one.key === "string" && typeof other.key === "string") return sign * byName(one.key, other.key);
        return sign * (Number(one.key) - Number(other.key));
      }
      return byName(one.node.name, other.node.name) || (one.node.id < other.node.id ? -1 : 1);
    })
    .map((item) => item.node);
}

/** The nodes that have every word of the filter in what is shown of them. */
export function filtered(nodes: readonly Node[], text: string, troubleOnly: boolean): Node[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return nodes.filter((node) => {
    if (troubleOnly && node.shape !== "trouble") return false;
    if (words.length === 0) return true;
    const guest = node.managed ? "" : "guest";
    const stale = node.stale ? "stale" : "";
    const all = `${node.name} ${node.id} ${node.word} ${node.reason} ${node.revision} ${node.address} ${guest} ${stale}`;
    const lower = all.toLowerCase();
    return words.every((word) => lower.includes(word));
  });
}

/** Each node's part of the tier's requests; null for all if there are none. */
export function shares(nodes: readonly Node[]): Map<string, number | null> {
  const all = nodes.reduce((sum, node) => sum + (node.rate || 0), 0);
  return new Map(nodes.map((node) => [node.id, all > 0 ? (node.rate || 0) / all : null]));
}

export interface Window {
  first: number;
  last: number;
}

/** The rows that can be seen, and some before and after them; `last` is exclusive. */
export function visible(count: number, height: number, top: number, view: number, margin = 8): Window {
  const first = Math.max(0, Math.min(count, Math.floor(top / height) - margin));
  const last = Math.max(first, Math.min(count, Math.ceil((top + view) / height) + margin));
  return { first, last };
}

/** What a chart shows, in a sentence. */
export function told(nodes: readonly Node[]): string {
  const serving = nodes.filter((node) => node.shape === "serves");
  const all = serving.reduce((sum, node) => sum + node.rate, 0);
  const count = `${serving.length} node${serving.length === 1 ? "" : "s"} in rotation`;
  if (all <= 0) return `${count}, no traffic.`;
  const least = Math.min(...serving.map((node) => node.rate / all));
  return `${count}, ${all.toFixed(0)} requests/s, none below ${Math.floor(least * 100)} %.`;
}
