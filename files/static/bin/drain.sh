#!/bin/sh
# drain on|off: take this node out of rotation, or put it back, without stopping it.
# Use: docker exec <node> drain on
set -eu

case "$#:${1-}" in
    1:on) : >/run/evenkeel/draining ;;
    1:off)
        if [ -e /run/evenkeel/terminating ]; then
            echo 'drain: the node is stopping, its drain cannot be changed' >&2
            exit 1
        fi
        rm -f /run/evenkeel/draining
        ;;
    *)
        echo "drain: got '$*', want on or off" >&2
        exit 2
        ;;
esac
