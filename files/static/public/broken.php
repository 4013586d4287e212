<?php

declare(strict_types=1);

// Broken on purpose, to see what becomes of everybody else.
require __DIR__ . '/../lib/node.php';

$message = 'path: got /broken.php, want any other: this one is broken on purpose';
Evenkeel\serve(['GET', 'HEAD'], static fn () => Evenkeel\answer(['error' => $message], 500));
