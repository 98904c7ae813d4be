"""How we agree with the real libmilter: all that it tells a filter, all that a filter can do by it."""

import subprocess
import threading
from pathlib import Path

import pytest

from listening import Listening

FROM = "a@sender.example"


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("libmilter") / "libmilter"
    source = Path(__file__).with_name("libmilter.c")
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-O1", "-g", "-o", path, source,
                    "-lmilter", "-lpthread"], check=True)
    return path


class Filter:
    """The program at work; .lines is what it said."""

    def __init__(self, program, folder, *arguments, name=None):
        self.name = name or f"unix:{folder}/socket"
        where = self.name
        if self.name.startswith("inet:"):
            _, host, port = self.name.split(":")
            where = f"inet:{port}@{host}"
        self.process = subprocess.Popen([program, where, *arguments], stdout=subprocess.PIPE,
                                        text=True)
        self.lines = []
        assert self.process.stdout.readline() == "ready\n"
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()


class Here(Listening):
    def __init__(self, milter, listen="relay_networks =", **sections):
        super().__init__(listen=listen, filter=f"milter = {milter.name}", **sections)
        self.milter = milter
        self.to = f"{self.user}@here.example"
        self.aliases(f"other: {self.user}\nreject: {self.user}\nreply: {self.user}\n"
                     f"accept: {self.user}\ntempfail: {self.user}\n")

    def send(self, *orders, body=b"body\r\n", code=250, sender=FROM, to=None, helo="mx.example"):
        data = b"".join(b"X-Do: " + order.encode() + b"\r\n" for order in orders)
        with self.client() as client:
            client.ehlo(helo)
            lines = client.message(sender, to or self.to, data + b"Subject: hello\r\n\r\n" + body,
                                   code=code)
            client.command("QUIT", 221)
        self.wait_until(lambda: "close" in self.milter.lines)
        assert not [line for line in self.milter.lines if "BADLY" in line], self.milter.lines
        return lines

    def message(self):
        self.wait_empty()
        (message,) = self.mailbox()
        return message


@pytest.fixture(params=["plain", "everything"])
def here(program, tmp_path, request):
    milter = Filter(program, tmp_path, *["negotiate"] * (request.param == "everything"))
    milter.everything = request.param == "everything"
    with Here(milter) as sandbox:
        yield sandbox
    milter.close()


def test_what_it_is_told(here):
    here.send(body=b"x" * 78 + b"\r\n", to=[here.to, "other@here.example"])
    queued = [line for line in here.milter.lines if line.startswith("macro i=")][-1]
    lines = [line for line in here.milter.lines if not line.startswith(("macro", "offered"))]
    space = " " if here.milter.everything else ""
    assert lines == ["connect localhost 127.0.0.1 port", "helo mx.example", f"mail <{FROM}>",
                     f"rcpt <{here.to}>", "rcpt <other@here.example>",
                     *([] if here.milter.everything else ["data"]),
                     f"header Subject:{space}hello", "eoh", "end 80 bytes in 1 chunks", "close"]
    macros = [line for line in here.milter.lines if line.startswith("macro")]
    if here.milter.everything:
        assert macros == ["macro {client_addr}=127.0.0.1", queued, f"macro {{mail_addr}}={FROM}",
                          "macro {mail_mailer}=esmtp", f"macro {{rcpt_addr}}={here.to}",
                          "macro {client_name}=localhost",
                          "macro {rcpt_addr}=other@here.example", "macro {client_name}=localhost",
                          queued]
    else:
        assert "macro j=here.example" in macros and "macro {rcpt_mailer}=local" in macros
        assert "macro {client_name}=localhost" in macros  # from an earlier stage
    (received,) = here.log_lines("received")
    assert queued.partition("=")[2] in received


def test_all_that_it_changes(here):
    space = " " if here.milter.everything else ""
    here.send(f"addheader|X-Added|{space}one\\n\ttwo", f"insheader|0|X-Top|{space}top",
              f"insheader|1|X-Second|{space}2", f"chgheader|1|Subject|{space}other",
              "progress", "chgfrom|<b@sender.example>|RET=HDRS", "addrcpt|<other@here.example>",
              "addrcpt_par|<reply@here.example>|NOTIFY=NEVER", f"delrcpt|<{here.to}>",
              "replacebody|line|20000")
    here.wait_empty()
    messages = here.mailbox()
    assert len(messages) == 1  # all names are one user's
    (message,) = messages
    names = [name for name, _ in message.items() if name.startswith("X-") and name != "X-Postrider-Id"]
    assert names[:2] == ["X-Second", "X-Top"] and names[-1] == "X-Added"
    assert message["X-Added"] == "one\n\ttwo" and message["Subject"] == "other"
    assert message["Return-Path"] == "<b@sender.example>"
    assert message.get_payload() == "".join(f"line {number}\n" for number in range(20000))
    assert here.log_lines("received", nrcpt=2)
    assert here.log_lines("filtered", added=2, deleted=1, body="replaced",
                          **{"from": "b@sender.example"})


