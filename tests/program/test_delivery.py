"""From sendmail to where mail ends: mailboxes, the smarthost, the queue, bounces."""

import fcntl
import os
import re
import stat
import time

import pytest
from dsn import the_report
from sandbox import EX_NOINPUT, EX_OK, wait_until
from smtpfake import CLOSE, PASSWORD, USER, Certificates, FakeServer

MESSAGE = b"Subject: hi\n\nhello\n"


@pytest.fixture
def smarthost(tmp_path):
    certificates = Certificates(tmp_path / "certificates")
    with FakeServer(certificate=certificates.good, auth_needed=True) as server:
        server.settings = (
            f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\nuser = {USER}"
        )
        yield server


def use(sandbox, server, **more):
    """Points the sandbox at a server in clear, or at the smarthost above."""
    settings = getattr(server, "settings", f"host = {server.address}\ntls = off\nauth = off")
    sandbox.configure(smarthost=settings, **more)
    if hasattr(server, "settings"):
        sandbox.credentials(f"[smarthost]\npassword = {PASSWORD}\n")


# --- mailboxes -----------------------------------------------------------------------------------


def test_a_mailbox_that_is_waited_for_keeps_no_report_waiting(sandbox):
    """Looking at the folder takes a tenth of a run's time at most: delivering is no looking."""
    path = sandbox.mail / sandbox.user
    with open(path, "w", encoding="ascii") as lock:
        path.chmod(0o600)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        sandbox.sendmail("-i", sandbox.user, "nobody-of-that-name", stdin=MESSAGE, check=EX_OK)
        time.sleep(2)
        assert not sandbox.mailbox_bytes()
    began = time.monotonic()
    sandbox.wait_empty()
    assert time.monotonic() - began < 10
    assert len(sandbox.mailbox()) == 2


def test_alias_to_mailbox_with_full_header(sandbox):
    sandbox.aliases(f"postmaster: {sandbox.user}\n")
    sandbox.sendmail("-i", "-f", "ops@example.org", "postmaster", stdin=MESSAGE, check=EX_OK)
    sandbox.wait_empty()
    (message,) = sandbox.mailbox()
    assert message.get_from().startswith("ops@example.org ")
    assert message["Return-Path"] == "<ops@example.org>"
    assert message["Delivered-To"] == "postmaster@here.example"
    assert message["Received"] and message["Date"] and message["Message-ID"] and message["From"]
    assert message.get_payload() == "hello\n"
    ident = message["X-Postrider-Id"]
    lines = [line for line in sandbox.log().splitlines() if ident in line]
    events = " ".join(lines)
    for event in ("received", "routed", "delivered"):
        assert f"{ident} {event}" in events


def test_Q7_mailbox_form(sandbox):
    body = (
        b"Subject: x\nReturn-Path: <forged@x>\n folded\nX: y\n\nFrom here\n>From there\n"
        b">>From\nFromage\n>\n>x\n\x00 \xff\nFrom the end"
    )
    for _ in range(2):
        sandbox.sendmail("-i", sandbox.user, stdin=body, check=EX_OK)
    sandbox.wait_empty()
    raw = sandbox.mailbox_bytes()
    entry = raw[raw.index(b"\n\n") :]
    assert b"\n>From here\n>>From there\n>>From\nFromage\n>\n>x\n\x00 \xff\n>From the end\n\n" in entry
    assert b"forged" not in raw and b"folded" not in raw and b"X: y\n" in raw
    assert len(sandbox.mailbox()) == 2
    assert raw.endswith(b"\n\n")


def test_mailbox_is_made_private_and_separated(sandbox):
    box = sandbox.mail / sandbox.user
    sandbox.sendmail(sandbox.user, stdin=MESSAGE, check=EX_OK)
    sandbox.wait_empty()
    assert stat.S_IMODE(box.stat().st_mode) == 0o600
    with box.open("ab") as file:
        file.write(b"junk without an end")
    sandbox.sendmail(sandbox.user, stdin=MESSAGE, check=EX_OK)
    sandbox.wait_empty()
    assert b"junk without an end\n\nFrom " in box.read_bytes()
    assert not list(sandbox.mail.glob("*.lock"))


