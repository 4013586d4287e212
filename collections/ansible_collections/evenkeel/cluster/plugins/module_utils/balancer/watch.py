# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The edge's own process: it holds the network, and starts a balancer again where none answers. Pure.

Docker does not do that. It does not start a container in the network of one that does not run yet, which is what a
restart of Docker comes to, and it leaves a balancer in the network of an edge that has ended meanwhile. Perl is in
every Debian, and needs no library for this.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from ..cluster import labels

#: In the folder with the balancer's configuration.
WATCH_FILE = "edge-watch.pl"
#: Process 1 of the edge. It does little, so that it does not end: the network would go with it. What can fail is a
#: child, in a file of its own, so that a new version of that needs no new edge.
HOLDER = (
    "while (1) {"
    ' my $child = fork; if (defined $child && !$child) { exec "perl", @ARGV; exit 1 }'
    " while ((my $ended = wait) != -1) { last if $ended == $child }"
    " sleep 1 }"
)
_WATCH = r"""
use strict;
use warnings;
use Socket;

# Seconds until a balancer that has ended is started, and until one that does not answer is started again. The second
# grows with each attempt, for machines on which Traefik takes long to start.
my ($ENDED, $SILENT, $SILENT_MOST) = (1, 5, 40);
my $version = file_version();
my ($silent_since, $acted, $patience) = (undef, 0, $SILENT);
$| = 1;

while (1) {
  exit 0 if file_version() ne $version;
  if (grep { answers($_) } @ports) {
    ($silent_since, $acted, $patience) = (undef, 0, $SILENT);
  } else {
    $silent_since = now() unless defined $silent_since;
    mend() if now() - $silent_since >= $ENDED;
  }
  select undef, undef, undef, 0.25;
}

sub mend {
  for my $id (listed($ended)) { order("start", $id, "it had ended") }
  my $since = $acted > $silent_since ? $acted : $silent_since;
  my $silent = now() - $since >= $patience;
  if ($silent) { for my $id (listed($paused)) { order("unpause", $id, "it was paused") } }
  my ($me) = listed($edge);
  my $began = defined $me ? started($me) : "";
  for my $id (listed($running)) {
    # One that is older than this edge is in the network of an edge that has ended.
    my $lost = $began gt started($id);
    next unless $lost || $silent;
    order("restart?t=0", $id, $lost ? "its network has gone" : "it did not answer");
    $acted = now();
  }
  if ($silent) { $patience = $patience * 2 < $SILENT_MOST ? $patience * 2 : $SILENT_MOST; $acted = now() }
}

sub listed {
  my ($query) = @_;
  my $text = docker("GET", "/containers/json?all=1&filters=$query");
  return $text =~ /"Id":"([0-9a-f]{64})"/g;
}

sub started {
  my ($id) = @_;
  my ($when) = docker("GET", "/containers/$id/json") =~ /"StartedAt":"([^"Z]+)/;
  return defined $when ? $when : "";
}

sub order {
  my ($verb, $id, $why) = @_;
  my ($status) = docker("POST", "/containers/$id/$verb") =~ m{^HTTP/\S+ (\d+)};
  printf "%s of %.12s, because %s: %s\n", $verb, $id, $why, defined $status ? $status : "no answer";
}

sub docker {
  my ($method, $path) = @_;
  my $request = "$method $path HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n";
  return talk(AF_UNIX, pack_sockaddr_un($socket), $request, 30, 1);
}

sub answers {
  my ($port) = @_;
  my $address = pack_sockaddr_in($port, INADDR_LOOPBACK);
  return length talk(AF_INET, $address, "GET /ping HTTP/1.0\r\nHost: localhost\r\n\r\n", 1, 0);
}

# The answer, up to its end or its first bytes; empty when there is none in time.
sub talk {
  my ($family, $address, $request, $seconds, $whole) = @_;
  my $answer = "";
  eval {
    local $SIG{ALRM} = sub { die "late\n" };
    local $SIG{PIPE} = "IGNORE";
    alarm $seconds;
    socket(my $peer, $family, SOCK_STREAM, 0) or die "socket: $!\n";
    connect($peer, $address) or die "connect: $!\n";
    defined syswrite($peer, $request) or die "write: $!\n";
    while (sysread($peer, $answer, 65536, length $answer)) { last unless $whole && length $answer < 4_000_000 }
    alarm 0;
  };
  alarm 0;
  return $answer;
}

# The machine's clock may be set; this one may not.
sub now {
  open(my $file, "<", "/proc/uptime") or return time;
  my ($seconds) = split / /, readline $file;
  return $seconds;
}

sub file_version { return join " ", map { defined $_ ? $_ : "" } (stat $0)[0, 1, 9] }
"""


def watch_script(cluster: str, socket: str, ports: Iterable[int]) -> str:
    """The text of the edge's child process.

    Args:
        cluster: the cluster's name.
        socket: the Docker socket, as the edge sees it.
        ports: one per balancer, on which only this one listens.
    """
    balancers = labels.selector(cluster, labels.BALANCER)
    queries = {
        "ended": _query(balancers, "exited", "created", "dead"),
        "paused": _query(balancers, "paused"),
        "running": _query(balancers, "running", "restarting"),
        "edge": _query(labels.selector(cluster, labels.EDGE), "running"),
    }
    values = {"socket": socket, **queries}
    lines = [f"my ${name} = '{_quoted(value)}';" for name, value in values.items()]
    numbers = ", ".join(str(port) for port in ports)
    return "\n".join(["# Written by Evenkeel.", *lines, f"my @ports = ({numbers});", _WATCH.strip(), ""])


def _query(selector: Sequence[str], *states: str) -> str:
    filters = {"label": list(selector), "status": list(states)}
    return quote(json.dumps(filters, separators=(",", ":")), safe="")


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
