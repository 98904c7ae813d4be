"""Settings of other mail programs that become ours: worked samples, Debian's own ones, and what the
programs themselves say that they would do."""

import json
import os
import pwd
import random
import re
import subprocess

import pytest

from cprogram import build_program
from sandbox import EX_NOINPUT, EX_OK
from smtpfake import Certificates, FakeServer
from terminal import Terminal
from world import PACKAGES, World

PROGRAMS = ["msmtp", "ssmtp", "dma", "nullmailer", "postfix", "exim"]
HOME = "/home/ada"
MACHINE = "host.example.org"
# What could begin a line or steer a terminal.
UNFIT = re.compile("[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Import:
    """What came out, by section; each .notes item is a dict with mark, file, line, text, words."""

    def __init__(self, found, folder):
        self.status, self.reason = found["status"], found["reason"]
        self.loads, self.secrets = found["loads"], found["secrets"]
        self.aliases, self.notes = found["aliases"], found["notes"]
        self.folder = folder
        self.settings, self.passwords = {}, {}
        for section, name, key, value in found["settings"]:
            heading = f"{section} {name}" if name else section
            self.settings.setdefault(heading, {})[key] = value
        for _, name, key, value in found["credentials"]:
            assert key == "password"
            self.passwords[name] = value

    def note(self, file, text):
        """The one note about a line of this file that begins so."""
        (note,) = [one for one in self.notes
                   if one["file"] == file and one["text"].startswith(text)]
        return note

    def words_of_file(self, file):
        """What is said of the file itself."""
        return [one["words"] for one in self.notes if one["file"] == file and not one["line"]]


def lines_that_count(content):
    """The numbers of lines with anything but white space and comments."""
    text = content if isinstance(content, bytes) else content.encode()
    lines = text.split(b"\n")
    return [number for number, line in enumerate(lines, 1)
            if line.strip(b" \t\r\v\f") and not line.strip(b" \t\r\v\f").startswith(b"#")]


def read(folder, program, home=None):
    """Imports from folder/root."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    done = subprocess.run([build_program("import_show"), program, folder / "root", home or "-", out],
                          capture_output=True, check=True, timeout=60)
    return Import(json.loads(done.stdout), out)


def check(found, files, not_read=()):
    """What holds for every import, whatever it read."""
    assert found.loads == "", found.loads
    assert all(secret == "found" for secret in found.secrets), found.secrets
    for note in found.notes:
        assert note["words"] and note["mark"] in ("same", "taken", "other", "left")
        assert not UNFIT.search(note["whole"]), note
        for password in found.passwords.values():
            assert len(password) < 4 or password not in note["whole"], note
    for path, content in files.items():
        told = [number for note in found.notes if note["file"] == path and note["line"]
                for number in range(note["line"], note["last"] + 1)]
        counting = [] if path in not_read else lines_that_count(content)
        assert sorted(number for number in told if number in counting) == counting, path


@pytest.fixture
def imported(tmp_path):
    """imported(program, {path: content}, home=…, not_read=…): the import of these files."""

    def run(program, files, home=None, not_read=(), status=0):
        for path, content in {"/etc/mailname": f"{MACHINE}\n", **files}.items():
            file = tmp_path / "root" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        found = read(tmp_path, program, home)
        assert found.status == status, found.reason
        check(found, files, not_read)
        return found

    return run


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """unpacked("dma"): the folder with the files of this package of Debian's, which is not
    installed."""
    folders = {}

    def unpack(package):
        if package not in folders:
            folders[package] = tmp_path_factory.mktemp(package)
            (found,) = PACKAGES.glob(f"{package}_*.deb")
            subprocess.run(["dpkg-deb", "-x", found, folders[package]], check=True)
        return folders[package]

    return unpack


# ---- msmtp ----

MSMTPRC = """\
# every key that there is
defaults
port 587
tls on
tls_trust_file /etc/ssl/certs/ca-certificates.crt
timeout 30
syslog LOG_MAIL
logfile /var/log/msmtp.log

account provider
host smtp.provider.example
from ada@provider.example
auth plain
user "ada@provider.example"
password " a pass ; word "
tls_fingerprint 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
tls_min_dh_prime_bits 1024

account second : provider
from %U@second.example
passwordeval cat /etc/secret

account plain
host relay.example.net
port 25
tls off
tls_starttls off
auth off
user nobody
from *@plain.example
domain client.example.net

account cert
host 2001:db8::25
from bot@cert.example
auth external
tls_starttls off
tls_cert_file ~/cert.pem
tls_key_file ~/key.pem
tls_certcheck off
tls_trust_file ~/ca.pem
tls_priorities NORMAL
tls_crl_file /etc/crl
tls_host_override other.example
source_ip 192.0.2.7
proxy_host 192.0.2.8
proxy_port 9050
port 465

account nowhere
host unreachable.example
dsn_notify never
dsn_return full

account pattern
host unreachable.example
from joe[0-9]@example.org

account sockets
socket /run/x
account lmtp
host h.example
protocol lmtp

account default : provider
from alerts@provider.example
allow_from_override off
set_from_header on
set_date_header off
set_msgid_header auto
remove_bcc_headers on
undisclosed_recipients off
aliases /etc/aliases.msmtp
auto_from off
maildomain example.org
eval echo password inEval123
mistyped secretWord99
"""


PIN = ":".join(["00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"] * 2)


def msmtp_files():
    return {"/etc/msmtprc": MSMTPRC, "/etc/secret": "from the file\nsecond line\n",
            "/etc/aliases.msmtp": "root: ada@example.org\ndefault: ops@example.org\n"}


def test_msmtp_with_every_key(imported):
    found = imported("msmtp", msmtp_files(), HOME, ["/etc/secret", "/etc/aliases.msmtp"])
    provider = {"host": "smtp.provider.example", "port": "587", "tls": "starttls",
                "tls_fingerprint": PIN, "auth": "plain", "user": "ada@provider.example"}
    assert found.settings == {
        "mail": {"masquerade": "ada@provider.example: ada@provider.example, "
                               "bot@cert.example: bot@cert.example, *: alerts@provider.example",
                 "aliases": "/etc/aliases.msmtp"},
        "smarthost": provider,
        "smarthost provider": {"senders": "ada@provider.example", **provider},
        "smarthost second": {"senders": "@second.example", **provider},
        # It sent in clear, and did not sign in; ours asks for TLS all the same.
        "smarthost plain": {"senders": "*@plain.example", "host": "relay.example.net",
                            "port": "25", "tls": "starttls"},
        "smarthost cert": {"senders": "bot@cert.example", "host": "[2001:db8::25]", "port": "465",
                           "tls": "implicit", "tls_trust": f"{HOME}/ca.pem",
                           "tls_certificate": f"{HOME}/cert.pem", "tls_key": f"{HOME}/key.pem",
                           "auth": "external"},
    }
    assert found.passwords == dict.fromkeys(["", "provider", "second"], " a pass ; word ")
    marks = {text: found.note("/etc/msmtprc", text)["mark"] for text in [
        "tls off", "tls_certcheck off", "syslog", "logfile", "account nowhere", "account pattern",
        "account sockets", "account lmtp", "set_date_header", "eval ****", "mistyped ****"]}
    assert marks == {"tls off": "other", "tls_certcheck off": "other", "syslog": "same",
                     **{text: "left" for text in list(marks)[3:]}}
    assert "sends in clear" in found.note("/etc/msmtprc", "tls off")["words"]
    assert "default" in found.note("/etc/msmtprc", "aliases")["words"]
    everything = json.dumps(found.notes)
    assert "inEval123" not in everything and "secretWord99" not in everything


PRETENDED = {"host": "host", "port": "port", "user": "user", "tls_fingerprint": "tls_fingerprint",
             "tls_cert_file": "tls_certificate", "tls_key_file": "tls_key"}


@pytest.mark.parametrize("account, heading", [
    ("default", "smarthost"), ("provider", "smarthost provider"), ("second", "smarthost second"),
    ("plain", "smarthost plain"), ("cert", "smarthost cert")])
def test_msmtp_itself_would_use_the_same(imported, tmp_path, account, heading):
    """msmtp --pretend says what it makes of the file."""
    lines = [line for line in MSMTPRC.splitlines(keepends=True)
             if not line.startswith(("mistyped", "eval", "tls_min"))]
    found = imported("msmtp", {**msmtp_files(), "/etc/msmtprc": "".join(lines)}, HOME,
                     ["/etc/secret", "/etc/aliases.msmtp"])
    rc = tmp_path / "msmtprc"
    rc.write_text("".join(lines))
    rc.chmod(0o600)
    said = pretend(rc, "-a", account)
    ours = found.settings[heading]
    for theirs, key in PRETENDED.items():
        value = said.get(theirs, "(not set)")
        if value != "(not set)" and not (theirs == "user" and said["auth"] == "none"):
            assert ours[key].strip("[]") == value, theirs
        else:
            assert key not in ours, theirs
    if said["tls"] == "on":
        assert ours["tls"] == ("starttls" if said["tls_starttls"] == "on" else "implicit")
    assert ours.get("auth", "none").upper() == said["auth"].upper()


def pretend(path, *options):
    done = subprocess.run(["msmtp", "-C", path, *options, "-P", "x@y.example"], text=True,
                          capture_output=True, check=True, env={**os.environ, "HOME": HOME})
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)


@pytest.mark.parametrize("text", [
    "host h.example\nuser x\nauth on\n",
    "account default\n  host   \"h.example\"  \nuser \"a\"b\"\nport\t26\nauth\n",
    "defaults\nport 587\naccount a\nhost a.example\ndefaults\nport 26\naccount b : a\n"
    "account default : b , a\n",
    "defaults\nport 587\naccount a\nhost a.example\nport 99\ndefaults\nport 26\n"
    "account default : a\n",
    "account default\nhost h.example\ntls\ntls_starttls off\n",
    "defaults\nuser u\nauth on\naccount a\nhost h.example\nuser \"\"\naccount default : a\n",
])
def test_msmtp_fills_an_account_in_the_same_way(imported, tmp_path, text):
    found = imported("msmtp", {"/etc/msmtprc": text})
    rc = tmp_path / "msmtprc"
    rc.write_text(text)
    rc.chmod(0o600)
    said, ours = pretend(rc), found.settings["smarthost"]
    assert ours["host"] == said["host"] and ours["port"] == said["port"]
    assert ours.get("user", "(not set)") == said["user"]


def test_msmtp_of_a_user_counts_for_more(imported):
    found = imported("msmtp", {
        "/etc/msmtprc": "account default\nhost system.example\naccount other\nhost o.example\n"
                        "from o@o.example\n",
        f"{HOME}/.msmtprc": "account default\nhost own.example\nfrom ada@own.example\n"}, HOME)
    assert found.settings["smarthost"]["host"] == "own.example"
    assert found.settings["smarthost other"]["senders"] == "o@o.example"
    # What this machine's programs send goes by the account's sender, as with msmtp without -f.
    assert found.settings["mail"]["masquerade"] == f"*@{MACHINE}: ada@own.example"
    assert "counts" in found.note("/etc/msmtprc", "account default")["words"]


@pytest.mark.parametrize("command, password, ours", [
    ("cat /etc/secret", "first line", None),
    ("echo 'pass word'", "pass word", None),
    ("/usr/bin/pass 'mail at home'", None, '/usr/bin/pass "mail at home"'),
    ("gpg -dq ~/.pw.gpg", None, f"/usr/bin/gpg -dq {HOME}/.pw.gpg"),
    ("pass mail | head -1", None, None),
    ("echo $SECRET", None, None),
    ("unknown-program x", None, None),
    ("cat /etc/missing", None, None),
])
def test_msmtp_commands_for_passwords(imported, tmp_path, command, password, ours):
    program = tmp_path / "root/usr/bin/gpg"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = imported("msmtp", {
        "/etc/msmtprc": f"account default\nhost h.example\ntls on\nauth on\nuser u\n"
                        f"passwordeval {command}\n", "/etc/secret": "first line\nnext\n"},
        HOME, ["/etc/secret"])
    assert found.passwords.get("") == password
    assert found.settings["smarthost"].get("password_command") == ours
    note = found.note("/etc/msmtprc", "passwordeval")
    assert note["text"] == "passwordeval ****"
    assert note["mark"] == ("left" if not password and not ours else note["mark"])


def test_msmtp_examples_of_its_package(imported, unpacked):
    folder = unpacked("msmtp") / "usr/share/doc/msmtp/examples"
    for name in ("msmtprc-system.example", "msmtprc-user.example"):
        found = imported("msmtp", {"/etc/msmtprc": (folder / name).read_text()})
        assert found.settings["smarthost"]["host"] in ("mail.oursite.example",
                                                       "smtp.freemail.example")


# ---- ssmtp ----

SSMTP_CONF = """\
# Config file for sSMTP sendmail
root=postmaster
Mailhub=smtp.example.net:587
rewriteDomain=@example.org
hostname=host.example.org
FromLineOverride=NO
UseTLS=Yes
useSTARTTLS=YES
UseTLSCert=YES
TLSCert=/etc/ssmtp/c.pem
TLSKey=/etc/ssmtp/k.pem
TLS_CA_File=/etc/ssmtp/ca.pem
AuthUser=me@example.net
AuthPass=s3cr:et
AuthMethod=cram-md5
Debug=YES
mistyped hunter22word
minimumUserId=
"""
REVALIASES = """\
root:ops@example.org:smtp.other.example:2525
www:web@example.org
ada:ada@example.net:smtp.example.net:587
no colon in here
"""


def test_ssmtp_with_every_key(imported):
    found = imported("ssmtp", {"/etc/ssmtp/ssmtp.conf": SSMTP_CONF,
                               "/etc/ssmtp/revaliases": REVALIASES})
    account = {"tls": "starttls", "tls_trust": "/etc/ssmtp/ca.pem",
               "tls_certificate": "/etc/ssmtp/c.pem", "tls_key": "/etc/ssmtp/k.pem",
               "user": "me@example.net", "auth": "cram-md5"}
    assert found.settings == {
        "mail": {"domain": "example.org", "hostname": "host.example.org",
                 "masquerade": "root@example.org: ops@example.org, "
                               "www@example.org: web@example.org, "
                               "ada@example.org: ada@example.net"},
        "smarthost": {"host": "smtp.example.net", "port": "587", **account},
        "smarthost root": {"senders": "ops@example.org", "host": "smtp.other.example",
                           "port": "2525", **account},
    }
    assert found.passwords == {"": "s3cr:et", "root": "s3cr:et"}
    assert found.aliases == ["root: postmaster@example.org"]
    assert "hunter22word" not in json.dumps(found.notes)


@pytest.mark.parametrize("lines, tls, port, mark", [
    ("", "starttls", "25", "sends in clear"),
    ("UseTLS=NO\n", "starttls", "25", "sends in clear"),
    ("UseTLS=YES\n", "implicit", "25", "not looked at"),
    ("UseSTARTTLS=YES\n", "starttls", "25", "not looked at"),
])
def test_ssmtp_without_certificates(imported, lines, tls, port, mark):
    found = imported("ssmtp", {"/etc/ssmtp/ssmtp.conf": f"mailhub=smtp.example.net\n{lines}"
                                                        "AuthUser=a\nAuthPass=bcdef\n"})
    assert found.settings["smarthost"] == {"host": "smtp.example.net", "port": port, "tls": tls,
                                           "user": "a"}
    assert any(note["mark"] == "other" and mark in note["words"] for note in found.notes)


@pytest.mark.parametrize("written", ["ab:cd", "abc=d", "abc d", '"abc'])
def test_ssmtp_itself_signs_in_with_the_same(imported, tmp_path, unpacked, written):
    """Its own program, told by the same file, against a server that takes what we found."""
    with FakeServer(auth_in_clear=True) as server:
        found = imported("ssmtp", {
            "/etc/ssmtp/ssmtp.conf": f"root=admin@example.org\nmailhub=127.0.0.1:{server.port}\n"
                                     f"AuthUser=u@x.example\nAuthPass={written}\n"
                                     "rewriteDomain=ex.example\nhostname=h.ex.example\n"})
        server.users = {"u@x.example": found.passwords[""]}
        subprocess.run([unpacked("ssmtp") / "usr/sbin/ssmtp",
                        f"-C{tmp_path}/root/etc/ssmtp/ssmtp.conf", "root"],
                       input=b"Subject: x\n\nhi\n", check=True, timeout=30)
        assert server.connections[0].user == "u@x.example"
        assert server.messages[0].sender == "root@ex.example"
        assert server.messages[0].recipients == ["admin@example.org"]
    # The server is on this machine: ours may sign in without TLS there, too.
    assert found.settings["smarthost"]["tls"] == "off"
    assert found.settings["mail"]["domain"] == "ex.example"
    assert found.aliases == ["root: admin@example.org"]


def test_ssmtp_as_its_package_leaves_it(imported, unpacked, tmp_path):
    """The postinst of the package writes this file, with what it is told by debconf."""
    control = tmp_path / "control"
    (package,) = PACKAGES.glob("ssmtp_*.deb")
    subprocess.run(["dpkg-deb", "-e", package, control], check=True)
    script = (control / "postinst").read_text()
    start = script.index('echo "#"')
    lines = script[start:script.index("\nfi", script.index("FromLineOverride=YES"))]
    written = subprocess.run(["sh", "-c", lines], check=True, capture_output=True, text=True, env={
        "PATH": "/usr/bin:/bin", "root": "postmaster", "mailhub": "mail.example.net",
        "hostname": MACHINE}).stdout
    found = imported("ssmtp", {
        "/etc/ssmtp/ssmtp.conf": written,
        "/etc/ssmtp/revaliases": (unpacked("ssmtp") / "etc/ssmtp/revaliases").read_text()})
    assert found.settings == {
        "mail": {"hostname": MACHINE},
        "smarthost": {"host": "mail.example.net", "port": "25", "tls": "starttls"}}
    assert found.aliases == [f"root: postmaster@{MACHINE}"]


# ---- dma ----

DMA_CONF = """\
# a comment
SMARTHOST smtp.example.net
PORT 587
ALIASES /etc/aliases
SPOOLDIR /var/spool/dma
AUTHPATH /etc/dma/auth.conf
SECURETRANSFER
STARTTLS
FINGERPRINT 1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF
CERTFILE /etc/dma/c.pem		# both in one file
SECURE
DEFER
FULLBOUNCE
MAILNAME /etc/mailname
MASQUERADE herb@
NULLCLIENT
OPPORTUNISTIC_TLS yes
STARTTLS yes
PORT
  INDENTED
MISTYPED word
"""
DMA_AUTH = """\
# user|host:password
old|smtp.example.net:before
me|smtp.example.net:pa ss:w#rd
you|other.example:otherPassword
rubbish with secretWord99
"""


def test_dma_with_every_key(imported):
    found = imported("dma", {"/etc/dma/dma.conf": DMA_CONF, "/etc/dma/auth.conf": DMA_AUTH,
                             "/etc/aliases": "root: ada bob\n*: ops\n"},
                     not_read=["/etc/aliases"])
    assert found.settings == {
        "mail": {"aliases": "/etc/aliases", "masquerade": f"*: herb@{MACHINE}"},
        "smarthost": {"host": "smtp.example.net", "port": "587", "tls": "starttls",
                      "tls_fingerprint": "1234567890ABCDEF" * 4, "tls_certificate": "/etc/dma/c.pem",
                      "tls_key": "/etc/dma/c.pem", "user": "me"}}
    assert found.passwords == {"": "pa ss:w#rd"}
    everything = json.dumps(found.notes)
    assert "secretWord99" not in everything and "otherPassword" not in everything
    # dma parts targets by blanks, as ours does not.
    assert "/etc/aliases:1" in found.note("/etc/dma/dma.conf", "ALIASES")["words"]
    left = [note["text"] for note in found.notes
            if note["mark"] == "left" and note["file"] == "/etc/dma/dma.conf"]
    assert left == ["DEFER", "FULLBOUNCE", "OPPORTUNISTIC_TLS yes", "STARTTLS yes", "PORT",
                    "  INDENTED", "MISTYPED word"]


@pytest.mark.parametrize("lines, tls, told", [
    ("", "starttls", "sends in clear"),
    ("SECURETRANSFER\n", "implicit", "not looked at"),
    ("SECURETRANSFER\nSTARTTLS\n", "starttls", "not looked at"),
    ("STARTTLS\n", "starttls", "sends in clear"),
    ("SECURETRANSFER\nSTARTTLS\nOPPORTUNISTIC_TLS\n", "opportunistic", ""),
])
def test_dma_without_a_password(imported, lines, tls, told):
    found = imported("dma", {"/etc/dma/dma.conf": f"SMARTHOST smtp.example.net\n{lines}"})
    assert found.settings["smarthost"] == {"host": "smtp.example.net", "port": "25", "tls": tls}
    told_in = [note["mark"] for note in found.notes if told and told in note["words"]]
    assert set(told_in) == ({"other"} if told else set())


@pytest.mark.parametrize("masquerade, wanted", [
    ("john@", {"masquerade": f"*: john@{MACHINE}"}),
    ("percolator.example", {"domain": "percolator.example"}),
    ("herb@ert.example", {"masquerade": "*: herb@ert.example"}),
    ("@ert.example", {"domain": "ert.example"}),
    ("@", {}),
])
def test_dma_masquerades(imported, masquerade, wanted):
    found = imported("dma", {"/etc/dma/dma.conf": f"MASQUERADE {masquerade}\n"})
    assert found.settings.get("mail", {}) == wanted
    # Without a smarthost dma delivers by itself.
    assert found.settings["route *"] == {"via": "mx", "port": "25", "tls": "opportunistic"}


def test_dma_as_its_package_leaves_it(imported, unpacked):
    folder = unpacked("dma")
    found = imported("dma", {"/etc/dma/dma.conf": (folder / "usr/share/dma/dma.conf").read_text(),
                             "/etc/dma/auth.conf": (folder / "etc/dma/auth.conf").read_text()})
    assert found.settings == {"route *": {"via": "mx", "port": "25", "tls": "opportunistic"}}
    assert found.note("/etc/dma/dma.conf", "MAILNAME /etc/mailname")["mark"] == "same"


# ---- nullmailer ----

REMOTES = """\
# comment
smtp.example.net smtp --port=587 --starttls --user=me --pass='my pass phrase; x' --auth-login
smtp2.example.net smtp port=2525 starttls user=me "pass=my pass phrase; x" auth-login
smtp3.example.net smtp --ssl --user=you --pass=otherPassword
2001:db8::25 smtp --starttls --user=me --pass=my\\ pass\\ phrase\\;\\ x --auth-login --source=h
qmqp.example qmqp
broken.example smtp "--pass=secretWord99
bad_host!.example smtp --port=587 --starttls --user=me --pass='my pass phrase; x' --auth-login
"""
NULLMAILER = {"remotes": REMOTES, "me": "host\n", "defaultdomain": "example.org\n",
              "defaulthost": "mail\n", "helohost": "helo.example.org\n", "idhost": "id\n",
              "adminaddr": "ops@example.org, ada@example.net\n",
              "allmailfrom": "alerts@example.org\nsecond line\n", "pausetime": "120\n",
              "maxpause": "3600\n", "sendtimeout": "60\n", "queuelifetime": "259200\n",
              "doublebounceto": "bounces@example.org\n"}


def test_nullmailer_with_every_key(imported):
    found = imported("nullmailer", {f"/etc/nullmailer/{name}": content
                                    for name, content in NULLMAILER.items()})
    assert found.settings == {
        "mail": {"hostname": "helo.example.org", "domain": "mail.example.org",
                 "masquerade": "*: alerts@example.org"},
        "smarthost": {"host": "smtp.example.net:587, smtp2.example.net:2525, [2001:db8::25]",
                      "port": "25", "tls": "starttls", "auth": "login", "user": "me"},
        "queue": {"retry": "2m, 4m, 8m, 16m, 32m, 1h", "lifetime": "3d"}}
    assert found.passwords == {"": "my pass phrase; x"}
    admin = "ops@example.org, ada@example.net"
    assert found.aliases == [f"root: {admin}", f"@helo.example.org: {admin}",
                             f"@host.example.org: {admin}", f"@localhost: {admin}",
                             "postmaster: bounces@example.org"]
    everything = json.dumps(found.notes)
    assert "secretWord99" not in everything and "otherPassword" not in everything
    marks = [note["mark"] for note in found.notes if note["file"] == "/etc/nullmailer/remotes"]
    assert marks == ["taken", "taken", "left", "left", "left", "left", "left"]


@pytest.mark.parametrize("options, wanted, told", [
    ("", {"port": "25", "tls": "starttls"}, "sends in clear"),
    ("--ssl", {"port": "465", "tls": "implicit"}, ""),
    ("tls insecure", {"port": "465", "tls": "implicit"}, "not looked at"),
    ("starttls x509cafile=/etc/ca.pem", {"port": "25", "tls": "starttls",
                                         "tls_trust": "/etc/ca.pem"}, ""),
    ("starttls x509certfile=/etc/c.pem x509crlfile=/etc/crl",
     {"port": "25", "tls": "starttls", "tls_certificate": "/etc/c.pem", "tls_key": "/etc/c.pem"},
     "x509crlfile is not taken over"),
])
def test_nullmailer_and_TLS(imported, options, wanted, told):
    found = imported("nullmailer", {"/etc/nullmailer/remotes": f"smtp.example.net smtp {options}\n"})
    assert found.settings["smarthost"] == {"host": "smtp.example.net", **wanted}
    assert told in json.dumps(found.notes)


def test_nullmailer_as_its_package_leaves_it(imported):
    """Its postinst writes what was asked for, and empty files for the rest."""
    found = imported("nullmailer", {"/etc/nullmailer/remotes": "mail.example.net\n",
                                    "/etc/nullmailer/adminaddr": "",
                                    "/etc/nullmailer/defaultdomain": ""})
    assert found.settings == {
        "smarthost": {"host": "mail.example.net", "port": "25", "tls": "starttls"}}
    assert found.aliases == []
    assert "7 days" in found.words_of_file("/etc/nullmailer/queuelifetime")[0]
    assert found.words_of_file("/etc/nullmailer/adminaddr")


# ---- Postfix ----

MAIN_CF = """\
# every parameter that means something to us
compatibility_level = 3.6
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
myhostname = host.example.org
mydomain = example.org
myorigin = /etc/mailname
mydestination = $myhostname, extra.example.org, localhost.$mydomain,
   localhost
# a comment does not end it
    , .below.example.org hash:/etc/postfix/domains !not.example.org
alias_maps = hash:/etc/aliases, nis:mail.aliases
alias_database = hash:/etc/aliases
virtual_alias_maps = hash:/etc/postfix/virtual regexp:/etc/postfix/virtual.re
relayhost = [smtp.example.net]:submission
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = plain
smtp_sender_dependent_authentication = yes
sender_dependent_relayhost_maps = texthash:/etc/postfix/relay
smtp_tls_security_level = encrypt
smtp_tls_CAfile = /etc/postfix/ca.pem
smtp_tls_policy_maps = hash:/etc/postfix/policy
smtp_tls_cert_file = /etc/postfix/client.pem
smtp_tls_key_file = $smtp_tls_cert_file
smtp_tls_mandatory_protocols = >=TLSv1.2
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
transport_maps = lmdb:/etc/postfix/transport
smtp_generic_maps = hash:/etc/postfix/generic
sender_canonical_maps = hash:/etc/postfix/canonical
inet_interfaces = 127.0.0.1, [2001:db8::1], $myhostname
inet_protocols = all
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 10.0.0.0/8 0.0.0.0/0 !10.9.9.9
relay_domains = partner.example, .partner.example
smtpd_tls_cert_file = /etc/ssl/certs/server.pem
smtpd_tls_key_file = /etc/ssl/private/server.key
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_recipient_restrictions = permit_mynetworks,
    reject_rbl_client zen.example=127.0.0.2, check_policy_service inet:127.0.0.1:10023
smtpd_milters = unix:opendkim/o.sock, inet:localhost:8891
milter_default_action = accept
message_size_limit = 10240000
mailbox_size_limit = 0
maximal_queue_lifetime = 3
bounce_queue_lifetime = 1d
delay_warning_time = 4
minimal_backoff_time = 300s
maximal_backoff_time = 1h
default_destination_concurrency_limit = 5
smtp_destination_rate_delay = 2s
recipient_delimiter = +
mail_spool_directory = /var/spool/mail
home_mailbox = Maildir/
always_bcc = archive@example.org
own_name = smtp
own_unused = 1
unknown_to_us = $own_name
relayhost_of_old = x
message_size_limit = 20480000
no equals sign secretWord99
"""
TABLES = {
    "domains": "d.example x\n",
    "sasl_passwd": "# comment\n[smtp.example.net]:submission me@example.net:pa:ss w#rd\n"
                   "smtp.example.net loser:otherPassword\n"
                   "bot@example.com\n   bot:secretOfBot\n"
                   "[route.example]:25 router:secretOfRoute\nbrokenSecret99\n",
    "relay": "@Example.COM [smtp.example.com]:465\njoe@example.org DUNNO\n"
             "list@example.org [smtp.example.net]:587\nnodomain [x.example]\n",
    "policy": "[smtp.example.com]:465 secure match=nexthop\n[unused.example] none\n",
    "virtual": "virt.example anything\njoe@virt.example joe, ops@example.net\n"
               "@virt.example ops@example.net\n@a.example @b.example\nsupport ada bob\n"
               "bad@@x y\n",
    "transport": "st3.example.org smtp:[mx1.st3.example.org]:2525\n"
                 ".intra.example relay:mx.intra.example\ndirect.example smtp:\n"
                 "route.example relay:[route.example]:25\ndrop.example discard:\n"
                 "lm.example lmtp:unix:private/dovecot\nerr.example error:5.1.1 no such\n"
                 "joe@x.example smtp:[y.example]\nmine.example local:\nuucp.example uucp:x\n"
                 "tcp.example lmtp:[127.0.0.1]:24\nlater.example retry:\n* :\n",
    "generic": "@host.example.org ops@example.org\nroot@host.example.org alerts@example.org\n"
               "www web@example.org\n@keep.example @other.example\n",
    "canonical": "ada ada.l@example.org\n",
}
MASTER_CF = """\
# service type private unpriv chroot wakeup maxproc command
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
465       inet  n       -       y       -       -       smtpd
2525      inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
slow      unix  -       -       y       -       -       smtp
        -o smtp_connect_timeout=1
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
nonsense
"""


def postfix_files(main=MAIN_CF, master=MASTER_CF, tables=TABLES):
    return {"/etc/postfix/main.cf": main, "/etc/postfix/master.cf": master,
            "/etc/aliases": "root: ada\nprog: \"|/bin/x\"\n",
            **{f"/etc/postfix/{name}": content for name, content in tables.items()}}


def test_postfix_with_every_parameter(imported):
    found = imported("postfix", postfix_files(),
                     not_read=["/etc/aliases", "/etc/postfix/domains"])
    tls = {"tls": "starttls", "tls_trust": "/etc/postfix/ca.pem",
           "tls_certificate": "/etc/postfix/client.pem", "tls_key": "/etc/postfix/client.pem"}
    account = {"host": "smtp.example.net", "port": "587", **tls, "auth": "plain"}
    assert found.settings == {
        "mail": {
            "hostname": MACHINE, "aliases": "/etc/aliases", "max_message_size": "20480000",
            "mailbox_directory": "/var/spool/mail",
            "local_domains": f"{MACHINE}, extra.example.org, localhost.example.org, localhost, "
                             "*.below.example.org, virt.example",
            # Postfix looks for the whole address, then the name, then the domain.
            "masquerade": f"root@{MACHINE}: alerts@example.org, www@{MACHINE}: web@example.org, "
                          f"*@{MACHINE}: ops@example.org, ada@{MACHINE}: ada.l@example.org"},
        "smarthost": {**account, "user": "loser", "connections": "5", "rate": "30/m"},
        "smarthost example.com": {"senders": "@example.com", "host": "smtp.example.com",
                                  "port": "465", **tls},
        "smarthost list@example.org": {"senders": "list@example.org", **account, "user": "loser"},
        "smarthost bot@example.com": {"senders": "bot@example.com", **account, "user": "bot"},
        "smarthost route.example": {"host": "route.example", "port": "25", **tls, "auth": "plain",
                                    "user": "router"},
        "route st3.example.org": {"via": "mx1.st3.example.org:2525", "tls": "starttls"},
        "route *.intra.example": {"via": "mx.intra.example:25", "tls": "starttls"},
        "route direct.example": {"via": "mx", "tls": "starttls"},
        "route route.example": {"via": "smarthost route.example"},
        "route drop.example": {"via": "discard"},
        "route lm.example": {"via": "lmtp:/var/spool/postfix/private/dovecot"},
        "route err.example": {"via": "error 5.1.1 no such"},
        "route mine.example": {"via": "local"}, "route later.example": {"via": "hold"},
        "route *": {"via": "smarthost"},
        "queue": {"lifetime": "3d", "warn": "4h", "retry": "5m, 10m, 20m, 40m, 1h"},
        "listen smtp": {
            "address": f"127.0.0.1, [2001:db8::1], {MACHINE}",
            "relay_networks": "127.0.0.0/8, ::1/128, 10.0.0.0/8",
            "relay_domains": "partner.example, *.partner.example", "tls": "starttls",
            "tls_certificate": "/etc/ssl/certs/server.pem",
            "tls_key": "/etc/ssl/private/server.key", "require_tls": "yes"},
        "filter": {"dnsbl": "zen.example=127.0.0.2", "milter_default": "accept",
                   "milter": "unix:/var/spool/postfix/opendkim/o.sock, inet:localhost:8891"},
    }
    # By the name of the host comes before by the next hop as it is written.
    assert found.passwords == {"": "otherPassword", "list@example.org": "otherPassword",
                               "bot@example.com": "secretOfBot", "route.example": "secretOfRoute"}
    assert found.aliases == ["joe@virt.example: joe, ops@example.net",
                             "@virt.example: ops@example.net", "support: ada, bob"]
    everything = json.dumps(found.notes)
    for secret in ("pa:ss", "secretWord99", "brokenSecret99"):
        assert secret not in everything
    main, tables, master = "/etc/postfix/main.cf", "/etc/postfix/", "/etc/postfix/master.cf"
    for file, text, mark, told in [
            (main, "smtp_tls_security_level", "other", "not looked at"),
            (main, "mynetworks", "left", "so wide"), (main, "mydestination", "left", "hash:"),
            (main, "alias_maps", "left", "alias_commands"),
            (main, "smtpd_recipient_restrictions", "left", "check_policy_service"),
            (main, "home_mailbox", "left", "lmtp:PATH"), (main, "biff", "same", ""),
            (main, "message_size_limit = 10240000", "same", "again"),
            (main, "own_name", "same", "filled in"), (main, "own_unused", "left", ""),
            (main, "no ****", "left", ""), (tables + "policy", "[unused.example]", "left", ""),
            (tables + "sasl_passwd", "[smtp.example.net]:submission ****", "left", ""),
            (tables + "transport", ".intra.example", "other", "MX"),
            (master, "submission", "left", "passwd"), (master, "465", "left", "implicit"),
            (master, "slow", "other", "-o"), (master, "relay", "same", ""),
            (master, "maildrop", "same", ""), (master, "nonsense", "left", "")]:
        note = found.note(file, text)
        assert note["mark"] == mark and told in note["words"], note


STATIC_CF = """\
relayhost = [smtp.example.net]:587
smtp_sasl_auth_enable = yes
smtp_tls_security_level = encrypt
smtp_sasl_password_maps = {}
"""


@pytest.mark.parametrize("maps", ["static:ada:s3cret-word", "proxy:static:ada:s3cret-word",
                                  "static:{ ada:s3cret-word }",
                                  "static:$account\naccount = ada:s3cret-word"])
def test_postfix_with_one_password_for_all(imported, maps):
    found = imported("postfix", {"/etc/postfix/main.cf": STATIC_CF.format(maps)})
    assert found.settings["smarthost"]["user"] == "ada"
    assert found.passwords[""] == "s3cret-word"


@pytest.mark.parametrize("maps", [
    "inline:{ [smtp.example.net]:587=ada:s3cret-word }", "static:s3cret-word",
    "hash:/etc/none, inline:{ { [smtp.example.net]:587 = ada:s3cret-word } }",
    "static:ada:s3cret-word\nsmtp_sasl_password_maps = hash:/etc/none"])
def test_postfix_password_that_is_not_taken_over_is_not_shown(imported, maps):
    found = imported("postfix", {"/etc/postfix/main.cf": STATIC_CF.format(maps)})
    assert "s3cret" not in str(found.notes)
    assert not found.passwords


@pytest.mark.parametrize("turned", [False, True])
def test_postfix_trusts_a_file_beside_a_folder(imported, turned):
    main = "/etc/postfix/main.cf"
    lines = ["smtp_tls_CApath = /etc/ssl/certs\n", "smtp_tls_CAfile = /etc/own-ca.pem\n"]
    text = "relayhost = [smtp.example.net]:587\nsmtp_tls_security_level = verify\n"
    found = imported("postfix", {main: text + "".join(reversed(lines) if turned else lines)})
    assert found.settings["smarthost"]["tls_trust"] == "/etc/own-ca.pem"
    assert "smtp_tls_CAfile counts" in found.note(main, "smtp_tls_CApath")["words"]


def test_postfix_shows_where_passwords_are(imported):
    main = "/etc/postfix/main.cf"
    found = imported("postfix", {main: STATIC_CF.format("hash:$config_directory/none, mysql:/x")})
    assert "mysql:/x" in found.note(main, "smtp_sasl_password_maps")["text"]


class Postconf:
    """What the real program says of a folder with main.cf."""

    def __init__(self, unpacked, folder):
        self.folder = folder
        root = unpacked("postfix")
        libraries = [root / "usr/lib/postfix", *root.glob("usr/lib/*-linux-*")]
        self.argv = [root / "usr/sbin/postconf", "-c", folder]
        self.environment = {"LD_LIBRARY_PATH": ":".join(map(str, libraries)), "PATH": os.environ["PATH"]}

    def run(self, *options):
        return subprocess.run([*self.argv, *options], check=True, capture_output=True, text=True,
                              env=self.environment).stdout

    def value(self, name):
        return self.run("-x", "-h", name).strip()

    def values(self, *names):
        return dict(line.split(" = ", 1) for line in self.run("-x", *names).splitlines())


def items(text):
    return text.replace(",", " ").split()


def test_postconf_says_the_same(imported, tmp_path, unpacked):
    # Without the last lines, which it refuses.
    main, master = ["".join(text.splitlines(keepends=True)[:-1]) for text in (MAIN_CF, MASTER_CF)]
    found = imported("postfix", postfix_files(main, master),
                     not_read=["/etc/aliases", "/etc/postfix/domains"])
    real = Postconf(unpacked, tmp_path / "root/etc/postfix")
    settings = found.settings
    said = real.values("relayhost", "myhostname", "message_size_limit", "maximal_queue_lifetime",
                       "mail_spool_directory", "smtp_tls_key_file", "mydestination",
                       "inet_interfaces")
    assert said["relayhost"] == "[smtp.example.net]:submission"
    assert said["myhostname"] == settings["mail"]["hostname"]
    assert said["message_size_limit"] == settings["mail"]["max_message_size"]
    assert said["maximal_queue_lifetime"] + "d" == settings["queue"]["lifetime"]
    assert said["mail_spool_directory"] == settings["mail"]["mailbox_directory"]
    assert said["smtp_tls_key_file"] == settings["smarthost"]["tls_key"]
    named = items(settings["mail"]["local_domains"])
    assert [domain for domain in items(said["mydestination"])
            if not set("!:") & set(domain)] == [domain.removeprefix("*") for domain in named[:-1]]
    assert [address.strip("[]") for address in items(said["inet_interfaces"])] == [
        address.strip("[]") for address in items(settings["listen smtp"]["address"])]


VARIABLES = """\
mydomain = d.example
myhostname = h.$mydomain
a = a.example
b = $a
empty =
c = ${b?c}
mydestination = $a ${a} $(a) ${a?set1.example} ${a:unset1.example} $b,
    ${none?set2.example} ${none:unset2.example} $none ${empty?set3.example}
# comment

    ${empty:unset3.example} ${a?{braced1.example}} ${none:{ braced2.example }}
\t${a?{yes1.example}:{no1.example}} ${none?{yes2.example}:{no2.example}} h.${a}.$b
    $myhostname $mydomain localhost.$mydomain ${c?${b}.${c}.example}
"""


def test_postconf_fills_in_the_same(imported, tmp_path, unpacked):
    found = imported("postfix", {"/etc/postfix/main.cf": VARIABLES, "/etc/postfix/master.cf": ""})
    real = Postconf(unpacked, tmp_path / "root/etc/postfix")
    wanted = list(dict.fromkeys(items(real.value("mydestination"))))
    assert len(wanted) > 10
    assert items(found.settings["mail"]["local_domains"]) == wanted


DEBIAN_TYPES = {
    "Internet Site": {"relayhost": "", "inet_interfaces": "all"},
    "Internet with smarthost": {"relayhost": "[smtp.example.net]:587", "inet_interfaces": "all"},
    "Satellite system": {"relayhost": "smtp.example.net", "inet_interfaces": "loopback-only"},
    "Local only": {"relayhost": "", "inet_interfaces": "loopback-only",
                   "default_transport": "error", "relay_transport": "error"},
}


@pytest.mark.parametrize("kind", DEBIAN_TYPES)
def test_postfix_as_its_package_leaves_it(imported, tmp_path, unpacked, kind):
    """Debian's files, with what its postinst gives to postconf -e for each kind of machine."""
    share = unpacked("postfix") / "usr/share/postfix"
    folder = tmp_path / "edited"
    folder.mkdir()
    (folder / "main.cf").write_text((share / "main.cf.debian").read_text()
                                    + (share / "main.cf.tls").read_text())
    Postconf(unpacked, folder).run("-e", *[f"{name}={value}" for name, value in {
        "myhostname": MACHINE, "alias_maps": "hash:/etc/aliases",
        "alias_database": "hash:/etc/aliases", "myorigin": "/etc/mailname",
        "mydestination": f"$myhostname, {MACHINE}, localhost.example.org, , localhost",
        "mynetworks": "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128", "mailbox_size_limit": "0",
        "recipient_delimiter": "+", "inet_protocols": "all", **DEBIAN_TYPES[kind]}.items()])
    found = imported("postfix", {
        "/etc/postfix/main.cf": (folder / "main.cf").read_text(),
        "/etc/postfix/master.cf": (share / "master.cf.dist").read_text(),
        "/etc/aliases": "postmaster: root\n"}, not_read=["/etc/aliases"])
    settings = found.settings
    assert settings["mail"]["local_domains"] == f"{MACHINE}, localhost.example.org, localhost"
    assert settings["listen smtp"]["address"] == (
        "127.0.0.1, [::1]" if "loopback" in DEBIAN_TYPES[kind]["inet_interfaces"] else "*")
    assert settings["listen smtp"]["relay_networks"] == "127.0.0.0/8, ::1/128"
    if kind == "Internet Site":
        assert settings["route *"] == {"via": "mx", "tls": "opportunistic"}
    elif kind == "Local only":
        assert settings["route *"]["via"].startswith("error ")
    else:
        assert settings["smarthost"] == {
            "host": "smtp.example.net", "tls": "opportunistic",
            "port": "587" if "smarthost" in kind else "25"}
        note = found.note("/etc/postfix/main.cf", "relayhost")
        assert ("MX" in note["words"]) == (kind == "Satellite system")


# ---- Exim ----

UPDATE_CONF = """\
# /etc/exim4/update-exim4.conf.conf
dc_eximconfig_configtype='smarthost'
dc_other_hostnames='host.example.org;extra.example.org'
dc_local_interfaces='127.0.0.1 ; ::1.25 ; [192.0.2.5]:2525'
dc_readhost='visible.example.org'
dc_relay_domains="partner.example : *.partner.example"
dc_minimaldns='false'
dc_relay_nets='10.0.0.0/8;2001:db8::/32;friend.example;0.0.0.0/0'
dc_smarthost='smtp.example.net::587;[2001::0db8::f::4::::2]::2587;192.0.2.9;2001::0db8::::9'
CFILEMODE='644'
dc_use_split_config='false'
dc_hide_mailname='true'
dc_mailname_in_oh='true'
dc_localdelivery='mail_spool'
dc_smarthost_of_old=`cat /etc/x`
"""
LOCALMACROS = """\
REMOTE_SMTP_SMARTHOST_HOSTS_REQUIRE_TLS = *
REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES = /etc/exim4/ca.pem
MESSAGE_SIZE_LIMIT = 30M
MAIN_TLS_ENABLE = yes
MAIN_HARDCODE_PRIMARY_HOSTNAME = host.example.org
OWN_PASSWORD = secretWord99
"""
PASSWD_CLIENT = """\
# target:login:password
other.example:loser:otherPassword
^smtp[0-9]*\\.example\\.net:me@example.net:pa:ss#w^rd
*:you:lastPassword
broken secretWord98
"""
DEBIAN_EXIM = {"/etc/exim4/update-exim4.conf.conf": UPDATE_CONF,
               "/etc/exim4/exim4.conf.localmacros": LOCALMACROS,
               "/etc/exim4/passwd.client": PASSWD_CLIENT,
               "/etc/email-addresses": "root: alerts@example.org\nwww: web@example.org\n",
               "/etc/exim4/hubbed_hosts": "foo.example: internal.example.net\n"
                                          "bar.example: 192.0.2.3::2525:192.0.2.4\n"}


def test_exim_of_Debian_with_every_setting(imported):
    found = imported("exim", DEBIAN_EXIM)
    assert found.settings == {
        "mail": {"hostname": MACHINE, "local_domains": f"{MACHINE}, extra.example.org",
                 "domain": "visible.example.org", "max_message_size": "30M",
                 "masquerade": "root@visible.example.org: alerts@example.org, "
                               "www@visible.example.org: web@example.org"},
        "smarthost": {"host": "smtp.example.net:587, [2001:0db8:f:4::2]:2587, 192.0.2.9, "
                              "[2001:0db8::9]",
                      "port": "25", "tls": "starttls", "tls_trust": "/etc/exim4/ca.pem",
                      "user": "me@example.net"},
        "route foo.example": {"via": "internal.example.net", "tls": "opportunistic"},
        "route bar.example": {"via": "192.0.2.3:2525, 192.0.2.4", "tls": "opportunistic"},
        "listen smtp": {"address": "127.0.0.1, [::1]:25, 192.0.2.5:2525",
                        "relay_networks": "10.0.0.0/8, 2001:db8::/32",
                        "relay_domains": "partner.example, *.partner.example", "tls": "starttls",
                        "tls_certificate": "/etc/exim4/exim.crt", "tls_key": "/etc/exim4/exim.key"},
    }
    assert found.passwords == {"": "pa:ss#w^rd"}
    everything = json.dumps(found.notes)
    for secret in ("secretWord99", "secretWord98", "otherPassword", "lastPassword"):
        assert secret not in everything
    conf, folder = "/etc/exim4/update-exim4.conf.conf", "/etc/exim4/"
    for file, text, mark, told in [
            (conf, "dc_relay_nets", "left", "so wide"), (conf, "dc_smarthost_of_old", "left", "shell"),
            (conf, "dc_readhost", "other", "masquerade"), (conf, "CFILEMODE", "same", ""),
            (folder + "passwd.client", "other.example:loser:****", "other", "no smarthost"),
            (folder + "passwd.client", "*:you:****", "left", "above"),
            (folder + "exim4.conf.localmacros", "OWN_PASSWORD = ****", "left", "")]:
        note = found.note(file, text)
        assert note["mark"] == mark and told in note["words"], note
    assert "exim4.conf.template" in found.words_of_file(conf)[0]


@pytest.mark.parametrize("kind, wanted", [
    ("internet", {"route *": {"via": "mx"}}),
    ("local", {"route *": {"via": "error Mailing to remote domains not supported"}}),
    ("satellite", {"smarthost": {"host": "smtp.example.net", "port": "25",
                                 "tls": "opportunistic"}}),
    ("none", {}),
])
def test_exim_of_Debian_by_its_type(imported, kind, wanted):
    found = imported("exim", {"/etc/exim4/update-exim4.conf.conf": "\n".join([
        f"dc_eximconfig_configtype='{kind}'", "dc_other_hostnames=''", "dc_local_interfaces=''",
        "dc_readhost=''", "dc_smarthost='smtp.example.net'", "dc_relay_nets=''",
        "dc_relay_domains=''", "dc_localdelivery='maildir_home'", ""])})
    listening = {} if kind == "none" else {"listen smtp": {"address": "*"}}
    assert found.settings == {**wanted, **listening}
    assert found.note("/etc/exim4/update-exim4.conf.conf", "dc_localdelivery")["mark"] == "left"


def test_exim_of_Debian_that_says_nothing_of_where_it_listens(imported):
    """A listener at all addresses is told of, though no line says it."""
    path = "/etc/exim4/update-exim4.conf.conf"
    for line, told in (("", True), ("dc_local_interfaces='127.0.0.1'\n", False)):
        found = imported("exim", {path: f"dc_eximconfig_configtype='internet'\n{line}"})
        assert found.settings["listen smtp"]["address"] == ("*" if told else "127.0.0.1")
        assert any("says nothing of dc_local_interfaces" in words for words in found.words_of_file(path)) == told


@pytest.mark.parametrize("clients, password", [
    ("mail-a12.cloud.example:me:password1\n", "password1"),
    ("mail-a12.cloud.example:me:password1\n*.cloud.example:me:password1\n", "password1"),
    ("mail-a12.cloud.example:me:password1\n*.cloud.example:you:password2\n", None),
    ("smtp.example.net:me:password1\n*.cloud.example:you:password2\n", "password1"),
    ("*:me:password1\n", "password1"),
])
def test_exim_of_Debian_with_the_only_account_there_is(imported, clients, password):
    """Exim looks for the name that the address of the smarthost has; nobody asks the DNS here."""
    found = imported("exim", {
        "/etc/exim4/update-exim4.conf.conf": "dc_eximconfig_configtype='smarthost'\n"
                                             "dc_smarthost='smtp.example.net::587'\n",
        "/etc/exim4/passwd.client": clients})
    assert found.passwords.get("") == password
    assert found.settings["smarthost"]["tls"] == ("starttls" if password else "opportunistic")
    if clients.startswith("mail"):
        assert found.note("/etc/exim4/passwd.client", "mail-a12")["mark"] == "other"


EXIM_CONF = """\
# written by hand
primary_hostname = host.example.org
qualify_domain = example.org
domainlist local_domains = @ : localhost : example.org : /etc/domains
domainlist relay_to_domains = partner.example
hostlist relay_from_hosts = <; localhost ; 192.0.2.0/24 ; 2001:db8::/32
local_interfaces = <; 127.0.0.1 ; ::1
SMTPPORT = 587
SMTPPASS = pass word:x^y
message_size_limit = 50M
.ifdef NOT_SET
message_size_limit = 1M
.else
never_users = root
.endif
acl_smtp_rcpt = acl_check_rcpt
tls_advertise_hosts = *
tls_certificate = /etc/exim4/server.pem
.include_if_exists /etc/exim4/more.conf
.include /etc/exim4/missing.conf
hide mysql_servers = localhost/db/user/secretWord99
begin acl
acl_check_rcpt:
  deny message = listed
       dnslists = zen.example : bl.example
  warn dnslists = soft.example
  accept hosts = +relay_from_hosts
begin routers
by_sender:
  driver = manualroute
  domains = ! +local_domains
  senders = *@example.com : bot@example.net
  transport = other_smtp
  route_list = * smtp.example.com byname
smarthost:
  driver = manualroute
  domains = ! +local_domains : !+relay_to_domains
  transport = smart_smtp
  route_list = * "smtp.example.net::SMTPPORT : smtp2.example.net" byname
  no_more
intra:
  driver = manualroute
  domains = intra.example : other.example
  transport = plain_smtp
  route_data = 192.0.2.1
computed:
  driver = manualroute
  domains = computed.example
  transport = plain_smtp
  route_data = ${lookup{$domain}lsearch{/etc/hosts.map}}
lookup:
  driver = dnslookup
  domains = direct.example
  transport = plain_smtp
system_aliases:
  driver = redirect
  data = ${lookup{$local_part}lsearch{/etc/aliases}}
userforward:
  driver = redirect
  check_local_user
  file = $home/.forward
localuser:
  driver = accept
  check_local_user
  transport = local_delivery
begin transports
smart_smtp:
  driver = smtp
  port = 25
  hosts_require_auth = *
  hosts_require_tls = *
  tls_verify_hosts = *
  tls_verify_certificates = /etc/exim4/ca.pem
  multi_domain
other_smtp:
  driver = smtp
  protocol = smtps
plain_smtp:
  driver = smtp
local_delivery:
  driver = appendfile
  file = /var/mail/$local_part
begin retry
*   *   F,2h,15m; G,16h,1h,1.5; F,4d,6h
slow.example * F,1h,5m
begin rewrite
root@host.example.org  ops@example.org  Ffrs
*@+local_domains "${lookup{$1}lsearch{/etc/x}{$value}fail}" Ffrs
begin authenticators
client_plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^me@example.net^\\
     pass word::x^^y
server_plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${if eq{$auth3}{secretWord98}}
"""


def exim_files():
    return {"/etc/exim4/exim4.conf": EXIM_CONF, "/etc/aliases": "root: ada\n",
            "/etc/exim4/more.conf": "smtputf8_advertise_hosts = *\nsmtp_accept_max = 50\n"}


def test_exim_written_by_hand(imported):
    found = imported("exim", exim_files(), not_read=["/etc/aliases"])
    assert found.settings == {
        "mail": {"hostname": MACHINE, "domain": "example.org", "max_message_size": "50M",
                 "local_domains": "example.org", "aliases": "/etc/aliases",
                 "masquerade": f"root@{MACHINE}: ops@example.org"},
        "smarthost by_sender": {"senders": "@example.com, bot@example.net",
                                "host": "smtp.example.com", "port": "465", "tls": "implicit"},
        "smarthost": {"host": "smtp.example.net:587, smtp2.example.net", "port": "25",
                      "tls": "starttls", "tls_trust": "/etc/exim4/ca.pem",
                      "user": "me@example.net"},
        "route intra.example": {"via": "192.0.2.1", "tls": "opportunistic"},
        "route other.example": {"via": "192.0.2.1", "tls": "opportunistic"},
        "route direct.example": {"via": "mx"},
        "queue": {"lifetime": "4d"},
        "listen smtp": {"address": "127.0.0.1, [::1]",
                        "relay_networks": "192.0.2.0/24, 2001:db8::/32",
                        "relay_domains": "partner.example", "tls": "starttls",
                        "tls_certificate": "/etc/exim4/server.pem",
                        "tls_key": "/etc/exim4/server.pem", "max_connections": "50"},
        "filter": {"dnsbl": "zen.example, bl.example"},
    }
    assert found.passwords == {"": "pass word:x^y"}
    everything = json.dumps(found.notes)
    assert "secretWord99" not in everything and "secretWord98" not in everything
    conf = "/etc/exim4/exim4.conf"
    for text, mark, told in [
            ("domainlist local_domains", "left", "/etc/domains"), ("SMTPPASS = ****", "same", ""),
            ("  domains = ! +local_domains : !", "other", "exceptions"),
            ("  route_data = ${lookup", "left", "computed"), ("userforward:", "left", ".forward"),
            (".include /etc", "left", "no such file"), (".include_if", "same", "read"),
            ("*   *   F,2h", "other", "retry"), ("slow.example", "left", "retry"),
            ("*@+local_domains", "left", "masquerade"), ("server_plain:", "left", "users"),
            ("  multi_domain", "left", ""), ("  warn dnslists", "left", "")]:
        note = found.note(conf, text)
        assert note["mark"] == mark and told in note["words"], note


def routed(world, *options):
    """Where Exim itself would send mail for an address, and by what: (transport, [host:port])."""
    out = world.run(["exim4", *options], check=0).out
    lines = [line.strip() for line in out.splitlines()]
    (transport,) = [line.split("transport = ")[1] for line in lines if "transport = " in line]
    hosts = [line.split() for line in lines if line.startswith("host ")]
    return transport, [words[1] + "".join(word.replace("port=", ":") for word in words
                                          if word.startswith("port=")) for words in hosts]


def test_exim_itself_would_do_the_same(tmp_path):
    """Debian's own settings, as its scripts make a configuration of them, and one by hand."""
    with World("host.example.org") as world:
        world.install_packages("exim4-daemon-light")
        world.write("/etc/hosts", "127.0.0.1 localhost\n127.0.0.1 host.example.org host\n"
                    "192.0.2.1 smtp.example.net\n192.0.2.2 smtp2.example.net\n"
                    "192.0.2.3 smtp.example.com\n192.0.2.4 mail.elsewhere.example\n")
        (tmp_path / "root").symlink_to(world.outside("/"))
        # As the package leaves it, installed without a question.
        found = read(tmp_path, "exim")
        check(found, {path: world.read(path) for path in (
            "/etc/exim4/update-exim4.conf.conf", "/etc/exim4/passwd.client", "/etc/email-addresses")})
        assert found.settings["listen smtp"]["address"] == "127.0.0.1, [::1]"
        assert world.run(["exim4", "-bP", "local_interfaces"]).out.strip().endswith(
            "<; 127.0.0.1 ; ::1")
        # Told to send by a smarthost.
        world.write("/etc/exim4/update-exim4.conf.conf", """\
dc_eximconfig_configtype='smarthost'
dc_other_hostnames='host.example.org;extra.example.org'
dc_local_interfaces='127.0.0.1 ; ::1'
dc_readhost='visible.example.org'
dc_relay_domains='partner.example'
dc_minimaldns='false'
dc_relay_nets='10.0.0.0/8'
dc_smarthost='smtp.example.net::587;smtp2.example.net'
CFILEMODE='644'
dc_use_split_config='false'
dc_hide_mailname='true'
dc_mailname_in_oh='true'
dc_localdelivery='mail_spool'
""")
        world.write("/etc/exim4/exim4.conf.localmacros", "MESSAGE_SIZE_LIMIT = 30M\n")
        world.write("/etc/exim4/passwd.client", "*.example.net:me:secret:word\n", 0o640,
                    "root:Debian-exim")
        world.run(["update-exim4.conf"], check=0)
        found = read(tmp_path, "exim")
        check(found, {path: world.read(path) for path in (
            "/etc/exim4/update-exim4.conf.conf", "/etc/exim4/passwd.client")})
        mail, smarthost = found.settings["mail"], found.settings["smarthost"]
        assert routed(world, "-bt", "someone@elsewhere.example") == (
            "remote_smtp_smarthost", ["smtp.example.net:587", "smtp2.example.net"])
        assert (smarthost["host"], smarthost["port"]) == (
            "smtp.example.net:587, smtp2.example.net", "25")
        assert routed(world, "-bt", "root@extra.example.org")[0] != "remote_smtp_smarthost"
        assert items(mail["local_domains"]) == [MACHINE, "extra.example.org"]
        assert world.run(["exim4", "-bP", "message_size_limit"]).out.split()[-1] == (
            mail["max_message_size"])
        # What Debian's authenticators would send to this host, under TLS.
        line = "${lookup{smtp.example.net}nwildlsearch{/etc/exim4/passwd.client}}"
        assert world.run(["exim4", "-be", line]).out.strip() == (
            f"{smarthost['user']}:{found.passwords['']}")
        # One that somebody wrote takes its place.
        text = EXIM_CONF.replace(".include /etc/exim4/missing.conf\n", "").replace(
            "hide mysql_servers = localhost/db/user/secretWord99\n", "").replace(
                " : /etc/domains", "")
        for path, content in {**exim_files(), "/etc/exim4/exim4.conf": text}.items():
            world.write(path, content)
        found = read(tmp_path, "exim")
        assert found.loads == ""
        for address, sender, transport, hosts, ours in [
                ("a@elsewhere.example", "x@example.org", "smart_smtp",
                 ["smtp.example.net:587", "smtp2.example.net"], "smarthost"),
                ("a@elsewhere.example", "x@example.com", "other_smtp", ["smtp.example.com"],
                 "smarthost by_sender"),
                ("a@elsewhere.example", "bot@example.net", "other_smtp", ["smtp.example.com"],
                 "smarthost by_sender")]:
            assert routed(world, "-f", sender, "-bt", address) == (transport, hosts)
            assert items(found.settings[ours]["host"]) == hosts
        for name, value in {"primary_hostname": found.settings["mail"]["hostname"],
                            "qualify_domain": found.settings["mail"]["domain"],
                            "message_size_limit": found.settings["mail"]["max_message_size"],
                            "smtp_accept_max": found.settings["listen smtp"]["max_connections"],
                            }.items():
            assert world.run(["exim4", "-bP", name]).out.split(" = ")[1].strip() == value


# ---- hostile and odd ----

MAIN_FILES = {
    "msmtp": "/etc/msmtprc", "ssmtp": "/etc/ssmtp/ssmtp.conf", "dma": "/etc/dma/dma.conf",
    "nullmailer": "/etc/nullmailer/remotes", "postfix": "/etc/postfix/main.cf",
    "exim": "/etc/exim4/update-exim4.conf.conf"}
BY_HAND = "/etc/exim4/exim4.conf"
MAIN = [*MAIN_FILES.items(), ("exim", BY_HAND)]


def tells_of_every_line(program, path, content, imported):
    """Whatever stands in a file: settings that load, and a note about each line of it."""
    found = imported(program, {path: content})
    assert found.notes
    return found


@pytest.mark.parametrize("program, path", MAIN)
def test_random_bytes(imported, program, path):
    generator = random.Random(program)
    for _ in range(3):
        tells_of_every_line(program, path, generator.randbytes(20_000), imported)
        letters = bytes(range(9, 127)) + b"\n\n\n  ==::$${}{}@@.."
        tells_of_every_line(program, path, bytes(generator.choices(letters, k=20_000)), imported)


@pytest.mark.parametrize("program, path", MAIN)
def test_words_of_its_own_in_any_order(imported, program, path):
    """Lines of the samples, cut, doubled, mixed."""
    samples = {"msmtp": MSMTPRC, "ssmtp": SSMTP_CONF, "dma": DMA_CONF, "nullmailer": REMOTES,
               "postfix": MAIN_CF, "exim": EXIM_CONF if path == BY_HAND else UPDATE_CONF}
    generator = random.Random(path)
    lines = samples[program].splitlines()
    for _ in range(6):
        mixed = generator.choices(lines, k=60)
        for _ in range(20):
            at = generator.randrange(len(mixed))
            line = mixed[at]
            cut = generator.randrange(len(line) + 1)
            mixed[at] = generator.choice([line[:cut], line[cut:], line + "\t" + line, line * 30])
        tells_of_every_line(program, path, "\n".join(mixed), imported)


@pytest.mark.parametrize("program, path", MAIN)
def test_huge_lines(imported, program, path):
    for line in ("x" * 400_000, "host " + "a." * 100_000, "relayhost = " + "$a" * 100_000,
                 "SMARTHOST " + "y" * 5000, "dc_smarthost='" + "z;" * 5000 + "'",
                 "mailhub=" + "m" * 3000, "root=" + "r" * 3000):
        tells_of_every_line(program, path, line + "\n", imported)


@pytest.mark.parametrize("program, path", MAIN)
def test_what_cannot_be_read(tmp_path, program, path):
    """Missing, a folder, a pipe that nobody writes to, closed to us, too large, a file for a folder."""
    file = tmp_path / "root" / path.lstrip("/")
    if path != BY_HAND:
        assert read(tmp_path, program).status == os.EX_NOINPUT
    file.parent.mkdir(parents=True)
    file.mkdir()
    assert read(tmp_path, program).status == os.EX_DATAERR
    file.rmdir()
    os.mkfifo(file)
    assert read(tmp_path, program).status == os.EX_DATAERR
    file.unlink()
    file.write_bytes(b"x\n" * 300_000)
    found = read(tmp_path, program)
    assert found.status == os.EX_DATAERR and "512 KB" in found.reason and found.settings == {}
    file.write_text("host h\n")
    file.chmod(0)
    tmp_path.chmod(0o755)
    for folder in [tmp_path / "root", *file.parent.parents]:
        if tmp_path in folder.parents:
            folder.chmod(0o755)
    out = tmp_path / "closed"
    out.mkdir()
    out.chmod(0o777)
    for parent in (tmp_path.parent, tmp_path.parent.parent, tmp_path.parent.parent.parent):
        assert parent.stat().st_mode
    done = as_nobody([build_program("import_show"), program, tmp_path / "root", "-", out])
    assert done["status"] == os.EX_NOPERM and "Permission denied" in done["reason"]


def as_nobody(argv):
    """What the program prints, run without the rights of root over files."""
    argv = [*argv] if os.geteuid() else ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *argv]
    return json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout)


