# Answers the status in the path after ?delay= seconds, as /status/502?delay=0.5, and counts what it executes: /count/502.
# The length of an answer is not said beforehand, as where an application writes while it works.
use strict;
use warnings;
use IO::Socket::INET;

$SIG{CHLD} = "IGNORE";
$SIG{TERM} = sub { exit 0 };
$SIG{PIPE} = "IGNORE";
my $name = do { open my $file, "<", "/etc/hostname" or die "hostname: $!"; readline $file };
chomp $name;
my $listener = IO::Socket::INET->new(LocalPort => 8000, Listen => 1024, ReuseAddr => 1) or die "port 8000: $@";
while (1) {
  my $client = $listener->accept or next;
  next if fork;
  serve($client);
  exit 0;
}

sub serve {
  my ($client) = @_;
  my $line = readline $client;
  return unless defined $line && $line =~ m{^(\S+) /(\w*)/?(\d*)(?:\?delay=([\d.]+))? };
  my ($method, $what, $number, $delay) = ($1, $2, $3, $4);
  while (defined($line = readline $client) && $line =~ /\S/) { }
  my ($status, $text) = (200, $name);
  if ($what eq "status") {
    $status = $number;
    open my $count, ">>", "/tmp/$number" or die "count: $!";
    syswrite $count, ".";
    select undef, undef, undef, $delay if $delay;
  } elsif ($what eq "count") {
    $text = -s "/tmp/$number" || 0;
  }
  my $body = $what eq "healthz" ? "0\r\n\r\n" : sprintf "%x\r\n%s\r\n0\r\n\r\n", length $text, $text;
  print $client "HTTP/1.1 $status Asked\r\nX-Served-By: $name\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n$body";
}
