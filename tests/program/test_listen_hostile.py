"""What hostile and broken clients do to a listener: smuggled ends of messages, floods, tricks of the
relaying kind, other protocols, chunks that lie, groups that RFC 2920 forbids. Each has its row in the
list of hard cases; whoever refuses something here leaves nothing in the queue."""

import itertools
import os
import select
import signal
import socket
import threading
import time

import pytest

from listening import Client, Listening
from sandbox import BUILD
from spool import spool_files

SLOW_BUILD = BUILD.name == "sanitize"
MEGABYTE = 1024 * 1024
# What a session may have had in memory at the most, whatever is thrown at it.
MEMORY_MOST = (400 if SLOW_BUILD else 24) * MEGABYTE


@pytest.fixture
def here():
    with Listening(listen="relay_networks =\nrelay_domains = partner.example, *.partner.example\n"
                          "max_connections_per_client = 50") as sandbox:
        yield sandbox


def begin(client, sandbox, name="client.example"):
    client.ehlo(name)
    client.command("MAIL FROM:<a@sender.example>")
    client.command(f"RCPT TO:<{sandbox.user}@here.example>")


def is_silent(client, seconds=0.15):
    """Whether nothing has been said for so long."""
    return not select.select([client.socket], [], [], seconds)[0]


def memory_of(pid):
    """Bytes that it has had in memory at the most."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def only_session(sandbox):
    sandbox.wait_until(lambda: len(sandbox.sessions()) == 1, what="one session")
    return sandbox.sessions()[0]


def expect_nothing(sandbox):
    """Nothing has been taken, and nothing is left of it."""
    sandbox.wait_until(lambda: not sandbox.sessions(), what="the end of the sessions")
    assert spool_files(sandbox) == []
    assert sandbox.mailbox() == []
    assert not sandbox.log_lines("received")


# --- V1: ends of lines ---

BEFORE = ["\n", "\r", "\r\n", "\n\r", "\n\n", "\r\r", "\r\n\0", "\0", "\r\r\n", "\n\r\n"]
BEHIND = ["\n", "\r", "\r\n", "\n\r", "\r\r\n", "\r\0\n", "\0\r\n", "\n\n", "\r\n\n"]
SMUGGLED = (b"MAIL FROM:<admin@here.example>\r\nRCPT TO:<%s@here.example>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nsmuggled\r\n")


def wrong_ends():
    """All mixtures around a dot that are no CR LF . CR LF."""
    for before, behind in itertools.product(BEFORE, BEHIND):
        text = f"{before}.{behind}"
        if "\r\n.\r\n" not in text:
            yield text


@pytest.mark.parametrize("end", wrong_ends(), ids=lambda end: repr(end)[1:-1])
def test_V1_no_end_of_a_message(here, end):
    with here.client() as client:
        begin(client, here)
        client.command("DATA", 354)
        client.send(b"Subject: first\r\n\r\nfirst" + end.encode())
        assert is_silent(client)
        client.send(SMUGGLED % here.user.encode())
        assert is_silent(client)
        client.send(b"\r\n.\r\n")
        (line,) = client.expect(554)
        assert line.startswith("5.6.0 ")
        # It was one message, and the session is where it was before.
        client.command("RCPT TO:<root@here.example>", 503)
        begin(client, here)
        client.command("QUIT", 221)
    expect_nothing(here)


@pytest.mark.parametrize("text", ["\n", "\r", "a\nb", "a\rb", "a\r\r\n", "\n\r\n", "\0", "a\0b"],
                         ids=lambda text: repr(text)[1:-1])
@pytest.mark.parametrize("where", ["header", "body", "only", "last"])
def test_V1_what_stands_alone_is_refused_anywhere(here, text, where):
    whole = {"header": f"Subject: a{text}b\r\n\r\nbody\r\n", "body": f"Subject: a\r\n\r\n{text}\r\n",
             "only": f"{text}\r\n", "last": f"Subject: a\r\n\r\nbody{text}\r\n"}[where]
    with here.client() as client:
        client.ehlo()
        client.message("a@sender.example", f"{here.user}@here.example", whole.encode(), code=554)
    expect_nothing(here)


@pytest.mark.parametrize("text", ["\n.\n", "\r.\r", "\r\n.\n", "a\nb", "a\rb", "a\0b", "a\r"],
                         ids=lambda text: repr(text)[1:-1])
def test_V1_what_stands_alone_is_refused_in_chunks(here, text):
    data = f"Subject: a\r\n\r\n{text}".encode()
    with here.client() as client:
        begin(client, here)
        client.send(b"BDAT %d LAST\r\n" % len(data) + data)
        client.expect(554)
        client.command("NOOP")
    expect_nothing(here)


def test_V1_every_byte_in_a_packet_of_its_own(here):
    data = b"Subject: a\r\n\r\n..\r\n.x\r\n.\r\n"
    with here.client() as client:
        begin(client, here)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.command("DATA", 354)
        for byte in data:
            client.send(bytes([byte]))
            time.sleep(0.002)
        client.expect(250)
    here.wait_empty()
    assert here.mailbox()[0].get_payload() == ".\nx\n"


def test_V1_a_dot_is_no_end_of_a_chunk(here):
    data = b"Subject: a\r\n\r\nfirst\r\n.\r\n" + SMUGGLED % here.user.encode()
    with here.client() as client:
        begin(client, here)
        client.send(b"BDAT %d LAST\r\n" % len(data) + data)
        client.expect(250)
        client.command("QUIT", 221)
    here.wait_empty()
    (message,) = here.mailbox()
    assert message.get_payload().startswith("first\n.\nMAIL FROM:<admin@here.example>\n")


def test_V1_a_line_end_may_lie_across_chunks(here):
    with here.client() as client:
        begin(client, here)
        client.send(b"BDAT 12\r\nSubject: a\r\n")
        client.expect(250)
        client.send(b"BDAT 1\r\n\r")
        client.expect(250)
        client.send(b"BDAT 1\r\n\n")
        client.expect(250)
        client.send(b"BDAT 6 LAST\r\nbody\r\n")
        client.expect(250)
    here.wait_empty()
    assert here.mailbox()[0].get_payload() == "body\n"


@pytest.mark.parametrize("line", ["NOOP\n", "NOOP\r", "NO\nOP\r\n", "NO\rOP\r\n", "NOOP\r\r\n",
                                  "NOOP\n\r\n", "NO\0OP\r\n", "NOOP\0\r\n", "NOOP\x1b[2J\r\n",
                                  "MAIL FROM:<a@b.example>\nRCPT TO:<root@here.example>\r\n",
                                  "NOOP\nNOOP\r\n"],
                         ids=lambda line: repr(line)[1:-1])
def test_V1_no_end_of_a_command(here, line):
    with here.client() as client:
        client.ehlo()
        client.send(line.encode())
        if line.endswith("\r"):
            assert is_silent(client)
            client.send(b"NOOP\r\n")
        client.expect(500)
        assert client.is_closed()


# --- V3: too much of everything ---


def pour(client, blocks):
    """Sends until the server has had enough; how many bytes it took, and whether all."""
    total = 0
    try:
        for block in blocks:
            client.socket.sendall(block)
            total += len(block)
    except OSError:
        return total, False
    return total, True


def last_reply(client):
    """The code of the last reply before the end of the connection."""
    code = 0
    try:
        while True:
            got, _ = client.read()
            if not got:
                return code
            code = got
    except OSError:
        return code


class Watched(threading.Thread):
    """Looks at a session's memory until it ends; .most is what it had."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.halt = pid, memory_of(pid), False
        self.start()

    def look(self):
        """False when it has ended."""
        try:
            self.most = max(self.most, memory_of(self.pid))
            return True
        except (OSError, AssertionError):
            return False

    def run(self):
        while self.look() and not self.halt:
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.look()
        self.halt = True
        self.join()


