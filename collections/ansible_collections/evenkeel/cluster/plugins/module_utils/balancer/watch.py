# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The edge's own process: it holds the network, starts a balancer again where none answers, and bounds the log. Pure.

Docker does not do that. It does not start a container in the network of one that does not run yet, which is what a
restart of Docker comes to, and it leaves a balancer in the network of an edge that has ended meanwhile. Perl is in
every Debian, and needs no library for this.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from ..cluster import labels
from .log_rotation import ROTATE_LOG

#: In the folder with the balancer's configuration.
WATCH_FILE = "edge-watch.pl"
#: Process 1 of the edge. It does little, so that it does not end: the network would go with it. What can fail is a
#: child, in a file of its own, so that a new version of that needs no new edge. A machine that shuts down asks with
#: SIGTERM; process 1 of a container does not hear it without a handler, and the machine would wait for 90 s.
HOLDER = (
    "$SIG{TERM} = sub { exit 0 };"
    " while (1) {"
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
my (%first_seen, %freed, $alone);
# Docker that starts again after a crash stops what still runs, and then takes it for stopped by a person. In the first
# seconds of an edge, what ended together with the one before is started.
my ($NEW, $TOGETHER) = (60, 2);
my ($looked, $more, $rotated, $told) = (0, 0, 0, "");
$| = 1;

while (1) {
  exit 0 if file_version() ne $version;
  if (grep { answers($_) } @ports) {
    ($silent_since, $acted, $patience) = (undef, 0, $SILENT);
  } else {
    $silent_since = now() unless defined $silent_since;
    mend() if now() - $silent_since >= $ENDED;
  }
  if ($more || now() - $looked >= 1 && now() - born(getppid) < $NEW) { revive(); $looked = now() }
  if (now() - $rotated >= 1) {
    my $problem = rotate();
    print "access log: $problem\n" if $problem && $problem ne $told;
    ($rotated, $told) = (now(), $problem);
  }
  select undef, undef, undef, 0.25 unless $more;
}

# One at a time: the balancer comes first.
sub revive {
  $more = 0;
  my ($began, $ended_before) = moments($me);
  return unless $ended_before;
  # One that ran before and runs on: Docker has stopped nothing, only the edge had ended.
  $alone = grep { (moments($_))[0] < $ended_before } listed($alive) unless defined $alone;
  return if $alone;
  for my $id (map { listed($_) } @stopped) {
    my (undef, $when) = moments($id);
    next unless $ended_before - $TOGETHER < $when && $when < $began;
    return $more = 1 if order("start", $id, "Docker had stopped it with the edge");
  }
}

# One kind of order at a time: what has just been started needs a moment until it answers.
sub mend {
  return if now() - $acted < $ENDED;
  my $quiet = $acted > $silent_since ? $acted : $silent_since;
  my ($began) = moments($me);
  my ($hung, @running) = (0, listed($running));
  for my $id (@running) {
    # One that is older than this edge is in the network of an edge that has ended. After the clock was set back, each
    # is older, also when it was started again.
    my ($since) = moments($id);
    my $lost = $began > $since && !$freed{"$id $began"}++;
    # It has its time from its own start, not from the edge's.
    $first_seen{"$id $since"} = now() unless defined $first_seen{"$id $since"};
    my $from = $first_seen{"$id $since"} > $quiet ? $first_seen{"$id $since"} : $quiet;
    next unless $lost || now() - $from >= $patience;
    order("restart?t=0", $id, $lost ? "its network has gone" : "it did not answer");
    $acted = now();
    $hung = 1 unless $lost;
  }
  $patience = $patience * 2 < $SILENT_MOST ? $patience * 2 : $SILENT_MOST if $hung;
  # Beside one that runs, those that a run has retired stay as they are.
  return if @running;
  my @ended = listed($ended);
  for my $id (@ended) { order("start", $id, "it had ended") }
  my @paused = @ended || now() - $quiet < $patience ? () : listed($paused);
  for my $id (@paused) { order("unpause", $id, "it was paused") }
  $acted = now() if @ended || @paused;
}

sub listed {
  my ($query) = @_;
  my $text = docker("GET", "/containers/json?all=1&filters=$query");
  return $text =~ /"Id":"([0-9a-f]{64})"/g;
}

# When a container began, and when it had ended before that, in seconds.
sub moments {
  my ($id) = @_;
  my $text = docker("GET", "/containers/$id/json");
  return map { $text =~ /"$_":"([^"Z]+)/ ? seconds($1) : 0 } "StartedAt", "FinishedAt";
}

sub seconds {
  my ($year, $month, $day, $hour, $minute, $second) = $_[0] =~ /(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)/ or return 0;
  # Of a container that has not ended, Docker tells the year 1.
  return 0 if $year < 1970;
  if ($month < 3) { $year -= 1; $month += 12 }
  my $days = 365 * $year + int($year / 4) - int($year / 100) + int($year / 400) + int((153 * $month - 457) / 5) + $day;
  return (($days * 24 + $hour) * 60 + $minute) * 60 + $second;
}

sub order {
  my ($verb, $id, $why) = @_;
  my ($status) = docker("POST", "/containers/$id/$verb") =~ m{^HTTP/\S+ (\d+)};
  printf "%s of %.12s, because %s: %s\n", $verb, $id, $why, defined $status ? $status : "no answer";
  return defined $status && $status < 300;
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

# When a process began, on the same clock.
sub born {
  open(my $file, "<", "/proc/$_[0]/stat") or return 0;
  my ($fields) = readline($file) =~ /.*\) (.*)/;
  return (split / /, $fields)[19] / 100;
}

sub file_version { return join " ", map { defined $_ ? $_ : "" } (stat $0)[0, 1, 9] }
"""


def watch_script(cluster: str, socket: str, ports: Iterable[int], rotation: str = "''") -> str:
    """The text of the edge's child process.

    Args:
        cluster: the cluster's name.
        socket: the Docker socket, as the edge sees it.
        ports: one per balancer, on which only this one listens.
        rotation: a Perl expression that keeps the log within its limit; its value is why it failed, or empty.
    """
    balancers = labels.selector(cluster, labels.BALANCER)
    nodes = [*labels.selector(cluster, labels.NODE), f"{labels.MANAGED}=true"]
    queries = {
        "ended": _query(balancers, "exited", "created", "dead"),
        "paused": _query(balancers, "paused"),
        "running": _query(balancers, "running", "restarting"),
        "alive": _query(nodes, "running", "paused"),
    }
    values = {"socket": socket, **queries}
    lines = [f"my ${name} = '{_quoted(value)}';" for name, value in values.items()]
    stopped = [_query(nodes, "exited"), _query(labels.selector(cluster, labels.PORTAINER), "exited")]
    lines.append("my @stopped = (" + ", ".join(f"'{_quoted(query)}'" for query in stopped) + ");")
    # Docker gives a container the first digits of its own identifier as host name.
    lines.append("my $me = defined $ENV{HOSTNAME} ? $ENV{HOSTNAME} : '';")
    numbers = ", ".join(str(port) for port in ports)
    rotate = f"sub rotate {{ return {rotation} }}"
    return "\n".join(
        ["# Written by Evenkeel.", *lines, f"my @ports = ({numbers});", _WATCH.strip(), rotate, ROTATE_LOG.strip(), ""]
    )


def _query(selector: Sequence[str], *states: str) -> str:
    filters = {"label": list(selector), "status": list(states)}
    return quote(json.dumps(filters, separators=(",", ":")), safe="")


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
