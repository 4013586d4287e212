import assert from "node:assert/strict";
import { test } from "node:test";
import { eventKey, isEnough, later, PAGE, refreshed } from "../src/pure/pages";

const run = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({ number: first - index, at: first - index }));

test("what was loaded before stays under the newest page", () => {
  const { list, meets } = refreshed(run(300, 250), run(310, PAGE));
  assert.ok(meets);
  assert.deepEqual(list, run(310, 260));
});

test("pages that do not meet leave no gap", () => {
  assert.deepEqual(refreshed(run(100, 50), run(900, PAGE)), { list: run(900, PAGE), meets: false });
  assert.deepEqual(refreshed(run(5, 5), run(8, 8)), { list: run(8, 8), meets: true }, "all there is");
});

test("older pages are loaded until all that is wanted is there", () => {
  assert.equal(isEnough(run(1000, 100), 800, 50, 20), false, "entries around the moment may be older");
  assert.equal(isEnough(run(1000, 300), 800, 0, 20), true);
  assert.equal(isEnough([], 800, 0, 20), false);
  assert.equal(isEnough(run(1000, 100), 0, 19, 20), false);
  assert.equal(isEnough(run(1000, 100), 0, 20, 20), true);
});

test("events that could not be written have no number, and are shown beside the list", () => {
  const event = (at: number, node: string, number?: number) => ({ at, kind: "die", node, ...(number && { number }) });
  const fresh = [event(12, "a", 12), event(11, "a"), event(11, "b"), event(9, "a", 9)];
  assert.deepEqual(later([event(10, "a", 10)], fresh), fresh.slice(0, 3));
  assert.deepEqual(later([], fresh), fresh);
  assert.equal(new Set(fresh.map(eventKey)).size, 4);
});
