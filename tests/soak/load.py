"""Everything at once: programs that call sendmail, clients that sign in, strangers, people who have
their way with the queue, and accidents. Each is a thread with a chance of its own, from one seed."""

import base64
import os
import random
import re
import signal
import threading
import time

from ledger import Message
from listening import Client
from sandbox import EX_OK

WORDS = b"words and words and words\n"
BACKLOG = 300  # messages in the queue: who sends waits then, for the machine has enough to do


class Actor(threading.Thread):
    """Does one thing again and again; .error ends the soak."""

    pause = 0.05  # seconds between two, on average
    sends = False

    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.here, self.ledger = soak, soak.here, soak.ledger
        self.name = f"{type(self).__name__}{number}"
        self.chance = random.Random(f"{soak.seed} {self.name}")
        self.count = 0
        self.error = None

    def run(self):
        try:
            while not self.soak.over.is_set():
                if not self.sends or len(self.here.letters()) < BACKLOG:
                    self.count += 1
                    self.act()
                self.soak.over.wait(self.pause * 2 * self.chance.random())
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
            self.soak.over.set()

    def act(self):
        raise NotImplementedError

    # --- what is sent ---

    def recipients(self):
        """One to four, of every kind; one of them at the most leads into the mailbox."""
        number = self.chance.randrange(1000)
        away = [f"r{number}@far.example", f"slow{number}@far.example", f"bad{number}@far.example",
                f"p{number}@partner.example", f"v{number}@void.example", "forward@here.example",
                f"nobody{number}@here.example", f"r{number}@other.example"]
        local = [f"{self.here.user}@here.example", "team@here.example", "list@here.example"]
        chosen = self.chance.sample(away, self.chance.choice([0, 1, 1, 2, 3]))
        if not chosen or self.chance.random() < 0.4:
            chosen.append(self.chance.choice(local))
        return chosen

    def make(self, recipients):
        message = self.ledger.add(Message(f"{self.name}-{self.count}", recipients))
        size = 8000 if self.chance.random() < 0.01 else self.chance.choice([0, 0, 1, 1, 10, 100])
        text = (f"From: {self.here.user}@here.example\nTo: undisclosed:;\n"
                f"Subject: {message.token}\nX-Soak: {message.token}\n"
                f"Message-Id: <{message.token}@soak.example>\n\n").encode() + WORDS * size
        return message, text


class Caller(Actor):
    """cron, PHP, mail readers: sendmail with arguments, with -t, with -bs."""

    sends = True

    def act(self):
        message, text = self.make(self.recipients())
        way = self.chance.choice([self.by_arguments, self.by_header, self.by_session])
        way(message, text)

    def by_arguments(self, message, text):
        mode = self.chance.choice(["-odb", "-odb", "-odq", "-odi"])
        done = self.here.sendmail(mode, "-i", "--", *message.recipients, stdin=text)
        message.accepted = done.returncode == EX_OK

    def by_header(self, message, text):
        blind = f"Bcc: {', '.join(message.recipients)}\n".encode()
        done = self.here.sendmail("-t", "-oi", stdin=blind + text.replace(b"To: undisclosed:;\n", b""))
        message.accepted = done.returncode == EX_OK

    def by_session(self, message, text):
        lines = [b"EHLO localhost", f"MAIL FROM:<{self.here.user}@here.example>".encode(),
                 *[f"RCPT TO:<{one}>".encode() for one in message.recipients], b"DATA"]
        data = text.replace(b"\n", b"\r\n") + b".\r\n"
        # What is no user here is refused at once.
        done = self.here.sendmail("-bs", stdin=b"\r\n".join(lines) + b"\r\n" + data + b"QUIT\r\n")
        codes = re.findall(rb"^(\d{3}) ", done.stdout, re.MULTILINE)
        said = dict(zip(message.recipients, codes[3:]))
        message.recipients = [one for one in message.recipients if said.get(one) == b"250"]
        message.accepted = bool(re.search(rb"^250 2\.0\.0 taken as ", done.stdout, re.MULTILINE))


class Gone(Exception):
    """The listener said 421 or closed: it is being started anew."""


class Peer(Actor):
    """A client of the listener; one connection for some messages."""

    sends = True

    def act(self):
        try:
            self.session()
        except (OSError, Gone):
            pass

    def session(self):
        raise NotImplementedError

    def hear(self, client, *codes):
        code, lines = client.read()
        if code in (0, 421):
            raise Gone
        assert code in codes, f"{code} {lines}, not {codes}"
        return code, lines

    def say(self, client, line, *codes):
        client.send(line)
        return self.hear(client, *codes)

    def transaction(self, client, sender, message, text):
        """What was answered decides who is promised anything."""
        self.say(client, f"MAIL FROM:<{sender}>", 250)
        wanted, message.recipients = message.recipients, []
        for recipient in wanted:
            code, _ = self.say(client, f"RCPT TO:<{recipient}>", 250, 451, 550)
            if code == 250:
                message.recipients.append(recipient)
        if not message.recipients:
            self.say(client, "RSET", 250)
            return
        data = text.replace(b"\n", b"\r\n")
        if self.chance.random() < 0.5:
            self.say(client, "DATA", 354)
            client.send(data + b".\r\n")
        else:
            half = self.chance.randrange(len(data))
            client.send(b"BDAT %d\r\n%b" % (half, data[:half]))
            self.hear(client, 250)
            client.send(b"BDAT %d LAST\r\n%b" % (len(data) - half, data[half:]))
        message.unknown = True
        _, lines = self.hear(client, 250)
        message.unknown, message.accepted = False, True
        message.id = lines[-1].rpartition(" ")[2]


