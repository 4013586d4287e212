<?php
// The settings come from the environment, or from the file that <name>_FILE names, as in the official image.
function zoo_setting(string $name, string $default): string
{
    $file = getenv("{$name}_FILE");
    if ($file !== false) {
        return trim(file_get_contents($file));
    }
    $value = getenv($name);
    return $value === false ? $default : $value;
}

define('DB_HOST', zoo_setting('WORDPRESS_DB_HOST', 'mysql'));
define('DB_NAME', zoo_setting('WORDPRESS_DB_NAME', 'wordpress'));
define('DB_USER', zoo_setting('WORDPRESS_DB_USER', 'example username'));
define('DB_PASSWORD', zoo_setting('WORDPRESS_DB_PASSWORD', 'example password'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $zoo_kind) {
    foreach (['KEY', 'SALT'] as $zoo_half) {
        // Without a value, each container has its own, as in the official image.
        $zoo_name = "{$zoo_kind}_{$zoo_half}";
        define($zoo_name, zoo_setting("WORDPRESS_{$zoo_name}", hash('sha256', $zoo_name . gethostname())));
    }
}
eval(zoo_setting('WORDPRESS_CONFIG_EXTRA', ''));
$table_prefix = zoo_setting('WORDPRESS_TABLE_PREFIX', 'wp_');
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
