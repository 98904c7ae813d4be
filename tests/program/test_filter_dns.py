"""Lists in the DNS and SPF through an installed listener, whose sessions are locked in, with real name
servers: rbldnsd has the lists, dnsmasq the rest, and a scripted one what neither would do."""

import email
import re
import socket
import subprocess
import threading
import time
from email import policy

import pytest

from dnsfake import SERVFAIL, SILENT, FakeDns, a, txt
from test_installed import SPOOL
from test_listen_load import Listener
from world import PACKAGES

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("filter_dns")]

RECIPIENT, SENDER = "you@kept.example", "joe@nothing.example"
# Where clients come from: listed, allowed by a list as well, one of ours, listed in another way.
BAD, GOOD, OURS, WEAK = "127.0.0.66", "127.0.0.67", "127.0.0.5", "127.0.0.68"
BAD_V6, PLAIN_V6 = "2001:db8::66", "2001:db8::1"
PLAIN = "127.0.0.9"

CONFIG = """[mail]
hostname = here.example
local_domains = here.example
mailbox_directory = /var/mail
log_file =
[listen]
address = 127.0.0.1:25, [::1]:25
relay_networks = 127.0.0.5
relay_domains = kept.example
max_connections_per_client = 100
[route "kept.example"]
via = hold
[filter]
"""

RBLDNSD = {
    "bad": """:127.0.0.2:Listed, see http://bad.example/?$
127.0.0.2
127.0.0.66
127.0.0.67
127.0.0.68 :127.0.0.9:weak
""",
    "bad6": """:127.0.0.2:Listed for IPv6
::ffff:7f00:2/128
2001:db8::66/128
""",
    "good": """:127.0.5.3:
127.0.0.2
127.0.0.67
""",
    "all": """:127.0.0.2:everybody
0.0.0.0/0
""",
    "none": "127.0.0.77\n",
}
ZONES = ["bad.example:ip4set:bad", "bad.example:ip6trie:bad6", "good.example:ip4set:good",
         "all.example:ip4trie:all", "none.example:ip4set:none"]

DNSMASQ = """
port=53
listen-address=127.0.0.1,::1
bind-interfaces
no-resolv
no-hosts
user=root
pid-file=/run/dnsmasq.pid
cache-size=0
local=/example/
server=/bad.example/127.0.0.1#5300
server=/good.example/127.0.0.1#5300
server=/all.example/127.0.0.1#5300
server=/none.example/127.0.0.1#5300
server=/odd.example/127.0.0.1#5301
address=/hijacked.example/192.0.2.66
txt-record=pass.example,"v=spf1 ip4:127.0.0.0/8 ip6:2001:db8::/32 -all"
txt-record=fail.example,"v=spf1 exp=why.fail.example -all"
txt-record=why.fail.example,"%{i} may not, says %{d}"
txt-record=soft.example,"v=spf1 ~all"
txt-record=wrong.example,"v=spf1 ip4:nonsense -all"
txt-record=neutral.example,"v=spf1 ?all"
txt-record=slow.example,"v=spf1 include:dead.odd.example -all"
txt-record=crowd.example,"v=spf1 a:crowd.odd.example -all"
txt-record=helofail.example,"v=spf1 -all"
"""


