<?php
// phpmailer.php SUBJECT isMail|isSendmail
require '/usr/share/php/libphp-phpmailer/autoload.php';
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
[, $subject, $transport] = $argv;
$mail->$transport();
$mail->CharSet = 'utf-8';
$mail->setFrom('shop@sends.example', 'Lädchen');
$mail->addAddress('you@far.example');
$mail->addCC('ben@here.example');
$mail->addBCC('hidden@far.example');
$mail->Subject = $subject;
$mail->Body = stream_get_contents(STDIN);
$mail->send();
