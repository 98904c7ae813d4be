"""
Mail servers as clients of an installed listener: Postfix and Exim, as Debian packages them, relay
to it in clear, with STARTTLS and AUTH, and over TLS from the first byte. Exim uses CHUNKING, and
both PIPELINING, 8BITMIME, SMTPUTF8, DSN and SIZE, as they are offered.
"""

import email

import pytest

from dsn import reports_in_mbox
from realservers import POSTFIX_SERVICES
from samples import SAMPLES, assert_same, sample
from sandbox import EX_OK, wait_until
from test_installed import SPOOL, Machine

pytestmark = pytest.mark.installed

PASSWORD = "correct-horse.battery_staple"
USER = "peer"
PORTS = {"clear": 25, "starttls": 587, "implicit": 465}

CERTIFICATE = "tls_certificate = /etc/postrider/tls.crt\ntls_key = /etc/postrider/tls.key\n"
SUBMISSION = f"{CERTIFICATE}users = /etc/postrider/users\nrequire_auth = yes\nrelay_networks =\n"

# What comes for kept.example and below it stays in the queue, to be looked at.
CONFIG = f"""[mail]
local_domains = here.example
[listen]
address = 127.0.0.1:25
tls = starttls
{CERTIFICATE}relay_networks =
relay_domains = *.kept.example
[listen "submission"]
address = 127.0.0.1:587
tls = starttls
require_tls = yes
{SUBMISSION}
[listen "submissions"]
address = 127.0.0.1:465
tls = implicit
{SUBMISSION}
[route "*.kept.example"]
via = hold
"""

# Which way a message goes is said by its domain; local mail goes to here.example's port 25.
POSTFIX_MAIN = """
compatibility_level = 3.6
myhostname = peer.example
mydestination =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.2
smtp_host_lookup = native
maillog_file = /var/log/postfix.log
message_size_limit = 50000000
transport_maps = inline:{
    {clear.kept.example = smtp:[127.0.0.1]:25}, {here.example = smtp:[127.0.0.1]:25},
    {starttls.kept.example = starttls:[here.example]:587},
    {implicit.kept.example = implicit:[here.example]:465} }
default_transport = error:no way
smtp_tls_CAfile = /etc/postrider/tls.crt
smtp_sasl_password_maps = inline:{ {[here.example]:587 = USER:PASSWORD}, {[here.example]:465 = USER:PASSWORD} }
smtp_sasl_security_options = noanonymous
smtputf8_enable = yes
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
bounce_queue_lifetime = 0
""".replace("USER", USER).replace("PASSWORD", PASSWORD)

SECURE = """
    -o smtp_tls_security_level=secure
    -o smtp_tls_wrappermode=no
    -o smtp_sasl_auth_enable=yes"""
POSTFIX_MASTER = f"""{POSTFIX_SERVICES}
starttls   unix  - - n - - smtp{SECURE}
implicit   unix  - - n - - smtp{SECURE.replace("wrappermode=no", "wrappermode=yes")}
"""

EXIM_SECURE = """\
  hosts_require_tls = *
  hosts_require_auth = *
  tls_verify_certificates = /etc/postrider/tls.crt
  tls_verify_hosts = *
  tls_verify_cert_hostnames = *
"""

EXIM = f"""
primary_hostname = peer.example
disable_ipv6
keep_environment =
log_file_path = /var/log/exim4/%slog
log_selector = +smtp_confirmation
message_size_limit = 50M
dsn_advertise_hosts = *
acl_smtp_rcpt = accept
begin routers
clear:
  driver = manualroute
  domains = clear.kept.example : here.example
  transport = clear
  route_list = * 127.0.0.1
  self = send
starttls:
  driver = manualroute
  domains = starttls.kept.example
  transport = starttls
  route_list = * here.example byname
  self = send
implicit:
  driver = manualroute
  domains = implicit.kept.example
  transport = implicit
  route_list = * here.example byname
  self = send
begin transports
clear:
  driver = smtp
  hosts_avoid_tls = *
starttls:
  driver = smtp
  port = 587
{EXIM_SECURE}implicit:
  driver = smtp
  port = 465
  protocol = smtps
{EXIM_SECURE}begin retry
*  *  F,1h,1s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^{USER}^{PASSWORD}
"""


