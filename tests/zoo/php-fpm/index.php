<?php
// Answers "ok", after a second where that is asked for.
if ($_SERVER['REQUEST_URI'] === '/slow') {
    sleep(1);
}
header('Content-Type: text/plain');
echo 'ok';
