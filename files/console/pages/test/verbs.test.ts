import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verb } from "../src/contract";
import { nextVerb, pointless } from "../src/pure/verbs";
import { node } from "./made";

const VERBS: Verb[] = ["drain", "undrain", "restart", "stop", "start", "remove", "kill"];
const possible = (word: string, shape: "serves" | "moves" | "trouble" | "stopped") =>
  VERBS.filter((verb) => pointless(verb, node("a", { word, shape })) === "");

test("what makes no sense in a node's state is not offered", () => {
  assert.deepEqual(possible("in rotation", "serves"), ["drain", "restart", "stop", "remove", "kill"]);
  assert.deepEqual(possible("draining", "moves"), ["undrain", "restart", "stop", "remove", "kill"]);
  assert.deepEqual(possible("stopped", "stopped"), ["restart", "start", "remove"]);
  assert.deepEqual(possible("ended, exit 1", "trouble"), ["restart", "start", "remove"]);
  assert.deepEqual(possible("frozen", "trouble"), ["remove"]);
  assert.match(pointless("restart", node("a", { word: "frozen" })), /docker unpause/);
});

test("the verb that is offered first is one that can be done", () => {
  for (const [word, shape, verb] of [
    ["in rotation", "serves", "drain"],
    ["draining", "moves", "undrain"],
    ["hangs", "trouble", "restart"],
    ["ended, exit 1", "trouble", "start"],
    ["stopped", "stopped", "start"],
    ["frozen", "trouble", "remove"],
  ] as const)
    assert.equal(nextVerb(node("a", { word, shape })), verb, word);
});
