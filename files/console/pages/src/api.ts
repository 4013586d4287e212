// Requests to the console's API: JSON, both halves of the session, refusals as lines.
import { signal } from "@preact/signals";
import type { Plan } from "./contract";

const KEY = "evenkeel.key";
const OF_ANOTHER = "login: got another person's, want the same one's (fix: ask for the change again)";
/** Whether a login is needed; the page stays as it is meanwhile. */
export const loginNeeded = signal(false);
/** Becomes another number with every login. */
export const session = signal(0);

interface Waiting {
  go: () => void;
  stop: (error: Error) => void;
  changes: boolean;
}

let waiting: Waiting[] = [];

function storedKey(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** Keep the key half of a session, or forget it. */
export function keepKey(key: string): void {
  try {
    if (key) localStorage.setItem(KEY, key);
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage there is no session; the next request asks for a login.
  }
}

/** A refusal: the lines of the API, and what it gives beside them. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problems: string[],
    readonly plan: Plan | null = null,
    readonly holder = "",
  ) {
    super(problems.join("\n"));
  }
}

/** The console did not answer. */
export class Unreachable extends Error {}

export function linesOf(error: unknown): string[] {
  if (error instanceof Refused) return error.problems;
  if (error instanceof Unreachable) return ["The console does not answer. Trying again is safe."];
  return [error instanceof Error ? error.message : String(error)];
}

/** After a login: whatever waited for it goes on; what another reader wanted to change does not. */
export function loggedIn(key: string, another = false): void {
  keepKey(key);
  letIn(another);
}

/** The same, after a login that another page of this browser has made. */
export function letIn(another: boolean): void {
  loginNeeded.value = false;
  session.value += 1;
  const all = waiting;
  waiting = [];
  for (const one of all) {
    if (another && one.changes) one.stop(new Refused(401, [OF_ANOTHER]));
    else one.go();
  }
}

/** Tell when another page of this browser has logged in: both halves of its session are those of this page now. */
export function onOtherLogin(heard: () => void): void {
  window.addEventListener("storage", (event) => {
    if (event.key === KEY && event.newValue) heard();
  });
}

export function askForLogin(): void {
  loginNeeded.value = true;
}

function untilLogin(changes: boolean, signal?: AbortSignal | null): Promise<void> {
  askForLogin();
  return new Promise((resolve, reject) => {
    waiting.push({ go: resolve, stop: reject, changes });
    signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")), { once: true });
  });
}

async function refusal(answer: Response): Promise<Refused> {
  let body: { problems?: unknown; plan?: Plan | null; holder?: string } = {};
  try {
    body = (await answer.json()) as typeof body;
  } catch {
    // A proxy may answer with a page of its own.
  }
  const lines = Array.isArray(body.problems) ? body.problems.map(String) : [];
  if (lines.length === 0) lines.push(`console: got status ${answer.status}, want an answer (fix: try again)`);
  const plan = body.plan && typeof body.plan === "object" ? body.plan : null;
  return new Refused(answer.status, lines, plan, body.holder ?? "");
}

/** One request. After an expired session it waits for the login and asks again. */
export async function request(path: string, options: RequestInit = {}, waitForLogin = true): Promise<Response> {
  for (;;) {
    const headers = new Headers(options.headers);
    const key = storedKey();
    if (key) headers.set("X-Evenkeel-Key", key);
    let answer: Response;
    try {
      answer = await fetch(path, { ...options, headers, credentials: "same-origin", cache: "no-store" });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new Unreachable();
    }
    if (answer.ok) return answer;
    const refused = await refusal(answer);
    if (answer.status !== 401 || !waitForLogin) throw refused;
    // The login may have come meanwhile, by another request.
    if (storedKey() === key || loginNeeded.value) await untilLogin((options.method ?? "GET") !== "GET", options.signal);
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await request(path, signal ? { signal } : {});
  return (await answer.json()) as T;
}

export async function send<T>(
  method: "POST" | "DELETE",
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  waitForLogin = true,
): Promise<T | null> {
  const options: RequestInit = { method, headers: { ...headers } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { ...headers, "Content-Type": "application/json" };
  }
  const answer = await request(path, options, waitForLogin);
  const text = await answer.text();
  return text ? (JSON.parse(text) as T) : null;
}

/** The lines of a stream of JSON values; `onBytes` is called with every piece that comes. */
export async function* values(answer: Response, onBytes: () => void = () => {}): AsyncGenerator<unknown> {
  const body = answer.body;
  if (!body) return;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line) yield JSON.parse(line) as unknown;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
