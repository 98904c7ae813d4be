"""postrider check --online of an installation, with a name server, a real Postfix as smarthost, and
scripted servers at the well-known ports."""

import socket
import time

import pytest

from dkimtools import Printed
from dnsfake import NXDOMAIN, SERVFAIL, SILENT, FakeDns, a, mx, ptr, srv, txt
from realservers import TRUST, USER, Postfix
from sandbox import EX_CONFIG, EX_OK
from smtpfake import HANG, FakeServer
from test_check import Found
from test_installed import Machine

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("check_online")]

ONLINE_S = 28  # src/run/check_online.h
DOMAIN = "mail.site.tld"
OURS, ROUTER, ELSEWHERE = "192.0.2.1", "192.0.2.9", "198.51.100.7"

# A domain about which there is nothing to say.
GOOD = {
    (DOMAIN, "TXT"): [txt("v=spf1 a:smarthost.example -all")],
    (f"_dmarc.{DOMAIN}", "TXT"): [txt("v=DMARC1; p=reject")],
    (DOMAIN, "MX"): [mx(10, f"mx.{DOMAIN}")],
}


class Place(Machine):
    def __init__(self):
        super().__init__(Postfix)
        try:
            self.world.shell(f"ip address add {OURS}/32 dev lo")
            self.dns = self.world.inside(lambda: FakeDns({}, port=53))
        except BaseException:
            self.world.close()
            raise

    def use(self, dns=None, extra="", domain=DOMAIN, **options):
        """These settings, and what the DNS has beside what is good."""
        self.configure(mail=f"domain = {domain}\nhostname = here.site.tld\n", **options)
        if extra:
            path = "/etc/postrider/postrider.conf"
            self.world.write(path, self.world.read(path).decode() + extra)
        self.dns.answers, self.dns.asked = {**GOOD, **(dns or {})}, []

    def look(self, **options):
        began = time.monotonic()
        found = Found(self.world.run(["postrider", "check", "--online", "--json"], **options))
        found.took = time.monotonic() - began
        assert found.took < ONLINE_S + 4, found.took
        return found

    def inside(self, **options):
        """A scripted smarthost in the world."""
        return self.world.inside(lambda: FakeServer(**options))


@pytest.fixture(scope="module")
def the_place():
    place = Place()
    yield place
    place.world.inside(place.dns.close)
    place.world.close()


@pytest.fixture
def place(the_place):
    the_place.use()
    return the_place


def names(found, *topics):
    return {one["topic"] for one in found.all if one["mark"] in ("warning", "fault")} & set(topics)


ONLINE = ("smarthost", "sign-in", "route", "spf", "dmarc", "sender", "dkim", "hostname", "mx", "dnsbl",
          "dnswl", "milter", "dns")


# --- a real smarthost ---


def test_postfix(place):
    found = place.look()
    found("good", "smarthost", "smarthost.example:587 (127.0.0.1:587, ", "TLS1.3", "certificate verified")
    found("good", "smarthost", "takes messages of up to 19M; PIPELINING 8BITMIME SMTPUTF8 DSN CHUNKING")
    found("good", "sign-in", f"smarthost.example:587: signed in as {USER} by SCRAM-SHA-256, of ")
    found("good", "spf", f"the SPF record of {DOMAIN} is in order")
    found("good", "dmarc", "p=reject")
    found("good", "sender", f"go to mx.{DOMAIN}")
    assert not names(found, *ONLINE)
    place.use(smarthost="port = 465\ntls = implicit")
    place.look()("good", "sign-in", "smarthost.example:465: signed in as")


def test_postfix_and_a_wrong_password(place):
    place.use(password="wrong")
    found = place.look()
    assert found.status == EX_CONFIG
    remedy = found("fault", "sign-in", "did not let relay@smarthost.example sign in", "535 5.7.8")["remedy"]
    assert "password in /etc/postrider/credentials.conf" in remedy
    assert "wrong" not in "\n".join(place.world.syslog)