def plant(kind, box, folder):
    if kind == "link":
        target = folder / "target"
        target.write_text("")
        box.symlink_to(target)
    elif kind == "dangling":
        box.symlink_to(folder / "made-by-delivery")
    elif kind == "hard link":
        box.write_text("")
        os.link(box, folder / "second")
    elif kind == "folder":
        box.mkdir()
    elif kind == "pipe":
        os.mkfifo(box)
    elif kind == "other owner":
        box.write_text("")
        os.chown(box, 12345, 12345)


@pytest.mark.parametrize(
    "kind", ["link", "dangling", "hard link", "folder", "pipe"]
    + (["other owner"] if os.getuid() == 0 else [])
)
def test_Q5_mailbox_that_is_none(sandbox, kind):
    box = sandbox.mail / sandbox.user
    plant(kind, box, sandbox.folder)
    before = os.lstat(box)
    sandbox.sendmail("-odi", sandbox.user, stdin=MESSAGE, check=EX_OK)
    assert len(sandbox.letters()) == 1
    after = os.lstat(box)
    assert (before.st_uid, before.st_mode, before.st_size) == (
        after.st_uid, after.st_mode, after.st_size)
    assert not (sandbox.folder / "made-by-delivery").exists()
    words = {"link": "link", "dangling": "link", "hard link": "hard link", "folder": "mailbox",
             "pipe": "not a file", "other owner": "another user"}[kind]
    assert words in sandbox.mailq().out
    if kind == "folder":
        box.rmdir()
    else:
        box.unlink()
    sandbox.sendmail("-odi", sandbox.user, stdin=MESSAGE, check=EX_OK)
    assert len(sandbox.mailbox()) == 1


def test_two_recipients_one_mailbox_one_copy(sandbox):
    sandbox.aliases(f"ops: {sandbox.user}\nadmins: ops, {sandbox.user}\n")
    sandbox.sendmail(sandbox.user, "ops", "admins", stdin=MESSAGE, check=EX_OK)
    sandbox.wait_empty()
    assert len(sandbox.mailbox()) == 1


def test_unknown_user_bounces_others_go_through(sandbox):
    sandbox.sendmail("-f", sandbox.user, sandbox.user, "nobody-here", stdin=MESSAGE, check=EX_OK)
    sandbox.wait_empty()
    (original,) = [m for m in sandbox.mailbox() if m["Subject"] == "hi"]
    assert original.get_payload() == "hello\n"
    report = the_report(sandbox)
    assert report.only["final-recipient"] == "rfc822; nobody-here@here.example"
    assert report.only["status"] == "5.1.1" and "nobody-here@here.example" in report.text


# --- the smarthost -------------------------------------------------------------------------------


def test_smarthost_with_tls_and_auth(sandbox, smarthost):
    use(sandbox, smarthost)
    sandbox.sendmail("-i", "-f", "ops@example.org", "you@example.net", stdin=MESSAGE, check=EX_OK)
    sandbox.wait_empty()
    (message,) = smarthost.messages
    assert message.session.tls and message.session.user == USER
    assert message.sender == "ops@example.org" and message.recipients == ["you@example.net"]
    assert b"\r\n\r\nhello\r\n" in message.data
    assert sandbox.log_lines("delivered", to="you@example.net")
    assert PASSWORD not in sandbox.log()


