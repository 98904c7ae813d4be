"""Postrider installed for real, in a World: accounts, set-ID bits, /usr/sbin/sendmail, /var/mail;
real callers, and real Postfix and Exim as smarthosts over TLS with AUTH."""

import email
import os
import socket
import time
from email import policy

import pytest

from dsn import reports_in_mbox
from realservers import PASSWORD, TRUST, USER, Exim, Postfix
from sandbox import EX_CANTCREAT, EX_IOERR, EX_NOPERM, EX_OSERR, EX_TEMPFAIL
from world import World

pytestmark = pytest.mark.installed

SPOOL = "/var/spool/postrider"


class Machine:
    """A World with Postrider installed, the users ada and ben, and a smarthost, if one is given."""

    def __init__(self, server=None):
        self.world = World()
        try:
            self.smarthost = server(self.world) if server else None
            self.world.make("install")
            for name in ("ada", "ben"):
                self.world.add_user(name)
            self.world.write("/etc/aliases", "postmaster: root\nroot: ada\nhelp: ben, ada\n")
            self.world.run(["newaliases"], check=0)
            self.configure()
        except BaseException:
            self.world.close()
            raise

    def configure(self, smarthost="", password=PASSWORD, mail=""):
        """The installed settings; what is given replaces or adds lines of the sections."""
        lines = {"host": "smarthost.example", "tls": "starttls", "tls_trust": TRUST, "user": USER}
        for line in smarthost.splitlines():
            key, _, value = line.partition("=")
            lines[key.strip()] = value.strip()
        text = "".join(f"{key} = {value}\n" for key, value in lines.items())
        self.world.write("/etc/postrider/postrider.conf",
                         f"[mail]\n{mail}\n[smarthost]\n{text}[queue]\nretry = 1s\n")
        self.world.write("/etc/postrider/credentials.conf",
                         f"[smarthost]\npassword = {password}\n", 0o600, "postrider:postrider")

    def sendmail(self, *arguments, stdin="Subject: hi\n\nbody\n", **options):
        return self.world.run(["/usr/sbin/sendmail", *arguments], stdin=stdin, **options)

    def queued(self):
        return [name for name in self.world.names(f"{SPOOL}/spool") if name[0] != "."]

    def mailbox(self, user):
        """The messages in /var/mail/USER."""
        data = self.world.read(f"/var/mail/{user}")
        parts = data.split(b"\nFrom ") if data else []
        return [email.message_from_bytes(part.partition(b"\n")[2], policy=policy.default)
                for part in parts]

    def wait_for_mail(self, user, subject, seconds=30):
        """The first message with this subject in a user's mailbox."""
        return self.world.wait_until(
            lambda: [one for one in self.mailbox(user) if one["Subject"] == subject], seconds,
            f"mail for {user} about {subject}")[0]

    def wait_empty(self):
        self.world.wait_until(
            lambda: not self.queued() and not self.world.processes("postrider-run"),
            what="an empty, quiet queue")

    def wait_quiet(self):
        self.world.wait_until(lambda: not self.world.processes("postrider-run"),
                              what="the end of the runner")

    def log(self):
        return "\n".join(self.world.syslog)

    def drain(self):
        """Takes everything out of the queue that a test left there."""
        self.wait_quiet()
        self.world.shell(f"rm -f {SPOOL}/spool/* {SPOOL}/journal/* {SPOOL}/hops/*")


@pytest.fixture(scope="module")
def postfix_machine():
    machine = Machine(Postfix)
    machine.world.install_packages("bsd-mailx")
    yield machine
    machine.world.close()


@pytest.fixture(scope="module")
def exim_machine():
    machine = Machine(Exim)
    yield machine
    machine.world.close()


@pytest.fixture(scope="module")
def plain_machine():
    machine = Machine()
    yield machine
    machine.world.close()


@pytest.fixture
def postfix(postfix_machine):
    postfix_machine.configure()
    yield postfix_machine
    postfix_machine.drain()


@pytest.fixture
def exim(exim_machine):
    exim_machine.configure()
    yield exim_machine
    exim_machine.drain()


