"""Routes by MX and SRV with a real name server (dnsmasq), and LMTP to a real Dovecot, in worlds of
their own. The hosts of the MX records are scripted servers at addresses that reach this machine
without being on any of its interfaces.
"""

import ctypes
import mailbox
import os
import threading

import pytest
from sandbox import EX_OK, REPOSITORY
from smtpfake import Certificates, FakeServer
from world import World

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("real_hops")]

MESSAGE = b"Subject: hi\n\nhello\n"
HOME = "/srv/postrider"
CONFIG = f"{HOME}/postrider.conf"

# Null MX, and a SRV record for nothing, as they are on the wire; the rest in dnsmasq's own words.
DNSMASQ = """
port=53
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
user=root
pid-file=/run/dnsmasq.pid
local=/example/
address=/mx1.plain.example/198.51.100.11
address=/mx2.plain.example/198.51.100.12
mx-host=plain.example,mx1.plain.example,10
mx-host=plain.example,mx2.plain.example,20
host-record=two.example,198.51.100.13,198.51.100.14
host-record=hosts.two.example,198.51.100.13
host-record=hosts.two.example,198.51.100.14
mx-host=several.example,hosts.two.example,10
host-record=implicit.example,198.51.100.15
cname=alias.example,plain.example
dns-rr=null.example,15,000000
txt-record=nothing.example,no mail here
mx-host=circle.example,here.example,10
host-record=self.circle.example,192.0.2.77
mx-host=address.example,self.circle.example,10
mx-host=backup.example,mx1.plain.example,5
mx-host=backup.example,here.example,10
mx-host=backup.example,mx2.plain.example,20
address=/smtp.provider.example/198.51.100.21
srv-host=_submissions._tcp.provider.example,smtp.provider.example,465,0
srv-host=_submission._tcp.provider.example,smtp.provider.example,587,0
srv-host=_submissions._tcp.hosted.example,smtp.provider.example,465,0
srv-host=_submissions._tcp.refusing.example
"""


class Machine:
    """A world with a name server, a postrider of root's own, and servers at any address."""

    def __init__(self, folder):
        self.world = World("here.example")
        self.certificates = Certificates(folder)
        self.servers = []
        self.world.install_packages("dnsmasq-base")
        # Addresses of this machine that no interface has; and one that lo does have.
        self.world.shell("ip route add local 198.51.100.0/24 dev lo\n"
                         "ip address add 192.0.2.77/32 dev lo")
        self.world.write("/etc/resolv.conf",
                         "search search.example\nnameserver 127.0.0.1\n"
                         "options timeout:1 attempts:1\n")
        self.dns(DNSMASQ)

    def dns(self, settings):
        self.world.shell("test ! -e /run/dnsmasq.pid || kill $(cat /run/dnsmasq.pid)\n"
                         "while test -e /run/dnsmasq.pid && kill -0 $(cat /run/dnsmasq.pid) "
                         "2>/dev/null; do sleep 0.05; done; rm -f /run/dnsmasq.pid")
        if settings is not None:
            self.world.write("/etc/dnsmasq.conf", settings)
            self.world.run(["dnsmasq", "-C", "/etc/dnsmasq.conf"], check=0)

    def inside(self, function):
        """Calls it in a thread that is in the world's network."""
        box = {}

        def enter():
            try:
                fd = os.open(f"/proc/{self.world.init}/ns/net", os.O_RDONLY)
                if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                os.close(fd)
                box["result"] = function()
            except BaseException as error:  # pylint: disable=broad-except
                box["error"] = error

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if "error" in box:
            raise box["error"]
        return box["result"]

    def server(self, host, port=25, **options):
        self.servers.append(self.inside(lambda: FakeServer(host=host, port=port, **options)))
        return self.servers[-1]

    def use(self, text, **more):
        self.world.shell(f"rm -rf {HOME} && mkdir -p {HOME}")
        self.world.write(f"{HOME}/ca.pem", self.certificates.ca.read_text())
        self.world.write(CONFIG, f"""[mail]
hostname = here.example
log_file = {HOME}/log
aliases = {HOME}/aliases
mailbox_directory = {HOME}
[queue]
directory = {HOME}/queue
{text}
""")
        self.world.write(f"{HOME}/aliases", "")

    def sendmail(self, *arguments, stdin=b""):
        self.world.run([REPOSITORY / "build" / "sendmail", "-C", CONFIG, *arguments], stdin=stdin,
                       check=EX_OK)

    def send(self, *recipients, sender="me@elsewhere.example"):
        self.sendmail("-odi", "-f", sender, *recipients, stdin=MESSAGE)

    def send_and_report(self, *recipients):
        """From root, who then has the report, if there is one."""
        self.send(*recipients, sender="root@here.example")
        self.sendmail("-q")

    def mailq(self):
        return self.world.run([REPOSITORY / "build" / "mailq", "-C", CONFIG]).out

    def queued(self):
        return self.world.names(f"{HOME}/queue/spool")

    def log(self):
        return self.world.read(f"{HOME}/log").decode()

    def report(self):
        """The one failure report in root's mailbox, or nothing."""
        return self.world.read(f"{HOME}/root").decode()

    def clear(self):
        for server in self.servers:
            server.close()
        self.servers.clear()

    def close(self):
        self.clear()
        self.world.close()


