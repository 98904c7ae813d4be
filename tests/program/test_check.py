"""postrider check, without an installation: each finding appears, and goes away once it is mended."""

import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest
from bigqueue import folders, letter, make_id, put, put_journal
from sandbox import BUILD, EX_CONFIG, EX_IOERR, EX_OK, EX_TEMPFAIL, EX_USAGE
from smtpfake import Certificates
from terminal import on_terminal

MARKS = ["good", "hint", "warning", "fault"]
NAME = "here.site.tld"
PLAIN = {"host": "127.0.0.1", "port": "1", "tls": "off"}
SECRET = "c0rrect-h0rse"


class Found:
    """What postrider check --json says."""

    def __init__(self, result):
        self.status = result.returncode
        self.said = json.loads(result.out)
        self.all = self.said["findings"]
        for one in self.all:
            assert list(one) == ["mark", "topic", "text", "remedy"] and one["mark"] in MARKS
            assert re.fullmatch(r"[a-z-]+", one["topic"]) and one["text"]
        worst = max((MARKS.index(one["mark"]) for one in self.all), default=0)
        assert self.said["worst"] == MARKS[worst]
        assert self.status == [EX_OK, EX_OK, EX_TEMPFAIL, EX_CONFIG][worst], result.err

    def __call__(self, mark, topic, *words):
        """The only finding with that mark and topic that has these words in its text."""
        found = [one for one in self.all if one["mark"] == mark and one["topic"] == topic
                 and all(word in one["text"] for word in words)]
        assert len(found) == 1, f"{mark} {topic} {words}:\n{self.text()}"
        return found[0]

    def bad(self, topic=None):
        """Texts of warnings and faults."""
        return [one["text"] for one in self.all if MARKS.index(one["mark"]) > 1
                and topic in (None, one["topic"])]

    def text(self):
        return "\n".join(json.dumps(list(one.values())) for one in self.all)


def look(sandbox, *arguments, **options):
    return Found(sandbox.postrider("check", "--json", *arguments, **options))


def mend(sandbox, finding):
    """Does what the finding says, as a person would who pastes it."""
    sandbox.run(["/bin/sh", "-euc", finding["remedy"]], check=0,
                env={"PATH": f"{BUILD}:/usr/bin:/bin"})


def lines_of(keys):
    return "\n".join(f"{key} = {value}" for key, value in keys.items())


@pytest.fixture
def good(make_sandbox):
    """One about which there is nothing to say."""
    return make_sandbox(mail=f"hostname = {NAME}\ndomain = {NAME}\n"
                        f"local_domains = {NAME}, localhost", smarthost=lines_of(PLAIN))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Pairs(tmp_path_factory.mktemp("certificates"))


class Pairs(Certificates):
    KINDS = {"good": {"names": [NAME]}, "other": {}, "soon": {"days": (-30, 5), "names": [NAME]},
             "expired": {"days": (-30, -2), "names": [NAME]}, "early": {"days": (2, 30)}}


# --- the whole ---


def test_all_is_well(good):
    found = look(good)
    assert found.status == EX_OK and not found.bad()
    assert {"settings", "names", "queue", "disk", "clock", "smarthost", "mailboxes", "aliases",
            "schedule"} <= {one["topic"] for one in found.all}
    assert not good.queue.exists(), "looking makes nothing"


def test_a_warning_and_a_fault_have_their_exit_statuses(good):
    good.configure(mail="domain = site.example")
    assert look(good).status == EX_TEMPFAIL
    good.configure(mail=f"mailbox_directory = {good.folder}/none")
    assert look(good).status == EX_CONFIG
    good.configure(mail=f"domain = {NAME}\nmailbox_directory = {good.mail}")
    assert look(good).status == EX_OK


def test_usage(good):
    for arguments in (["--frob"], ["--all"], ["word"], ["--json=yes"]):
        result = good.postrider("check", *arguments, check=EX_USAGE)
        assert not result.out and result.err.startswith("postrider: ")
    assert "--online" in good.run(["postrider", "check", "--help"], check=EX_OK).out
    for program in ("postrider-run", "postrider-listen"):
        good.run([program, "check", "--frob"], check=EX_USAGE)


