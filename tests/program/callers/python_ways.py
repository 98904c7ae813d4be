"""python_ways.py SUBJECT popen|policy|smtplib: what the library's documents show."""

import os
import smtplib
import sys
from email.generator import BytesGenerator
from email.message import EmailMessage
from subprocess import PIPE, Popen

subject, way = sys.argv[1:]
text = sys.stdin.read()

message = EmailMessage()
message["From"] = "shop@sends.example"
message["To"] = "you@far.example"
message["Cc"] = "ben@here.example"
message["Subject"] = subject
message.set_content(text)

if way == "popen":  # "How do I send mail from a Python script?"
    pipe = os.popen("/usr/sbin/sendmail -t -i", "w")
    pipe.write("From: shop@sends.example\nTo: you@far.example\nCc: ben\nBcc: hidden@far.example\n")
    pipe.write(f"Subject: {subject}\n\n{text}")
    status = pipe.close()
    sys.exit(status or 0)
elif way == "policy":  # email.policy, with the line ends of its example
    process = Popen(["sendmail", "you@far.example", "ben@here.example", "hidden@far.example"], stdin=PIPE)
    generator = BytesGenerator(process.stdin, policy=message.policy.clone(linesep="\r\n"))
    generator.flatten(message)
    process.stdin.close()
    sys.exit(process.wait())
else:  # smtplib, to this host
    message["Bcc"] = "hidden@far.example"
    with smtplib.SMTP("localhost") as server:
        server.send_message(message)
