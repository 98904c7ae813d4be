"""postrider check --online: what it says of smarthosts, good ones and broken ones, without an
installation. It asks them by --smarthosts, as postrider setup does, so that no name server is needed."""

import datetime
import email.utils
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from intruding import read_status
from sandbox import EX_OK
from smtpfake import CLOSE, HANG, PASSWORD, USER, Certificates, FakeServer

MARKS = ["good", "hint", "warning", "fault"]
ONLINE_S = 28  # src/run/check_online.h


class Online:
    """What postrider-run check --online --smarthosts says."""

    def __init__(self, result):
        assert result.returncode == EX_OK, result.err
        lines = [line.split("\t") for line in result.out.split("\n")]
        assert lines.pop() == [""] and all(len(line) == 4 for line in lines), result.out
        assert all(line[0] in MARKS for line in lines), result.out
        self.text = result.out + result.err
        self.all = lines

    def __call__(self, mark, topic, *words):
        """The remedy of the only finding with this mark and topic and these words."""
        found = [line for line in self.all if line[:2] == [mark, topic]
                 and all(word in line[2] for word in words)]
        assert len(found) == 1, f"{mark} {topic} {words}:\n{self.text}"
        return found[0][3]

    def worst(self):
        return max((line[0] for line in self.all), key=MARKS.index)


class Pairs(Certificates):
    KINDS = {**Certificates.KINDS, "soon": {"days": (-30, 5.5)}}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Pairs(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def look(sandbox, certificates):
    """look(server or host, ..., settings lines): what is found of it."""
    sandbox.credentials(f"[smarthost]\npassword = {PASSWORD}\n")

    def ask(*hosts, **lines):
        settings = {"tls_trust": str(certificates.ca), "user": USER, **lines}
        names = [host if isinstance(host, str) else f"localhost:{host.port}" for host in hosts]
        settings["host"] = ", ".join(names)
        sandbox.configure(smarthost=None)
        sandbox.configure(smarthost="\n".join(f"{key} = {value}" for key, value in settings.items()))
        began = time.monotonic()
        found = Online(sandbox.run(["postrider-run", "check", "-C", sandbox.config, "--online",
                                    "--smarthosts"]))
        found.took = time.monotonic() - began
        assert found.took < ONLINE_S + 2
        # Nothing of a queue was made or touched, and no secret was shown.
        assert not sandbox.queue.exists()
        assert PASSWORD not in found.text and PASSWORD not in sandbox.log()
        assert "filters no system calls" not in sandbox.log()
        return found

    return ask


@pytest.fixture
def serve(certificates):
    """serve(**options): a smarthost with a good certificate, unless the options say otherwise."""
    servers = []

    def start(**options):
        servers.append(FakeServer(**{"certificate": certificates.good, **options}))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


# --- what is as it should be ---


def test_a_good_smarthost(look, serve):
    server = serve(extensions=["PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING"])
    found = look(server)
    name = f"localhost:{server.port}"
    found("good", "smarthost", f"{name} (127.0.0.1:{server.port}, ", " ms away): TLS1.3, cipher ",
          "certificate verified, valid for ")
    found("good", "smarthost", f"{name} takes messages of up to 100M; PIPELINING 8BITMIME SMTPUTF8 DSN "
          "CHUNKING")
    found("good", "sign-in", f"{name}: signed in as {USER} by PLAIN, of PLAIN LOGIN")
    assert found.worst() == "good"
    # As far as MAIL, and no further.
    server.settle()
    assert server.verbs() == ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]
    assert [session.user for session in server.connections] == [USER]


def test_a_size_below_ours(look, serve, sandbox):
    server = serve(extensions=["SIZE 26214400"])
    found = look(server)
    remedy = found("hint", "smarthost", "takes messages of up to 25M, max_message_size is 50M")
    assert remedy == "max_message_size = 25M in [mail] refuses it when it is submitted"
    sandbox.configure(mail="max_message_size = 25M")
    assert look(server).worst() == "good"
    found = look(serve(extensions=[]))
    found("good", "smarthost", "takes messages of any size; no extensions")