def test_settings_that_do_not_parse(good):
    good.configure(extra="[smarthost\n")
    found = look(good)
    (one,) = found.all
    assert one["mark"] == "fault" and one["topic"] == "settings"
    assert re.search(rf"{re.escape(str(good.config))}:\d+: ", one["text"])
    good.configure(extra="")
    assert not look(good).bad()
    found = Found(good.run(["postrider", "check", "--json", "-C", good.folder / "none"]))
    assert [one["topic"] for one in found.all] == ["settings"] and found.status == EX_CONFIG


def test_settings_that_others_can_write(good):
    good.config.chmod(0o646)
    mend(good, look(good)("warning", "settings", "can be written by others"))
    assert good.config.stat().st_mode & 0o777 == 0o644
    look(good)("good", "settings", "is understood")


# --- names ---


@pytest.mark.parametrize("domain, words", [
    ("short", "has no dot"), ("site.example", "examples"), ("mail.example.org", "examples"),
    ("a.test", "examples"), ("site.localdomain", "your network alone"),
    ("ip-10-0-0-1.internal", "your network alone"), ("myexample.org", None),
    ("example.org.tld", None)])
def test_domain(good, domain, words):
    good.configure(mail=f"domain = {domain}")
    found = look(good)
    if words:
        assert "domain = " in found("warning", "names", domain, words)["remedy"]
    else:
        found("good", "names", domain)


def test_hostname(good):
    good.configure(mail="hostname = short\nlocal_domains = localhost")
    found = look(good)
    assert "hostname = " in found("hint", "names", "short", "no dot")["remedy"]
    found("hint", "names", "local_domains lacks", "short")
    good.configure(mail="hostname = x.site.tld\nlocal_domains = *.site.tld")
    assert [one["mark"] for one in look(good).all if one["topic"] == "names"] == ["good"]


# --- the queue ---


def test_queue_that_others_can_enter(good):
    folders(good.queue)
    good.queue.chmod(0o755)
    mend(good, look(good)("warning", "queue", "open to other users"))
    look(good)("good", "queue", "yours alone")


def test_queue_that_is_no_folder(good):
    good.queue.write_text("")
    found = look(good)
    assert str(good.queue) in found("fault", "queue", "is no folder")["remedy"]
    good.queue.unlink()
    look(good)("hint", "queue", "not there yet")
    good.configure(queue=f"directory = {good.config}/queue")
    look(good)("fault", "queue", "cannot be used")
    if os.getuid():  # root can make it
        good.configure(queue="directory = /etc/none/queue")
        look(good)("fault", "queue", "cannot make it")


def put_old(sandbox, hours, recipient="you@far.tld", number=0):
    folders(sandbox.queue)
    sandbox.queue.chmod(0o700)
    arrived = time.time() - hours * 3600
    name = make_id(number, arrived)
    put(sandbox.queue, name, letter(f"ops@{NAME}", [recipient], b"Subject: x\n\nx\n", arrived))
    return name


def test_mail_that_waits_for_too_long(good):
    put_old(good, 1)
    look(good)("good", "mail", "1 message in the queue")
    first, second = put_old(good, 9), put_old(good, 5, number=1)
    one = look(good)("warning", "mail", "2 messages have waited for too long", first, "9h")
    assert one["remedy"] == f"postrider queue show {first}" and second not in one["text"]
    good.configure(queue="warn = 10h")
    look(good)("good", "mail", "3 messages")
    good.configure(queue="warn = 0")
    look(good)("warning", "mail", "2 messages")
    for name in good.letters():
        (good.queue / "spool" / name).unlink()
    look(good)("good", "mail", "no mail waits")


def test_why_the_oldest_waits(good):
    name = put_old(good, 9)
    put_journal(good.queue, name, [f"deferred {int(time.time())} 0 4.4.1 away for lunch"],
                time.time() + 60)
    assert look(good)("warning", "mail", name)["text"].endswith(": away for lunch")


def test_held_mail(good):
    put_old(good, 30)
    good.postrider("queue", "hold", "--all", check=EX_OK)
    found = look(good)
    found("hint", "mail", "1 message is held")
    assert not found.bad()


def test_damaged_mail(good):
    name = put_old(good, 0)
    path = good.queue / "spool" / name
    path.write_bytes(path.read_bytes().replace(b"postrider 1\n", b"rubbish\n"))
    one = look(good)("warning", "mail", "1 file in the queue cannot be read", name)
    assert one["remedy"].startswith("postrider flush")
    good.flush()
    found = look(good)
    assert str(good.queue / "corrupt") in found("warning", "mail", "1 damaged file was")["text"]
    shutil.rmtree(good.queue / "corrupt")
    (good.queue / "corrupt").mkdir()
    look(good)("good", "mail", "no mail waits")


