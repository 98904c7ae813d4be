"""The command lines of the programs that call sendmail, as they have them, unchanged.

Recipients are far away and there is no smarthost, so that what was queued can be looked at whatever
the delivery mode; local ones are in mailboxes at the end.
"""

import os
import pty

import pytest
from sandbox import EX_DATAERR
from spool import queued, spool_files

HEADER = b"From: root (Cron Daemon)\nTo: you@far.example\nSubject: Cron <root@here> test\n"
BODY = b"line one\n.\nbehind the dot\n"
FAR = ["you@far.example"]

# (caller, arguments, message, sender expected, recipients expected)
CALLERS = [
    ("cronie", ["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "ME"], HEADER, "ME", FAR),
    ("debian cron", ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "you@far.example"], HEADER, "ME",
     FAR),
    ("freebsd cron", ["-FCronDaemon", "-odi", "-oem", "-oi", "-t"], HEADER, "ME", FAR),
    ("busybox crond", ["-t", "-oem", "-i"], HEADER, "ME", FAR),
    ("busybox crond of Debian", ["-ti"], HEADER, "ME", FAR),
    ("anacron", ["-FAnacron", "-odi", "you@far.example"], HEADER, "ME", FAR),
    ("at", ["-i", "you@far.example"], HEADER, "ME", FAR),
    ("mailutils -t", ["-oi", "-f", "app@host.example", "-t"], HEADER, "app@host.example", FAR),
    ("mailutils", ["-oi", "-f", "app@host.example", "you@far.example", "b@far.example"], HEADER,
     "app@host.example", ["you@far.example", "b@far.example"]),
    ("s-nail", ["-i", "-m", "-v", "-F", "Some One", "-f", "me@host.example", "--",
                "you@far.example"], HEADER, "me@host.example", FAR),
    ("mutt", ["-oem", "-oi", "-B8BITMIME", "-f", "me@host.example", "-N", "failure,delay", "-R",
              "hdrs", "--", "you@far.example"], HEADER, "me@host.example", FAR),
    ("mutt plain", ["-oem", "-oi", "--", "you@far.example"], HEADER, "ME", FAR),
    ("php", ["-t", "-i"], HEADER, "ME", FAR),
    ("php with -f", ["-t", "-i", "-fweb@host.example"], HEADER, "web@host.example", FAR),
    ("phpmailer", ["-fweb@host.example", "-i", "-t"], HEADER, "web@host.example", FAR),
    ("phpmailer isSendmail", ["-t", "-i", "-oi", "-fweb@host.example", "-t"], HEADER,
     "web@host.example", FAR),
    ("git send-email", ["-f", "dev@host.example", "-i", "you@far.example", "list@far.example"],
     HEADER, "dev@host.example", ["you@far.example", "list@far.example"]),
    ("git send-email plain", ["-i", "you@far.example"], HEADER, "ME", FAR),
    ("ruby mail", ["-i", "-f", "app@host.example", "--", "you@far.example"], HEADER,
     "app@host.example", FAR),
    ("perl email-sender", ["-i", "-f", "app@host.example", "--", "you@far.example"], HEADER,
     "app@host.example", FAR),
    ("perl mail-mailer", ["-t"], HEADER, "ME", FAR),
    ("perl mime-lite", ["-t", "-oi", "-oem", "-fapp@host.example"], HEADER, "app@host.example", FAR),
    ("reportbug", ["-f", "me@host.example", "-oi", "-oem", "you@far.example"], HEADER,
     "me@host.example", FAR),
    ("nodemailer", ["-i", "-f", "app@host.example", "you@far.example", "hid@far.example"],
     HEADER + b"Bcc: hid@far.example\n", "app@host.example", ["you@far.example", "hid@far.example"]),
    ("sudo", ["-t"], HEADER, "ME", FAR),
    ("mdadm", ["-t", "-fmd@host.example"], HEADER, "md@host.example", FAR),
    ("mdadm plain", ["-t"], HEADER, "ME", FAR),
    ("logwatch", ["-t"], HEADER, "ME", FAR),
    ("fail2ban", ["-f", "<fail2ban@host.example>", "<you@far.example>"], HEADER,
     "fail2ban@host.example", FAR),
    ("unattended-upgrades", ["-oi", "-t"], HEADER, "ME", FAR),
]


@pytest.mark.parametrize("caller, arguments, header, sender, recipients", CALLERS,
                         ids=[entry[0].replace(" ", "_") for entry in CALLERS])
def test_caller(sandbox, caller, arguments, header, sender, recipients):
    me = sandbox.user
    arguments = [me if argument == "ME" else argument for argument in arguments]
    result = sandbox.sendmail(*arguments, stdin=header + b"\n" + BODY, check=0)
    if "-v" not in arguments:
        assert result.out == "" and result.err == ""
    letter = queued(sandbox)
    assert letter.sender == (f"{me}@here.example" if sender == "ME" else sender)
    assert letter.recipients == recipients
    assert letter.body == BODY
    assert b"\nSubject: Cron <root@here> test\n" in letter.header
    assert b"\nFrom: root@here.example (Cron Daemon)\n" in letter.header
    assert "Bcc" not in letter.parsed
    for field in ("Date", "Message-ID", "Received"):
        assert len(letter.parsed.get_all(field)) == 1
    sandbox.wait_quiet()
    assert len(sandbox.log_lines("received", **{"from": letter.sender})) == 1


def test_sudo_without_any_environment(sandbox):
    nothing = {name: None for name in ("PATH", "HOME", "LANG", "LOGNAME", "USER")}
    sandbox.sendmail("-t", stdin=HEADER + b"\nx\n", env=nothing, check=0)
    assert queued(sandbox).sender == f"{sandbox.user}@here.example"


def test_t_and_recipients_are_the_union(sandbox):
    sandbox.sendmail("-odq", "-t", "more@far.example", "you@far.example",
                     stdin=HEADER + b"Bcc: hid@far.example\n\nx\n", check=0)
    letter = queued(sandbox)
    assert sorted(letter.recipients) == ["hid@far.example", "more@far.example", "you@far.example"]
    assert "Bcc" not in letter.parsed


def test_a_lone_dot_ends_the_message_on_a_terminal(sandbox):
    for options, body in ((["-odq"], b"before\n..\n"), (["-odq", "-i"], b"before\n..\n.\nafter\n")):
        master, slave = pty.openpty()
        before = set(sandbox.letters())
        program = sandbox.start(["sendmail", "-C", sandbox.config, *options, "you@far.example"],
                                stdin=slave)
        os.close(slave)
        os.write(master, b"Subject: s\n\nbefore\n..\n.\nafter\n")
        if "-i" in options:
            os.write(master, b"\x04")
        assert program.wait(20) == 0
        os.close(master)
        (name,) = set(sandbox.letters()) - before
        assert queued(sandbox, name).body == body


def test_submission_is_0_whatever_the_network_does(make_sandbox):
    """Nobody listens there: with -odi and with -odb the message is safe, and the status says so."""
    sandbox = make_sandbox(smarthost="host = 127.0.0.1:1\ntls = off\nauth = off")
    for mode in ("-odi", "-odb"):
        result = sandbox.sendmail(mode, "-t", stdin=HEADER + b"\nx\n", check=0)
        assert result.err == ""
    sandbox.wait_quiet()
    assert len(sandbox.letters()) == 2


def test_unknown_local_user_does_not_spoil_the_rest(sandbox):
    """Nobody is refused at submission: who exists is found out when it is delivered."""
    sandbox.sendmail("-odi", "-f", "<>", "no-such-user-here", sandbox.user,
                     stdin=b"Subject: s\n\nhello\n", check=0)
    sandbox.wait_quiet()
    (message,) = [one for one in sandbox.mailbox() if one["Subject"] == "s"]
    assert message.get_payload() == "hello\n"


def test_interactive_delivery_is_over_when_the_program_ends(sandbox):
    sandbox.sendmail("-odi", sandbox.user, stdin=b"Subject: s\n\nhello\n", check=0)
    assert [message["Subject"] for message in sandbox.mailbox()] == ["s"]
    assert sandbox.letters() == []


def test_background_delivery(sandbox):
    sandbox.sendmail(sandbox.user, stdin=b"Subject: s\n\nhello\n", check=0)
    sandbox.wait_empty()
    assert [message["Subject"] for message in sandbox.mailbox()] == ["s"]


def test_verbose_speaks_on_standard_output(sandbox):
    result = sandbox.sendmail("-v", sandbox.user, stdin=b"Subject: s\n\nhello\n", check=0)
    assert "is in the queue" in result.out
    assert result.err == ""


def test_queued_only_until_the_queue_is_run(sandbox):
    for run in (lambda: sandbox.sendmail("-q", check=0), lambda: sandbox.postrider("flush", check=0),
                lambda: sandbox.sendmail("-qf", check=0),
                lambda: sandbox.postrider("flush", "--verbose", check=0),
                lambda: sandbox.sendmail("-q", "-v", check=0)):
        sandbox.sendmail("-odq", sandbox.user, stdin=b"Subject: s\n\nhello\n", check=0)
        assert len(sandbox.letters()) == 1
        run()
        assert sandbox.letters() == []
    assert len(sandbox.mailbox()) == 5


def test_mailq_layout(sandbox):
    sandbox.sendmail("-odq", "-f", "<>", "you@far.example", stdin=b"Subject: s\n\nhello\n", check=0)
    sandbox.sendmail("-odi", "you@far.example", "b@far.example", stdin=b"Subject: t\n\nx\n", check=0)
    sandbox.wait_quiet()
    first, second = sandbox.letters()
    lines = sandbox.mailq(check=0).out.splitlines()
    assert lines[0].split()[:1] == ["-Queue"] and "Sender/Recipient" in lines[0]
    rows = [line for line in lines if line.startswith((first, second))]
    assert rows[0].split()[0] == first and rows[0].endswith("  MAILER-DAEMON")
    assert rows[0].split()[1] == str(len(queued(sandbox, first).message))
    assert rows[1].endswith(f"  {sandbox.user}@here.example")
    assert [line.strip() for line in lines].count("you@far.example") == 2
    below = lines[lines.index(rows[1]) + 1:]
    assert below[0].startswith("    (") and below[0].endswith(")"), below
    assert "b@far.example" in [line.strip() for line in below]
    assert lines[-1].startswith("-- ") and lines[-1].endswith(" Kbytes in 2 Requests.")
    shown = sandbox.mailq("-v", check=0).out
    assert "not tried yet, due now" in shown and ", next try " in shown


def test_Q3_mailq_with_files_that_cannot_be_read(sandbox):
    """Named, each with its reason; the others are shown as ever, and nothing is touched."""
    sandbox.sendmail("-odq", "you@far.example", stdin=b"Subject: s\n\nhello\n", check=0)
    (name,) = sandbox.letters()
    spool = sandbox.queue / "spool"
    others = [name[:-2] + last for last in ("00", "01", "02", "03", "04") if last != name[-2:]]
    cut, foreign, folder, link = others[:4]
    (spool / cut).write_bytes(sandbox.letter(name)[:-3])
    (spool / foreign).write_bytes(b"postrider 9\n\x1b[2J")
    (spool / folder).mkdir()
    (spool / link).symlink_to("/etc/passwd")
    before = sorted(os.listdir(spool))
    result = sandbox.mailq(check=0)
    lines = result.out.splitlines()
    for bad in (cut, foreign, folder, link):
        (line,) = [line for line in lines if line.startswith(bad)]
        assert "(it cannot be read: " in line and "\x1b" not in line
    assert any(line.startswith(f"{name} ") and "here.example" in line for line in lines)
    assert lines[-1].endswith(" in 5 Requests.")
    assert "root:" not in result.out
    assert sorted(os.listdir(spool)) == before


def test_newaliases_goes_on_behind_a_file_with_an_error(sandbox):
    good = sandbox.folder / "more"
    good.write_text("x: y\n")
    sandbox.aliases("a: b\nthis is no alias\n")
    sandbox.configure(mail=f"aliases = {sandbox.aliases_path}, {good}, {sandbox.folder}/missing")
    result = sandbox.newaliases()
    assert result.returncode != 0
    assert result.out == f"{good}: 1 alias\n"
    assert f"newaliases: {sandbox.aliases_path}:2:" in result.err
    assert f"{sandbox.folder}/missing" in result.err
    assert result.err.count("\n") == 2


def test_one_bad_recipient_among_good_ones(sandbox):
    result = sandbox.sendmail("-odq", "a@far.example", "b@@far.example", "c@far.example",
                              stdin=b"x\n")
    assert result.returncode == EX_DATAERR
    assert "recipient argument 2" in result.err and "b@@far.example" in result.err
    result = sandbox.sendmail("-odq", "-t", stdin=b"To: a@far.example, b@@far.example\n\nx\n")
    assert result.returncode == EX_DATAERR
    assert "To" in result.err and "b@@far.example" in result.err
    result = sandbox.sendmail("-odq", "<>", stdin=b"x\n")
    assert result.returncode == EX_DATAERR and "recipient argument 1" in result.err
    assert spool_files(sandbox) == []
