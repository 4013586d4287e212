#!/bin/bash
# MARIADB_DATABASE, MARIADB_USER and MARIADB_PASSWORD or MARIADB_PASSWORD_FILE: what the first start makes. No user
# is root over the network, as with MARIADB_RANDOM_ROOT_PASSWORD.
set -euo pipefail
password=${MARIADB_PASSWORD:-}
if [ -n "${MARIADB_PASSWORD_FILE:-}" ]; then password=$(<"$MARIADB_PASSWORD_FILE"); fi
unset MARIADB_PASSWORD

as_mysql() {
  setpriv --reuid mysql --regid mysql --init-groups "$@"
}

mkdir -p /run/mysqld
chown -R mysql:mysql /run/mysqld /var/lib/mysql
if [ ! -d /var/lib/mysql/mysql ]; then
  if [ -z "${MARIADB_RANDOM_ROOT_PASSWORD:-}" ] || [ -z "$password" ]; then
    echo 'mariadb: got no password, want MARIADB_RANDOM_ROOT_PASSWORD and MARIADB_PASSWORD_FILE (fix: set them)' >&2
    exit 1
  fi
  as_mysql mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db >/dev/null
  # Without a network: what asks meanwhile, such as a health check, must not take it for the real start.
  as_mysql mariadbd --skip-networking --socket=/run/mysqld/first.sock &
  until mariadb-admin --socket=/run/mysqld/first.sock ping >/dev/null 2>&1; do sleep 0.2; done
  mariadb --socket=/run/mysqld/first.sock <<SQL
CREATE DATABASE \`$MARIADB_DATABASE\`;
CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY '${password//\'/\'\'}';
GRANT ALL ON \`$MARIADB_DATABASE\`.* TO '$MARIADB_USER'@'%';
SQL
  mariadb-admin --socket=/run/mysqld/first.sock shutdown
  wait
fi
exec setpriv --reuid mysql --regid mysql --init-groups "$@"