def test_an_unknown_program(tmp_path):
    found = read(tmp_path, "sendmail")
    assert found.status == os.EX_USAGE
    assert all(program in found.reason for program in PROGRAMS)


def test_includes_that_go_round(imported):
    found = imported("exim", {BY_HAND: f".include {BY_HAND}\nprimary_hostname = h.example\n"})
    assert "read above" in found.note(BY_HAND, ".include")["words"]
    assert found.settings["mail"]["hostname"] == "h.example"


def test_variables_that_go_round(imported):
    """In circles, and in a tree that has more leaves than anybody could visit."""
    tree = "".join(f"v{n} = $v{n + 1}$v{n + 1}$v{n + 1}$v{n + 1}\n" for n in range(19))
    found = imported("postfix", {
        "/etc/postfix/main.cf": "a = $b\nb = $a\nrelayhost = $a\nmyhostname = $mydomain\n"
                                f"mydomain = $myhostname\n{tree}mydestination = $v0 x.example\n",
        "/etc/postfix/master.cf": "smtp inet n - n - - smtpd\n"})
    assert found.settings["route *"]["via"] == "mx"


def test_macros_that_grow(imported):
    found = imported("exim", {BY_HAND: "".join(
        f"M{n}Z = M{n - 1}ZM{n - 1}ZM{n - 1}Z\n" for n in range(1, 40))
        + "primary_hostname = M39Z\n"})
    assert "mail" not in found.settings


