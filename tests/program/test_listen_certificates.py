"""Certificates of an installed listener: the one to begin with, those that certbot renews, and keys
that only root can read."""

import ssl

import pytest

from listening import Client
from sandbox import EX_CANTCREAT, EX_DATAERR, EX_OK, EX_USAGE, REPOSITORY
from smtpfake import Certificates
from test_installed import Machine

pytestmark = pytest.mark.installed

FOLDER = "/etc/postrider"
LIVE = "/etc/letsencrypt/live/here.example"
CONFIG = f"""[listen]
address = 127.0.0.1:25
tls = starttls
tls_certificate = {FOLDER}/tls.crt
tls_key = {FOLDER}/tls.key
[queue]
retry = 1h
"""
MAKE = ["sh", REPOSITORY / "contrib" / "make-certificate.sh"]


@pytest.fixture(scope="module")
def world():
    world = Machine().world
    world.write("/etc/postrider/postrider.conf", CONFIG)
    world.shell("install -m 755 " + str(REPOSITORY / "contrib" / "certbot-hook.sh") +
                " /usr/local/sbin")
    yield world
    world.close()


@pytest.fixture
def pair(world):
    """The first pair, made."""
    world.shell(f"rm -f {FOLDER}/tls.*")
    world.run(MAKE, check=EX_OK)


@pytest.fixture
def listener(world, pair):
    world.run(["/usr/libexec/postrider/postrider-listen", "--background"], check=EX_OK)
    yield
    world.shell("kill $(cat /var/spool/postrider/listen.lock)")
    world.wait_until(lambda: not world.processes("postrider-listen"))


class Renewed(Certificates):
    KINDS = {"first": {"names": ["here.example"]}, "second": {"names": ["here.example"]}}


@pytest.fixture(scope="module")
def renewed(tmp_path_factory):
    return Renewed(tmp_path_factory.mktemp("renewed"))


def rights(world, name):
    return world.run(["stat", "-c", "%a %U:%G", f"{FOLDER}/{name}"], check=0).out.strip()


def greet(world):
    """A client that has said EHLO under TLS."""
    client = world.inside(lambda: Client(25))
    client.starttls(name="here.example")
    client.ehlo()
    return client


def shown(world):
    """The certificate that a new connection gets."""
    with greet(world) as client:
        pem = ssl.DER_cert_to_PEM_cert(client.socket.getpeercert(binary_form=True))
        client.command("QUIT", 221)
    return pem


def renew(world, pair):
    """What certbot leaves, for root alone."""
    world.shell(f"install -d -m 700 /etc/letsencrypt /etc/letsencrypt/archive {LIVE}")
    for path, name in zip(pair, ("fullchain", "privkey")):
        world.write(f"/etc/letsencrypt/archive/{name}7.pem", path.read_bytes(), 0o600)
        world.shell(f"ln -sf ../../archive/{name}7.pem {LIVE}/{name}.pem")


def hook(world, *arguments, **options):
    return world.run(["/usr/local/sbin/certbot-hook.sh", *arguments],
                     env={"RENEWED_LINEAGE": LIVE, "RENEWED_DOMAINS": "here.example"}, **options)


def certificate_text(world):
    return world.run(["openssl", "x509", "-in", f"{FOLDER}/tls.crt", "-noout", "-text"], check=0).out


def test_a_certificate_to_begin_with(world, listener):
    assert rights(world, "tls.crt") == "644 root:root"
    assert rights(world, "tls.key") == "640 root:postrider"
    assert "DNS:here.example\n" in certificate_text(world)
    assert shown(world) == world.read(f"{FOLDER}/tls.crt").decode()
    # Nothing is left of the making.
    assert not [name for name in world.run(["ls", "-A", FOLDER]).out.split() if name[0] == "."]


