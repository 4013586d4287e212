<?php

declare(strict_types=1);

require __DIR__ . '/../lib/node.php';

// Apache allows only requests from inside the container.
Evenkeel\serve(['POST', 'DELETE'], static function (): void {
    if (Evenkeel\terminating()) {
        throw new Evenkeel\InputError('drain: the node is stopping, its drain cannot be changed', 409);
    }
    $flag = Evenkeel\RUN . '/draining';
    if ($_SERVER['REQUEST_METHOD'] === 'POST') {
        touch($flag);
    } elseif (file_exists($flag)) {
        unlink($flag);
    }
    if (Evenkeel\terminating()) {
        touch($flag); // SIGTERM arrived in between: it takes precedence
    }
    Evenkeel\answer(Evenkeel\stats());
});