def test_mixed_recipients(sandbox, smarthost):
    use(sandbox, smarthost)
    sandbox.aliases(f"team: {sandbox.user}, far@example.net\n")
    text = b"To: team, a@example.com\nCc: b@example.com\nBcc: c@example.com\n\nx\n"
    sandbox.sendmail("-t", stdin=text, check=EX_OK)
    sandbox.wait_empty()
    got = sorted(address for m in smarthost.messages for address in m.recipients)
    assert got == ["a@example.com", "b@example.com", "c@example.com", "far@example.net"]
    sent_on, direct = sorted(smarthost.messages, key=lambda m: len(m.recipients))
    assert sent_on.recipients == ["far@example.net"], "what an alias sends on goes apart"
    assert len(direct.recipients) == 3, "one transaction for all others"
    assert sent_on.data.startswith(b"Delivered-To: team@here.example\r\n")
    assert b"Delivered-To" not in direct.data
    assert len(smarthost.connections) == 1
    assert all(b"Bcc" not in m.data and b"c@example.com" not in m.data for m in smarthost.messages)
    assert len(sandbox.mailbox()) == 1


def test_each_recipient_its_own_outcome(sandbox):
    def reply(session, line):
        if "later@" in line:
            return "451 4.3.0 not now"
        if "never@" in line:
            return "550 5.1.1 unknown"
        return None

    with FakeServer(at={"RCPT": reply}) as server:
        use(sandbox, server)
        sandbox.sendmail("-f", sandbox.user, "good@example.net", "later@example.net",
                         "never@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.wait_quiet()
        wait_until(lambda: sandbox.mailbox())
        assert server.messages[0].recipients == ["good@example.net"]
        (letter,) = sandbox.letters()
        shown = sandbox.mailq().out
        assert "later@example.net" in shown and "451 4.3.0 not now" in shown
        assert "good@example.net" not in shown and "never@example.net" not in shown
        report = the_report(sandbox)
        assert report.only["final-recipient"] == "rfc822; never@example.net"
        assert report.only["status"] == "5.1.1" and report.only["action"] == "failed"
        assert report.only["diagnostic-code"] == "smtp; 550 5.1.1 unknown"
        assert report.only["remote-mta"] == "dns; [127.0.0.1]"
        before = len(server.connections)
        sandbox.flush(check=EX_OK)
        assert len(server.connections) == before, "it is not due yet"
        server.at = {}
        os.utime(sandbox.queue / "journal" / letter, (1, 1))
        sandbox.flush(check=EX_OK)
        assert server.messages[-1].recipients == ["later@example.net"]
        assert not sandbox.letters()


def test_missing_smarthost_keeps_mail(sandbox):
    sandbox.sendmail("you@example.net", stdin=MESSAGE, check=EX_OK)
    sandbox.wait_quiet()
    wait_until(lambda: "no smarthost is configured" in sandbox.mailq().out)


def test_wrong_password_is_deferred_and_loud(sandbox, smarthost):
    use(sandbox, smarthost)
    sandbox.credentials("[smarthost]\npassword = wrong-Passwort\n")
    for _ in range(3):
        sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
    sandbox.flush()
    assert len(sandbox.letters()) == 3 and not sandbox.mailbox()
    assert "535" in sandbox.mailq().out
    assert len([line for line in sandbox.log().splitlines() if "cannot be used now" in line]) == 1
    assert "wrong-Passwort" not in sandbox.log()
    assert sum(c.startswith("AUTH") for c in smarthost.commands) == 1


def test_C14_dead_smarthost(sandbox):
    with FakeServer(at={"connect": "421 4.3.2 go away"}) as server:
        use(sandbox, server)
        for _ in range(120):
            sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.flush()
        assert 1 <= len(server.connections) <= 4
        assert len(sandbox.letters()) == 120
        count = len(server.connections)
        for _ in range(5):
            sandbox.sendmail("you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.wait_quiet()
        sandbox.flush()
        assert len(server.connections) == count, "it is left alone for a while"
        due = sorted({int(p.stat().st_mtime) for p in (sandbox.queue / "journal").iterdir()})
        assert len(due) > 10, "they do not all come back at once"


@pytest.mark.parametrize("mended", ["settings", "password", "mode"])
def test_who_mends_the_settings_need_not_wait(sandbox, smarthost, mended):
    """What failed by other settings is no reason to leave a smarthost alone."""
    use(sandbox, smarthost)
    settings, passwords = sandbox.config.read_text(), sandbox.credentials_path.read_text()
    if mended == "settings":
        sandbox.config.write_text(settings.replace(f"{smarthost.port}", "1"))
    elif mended == "password":
        sandbox.credentials_path.write_text(passwords.replace(PASSWORD, "wrong"))
    else:
        sandbox.credentials_path.chmod(0o644)
    sandbox.sendmail("you@example.net", stdin=MESSAGE, check=EX_OK)
    sandbox.wait_quiet()
    assert len(sandbox.letters()) == 1 and "left alone" in sandbox.postrider("status").out
    time.sleep(2.1)
    sandbox.sendmail("two@example.net", stdin=MESSAGE, check=EX_OK)
    sandbox.wait_quiet()
    assert len(sandbox.letters()) == 2
    sandbox.config.write_text(settings)
    sandbox.credentials_path.write_text(passwords)
    sandbox.credentials_path.chmod(0o600)
    sandbox.sendmail("three@example.net", stdin=MESSAGE, check=EX_OK)
    wait_until(lambda: smarthost.messages)
    assert smarthost.messages[0].recipients == ["three@example.net"]


@pytest.mark.once
def test_500_quick_submissions_make_few_connections(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        for number in range(500):
            sandbox.sendmail("you@example.net", stdin=b"Subject: %d\n\n" % number, check=EX_OK)
        sandbox.wait_empty(60)
        subjects = sorted(int(re.search(rb"Subject: (\d+)", m.data)[1]) for m in server.messages)
        assert subjects == list(range(500))
        assert len(server.connections) <= 40


def test_backlog_goes_over_few_connections(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        for number in range(100):
            sandbox.sendmail("-odq", "you@example.net", stdin=b"Subject: %d\n\n" % number)
        sandbox.flush(check=EX_OK)
        assert len(server.messages) == 100 and not sandbox.letters()
        assert len(server.connections) <= 4
        assert not list((sandbox.queue / "journal").iterdir())


def test_poison_message_does_not_stop_the_others(sandbox):
    def closes(session, line):
        return CLOSE if "poison@" in line else None

    with FakeServer(at={"RCPT": closes}) as server:
        use(sandbox, server)
        sandbox.sendmail("-odq", "poison@example.net", stdin=MESSAGE)
        for _ in range(3):
            sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE)
        sandbox.flush()
        assert len(server.messages) == 3 and len(sandbox.letters()) == 1


# --- retry and bounce ----------------------------------------------------------------------------


def test_bounce_after_lifetime(sandbox):
    with FakeServer(at={"RCPT": "450 4.2.0 later"}) as server:
        use(sandbox, server, queue="retry = 1s, 1s\nlifetime = 2s")
        sandbox.sendmail("-f", sandbox.user, "-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)

        def given_up():
            sandbox.flush()
            return not sandbox.letters()

        wait_until(given_up, 30)
        fields = the_report(sandbox).only
        assert fields["action"] == "failed" and fields["status"] == "4.4.7"
        assert fields["diagnostic-code"] == "smtp; 450 4.2.0 later"


def test_Q4_clock_forward_bounces_nothing_at_once(sandbox):
    with FakeServer(at={"RCPT": "450 4.2.0 later"}) as server:
        use(sandbox, server, queue="retry = 1h, 1h, 1h\nlifetime = 1s")
        sandbox.sendmail("-f", sandbox.user, "-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        time.sleep(1.2)
        sandbox.flush()
        assert len(sandbox.letters()) == 1 and not sandbox.mailbox()


def test_Q4_clock_put_back(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        (letter,) = sandbox.letters()
        journal = sandbox.queue / "journal" / letter
        journal.write_text("tried 1 .\n")
        ahead = time.time() + 86400 * 2
        os.utime(journal, (ahead, ahead))
        sandbox.flush()
        assert len(server.messages) == 1


def test_Q3_broken_file_is_set_aside_and_the_others_go_on(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        for _ in range(3):
            sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        broken = sandbox.letters()[1]
        path = sandbox.queue / "spool" / broken
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"X")
        sandbox.flush(check=EX_OK)
        assert len(server.messages) == 2
        assert (sandbox.queue / "corrupt" / broken).exists()
        assert sandbox.log_lines("held") and not sandbox.letters()


def test_L3_bounce_report_reads_by_rfc_3464(sandbox):
    reply = "550-5.7.1 first line \u00e4\n550-5.7.1 " + "\n550-5.7.1 ".join(["x" * 480] * 200) + "\n550 5.7.1 last"
    with FakeServer(at={"RCPT": reply}) as server:
        use(sandbox, server)
        sandbox.sendmail("-f", sandbox.user, "-V", "id1", "you@example.net",
                         stdin=b"Subject: orig\n\n" + "\u00e4\n".encode(), check=EX_OK)
        sandbox.wait_empty()
        report = the_report(sandbox)
        assert report.message["reporting-mta"] == "dns; here.example"
        assert report.message["original-envelope-id"] == "id1"
        assert report.only["diagnostic-code"].startswith("smtp; 550 5.7.1 first line ??")
        assert report.only["status"] == "5.7.1" and "you@example.net" in report.text
        assert report.original_type == "message/rfc822"
        assert b"\nSubject: orig\n" in b"\n" + report.original
        assert report.original.endswith("\n\n\u00e4\n".encode())


# --- when and by whom ----------------------------------------------------------------------------


def test_delivery_modes(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        assert len(sandbox.letters()) == 1 and not server.connections
        sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
        assert len(server.messages) == 1 and len(sandbox.letters()) == 1
        sandbox.flush()
        assert len(server.messages) == 2


def test_verbose_shows_the_dialogue_without_secrets(sandbox, smarthost):
    use(sandbox, smarthost)
    shown = sandbox.sendmail("-v", "you@example.net", stdin=MESSAGE, check=EX_OK).out
    assert ">>> STARTTLS" in shown and "<<< 250 2.0.0 Ok: queued" in shown
    assert PASSWORD not in shown
    import base64

    assert base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode() not in shown
    assert not sandbox.letters()


def test_verbose_says_what_came_of_it_without_a_dialogue(sandbox):
    """Where nobody was spoken with: why it waits, or where it went."""
    def shown(recipient, **settings):
        sandbox.configure(**settings)
        return sandbox.sendmail("-v", recipient, stdin=MESSAGE, check=EX_OK).out.splitlines()[1:]

    assert shown("you@example.net", smarthost=None) == [
        "*** you@example.net: no smarthost is configured: postrider setup does it, or [smarthost] in postrider.conf"]
    here = f"{sandbox.user}@here.example"
    assert shown(sandbox.user, smarthost=None) == [f"*** delivered on this machine: {here}"]
    lines = shown("nobody-of-this-name", smarthost=None)
    assert lines[0].startswith("*** nobody-of-this-name@here.example: ") and "there is no mailbox" in lines[0]
    sandbox.credentials_path.write_text("[smarthost]\npassword = x\n")
    sandbox.credentials_path.chmod(0o644)
    lines = shown("you@example.net", smarthost="host = localhost:1\ntls = starttls\nuser = me")
    assert lines == [f"*** you@example.net: {sandbox.credentials_path} is open to group or others: chmod 600 {sandbox.credentials_path}"]


def test_Q2_two_runners_one_delivery(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        for number in range(40):
            sandbox.sendmail("-odq", "you@example.net", stdin=b"Subject: %d\n\n" % number)
        letters = sandbox.letters()
        runs = [sandbox.start(["postrider-run", "-C", sandbox.config]) for _ in range(2)]
        runs += [sandbox.start(["postrider-run", "-C", sandbox.config, "--id", one])
                 for one in letters[::4]]
        # One that was asked for by its id may have gone with a run meanwhile.
        assert [run.wait(60) for run in runs[:2]] == [0, 0]
        assert {run.wait(60) for run in runs[2:]} <= {EX_OK, EX_NOINPUT}
        sandbox.wait_empty()
        subjects = sorted(int(re.search(rb"Subject: (\d+)", m.data)[1]) for m in server.messages)
        assert subjects == list(range(40))
