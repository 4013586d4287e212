import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../src/contract";
import { applied, isGone, isUrgent, shownOf, sinceEvents, whole, wordsSince } from "../src/pure/changes";
import { node, state, tier } from "./made";

test("a change sets entries, and null takes them away", () => {
  const before = state([node("a"), node("b")]);
  const now = applied(before, { nodes: { a: null, c: node("c") }, lock: "held" });
  assert.deepEqual(Object.keys(now.nodes).sort(), ["b", "c"]);
  assert.equal(now.lock, "held");
  assert.deepEqual(Object.keys(before.nodes), ["a", "b"], "the former state stays as it was");
  assert.equal(now.nodes.b, before.nodes.b, "what did not change stays the same object");
  assert.equal(now.tiers, before.tiers);
});

test("figures wait for the next second, a change of state does not", () => {
  const before = state([node("a")], { static: tier({ running: 1 }) });
  const cases: [Change, boolean][] = [
    [{ nodes: { a: node("a", { rate: 7 }) } }, false],
    [{ tiers: { static: tier({ running: 1, rate: 7 }) } }, false],
    [{ nodes: { a: node("a", { word: "hangs" }) } }, true],
    [{ nodes: { a: node("a", { reason: "other" }) } }, true],
    [{ nodes: { a: null } }, true],
    [{ nodes: { b: node("b") } }, true],
    [{ tiers: { static: tier({ running: 2 }) } }, true],
    [{ tiers: { static: tier({ running: 1, in_rotation: null }) } }, true],
    [{ tiers: { static: null } }, true],
    [{ lock: "held" }, true],
  ];
  for (const [change, urgent] of cases)
    assert.equal(isUrgent(before, change), urgent, JSON.stringify(change).slice(0, 80));
});

test("since when a word holds is known for changes that were seen", () => {
  const first = wordsSince(new Map(), { a: node("a") }, 100);
  assert.equal(first.get("a")?.at, null);
  const same = wordsSince(first, { a: node("a", { rate: 1 }) }, 110);
  assert.equal(same.get("a")?.at, null);
  const other = wordsSince(same, { a: node("a", { word: "hangs" }), b: node("b") }, 120);
  assert.equal(other.get("a")?.at, 120);
  assert.equal(other.get("b")?.at, 120);
  assert.equal(wordsSince(other, { b: node("b") }, 130).has("a"), false);
});

test("an agent that has not looked yet gives a whole state, and what cannot be read stays as it was known", () => {
  assert.deepEqual(whole({}).nodes, {});
  assert.equal(whole({ lock: "x" }).lock, "x");
  const before = state([node("a")], { static: tier() });
  const unread = { ...whole({}), trouble: ["Docker does not answer"] };
  assert.deepEqual(shownOf(before, unread).nodes, before.nodes);
  assert.deepEqual(shownOf(before, unread).trouble, unread.trouble);
  assert.deepEqual(shownOf(before, whole({ at: 1 })).nodes, {}, "a cluster without tiers is no trouble");
  const refused = { ...whole({ at: 1 }), trouble: ["not deployed"], balancer: { ...before.balancer, reachable: true } };
  assert.deepEqual(shownOf(before, refused).nodes, {}, "a refused replacement makes nothing old");
  assert.equal(shownOf(null, unread), unread);
});

test("events tell since when a word holds", () => {
  const event = { kind: "state", node: "a", name: "a", tier: "", at: 50, before: "in rotation", after: "hangs" };
  const known = new Map([["a", { word: "hangs", at: null }]]);
  assert.equal(sinceEvents(known, [event]).get("a")?.at, 50);
  assert.equal(sinceEvents(known, [{ ...event, after: "in rotation" }, event]).get("a")?.at, null);
  assert.equal(sinceEvents(known, [{ ...event, kind: "die" }]).get("a")?.at, null);
});

test("a node is gone when the state of now has it no more, and not when an agent has begun again", () => {
  const now = { ...state([node("a")]), at: 1 };
  assert.equal(isGone(true, now, "b"), true);
  assert.equal(isGone(true, now, "a"), false, "the agent has not looked yet, and the page knows it from before");
  assert.equal(isGone(false, now, "b"), false, "not live");
  assert.equal(isGone(true, whole({}), "a"), false, "the first look is not done");
  assert.equal(isGone(true, null, "a"), false);
  assert.equal(isGone(true, { ...now, nodes: {}, trouble: ["Docker does not answer"] }, "a"), false);
});
