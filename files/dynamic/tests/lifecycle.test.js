import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { ask, startNode } from './node_process.js';

const DRAIN = fileURLToPath(new URL('../bin/drain.js', import.meta.url));

test('SIGTERM: goodbye on every connection, requests in flight finish, exit code 0', async (t) => {
  const node = await startNode(t, { EVENKEEL_DRAIN_SECONDS: '1' });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const before = await ask(node.port, { agent });
  assert.equal(before.headers.connection, 'keep-alive');
  const slow = ask(node.port, { path: '/?delay_ms=1800' });
  await sleep(100);

  const start = performance.now();
  node.child.kill('SIGTERM');
  await sleep(100);
  const kept = await ask(node.port, { agent });
  assert.deepEqual([kept.status, kept.headers.connection], [200, 'close']);
  const health = await ask(node.port, { path: '/healthz' });
  assert.deepEqual([health.status, health.text, health.headers.connection], [503, 'draining\n', 'close']);
  assert.equal((await ask(node.internalPort, { path: '/stats' })).json.draining, true);
  node.child.kill('SIGTERM'); // a second one does not shorten the drain
  await sleep(500);
  assert.equal((await ask(node.port)).status, 200);

  await sleep(700); // past the drain time: no new connections, the slow request goes on
  await assert.rejects(ask(node.port), { code: 'ECONNREFUSED' });
  const last = await slow;
  assert.deepEqual([last.status, last.headers.connection], [200, 'close']);
  assert.equal(await node.exited, 0);
  assert.ok(performance.now() - start >= 1600);
});

test('a connection that never sends anything does not hold up the stop', async (t) => {
  const node = await startNode(t, { EVENKEEL_DRAIN_SECONDS: '0' });
  const silent = net.connect(node.port, '127.0.0.1');
  silent.on('error', () => {});
  t.after(() => silent.destroy());
  await ask(node.port);
  const start = performance.now();
  node.child.kill('SIGTERM');
  assert.equal(await node.exited, 0);
  assert.ok(performance.now() - start < 2500);
});

test('drain on and off, without a stop', async (t) => {
  const node = await startNode(t);
  const drain = (...words) => spawnSync(process.execPath, [DRAIN, ...words], {
    env: { ...process.env, EVENKEEL_INTERNAL_PORT: String(node.internalPort) },
    encoding: 'utf8',
  });
  assert.equal(drain('on').status, 0);
  const during = await ask(node.port, { path: '/healthz' });
  assert.deepEqual([during.status, during.headers.connection], [503, 'close']);
  assert.equal((await ask(node.port)).status, 200);
  assert.equal(drain('off').status, 0);
  const after = await ask(node.port, { path: '/healthz' });
  assert.deepEqual([after.status, after.headers.connection], [200, 'keep-alive']);
  for (const words of [[], ['maybe'], ['on', 'off'], ['toString']]) assert.equal(drain(...words).status, 2, words.join(' '));
});

test('a bad setting is one line and exit code 1', () => {
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [main], {
    env: { ...process.env, EVENKEEL_DRAIN_SECONDS: 'soon', NODE_EXTRA_CA_CERTS: '' },
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.match(stderr, /^EVENKEEL_DRAIN_SECONDS: got 'soon', want .+\n$/);
});
