"""Random talk with a listener: sequences of good and bad commands, groups, messages and chunks, cut at
random places. Whatever is said, each command gets one reply of those that it may get, the session ends
in order, and the queue holds each message that got its 250 once, and no other.

The sequences are the same ones each time. To look for others:
POSTRIDER_RANDOM=12345 (the first seed) POSTRIDER_RANDOM_COUNT=1000 pytest tests/program/test_listen_random.py
"""

import fcntl
import os
import random
import re

import pytest

from listening import Listening
from spool import QueuedLetter, spool_files

FIRST = int(os.environ.get("POSTRIDER_RANDOM", "1"))
COUNT = int(os.environ.get("POSTRIDER_RANDOM_COUNT", "40"))
MOST_ERRORS, MOST_IDLE, MOST_RECIPIENTS = 20, 100, 100
SIZE_MOST = 20_000

GOOD_SENDERS = ["<a@sender.example>", "<>", "<@x.example:b@sender.example>", '<"q u"@sender.example>',
                "<c@[192.0.2.1]>", "<d@sender.example> SIZE=100", "<e@sender.example> BODY=8BITMIME",
                "<f@sender.example> RET=HDRS ENVID=x+2By", "<g@sender.example> SMTPUTF8 AUTH=<>"]
BAD_SENDERS = {"a@sender.example": 501, "<a@sender.example": 501, "<a>": 501, "<a@@b>": 501, "": 501,
               "<a@sender.example> SIZE=x": 501, "<a@sender.example> SIZE=20001": 552,
               "<a@sender.example> NONSENSE=1": 555, "<\u00fc@sender.example>": 553,
               "<a@sender.example> BODY=BINARYMIME": 501, "<a@sender.example> RET=FULL RET=FULL": 501}
GOOD_RECIPIENTS = ["<{user}@here.example>", "<{user}+{n}@here.example>", "<Postmaster>",
                   "<x{n}@partner.example>", "<y{n}@partner.example> NOTIFY=NEVER",
                   "<z{n}@partner.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2Bz@o.example"]
BAD_RECIPIENTS = {"<nobody-of-that-name@here.example>": 550, "<x@foreign.example>": 550, "<>": 501,
                  "<x%y@here.example>": 550, "x@here.example": 501, "<x>": 501,
                  "<{user}@here.example> SIZE=1": 555, "<{user}@here.example> NOTIFY=MAYBE": 501}
IDLE = {"NOOP": 250, "NOOP with words": 250, "RSET": 250, "HELP": 214, "VRFY someone": 252}
WRONG = {"": 502, "NONSENSE": 502, "MAIL": 501, "RCPT": 501, "DATA now": 501, "VRFY": 501,
         "STARTTLS": 503, "AUTH PLAIN": 502, "EXPN list": 502, "EHLO": 501, "HELO a b": 501,
         "\u00fcber": 502, "ETRN other.example": 459}
LAST_OF_GROUP = ("EHLO", "HELO", "AUTH", "DATA", "NOOP", "VRFY")


