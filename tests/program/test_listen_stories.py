"""Whole stories of a listener, to be read from top to bottom: two domains on one machine, and a
partner's mail while his server is down."""

import json
import os
import random
import signal
import socket
import time

import pytest

from dsn import the_report
from listening import Listening
from sandbox import EX_DATAERR, EX_OK, wait_until
from smtpfake import FakeServer

MAIL = b"From: customer@far.example\r\nSubject: %b\r\n\r\nhello\r\n"


def post(sandbox, recipient, subject=None, sender="customer@far.example", **options):
    """Somebody out there sends one message; what the listener says to the recipient."""
    with sandbox.client(**options) as client:
        client.ehlo("mx.far.example")
        client.command(f"MAIL FROM:<{sender}>")
        client.send(f"RCPT TO:<{recipient}>")
        code, (line,) = client.read()
        if code == 250:
            client.command("DATA", 354)
            client.send(MAIL % (subject or recipient).encode() + b".\r\n")
            client.expect(250)
        client.command("QUIT", 221)
        return f"{code} {line}"


# --- two domains on one machine ---


@pytest.fixture
def provider():
    with FakeServer() as server:
        yield server


@pytest.fixture
def house(provider):
    """A machine with a bakery and a club on it, and a smarthost for what goes elsewhere."""
    with Listening(
            listen="relay_networks =",
            mail="local_domains = here.example, bakery.example, club.example, *.club.example",
            smarthost=f"host = {provider.address}\ntls = off\nauth = off") as sandbox:
        user = sandbox.user
        sandbox.aliases(f"""\
webmaster:                {user}

# The bakery. Whatever is not written here goes to the baker, who reads his mail elsewhere.
orders@bakery.example:    {user}
@bakery.example:          baker@home.example
{user}@bakery.example:    {user}

# The club, without a catch-all, and its rowers.
chair@club.example:       president@home.example, {user}
info@rowing.club.example: cox@home.example
""")
        sandbox.newaliases(check=EX_OK)
        yield sandbox


def where(house, provider):
    """Subject -> where the message came to."""
    found = {}
    for message in house.mailbox():
        found.setdefault(message["Subject"], set()).add("mailbox")
    for message in provider.messages:
        subject = message.text.partition(b"\nSubject: ")[2].partition(b"\n")[0].decode()
        found.setdefault(subject, set()).update(message.recipients)
    return found


def test_two_domains_on_one_machine(house, provider):
    user = house.user
    expected = {
        # Each domain has names of its own, ...
        "orders@bakery.example": {"mailbox"},
        "Orders+cakes@Bakery.Example": {"mailbox"},
        "chair@club.example": {"mailbox", "president@home.example"},
        "info@rowing.club.example": {"cox@home.example"},
        # ... one has a catch-all, which a user of this machine is exempt from, ...
        "anything@bakery.example": {"baker@home.example"},
        "chair@bakery.example": {"baker@home.example"},
        "webmaster@bakery.example": {"baker@home.example"},
        f"{user}@bakery.example": {"mailbox"},
        # ... and what is written without a domain is known in every other.
        "webmaster@club.example": {"mailbox"},
        "webmaster@deep.rowing.club.example": {"mailbox"},
        f"{user}@club.example": {"mailbox"},
        f"{user}@here.example": {"mailbox"},
    }
    for recipient in expected:
        assert post(house, recipient).startswith("250 "), recipient
    house.wait_empty()
    assert where(house, provider) == expected

    # Nobody else is known, and that is said before the message comes.
    for recipient in [
            "orders@club.example",        # a name of the other domain,
            "chair@rowing.club.example",  # of the domain above,
            "info@club.example",          # of one below,
            "orders@here.example",        # and of a domain that is not here
            "president@club.example",
    ]:
        assert post(house, recipient).startswith("550 5.1.1 "), recipient

    # Other people's domains are, however much they look like ours.
    for domain in ["evilbakery.example", "bakery.example.evil.example", "sub.bakery.example",
                   "evilclub.example", "xn--clb-hoa.example", "example", "club.exampl"]:
        assert post(house, f"orders@{domain}").startswith("550 5.7.1 "), domain
    assert not house.letters()
    assert where(house, provider) == expected
    assert len(house.log_lines("rejected", client="[127.0.0.1]")) == 12


