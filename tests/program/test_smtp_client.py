"""The SMTP client (src/run/smtp*.c, src/net/) alone, against scripted servers.

smtp_client.c links the same objects as postrider-run and prints what became of each recipient.
Names of tests bear the id of the case in the table of hard cases.
"""

import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from sandbox import BUILD
from smtpclient import *  # noqa: F403  (fixtures)
from smtpclient import BODY, SIGN_IN
from smtpfake import CLOSE, EXTENSIONS, HANG, PASSWORD, RESET, USER, FakeServer

SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")


# --- The plain way ---


def test_one_message(deliver):
    with FakeServer() as server:
        report = deliver(server)
        assert report.only.result == "DONE"
        assert report.only.status == "2.0.0"
        assert "127.0.0.1 said after the message: 250 2.0.0 Ok: queued" in report.only.reason
        assert report.session.result == "DONE" and report.transactions == 1
        (message,) = server.messages
        assert (message.sender, message.recipients) == ("from@here.example", ["to@there.example"])
        assert message.data == b"Subject: test\r\n\r\nwords\r\n"
        assert message.parameters == {"SIZE": str(len(message.data))}
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def test_nothing_to_send_is_done(program):
    with FakeServer() as server:
        done = subprocess.run([program, server.address], capture_output=True, check=True)
        assert b"session\tDONE" in done.stdout
        server.settle()
        assert server.verbs() == ["EHLO", "QUIT"]


def test_null_sender(deliver):
    with FakeServer() as server:
        report = deliver(server, ("from <>\n", BODY))
        assert report.only.result == "DONE"
        assert server.commands[1].startswith("MAIL FROM:<> ")


def test_helo_when_ehlo_is_refused(deliver):
    with FakeServer(at={"EHLO": "500 5.5.1 what?"}) as server:
        report = deliver(server)
        assert report.only.result == "DONE"
        assert server.verbs() == ["EHLO", "HELO", "MAIL", "RCPT", "DATA", "QUIT"]
        assert server.commands[2] == "MAIL FROM:<from@here.example>"


def test_no_helo_when_auth_or_tls_is_needed(deliver, tls):
    with FakeServer(at={"EHLO": "502 no"}) as server:
        assert deliver(server, **SIGN_IN).session.result == "LATER"
        assert deliver(server, **tls).session.result == "LATER"
        assert "HELO" not in server.verbs() and "MAIL" not in server.verbs()


def test_ipv6(deliver):
    with FakeServer(host="::1") as server:
        assert deliver(server).only.result == "DONE"


def test_all_addresses_of_a_name(deliver):
    """localhost has an IPv6 and an IPv4 address on most machines; the server has one of them."""
    with FakeServer() as server:
        assert deliver(f"localhost:{server.port}").only.result == "DONE"


@pytest.mark.parametrize("how", ["closes", "resets", "is silent"])
@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_an_address_that_breaks_off_within_tls_is_not_the_last(deliver, certificates, mode, how):
    """localhost is ::1 first, where somebody answers who does not go on (RFC 5321 5.1)."""
    greeting = b"" if mode == "implicit" else b"220 hi\r\n250-hi\r\n250 STARTTLS\r\n220 go\r\n"
    with FakeServer(certificate=certificates.good, tls=mode) as server, \
            socket.create_server(("::1", server.port), family=socket.AF_INET6) as broken:
        met = []

        def accept():
            connection, _ = broken.accept()
            for line in greeting.splitlines(True):
                connection.sendall(line)
                if line[3:4] == b" ":
                    connection.recv(1000)
            if how == "is silent":
                met.append(connection)
                return
            if mode == "implicit":
                connection.recv(1000)
            if how == "resets":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            met.append(None)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        report = deliver(f"localhost:{server.port}", percent=1, tls=mode, trust=certificates.ca)
        assert report.only.result == "DONE" and met


def test_trace_shows_the_dialogue(deliver, tls, certificates):
    with FakeServer(certificate=certificates.good) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert f"* connected to 127.0.0.1, address 127.0.0.1:{server.port}" in report.trace
        assert "* TLS1.3, cipher AES-256-GCM, certificate verified" in report.trace
        assert "> AUTH PLAIN ****\n< 235" in report.trace
        assert "> EHLO here.example\n" in report.trace and "< 250-PIPELINING\n" in report.trace


# --- C1: closing, hanging, 421 at every point ---