def test_a_smarthost_that_failed(good):
    good.sendmail("you@far.tld", stdin="\n\n", check=EX_OK)
    good.wait_until(lambda: good.log_lines("deferred"))
    good.wait_quiet()
    one = look(good)("warning", "smarthost", "failed", "ago: ", "127.0.0.1")
    assert one["remedy"] == "postrider check --online"


def test_who_runs_the_queue(good):
    folders(good.queue)
    remedy = look(good)("hint", "schedule", "your crontab")["remedy"]
    assert f"*/5 * * * * postrider flush -C {good.config}" in remedy
    timer = good.start(["postrider-listen", "-C", good.config, "--queue-only", "--every", "1h"])
    lock = good.queue / "timer.lock"
    good.wait_until(lambda: lock.exists() and lock.read_text().strip() == str(timer.pid))
    look(good)("good", "schedule", "postrider-listen is at work")
    timer.terminate()
    timer.wait(20)
    assert lock.read_text().strip() == str(timer.pid)
    look(good)("hint", "schedule", "your crontab")
    lock.write_text(f"{os.getpid()}\n")  # the number is another program's by now
    look(good)("hint", "schedule", "your crontab")


def test_the_line_for_cron_survives_any_path(good, tmp_path):
    """It is in quotes, in a line in quotes: what is copied into a shell runs nothing else."""
    folders(good.queue)
    odd = good.config.parent / "it's; echo $(odd).conf"
    odd.write_bytes(good.config.read_bytes())
    done = good.run(["postrider", "check", "--json", "-C", odd])
    (remedy,) = [one["remedy"] for one in json.loads(done.out)["findings"]
                 if "your crontab" in one["text"]]
    line, _, _ = remedy.removeprefix("(crontab -l; ").partition(") | crontab")
    shown = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    command = shown.strip().removeprefix("*/5 * * * * postrider flush -C ")
    assert subprocess.run(["sh", "-c", f"printf %s {command}"], capture_output=True, text=True,
                          check=True).stdout == str(odd)


def test_clock(good):
    when = time.time() + 86400
    os.utime(good.config, (when, when))
    one = look(good)("warning", "clock", str(good.config), "changed later")
    assert "timedatectl" in one["remedy"]
    os.utime(good.config)
    look(good)("good", "clock")
    path = good.queue / "spool" / put_old(good, 0)
    os.utime(path, (when, when))
    look(good)("warning", "clock", "a message in the queue")


# --- mailboxes and the log ---


def test_mailboxes(good):
    good.configure(mail=f"mailbox_directory = {good.folder}/it's here")
    mend(good, look(good)("fault", "mailboxes", "there is no folder"))
    assert (good.folder / "it's here").is_dir()
    look(good)("good", "mailboxes", "can be written")


def test_log_file(good):
    good.configure(mail=f"log_file = {good.mail}")
    look(good)("warning", "log", "is no file")
    good.log_path.write_text("")
    good.configure(mail=f"log_file = {good.log_path}")
    look(good)("good", "log", str(good.log_path))
    if os.getuid():  # root can write all
        good.log_path.chmod(0o400)
        mend(good, look(good)("warning", "log", "cannot be written by you"))
        look(good)("good", "log", str(good.log_path))
    good.configure(mail="log_file =")
    found = look(good)
    if os.path.exists("/dev/log"):
        found("good", "log", "syslog")
    else:
        found("hint", "log", "no syslog")


# --- the way out ---


def test_no_smarthost(good):
    good.configure(smarthost=None)
    one = look(good)("warning", "smarthost", "there is no [smarthost]", "stays in the queue")
    assert one["remedy"].startswith("postrider setup")
    put_old(good, 0)
    put_old(good, 0, recipient=f"me@{NAME}", number=1)  # has a way
    look(good)("fault", "smarthost", "1 message for other machines waits")
    good.configure(smarthost=lines_of(PLAIN))
    assert not look(good).bad()


@pytest.mark.parametrize("via, mark, words", [
    ("mx", "good", "mail servers of its domains"), ("hold", "hint", "held"),
    ("discard", "hint", "thrown away"), ("error no", "hint", "refused"),
    ("mx1.far.tld", None, None)])
def test_a_route_for_all(good, via, mark, words):
    good.configure(smarthost=None, extra=f'[route "*"]\nvia = {via}\n')
    found = look(good)
    assert not found.bad("smarthost")
    if mark:
        found(mark, "smarthost", words)


