import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../src/contract";
import { applied, isUrgent, wordsSince } from "../src/pure/changes";
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
