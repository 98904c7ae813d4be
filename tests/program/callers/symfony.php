<?php
// symfony.php SUBJECT TRANSPORT
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';
use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport;
use Symfony\Component\Mime\Address;
use Symfony\Component\Mime\Email;

$email = (new Email())
    ->from(new Address('shop@sends.example', 'Lädchen'))
    ->to('you@far.example')
    ->cc('ben@here.example')
    ->bcc('hidden@far.example')
    ->subject($argv[1])
    ->text(stream_get_contents(STDIN));
(new Mailer(Transport::fromDsn($argv[2])))->send($email);
