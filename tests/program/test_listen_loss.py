"""
What the listener said 250 to is never lost and never there twice: under load, and when any of its
processes is killed at any moment. It says 250 only when the message is on stable storage.

POSTRIDER_LOAD sets the number of messages, POSTRIDER_KILLS that of kills; the short forms are part
of make check.
"""

import os
import random
import re
import signal
import threading
import time
from collections import Counter

import pytest
from dsn import entries
from listening import Client, Listening
from postfixtools import PostfixTools
from sandbox import wait_until

LOAD = int(os.environ.get("POSTRIDER_LOAD", "1000"))
KILLS = int(os.environ.get("POSTRIDER_KILLS", "40"))
SESSIONS = 20


# --- under load ---


@pytest.mark.installed  # once is enough
@pytest.mark.parametrize("options", [["-d"], ["-d", "-N"], []],
                         ids=["few-sessions", "many-recipients", "a-session-each"])
def test_load_loses_nothing(tmp_path, options):
    """Postfix's smtp-source, in 20 sessions at once; each message has a Message-Id of its own."""
    count = LOAD if options == ["-d"] else LOAD // 4
    tools = PostfixTools(tmp_path)
    with Listening(listen=f"max_connections_per_client = {SESSIONS * 2}",
                   mail="local_domains = here.example") as here:
        here.aliases(f"@here.example: {here.user}\n")
        done = tools.smtp_source(here, f"127.0.0.1:{here.port}", "-s", str(SESSIONS), "-m",
                                 str(count), "-l", "3000", "-f", "a@sender.example", "-t", "load@here.example",
                                 *options)
        assert (done.returncode, done.err) == (0, "")
        here.wait_empty(60 + count / 20)
        found = Counter(message["Message-Id"] for message in here.mailbox())
        assert len(found) == count and set(found.values()) == {1}
        assert len(here.log_lines("received")) == count
        assert not os.listdir(here.queue / "corrupt")


# --- killed ---


class Gone(Exception):
    """The listener has closed, or said 421."""


