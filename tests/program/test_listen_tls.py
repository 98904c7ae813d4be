"""TLS of the listener: STARTTLS and implicit, what is forgotten by it, versions, certificates by name,
clients' certificates, tickets, renewed certificates. Handshakes of every other kind are units."""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import warnings

import pytest

from listening import Client, Listening
from sandbox import EX_CONFIG, REPOSITORY, wait_until
from smtpclient import certificates  # noqa: F401  (a fixture)
from smtpfake import Certificates, FakeServer


def tls_lines(pairs, mode="starttls", more=""):
    """The settings of a listener with these pairs of files."""
    return (f"tls = {mode}\n"
            f"tls_certificate = {', '.join(str(pair[0]) for pair in pairs)}\n"
            f"tls_key = {', '.join(str(pair[1]) for pair in pairs)}\n{more}\n")


@pytest.fixture
def here(certificates):  # noqa: F811
    """starttls on .port, implicit on .ports["implicit"]; nobody may relay."""
    pairs = [certificates.good]
    with Listening(listen=tls_lines(pairs, more="relay_networks ="),
                   more={"implicit": tls_lines(pairs, "implicit", "relay_networks =")}) as sandbox:
        yield sandbox


def trusting(certificates, maximum=None, client=None):  # noqa: F811
    """A context that wants a good certificate, and may have one of its own."""
    context = ssl.create_default_context(cafile=certificates.ca)
    if maximum:
        context.maximum_version = maximum
    if client:
        context.load_cert_chain(*client)
    return context


def received_of(sandbox):
    sandbox.wait_empty()
    return sandbox.mailbox()[-1].get_all("Received")[0]


