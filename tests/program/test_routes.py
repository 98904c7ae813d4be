"""Routes by the recipient's domain, through the programs: every way that needs no name server."""

import time

import pytest
from dsn import the_report
from sandbox import EX_CONFIG, EX_OK
from smtpfake import FakeServer

MESSAGE = b"Subject: hi\n\nhello\n"


def clear(server):
    """The lines of a smarthost, or a route's, that reach a server in clear."""
    return f"host = {server.address}\ntls = off\nauth = off"


def route(domain, *lines):
    return f'[route "{domain}"]\n' + "\n".join(lines) + "\n"


@pytest.fixture
def server():
    with FakeServer() as started:
        yield started


@pytest.fixture
def other():
    with FakeServer() as started:
        yield started


def recipients(server):
    return sorted(one for message in server.messages for one in message.recipients)


def test_each_recipient_takes_its_own_way(sandbox, server, other):
    """One message, five ways; the sender hears of the refused one alone."""
    sandbox.configure(
        smarthost=clear(server),
        extra=route("partner.example", f"via = {other.address}", "tls = off")
        + route("*.partner.example", "via = smarthost")
        + route("virtual.example", "via = local")
        + route("trap.example", "via = discard")
        + route("old.example", "via = error this domain has moved"))
    sandbox.aliases(f"sales@virtual.example: {sandbox.user}\n")
    sandbox.sendmail("-i", "-f", f"{sandbox.user}@here.example", "a@partner.example",
                     "b@sub.partner.example", "c@far.example", "sales@virtual.example",
                     "d@trap.example", "e@old.example", stdin=MESSAGE, check=EX_OK)
    sandbox.wait_empty()
    assert recipients(other) == ["a@partner.example"]
    assert recipients(server) == ["b@sub.partner.example", "c@far.example"]
    assert sandbox.log_lines("delivered", to="d@trap.example", via="discard")
    hers = [one for one in sandbox.mailbox() if one["Subject"] == "hi"]
    assert [one["Delivered-To"] for one in hers] == ["sales@virtual.example"]
    report = the_report(sandbox)
    assert report.only["final-recipient"].endswith("e@old.example")
    assert report.only["status"] == "5.7.1"
    assert "this domain has moved" in report.only["diagnostic-code"]


def test_what_was_discarded_is_not_shown_as_delivered_into_a_mailbox(sandbox):
    sandbox.configure(smarthost="host = 127.0.0.1:1\ntls = off\nauth = off",
                      extra=route("trap.example", "via = discard"))
    sandbox.sendmail("-odq", "-i", "d@trap.example", "you@far.example", stdin=MESSAGE, check=EX_OK)
    sandbox.flush(check=EX_OK)
    shown = sandbox.postrider("queue", "show", *sandbox.letters(), check=EX_OK).out
    assert "discarded, as its route says" in shown and "mailbox" not in shown


def test_own_retry_of_a_route(sandbox, server):
    """The partner's mail waits by its own schedule, the rest by that of [queue]."""
    sandbox.configure(
        queue="retry = 2h", smarthost="host = 127.0.0.1:1\ntls = off\nauth = off",
        extra=route("partner.example", "via = 127.0.0.1:1", "tls = off", "retry = 10m"))
    for recipient, low, high in (("a@partner.example", 500, 700), ("b@far.example", 6000, 8000)):
        sandbox.sendmail("-odi", "-i", recipient, stdin=MESSAGE, check=EX_OK)
        (name,) = set(sandbox.letters()) - {"before"}
        due = (sandbox.queue / "journal" / name).stat().st_mtime - time.time()
        assert low < due < high, f"{recipient} is due in {due} s"
        (sandbox.queue / "spool" / name).unlink()


def test_own_lifetime_of_a_route(sandbox, server):
    sandbox.configure(
        queue="retry = 1s\nlifetime = 1h", smarthost="host = 127.0.0.1:1\ntls = off\nauth = off",
        extra=route("partner.example", "via = 127.0.0.1:1", "tls = off", "lifetime = 1s"))
    sandbox.sendmail("-odq", "-i", "-f", f"{sandbox.user}@here.example", "a@partner.example",
                     "b@far.example", stdin=MESSAGE, check=EX_OK)
    time.sleep(1.1)

    def gave_up():
        for path in (sandbox.queue / "hops").glob("hop-*"):
            path.unlink()
        sandbox.flush()
        return sandbox.log_lines("bounced", to="a@partner.example")

    sandbox.wait_until(gave_up)
    sandbox.wait_quiet()
    assert len(sandbox.letters()) == 1 and not sandbox.log_lines("bounced", to="b@far.example")
    assert the_report(sandbox).only["status"] == "4.4.7"


def test_hold_waits_for_people_and_holds_up_nobody_else(sandbox, server):
    sandbox.configure(smarthost=clear(server), queue="retry = 1s\nlifetime = 1s",
                      extra=route("held.example", "via = hold"))
    sandbox.sendmail("-odi", "-i", "a@held.example", "b@far.example", stdin=MESSAGE, check=EX_OK)
    assert recipients(server) == ["b@far.example"]
    time.sleep(1.2)
    sandbox.flush()
    (name,) = sandbox.letters()
    assert (sandbox.queue / "journal" / name).stat().st_mtime > 13e9
    assert sandbox.log_lines("held", to="a@held.example")
    assert not sandbox.log_lines("bounced")
    assert "a@held.example" in sandbox.mailq().out and "b@far.example" not in sandbox.mailq().out


def test_a_route_that_is_wrong_stops_with_its_line(sandbox):
    sandbox.configure(extra=route("a.example", "via = smarthost nosuch"))
    done = sandbox.sendmail("-odq", "a@a.example", stdin=MESSAGE)
    assert done.returncode == EX_CONFIG and "nosuch" in done.err and f"{sandbox.config}:" in done.err


def test_a_change_of_routes_counts_from_the_next_run_on(sandbox, server):
    """Queued mail takes the way that the settings say when it goes."""
    sandbox.configure(queue="retry = 1s",
                      extra=route("partner.example", "via = 127.0.0.1:1", "tls = off"))
    sandbox.sendmail("-odi", "-i", "a@partner.example", stdin=MESSAGE, check=EX_OK)
    assert len(sandbox.letters()) == 1
    sandbox.configure(extra=route("partner.example", f"via = {server.address}", "tls = off"))
    for path in (sandbox.queue / "hops").iterdir():
        path.unlink()
    time.sleep(1.2)
    sandbox.flush()
    sandbox.wait_empty()
    assert recipients(server) == ["a@partner.example"]