class Peer:
    """What both servers have in common: they live beside an installed Postrider."""

    package = ""

    def __init__(self, world):
        self.world = world
        world.install_packages(self.package)

    def send(self, sender, recipient, message, *others):
        self.world.run([self.sendmail, "-i", "-f", sender, recipient, *others], stdin=message,
                       check=EX_OK)

    def log(self):
        return self.world.read(self.log_path).decode("utf-8", "backslashreplace")

    def wait_for_log(self, *words):
        """Until it has a line with all of these."""
        self.world.wait_until(
            lambda: [line for line in self.log().splitlines() if all(map(line.__contains__, words))],
            what=f"{words} in the peer's log")


class Postfix(Peer):
    package = "postfix"
    sendmail = "/usr/sbin/sendmail.displaced"
    log_path = "/var/log/postfix.log"

    def send_asking(self, sender, recipient, message):
        """For a report of success, with the envelope's id id-1."""
        self.world.run([self.sendmail, "-i", "-N", "success", "-V", "id-1", "-f", sender,
                        recipient], stdin=message, check=EX_OK)

    def start(self):
        self.world.write("/etc/postfix/main.cf", POSTFIX_MAIN)
        self.world.write("/etc/postfix/master.cf", POSTFIX_MASTER)
        self.world.run(["postfix", "start"], check=EX_OK)

    def retry(self):
        self.world.run(["/usr/sbin/postqueue", "-f"], check=EX_OK)


class Exim(Peer):
    package = "exim4-daemon-light"
    sendmail = "/usr/sbin/exim4"
    log_path = "/var/log/exim4/mainlog"

    def send_asking(self, sender, recipient, message):
        """The same, by SMTP: there is no option for it."""
        lines = ["EHLO localhost", f"MAIL FROM:<{sender}> ENVID=id-1",
                 f"RCPT TO:<{recipient}> NOTIFY=SUCCESS", "DATA"]
        data = message.replace(b"\n.", b"\n..") + b".\nQUIT\n"
        done = self.world.run([self.sendmail, "-bs"], check=EX_OK,
                              stdin="".join(f"{line}\n" for line in lines).encode() + data)
        assert "\n250 OK id=" in done.out.replace("\r", ""), done.out

    def start(self):
        self.world.write("/etc/exim4/exim4.conf", EXIM, 0o640, "root:Debian-exim")

    def retry(self):
        self.world.run([self.sendmail, "-qff"], check=EX_OK)


class Site(Machine):
    """The installed listener and one peer."""

    def __init__(self, kind):
        super().__init__(kind)
        self.peer = self.smarthost
        world = self.world
        try:
            world.shell(f"""
                ip address add 127.0.0.2/32 dev lo
                openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \\
                    -subj /CN=here.example -addext subjectAltName=DNS:here.example \\
                    -keyout /etc/postrider/tls.key -out /etc/postrider/tls.crt 2>/dev/null
                chgrp postrider /etc/postrider/tls.key; chmod 640 /etc/postrider/tls.key
                """)
            world.write("/etc/postrider/postrider.conf", CONFIG)
            world.run(["postrider", "passwd", USER], stdin=f"{PASSWORD}\n", check=EX_OK)
            self.serve()
            self.peer.start()
        except BaseException:
            world.close()
            raise
        self.count = 0

    def serve(self):
        self.world.run(["postrider", "serve"], check=EX_OK)

    def stop(self):
        self.world.shell(f"kill $(cat {SPOOL}/listen.lock)")
        self.world.wait_until(lambda: not self.world.processes("postrider-listen"),
                              what="the end of the listener")

    def recipient(self, way):
        self.count += 1
        return f"recipient{self.count}@{way}.kept.example"

    def arrived(self, recipient):
        """The message for this recipient, with the lines before it in the queue's file."""

        def find():
            for name in self.queued():
                envelope, _, message = self.world.read(f"{SPOOL}/spool/{name}").partition(b"\n\n")
                if f"\nto <{recipient}>".encode() in envelope:
                    return envelope.decode(), message
            return None

        try:
            return self.world.wait_until(find, what=f"mail for {recipient}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- the peer\n{self.peer.log()}") from None