class Place(Listener):
    config = CONFIG + "spf = mark\n"

    def prepare(self):
        world = self.world
        package = sorted(PACKAGES.glob("rbldnsd_*.deb"))[-1]
        world.install_packages("dnsmasq-base")
        world.run(["dpkg-deb", "-x", package, "/srv/rbldnsd"], check=0)
        world.shell("ip address add 2001:db8::66/128 dev lo\nip address add 2001:db8::1/128 dev lo")
        for name, text in RBLDNSD.items():
            world.write(f"/srv/lists/{name}", text)
        world.run(["/srv/rbldnsd/usr/sbin/rbldnsd", "-u", "nobody", "-b", "127.0.0.1/5300", "-w", "/srv/lists",
                   "-p", "/tmp/rbldnsd.pid", *ZONES], check=0)
        world.write("/etc/dnsmasq.conf", DNSMASQ)
        world.run(["dnsmasq", "-C", "/etc/dnsmasq.conf"], check=0)
        world.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.odd = world.inside(lambda: FakeDns({}, port=5301))

    def use(self, *lines):
        """These settings of [filter], and nothing known of the past."""
        self.world.write("/etc/postrider/postrider.conf", CONFIG + "\n".join(lines) + "\n")
        self.stop()
        self.world.shell(f"rm -rf {SPOOL}/filter/*; rm -f {SPOOL}/spool/*")
        self.world.syslog.clear()
        self.odd.answers, self.odd.asked = {}, []
        self.start()

    def talk(self, source=PLAIN, helo="client.example"):
        host = "::1" if ":" in source else "127.0.0.1"
        client = self.client(host=host, source=source)
        client.ehlo(helo)
        return client

    def try_to(self, source=PLAIN, sender=SENDER, recipient=RECIPIENT, helo="client.example"):
        """What RCPT gets: (code, words)."""
        with self.talk(source, helo) as client:
            client.command(f"MAIL FROM:<{sender}>")
            client.send(f"RCPT TO:<{recipient}>")
            code, lines = client.read()
            client.command("QUIT", 221)
            return code, lines[0]

    def logged(self, *parts, count=1):
        """The lines of the log that have all of these; so many there must be, once they have come."""
        found = self.world.logged(*parts, count=count)
        assert len(found) == count
        return found

    def queued_messages(self):
        return [self.world.read(f"{SPOOL}/spool/{name}").partition(b"\n\n")[2]
                for name in self.world.names(f"{SPOOL}/spool")]

    def message(self, sender=SENDER, **options):
        """The header that the message has in the queue, as [(name, value)]."""
        self.world.shell(f"rm -f {SPOOL}/spool/*")
        with self.talk(**options) as client:
            client.message(sender, RECIPIENT, b"Subject: hi\r\n\r\nx\r\n")
        (data,) = self.queued_messages()
        parsed = email.message_from_bytes(data, policy=policy.compat32)
        return [(name, re.sub(r"\s+", " ", value).strip()) for name, value in parsed.items()]


@pytest.fixture(scope="module")
def the_place():
    place = Place()
    yield place
    place.world.inside(place.odd.close)
    place.world.close()


@pytest.fixture
def place(the_place):
    the_place.odd.asked = []
    return the_place


# --- lists in the DNS ---


def test_who_is_listed_is_told_by_whom_and_whom_to_write_to(place):
    place.use("dnsbl = bad.example", "contact = help@here.example")
    code, words = place.try_to(BAD)
    assert code == 554 and words.startswith("5.7.1 ")
    for part in (f"[{BAD}]", "listed by bad.example", "write to help@here.example",
                 f"Listed, see http://bad.example/?{BAD}"):
        assert part in words
    place.logged("rejected", f"client=[{BAD}]", "listed by bad.example", f"from={SENDER}")
    assert place.try_to(PLAIN)[0] == 250
    # Whom to write to can be written to.
    for recipient in ("help@here.example", "postmaster@here.example", "postmaster"):
        assert place.try_to(BAD, recipient=recipient)[0] == 250
    assert place.try_to(BAD)[0] == 554


def test_v6(place):
    place.use("dnsbl = bad.example")
    code, words = place.try_to(BAD_V6)
    assert code == 554 and f"[IPv6:{BAD_V6}]" in words and "Listed for IPv6" in words
    assert place.try_to(PLAIN_V6)[0] == 250


def test_weights_and_masks(place):
    place.use("dnsbl = bad.example=127.0.0.2*2, bad.example=127.0.0.9", "dnsbl_threshold = 2")
    assert place.try_to(BAD)[0] == 554
    assert place.try_to(WEAK)[0] == 250


