#!/bin/bash
# POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE: what the first start makes.
set -euo pipefail
password=${POSTGRES_PASSWORD:-}
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then password=$(<"$POSTGRES_PASSWORD_FILE"); fi
unset POSTGRES_PASSWORD

as_postgres() {
  setpriv --reuid postgres --regid postgres --init-groups "$@"
}

mkdir -p "$PGDATA" /var/run/postgresql
chown -R postgres:postgres "$PGDATA" /var/run/postgresql
chmod 0700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "$password" ]; then
    echo 'postgres: got no password, want POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE (fix: set one)' >&2
    exit 1
  fi
  user=${POSTGRES_USER:-postgres}
  file=$(as_postgres mktemp)
  printf '%s\n' "$password" >"$file"
  as_postgres initdb --username "$user" --pwfile "$file" --auth-host scram-sha-256 --auth-local trust --locale C.UTF-8
  rm "$file"
  printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  # Without a network: what asks meanwhile, such as a health check, must not take it for the real start.
  as_postgres pg_ctl --wait --options "-c listen_addresses=''" start
  if [ "${POSTGRES_DB:-$user}" != postgres ]; then
    as_postgres createdb --username "$user" --maintenance-db postgres "${POSTGRES_DB:-$user}"
  fi
  as_postgres pg_ctl --wait --mode fast stop
fi
exec setpriv --reuid postgres --regid postgres --init-groups "$@" -c "listen_addresses=*"
