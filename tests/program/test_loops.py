"""Loops: whichever way mail comes back, it ends in one bounce to its sender, in plain words."""

import os
import subprocess

import pytest
from dsn import reports_in, the_report
from sandbox import EX_OK, wait_until
from smtpfake import EXTENSIONS, FakeServer

MOST_HANDOVERS = 100


def received(count):
    return b"".join(b"Received: from a by b; Mon, 1 Jun 2026 10:00:0%d +0000\n" % (n % 10)
                    for n in range(count))


def submit(sandbox, text, *arguments, sender=None):
    sandbox.sendmail("-odi", "-i", "-f", sender or sandbox.user, *arguments, stdin=text,
                     check=EX_OK)
    sandbox.flush(check=EX_OK)


# --- Received ------------------------------------------------------------------------------------


def test_L1_too_many_hosts(sandbox):
    with FakeServer() as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off",
                          mail="max_hops = 5")
        submit(sandbox, received(4) + b"Subject: fine\n\nx\n", "you@example.net")
        assert len(server.messages) == 1 and not sandbox.mailbox()
        submit(sandbox, received(5) + b"Subject: loops\n\nx\n", "you@example.net", sandbox.user)
        assert len(server.messages) == 1
        report = the_report(sandbox)
        assert set(report.actions) == {"you@example.net", f"{sandbox.user}@here.example"}
        for fields in report.recipients:
            assert fields["status"] == "5.4.6" and "remote-mta" not in fields
            assert "has passed 6 hosts" in fields["diagnostic-code"]
        assert "mail loop" in report.text.replace("\n    ", " ")
        assert not sandbox.letters()


@pytest.mark.parametrize("text", [
    b"Subject: x\n\n" + received(40),
    b"Subject: x\nX-Old: a\n " + b"\n ".join(received(40).splitlines()) + b"\n\nx\n",
    b"X-Received: x\n" * 40 + b"\nx\n",
    b"Subject: x\nno field here\n" + received(40),
])
def test_L1_only_fields_of_the_header_count(sandbox, text):
    submit(sandbox, text, sandbox.user)
    assert not reports_in(sandbox) and len(sandbox.mailbox()) == 1


def test_L1_fields_in_any_case_and_form_count(sandbox):
    text = b"RECEIVED: x\nreceived : y\n folded\nReceived:\n" * 20 + b"\nx\n"
    submit(sandbox, text, sandbox.user)
    assert "has passed 61 hosts" in the_report(sandbox).only["diagnostic-code"]


def test_L1_a_looping_report_ends_at_the_postmaster(sandbox):
    sandbox.aliases(f"postmaster: {sandbox.user}\n")
    submit(sandbox, received(40) + b"\nx\n", "you@example.net", sender="<>")
    report = the_report(sandbox)
    assert report.header["To"] == "postmaster@here.example" and not sandbox.letters()


# --- Delivered-To --------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["{0}@here.example", "<{0}@HERE.example>", "{1}@here.example",
                                  "{0}", "\n {0}@here.example"])
def test_delivered_here_before(sandbox, mark):
    mark = mark.format(sandbox.user, sandbox.user.upper())
    text = f"Delivered-To: other@here.example\nDelivered-To: {mark}\nSubject: x\n\nx\n".encode()
    submit(sandbox, text, sandbox.user)
    report = the_report(sandbox)
    assert report.only["status"] == "5.4.6"
    assert "has been at" in report.text and "circle" in report.text
    assert len(sandbox.mailbox()) == 1 and not sandbox.letters()


def test_delivered_elsewhere_is_no_loop(sandbox):
    text = f"Delivered-To: {sandbox.user}@example.net\nDelivered-To: x\nDelivered-To:\n\nx\n"
    submit(sandbox, text.encode(), sandbox.user)
    assert not reports_in(sandbox) and len(sandbox.mailbox()) == 1


def test_an_address_elsewhere_is_the_next_hops_matter(sandbox):
    with FakeServer() as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        submit(sandbox, b"Delivered-To: you@example.net\n\nx\n", "you@example.net")
        assert len(server.messages) == 1 and not sandbox.mailbox()


def test_what_is_sent_on_says_so_and_nothing_else_does(sandbox):
    """Each alias in a transaction of its own: nobody sees through which alias another one has it."""
    with FakeServer(extensions=[*EXTENSIONS, "X"]) as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        sandbox.aliases("team: a@example.net, b@example.net\nhidden: c@example.net, a@example.net\n")
        submit(sandbox, b"Subject: x\n\n.dot\n", "team", "hidden", "d@example.net", "e@example.net")
        got = {tuple(m.recipients): m for m in server.messages}
        assert set(got) == {("a@example.net", "b@example.net"), ("c@example.net",),
                            ("d@example.net", "e@example.net")}
        marks = {"a": b"Delivered-To: team@here.example\r\n",
                 "c": b"Delivered-To: hidden@here.example\r\n", "d": b""}
        for recipients, message in got.items():
            mark = marks[recipients[0][0]]
            assert message.data.startswith(mark + b"Received: ")
            assert message.data.count(b"Delivered-To") == (1 if mark else 0)
            assert message.data.endswith(b"\r\n\r\n.dot\r\n")
            assert int(message.parameters["SIZE"]) == len(message.data)
        assert len(server.connections) == 1 and not sandbox.letters()
        assert not list((sandbox.queue / "journal").iterdir())


