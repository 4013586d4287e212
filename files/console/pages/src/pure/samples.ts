// Which nodes are sampled when, and how long a sample counts. Pure.
import type { Sample } from "../contract";

/** The API samples this many at once. */
export const MOST_SAMPLES = 60;
export const KEPT_SECONDS = 10;

export interface Taken extends Sample {
  /** When it came, in seconds of a clock that is never set. */
  at: number;
}

/** The nodes of one request: with many nodes, all get their turn. */
export function turnOf(ids: readonly string[], turn: number): string[] {
  const turns = Math.max(1, Math.ceil(ids.length / MOST_SAMPLES));
  const first = (turn % turns) * MOST_SAMPLES;
  return ids.slice(first, first + MOST_SAMPLES);
}

/** The pause between two requests: all turns come within the time for which a sample counts. */
export function pauseOf(count: number, usual: number): number {
  const turns = Math.max(1, Math.ceil(count / MOST_SAMPLES));
  return Math.min(usual, ((KEPT_SECONDS - 2) * 1000) / turns);
}

/** The samples that count: new ones, and former ones that are young and of nodes that are still there. */
export function counting(
  known: Record<string, Taken>,
  found: Record<string, Sample>,
  there: ReadonlySet<string>,
  now: number,
): Record<string, Taken> {
  const all: Record<string, Taken> = {};
  for (const [id, taken] of Object.entries(known)) if (there.has(id) && now - taken.at <= KEPT_SECONDS) all[id] = taken;
  for (const [id, sample] of Object.entries(found)) if (there.has(id)) all[id] = { ...sample, at: now };
  return all;
}
