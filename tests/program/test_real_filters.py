"""The filters that people run, in front of an installed listener, as Debian packages them; and two
instances of Postrider, one that signs and one that has the signatures verified, with a DNS server."""

import email
import re
import smtplib
import ssl
import threading
from email import policy
from email.utils import formatdate

import dkim
import pytest

from dkimtools import Printed
from dsn import reports_in_mbox
from realfilters import (GTUBE, SUSPICIOUS, VIRUS, VIRUS_NAME, ClamAv, OpenDkim, Rspamd,
                         SpamAssassin)
from samples import SAMPLES, assert_same, sample
from sandbox import EX_NOPERM, EX_OK, REPOSITORY
from test_installed import SPOOL
from test_listen_load import Listener

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("real_filters")]

# No interface has the first: what is there is not the very host to whoever looks it up. Connections to
# it come from the second, if nothing else is said.
HERE, SIGNER, STRANGER = "192.0.2.25", "192.0.2.77", "192.0.2.99"
PASSWORD = "correct-horse.battery_staple"

CONFIG = f"""[mail]
hostname = here.example
local_domains = here.example
mailbox_directory = /var/mail
[listen]
address = {HERE}:25
tls = starttls
tls_certificate = /etc/postrider/tls.crt
tls_key = /etc/postrider/tls.key
users = /etc/postrider/users
relay_networks =
relay_domains = kept.example
max_connections_per_client = 100
[route "kept.example"]
via = hold
[queue]
retry = 1s
[filter]
"""

# Ben's own Postrider, which signs.
SIGNER_CONFIG = """[mail]
hostname = mail.signer.example
domain = signer.example
local_domains = signer.example
mailbox_directory = /home/ben
aliases =
[route "*"]
via = mx
tls = off
[queue]
retry = 1s, 1h
"""

DNSMASQ = f"""
port=53
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
user=root
pid-file=/run/dnsmasq.pid
cache-size=0
local=/example/
host-record=mx.here.example,{HERE}
mx-host=here.example,mx.here.example,10
mx-host=kept.example,mx.here.example,10
txt-record=signer.example,"v=spf1 ip4:{SIGNER} -all"
txt-record=mail.signer.example,"v=spf1 a -all"
host-record=mail.signer.example,{SIGNER}
host-record=mail.far.example,{STRANGER}
txt-record=soft.example,"v=spf1 ip4:{SIGNER} ~all"
"""

ADA, JOE = "ada@here.example", "joe@far.example"


def make_message(subject, text="hello", recipient=ADA, sender=JOE):
    return f"""From: {sender}
To: {recipient}
Subject: {subject}
Date: {formatdate()}
Message-ID: <{subject}.20261106.100000@far.example>

{text}
"""


def words(text):
    """A field's text without its folds."""
    return re.sub(r"\s+", " ", str(text)).strip()