def test_parts_of_a_message_have_their_own_ends(sandbox):
    def later(session, line):
        return "451 4.3.0 later" if "a@" in line else None

    with FakeServer(at={"RCPT": later}) as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        sandbox.aliases("team: a@example.net\n")
        submit(sandbox, b"Subject: x\n\nx\n", "team", "d@example.net")
        assert [m.recipients for m in server.messages] == [["d@example.net"]]
        (letter,) = sandbox.letters()
        server.at = {}
        os.utime(sandbox.queue / "journal" / letter, (1, 1))
        sandbox.flush(check=EX_OK)
        assert [m.recipients for m in server.messages] == [["d@example.net"], ["a@example.net"]]
        assert server.messages[1].data.startswith(b"Delivered-To: team@here.example\r\n")
        assert not sandbox.letters()


def test_a_mark_goes_before_what_is_converted(sandbox):
    with FakeServer(extensions=("PIPELINING",)) as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        sandbox.aliases("team: a@example.net\n")
        submit(sandbox, "Subject: x\n\n\u00e4\n".encode(), "team")
        (message,) = server.messages
        assert message.data.startswith(b"Delivered-To: team@here.example\r\nReceived: ")
        assert b"quoted-printable" in message.data


# --- two machines --------------------------------------------------------------------------------


class Relay(FakeServer):
    """A smarthost that hands what it takes to the sendmail of another sandbox."""

    def __init__(self, **more):
        super().__init__(**more)
        self.target = None
        self.handed = 0

    def took(self, message):
        super().took(message)
        self.handed += 1
        if self.handed > MOST_HANDOVERS:
            return
        subprocess.run(
            [self.target.build / "sendmail", "-C", self.target.config, "-i", "-f",
             message.sender or "<>", "--", *message.recipients],
            input=message.text, env=self.target.environment(), cwd=self.target.folder, check=True,
            timeout=60)


def machines(make_sandbox, aliases):
    """Two instances that are each other's smarthost; ours has the sender's mailbox."""
    relays = [Relay(), Relay()]
    found = []
    for number, name in enumerate(("one.example", "two.example")):
        sandbox = make_sandbox(
            mail=f"hostname = {name}\ndomain = {name}\nlocal_domains = {name}, localhost",
            smarthost=f"host = {relays[1 - number].address}\ntls = off\nauth = off")
        sandbox.aliases(aliases[number])
        found.append(sandbox)
    for relay, sandbox in zip(relays, found):
        relay.target = sandbox
    return found, relays


def settle(found):
    """Until both are quiet and empty."""
    def over():
        for sandbox in found:
            sandbox.wait_quiet()
        return not any(sandbox.letters() or sandbox.runners() for sandbox in found)

    wait_until(over, 60, "the end of the loop")


@pytest.mark.parametrize("case", ["plain", "wide", "several"])
def test_two_instances_that_alias_to_each_other(make_sandbox, case):
    aliases = {
        "plain": ("joe: joe@two.example\n", "joe: joe@one.example\n"),
        "wide": ("joe: j\u00f6e@two.example\n", "j\u00f6e: joe@one.example\n"),
        "several": ("joe: ann@two.example, bob@two.example\n",
                    "ann: joe@one.example\nbob: joe@one.example\n"),
    }[case]
    found, relays = machines(make_sandbox, aliases)
    one, two = found
    try:
        one.sendmail("-i", "-f", one.user, "joe", stdin=b"Subject: round and round\n\nx\n",
                     check=EX_OK)
        settle(found)
        report = the_report(one)
        assert report.only["status"] == "5.4.6" and report.only["action"] == "failed"
        assert b"Subject: round and round" in report.original
        assert "mail loop" in report.text.replace("\n    ", " ")
        assert len(one.mailbox()) == 1 and not two.mailbox()
        assert sum(relay.handed for relay in relays) <= 4
    finally:
        for relay in relays:
            relay.close()


def test_two_instances_by_max_hops_alone(make_sandbox):
    """A chain of ever new addresses: no address comes back, the hosts are counted."""
    many = range(60)
    found, relays = machines(make_sandbox, (
        "".join(f"j{n}: j{n + 1}@two.example\n" for n in many),
        "".join(f"j{n}: j{n + 1}@one.example\n" for n in many)))
    one, two = found
    try:
        for sandbox in found:
            sandbox.configure(mail="max_hops = 8")
        one.sendmail("-i", "-f", one.user, "j0", stdin=b"Subject: round\n\nx\n", check=EX_OK)
        settle(found)
        report = the_report(one)
        assert report.only["status"] == "5.4.6" and "has passed 9 hosts" in report.text
        assert not two.mailbox()
        assert 8 <= sum(relay.handed for relay in relays) <= 10
    finally:
        for relay in relays:
            relay.close()
