import assert from "node:assert/strict";
import { test } from "node:test";
import { escaped, logLine, parts } from "../src/pure/ansi";

test("colours become classes", () => {
  assert.deepEqual(parts("\x1b[1;31merror\x1b[0m end"), [
    { text: "error", look: "ansi-red ansi-bold" },
    { text: " end", look: "" },
  ]);
  assert.deepEqual(parts("\x1b[38;5;2mgreen\x1b[39mplain"), [
    { text: "green", look: "ansi-green" },
    { text: "plain", look: "" },
  ]);
  assert.deepEqual(parts("\x1b[38;2;31;31;31mtrue colour"), [{ text: "true colour", look: "" }]);
  assert.deepEqual(parts("\x1b[97;4mbright\x1b[24;22mx"), [
    { text: "bright", look: "ansi-white ansi-underlined" },
    { text: "x", look: "ansi-white" },
  ]);
});

test("every other sequence is shown, not obeyed", () => {
  const cases: [string, string][] = [
    ["\x1b[2J", "\\x1b[2J"],
    ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["\x9b31m", "\\x9b31m"],
    ["a\rb", "a\\x0db"],
    ["a\x00b", "a\\x00b"],
    ["user\u202egnp.exe", "user\\u202egnp.exe"],
    ["\u2066x\u2069", "\\u2066x\\u2069"],
    ["\u200b\ufeff\u061c", "\\u200b\\ufeff\\u061c"],
    ["line\u2028other", "line\\u2028other"],
    ["\u{e0041}", "\\u{e0041}"],
    ["soft\u00adhyphen\x7f", "soft\\xadhyphen\\x7f"],
    ["\u180e\ufff9x\ufffb", "\\u180e\\ufff9x\\ufffb"],
    ["tab\tstays, ä and 日本 too", "tab\tstays, ä and 日本 too"],
  ];
  for (const [raw, wanted] of cases) assert.equal(escaped(raw), wanted);
});

test("Docker's time is taken off, and markup stays text", () => {
  const line = logLine("stderr", "2026-05-17T14:02:31.123456789Z <b>\x1b[31mx</b>\r");
  assert.equal(line.time, "2026-05-17T14:02:31.123456789Z");
  assert.equal(line.plain, "<b>x</b>");
  assert.equal(line.stream, "stderr");
  assert.equal(logLine("stdout", "no time").time, "");
  assert.equal(logLine("stdout", "user\u202egnp\x1b[2J").plain, "user\\u202egnp\\x1b[2J");
  assert.deepEqual(parts("\x1b[31mred\u202e"), [{ text: "red\\u202e", look: "ansi-red" }]);
});
