// The node's settings, read from the environment.

export class ConfigError extends Error {}

function wholeNumber(env, name, fallback, maximum) {
  const text = env[name] ?? String(fallback);
  if (!/^(0|[1-9][0-9]{0,5})$/.test(text) || Number(text) > maximum) {
    throw new ConfigError(
      `${name}: got '${text}', want a whole number from 0 to ${maximum} (fix: unset it for ${fallback})`,
    );
  }
  return Number(text);
}

/**
 * Read the settings. Port 0 means any free port (used by the tests).
 *
 * @param {Record<string, string | undefined>} env
 * @returns {{port: number, internalPort: number, drainMs: number}}
 * @throws {ConfigError} naming the variable, what it held and what it may hold
 */
export function readConfig(env) {
  return {
    port: wholeNumber(env, 'EVENKEEL_PORT', 3000, 65535),
    internalPort: wholeNumber(env, 'EVENKEEL_INTERNAL_PORT', 9180, 65535),
    drainMs: 1000 * wholeNumber(env, 'EVENKEEL_DRAIN_SECONDS', 3, 3600),
  };
}
