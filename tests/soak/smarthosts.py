"""Two smarthosts and a partner's server that are as bad as real ones: they refuse at random, hang up
at random, now and then after they have taken a message, and are started anew at random."""

import random
import re
import threading
import time
from typing import NamedTuple

from smtpfake import CLOSE, PASSWORD, RESET, USER, FakeServer


class Copy(NamedTuple):
    """One message for one recipient that a server took; told: its 250 was sent, as far as it knows."""

    at: float
    token: str
    recipient: str
    told: bool


def read(data):
    """Of a message with LF line ends its token, and whom it is about if it is a report: (token,
    recipients)."""
    header, _, body = data.partition(b"\n\n")
    is_report = re.search(rb"^Content-Type: multipart/report", header, re.MULTILINE)
    token = re.search(rb"^X-Soak: (\S+)$", body if is_report else header, re.MULTILINE)
    about = re.findall(rb"^Final-Recipient: rfc822; *(\S+)$", body, re.MULTILINE) if is_report else []
    return token[1].decode() if token else "", [one.decode() for one in about]


class Receivers:
    """What all servers took, in the order in which they did, and the reports among it."""

    def __init__(self):
        self.copies = []
        self.reports = []
        self._lock = threading.Lock()

    def take(self, message, told):
        token, about = read(message.text)
        with self._lock:
            now = time.time()
            if about:
                self.reports += [Copy(now, token, recipient, told) for recipient in about]
            else:
                self.copies += [Copy(now, token, one, told) for one in message.recipients]


class Smarthost:
    """Its name decides nothing; .tame makes it well-behaved for good."""

    def __init__(self, receivers, seed, certificate):
        self.receivers = receivers
        self.chance = random.Random(seed)
        self.certificate = certificate
        self.tame = False
        self.restarts = 0
        self.server = None
        self.port = 0
        self.start()

    def start(self):
        self.server = FakeServer(
            port=self.port, certificate=self.certificate, auth_needed=bool(self.certificate),
            users={USER: PASSWORD},
            at={"connect": self.now_and_then(0.02, "421 4.3.2 not now", CLOSE),
                "EHLO": self.now_and_then(0.01, CLOSE, "451 4.3.0 not now"),
                "MAIL": self.now_and_then(0.02, "451 4.3.0 not now", CLOSE, RESET),
                "RCPT": self.recipient,
                "DATA": self.now_and_then(0.02, "451 4.3.0 not now", CLOSE),
                "body": self.now_and_then(0.005, CLOSE, RESET),
                "message": self.message})
        self.port = self.server.port

    def restart(self):
        self.server.close()
        time.sleep(self.chance.random() * 0.1)
        self.restarts += 1
        self.start()

    def close(self):
        self.server.close()

    def now_and_then(self, often, *what):
        def decide(_session, _line):
            if self.tame or self.chance.random() > often:
                return None
            return self.chance.choice(what)
        return decide

    def recipient(self, _session, line):
        """Those whose names begin so are never taken, or not at once."""
        if "<bad" in line:
            return "550 5.1.1 there is no such user"
        if not self.tame and self.chance.random() < (0.5 if "<slow" in line else 0.02):
            return self.chance.choice(["450 4.2.1 come again", "452 4.3.1 full", "451 4.3.0 what?"])
        return None

    def message(self, _session, message):
        """The one point at which a message can come twice (RFC 1047)."""
        chance = 1 if self.tame else self.chance.random()
        if chance < 0.01:
            return "451 4.3.0 not now"
        told = chance > 0.03
        self.receivers.take(message, told)
        return None if told else self.chance.choice([CLOSE, RESET])
