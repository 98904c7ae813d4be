"""Credentials and certificates, from the settings to the server: what commands print, tokens that
are good for one session, client certificates, and a pinned certificate.
"""

import re
import time

import pytest
from sandbox import EX_OK
from smtpfake import PASSWORD, USER, Certificates, FakeServer

MESSAGE = b"Subject: hi\n\nhello\n"


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def server(certificates):
    with FakeServer(certificate=certificates.good, auth_needed=True,
                    mechanisms=("XOAUTH2", "OAUTHBEARER", "PLAIN")) as server:
        yield server


@pytest.fixture
def setting(sandbox, server, certificates, tmp_path):
    """setting(script, auth): a sandbox whose password_command is that piece of shell."""
    def make(script, auth="xoauth2", **more):
        command = tmp_path / "token"
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o700)
        sandbox.configure(
            smarthost=f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\n"
                      f"user = {USER}\nauth = {auth}\npassword_command = {command}", **more)
        return sandbox

    return make


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer", "plain"])
def test_password_command_signs_in(setting, server, auth):
    setting(f"echo {PASSWORD}", auth).sendmail("-odi", "you@example.net", stdin=MESSAGE,
                                               check=EX_OK)
    assert len(server.messages) == 1
    assert server.connections[0].mechanism == auth.upper()


@pytest.mark.parametrize("script, words", [
    (f"echo {PASSWORD}; exit 3", "ended with status 3"),
    (f"echo {PASSWORD}; kill -9 $$", "ended with status 137"),
    (f"echo {PASSWORD}; echo second", "more than one line"),
    ("exit 0", "empty password"),
    ("echo", "empty password"),
    (f"printf '{PASSWORD}\\000x\\n'", "NUL"),
    (f"yes {PASSWORD} | tr -d '\\n' | head -c 20000", "printed more than"),
], ids=["fails", "is killed", "two lines", "nothing", "an empty line", "NUL", "too long"])
def test_password_command_that_is_no_good(setting, server, script, words):
    """Mail waits, the reason is said, nothing of the output is, and no connection is made."""
    sandbox = setting(script)
    sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
    assert len(sandbox.letters()) == 1 and not server.connections
    assert words in sandbox.log() and words in sandbox.mailq().out
    assert PASSWORD not in sandbox.log() and PASSWORD not in sandbox.mailq().out
    assert not sandbox.log_lines("bounced")


def test_what_a_password_command_complains_of_is_for_nobody(setting, server):
    """Its standard error may have a token in it, and that of a run belongs to who asked for it."""
    sandbox = setting(f"echo {PASSWORD}; echo rotten: {PASSWORD} >&2")
    done = sandbox.sendmail("-v", "you@example.net", stdin=MESSAGE, check=EX_OK)
    assert len(server.messages) == 1
    assert "rotten" not in done.out + done.err and PASSWORD not in done.out + done.err


def test_password_command_that_is_missing(setting, server, tmp_path):
    sandbox = setting("")
    (tmp_path / "token").unlink()
    sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
    assert len(sandbox.letters()) == 1 and not server.connections
    assert re.search(r"cannot start \S+/token: No such file or directory", sandbox.log())


@pytest.mark.once
def test_password_command_that_hangs(setting, server):
    """It has 30 seconds, and so have its children."""
    sandbox = setting("sleep 600 & wait")
    begun = time.monotonic()
    sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
    assert 29 < time.monotonic() - begun < 60
    assert len(sandbox.letters()) == 1 and not server.connections
    assert "did not end within 30 seconds" in sandbox.mailq().out