def test_a_table_that_is_missing(imported):
    found = imported("postfix", {
        "/etc/postfix/main.cf": "relayhost = [smtp.example.net]:587\nsmtp_sasl_auth_enable = yes\n"
                                "smtp_sasl_password_maps = hash:/etc/postfix/none\n"
                                "virtual_alias_maps = ldap:/etc/postfix/ldap.cf\n"
                                "transport_maps = hash:/etc\n"})
    assert "user" not in found.settings["smarthost"]
    for text in ("smtp_sasl_password_maps", "virtual_alias_maps", "transport_maps"):
        assert found.note("/etc/postfix/main.cf", text)["mark"] == "left"
    assert "No such file" in found.words_of_file("/etc/postfix/none")[0]


@pytest.mark.parametrize("password", [
    "with ; comment", " blanks around ", "x" * 300, "\\\"'`$(id)", "[smarthost]", "ünïcödé",
    ";begins", "#begins", "a\tb", "x" * 8192])
def test_passwords_come_through_whole(imported, password):
    found = imported("msmtp", {"/etc/msmtprc": 'account default\nhost h.example\ntls on\nauth on\n'
                                               f'user u\npassword "{password}"\n'})
    assert found.passwords == {"": password} and found.secrets == ["found"]


@pytest.mark.parametrize("password", ["x" * 8193, "a\rb", ""])
def test_passwords_that_cannot_be(imported, password):
    found = imported("msmtp", {"/etc/msmtprc": 'account default\nhost h.example\ntls on\nauth on\n'
                                               f'user u\npassword "{password}"\n'})
    assert found.passwords == {}