POINTS = ["connect", "EHLO", "MAIL", "RCPT", "DATA", "body", "message"]
TLS_POINTS = ["connect", "EHLO", "STARTTLS", "handshake", "AUTH", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("action", [CLOSE, RESET, "421 4.3.2 going down", b"25"], ids=str)
@pytest.mark.parametrize("point", POINTS)
def test_C1_ends_at_every_point(deliver, point, action, pipelining):
    what = (action, CLOSE) if not hasattr(action, "name") else action
    extensions = EXTENSIONS if pipelining else EXTENSIONS[1:]
    with FakeServer(at={point: what}, extensions=extensions) as server:
        report = deliver(server, "x" * 70 + "\n")
        assert report.session.result == "LATER"
        # Half a code is no reply, though the server means that it took the message.
        assert not server.messages or (point, action) == ("message", b"25")
        if point in ("connect", "EHLO"):
            assert report.recipients == {} and report.transactions == 0
        else:
            assert report.only.result == "LATER" and report.only.status.startswith("4.")


@pytest.mark.parametrize("point", POINTS)
def test_C1_hangs_at_every_point(deliver, point):
    """At 1 % of the limits 5 minutes are 3 s."""
    with FakeServer(at={point: HANG}) as server:
        began = time.monotonic()
        report = deliver(server, percent=1)
        took = time.monotonic() - began
        assert report.session.result == "LATER" and "took too long" in report.session.reason
        assert not server.messages
        wanted = {"DATA": 1.2, "body": 6, "message": 6}.get(point, 3)
        assert wanted * 0.9 < took < wanted + 2


@pytest.mark.parametrize("action", [CLOSE, "421 4.3.2 going down"], ids=str)
@pytest.mark.parametrize("point", TLS_POINTS)
def test_C1_ends_at_every_point_with_tls(deliver, tls, certificates, point, action):
    what = (action, CLOSE) if not hasattr(action, "name") else action
    with FakeServer(at={point: what}, certificate=certificates.good) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert report.session.result == "LATER" and not server.messages


def test_C1_hangs_in_the_handshake(deliver, tls, certificates):
    with FakeServer(at={"handshake": HANG}, certificate=certificates.good) as server:
        report = deliver(server, **tls, percent=1)
        assert "handshake" in report.session.reason and "too long" in report.session.reason


def test_C1_one_byte_at_a_time_comes_to_an_end(deliver):
    def dribble(session, _):
        try:
            for _ in range(400):
                session.connection.sendall(b"2")
                time.sleep(0.05)
        except OSError:
            pass
        return CLOSE

    with FakeServer(at={"MAIL": dribble}) as server:
        began = time.monotonic()
        report = deliver(server, percent=1)
        assert time.monotonic() - began < 6
        assert report.only.result == "LATER" and "too long" in report.only.reason


@pytest.mark.parametrize("at", [
    {"connect": CLOSE}, {"connect": "554 5.7.1 not you"}, {"connect": "421 busy"},
    {"connect": "hello"}, {"EHLO": "451 not now"}, {"EHLO": CLOSE}, {"connect": "354 go on"},
])
def test_C1_the_next_host_is_tried(deliver, at):
    with FakeServer(at=at) as bad, FakeServer() as good:
        report = deliver([bad, good])
        assert report.only.result == "DONE"
        assert len(bad.connections) == 1 and len(good.messages) == 1


def test_C1_the_next_host_after_a_refused_connection(deliver):
    with socket.socket() as closed, FakeServer() as good:
        closed.bind(("127.0.0.1", 0))
        report = deliver([f"127.0.0.1:{closed.getsockname()[1]}", "no:such:host]", good])
        assert report.only.result == "DONE"


def test_C1_nobody_answers(deliver):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        report = deliver(f"127.0.0.1:{closed.getsockname()[1]}")
        assert report.session.status == "4.4.1" and not report.recipients
        assert "Connection refused" in report.session.reason


@pytest.mark.parametrize("text", ["554 5.7.1 go away", "500 what", "220-a\n221 b"])
def test_C1_a_5yz_greeting_is_no_bounce(deliver, text):
    with FakeServer(at={"connect": text}) as server:
        report = deliver(server)
        assert report.session.result == "LATER" and report.session.status.startswith("4.")
        assert not report.recipients


# --- C2: the reply to the final dot ---


@pytest.mark.parametrize("action", [CLOSE, RESET])
def test_C2_lost_reply_to_the_dot_is_later(deliver, action):
    with FakeServer(at={"message": action}) as server:
        report = deliver(server, BODY, BODY)
        assert report.results == ["LATER", "LATER"] and report.transactions == 0
        # Nothing was said of the second but its envelope.
        assert len(server.connections) == 2


def test_C2_closing_after_the_250_is_no_resend(deliver):
    with FakeServer(at={"message": ("250 2.0.0 taken", CLOSE)}) as server:
        report = deliver(server, *[f"Subject: {i}\n\n{i}\n" for i in range(5)])
        assert report.results == ["DONE"] * 5
        assert [m.data[9:10] for m in server.messages] == [b"0", b"1", b"2", b"3", b"4"]
        assert len(server.connections) == 5


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]])
@pytest.mark.parametrize("action", [CLOSE, RESET, "421 enough", ("250 ok", CLOSE)], ids=str)
def test_C2_closing_at_the_next_mail(deliver, action, extensions):
    """Twice a message goes through and the next MAIL ends the session; nothing is lost or twice."""
    with FakeServer(at={"MAIL": [None, action, None]}, extensions=extensions) as server:
        report = deliver(server, *[f"Subject: {i}\n\n{i}\n" for i in range(3)])
        bodies = [m.data[9:10] for m in server.messages]
        if isinstance(action, tuple):
            assert sorted(set(bodies)) == sorted(bodies)
            assert report.results[0] == "DONE" and report.results[1] == "LATER"
        else:
            assert report.results == ["DONE"] * 3 and bodies == [b"0", b"1", b"2"]
            assert len(server.connections) == 2


# --- C3: each recipient its own outcome ---


def each(session, line):
    user = line.partition("<")[2].partition("@")[0]
    return {"bad": "550-5.1.1 no\n550 5.1.1 such user", "slow": "450 4.2.1 greylisted",
            "odd": "550 2.1.5 lies", "full": "552 5.2.2 mailbox full"}.get(user)


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]])
def test_C3_mixed_recipients(deliver, extensions):
    to = "".join(f"to {user}@x.example\n" for user in ("good", "bad", "slow", "odd", "full"))
    with FakeServer(at={"RCPT": each}, extensions=extensions) as server:
        report = deliver(server, (to, BODY))
        got = {key[1].split("@")[0]: value for key, value in report.recipients.items()}
        assert got["good"].result == "DONE"
        assert (got["bad"].result, got["bad"].status) == ("NEVER", "5.1.1")
        assert got["bad"].reason == "127.0.0.1 said after RCPT: 550 5.1.1 no such user"
        assert (got["slow"].result, got["slow"].status) == ("LATER", "4.2.1")
        assert (got["odd"].result, got["odd"].status) == ("NEVER", "5.0.0")
        assert (got["full"].result, got["full"].status) == ("NEVER", "5.2.2")
        assert server.messages[0].recipients == ["good@x.example"]
        assert report.session.result == "DONE"


def test_C3_all_refused_but_354(deliver):
    """A lone dot is sent, and whatever is said to it counts for nobody; the next message goes."""
    at = {"RCPT": ["550 5.1.1 no", None], "DATA": ["354 go on", None],
          "message": ["250 2.0.0 fine", None]}
    with FakeServer(at=at) as server:
        report = deliver(server, BODY, "Subject: two\n\n2\n")
        assert report.results == ["NEVER", "DONE"]
        assert [m.data for m in server.messages] == [b"", b"Subject: two\r\n\r\n2\r\n"]


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]])
def test_C3_all_refused_and_data_too(deliver, extensions):
    with FakeServer(at={"RCPT": ["550 5.1.1 no", None]}, extensions=extensions) as server:
        report = deliver(server, BODY, BODY)
        assert report.results == ["NEVER", "DONE"]
        assert "RSET" in server.verbs()
        assert server.verbs().count("DATA") == (2 if "PIPELINING" in extensions else 1)


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]])
@pytest.mark.parametrize("text,result,status", [
    ("451 4.3.0 later", "LATER", "4.3.0"), ("550 5.7.1 never", "NEVER", "5.7.1"),
    ("452 full", "LATER", "4.0.0"), ("552 5.3.4 too big", "NEVER", "5.3.4"),
])
@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "message"])
def test_C3_refused_at(deliver, point, text, result, status, extensions):
    with FakeServer(at={point: [text, None]}, extensions=extensions) as server:
        report = deliver(server, BODY, BODY)
        first, second = report.recipients.values()
        assert (first.result, first.status) == (result, status)
        assert text.split(" ", 1)[1] in first.reason
        assert second.result == "DONE" and len(server.messages) == 1
        assert report.session.result == "DONE" and report.transactions == 2


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "message"])
@pytest.mark.parametrize("text", ["530 5.7.0 Authentication required", "535 no",
                                  "538 5.7.11 encryption required", "503 5.5.1 sign in first"])