class Place(Listener):
    """The listener with ada's mailbox, all the filters at work, and ben's Postrider beside it."""

    config = CONFIG
    kinds = (Rspamd, SpamAssassin, OpenDkim, ClamAv)

    def prepare(self):
        world = self.world
        world.install_packages("dnsmasq-base",
                               *(package for kind in self.kinds for package in kind.packages))
        world.shell(f"""
            ip address add {SIGNER}/32 dev lo
            ip address add {STRANGER}/32 dev lo
            ip route add local {HERE} dev lo src {SIGNER}
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \\
                -subj /CN=here.example -keyout /etc/postrider/tls.key \\
                -out /etc/postrider/tls.crt 2>/dev/null
            chgrp postrider /etc/postrider/tls.key; chmod 640 /etc/postrider/tls.key""")
        world.run(["postrider", "passwd", "ada"], stdin=f"{PASSWORD}\n", check=EX_OK)
        world.write("/home/ben/.config/postrider/postrider.conf", SIGNER_CONFIG)
        world.shell("chown -R ben:ben /home/ben/.config")
        self.printed = Printed(self.ben("dkim-key", "signer.example", check=EX_OK).out)
        world.write("/home/ben/.config/postrider/postrider.conf",
                    SIGNER_CONFIG + self.printed.section)
        self.filters = {kind: kind(world) for kind in self.kinds}
        key = ",".join(f'"{text}"' for text in self.printed.strings)
        world.write("/etc/dnsmasq.conf", DNSMASQ + f"txt-record={self.printed.name},{key}\n")
        world.run(["dnsmasq", "-C", "/etc/dnsmasq.conf"], check=0)
        for each in self.filters.values():
            each.start()

    def use(self, *kinds, **lines):
        """The settings of [filter], with these filters in turn; nothing is left of the past."""
        text = "".join(f"{key} = {value}\n" for key, value in lines.items())
        milters = ", ".join(self.filters[kind].milter for kind in kinds)
        self.use_text(f"milter = {milters}\n{text}")

    def use_text(self, text):
        self.drain()
        self.world.write("/etc/postrider/postrider.conf", CONFIG + text)
        self.stop()
        self.world.shell("rm -f /var/mail/ada /home/ben/ben")
        self.world.syslog.clear()
        self.start()

    def ben(self, *arguments, **options):
        """His own Postrider."""
        return self.world.run(["postrider", *arguments], user="ben", **options)

    def ben_sends(self, recipient, message):
        self.world.run(["sendmail", "-odi", "-i", recipient], stdin=message, user="ben", check=EX_OK)

    def connect(self, source=STRANGER, user=None):
        """A client of Python's, which may have signed in."""
        def connect():
            client = smtplib.SMTP(HERE, 25, "client.example", 60, source_address=(source, 0))
            client.ehlo()
            return client
        client = self.world.inside(connect)
        if user:
            context = ssl._create_unverified_context()
            client.starttls(context=context)
            client.login(user, PASSWORD)
        return client

    def send(self, message, recipient=ADA, sender=JOE, **options):
        """Through smtplib, which raises what is not taken. The message has LF line ends."""
        if isinstance(message, bytes):
            message = message.replace(b"\n", b"\r\n")
        with self.connect(**options) as client:
            client.sendmail(sender, [recipient], message)

    def send_plain(self, subject, text="hello", recipient=ADA,
                   sender=JOE, **options):
        self.send(make_message(subject, text, recipient, sender), recipient, sender, **options)

    def refusal(self, subject, text, **options):
        """(code, words) of what a message is answered with after its end."""
        with pytest.raises(smtplib.SMTPDataError) as raised:
            self.send_plain(subject, text, **options)
        return raised.value.smtp_code, raised.value.smtp_error.decode()

    def arrived(self, subject):
        return self.wait_for_mail("ada", subject, 60)

    def in_queue(self, recipient):
        """The envelope's lines, and the message, for this recipient of kept.example."""
        def find():
            for name in self.queued():
                envelope, _, message = self.world.read(f"{SPOOL}/spool/{name}").partition(b"\n\n")
                if f"\nto <{recipient}>".encode() in envelope:
                    return envelope.decode(), message
            return None
        return self.world.wait_until(find, what=f"mail for {recipient}")

    def envelope(self, recipient):
        return self.in_queue(recipient)[0]

    def kept(self, recipient):
        return self.in_queue(recipient)[1]


@pytest.fixture(scope="module")
def the_place():
    place = Place()
    yield place
    place.world.close()


@pytest.fixture
def place(the_place):
    yield the_place
    the_place.drain()


def test_the_example_of_settings(place):
    """Its [filter] as it is."""
    example = (REPOSITORY / "etc" / "postrider.conf.filters").read_text()
    place.use_text(example.partition("[filter]\n")[2])
    place.ben_sends(ADA, "Subject: example\n\nhello\n")
    message = place.arrived("example")
    assert_results(message, dkim="pass", spf="pass")
    assert message["X-Virus-Status"] == "Clean" and "X-Spamd-Result" in message
    assert place.refusal("spam", GTUBE) == (554, "5.7.1 Gtube pattern")


@pytest.mark.parametrize("kind", Place.kinds)
def test_the_tests_do_what_the_readme_says(kind):
    """Each line of the recipe is there as it is, and what the settings are to have."""
    readme = [line.strip() for line in (REPOSITORY / "README.md").read_text().splitlines()]
    for path, text in kind.recipe.items():
        assert any(path in line for line in readme)
        for line in text.splitlines():
            assert line in readme
    assert any(line.startswith("milter = ") and kind.milter in line for line in readme)


# --- spam ---

VERDICTS = [
    pytest.param(Rspamd, "Gtube pattern", "X-Spamd-Result", "default: False", id="rspamd"),
    pytest.param(SpamAssassin, "Blocked by SpamAssassin", "X-Spam-Status", "No, score=",
                 id="spamassassin"),
]