def test_who_is_on_an_allowing_list_is_neither_refused_nor_greylisted(place):
    place.use("dnsbl = bad.example", "dnswl = good.example=127.0.0-255.1-3", "greylist = on")
    assert place.try_to(GOOD)[0] == 250
    assert place.try_to(BAD)[0] == 554
    assert place.try_to(PLAIN)[0] == 451


def test_our_own_are_not_asked_about(place):
    place.use("dnsbl = bad.example, x.odd.example", "spf = reject")
    assert place.try_to(OURS, sender="a@fail.example", recipient="you@elsewhere.example")[0] == 250
    assert place.try_to(OURS, sender="a@fail.example")[0] == 250
    assert not place.odd.asked
    assert place.try_to(PLAIN)[0] == 250 and place.odd.asked


def test_the_lists_of_names_come_first(place):
    """Who is on one of them is not asked about."""
    place.use("dnsbl = x.odd.example", f"allow_clients = {BAD}", f"block_clients = {WEAK}")
    assert place.try_to(BAD)[0] == 250
    assert place.try_to(WEAK)[0] == 550
    assert not place.odd.asked


def test_a_session_asks_once_and_others_know(place):
    place.use("dnsbl = bad.example, x.odd.example")
    place.odd.answers = {("2.0.0.127.x.odd.example", "A"): [a("127.0.0.2")]}
    with place.talk() as client:
        for _ in range(3):
            client.command(f"MAIL FROM:<{SENDER}>")
            client.command(f"RCPT TO:<{RECIPIENT}>")
            client.command("RSET")
    assert sorted(place.odd.asked) == [(f"{name}.x.odd.example", "A") for name in
                                       ("1.0.0.127", "2.0.0.127", "9.0.0.127")]
    place.odd.asked = []
    assert place.try_to()[0] == 250
    assert not place.odd.asked


def test_F3_lists_that_are_none(place):
    place.use("dnsbl = all.example, none.example, x.hijacked.example, gone.example, bad.example")
    for _ in range(3):
        assert place.try_to(PLAIN)[0] == 250
    assert place.try_to(BAD)[0] == 554
    lines = place.logged("is ignored", count=4)
    for name, words in (("all.example", "it lists everybody"),
                        ("none.example", "it does not have the test entry 127.0.0.2"),
                        ("x.hijacked.example", "it does not have the test entry"),
                        ("gone.example", "it does not have the test entry")):
        assert any(f"the list {name} is ignored for IPv4: {words}" in line for line in lines)


@pytest.mark.parametrize("how", [SILENT, SERVFAIL])
def test_F3_a_dead_list_delays_mail_once(place, how):
    place.use("dnsbl = dead.odd.example, bad.example", "dns_timeout = 2s")
    place.odd.answers = {(f"{name}.dead.odd.example", "A"): how
                         for name in ("1.0.0.127", "2.0.0.127", "9.0.0.127", "66.0.0.127")}
    began = time.monotonic()
    assert place.try_to(PLAIN)[0] == 250
    assert time.monotonic() - began < 4
    place.odd.asked = []
    assert place.try_to(BAD)[0] == 554
    assert not place.odd.asked
    place.logged("the list dead.odd.example is left alone for 2m")
    assert len(place.logged("dead.odd.example")) == 1


def test_F3_a_thousand_records(place):
    """dnsmasq gives them over TCP; a session may connect to it."""
    place.use("dnsbl = many.odd.example")
    many = [a(f"127.1.{i // 256}.{i % 256}") for i in range(1000)]
    place.odd.answers = {("2.0.0.127.many.odd.example", "A"): many,
                         ("66.0.0.127.many.odd.example", "A"): many,
                         ("66.0.0.127.many.odd.example", "TXT"): [txt("x" * 250)] * 200}
    code, words = place.try_to(BAD)
    assert code == 554 and "listed by many.odd.example" in words and len(words) <= 512
    assert "x" * 100 in words