def test_V3_a_command_line_of_100_MB(here):
    with here.client() as client:
        client.ehlo()
        with Watched(only_session(here)) as watched:
            total, whole = pour(client, itertools.repeat(b"A" * 65536, 1600))
            assert not whole and total < 20 * MEGABYTE
        assert watched.most < MEMORY_MOST
    with here.client() as client:
        client.ehlo()
        client.send(b"NOOP " + b"A" * 3000)
        client.expect(500)
        assert client.is_closed()
    expect_nothing(here)


def test_V3_lines_up_to_their_limit_are_taken(here):
    with here.client() as client:
        client.ehlo()
        client.command("NOOP " + "A" * (2048 - len("NOOP ") - 2))
        client.command("NOOP " + "A" * (2048 - len("NOOP ") - 1), 500)


def test_V3_a_line_of_100_MB_in_a_message(here):
    here.configure(mail="max_message_size = 20M")
    here.listener.send_signal(signal.SIGHUP)
    here.wait_until(lambda: "reloaded" in here.log(), what="the new settings")
    with here.client() as client:
        begin(client, here)
        client.command("DATA", 354)
        client.send(b"Subject: a\r\n\r\n")
        with Watched(only_session(here)) as watched:
            total, whole = pour(client, itertools.repeat(b"A" * 65536, 1600))
            assert not whole and total < 60 * MEGABYTE
            assert last_reply(client) in (0, 552)
        assert watched.most < MEMORY_MOST
    expect_nothing(here)


@pytest.mark.parametrize("block", [b"X" * 65536, b"a: b\r\n" * 10000, b"a:\r\n" * 16384,
                                   b"a: b\r\n c\r\n" * 6000, b"Received: a\r\n" * 5000,
                                   b"a: b\r\n" + b" \r\n" * 20000], ids=lambda block: repr(block[:8])[2:-1])
