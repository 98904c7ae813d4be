"""Messages that are hard to carry unchanged, and whether they were: LF line ends, as on disk."""

import base64
import random

HEADER = b"""From: Sender <sender@client.example>
To: Recipient <recipient@kept.example>
Date: Fri, 6 Nov 2026 10:00:00 +0000
Message-ID: <%b@client.example>
Subject: %b
"""
TEXT = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: %b\n"

BODIES = {
    # Lines that one of the two sides might take for something else.
    "lines": b".\n..\n...\n.leading\n\nFrom the first word\n>From that\n trailing   \n\ttab\t\n"
             b"QUIT\nRSET\n.\r\n".replace(b"\r", b"") + b"last\n\n\n",
    "8bit": "Grüße, 世界\n.é\n".encode() + b"no UTF-8: \xe9\xff\x80\n",
    "long-lines": b"x" * 990 + b"\n" + b"." + b"y" * 996 + b"\n." + b"z" * 500 + b"\n",
    "empty": b"",
    "one-line": b"only\n",
    "no-final-newline": b"first\nlast",
}


def attachment(size, seed=1):
    """A multipart message's body with so many random bytes in base64."""
    data = base64.encodebytes(random.Random(seed).randbytes(size))
    return (b"--=frontier\nContent-Type: text/plain\n\nsee the attachment\n--=frontier\n"
            b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
            + data + b"--=frontier--\n")


def sample(name):
    """One of BODIES or "attachment" (10 MB), with its header."""
    header = HEADER % (name.encode(), name.encode())
    if name == "attachment":
        return (header + b"MIME-Version: 1.0\nContent-Type: multipart/mixed; "
                b"boundary=\"=frontier\"\n\n" + attachment(10 * 1000 * 1000))
    encoding = b"8bit" if name == "8bit" else b"7bit"
    return header + TEXT % encoding + b"\n" + BODIES[name]


SAMPLES = [*BODIES, "attachment"]


def assert_same(sent, got):
    """
    got is what was sent, with a final newline and with nothing but whole fields more: those of who
    took it on its way, at the top or the end of the header.
    """
    sent_header, _, sent_body = sent.partition(b"\n\n")
    got_header, _, got_body = got.partition(b"\n\n")
    assert sent_header in got_header, got_header
    before, after = got_header.split(sent_header)
    assert not before or before.endswith(b"\n")
    assert not after or after.startswith(b"\n")
    if sent_body and not sent_body.endswith(b"\n"):
        sent_body += b"\n"
    # Not by pytest: it would show all of a large one.
    assert len(sent_body) == len(got_body) and (sent_body == got_body) is True
