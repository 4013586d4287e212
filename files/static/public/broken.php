<?php

declare(strict_types=1);

// Broken on purpose, to test that other URLs and clients are not affected.
require __DIR__ . '/../lib/node.php';

$message = 'path: got /broken.php, want any other: this one is broken on purpose';
Evenkeel\serve(['GET', 'HEAD'], static fn () => Evenkeel\answer(['error' => $message], 500));