class Employee(Peer):
    """Signs in over TLS, and may send anywhere."""

    pause = 0.2

    def session(self):
        client = Client(self.here.ports["submission"], greet=False)
        try:
            client.wrap()
            self.hear(client, 220)
            self.say(client, "EHLO laptop.example", 250)
            secret = base64.b64encode(b"\0anna\0" + self.soak.password.encode()).decode()
            self.say(client, f"AUTH PLAIN {secret}", 235)
            for _ in range(self.chance.choice([1, 1, 2, 5])):
                self.count += 1
                message, text = self.make(self.recipients())
                self.transaction(client, f"{self.here.user}@here.example", message, text)
            self.say(client, "QUIT", 221)
        finally:
            client.close()


class Sitter(Peer):
    """One connection for all of the quiet middle, and one message after the other."""

    pause = 0.02

    def session(self):
        if not self.soak.is_quiet():
            return
        client = Client(self.here.port, greet=False, source="127.0.5.1")
        try:
            self.hear(client, 220)
            self.say(client, "EHLO sitter.example", 250)
            while self.soak.is_quiet() and not self.soak.over.wait(0.3 * self.chance.random()):
                self.count += 1
                message, text = self.make(["sat@partner.example"])
                self.transaction(client, "sitter@sender.example", message, text)
            self.say(client, "QUIT", 221)
        finally:
            client.close()


class Stranger(Peer):
    """From somewhere in 127/8, of a few senders: greylisted, and then not."""

    pause = 0.1

    def session(self):
        source = f"127.0.{self.chance.randrange(4)}.{self.chance.randrange(1, 200)}"
        client = Client(self.here.port, greet=False, source=source)
        try:
            self.hear(client, 220)
            self.say(client, "EHLO mx.sender.example", 250)
            for _ in range(self.chance.choice([1, 2])):
                self.count += 1
                chosen = [self.chance.choice([f"{self.here.user}@here.example", "team@here.example",
                                              "list@here.example", "forward@here.example",
                                              "nobody@here.example", "r1@far.example"])]
                message, text = self.make(chosen)
                sender = f"s{self.chance.randrange(10)}@sender.example"
                self.transaction(client, sender, message, text)
            if self.chance.random() < 0.9:
                self.say(client, "QUIT", 221)
        finally:
            client.close()


class Clerk(Actor):
    """Looks at the queue, and has messages held, released, tried, given up and thrown away."""

    pause = 0.3

    def act(self):
        order = self.chance.choice(["hold", "hold", "release", "retry", "delete", "bounce", "list",
                                    "status", "log", "mailq"])
        letters = self.here.letters()
        if order == "mailq":
            self.here.mailq(check=EX_OK)
        elif order == "status":
            self.here.postrider("status", "--json", check=EX_OK)
        elif order == "list":
            self.here.postrider("queue", "list", "--json", check=EX_OK)
        elif order == "release" and self.chance.random() < 0.5:
            self.here.postrider("queue", "release", "--all")
        elif letters:
            self.here.postrider("queue", order, self.chance.choice(letters))


class Administrator(Actor):
    """Makes the aliases' database anew, changes settings, has the listener read them or start anew, which
    it does not in the quiet middle."""

    pause = 0.7

    def act(self):
        orders = ["aliases", "aliases", "reload", "reload", "flush"]
        what = self.chance.choice(orders + (["restart", "restart"] if not self.soak.is_quiet() else []))
        if what == "aliases":
            self.soak.write_aliases(self.count)
            self.here.newaliases(check=EX_OK)
        elif what == "flush":
            self.here.flush()
        elif what == "reload":
            self.soak.configure(connections=self.chance.choice([1, 2, 4]))
            self.here.listener.send_signal(signal.SIGHUP)
            self.soak.reloads += 1
        else:
            with self.soak.restarting:
                if self.soak.is_quiet():
                    return
                assert self.here.stop_listener() == 0, "the listener ended badly"
                self.here.start_listener()
            self.soak.restarts += 1


class Accident(Actor):
    """kill -9 of whatever runs the queue."""

    pause = 0.5

    def act(self):
        with self.soak.restarting:
            victims = [pid for pid in self.here.runners() if self.is_runner(pid)]
        if not victims:
            return
        victims = self.chance.choice([victims, victims[:1], self.chance.sample(victims, 1)])
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
                self.soak.kills.append(time.time())
            except ProcessLookupError:
                pass

    def is_runner(self, pid):
        """Of our own: the coordinator, a worker; no order or verb that somebody waits for."""
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            return False
        return (words[0].endswith(b"postrider-run") and b"newaliases" not in words
                and not any(word.startswith(b"--") and word != b"--background" for word in words))


class Weather(Actor):
    """Servers are started anew."""

    pause = 1.5

    def act(self):
        self.chance.choice(self.soak.servers).restart()
