# Answers 200 to everything, as a simple web server: no X-Served-By, no counters, no list of what was executed.
# Asked to end, it takes no new connection, finishes its answers and exits.
use strict;
use warnings;
use IO::Socket::INET;

my $ends = 0;
$SIG{CHLD} = "IGNORE";
$SIG{PIPE} = "IGNORE";
$SIG{TERM} = sub { $ends = 1 };
my $listener = IO::Socket::INET->new(LocalPort => 8000, Listen => 1024, ReuseAddr => 1) or die "port 8000: $@";
until ($ends) {
  my $client = $listener->accept or next;
  next if fork;
  serve($client);
  exit 0;
}
close $listener;
1 while wait != -1;

sub serve {
  my ($client) = @_;
  my $length = 0;
  while (defined(my $line = readline $client) ) {
    $length = $1 if $line =~ /^Content-Length: (\d+)/i;
    last unless $line =~ /\S/;
  }
  read $client, my $body, $length if $length;
  print $client "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
}