@pytest.mark.parametrize("kind, said, field, verdict", VERDICTS)
def test_spam_is_refused_and_the_rest_is_marked(place, kind, said, field, verdict):
    place.use(kind)
    code, got = place.refusal("spam", GTUBE)
    assert code in (550, 554) and got == f"5.7.1 {said}"
    assert not place.queued()
    (line,) = place.world.logged(" rejected")
    assert said in line and JOE in line

    place.send_plain("ham")
    message = place.arrived("ham")
    assert words(message[field]).startswith(verdict)
    assert message.get_content().rstrip() == "hello"
    # Ours on top, theirs below it.
    assert message.keys().index("Received") < message.keys().index(field)


@pytest.mark.parametrize("kind, said, field, verdict", VERDICTS)
def test_who_sent_spam_through_a_postrider_is_told(place, kind, said, field, verdict):
    """The filter's own words are in the report."""
    place.use(kind)
    place.ben_sends(ADA, f"Subject: spam\n\n{GTUBE}\n")
    (report,) = place.world.wait_until(
        lambda: reports_in_mbox(place.world.read("/home/ben/ben")), what="the report")
    assert report.only["action"] == "failed"
    assert report.only["final-recipient"] == f"rfc822; {ADA}"
    assert re.fullmatch(rf"smtp; 55[04] 5\.7\.1 {said}", words(report.only["diagnostic-code"]))
    assert said in words(report.text)
    assert not place.queued() and not place.mailbox("ada")


def test_a_filter_knows_whose_mail_it_is(place):
    """rspamd's log has what it was told, and calls the message as ours does."""
    place.use(Rspamd)
    place.send_plain("known", user="ada", sender="ada@example.org")
    place.arrived("known")
    (ours,) = place.world.logged(" received ", "user=ada")
    log = place.world.read("/var/log/rspamd/rspamd.log").decode("utf-8", "replace")
    (theirs,) = [line for line in log.splitlines()
                 if "id: <known." in line and "rspamd_task_write_log" in line]
    message_id = ours.split()[ours.split().index("received") - 1]
    for part in (f"qid: <{message_id}>", f"ip: {STRANGER}", "user: ada", "from: <ada@example.org>",
                 "rcpts: <ada@here.example>"):
        assert part in theirs


def test_a_filter_is_told_all_that_it_asks_for(place):
    """spamass-milter says which macros it misses; a host's name makes SpamAssassin content."""
    place.use(SpamAssassin)
    place.send_plain("told")
    verdict = words(place.arrived("told")["X-Spam-Status"])
    assert "RDNS_NONE" not in verdict and "KHOP_HELO_FCRDNS" in verdict
    assert not [line for line in place.world.syslog if "macro" in line]


def test_a_filter_puts_another_body_in_its_place(place):
    """What is spam, but not enough of it to be refused, comes as an attachment of a report."""
    place.use(SpamAssassin)
    place.send_plain("suspicious", SUSPICIOUS)
    message = place.arrived("suspicious")
    assert words(message["X-Spam-Flag"]) == "YES"
    report, original = message.iter_parts()
    assert "Content analysis details" in report.get_content()
    assert original.get_content()["Subject"] == "suspicious"
    assert SUSPICIOUS in original.get_content().get_content()


def test_spam_is_taken_and_thrown_away(place):
    """rspamd's other way with what it would refuse."""
    rspamd = place.filters[Rspamd]
    path = "/etc/rspamd/local.d/worker-proxy.inc"
    before = place.world.read(path)
    rspamd.set(path, "discard_on_reject = true;")
    try:
        rspamd.restart()
        place.use(Rspamd)
        place.send_plain("spam", GTUBE)
        place.send_plain("ham")
        place.arrived("ham")
        place.wait_empty()
        assert len(place.mailbox("ada")) == 1
        assert f"filtered milter={Rspamd.milter} discard=yes" in place.log()
    finally:
        place.world.write(path, before)
        rspamd.restart()


