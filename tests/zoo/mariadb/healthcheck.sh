#!/bin/sh
# --connect and --innodb_initialized, as the official image has them: the port accepts connections, and the storage is there.
set -eu
mariadb-admin --protocol=tcp --host=127.0.0.1 --connect-timeout=2 ping 2>&1 | grep -qE 'alive|Access denied'
