<?php

declare(strict_types=1);

require __DIR__ . '/../lib/node.php';

// Apache lets only requests from inside the container come here.
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
        touch($flag); // SIGTERM came in between: it wins
    }
    Evenkeel\answer(Evenkeel\stats());
});
