#!/bin/sh
# PID 1 of a static node: starts PHP-FPM and Apache, watches both, and drains the node before it stops.
# After the start it sleeps in `wait`; the two traps do the rest.
set -eu

RUN=/run/evenkeel
apache=''
fpm=''

say() { printf '%s: %s\n' "$EVENKEEL_NODE" "$*"; }

# SIGTERM: drain for the drain time, then let Apache finish the requests in flight.
stop_node() {
    trap '' TERM INT # a second signal does not shorten the drain
    trap - CHLD
    : >"$RUN/terminating"
    : >"$RUN/draining"
    if [ -n "$apache" ]; then
        say "draining for $drain_seconds s"
        sleep "$drain_seconds"
        kill -WINCH "$apache" 2>/dev/null || true
        # Apache ignores the signal until it has started, so repeat it while Apache runs.
        while sleep 2 && kill -WINCH "$apache" 2>/dev/null; do :; done &
        wait "$apache" || true
    fi
    [ -z "$fpm" ] || kill -QUIT "$fpm" 2>/dev/null || true
    say 'stopped'
    exit 0
}

# SIGCHLD: stop the node if Apache or PHP-FPM ended; the container's restart policy starts it again.
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

# Remove flags, counters and sockets of an earlier start of this container.
mkdir -p "$RUN"
rm -f "$RUN"/*

PHP_INI_SCAN_DIR='' php-fpm8.4 --force-stderr --php-ini /etc/evenkeel/php.ini --fpm-config /etc/evenkeel/php-fpm.conf &
fpm=$!
# PHP-FPM must listen before Apache starts, or the first requests would fail. Takes about 50 ms.
until [ -S "$RUN/php-internal.sock" ]; do
    kill -0 "$fpm" || exit 1
    sleep 0.02
done
apache2 -f /etc/evenkeel/apache2.conf -D FOREGROUND &
apache=$!
trap check_children CHLD
say 'serving on port 8080, internal port 9180'

while :; do
    # Only the size of the counter's file matters: once an hour, free its disk blocks and keep its size.
    sleep 3600 &
    janitor=$!
    while kill -0 "$janitor" 2>/dev/null; do wait "$janitor" || true; done
    fallocate --punch-hole --offset 0 --length "$(stat -c %s "$RUN/requests")" "$RUN/requests" || true
done
