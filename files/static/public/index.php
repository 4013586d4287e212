<?php

declare(strict_types=1);

require __DIR__ . '/../lib/node.php';

header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store');
$node = htmlspecialchars(Evenkeel\node(), ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
?>
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="Watch a balanced cluster work: which node answers each request">
<title>Evenkeel: which node answers?</title>
<link rel="icon" href="favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="style.css">
<script src="app.js" defer></script>
</head>
<body data-page-node="<?= $node ?>">
<header class="masthead">
  <img src="favicon.svg" alt="" width="44" height="44">
  <div>
    <h1>Evenkeel</h1>
    <p>Which node answers? Every call below goes through the balancer.</p>
  </div>
</header>

<main>
  <section class="card hero" aria-labelledby="page-node-title">
    <h2 id="page-node-title">This page was served by</h2>
    <p class="node" id="page-node"><?= $node ?></p>
    <p class="hint">A static node: Apache and PHP. Reload the page: with sticky sessions the name stays.</p>
  </section>

  <section class="card controls" aria-label="Controls">
    <div class="buttons">
      <button type="button" id="toggle" class="primary">Stop</button>
      <button type="button" id="burst">Burst of 20</button>
      <button type="button" id="reset">Reset the tallies</button>
    </div>
    <label class="check">
      <input type="checkbox" id="cookie" checked>
      <span>Send the session cookie <small>(without it, nothing can stick)</small></span>
    </label>
    <p id="state" class="hint" role="status">Starting</p>
    <noscript><p class="alert">This page needs JavaScript to call the nodes.</p></noscript>
    <p id="error" class="alert" role="alert" hidden></p>
  </section>

  <section class="card" aria-labelledby="static-title">
    <h2 id="static-title">Static tier</h2>
    <p class="verdict" id="static-verdict">No call yet</p>
    <ul class="bars" id="static-bars" aria-label="Calls per static node"></ul>
    <p class="hint">Calls to <code>whoami.php</code> by this page, per node.</p>
  </section>

  <section class="card" aria-labelledby="dynamic-title">
    <h2 id="dynamic-title">Dynamic tier</h2>
    <p class="verdict" id="dynamic-verdict">No call yet</p>
    <ul class="bars" id="dynamic-bars" aria-label="Calls per dynamic node"></ul>
    <p class="hint">Calls to <code>/api/dates/</code> by this page, per node.</p>
  </section>

  <section class="card wide" aria-labelledby="dates-title">
    <h2 id="dates-title">Random dates <span class="from" id="dates-node"></span></h2>
    <ul class="dates" id="dates"></ul>
  </section>

  <section class="card wide" aria-labelledby="log-title">
    <h2 id="log-title">Latest calls</h2>
    <div class="scroll">
      <table>
        <thead><tr><th scope="col">Time</th><th scope="col">Tier</th><th scope="col">Answered by</th><th scope="col">Took</th></tr></thead>
        <tbody id="log"></tbody>
      </table>
    </div>
  </section>
</main>
</body>
</html>
