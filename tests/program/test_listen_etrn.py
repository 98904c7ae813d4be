"""ETRN (RFC 1985): a partner asks for what waits for him. His whole story is in test_listen_stories.py;
an installed one, with messages that people hold, in test_listen_installed.py."""

import subprocess

import pytest

from listening import Listening
from sandbox import EX_OK
from smtpfake import FakeServer
from test_listen_auth import plain

PARTNER, RELAY = "127.0.0.9", "127.0.0.10"
LISTEN = f"""relay_networks = {RELAY}
etrn_networks = {PARTNER}
relay_domains = partner.example, *.below.example
users = users"""
ASKED = "a partner asks for the mail for "


@pytest.fixture
def here():
    with Listening(start=False, smarthost="host = 127.0.0.1:1\ntls = off\nauth = off",
                   queue="retry = 1h") as sandbox:
        users = sandbox.folder / "users"
        subprocess.run([sandbox.build / "postrider", "passwd", "-C", sandbox.config, "--file", users,
                        "anna"], input=b"secret\n", check=True, env=sandbox.environment())
        sandbox.configure_listeners(listen=LISTEN)
        sandbox.start_listener()
        yield sandbox


def ask(here, line, source=PARTNER, before=()):
    """(code, words) of the reply."""
    with here.client(source=source) as client:
        client.ehlo()
        for command, code in before:
            client.command(command, code)
        client.send(line)
        code, lines = client.read()
        return code, lines[-1]


def asked(here):
    return [line.partition(ASKED)[2].partition(":")[0] for line in here.log().splitlines()
            if ASKED in line]


@pytest.mark.parametrize("line, code", [
    ("ETRN partner.example", 458), ("ETRN @partner.example", 458), ("ETRN x.below.example", 458),
    ("ETRN elsewhere.example", 459), ("ETRN here.example", 459), ("ETRN below.example", 459),
    ("ETRN sub.partner.example", 459), ("ETRN partner.example.elsewhere.example", 459),
    ("ETRN", 501), ("ETRN @", 501), ("ETRN #queue", 501), ("ETRN *", 501), ("ETRN *.example", 501),
    ("ETRN partner.example elsewhere.example", 501), ("ETRN -partner.example", 501),
    ("ETRN partner.example;id", 501), ("ETRN $(id)", 501), ("ETRN --all", 501),
])
def test_V9_strangers(here, line, code):
    """They start nothing, and are told by the right code."""
    assert ask(here, line, "127.0.0.1")[0] == code
    assert asked(here) == []


@pytest.mark.parametrize("line", ["ETRN elsewhere.example", "ETRN here.example", "ETRN below.example"])
def test_V9_foreign_domains(here, line):
    """Not even who may ask can ask for these."""
    for source in (PARTNER, RELAY):
        assert ask(here, line, source) == (459, "4.7.1 we keep no mail for this domain")
    assert asked(here) == []


@pytest.mark.parametrize("source, before", [
    (PARTNER, []), (RELAY, []), ("127.0.0.1", [(f"AUTH PLAIN {plain('anna', 'secret')}", 235)]),
], ids=["etrn_networks", "relay_networks", "signed in"])
def test_who_may_ask(here, source, before):
    code, words = ask(here, "ETRN Partner.Example", source, before)
    assert code == 250 and words.startswith("2.0.0 ")
    here.wait_until(lambda: asked(here) == ["partner.example"])


def test_before_a_greeting_it_is_out_of_place(here):
    with here.client(source=PARTNER) as client:
        client.command("ETRN partner.example", 503)
    assert asked(here) == []


def test_V9_once_a_minute_for_a_domain(here):
    """In one session or in many; another domain is another matter."""
    with here.client(source=PARTNER) as client:
        client.ehlo()
        for _ in range(20):
            client.command("ETRN partner.example", 250)
    for domain in ("partner.example", "a.below.example", "b.below.example"):
        assert ask(here, f"ETRN {domain}")[0] == 250
    here.wait_until(lambda: len(asked(here)) == 2)
    here.sendmail("-odq", "-i", "x@partner.example", stdin="Subject: x\n\nx\n", check=EX_OK)
    assert ask(here, "ETRN partner.example")[0] == 250
    here.wait_quiet()
    assert asked(here) == ["partner.example", "*.below.example"]
    assert not here.log_lines("requested")  # the last one waits for the minute


def test_V9_orders_without_end_are_idle_commands(here):
    with here.client(source=PARTNER) as client:
        client.ehlo()
        client.send(b"ETRN partner.example\r\n" * 200)
        codes = []
        while (code := client.read()[0]):
            codes.append(code)
        assert codes[-1] == 421 and codes[:-1] == [250] * len(codes[:-1]) and len(codes) < 150


def test_it_goes_past_a_pause_and_a_route_that_holds(here):
    """A message that waits for an hour, as its server was down; and one that its route keeps."""
    held = '\n[route "held.below.example"]\nvia = hold\n[route "*"]\nvia = '
    with FakeServer() as server:
        listeners = here.extra
        here.configure(extra=listeners + held + "127.0.0.1:1")
        with here.client() as client:
            client.ehlo()
            for recipient in ("x@partner.example", "x@held.below.example"):
                client.message("a@sender.example", recipient, b"Subject: x\r\n\r\nx\r\n")
        here.wait_until(lambda: here.log_lines("deferred", to="x@partner.example") and
                        here.log_lines("held", to="x@held.below.example"))
        here.wait_quiet()
        here.configure(extra=f"{listeners}{held}{server.address}\ntls = off")
        assert ask(here, "ETRN partner.example")[0] == 250
        here.wait_until(lambda: len(server.messages) == 1)
        here.wait_quiet()
        assert len(here.letters()) == 1
        assert ask(here, "ETRN any.below.example")[0] == 250
        here.wait_empty()
        assert [message.recipients for message in server.messages] == [
            ["x@partner.example"], ["x@held.below.example"]]


def test_what_a_route_holds_comes_in_by_itself(here):
    """A release is of a message: what one partner asks for takes no other one's along."""
    here.configure(extra=here.extra + '\n[route "x.below.example"]\nvia = hold\n')
    here.stop_listener()
    here.start_listener()
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<joe@elsewhere.example>")
        client.command(f"RCPT TO:<{here.user}@here.example>")  # is no partner
        client.command("RCPT TO:<a@partner.example>")
        (line,) = client.command("RCPT TO:<b@x.below.example>", 452)
        assert line.startswith("4.5.3 ")
        client.command("RCPT TO:<c@partner.example>")
        client.command("RSET")
        client.command("MAIL FROM:<joe@elsewhere.example>")
        client.command("RCPT TO:<b@x.below.example>")
        client.command("RCPT TO:<d@x.below.example>")
        client.command("RCPT TO:<a@partner.example>", 452)


def test_orders_of_settings_that_are_no_more_mean_nothing(here):
    with here.client(source=PARTNER) as client:
        client.ehlo()
        here.configure_listeners(listen=LISTEN.replace("partner.example, ", "other.example, "))
        here.listener.send_signal(1)
        here.wait_until(lambda: ": reloaded" in here.log())
        client.command("ETRN partner.example", 250)
    assert ask(here, "ETRN partner.example")[0] == 459
    assert ask(here, "ETRN other.example")[0] == 250
    here.wait_until(lambda: asked(here) == ["other.example"])
