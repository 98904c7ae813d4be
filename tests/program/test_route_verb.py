"""postrider route, sendmail -bv and -bt: where an address would go, by the way that it then goes."""

import getpass
import json

import pytest
from sandbox import EX_DATAERR, EX_NOUSER, EX_OK, EX_USAGE
from smtpfake import FakeServer

ME = getpass.getuser()
MAPS = """\
boss: team, ops@far.example
team: {me}, :include:{list}
club: club@far.example
@club.example: team
round: about
about: round
pipe: "|/bin/true"
gone: nobody-of-that-name
"""


@pytest.fixture
def world(sandbox):
    members = sandbox.folder / "members"
    members.write_text(f"a@far.example\n{ME}\n")
    sandbox.aliases(MAPS.format(me=ME, list=members))
    sandbox.configure(
        extra="""
[smarthost]
host = smtp.example.net, [2001:db8::1]:2525
user = demo
auth = plain

[smarthost "shop"]
senders = @shop.example, bot@x.example
host = smtp.shop.example
tls = implicit
port = 465

[route "partner.example"]
via = mx
[route "*.partner.example"]
via = mx1.partner.example, mx2.partner.example:2525
tls = off
[route "waits.example"]
via = hold
[route "nowhere.example"]
via = discard
[route "closed.example"]
via = error we are closed
[route "box.example"]
via = lmtp:/run/box
[route "shop.example"]
via = smarthost shop
""", mail="local_domains = localhost, club.example")
    return sandbox


def route(sandbox, *arguments, check=EX_OK):
    done = sandbox.postrider("route", *arguments, check=check)
    return done.out.splitlines()


def steps(sandbox, address, *more, check=EX_OK):
    (way,) = json.loads(sandbox.postrider("route", "--json", *more, address, check=check).out)
    assert way["address"] == address
    assert way["deliverable"] == (check == EX_OK)
    return [(step["depth"], step["kind"]) for step in way["steps"]], [
        step["text"] for step in way["steps"]]


def test_every_step_of_an_alias(world):
    lines = route(world, "boss")
    place = world.folder / "aliases"
    assert lines[0] == "boss"
    assert lines[1] == f"  alias boss, {place}:1: team, ops@far.example"
    assert lines[2].startswith(f"    alias team, {place}:2: {ME}, :include:")
    assert f"      mailbox {world.mail}/{ME}" in lines
    assert f"      list {world.folder}/members, 2 members" in lines
    assert ("        a@far.example: by [smarthost] to smtp.example.net:587, else "
            "[2001:db8::1]:2525, with STARTTLS, signed in as demo") in lines


@pytest.mark.parametrize("address, kind, words", [
    ("x@far.example", "smtp", "by [smarthost] to smtp.example.net:587"),
    ("x@partner.example", "mx", "to the MX hosts of partner.example, port 25"),
    ("x@a.partner.example", "smtp", 'by [route "*.partner.example"] to mx1.partner.example:25, '
                                    "else mx2.partner.example:2525, in clear"),
    ("x@waits.example", "hold", "held until someone releases it"),
    ("x@nowhere.example", "discard", "thrown away"),
    ("x@box.example", "lmtp", "by LMTP to /run/box"),
    ("x@shop.example", "smtp", 'by [route "shop.example"] by [smarthost "shop"] to '
                               "smtp.shop.example:465, with TLS"),
])
def test_each_route_is_named(world, address, kind, words):
    ways, texts = steps(world, address)
    assert ways == [(0, kind)] and words in texts[0]


@pytest.mark.parametrize("address, kinds, words", [
    ("x@closed.example", ["error"], "we are closed"),
    ("round", ["alias", "alias", "error"], "circle"),
    ("pipe", ["alias", "error"], "not allowed"),
    ("gone", ["alias", "error"], "nobody-of-that-name"),
    ("nobody-here", ["error"], "5.1.1"),
])
def test_what_leads_nowhere_is_said_and_is_a_failure(world, address, kinds, words):
    ways, texts = steps(world, address, check=EX_NOUSER)
    assert [kind for _, kind in ways] == kinds and words in texts[-1]


def test_the_sender_chooses_the_smarthost(world):
    for sender in ("anna@shop.example", "bot@x.example"):
        _, texts = steps(world, "x@far.example", "--sender", sender)
        assert texts == [f'by [smarthost "shop"] for mail from {sender} to smtp.shop.example:465, '
                         "with TLS"]


def test_without_a_smarthost_it_says_that_mail_waits(sandbox):
    sandbox.configure()
    ways, texts = steps(sandbox, "x@far.example")
    assert ways == [(0, "none")] and "no smarthost" in texts[0]


def test_as_sendmail_does(world):
    done = world.sendmail("-bv", "boss", "x@far.example", check=EX_OK)
    assert done.out.splitlines() == route(world, "boss", "x@far.example")
    done = world.sendmail("-bv", "-fbot@x.example", "x@far.example", check=EX_OK)
    assert '[smarthost "shop"]' in done.out
    done = world.sendmail("-bv", "gone", check=EX_NOUSER)
    assert done.err == "postrider: 1 of 1 address leads nowhere, or in part\n"
    done = world.sendmail("-bt", stdin=b"boss\na@b@c\n\nx@nowhere.example\n", check=EX_OK)
    assert "alias boss" in done.out and "thrown away" in done.out
    assert done.err.count("is no address") == 1


@pytest.mark.parametrize("arguments, status", [
    ([], EX_USAGE), (["--nonsense", "x"], EX_USAGE), (["a@b@c"], EX_DATAERR),
    (["--sender", "a@b@c", "x"], EX_USAGE)])
def test_bad_input_gets_one_line(world, arguments, status):
    done = world.postrider("route", *arguments, check=status)
    assert len(done.err.splitlines()) == 1 and not done.out


def test_an_alias_cannot_steer_the_terminal(world):
    world.aliases("evil: \"\x1b[31mred\"@far.example\n".encode().decode())
    done = world.postrider("route", "evil", check=None)
    assert "\x1b" not in done.out + done.err


def test_what_is_said_is_what_a_queue_run_does(sandbox):
    """The same tables: a message to the same address takes that very way."""
    with FakeServer() as server, FakeServer() as other:
        sandbox.aliases("both: one@far.example, two@other.example\n")
        sandbox.configure(extra=f"""
[smarthost]
host = {server.address}
tls = off
auth = off
[route "other.example"]
via = {other.address}
tls = off
""")
        lines = route(sandbox, "both")
        sandbox.sendmail("both", stdin=b"Subject: x\n\nx\n", check=EX_OK)
        sandbox.wait_empty()
        for peer, recipient in ((server, "one@far.example"), (other, "two@other.example")):
            assert [m.recipients for m in peer.messages] == [[recipient]]
            assert any(recipient in line and peer.address in line for line in lines)