def test_no_setting_opens_what_was_closed(imported):
    """Values that would make two lines, another section or another key of one."""
    for value in ("h.example\r[route \"*\"]", "h.example\vvia = mx", "h.example ; x", "[x]",
                  "h.example, other.example", "=", "srv:h.example"):
        found = imported("msmtp", {"/etc/msmtprc": f"account default\nhost {value}\nfrom a@b.example\n"})
        assert set(found.settings) <= {"smarthost", "mail"}
        hosts = found.settings.get("smarthost", {}).get("host", "")
        assert "other.example" not in hosts or value.count(",") == 1


# ---- postrider setup --from ----

SAMPLES = {
    "msmtp": lambda: {"/etc/msmtprc": MSMTPRC.replace("/etc/aliases.msmtp", "")},
    "ssmtp": lambda: {"/etc/ssmtp/ssmtp.conf": SSMTP_CONF, "/etc/ssmtp/revaliases": REVALIASES},
    "dma": lambda: {"/etc/dma/dma.conf": DMA_CONF.replace("ALIASES /etc/aliases\n", ""),
                    "/etc/dma/auth.conf": DMA_AUTH},
    "nullmailer": lambda: {f"/etc/nullmailer/{name}": content
                           for name, content in NULLMAILER.items()},
    "postfix": lambda: postfix_files(re.sub("alias_.*\n", "", MAIN_CF)),
    "exim": lambda: DEBIAN_EXIM,
}


