import assert from "node:assert/strict";
import { test } from "node:test";
import { dashOf, numbered, spread } from "../src/pure/labels";

test("lines of one colour have other dashes", () => {
  assert.deepEqual(dashOf(0, 6), []);
  assert.deepEqual(dashOf(5, 6), []);
  assert.notDeepEqual(dashOf(6, 6), []);
  assert.notDeepEqual(dashOf(12, 6), dashOf(6, 6));
});

test("names at the ends of lines do not cover each other", () => {
  assert.deepEqual(spread([50, 20], 10, 0, 100), [50, 20]);
  assert.deepEqual(spread([20, 20, 25], 10, 0, 100), [20, 30, 40]);
  assert.deepEqual(spread([98, 99, 100], 10, 0, 100), [80, 90, 100]);
  assert.deepEqual(spread([], 10, 0, 100), []);
});

test("marks that are near to each other have one text", () => {
  assert.deepEqual(numbered([10, 15, 60], 20), [
    { at: 10, text: "1–2" },
    { at: 60, text: "3" },
  ]);
});