@pytest.fixture(scope="module")
def the_machine(tmp_path_factory):
    machine = Machine(tmp_path_factory.mktemp("certificates"))
    yield machine
    machine.close()


@pytest.fixture
def machine(the_machine):
    the_machine.use('[route "*"]\nvia = mx\n')
    yield the_machine
    the_machine.clear()


# --- MX ---


def test_mx_the_preferred_host(machine):
    first, second = machine.server("198.51.100.11"), machine.server("198.51.100.12")
    machine.send("you@plain.example")
    assert len(first.messages) == 1 and not second.connections and not machine.queued()
    assert "via=\"mx plain.example\"" in machine.log()


@pytest.mark.parametrize("greeting", [None, "421 4.3.2 not now", "554 5.3.2 go away"])
def test_mx_the_next_host(machine, greeting):
    """Down, or refusing at its greeting."""
    if greeting:
        machine.server("198.51.100.11", at={"connect": greeting})
    second = machine.server("198.51.100.12")
    machine.send("you@plain.example")
    assert len(second.messages) == 1 and not machine.queued()


def test_mx_the_next_address(machine):
    second = machine.server("198.51.100.14")
    machine.send("you@several.example")
    assert len(second.messages) == 1
    machine.server("198.51.100.13", at={"connect": "421 4.3.2 no"})
    machine.send("you@several.example")
    assert len(second.messages) == 2


def test_mx_all_down_is_later(machine):
    machine.send("you@plain.example")
    assert machine.queued() and "mx2.plain.example" not in machine.report()
    assert "cannot connect to mx1.plain.example" in machine.mailq()


def test_mx_an_answer_of_one_host_is_final(machine):
    """A 5yz to RCPT is the domain's word; the next host is not asked."""
    machine.server("198.51.100.11", at={"RCPT": "550 5.1.1 nobody"})
    second = machine.server("198.51.100.12")
    machine.send_and_report("you@plain.example")
    assert not second.connections and not machine.queued()
    assert "550 5.1.1 nobody" in machine.report()


def test_mx_for_each_domain_its_own_hosts(machine):
    plain, implicit = machine.server("198.51.100.11"), machine.server("198.51.100.15")
    machine.send("a@plain.example", "b@implicit.example", "c@plain.example")
    assert [sorted(message.recipients) for message in plain.messages] == [
        ["a@plain.example", "c@plain.example"]]
    assert [message.recipients for message in implicit.messages] == [["b@implicit.example"]]


def test_mx_through_an_alias(machine):
    first = machine.server("198.51.100.11")
    machine.send("you@alias.example")
    assert [message.recipients for message in first.messages] == [["you@alias.example"]]


def test_mx_opportunistic_tls(machine):
    """TLS when it is offered, whatever the certificate."""
    first = machine.server("198.51.100.11", certificate=machine.certificates.self_signed)
    machine.send("you@plain.example")
    assert first.connections[0].tls and len(first.messages) == 1


