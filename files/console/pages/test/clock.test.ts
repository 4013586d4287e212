import assert from "node:assert/strict";
import { test } from "node:test";
import { clockLine, ServerClock } from "../src/pure/clock";

test("now is the server's, by the message that was the least late", () => {
  const clock = new ServerClock();
  assert.equal(clock.now(5), null);
  clock.hear(1000, 10);
  assert.equal(clock.now(11), 1001);
  clock.hear(1004.5, 15);
  assert.equal(clock.now(15), 1005, "a late message takes nothing back");
  clock.hear(1010.2, 20);
  assert.equal(clock.now(20), 1010.2);
});

test("a server's clock that was set back is followed after a minute", () => {
  const clock = new ServerClock();
  clock.hear(2000, 10);
  clock.hear(1030, 40);
  clock.hear(1061, 71);
  assert.equal(clock.now(71), 1061);
});

test("a clock that differs by more than 5 s is told", () => {
  assert.equal(clockLine(5), "");
  assert.equal(clockLine(-5), "");
  assert.match(clockLine(12.4), /is 12 s behind the cluster's/);
  assert.match(clockLine(-3600), /is 3600 s ahead of the cluster's/);
});
