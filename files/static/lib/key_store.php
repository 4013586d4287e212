<?php

declare(strict_types=1);

namespace Evenkeel;

/**
 * Idempotency keys and how often each was executed, shared by all scripts of this node.
 *
 * A SQLite file in the node's run directory: a transaction makes "look up, then execute"
 * one step. Bounded: when full, the oldest keys are forgotten (and counted).
 */
final class KeyStore
{
    private const MAX_KEYS = 50_000;

    private \SQLite3 $db;

    public function __construct()
    {
        $this->db = new \SQLite3(RUN . '/keys.sqlite');
        $this->db->enableExceptions(true);
        $this->db->busyTimeout(10_000);
        // The data does not outlive the node, so it need not be written to disk.
        $this->db->exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF');
        $this->db->exec('CREATE TABLE IF NOT EXISTS keys (id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL,
            fingerprint TEXT NOT NULL, executions INTEGER NOT NULL, replays INTEGER NOT NULL)');
        $this->db->exec('CREATE TABLE IF NOT EXISTS totals (executed INTEGER, replayed INTEGER, forgotten INTEGER)');
    }

    /**
     * Execute a POST once per key.
     *
     * @return array{executions: int, replayed: bool}|null null: the key came with another body before
     */
    public function execute(string $key, string $fingerprint): ?array
    {
        $this->db->exec('BEGIN IMMEDIATE');
        try {
            $result = $this->executeLocked($key, $fingerprint);
            $this->db->exec('COMMIT');
            return $result;
        } catch (\Throwable $error) {
            $this->db->exec('ROLLBACK');
            throw $error;
        }
    }

    /**
     * Totals since the node started.
     *
     * @return array{executed: int, replayed: int, forgotten: int}
     */
    public function totals(): array
    {
        return $this->db->querySingle('SELECT executed, replayed, forgotten FROM totals', true)
            ?: ['executed' => 0, 'replayed' => 0, 'forgotten' => 0];
    }

    /**
     * All remembered keys, oldest first.
     *
     * @return list<array{key: string, executions: int, replays: int}>
     */
    public function list(): array
    {
        $rows = [];
        $result = $this->db->query('SELECT key, executions, replays FROM keys ORDER BY id');
        while (($row = $result->fetchArray(SQLITE3_ASSOC)) !== false) {
            $rows[] = $row;
        }
        return $rows;
    }

    /** @return array{executions: int, replayed: bool}|null */
    private function executeLocked(string $key, string $fingerprint): ?array
    {
        $this->db->exec('INSERT INTO totals SELECT 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals)');
        $known = $this->run('SELECT fingerprint, executions FROM keys WHERE key = ?', $key)->fetchArray(SQLITE3_ASSOC);
        if ($known !== false) {
            if ($known['fingerprint'] !== $fingerprint) {
                return null;
            }
            $this->run('UPDATE keys SET replays = replays + 1 WHERE key = ?', $key);
            $this->db->exec('UPDATE totals SET replayed = replayed + 1');
            return ['executions' => $known['executions'], 'replayed' => true];
        }
        $this->run('INSERT INTO keys (key, fingerprint, executions, replays) VALUES (?, ?, 1, 0)', $key, $fingerprint);
        $this->run('DELETE FROM keys WHERE id <= ?', $this->db->lastInsertRowID() - self::MAX_KEYS);
        $forgotten = $this->db->changes();
        $this->db->exec("UPDATE totals SET executed = executed + 1, forgotten = forgotten + $forgotten");
        return ['executions' => 1, 'replayed' => false];
    }

    private function run(string $sql, string|int ...$values): \SQLite3Result
    {
        $statement = $this->db->prepare($sql);
        foreach ($values as $i => $value) {
            $statement->bindValue($i + 1, $value);
        }
        return $statement->execute();
    }
}
