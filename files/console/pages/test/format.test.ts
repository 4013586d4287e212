import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, cpu, duration, latency, moment, NONE, percent, plural, rate, short, utc } from "../src/pure/format";

test("what was not measured is not 0", () => {
  for (const format of [rate, latency, percent, cpu, bytes]) {
    assert.equal(format(null), NONE);
    assert.equal(format(undefined), NONE);
    assert.equal(format(Number.NaN), NONE);
    assert.notEqual(format(0), NONE);
  }
});

test("numbers have the digits that matter", () => {
  const cases: [string, string][] = [
    [rate(0), "0.0"],
    [rate(53.14), "53.1"],
    [rate(12345.6), "12,346"],
    [latency(0.0041), "4.1 ms"],
    [latency(0.0123), "12 ms"],
    [latency(1.25), "1.3 s"],
    [latency(12.5), "13 s"],
    [percent(0.254), "25 %"],
    [percent(0.0012, 1), "0.1 %"],
    [cpu(3.14), "3.1 %"],
    [cpu(142.4), "142 %"],
    [bytes(512), "512 B"],
    [bytes(1536), "1.5 KiB"],
    [bytes(31 * 1024 * 1024), "31 MiB"],
    [bytes(-1), NONE],
    [duration(-5), "0 s"],
    [duration(59.9), "59 s"],
    [duration(125), "2 min"],
    [duration(7300), "2 h"],
    [duration(86400 * 3), "3 d"],
    [plural(1, "node"), "1 node"],
    [plural(0, "node"), "0 nodes"],
    [short("sha256:0123456789abcdef"), "0123456789ab"],
  ];
  for (const [got, wanted] of cases) assert.equal(got, wanted);
});

test("a moment of another day has its date, and UTC is told to the millisecond", () => {
  const now = new Date(2026, 4, 17, 12, 0, 0).getTime() / 1000;
  assert.equal(moment(now - 3600, now), "11:00:00");
  assert.equal(moment(now - 86400, now), "2026-05-16 12:00:00");
  assert.equal(utc(0.25), "1970-01-01 00:00:00.250 UTC");
  assert.equal(utc(Number.NaN), "");
});