def test_F3_no_name_server_at_all(place):
    place.use("dnsbl = bad.example, all.example", "dnswl = good.example", "dns_timeout = 3s",
              "spf = mark")
    place.world.write("/etc/resolv.conf", "nameserver 127.0.0.99\n")
    try:
        began = time.monotonic()
        assert place.try_to(BAD)[0] == 250
        assert time.monotonic() - began < 2
        place.logged("no name server can be reached", count=3)
    finally:
        place.world.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")


def test_F3_name_servers_that_are_silent(place):
    """Both of them: the limits hold, for the lists and for SPF."""
    place.use("dnsbl = bad.example", "dns_timeout = 1s", "spf = reject")
    silent = place.world.inside(lambda: bind_udp("127.0.0.98", "127.0.0.99"))
    place.world.write("/etc/resolv.conf", "nameserver 127.0.0.98\nnameserver 127.0.0.99\n"
                                          "options timeout:30 attempts:5\n")
    try:
        began = time.monotonic()
        code, words = place.try_to(BAD)
        assert (code, words[:6]) == (451, "4.7.24")
        assert 2 <= time.monotonic() - began < 4
        began = time.monotonic()
        assert place.try_to(BAD)[0] == 451
        assert time.monotonic() - began < 2.5
    finally:
        place.world.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        for each in silent:
            each.close()


def test_F3_the_first_name_server_is_dead(place):
    place.use("dnsbl = bad.example")
    silent = place.world.inside(lambda: bind_udp("127.0.0.98"))
    try:
        for dead in ("127.0.0.98", "127.0.0.99"):  # silent; nobody there
            place.world.write("/etc/resolv.conf", f"nameserver {dead}\nnameserver 127.0.0.1\n")
            place.world.shell(f"rm -f {SPOOL}/filter/*")
            began = time.monotonic()
            assert place.try_to(BAD)[0] == 554
            assert time.monotonic() - began < 4
    finally:
        place.world.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        silent[0].close()


def test_a_name_server_with_an_ipv6_address(place):
    place.use("dnsbl = bad.example, many.odd.example")
    place.world.write("/etc/resolv.conf", "nameserver 127.0.0.99\nnameserver ::1\n")
    many = [a(f"127.1.{i // 256}.{i % 256}") for i in range(1000)]
    place.odd.answers = {("2.0.0.127.many.odd.example", "A"): many,
                         ("9.0.0.127.many.odd.example", "A"): many}
    try:
        assert place.try_to(BAD)[0] == 554
        assert "listed by many.odd.example" in place.try_to(PLAIN)[1]
    finally:
        place.world.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")


def bind_udp(*addresses):
    sockets = []
    for address in addresses:
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].bind((address, 53))
    return sockets


def sockets_of_a_session(place):
    """The internet sockets that a session makes, by strace, and whether it knows where to ask."""
    parent = str(place.parent)
    trace = "/tmp/trace"
    with subprocess.Popen(place.world.argv(["strace", "-f", "-qq", "-o", trace, "-p", parent])) as one:
        place.world.wait_until(lambda: b"\nTracerPid:\t0\n" not in place.world.read(
            f"/proc/{parent}/status"), what="strace")
        assert place.try_to()[0] == 250
        place.world.wait_until(lambda: len(place.world.processes("postrider-listen")) == 1)
        one.terminate()
    calls = [line.partition(" ")[2] for line in place.world.read(trace).decode().splitlines()
             if not line.startswith(f"{parent} ")]
    return ([call for call in calls if re.match(r" *socket\(AF_INET", call)],
            [call for call in calls if "/etc/resolv.conf" in call and "O_PATH" not in call])


def test_without_a_filter_nothing_is_asked(place):
    place.use()
    assert sockets_of_a_session(place) == ([], [])
    place.use("block_clients = 192.0.2.1", "greylist = off")
    assert sockets_of_a_session(place) == ([], [])
    place.use("dnsbl = bad.example")
    made, opened = sockets_of_a_session(place)
    assert len(made) == 3 and opened


