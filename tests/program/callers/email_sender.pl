# email_sender.pl SUBJECT
use strict;
use warnings;
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::Sendmail;
use Email::Simple;

my $email = Email::Simple->create(
    header => [
        From    => 'shop@sends.example',
        To      => 'you@far.example',
        Cc      => 'ben@here.example',
        Subject => $ARGV[0],
    ],
    body => join('', <STDIN>),
);
sendmail($email, {
    to        => ['you@far.example', 'ben@here.example', 'hidden@far.example'],
    transport => Email::Sender::Transport::Sendmail->new,
});
