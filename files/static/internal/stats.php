<?php

declare(strict_types=1);

require __DIR__ . '/../lib/node.php';

Evenkeel\serve(['GET'], static fn () => Evenkeel\answer(Evenkeel\stats()));
