"""The lists of [filter], through a listener: who is kept out and with which words, who is let in,
files that change, and what is taken out of headers (hardcases F4)."""

import base64
import email
import re
import socket
import time

import pytest

from listening import Client, Listening
from sandbox import EX_CONFIG
from strace import without_leak_check

PASSWORD = "a long password"


class Place(Listening):
    def __init__(self, *lines, **options):
        options.setdefault("listen", "relay_networks = 127.0.0.5\nusers = users\n"
                           "max_connections_per_client = 100")
        super().__init__(filter="\n".join(lines), start=False,
                         mail="local_domains = here.example", **options)
        self.postrider("passwd", "anna", stdin=f"{PASSWORD}\n", check=0)

    def __enter__(self):
        self.start_listener()
        return super().__enter__()

    def talk(self, source="127.0.0.1", helo="client.example", host="127.0.0.1"):
        client = Client(self.port, host=host, source=source)
        client.ehlo(helo)
        return client

    def try_to(self, sender="joe@sender.example", recipient=None, **options):
        """What RCPT gets: (code, words)."""
        with self.talk(**options) as client:
            client.command(f"MAIL FROM:<{sender}>")
            client.send(f"RCPT TO:<{recipient or self.user + '@here.example'}>")
            code, lines = client.read()
            client.command("QUIT", 221)
            return code, lines[0]

    def fields(self, lines, **options):
        """The header with which a message with these lines in it arrives: [(name, value)]."""
        with self.talk(**options) as client:
            client.message("joe@sender.example", f"{self.user}@here.example",
                           b"\r\n".join([*lines, b"Subject: hi", b"", b"x", b""]))
        (path,) = self.wait_until(lambda: [self.mail / self.user]
                                  if self.mailbox_bytes() else None)
        data = path.read_bytes()
        self.wait_quiet()
        path.unlink()
        parsed = email.message_from_bytes(data.partition(b"\n")[2])
        return [(name, re.sub(r"\s+", " ", str(value)).strip()) for name, value in parsed.items()]


LISTS = """block_senders = spammer@sender.example, @bad.example, *@*.bad.example
allow_senders = good@bad.example
block_clients = 127.0.0.64/27, ::1
allow_clients = 127.0.0.66
block_helo = *.dynamic.example
allow_helo = mail.dynamic.example
contact = help@here.example""".splitlines()


@pytest.fixture(scope="module")
def here():
    with Place(*LISTS) as place:
        yield place


BLOCKED = [
    ({"sender": "spammer@sender.example"}, "sender", "block_senders has spammer@sender.example"),
    ({"sender": "SPAMMER@Sender.Example"}, "sender", "block_senders has spammer@sender.example"),
    ({"sender": "any@bad.example"}, "sender", "block_senders has @bad.example"),
    ({"sender": "any@very.bad.example"}, "sender", "block_senders has @*.bad.example"),
    ({"source": "127.0.0.65"}, "your host [127.0.0.65]", "block_clients"),
    ({"helo": "a.dynamic.example"}, "a host of that name", "block_helo has *.dynamic.example"),
    ({"helo": "a.dynamic.example", "sender": ""}, "a host of that name", "block_helo has"),
]


@pytest.mark.parametrize("who, whom, policy", BLOCKED)
def test_who_is_kept_out_is_told_why_and_whom_to_write_to(here, who, whom, policy):
    code, words = here.try_to(**who)
    assert code == 550 and words.startswith("5.7.1 mail from ")
    assert whom in words and policy in words
    assert words.endswith("write to help@here.example if this is wrong")
    assert [line for line in here.log_lines("rejected") if policy in line and "550 5.7.1" in line]
    # Whom to write to can be written to, whoever writes.
    for recipient in ("help@here.example", "postmaster@here.example", "Postmaster"):
        here.aliases(f"help: {here.user}\npostmaster: {here.user}\n")
        assert here.try_to(recipient=recipient, **who)[0] == 250


@pytest.mark.parametrize("who", [
    {},
    {"sender": ""},
    {"sender": "good@bad.example"},
    {"sender": "good@bad.example", "source": "127.0.0.65", "helo": "a.dynamic.example"},
    {"source": "127.0.0.66", "sender": "any@bad.example", "helo": "a.dynamic.example"},
    {"source": "127.0.0.66"},
    {"helo": "mail.dynamic.example", "source": "127.0.0.65"},
    {"helo": "dynamic.example"},
    {"source": "127.0.0.96"},
], ids=str)
def test_who_is_let_in(here, who):
    """An allowing list wins, whatever the others say."""
    assert here.try_to(**who)[0] == 250


def test_our_own_pass(here):
    assert here.try_to(source="127.0.0.5", sender="any@bad.example", helo="a.dynamic.example")[0] == 250
    with here.talk(source="127.0.0.65", helo="a.dynamic.example") as client:
        signed = base64.b64encode(f"\0anna\0{PASSWORD}".encode()).decode()
        client.command(f"AUTH PLAIN {signed}", 235)
        client.command("MAIL FROM:<any@bad.example>")
        client.command(f"RCPT TO:<{here.user}@here.example>")
    done = here.run([here.build / "postrider-listen", "-C", here.config, "--pipe"],
                    stdin="EHLO a.dynamic.example\r\nMAIL FROM:<any@bad.example>\r\n"
                          f"RCPT TO:<{here.user}@here.example>\r\nQUIT\r\n")
    assert "250 2.1.5" in done.out