def test_a_certificate_that_ends_soon(look, serve, certificates):
    found = look(serve(certificate=certificates.soon))
    remedy = found("warning", "smarthost", "its certificate ends in 5 days")
    assert remedy == "whoever runs it has to renew it by then"
    found("good", "sign-in", "signed in")


def test_tls_from_the_first_byte(look, serve):
    found = look(serve(tls="implicit"), tls="implicit")
    found("good", "smarthost", "TLS1.3", "certificate verified")
    assert found.worst() == "good"


def test_without_a_user(look, serve):
    remedy = look(serve(), user="")("hint", "sign-in", "offers to sign in by PLAIN LOGIN, and there is no")
    assert "user, and its password in credentials.conf" in remedy
    assert look(serve(mechanisms=()), user="").worst() == "good"


def test_a_token_that_a_command_prints(look, serve, tmp_path):
    command = tmp_path / "token"
    command.write_text(f"#!/bin/sh\necho {PASSWORD}\n")
    command.chmod(0o700)
    found = look(serve(), password_command=str(command))
    found("good", "sign-in", "signed in")
    command.write_text("#!/bin/sh\nexit 3\n")
    found = look(serve(), password_command=str(command))
    assert found("fault", "sign-in", "ended with status 3") == \
        "mend password_command, or what it runs"
    # The rest is looked at all the same.
    found("good", "smarthost", "certificate verified")


# --- what is not ---

AUTH = {
    "535 5.7.8 wrong": "mend user in ",
    "534 5.7.9 Application-specific password required": "a password that the provider makes for programs",
    "538 5.7.11 encryption required": "tls = starttls, or tls = implicit",
    "432 4.7.12 transition needed": "auth = plain, once",
    "454 4.7.0 temporary": "a passing trouble of the server's own",
    "421 4.3.0 going down": "a passing trouble of the server's own",
    "451 4.3.0 hm": "may be a passing trouble",
    "504 5.5.4 no": "auth = another of PLAIN LOGIN",
}


@pytest.mark.parametrize("reply", AUTH, ids=[reply[:3] for reply in AUTH])
def test_C9_signing_in_refused(look, serve, reply):
    found = look(serve(at={"AUTH": reply}))
    assert AUTH[reply] in found("fault", "sign-in", reply)
    found("good", "smarthost", "certificate verified")


def test_C9_a_wrong_password(look, serve, sandbox):
    sandbox.credentials("[smarthost]\npassword = a-wrong-one\n")
    found = look(serve())
    remedy = found("fault", "sign-in", f"did not let {USER} sign in with PLAIN: 535 5.7.8")
    assert remedy == (f"mend user in {sandbox.config} or password in {sandbox.credentials_path}, both "
                      "under [smarthost]")
    assert "a-wrong-one" not in found.text


def test_C9_a_server_that_repeats_the_password(look, serve):
    found = look(serve(at={"AUTH": f"535 5.7.8 {PASSWORD} is wrong"}))
    found("fault", "sign-in", "535 (it repeats the password)")


def test_C9_nothing_to_sign_in_by(look, serve):
    remedy = look(serve(mechanisms=()))("fault", "sign-in", "does not offer AUTH, but there is a user")
    assert "port = 587, where there is AUTH, or leave user out" in remedy
    remedy = look(serve(), auth="cram-md5")("fault", "sign-in", "with none of the mechanisms wanted")
    assert "auth = auto takes the best of PLAIN LOGIN" in remedy