@pytest.fixture
def plain(plain_machine):
    """Without a smarthost's server, for what concerns this machine alone."""
    plain_machine.configure("host = 127.0.0.1:1")
    yield plain_machine
    plain_machine.drain()


with_postfix = pytest.mark.xdist_group("postfix")
with_exim = pytest.mark.xdist_group("exim")
with_plain = pytest.mark.xdist_group("plain")


# --- make install ---


def modes(world, *paths):
    """Owner, group and mode of files, each as one string."""
    return world.run(["stat", "-c", "%n %U:%G %a", *paths], check=0).out.splitlines()


@with_plain
def test_install_sets_owners_and_bits(plain_machine):
    assert modes(
        plain_machine.world, "/usr/sbin/postrider", "/usr/libexec/postrider/postrider-run",
        "/usr/libexec/postrider/postrider-local", "/usr/libexec/postrider/postrider-mailbox",
        "/etc/postrider/credentials.conf", SPOOL, f"{SPOOL}/spool", f"{SPOOL}/journal",
    ) == [
        "/usr/sbin/postrider root:postrider 2755",
        "/usr/libexec/postrider/postrider-run root:root 755",
        "/usr/libexec/postrider/postrider-local root:postrider 4750",
        "/usr/libexec/postrider/postrider-mailbox root:root 755",
        "/etc/postrider/credentials.conf postrider:postrider 600",
        f"{SPOOL} postrider:postrider 710",
        f"{SPOOL}/spool postrider:postrider 3770",
        f"{SPOOL}/journal postrider:postrider 2750",
    ]


@with_plain
def test_install_again_keeps_settings(plain):
    before = plain.world.read("/etc/postrider/postrider.conf")
    plain.world.make("install")
    assert plain.world.read("/etc/postrider/postrider.conf") == before
    assert modes(plain.world, "/usr/sbin/postrider") == ["/usr/sbin/postrider root:postrider 2755"]


def test_install_diverts_a_package_and_uninstall_gives_its_names_back():
    with World() as world:
        world.install_packages("exim4-daemon-light")
        before = world.run(["ls", "-l", "/usr/sbin/sendmail", "/usr/bin/mailq"], check=0).out
        world.make("install")
        assert world.run(["readlink", "/usr/sbin/sendmail"]).out == "postrider\n"
        assert world.run(["dpkg-divert", "--truename", "/usr/sbin/sendmail"]).out == (
            "/usr/sbin/sendmail.displaced\n")
        # An upgrade of the package leaves our name alone.
        world.install_packages("exim4-daemon-light")
        assert world.run(["readlink", "/usr/sbin/sendmail"]).out == "postrider\n"
        world.make("uninstall")
        assert world.run(["ls", "-l", "/usr/sbin/sendmail", "/usr/bin/mailq"]).out == before
        assert world.run(["dpkg-divert", "--list", "*mailq*"]).out == ""
        assert world.run(["test", "-e", "/usr/sbin/postrider"]).returncode == 1
        assert world.run(["test", "-e", "/etc/postrider/postrider.conf"]).returncode == 0
        assert world.run(["test", "-d", f"{SPOOL}/spool"]).returncode == 0


def test_uninstall_gives_root_his_mailbox_and_install_takes_it_again():
    with World() as world:
        world.write("/var/mail/root", "From x\n\nold\n\n", 0o600)
        for target, owner in (("install", "postrider"), ("uninstall", "root"), ("install", "postrider")):
            world.make(target)
            assert world.run(["stat", "-c", "%U %a", "/var/mail/root"]).out == f"{owner} 600\n"
        world.shell("useradd ada; chown ada /var/mail/root")
        world.make("uninstall")
        assert world.run(["stat", "-c", "%U", "/var/mail/root"]).out == "ada\n"


def test_install_refuses_a_foreign_sendmail_unless_forced():
    with World() as world:
        world.write("/usr/sbin/sendmail", "#!/bin/sh\n", 0o755)
        refused = world.make("install", check=2)
        assert "/usr/sbin/sendmail is there already" in refused.err
        assert world.run(["test", "-e", "/usr/sbin/postrider"]).returncode == 1
        world.make("install", "FORCE=1")
        assert world.run(["readlink", "/usr/sbin/sendmail"]).out == "postrider\n"
        assert world.read("/usr/sbin/sendmail.displaced") == b"#!/bin/sh\n"
        world.make("uninstall")
        assert world.read("/usr/sbin/sendmail") == b"#!/bin/sh\n"


