"""Delivery status notifications (RFC 3461, 3464): who hears of what, once, and in which form."""

import os
import time

import pytest
from dsn import check_date, read_report, reports_in, the_report
from sandbox import EX_OK, EX_USAGE, wait_until
from smtpfake import EXTENSIONS, FakeServer

MESSAGE = b"Subject: hi\n\nhello\n"
WITHOUT_DSN = tuple(one for one in EXTENSIONS if one != "DSN")


def use(sandbox, server, **more):
    sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off", **more)


def send(sandbox, *arguments, stdin=MESSAGE, sender=None):
    sandbox.sendmail("-odi", "-i", "-f", sender or sandbox.user, *arguments, stdin=stdin,
                     check=EX_OK)
    sandbox.flush(check=EX_OK)


def make_due(sandbox):
    for path in (sandbox.queue / "journal").iterdir():
        os.utime(path, (1, 1))
    for path in (sandbox.queue / "hops").iterdir():
        path.unlink()


def run_due(sandbox):
    make_due(sandbox)
    sandbox.flush(check=EX_OK)


# --- success -------------------------------------------------------------------------------------


def test_delivered_into_a_mailbox(sandbox):
    send(sandbox, "-N", "success", "-V", "id+2B1", sandbox.user)
    report = the_report(sandbox)
    assert report.only["action"] == "delivered" and report.only["status"] == "2.0.0"
    assert report.only["final-recipient"] == f"rfc822; {sandbox.user}@here.example"
    assert report.message["original-envelope-id"] == "id+1"
    assert report.header["Subject"] == "Mail has been delivered"
    assert not report.whole and b"Subject: hi" in report.original
    assert not sandbox.letters() and not list((sandbox.queue / "journal").iterdir())


def test_success_unasked_makes_no_report_and_no_journal(sandbox):
    with FakeServer(extensions=WITHOUT_DSN) as server:
        use(sandbox, server)
        sandbox.aliases(f"me: {sandbox.user}\n")
        sandbox.sendmail("-odq", sandbox.user, stdin=MESSAGE, check=EX_OK)
        journals = sandbox.queue / "journal"
        before = journals.stat().st_mtime_ns
        for recipients in ([sandbox.user], ["me"], ["you@example.net"]):
            send(sandbox, *recipients)
        assert not reports_in(sandbox) and not sandbox.letters()
        assert journals.stat().st_mtime_ns == before, "there was a journal"


def test_relayed_where_the_next_hop_has_no_DSN(sandbox):
    with FakeServer(extensions=WITHOUT_DSN) as server:
        use(sandbox, server)
        send(sandbox, "-N", "success,failure", "-R", "full", "-V", "x1", "you@example.net")
        report = the_report(sandbox)
        assert report.only["action"] == "relayed"
        assert report.only["remote-mta"] == "dns; [127.0.0.1]"
        assert report.only["diagnostic-code"].startswith("smtp; 250 ")
        assert not report.whole, "a success gives only the header back, whatever RET says"
        (message,) = server.messages
        assert not message.parameters.get("RET") and not message.recipient_parameters[0]