def test_who_may_not_read_the_password(place):
    found = place.look(user="ada")
    assert found("hint", "sign-in", "/etc/postrider/credentials.conf is not yours to read")[
        "remedy"] == "ask as root"
    found("good", "smarthost", "certificate verified")


def test_another_port_is_found(place):
    place.use(smarthost="port = 2599")
    remedy = place.look()("fault", "smarthost", "smarthost.example:2599", "Connection refused")["remedy"]
    assert remedy.endswith("[smarthost] of /etc/postrider/postrider.conf: port = 587, for somebody "
                           "answers there")


def test_a_port_25_where_nobody_is(place):
    place.use(smarthost="port = 25\nhost = lonely.site.tld", dns={("lonely.site.tld", "A"): [a("127.0.0.9")]})
    remedy = place.look()("fault", "smarthost", "lonely.site.tld:25", "Connection refused")["remedy"]
    assert "most clouds block outgoing connections to port 25" in remedy


def test_C13_names(place):
    place.use(smarthost="host = gone.site.tld, smarthost.example")
    found = place.look()
    assert "look at the spelling of gone.site.tld" in found(
        "warning", "smarthost", "cannot resolve gone.site.tld")["remedy"]
    found("good", "sign-in", "signed in")
    # By its SRV record the domain of the settings is whom the certificate has to be for.
    place.use(smarthost="host = srv:smarthost.example",
              dns={("_submission._tcp.smarthost.example", "SRV"): [srv(0, 0, 587, "smarthost.example")],
                   ("smarthost.example", "A"): [a("127.0.0.1")]})
    place.look()("good", "sign-in", "smarthost.example:587: signed in")
    place.use(smarthost="host = srv:none.site.tld")
    assert "name a server instead of srv:none.site.tld" in place.look()(
        "fault", "smarthost", "[smarthost]: ")["remedy"]


def test_an_address_that_says_nothing_holds_mail_up(place):
    """Its queue of connections is full; the next address takes mail."""
    def fill():
        listener = socket.socket()
        listener.bind(("127.0.0.1", 2720))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", 2720))
        return [listener, *waiting]

    sockets = place.world.inside(fill)
    server = place.inside(host=OURS, port=2720)
    place.use(smarthost="host = two.site.tld:2720\ntls = off\nauth = off",
              dns={("two.site.tld", "A"): [a(OURS), a("127.0.0.1")]})
    found = place.look()
    assert "look at the firewall" in found(
        "warning", "smarthost", "nothing came of its address 127.0.0.1:2720 in 9 seconds")["remedy"]
    found("good", "smarthost", f"two.site.tld:2720 ({OURS}:2720, ")
    server.close()
    for one in sockets:
        one.close()


def test_routes_are_worth_hints(place):
    place.use(extra='[route "p.site.tld"]\nvia = smarthost.example:587, 127.0.0.1:2599\n'
                    f"tls_trust = {TRUST}\n"
                    '[route "q.site.tld"]\nvia = mx\n[route "r.site.tld"]\nvia = mx\n'
                    '[route "*.s.site.tld"]\nvia = mx\n[route "t.site.tld"]\nvia = lmtp:/run/none\n',
              dns={("q.site.tld", "MX"): [mx(10, "smarthost.example")],
                   ("smarthost.example", "A"): [a(ELSEWHERE)]})
    found = place.look()
    found("good", "route", '[route "p.site.tld"]: smarthost.example:587 (', "certificate verified")
    found("hint", "route", '[route "p.site.tld"]: 127.0.0.1:2599: cannot connect')
    found("hint", "route", '[route "q.site.tld"]: smarthost.example:25: cannot connect')
    found("hint", "route", '[route "r.site.tld"]', "r.site.tld")
    found("hint", "route", '[route "t.site.tld"]: /run/none: cannot connect to the socket')
    assert not [one for one in found.all if one["topic"] == "route" and "*.s.site.tld" in one["text"]]
    assert not names(found, *ONLINE)