@pytest.mark.parametrize("domain, status, words", [
    ("gone.example", "5.1.2", "there is no domain gone.example"),
    ("null.example", "5.1.10", "null.example takes no mail"),
    ("nothing.example", "5.4.4", "neither an MX record nor an address"),
    ("circle.example", "5.4.6", "would come back to this very host"),
    ("address.example", "5.4.6", "would come back to this very host"),
])
def test_mx_that_leads_nowhere_is_told_at_once(machine, domain, status, words):
    machine.send_and_report(f"you@{domain}")
    assert not machine.queued()
    assert f"Status: {status}" in machine.report()
    assert words in " ".join(machine.report().split())


def test_mx_as_backup_only_better_hosts(machine):
    """We are one of its MX hosts: only to those that are preferred to us."""
    second = machine.server("198.51.100.12")
    machine.send("you@backup.example")
    assert machine.queued() and not second.connections
    first = machine.server("198.51.100.11")
    machine.world.shell(f"rm -f {HOME}/queue/hops/hop-* {HOME}/queue/journal/*")
    machine.sendmail("-q")
    assert len(first.messages) == 1 and not machine.queued()


def test_mx_without_a_name_server_is_later(machine):
    machine.dns(None)
    try:
        machine.send_and_report("you@plain.example")
        assert machine.queued() and "4.4.3" in machine.log() and not machine.report()
        assert "no name server can be reached" in machine.mailq()
    finally:
        machine.dns(DNSMASQ)


def test_mx_a_name_server_that_refuses_is_later(machine):
    """dnsmasq refuses what it has nobody to ask about."""
    machine.send_and_report("you@elsewhere.invalid")
    assert machine.queued() and "4.4.3" in machine.log() and not machine.report()


def test_mx_a_next_hop_that_greets_as_ourselves(machine):
    machine.server("198.51.100.11", name="here.example")
    second = machine.server("198.51.100.12")
    machine.send_and_report("you@plain.example")
    assert "the next hop is this very host" in " ".join(machine.report().split())
    assert not second.connections and not machine.queued()


def test_mx_no_search_list(machine):
    """What does not exist is not looked for below our own domain."""
    machine.dns(DNSMASQ + "host-record=gone.example.search.example,198.51.100.11\n"
                          "mx-host=lost.example,nowhere.example,10\n"
                          "host-record=nowhere.example.search.example,198.51.100.11\n")
    try:
        first = machine.server("198.51.100.11")
        machine.send("you@gone.example", "you@lost.example")
        assert not first.connections
    finally:
        machine.dns(DNSMASQ)


# --- SRV ---


def provider(machine, domain="provider.example", **more):
    lines = {"host": f"srv:{domain}", "tls_trust": f"{HOME}/ca.pem", "auth": "off", **more}
    machine.use("[smarthost]\n" + "\n".join(f"{key} = {value}" for key, value in lines.items()))


def certificate(machine, name):
    """One for that name, made when first asked for."""
    kinds = machine.certificates.KINDS
    kinds.setdefault(name, {"names": [name.replace("_", ".")]})
    return getattr(machine.certificates, name)


def test_srv_of_a_provider(machine):
    provider(machine)
    server = machine.server("198.51.100.21", 465, tls="implicit",
                            certificate=certificate(machine, "smtp_provider_example"))
    machine.send("you@plain.example")
    assert len(server.messages) == 1 and not machine.queued()


def test_srv_starttls_when_the_other_is_down(machine):
    provider(machine)
    server = machine.server("198.51.100.21", 587,
                            certificate=certificate(machine, "provider_example"))
    machine.send("you@plain.example")
    assert len(server.messages) == 1 and server.connections[0].tls


def test_srv_to_a_stranger_needs_the_domains_certificate(machine):
    provider(machine, "hosted.example")
    server = machine.server("198.51.100.21", 465, tls="implicit",
                            certificate=certificate(machine, "smtp_provider_example"))
    machine.send("you@plain.example")
    assert machine.queued() and not server.messages
    assert "found by srv:hosted.example" in machine.mailq()


@pytest.mark.parametrize("domain", ["refusing.example", "plain.example"])
def test_srv_that_is_not_there_is_later(machine, domain):
    provider(machine, domain)
    machine.send_and_report("you@plain.example")
    assert machine.queued() and not machine.report()
    assert f"{domain} offers no submission in the DNS" in machine.mailq()


