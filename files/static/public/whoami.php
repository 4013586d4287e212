<?php

declare(strict_types=1);

require __DIR__ . '/../lib/node.php';

Evenkeel\serve(['GET', 'HEAD'], static fn () => Evenkeel\answer(['node' => Evenkeel\node()]));