CERTIFICATES = {
    "expired": ("expired on ", "unless the clock of this machine is wrong: it says "),
    "not_yet": ("not yet valid, before ", "set the clock of this machine, which says "),
    "wrong_name": ("wrong name", "host has to be a name that its certificate is for"),
    "self_signed": ("self-signed", "tls_trust = FILE with the certificate of its authority"),
    "other_ca": ("unknown issuer", "tls_trust = FILE with the certificate of its authority"),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_C7_certificates(look, serve, certificates, kind):
    reason, remedy = CERTIFICATES[kind]
    server = serve(certificate=getattr(certificates, kind))
    assert remedy in look(server)("fault", "smarthost", "certificate of localhost was refused", reason)
    server.settle()
    assert "AUTH" not in server.verbs()


def test_C7_a_pinned_certificate(look, serve, certificates):
    found = look(serve(), tls_fingerprint=certificates.fingerprint("good"))
    found("good", "smarthost", "certificate pinned")
    found = look(serve(), tls_fingerprint=certificates.fingerprint("expired"))
    assert "whether the certificate is a new one" in found("fault", "smarthost", "not tls_fingerprint")


GREETINGS = {
    "554 5.7.1 go away": "it does not want this machine as a client",
    "421 4.7.0 try again": "it may be a passing trouble of its own",
    CLOSE: "tls = implicit, if port ",
    "hello": "tls = implicit, if port ",
}


@pytest.mark.parametrize("greeting", GREETINGS, ids=[str(greeting)[:3] for greeting in GREETINGS])
def test_C1_greetings(look, serve, greeting):
    remedy = look(serve(at={"connect": greeting}))("fault", "smarthost", "localhost")
    assert GREETINGS[greeting] in remedy


def test_C6_no_starttls(look, serve):
    remedy = look(serve(certificate=None))("fault", "smarthost", "does not offer STARTTLS")
    assert "port = 465 and tls = implicit, if it has that" in remedy
    found = look(serve(certificate=None, mechanisms=()), user="", tls="opportunistic")
    # Within this machine nobody listens.
    found("good", "smarthost", "in clear, within this machine")


def test_a_server_in_clear_where_tls_is_expected(look, serve):
    server = serve(certificate=None)
    remedy = look(server, tls="implicit")("fault", "smarthost", "TLS handshake with localhost failed")
    assert f"tls = starttls, if port {server.port} begins in clear" in remedy


def test_this_very_host(look, serve):
    server = serve(at={"connect": "220 here.example ESMTP"})
    remedy = look(server)("fault", "smarthost", "the next hop is this very host")
    assert "host has to be another machine" in remedy


def test_C13_a_closed_port(look):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        found = look(f"127.0.0.1:{port}")
    remedy = found("fault", "smarthost", f"127.0.0.1:{port}", "Connection refused")
    assert "look at host and port" in remedy or "for somebody answers there" in remedy


@pytest.mark.parametrize("hours", [-3, 0, 3])
def test_a_clock_beside_that_of_the_server(look, serve, hours):
    there = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    greeting = f"220 fake.example ESMTP Exim 4.96 {email.utils.format_datetime(there)}"
    found = look(serve(at={"connect": greeting}))
    if hours:
        words = "is 3h ahead of that of" if hours < 0 else "is 3h behind that of"
        assert "timedatectl set-ntp true" in found("warning", "clock", words)
    else:
        assert found.worst() == "good"


def test_a_clock_that_nothing_is_known_of(look, serve):
    assert look(serve(at={"connect": "220 fake.example 99 Foo 2026 25:61:61 +9999"})).worst() == "good"


def test_one_host_that_works_is_enough(look, serve, certificates):
    """What a delivery does: the next one is tried."""
    found = look(serve(), serve(certificate=certificates.expired), serve(at={"AUTH": "535 5.7.8 no"}))
    found("good", "sign-in", "signed in")
    found("warning", "smarthost", "expired on")
    found("warning", "sign-in", "535 5.7.8 no")
    assert found.worst() == "warning"


def test_C4_words_of_a_hostile_server(look, serve):
    """They stay words: no line, no field, no sequence for a terminal."""
    bad = b"535 5.7.8 no\tfault\tx\t\x1b[2J\x9b2J \xff\r\n"
    found = look(serve(at={"AUTH": bad}))
    found("fault", "sign-in", "535 5.7.8 no fault x  [2J")
    assert "\x1b" not in found.text and "\x9b" not in found.text
    found = look(serve(at={"connect": b"220 " + b"x" * 100000 + b"\r\n"}))
    found("fault", "smarthost", "an improper reply as its greeting")


# --- time, processes ---


@pytest.mark.once
def test_C1_servers_that_hang_are_asked_side_by_side(look, serve):
    """At each point of the dialogue; all that can be said is said, in time."""
    points = ("connect", "handshake", "EHLO", "STARTTLS", "AUTH")
    servers = {point: serve(at={point: HANG}) for point in points}
    found = look(*servers.values(), serve())
    for point, server in servers.items():
        topic = "sign-in" if point == "AUTH" else "smarthost"
        found("warning", topic, f"localhost:{server.port}:", "took too long")
    assert "tls = implicit, if port" in found("warning", "smarthost", "as its greeting")
    found("good", "sign-in", "signed in")


@pytest.mark.once
def test_a_command_that_hangs_is_ended(look, serve, tmp_path):
    mark = f"987{os.getpid()}"
    command = tmp_path / "token"
    command.write_text(f"#!/bin/sh\nexec sleep {mark}\n")
    command.chmod(0o700)
    found = look(serve(), password_command=str(command))
    assert "whether password_command, if there is one, comes to its end" in found(
        "fault", "smarthost", "nothing came of it in all that time")
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert f"sleep\0{mark}\0".encode() not in commands


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_who_hears_a_server_is_locked_in_and_ends_with_who_asked(sandbox, certificates):
    """As a worker of the queue run is; a person's Ctrl-C is the end of all of them."""
    sandbox.credentials(f"[smarthost]\npassword = {PASSWORD}\n")
    with FakeServer(certificate=certificates.good, at={"AUTH": HANG}) as server:
        sandbox.configure(smarthost=f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\n"
                                    f"user = {USER}")
        front = sandbox.start(["postrider", "check", "-C", sandbox.config, "--online"])
        sandbox.wait_until(lambda: "AUTH" in server.verbs())
        (runner,) = children(front.pid)
        parts = children(runner)
        told = [read_status(Path(f"/proc/{pid}/status").read_text()) for pid in parts]
        locked = [status for status in told if status["Seccomp"] == ["2"]]
        assert locked and all(status["NoNewPrivs"] == ["1"] for status in locked)
        runner_status = read_status(Path(f"/proc/{runner}/status").read_text())
        assert runner_status["Seccomp"] == ["0"]
        front.send_signal(signal.SIGINT)
        front.wait(10)

        def gone():
            return not any(Path(f"/proc/{pid}").exists() and
                           Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
                           for pid in (runner, *parts))

        sandbox.wait_until(gone, what="the end of all that was started")


def test_a_part_that_is_killed_is_told(sandbox, certificates):
    sandbox.credentials(f"[smarthost]\npassword = {PASSWORD}\n")
    with FakeServer(certificate=certificates.good, at={"AUTH": HANG}) as server:
        sandbox.configure(smarthost=f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\n"
                                    f"user = {USER}")
        out = sandbox.folder / "out"
        with out.open("wb") as file:
            run = sandbox.start(["postrider-run", "check", "-C", sandbox.config, "--online",
                                 "--smarthosts"], stdout=file)
        sandbox.wait_until(lambda: "AUTH" in server.verbs())
        (part,) = children(run.pid)
        os.kill(part, signal.SIGKILL)
        assert run.wait(10) == EX_OK
        assert (f"fault\tsmarthost\t[smarthost] localhost:{server.port}: the process that looked at it "
                "ended with status 137") in out.read_text()
