# mime_lite.pl SUBJECT
use strict;
use warnings;
use MIME::Lite;

my $message = MIME::Lite->new(
    From     => 'shop@sends.example',
    To       => 'you@far.example',
    Cc       => 'ben',
    Bcc      => 'hidden@far.example',
    Subject  => $ARGV[0],
    Type     => 'text/plain; charset=utf-8',
    Encoding => '8bit',
    Data     => join('', <STDIN>),
);
$message->send or die "not sent\n";