class Model:
    """What the server must know by now; say() tells which codes a command may get."""

    def __init__(self, sandbox, rng):
        self.sandbox, self.rng = sandbox, rng
        self.greeted = self.over = False
        self.errors = self.idle = self.serial = 0
        self.taken = []  # (sender, recipients, body) of each message that got its 250
        self.reset()

    def reset(self):
        self.sender, self.recipients, self.chunks = None, [], None

    # --- what is said ---

    def mail(self):
        if self.rng.random() < 0.8:
            path = self.rng.choice(GOOD_SENDERS)
            code = 250
        else:
            path, code = self.rng.choice(list(BAD_SENDERS.items()))
        if not self.greeted or self.sender is not None:
            code = 503
        elif code == 250:
            self.sender = re.match("<(?:@[^:]*:)?(.*?)>", path)[1]
        return f"{self.rng.choice(['MAIL FROM:', 'mail from:', 'Mail From: '])}{path}", code

    def rcpt(self):
        self.serial += 1
        if self.rng.random() < 0.8:
            path, code = self.rng.choice(GOOD_RECIPIENTS), 250
        else:
            path, code = self.rng.choice(list(BAD_RECIPIENTS.items()))
        path = path.format(user=self.sandbox.user, n=self.serial)
        if self.sender is None or self.chunks is not None:
            code = 503
        elif len(self.recipients) >= MOST_RECIPIENTS and code in (250, 550):
            code = 452
        elif code == 250:
            address = path[1:path.index(">")].replace("Postmaster", "Postmaster@here.example")
            if address not in self.recipients:
                self.recipients.append(address)
        return f"RCPT TO:{path}", code

    def idle_command(self):
        line, code = self.rng.choice(list(IDLE.items()))
        if line == "RSET":
            self.reset()
        return line, code

    def hello(self):
        self.greeted = True
        self.reset()
        return self.rng.choice(["EHLO client.example", "HELO client.example", "EHLO [192.0.2.1]",
                                "ehlo my_host"]), 250

    def wrong(self):
        line, code = self.rng.choice(list(WRONG.items()))
        # What these say depends on where they are said.
        if line in ("MAIL", "RCPT") and (self.sender is None) == (line == "RCPT"):
            code = 503
        if line == "MAIL" and not self.greeted:
            code = 503
        if line == "RCPT" and self.chunks is not None:
            code = 503
        if line == "ETRN other.example" and not self.greeted:
            code = 503
        return line, code

    def commands(self):
        return self.rng.choices([self.mail, self.rcpt, self.idle_command, self.hello, self.wrong],
                                [5, 9, 2, 1 if self.greeted else 12, 1])[0]()

    # --- what comes of it ---

    def note(self, line, code):
        """Counts as the server does; whether a 421 must follow, or stand in its place."""
        idle = line.split(" ")[0].upper() in ("NOOP", "RSET", "HELP", "VRFY", "EHLO", "HELO", "ETRN")
        if idle:
            self.idle += 1
            if self.idle > MOST_IDLE:
                self.over = True
        elif line == "BDAT 0" and code == 250:
            self.idle += 1
        if code >= 400 and code != 452:
            self.errors += 1
            if self.errors >= MOST_ERRORS:
                self.over = True

    def body(self):
        lines = []
        for _ in range(self.rng.randrange(6)):
            lines.append(self.rng.choice(["", ".", "..", ".x", "words", "QUIT", "\u00fc",
                                          "a" * self.rng.choice([10, 998, 5000]),
                                          "MAIL FROM:<x@y.example>"]))
        return lines

    def message(self):
        """(bytes as on the wire without dots doubled, fate: 250 or the code that refuses it)."""
        self.serial += 1
        lines = [f"Subject: {self.serial}", *(["X-More: yes", " folded"] * self.rng.randrange(2)),
                 "", *self.body()]
        data = "".join(line + "\r\n" for line in lines).encode()
        kind = self.rng.random()
        if kind < 0.1:
            data += self.rng.choice([b"a\nb\r\n", b"a\rb\r\n", b"\n.\n\r\n", b"\0\r\n", b"\r.\r\r\n"])
            return data, 554
        if kind < 0.15:
            return data + b"x" * SIZE_MOST + b"\r\n", 552
        if kind < 0.2:
            return b"Received: x\r\n" * 31 + data, 554
        return data, 250

    def finish(self, data, code):
        if code == 250:
            stored = data.replace(b"\r\n", b"\n")
            head, _, body = stored.partition(b"\n\n")
            self.taken.append((self.sender, list(self.recipients), head, body))
            self.errors = self.idle = 0
        self.reset()


