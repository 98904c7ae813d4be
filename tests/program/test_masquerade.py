"""Senders that go by another address outside: envelope, From and Sender; nothing else changes."""

import re

import pytest
from dsn import the_report
from sandbox import EX_CONFIG, EX_OK
from smtpfake import FakeServer

RULES = "masquerade = cron@*: alerts@example.org, root@here.example: ops@example.org,\n    *@*.internal: out@example.org"


def submit(sandbox, *arguments, stdin):
    """The queue file's envelope and header lines, and its body."""
    sandbox.sendmail("-odq", "-i", *arguments, stdin=stdin, check=EX_OK)
    raw = sandbox.letter()
    for path in (sandbox.queue / "spool").iterdir():
        path.unlink()
    return raw


def field(raw, name):
    found = re.findall(rb"(?m)^%s:((?:.|\n[ \t])*)$" % name.encode(), raw)
    return [one.decode().strip() for one in found]


def test_envelope_and_from(make_sandbox):
    sandbox = make_sandbox(mail=RULES)
    raw = submit(sandbox, "-f", "cron", "you@example.net",
                 stdin=b"From: Cron Daemon <cron>\nTo: you@example.net\nSubject: x\n\nb\n")
    assert b"<alerts@example.org>" in raw.partition(b"Received:")[0]
    assert field(raw, "From") == ["Cron Daemon <alerts@example.org>"]
    line = sandbox.log_lines("received")[-1]
    assert "from=alerts@example.org" in line and "masquerades=cron@here.example" in line


def test_from_that_is_made(make_sandbox):
    sandbox = make_sandbox(mail=RULES)
    raw = submit(sandbox, "-f", "cron", "-F", "Daily (job)", "you@example.net", stdin=b"Subject: x\n\nb\n")
    assert field(raw, "From") == ['"Daily (job)" <alerts@example.org>']


@pytest.mark.parametrize("sender", ["cron@here.example", "CRON@elsewhere.example", "x@a.b.internal"])
def test_patterns(make_sandbox, sender):
    sandbox = make_sandbox(mail=RULES)
    raw = submit(sandbox, "-f", sender, "you@example.net",
                 stdin=f"From: {sender} (me)\nSender: {sender}\n\nb\n".encode())
    wanted = "out@example.org" if sender.endswith("internal") else "alerts@example.org"
    assert field(raw, "From") == [f"{wanted} (me)"]
    assert field(raw, "Sender") == [wanted]


def test_others_stay(make_sandbox):
    """Fields that a signature may cover, where replies go, recipients, the body: byte for byte."""
    sandbox = make_sandbox(mail=RULES)
    fields = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=here.example; s=x;\n\ti=cron@here.example; h=from:to;\n"
        b"\tbh=abc; b=def\nList-Id: <cron@here.example>\nList-Post:  <mailto:cron@here.example>\n"
        b"Reply-To:  cron@here.example\nTo: cron@here.example,\n  root@here.example\n"
        b"X-From: cron@here.example\nReturn-Receipt-To: cron@here.example\nSubject: cron@here.example\n")
    body = b"From: cron@here.example\n\nSender: cron@here.example\n"
    raw = submit(sandbox, "-f", "ada@example.com", "you@example.net",
                 stdin=b"From:\tAda <ada@example.com>\n" + fields + b"\n" + body)
    assert b"From:\tAda <ada@example.com>\n" in raw
    assert fields in raw and raw.endswith(b"\n\n" + body)
    assert b"<ada@example.com>" in raw.partition(b"Received:")[0]


def test_null_sender_stays(make_sandbox):
    sandbox = make_sandbox(mail="masquerade = *: all@example.org")
    raw = submit(sandbox, "-f", "<>", "you@example.net", stdin=b"From: x@y.example\n\nb\n")
    assert b"all@example.org" not in raw.partition(b"Received:")[0]
    assert field(raw, "From") == ["all@example.org"]


def test_resent_message_keeps_its_author(make_sandbox):
    sandbox = make_sandbox(mail=RULES)
    raw = submit(sandbox, "-t", "-f", "root",
                 stdin=b"Resent-From: Root <root>\nResent-To: you@example.net\n"
                       b"From: cron@here.example\nSender: cron@here.example\nTo: a@b.example\n\nb\n")
    assert field(raw, "Resent-From") == ["Root <ops@example.org>"]
    assert field(raw, "From") == ["cron@here.example"] == field(raw, "Sender")


def test_older_resent_blocks_are_history(make_sandbox):
    sandbox = make_sandbox(mail=RULES)
    raw = submit(sandbox, "-t", "-f", "root",
                 stdin=b"Resent-From: root\nResent-To: you@example.net\nReceived: x\n"
                       b"Resent-From: root@here.example\nFrom: a@b.example\n\nb\n")
    assert field(raw, "Resent-From") == ["ops@example.org", "root@here.example"]


def test_long_from_is_folded(make_sandbox):
    sandbox = make_sandbox(mail="masquerade = *@x.example: a.much.longer.name@subdomain.example.org")
    many = ", ".join(f"u{i}@x.example" for i in range(60))
    raw = submit(sandbox, "-f", "a@b.example", "you@example.net",
                 stdin=f"From: {many}\nSender: a@b.example\n\nb\n".encode())
    assert max(map(len, raw.split(b"\n"))) <= 998
    (value,) = field(raw, "From")
    assert re.sub(r"\n\s+", " ", value) == ", ".join(
        ["a.much.longer.name@subdomain.example.org"] * 60)


def test_smarthost_sees_it_and_bounces_find_back(make_sandbox):
    """The account for a sender goes by what the world sees; a bounce reaches the other address."""
    with FakeServer(at={"RCPT": lambda _session, _line: "550 5.1.1 unknown"}) as server:
        sandbox = make_sandbox(
            mail="masquerade = cron@*: alerts@here.example",
            extra=f'[smarthost "alerts"]\nsenders = alerts@here.example\n'
                  f"host = {server.address}\ntls = off\nauth = off\n")
        sandbox.aliases(f"alerts: {sandbox.user}\n")
        sandbox.sendmail("-i", "-f", "cron", "you@example.net", stdin=b"Subject: x\n\nb\n", check=EX_OK)
        sandbox.wait_empty()
        report = the_report(sandbox)
        assert report.only["final-recipient"] == "rfc822; you@example.net"
        assert report.header["To"] == "alerts@here.example"
        assert any("MAIL FROM:<alerts@here.example>" in line for line in server.commands)


@pytest.mark.parametrize("rule, words", [
    ("cron@*", "PATTERN: ADDRESS"), ("cron@*: alerts", "needs a domain"), (": a@b.example", "PATTERN"),
    ("cron@*: a@@b", "domain")])
def test_bad_rules_are_named(make_sandbox, rule, words):
    sandbox = make_sandbox(mail=f"masquerade = {rule}")
    done = sandbox.sendmail("you@example.net", check=EX_CONFIG)
    assert words in done.err and re.search(r"postrider\.conf:\d+: ", done.err)