def put(folder, files):
    for path, content in {"/etc/mailname": f"{MACHINE}\n", **files}.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def values_in(text):
    """A settings file without comments as {heading: {key: value}}, lists with ", " between."""
    values, heading, key = {}, None, None
    for line in text.splitlines():
        if line.startswith("["):
            heading = line.strip("[]").replace('"', "")
        elif line.startswith(" "):
            values[heading][key] = values[heading][key].rstrip(",") + ", " + line.strip()
        elif "=" in line:
            key, value = line.split(" = ", 1)
            values.setdefault(heading, {})[key] = value
    return values


@pytest.mark.parametrize("program", PROGRAMS)
def test_setup_writes_what_was_imported(make_sandbox, tmp_path, program):
    """Both files and the aliases; again, and nothing changes; what was there of hand stays."""
    box = make_sandbox()
    put(tmp_path / "root", SAMPLES[program]())
    # That of root is what the user table says, whatever the environment does.
    home = HOME if os.geteuid() else pwd.getpwuid(0).pw_dir
    found = read(tmp_path, program, home)
    box.config.write_text(f"# by hand\n[mail]\naliases = {box.aliases_path}\n[queue]\n"
                          f"directory = {box.queue}\n")
    flags = ["setup", "--from", program, "--from-root", tmp_path / "root", "--offline"]
    dry = box.postrider(*flags, "--dry-run", env={"HOME": home}, check=EX_OK)
    assert box.config.read_text().count("\n") == 5
    first = box.postrider(*flags, env={"HOME": home}, check=EX_OK)
    again = box.postrider(*flags, env={"HOME": home}, check=EX_OK)
    assert first.out.splitlines()[-1] == "changed" and again.out.splitlines()[-1] == "unchanged"
    for note in found.notes:
        for run in (dry, first, again):
            assert run.out.splitlines().count(note["whole"]) == 1
    for password in found.passwords.values():
        for run in (dry, first, again):
            assert password not in run.out and password not in run.err
    assert box.config.read_text().startswith("# by hand\n[mail]\n")
    written = values_in(box.config.read_text())
    for heading, keys in found.settings.items():
        for key, value in keys.items():
            assert written[heading][key] == value, (heading, key)
    assert box.credentials_path.stat().st_mode & 0o777 == 0o600
    aliases = box.aliases_path.read_text().splitlines()
    assert [line for line in aliases if line in found.aliases] == found.aliases