def test_install_into_destdir_takes_numbers_from_there_or_says_what_is_missing():
    with World() as world:
        without = world.make("install", "DESTDIR=/srv/stage")
        assert "has no user and group postrider" in without.err
        assert modes(world, "/srv/stage/usr/sbin/postrider")[0].endswith("root:root 755")
        world.write("/srv/root/etc/passwd", "postrider:x:4711:4712::/:/bin/false\n")
        world.write("/srv/root/etc/group", "postrider:x:4712:\n")
        world.make("install", "DESTDIR=/srv/root")
        assert world.run(["stat", "-c", "%u:%g %a", "/srv/root/usr/sbin/postrider",
                          f"/srv/root{SPOOL}/spool"]).out == "0:4712 2755\n4711:4712 3770\n"
        assert world.run(["getent", "passwd", "postrider"]).returncode == 2


# --- Callers, Postfix as the smarthost ---


@with_postfix
def test_mail_by_a_user_reaches_postfix_over_tls_with_auth(postfix):
    postfix.world.run(["mail", "-s", "hi", "you@example.net"], stdin="Hello\n", user="ada", check=0)
    got = postfix.smarthost.wait_for("you@example.net")
    assert got.sender == "ada@here.example"
    assert "TLSv1.3" in got.trace or "TLSv1.2" in got.trace
    assert f"Authenticated sender: {USER}" in got.trace
    assert got.message["Subject"] == "hi"
    assert got.message["From"].addresses[0].addr_spec == "ada@here.example"
    assert got.message["Date"] and got.message["Message-ID"]
    assert "uid " in got.message.get_all("Received")[1]
    assert got.message.get_content() == "Hello\n"
    postfix.wait_empty()


@with_postfix
def test_mail_to_postmaster_arrives_in_the_aliased_users_mailbox(postfix):
    postfix.world.run(["mail", "-s", "to the postmaster", "postmaster"], stdin="Hello\n", user="ben",
                      check=0)
    got = postfix.wait_for_mail("ada", "to the postmaster")
    assert got["Return-Path"] == "<ben@here.example>"
    assert got["Delivered-To"] == "postmaster@here.example"
    assert got["From"].addresses[0].addr_spec == "ben@here.example"
    assert got["Date"] and got["Message-ID"] and "user ben" in got["Received"]
    assert modes(postfix.world, "/var/mail/ada") == ["/var/mail/ada ada:mail 660"]
    postfix.wait_empty()


@with_postfix
def test_messages_reach_postfix_as_chunks(postfix):
    """RFC 3030, once it has shown its codes; nothing in them counts as their end."""
    for number in range(5):
        postfix.sendmail("-odq", "-i", f"chunk{number}@example.net",
                         stdin=f"Subject: chunk {number}\n\n.\nline {number}\n..\n", check=0)
    shown = postfix.sendmail("-q", "-v", check=0)
    assert (shown.out.count(">>> DATA"), shown.out.count(">>> BDAT ")) == (2, 3), shown.out
    for number in range(5):
        got = postfix.smarthost.wait_for(f"chunk{number}@example.net")
        assert got.message["Subject"] == f"chunk {number}"
        assert got.message.get_content().rstrip("\n") == f".\nline {number}\n.."
    postfix.wait_empty()


@with_postfix
def test_root_sends_here_and_away(postfix):
    postfix.sendmail("-oi", "-t", stdin="To: root@here.example, far@example.net\n"
                     "Bcc: hidden@example.net\nSubject: by root\n\nbody\n.\nmore\n", check=0)
    here = postfix.wait_for_mail("ada", "by root")
    away = postfix.smarthost.wait_for("far@example.net")
    hidden = postfix.smarthost.wait_for("hidden@example.net")
    for message in (here, away.message, hidden.message):
        assert message["Bcc"] is None
        # An mbox has an empty line between messages.
        assert message.get_content().rstrip("\n") == "body\n.\nmore"
    postfix.wait_empty()


