// Numbers and times as they are shown. Pure.

/** For what was not measured: not the same as 0. */
export const NONE = "–";

export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  return value >= 1000 ? Math.round(value).toLocaleString("en-US") : value.toFixed(1);
}

/** A latency in seconds. */
export function latency(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  if (seconds >= 1) return `${seconds.toFixed(seconds >= 10 ? 0 : 1)} s`;
  const ms = seconds * 1000;
  return `${ms >= 10 ? Math.round(ms) : ms.toFixed(1)} ms`;
}

/** A part of 1. */
export function percent(part: number | null | undefined, digits = 0): string {
  if (part === null || part === undefined || !Number.isFinite(part)) return NONE;
  return `${(part * 100).toFixed(digits)} %`;
}

/** CPU, where 100 is one core. */
export function cpu(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value) || value < 0) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 10 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** A duration in its largest unit, as in "2 min". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400 * 2) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86400)} d`;
}

/** A moment in the reader's zone: the time of day, with the date if it is not today's. */
export function moment(epoch: number, now: number = Date.now() / 1000): string {
  const date = new Date(epoch * 1000);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const today = new Date(now * 1000);
  if (date.toDateString() === today.toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** A moment in UTC, to the millisecond, without doubt. */
export function utc(epoch: number): string {
  const date = new Date(epoch * 1000);
  return Number.isNaN(date.getTime()) ? "" : `${date.toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** The first digits of a long identifier. */
export function short(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}