def test_C3_what_concerns_the_session_is_no_bounce(deliver, point, text):
    with FakeServer(at={point: text}) as server:
        report = deliver(server)
        assert report.only.result == "LATER" and report.only.status.startswith("4.")
        assert report.session.result == "LATER"


# --- C4: improper replies ---

IMPROPER = {
    "more replies than commands": b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n",
    "line of 1 MB": b"250 " + b"x" * 1000000 + b"\r\n",
    "line of 1 MB without an end": b"250 " + b"x" * 1000000,
    "2049 bytes": b"250 " + b"x" * 2045 + b"\r\n",
    "never ends": b"250-more\r\n" * 100000,
    "300 KB": (b"250-" + b"x" * 1500 + b"\r\n") * 200 + b"250 end\r\n",
    "changes its code": b"250-one\r\n251 two\r\n",
    "changes its class": b"250-one\r\n550 two\r\n",
    "NUL": b"250 a\0b\r\n",
    "no code": b"hello\r\n",
    "two digits": b"25\r\n",
    "1yz": b"150 wait\r\n",
    "6yz": b"650 wait\r\n",
    "0yz": b"000 wait\r\n",
    "letters": b"2x0 wait\r\n",
    "glued": b"250wait\r\n",
    "354": b"354 go on\r\n",
    "334": b"334 Z28=\r\n",
    "empty": b"\r\n",
    "bare CR": b"250 a\rb\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "escape": b"\x1b[2J\x07\r\n",
}


@pytest.mark.parametrize("point", ["connect", "EHLO", "MAIL", "RCPT", "DATA", "message"])
@pytest.mark.parametrize("what", IMPROPER)
def test_C4_improper_replies(deliver, point, what):
    data = IMPROPER[what]
    if what == "more replies than commands" and point == "DATA":
        data = b"354 go on\r\n" + data
    if what == "354" and point == "DATA":
        data = b"355 go on\r\n"
    with FakeServer(at={point: (data, HANG)}) as server:
        report = deliver(server, percent=2, limit=30)
        if what == "more replies than commands" and point == "message":
            assert report.only.result == "DONE"  # the message was taken, the rest is not ours
            return
        assert report.session.result == "LATER"
        assert all(result == "LATER" for result in report.results)
        assert len(report.session.reason) < 512 and "\x1b" not in report.session.reason
        if BUILD.name != "sanitize" and not os.environ.get("POSTRIDER_SMTP_CLIENT"):
            assert report.memory < 40000


def test_C4_a_long_reply_is_still_one(deliver):
    """100 KB in some hundred lines: an outcome like any other, its words cut."""
    with FakeServer(at={"RCPT": "\n".join(["550-5.1.1 " + "x" * 490] * 200) + "\n550 5.1.1 end"}) as server:
        report = deliver(server)
        assert (report.only.result, report.only.status) == ("NEVER", "5.1.1")
        assert len(report.only.reason) < 512 and report.session.result == "DONE"


@pytest.mark.parametrize("at", [
    {"connect": b"220 hello\r\n250 ok\r\n"}, {"EHLO": b"250 fake\r\n250 ok\r\n"},
])
def test_C4_a_reply_before_its_command(deliver, at):
    with FakeServer(at=at) as server:
        report = deliver(server)
        assert report.session.result == "LATER" and "without a command" in report.session.reason
        assert all(result == "LATER" for result in report.results)
        assert "MAIL" not in server.verbs()


def test_C4_the_reply_to_the_dot_before_the_dot(deliver):
    with FakeServer(at={"DATA": b"354 go on\r\n250 2.0.0 taken already\r\n"}) as server:
        report = deliver(server)
        assert report.only.result == "LATER" and not server.messages
        assert "without a command" in report.only.reason


def test_C4_a_421_while_idle(deliver):
    """Between two messages, without pipelining: the second goes in a session of its own."""
    at = {"message": [("250 2.0.0 ok", "421 4.4.2 idle", CLOSE), None]}
    with FakeServer(at=at, extensions=EXTENSIONS[1:]) as server:
        report = deliver(server, BODY, BODY)
        assert report.results == ["DONE", "DONE"] and len(server.connections) == 2


# --- C5, C6, C8: STARTTLS ---


def test_C5_bytes_behind_starttls(deliver, tls, certificates):
    for mode in ("starttls", "opportunistic"):
        at = {"STARTTLS": b"220 go\r\n250-fake\r\n250 AUTH PLAIN\r\n"}
        with FakeServer(certificate=certificates.good, at=at) as server:
            report = deliver(server, **{**tls, "tls": mode}, **SIGN_IN)
            assert report.session.result == "LATER" and not report.recipients
            assert "behind its reply to STARTTLS" in report.session.reason
            assert server.verbs() == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize("text", [None, "454 4.7.0 not now", "502 5.5.1 no", "554 5.7.3 never"])
def test_C6_starttls_required(deliver, tls, certificates, text):
    mode = {"tls": "starttls", "at": {"STARTTLS": text}} if text else {"tls": "off"}
    with FakeServer(certificate=certificates.good, auth_in_clear=True, **mode) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert report.session.result == "LATER" and not report.recipients
        assert "AUTH" not in server.verbs() and "MAIL" not in server.verbs()
        assert "STARTTLS" in report.session.reason


def test_C6_tls_failure_tries_the_next_host(deliver, tls, certificates):
    with FakeServer(certificate=certificates.expired) as bad:
        with FakeServer(certificate=certificates.good) as good:
            assert deliver([bad, good], **tls).only.result == "DONE"
            assert len(bad.connections) == 1


def test_C8_only_what_is_offered_inside_tls_counts(deliver, tls, certificates):
    clear = "250-fake\n250-STARTTLS\n250-PIPELINING\n250-SIZE 10\n250-AUTH CRAM-MD5\n250 DSN"
    inside = "250-fake\n250 AUTH PLAIN"
    with FakeServer(certificate=certificates.good, at={"EHLO": [clear, inside]}) as server:
        report = deliver(server, ("ret full\nto to@x.example\t2\n", BODY), **tls, **SIGN_IN)
        assert report.only.result == "DONE" and not report.dsn_passed["m0"]
        assert server.commands[:2] == ["EHLO here.example", "STARTTLS"]
        assert server.commands[4] == "MAIL FROM:<from@here.example>"
        assert server.connections[0].mechanism == "PLAIN"
        assert [turn for turn in server.connections[0].turns if "DATA" in turn] == [["DATA"]]


def test_C8_auth_gone_inside_tls(deliver, tls, certificates):
    at = {"EHLO": ["250-fake\n250-STARTTLS\n250 AUTH PLAIN", "250 fake"]}
    with FakeServer(certificate=certificates.good, at=at) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert report.session.result == "LATER" and "does not offer AUTH" in report.session.reason
        assert "MAIL" not in server.verbs()


# --- C7: certificates ---


def test_C7_good_names(deliver, tls, certificates):
    with FakeServer(certificate=certificates.good) as server:
        for host in ("localhost", "127.0.0.1"):
            assert deliver(f"{host}:{server.port}", **tls).only.result == "DONE"
        server.settle()
        names = [session.server_name for session in server.connections]
        assert names == ["localhost", None] and server.connections[0].tls == "TLSv1.3"
    with FakeServer(certificate=certificates.good, host="::1") as server:
        assert deliver(server, **tls).only.result == "DONE"


def test_C7_implicit(deliver, tls, certificates):
    with FakeServer(certificate=certificates.good, tls="implicit") as server:
        report = deliver(server, **{**tls, "tls": "implicit"}, **SIGN_IN)
        assert report.only.result == "DONE"
        assert server.verbs() == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


REASONS = {
    "expired": "expired on 20",
    "not_yet": "not yet valid, before 20",
    "self_signed": "self-signed",
    "other_ca": "unknown issuer",
    "wrong_name": "wrong name",
    "name_only": "wrong name",
    "wildcard": "wrong name",
    "wrong_usage": "wrong usage",
    "weak_hash": "insecure algorithm",
    "weak_key": "insecure algorithm or key too short",
}


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("kind", REASONS)
def test_C7_bad_certificates(deliver, tls, certificates, kind, mode):
    with FakeServer(certificate=getattr(certificates, kind), tls=mode) as server:
        report = deliver(f"localhost:{server.port}", **{**tls, "tls": mode}, **SIGN_IN)
        server.settle()
        assert report.session.result == "LATER" and report.session.status == "4.7.5"
        assert "the certificate of localhost was refused" in report.session.reason
        assert REASONS[kind] in report.session.reason
        assert not report.recipients and "AUTH" not in server.verbs()


def test_C7_tiny_key(deliver, tls, certificates):
    """RSA 512 is too short for the handshake itself."""
    with FakeServer(certificate=certificates.tiny_key) as server:
        report = deliver(f"localhost:{server.port}", **tls, **SIGN_IN)
        assert report.session.result == "LATER" and report.session.status == "4.7.5"
        assert "AUTH" not in server.verbs()


def test_C7_a_good_certificate_has_no_other_fault(deliver, tls, certificates):
    """Each of the bad ones fails for its own reason alone."""
    for kind, words in (("expired", "expired on"), ("wrong_usage", "wrong usage")):
        with FakeServer(certificate=getattr(certificates, kind)) as server:
            reason = deliver(f"localhost:{server.port}", **tls).session.reason
            faults = reason.partition("refused: ")[2].split(", ")
            assert len(faults) == 1 and faults[0].startswith(words)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_C7_old_tls(deliver, tls, certificates, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    context.load_cert_chain(*certificates.good)
    with FakeServer(context=context) as server:
        report = deliver(server, **tls)
        assert report.session.result == "LATER" and report.session.status == "4.7.5"
        assert "TLS handshake" in report.session.reason
        assert "version" in report.session.reason


def test_C7_tls_1_2(deliver, tls, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*certificates.good)
    with FakeServer(context=context) as server:
        assert deliver(server, **tls).only.result == "DONE"
        assert server.connections[0].tls == "TLSv1.2"


def test_C7_fingerprint(deliver, certificates):
    pin = certificates.fingerprint("self_signed")
    for text in (pin, pin.lower(), pin.replace(":", "")):
        with FakeServer(certificate=certificates.self_signed) as server:
            report = deliver(server, tls="starttls", fingerprint=text)
            assert report.only.result == "DONE" and "certificate pinned" in report.trace
    with FakeServer(certificate=certificates.good) as server:
        report = deliver(server, tls="starttls", trust=certificates.ca, fingerprint=pin)
        assert "not tls_fingerprint" in report.session.reason
        report = deliver(server, tls="starttls", trust=certificates.ca, fingerprint="ab:cd")
        assert "not a SHA-256" in report.session.reason


def test_C7_trust_files(deliver, certificates, tmp_path):
    (tmp_path / "empty").write_text("")
    with FakeServer(certificate=certificates.good) as server:
        for trust in (tmp_path / "missing", tmp_path / "empty"):
            report = deliver(server, tls="starttls", trust=trust)
            assert report.session.status == "4.3.5" and str(trust) in report.session.reason
        report = deliver(server, tls="starttls", trust="system")
        assert report.session.status == "4.7.5" and "unknown issuer" in report.session.reason
        assert not server.messages


def test_C7_environment_weakens_nothing(deliver, certificates, tls, tmp_path):
    """S6: neither a policy file nor the usual variables have a say, and keys are not written."""
    policy = tmp_path / "policy"
    policy.write_text("[global]\noverride-mode = allowlist\n[overrides]\nsecure-hash = sha1\n"
                      "secure-hash = sha256\nsecure-sig = rsa-sha1\nsecure-sig-for-cert = rsa-sha1\n"
                      "min-verification-profile = very_weak\nenabled-version = tls1.0\n"
                      "[priorities]\nSYSTEM = NORMAL:+VERS-TLS1.0:%VERIFY_ALLOW_SIGN_WITH_SHA1\n")
    keys = tmp_path / "keys"
    env = {"GNUTLS_SYSTEM_PRIORITY_FILE": str(policy), "SSLKEYLOGFILE": str(keys),
           "GNUTLS_DEBUG_LEVEL": "9", "GNUTLS_NO_EXPLICIT_INIT": "1",
           "GNUTLS_SYSTEM_PRIORITY_FAIL_ON_INVALID": "1"}
    with FakeServer(certificate=certificates.weak_hash) as server:
        report = deliver(f"localhost:{server.port}", **tls, env=env)
        assert "insecure algorithm" in report.session.reason
    with FakeServer(certificate=certificates.good) as server:
        report = deliver(server, **tls, env=env)
        assert report.only.result == "DONE" and "gnutls[" not in report.trace
        assert not keys.exists()


def test_C7_client_certificate(deliver, certificates, tls):
    certificate, key = certificates.client
    with FakeServer(certificate=certificates.good, client_ca=certificates.ca,
                    mechanisms=["EXTERNAL"]) as server:
        report = deliver(server, **tls, certificate=certificate, key=key, auth="external")
        assert report.only.result == "DONE"
        assert server.connections[0].client_certificate
        assert "AUTH EXTERNAL =" in server.commands
        report = deliver(server, **tls, certificate=certificate, key=certificates.good[1])
        assert report.session.status == "4.3.5" and "tls_key" in report.session.reason


# --- Opportunistic ---


def test_opportunistic_takes_any_certificate(deliver, certificates):
    with FakeServer(certificate=certificates.expired) as server:
        report = deliver(server, tls="opportunistic")
        assert report.only.result == "DONE" and server.connections[0].tls == "TLSv1.3"
        assert "certificate not verified" in report.trace


def test_opportunistic_in_clear(deliver, certificates):
    with FakeServer() as server:
        assert deliver(server, tls="opportunistic").only.result == "DONE"
    with FakeServer(certificate=certificates.good, at={"STARTTLS": "454 no"}) as server:
        assert deliver(server, tls="opportunistic").only.result == "DONE"
        assert len(server.connections) == 1


def test_opportunistic_after_a_failed_handshake(deliver, certificates):
    with FakeServer(certificate=certificates.good, at={"handshake": [CLOSE, None]}) as server:
        assert deliver(server, tls="opportunistic").only.result == "DONE"
        assert [session.tls for session in server.connections] == [None, None]
        assert "STARTTLS" not in [line for line in server.connections[1].commands]


def test_opportunistic_never_signs_in_in_clear(deliver):
    with FakeServer(auth_in_clear=True, mechanisms=SCRAM) as server:
        report = deliver(server, tls="opportunistic", **SIGN_IN)
        assert report.session.result == "LATER" and "AUTH" not in server.verbs()
        assert "MAIL" not in server.verbs()


def test_opportunistic_shows_no_password_to_an_unknown_server(deliver, certificates):
    for mechanisms in (["PLAIN"], ["LOGIN"], ["PLAIN", "LOGIN"]):
        with FakeServer(certificate=certificates.self_signed, mechanisms=mechanisms) as server:
            report = deliver(server, tls="opportunistic", **SIGN_IN)
            assert (report.session.result, report.session.status) == ("LATER", "4.7.4")
            assert "AUTH" not in server.verbs() and "MAIL" not in server.verbs()


# --- What a terminal or a log would be steered by ---


def test_escapes_of_a_server_reach_nobody(deliver):
    escapes = b"\x1b]0;x\x07\x1b[2J\xc2\x9b2J\x9b2J\x08\x7f"
    at = {"connect": b"220 " + escapes + b"\r\n", "RCPT": b"550 5.1.1 no " + escapes + b"\r\n"}
    with FakeServer(at=at) as server:
        report = deliver(server)
    assert report.only.result == "NEVER" and "no " in report.only.reason
    for text in (report.trace, report.only.reason):
        assert "\\x9b" not in text
        assert not [c for c in text.replace("\n", "") if ord(c) < 32 or 127 <= ord(c) < 160], text


# --- C9: AUTH ---


@pytest.mark.parametrize("mechanism", SCRAM)
def test_C9_mechanisms(deliver, tls, certificates, mechanism):
    """auto takes the strongest of what is offered."""
    offered = SCRAM[SCRAM.index(mechanism):]
    with FakeServer(certificate=certificates.good, mechanisms=offered[::-1],
                    auth_needed=True) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert report.only.result == "DONE"
        assert (server.connections[0].mechanism, server.connections[0].user) == (mechanism, USER)


@pytest.mark.parametrize("name", ["plain", "login", "scram-sha-256", "cram-md5", "oauthbearer",
                                  "xoauth2"])
def test_C9_a_named_mechanism_only(deliver, tls, certificates, name):
    every = SCRAM + ("XOAUTH2", "OAUTHBEARER")
    with FakeServer(certificate=certificates.good, mechanisms=every, auth_needed=True) as server:
        report = deliver(server, **tls, **{**SIGN_IN, "auth": name})
        assert report.only.result == "DONE"
        assert server.connections[0].mechanism == name.upper()
    others = [mechanism for mechanism in every if mechanism != name.upper()]
    with FakeServer(certificate=certificates.good, mechanisms=others) as server:
        report = deliver(server, **tls, **{**SIGN_IN, "auth": name})
        assert report.session.result == "LATER" and not report.recipients
        assert "none of the mechanisms wanted" in report.session.reason
        assert "AUTH" not in server.verbs() and "MAIL" not in server.verbs()


@pytest.mark.parametrize("name", ["plain", "login", "scram-sha-256", "cram-md5", "oauthbearer",
                                  "xoauth2"])
def test_C9_wrong_password(deliver, tls, certificates, name):
    every = SCRAM + ("XOAUTH2", "OAUTHBEARER")
    with FakeServer(certificate=certificates.good, mechanisms=every,
                    users={USER: "another"}) as server:
        report = deliver(server, **tls, **{**SIGN_IN, "auth": name})
        assert report.session.result == "LATER" and report.session.status == "4.7.8"
        assert "127.0.0.1 did not let user@here.example sign in" in report.session.reason
        assert "MAIL" not in server.verbs() and server.verbs()[-1] == "QUIT"


@pytest.mark.parametrize("text,status", [
    ("535 5.7.8 wrong", "4.7.8"), ("534 5.7.9 too weak", "4.7.8"), ("538 encrypt", "4.7.8"),
    ("454 4.7.0 temporary", "4.7.0"), ("504 5.5.4 what", "4.7.8"), ("454 temporary", "4.7.0"),
])
def test_C9_auth_refused(deliver, tls, certificates, text, status):
    with FakeServer(certificate=certificates.good, at={"AUTH": text}) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert report.session.result == "LATER" and report.session.status == status
        assert text in report.session.reason and not report.recipients
        assert server.verbs().count("AUTH") == 1 and "MAIL" not in server.verbs()


def test_C9_the_next_host_after_auth_failure(deliver, tls, certificates):
    with FakeServer(certificate=certificates.good, users={}) as bad:
        with FakeServer(certificate=certificates.good) as good:
            assert deliver([bad, good], **tls, **SIGN_IN).only.result == "DONE"


def test_C9_no_auth_offered(deliver, tls, certificates):
    with FakeServer(certificate=certificates.good, mechanisms=()) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert report.session.status == "4.7.4" and "MAIL" not in server.verbs()


def test_C9_in_clear_on_loopback_only_when_off(deliver):
    with FakeServer(auth_in_clear=True) as server:
        report = deliver(server, **SIGN_IN)
        assert report.only.result == "DONE" and server.connections[0].user == USER


def test_C9_a_challenge_that_is_no_base64(deliver, tls, certificates):
    for name, mechanisms in (("cram-md5", ["CRAM-MD5"]), ("scram-sha-256", ["SCRAM-SHA-256"])):
        at = {"AUTH": "334 ***!not base64"}
        with FakeServer(certificate=certificates.good, mechanisms=mechanisms, at=at) as server:
            report = deliver(server, **tls, **{**SIGN_IN, "auth": name})
            assert report.session.result == "LATER" and "no sense" in report.session.reason
            assert "*" in server.commands and "MAIL" not in server.verbs()


@pytest.mark.parametrize("name", ["plain", "login", "cram-md5", "scram-sha-256", "xoauth2"])
def test_C9_endless_challenges(deliver, tls, certificates, name):
    def endless(session, line):
        while True:
            session.say("334 PGFAYj4=")
            answer = session.line()
            session.commands.append(answer)
            if answer == "*":
                return "501 5.7.0 cancelled"

    with FakeServer(certificate=certificates.good, mechanisms=[name.upper()],
                    at={"AUTH": endless}) as server:
        report = deliver(server, **tls, **{**SIGN_IN, "auth": name})
        assert report.session.result == "LATER" and "MAIL" not in server.verbs()
        assert "*" in server.connections[0].commands
        assert len(server.connections[0].commands) < 20


def test_C9_a_server_that_does_not_know_the_password(deliver, tls, certificates):
    """SCRAM proves the server, too: a forged proof, or none, is no sign-in."""
    with FakeServer(certificate=certificates.good, mechanisms=SCRAM, scram_forged=True) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert report.session.result == "LATER" and "MAIL" not in server.verbs()
    with FakeServer(certificate=certificates.good, mechanisms=SCRAM,
                    at={"AUTH": "235 come in"}) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert report.session.result == "LATER" and "without proving" in report.session.reason
        assert "MAIL" not in server.verbs()


def test_C9_a_long_token_waits_for_334(deliver, tls, certificates):
    token = "t" * 3000
    for name in ("oauthbearer", "xoauth2"):
        with FakeServer(certificate=certificates.good, mechanisms=[name.upper()],
                        users={USER: token}) as server:
            report = deliver(server, **tls, auth=name, user=USER, password=token)
            assert report.only.result == "DONE" and server.connections[0].user == USER
            assert f"AUTH {name.upper()}" in server.commands and token not in report.trace


def test_C9_a_password_that_comes_back_is_hidden(deliver, tls, certificates):
    at = {"AUTH": f"535-5.7.8 no such password:\n535 5.7.8 {PASSWORD}"}
    with FakeServer(certificate=certificates.good, at=at) as server:
        report = deliver(server, **tls, **SIGN_IN)
        assert PASSWORD not in report.session.reason and report.session.status == "4.7.8"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2"])
def test_C9_a_message_that_comes_back_in_base64_is_hidden(deliver, tls, certificates, mechanism):
    """As from servers that say which line they do not know, whole or cut, at once or later."""
    sign_in = {**tls, **SIGN_IN, "auth": "auto" if "SCRAM" in mechanism else mechanism.lower()}
    for cut in (16, None):
        said = []

        def repeat(session, _):
            begin = [line.split(" ")[0] for line in session.commands].index("AUTH")
            said.extend(line.split(" ")[-1] for line in session.commands[begin:]
                        if line and (" " not in line or line.startswith(f"AUTH {mechanism} ")))
            return "\n".join(["550-5.5.1 unknown:", *(f"550-5.5.1 {x[:cut]}" for x in said),
                              "550 5.5.1 end"])

        for point in ("AUTH", "MAIL"):
            with FakeServer(certificate=certificates.good, mechanisms=[mechanism],
                            at={point: repeat}) as server:
                report = deliver(server, **sign_in)
            reasons = [x.reason for x in (report.session, *report.recipients.values())]
            for secret in said:
                assert secret[:16] not in report.trace + "".join(reasons)
        assert "it repeats the password" in report.only.reason


def test_C9_a_password_that_is_a_word_of_the_server_hides_no_offer(deliver, tls, certificates):
    with FakeServer(certificate=certificates.good, users={USER: "PIPELINING"}) as server:
        report = deliver(server, **tls, **{**SIGN_IN, "password": "PIPELINING"})
        assert report.only.result == "DONE" and "PIPELINING" not in report.trace


def test_C9_nothing_to_sign_in_with(deliver, tls, certificates):
    with FakeServer(certificate=certificates.good) as server:
        report = deliver(server, **tls, auth="plain", user=USER)
        assert report.session.status == "4.3.5" and "no password" in report.session.reason
        report = deliver(server, **tls, auth="plain", password=PASSWORD)
        assert report.session.status == "4.3.5" and "no user" in report.session.reason
        assert "MAIL" not in server.verbs()


# --- C10: what the server cannot take ---


def without(*names):
    return [line for line in EXTENSIONS if line.split(" ")[0] not in names]


def test_C10_size(deliver):
    with FakeServer(extensions=without("SIZE") + ["SIZE 100"]) as server:
        report = deliver(server, "x" * 97 + "\n", "y\n" * 40, "z" * 98 + "\n")
        assert report.results == ["DONE", "NEVER", "DONE"]
        (too_big,) = [o for o in report.recipients.values() if o.result == "NEVER"]
        assert too_big.status == "5.3.4" and "120 bytes" in too_big.reason
        assert server.verbs().count("MAIL") == 2
        assert [m.parameters["SIZE"] for m in server.messages] == ["99", "100"]


def test_C10_size_without_a_limit(deliver):
    for extension in ("SIZE", "SIZE 0"):
        with FakeServer(extensions=["PIPELINING", extension]) as server:
            assert deliver(server).only.result == "DONE"
            assert server.messages[0].parameters == {"SIZE": "24"}


EIGHT = "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nGrüße\n"
SIGNED = ("MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=b; "
          'protocol="application/pgp-signature"; micalg=pgp-sha256\n\n--b\n'
          "Content-Type: text/plain; charset=utf-8\n\nGrüße\n--b\n"
          "Content-Type: application/pgp-signature\n\nx\n--b--\n")


def test_C10_8bitmime_offered(deliver):
    with FakeServer() as server:
        assert deliver(server, EIGHT).only.result == "DONE"
        (message,) = server.messages
        assert message.parameters["BODY"] == "8BITMIME" and message.text == EIGHT.encode()


def test_C10_8bitmime_not_offered(deliver):
    with FakeServer(extensions=without("8BITMIME")) as server:
        report = deliver(server, EIGHT, SIGNED, BODY)
        assert report.results == ["DONE", "NEVER", "DONE"]
        assert report.recipients["m1", "to@there.example"].status == "5.6.3"
        first, second = server.messages
        assert "BODY" not in first.parameters and first.data.isascii()
        assert b"Gr=C3=BC=C3=9Fe" in first.data and second.text == BODY.encode()


def test_C10_long_lines_and_nul(deliver):
    with FakeServer() as server:
        report = deliver(server, "Subject: x\n\n" + "y" * 3000 + "\n", b"Subject: x\n\na\0b\n")
        assert report.results == ["DONE", "DONE"]
        for message in server.messages:
            assert "BODY" not in message.parameters and b"\0" not in message.raw
            assert all(len(line) <= 998 for line in message.data.split(b"\r\n"))


def test_C10_a_long_line_does_not_cost_the_other_bytes(deliver):
    text = "From: Jürgen <jürgen@x.example>\n" + EIGHT + "y" * 3000 + "\n"
    with FakeServer() as server:
        assert deliver(server, text).only.result == "DONE"
        (message,) = server.messages
        assert message.parameters["BODY"] == "8BITMIME"
        assert "From: Jürgen <jürgen@x.example>".encode() in message.data
        assert b"quoted-printable" in message.data and len(message.data) == int(
            message.parameters["SIZE"])


def test_C10_size_is_that_of_the_form_that_is_sent(deliver):
    with FakeServer(extensions=without("8BITMIME")) as server:
        assert deliver(server, EIGHT * 20).only.result == "DONE"
        (message,) = server.messages
        assert len(message.data) == int(message.parameters["SIZE"])


def test_C10_smtputf8(deliver):
    to = "to jürgen@x.example\nto plain@x.example\n"
    with FakeServer(extensions=without("SMTPUTF8")) as server:
        report = deliver(server, (to, BODY), ("from jürgen@x.example\n", BODY))
        first, second, third = report.recipients.values()
        assert (first.result, first.status) == ("NEVER", "5.6.7")
        assert second.result == "DONE"
        assert (third.result, third.status) == ("NEVER", "5.6.7")
        assert server.messages[0].recipients == ["plain@x.example"]
        assert "SMTPUTF8" not in server.messages[0].parameters
    with FakeServer() as server:
        report = deliver(server, (to, BODY), BODY)
        assert report.results == ["DONE"] * 3
        assert "SMTPUTF8" in server.messages[0].parameters
        assert server.messages[0].recipients == ["jürgen@x.example", "plain@x.example"]
        assert "SMTPUTF8" not in server.messages[1].parameters


def test_C10_dsn(deliver):
    lines = ("envid a+b=c d\nret headers\nto a@x.example\t6\trfc822;old+x@x.example\n"
             "to b@x.example\t1\nto c@x.example\n")
    with FakeServer() as server:
        report = deliver(server, (lines, BODY))
        assert list(report.dsn_passed.values()) == [True]
        (message,) = server.messages
        assert message.parameters["RET"] == "HDRS"
        assert message.parameters["ENVID"] == "a+2Bb+3Dc+20d"
        assert message.recipient_parameters == [
            {"NOTIFY": "SUCCESS,FAILURE", "ORCPT": "rfc822;old+2Bx@x.example"},
            {"NOTIFY": "NEVER"}, {}]
    with FakeServer(extensions=without("DSN")) as server:
        report = deliver(server, (lines, BODY))
        assert list(report.dsn_passed.values()) == [False]
        assert list(server.messages[0].parameters) == ["SIZE"]
        assert server.messages[0].recipient_parameters == [{}, {}, {}]


# --- C11: too many recipients ---


def many(count):
    return "".join(f"to u{i}@x.example\n" for i in range(count))


@pytest.mark.parametrize("text,result", [
    ("552 5.5.3 too many recipients", "LATER"), ("552 5.2.2 mailbox full", "NEVER"),
    ("552 no words that tell", "NEVER"), ("452 4.5.3 too many recipients", "LATER"),
])
def test_C11_too_many_with_the_first_recipient_is_no_bounce(deliver, text, result):
    """RFC 5321 4.5.3.1.10: a 552 that says so is a 452."""
    with FakeServer(at={"RCPT": text}) as server:
        report = deliver(server)
        assert (report.only.result, report.session.result) == (result, "DONE")


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]])
@pytest.mark.parametrize("text", ["452 4.5.3 too many", "452 too many", "552 too many recipients",
                                  "552 5.5.3 too many"])
