import assert from "node:assert/strict";
import { test } from "node:test";
import { isEnough, PAGE, refreshed } from "../src/pure/pages";

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
