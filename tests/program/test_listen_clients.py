"""Real clients send through the listener, in clear, with STARTTLS and AUTH, and over TLS from the
first byte; each message arrives byte for byte. Mail servers as clients are in test_listen_peers.py.
"""

import base64
import contextlib
import email
import random
import smtplib
import ssl
import subprocess
import urllib.parse
from email import policy
from types import SimpleNamespace

import pytest

from dsn import the_report
from listening import Client, Listening
from samples import SAMPLES, assert_same, sample
from sandbox import Sandbox
from smtpfake import Certificates

USER = "anna@client.example"
PASSWORD = "hunter2 %&\\'w\u00f6rd"
SENDER = "sender@client.example"


class Place(Listening):
    """
    Three listeners, each as one has them: "" (port 25) takes mail for kept.example, which stays in
    the queue, from anybody; "submission" and "submissions" any mail from who signs in over TLS.
    """

    WAYS = {"clear": "", "starttls": "submission", "implicit": "submissions"}

    def __init__(self, certificates):
        pair = f"tls_certificate = {certificates.good[0]}\ntls_key = {certificates.good[1]}\n"
        signed_in = f"{pair}users = users\nrequire_auth = yes\nrelay_networks =\n"
        kept = '[route "kept.example"]\nvia = hold\n'
        super().__init__(
            listen=f"tls = starttls\n{pair}relay_networks =\nrelay_domains = kept.example\n",
            more={"submission": f"tls = starttls\nrequire_tls = yes\n{signed_in}",
                  "submissions": f"tls = implicit\n{signed_in}{kept}"},
            start=False, mail="local_domains = here.example")
        self.ca = certificates.ca
        self.postrider("passwd", USER, stdin=f"{PASSWORD}\n", check=0)
        self.start_listener()
        self.count = 0

    def recipient(self):
        """An address that no other message has."""
        self.count += 1
        return f"recipient{self.count}@kept.example"

    def way(self, name):
        return SimpleNamespace(name=name, port=self.ports[self.WAYS[name]], tls=name != "clear",
                               implicit=name == "implicit")

    def arrived(self, recipient):
        """The message for this recipient, with the lines before it in the queue's file."""

        def find():
            for name in self.letters():
                envelope, _, message = self.letter(name).partition(b"\n\n")
                if f"\nto <{recipient}>".encode() in envelope:
                    return envelope.decode(), message
            return None

        return self.wait_until(find, what=f"mail for {recipient}")

    def run_client(self, *argv, stdin=b"", **options):
        """A client; it must be content."""
        done = self.run(["/usr/bin/env", *argv], stdin=stdin, check=None, **options)
        assert done.returncode == 0, f"{argv}: {done.out[-2000:]} {done.err[-2000:]}"
        return done


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    with Place(certificates) as made:
        yield made


# --- the clients: each sends one message to one recipient ---


def swaks(place, way, message, recipient):
    path = place.folder / "message"
    path.write_bytes(message.removesuffix(b"\n"))  # it has a line end of its own to add
    argv = ["swaks", "--server", "127.0.0.1", "--port", str(way.port), "--ehlo", "client.example",
            "--from", SENDER, "--to", recipient, "--data", f"@{path}", "--suppress-data"]
    if way.tls:
        argv += ["--tls-on-connect" if way.implicit else "--tls", "--tls-ca-path", place.ca,
                 "--tls-verify", "--auth", "PLAIN", "--auth-user", USER,
                 "--auth-password", PASSWORD]
    place.run_client(*argv)


def curl(place, way, message, recipient):
    # curl takes the file as it is: line ends are its user's affair.
    argv = ["curl", "--silent", "--show-error", "--mail-from", SENDER, "--mail-rcpt", recipient,
            "--upload-file", "-", "--cacert", place.ca,
            f"{'smtps' if way.implicit else 'smtp'}://localhost:{way.port}/client.example"]
    if way.tls:
        argv += ["--ssl-reqd", "--user", f"{USER}:{PASSWORD}"]
    place.run_client(*argv, stdin=message.replace(b"\n", b"\r\n"))


def msmtp(place, way, message, recipient, mechanism="scram-sha-256", sender=SENDER, *options):
    config = place.folder / "msmtprc"
    password = PASSWORD.replace("'", "'\\''")
    config.write_text(
        f"account default\nhost localhost\nport {way.port}\ndomain client.example\n"
        + (f"tls on\ntls_starttls {'off' if way.implicit else 'on'}\ntls_trust_file {place.ca}\n"
           f"auth {mechanism}\nuser {USER}\npasswordeval printf %s '{password}'\n"
           if way.tls else ""))
    config.chmod(0o600)
    place.run_client("msmtp", "-C", config, "-f", sender, *options, recipient, stdin=message)