def test_token_is_fetched_for_each_session(setting, server, tmp_path):
    """Each is good once: the server forgets it when it was used. The sessions of one queue run, and
    those of runs one after the other."""
    count = tmp_path / "count"
    sandbox = setting(f'n=$(cat {count} 2>/dev/null || echo 0); n=$((n + 1)); echo $n > {count}\n'
                      'echo "token-$n"')
    server.extensions.append("LIMITS MAILMAX=1")
    seen = []

    def at_auth(_session, _line):
        seen.append(f"token-{len(seen) + 1}")
        server.users = {USER: seen[-1]}

    server.at["AUTH"] = at_auth
    for i in range(3):
        sandbox.sendmail("-odq", f"you{i}@example.net", stdin=MESSAGE, check=EX_OK)
    sandbox.flush()
    assert len(server.messages) == 3 and len(server.connections) == 3
    sandbox.sendmail("-odi", "last@example.net", stdin=MESSAGE, check=EX_OK)
    assert len(server.messages) == 4 and not sandbox.letters()
    assert seen == [f"token-{i}" for i in range(1, 5)]


def test_token_is_fetched_anew_after_535(setting, server, tmp_path):
    """One that has expired: the next try has the next one."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"expired\n{PASSWORD}\n")
    sandbox = setting(f"head -n 1 {tokens}; sed -i 1d {tokens}", queue="retry = 1s")
    sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
    assert len(sandbox.letters()) == 1 and not server.messages
    assert "did not let" in sandbox.mailq().out
    time.sleep(1.2)
    sandbox.flush()
    assert len(server.messages) == 1 and not sandbox.letters()


def test_token_for_the_next_host_after_535(setting, server, certificates, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"expired\n{PASSWORD}\n")
    sandbox = setting(f"head -n 1 {tokens}; sed -i 1d {tokens}")
    sandbox.configure(smarthost=f"host = localhost:{server.port}, 127.0.0.1:{server.port}")
    sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
    assert len(server.messages) == 1 and len(server.connections) == 2


# --- Certificates ---


def test_auth_external_with_a_client_certificate(sandbox, certificates):
    certificate, key = certificates.client
    with FakeServer(certificate=certificates.good, client_ca=certificates.ca, auth_needed=True,
                    mechanisms=("EXTERNAL", "PLAIN")) as server:
        sandbox.configure(
            smarthost=f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\n"
                      f"auth = external\ntls_certificate = {certificate}\ntls_key = {key}")
        sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
        assert len(server.messages) == 1
        assert server.connections[0].mechanism == "EXTERNAL"
        assert server.connections[0].client_certificate


def test_auth_external_that_is_not_offered_waits(sandbox, certificates):
    certificate, key = certificates.client
    with FakeServer(certificate=certificates.good, client_ca=certificates.ca) as server:
        sandbox.configure(
            smarthost=f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\n"
                      f"auth = external\ntls_certificate = {certificate}\ntls_key = {key}")
        sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
        assert not server.messages and len(sandbox.letters()) == 1
        assert "none of the mechanisms wanted" in sandbox.mailq().out


@pytest.mark.parametrize("missing", ["tls_certificate", "tls_key"])
def test_client_certificate_that_cannot_be_read_waits(sandbox, certificates, missing):
    certificate, key = certificates.client
    with FakeServer(certificate=certificates.good, client_ca=certificates.ca,
                    mechanisms=("EXTERNAL",)) as server:
        sandbox.configure(
            smarthost=f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\n"
                      f"auth = external\ntls_certificate = {certificate}\ntls_key = {key}\n"
                      f"{missing} = /nonexistent.pem")
        sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
        assert not server.messages and len(sandbox.letters()) == 1
        assert "/nonexistent.pem" in sandbox.mailq().out


def test_tls_fingerprint(sandbox, certificates):
    """The one certificate, whoever signed it; and no other, whoever signed that."""
    pin = certificates.fingerprint("self_signed")
    for kind, taken in (("self_signed", True), ("good", False)):
        with FakeServer(certificate=getattr(certificates, kind)) as server:
            sandbox.configure(
                smarthost=f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\n"
                          f"tls_fingerprint = {pin}")
            sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
            assert bool(server.messages) == taken
            assert len(sandbox.letters()) == (0 if taken else 1)
    assert "not tls_fingerprint" in sandbox.mailq().out
