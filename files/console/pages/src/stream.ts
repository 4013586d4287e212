// The one stream of a visible page. A hidden page closes it, and resumes by number.
import { loginNeeded, onOtherLogin, Refused, request, session, values } from "./api";
import type { Message } from "./contract";
import {
  active,
  catchUp,
  forgotten,
  heardAt,
  identify,
  live,
  me,
  refusedBy,
  say,
  serverNow,
  take,
  tick,
  tryAt,
} from "./store";

const CONNECT_SECONDS = 4;
// The server is never silent longer than its beat of 5 seconds.
const SILENCE_SECONDS = 8;
const AGAIN_SECONDS = 2;
// A clock that jumps this far has slept.
const SLEPT_SECONDS = 6;

let number = -1;
let current: AbortController | null = null;
let wake: () => void = () => {};
let shown = false;

function seconds(): number {
  return Date.now() / 1000;
}

function heard(): void {
  heardAt.value = serverNow();
  tryAt.value = 0;
  refusedBy.value = "";
  if (!live.value) {
    live.value = true;
    if (shown) say("live again");
    shown = true;
  }
}

async function follow(abort: AbortController): Promise<void> {
  const late = setTimeout(() => abort.abort(), CONNECT_SECONDS * 1000);
  const answer = await request(`/api/stream?since=${number}`, { signal: abort.signal }, false);
  clearTimeout(late);
  heard();
  if (!me.value) identify().catch(() => {});
  catchUp().catch(() => {});
  let alive = performance.now();
  const watchdog = setInterval(() => {
    if (performance.now() - alive > SILENCE_SECONDS * 1000) abort.abort();
  }, 500);
  let first = true;
  try {
    for await (const value of values(answer, () => {
      alive = performance.now();
      heard();
    })) {
      // What has come for a former reader is not for the next one.
      if (abort.signal.aborted) break;
      const message = value as Message;
      // The whole state in the middle of a stream: too much was missed, and events and actions are not told again.
      if ("state" in message && !first) catchUp().catch(() => {});
      first = false;
      take(message);
      // The server's clock may be known only now.
      heard();
      if ("number" in message) number = message.number;
    }
  } finally {
    clearInterval(watchdog);
    abort.abort();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

async function untilVisible(): Promise<void> {
  while (document.hidden || loginNeeded.value) await pause(60_000);
}

/** Stay connected for as long as the page is open. */
async function keepFollowing(): Promise<never> {
  for (;;) {
    await untilVisible();
    current = new AbortController();
    try {
      await follow(current);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) loginNeeded.value = true;
      if (error instanceof Refused) refusedBy.value = error.problems[0] ?? "";
    }
    current = null;
    if (document.hidden || loginNeeded.value) continue;
    if (live.value) say("not live");
    live.value = false;
    tryAt.value = serverNow() + AGAIN_SECONDS;
    await pause(AGAIN_SECONDS * 1000);
    tryAt.value = 0;
  }
}

function again(): void {
  wake();
}

export function startStream(): void {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      live.value = false;
      current?.abort();
    } else again();
  });
  window.addEventListener("online", () => {
    current?.abort();
    again();
  });
  window.addEventListener("offline", () => current?.abort());
  window.addEventListener("pageshow", again);
  for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, active, { passive: true });
  onOtherLogin(() => identify().catch(() => {}));
  forgotten.subscribe(() => {
    number = -1;
    current?.abort();
    again();
  });
  session.subscribe(() => again());
  loginNeeded.subscribe((needed) => {
    if (needed) live.value = false;
  });
  let last = seconds();
  setInterval(() => {
    const now = seconds();
    if (Math.abs(now - last) > SLEPT_SECONDS && !document.hidden) {
      current?.abort();
      again();
    }
    last = now;
    tick();
  }, 1000);
  void keepFollowing();
}
