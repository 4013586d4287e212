// The node's counters. Idempotency keys are kept in a bounded map that drops the oldest first.

/** Maximum number of idempotency keys kept; about 15 MB if all have the maximum length. */
export const MAX_KEYS = 50_000;

/**
 * @param {number} maxKeys
 */
export function createStats(maxKeys = MAX_KEYS) {
  /** @type {Map<string, {executions: number, replays: number, fingerprint: string}>} */
  const keys = new Map();
  return {
    requests: 0,
    executed: 0,
    replayed: 0,
    forgotten: 0,
    /**
     * Execute a POST once per key.
     *
     * @param {string} key
     * @param {string} fingerprint digest of the body; a key stands for one body
     * @returns {{executions: number, replayed: boolean} | undefined} undefined: the key came with another body before
     */
    execute(key, fingerprint) {
      const known = keys.get(key);
      if (known) {
        if (known.fingerprint !== fingerprint) return undefined;
        known.replays += 1;
        this.replayed += 1;
        return { executions: known.executions, replayed: true };
      }
      if (keys.size >= maxKeys) {
        keys.delete(keys.keys().next().value);
        this.forgotten += 1;
      }
      keys.set(key, { executions: 1, replays: 0, fingerprint });
      this.executed += 1;
      return { executions: 1, replayed: false };
    },
    /** @returns {{key: string, executions: number, replays: number}[]} oldest first */
    list() {
      return Array.from(keys, ([key, { executions, replays }]) => ({ key, executions, replays }));
    },
  };
}
