// The internal port: counters and drain, for operators. It is not exposed, and the
// balancer never routes to it.

const LOOPBACK = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

/**
 * @param {object} options
 * @param {string} options.node
 * @param {ReturnType<import('./stats.js').createStats>} options.stats
 * @param {ReturnType<import('./lifecycle.js').createLifecycle>} options.lifecycle
 * @returns {import('node:http').RequestListener}
 */
export function internalListener({ node, stats, lifecycle }) {
  const summary = () => ({
    node,
    requests: stats.requests,
    draining: lifecycle.draining,
    in_flight: lifecycle.inFlight,
    executed: stats.executed,
    replayed: stats.replayed,
  });

  function drain(request, on) {
    if (!LOOPBACK.has(request.socket.remoteAddress)) {
      return [403, { error: `drain: got a request from ${request.socket.remoteAddress}, want one from inside the container` }];
    }
    if (!lifecycle.drain(on)) return [409, { error: 'drain: the node is stopping, its drain cannot be changed' }];
    return [200, summary()];
  }

  function answer(request) {
    switch (`${request.method} ${request.url}`) {
      case 'GET /stats':
        return [200, summary()];
      case 'GET /executions':
        return [200, { node, executed: stats.executed, forgotten: stats.forgotten, keys: stats.list() }];
      case 'POST /drain':
        return drain(request, true);
      case 'DELETE /drain':
        return drain(request, false);
      default:
        return [404, { error: 'want GET /stats, GET /executions, POST /drain or DELETE /drain' }];
    }
  }

  return (request, response) => {
    const [status, body] = answer(request);
    const text = JSON.stringify(body);
    response.writeHead(status, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
      'X-Served-By': node,
    });
    response.end(text);
  };
}
