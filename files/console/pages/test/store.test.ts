import assert from "node:assert/strict";
import { test } from "node:test";
import { loginNeeded, onOtherLogin, send } from "../src/api";
import type { Action, Event as Happened, State } from "../src/contract";
import { newerOf } from "../src/pure/changes";
import {
  actions,
  asked,
  awaitAction,
  awaited,
  begun,
  catchUp,
  events,
  forgetAll,
  forgotten,
  identify,
  me,
  since,
  state,
  take,
  takeAction,
} from "../src/store";

const action = {
  id: "1",
  verb: "roll",
  tier: "static",
  node: "",
  state: "running",
  at: 1,
  steps: [],
} as unknown as Action;

function answering(answers: Record<string, unknown>): () => void {
  const before = globalThis.fetch;
  globalThis.fetch = async (path) => new Response(JSON.stringify(answers[String(path)] ?? []));
  return () => {
    globalThis.fetch = before;
  };
}

test("an action begins until it is known, whichever of its answer and its progress comes first", () => {
  actions.value = {};
  awaitAction("1", "Roll static");
  assert.equal(begun.value?.title, "Roll static");
  takeAction(action);
  assert.equal(begun.value, null);
  awaitAction("1", "Roll static");
  assert.equal(awaited.value, null);
});

test("what is awaited ends with what was missed, known or not", async () => {
  const back = answering({ "/api/actions": [] });
  actions.value = {};
  awaitAction("2", "Roll static");
  await catchUp();
  assert.equal(awaited.value, null);
  const later = catchUp();
  awaitAction("3", "Roll static");
  await later;
  assert.equal(begun.value?.id, "3", "it was asked for after the request");
  back();
});

test("what the stream tells while the newest is asked for stays", async () => {
  const old = [1, 2].map((number) => ({ number, at: number, kind: "die" }) as Happened);
  const more = { ...action, steps: [{ node: "a", step: "started", at: 1 }] } as Action;
  const back = answering({ "/api/events?count=50": [...old].reverse(), "/api/actions": [action] });
  events.value = [{ at: 9, number: 9 } as Happened];
  actions.value = { 1: action, 8: { ...action, id: "8" } };
  const caught = catchUp();
  for (const number of [2, 3]) take({ number: 1, event: { ...old[1], number, at: number } as Happened });
  take({ number: 1, event: { at: 2.5, kind: "oom" } as Happened });
  take({ number: 2, action: more });
  take({ number: 2, action: { ...action, id: "2", state: "done" } });
  await caught;
  const shown = () => events.value.map((event) => event.number);
  assert.deepEqual(shown(), [3, undefined, 2, 1], "what was there before is in the answer, or gone");
  assert.deepEqual(actions.value["1"]?.steps.length, 1);
  assert.deepEqual(Object.keys(actions.value), ["1", "2"]);
  await catchUp();
  assert.deepEqual(shown(), [undefined, 2, 1], "an event of no journal is in no answer");
  forgetAll();
  back();
});

test("an action's end is not taken back by an older answer", () => {
  const done = { ...action, state: "done" } as Action;
  assert.equal(newerOf(done, action), done);
  assert.equal(newerOf(action, done), done);
  assert.equal(newerOf(undefined, action), action);
});

test("nothing of a former reader stays", () => {
  actions.value = { 1: action };
  events.value = [{ at: 1 } as Happened];
  since.value = new Map([["a", { word: "hangs", at: 1 }]]);
  awaited.value = { id: "1", title: "" };
  asked.value = { verb: "roll", tier: "static" };
  state.value = {} as State;
  forgetAll();
  assert.deepEqual([actions.value, events.value, since.value.size], [{}, [], 0]);
  assert.deepEqual([awaited.value, asked.value, state.value, me.value], [null, null, null, null]);
});

test("a preview of what the reader may not do is closed", async () => {
  const back = answering({ "/api/me": { name: "alice", verbs: ["roll"] } });
  asked.value = { verb: "roll", tier: "static" };
  await identify();
  assert.equal(asked.value?.verb, "roll");
  asked.value = { verb: "kill", node: "1" };
  await identify();
  assert.equal(asked.value, null);
  back();
});

test("a login of another reader in another page leaves nothing of the former one, and does nothing in its name", async () => {
  const page = new EventTarget();
  Object.assign(globalThis, { window: page });
  let heard = 0;
  onOtherLogin(() => {
    heard += 1;
  });
  for (const [key, newValue] of [
    ["evenkeel.key", "k"],
    ["evenkeel.key", null],
    ["evenkeel.theme", "dark"],
  ])
    page.dispatchEvent(Object.assign(new Event("storage"), { key, newValue }));
  assert.equal(heard, 1);
  let back = answering({ "/api/me": { name: "alice", verbs: [] } });
  await identify();
  actions.value = { 1: action };
  const before = forgotten.value;
  await identify();
  assert.deepEqual([forgotten.value, Object.keys(actions.value)], [before, ["1"]], "the same one");
  back();
  globalThis.fetch = async () => new Response("{}", { status: 401 });
  const wish = send("POST", "/api/actions", {});
  wish.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(loginNeeded.value, true);
  back = answering({ "/api/me": { name: "bob", verbs: [] } });
  await identify();
  assert.deepEqual([forgotten.value, actions.value, me.value?.name], [before + 1, {}, "bob"]);
  assert.equal(loginNeeded.value, false, "one login is enough for all pages");
  await assert.rejects(wish, /got another person's/);
  forgetAll();
  back();
});