def test_fields_that_go(here):
    with here.client() as client:
        client.ehlo()
        client.message(FROM, here.to, b"X-Do: delheader|2|X-Y\r\nX-Do: delheader|1|X-Y\r\n"
                       b"X-Y: 1\r\nX-Y: 2\r\nX-Y: 3\r\n\r\nbody\r\n")
    assert here.message().get_all("X-Y") == ["3"]


def test_a_quarantine(here):
    here.send("quarantine|it smells")
    here.wait_quiet()
    here.flush(check=0)
    (queued,) = here.letters()
    assert "it smells" in here.postrider("queue", "show", queued, check=0).out
    assert here.log_lines("held")


REPLY = ["5.1.6 first line, 100%", "5.1.6 second line"]


@pytest.mark.parametrize("name, code, lines", [
    ("reject", 550, ["5.7.1 refused by a filter"]),
    ("tempfail", 451, ["4.7.1 not now, says a filter; try again later"]),
    ("reply", 551, REPLY),
])
def test_no(here, name, code, lines):
    with here.client() as client:
        client.ehlo("mx.example")
        assert client.command(f"MAIL FROM:<{name}@sender.example>", code) == lines
        client.command(f"MAIL FROM:<{FROM}>")
        assert client.command(f"RCPT TO:<{name}@here.example>", code) == lines
        client.command(f"RCPT TO:<{here.to}>")
        client.command("DATA", 354)
        client.send(b"X-Do: answer|%s\r\n\r\nbody\r\n.\r\n" % name.encode())
        assert client.expect(code) == lines
        client.message(FROM, here.to, b"Subject: at last\r\n\r\nbody\r\n")
        client.command("QUIT", 221)
    assert here.message()["Subject"] == "at last"
    with here.client() as client:
        client.ehlo(f"{name}.example")
        assert client.command(f"MAIL FROM:<{FROM}>", code) == lines
        assert client.command(f"MAIL FROM:<{FROM}>", code) == lines


def test_yes_before_the_end(here):
    with here.client() as client:
        client.ehlo()
        for sender, to in (("accept@sender.example", here.to), (FROM, "accept@here.example"),
                           (FROM, here.to)):
            client.message(sender, to, b"X-Do: addheader|X-Seen|yes\r\n\r\nbody\r\n")
        client.command("QUIT", 221)
    here.wait_empty()
    assert [message["X-Seen"] for message in here.mailbox()] == [None, None, "yes"]
    with here.client() as client:
        client.ehlo("accept.example")
        client.message("reject@sender.example", here.to, b"Subject: x\r\n\r\nbody\r\n")
        client.message("reject@sender.example", here.to, b"Subject: x\r\n\r\nbody\r\n")


def test_thrown_away(here):
    with here.client() as client:
        client.ehlo()
        client.message("discard@sender.example", here.to, b"Subject: 1\r\n\r\nbody\r\n")
        client.message(FROM, here.to, b"X-Do: answer|discard\r\n\r\nbody\r\n")
        client.message(FROM, here.to, b"Subject: 3\r\n\r\nbody\r\n")
    assert here.message()["Subject"] == "3"
    assert len(here.log_lines("discarded")) == 2


def test_a_transaction_that_is_given_up(here):
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>")
        client.command("RSET")
        here.wait_until(lambda: "abort" in here.milter.lines)
        client.message(FROM, here.to, b"Subject: x\r\n\r\nbody\r\n")
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
    here.wait_until(lambda: here.milter.lines[-1] == "close")
    assert here.milter.lines.count("abort") == 2


def test_a_large_body(here):
    here.send(body=b"0123456789\r\n" * 100000)
    wanted = "end 131070 bytes in 2 chunks" if here.milter.everything \
        else "end 1200000 bytes in 19 chunks"
    assert wanted in here.milter.lines


def test_IPv6(program, tmp_path):
    milter = Filter(program, tmp_path)
    with Listening(listen="relay_networks =", host="::1", filter=f"milter = {milter.name}") as here:
        with here.client(host="::1") as client:
            client.ehlo()
            client.message(FROM, f"{here.user}@here.example", b"Subject: x\r\n\r\nbody\r\n")
    milter.close()
    assert "connect localhost ::1 port" in milter.lines
    assert "macro {client_addr}=::1" in milter.lines