@pytest.mark.parametrize("via, mark", [
    ("mx", "warning"), ("mx1.far.tld", "warning"), ("smarthost shop", "warning"),
    ("smarthost", None), ("hold", "hint"), ("mx\n[route \"far.tld\"]\nvia = smarthost", "good")])
def test_a_route_for_all_beside_a_smarthost(good, via, mark):
    """Who has both hardly means to, unless another route leads to the smarthost."""
    good.configure(smarthost=lines_of(PLAIN),
                   extra='[smarthost "shop"]\nsenders = @shop.tld\nhost = 127.0.0.1\ntls = off\n'
                         f'[route "*"]\nvia = {via}\n')
    found = look(good)
    if mark == "warning":
        one = found(mark, "smarthost", 'no mail goes by [smarthost]: [route "*"] leads all of it')
        assert 'take out [route "*"]' in one["remedy"]
    else:
        assert not found.bad("smarthost")


def test_smarthosts_for_some_senders_only(good):
    good.configure(smarthost=None,
                   extra='[smarthost "shop"]\nsenders = @shop.tld\nhost = 127.0.0.1\ntls = off\n')
    one = look(good)("warning", "smarthost", "no [smarthost] for senders that no section names")
    assert "[smarthost]" in one["remedy"]


@pytest.mark.parametrize("keys, mark, words", [
    ("tls = off", "warning", "in clear over the network"),
    ("tls = opportunistic", "hint", "takes any certificate"),
    ("tls = starttls", "hint", "nobody signs in"),
    ("tls = starttls\nauth = off\nuser = me", "warning", "auth = off")])
def test_a_smarthost_in_the_settings(good, keys, mark, words):
    good.configure(smarthost=f"host = smtp.far.tld\n{keys}")
    found = look(good)
    found(mark, "smarthost", "[smarthost]: ", words)
    good.credentials(f"[smarthost]\npassword = {SECRET}\n")
    good.configure(smarthost="tls = implicit\nauth = auto\nuser = me")
    found = look(good)
    found("good", "smarthost", "smtp.far.tld over TLS, as me")
    assert not found.bad()


def test_password_in_clear_within_this_machine(good):
    good.configure(smarthost="user = me")
    good.credentials(f"[smarthost]\npassword = {SECRET}\n")
    look(good)("hint", "smarthost", "password goes in clear")


# --- secrets ---


def sign_in(sandbox, **keys):
    sandbox.configure(smarthost=lines_of({"user": "me", **keys}))


def test_password(good):
    sign_in(good)
    one = look(good)("fault", "sign-in", "[smarthost] cannot sign in", "no password")
    assert one["remedy"].startswith("postrider setup")
    good.credentials(f"[smarthost]\npassword = {SECRET}\n")
    look(good)("good", "sign-in", str(good.credentials_path))
    good.credentials_path.chmod(0o644)
    mend(good, look(good)("fault", "sign-in", "open to group or others"))
    assert not look(good).bad()
    good.credentials_path.unlink()
    look(good)("fault", "sign-in", "cannot read")


def test_credentials_that_nobody_needs(good):
    good.credentials_path.chmod(0o640)
    mend(good, look(good)("warning", "sign-in", "can be read by other users"))
    assert not look(good).bad()


def test_password_file(good):
    sign_in(good)
    good.credentials("[smarthost]\npassword_file = secret\n")
    look(good)("fault", "sign-in", f"{good.folder}/secret")
    (good.folder / "secret").write_text(SECRET + "\n")
    (good.folder / "secret").chmod(0o640)
    mend(good, look(good)("fault", "sign-in", f"{good.folder}/secret is open to group or others"))
    assert not look(good).bad()
    assert (good.folder / "secret").stat().st_mode & 0o777 == 0o600


def test_password_command_is_not_run(good):
    command = good.folder / "ask"
    sign_in(good, password_command=f"{command} {SECRET}")
    look(good)("fault", "sign-in", str(command), "No such file")
    command.write_text(f"#!/bin/sh\ntouch {good.folder}/called\necho {SECRET}\n")
    look(good)("fault", "sign-in", str(command), "Permission denied")
    command.chmod(0o700)
    found = look(good)
    found("good", "sign-in", str(command))
    assert not found.bad() and not (good.folder / "called").exists()
    assert SECRET not in found.text()