@with_postfix
@pytest.mark.parametrize("user", [None, "ben"])
def test_cron(postfix, user):
    """As Debian's cron calls it, with next to nothing in the environment."""
    name = user or "root"
    subject = f"Cron <{name}@here> job"
    postfix.world.run(
        ["env", "-i", "PATH=/usr/bin:/bin", "SHELL=/bin/sh", f"LOGNAME={name}",
         "/usr/sbin/sendmail", "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "help"], user=user,
        stdin=f"From: {name} (Cron Daemon)\nTo: help\nSubject: {subject}\n\nout\n", check=0)
    for reader in ("ada", "ben"):
        got = postfix.wait_for_mail(reader, subject)
        assert got["From"].addresses[0].addr_spec == f"{name}@here.example"
    postfix.wait_empty()


@with_postfix
@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "scram-sha-256"])
def test_postfix_takes_each_mechanism(postfix, mechanism):
    postfix.configure(f"auth = {mechanism}")
    postfix.sendmail(f"{mechanism}@example.net", user="ada", check=0)
    postfix.smarthost.wait_for(f"{mechanism}@example.net")
    lines = [line for line in postfix.smarthost.log().splitlines() if "sasl_method=" in line]
    assert f"sasl_method={mechanism.upper()}," in lines[-1]


@with_postfix
def test_auto_takes_the_strongest_mechanism(postfix):
    postfix.sendmail("auto@example.net", user="ada", check=0)
    postfix.smarthost.wait_for("auto@example.net")
    lines = [line for line in postfix.smarthost.log().splitlines() if "sasl_method=" in line]
    assert "sasl_method=SCRAM-SHA-256," in lines[-1]


@with_postfix
def test_postfix_with_tls_from_the_first_byte(postfix):
    postfix.configure("tls = implicit")
    postfix.sendmail("implicit@example.net", user="ada", check=0)
    got = postfix.smarthost.wait_for("implicit@example.net")
    assert f"Authenticated sender: {USER}" in got.trace


@with_postfix
def test_C9_wrong_password_waits_and_goes_when_it_is_mended(postfix):
    postfix.configure(password="not the password")
    postfix.sendmail("later@example.net", user="ada", check=0)
    postfix.world.wait_until(lambda: "535" in postfix.log(), what="the refusal in the log")
    postfix.wait_quiet()
    assert len(postfix.queued()) == 1
    listed = postfix.world.run(["mailq"], check=0).out
    assert "later@example.net" in listed and "535" in listed
    assert "not the password" not in postfix.log()
    postfix.configure()
    postfix.world.wait_until(
        lambda: postfix.sendmail("-q", check=0) and not postfix.queued(), what="the second try")
    postfix.smarthost.wait_for("later@example.net")


@with_postfix
def test_C7_untrusted_certificate_gets_nothing(postfix):
    postfix.configure("tls_trust = system")
    began = len(postfix.world.syslog)
    postfix.sendmail("untrusted@example.net", user="ada", check=0)
    postfix.world.wait_until(lambda: any("deferred" in line and "certificate" in line.lower()
                                         for line in postfix.world.syslog[began:]),
                             what="the reason in the log")
    postfix.wait_quiet()
    assert len(postfix.queued()) == 1
    assert not postfix.smarthost.received_for("untrusted@example.net")


