import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ConfigError, readConfig } from '../src/config.js';
import { createStats } from '../src/stats.js';

test('a key is executed once, then answered from memory', () => {
  const stats = createStats();
  assert.deepEqual(stats.execute('a', 'body'), { executions: 1, replayed: false });
  assert.deepEqual(stats.execute('a', 'body'), { executions: 1, replayed: true });
  assert.deepEqual([stats.executed, stats.replayed], [1, 1]);
  assert.deepEqual(stats.list(), [{ key: 'a', executions: 1, replays: 1 }]);
});

test('a key with another body is refused and counts nothing', () => {
  const stats = createStats();
  stats.execute('a', 'body');
  assert.equal(stats.execute('a', 'other'), undefined);
  assert.deepEqual([stats.executed, stats.replayed], [1, 0]);
});

test('the map is bounded: the oldest key is forgotten, and that is counted', () => {
  const stats = createStats(2);
  for (const key of ['a', 'b', 'c']) stats.execute(key, '');
  assert.deepEqual(stats.list().map(({ key }) => key), ['b', 'c']);
  assert.equal(stats.forgotten, 1);
  assert.equal(stats.executed, 3);
});

test('keys that are names of object members are keys like others', () => {
  const stats = createStats();
  for (const key of ['__proto__', 'constructor']) assert.equal(stats.execute(key, '').replayed, false);
});

test('settings: defaults, and one line for nonsense', () => {
  assert.deepEqual(readConfig({}), { port: 3000, internalPort: 9180, drainMs: 3000 });
  assert.equal(readConfig({ EVENKEEL_DRAIN_SECONDS: '0' }).drainMs, 0);
  for (const text of ['', '-1', '2.5', '1_0', '٣', 'true', '3601']) {
    assert.throws(() => readConfig({ EVENKEEL_DRAIN_SECONDS: text }), ConfigError, text);
  }
});