def test_no_secret_is_ever_shown(good):
    """Wherever one stands, in its place or not."""
    sign_in(good)
    good.configure(extra="[listen]\naddress = 127.0.0.1:1\nusers = users\n"
                   f'[dkim "{NAME}"]\nselector = s\nkey = key\n')
    for text in (f"[smarthost]\npassword = {SECRET}\n", f"[smarthost]\n{SECRET}\n", SECRET,
                 f"[smarthost]\npassword = {SECRET} ; {SECRET}\n", f"[{SECRET}]\npassword = x\n",
                 f"[smarthost]\npasswort = {SECRET}\n", f"[smarthost]\npassword_file = key\n"):
        good.credentials(text)
        for name in ("users", "key"):
            (good.folder / name).write_text(f"anna:{SECRET}\n{SECRET}\n")
            (good.folder / name).chmod(0o600)
        result = good.postrider("check", "--json")
        assert SECRET not in result.out + result.err
        assert Found(result)("fault", "users") and Found(result)("fault", "dkim")
        assert SECRET not in good.postrider("check").out


# --- certificates and keys ---


def client_certificate(sandbox, pair, key=None):
    sandbox.configure(smarthost=f"host = smtp.far.tld\ntls = starttls\nauth = external\n"
                      f"tls_certificate = {pair[0]}\ntls_key = {key or pair[1]}")


def test_client_certificate(good, certificates):
    client_certificate(good, certificates.good)
    found = look(good)
    found("good", "certificate", str(certificates.good[0]), " days")
    assert not found.bad()
    client_certificate(good, certificates.soon)
    look(good)("warning", "certificate", "expires in ")
    client_certificate(good, certificates.expired)
    look(good)("fault", "certificate", "expired on 20")
    client_certificate(good, certificates.early)
    look(good)("fault", "certificate", "valid only from 20")
    client_certificate(good, certificates.good, certificates.other[1])
    look(good)("fault", "certificate", "[smarthost]: cannot use tls_certificate")
    client_certificate(good, (good.folder / "none", good.folder / "none"))
    look(good)("fault", "certificate", "none: No such file")
    client_certificate(good, (good.config, good.config))
    look(good)("fault", "certificate", "holds no certificate")


def test_client_key_that_others_can_read(good, certificates):
    key = good.folder / "key"
    shutil.copy(certificates.good[1], key)
    client_certificate(good, certificates.good, key)
    key.chmod(0o644)
    mend(good, look(good)("warning", "certificate", "open to other users"))
    assert not look(good).bad()


def test_whom_a_smarthost_is_trusted_by(good, certificates):
    good.configure(smarthost="host = smtp.far.tld\ntls = starttls\ntls_trust = none.pem")
    remedy = look(good)("fault", "certificate", "[smarthost]: ", "none.pem")["remedy"]
    assert remedy.startswith("in [smarthost]: tls_trust = system, or a PEM file")
    good.configure(smarthost=f"tls_trust = {certificates.ca}")
    assert not look(good).bad()


def make_key(path, kind, bits=2048):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    key = (ed25519.Ed25519PrivateKey.generate() if kind == "ed25519"
           else rsa.generate_private_key(65537, bits))
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()))
    path.chmod(0o600)


def test_dkim_keys(good):
    key = good.folder / "mail.pem"
    good.configure(extra=f'[dkim "*.site.tld"]\nselector = mail\nkey = {key}\n')
    one = look(good)("fault", "dkim", "*.site.tld is not signed", str(key))
    assert one["remedy"] == "postrider dkim-key --selector mail site.tld"
    good.run(["postrider", "dkim-key", "-C", good.config, "site.tld"], check=EX_OK)
    found = look(good)
    found("good", "dkim", "selector mail", "rsa of 2048 bits")
    assert not found.bad()
    key.chmod(0o644)
    look(good)("fault", "dkim", "chmod 600")
    make_key(key, "rsa", 1024)
    look(good)("warning", "dkim", "1024 bits", "weak")
    make_key(key, "ed25519")
    found = look(good)
    found("hint", "dkim", "Ed25519")
    assert not found.bad()


# --- aliases ---


def test_aliases(good):
    good.aliases("ops: you@far.tld\nhelp: ops\n")
    look(good)("good", "aliases", str(good.aliases_path), "2 aliases")
    good.aliases_path.unlink()
    look(good)("hint", "aliases", "there is no file")