# --- senders ---


def test_spf_of_a_provider(place):
    """Each domain by the smarthost that takes its mail."""
    extra = ('[smarthost "shop"]\nhost = 127.0.0.1:2599, smtp.mailgun.org\nsenders = @shop.tld, bot@bot.tld\n'
             "tls = off\nauth = off\n")
    dns = {("smtp.mailgun.org", "A"): [a("127.0.0.9")],
           ("mailgun.org", "TXT"): [txt("v=spf1 ip4:192.0.2.0/24 ~all")],
           ("shop.tld", "TXT"): [txt("v=spf1 mx ", "-all"), txt("another")],
           ("bot.tld", "TXT"): [txt("v=spf1 include:mailgun.org ~all")]}
    place.use(extra=extra, dns=dns)
    path = "/etc/postrider/postrider.conf"
    place.world.write(path, place.world.read(path).decode().replace(
        "[mail]", "[mail]\nmasquerade = ben@*: ben@masked.tld\n"))
    found = place.look()
    found("good", "spf", f"the SPF record of {DOMAIN} is in order")
    assert found("warning", "spf", "the SPF record of shop.tld does not name Mailgun")["remedy"] == \
        'put into the DNS instead: shop.tld. IN TXT "v=spf1 mx include:mailgun.org -all"'
    found("good", "spf", "the SPF record of bot.tld names Mailgun (US), with 1 of 10 lookups")
    found("warning", "spf", "masked.tld, a domain that is not in the DNS")


def test_records_of_strangers(place):
    """However many, whatever is in them: words, in one line each, of a few hundred bytes."""
    long = txt(*[b"v=spf1 " + b"x" * 240] * 30)
    for records, words in (
            ([txt("x" * 250)] * 60 + [txt("v=spf1 -all")], "is in order"),
            ([long], "has a mistake at xxx"),
            ([txt(b"v=spf1 \x1b[2J\0\xff\t\n -all")], "has a mistake at  [2J??"),
            ([txt("v=spf1 include:mail.site.tld ~all")], "needs more than 20 lookups"),
            ([txt("v=spf1 " + " ".join(f"include:{i}.tld" for i in range(12)))],
             "it includes 0.tld, which has no SPF record"),
            (lambda query: query[:2] + b"\x81\x80\0\1\xff\xff\0\0\0\0" + query[12:] + b"\xc0\x0c" * 99,
             "is not known: no name server answered in time")):
        place.use(dns={(DOMAIN, "TXT"): records, (DOMAIN, "MX"): [mx(10, "a b\x1b.tld")]})
        (finding,) = [one for one in place.look().all if one["topic"] == "spf"]
        assert words in finding["text"], finding
        assert len(finding["text"]) < 700 and "\x1b" not in finding["text"]


# --- keys ---