def test_setup_signs_in_with_what_was_imported(make_sandbox, tmp_path):
    """And its first message goes the way that msmtp's went."""
    certificates = Certificates(tmp_path)
    with FakeServer(certificate=certificates.good, auth_needed=True,
                    users={"ada@provider.example": "pass ; word"}) as server:
        box = make_sandbox()
        box.config.write_text(f"[mail]\naliases = {box.aliases_path}\n[queue]\n"
                              f"directory = {box.queue}\n")
        put(tmp_path / "root", {"/etc/msmtprc": f"""\
account default
host localhost
port {server.port}
tls on
tls_trust_file {certificates.ca}
auth on
user ada@provider.example
password "pass ; word"
from alerts@provider.example
allow_from_override off
"""})
        done = box.postrider("setup", "--from", "msmtp", "--from-root", tmp_path / "root",
                             "--test", "you@far.example", check=EX_OK)
        server.wait(1)
        assert server.messages[0].recipients == ["you@far.example"]
        assert server.messages[0].sender == "alerts@provider.example"
        assert server.messages[0].session.user == "ada@provider.example"
        assert "pass ; word" not in done.out + done.err


WITHOUT_PASSWORD = """\
account default
host localhost
port {}
tls on
tls_trust_file {}
auth on
user {}
"""