@pytest.mark.parametrize("text, line, words", [
    ("ops: you@far.tld\nnonsense\n", 2, ""), ("a: b\nb: c\nc: a\n", 1, "circle"),
    ("list: :include:/none/list\n", 1, "/none/list"), ("a: x@y.tld\na: y@y.tld\n", 2, ""),
    ("a: <<@\n", 1, "not closed")])
def test_aliases_with_a_fault(good, text, line, words):
    good.aliases(text)
    one = look(good)("fault", "aliases", f"{good.aliases_path}:{line}: ", words)
    assert "newaliases" in one["remedy"]
    good.aliases("ops: you@far.tld\n")
    assert not look(good).bad()


def test_aliases_database_that_is_older(good):
    good.aliases("ops: you@far.tld\n")
    good.newaliases(check=EX_OK)
    assert not look(good).bad()
    good.aliases("ops: you@far.tld, ben@far.tld\n")
    one = look(good)("warning", "aliases", f"{good.aliases_path}.db is not used")
    assert one["remedy"] == "newaliases"
    good.newaliases(check=EX_OK)
    assert not look(good).bad()


def test_aliases_that_lead_nowhere(good):
    good.aliases(f"file: /var/log/x\nops: no-such-user\n@{NAME}: {good.user}\nok: {good.user}\n"
                 + "".join(f"a{number}: gone\n" for number in range(30)))
    found = look(good)
    found("warning", "aliases", "mail for file will be refused", "alias_files")
    assert len([text for text in found.bad("aliases") if "comes back" in text]) == 10
    found("warning", "aliases", "alias ops comes back", "no-such-user")
    good.aliases(f"ok: {good.user}\n")
    assert not look(good).bad()


def test_users_of_files_and_commands_in_aliases(good):
    for key in ("alias_files", "alias_commands"):
        good.configure(mail=f"{key} = no-such-user")
        one = look(good)("fault", "aliases", f"{key} names no-such-user", "no such user")
        assert f"{key} = " in one["remedy"]
        good.configure(mail=f"{key} = root")
        look(good)("fault", "aliases", f"{key} names root", "root's rights")
        good.configure(mail=f"{key} = bin")
        look(good)("fault", "aliases", f"{key} names bin", "oneself")
        good.configure(mail=f"{key} = {good.user}" if os.getuid() else f"{key} =")
        assert not look(good).bad()


# --- the listener ---


def listen(sandbox, extra="", more="", **keys):
    text = lines_of({"address": "127.0.0.1:1", **keys})
    sandbox.configure(extra=f"[listen]\n{text}\n{extra}\n{more}\n")


def test_listener_certificates(good, certificates):
    def pair(one, key=None):
        listen(good, tls="starttls", tls_certificate=one[0], tls_key=key or one[1])
        return look(good)

    assert not pair(certificates.good).bad()
    pair(certificates.soon)("warning", "certificate", "expires in ")
    pair(certificates.expired)("fault", "certificate", "expired on 20")
    found = pair(certificates.other)
    assert NAME in found("hint", "certificate", "no certificate is for")["text"]
    assert not found.bad()
    found = pair(certificates.good, certificates.other[1])
    assert "make-certificate" in found("fault", "certificate", "does not fit")["remedy"]
    pair((good.folder / "none", certificates.good[1]))("fault", "certificate", "none: No such file")
    listen(good, tls="starttls", tls_certificate=f"{certificates.other[0]}, {certificates.good[0]}",
           tls_key=f"{certificates.other[1]}, {certificates.good[1]}")
    assert not [one for one in look(good).all if "no certificate is for" in one["text"]]
    assert not good.log(), "looking tells the log nothing"


def test_listener_in_clear(good):
    for address in ("*:25", "192.0.2.1", "127.0.0.1:25, [2001:db8::1]:25"):
        listen(good, address=address)
        look(good)("warning", "listener", "[listen]: with tls = off")
    listen(good, address="127.0.0.1:25, [::1]:25, localhost")
    assert not look(good).bad()


def test_listener_at_work(good):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listen(good, address=f"127.0.0.1:{port}")
    one = look(good)("hint", "listener", "no listener is at work")
    assert one["remedy"] == f"postrider serve -C {good.config}"
    listener = good.start(["postrider-listen", "-C", good.config])
    lock = good.queue / "listen.lock"
    good.wait_until(lambda: lock.exists() and lock.read_text().strip() == str(listener.pid))
    found = look(good)
    found("good", "listener", "at work")
    found("good", "schedule", "a listener is at work")
    listener.terminate()
    listener.wait(20)