def test_C11_too_many_recipients(deliver, text, extensions):
    def limit(session, line):
        return text if session.message and len(session.message.recipients) >= 10 else None

    with FakeServer(at={"RCPT": limit}, extensions=extensions) as server:
        report = deliver(server, (many(35), BODY), BODY)
        assert report.results == ["DONE"] * 36 and report.transactions == 2
        assert [len(m.recipients) for m in server.messages] == [10, 10, 10, 5, 1]
        assert sum((m.recipients for m in server.messages[:4]), []) == [
            f"u{i}@x.example" for i in range(35)]
        assert len(server.connections) == 1


def test_C11_nobody_at_all_comes_to_an_end(deliver):
    with FakeServer(at={"RCPT": "452 4.5.3 too many recipients"}) as server:
        report = deliver(server, (many(5), BODY))
        assert report.results == ["LATER"] * 5 and server.verbs().count("MAIL") == 1


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]])
def test_C11_limits_rcptmax(deliver, extensions):
    with FakeServer(extensions=[*extensions, "LIMITS RCPTMAX=10 MAILMAX=1000"],
                    most_recipients=10) as server:
        report = deliver(server, (many(25), BODY), BODY)
        assert report.results == ["DONE"] * 26
        assert [len(m.recipients) for m in server.messages] == [10, 10, 5, 1]
        assert server.verbs().count("RCPT") == 26


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]])
def test_C11_limits_mailmax(deliver, extensions):
    with FakeServer(extensions=[*extensions, "LIMITS MAILMAX=2 RCPTMAX=2"]) as server:
        report = deliver(server, BODY, (many(5), BODY), BODY)
        assert report.results == ["DONE"] * 7 and report.transactions == 3
        assert [len(s.messages) for s in server.connections] == [2, 2, 1]
        assert report.session.result == "DONE"
        assert server.verbs().count("QUIT") == 3