def test_the_record_of_a_key(place):
    """What postrider dkim-key prints, as it stands, is what check --online calls good."""
    printed = Printed(place.world.run(["postrider", "dkim-key", DOMAIN], check=EX_OK).out)
    place.use(extra=f"[dkim \"{DOMAIN}\"]\nkey = {printed.path}\n")
    other = Printed(place.world.run(["postrider", "dkim-key", "--type", "ed25519", "--selector", "ed",
                                     DOMAIN], check=EX_OK).out)
    section = f"[dkim \"{DOMAIN}\"]\nselector = mail, ed\nkey = {printed.path}, {other.path}\n"
    mail, ed = (printed.name, "TXT"), (other.name, "TXT")
    right = {mail: [txt(*printed.strings)], ed: [txt(*other.strings)]}
    assert len(printed.strings) == 2
    show = "prints the record that the DNS has to have"

    def look(change):
        place.use(extra=section, dns={**right, **change})
        return place.look()

    found = look({})
    found("good", "dkim", f"{printed.name} tells the key that signs (rsa)")
    found("good", "dkim", f"{other.name} tells the key that signs (ed25519)")
    assert not names(found, *ONLINE)
    # In other pieces it is the same.
    value = printed.value
    look({mail: [txt(*[value[i:i + 100] for i in range(0, len(value), 100)])]})(
        "good", "dkim", printed.name, "tells the key")
    changed = value[:-20] + ("A" if value[-20] != "A" else "B") + value[-19:]
    for records, words in (
            ([txt(changed[:200], changed[200:])], "another key than the one that signs"),
            ([txt(printed.strings[0])], "only the beginning of the key: all of its strings are needed"),
            ([txt(*printed.strings), txt("other")], "several TXT records of this name"),
            ([txt("v=DKIM1; k=rsa; p=")], "this key has been revoked"),
            (NXDOMAIN, "there is no TXT record of this name")):
        found = look({mail: records})
        assert found("warning", "dkim", printed.name, words)["remedy"] == \
            f"postrider dkim-key --show {DOMAIN} {show}"
        found("good", "dkim", other.name)
    public = value.partition("p=")[2]
    found = look({mail: [txt("v=DKIM1; t=y; k=rsa; p=", public[:200], public[200:])], ed: SERVFAIL})
    found("hint", "dkim", printed.name, "this is a test")
    found("hint", "dkim", other.name, "is not known: the name servers could not answer")
    found = look({ed: NXDOMAIN})
    assert found("warning", "dkim", other.name)["remedy"] == \
        f"postrider dkim-key --show --selector ed {DOMAIN} {show}"
    # The command that the remedy names prints what is missing.
    shown = place.world.run(["postrider", "dkim-key", "--show", "--selector", "ed", DOMAIN], check=EX_OK)
    assert other.value in shown.out


# --- what comes in ---

LISTEN = ("[listen]\naddress = *:25\nrelay_domains = partner.tld\n"
          "[filter]\ndnsbl = good.list.tld, all.list.tld, none.list.tld*2, dead.list.tld\n"
          "dnswl = good.list.tld\n")
INBOUND = {
    ("here.site.tld", "A"): [a(OURS)],
    ("1.2.0.192.in-addr.arpa", "PTR"): [ptr("here.site.tld")],
    ("own.tld", "MX"): [mx(10, "here.site.tld")],
    ("far.tld", "MX"): [mx(20, "other.tld"), mx(10, "mx.tld")],
    ("mx.tld", "A"): [a(ELSEWHERE)],
    ("partner.tld", "MX"): [mx(10, "mx.tld"), mx(20, "alias.tld")],
    ("alias.tld", "A"): [a(OURS)],
    ("2.0.0.127.good.list.tld", "A"): [a("127.0.0.2")],
    ("2.0.0.127.all.list.tld", "A"): [a("127.0.0.2")],
    ("1.0.0.127.all.list.tld", "A"): [a("127.255.255.254")],
    ("2.0.0.127.dead.list.tld", "A"): SERVFAIL,
    ("1.0.0.127.dead.list.tld", "A"): SERVFAIL,
}


def listening(place, text, dns):
    place.use(extra=text, dns=dns)
    path = "/etc/postrider/postrider.conf"
    place.world.write(path, place.world.read(path).decode().replace(
        "[mail]", "[mail]\nlocal_domains = localhost, own.tld, far.tld, lost.tld, *.own.tld\n"))
    return place.look()