@pytest.fixture(scope="module", params=[
    pytest.param(kind, marks=pytest.mark.xdist_group(f"peer_{kind.__name__}"), id=kind.__name__)
    for kind in (Postfix, Exim)])
def the_site(request):
    site = Site(request.param)
    yield site
    site.world.close()


@pytest.fixture
def site(the_site):
    yield the_site
    the_site.drain()


@pytest.mark.parametrize("way", PORTS)
def test_byte_for_byte(site, way):
    for name in SAMPLES:
        message = sample(name)
        recipient = site.recipient(way)
        site.peer.send("sender@peer.example", recipient, message)
        envelope, got = site.arrived(recipient)
        assert "\nfrom <sender@peer.example>\n" in envelope
        assert_same(message, got)
        trace = " ".join(email.message_from_bytes(got).get_all("Received")[0].split())
        assert trace.startswith("from peer.example ([127.0.0.1])")
        assert (" with ESMTP id " if way == "clear" else " with ESMTPSA id ") in trace
        if isinstance(site.peer, Exim):
            # It says of each delivery whether that was by BDAT.
            (line,) = wait_until(lambda to=recipient: [
                line for line in site.peer.log().splitlines() if f"=> {to} " in line])
            assert " K " in line


@pytest.mark.parametrize("way", PORTS)
def test_addresses_with_other_letters(site, way):
    message = sample("8bit").replace(b"sender@", "absenderin-größe@".encode())
    recipient = f"empfänger@{way}.kept.example"
    site.peer.send("absenderin-größe@peer.example", recipient, message)
    envelope, got = site.arrived(recipient)
    assert "\nfrom <absenderin-größe@peer.example>\n" in envelope
    assert_same(message, got)
    assert b"\twith UTF8SMTP" in got.partition(b"\n\n")[0]


def test_unknown_recipients_are_known_at_once(site):
    """One of two: the other gets it, and nothing of the first comes into our queue."""
    good = site.recipient("clear")
    site.peer.send("sender@peer.example", good, sample("lines"), "nobody-here@here.example")
    site.arrived(good)
    site.peer.wait_for_log("nobody-here@here.example", "550 5.1.1 ")
    assert "nobody-here" not in "".join(line for line in site.log().splitlines()
                                        if " received " in line)


def test_reports_that_were_asked_for(site):
    """Asked of the peer, given by us: it hands the request on, and says nothing itself."""
    site.world.shell("rm -f /var/mail/ben")
    site.peer.send_asking("ben@here.example", "ada@here.example", sample("lines"))

    def reports():
        return reports_in_mbox(site.world.read("/var/mail/ben"))

    site.world.wait_until(reports, what=f"the report; {site.peer.log()}")
    (report,) = reports()
    assert report.only["action"] == "delivered"
    assert report.only["final-recipient"] == "rfc822; ada@here.example"
    assert report.message["original-envelope-id"] == "id-1"
    assert report.message["reporting-mta"] == "dns; here.example"


def test_a_peer_comes_again_when_we_were_away(site):
    """Stopped and started again and again in the middle of it: each message is there once."""
    recipients = [site.recipient(way) for way in list(PORTS) * 10]
    for number, recipient in enumerate(recipients):
        site.peer.send("sender@peer.example", recipient, sample("lines"))
        if number % 10 == 5:
            site.stop()
        if number % 10 == 8:
            site.serve()
            site.peer.retry()
    for recipient in recipients:
        site.arrived(recipient)
    site.wait_quiet()
    assert len(site.queued()) == len(recipients)