def test_the_duty_is_passed_on_with_DSN(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        send(sandbox, "-N", "success,delay", "-R", "hdrs", "-V", "x+2B1", "you@example.net")
        assert not reports_in(sandbox) and not sandbox.letters()
        (message,) = server.messages
        assert message.parameters["RET"] == "HDRS" and message.parameters["ENVID"] == "x+2B1"
        assert message.recipient_parameters == [{"NOTIFY": "SUCCESS,DELAY"}]


@pytest.mark.parametrize("dsn", [False, True])
def test_delivered_over_LMTP(sandbox, dsn):
    extensions = EXTENSIONS if dsn else WITHOUT_DSN
    path = sandbox.folder / "lmtp"
    with FakeServer(host=str(path), lmtp=True, extensions=extensions) as server:
        sandbox.configure(extra=f'[route "example.net"]\nvia = lmtp:{path}')
        send(sandbox, "-N", "success", "you@example.net")
        assert len(server.messages) == 1 and not sandbox.letters()
        if dsn:
            assert not reports_in(sandbox)
        else:
            fields = the_report(sandbox).only
            assert fields["action"] == "delivered"
            assert fields["remote-mta"] == f"x-unix-socket; {path}"


def test_expanded_keeps_the_addresses_of_an_alias(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        sandbox.aliases(f"team: {sandbox.user}, secret@example.net, other@example.com\n")
        send(sandbox, "-N", "success,failure", "team")
        report = the_report(sandbox)
        assert report.only["action"] == "expanded"
        assert report.only["final-recipient"] == "rfc822; team@here.example"
        assert b"secret@" not in report.raw and b"other@" not in report.raw
        (message,) = server.messages
        assert message.recipient_parameters == [{"NOTIFY": "FAILURE"}] * 2


def test_expanded_with_success_alone_leaves_never(sandbox):
    def refuses(session, line):
        return "550 5.1.1 unknown" if "gone@" in line else None

    with FakeServer(at={"RCPT": refuses}) as server:
        use(sandbox, server)
        sandbox.aliases("team: gone@example.net, other@example.com\n")
        send(sandbox, "-N", "success", "team")
        assert the_report(sandbox).only["action"] == "expanded"
        (message,) = server.messages
        assert message.recipient_parameters == [{"NOTIFY": "NEVER"}]
        assert sandbox.log_lines("bounced", to="gone@example.net")


def test_an_alias_for_one_passes_the_request_on(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        sandbox.aliases("boss: far@example.net\n")
        send(sandbox, "-N", "success", "boss")
        assert not reports_in(sandbox)
        assert server.messages[0].recipient_parameters == [{"NOTIFY": "SUCCESS"}]


def test_several_recipients_stand_in_one_report(sandbox):
    def slow(session, line):
        return "450 4.2.1 busy" if "slow@" in line else None

    with FakeServer(extensions=WITHOUT_DSN, at={"RCPT": slow}) as server:
        use(sandbox, server)
        send(sandbox, "-N", "success", "a@example.net", "slow@example.net", "b@example.net")
        assert the_report(sandbox).actions == {"a@example.net": "relayed",
                                               "b@example.net": "relayed"}
        server.at = {}
        run_due(sandbox)
        first, second = reports_in(sandbox)
        assert second.actions == {"slow@example.net": "relayed"}
        assert first.header["Message-ID"] != second.header["Message-ID"]
        assert not sandbox.letters()


# --- never, and whom not to tell -----------------------------------------------------------------


@pytest.mark.parametrize("notify", ["never", "success", "delay"])
def test_L5_failure_unwanted(sandbox, notify):
    with FakeServer(at={"RCPT": "550 5.1.1 unknown"}) as server:
        use(sandbox, server)
        send(sandbox, "-N", notify, "you@example.net")
        assert not sandbox.mailbox() and not sandbox.letters()
        assert sandbox.log_lines("bounced", to="you@example.net", report="none: not asked for")


def test_L2_null_sender_postmaster_once(sandbox):
    """What failed without a sender reaches the postmaster, and nobody if that fails too."""
    sandbox.aliases(f"postmaster: {sandbox.user}\n")
    with FakeServer(at={"RCPT": "550 5.1.1 unknown"}) as server:
        use(sandbox, server)
        sandbox.sendmail("-odi", "-f", "<>", "you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.flush()
        report = the_report(sandbox)
        assert report.header["To"] == "postmaster@here.example"
        assert "postmaster" in report.header["Subject"]
        assert report.only["final-recipient"] == "rfc822; you@example.net"
        assert b"\n\nhello\n" in report.original
        assert len(server.connections) == 1 and not sandbox.letters()
        sandbox.sendmail("-odi", "-N", "never", "-f", "<>", "you@example.net", stdin=MESSAGE)
        sandbox.flush()
        assert len(reports_in(sandbox)) == 1


@pytest.mark.parametrize("postmaster", ["works", "fails", "bounces to itself"])
def test_L2_double_bounce(sandbox, postmaster):
    """A report that cannot be delivered becomes one for the postmaster; then it ends."""
    sandbox.aliases({"works": f"postmaster: {sandbox.user}\n",
                     "fails": "postmaster: nobody-at-all\n",
                     "bounces to itself": "postmaster: gone@example.net\n"}[postmaster])
    with FakeServer(at={"RCPT": "550 5.1.1 unknown"}) as server:
        use(sandbox, server)
        sandbox.sendmail("-odi", "-f", "no-such-sender@here.example", "you@example.net",
                         stdin=MESSAGE, check=EX_OK)
        sandbox.flush()
        sandbox.wait_empty()
        found = reports_in(sandbox)
        bounced = sandbox.log_lines("bounced")
        if postmaster == "works":
            (report,) = found
            assert report.only["final-recipient"] == "rfc822; no-such-sender@here.example"
            inner = read_report(report.original)
            assert inner.only["final-recipient"] == "rfc822; you@example.net"
            assert len(bounced) == 2
        else:
            assert not found and len(bounced) == 3
            assert "none: the sender is <>" in bounced[-1]
        assert len(server.connections) <= 2


@pytest.mark.parametrize("sender", ["MAILER-DAEMON", "mailer-daemon@here.example"])
def test_L2_mailer_daemon_is_nobody(sandbox, sender):
    with FakeServer(at={"RCPT": "550 5.1.1 unknown"}, extensions=WITHOUT_DSN) as server:
        use(sandbox, server)
        sandbox.aliases(f"postmaster: {sandbox.user}\n")
        send(sandbox, "you@example.net", sender=sender)
        (report,) = reports_in(sandbox)
        assert report.header["To"] == "postmaster@here.example"
        assert not sandbox.letters()


def test_sender_of_this_host_in_every_spelling(sandbox):
    with FakeServer(at={"RCPT": "550 5.1.1 unknown"}) as server:
        use(sandbox, server)
        for sender in (sandbox.user, f"{sandbox.user}@here.example", f"{sandbox.user}@localhost"):
            send(sandbox, "you@example.net", sender=sender)
        assert len(reports_in(sandbox)) == 3 and not sandbox.letters()


def test_sender_elsewhere_gets_it_over_the_smarthost(sandbox):
    def refuses(session, line):
        return "550 5.1.1 unknown" if "you@" in line else None

    with FakeServer(at={"RCPT": refuses}) as server:
        use(sandbox, server)
        send(sandbox, "you@example.net", sender="ops@example.org")
        (message,) = server.messages
        assert message.sender == "" and message.recipients == ["ops@example.org"]
        report = read_report(message.data)
        assert report.only["status"] == "5.1.1"
        assert "Look for a mistake in the address" in report.text.replace("\n    ", " ")


# --- delay ---------------------------------------------------------------------------------------


def waits(sandbox, *arguments, warn="1s", lifetime="5d", at=None):
    """A message that is refused for now, older than the time to warn."""
    server = FakeServer(at=at or {"RCPT": "451 4.7.1 greylisted, come back"})
    use(sandbox, server, queue=f"warn = 2h\nlifetime = {lifetime}\nretry = 1h")
    send(sandbox, *arguments, "you@example.net", "other@example.net")
    assert not sandbox.mailbox(), "it is too early to warn"
    sandbox.configure(queue=f"warn = {warn}")
    time.sleep(1.1)
    return server


def test_delay_once_by_default(sandbox):
    with waits(sandbox) as server:
        run_due(sandbox)
        report = the_report(sandbox)
        assert report.actions == {"you@example.net": "delayed", "other@example.net": "delayed"}
        fields = report.recipients[0]
        assert fields["status"] == "4.7.1"
        assert fields["diagnostic-code"] == "smtp; 451 4.7.1 greylisted, come back"
        until = check_date(fields["will-retry-until"])
        assert (until - check_date(report.message["arrival-date"])).days == 5
        assert "You need not do anything" in report.text.replace("\n", " ")
        assert not report.whole and report.header["Subject"].startswith("Delayed")
        for _ in range(3):
            run_due(sandbox)
        assert len(reports_in(sandbox)) == 1, "once for each recipient"
        server.at = {}
        run_due(sandbox)
        assert len(server.messages) == 1 and len(reports_in(sandbox)) == 1
        assert not sandbox.letters()


@pytest.mark.parametrize("notify", ["never", "failure", "success"])
def test_delay_not_asked_for(sandbox, notify):
    with waits(sandbox, "-N", notify):
        run_due(sandbox)
        assert not sandbox.mailbox()


def test_delay_alone_is_asked_for(sandbox):
    with waits(sandbox, "-N", "delay") as server:
        run_due(sandbox)
        assert len(reports_in(sandbox)) == 1
        server.at = {"RCPT": "550 5.1.1 unknown"}
        run_due(sandbox)
        assert len(reports_in(sandbox)) == 1 and not sandbox.letters()


def test_delay_switched_off(sandbox):
    with waits(sandbox, warn="0"):
        run_due(sandbox)
        assert not sandbox.mailbox()


def test_delay_not_for_the_null_sender(sandbox):
    with FakeServer(at={"RCPT": "451 4.3.0 later"}) as server:
        use(sandbox, server, queue="warn = 1s")
        sandbox.aliases(f"postmaster: {sandbox.user}\n")
        sandbox.sendmail("-odi", "-f", "<>", "you@example.net", stdin=MESSAGE, check=EX_OK)
        time.sleep(1.1)
        run_due(sandbox)
        assert not sandbox.mailbox() and len(sandbox.letters()) == 1


def test_delay_without_a_smarthost_or_with_a_dead_one(sandbox):
    send(sandbox, "you@example.net")
    sandbox.configure(queue="warn = 1s")
    time.sleep(1.1)
    run_due(sandbox)
    report = the_report(sandbox)
    assert "no smarthost is configured" in report.text and report.only["status"] == "4.3.5"


def test_delay_in_time_though_the_schedule_is_longer(sandbox):
    with FakeServer(at={"RCPT": "451 4.3.0 later"}) as server:
        use(sandbox, server, queue="warn = 2h\nretry = 4h")
        send(sandbox, "you@example.net")
        (journal,) = (sandbox.queue / "journal").iterdir()
        assert 7190 <= journal.stat().st_mtime - time.time() <= 7200


def test_held_mail_is_not_late(sandbox):
    sandbox.configure(queue="warn = 1s", extra='[route "example.net"]\nvia = hold')
    send(sandbox, "you@example.net")
    time.sleep(1.1)
    run_due(sandbox)
    assert not sandbox.mailbox() and len(sandbox.letters()) == 1


def test_delay_then_failure(sandbox):
    with waits(sandbox) as server:
        run_due(sandbox)
        server.at = {"RCPT": "554 5.7.1 go away"}
        run_due(sandbox)
        delayed, failed = reports_in(sandbox)
        assert set(failed.actions.values()) == {"failed"} and failed.whole
        assert not sandbox.letters()


# --- what is given back --------------------------------------------------------------------------


def refused(sandbox, *arguments, stdin=MESSAGE, sender=None, recipient="you@example.net"):
    with FakeServer(at={"RCPT": "550 5.7.1 refused"}) as server:
        use(sandbox, server)
        send(sandbox, *arguments, recipient, stdin=stdin, sender=sender)
        assert not sandbox.letters()
        return the_report(sandbox)


def test_failure_gives_the_message_back(sandbox):
    report = refused(sandbox)
    assert report.original_type == "message/rfc822" and report.original.endswith(b"\n\nhello\n")


def test_ret_hdrs_gives_the_header_back(sandbox):
    report = refused(sandbox, "-R", "hdrs")
    assert report.original_type == "text/rfc822-headers" and b"hello" not in report.raw
    assert b"Subject: hi\n" in report.original


def test_a_large_message_comes_back_as_its_header(sandbox):
    report = refused(sandbox, stdin=b"Subject: big\n\n" + b"x" * 70 * 1000 + b"\n")
    assert report.original_type == "text/rfc822-headers" and len(report.raw) < 10000


@pytest.mark.parametrize("body", [b"nul \0 byte\n", b"y" * 5000 + b"\n", b"\xe4\0" + b"z" * 2000])
def test_L3_nul_and_long_lines_come_back_in_a_form_that_travels(sandbox, body):
    report = refused(sandbox, stdin=b"Subject: odd\n\n" + body)
    assert report.original_type == "message/rfc822"
    assert b"quoted-printable" in report.original


def test_L3_nothing_fits_a_signed_message_with_long_lines(sandbox):
    report = refused(sandbox, stdin=b"Subject: odd\nMIME-Version: 1.0\nContent-Type: multipart/signed;"
                     b" boundary=b; micalg=x; protocol=y/z\n\n--b\n\n" + b"x" * 2000
                     + b"\n--b\n\nz\n--b--\n")
    assert report.original_type == "text/rfc822-headers"


def test_8_bit_body_is_declared(sandbox):
    report = refused(sandbox, stdin="Subject: x\n\nGr\u00fc\u00dfe\n".encode())
    assert report.original_type == "message/rfc822"
    assert report.original.decode().endswith("Gr\u00fc\u00dfe\n")
    assert report.header["Content-Transfer-Encoding"] == "8bit"


def test_utf8_header_is_message_global(sandbox):
    text = "Subject: Gr\u00fc\u00dfe\n\nx\n".encode()
    report = refused(sandbox, stdin=text)
    assert report.original_type == "message/global"
    assert "Gr\u00fc\u00dfe" in report.original.decode()


def test_utf8_header_alone_is_message_global_headers(sandbox):
    report = refused(sandbox, "-R", "hdrs", stdin="Subject: Gr\u00fc\u00dfe\n\nx\n".encode())
    assert report.original_type == "message/global-headers"
    assert "Gr\u00fc\u00dfe" in report.original.decode()


def test_latin1_header_alone_becomes_ascii(sandbox):
    report = refused(sandbox, "-R", "hdrs", stdin=b"Subject: Gr\xfc\xdfe\n\nx\n")
    assert report.original_type == "text/rfc822-headers"
    assert b"Subject: Gr??e" in report.original


def test_a_boundary_of_the_message_does_no_harm(sandbox):
    first = refused(sandbox)
    boundary = first.header.get_boundary().encode()
    (sandbox.mail / sandbox.user).unlink()
    refused(sandbox, stdin=b"Subject: x\n\n--" + boundary + b"--\n\n--" + boundary + b"\n")


def test_utf8_recipient_by_RFC_6533(sandbox):
    report = refused(sandbox, recipient="j\u00f6rg@example.net")
    assert report.only["final-recipient"] == "utf-8; j\u00f6rg@example.net"
    assert "<j\u00f6rg@example.net>" in report.text


def test_utf8_report_over_a_7_bit_next_hop(sandbox):
    def refuses(session, line):
        return "550 5.1.1 unknown" if "you@" in line else None

    with FakeServer(at={"RCPT": refuses}, extensions=("PIPELINING", "DSN")) as server:
        use(sandbox, server)
        send(sandbox, "you@example.net", "j\u00f6rg@example.net", sender="ops@example.org",
             stdin="Subject: x\n\nGr\u00fc\u00dfe\n".encode())
        (message,) = server.messages
        assert not any(byte > 127 for byte in message.data)
        report = read_report(message.data)
        assert report.actions == {"you@example.net": "failed",
                                  "j\u00f6rg@example.net": "failed"}
        status = {one["final-recipient"]: one["status"] for one in report.recipients}
        assert status["utf-8; j\u00f6rg@example.net"] == "5.6.7"


# --- what a next hop says ------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [
    "550 5.1.1 " + "word " * 90, "550-5.1.1 a\n550 5.1.1 " + "x" * 900,
    "550 5.1.1 Gr\u00fc\u00dfe\x01\x7f\t", "550", "550 5.9.9 x said y: 250 ok",
])
def test_L3_replies_of_all_kinds(sandbox, reply):
    with FakeServer(at={"RCPT": reply}) as server:
        use(sandbox, server)
        send(sandbox, "you@example.net")
        report = the_report(sandbox)
        assert report.only["diagnostic-code"].startswith("smtp; 550")
        assert report.only["remote-mta"] == "dns; [127.0.0.1]"


def test_many_failures_in_one_report(sandbox):
    with FakeServer(at={"RCPT": "550 5.1.1 unknown"}) as server:
        use(sandbox, server)
        send(sandbox, *[f"user{i}@example.net" for i in range(300)])
        report = the_report(sandbox)
        assert len(report.recipients) == 300
        assert len({one["final-recipient"] for one in report.recipients}) == 300


# --- no report is lost or doubled ----------------------------------------------------------------


@pytest.mark.parametrize("lines, want", [
    ("failed 1 0 5.1.1 no .\n", 1),
    ("failed 1 0 5.1.1 no .\nreport 2 failure .\n", 1),
    ("failed 1 0 5.1.1 no .\nreport 2 failure .\ntold 3 failure .\n", 0),
    ("late 1 0 .\nreport 1 delay .\ntold 1 delay .\nrelayed 2 0 2.0.0 next.example said after it: 250 ok .\n", 1),
    ("late 1 0 .\nrelayed 2 0 2.0.0 next.example said after it: 250 ok .\nreport 2 success .\ntold 2 success .\n", 1),
    ("late 1 0 .\nreport 1 delay .\n", 2),
    ("passed 1 0 2.0.0 next.example said after it: 250 ok .\n", 0),
    ("delivered 1 0 2.0.0 next.example said after it: 250 ok .\nreport 2 success .\ntold 2 succ", 1),
])
def test_Q1_what_the_journal_owes(sandbox, lines, want):
    """What a crash left behind is told, as often as the journal says."""
    with FakeServer(extensions=WITHOUT_DSN) as server:
        use(sandbox, server)
        sandbox.sendmail("-odq", "-N", "success,failure,delay", "-f", sandbox.user,
                         "you@example.net", stdin=MESSAGE, check=EX_OK)
        (letter,) = sandbox.letters()
        journal = sandbox.queue / "journal" / letter
        journal.write_text(lines)
        journal.chmod(0o640)
        run_due(sandbox)
        assert len(reports_in(sandbox)) == want
        assert not sandbox.letters() and not list((sandbox.queue / "journal").iterdir())


def test_Q1_a_report_that_is_there_is_not_made_again(sandbox):
    """Killed between the report and the line that notes it: the others come in one of their own."""
    with FakeServer(extensions=WITHOUT_DSN) as server:
        use(sandbox, server)
        sandbox.sendmail("-odq", "-N", "success", "-f", sandbox.user, "a@example.net",
                         "b@example.net", stdin=MESSAGE, check=EX_OK)
        (letter,) = sandbox.letters()
        journal = sandbox.queue / "journal" / letter
        lines = "relayed 1 0 2.0.0 next.example said after it: 250 ok .\nreport 2 success .\n"
        journal.write_text(lines)
        journal.chmod(0o640)
        sandbox.configure(smarthost=None)
        run_due(sandbox)
        assert the_report(sandbox).actions == {"a@example.net": "relayed"}
        # Back to that instant, with what came from elsewhere meanwhile.
        made = f"{letter}s0"
        journal.write_text(lines + "relayed 3 1 2.0.0 next.example said after it: 250 ok .\n")
        path = sandbox.queue / "spool" / made
        path.write_bytes(sandbox.letter(letter))
        path.chmod(0o640)
        (sandbox.queue / "journal" / made).write_text("hold 1 .\n")
        run_due(sandbox)
        first, second = reports_in(sandbox)
        assert second.actions == {"b@example.net": "relayed"}
        assert letter not in sandbox.letters()


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    ["-N", "sometimes"], ["-N", "never,success"], ["-N", ""], ["-R", "some"], ["-V", "a b"],
    ["-V", "+0D+0ARCPT"], ["-V", "x" * 101], ["-V", ""],
])
def test_L5_options_that_are_wrong(sandbox, arguments):
    done = sandbox.sendmail(*arguments, "you@example.net", stdin=MESSAGE, check=EX_USAGE)
    assert done.err.count("\n") == 1 and not sandbox.letters()


def test_options_in_every_spelling(sandbox):
    for arguments in (["-Nsuccess,DELAY", "-Rhdrs", "-Vabc"], ["-N", "Success,delay", "-R", "HDRS",
                                                               "-V", "abc"]):
        sandbox.sendmail("-odq", *arguments, "you@example.net", stdin=MESSAGE, check=EX_OK)
    for letter in sandbox.letters():
        text = sandbox.letter(letter).decode()
        assert "\nnotify SUCCESS,DELAY\n" in text and "\nret hdrs\n" in text
        assert "\nenvid abc\n" in text


def test_reports_wait_for_a_full_disk(sandbox):
    """No report can be written: the message stays, is not held, and the report comes later."""
    sandbox.sendmail("-odq", "-N", "success", "-f", sandbox.user, sandbox.user, stdin=MESSAGE,
                     check=EX_OK)
    done = sandbox.run(["/bin/sh", "-c", 'ulimit -f 1; exec "$0" "$@"',
                        str(sandbox.build / "postrider-run"), "-C", str(sandbox.config)])
    assert done.returncode in (0, 74, 75)
    wait_until(lambda: not sandbox.runners())
    run_due(sandbox)
    assert the_report(sandbox).only["action"] == "delivered" and not sandbox.letters()
