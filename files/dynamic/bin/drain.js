#!/usr/local/bin/node
// drain on|off: take this node out of rotation, or put it back, without stopping it.
// Use: docker exec <node> drain on

import { readConfig } from '../src/config.js';

const METHODS = { on: 'POST', off: 'DELETE' };

const [verb, ...rest] = process.argv.slice(2);
if (!Object.hasOwn(METHODS, verb ?? '') || rest.length > 0) {
  console.error(`drain: got '${process.argv.slice(2).join(' ')}', want on or off`);
  process.exit(2);
}
try {
  const { internalPort } = readConfig(process.env);
  const response = await fetch(`http://127.0.0.1:${internalPort}/drain`, { method: METHODS[verb] });
  const text = await response.text();
  if (!response.ok) throw new Error(JSON.parse(text).error);
  console.log(text);
} catch (error) {
  console.error(error.cause ? `drain: ${error.cause.message}` : error.message);
  process.exit(1);
}
