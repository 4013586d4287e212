import assert from "node:assert/strict";
import { test } from "node:test";
import { get, loggedIn, send } from "../src/api";

/** The first answers are refusals for want of a login, the later ones are fine. */
async function asked<T>(ask: () => Promise<T>, another: boolean): Promise<T> {
  const before = globalThis.fetch;
  let refused = false;
  globalThis.fetch = async () => {
    const first = !refused;
    refused = true;
    return new Response(first ? '{"problems": ["login"]}' : '"fine"', { status: first ? 401 : 200 });
  };
  try {
    const answer = ask();
    answer.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    loggedIn("", another);
    return await answer;
  } finally {
    globalThis.fetch = before;
  }
}

test("after a login, what waited for it goes on", async () => {
  assert.equal(await asked(() => send("POST", "/api/actions", {}), false), "fine");
});

test("what one reader wanted to change is not done in the name of another", async () => {
  await assert.rejects(
    asked(() => send("POST", "/api/actions", {}), true),
    /^Error: login: got another person's/,
  );
  assert.equal(await asked(() => get("/api/me"), true), "fine");
});
