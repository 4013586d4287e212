// Where the names of a chart's lines and the numbers of its marks are drawn. Pure.

const DASHES: number[][] = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

/** How a line is dashed: the first ones are not, those with a colour that was used before are. */
export function dashOf(index: number, colours: number): number[] {
  return DASHES[Math.floor(index / colours) % DASHES.length] ?? [];
}

/** Places as near to the wanted ones as can be, so that no two are nearer than the gap, in the same order of items. */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, index) => index).sort((one, other) => (wanted[one] ?? 0) - (wanted[other] ?? 0));
  const found = [...wanted];
  let least = low;
  for (const index of order) {
    found[index] = Math.max(wanted[index] ?? 0, least);
    least = (found[index] ?? 0) + gap;
  }
  let most = high;
  for (const index of order.reverse()) {
    found[index] = Math.min(found[index] ?? 0, most);
    most = (found[index] ?? 0) - gap;
  }
  return found;
}

/** The numbers of marks, the earliest is 1; marks that are too near to each other have one text. */
export function numbered(places: readonly number[], gap: number): { at: number; text: string }[] {
  const found: { at: number; first: number; last: number }[] = [];
  places.forEach((at, index) => {
    const group = found.at(-1);
    if (group && at - group.at < gap) group.last = index + 1;
    else found.push({ at, first: index + 1, last: index + 1 });
  });
  return found.map(({ at, first, last }) => ({ at, text: first === last ? `${first}` : `${first}–${last}` }));
}