def test_one_session_several_senders(here):
    """Each transaction is judged anew."""
    with here.talk() as client:
        for sender, code in (("any@bad.example", 550), ("joe@sender.example", 250),
                             ("spammer@sender.example", 550), ("good@bad.example", 250)) * 2:
            client.command(f"MAIL FROM:<{sender}>")
            client.command(f"RCPT TO:<{here.user}@here.example>", code)
            client.command("RSET")


@pytest.mark.parametrize("source, host, code", [("::1", "::1", 550), ("127.0.0.65", "127.0.0.1", 550),
                                                ("127.0.0.1", "127.0.0.1", 250)])
def test_v6_and_v4_that_comes_as_v6(source, host, code):
    """One socket for both: an IPv4 client is seen as ::ffff:127.0.0.65."""
    place = Place(*LISTS)
    place.sockets[""].close()
    place.sockets[""] = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    place.port = place.sockets[""].getsockname()[1]
    with place:
        got, words = place.try_to(source=source, host=host)
        assert got == code
        if code == 550:
            assert "[IPv6:::1]" in words if host == "::1" else "[127.0.0.65]" in words


# --- files ---


@pytest.fixture
def filed():
    """With files "senders", "clients" and "helo"."""
    place = Place("block_senders = file:senders, inline@sender.example",
                  "block_clients = file:clients", "block_helo = file:helo")
    for name in ("senders", "clients", "helo"):
        (place.folder / name).write_text("# nobody yet\n")
    with place:
        yield place