@with_postfix
def test_bodies_reach_postfix_as_they_are(postfix):
    body = "From the start\n.\n..\n.x\nGr\u00fc\u00dfe \u2713\ntrailing blank \n\n\nend"
    postfix.sendmail("-i", "bytes@example.net", user="ada", check=0,
                     stdin=("Subject: bytes\nMIME-Version: 1.0\nContent-Type: text/plain;"
                            " charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + body).encode())
    got = postfix.smarthost.wait_for("bytes@example.net")
    assert got.data.partition(b"\n\n")[2] == (body + "\n").encode()


@with_postfix
def test_long_lines_are_carried(postfix):
    body = "x" * 5000 + "\nshort\n"
    postfix.sendmail("long@example.net", user="ada", check=0, stdin=f"Subject: long\n\n{body}")
    got = postfix.smarthost.wait_for("long@example.net")
    assert got.message.get_content() == body
    assert max(map(len, got.data.splitlines())) <= 998


@with_postfix
def test_address_in_utf8(postfix):
    postfix.sendmail("gr\u00fc\u00dfe@example.net", user="ada", check=0)
    postfix.smarthost.wait_for("gr\u00fc\u00dfe@example.net")


@with_postfix
def test_quick_submissions_share_a_few_connections(postfix):
    before = postfix.smarthost.log().count(" connect from ")
    postfix.world.shell(
        "i=0; while [ $i -lt 100 ]; do"
        " printf 'Subject: %s\\n\\nbody\\n' $i | /usr/sbin/sendmail quick$i@example.net;"
        " i=$((i + 1)); done", user="ada")
    postfix.wait_empty()
    # Postfix's own pipe to the sink is what takes time.
    postfix.world.wait_until(
        lambda: len([one for one in postfix.smarthost.received()
                     if one.recipient.startswith("quick")]) == 100, 60)
    assert postfix.smarthost.log().count(" connect from ") - before <= 20


# --- Exim as the smarthost ---


@with_exim
@pytest.mark.parametrize("settings", ["auth = plain", "auth = login", "auth = cram-md5",
                                      "tls = implicit", "auth = auto"])
def test_exim_takes_it(exim, settings):
    recipient = settings.replace(" = ", "-") + "@example.net"
    exim.configure(settings)
    exim.sendmail(recipient, user="ada", check=0)
    got = exim.smarthost.wait_for(recipient)
    assert got.sender == "ada@here.example"
    assert "esmtpsa" in got.trace
    exim.wait_empty()


@with_exim
def test_C3_one_refused_recipient_bounces_and_the_others_have_it(exim):
    exim.sendmail("good@example.net", "bad@refused.example", "fine@example.net", user="ada",
                  stdin="Subject: mixed\n\nbody\n", check=0)
    exim.smarthost.wait_for("good@example.net")
    exim.smarthost.wait_for("fine@example.net")
    exim.wait_empty()
    report = reports_in_mbox(exim.world.read("/var/mail/ada"))[-1]
    assert report.only["final-recipient"] == "rfc822; bad@refused.example"
    assert report.only["status"] == "5.1.1" and "no such user" in report.text
    assert b"good@example.net" not in report.raw


@with_exim
def test_C9_exim_refuses_a_wrong_password(exim):
    exim.configure(password="wrong")
    exim.sendmail("refused@example.net", user="ada", check=0)
    exim.world.wait_until(lambda: "535" in exim.log(), what="the refusal in the log")
    exim.wait_quiet()
    assert len(exim.queued()) == 1
    assert not exim.smarthost.received_for("refused@example.net")


@with_exim
def test_large_message_reaches_exim(exim):
    line = b"0123456789" * 7 + b"\n"
    exim.sendmail("large@example.net", user="ada", check=0,
                  stdin=b"Subject: large\n\n" + line * 100000)
    got = exim.smarthost.wait_for("large@example.net", 60)
    assert got.data.endswith(line * 100000)
    exim.wait_empty()


# --- Privileges ---


@with_plain
def test_users_cannot_read_what_is_not_theirs(plain):
    plain.sendmail("-odq", "away@example.net", stdin="Subject: secret\n\nbody\n", user="ada", check=0)
    (name,) = plain.queued()
    for path in (f"{SPOOL}/spool", f"{SPOOL}/journal", "/etc/postrider/credentials.conf",
                 f"{SPOOL}/spool/{name}"):
        assert plain.world.run(["cat", path], user="ben").returncode == 1
        assert plain.world.run(["ls", path + "/"], user="ben").returncode != 0
    assert "away@example.net" in plain.world.run(["mailq"], user="ada", check=0).out
    assert "Mail queue is empty" in plain.world.run(["mailq"], user="ben", check=0).out
    assert "away@example.net" in plain.world.run(["mailq"], check=0).out


@with_plain
def test_runner_belongs_to_nobody_but_the_queues_user(plain):
    plain.configure("host = 127.0.0.1:2500\ntls = off\nauth = off\nuser =")
    plain.world.shell(
        "cat > /srv/silent.py; chmod 644 /srv/silent.py", stdin="import os, socket, time\n"
        "s = socket.create_server(('127.0.0.1', 2500))\n"
        "open('/srv/part', 'w').write(str(os.getpid()))\nos.rename('/srv/part', '/srv/ready')\n"
        "c, _ = s.accept()\ntime.sleep(60)\n")
    plain.world.shell("rm -f /srv/ready; python3 /srv/silent.py >/dev/null 2>&1 &")
    plain.world.wait_until(lambda: plain.world.run(["test", "-e", "/srv/ready"]).returncode == 0)
    plain.sendmail("away@example.net", user="ada", check=0)
    runner = plain.world.wait_until(lambda: plain.world.processes("postrider-run"))[0]
    status = plain.world.read(f"/proc/{runner}/status").decode()
    uid, gid = (plain.world.run(["id", flag, "postrider"]).out.strip() for flag in ("-u", "-g"))
    assert f"\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status
    assert f"\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\n" in status
    assert "\nGroups:\t \n" in status or f"\nGroups:\t{gid} \n" in status
    assert plain.world.run(["kill", "-STOP", str(runner)], user="ada").returncode != 0
    environment = plain.world.read(f"/proc/{runner}/environ")
    assert b"ada" not in environment
    silent = plain.world.read("/srv/ready").decode()
    plain.world.run(["kill", "-KILL", silent, *map(str, plain.world.processes("postrider-run"))])


# As ada, in the group that the front door has: becomes the leader of a process group, and then the
# helper.
LEADER = """
import os
os.setpgid(0, 0)
os.execv("/usr/libexec/postrider/postrider-local", ["postrider-local", "run"])
"""


@with_plain
def test_caller_cannot_keep_a_runner_at_his_terminal(plain):
    """Else ^Z there would stop everybody's mail. To make a runner that has not left the session yet the
    leader of a process group, its caller takes the place of its parent (PR_SET_CHILD_SUBREAPER)."""
    as_caller = ["setpriv", "--reuid=ada", "--regid=postrider", "--clear-groups", "env"]
    plain.sendmail("-odq", "ben", user="ada", check=0)
    done = plain.world.run([*as_caller, "python3", "-c", LEADER])
    assert done.returncode == EX_OSERR and "cannot leave the session" in done.err
    assert plain.queued()
    plain.world.run([*as_caller, "/usr/libexec/postrider/postrider-local", "run"], check=0)
    assert not plain.queued()


@pytest.fixture
def cgroup(plain):
    """One that is ben's, as systemd lends it to who signs in."""
    name = f"/sys/fs/cgroup/postrider-test-{os.getpid()}"
    plain.world.shell(f"mkdir -p /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; mkdir {name}; "
                      f"chown -R ben {name}")
    yield name
    plain.world.shell(f"echo 0 > {name}/cgroup.freeze; echo 1 > {name}/cgroup.kill; "
                      f"while ! rmdir {name}; do sleep 0.1; done; umount /sys/fs/cgroup")


@with_plain
@pytest.mark.parametrize("options, text", [
    (["away@example.net"], "Subject: hi\n\nx\n"),
    (["-bs"], "EHLO x\nMAIL FROM:<ben>\nRCPT TO:<away@example.net>\nDATA\n\n.\nQUIT\n")])
def test_caller_cannot_freeze_a_runner(plain, cgroup, options, text):
    """It leaves his cgroup; else whoever has one could stop everybody's mail."""
    plain.configure("host = 127.0.0.1:2500\ntls = off\nauth = off\nuser =")
    with plain.world.inside(lambda: socket.create_server(("127.0.0.1", 2500))):
        plain.world.run(["sh", "-euc", f"echo $$ > {cgroup}/cgroup.procs; exec setpriv --reuid=ben "
                         '--regid=ben --init-groups env sendmail "$@"', "sh", *options], stdin=text,
                        check=0)
        plain.world.wait_until(lambda: len(plain.world.processes("postrider-run")) > 1,
                               what="a worker that waits for the smarthost")
        plain.world.run(["sh", "-c", f"echo 1 > {cgroup}/cgroup.freeze"], user="ben", check=0)
        plain.sendmail("ada", stdin="Subject: not frozen\n\nx\n", user="ada", check=0)
        plain.wait_for_mail("ada", "not frozen")
    plain.wait_quiet()


@with_plain
def test_runner_has_no_priority_of_its_callers(plain):
    """Who sends at the lowest one, as from a batch job, holds nobody else's mail up."""
    plain.configure("host = 127.0.0.1:2500\ntls = off\nauth = off\nuser =")
    with plain.world.inside(lambda: socket.create_server(("127.0.0.1", 2500))):
        plain.world.run(["nice", "-n19", "chrt", "--idle", "0", "ionice", "-c3", "/usr/sbin/sendmail",
                         "away@example.net"], stdin="Subject: hi\n\nbody\n", user="ada", check=0)
        runner = str(plain.world.wait_until(lambda: plain.world.processes("postrider-run"))[0])
        assert "SCHED_OTHER" in plain.world.run(["chrt", "-p", runner], check=0).out
        assert plain.world.run(["ionice", "-p", runner], check=0).out.strip() == "none: prio 0"
        assert plain.world.run(["ps", "-o", "ni=", "-p", runner], check=0).out.strip() == "0"
    plain.wait_quiet()


@with_plain
def test_helper_serves_nobody_else(plain):
    helper = "/usr/libexec/postrider/postrider-local"
    for user in ("ada", "ben"):
        assert plain.world.run([helper, "deliver", "ada", "/var/mail", "5"], stdin="hello",
                               user=user).returncode == 126
    # In the group, as the front door is; but not the queue's user.
    done = plain.world.run(
        ["setpriv", "--reuid=ben", "--regid=postrider", "--clear-groups", "env", helper, "deliver",
         "ada", "/var/mail", "5"], stdin="hello")
    assert done.returncode == EX_NOPERM
    assert b"hello" not in plain.world.read("/var/mail/ada")


@with_plain
def test_S11_no_new_privileges_is_explained(plain):
    done = plain.world.run(["setpriv", "--no-new-privs", "/usr/sbin/sendmail", "ada"],
                           stdin="Subject: hi\n\nbody\n", user="ada", check=EX_NOPERM)
    assert "NoNewPrivileges" in done.err
    assert not plain.queued()


@with_plain
def test_S5_file_size_limit_of_the_caller_spoils_nothing(plain):
    limited = ["prlimit", "--fsize=4096", "/usr/sbin/sendmail"]
    done = plain.world.run([*limited, "ben"], user="ada",
                           stdin="Subject: big\n\n" + "x" * 70 + "\n" * 100000)
    assert done.returncode in (EX_TEMPFAIL, EX_IOERR, EX_CANTCREAT)
    assert not plain.queued()
    plain.world.run([*limited, "ben"], user="ada", stdin="Subject: small, limited\n\nbody\n",
                    check=0)
    # The runner may have been kept from starting by the limit; then anybody's next run takes it.
    plain.wait_quiet()
    plain.sendmail("-q", check=0)
    plain.wait_for_mail("ben", "small, limited")


@with_plain
def test_S5_limits_that_cannot_be_lifted_stop_no_mail(plain):
    """In a container without CAP_SYS_RESOURCE not even root lifts a hard limit."""
    plain.world.run(["setpriv", "--bounding-set=-sys_resource", "--reuid=ada", "--regid=ada",
                     "--init-groups", "prlimit", "--nproc=4000:4000", "--nofile=512:512",
                     "--stack=4194304:4194304", "/usr/sbin/sendmail", "ben"],
                    stdin="Subject: from a container\n\nbody\n", check=0)
    plain.wait_for_mail("ben", "from a container")
    plain.wait_empty()


@with_plain
def test_localhost_is_known_without_a_hosts_file(plain):
    """debootstrap makes no /etc/hosts."""
    plain.configure("host = localhost:1")
    plain.world.shell("mv /etc/hosts /etc/hosts.away")
    try:
        plain.sendmail("away@example.net", user="ada", check=0)
        plain.world.wait_until(lambda: "cannot connect to localhost" in plain.log(),
                               what="an attempt to connect")
        plain.wait_quiet()
    finally:
        plain.world.shell("mv /etc/hosts.away /etc/hosts")


@with_plain
def test_without_proc_no_file_waits_for_a_name(plain):
    """As in a bare chroot: before Linux 6.10 only root could give it one there, by its descriptor."""
    plain.world.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /proc; "
                     "exec strace -o /tmp/links -e trace=linkat sendmail -odq ada"],
                    stdin="Subject: no proc\n\nx\n", check=0)
    (name,) = plain.queued()
    assert f'".{name}"' in plain.world.read("/tmp/links").decode()
    plain.sendmail("-q", check=0)
    assert plain.wait_for_mail("ada", "no proc")