def test_spam_goes_to_a_mailbox_of_its_own(place):
    """All recipients are taken away, and one is added."""
    spamassassin = place.filters[SpamAssassin]
    (path,) = spamassassin.recipe
    before = place.world.read(path)
    spamassassin.set(path, 'OPTIONS="-u spamass-milter -b spam@kept.example"')
    try:
        spamassassin.restart()
        place.use(SpamAssassin)
        with place.connect() as client:
            client.sendmail(JOE, [ADA, "you@kept.example"], make_message("spam", GTUBE))
        message = email.message_from_bytes(place.kept("spam@kept.example"), policy=policy.default)
        assert message.get_all("X-Spam-Orig-To") == [f"<{ADA}>", "<you@kept.example>"]
        place.wait_quiet()
        assert len(place.queued()) == 1 and not place.mailbox("ada")
        (line,) = place.world.logged(" filtered ")
        assert "added=1 deleted=2" in line
    finally:
        place.world.write(path, before)
        spamassassin.restart()


# --- signatures ---


def results(message):
    """What the fields in our name say: method -> [(result, the rest)]."""
    found = {}
    for field in message.get_all("Authentication-Results", []):
        name, _, rest = re.sub(r"\([^)]*\)", "", words(field)).partition(";")
        if name.strip() == "here.example":
            for method, result, more in re.findall(r" (dkim|spf)=(\w+)([^;]*)", rest):
                found.setdefault(method, []).append((result, words(more)))
    return found


PASSES = {"dkim": "header.d=signer.example", "spf": "smtp.mailfrom=signer.example"}


def assert_results(message, **wanted):
    """Just these methods, each with one result."""
    found = results(message)
    assert {method: [result for result, _ in several] for method, several in found.items()} == {
        method: [result] for method, result in wanted.items()}
    for method, part in PASSES.items():
        if wanted.get(method) == "pass":
            assert part in found[method][0][1]


def signed_message(place, subject):
    """One as it leaves ben's Postrider."""
    place.use()
    place.ben_sends(f"{subject}@kept.example", f"Subject: {subject}\n\nhello, all of you\n")
    whole = place.kept(f"{subject}@kept.example")
    place.drain()
    return whole[whole.index(b"DKIM-Signature:"):]


def test_one_signs_and_the_other_verifies(place):
    place.use(OpenDkim, spf="mark")
    place.ben_sends(ADA, "Subject: signed\n\nhello\n")
    assert_results(place.arrived("signed"), dkim="pass", spf="pass")
    assert "dkim=signer.example" in place.log()


def test_what_was_changed_on_its_way_is_told(place):
    signed = signed_message(place, "changed")
    place.use(OpenDkim, spf="mark")
    for number, (old, new, result) in enumerate([
            (b"hello", b"hello", "pass"),
            (b"hello, all", b"hello,  \tall", "pass"),  # relaxed
            (b"hello, all", b"farewell, all", "fail"),
            (b"\nFrom: ben@", b"\nFrom: joe@", "fail"),
            (b"\nFrom: ben@", b"\nReply-To: joe@far.example\nFrom: ben@", "fail"),  # oversigned
    ]):
        assert old in signed
        place.send(b"X-Number: %d\n" % number + signed.replace(old, new),
                   sender="ben@signer.example", source=SIGNER)
        message = place.world.wait_until(
            lambda number=number: [one for one in place.mailbox("ada")
                                   if one["X-Number"] == str(number)])[0]
        assert_results(message, dkim=result, spf="pass")


def test_a_stranger_in_the_signers_name(place):
    """With a signed message that he has come by, and with marks of his own making."""
    signed = signed_message(place, "replayed")
    forged = b"Authentication-Results: here.example; spf=pass smtp.mailfrom=signer.example\n" \
             b"Authentication-Results: here.example; dkim=pass header.d=bank.example\n"
    place.use(OpenDkim, spf="mark")
    place.send(forged + signed, sender="ben@signer.example")
    assert_results(place.arrived("replayed"), dkim="pass", spf="fail")
    place.send_plain("soft", sender="ben@soft.example")
    assert_results(place.arrived("soft"), spf="softfail")

    place.use(OpenDkim, spf="reject")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as raised:
        place.send(signed, sender="ben@signer.example")
    (code, said), = raised.value.recipients.values()
    assert code == 550 and said.startswith(b"5.7.23 signer.example does not let [192.0.2.99] send")
    place.send(signed, sender="ben@signer.example", source=SIGNER)
    assert_results(place.arrived("replayed"), dkim="pass", spf="pass")
    place.send_plain("soft", sender="ben@soft.example")
    assert_results(place.arrived("soft"), spf="softfail")


def verifies(place, data):
    """Whether OpenDKIM's signature is good, by another program's word."""
    records = {b"mail._domainkey.example.org.": place.filters[OpenDkim].record().encode()}
    return dkim.DKIM(data.replace(b"\n", b"\r\n")).verify(
        dnsfunc=lambda name, timeout=5: records.get(name))