def test_it_has_the_names_that_it_is_given(world):
    world.shell(f"rm -f {FOLDER}/tls.*")
    world.run([*MAKE, "mx.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"], check=EX_OK)
    text = certificate_text(world)
    assert ("DNS:mx.example.org, DNS:*.example.net, IP Address:192.0.2.1, "
            "IP Address:2001:DB8:0:0:0:0:0:1\n") in text
    assert "TLS Web Server Authentication" in text


def test_it_overwrites_nothing(world, pair):
    for kept in ("tls.key", "tls.crt"):
        before = world.read(f"{FOLDER}/{kept}")
        done = world.run(MAKE, check=EX_CANTCREAT)
        assert f"{FOLDER}/tls." in done.err and "is there already" in done.err
        assert world.read(f"{FOLDER}/{kept}") == before
        # The other one alone is enough.
        world.shell(f"rm {FOLDER}/{kept}")
        world.run(MAKE, check=EX_CANTCREAT)
        assert not world.read(f"{FOLDER}/{kept}")
        world.shell(f"rm -f {FOLDER}/tls.*")
        world.run(MAKE, check=EX_OK)


def test_it_takes_names_of_hosts_alone(world):
    world.shell(f"rm -f {FOLDER}/tls.*")
    for name in ("a.example,DNS:b.example", "a b", "-x", "", "münchen.example"):
        done = world.run([*MAKE, "--", "mx.example.org", name], check=EX_DATAERR)
        assert "is no host name" in done.err
    assert not world.read(f"{FOLDER}/tls.key")


def test_certbot_hook(world, listener, renewed):
    with greet(world) as open_one:
        for pair in (renewed.first, renewed.second):
            renew(world, pair)
            before = len(world.syslog)
            assert hook(world, check=EX_OK).err == ""
            world.wait_until(lambda: any(": reloaded" in line for line in world.syslog[before:]))
            assert rights(world, "tls.crt") == "644 root:root"
            assert rights(world, "tls.key") == "640 root:postrider"
            assert shown(world) == pair[0].read_text()
        open_one.command("MAIL FROM:<a@sender.example>")
        open_one.command("RCPT TO:<postmaster@here.example>")


def test_certbot_hook_without_a_listener(world, pair, renewed):
    renew(world, renewed.first)
    # A process id that is left over, and is somebody else's by now.
    world.shell("echo 1 > /var/spool/postrider/listen.lock")
    assert hook(world, "example.net", check=EX_OK).err == ""
    assert rights(world, "example.net.key") == "640 root:postrider"
    assert world.read(f"{FOLDER}/example.net.crt") == renewed.first[0].read_bytes()
    assert world.run(["sh", "-c", "kill -0 1"]).returncode == 0


def test_certbot_hook_by_hand(world):
    done = world.run(["/usr/local/sbin/certbot-hook.sh"], check=EX_USAGE)
    assert "run by certbot" in done.err


def test_a_key_that_only_root_can_read(world, pair):
    """It will do at the start; when it is loaded anew the old one stays, and the log says what to
    do."""
    world.shell(f"chown root:root {FOLDER}/tls.key; chmod 600 {FOLDER}/tls.key")
    world.run(["/usr/libexec/postrider/postrider-listen", "--background"], check=EX_OK)
    before = shown(world)
    seen = len(world.syslog)
    hup = "kill -HUP $(cat /var/spool/postrider/listen.lock)"
    world.shell(hup)
    world.wait_until(lambda: any("not reloaded" in line for line in world.syslog[seen:]))
    (line,) = [line for line in world.syslog[seen:] if "not reloaded" in line]
    assert f"tls_key {FOLDER}/tls.key cannot be read by user id " in line and "chmod 640" in line
    assert shown(world) == before
    world.shell(f"chgrp postrider {FOLDER}/tls.key; chmod 640 {FOLDER}/tls.key; {hup}")
    world.wait_until(lambda: any(": reloaded" in line for line in world.syslog[seen:]))
    assert shown(world) == before
    world.shell("kill $(cat /var/spool/postrider/listen.lock)")
    world.wait_until(lambda: not world.processes("postrider-listen"))