@with_plain
def test_own_settings_give_the_group_up(plain):
    plain.world.write("/home/ada/own.conf", f"[queue]\ndirectory = {SPOOL}\n")
    done = plain.sendmail("-C", "/home/ada/own.conf", "ben", user="ada")
    assert done.returncode in (EX_NOPERM, EX_CANTCREAT)
    assert not plain.queued()


@with_plain
def test_users_own_settings_and_mailbox(plain):
    plain.world.shell("install -d -o ada -g ada /home/ada/mail /home/ada/.config"
                      " /home/ada/.config/postrider")
    plain.world.write("/home/ada/.config/postrider/postrider.conf",
                      "[mail]\nmailbox_directory = /home/ada/mail\naliases =\n", 0o644, "ada:ada")
    try:
        plain.sendmail("ada", stdin="Subject: my own\n\nbody\n", user="ada", check=0)
        plain.world.wait_until(lambda: b"my own" in plain.world.read("/home/ada/mail/ada"))
        plain.sendmail("ben", stdin="Subject: not mine\n\nbody\n", user="ada", check=0)
        plain.world.wait_until(
            lambda: b"multipart/report" in plain.world.read("/home/ada/mail/ada"))
        (report,) = reports_in_mbox(plain.world.read("/home/ada/mail/ada"))
        assert report.only["final-recipient"] == "rfc822; ben@here.example"
        assert modes(plain.world, "/home/ada/.local/state/postrider")[0].endswith("ada:ada 700")
        assert b"not mine" not in plain.world.read("/var/mail/ben")
    finally:
        plain.world.shell("rm -rf /home/ada/.config")


