# mail_mailer.pl SUBJECT
use strict;
use warnings;
use Mail::Mailer;

my $mailer = Mail::Mailer->new('sendmail');
$mailer->open({
    From    => 'shop@sends.example',
    To      => 'you@far.example',
    Cc      => 'ben',
    Bcc     => 'hidden@far.example',
    Subject => $ARGV[0],
});
print $mailer <STDIN>;
$mailer->close or die "not sent: $!\n";
