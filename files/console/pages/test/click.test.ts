import assert from "node:assert/strict";
import { test } from "node:test";
import { ClickKeys, newPlanLine } from "../src/pure/click";

test("a click keeps its name until it is refused or another plan is taken", () => {
  const keys = new ClickKeys();
  const first = keys.of("p1");
  assert.match(first, /^[0-9a-f]{32}$/);
  assert.equal(keys.of("p1"), first);
  for (const status of [500, 502, 504]) keys.refused(status);
  assert.equal(keys.of("p1"), first, "the server may have begun");
  const other = keys.of("p2");
  assert.notEqual(other, first);
  keys.refused(409);
  assert.notEqual(keys.of("p2"), other);
});

test("a plan that the agent does not know any more is made again, beside a word about the actions", () => {
  assert.match(newPlanLine(404, false), /^That plan is not known any more. See under Actions/);
  assert.match(newPlanLine(409, true), /^The cluster has changed/);
  for (const status of [409, 422, 503]) assert.equal(newPlanLine(status, false), "");
});
