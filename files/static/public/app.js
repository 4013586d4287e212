// Calls both tiers every few seconds and counts which node answered.
'use strict';

const PERIOD_MS = 3000;
const TIMEOUT_MS = 10000;
const BURST = 20;
const LOG_ROWS = 12;

const TIERS = {
  static: { url: 'whoami.php', counts: new Map(), latest: '', moves: 0, calls: 0 },
  dynamic: { url: '/api/dates/?count=6', counts: new Map(), latest: '', moves: 0, calls: 0 },
};

const byId = (id) => document.getElementById(id);
const pageNode = document.body.dataset.pageNode;
let timer = 0;
let busy = false; // a round or a burst is running

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The tally in words; observed, not read from the configuration. */
function verdict(name, tier) {
  if (tier.calls === 0) return 'No call yet';
  const counts = [...tier.counts.values()];
  const spread = Math.max(...counts) - Math.min(...counts);
  if (counts.length === 1) {
    const page = name === 'static' && tier.latest === pageNode ? ', which also served the page' : '';
    return `${tier.calls === 1 ? 'One call' : `All ${tier.calls} calls`} by one node${page}`;
  }
  const moves = `${tier.moves} of ${tier.calls - 1} calls moved to another node`;
  return `${counts.length} nodes, counts differ by ${spread} at most; ${moves}`;
}

function drawTier(name) {
  const tier = TIERS[name];
  const most = Math.max(1, ...tier.counts.values());
  const names = [...tier.counts.keys()].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const items = names.map((node) => {
    const count = tier.counts.get(node);
    const item = element('li', node === tier.latest ? 'latest' : '');
    const label = element('div', 'label');
    const share = Math.round((100 * count) / tier.calls);
    label.append(element('span', 'name', node), element('span', '', `${count} (${share} %)`));
    const track = element('div', 'track');
    const fill = element('div', 'fill');
    fill.style.width = `${(100 * count) / most}%`;
    track.append(fill);
    item.append(label, track);
    return item;
  });
  byId(`${name}-bars`).replaceChildren(...items);
  byId(`${name}-verdict`).textContent = verdict(name, tier);
}

function showDates(node, dates) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeZone: 'UTC' });
  byId('dates-node').textContent = `from ${node}`;
  byId('dates').replaceChildren(
    ...dates.map((text) => {
      const item = element('li');
      const time = element('time', '', format.format(new Date(text)));
      time.dateTime = text;
      item.append(time);
      return item;
    }),
  );
}

function logCall(name, text, milliseconds, failed) {
  const row = element('tr');
  row.append(
    element('td', '', new Date().toLocaleTimeString()),
    element('td', '', name),
    element('td', failed ? 'failed' : '', text),
    element('td', '', `${Math.round(milliseconds)} ms`),
  );
  const log = byId('log');
  log.prepend(row);
  while (log.rows.length > LOG_ROWS) log.deleteRow(-1);
}

function showError(message) {
  const box = byId('error');
  box.hidden = message === '';
  if (box.textContent !== message) box.textContent = message;
}

async function fetchJson(url) {
  let response;
  try {
    response = await fetch(url, {
      cache: 'no-store',
      credentials: byId('cookie').checked ? 'same-origin' : 'omit',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const why = error.name === 'TimeoutError' ? `no answer in ${TIMEOUT_MS / 1000} s` : 'no connection';
    throw new Error(`${url}: ${why}`);
  }
  if (!response.ok) throw new Error(`${url}: status ${response.status} from ${response.headers.get('X-Served-By') ?? 'the balancer'}`);
  try {
    return await response.json();
  } catch {
    throw new Error(`${url}: the answer is not JSON`);
  }
}

/** One call to a tier; returns an error message, or '' when all is well. */
async function call(name) {
  const tier = TIERS[name];
  const start = performance.now();
  try {
    const body = await fetchJson(tier.url);
    if (typeof body.node !== 'string') throw new Error(`${tier.url}: the answer names no node`);
    tier.calls += 1;
    tier.counts.set(body.node, (tier.counts.get(body.node) ?? 0) + 1);
    if (tier.latest !== '' && tier.latest !== body.node) tier.moves += 1;
    tier.latest = body.node;
    logCall(name, body.node, performance.now() - start, false);
    if (Array.isArray(body.dates)) showDates(body.node, body.dates);
    return '';
  } catch (error) {
    logCall(name, error.message, performance.now() - start, true);
    return error.message;
  } finally {
    drawTier(name);
  }
}

async function round() {
  const errors = await Promise.all(Object.keys(TIERS).map(call));
  showError(errors.filter(Boolean).join('; '));
}

async function tick() {
  if (busy || document.hidden) return;
  busy = true;
  await round();
  busy = false;
}

function drawState() {
  const running = timer !== 0;
  byId('toggle').textContent = running ? 'Stop' : 'Start';
  byId('state').textContent = running ? `One call to each tier every ${PERIOD_MS / 1000} s` : 'Stopped';
}

function start() {
  timer = setInterval(tick, PERIOD_MS);
  tick();
  drawState();
}

byId('toggle').addEventListener('click', () => {
  if (timer === 0) {
    start();
    return;
  }
  clearInterval(timer);
  timer = 0;
  drawState();
});

byId('burst').addEventListener('click', async () => {
  busy = true;
  byId('burst').disabled = true;
  for (let i = 0; i < BURST; i += 1) await round(); // one after another, to show the order of nodes
  byId('burst').disabled = false;
  busy = false;
});

byId('reset').addEventListener('click', () => {
  for (const [name, tier] of Object.entries(TIERS)) {
    tier.counts.clear();
    Object.assign(tier, { latest: '', moves: 0, calls: 0 });
    drawTier(name);
  }
  showError('');
});

start();