def test_C11_a_mixed_lot_in_small_rounds(deliver):
    """Refused, deferred and good recipients over several rounds: each once, with its own end."""
    def limit(session, line):
        number = int(line.partition("<u")[2].partition("@")[0])
        if number % 5 == 1:
            return "550 5.1.1 no"
        if number % 5 == 2:
            return "450 4.2.0 busy"
        return "452 4.5.3 full" if len(session.message.recipients) >= 4 else None

    with FakeServer(at={"RCPT": limit}) as server:
        report = deliver(server, (many(50), BODY))
        for (_, address), outcome in report.recipients.items():
            number = int(address[1:].partition("@")[0])
            assert outcome.result == {1: "NEVER", 2: "LATER"}.get(number % 5, "DONE")
        took = sum((m.recipients for m in server.messages), [])
        assert sorted(took) == sorted(set(took)) and len(took) == 30


@pytest.mark.parametrize("eager", [True, False])
def test_C11_ten_thousand_recipients(deliver, eager):
    """Neither side's buffers may fill up while both write."""
    with FakeServer(eager=eager, at={"RCPT": lambda s, _: "250 2.1.5 " + "x" * 400}) as server:
        server.receive_buffer = 4096
        report = deliver(server, (many(10000), BODY), BODY, limit=110)
        assert report.results == ["DONE"] * 10001
        assert len(server.messages[0].recipients) == 10000


