import assert from "node:assert/strict";
import { test } from "node:test";
import { LogLines, MOST_LINES, type Numbered } from "../src/pure/loglines";

const at = (second: number) => `2026-01-01T00:00:0${second}.000000000Z`;

function texts(lines: LogLines<Numbered>): string[] {
  return lines.lines.map((line) => line.plain);
}

test("lines with equal or older stamps are lines", () => {
  const lines = new LogLines((line) => line);
  lines.opened();
  assert.ok(lines.add("stdout", `${at(2)} one`));
  assert.ok(lines.add("stdout", `${at(2)} two`));
  assert.ok(lines.add("stderr", `${at(1)} three`));
  assert.deepEqual(texts(lines), ["one", "two", "three"]);
});

test("the end that comes again after a broken connection is not shown twice", () => {
  const lines = new LogLines((line) => line);
  lines.opened();
  lines.add("stdout", `${at(1)} one`);
  lines.add("stdout", `${at(2)} two`);
  lines.opened();
  assert.equal(lines.add("stdout", `${at(1)} one`), false);
  assert.equal(lines.add("stdout", `${at(2)} two`), false);
  assert.ok(lines.add("stderr", `${at(2)} missed`));
  assert.ok(lines.add("stdout", `${at(3)} new`));
  assert.ok(lines.add("stdout", `${at(3)} new`), "it has caught up");
  assert.deepEqual(texts(lines), ["one", "two", "missed", "new", "new"]);
});

test("a log does not grow without end", () => {
  const lines = new LogLines((line) => line);
  for (let index = 0; index < MOST_LINES * 2; index += 1) lines.add("stdout", `${at(1)} ${index}`);
  assert.ok(lines.lines.length <= MOST_LINES * 1.2);
  assert.equal(lines.count, MOST_LINES * 2);
});
