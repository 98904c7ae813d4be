<?php
// php_mail.php SUBJECT [OPTIONS FOR SENDMAIL]: the body is on standard input, as for all of these.
$header = [
    'From' => 'Lädchen <shop@sends.example>',
    'Cc' => 'ben',
    'Bcc' => 'hidden@far.example',
    'Content-Type' => 'text/plain; charset=utf-8',
];
exit(mail('you@far.example', $argv[1], stream_get_contents(STDIN), $header, $argv[2] ?? '') ? 0 : 1);
