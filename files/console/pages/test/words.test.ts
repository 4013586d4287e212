import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, Event } from "../src/contract";
import { actionTitle, blocked, clusterLines, eventWords, plainName, stepWord, troubles } from "../src/pure/words";
import { node, state, tier } from "./made";

const running = { verb: "roll", tier: "static", node: "", count: null, actor: "alice" } as Action;

test("an event has its cause", () => {
  const cases: [Partial<Event>, string][] = [
    [{ kind: "die", exit_code: "137" }, "ended: exit code 137"],
    [{ kind: "kill", signal: "9" }, "got signal 9"],
    [{ kind: "oom" }, "out of memory"],
    [{ kind: "stop", actor: "alice" }, "stopped: by alice"],
    [{ kind: "other" }, "other"],
    [{ kind: "state", before: "in rotation", after: "hangs", reason: "no answer" }, "in rotation → hangs: no answer"],
    [{ kind: "state", before: "", after: "starting" }, "starting"],
  ];
  for (const [event, wanted] of cases) assert.equal(eventWords(event as Event), wanted);
});

test("trouble is told for each tier, with its nodes", () => {
  const bad = node("a", { shape: "trouble", word: "hangs" });
  const off = node("b", { shape: "stopped", word: "stopped" });
  const found = troubles(state([bad, off, node("c")], { static: tier({ desired: 3, in_rotation: 1 }) }));
  assert.deepEqual(found, [{ tier: "static", text: "1 of 3 in rotation", nodes: ["a", "b"], trouble: true }]);
  assert.deepEqual(troubles(state([node("a")], { static: tier() })), []);
  const unknown = troubles(state([bad], { static: tier({ in_rotation: null }) }));
  assert.equal(unknown[0]?.text, "rotation unknown");
});

test("what is wrong with the cluster has a line", () => {
  const fine = state([node("a")], { static: tier({ drift: ["static: one"] }) });
  assert.deepEqual(clusterLines({ ...fine, at: 1, drift: ["static: one"] }), []);
  const away = { reachable: false, version: "", reason: "" };
  assert.deepEqual(clusterLines({ ...fine, balancer: away }), [], "nothing was looked at yet");
  assert.deepEqual(
    clusterLines({ ...fine, at: 1, balancer: away, trouble: ["x"], drift: ["y"], undeclared: { old: [] } }),
    [
      "x",
      "y",
      "tier old is not declared: nodes of it are there",
      "balancer: its API does not answer; rotation unknown",
    ],
  );
});

test("why nothing can be changed", () => {
  const now = state([]);
  assert.equal(blocked(true, now, null), "");
  assert.equal(blocked(true, { ...now, trouble: ["not deployed"] }, null), "", "a refused replacement blocks nothing");
  assert.match(blocked(false, now, null), /^Not live/);
  assert.match(blocked(true, null, null), /^Not live/);
  assert.match(blocked(true, now, running), /^Roll static of alice runs/);
  const all = { ...running, verb: "verify", tier: "" } as Action;
  assert.match(blocked(true, now, all), /^Verify all tiers of alice runs/);
  const one = { ...running, verb: "drain", node: "a" } as Action;
  assert.match(blocked(true, state([node("a", { name: "static-1" })]), one), /^Drain static-1 of alice runs/);
  assert.match(blocked(true, { ...now, balancer: { reachable: false, version: "", reason: "" } }, null), /rotation/);
});

test("titles and steps are words", () => {
  assert.equal(actionTitle({ verb: "scale", tier: "static", node: "", count: 5 }, ""), "Scale static to 5");
  assert.equal(actionTitle({ verb: "drain", tier: "static", node: "1", count: null }, "static-1"), "Drain static-1");
  assert.equal(actionTitle({ verb: "verify", tier: "", node: "", count: null }, ""), "Verify all tiers");
  assert.equal(stepWord("in_rotation"), "in rotation");
  assert.equal(stepWord("some_new"), "some new");
});

test("a name is typed in any case", () => {
  assert.equal(plainName(" Alice "), "alice");
});
