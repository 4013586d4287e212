import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "../src/contract";
import { ended, Speaker, sentences } from "../src/pure/speak";
import { node, state, tier } from "./made";

test("changes of state are said, figures are not", () => {
  const before = state([node("a"), node("b")], { static: tier() });
  assert.deepEqual(sentences(null, before), []);
  const figures = state([node("a", { rate: 9 }), node("b", { p95: 0.1 })], { static: tier({ rate: 9 }) });
  assert.deepEqual(sentences(before, figures), []);
  const now = state([node("a", { word: "hangs", shape: "trouble" }), node("c", { word: "starting", shape: "moves" })]);
  assert.deepEqual(sentences(before, now), ["a out of rotation, hangs", "c is new, starting", "b is gone"]);
  const back = sentences(now, state([node("a"), node("c")]));
  assert.deepEqual(back, ["a in rotation", "c in rotation"]);
});

test("trouble and the balancer are said once", () => {
  const before = state([]);
  const now = { ...state([]), trouble: ["Docker is away"], balancer: { reachable: false, version: "", reason: "" } };
  assert.deepEqual(sentences(before, now), ["the balancer's API does not answer", "Docker is away"]);
  assert.deepEqual(sentences(now, now), []);
});

test("at most one sentence in five seconds", () => {
  const speaker = new Speaker();
  assert.equal(speaker.next(0), "");
  speaker.add("one");
  assert.equal(speaker.next(0), "one.");
  speaker.add("two", "two", "three", "four", "five");
  assert.equal(speaker.next(4.9), "");
  assert.equal(speaker.next(5), "two; three; four; and 1 more.");
  assert.equal(speaker.next(20), "");
});

test("the end of an action is said with its node's name", () => {
  const action = { verb: "drain", tier: "static", node: "1", count: null, state: "done" } as Action;
  assert.equal(ended(action, "static-1"), "Drain static-1: done");
  assert.equal(ended({ ...action, verb: "verify", tier: "", node: "" }, ""), "Verify all tiers: done");
  assert.equal(ended({ ...action, state: "running" }, "static-1"), "");
});