def test_every_local_domain_has_a_postmaster(house, provider):
    """RFC 5321 4.5.1; where there is a catch-all, that has him, too."""
    house.aliases(house.aliases_path.read_text() + f"root: {house.user}\n")
    for domain in ["here.example", "club.example", "new.club.example", "bakery.example", "localhost"]:
        assert post(house, f"PostMaster@{domain}").startswith("250 "), domain
    assert post(house, "Postmaster").startswith("250 ")
    house.wait_empty()
    found = where(house, provider)
    assert found.pop("PostMaster@bakery.example") == {"baker@home.example"}
    assert len(found) == 5 and all(places == {"mailbox"} for places in found.values())


def test_no_sender_makes_a_stranger_one_of_us(house, provider):
    """Mail that says it is from here, or from nobody, goes where any stranger's goes, as it is."""
    for sender in [f"{house.user}@here.example", "orders@bakery.example", ""]:
        assert post(house, "orders@bakery.example", sender=sender).startswith("250 ")
        assert post(house, "someone@elsewhere.example", sender=sender).startswith("550 5.7.1 ")
    house.wait_empty()
    assert [message["Return-Path"] for message in house.mailbox()] == [
        f"<{house.user}@here.example>", "<orders@bakery.example>", "<>"]
    assert not provider.messages


def test_aliases_change_while_the_listener_runs(house, provider):
    """Nobody has to tell the listener, and nobody is surprised who forgets newaliases."""
    before = house.aliases_path.read_text()
    assert post(house, "secretary@club.example").startswith("550 5.1.1 ")

    # The text is changed, newaliases is forgotten: the text counts, and the log says what to do.
    house.aliases(before + f"secretary@club.example: {house.user}\n")
    assert post(house, "secretary@club.example", "without newaliases").startswith("250 ")
    house.wait_empty()
    assert "run newaliases" in house.log()

    # With it, the database counts, and is all that is needed.
    house.newaliases(check=EX_OK)
    said = house.log().count("run newaliases")
    assert post(house, "secretary@club.example", "with newaliases").startswith("250 ")
    house.wait_empty()
    assert house.log().count("run newaliases") == said

    # She left.
    house.aliases(before)
    house.newaliases(check=EX_OK)
    assert post(house, "secretary@club.example").startswith("550 5.1.1 ")
    assert where(house, provider) == {"without newaliases": {"mailbox"}, "with newaliases": {"mailbox"}}

    # A slip of the pen: nobody is refused for good, and strangers do not hear of our files.
    house.aliases(before + "chair@club.example president\n")
    failed = house.newaliases(check=EX_DATAERR)
    line = len(before.splitlines()) + 1
    assert f"aliases:{line}: " in failed.err
    reply = post(house, "chair@club.example")
    assert reply == "451 4.3.5 addresses cannot be looked up now"
    assert f"aliases:{line}: " in house.log()
    house.aliases(before)
    house.newaliases(check=EX_OK)
    assert post(house, "chair@club.example", "mended").startswith("250 ")
    house.wait_empty()
    assert where(house, provider)["mended"] == {"mailbox", "president@home.example"}


def test_a_mark_that_nobody_saw_is_seen_by_the_next_listener():
    """The one that said 250 is dead; nothing is run by the clock, and nothing else comes in."""
    with Listening(start=False) as here:
        here.sendmail("-odq", "-i", here.user, stdin=b"Subject: left\n\nx\n", check=EX_OK)
        (here.queue / "spool" / ".wake").touch()
        here.start_listener()
        here.wait_empty()
        assert [message["Subject"] for message in here.mailbox()] == ["left"]