def test_what_comes_in(place):
    found = listening(place, LISTEN, INBOUND)
    found("good", "hostname", f"here.site.tld leads here ({OURS})")
    found("good", "hostname", f"{OURS} leads back to here.site.tld")
    found("good", "mx", "mail for own.tld comes here, as here.site.tld")
    found("good", "mx", "mail for partner.tld comes here, as alias.tld")
    found("hint", "mx", f"mail for far.tld goes to mx.tld ({ELSEWHERE}), other.tld, which is not this")
    assert found("warning", "mx", "nobody can send mail to lost.tld")["remedy"] == \
        "put into the DNS: lost.tld. IN MX 10 here.site.tld."
    assert not [one for one in found.all if one["topic"] == "mx" and "localhost" in one["text"]]
    found("good", "dnsbl", "the list good.list.tld answers")
    found("good", "dnswl", "the list good.list.tld answers")
    found("warning", "dnsbl", "all.list.tld lists everybody", "127.255.255.254")
    found("warning", "dnsbl", "none.list.tld is no list")
    found("warning", "dnsbl", "dead.list.tld does not answer")
    found = listening(place, LISTEN, {**INBOUND, ("here.site.tld", "A"): [a(ROUTER)],
                                      ("9.2.0.192.in-addr.arpa", "PTR"): [ptr("vm9.cloud.tld")]})
    found("hint", "hostname", f"here.site.tld leads to {ROUTER}, which is no address of this machine")
    assert "9.2.0.192.in-addr.arpa. IN PTR here.site.tld." in found(
        "hint", "hostname", f"{ROUTER} leads back to vm9.cloud.tld")["remedy"]


def test_who_takes_nothing_from_strangers_is_not_looked_for(place):
    for text in ("[listen]\naddress = 127.0.0.1:25, [::1]:25\n",
                 "[listen]\naddress = *:587\nrequire_auth = yes\nusers = /etc/postrider/users\n"):
        found = listening(place, text, INBOUND)
        assert not [one for one in found.all if one["topic"] in ("mx", "hostname")]


def test_milters(place):
    server = place.inside(port=2700)
    place.use(extra="[listen]\naddress = 127.0.0.1:25\n"
                    "[filter]\nmilter = inet:127.0.0.1:2700, inet:127.0.0.1:2701, inet:gone.tld:1\n")
    found = place.look()
    found("good", "milter", "inet:127.0.0.1:2700 is there")
    found("fault", "milter", "inet:127.0.0.1:2701: cannot connect", "mail from outside waits meanwhile")
    found("fault", "milter", "inet:gone.tld:1: cannot resolve")
    place.use(extra="[listen]\naddress = 127.0.0.1:25\n"
                    "[filter]\nmilter = inet:127.0.0.1:2701\nmilter_default = accept\n")
    place.look()("warning", "milter", "mail is taken without it")
    server.close()


# --- nothing answers ---


def test_C13_everything_is_dead(place):
    """It ends in time all the same, and says so."""
    hanging = place.inside(port=2710, at={"connect": HANG})
    everything = {(name, kind): SILENT for kind in ("A", "AAAA", "MX", "TXT", "SRV")
                  for name in (DOMAIN, f"_dmarc.{DOMAIN}", "_dmarc.site.tld", "dead.tld",
                               "_submission._tcp.dead.tld", "_submissions._tcp.dead.tld")}
    place.use(smarthost="host = 127.0.0.1:2710, dead.tld, srv:dead.tld, 127.0.0.1:2711",
              extra="[listen]\naddress = 127.0.0.1:25\n[filter]\nmilter = inet:dead.tld:1\n",
              dns=everything)
    found = place.look()
    assert found.status == EX_CONFIG
    found("fault", "smarthost", "127.0.0.1:2710", "took too long as its greeting")
    found("fault", "smarthost", "dead.tld:587: cannot resolve dead.tld")
    found("fault", "smarthost", "[smarthost]", "dead.tld")
    found("fault", "smarthost", "127.0.0.1:2711", "Connection refused")
    found("fault", "milter", "inet:dead.tld:1: ")
    assert "nameserver lines in /etc/resolv.conf" in found(
        "fault", "dns", "there is no answer from the DNS: no name server answered in time")["remedy"]
    hanging.close()
