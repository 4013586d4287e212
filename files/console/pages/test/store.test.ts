import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "../src/contract";
import { newerOf } from "../src/pure/changes";
import { actions, awaitAction, awaited, begun, catchUp, takeAction } from "../src/store";

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