# --- the two ways ---


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_starttls(here, certificates, version):  # noqa: F811
    with here.client() as client:
        assert client.ehlo()["STARTTLS"] == ""
        client.starttls(trusting(certificates, ssl.TLSVersion[version]))
        assert "STARTTLS" not in client.ehlo("mx.sender.example")
        client.message("a@sender.example", f"{here.user}@here.example", b"Subject: s\r\n\r\nb\r\n")
        suite = client.socket.cipher()[0]
        client.command("QUIT", 221)
    name = {"TLSv1_2": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLSv1_3": "TLS_AES_256_GCM_SHA384"}[version]
    assert suite.replace("-", "_").endswith("AES256_GCM_SHA384") or suite == name
    received = received_of(here)
    assert "\n\twith ESMTPS id " in received
    assert f"\n\ttls {name} group " in received
    assert f"({version.replace('v', '').replace('_', '.')});" in received
    assert here.log_lines("received", proto="ESMTPS",
                          tls=f"{version.replace('v', '').replace('_', '.')}, cipher AES-256-GCM")


def test_implicit(here, certificates):  # noqa: F811
    with here.client("implicit", greet=False) as client:
        client.wrap(trusting(certificates))
        client.expect(220)
        assert "STARTTLS" not in client.ehlo()
        client.command("STARTTLS", 503)
        client.message("a@sender.example", f"{here.user}@here.example", b"Subject: s\r\n\r\nb\r\n")
    assert "\n\twith ESMTPS id " in received_of(here)


def test_without_tls_there_is_no_starttls(make_listening):
    with make_listening("").client() as client:
        assert "STARTTLS" not in client.ehlo()
        client.command("STARTTLS", 503)


@pytest.fixture
def make_listening():
    with contextlib.ExitStack() as stack:
        yield lambda listen, **more: stack.enter_context(Listening(listen=listen, **more))


def test_openssl_is_content(here, certificates):  # noqa: F811
    for arguments in (["-starttls", "smtp", "-connect", f"127.0.0.1:{here.port}"],
                      ["-connect", f"127.0.0.1:{here.ports['implicit']}"]):
        done = subprocess.run(
            ["openssl", "s_client", *arguments, "-CAfile", certificates.ca, "-servername",
             "localhost", "-verify_hostname", "localhost", "-verify_return_error", "-crlf"],
            input=b"QUIT\n", capture_output=True, timeout=30, check=False)
        assert b"Verify return code: 0 (ok)" in done.stdout, done.stdout + done.stderr


# --- what was said before counts for nothing ---


def test_V2_commands_before_the_handshake_are_thrown_away(here):
    with here.client() as client:
        client.ehlo("injected.example")
        client.send(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<evil@sender.example>\r\nHELP\r\nQUIT\r\n")
        client.expect(220)
        client.wrap()
        assert client.command("EHLO mine.example")[0] == "here.example greets mine.example"
        client.command("RCPT TO:<postmaster@here.example>", 503)
        client.command("NOOP", 250)


def test_V2_half_a_command_before_the_handshake_begins_no_line(here):
    with here.client() as client:
        client.send(b"STARTTLS\r\nHELO injected.example")
        client.expect(220)
        client.wrap()
        client.command("NOOP", 250)
        client.command("MAIL FROM:<a@sender.example>", 503)


def test_V2_state_is_gone_after_the_handshake(here):
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        client.command("RCPT TO:<postmaster@here.example>")
        client.starttls()
        client.command("DATA", 503)
        client.command("MAIL FROM:<a@sender.example>", 503)
        client.ehlo()
        client.command("RCPT TO:<postmaster@here.example>", 503)
        client.command("MAIL FROM:<a@sender.example>")


def test_starttls_where_it_has_no_place(here):
    with here.client() as client:
        client.command("STARTTLS now", 501)
        client.starttls()
        client.command("STARTTLS", 503)
        client.command("NOOP", 250)


def test_require_tls(certificates, make_listening):  # noqa: F811
    sandbox = make_listening(tls_lines([certificates.good], more="require_tls = yes\n"
                                       "relay_domains = partner.example"))
    with sandbox.client() as client:
        client.ehlo()
        for line in ("MAIL FROM:<a@sender.example>", "RCPT TO:<postmaster@here.example>", "DATA",
                     "VRFY root", "ETRN partner.example", "RSET"):
            (answer,) = client.command(line, 530)
            assert answer.startswith("5.7.0 ")
        # The bytes of a chunk are no commands.
        client.send(b"BDAT 10 LAST\r\nSTARTTLS\r\n")
        client.expect(503)
        client.command("NOOP")
        client.command("HELO client.example")
        client.command("HELP", 214)
        client.starttls()
        client.ehlo()
        client.message("a@sender.example", f"{sandbox.user}@here.example", b"Subject: s\r\n\r\nb\r\n")
        client.command("QUIT", 221)
    with sandbox.client() as client:
        client.command("QUIT", 221)


# --- handshakes that fail ---


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(here, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with here.client() as client, pytest.raises(ssl.SSLError):
        client.starttls(context)
    wait_until(lambda: not here.sessions())
    (line,) = here.log_lines("rejected", client="[127.0.0.1]")
    assert "TLS handshake with the client failed: " in line


def test_nothing_from_outside_changes_that(certificates, tmp_path):  # noqa: F811
    """Neither a policy nor a file for keys that the environment names."""
    policy = tmp_path / "policy"
    policy.write_text("[overrides]\ntls-enabled-version = tls1.0\n"
                      "[priorities]\nSYSTEM = NORMAL:+VERS-ALL\n")
    keys = tmp_path / "keys"
    tmp_path.chmod(0o777)
    with Listening(listen=tls_lines([certificates.good]), start=False) as sandbox:
        sandbox.start_listener(wrapper=["env", f"SSLKEYLOGFILE={keys}",
                                        f"GNUTLS_SYSTEM_PRIORITY_FILE={policy}"])
        test_old_versions_are_refused(sandbox, "TLSv1_1")
        with sandbox.client() as client:
            client.starttls(trusting(certificates))
            client.ehlo()
    assert not keys.exists()


@pytest.mark.parametrize("junk", [b"EHLO client.example\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_V5_no_hello(here, junk):
    with here.client("implicit", greet=False) as client:
        client.send(junk)
        assert client.is_closed()
    with here.client() as client:
        client.command("STARTTLS", 220)
        client.send(junk)
        assert client.is_closed()
    wait_until(lambda: not here.sessions())
    with here.client() as client:
        client.starttls()


def test_V5_another_protocol_by_name(here, certificates):  # noqa: F811
    """A browser that was led here says so in its hello (ALPN)."""
    context = trusting(certificates)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with here.client("implicit", greet=False) as client, pytest.raises(ssl.SSLError):
        client.wrap(context)


def test_V3_slow_hello(certificates, make_listening):  # noqa: F811
    sandbox = make_listening(tls_lines([certificates.good], "implicit", "timeout = 1s"))
    with sandbox.client(greet=False) as client:
        begun = time.monotonic()
        client.send(b"\x16\x03\x01\x02\x00\x01")
        assert client.is_closed()
        assert time.monotonic() - begun < 15
    assert sandbox.log_lines("rejected", reason="TLS handshake with the client took too long")


def test_stopping_ends_a_handshake(here):
    with here.client("implicit", greet=False) as client:
        wait_until(here.sessions)
        assert here.stop_listener() == 0
        assert client.is_closed()


def test_stopping_is_said_under_tls(here):
    with here.client() as client:
        client.starttls()
        client.ehlo()
        here.listener.send_signal(signal.SIGTERM)
        (line,) = client.expect(421)
        assert line.startswith("4.3.2 ")
        assert client.is_closed()


@pytest.mark.parametrize("tls", [False, True])
def test_last_words_are_not_lost(here, tls):
    """What comes while the server closes resets no connection."""
    with here.client() as client:
        if tls:
            client.starttls()
        for _ in range(100):
            client.send("NONSENSE")
            if client.read()[0] == 421:
                break
        time.sleep(0.1)
        for _ in range(10):
            client.send("NONSENSE")
            time.sleep(0.01)
        assert client.file.read() == b""


# --- whose certificate ---


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    """Certificates of one authority for hosts of two domains."""

    class Domains(Certificates):
        KINDS = {
            "org": {"names": ["mx.example.org"]},
            "org_rsa": {"names": ["mx.example.org"], "key": 2048},
            "net": {"names": ["*.example.net"]},
            "net_new": {"names": ["*.example.net"]},
        }

    return Domains(tmp_path_factory.mktemp("domains"))


def shown(port, host, context):
    """The serial number of the certificate that is shown to who wants this host."""
    with Client(port) as client:
        client.starttls(context, host)
        der = client.socket.getpeercert(binary_form=True)
        client.command("QUIT", 221)
    return serial_of(ssl.DER_cert_to_PEM_cert(der).encode())


def serial_of(pem):
    done = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem, check=True,
                          capture_output=True)
    return done.stdout


def test_certificate_by_name(domains, make_listening):
    sandbox = make_listening(tls_lines([domains.org, domains.net]))
    org, net = (serial_of(pair[0].read_bytes()) for pair in (domains.org, domains.net))
    strict = trusting(domains)
    assert shown(sandbox.port, "mx.example.org", strict) == org
    assert shown(sandbox.port, "mail.example.net", strict) == net
    assert shown(sandbox.port, "MAIL.example.net", strict) == net
    assert shown(sandbox.port, "elsewhere.example", None) == org
    assert shown(sandbox.port, None, None) == org


def visit(context, port, session):
    """A connection that wants to resume the session; whether it did, and its own session."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    with context.wrap_socket(connection, server_hostname="localhost", session=session) as tls:
        assert tls.recv(4) == b"220 "
        tls.sendall(b"QUIT\r\n")
        while tls.recv(4096):
            pass
        return tls.session_reused, tls.session


def test_tickets_are_good_in_another_process(here, certificates):  # noqa: F811
    context = trusting(certificates)
    port = here.ports["implicit"]
    reused, session = visit(context, port, None)
    assert not reused
    assert visit(context, port, session)[0]
    # A listener that has loaded anew has a new key for its tickets.
    assert reload_listener(here)
    assert not visit(context, port, session)[0]


def test_a_ticket_of_an_older_version_does_no_harm(here, certificates):  # noqa: F811
    """The client got it from another server, and speaks TLS 1.3 by now."""
    context = trusting(certificates, ssl.TLSVersion.TLSv1_2)
    with FakeServer(certificate=certificates.good, tls="implicit") as other:
        session = visit(context, other.port, None)[1]
    assert session.has_ticket
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    assert not visit(context, here.ports["implicit"], session)[0]
    assert not here.log_lines("rejected")


# --- clients' certificates ---


class ClientCertificates(Certificates):
    KINDS = {
        "server": {"names": ["localhost"]},
        "partner": {"usage": "client", "names": [], "common_name": "partner"},
        "late": {"usage": "client", "days": (-30, -2)},
        "stranger": {"usage": "client", "issuer": "stranger"},
        "self_signed": {"usage": "client", "issuer": None},
        "not_for_clients": {"usage": "server"},
    }


@pytest.fixture(scope="module")
def partners(tmp_path_factory):
    return ClientCertificates(tmp_path_factory.mktemp("partners"))


@pytest.fixture
def relay(partners, make_listening):
    return make_listening(tls_lines(
        [partners.server], more=f"relay_networks =\ntls_client_ca = {partners.ca}"))


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_client_with_a_certificate_may_relay(relay, partners, version):
    with relay.client() as client:
        client.starttls(trusting(partners, ssl.TLSVersion[version], partners.partner))
        client.ehlo()
        client.message("a@sender.example", "b@elsewhere.example", b"Subject: s\r\n\r\nb\r\n")
    (line,) = relay.log_lines("received", certificate="CN=partner")
    assert "certificate verified" in line
    assert relay.letters()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("kind", [None, "late", "stranger", "self_signed", "not_for_clients"])
def test_no_other_certificate_counts(relay, partners, kind, version):
    """Not even in the end of the handshake: mail for us is still taken."""
    with relay.client() as client:
        pair = kind and getattr(partners, kind)
        client.starttls(trusting(partners, ssl.TLSVersion[version], pair))
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        (line,) = client.command("RCPT TO:<b@elsewhere.example>", 550)
        assert line.startswith("5.7.1 ")
        client.command("RCPT TO:<postmaster@here.example>")
    assert bool(relay.log_lines("counts for nothing")) == (kind is not None)


def test_require_auth_is_content_with_a_certificate(partners, make_listening):
    sandbox = make_listening(tls_lines(
        [partners.server], more=f"require_auth = yes\ntls_client_ca = {partners.ca}"))
    with sandbox.client() as client:
        client.starttls(trusting(partners))
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>", 530)
    with sandbox.client() as client:
        client.starttls(trusting(partners, client=partners.partner))
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")


def test_our_own_client_to_our_own_listener(relay, partners, make_sandbox):
    """With its certificate, and the listener's verified."""
    certificate, key = partners.partner
    sender = make_sandbox(
        mail="hostname = sender.example",
        smarthost=f"host = localhost:{relay.port}\ntls = starttls\ntls_trust = {partners.ca}\n"
                  f"tls_certificate = {certificate}\ntls_key = {key}")
    sender.sendmail("b@elsewhere.example", stdin="Subject: s\n\nb\n", check=0)
    sender.wait_empty()
    assert relay.log_lines("received", certificate="CN=partner")
    assert relay.letters()


# --- files ---


def reload_listener(sandbox):
    """SIGHUP, and whether it has been heeded."""
    before = len(sandbox.log_lines("reloaded"))
    sandbox.listener.send_signal(signal.SIGHUP)
    sandbox.wait_until(lambda: len(sandbox.log_lines("reloaded")) > before, what="the reload")
    return ": reloaded" in sandbox.log_lines("reloaded")[-1]


def put(pair, folder):
    """Copies a pair to the names that the settings have; as a hook would, in one step each."""
    for source, name in zip(pair, ("tls.crt", "tls.key")):
        shutil.copy(source, folder / f".{name}")
        (folder / f".{name}").chmod(0o640)
        os.replace(folder / f".{name}", folder / name)


def test_renewed_certificates(domains, make_listening, tmp_path):
    put(domains.net, tmp_path)
    files = (tmp_path / "tls.crt", tmp_path / "tls.key")
    sandbox = make_listening(tls_lines([domains.org, files]))
    strict = trusting(domains)
    old, new = (serial_of(pair[0].read_bytes()) for pair in (domains.net, domains.net_new))
    with sandbox.client() as open_one:
        open_one.starttls(strict, "mail.example.net")
        open_one.ehlo()

        assert shown(sandbox.port, "mail.example.net", strict) == old
        put(domains.net_new, tmp_path)
        assert shown(sandbox.port, "mail.example.net", strict) == old
        assert reload_listener(sandbox)
        assert shown(sandbox.port, "mail.example.net", strict) == new

        open_one.message("a@sender.example", f"{sandbox.user}@here.example", b"\r\nb\r\n")
    sandbox.wait_empty()


def test_renewed_certificates_that_will_not_do(domains, make_listening, tmp_path):
    put(domains.net, tmp_path)
    certificate, key = files = (tmp_path / "tls.crt", tmp_path / "tls.key")
    sandbox = make_listening(tls_lines([domains.org, files]))
    old = shown(sandbox.port, "mail.example.net", None)

    def refused(words):
        assert not reload_listener(sandbox)
        assert words in sandbox.log_lines("not reloaded")[-1]
        assert shown(sandbox.port, "mail.example.net", None) == old

    shutil.copy(domains.net_new[0], certificate)
    refused(f"tls_key {key} does not fit tls_certificate {certificate}")
    shutil.copy(domains.net_new[1], key)
    key.chmod(0o644)
    refused(f"tls_key {key} is open to others: chmod 640 {key}")
    key.unlink()
    refused(f"tls_key {key} cannot be read: No such file")
    put(domains.net_new, tmp_path)
    assert reload_listener(sandbox)
    assert shown(sandbox.port, "mail.example.net", None) != old


def test_files_that_will_not_do_are_said_at_the_start(certificates, tmp_path):  # noqa: F811
    missing = tmp_path / "missing.pem"
    for pair, words in (((certificates.good[0], certificates.wildcard[1]), "does not fit"),
                        ((missing, certificates.good[1]),
                         f"tls_certificate {missing} cannot be read")):
        with Listening(listen=tls_lines([pair]), start=False) as sandbox:
            result = sandbox.run(["postrider-listen", "-C", sandbox.config], check=EX_CONFIG)
            assert words in result.err
            assert result.err.count("\n") == 1


def test_an_expired_certificate_is_used_and_logged(certificates, make_listening):  # noqa: F811
    """Most senders do not look at it, and mail that is not taken at all is worse."""
    sandbox = make_listening(tls_lines([certificates.expired]))
    with sandbox.client() as client:
        client.starttls()
        client.ehlo()


# --- judged by others ---


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """A certificate as authorities give them."""
    from cryptography import x509

    class Public(Certificates):
        KINDS = {"good": {"days": (-1, 90), "names": ["localhost"], "common_name": "localhost"}}
        EXTENSIONS = [x509.CRLDistributionPoints([x509.DistributionPoint(
            [x509.UniformResourceIdentifier("http://crl.example/ca.crl")], None, None, None)])]

    return Public(tmp_path_factory.mktemp("public"))


def ask_testssl(sandbox, public, *sections):
    """What it finds, and what it printed: id -> severity."""
    report = sandbox.folder / "testssl.json"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        ["testssl", "--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--add-ca",
         public.ca, "--jsonfile", report, "-t", "smtp", *sections, f"localhost:{sandbox.port}"],
        capture_output=True, text=True, timeout=600, check=False)
    return {each["id"]: each["severity"] for each in json.loads(report.read_text())}, done


@pytest.mark.installed
def test_testssl_has_nothing_to_say(public, make_listening):
    """testssl.sh: protocols, ciphers, forward secrecy, preferences, certificate, and all known
    weaknesses; nothing above LOW."""
    sandbox = make_listening(tls_lines([public.good]))
    findings, done = ask_testssl(sandbox, public, "-p", "-s", "-f", "-P", "-S", "-U")
    # It takes a server that is slow to say no for one that goes along: then it looks again.
    for _ in range(3):
        if findings["secure_client_renego"] != "OK":
            findings.update(ask_testssl(sandbox, public, "-R")[0])
    assert not {"MEDIUM", "HIGH", "CRITICAL", "FATAL"} & set(findings.values()), done.stdout
    # It has looked indeed.
    good = {key for key, severity in findings.items() if severity == "OK"}
    assert {"TLS1_2", "TLS1_3", "cert_chain_of_trust", "cipher_order", "secure_renego",
            "secure_client_renego", "LUCKY13", "SWEET32", "DROWN"} <= good, done.stdout
    assert len(good) > 30, done.stdout
