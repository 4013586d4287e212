<?php

declare(strict_types=1);

/** What the scripts of a static node share: answers, input, flags and counters. */

namespace Evenkeel;

const RUN = '/run/evenkeel';
const MAX_DELAY_MS = 30_000;

final class InputError extends \Exception
{
}

/** Name of this node: the container's host name. */
function node(): string
{
    return (string) gethostname();
}

/**
 * Send a JSON answer.
 *
 * @param array<string, mixed> $body
 */
function answer(array $body, int $status = 200): void
{
    http_response_code($status);
    header('Content-Type: application/json; charset=utf-8');
    header('Cache-Control: no-store');
    echo json_encode($body, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
        | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

/**
 * Run a script's body; exceptions become a JSON error.
 *
 * @param list<string> $methods allowed request methods
 */
function serve(array $methods, callable $body): void
{
    $method = $_SERVER['REQUEST_METHOD'];
    if (!in_array($method, $methods, true)) {
        header('Allow: ' . implode(', ', $methods));
        answer(['error' => "method: got $method, want " . implode(' or ', $methods)], 405);
        return;
    }
    try {
        $body();
    } catch (InputError $error) {
        answer(['error' => $error->getMessage()], $error->getCode());
    } catch (\Throwable $error) {
        error_log((string) $error);
        answer(['error' => 'internal error'], 500);
    }
}

/** A value for an error message: shortened, on one line. */
function shown(string $text): string
{
    $short = strlen($text) > 40 ? substr($text, 0, 40) . '…' : $text;
    return "'" . preg_replace('/[\x00-\x1f\x7f]/', '?', $short) . "'";
}

/**
 * Milliseconds to wait, from the query parameter delay_ms (0 to 30,000; 0 when absent).
 *
 * Read from the raw query, because $_GET would hide a repeated parameter.
 *
 * @throws InputError
 */
function delayMs(): int
{
    $values = [];
    foreach (explode('&', $_SERVER['QUERY_STRING'] ?? '') as $pair) {
        [$name, $value] = explode('=', $pair, 2) + [1 => ''];
        if (urldecode($name) === 'delay_ms') {
            $values[] = urldecode($value);
        }
    }
    if (count($values) > 1) {
        throw new InputError('delay_ms: got it ' . count($values) . ' times, want it once', 400);
    }
    $text = $values[0] ?? '0';
    if (preg_match('/\A(0|[1-9][0-9]{0,4})\z/', $text) !== 1 || (int) $text > MAX_DELAY_MS) {
        throw new InputError('delay_ms: got ' . shown($text) . ', want a whole number from 0 to ' . MAX_DELAY_MS, 400);
    }
    return (int) $text;
}

function sleepMs(int $milliseconds): void
{
    if ($milliseconds > 0) {
        usleep(1000 * $milliseconds);
    }
}

/** Whether the node is draining. */
function draining(): bool
{
    clearstatcache();
    return file_exists(RUN . '/draining');
}

/** Whether the node got SIGTERM; that drain cannot be cancelled. */
function terminating(): bool
{
    clearstatcache();
    return file_exists(RUN . '/terminating');
}

/** Finished requests on the main port; Apache's log holds two bytes for each. */
function requests(): int
{
    clearstatcache();
    return intdiv((int) filesize(RUN . '/requests'), 2);
}

/**
 * The counters of this node.
 *
 * @return array<string, mixed>
 */
function stats(): array
{
    return ['node' => node(), 'requests' => requests(), 'draining' => draining()] + (new KeyStore())->totals();
}

require __DIR__ . '/key_store.php';