def test_users(good):
    path = good.folder / "users"
    listen(good, users=path)
    one = look(good)("fault", "users", "nobody can sign in")
    assert "postrider passwd" in one["remedy"]
    good.postrider("passwd", "anna", stdin=f"{SECRET}\n", check=EX_OK)
    found = look(good)
    found("good", "users", str(path))
    assert not found.bad()
    path.write_text(path.read_text() + f"ben:{SECRET}\n")
    look(good)("fault", "users", f"{path}:2: ")
    path.chmod(0o666)
    look(good)("fault", "users", "open to others")


def test_filter_lists(good):
    path = good.folder / "blocked"
    listen(good, more=f"[filter]\nblock_senders = file:{path}")
    look(good)("fault", "filter", "no mail is taken in", str(path))
    path.write_text("not an address at all\n")
    look(good)("fault", "filter", f"{path}:1: ")
    path.write_text("spammer@far.tld\n")
    assert not look(good).bad()


def test_milters_on_this_machine(good):
    path = good.folder / "milter"
    for default, mark in (("tempfail", "fault"), ("reject", "fault"), ("accept", "warning")):
        listen(good, more=f"[filter]\nmilter = unix:{path}, inet:192.0.2.1:1\n"
               f"milter_default = {default}")
        one = look(good)(mark, "milter", f"unix:{path}")
        assert "192.0.2.1" not in look(good).text(), "the network is for --online"
        assert one["remedy"]
    with socket.socket(socket.AF_UNIX) as milter:
        milter.bind(str(path))
        milter.listen()
        found = look(good)
    found("good", "milter", f"unix:{path}")
    assert not found.bad()


# --- other programs ---


@pytest.fixture
def impostor(good):
    """impostor(SCRIPT): the front door beside a postrider-run that does that."""
    folder = good.folder / "bin"
    folder.mkdir()
    shutil.copy(BUILD / "postrider", folder)

    def run(script, *arguments):
        program = folder / "postrider-run"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return good.run([folder / "postrider", "check", "-C", good.config, *arguments])

    return run


@pytest.mark.parametrize("script, words", [
    ("echo rubbish", "no finding"), ("echo 'good\tx'", "no finding"),
    ("printf 'good\ta\tb\t'", "no finding"), ("printf '\\0\\n'", "no finding"),
    ("exit 3", "status 3"), ("kill -SEGV $$", "status 139"), ("exec yes rubbish", "more than"),
    ("exec yes 'good\ta\tb\t'", "more than"), ("printf 'good\ta\tb\t\\n'; exit 70", "status 70")])
def test_a_program_that_says_something_else(impostor, script, words):
    found = Found(impostor(script, "--json"))
    found("fault", "programs", "postrider-run", words)
    found("good", "settings")  # the others are there all the same


def test_a_program_that_cannot_be_started(impostor, good):
    (good.folder / "bin" / "postrider-run").mkdir()
    shutil.rmtree(good.folder / "bin" / "postrider-run")
    found = Found(impostor("true", "--json"))
    assert not found.bad()
    program = good.folder / "bin" / "postrider-run"
    program.write_text("#!/no/such/interpreter\n")
    result = good.run([good.folder / "bin" / "postrider", "check", "-C", good.config, "--json"])
    Found(result)("fault", "programs", "cannot start", "postrider-run", "No such file or directory")


def test_a_program_that_would_steer_the_terminal(impostor):
    script = "printf 'hint\\tx\\033]0;y\\007\\ta\\033[2J\\302\\233b\\342\\200\\256c\\r\\tr\\033[1m\\n'"
    result = impostor(script)
    assert b"\x1b" not in result.stdout and b"\x07" not in result.stdout
    assert b"\xe2\x80\xae" not in result.stdout and b"\xc2\x9b" not in result.stdout
    assert "a [2J" in result.out


def test_arguments_for_the_others(impostor, good):
    """The settings file by its whole path, and --online when it was given."""
    script = f'echo "$*" >> {good.folder}/called'
    impostor(script)
    impostor(script, "--online")
    assert (good.folder / "called").read_text().splitlines() == [
        f"check -C {good.config}", f"check -C {good.config} --online"]


# --- how it is shown ---