@pytest.fixture
def with_account(make_sandbox, tmp_path):
    """with_account(user): settings with an old account at old.example, and a copy of msmtp's with
    another one at .server, of which no file has the password."""
    certificates = Certificates(tmp_path)
    with FakeServer(certificate=certificates.good, auth_needed=True,
                    users={"ada": "old-s3cret", "bob": "new-s3cret"}) as server:

        def make(user, host="old.example"):
            box = make_sandbox()
            box.server = server
            box.config.write_text(f"[mail]\naliases = {box.aliases_path}\n[queue]\ndirectory = "
                                  f"{box.queue}\n[smarthost]\nhost = {host}\nuser = ada\n")
            box.credentials_path.write_text("[smarthost]\npassword = old-s3cret\n")
            put(tmp_path / "root", {"/etc/msmtprc": WITHOUT_PASSWORD.format(
                server.port, certificates.ca, user)})
            box.flags = ["setup", "--from", "msmtp", "--from-root", tmp_path / "root"]
            return box

        yield make


@pytest.mark.parametrize("user, host", [("ada", "old.example"), ("bob", "localhost"),
                                        ("bob", "old.example")])
def test_password_of_the_old_account_is_for_no_other(with_account, user, host):
    box = with_account(user, host)
    box.postrider(*box.flags)
    assert not [command for command in box.server.commands if command.startswith("AUTH")]
    done = box.postrider(*box.flags, "--offline", check=EX_OK)
    assert "old-s3cret" not in box.credentials_path.read_text() + box.config.read_text()
    assert "no longer counts: [smarthost] password; it was for another account" in done.out
    assert "old-s3cret" not in done.out