def test_mail_of_those_who_sign_in_is_signed(place):
    place.use(OpenDkim)
    place.send_plain("by ada", recipient="a@kept.example", sender="ada@example.org", user="ada")
    place.send_plain("by joe", recipient="b@kept.example", sender="ada@example.org")
    assert verifies(place, place.kept("a@kept.example"))
    assert b"DKIM-Signature" not in place.kept("b@kept.example")


# --- several, and odd messages ---


def test_several_in_turn(place):
    """Each has its say on what comes from outside; the first no is the last word."""
    place.use(Rspamd, OpenDkim, ClamAv, SpamAssassin)
    place.ben_sends(ADA, "Subject: four\n\nhello\n")
    message = place.arrived("four")
    assert_results(message, dkim="pass")
    assert "X-Spamd-Result" in message and message["X-Virus-Status"] == "Clean"
    assert words(message["X-Spam-Status"]).startswith("No")
    assert place.refusal("four", GTUBE) == (554, "5.7.1 Gtube pattern")
    place.use(OpenDkim, SpamAssassin, Rspamd)
    assert place.refusal("four", GTUBE) == (550, "5.7.1 Blocked by SpamAssassin")


def test_what_one_has_changed_the_next_one_signs(place):
    place.use(SpamAssassin, OpenDkim)
    place.send_plain("twice", SUSPICIOUS, recipient="c@kept.example", sender="ada@example.org",
                     user="ada")
    data = place.kept("c@kept.example")
    assert b"\nX-Spam-Flag: YES\n" in data and b"Content analysis details" in data
    assert verifies(place, data)


@pytest.mark.parametrize("name", SAMPLES)
def test_odd_messages_come_through_as_they_are(place, name):
    """Past four filters that like them, and the signature of the first hop is good in the end."""
    # Without what an old Date is worth to them.
    message = re.sub(rb"\nDate: .*\n", f"\nDate: {formatdate()}\n".encode(),
                     sample(name).replace(b"@client.example", b"@signer.example"), count=1)
    place.use(Rspamd, ClamAv, SpamAssassin, OpenDkim)
    place.ben_sends("odd@kept.example", message)
    got = place.kept("odd@kept.example")
    assert_same(message, got)
    header = email.message_from_bytes(got.partition(b"\n\n")[0] + b"\n\n", policy=policy.default)
    assert_results(header, dkim="pass")
    assert header["X-Virus-Status"] == "Clean" and "X-Spamd-Result" in header


def test_odd_envelopes_come_through(place):
    """Nobody as the sender, many recipients, letters of other alphabets, all in one TLS session."""
    place.use(Rspamd, ClamAv, SpamAssassin, OpenDkim)
    with place.connect(user="ada") as client:
        client.sendmail("", [ADA], make_message("from nobody"))
        client.sendmail(JOE, [ADA, *(f"you{i}@kept.example" for i in range(50))],
                        make_message("many"))
        client.sendmail("größe@far.example", ["empfänger@kept.example", ADA],
                        make_message("grüße", "世界", "empfänger@kept.example",
                                     "größe@far.example").replace("\n", "\r\n").encode(),
                        ["SMTPUTF8", "BODY=8BITMIME"])
    for subject in ("from nobody", "many", "grüße"):
        message = place.arrived(subject)
        assert message["X-Virus-Status"] == "Clean"
        assert words(message["X-Spam-Status"]).startswith("No")
    assert "\nto <you49@kept.example>" in place.envelope("you0@kept.example")
    assert "\nfrom <größe@far.example>" in place.envelope("empfänger@kept.example")


