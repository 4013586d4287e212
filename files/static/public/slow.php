<?php

declare(strict_types=1);

require __DIR__ . '/../lib/node.php';

Evenkeel\serve(['GET', 'HEAD'], static function (): void {
    $delay = Evenkeel\delayMs();
    Evenkeel\sleepMs($delay);
    Evenkeel\answer(['node' => Evenkeel\node(), 'delay_ms' => $delay]);
});