def test_V3_a_header_of_1_GB(block):
    size = (100 if SLOW_BUILD else 1024) * MEGABYTE
    with Listening(listen="relay_networks =", mail="max_message_size = 4G") as here:
        with here.client() as client:
            begin(client, here)
            client.command("DATA", 354)
            with Watched(only_session(here)) as watched:
                _, whole = pour(client, itertools.repeat(block, size // len(block)))
                assert whole
                client.send(b"\r\n\r\nbody\r\n.\r\n")
                code, (line,) = client.read()
                assert (code, line[:6]) in [(552, "5.3.4 "), (554, "5.4.6 ")]
                client.command("NOOP")
            assert watched.most < MEMORY_MOST
        expect_nothing(here)


@pytest.mark.parametrize("field", ["a:", "To: a", "Bcc:", "From: a", "Received: a", "Cc: a,a,a,a,a",
                                   "Message-ID: <a@b>", "Resent-To: a"])
@pytest.mark.parametrize("networks", ["", "127.0.0.0/8"], ids=["stranger", "ours"])
def test_V3_many_small_fields(field, networks):
    """A header is held until it is whole: in memory that its size on the wire bounds, and looked
    through in a time that does not grow with the square of it."""
    line = field.encode() + b"\r\n"
    with Listening(listen=f"relay_networks = {networks}") as here:
        with here.client() as client:
            begin(client, here)
            client.command("DATA", 354)
            with Watched(only_session(here)) as watched:
                began = time.monotonic()
                client.send(line * (900 * 1024 // len(line)) + b"\r\nbody\r\n.\r\n")
                client.expect(554 if field == "Received: a" else 250)
                assert time.monotonic() - began < (60 if SLOW_BUILD else 6)
            assert watched.most < 2 * MEMORY_MOST


def test_V3_a_million_recipients(here):
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        sender = threading.Thread(target=pour, daemon=True, args=(client, (
            b"".join(b"RCPT TO:<%s+%d@here.example>\r\n" % (here.user.encode(), first + i)
                     for i in range(100)) for first in range(0, 1_000_000, 100))))
        with Watched(only_session(here)) as watched:
            sender.start()
            codes = {}
            while True:
                try:
                    code, _ = client.read()
                except OSError:
                    break
                if not code:
                    break
                codes[code] = codes.get(code, 0) + 1
            sender.join()
        assert watched.most < MEMORY_MOST
        assert codes[250] == 1000
        assert codes[421] == 1
        assert codes[452] < 2000
    expect_nothing(here)


IDLE = {
    "NOOP": (["NOOP"], False),
    "RSET": (["RSET"], True),
    "HELP": (["HELP"], True),
    "VRFY": (["VRFY root"], False),
    "EHLO": (["EHLO client.example"], False),
    "HELO": (["HELO client.example"], False),
    "transactions that come to nothing": (["MAIL FROM:<a@sender.example>", "RSET"], True),
    "greetings in between": (["MAIL FROM:<a@sender.example>", "EHLO client.example"], False),
    "empty chunks": (["BDAT 0"], True),
    "mixed": (["NOOP", "RSET", "VRFY root", "EHLO client.example"], False),
}


@pytest.mark.parametrize("commands,pipelined", IDLE.values(), ids=IDLE)
def test_V3_a_million_commands_that_do_nothing(here, commands, pipelined):
    with here.client() as client:
        client.ehlo()
        if commands == ["BDAT 0"]:
            client.command("MAIL FROM:<a@sender.example>")
            client.command(f"RCPT TO:<{here.user}@here.example>")
        if pipelined:
            group = b"".join(line.encode() + b"\r\n" for line in commands) * 100
            sender = threading.Thread(target=pour, daemon=True,
                                      args=(client, itertools.repeat(group, 10_000)))
            sender.start()
        count = 0
        for line in itertools.cycle(commands):
            if not pipelined:
                client.send(line)
            code, _ = client.read()
            count += 1
            if code == 421:
                break
            assert code in (250, 214, 252), code
            assert count < 1000
        assert client.is_closed()
        if pipelined:
            sender.join()
    expect_nothing(here)


def test_V3_a_session_of_many_messages_is_no_abuse(here):
    with here.client() as client:
        client.ehlo()
        for number in range(60):
            client.command("RSET")
            client.command("NOOP")
            client.command("MAIL FROM:<a@sender.example>")
            client.command("RCPT TO:<nobody-of-that-name@here.example>", 550)
            client.command(f"RCPT TO:<{here.user}@here.example>")
            client.command("DATA", 354)
            client.send(b"Subject: %d\r\n\r\n.\r\n" % number)
            client.expect(250)
        client.command("QUIT", 221)
    here.wait_empty(60)
    assert len(here.mailbox()) == 60


def test_V3_too_many_errors(here):
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        for _ in range(19):
            client.command("RCPT TO:<nobody-of-that-name@here.example>", 550)
        client.command("NONSENSE", 502)
        client.expect(421)
        assert client.is_closed()
    assert here.log_lines("rejected", reason="too many commands that had to be refused")


@pytest.mark.once
def test_V3_who_does_not_read_is_dropped():
    with Listening(listen="relay_networks =\ntimeout = 2s\nmax_recipients = 50000") as here:
        with here.client() as client:
            client.ehlo()
            client.command("MAIL FROM:<a@sender.example>")
            client.socket.settimeout(20)
            began = time.monotonic()
            group = b"".join(b"RCPT TO:<%s+%d@here.example>\r\n" % (here.user.encode(), i)
                             for i in range(1000))
            _, whole = pour(client, itertools.repeat(group, 100_000))
            assert not whole and time.monotonic() - began < 60
        expect_nothing(here)


# --- V4: tricks to make us relay ---

LOCAL = "here.example"
FOREIGN = "foreign.example"
# Recipient as written between the angle brackets, and the reply that it gets.
TRICKS = {
    "foreign": (f"victim@{FOREIGN}", "550 5.7.1"),
    "percent": (f"victim%{FOREIGN}@{LOCAL}", "550 5.7.1"),
    "percent, twice": (f"victim%{FOREIGN}%{LOCAL}@{LOCAL}", "550 5.7.1"),
    "percent, foreign": (f"victim%{LOCAL}@{FOREIGN}", "550 5.7.1"),
    "percent, partner": (f"victim%{FOREIGN}@partner.example", "550 5.7.1"),
    "percent, literal": (f"victim%{FOREIGN}@[127.0.0.1]", "550 5.7.1"),
    "percent, bare": (f"victim%{FOREIGN}", "501 5.1.3"),
    "bang": (f"{FOREIGN}!victim@{LOCAL}", "550 5.7.1"),
    "bang, twice": (f"{LOCAL}!{FOREIGN}!victim@{LOCAL}", "550 5.7.1"),
    "bang, partner": (f"{FOREIGN}!victim@partner.example", "550 5.7.1"),
    "bang, bare": (f"{FOREIGN}!victim", "501 5.1.3"),
    "bang, local and bare": (f"{LOCAL}!{FOREIGN}!victim", "501 5.1.3"),
    "bang and percent": (f"{FOREIGN}!victim%{FOREIGN}@{LOCAL}", "550 5.7.1"),
    "route": (f"@{LOCAL}:victim@{FOREIGN}", "550 5.7.1"),
    "route of two": (f"@{LOCAL},@{FOREIGN}:victim@{FOREIGN}", "550 5.7.1"),
    "route by partner": (f"@partner.example:victim@{FOREIGN}", "550 5.7.1"),
    "route by literal": (f"@[127.0.0.1]:victim@{FOREIGN}", "550 5.7.1"),
    "route and percent": (f"@{LOCAL}:victim%{FOREIGN}@{LOCAL}", "550 5.7.1"),
    "route to a bare name": (f"@{FOREIGN}:victim", "501 5.1.3"),
    "route of a bare at": (f"@{LOCAL}@{FOREIGN}:victim", "501 5.1.3"),
    "quoted whole": (f'"victim@{FOREIGN}"', "501 5.1.3"),
    "quoted whole at local": (f'"victim@{FOREIGN}"@{LOCAL}', "550 5.7.1"),
    "quoted whole at partner": (f'"victim@{FOREIGN}"@partner.example', "550 5.7.1"),
    "quoted percent": (f'"victim%{FOREIGN}"@{LOCAL}', "550 5.7.1"),
    "quoted percent at partner": (f'"victim%{FOREIGN}"@partner.example', "550 5.7.1"),
    "quoted bang": (f'"{FOREIGN}!victim"@{LOCAL}', "550 5.7.1"),
    "quoted route": (f'"@{LOCAL}:victim@{FOREIGN}"@{LOCAL}', "550 5.7.1"),
    "quoted with pairs": (f'"victim\\@{FOREIGN}"@{LOCAL}', "550 5.7.1"),
    "quoted at": (f'victim"@"{FOREIGN}@{LOCAL}', "501 5.1.3"),
    "quoted domain": (f'victim@"{FOREIGN}"', "501 5.1.3"),
    "quoted foreign": (f'"victim"@{FOREIGN}', "550 5.7.1"),
    "quoted angle": (f'"victim@{FOREIGN}>"@{LOCAL}', "550 5.7.1"),
    "quoted nothing": (f'""@{LOCAL}', "501 5.1.3"),
    "backslash without quotes": (f"victim\\@{FOREIGN}@{LOCAL}", "501 5.1.3"),
    "two ats": (f"victim@{FOREIGN}@{LOCAL}", "501 5.1.3"),
    "two ats, local first": (f"victim@{LOCAL}@{FOREIGN}", "501 5.1.3"),
    "ats in a row": (f"victim@@{LOCAL}", "501 5.1.3"),
    "at and nothing": ("victim@", "501 5.1.3"),
    "two ats and nothing": ("victim@@", "501 5.1.3"),
    "no local part": (f"@{FOREIGN}", "501 5.1.3"),
    "no local part, local": (f"@{LOCAL}", "501 5.1.3"),
    "a dot as local part": (f".@{LOCAL}", "501 5.1.3"),
    "nothing": ("", "501 5.1.3"),
    "an at": ("@", "501 5.1.3"),
    "literal of loopback": ("victim@[127.0.0.1]", "550 5.7.1"),
    "literal of loopback, IPv6": ("victim@[IPv6:::1]", "550 5.7.1"),
    "literal, mapped": ("victim@[IPv6:::ffff:127.0.0.1]", "550 5.7.1"),
    "literal of another": ("victim@[192.0.2.1]", "550 5.7.1"),
    "literal with a name": (f"victim@[{FOREIGN}]", "501 5.1.3"),
    "literal of the local name": (f"victim@[{LOCAL}]", "501 5.1.3"),
    "literal as a number": ("victim@[2130706433]", "501 5.1.3"),
    "literal in octal": ("victim@[0177.0.0.1]", "501 5.1.3"),
    "address without brackets": ("victim@127.0.0.1", "550 5.7.1"),
    "number without brackets": ("victim@2130706433", "550 5.7.1"),
    "upper case": (f"VICTIM@{FOREIGN.upper()}", "550 5.7.1"),
    "upper case percent": (f"VICTIM%{FOREIGN.upper()}@{LOCAL.upper()}", "550 5.7.1"),
    "trailing dot": (f"victim@{FOREIGN}.", "550 5.7.1"),
    "two trailing dots": (f"victim@{FOREIGN}..", "501 5.1.3"),
    "two trailing dots, local": (f"victim@{LOCAL}..", "501 5.1.3"),
    "percent with trailing dot": (f"victim%{FOREIGN}@{LOCAL}.", "550 5.7.1"),
    "leading dot": (f"victim@.{LOCAL}", "501 5.1.3"),
    "below a local domain": (f"victim@below.{LOCAL}", "550 5.7.1"),
    "local domain below another": (f"victim@{LOCAL}.{FOREIGN}", "550 5.7.1"),
    "longer than a local domain": (f"victim@x{LOCAL}", "550 5.7.1"),
    "shorter than a local domain": (f"victim@{LOCAL[1:]}", "550 5.7.1"),
    "last label of a local domain": ("victim@example", "550 5.7.1"),
    "longer than a partner": ("victim@xpartner.example", "550 5.7.1"),
    "the wildcard itself": ("victim@*.partner.example", "501 5.1.3"),
    "a wildcard for all": ("victim@*", "501 5.1.3"),
    "nothing before a partner": ("victim@.partner.example", "501 5.1.3"),
    "partner below another": (f"victim@a.partner.example.{FOREIGN}", "550 5.7.1"),
    "hyphen for a dot": ("victim@a-partner.example", "550 5.7.1"),
    "underscore for a dot": ("victim@here_example", "550 5.7.1"),
    "semicolon": (f"victim@{FOREIGN};{LOCAL}", "501 5.1.3"),
    "comma": (f"victim@{LOCAL},victim@{FOREIGN}", "501 5.1.3"),
    "space": (f"victim@{FOREIGN} {LOCAL}", "501 5.1.3"),
    "comment": (f"victim@{FOREIGN}({LOCAL})", "501 5.1.3"),
    "comment before": (f"victim(@{FOREIGN})@{LOCAL}", "501 5.1.3"),
    "colon": (f"{FOREIGN}:victim@{LOCAL}", "501 5.1.3"),
    "slash": (f"victim@{LOCAL}/{FOREIGN}", "501 5.1.3"),
    "angle in angle": (f"<victim@{FOREIGN}>", "501 5.1.3"),
    "angle behind": (f"victim@{LOCAL}>@{FOREIGN}", "501 5.1.3"),
    "unknown": (f"victim@{LOCAL}", "550 5.1.1"),
    "unknown, X.400": (f"/S=victim/P={FOREIGN}/@{LOCAL}", "550 5.1.1"),
    "unknown, with equals": (f"victim={FOREIGN}@{LOCAL}", "550 5.1.1"),
    "bare": ("root", "501 5.1.3"),
    "path": ("/etc/passwd", "501 5.1.3"),
    "path at local": (f"/etc/passwd@{LOCAL}", "550 5.1.1"),
    "command at local": (f'"|/bin/sh"@{LOCAL}', "550 5.1.1"),
    "include at local": (f'":include:/etc/passwd"@{LOCAL}', "550 5.7.1"),
    "UTF-8 without leave": ("victim@h\u00ebre.example", "553 5.6.7"),
}


def try_recipient(sandbox, recipient, options=""):
    """'550 5.7.1' and the like; DATA is refused where the only recipient is."""
    with sandbox.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<spammer@{LOCAL}>{options}")
        client.send(f"RCPT TO:<{recipient}>")
        code, (line,) = client.read()
        if code != 250:
            client.command("DATA", 554)
        client.command("QUIT", 221)
        return f"{code} {line.split(' ')[0]}"


@pytest.mark.parametrize("recipient,reply", TRICKS.values(), ids=TRICKS)
def test_V4_relay_refused(here, recipient, reply):
    assert try_recipient(here, recipient) == reply
    expect_nothing(here)


# Look-alikes, and bytes that some take for others; SMTPUTF8 has been said.
ALIKE = {
    "Cyrillic e": ("victim@h\u0435re.example", "550 5.7.1"),
    "Greek omicron": ("victim@f\u03bfreign.example", "550 5.7.1"),
    "accent": ("victim@h\u00e9re.example", "550 5.7.1"),
    "combining accent": ("victim@he\u0301re.example", "550 5.7.1"),
    "full-width percent": (f"victim\uff05{FOREIGN}@{LOCAL}", "550 5.1.1"),
    "full-width at": (f"victim\uff20{FOREIGN}@{LOCAL}", "550 5.1.1"),
    "small at": (f"victim\ufe6b{FOREIGN}@{LOCAL}", "550 5.1.1"),
    "full-width at in the domain": (f"victim@{FOREIGN}\uff20{LOCAL}", "501 5.1.3"),
    "full-width percent in the domain": (f"victim@{FOREIGN}\uff05{LOCAL}", "501 5.1.3"),
    "ideographic stop below": (f"victim@{FOREIGN}\u3002{LOCAL}", "550 5.7.1"),
    "full-width stop": ("victim@foreign\uff0eexample", "550 5.7.1"),
    "no-width space": (f"victim@{LOCAL[:4]}\u200b{LOCAL[4:]}", "550 5.1.1"),
    "right to left": (f"victim@\u202e{LOCAL}", "501 5.1.3"),
    "next line": (f"victim\u0085@{LOCAL}", "501 5.1.3"),
    "line separator": (f"victim\u2028@{LOCAL}", "550 5.1.1"),
    "overlong slash": (b"victim\xc0\xaf@here.example", "501 5.1.3"),
    "surrogate": (b"victim\xed\xa0\x80@here.example", "501 5.1.3"),
    "half a character": (b"victim\xc3@here.example", "501 5.1.3"),
    "Latin-1": (b"victim@h\xebre.example", "501 5.1.3"),
}


@pytest.mark.parametrize("recipient,reply", ALIKE.values(), ids=ALIKE)
def test_V4_look_alikes(here, recipient, reply):
    text = recipient if isinstance(recipient, bytes) else recipient.encode()
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<spammer@{LOCAL}> SMTPUTF8")
        client.send(b"RCPT TO:<" + text + b">\r\n")
        code, (line,) = client.read()
        assert f"{code} {line.split(' ')[0]}" == reply
        client.command("DATA", 554)
    expect_nothing(here)


# Written otherwise, yet the address of someone here.
SAME = ["{user}@here.example", "{user}@HERE.Example", "{user}@here.example.", '"{user}"@here.example',
        "@relay.example:{user}@here.example", "@a.example,@b.example:{user}@here.example",
        "{user}+detail@here.example", "Postmaster", "pOSTMASTER@hERE.eXAMPLE"]


@pytest.mark.parametrize("recipient", SAME)
def test_V4_the_same_address_otherwise_written(here, recipient):
    assert try_recipient(here, recipient.format(user=here.user)) == "250 2.1.5"


@pytest.mark.parametrize("recipient", ["a@partner.example", "a@PARTNER.example.", "a@x.partner.example",
                                       "a@x.y.partner.example", "@here.example:a@partner.example"])
def test_V4_partners_in_any_spelling(here, recipient):
    assert try_recipient(here, recipient) == "250 2.1.5"


@pytest.mark.parametrize("name,reply", [
    ("here.example", "250"), ("a.wild.example", "250"), ("a.b.wild.example", "250"),
    ("wild.example", "550 5.7.1"), ("xwild.example", "550 5.7.1"),
    ("a.wild.example.evil.example", "550 5.7.1"), ("a.wild.exampl", "550 5.7.1"),
    (".wild.example", "501 5.1.3"), ("*.wild.example", "501 5.1.3"),
    ("a..wild.example", "501 5.1.3"), ("a_wild.example", "550 5.7.1")])
def test_V4_edges_of_wildcards(name, reply):
    with Listening(listen="relay_networks =",
                   mail="local_domains = here.example, *.wild.example") as here:
        assert try_recipient(here, f"{here.user}@{name}").startswith(reply)


def test_V4_a_catch_all_is_no_way_out(here):
    """Whatever is written before its '@' stays here, or is refused; it never goes on."""
    here.configure(mail="local_domains = here.example, virtual.example")
    here.aliases(f"@virtual.example: {here.user}\nsales@foreign.example: {here.user}\n")
    here.listener.send_signal(signal.SIGHUP)
    here.wait_until(lambda: "reloaded" in here.log(), what="the new settings")
    assert try_recipient(here, "anybody@virtual.example") == "250 2.1.5"
    for local in ["victim%foreign.example", "foreign.example!victim", '"victim@foreign.example"',
                  '"@virtual.example"', '"sales@foreign.example"']:
        for domain in ["virtual.example", "here.example"]:
            assert try_recipient(here, f"{local}@{domain}") == "550 5.7.1", (local, domain)
    assert try_recipient(here, "sales@foreign.example") == "550 5.7.1"


@pytest.mark.parametrize("sender", ["", "root@here.example", "postmaster@localhost",
                                    "a@partner.example", "a@[127.0.0.1]", "@here.example:a@b.example"])
@pytest.mark.parametrize("name", ["here.example", "localhost", "[127.0.0.1]"])
def test_V4_no_sender_and_no_name_is_trusted(here, sender, name):
    with here.client() as client:
        client.ehlo(name)
        client.command(f"MAIL FROM:<{sender}>")
        (line,) = client.command(f"RCPT TO:<victim@{FOREIGN}>", 550)
        assert line.startswith("5.7.1 ")
        client.command("RCPT TO:<victim@[127.0.0.1]>", 550)
        client.command("DATA", 554)
    expect_nothing(here)


@pytest.mark.parametrize("line,code", [
    (b"RCPT TO:<victim@foreign.example\0@here.example>\r\n", 500),
    (b"RCPT TO:<root@here.example\0victim@foreign.example>\r\n", 500),
    (b"RCPT TO:<victim@foreign.example\r@here.example>\r\n", 500),
    (b"RCPT TO:<victim\x01@here.example>\r\n", 500),
    (b"RCPT TO:<victim\x7f@here.example>\r\n", 500),
    (b"RCPT TO:<victim\t@here.example>\r\n", 500)],
    ids=lambda value: repr(value[:60])[2:-1] if isinstance(value, bytes) else None)
def test_V4_control_characters(here, line, code):
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        client.send(line)
        client.expect(code)
        assert client.is_closed()
    expect_nothing(here)


@pytest.mark.parametrize("line,code", [
    ("RCPT TO:victim@foreign.example", 501), ("RCPT TO:root@here.example", 501),
    ("RCPT TO: root@here.example", 501), ("RCPT root@here.example", 501),
    ("RCPT <root@here.example>", 501), ("RCPT TO <root@here.example>", 501),
    ("RCPT TO :<root@here.example>", 501), ("RCPT", 501), ("RCPT FROM:<root@here.example>", 501),
    ("RCPT TO:<root@here.example> <victim@foreign.example>", 501),
    ("RCPT TO:<root@here.example>,<victim@foreign.example>", 501),
    ("RCPT TO:<root@here.example> victim@foreign.example", 501),
    ("RCPT TO:Root <root@here.example>", 501),
    ("RCPT TO:<root@here.example> ORCPT=rfc822;victim@foreign.example RELAY=yes", 555)])
def test_V4_nothing_but_a_path(here, line, code):
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        client.command(line, code)
        client.command("DATA", 554)
    expect_nothing(here)


def test_V4_headers_make_no_recipients(here):
    """Whom To, Cc and Bcc name is no matter of ours."""
    with here.client() as client:
        client.ehlo()
        client.message("a@sender.example", f"{here.user}@here.example",
                       b"To: victim@foreign.example\r\nBcc: victim@foreign.example\r\n"
                       b"Resent-To: victim@foreign.example\r\nApparently-To: victim\r\n\r\nx\r\n")
    here.wait_empty()
    assert len(here.mailbox()) == 1
    assert not here.log_lines("deferred") and not here.log_lines("held")


# --- V5: who speaks something else ---

REQUEST = (b"POST / HTTP/1.1\r\nHost: here.example:25\r\nContent-Type: text/plain\r\n\r\n"
           b"EHLO here.example\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<%s@here.example>\r\n"
           b"DATA\r\nSubject: by a browser\r\n\r\nx\r\n.\r\nQUIT\r\n")
FOREIGN_WORDS = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HEAD / HTTP/1.0\r\n\r\n",
                 b"PUT /mail HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n",
                 b"CONNECT smtp.example:25 HTTP/1.1\r\n\r\n", b"get / http/1.1\r\n",
                 b"DELETE / HTTP/1.1\r\n", b"PATCH / HTTP/1.1\r\n", b"TRACE / HTTP/1.1\r\n",
                 b"Host: here.example\r\n", b"User-Agent: x\r\n", b"X-Anything: y\r\n"]


@pytest.mark.parametrize("early", [True, False], ids=["early", "late"])
def test_V5_a_browser_sends_no_mail(here, early):
    request = REQUEST % here.user.encode()
    if early:
        client = early_client(here, request)
    else:
        client = here.client()
        client.send(request)
    with client:
        client.expect(554)
        assert client.is_closed()
    expect_nothing(here)


@pytest.mark.parametrize("words", FOREIGN_WORDS, ids=lambda words: words.split()[0].decode())
def test_V5_other_protocols_end_at_their_first_line(here, words):
    with here.client() as client:
        client.send(words + b"EHLO client.example\r\n")
        client.expect(554)
        assert client.is_closed()


HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(189))


@pytest.mark.parametrize("data", [HELLO, HELLO[:5], b"\x80\x2e\x01\x03\x01", b"\x05\x01\x00",
                                  b"\x00" * 100, b"\xff\xf4\xff\xfd\x06", b"\x1b[A"],
                         ids=["hello", "half a hello", "SSL 2", "SOCKS", "NUL", "telnet", "keys"])
def test_V5_what_is_no_text_is_dropped_at_once(here, data):
    with here.client() as client:
        began = time.monotonic()
        client.send(data)
        if data[0] > 127:  # may be a letter that no command has: the line is waited for
            client.send(b"\r\n")
        client.expect(500)
        assert client.is_closed()
        assert time.monotonic() - began < 5


def test_V5_a_hello_before_the_greeting(here):
    with early_client(here, HELLO) as client:
        client.expect(554)
        assert client.is_closed()


def early_client(sandbox, data):
    """One whose bytes are there before the session begins."""
    os.kill(sandbox.listener.pid, signal.SIGSTOP)
    try:
        client = Client(sandbox.port, greet=False)
        client.send(data)
    finally:
        os.kill(sandbox.listener.pid, signal.SIGCONT)
    return client


@pytest.mark.parametrize("data", [b"EHLO client.example\r\n", b"\r\n", b"Q", b"QUIT\r\n"])
def test_early_talkers_are_not_listened_to(here, data):
    with early_client(here, data) as client:
        client.expect(554)
        assert client.is_closed()
    assert here.log_lines("rejected", reason="it spoke before it was greeted")


# --- V7: chunks ---


@pytest.mark.parametrize("words", ["-1", "-1 LAST", "", "LAST", "x", "1x", "0x10", "+5", "1 FIRST",
                                   "1 LAST LAST", "5,000", "1.0", "100000000000000000000",
                                   "-99999999999999999999 LAST"])
def test_V7_sizes_that_are_none(here, words):
    """How many bytes follow is not known: nothing that follows may be taken for a command."""
    with here.client() as client:
        begin(client, here)
        client.send(f"BDAT {words}\r\nQUIT\r\n".encode())
        client.expect(501)
        assert client.is_closed()
    expect_nothing(here)


@pytest.mark.parametrize("size", [2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**20 - 1])
def test_V7_sizes_that_are_huge(here, size):
    with here.client() as client:
        begin(client, here)
        client.send(f"BDAT {size} LAST\r\n" + "QUIT")
        client.expect(552)
        assert client.is_closed()
    expect_nothing(here)


def test_V7_a_size_over_the_limit_is_refused_and_the_session_goes_on():
    with Listening(listen="relay_networks =", mail="max_message_size = 1M") as here:
        with here.client() as client:
            begin(client, here)
            size = MEGABYTE + 1
            client.send(b"BDAT %d LAST\r\n" % size + b"x" * size)
            client.expect(552)
            client.command("NOOP")
            client.command("MAIL FROM:<a@sender.example> SIZE=1048577", 552)
            client.command("MAIL FROM:<a@sender.example> SIZE=99999999999999999999", 552)
            client.command("MAIL FROM:<a@sender.example> SIZE=1048576")
        expect_nothing(here)


def test_V7_less_than_was_said(here):
    """A chunk that is longer than what comes: commands are its bytes, and its end leaves nothing."""
    with here.client() as client:
        begin(client, here)
        client.send(b"BDAT 1000 LAST\r\nSubject: a\r\n\r\nx\r\nQUIT\r\nNOOP\r\n")
        assert is_silent(client, 0.5)
    expect_nothing(here)


def test_V7_more_than_was_said(here):
    """What is over is commands, and no part of any message."""
    with here.client() as client:
        begin(client, here)
        client.send(b"BDAT 15 LAST\r\nSubject: a\r\n\r\nxyz zy\r\n")
        client.expect(250)
        client.expect(502)
    here.wait_empty()
    assert here.mailbox()[0].get_payload() == "x\n"


def test_V7_nothing_is_a_message_of_nothing(here):
    with here.client() as client:
        begin(client, here)
        client.command("BDAT 0 LAST")
    here.wait_empty()
    (message,) = here.mailbox()
    assert message.get_payload() == ""


def test_V7_an_empty_last_chunk(here):
    with here.client() as client:
        begin(client, here)
        client.send(b"BDAT 17\r\nSubject: a\r\n\r\nx\r\n")
        client.expect(250)
        client.command("BDAT 0 LAST")
    here.wait_empty()
    assert here.mailbox()[0].get_payload() == "x\n"


@pytest.mark.parametrize("command", ["DATA", "RCPT TO:<root@here.example>",
                                     "MAIL FROM:<a@sender.example>"])
def test_V7_nothing_but_chunks_within_a_message(here, command):
    with here.client() as client:
        begin(client, here)
        client.send(b"BDAT 12\r\nSubject: a\r\n")
        client.expect(250)
        client.command(command, 503)
        client.command("RSET")
        client.command("BDAT 0 LAST", 503)
    expect_nothing(here)


def test_V7_chunks_of_a_refused_message_are_no_commands(here):
    with here.client() as client:
        client.ehlo()
        data = b"Subject: a\r\n\r\nQUIT\r\n"
        client.send(b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<victim@foreign.example>\r\n"
                    b"BDAT %d\r\n" % len(data) + data + b"BDAT %d LAST\r\n" % len(data) + data +
                    b"NOOP\r\n")
        for code in (250, 550, 554, 554, 250):
            client.expect(code)
    expect_nothing(here)


# --- groups of commands (RFC 2920) ---


def test_groups_that_are_allowed(here):
    user = here.user.encode()
    group = (b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<%s@here.example>\r\n"
             b"RCPT TO:<%s+2@here.example>\r\nDATA\r\n" % (user, user))
    with here.client() as client:
        client.ehlo()
        client.send(b"RSET\r\n" + group)
        for code in (250, 250, 250, 250, 354):
            client.expect(code)
        client.send(b"Subject: 1\r\n\r\n.\r\n" + group)
        for code in (250, 250, 250, 250, 354):
            client.expect(code)
        client.send(b"Subject: 2\r\n\r\n.\r\nQUIT\r\n")
        client.expect(250)
        client.expect(221)
        assert client.is_closed()
    here.wait_empty()
    assert sorted(message["Subject"] for message in here.mailbox()) == ["1", "2"]


@pytest.mark.parametrize("command", ["EHLO client.example", "HELO client.example", "DATA", "NOOP",
                                     "VRFY root"])
def test_groups_that_go_on_where_they_must_not(here, command):
    with here.client() as client:
        begin(client, here)
        client.send(f"{command}\r\nSubject: too early\r\n\r\nx\r\n.\r\n".encode())
        client.expect(554)
        assert client.is_closed()
    expect_nothing(here)


def test_what_stands_behind_QUIT_is_not_read(here):
    with here.client() as client:
        begin(client, here)
        client.send(b"QUIT\r\nDATA\r\nSubject: a\r\n\r\n.\r\n")
        client.expect(221)
        assert client.is_closed()
    expect_nothing(here)


def test_a_group_that_fails_half_way(here):
    """DATA is refused where no recipient was taken; the message that comes all the same is then a
    group that RFC 2920 forbids."""
    with here.client() as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<victim@foreign.example>\r\nDATA\r\n")
        for code in (250, 550, 554):
            client.expect(code)
        client.command("NOOP")
    expect_nothing(here)


# --- half a message ---


@pytest.mark.parametrize("data", [b"", b"Subject: a", b"Subject: a\r\n\r\nx\r\n", b"x\r\n.",
                                  b"x\r\n.\r"], ids=repr)
def test_half_a_message_leaves_nothing(here, data):
    with here.client() as client:
        begin(client, here)
        client.command("DATA", 354)
        client.send(data)
    expect_nothing(here)
    assert here.log_lines("rejected", reply="421 4.4.2 the client is gone")