def replace(path, text):
    """As an editor does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


def test_a_file_that_changes_is_read_without_a_restart(filed):
    assert filed.try_to()[0] == 250
    assert filed.try_to(sender="inline@sender.example")[0] == 550
    with filed.talk() as old:
        replace(filed.folder / "senders", "@sender.example\n")
        filed.wait_until(lambda: filed.try_to()[0] == 550)
        # Who was here already goes on with what was.
        old.command("MAIL FROM:<joe@sender.example>")
        old.command(f"RCPT TO:<{filed.user}@here.example>")
    (filed.folder / "senders").write_text("# written over\nx@x.example\n")
    (filed.folder / "clients").write_text("127.0.0.99\n")
    (filed.folder / "helo").write_text("*.odd.example\n")
    filed.wait_until(lambda: filed.try_to()[0] == 250)
    assert filed.try_to(source="127.0.0.99")[0] == 550
    assert filed.try_to(helo="a.odd.example")[0] == 550
    assert len(filed.log_lines()) and "were read anew" in filed.log()


@pytest.mark.parametrize("wrong, words", [
    ("@sender.example\nnobody\n", "senders:2: neither an address, nor @domain"),
    ("x" * 3000, "senders:1: the line is too long"),
    (None, "senders: No such file or directory"),
])
def test_a_change_that_is_wrong_changes_nothing(filed, wrong, words):
    path = filed.folder / "senders"
    replace(path, "@old.example\n")
    filed.wait_until(lambda: filed.try_to(sender="any@old.example")[0] == 550)
    if wrong is None:
        path.unlink()
    else:
        replace(path, wrong)

    def is_told():
        assert filed.try_to(sender="any@old.example")[0] == 550
        assert filed.try_to()[0] == 250
        return "stay as they were" in filed.log()

    filed.wait_until(is_told)
    assert words in filed.log()
    # Once, however many come.
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        assert filed.try_to(sender="any@old.example")[0] == 550
    assert filed.log().count("stay as they were") == 1
    replace(path, "@sender.example\n")
    filed.wait_until(lambda: filed.try_to()[0] == 550)
    assert filed.try_to(sender="any@old.example")[0] == 250


def test_a_start_or_a_reload_with_a_wrong_file(filed):
    (filed.folder / "clients").write_text("127.0.0.0/33\n")
    filed.listener.send_signal(1)
    filed.wait_until(lambda: "not reloaded" in filed.log())
    assert re.search(r"not reloaded, .*clients:1: ", filed.log())
    assert filed.try_to()[0] == 250
    filed.stop_listener()
    done = filed.run([filed.build / "postrider-listen", "-C", filed.config], check=EX_CONFIG,
                     timeout=30)
    assert "clients:1: " in done.err


def trace_sessions(place, talk):
    """The calls of the sessions that come with talk(), one list of lines for each."""
    path = place.folder / "trace"
    tracer = place.start(["/usr/bin/strace", "-f", "-qq", "-s", "300", "-o", path, "-p",
                          str(place.listener.pid)], env=without_leak_check(place))
    status = f"/proc/{place.listener.pid}/status"
    place.wait_until(lambda: "\nTracerPid:\t0\n" not in open(status).read(), what="strace")
    talk()
    place.wait_until(lambda: not place.sessions(), what="the end of the sessions")
    tracer.terminate()
    tracer.wait()
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        pid, _, call = line.partition(" ")
        found.setdefault(int(pid), []).append(call.strip())
    found.pop(place.listener.pid)
    return [calls for calls in found.values() if any("250 " in call for call in calls)]


@pytest.mark.installed  # sanitizers want ptrace for themselves
def test_a_hundred_thousand_in_a_file_cost_a_session_nothing():
    """No session reads a list, or takes memory for one: its calls are the same as with three."""
    counts, opened = [], []
    for size in (3, 100000):
        place = Place("block_senders = file:senders", "block_clients = file:clients")
        (place.folder / "senders").write_text("".join(
            f"user{i}@a.example\n*@*.d{i}.example\n" for i in range(size // 2)))
        (place.folder / "clients").write_text("".join(
            f"10.{i // 65536}.{i // 256 % 256}.{i % 256}\n" for i in range(size)))
        with place:
            assert place.try_to(sender="any@sub.d0.example")[0] == 550
            (calls,) = trace_sessions(place, place.try_to)
            # Where the heap ends differs, and with it the way to more memory.
            counts.append({names: len([call for call in calls if call.split("(")[0] in names])
                           for names in (("openat",), ("read",), ("pread64",), ("mmap", "mmap2", "brk"))})
            opened += [call for call in calls if "senders" in call or "clients" in call]
    assert counts[0] == counts[1] and counts[0][("read",)] > 0
    assert not [call for call in opened if "open" in call]


@pytest.mark.installed
def test_without_filters_nothing_is_asked_or_opened():
    with Place() as place:
        (calls,) = trace_sessions(place, place.try_to)
    # Naming a path for the sandbox opens nothing.
    names = [call for call in calls
             if re.search(r"resolv\.conf|/filter", call) and "O_PATH" not in call]
    sockets = [call for call in calls if re.match(r"(socket|connect)\(.*AF_INET", call)]
    assert calls and not names and not sockets


# --- what others claim in our name (F4) ---


FORGED = [
    b"Authentication-Results: here.example; spf=pass smtp.mailfrom=x.example",
    b"authentication-results:HERE.Example;dkim=pass",
    b"Authentication-Results : here.example; none",
    b"Authentication-Results: here.example 1; spf=pass",
    b"Authentication-Results: here.example/1; spf=pass",
    b"Authentication-Results: here.example",
    b"Authentication-Results: (a comment) here.example (1); spf=pass",
    b"Authentication-Results: (a (nested \\) one)\r\n ) \"here.example\"; spf=pass",
    b"Authentication-Results:\r\n\there.example\r\n\t;\r\n\tspf=pass",
    b"Authentication-Results: \"he\\re.exa\\mple\"; spf=pass",
    b"Authentication-Results: \"here\".example; spf=pass",
    b"Authentication-Results: here (x) . (y) example; spf=pass",
    b"Authentication-Results: here\r\n .example; spf=pass",
    b"Authentication-Results: here.example.; spf=pass",
    b"Authentication-Results: \" here.example \"; spf=pass",
    b"Authentication-Results: here.example(c); spf=pass",
    b"Authentication-Results: \xef\xbd\x88ere.example; spf=pass",
    b"Authentication-Results: ; spf=pass",
    b"Authentication-Results:",
    b"Authentication-Results: (here.example; spf=pass",
]
FOREIGN = [
    b"Authentication-Results: there.example; spf=pass",
    b"Authentication-Results: (here.example;) there.example; spf=pass",
    b"Authentication-Results: here.example.org; spf=pass",
    b"Authentication-Results: not-here.example; spf=pass",
    b"Authentication-Results: there.example; spf=pass (here.example)",
    b"Authentication-Results: there.example here.example; spf=pass",
    b"X-Authentication-Results: here.example; spf=pass",
    b"Received-SPF: pass (here.example: x) receiver=here.example",
]


def test_F4_results_that_others_claim_to_be_ours_are_taken_out():
    with Place("block_helo = nobody.example") as place:
        mixed = [line for pair in zip(FORGED, FOREIGN * 3) for line in pair]
        got = place.fields(mixed)
        kept = [value for name, value in got if "results" in name.lower() or name == "Received-SPF"]
        wish = [re.sub(rb"\s+", b" ", line.partition(b":")[2]).strip().decode()
                for line in (FOREIGN * 3)[:len(FORGED)]]
        assert kept == wish
        # What ours write stays.
        got = place.fields(FORGED[:2], source="127.0.0.5")
        assert len([name for name, _ in got if name.lower().startswith("authentication")]) == 2


def test_F4_a_great_many_are_taken_out():
    """As many as a header may have."""
    with Place("block_helo = nobody.example") as place:
        line = b"Authentication-Results:here.example;x"
        count = 1024 * 1024 // (len(line) + 1) - 10
        got = place.fields([line] * count)
        assert "Authentication-Results" not in [name for name, _ in got]
