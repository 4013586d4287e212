#!/bin/sh
# Put WordPress into the volume when it is not there yet. Themes and plugins that another volume has already stay as they
# are. By tar, because it does not fail when the entry point of another node does the same in that volume.
set -eu
if [ ! -e wp-includes/version.php ]; then
  present=$(mktemp)
  for path in wp-content/*/*/; do
    if [ -e "$path" ]; then printf './%s\n' "${path%/}" >>"$present"; fi
  done
  tar --create --directory /usr/src/wordpress --exclude-from "$present" . | tar --extract
  rm "$present"
fi
exec "$@"