def test_C11_ten_thousand_with_a_limit_of_a_hundred(deliver):
    with FakeServer(most_recipients=100) as server:
        report = deliver(server, (many(10000), BODY), limit=110)
        assert report.results == ["DONE"] * 10000
        assert [len(m.recipients) for m in server.messages] == [100] * 100
        assert server.verbs().count("RCPT") < 11000


# --- C12: nothing inside a message ends it ---

SMUGGLES = [
    b"a\n.\nMAIL FROM:<x@y>\n", b"a\r\n.\r\nMAIL FROM:<x@y>\r\n", b"a\r.\rMAIL FROM:<x@y>\r",
    b"a\n.\r\nMAIL\n", b"a\r\n.\nMAIL\n", b"a\r.\nMAIL\n", b"a\n.\rMAIL\n", b"a\r\r\n.\r\r\nMAIL\n",
    b".\n", b"..\n", b".", b"a\n.", b"a\r", b"a\r\n", b"\n.\n.\n..\n", b"", b"\n", b"no end",
    b"a\r\n.\r\n", b"\r.\r\n", b"x" * 65535 + b"\n.\nMAIL\n", b"x" * 65535 + b"\r\n.\r\nMAIL\n",
    b"x" * 65534 + b"\r\n.\r\nMAIL\n", b"x" * 65536 + b".\n.\n",
]