def test_in_the_background_a_relative_path_means_what_it_meant(sandbox):
    """The folder that it was started from is left; runs and reloads still find the settings."""
    sandbox.sendmail("-odq", "-i", sandbox.user, stdin=b"Subject: waits\n\nx\n", check=EX_OK)
    sandbox.run(["postrider-listen", "-C", sandbox.config.name, "--background", "--queue-only",
                 "--every", "1h"], check=EX_OK)
    pid = int((sandbox.queue / "timer.lock").read_text())
    try:
        sandbox.wait_until(lambda: not sandbox.letters(), what="the first run")
        os.kill(pid, signal.SIGHUP)
        sandbox.wait_until(lambda: "reloaded" in sandbox.log(), what="the new settings")
        assert "not reloaded" not in sandbox.log()
    finally:
        os.kill(pid, signal.SIGTERM)
    sandbox.wait_quiet()
    assert [message["Subject"] for message in sandbox.mailbox()] == ["waits"]


# --- a partner's mail while his server is down ---


class Machine(Listening):
    """One of several, with an address of loopback that no other test has; it can be down."""

    def __init__(self, **sections):
        self.address = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        super().__init__(host=self.address, **sections)
        self.name = f"{self.address}:{self.port}"

    def client(self, **options):
        return super().client(host=self.address, **options)

    def restart(self):
        """With the settings as they are now."""
        assert self.stop_listener() == 0
        self.start_listener()

    def go_down(self):
        """Nobody is there: connections are refused."""
        assert self.stop_listener() == 0
        self.sockets[""].close()

    def come_up(self):
        self.sockets[""] = socket.create_server((self.address, self.port))
        self.start_listener()


@pytest.fixture
def partner():
    with Machine(listen="relay_networks =",
                 mail="hostname = mx.partner.example\nlocal_domains = partner.example") as sandbox:
        yield sandbox


@pytest.fixture
def backup(partner):
    with Machine(
            listen=f"relay_networks =\nrelay_domains = partner.example, held.example\n"
                   f"etrn_networks = {partner.address}",
            mail="hostname = backup.example\nlocal_domains = backup.example",
            **{'route "partner.example"': f"via = {partner.name}\ntls = off\n"
                                          "retry = 2h\nlifetime = 30d",
               'route "held.example"': "via = hold"}) as sandbox:
        yield sandbox


def asks(backup, domain, source=None):
    """What somebody at this address is told who asks for a domain's mail (ETRN, RFC 1985)."""
    with backup.client(source=source) as client:
        client.ehlo("mx.partner.example")
        client.send(f"ETRN {domain}")
        code, (line,) = client.read()
        client.command("QUIT", 221)
        return f"{code} {line}"


