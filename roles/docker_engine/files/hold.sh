#!/bin/sh
# Holds new connections to the published ports back while dockerd starts.
#
# A dockerd that starts deletes its packet filter rules and writes new ones. With live-restore the containers go on
# serving, but a connection that is opened in that moment reaches no container and is refused. Here its first packet is
# dropped instead: the client sends it again after a second, and is served.
#
#   hold.sh on    before dockerd starts: for each port whose rule the dockerd before has left
#   hold.sh off   when it answers, or has ended
set -eu

chain=EVENKEEL-HOLD

# ports IPTABLES: "port address" of each published TCP port; no address when it is published on all.
ports() {
  "$1" --wait --table nat --list-rules DOCKER 2>/dev/null | awk '
    / -j DNAT / {
      address = ""; port = ""; tcp = 0
      for (i = 1; i < NF; i++) {
        if ($i == "-p" && $(i + 1) == "tcp") tcp = 1
        if ($i == "-d" && $(i - 1) != "!") address = $(i + 1)
        if ($i == "--dport") port = $(i + 1)
      }
      if (tcp && port != "") print port, address
    }' | sort -u
}

off() {
  for hook in INPUT OUTPUT; do
    while "$1" --wait --delete "$hook" --jump "$chain" 2>/dev/null; do :; done
  done
  "$1" --wait --flush "$chain" 2>/dev/null || true
  "$1" --wait --delete-chain "$chain" 2>/dev/null || true
}

on() {
  off "$1"
  held=$(ports "$1")
  if [ -z "$held" ]; then return; fi
  "$1" --wait --new-chain "$chain"
  echo "$held" | while read -r port address; do
    # What a rule of Docker has given to a container is not addressed to this machine any more, and passes.
    "$1" --wait --append "$chain" --protocol tcp --syn --dport "$port" ${address:+--destination "$address"} \
      --match addrtype --dst-type LOCAL --jump DROP
  done
  # INPUT for other machines, OUTPUT for this one: there, a packet that gets as far as INPUT is remembered as it is.
  for hook in INPUT OUTPUT; do
    "$1" --wait --insert "$hook" --jump "$chain"
  done
}

case ${1:-} in
  on | off) ;;
  *)
    echo "hold.sh: got '${1:-}', want on or off" >&2
    exit 2
    ;;
esac
for command in iptables ip6tables; do
  # Without the program there are no rules of Docker to wait for; without it working, its start must not fail for this.
  if command -v "$command" >/dev/null 2>&1; then "$1" "$command" || true; fi
done