class Talk:
    """One session: what the model says goes over the wire, and the replies are held against it."""

    def __init__(self, sandbox, rng, client):
        self.rng, self.client = rng, client
        self.model = Model(sandbox, rng)
        self.lines = []

    def send(self, data):
        """In pieces, or at once."""
        if self.rng.random() < 0.2 and len(data) < 3000:
            at = 0
            while at < len(data):
                step = self.rng.randrange(1, 1 + max(1, len(data) // 3))
                self.client.send(data[at:at + step])
                at += step
        else:
            self.client.send(data)

    def expect(self, line, code):
        """One reply, that one; or the end, where the model says so."""
        self.model.note(line, code)
        got, words = self.client.read()
        self.lines.append(f"{line!r}: {got} {words}")
        if self.model.over and got == 421:
            return False
        assert got == code, f"{code} was to come\n" + "\n".join(self.lines[-30:])
        if got >= 400 or (got == 250 and line.split(" ")[0].upper() in ("MAIL", "RCPT")):
            assert re.match(rf"{str(got)[0]}\.\d+\.\d+ ", words[0]), words
        if self.model.over:
            got, words = self.client.read()
            assert got == 421, f"{got} {words}, not the end\n" + "\n".join(self.lines[-30:])
        return not self.model.over

    def group(self):
        """Commands in one packet, as RFC 2920 allows."""
        commands = []
        for _ in range(self.rng.randrange(1, 8)):
            line, code = self.model.commands()
            commands.append((line, code))
            if line.split(" ")[0].upper() in LAST_OF_GROUP:
                break
        return self.say_all(commands)

    def crowd(self):
        """Recipients up to the most there may be, and over it."""
        return self.say_all([self.model.rcpt() for _ in range(self.rng.randrange(30, 90))])

    def say_all(self, commands):
        self.send("".join(line + "\r\n" for line, _ in commands).encode())
        return all(self.expect(line, code) for line, code in commands)

    def data(self):
        model = self.model
        may = model.sender is not None and model.recipients and model.chunks is None
        code = 354 if may else 503 if model.sender is None or model.chunks is not None else 554
        self.send(b"DATA\r\n")
        if not self.expect("DATA", code):
            return False
        if not may:
            return True
        data, code = model.message()
        self.send(re.sub(rb"(^|\r\n)\.", rb"\1..", data) + b".\r\n")
        model.finish(data, code)
        return self.expect("the message", code)

    def chunk(self):
        """One chunk; those of a message follow each other over several turns."""
        model = self.model
        if model.chunks is None:
            data, code = model.message()
            if model.sender is None or not model.recipients:
                code = 503 if model.sender is None else 554
                self.send(b"BDAT %d LAST\r\n" % len(data) + data)
                return self.expect("BDAT refused", code)
            cut = sorted(self.rng.randrange(len(data) + 1) for _ in range(self.rng.randrange(3)))
            parts = [data[a:b] for a, b in zip([0, *cut], [*cut, len(data)])]
            model.chunks = (data, code, parts)
        data, code, parts = model.chunks
        part = parts.pop(0)
        last = not parts
        self.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if last else b"") + part)
        if last:
            model.finish(data, code)
        name = "BDAT 0" if not part and not last else "BDAT"
        return self.expect(name, code if last else 250)

    def violate(self):
        """What ends the session, whatever it was."""
        line, code = self.rng.choice([(b"NOOP\n", 500), (b"NO\0OP\r\n", 500), (b"x" * 3000 + b"\r\n", 500),
                                      (b"GET / HTTP/1.1\r\n", 554), (b"NOOP\r\nNOOP\r\n", 554),
                                      (b"BDAT -1\r\nQUIT\r\n", 501), (b"BDAT 99999999\r\n", 552)])
        self.client.send(line)
        self.model.over = True
        got, words = self.client.read()
        assert got == code, f"{line!r}: {got} {words}, not {code}\n" + "\n".join(self.lines[-30:])

    def run(self):
        for _ in range(self.rng.randrange(5, 60)):
            turn = self.rng.choices([self.group, self.data, self.chunk, self.crowd], [60, 20, 20, 3])[0]
            if self.model.chunks is not None and self.rng.random() < 0.8:
                turn = self.chunk
            if not turn():
                break
        ending = self.rng.random()
        if not self.model.over and ending < 0.5:
            self.send(b"QUIT\r\n")
            self.model.over = self.expect("QUIT", 221)
        elif not self.model.over and ending < 0.8:
            self.violate()
        if self.model.over:
            assert self.client.is_closed()


@pytest.fixture(scope="module")
def here():
    with Listening(listen=f"relay_networks =\nrelay_domains = partner.example\n"
                          f"max_recipients = {MOST_RECIPIENTS}",
                   mail=f"max_message_size = {SIZE_MOST}") as sandbox:
        # As long as somebody else runs the queue, all that was taken stays where we can see it.
        with open(sandbox.queue / "run.lock", "a", encoding="ascii") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            yield sandbox


def queued(sandbox):
    """What is in the queue, as the model has it."""
    found = []
    for name in spool_files(sandbox):
        letter = QueuedLetter(sandbox.letter(name))
        head, _, body = letter.message.partition(b"\n\n")
        received, _, head = head.partition(b"\nSubject:")
        assert received.startswith(b"Received: from "), letter.message
        found.append((letter.sender, letter.recipients, b"Subject:" + head, body))
    return found


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_random_talk(here, seed):
    for name in spool_files(here):
        (here.queue / "spool" / name).unlink()
    rng = random.Random(seed)
    with here.client() as client:
        talk = Talk(here, rng, client)
        talk.run()
    here.wait_until(lambda: not here.sessions(), what="the end of the session")
    found, expected = sorted(queued(here)), sorted(talk.model.taken)
    assert len(found) == len(expected), "\n".join(talk.lines)
    for one, other in zip(found, expected):
        assert one == other
