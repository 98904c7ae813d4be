"""Milters of an installed listener, whose sessions are locked in and nobody's: sockets that the user
postrider may write to, names from a real name server, bodies that wait on disk."""

import os
import signal

import pytest

from milterfake import CONTINUE, FakeMilter, add_header, replace_body
from test_installed import SPOOL
from test_listen_load import Listener

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("milter_installed")]

RECIPIENT, SENDER = "you@kept.example", "joe@sender.example"
DATA = b"Subject: hi\r\n\r\nbody\r\n"
CONFIG = """[mail]
hostname = here.example
local_domains = here.example
mailbox_directory = /var/mail
log_file =
[listen]
address = 127.0.0.1:25, [::1]:25
relay_networks =
relay_domains = kept.example
max_connections_per_client = 100
[route "kept.example"]
via = hold
[filter]
milter = unix:/run/filter/milter.sock, inet:localhost:11332
milter_timeout = 5s
"""
NAMED, FORGED, NAMELESS = "2001:db8::1", "2001:db8::2", "2001:db8::3"
DNSMASQ = """
port=53
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
user=root
pid-file=/run/dnsmasq.pid
cache-size=0
local=/example/
local=/arpa/
host-record=mx.sender.example,2001:db8::1
ptr-record=2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa,mx.sender.example
"""
SOCKET = "/run/filter/milter.sock"


class Place(Listener):
    config = CONFIG

    def prepare(self):
        world = self.world
        world.install_packages("dnsmasq-base")
        for address in (NAMED, FORGED, NAMELESS):
            world.shell(f"ip address add {address}/128 dev lo")
        world.write("/etc/dnsmasq.conf", DNSMASQ)
        world.run(["dnsmasq", "-C", "/etc/dnsmasq.conf"], check=0)
        world.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        world.shell("mkdir -p /run/filter && chmod 755 /run/filter")
        self.local = world.inside(lambda: FakeMilter(path=world.outside(SOCKET)))
        self.remote = world.inside(lambda: FakeMilter(port=11332))
        self.open_socket()

    def open_socket(self):
        self.world.shell(f"chgrp postrider {SOCKET} && chmod 660 {SOCKET}")

    def message(self, source="127.0.0.1", code=250):
        """One message; the lines of the first reply that is a no, or of the last one."""
        with self.client(host="::1" if ":" in source else "127.0.0.1", source=source) as client:
            client.ehlo("client.example")
            for line in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "DATA"):
                client.send(line)
                got, lines = client.read()
                if got not in (250, 354):
                    break
            else:
                client.send(DATA + b".\r\n")
                got, lines = client.read()
            assert got == code, lines
            client.send("QUIT")
            client.read()
        return lines

    def queued(self):
        return [self.world.read(f"{SPOOL}/spool/{name}")
                for name in self.world.names(f"{SPOOL}/spool") if name != ".wake"]


@pytest.fixture(scope="module")
def the_place():
    place = Place()
    yield place
    place.world.inside(place.local.close)
    place.world.inside(place.remote.close)
    place.world.close()


@pytest.fixture
def place(the_place):
    for milter in (the_place.local, the_place.remote):
        milter.at, milter.sessions = {}, []
    the_place.world.shell(f"rm -f {SPOOL}/spool/*")
    the_place.world.syslog.clear()
    return the_place


def test_both_kinds_of_sockets(place):
    place.local.at = {"E": (add_header("X-Local", "1"), replace_body(b"new\r\n"), CONTINUE)}
    place.remote.at = {"E": (add_header("X-Remote", "2"), CONTINUE)}
    place.message()
    (message,) = place.queued()
    assert b"\nX-Local: 1\nX-Remote: 2\n\nnew\n" in message
    assert place.remote.session.message.body == b"new\r\n"


@pytest.mark.parametrize("source, name, forged", [
    (NAMED, "mx.sender.example", False), (FORGED, "mx.sender.example", True), (NAMELESS, None, False),
    ("127.0.0.1", "localhost", False)])
def test_the_name_of_the_client(place, source, name, forged):
    place.message(source)
    session = place.local.session
    literal = f"[IPv6:{source}]" if ":" in source else f"[{source}]"
    told = name if name and not forged else literal
    assert session.client[0] == told and session.client[3] == source
    assert session.client[1] == ("6" if ":" in source else "4")
    macros = session.macros["C"]
    assert macros["{client_name}"] == told and macros["{client_addr}"] == source
    assert macros.get("{client_ptr}") == name
    assert macros["{client_resolve}"] == ("FORGED" if forged else "OK" if name else "FAIL")
    assert macros["_"] == (f"{name} " if name else "") + f"[{source}]" \
        + (" (may be forged)" if forged else "")


def test_F1_a_socket_that_postrider_may_not_write_to(place):
    place.world.shell(f"chmod 600 {SOCKET} && chown root:root {SOCKET}")
    (line,) = place.message(code=451)
    assert line.startswith("4.7.1 ")
    place.world.wait_until(lambda: [line for line in place.world.syslog
                                    if "Permission denied" in line and SOCKET in line])
    place.open_socket()
    place.message()
    assert len(place.queued()) == 1


def test_F1_a_session_that_is_killed_while_a_milter_looks_leaves_nothing(place):
    def kill(session, _):
        for pid in place.world.processes("postrider-listen"):
            if pid != place.parent:
                place.world.run(["kill", "-9", str(pid)])
        return CONTINUE

    place.remote.at = {"E": kill}
    with place.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{SENDER}>")
        client.command(f"RCPT TO:<{RECIPIENT}>")
        client.command("DATA", 354)
        client.send(DATA + b".\r\n")
        assert client.read()[0] == 0
    assert not place.queued()
    place.remote.at = {}
    place.message()
    assert len(place.queued()) == 1


def test_a_stop_while_a_milter_looks_loses_nothing(place):
    """The message's end has been read: it is looked at, committed and answered."""
    def stop(session, _):
        os.kill(place.parent_outside(), signal.SIGTERM)
        return CONTINUE

    place.remote.at = {"E": stop}
    place.message()
    assert len(place.queued()) == 1
    place.world.wait_until(lambda: not place.world.processes("postrider-listen"))
    place.world.shell(f": > {SPOOL}/listen.lock")
    place.start()
