// What the pages know: the state of the cluster, of the stream, and of the reader's session.
import { batch, computed, signal } from "@preact/signals";
import { get, letIn, loginNeeded } from "./api";
import type { Action, Event, Me, Message, State, Wish } from "./contract";
import { applied, isUrgent, shownOf, sinceEvents, whole, withBegun, withTold, wordsSince } from "./pure/changes";
import { clockLine, ServerClock } from "./pure/clock";
import { ended, Speaker, sentences } from "./pure/speak";
import { blocked } from "./pure/words";

const FIGURES_MS = 1000;
const URGENT_MS = 100;
const KEPT_EVENTS = 200;
const ACTIVE_SECONDS = 60;

export const me = signal<Me | null>(null);
export const state = signal<State | null>(null);
export const live = signal(false);
/** When the last word of the server came, in seconds since the epoch; 0 for never. */
export const heardAt = signal(0);
/** When the next try to connect is made, in seconds since the epoch; 0 for now. */
export const tryAt = signal(0);
/** Now, by the server's clock once it is known. */
export const clock = signal(Date.now() / 1000);
/** A line if the browser's clock is another one. */
export const clockTold = signal("");
export const events = signal<Event[]>([]);
/** Becomes another number whenever what was missed has been asked for. */
export const caughtUp = signal(0);
export const actions = signal<Record<string, Action>>({});
export const since = signal<Map<string, { word: string; at: number | null }>>(new Map());
/** The action of a click whose first progress has not come yet. */
export const awaited = signal<{ id: string; title: string } | null>(null);
/** The change whose preview is open; null for none. */
export const asked = signal<Wish | null>(null);
/** Why the last try to connect was refused. */
export const refusedBy = signal("");
export const announced = signal("");
/** Becomes another number whenever a former reader is forgotten. */
export const forgotten = signal(0);

/** What was asked for and is not known as an action yet. */
export const begun = computed(() => (awaited.value && !actions.value[awaited.value.id] ? awaited.value : null));
export const running = computed(() => Object.values(actions.value).find((one) => one.state === "running") ?? null);
export const why = computed(() => blocked(live.value, state.value, running.value));

/** Whether the reader may ask for a verb. */
export function may(verb: string): boolean {
  return me.value?.verbs.some((one) => one === verb) ?? false;
}

export function nodeName(id: string): string {
  return state.value?.nodes[id]?.name ?? id.slice(0, 12);
}

const speaker = new Speaker();
const serverClock = new ServerClock();
let pending: State | null = null;
// As the stream has it; what is shown may have parts that were known last.
let raw: State | null = null;
let activeAt = 0;
let spoken: State | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let due = 0;
let flushed = 0;

/** Take in one message of the stream. Figures are shown once in a second, changes of state at once. */
export function take(message: Message): void {
  hearTime(message);
  if ("state" in message) {
    pending = whole(message.state);
    schedule(0);
  } else if ("change" in message) {
    const before = pending ?? raw;
    if (!before) return;
    pending = applied(before, message.change);
    if (message.at) pending.at = message.at;
    schedule(isUrgent(before, message.change) ? URGENT_MS : FIGURES_MS);
  } else if ("event" in message) {
    events.value = [message.event, ...events.value].slice(0, KEPT_EVENTS);
  } else if ("action" in message) {
    takeAction(message.action);
  }
}

function steady(): number {
  return performance.now() / 1000;
}

/** Now, in seconds since the epoch, by the server's clock once it is known. */
export function serverNow(): number {
  return serverClock.now(steady()) ?? Date.now() / 1000;
}

function hearTime(message: Message): void {
  // The state at the begin of a stream may be an old one; the next message is not.
  const at = "beat" in message ? message.beat : "change" in message ? message.at : undefined;
  if (at) serverClock.hear(at, steady());
}

function schedule(pause: number): void {
  const now = performance.now();
  const wanted = Math.max(now, flushed + pause);
  if (timer !== undefined && due <= wanted) return;
  clearTimeout(timer);
  due = wanted;
  timer = setTimeout(flush, wanted - now);
}

function flush(): void {
  timer = undefined;
  flushed = performance.now();
  const now = pending;
  if (!now) return;
  pending = null;
  raw = now;
  const shown = shownOf(state.value, now);
  batch(() => {
    since.value = wordsSince(since.value, shown.nodes, serverNow());
    state.value = shown;
  });
  speaker.add(...sentences(spoken, shown));
  spoken = shown;
}

export function takeAction(action: Action): void {
  const old = actions.value[action.id];
  if (old?.state === "running") speaker.add(ended(action, nodeName(action.node)));
  batch(() => {
    actions.value = { ...actions.value, [action.id]: action };
    if (awaited.value?.id === action.id) awaited.value = null;
  });
}

/** An action was asked for; its progress may have come before the answer. */
export function awaitAction(id: string, title: string): void {
  awaited.value = actions.value[id] ? null : { id, title };
}

/** Say something as soon as the pause is over. */
export function say(line: string): void {
  speaker.add(line);
}

/** Once a second: the clock, and what is to be said. */
export function tick(): void {
  const now = serverNow();
  clock.value = now;
  clockTold.value = clockLine(now - Date.now() / 1000);
  const line = speaker.next(steady());
  if (line) announced.value = line;
}

/** Ask for the reader's rights; this prolongs the session, so only a person at the page asks for it. */
export async function identify(): Promise<void> {
  activeAt = Date.now() / 1000;
  const reader = await get<Me>("/api/me");
  // Another page of this browser may have logged in, with the same name or another one.
  const another = me.value !== null && me.value.name !== reader.name;
  batch(() => {
    if (another) forgetAll();
    me.value = reader;
    // What this reader may not do is not offered to them.
    if (asked.value && !may(asked.value.verb)) asked.value = null;
  });
  if (loginNeeded.value) letIn(another);
}

/** Nothing of the former reader stays; the stream begins once more. */
export function forgetAll(): void {
  clearTimeout(timer);
  timer = undefined;
  pending = null;
  raw = null;
  spoken = null;
  batch(() => {
    state.value = null;
    me.value = null;
    events.value = [];
    actions.value = {};
    since.value = new Map();
    awaited.value = null;
    asked.value = null;
    forgotten.value += 1;
  });
}

/** A person is at the page. */
export function active(): void {
  if (me.value && Date.now() / 1000 - activeAt > ACTIVE_SECONDS) identify().catch(() => {});
}

/** What the stream does not repeat: the newest events and actions. */
export async function catchUp(): Promise<void> {
  const expected = awaited.value;
  const reader = me.value?.name;
  const [eventsBefore, actionsBefore] = [events.value, actions.value];
  const [newest, recent, words] = await Promise.all([
    get<Event[]>("/api/events?count=50"),
    get<Action[]>("/api/actions"),
    get<Event[]>("/api/events?count=200&kind=state"),
  ]);
  // An answer to a former reader tells a later one nothing.
  if (reader !== undefined && me.value?.name !== reader) return;
  batch(() => {
    since.value = sinceEvents(since.value, words);
    events.value = withTold(newest, events.value, eventsBefore).slice(0, KEPT_EVENTS);
    caughtUp.value += 1;
    actions.value = withBegun(recent, actions.value, actionsBefore);
    // What was asked for before this request is in its answer, or it is unknown.
    if (awaited.value === expected) awaited.value = null;
  });
}