def lines_of(data):
    """What the receiver must see: CR, LF and CRLF are line ends alike, and the last is ended."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if data and not data.endswith(b"\n"):
        data += b"\n"
    return data.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]])
def test_C12_smuggling(deliver, extensions):
    bodies = [b"Subject: x\n\n" + one for one in SMUGGLES]
    bodies = [b for b in bodies if all(len(line) < 999 for line in lines_of(b).split(b"\r\n"))]
    with FakeServer(extensions=extensions) as server:
        report = deliver(server, *bodies)
        assert report.results == ["DONE"] * len(bodies)
        assert [m.data for m in server.messages] == [lines_of(body) for body in bodies]
        for message in server.messages:
            raw = message.raw
            assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
            assert b"\r\n.\r\n" not in raw[:-5]


def test_C12_across_blocks(deliver):
    """A CR, LF or dot at each side of a read's edge."""
    line = b"y" * 63 + b"\n"
    bodies = []
    for cut in range(-4, 5):
        for end in (b"\n.\n", b"\r\n.\r\n", b"\r.\r", b"\n..\n"):
            fill = line * 1023 + b"z" * (64 + cut)
            bodies.append(fill + end + b"rest\n")
    with FakeServer() as server:
        report = deliver(server, *bodies)
        assert report.results == ["DONE"] * len(bodies)
        assert [m.data for m in server.messages] == [lines_of(body) for body in bodies]
        for message in server.messages:
            assert int(message.parameters["SIZE"]) == len(message.data)


