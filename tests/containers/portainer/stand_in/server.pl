# Stand-in for Portainer, for tests only. Perl, because every Debian base image has it.
#
# Like the original: it reads --admin-password-file on the first start of an empty /data only (and ends if it cannot),
# creates the environment named by -H then, answers /api/system/status, /api/auth and /api/endpoints, and while locked
# answers 303 until it is started again.
# Its errors are coloured without --log-mode NOCOLOR.
# Unlike the original: /stand-in/arguments shows what it was started with, the file /data/locked locks it, and with
# --stand-in-silent it answers nothing.
use strict;
use warnings;
use IO::Socket::INET;

my $version = 'stand-in';
$SIG{TERM} = $SIG{INT} = sub { exit 0 };
$| = 1;

my %option;
for my $index (0 .. $#ARGV - 1) {
    $option{$ARGV[$index]} = $ARGV[$index + 1];
}
my $red = ($option{'--log-mode'} // '') eq 'NOCOLOR' ? '' : "\e[31m";

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or die "${red}cannot read $path: $!\n";
    local $/;
    my $text = <$file>;
    return $text // '';
}

sub spew {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "cannot write $path: $!\n";
    print {$file} $text;
    close $file or die "cannot write $path: $!\n";
    return;
}

sub quote {
    my ($text) = @_;
    $text =~ s/(["\\])/\\$1/g;
    return qq("$text");
}

unlink '/data/locked';
my $given = slurp($option{'--admin-password-file'});
$given =~ s/\n\z//;
if (!-e '/data/admin') {
    my $salt = join '', map { (0 .. 9, 'a' .. 'z')[rand 36] } 1 .. 8;
    spew('/data/admin', crypt $given, '$6$' . $salt);
    spew('/data/environment', $option{'-H'});
    print "created admin user with the given password.\n";
}
else {
    print "instance already has an administrator user defined, skipping admin password related flags.\n";
}
my $admin = slurp('/data/admin');

sub answer {
    my ($method, $path, $headers, $body) = @_;
    my $json = 'application/json';
    if ($path eq '/stand-in/arguments') {
        return (200, $json, '[' . join(',', map { quote($_) } @ARGV) . ']');
    }
    if ($path =~ m{^/api/} && -e '/data/locked') {
        return (303, $json, '{"message":"Administrator initialization timeout"}');
    }
    if ($method eq 'GET' && $path eq '/api/system/status') {
        return (200, $json, qq({"Version":"$version","InstanceID":"00000000-0000-0000-0000-000000000000"}));
    }
    if ($method eq 'POST' && $path eq '/api/auth') {
        my ($user) = $body =~ /"Username":\s*"([^"]*)"/;
        my ($password) = $body =~ /"Password":\s*"([^"]*)"/;
        if (($user // '') eq 'admin' && crypt($password // '', $admin) eq $admin) {
            return (200, $json, '{"jwt":"stand-in-token"}');
        }
        return (422, $json, '{"message":"Invalid credentials"}');
    }
    if ($method eq 'GET' && $path eq '/api/endpoints') {
        if ($headers !~ /^Authorization:\s*Bearer stand-in-token\r?$/mi) {
            return (401, $json, '{"message":"A valid authorization token is missing"}');
        }
        return (200, $json, '[{"Id":1,"Name":"local","URL":' . quote(slurp('/data/environment')) . '}]');
    }
    if ($method eq 'GET' && $path eq '/') {
        return (200, 'text/plain', "This is a stand-in for Portainer, for tests only.\n");
    }
    return (404, $json, '{"message":"not found"}');
}

sleep 1 while $option{'--stand-in-silent'};
my $server = IO::Socket::INET->new(LocalPort => 9000, Listen => 16, ReuseAddr => 1) or die "cannot listen: $!\n";
while (1) {
    my $client = $server->accept or next;
    $client->timeout(5);
    my ($request, $headers, $body) = (scalar <$client>, '', '');
    while (defined(my $line = <$client>)) {
        last if $line =~ /^\r?\n\z/;
        $headers .= $line;
    }
    if ($headers =~ /^Content-Length:\s*(\d+)/mi) {
        read $client, $body, $1;
    }
    my ($method, $path) = split ' ', $request // '';
    my ($status, $type, $text) = answer($method // '', $path // '', $headers, $body);
    print {$client} "HTTP/1.1 $status Stand-in\r\nContent-Type: $type\r\nContent-Length: " . length($text)
        . "\r\nConnection: close\r\n\r\n$text";
    close $client;
}
