// Query parameters and random dates. Pure: text in, values or InputError out.

/** Longest accepted delay, in ms. */
export const MAX_DELAY_MS = 30_000;
const MAX_COUNT = 1000;
const MAX_SHOWN = 40;

const WHOLE = /^(0|[1-9][0-9]{0,9})$/;
const DATE =
  /^(?<year>[0-9]{4})-(?<month>[0-9]{2})-(?<day>[0-9]{2})(?<time>T(?<hour>[0-9]{2}):(?<minute>[0-9]{2})(:(?<second>[0-9]{2})(\.[0-9]{1,3})?)?(?<zone>Z|[+-][0-9]{2}:[0-9]{2}))?$/;

export class InputError extends Error {}

/** A value for an error message: shortened, on one line. */
export function shown(text) {
  const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return `'${short.replace(/[\u0000-\u001f\u007f]/g, '?')}'`;
}

/**
 * The value of a parameter, or the fallback if it is absent.
 *
 * @param {URLSearchParams} query
 * @param {string} name
 * @param {string} fallback
 * @throws {InputError} if the parameter is repeated
 */
function single(query, name, fallback) {
  const values = query.getAll(name);
  if (values.length > 1) throw new InputError(`${name}: got it ${values.length} times, want it once`);
  return values[0] ?? fallback;
}

function whole(query, name, fallback, minimum, maximum) {
  const text = single(query, name, String(fallback));
  const value = WHOLE.test(text) ? Number(text) : NaN;
  if (!(value >= minimum && value <= maximum)) {
    throw new InputError(`${name}: got ${shown(text)}, want a whole number from ${minimum} to ${maximum}`);
  }
  return value;
}

/** Milliseconds since 1970 of an ISO date, NaN if it is not one. A date without time means the day's first or last millisecond. */
function milliseconds(text, endOfDay) {
  const parts = DATE.exec(text)?.groups;
  if (!parts) return NaN;
  // Date.parse accepts 30 February as 1 March, so check that the day survives a round trip.
  const day = new Date(`${parts.year}-${parts.month}-${parts.day}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || day.getUTCDate() !== Number(parts.day)) return NaN;
  if (parts.time === undefined) return day.getTime() + (endOfDay ? 86_399_999 : 0);
  if (Number(parts.hour) > 23) return NaN;
  return Date.parse(text);
}

function date(query, name, fallback, endOfDay) {
  const text = single(query, name, fallback);
  const value = milliseconds(text, endOfDay);
  if (Number.isNaN(value)) {
    throw new InputError(`${name}: got ${shown(text)}, want an ISO date such as 2024-02-29 or 2024-02-29T12:00:00Z`);
  }
  return value;
}

/**
 * @param {URLSearchParams} query
 * @returns {number} ms to wait before the answer, 0 to 30,000
 * @throws {InputError}
 */
export function parseDelay(query) {
  return whole(query, 'delay_ms', 0, 0, MAX_DELAY_MS);
}

/**
 * @param {URLSearchParams} query
 * @returns {{count: number, from: number, to: number}} from and to in ms since 1970, both inclusive
 * @throws {InputError}
 */
export function parseDatesQuery(query) {
  const count = whole(query, 'count', 10, 1, MAX_COUNT);
  const from = date(query, 'from', '2000-01-01', false);
  const to = date(query, 'to', '2099-12-31', true);
  if (from > to) {
    const [first, last] = [from, to].map((value) => new Date(value).toISOString());
    throw new InputError(`from: got ${first}, want a date that is not after to (${last})`);
  }
  return { count, from, to };
}

/**
 * @param {{count: number, from: number, to: number}} range
 * @param {() => number} random uniform in [0, 1)
 * @returns {string[]} ISO dates in UTC, uniform in [from, to]
 */
export function randomDates({ count, from, to }, random = Math.random) {
  return Array.from({ length: count }, () => new Date(from + Math.floor(random() * (to - from + 1))).toISOString());
}
