import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InputError, parseDatesQuery, parseDelay, randomDates } from '../src/dates.js';

const parse = (text) => parseDatesQuery(new URLSearchParams(text));

test('defaults: ten dates of this century', () => {
  assert.deepEqual(parse(''), {
    count: 10,
    from: Date.UTC(2000, 0, 1),
    to: Date.UTC(2099, 11, 31, 23, 59, 59, 999),
  });
});

for (const [text, expected] of [
  ['count=1', { count: 1 }],
  ['count=1000', { count: 1000 }],
  ['from=2024-02-29', { from: Date.UTC(2024, 1, 29) }],
  ['to=2024-02-29', { to: Date.UTC(2024, 1, 29, 23, 59, 59, 999) }],
  ['from=2024-02-29T12:30Z', { from: Date.UTC(2024, 1, 29, 12, 30) }],
  ['from=2024-02-29T12:30:15.5Z', { from: Date.UTC(2024, 1, 29, 12, 30, 15, 500) }],
  ['from=2024-02-29T12:30:00%2B02:00', { from: Date.UTC(2024, 1, 29, 10, 30) }],
  ['from=2024-02-29T12:00:00Z&to=2024-02-29T12:00:00Z', { from: Date.UTC(2024, 1, 29, 12), to: Date.UTC(2024, 1, 29, 12) }],
  ['unknown=1&count=2', { count: 2 }],
]) {
  test(`accepted: ${text}`, () => {
    const parsed = parse(text);
    for (const [name, value] of Object.entries(expected)) assert.equal(parsed[name], value, name);
  });
}

for (const text of [
  'count=', 'count=0', 'count=-1', 'count=1001', 'count=99999999999', 'count=2.5', 'count=1e2', 'count=0x10', 'count=1_0',
  'count=010', 'count=%2B5', 'count=+5', 'count=5%20', 'count=5%0A', 'count=abc', 'count=true', 'count=NaN', 'count=Infinity',
  'count=%D9%A3', 'count=%EF%BC%95', 'count=1&count=2', 'count=5&count=5', 'count=%00',
  'from=', 'from=2023-02-29', 'from=2024-02-30', 'from=2024-04-31', 'from=2024-13-01', 'from=2024-00-10', 'from=2024-01-00',
  'from=2024-1-1', 'from=20240101', 'from=2024-01-01%2012:00', 'from=2024-01-01T24:00Z', 'from=2024-01-01T12:60Z',
  'from=2024-01-01T12:00:60Z', 'from=2024-01-01T12:00', 'from=2024-01-01T12:00:00%2B25:00', 'from=now', 'from=0', 'from=%2B012024-01-01',
  'to=yesterday', 'to=2024-02-30', 'to=2024-01-01&to=2024-01-02',
  'from=2024-01-02&to=2024-01-01', 'from=2150-01-01', 'to=1999-12-31',
]) {
  test(`refused: ${text}`, () => {
    assert.throws(() => parse(text), (error) => error instanceof InputError && /^(count|from|to): got .+, want .+$/u.test(error.message));
  });
}

test('the message names parameter, value and wanted range', () => {
  assert.throws(() => parse('count=x'), { message: "count: got 'x', want a whole number from 1 to 1000" });
});

test('a long value is shortened, control characters do not reach the message', () => {
  assert.throws(() => parse(`count=${'9'.repeat(500)}`), ({ message }) => message.length < 120);
  assert.throws(() => parse('count=%0d%0aX'), { message: "count: got '??X', want a whole number from 1 to 1000" });
});

test('delay_ms: 0 to 30000', () => {
  const delay = (text) => parseDelay(new URLSearchParams(text));
  assert.equal(delay(''), 0);
  assert.equal(delay('delay_ms=30000'), 30_000);
  for (const text of ['delay_ms=30001', 'delay_ms=-1', 'delay_ms=', 'delay_ms=1&delay_ms=1']) {
    assert.throws(() => delay(text), InputError, text);
  }
});

test('dates lie in the range, both ends included', () => {
  const range = { count: 1000, from: 5, to: 7 };
  const seen = new Set(randomDates(range).map((text) => Date.parse(text)));
  assert.deepEqual([...seen].sort(), [5, 6, 7]);
  assert.deepEqual(randomDates({ count: 1, from: 5, to: 7 }, () => 0.999999), [new Date(7).toISOString()]);
});
