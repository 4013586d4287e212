<?php

declare(strict_types=1);

require __DIR__ . '/../lib/node.php';

const MAX_BODY_BYTES = 16_384;

Evenkeel\serve(['POST'], static function (): void {
    $key = $_SERVER['HTTP_IDEMPOTENCY_KEY'] ?? null;
    if ($key === null) {
        throw new Evenkeel\InputError('Idempotency-Key: got none, want a header of 1 to 255 visible ASCII characters', 400);
    }
    if (preg_match('/\A[\x21-\x7e]{1,255}\z/', $key) !== 1) {
        throw new Evenkeel\InputError('Idempotency-Key: got ' . Evenkeel\shown($key)
            . ', want 1 to 255 visible ASCII characters, once', 400);
    }
    $delay = Evenkeel\delayMs();
    $body = (string) file_get_contents('php://input', false, null, 0, MAX_BODY_BYTES + 1);
    if (strlen($body) > MAX_BODY_BYTES) {
        throw new Evenkeel\InputError('body: got more than ' . MAX_BODY_BYTES . ' bytes, want at most that', 413);
    }
    $echo = null;
    if ($body !== '') {
        $type = strtolower(trim(explode(';', $_SERVER['CONTENT_TYPE'] ?? '')[0]));
        if ($type !== 'application/json') {
            throw new Evenkeel\InputError('Content-Type: got ' . Evenkeel\shown($type) . ', want application/json', 415);
        }
        $echo = json_decode($body, false, 64);
        if (json_last_error() !== JSON_ERROR_NONE) {
            throw new Evenkeel\InputError('body: got malformed JSON, want an object or an array', 400);
        }
    }
    $result = (new Evenkeel\KeyStore())->execute($key, hash('sha256', $body));
    Evenkeel\sleepMs($delay);
    if ($result === null) {
        throw new Evenkeel\InputError('Idempotency-Key: got ' . Evenkeel\shown($key)
            . ' with another body than before, want a new key', 422);
    }
    Evenkeel\answer(['node' => Evenkeel\node(), 'key' => $key] + $result + ['echo' => $echo]);
});
