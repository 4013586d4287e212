<?php

declare(strict_types=1);

require __DIR__ . '/../lib/node.php';

Evenkeel\serve(['GET'], static function (): void {
    $store = new Evenkeel\KeyStore();
    Evenkeel\answer(['node' => Evenkeel\node()] + $store->totals() + ['keys' => $store->list()]);
});
