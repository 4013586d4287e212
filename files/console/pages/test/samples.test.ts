import assert from "node:assert/strict";
import { test } from "node:test";
import { counting, pauseOf, turnOf } from "../src/pure/samples";

const ids = Array.from({ length: 130 }, (_, index) => `n${index}`);

test("all nodes get their turn, 60 at once", () => {
  assert.deepEqual(
    [0, 1, 2].flatMap((turn) => turnOf(ids, turn)),
    ids,
  );
  assert.deepEqual(turnOf(ids, 3), ids.slice(0, 60));
  assert.deepEqual(turnOf(["a"], 7), ["a"]);
  assert.deepEqual(turnOf([], 1), []);
});

test("all turns come before the first samples are too old", () => {
  assert.equal(pauseOf(10, 3000), 3000);
  assert.ok(pauseOf(1000, 3000) * 17 <= 10_000);
});

test("samples that are old or of removed nodes do not count", () => {
  const one = { cpu: 1, memory: 1 };
  const first = counting({}, { a: one, b: one, gone: one }, new Set(["a", "b"]), 100);
  assert.deepEqual(Object.keys(first), ["a", "b"]);
  const later = counting(first, { a: { cpu: 2, memory: 2 } }, new Set(["a", "b"]), 109);
  assert.deepEqual([later.a?.cpu, later.b?.cpu], [2, 1]);
  assert.deepEqual(Object.keys(counting(later, {}, new Set(["a", "b"]), 111)), ["a"]);
  assert.deepEqual(Object.keys(counting(later, {}, new Set(["b"]), 109)), ["b"]);
});