@with_plain
def test_root_without_alias_is_written_as_the_queues_user(plain):
    plain.world.write("/etc/aliases", "")
    plain.world.run(["newaliases"], check=0)
    try:
        plain.sendmail("root", stdin="Subject: for root\n\nbody\n", user="ada", check=0)
        plain.wait_for_mail("root", "for root")
        assert modes(plain.world, "/var/mail/root") == ["/var/mail/root postrider:mail 660"]
    finally:
        plain.world.write("/etc/aliases", "postmaster: root\nroot: ada\nhelp: ben, ada\n")
        plain.world.run(["newaliases"], check=0)


@with_plain
def test_Q5_mailbox_that_is_a_link_is_never_followed(plain):
    plain.world.write("/srv/precious", "precious\n", 0o666)
    plain.world.shell("rm -f /var/mail/ben; ln -s /srv/precious /var/mail/ben")
    plain.sendmail("ben", user="ada", check=0)
    plain.world.wait_until(lambda: "symbolic link" in plain.log(), what="the reason in the log")
    plain.wait_quiet()
    assert plain.world.read("/srv/precious") == b"precious\n"
    assert len(plain.queued()) == 1
    plain.world.shell("rm /var/mail/ben")


@with_plain
def test_two_users_mail_is_delivered_while_the_other_waits(plain):
    """A mailbox that is locked for long holds up nobody else's."""
    plain.world.shell("rm -f /var/mail/ada /var/mail/ben; echo 1 > /var/mail/ben.lock")
    began = time.monotonic()
    plain.sendmail("ben", stdin="Subject: waits\n\nbody\n", user="ada", check=0)
    plain.sendmail("ada", stdin="Subject: does not wait\n\nbody\n", user="ada", check=0)
    plain.wait_for_mail("ada", "does not wait", 60)
    assert time.monotonic() - began < 60
    plain.world.shell("rm /var/mail/ben.lock")
    plain.world.wait_until(
        lambda: plain.sendmail("-q", check=0) and
        any(one["Subject"] == "waits" for one in plain.mailbox("ben")), 90)