def python(place, way, message, recipient):
    context = ssl.create_default_context(cafile=place.ca)
    options = {"local_hostname": "client.example", "timeout": 60}
    with contextlib.ExitStack() as stack:
        if way.implicit:
            client = smtplib.SMTP_SSL("localhost", way.port, context=context, **options)
        else:
            client = smtplib.SMTP("localhost", way.port, **options)
        stack.enter_context(client)
        if way.name == "starttls":
            client.starttls(context=context)
        if way.tls:
            # Its login() can say nothing but ASCII.
            client.ehlo()
            client.user, client.password = USER, PASSWORD
            token = client.auth_plain().encode()
            encoded = base64.b64encode(token).decode()
            assert client.docmd("AUTH", f"PLAIN {encoded}")[0] == 235
        mail_options = ["BODY=8BITMIME"] if any(byte > 127 for byte in message) else []
        mail_options += [] if recipient.isascii() else ["SMTPUTF8"]
        # Line ends of bytes are the caller's affair.
        message = message.replace(b"\n", b"\r\n")
        assert client.sendmail(SENDER, [recipient], message, mail_options) == {}


class Piped(Client):
    """The talk through the pipes of openssl s_client, which has done EHLO and STARTTLS by itself."""

    def __init__(self, place, way):
        argv = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{way.port}", "-servername",
                "localhost", "-verify_hostname", "localhost", "-verify_return_error", "-CAfile",
                place.ca, *([] if way.implicit else ["-starttls", "smtp"])]
        self.process = place.start(["/usr/bin/env", *argv], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.file = self.process.stdout
        if way.implicit:
            self.expect(220)

    def send(self, data):
        self.process.stdin.write(data if isinstance(data, bytes) else data.encode() + b"\r\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.file.close()


def openssl(place, way, message, recipient):
    with Piped(place, way) as client:
        client.ehlo("client.example")
        token = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        client.command(f"AUTH PLAIN {token}", 235)
        data = message if message.endswith(b"\n") else message + b"\n"
        data = data.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
        client.message(SENDER, recipient, data, " BODY=8BITMIME")
        client.command("QUIT", 221)


def postrider(place, way, message, recipient):
    """A second instance of our own."""
    smarthost = f"host = localhost:{way.port}\ntls_trust = {place.ca}\n"
    if way.tls:
        smarthost += f"tls = {way.name}\nuser = {USER}"
    else:
        smarthost += "tls = off\nauth = off"
    with Sandbox(smarthost=smarthost, mail="hostname = client.example") as client:
        client.credentials(f"[smarthost]\npassword = {PASSWORD}\n")
        client.sendmail("-odi", "-i", "-f", SENDER, recipient, stdin=message, check=0)
        assert not client.letters(), client.log()


CLIENTS = [swaks, curl, msmtp, python, openssl, postrider]
WAYS = {client: ["clear", "starttls", "implicit"] for client in CLIENTS}
WAYS[openssl] = ["starttls", "implicit"]
CANNOT = {swaks: ["empty"]}  # its bodies have a line at least


@pytest.mark.parametrize("client, way", [(client, way) for client in CLIENTS
                                         for way in WAYS[client]],
                         ids=lambda one: getattr(one, "__name__", one))
@pytest.mark.once
def test_byte_for_byte(place, client, way):
    way = place.way(way)
    for name in SAMPLES:
        if name in CANNOT.get(client, []):
            continue
        message = sample(name)
        recipient = place.recipient()
        client(place, way, message, recipient)
        envelope, got = place.arrived(recipient)
        assert f"\nfrom <{SENDER}>\n" in envelope
        assert_same(message, got)
        trace = " ".join(email.message_from_bytes(got).get_all("Received")[0].split())
        assert trace.startswith("from client.example ([127.0.0.1])")
        assert (" with ESMTPSA id " if way.tls else " with ESMTP id ") in trace
        assert ("tls TLS_" in trace) == way.tls
    place.postrider("queue", "delete", "--all", check=0)


def s_nail(place, way, recipient, text, *options):
    """It makes the message by itself."""
    password = urllib.parse.quote(PASSWORD, safe="")
    user = urllib.parse.quote(USER, safe="")
    lines = ["set v15-compat", "set hostname=client.example", "set sendwait", "unset save",
             f"set tls-ca-file={place.ca}", "set tls-ca-no-defaults"]
    if way.tls:
        lines += [f"set mta={'smtps' if way.implicit else 'smtp'}://{user}:{password}"
                  f"@localhost:{way.port}", "set smtp-auth=plain", "set tls-verify=strict"]
        lines += [] if way.implicit else ["set smtp-use-starttls"]
    else:
        lines += [f"set mta=smtp://localhost:{way.port} smtp-auth=none"]
    config = place.folder / "mailrc"
    config.write_text("\n".join(lines) + "\n")
    place.run_client("s-nail", "-:u", *options, "-r", SENDER, "-s", "Grüße", recipient,
                     stdin=text, env={"MAILRC": str(config), "LANG": "C.UTF-8"})


@pytest.mark.parametrize("way", ["clear", "starttls", "implicit"])
def test_s_nail(place, way, tmp_path):
    """A text and a file of 10 MB, as they were before it made a message of them."""
    file = tmp_path / "file.bin"
    file.write_bytes(random.Random(1).randbytes(10 * 1000 * 1000))
    text = "Grüße\n.\n..dots\nFrom here\n" + "long " * 300 + "\nend\n"
    recipient = place.recipient()
    s_nail(place, place.way(way), recipient, text, "-a", str(file))
    _, got = place.arrived(recipient)
    message = email.message_from_bytes(got, policy=policy.default)
    first, second = message.iter_parts()
    assert message["Subject"] == "Grüße"
    assert first.get_content() == text
    assert second.get_content() == file.read_bytes()


# --- what clients can ask for ---


@pytest.mark.parametrize("mechanism", ["plain", "login", "scram-sha-256"])
@pytest.mark.parametrize("way", ["starttls", "implicit"])
def test_msmtp_signs_in(place, mechanism, way):
    recipient = place.recipient()
    msmtp(place, place.way(way), sample("lines"), recipient, mechanism)
    envelope, got = place.arrived(recipient)
    assert_same(sample("lines"), got)
    (line,) = place.log_lines("received", to=recipient, proto="ESMTPSA", user=USER)


def test_a_wrong_password_is_told(place):
    path = place.folder / "message"
    path.write_bytes(sample("lines"))
    done = place.run(["/usr/bin/env", "curl", "--silent", "--show-error", "--cacert", place.ca,
                      "--user", f"{USER}:wrong", "--mail-from", SENDER, "--mail-rcpt",
                      place.recipient(), "--upload-file", path,
                      f"smtps://localhost:{place.ports['submissions']}"])
    assert done.returncode == 67, done.err  # CURLE_LOGIN_DENIED


@pytest.mark.parametrize("way", ["clear", "starttls", "implicit"])
def test_addresses_with_other_letters(place, way):
    """SMTPUTF8, by Python and by our own client."""
    message = sample("8bit").replace(b"sender@", "absenderin-größe@".encode())
    for number, client in enumerate((python, postrider)):
        recipient = f"empfänger-{way}-{number}@kept.example"
        client(place, place.way(way), message, recipient)
        _, got = place.arrived(recipient)
        assert_same(message, got)
        assert b"\twith UTF8SMTP" in got.partition(b"\n\n")[0]


def notify(place, way, recipient, when):
    """Python asks for a report, with all that can be said of it."""
    with smtplib.SMTP("localhost", way.port, local_hostname="client.example") as client:
        client.starttls(context=ssl.create_default_context(cafile=place.ca))
        assert client.sendmail(f"{place.user}@here.example", [recipient],
                               sample("lines").replace(b"\n", b"\r\n"),
                               ["RET=HDRS", "ENVID=id+2B1"],
                               [f"NOTIFY={when}", "ORCPT=rfc822;first+40client.example"]) == {}


@pytest.mark.parametrize("when, recipient, action", [
    ("SUCCESS,FAILURE", "{user}@here.example", "delivered"),
    ("FAILURE,DELAY", "gone@here.example", "failed"),
])
def test_reports_that_were_asked_for(place, when, recipient, action):
    (place.mail / place.user).unlink(missing_ok=True)
    place.aliases("gone: nobody-of-that-name\n")
    notify(place, place.way("clear"), recipient.format(user=place.user), when)
    place.wait_until(lambda: b"multipart/report" in place.mailbox_bytes(), what="the report")
    report = the_report(place)
    assert report.message["original-envelope-id"] == "id+1"
    assert report.only["action"] == action
    assert report.only["original-recipient"] == "rfc822; first@client.example"
    assert not report.whole and "NOTIFY" not in place.mailbox_bytes().decode()


def test_reports_that_were_not_wanted(place):
    (place.mail / place.user).unlink(missing_ok=True)
    place.aliases("gone: nobody-of-that-name\n")
    notify(place, place.way("clear"), "gone@here.example", "NEVER")
    place.wait_until(lambda: place.log_lines("bounced", to="gone@here.example"),
                     what="the end of the message")
    place.wait_quiet()
    assert not place.mailbox_bytes()


def test_msmtp_asks_for_a_report(place):
    (place.mail / place.user).unlink(missing_ok=True)
    place.aliases("gone: nobody-of-that-name\n")
    msmtp(place, place.way("starttls"), sample("lines"), "gone@here.example", "plain",
          f"{place.user}@here.example", "-N", "failure", "-R", "full")
    place.wait_until(lambda: b"multipart/report" in place.mailbox_bytes(), what="the report")
    report = the_report(place)
    assert report.only["action"] == "failed" and report.whole


def test_a_recipient_among_others_is_refused(place):
    """The others get the mail, and the client can tell which one."""
    good = place.recipient()
    with smtplib.SMTP("localhost", place.port) as client:
        refused = client.sendmail(SENDER, ["nobody-here@here.example", good],
                                  sample("lines").replace(b"\n", b"\r\n"))
    assert refused["nobody-here@here.example"][0] == 550
    assert_same(sample("lines"), place.arrived(good)[1])
