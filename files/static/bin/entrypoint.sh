#!/bin/sh
# PID 1 of a static node: starts PHP-FPM and Apache, watches both, and makes every stop lossless.
# It sleeps in `wait`; all that happens later happens in the two traps.
set -eu

RUN=/run/evenkeel
apache=''
fpm=''

say() { printf '%s: %s\n' "$EVENKEEL_NODE" "$*"; }

# SIGTERM: say goodbye for the drain time, then let Apache finish what is in flight.
stop_node() {
    trap '' TERM INT # a second signal does not shorten the drain
    trap - CHLD
    : >"$RUN/terminating"
    : >"$RUN/draining"
    if [ -n "$apache" ]; then
        say "draining for $drain_seconds s"
        sleep "$drain_seconds"
        kill -WINCH "$apache" 2>/dev/null || true
        # Apache ignores the signal until it has started: ask again if it is still there.
        while sleep 2 && kill -WINCH "$apache" 2>/dev/null; do :; done &
        wait "$apache" || true
    fi
    [ -z "$fpm" ] || kill -QUIT "$fpm" 2>/dev/null || true
    say 'stopped'
    exit 0
}

# SIGCHLD: a node without Apache or PHP is no node. The engine's restart policy decides what follows.
check_children() {
    for child in $apache $fpm; do
        kill -0 "$child" 2>/dev/null && continue
        say "process $child ended by itself, stopping" >&2
        trap - CHLD TERM INT
        for other in $apache $fpm; do kill -TERM "$other" 2>/dev/null || true; done
        exit 1
    done
}

read -r EVENKEEL_NODE </proc/sys/kernel/hostname
export EVENKEEL_NODE
drain_seconds=${EVENKEEL_DRAIN_SECONDS:-3}
case $drain_seconds in
    '' | *[!0-9]* | ?????*)
        say "EVENKEEL_DRAIN_SECONDS: got '$drain_seconds', want a whole number from 0 to 9999 (fix: unset it for 3)" >&2
        exit 1
        ;;
esac

trap stop_node TERM INT

# Flags, counters and sockets of an earlier life of this container.
mkdir -p "$RUN"
rm -f "$RUN"/*

PHP_INI_SCAN_DIR='' php-fpm8.4 --force-stderr --php-ini /etc/evenkeel/php.ini --fpm-config /etc/evenkeel/php-fpm.conf &
fpm=$!
# Apache must find PHP listening, or its first requests would fail. Takes some 50 ms, once.
until [ -S "$RUN/php-internal.sock" ]; do
    kill -0 "$fpm" || exit 1
    sleep 0.02
done
apache2 -f /etc/evenkeel/apache2.conf -D FOREGROUND &
apache=$!
trap check_children CHLD
say 'serving on port 8080, internal port 9180'

while :; do
    # The counter's file is sparse: its size counts, its content is given back once in an hour.
    sleep 3600 &
    janitor=$!
    while kill -0 "$janitor" 2>/dev/null; do wait "$janitor" || true; done
    fallocate --punch-hole --offset 0 --length "$(stat -c %s "$RUN/requests")" "$RUN/requests" || true
done
