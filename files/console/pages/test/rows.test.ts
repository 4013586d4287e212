import assert from "node:assert/strict";
import { test } from "node:test";
import { filtered, shares, sorted, told, visible } from "../src/pure/rows";
import { node } from "./made";

const names = (nodes: { name: string }[]) => nodes.map((one) => one.name).join(" ");

test("names with numbers are ordered as people count", () => {
  const nodes = ["static-10", "static-2", "static-1"].map((name) => node(name));
  assert.equal(names(sorted(nodes, { column: "name", descending: false })), "static-1 static-2 static-10");
  assert.equal(names(sorted(nodes, { column: "name", descending: true })), "static-10 static-2 static-1");
});

test("what was not measured comes last in both directions", () => {
  const nodes = [node("a", { p95: null }), node("b", { p95: 0.2 }), node("c", { p95: 0.1 })];
  assert.equal(names(sorted(nodes, { column: "p95", descending: false })), "c b a");
  assert.equal(names(sorted(nodes, { column: "p95", descending: true })), "b c a");
  const samples = { c: { cpu: 5, memory: 1 }, a: { cpu: 50, memory: 2 } };
  assert.equal(names(sorted(nodes, { column: "cpu", descending: true }, samples)), "a c b");
});

test("trouble comes first by state", () => {
  const nodes = [
    node("a"),
    node("b", { shape: "stopped" }),
    node("c", { shape: "trouble" }),
    node("d", { shape: "moves" }),
  ];
  assert.equal(names(sorted(nodes, { column: "state", descending: false })), "c d b a");
});

test("every word of the filter must be found", () => {
  const nodes = [
    node("static-1"),
    node("static-2", { word: "hangs", shape: "trouble" }),
    node("x", { managed: false }),
  ];
  assert.equal(names(filtered(nodes, "STATIC hangs", false)), "static-2");
  assert.equal(names(filtered(nodes, "guest", false)), "x");
  assert.equal(names(filtered(nodes, "", true)), "static-2");
  assert.equal(names(filtered(nodes, "static-1", true)), "");
  assert.equal(filtered(nodes, "  ", false).length, 3);
});

test("shares are parts of all, and none without traffic", () => {
  const found = shares([node("a", { rate: 30 }), node("b", { rate: 10 })]);
  assert.equal(found.get("a"), 0.75);
  assert.equal(shares([node("a")]).get("a"), null);
});

test("only rows in sight are drawn", () => {
  assert.deepEqual(visible(1000, 34, 0, 680, 8), { first: 0, last: 28 });
  assert.deepEqual(visible(1000, 34, 3400, 680, 8), { first: 92, last: 128 });
  assert.deepEqual(visible(1000, 34, 1e9, 680, 8), { first: 1000, last: 1000 });
  assert.deepEqual(visible(3, 34, 0, -50, 0), { first: 0, last: 0 });
});

test("a chart is told in a sentence", () => {
  assert.equal(
    told([node("a", { rate: 60 }), node("b", { rate: 40 })]),
    "2 nodes in rotation, 100 requests/s, none below 40 %.",
  );
  assert.equal(told([node("a")]), "1 node in rotation, no traffic.");
});
