// The application: random dates, and POST with idempotency keys.

import { createHash } from 'node:crypto';

import express from 'express';

import { InputError, parseDatesQuery, parseDelay, randomDates, shown } from './dates.js';

const BODY_LIMIT_BYTES = 16 * 1024;
const KEY = /^[\x21-\x7e]{1,255}$/;

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

// Not `new URL`: it refuses a path such as `//`.
const queryOf = ({ url }) => new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?')) : '');

const later = (milliseconds, answer) => {
  if (milliseconds === 0) answer();
  else setTimeout(answer, milliseconds);
};

function idempotencyKey(request) {
  const key = request.get('Idempotency-Key');
  if (key === undefined) throw new InputError('Idempotency-Key: got none, want a header of 1 to 255 visible ASCII characters');
  if (!KEY.test(key)) {
    throw new InputError(`Idempotency-Key: got ${shown(key)}, want 1 to 255 visible ASCII characters, once`);
  }
  return key;
}

function sendError(error, request, response, next) {
  if (response.headersSent) {
    next(error); // Express closes the connection: an answer that has begun cannot be replaced
    return;
  }
  if (error instanceof InputError) {
    response.status(400).json({ error: error.message });
  } else if (error.type === 'entity.too.large') {
    response.status(413).json({ error: `body: got more than ${BODY_LIMIT_BYTES} bytes, want at most that` });
  } else if (error.type === 'entity.parse.failed') {
    response.status(400).json({ error: 'body: got malformed JSON, want an object or an array' });
  } else if (error.status >= 400 && error.status < 500) {
    response.status(error.status).json({ error: `request: ${error.message}` });
  } else {
    console.error(error);
    response.status(500).json({ error: 'internal error' });
  }
}

/**
 * @param {object} options
 * @param {string} options.node name of this node
 * @param {ReturnType<import('./stats.js').createStats>} options.stats
 * @returns {import('express').Express}
 */
export function createApp({ node, stats }) {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // every answer is different
  app.set('query parser', false); // parameters are parsed by queryOf, which keeps repeated ones

  app.use((request, response, next) => {
    response.set(HEADERS);
    next();
  });

  app.get('/', (request, response) => {
    const query = queryOf(request);
    const delay = parseDelay(query);
    const range = parseDatesQuery(query);
    later(delay, () => response.json({ node, dates: randomDates(range) }));
  });

  // Broken on purpose, for tests: the node is healthy and must stay in rotation.
  app.get('/broken', (request, response) => {
    response.status(500).json({ error: 'path: got /broken, want any other: this one is broken on purpose' });
  });

  const unsupported = (request, response) => {
    const type = shown(request.get('Content-Type') ?? '');
    response.status(415).json({ error: `Content-Type: got ${type}, want application/json` });
  };

  const digest = (request, response, bytes) => {
    request.bodyLength = bytes.length;
    request.fingerprint = createHash('sha256').update(bytes).digest('base64url');
  };

  app.post(
    '/',
    (request, response, next) => {
      // Refuse other types before the parser, which would report a form as malformed JSON.
      if (request.get('Content-Type') !== undefined && request.is('json') === false) unsupported(request, response);
      else next();
    },
    express.json({ limit: BODY_LIMIT_BYTES, verify: digest, type: () => true }),
    (request, response) => {
      if (request.bodyLength > 0 && !request.is('json')) {
        unsupported(request, response);
        return;
      }
      const key = idempotencyKey(request);
      const delay = parseDelay(queryOf(request));
      const result = stats.execute(key, request.fingerprint ?? '');
      later(delay, () => {
        if (result) response.json({ node, key, ...result });
        else response.status(422).json({ error: `Idempotency-Key: got ${shown(key)} with another body than before, want a new key` });
      });
    },
  );

  app.all('/', (request, response) => {
    response.set('Allow', 'GET, HEAD, POST').status(405).json({ error: `method: got ${request.method}, want GET, HEAD or POST` });
  });

  app.use((request, response) => {
    response.status(404).json({ error: `path: got ${shown(request.path)}, want / or /broken` });
  });

  app.use(sendError);
  return app;
}