def test_many_at_once(place):
    """Each session has connections of its own; no verdict goes to another's message."""
    place.use(Rspamd, ClamAv, SpamAssassin, OpenDkim)
    wrong = []

    def talk(number):
        try:
            for i in range(3):
                place.send_plain(f"good {number} {i}", f"text {number} {i}")
                with pytest.raises(smtplib.SMTPDataError) as raised:
                    place.send_plain("spam", GTUBE)
                assert raised.value.smtp_error == b"5.7.1 Gtube pattern"
                place.send_plain("virus", VIRUS.decode(), recipient="held@kept.example")
        except BaseException as error:  # shown below
            wrong.append(error)

    threads = [threading.Thread(target=talk, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    for number in range(8):
        for i in range(3):
            message = place.arrived(f"good {number} {i}")
            assert message.get_content().rstrip() == f"text {number} {i}"
            assert message["X-Virus-Status"] == "Clean"
    place.wait_quiet()
    assert len(place.queued()) == 24 and len(place.mailbox("ada")) == 24


# --- viruses ---


@pytest.fixture
def clamav(place):
    yield place.filters[ClamAv]
    place.filters[ClamAv].use("OnInfected Quarantine")


def test_viruses_are_held_until_somebody_releases_them(place):
    """As Debian's settings for it have it."""
    place.use(ClamAv)
    place.send_plain("virus", VIRUS.decode())
    place.send_plain("no virus")
    assert place.arrived("no virus")["X-Virus-Status"] == "Clean"
    (name,) = place.queued()
    assert f"\n{name}!" in place.world.run(["mailq"], check=EX_OK).out
    why = f"{ClamAv.milter}: quarantined by clamav-milter"
    shown = place.world.run(["postrider", "queue", "show", name], check=EX_OK).out
    assert "held until it is released" in shown and f"held for   {why}" in shown
    assert f'{name} held reason="{why}"' in place.log()
    # Neither a queue run nor somebody who is not the administrator lets it go.
    place.world.run(["postrider", "flush"], check=EX_OK)
    place.world.run(["postrider", "queue", "release", name], user="ada", check=EX_NOPERM)
    place.wait_quiet()
    assert place.queued() == [name]
    place.world.run(["postrider", "queue", "release", name], check=EX_OK)
    message = place.arrived("virus")
    assert VIRUS.decode() in message.get_content()
    assert message["X-Virus-Status"].startswith(f"Infected ({VIRUS_NAME}")
    place.wait_empty()


def test_viruses_are_refused(place, clamav):
    clamav.use("OnInfected Reject\nRejectMsg we do not want %v")
    place.use(ClamAv)
    code, said = place.refusal("virus", VIRUS.decode())
    assert (code, said[:6]) == (550, "5.7.1 ") and f"we do not want {VIRUS_NAME}" in said
    assert not place.queued()
    place.send_plain("no virus")
    place.arrived("no virus")


def test_a_filter_whose_own_helper_is_away(place, clamav):
    """clamav-milter is there, clamd is not: its own word for it is that of the reply."""
    place.use(ClamAv)
    clamav.use("OnInfected Reject")
    clamav.kill("clamd")
    code, said = place.refusal("virus", VIRUS.decode())
    assert (code, said[:6]) == (451, "4.7.1 ")
    clamav.restart()
    assert place.refusal("virus", VIRUS.decode())[0] == 550


# --- filters that go and come ---


def answer_without_filter(place, **lines):
    """What MAIL is answered with while rspamd is away; None: the message was taken."""
    place.use(Rspamd, **lines)
    try:
        place.send_plain("unseen", GTUBE)
    except smtplib.SMTPSenderRefused as error:
        return error.smtp_code, error.smtp_error.decode()[:6]
    return None


def test_mail_waits_for_a_filter_and_goes_on(place):
    place.use(Rspamd)
    rspamd = place.filters[Rspamd]
    rspamd.stop()
    try:
        place.ben_sends(ADA, "Subject: patient\n\nhello\n")
        assert "451 4.7.1" in place.ben("queue", check=EX_OK).out
        assert answer_without_filter(place) == (451, "4.7.1 ")
        assert answer_without_filter(place, milter_default="reject") == (550, "5.7.1 ")
        assert not place.queued() and not place.mailbox("ada")
        assert answer_without_filter(place, milter_default="accept") is None
        assert "X-Spamd-Result" not in place.arrived("unseen")
        place.use(Rspamd)
    finally:
        rspamd.start()
    place.ben("queue", "retry", "--all", check=EX_OK)
    assert "X-Spamd-Result" in place.arrived("patient")


@pytest.mark.parametrize("kind", Place.kinds)
def test_a_session_outlives_a_filter(place, kind):
    """It was there for the first message, and another one is for the second."""
    place.use(kind)
    with place.connect() as client:
        client.sendmail(JOE, [ADA], make_message("first"))
        place.filters[kind].restart()
        client.sendmail(JOE, [ADA], make_message("second"))
    first, second = place.arrived("first"), place.arrived("second")
    assert sorted(first.keys()) == sorted(second.keys())
