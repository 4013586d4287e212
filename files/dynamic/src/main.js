// Entry point of a dynamic node. Both sockets listen before Express is loaded, so an early
// request waits instead of being refused, and the balancer may route here as soon as the
// container runs.

import http from 'node:http';
import os from 'node:os';

import { ConfigError, readConfig } from './config.js';
import { internalListener } from './internal.js';
import { createLifecycle } from './lifecycle.js';
import { createStats } from './stats.js';

/** Idle time-out of connections, in ms; longer than the balancer's (1 s). */
const KEEP_ALIVE_MS = 75_000;

function configOrExit() {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    return process.exit(1);
  }
}

const config = configOrExit();
const node = os.hostname();
const stats = createStats();
const server = http.createServer({ keepAliveTimeout: KEEP_ALIVE_MS });
const internal = http.createServer();
const lifecycle = createLifecycle({ server, node, stats, drainMs: config.drainMs });

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, async () => {
    if (lifecycle.stopping) return; // a second signal neither shortens nor restarts the drain
    console.log(`${node}: ${signal}, draining for ${config.drainMs / 1000} s`);
    await lifecycle.stop();
    console.log(`${node}: stopped after ${stats.requests} requests`);
    process.exit(0);
  });
}

server.listen(config.port);
internal.on('request', internalListener({ node, stats, lifecycle }));
internal.listen(config.internalPort);

const { createApp } = await import('./app.js');
lifecycle.serve(createApp({ node, stats }));
console.log(`${node}: serving on port ${server.address().port}, internal port ${internal.address().port}`);
