#!/usr/bin/env python3
"""A small, honest SMTP submission server: the smarthost of `make demo`.

It offers STARTTLS, takes mail after AUTH PLAIN or LOGIN over TLS only, and writes each message with
its envelope into a file of its own before it says 250. It listens on loopback alone, on a port that
the kernel picks, and ends when its standard input does. RFC 5321, 3207, 4954; no PIPELINING.

    smarthost.py FOLDER CERTIFICATE KEY USER PASSWORD

Prints its port on a line, then nothing.
"""

import base64
import binascii
import hmac
import itertools
import os
import socket
import socketserver
import ssl
import sys
import threading
from pathlib import Path

LINE_LIMIT = 2048
MESSAGE_LIMIT = 50 * 1024 * 1024
RECIPIENT_LIMIT = 100
TIMEOUT = 60


class Goodbye(Exception):
    """The session is over."""


class Session(socketserver.StreamRequestHandler):
    """One connection. Commands are the methods verb_NAME."""

    timeout = TIMEOUT

    def handle(self):
        self.name = None
        self.user = None
        self.forget()
        try:
            self.reply("220 smarthost.example ESMTP")
            while True:
                verb, _, rest = self.line().partition(" ")
                method = getattr(self, f"verb_{verb.lower()}", None)
                if method:
                    method(rest.strip())
                else:
                    self.reply("500 5.5.1 unknown command")
        except (Goodbye, OSError):
            pass

    # --- lines ---

    def line(self):
        data = self.rfile.readline(LINE_LIMIT)
        if not data.endswith(b"\r\n"):
            raise Goodbye
        return data[:-2].decode("utf-8", "replace")

    def reply(self, *lines):
        """Lines that begin with their code; all but the last are continued."""
        text = [f"{line[:3]}-{line[4:]}" for line in lines[:-1]] + [lines[-1]]
        self.wfile.write("".join(f"{line}\r\n" for line in text).encode())

    def forget(self):
        """No transaction is open."""
        self.sender = None
        self.recipients = []

    def is_secure(self):
        return isinstance(self.connection, ssl.SSLSocket)

    # --- commands ---

    def verb_ehlo(self, name):
        self.name = name
        self.forget()
        more = ["250 AUTH PLAIN LOGIN"] if self.is_secure() else ["250 STARTTLS"]
        self.reply("250 smarthost.example", f"250 SIZE {MESSAGE_LIMIT}", "250 8BITMIME",
                   "250 SMTPUTF8", "250 ENHANCEDSTATUSCODES", *more)

    def verb_starttls(self, _):
        if self.is_secure():
            self.reply("503 5.5.1 TLS is on already")
            return
        self.reply("220 2.0.0 go ahead")
        # A new reader: nothing said before TLS counts after it.
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.setup()
        self.name = None
        self.forget()

    def setup(self):
        self.request = getattr(self, "connection", self.request)
        super().setup()

    def verb_auth(self, rest):
        mechanism, _, initial = rest.partition(" ")
        if not self.is_secure():
            self.reply("538 5.7.11 only over TLS")
            return
        try:
            if mechanism.upper() == "PLAIN":
                parts = self.ask("", initial).split(b"\0")
                user, password = parts[1:] if len(parts) == 3 else (b"", b"")
            elif mechanism.upper() == "LOGIN":
                user = self.ask("Username:", initial)
                password = self.ask("Password:", "")
            else:
                self.reply("504 5.5.4 PLAIN or LOGIN")
                return
        except binascii.Error:
            self.reply("501 5.5.2 no base64")
            return
        expected_user, expected_password = self.server.account
        if hmac.compare_digest(user, expected_user) & hmac.compare_digest(
                password, expected_password):
            self.user = user.decode()
            self.reply("235 2.7.0 welcome")
        else:
            self.reply("535 5.7.8 wrong user name or password")

    def ask(self, prompt, initial):
        """The client's answer to a challenge, unless it came with the command."""
        if not initial:
            self.reply("334 " + base64.b64encode(prompt.encode()).decode())
            initial = self.line()
        return base64.b64decode(initial, validate=True)

    def verb_mail(self, rest):
        if not self.name:
            self.reply("503 5.5.1 EHLO first")
        elif not self.user:
            self.reply("530 5.7.0 AUTH first")
        elif not rest.upper().startswith("FROM:<"):
            self.reply("501 5.5.4 MAIL FROM:<address>")
        else:
            self.forget()
            self.sender = rest[6:].partition(">")[0]
            self.reply("250 2.1.0 sender noted")

    def verb_rcpt(self, rest):
        if self.sender is None:
            self.reply("503 5.5.1 MAIL first")
        elif not rest.upper().startswith("TO:<"):
            self.reply("501 5.5.4 RCPT TO:<address>")
        elif len(self.recipients) >= RECIPIENT_LIMIT:
            self.reply("452 4.5.3 enough recipients")
        else:
            self.recipients.append(rest[4:].partition(">")[0])
            self.reply("250 2.1.5 recipient noted")

    def verb_data(self, _):
        if not self.recipients:
            self.reply("503 5.5.1 RCPT first")
            return
        self.reply("354 end with a dot on a line of its own")
        message = bytearray()
        while True:
            line = self.rfile.readline(LINE_LIMIT)
            if line == b".\r\n":
                break
            if not line.endswith(b"\n") and len(line) < LINE_LIMIT:
                raise Goodbye
            if len(message) <= MESSAGE_LIMIT:
                message += line[1:] if line.startswith(b".") else line
        if len(message) > MESSAGE_LIMIT:
            self.reply("552 5.3.4 too big")
        else:
            self.reply(f"250 2.0.0 taken as {self.keep(bytes(message))}")
        self.forget()

    def keep(self, message):
        """Puts the message where a real smarthost would queue it; its name there."""
        name = f"{next(self.server.numbers):03d}"
        version, cipher = self.connection.version(), self.connection.cipher()[0]
        head = (f"Received by the smarthost over {version} {cipher},\n"
                f"from {self.name}, signed in as {self.user}\n"
                f"MAIL FROM:<{self.sender}>\n"
                + "".join(f"RCPT TO:<{one}>\n" for one in self.recipients) + "\n")
        part = self.server.folder / f".{name}"
        with open(part, "wb") as file:
            file.write(head.encode() + message.replace(b"\r\n", b"\n"))
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.server.folder / name)
        return name

    def verb_noop(self, _):
        self.reply("250 2.0.0 ok")

    def verb_rset(self, _):
        self.forget()
        self.reply("250 2.0.0 ok")

    def verb_quit(self, _):
        self.reply("221 2.0.0 bye")
        raise Goodbye


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET
    daemon_threads = True

    def __init__(self, folder, certificate, key, user, password):
        super().__init__(("127.0.0.1", 0), Session)
        self.folder = Path(folder)
        self.account = user.encode(), password.encode()
        self.numbers = itertools.count(1)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self.tls.load_cert_chain(certificate, key)


def main():
    if len(sys.argv) != 6:
        sys.exit("usage: smarthost.py FOLDER CERTIFICATE KEY USER PASSWORD")
    with Server(*sys.argv[1:]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