def test_backup_mx_for_a_partner(backup, partner):
    boss, sales = f"{partner.user}@partner.example", f"{partner.user}+sales@partner.example"

    # His server works: what comes here by chance goes on at once.
    assert post(backup, boss, "on a good day").startswith("250 ")
    backup.wait_empty()
    partner.wait_empty()
    assert [message["Subject"] for message in partner.mailbox()] == ["on a good day"]

    # It breaks. Mail for him is still taken from everybody, and for him alone.
    partner.go_down()
    assert post(backup, boss, "first").startswith("250 ")
    assert post(backup, sales, "second").startswith("250 ")
    assert post(backup, "x@sub.partner.example").startswith("550 5.7.1 ")
    assert post(backup, "x@elsewhere.example").startswith("550 5.7.1 ")
    backup.wait_until(lambda: len(backup.log_lines("deferred")) == 2, what="two tries")
    backup.wait_quiet()

    # What waits, and why?
    listing = backup.mailq(check=EX_OK).out
    assert boss in listing and sales in listing and "cannot connect" in listing
    held = [json.loads(line) for line in
            backup.postrider("queue", "list", "--json", check=EX_OK).out.splitlines()]
    assert [len(one["recipients"]) for one in held] == [1, 1]
    status = json.loads(backup.postrider("status", "--json", check=EX_OK).out)
    assert "partner.example" in json.dumps(status)
    assert "partner.example" in backup.postrider("status", check=EX_OK).out

    # Strangers cannot make us work, nor learn what we keep.
    assert asks(backup, "partner.example").startswith("458 4.7.1 ")
    assert asks(backup, "elsewhere.example", partner.address).startswith("459 4.7.1 ")
    assert asks(backup, "sub.partner.example", partner.address).startswith("459 4.7.1 ")

    # He is back, and asks: he need not wait for two hours.
    partner.come_up()
    assert len(backup.letters()) == 2
    assert asks(backup, "Partner.Example", partner.address).startswith("250 2.0.0 ")
    backup.wait_empty()
    partner.wait_empty()
    messages = {message["Subject"]: message for message in partner.mailbox()}
    assert sorted(messages) == ["first", "on a good day", "second"]

    # It came as it was sent, and tells which way.
    message = messages["first"]
    assert message["Return-Path"] == "<customer@far.example>"
    assert message["From"] == "customer@far.example"
    way = message.get_all("Received")
    assert [line.partition("\n\tby ")[2].split()[0] for line in way] == [
        "mx.partner.example", "backup.example"]
    (first,) = [one for one in held if boss in json.dumps(one)]
    story = backup.postrider("trace", first["id"], check=EX_OK).out
    for event in ("received", "deferred", "delivered", "removed"):
        assert event in story

    # Asking all the time is of no use.
    tried = len(backup.log_lines("partner asks"))
    assert asks(backup, "partner.example", partner.address).startswith("250 ")
    time.sleep(0.3)
    assert len(backup.log_lines("partner asks")) == tried == 1


def test_mail_that_is_held_for_a_partner(backup, partner):
    """A route that holds: nothing is tried until an administrator, not the partner, says where to."""
    assert post(backup, "boss@held.example", "held").startswith("250 ")
    backup.wait_until(lambda: backup.log_lines("held"), what="the hold")
    backup.wait_quiet()
    assert "held" in backup.mailq(check=EX_OK).out
    assert asks(backup, "held.example", partner.address).startswith("250 ")
    backup.flush(check=EX_OK)
    assert len(backup.letters()) == 1 and not backup.log_lines("delivered")

    backup.configure(**{'route "held.example"': f"via = {partner.name}\ntls = off"})
    partner.configure(mail="local_domains = partner.example, held.example")
    partner.aliases(f"boss: {partner.user}\n")
    partner.restart()
    backup.postrider("queue", "release", "--domain", "held.example", check=EX_OK)
    backup.wait_empty()
    partner.wait_empty()
    assert [message["Subject"] for message in partner.mailbox()] == ["held"]


def test_two_backups_of_each_other_end_a_loop(backup, partner):
    """The partner has lost his settings and takes us for his primary: one report, and an end."""
    backup.configure(mail="max_hops = 7")
    backup.restart()
    partner.configure(mail="max_hops = 7\nlocal_domains = other.example",
                      **{'route "*"': f"via = {backup.name}\ntls = off"})
    partner.configure_listeners("relay_networks =\nrelay_domains = partner.example")
    partner.restart()
    assert post(backup, "boss@partner.example", "round and round",
                sender=f"{backup.user}@backup.example").startswith("250 ")

    def over():
        for sandbox in (backup, partner):
            sandbox.wait_quiet()
        return backup.mailbox() and not any(one.letters() or one.runners() for one in (backup, partner))

    wait_until(over, 60, "the end of the loop")
    report = the_report(backup)
    assert report.only["status"] == "5.4.6" and report.only["action"] == "failed"
    assert report.original.count(b"Received: ") == 8
    assert not partner.mailbox()