# --- LMTP ---

DOVECOT = """
protocols = lmtp
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
ssl = no
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
hostname = here.example
postmaster_address = postmaster@here.example
"""

# What 2.4 says in other words.
DOVECOT_2_3 = DOVECOT + """
mail_location = mbox:~/mail:INBOX=/srv/inbox/%n
auth_username_format = %n
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = passwd-file
  args = /srv/users
}
"""
DOVECOT_2_4 = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0" + DOVECOT + """
mail_driver = mbox
mail_path = ~/mail
mail_inbox_path = /srv/inbox/%{user | username}
auth_username_format = %{user | username}
passdb static {
  password = none
}
userdb passwd-file {
  passwd_file_path = /srv/users
}
"""


@pytest.fixture(scope="module")
def dovecot(the_machine):
    world = the_machine.world
    world.install_packages("dovecot-lmtpd")
    old = world.run(["dovecot", "--version"], check=0).out.startswith("2.3")
    world.write("/etc/dovecot/dovecot.conf", DOVECOT_2_3 if old else DOVECOT_2_4)
    world.write("/srv/users", "".join(
        f"user{i}::65534:65534::/srv/home/user{i}::\n" for i in range(60)))
    world.shell("mkdir -p /srv/inbox /srv/home && chown -R nobody:nogroup /srv/inbox /srv/home\n"
                "touch /var/log/dovecot.log && chmod 666 /var/log/dovecot.log")
    world.run(["dovecot", "-c", "/etc/dovecot/dovecot.conf"], check=0)
    world.wait_until(lambda: "lmtp" in world.names("/run/dovecot"), what="Dovecot's socket")
    yield the_machine
    world.run(["doveadm", "stop"])


@pytest.fixture
def lmtp(dovecot):
    dovecot.use('[route "mail.example"]\nvia = lmtp:/run/dovecot/lmtp\n')
    dovecot.world.shell("rm -rf /srv/inbox/*")
    return dovecot


def inbox(machine, user, tmp_path):
    path = tmp_path / user
    path.write_bytes(machine.world.read(f"/srv/inbox/{user}"))
    return list(mailbox.mbox(path))


def test_lmtp_to_dovecot(lmtp, tmp_path):
    lmtp.send("user1@mail.example")
    assert not lmtp.queued(), lmtp.mailq()
    (message,) = inbox(lmtp, "user1", tmp_path)
    assert message["Subject"] == "hi" and message["Return-Path"] == "<me@elsewhere.example>"
    assert 'via="route mail.example"' in lmtp.log()


def test_lmtp_to_dovecot_each_recipient_its_own_end(lmtp, tmp_path):
    """50 at once, one that is unknown, one whose mailbox cannot be written."""
    lmtp.world.shell("mkdir /srv/inbox/user7")
    names = [f"user{i}@mail.example" for i in range(50)]
    lmtp.send_and_report(*names, "stranger@mail.example")
    for i in range(50):
        if i != 7:
            assert len(inbox(lmtp, f"user{i}", tmp_path)) == 1
    assert len(lmtp.queued()) == 1
    assert "user7@mail.example" in lmtp.mailq() and "user8@" not in lmtp.mailq()
    assert "stranger@mail.example" in lmtp.report() and "user8@" not in lmtp.report()


def test_lmtp_to_dovecot_many_messages(lmtp, tmp_path):
    for i in range(30):
        lmtp.sendmail("-odq", "-i", "user1@mail.example", "user2@mail.example",
                      stdin=f"Subject: {i}\n\n.\n..\n.x\n")
    lmtp.sendmail("-q")
    assert not lmtp.queued()
    for user in ("user1", "user2"):
        got = inbox(lmtp, user, tmp_path)
        assert sorted(int(message["Subject"]) for message in got) == list(range(30))


def test_lmtp_dovecot_down_is_later(lmtp):
    lmtp.use('[route "mail.example"]\nvia = lmtp:/run/dovecot/nothing\n')
    lmtp.send("user1@mail.example")
    assert lmtp.queued() and "cannot connect to the socket" in lmtp.mailq()