class Sender(threading.Thread):
    """
    Sends messages one after the other, several of them in a session, until it is told to stop, and
    notes what it heard. A message without an answer is sent again, as mail servers do.
    """

    def __init__(self, number, port, recipients):
        super().__init__(daemon=True)
        self.number = number
        self.chance = random.Random(number)
        self.port = port
        self.recipients = recipients
        self.stop = threading.Event()
        self.bodies = {}
        self.promised = set()
        self.unanswered = Counter()  # by message: how often its end was sent and nothing was heard
        self.client = None
        self.error = None

    def run(self):
        try:
            while not self.stop.is_set():
                name = f"s{self.number}-{len(self.bodies)}"
                lines = self.chance.choice([0, 1, 5, 50, 3000])
                self.bodies[name] = f".line of {name}\n".encode() * lines
                while name not in self.promised:
                    self.try_once(name)
                time.sleep(self.chance.random() * 0.04)
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
        self.leave()

    def try_once(self, name):
        try:
            if not self.client:
                self.client = Client(self.port, greet=False)
                self.hear(220)
                self.say(b"EHLO sender.example\r\n")
                self.hear(250)
            self.send(name)
        except (OSError, Gone):
            self.leave()
        if self.chance.random() < 0.2:
            self.leave()

    def leave(self):
        if self.client:
            self.client.close()
        self.client = None

    def say(self, data):
        self.client.send(data)
        if self.chance.random() < 0.1:
            time.sleep(self.chance.random() * 0.01)

    def hear(self, code):
        got, lines = self.client.read()
        if got in (0, 421):
            raise Gone
        assert got == code, f"{got} {lines}"

    def send(self, name):
        """One transaction, with DATA or in chunks; a few stop halfway."""
        recipient = self.chance.choice(self.recipients)
        self.say(b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<%b>\r\n" % recipient.encode())
        data = f"Subject: {name}\n\n".encode() + self.bodies[name]
        data = data.replace(b"\n", b"\r\n")
        at = self.chance.randrange(len(data))
        halves = [data[:at], data[at:]]
        if self.chance.random() < 0.5:
            data = data.replace(b"\n.", b"\n..") + b".\r\n"
            at = min(at, len(data) - 5)
            parts, replies = [b"DATA\r\n", data[:at], data[at:]], [250, 250, 354]
        else:
            first, last = [b"BDAT %d%b\r\n%b" % (len(half), word, half)
                           for half, word in zip(halves, (b"", b" LAST"))]
            parts, replies = [first, last], [250, 250, 250]
        self.say(parts[0])
        for code in replies:
            self.hear(code)
        for part in parts[1:-1]:
            self.say(part)
        if self.chance.random() < 0.1:
            raise Gone
        self.unanswered[name] += 1
        self.say(parts[-1])
        self.hear(250)
        self.unanswered[name] -= 1
        self.promised.add(name)


def name_of(process):
    try:
        with open(f"/proc/{process}/comm", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def runners(here):
    """What runs the queue, by its name: not yet another program, such as strace."""
    return [process for process in here.runners() if name_of(process).startswith("postrider-")]


def kill(here, chance, killed):
    """The parent, a session, a process of the queue run, or every one of them at once."""
    what = chance.choice(["parent", "session", "session", "runner", "runner", "all"])
    victims = {"parent": lambda: [here.listener.pid],
               "session": lambda: here.sessions()[:1],
               "runner": lambda: runners(here)[:1],
               "all": lambda: [here.listener.pid, *here.sessions(), *runners(here)]}[what]()
    for process in victims:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
    killed[what] += bool(victims)
    if what in ("parent", "all"):
        here.listener.wait()
        # Those that are at work end by themselves, and nobody need wait for it.
        here.start_listener()


def drain(here, remaining):
    """Queue runs until nothing but this many messages is left."""

    def drained():
        here.wait_quiet(120)  # who is at work may remove what is seen here
        for path in (here.queue / "hops").iterdir():
            path.unlink()
        for path in (here.queue / "journal").iterdir():
            os.utime(path, (1, 1))
        here.flush()
        here.wait_quiet(120)
        return len(here.letters()) <= remaining()

    wait_until(drained, 120, "an empty queue")


def test_killed_anywhere_loses_nothing():
    chance = random.Random(1)
    killed = Counter()
    with Listening(listen="relay_networks =\nrelay_domains = kept.example", queue="retry = 1s") as here:
        here.configure(extra=here.extra + '\n[route "kept.example"]\nvia = hold\n')
        here.stop_listener()
        here.start_listener()
        recipients = [f"{here.user}@here.example", "someone@kept.example"]
        senders = [Sender(number, here.port, recipients) for number in range(6)]
        for sender in senders:
            sender.start()
        while sum(killed.values()) < KILLS:
            time.sleep(chance.random() * 0.2)
            kill(here, chance, killed)
        for sender in senders:
            sender.stop.set()
        for sender in senders:
            sender.join(60)
            assert not sender.is_alive() and not sender.error, sender.error
        assert here.stop_listener() == 0

        def kept():
            letters = [here.letter(name) for name in here.letters()]
            return [letter for letter in letters if b"\nto <someone@kept.example>\n" in letter]

        drain(here, lambda: len(kept()))
        found = Counter()
        for message in entries(here.mailbox_bytes()) + [
                letter.partition(b"\n\n")[2] for letter in kept()]:
            name = re.search(rb"^Subject: (.*)$", message, re.MULTILINE)[1].decode()
            body = senders[int(name[1:].split("-")[0])].bodies[name]
            assert message.partition(b"\n\n")[2].rstrip(b"\n") == body.rstrip(b"\n")
            found[name] += 1
        doubled = 0
        for sender in senders:
            for name in sender.bodies:
                assert found[name] >= 1, f"{name} was promised and is lost"
                assert found[name] <= 1 + sender.unanswered[name], f"{name} is there twice"
                doubled += found[name] - 1
        assert not os.listdir(here.queue / "corrupt")
        assert all(name[0] != "." or name == ".wake" for name in os.listdir(here.queue / "spool"))
        print(f"{len(found)} messages, {doubled} doubled, of "
              f"{sum(sum(sender.unanswered.values()) for sender in senders)} whose reply was lost; "
              f"killed: {dict(killed)}")


def test_after_a_kill_the_next_listener_starts_at_once():
    """Though a session of the dead one is still there."""
    with Listening() as here:
        with here.client() as client:
            here.listener.kill()
            here.listener.wait()
            client.expect(421)
            here.start_listener()
            with here.client() as other:
                other.ehlo()


# --- stable storage ---


@pytest.mark.installed  # sanitizers want ptrace for themselves
def test_250_is_said_when_the_message_is_on_stable_storage():
    """One fsync of the file and one of the folder for each message, however many a session has."""
    with Listening() as here:
        with here.client() as client:
            client.ehlo()
            trace = here.trace_session("-e", "trace=fsync,fdatasync,linkat,sendto")
            for number in range(3):
                client.message("a@sender.example", f"{here.user}@here.example",
                               b"Subject: m%d\r\n\r\n" % number)
            client.command("QUIT", 221)
        here.wait_until(lambda: not here.sessions(), what="the end of the session")
        calls = [line for line in trace.read_text().splitlines()
                 if f"{here.queue}/spool" in line or "taken as" in line]
        kinds = ["folder" if f"<{here.queue}/spool>)" in line else line.partition("(")[0]
                 for line in calls]
        assert kinds == ["linkat", "fsync", "folder", "sendto"] * 3, calls