def test_route_for_all_mail_of_an_earlier_import(make_sandbox, tmp_path):
    box = make_sandbox()
    box.config.write_text(f"[mail]\naliases = {box.aliases_path}\n[queue]\n"
                          f"directory = {box.queue}\n")
    flags = ["setup", "--from-root", tmp_path / "root", "--offline"]
    put(tmp_path / "root", {"/etc/postfix/main.cf": "smtp_tls_security_level = may\n",
                            "/etc/msmtprc": "account default\nhost h.example\n"})
    box.postrider(*flags, "--from", "postfix", check=EX_OK)
    assert values_in(box.config.read_text())["route *"]["via"] == "mx"
    done = box.postrider(*flags, "--from", "msmtp", check=EX_OK)
    assert 'no longer counts: [route "*"] via; it is a comment now' in done.out
    assert '\n;[route "*"]\n' in box.config.read_text()
    box.postrider(*flags, "--from", "postfix", check=EX_OK)
    assert '\n[route "*"]\n' in box.config.read_text()


def test_password_of_an_account_that_stays_is_kept(with_account):
    box = with_account("ada", "localhost")
    box.postrider(*box.flags, check=EX_OK)
    assert box.server.connections[-1].user == "ada"
    assert box.credentials_path.read_text() == "[smarthost]\npassword = old-s3cret\n"


def test_person_is_asked_for_a_password_that_no_file_has(with_account):
    box = with_account("bob")
    terminal = Terminal(box, *box.flags, "--yes")
    terminal.answer(b"Password of bob at localhost (empty: none yet): ", b"new-s3cret\n")
    assert terminal.end() == EX_OK, terminal.shown
    assert box.server.connections[-1].user == "bob"
    assert b"s3cret" not in terminal.shown
    assert box.credentials_path.read_text() == "[smarthost]\npassword = new-s3cret\n"


@pytest.mark.parametrize("override", ["on", "off"])
def test_senders_of_further_accounts_of_msmtp_stay(imported, override):
    """In the domain of this machine as well, which the default account's rule is for."""
    found = imported("msmtp", {"/etc/msmtprc": f"""\
account default
host a.example
from alerts@provider.example
allow_from_override {override}
account shop
host b.example
from shop@{MACHINE}
"""})
    assert found.settings["smarthost shop"]["senders"] == f"shop@{MACHINE}"
    rules = found.settings["mail"]["masquerade"].split(", ")
    assert rules[0] == f"shop@{MACHINE}: shop@{MACHINE}"
    assert rules[1].endswith(": alerts@provider.example")


@pytest.mark.parametrize("way", ["/link", "/../outside", "/inside"])
def test_nothing_outside_a_copy_is_read(make_sandbox, tmp_path, way):
    """Whoever made it would have any file's first line told to a host of his, as a password."""
    box = make_sandbox()
    box.config.write_text(f"[mail]\naliases = {box.aliases_path}\n[queue]\ndirectory = {box.queue}\n")
    put(tmp_path / "root", {"/etc/msmtprc": f"""\
account default
host smtp.far.example
tls on
auth on
user ada
passwordeval cat {way}
from a@far.example
""", "/real": "of-that-machine\n"})
    (tmp_path / "outside").write_text("of-this-machine\n")
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    (tmp_path / "root/inside").symlink_to("/real")
    box.postrider("setup", "--from", "msmtp", "--from-root", tmp_path / "root", "--offline")
    written = box.credentials_path.read_text() if box.credentials_path.exists() else ""
    assert "of-this-machine" not in written
    assert ("of-that-machine" in written) == (way == "/inside")


def test_setup_from_what_is_not_there(sandbox, tmp_path):
    before = sandbox.config.read_bytes()
    done = sandbox.postrider("setup", "--from", "dma", "--from-root", tmp_path, "--offline",
                             check=EX_NOINPUT)
    assert "/etc/dma/dma.conf" in done.err and sandbox.config.read_bytes() == before