def test_C12_a_large_message(deliver):
    body = b"Subject: large\n\n" + b".dot and some words that fill a line of it, again and again\n" * 300000
    with FakeServer() as server:
        report = deliver(server, body, limit=110)
        assert report.only.result == "DONE" and server.messages[0].text == body
        if BUILD.name != "sanitize" and not os.environ.get("POSTRIDER_SMTP_CLIENT"):
            assert report.memory < 40000


def test_C12_a_command_cannot_be_smuggled_by_an_address(deliver):
    lines = 'to "a b\\"c"@x.example\nenvid x\n'
    with FakeServer() as server:
        report = deliver(server, (lines, BODY))
        assert report.only.result == "DONE"
        assert server.messages[0].recipients == ['"a b\\"c"@x.example']


def test_C12_a_refusal_in_mid_message(deliver):
    """What the server says while the message is under way ends the session; the reason is kept."""
    body = b"x" * 70 + b"\n"
    at = {"body": [None, ("452 4.3.1 disk full", CLOSE)]}
    with FakeServer(at=at) as server:
        report = deliver(server, body * 200000)
        assert report.only.result == "LATER"
        assert "disk full" in report.only.reason or "closed the connection" in report.only.reason


# --- C13: names ---


def test_C13_a_name_that_does_not_resolve(deliver):
    report = deliver("no-such-host.invalid", limit=110)
    assert report.session.result == "LATER" and report.session.status == "4.4.3"
    assert "cannot resolve no-such-host.invalid" in report.session.reason
    assert not report.recipients


def test_C13_then_the_next_host(deliver):
    with FakeServer() as server:
        assert deliver(["no-such-host.invalid", server], limit=110).only.result == "DONE"


# --- C14, PIPELINING: round trips ---


def test_C14_one_connection_for_many_messages(deliver):
    with FakeServer() as server:
        report = deliver(server, *[f"Subject: {i}\n\n{i}\n" for i in range(200)], limit=110)
        assert report.results == ["DONE"] * 200 and report.transactions == 200
        assert report.finished == [f"m{i}" for i in range(200)]
        assert len(server.connections) == 1


def test_pipelining_round_trips(deliver):
    """The envelope in one write, and each message's end together with the next envelope."""
    with FakeServer() as server:
        report = deliver(server, (many(3), BODY), BODY, BODY)
        assert report.results == ["DONE"] * 5
        turns = [[line.split(" ")[0] for line in turn] for turn in server.connections[0].turns]
        assert [turn for turn in turns if turn] == [
            ["EHLO"], ["MAIL", "RCPT", "RCPT", "RCPT", "DATA"],
            [".", "MAIL", "RCPT", "DATA"], [".", "MAIL", "RCPT", "DATA"], ["."], ["QUIT"]]
        # As many reads as turns: each group came in one segment.
        assert server.connections[0].reads == 6


def test_pipelining_not_offered(deliver):
    with FakeServer(extensions=without("PIPELINING")) as server:
        report = deliver(server, (many(2), BODY), BODY)
        assert report.results == ["DONE"] * 3
        assert all(len(turn) <= 1 for turn in server.connections[0].turns)


def test_next_is_asked_before_the_dot_only_with_pipelining(deliver):
    """Without it, a reply lost at the dot leaves the second message where it was."""
    with FakeServer(at={"message": CLOSE}, extensions=without("PIPELINING")) as server:
        report = deliver(server, BODY, BODY)
        assert report.finished == ["m0"] and report.session.result == "LATER"


def test_quit_is_not_waited_for_long(deliver):
    with FakeServer(at={"QUIT": HANG}) as server:
        began = time.monotonic()
        assert deliver(server).only.result == "DONE"
        assert time.monotonic() - began < 8
