# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Keeps the access log within its limit, as a part of the edge's own process. Pure.

Not by the machine's logrotate, which looks once a day, runs for root only, and is not on every machine. Traefik opens
its log again only on a signal, and a signal through Docker would switch the container's restart policy off. So the log
is copied and emptied in place: Traefik appends, so it goes on at the beginning.
"""

from __future__ import annotations

#: Defines ``rotate_log(path, limit, keep)``, which needs nothing but Perl itself and returns why it failed, or nothing.
#: The log is emptied also when it cannot be copied: a full disk is worse than a lost log. Lines that are written
#: between the last read and the emptying are lost; that takes some microseconds.
ROTATE_LOG = r"""
sub rotate_log {
  my ($path, $limit, $keep) = @_;
  my $size = -s $path;
  return "" unless defined $size && $size >= $limit;
  my ($folder, $name) = $path =~ m{^(.*)/([^/]+)$} or return "$path is no absolute path";
  opendir(my $all, $folder) or return "cannot read $folder: $!";
  for my $file (readdir $all) {
    # Older ones than are kept, and those of logrotate.
    next unless $file =~ /^\Q$name\E\.(\d+)((?:\.gz)?)$/;
    unlink "$folder/$file" if $2 || $1 < 1 || $1 >= $keep;
  }
  for (my $number = $keep - 1; $number >= 1; $number--) { rename "$path.$number", "$path." . ($number + 1) }
  open(my $log, "+<:raw", $path) or return "cannot open $path: $!";
  my $problem = $keep > 0 ? copy_log($log, $size > 2 * $limit ? $size - $limit : 0, "$path.1") : "";
  truncate($log, 0) or return "cannot empty $path: $!";
  # What is written between two looks comes on top of the limit: the oldest go until all of them are within theirs.
  my $all_sizes = 0;
  for my $number (1 .. $keep) {
    $all_sizes += -s "$path.$number" || 0;
    unlink "$path.$number" if $number > 1 && $all_sizes > $limit * $keep;
  }
  return $problem;
}

sub copy_log {
  my ($log, $from, $to) = @_;
  open(my $copy, ">:raw", $to) or return "cannot write $to: $!";
  # A log that has grown far beyond its limit is not copied as a whole.
  sysseek($log, $from, 0) if $from;
  while (my $read = sysread($log, my $part, 65536)) {
    if ($from) { $part =~ s/^[^\n]*\n?//; $from = 0 }
    my $written = 0;
    while ($written < length $part) {
      my $more = syswrite($copy, $part, length($part) - $written, $written);
      defined $more or return "cannot write $to: $!";
      $written += $more;
    }
  }
  return "";
}
"""


def rotation_call(path: str, total: int, keep: int) -> str:
    """The Perl expression that keeps a log within its limit; for each turn of the edge's loop.

    Args:
        path: the log, as the edge sees it.
        total: bytes of the log and all its rotated files together.
        keep: how many rotated files there are.
    """
    quoted = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"rotate_log('{quoted}', {total // (keep + 1)}, {keep})"
