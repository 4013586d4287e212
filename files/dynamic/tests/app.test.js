import assert from 'node:assert/strict';
import net from 'node:net';
import os from 'node:os';
import { after, before, describe, test } from 'node:test';

import { ask, post, startNode } from './node_process.js';

describe('a running node', () => {
  let node;
  let stop;
  before(async () => {
    node = await startNode({ after: (end) => (stop = end) });
  });
  after(() => stop());

  test('GET / answers with its name and dates', async () => {
    const { status, headers, json } = await ask(node.port, { path: '/?count=3&from=2024-01-01&to=2024-01-31' });
    assert.equal(status, 200);
    assert.equal(headers['x-served-by'], os.hostname());
    assert.equal(headers['x-powered-by'], undefined);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(json.node, os.hostname());
    assert.equal(json.dates.length, 3);
    for (const text of json.dates) assert.match(text, /^2024-01-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  for (const [method, path, status] of [
    ['GET', '/?count=x', 400],
    ['GET', '/?count=1&count=2', 400],
    ['GET', '/?delay_ms=30001', 400],
    ['GET', '/nothing', 404],
    ['GET', '/broken', 500],
    ['POST', '/broken', 404],
    ['GET', '/healthz/', 404],
    ['GET', '/stats', 404],
    ['POST', '/nothing', 404],
    ['PUT', '/', 405],
    ['DELETE', '/', 405],
    ['POST', '/', 400],
  ]) {
    test(`${method} ${path} is refused in JSON with ${status}`, async () => {
      const answer = await ask(node.port, { method, path });
      assert.equal(answer.status, status);
      assert.equal(answer.headers['x-served-by'], os.hostname());
      assert.match(answer.json.error, /^[A-Za-z_-]+: got .+, want .+$/u);
    });
  }

  test('a path that is no URL is answered, not an error', async () => {
    assert.ok((await ask(node.port, { path: '//?count=1' })).status < 500);
  });

  for (const [name, headers, body, status, path = '/'] of [
    ['no key', { 'Content-Type': 'application/json' }, '{}', 400],
    ['a key with a space', { 'Content-Type': 'application/json', 'Idempotency-Key': 'a b' }, '{}', 400],
    ['an empty key', { 'Content-Type': 'application/json', 'Idempotency-Key': '' }, '{}', 400],
    ['a long key', { 'Content-Type': 'application/json', 'Idempotency-Key': 'k'.repeat(256) }, '{}', 400],
    ['two keys', { 'Content-Type': 'application/json', 'Idempotency-Key': ['a', 'b'] }, '{}', 400],
    ['malformed JSON', { 'Content-Type': 'application/json', 'Idempotency-Key': 'm' }, '{', 400],
    ['a form', { 'Content-Type': 'application/x-www-form-urlencoded', 'Idempotency-Key': 'f' }, 'a=1', 415],
    ['JSON of no type', { 'Idempotency-Key': 'f' }, '{}', 415],
    ['a big body', { 'Content-Type': 'application/json', 'Idempotency-Key': 'b' }, JSON.stringify('x'.repeat(20_000)), 413],
    ['a bad delay', { 'Content-Type': 'application/json', 'Idempotency-Key': 'd' }, '{}', 400, '/?delay_ms=x'],
  ]) {
    test(`POST with ${name} is refused with ${status}`, async () => {
      const answer = await ask(node.port, { method: 'POST', path, headers, body });
      assert.equal(answer.status, status);
      assert.match(answer.json.error, /: got .+, want .+/u);
    });
  }

  test('refused POSTs executed nothing', async () => {
    const { json } = await ask(node.internalPort, { path: '/executions' });
    assert.deepEqual(json.keys, []);
  });

  test('a key runs once, also when it comes many times at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(node.port, 'many', { a: 1 }, '/?delay_ms=50')));
    assert.deepEqual(answers.map(({ status }) => status), Array(20).fill(200));
    assert.equal(answers.filter(({ json }) => !json.replayed).length, 1);
    for (const { json } of answers) assert.deepEqual([json.key, json.executions], ['many', 1]);
    const { json } = await ask(node.internalPort, { path: '/executions' });
    assert.deepEqual(json.keys.find(({ key }) => key === 'many'), { key: 'many', executions: 1, replays: 19 });
  });

  test('a key with another body is refused with 422', async () => {
    await post(node.port, 'body', { a: 1 });
    assert.equal((await post(node.port, 'body', { a: 2 })).status, 422);
  });

  test('the counter is exact under load and leaves probes out', async () => {
    const count = async () => (await ask(node.internalPort, { path: '/stats' })).json.requests;
    const start = await count();
    await Promise.all(Array.from({ length: 200 }, (_, i) => ask(node.port, { path: i % 4 === 0 ? '/healthz' : '/?count=1' })));
    assert.equal((await count()) - start, 150);
  });

  test('/healthz: GET and HEAD', async () => {
    const get = await ask(node.port, { path: '/healthz' });
    assert.deepEqual([get.status, get.text, get.headers['x-served-by']], [200, '', os.hostname()]);
    assert.equal((await ask(node.port, { method: 'HEAD', path: '/healthz' })).status, 200);
  });

  test('what is no HTTP is answered with 400 and the name of the node', async () => {
    const socket = net.connect(node.port, '127.0.0.1');
    socket.end('NONSENSE\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk;
    assert.match(text, /^HTTP\/1\.1 400 /);
    assert.match(text, new RegExp(`X-Served-By: ${os.hostname()}`));
  });

  test('the internal port knows nothing else', async () => {
    assert.equal((await ask(node.internalPort, { path: '/' })).status, 404);
    assert.equal((await ask(node.internalPort, { method: 'PUT', path: '/drain' })).status, 404);
  });
});
