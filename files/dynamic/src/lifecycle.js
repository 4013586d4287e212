// Life cycle of the main server: readiness, drain, stop. It works below Express, on
// node:http, so it applies to every response, errors included.

import { STATUS_CODES } from 'node:http';

/** After the node stops listening, connections without a request in flight are closed after this time, in ms. */
const LINGER_MS = 1000;

const PARSER_STATUS = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

/**
 * @param {object} options
 * @param {import('node:http').Server} options.server main server
 * @param {string} options.node name of this node, sent as X-Served-By
 * @param {{requests: number}} options.stats
 * @param {number} options.drainMs how long a stopping node keeps accepting requests
 */
export function createLifecycle({ server, node, stats, drainMs }) {
  /** @type {Map<import('node:net').Socket, number>} requests in flight per connection */
  const connections = new Map();
  /** @type {Set<import('node:http').ServerResponse>} */
  const inFlight = new Set();
  let drainAsked = false;
  let stopped; // promise of the end, set by SIGTERM
  let handler;
  const ready = Promise.withResolvers();

  const draining = () => drainAsked || stopped !== undefined;

  function closeAfter(response) {
    if (!response.headersSent) response.setHeader('Connection', 'close');
  }

  function health(request, response) {
    // No body: Traefik does not read it, and an unread body costs a new connection and DNS look-ups per probe.
    const [status, text] = draining() ? [503, 'draining\n'] : [200, ''];
    response.writeHead(status, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': text.length,
      'Cache-Control': 'no-store',
    });
    response.end(request.method === 'HEAD' ? undefined : text);
  }

  function onRequest(request, response) {
    const { socket } = request;
    connections.set(socket, (connections.get(socket) ?? 0) + 1);
    inFlight.add(response);
    response.once('close', () => {
      inFlight.delete(response);
      if (connections.has(socket)) connections.set(socket, connections.get(socket) - 1);
    });
    response.setHeader('X-Served-By', node);
    if (draining()) closeAfter(response);
    if (request.url === '/healthz') {
      // While the app loads, the probe waits like any other request.
      if (handler) health(request, response);
      else ready.promise.then(() => health(request, response));
      return;
    }
    response.once('finish', () => {
      stats.requests += 1;
    });
    if (handler) handler(request, response);
    else ready.promise.then(() => handler(request, response));
  }

  server.on('connection', (socket) => {
    connections.set(socket, 0);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', onRequest);
  // node:http would answer these two without our headers, so answer them here.
  server.on('checkExpectation', (request, response) => {
    response.writeHead(417, { 'X-Served-By': node, Connection: 'close', 'Content-Length': 0 });
    response.end();
  });
  server.on('clientError', (error, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const status = PARSER_STATUS[error.code] ?? 400;
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nX-Served-By: ${node}\r\n` +
        'Connection: close\r\nContent-Length: 0\r\n\r\n',
    );
  });

  function beginLameDuck() {
    // Also close after answers to earlier requests whose headers are not sent yet.
    for (const response of inFlight) closeAfter(response);
  }

  async function drainAndClose() {
    beginLameDuck();
    await new Promise((resolve) => {
      setTimeout(resolve, drainMs);
    });
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    // A connection that never sent a request would delay close() by a minute.
    setTimeout(() => {
      for (const [socket, requests] of connections) if (requests === 0) socket.destroy();
    }, LINGER_MS).unref();
    await closed;
  }

  return {
    get draining() {
      return draining();
    },
    get stopping() {
      return stopped !== undefined;
    },
    get inFlight() {
      return inFlight.size;
    },
    /** Set the application; waiting requests are answered now. */
    serve(listener) {
      handler = listener;
      ready.resolve();
    },
    /** Start (true) or cancel (false) a drain without a stop; returns false if the node is stopping. */
    drain(on) {
      if (stopped) return false;
      drainAsked = on;
      if (on) beginLameDuck();
      return true;
    },
    /** Drain for the drain time, then refuse new connections; resolves when the last request is done. */
    stop() {
      stopped ??= drainAndClose();
      return stopped;
    },
  };
}
