import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, Event, State } from "../src/contract";
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
  identify,
  me,
  since,
  state,
  takeAction,
} from "../src/store";

const action = { id: "1", verb: "roll", tier: "static", node: "", state: "running", at: 1 } as unknown as Action;

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

test("an action's end is not taken back by an older answer", () => {
  const done = { ...action, state: "done" } as Action;
  assert.equal(newerOf(done, action), done);
  assert.equal(newerOf(action, done), done);
  assert.equal(newerOf(undefined, action), action);
});

test("nothing of a former reader stays", () => {
  actions.value = { 1: action };
  events.value = [{ at: 1 } as Event];
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