def test_many_sessions_at_once(place):
    place.use("dnsbl = bad.example", "dnswl = good.example")
    wrong = []

    def talk(source, wish):
        for _ in range(5):
            code = place.try_to(source)[0]
            if code != wish:
                wrong.append((source, code))

    threads = [threading.Thread(target=talk, args=pair)
               for pair in [(BAD, 554), (GOOD, 250), (PLAIN, 250), (BAD_V6, 554)] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not [line for line in place.world.syslog if "signal" in line]


# --- SPF ---


def marks(fields):
    """The fields above our Received, which must be there."""
    names = [name for name, _ in fields]
    return fields[:names.index("Received")]


def received_spf(result, words, sender, identity="mailfrom", client=PLAIN, helo="client.example",
                 domain=None):
    domain = domain or sender.partition("@")[2]
    return ("Received-SPF",
            f"{result} (here.example: domain of {domain} {words} {client}) client-ip={client}; "
            f'envelope-from="{sender}"; helo={helo}; identity={identity}; receiver=here.example')


@pytest.mark.parametrize("domain, result, words", [
    ("pass.example", "pass", "designates"),
    ("fail.example", "fail", "does not designate"),
    ("soft.example", "softfail", "tends not to designate"),
    ("neutral.example", "neutral", "says neither yes nor no to"),
    ("nothing.example", "none", "has no SPF record for"),
    ("wrong.example", "permerror", "has an SPF record with faults for"),
    ("slow.example", "temperror", "cannot be asked now for"),
])
def test_results_are_written_down(place, domain, result, words):
    place.use("spf = mark")
    place.odd.answers = {("dead.odd.example", "TXT"): SERVFAIL}
    sender = f"joe@{domain}"
    assert marks(place.message(sender, helo="client")) == [
        ("Authentication-Results", f"here.example; spf={result} smtp.mailfrom={domain}"),
        received_spf(result, words, sender, helo="client")]


def test_spf_with_a_thousand_addresses_of_a_host(place):
    """The last of them is the client's."""
    place.use("spf = reject")
    crowd = [a(f"10.1.{i // 256}.{i % 256}") for i in range(1000)]
    place.odd.answers = {("crowd.odd.example", "A"): crowd}
    assert place.try_to(sender="joe@crowd.example")[0] == 550
    place.odd.answers = {("crowd.odd.example", "A"): [*crowd, a(PLAIN)]}
    assert place.try_to(sender="joe@crowd.example")[0] == 250


def test_both_names_are_looked_at(place):
    place.use("spf = mark")
    assert marks(place.message("joe@pass.example", helo="mail.soft.example")) == [
        ("Authentication-Results", "here.example; spf=pass smtp.mailfrom=pass.example"),
        received_spf("pass", "designates", "joe@pass.example", helo="mail.soft.example"),
        received_spf("none", "has no SPF record for", "joe@pass.example", "helo",
                     helo="mail.soft.example", domain="mail.soft.example")]


def test_the_null_path_is_judged_by_helo(place):
    place.use("spf = mark")
    assert marks(place.message("", helo="pass.example")) == [
        ("Authentication-Results", "here.example; spf=pass smtp.helo=pass.example"),
        received_spf("pass", "designates", "<>", "helo", helo="pass.example",
                     domain="pass.example")]


def test_v6_and_literals_are_quoted(place):
    place.use("spf = mark")
    literal = f"[IPv6:{PLAIN_V6}]"
    assert marks(place.message("", helo=literal, source=PLAIN_V6)) == [
        ("Authentication-Results", f'here.example; spf=none smtp.helo="{literal}"'),
        ("Received-SPF", f"none (here.example: domain of {literal} has no SPF record for {PLAIN_V6}) "
                         f'client-ip="{PLAIN_V6}"; envelope-from="<>"; helo="{literal}"; '
                         "identity=helo; receiver=here.example")]


def test_odd_senders_cannot_get_out_of_their_quotes(place):
    place.use("spf = mark")
    sender = r'"a\"; x=(\\b"@pass.example'
    (_, results), (_, received) = marks(place.message(sender, helo="client"))
    assert results == "here.example; spf=pass smtp.mailfrom=pass.example"
    # The address quoted as it is, and as a value once more.
    assert r'envelope-from="\"a\\\"; x=(\\\\b\"@pass.example"; helo=client;' in received


def test_two_messages_each_with_its_own(place):
    place.use("spf = mark")
    with place.talk(helo="pass.example") as client:
        for domain in ("pass.example", "soft.example"):
            client.message(f"joe@{domain}", RECIPIENT, b"Subject: x\r\n\r\nx\r\n")
    found = [re.findall(rb"spf=(\w+)\s+smtp.mailfrom=(\S+)", data)
             for data in place.queued_messages()]
    assert sorted(found) == [[(b"pass", b"pass.example")], [(b"softfail", b"soft.example")]]


def test_what_was_found_for_an_earlier_message_is_not_said_of_the_next(place):
    """Nothing was asked about a sender who is blocked, and who can write to postmaster."""
    place.use("spf = mark", "block_senders = @bad.example")
    place.world.shell(f"rm -f {SPOOL}/spool/*")
    with place.talk(helo="pass.example") as client:
        client.message("joe@pass.example", RECIPIENT, b"Subject: first\r\n\r\nx\r\n")
        client.message("joe@bad.example", "postmaster@here.example",
                       b"Received-SPF: x\r\nSubject: second\r\n\r\nx\r\n")
    (data,) = [data for data in place.queued_messages() if b"Subject: second" in data]
    assert data.startswith(b"Received: ") and b"Authentication-Results" not in data


@pytest.mark.parametrize("sender, helo, code, words", [
    ("joe@fail.example", "client.example", 550, "5.7.23 fail.example does not let [127.0.0.9] send "
     "in its name (SPF); write to postmaster@here.example if this is wrong: 127.0.0.9 may not, says "
     "fail.example"),
    ("", "fail.example", 550, "5.7.23 fail.example does not let [127.0.0.9] use its name (SPF)"),
    ("joe@pass.example", "helofail.example", 550,
     "5.7.23 helofail.example does not let [127.0.0.9] use its name (SPF)"),
    ("joe@slow.example", "client.example", 451, "4.7.24 whom slow.example lets send in its name"),
    ("", "slow.example", 451, "4.7.24 whom slow.example lets send in its name"),
    ("joe@pass.example", "slow.example", 250, ""),
    ("joe@soft.example", "client.example", 250, ""),
    ("joe@wrong.example", "client.example", 250, ""),
    ("joe@nothing.example", "client.example", 250, ""),
])
def test_reject(place, sender, helo, code, words):
    place.use("spf = reject")
    place.odd.answers = {("dead.odd.example", "TXT"): SERVFAIL}
    got, said = place.try_to(sender=sender, helo=helo)
    assert got == code and words in said
    assert place.try_to(sender=sender, helo=helo, recipient="postmaster")[0] == 250
    if code != 250:
        place.logged("rejected", words[:20])


def test_whom_a_list_allows_is_marked_and_not_refused(place):
    place.use("spf = reject", "dnswl = good.example", f"allow_clients = {BAD}")
    for client in (GOOD, BAD):
        fields = marks(place.message("joe@fail.example", source=client, helo="client"))
        assert fields[0] == ("Authentication-Results",
                             "here.example; spf=fail smtp.mailfrom=fail.example")


def test_marks_are_not_for_our_own(place):
    place.use("spf = mark")
    fields = place.message("joe@pass.example", source=OURS)
    assert [name for name, _ in fields][0] == "Received"
    assert not {"Authentication-Results", "Received-SPF"} & {name for name, _ in fields}
