// Starts a real node process on free ports, for the tests.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url));

/**
 * @param {import('node:test').TestContext} t the process ends with this test
 * @param {Record<string, string>} env
 */
export async function startNode(t, env = {}) {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, EVENKEEL_PORT: '0', EVENKEEL_INTERNAL_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit').then(([code]) => code);
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, 'line');
  const [port, internalPort] = /port (\d+), internal port (\d+)/.exec(line).slice(1).map(Number);
  return { child, port, internalPort, exited };
}

/**
 * One request; the body is read whole and, if it is JSON, parsed.
 *
 * @param {number} port
 * @param {http.RequestOptions & {body?: string}} options
 */
export async function ask(port, { body, ...options } = {}) {
  const request = http.request({ host: '127.0.0.1', port, ...options });
  request.end(body);
  const [response] = await once(request, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  const json = (response.headers['content-type'] ?? '').startsWith('application/json') && text ? JSON.parse(text) : undefined;
  return { status: response.statusCode, headers: response.headers, text, json };
}

/** POST a JSON value with an idempotency key. */
export function post(port, key, value = {}, path = '/') {
  return ask(port, {
    method: 'POST',
    path,
    headers: { 'Content-Type': 'application/json', ...(key === undefined ? {} : { 'Idempotency-Key': key }) },
    body: JSON.stringify(value),
  });
}