def test_lines(good):
    good.configure(mail="domain = site.example\nmailbox_directory = /none")
    result = good.postrider("check", check=EX_CONFIG)
    lines = result.out.splitlines()
    for line in lines[:-1]:
        assert re.match(r"(good|hint|warning|fault): [a-z-]+: \S", line), line
    count = len(lines) - 1
    assert lines[-1] == (f"1 fault, 1 warning; everything else is as it should be ({count} looked "
                         "at)")
    assert any(line.startswith("fault: mailboxes: ") and line.endswith("; mkdir -p /none")
               for line in lines)
    assert not result.err
    good.configure(mail=f"domain = {NAME}\nmailbox_directory = {good.mail}")
    last = good.postrider("check", check=EX_OK).out.splitlines()[-1]
    assert re.fullmatch(r"everything is as it should be \(\d+ looked at\)", last)
    # There is nothing else.
    good.config.write_text("[maul]\n")
    assert good.postrider("check", check=EX_CONFIG).out.splitlines()[-1] == "1 fault (1 looked at)"


def test_topics_stand_together(good):
    good.configure(smarthost="host = smtp.far.tld\ntls = starttls\nuser = me")
    topics = [one["topic"] for one in look(good, "--online").all]
    order = [topic for at, topic in enumerate(topics) if topic not in topics[:at]]
    assert topics == sorted(topics, key=order.index)


def shown(sandbox, columns=100, **environment):
    environment = {"TERM": "xterm", "LANG": "C.UTF-8", **environment}
    status, output = on_terminal(sandbox, ["postrider", "check", "-C", sandbox.config],
                                 columns=columns, env=environment)
    assert status == EX_CONFIG
    return output.decode().replace("\r\n", "\n")


@pytest.fixture
def mixed(good):
    """Something with each mark."""
    good.configure(mail=f"domain = site.example\nmailbox_directory = /none/{'x' * 30}")
    return good


def test_on_a_terminal(mixed):
    text = shown(mixed)
    for colour, sign in (("32", "✓"), ("36", "·"), ("33", "!"), ("31", "✗")):
        assert re.search(rf"^\x1b\[{colour}m{sign}\x1b\[0m [a-z]+ +\S", text, re.MULTILINE), sign
    plain = re.sub(r"\x1b\[[0-9]*m", "", text)
    assert "\x1b" not in plain
    starts = {len(match[0]) for match in re.finditer(r"^[✓·!✗] [a-z-]+ +", plain, re.MULTILINE)}
    assert len(starts) == 1, "sentences begin below each other"
    assert re.search(rf"^ {{{starts.pop() + 2}}}mkdir -p /none/x+$", plain, re.MULTILINE)


@pytest.mark.parametrize("environment, colours, signs", [
    ({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"NO_COLOR": ""}, True, True),
    ({"TERM": "dumb"}, False, True), ({"TERM": None}, False, True), ({"LANG": "C"}, True, False),
    ({"LC_ALL": "C"}, True, False), ({"LANG": "C", "LC_CTYPE": "de_DE.utf8"}, True, True)])
def test_colours_and_signs(mixed, environment, colours, signs):
    text = shown(mixed, **environment)
    assert ("\x1b[3" in text) == colours
    assert ("✗" in text) == signs and ("FAIL" in text) != signs


def test_narrow_terminal(mixed):
    text = re.sub(r"\x1b\[[0-9]*m", "", shown(mixed, columns=50))
    lines = text.splitlines()
    remedies = [line for line in lines if re.match(r" {12,}", line) and "mkdir -p" in line]
    assert len(remedies) == 1 and remedies[0].endswith("x" * 30), "a command stays in one line"
    assert [line for line in lines if line.startswith("     ")], "sentences are folded"
    words = [line for line in lines[:-1] if "/" not in line and "in [mail]" not in line
             and "crontab" not in line]
    assert words and all(len(line) <= 50 for line in words)


def test_no_colour_where_nobody_sees_it(mixed):
    result = mixed.postrider("check", env={"TERM": "xterm", "LANG": "C.UTF-8"}, check=EX_CONFIG)
    assert b"\x1b" not in result.stdout and "✗" not in result.out


def test_output_that_cannot_be_written(good):
    with open("/dev/full", "w") as full:
        for arguments in ([], ["--json"]):
            result = subprocess.run([BUILD / "postrider", "check", "-C", good.config, *arguments],
                                    stdout=full, stderr=subprocess.PIPE, env=good.environment(),
                                    check=False)
            assert result.returncode == EX_IOERR and b"standard output" in result.stderr
