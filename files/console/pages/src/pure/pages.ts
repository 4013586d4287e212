// Lists that are loaded page by page, the newest first. Pure.

interface Entry {
  number?: number;
  at: number;
}

export const PAGE = 100;

/** A page that was loaded again, and what was loaded before; without the older part if the two do not meet. */
export function refreshed<T extends Entry>(kept: readonly T[], found: readonly T[]): { list: T[]; meets: boolean } {
  const last = found.at(-1)?.number ?? 0;
  const meets = found.length < PAGE || kept.some((entry) => (entry.number ?? 0) >= last);
  if (!meets || found.length < PAGE) return { list: [...found], meets };
  return { list: [...found, ...kept.filter((entry) => (entry.number ?? 0) < last)], meets };
}

/** Whether what is wanted can lie in no older page: all around a moment, or enough rows that fit. */
export function isEnough(list: readonly Entry[], from: number, fitting: number, wanted: number): boolean {
  if (from > 0) return (list.at(-1)?.at ?? Number.POSITIVE_INFINITY) < from;
  return fitting >= wanted;
}

/** What came after the newest of a list. An entry without a number is in no journal, so the list never has it. */
export function later<T extends Entry>(list: readonly T[], fresh: readonly T[]): T[] {
  const newest = list[0]?.number ?? 0;
  return fresh.filter((entry) => entry.number === undefined || entry.number > newest);
}

/** A name for the row of an event. */
export function eventKey(event: Entry & { kind: string; node: string }): string {
  return event.number === undefined ? `e${event.at} ${event.kind} ${event.node}` : `e${event.number}`;
}
