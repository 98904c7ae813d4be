"""What the listener's processes are left with, seen and tried in an installed one: who reads from the
network has no root, no mailbox and no program to run, and nothing of the queue but to add to it."""

import errno
import subprocess

import pytest

import intruding
from intruding import read_status
from test_installed import SPOOL
from test_listen_load import Listener, assert_calm

pytestmark = pytest.mark.installed

CONFIG = """[mail]
mailbox_directory = /var/mail
[listen]
address = 127.0.0.1:25
tls = starttls
tls_certificate = /etc/postrider/tls.crt
tls_key = /etc/postrider/tls.key
users = /etc/postrider/users
relay_networks =
relay_domains = held.example
etrn_networks = 127.0.0.1
[route "held.example"]
via = hold
[queue]
retry = 1h
"""
# A service that knows users, for getpwnam, from a file of its own; there are many such.
SERVICE = r"""
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>

enum nss_status _nss_elsewhere_getpwnam_r(const char *name, struct passwd *user, char *space,
                                          size_t size, int *error)
{
    FILE *file = fopen("/var/lib/misc/elsewhere", "re");
    char line[64];
    if (!file) {
        *error = errno;
        return NSS_STATUS_UNAVAIL;
    }
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, name) != 0 || strlen(name) >= size)
            continue;
        fclose(file);
        strcpy(space, name);
        *user = (struct passwd){.pw_name = space, .pw_passwd = "*", .pw_uid = 4711, .pw_gid = 4711,
                                .pw_gecos = "", .pw_dir = "/", .pw_shell = "/bin/sh"};
        return NSS_STATUS_SUCCESS;
    }
    fclose(file);
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}
"""


class Prey(Listener):
    """A Machine with the listener at work, and intruder.c."""

    config = CONFIG
    intruder = "/tmp/intruder"

    def prepare(self):
        world = self.world
        world.write("/tmp/service.c", SERVICE)
        world.shell("""
            libraries=$(dirname "$(realpath "$(cc -print-file-name=libc.so.6)")")
            cc -shared -fPIC -o "$libraries/libnss_elsewhere.so.2" /tmp/service.c
            mkdir -p /var/lib/misc; echo elsie > /var/lib/misc/elsewhere
            sed -i 's/^passwd:.*/passwd: files elsewhere/' /etc/nsswitch.conf
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \\
                -subj /CN=here.example -addext subjectAltName=DNS:here.example \\
                -keyout /etc/postrider/tls.key -out /etc/postrider/tls.crt 2>/dev/null
            chgrp postrider /etc/postrider/tls.key; chmod 640 /etc/postrider/tls.key
            : > /var/mail/everybody; chmod 666 /var/mail/everybody
            """)
        password = world.run(["openssl", "passwd", "-6", "secret"], check=0).out
        world.write("/etc/postrider/users", f"ben:{password}", 0o640, "root:postrider")
        intruding.build(world.outside("/tmp"))

    def sessions(self):
        """Process ids, in the world."""
        return [pid for pid in self.world.processes("postrider-listen") if pid != self.parent]

    def session(self):
        """The process id of the only one, once those of others before have ended."""
        self.world.wait_until(lambda: len(self.sessions()) == 1, what="a session alone")
        return self.sessions()[0]

    def status(self, pid):
        return read_status(self.world.read(f"/proc/{pid}/status").decode())

    def descriptors(self, pid):
        """What each descriptor of a process is, by number."""
        return dict(line.split(" ", 1) for line in self.world.shell(
            f'for each in /proc/{pid}/fd/*; do echo "${{each##*/}} $(readlink $each)"; done'
        ).out.splitlines())

    def intrude(self, pid, *tries):
        return intruding.results(self.world.run([self.intruder, str(pid), *tries], check=0).out)


@pytest.fixture(scope="module")
def machine():
    listener = Prey()
    yield listener
    listener.world.close()


@pytest.fixture
def session(machine):
    """(client, process id) of a session with a transaction begun."""
    with machine.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        pid = machine.session()
        yield client, pid
    machine.world.wait_until(lambda: not machine.sessions(), what="the end of the session")


def numbers(machine, name):
    return machine.world.run(["id", "-u", name]).out.strip(), \
        machine.world.run(["id", "-g", name]).out.strip()


def test_who_reads_from_the_network_is_locked_in(machine, session):
    uid, gid = numbers(machine, "postrider")
    status = machine.status(session[1])
    assert uid != "0" and gid != "0"
    assert status["Uid"] == [uid] * 4 and status["Gid"] == [gid] * 4
    assert set(status["Groups"]) <= {gid}
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind][0], 16) == 0, kind
    assert status["NoNewPrivs"] == ["1"] and status["Seccomp"] == ["2"]


def test_the_parent_has_no_root_either(machine):
    """It is not locked in, as it starts the queue's runner, but it reads no byte of a peer."""
    uid, gid = numbers(machine, "postrider")
    status = machine.status(machine.parent)
    assert status["Uid"] == [uid] * 4 and status["Gid"] == [gid] * 4
    assert set(status["Groups"]) <= {gid}
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind][0], 16) == 0, kind


def test_an_intruder_opens_nothing_and_runs_nothing(machine, session):
    """What the process itself is refused, by file rights, Landlock or the filter of calls; the last
    try ends it."""
    client, pid = session
    machine.sendmail("-odq", "ada")
    (letter,) = machine.queued()
    closed = ["open:/var/mail/everybody", "open:/etc/shadow", f"open:{SPOOL}/spool/{letter}",
              f"open:{SPOOL}/spool", f"open:{SPOOL}/listen.lock", "open:/home",
              "open:/etc/postrider/credentials.conf", "open:/etc/postrider/tls.key",
              f"open:/proc/{machine.parent}/environ", f"open:/proc/{pid}/mem", "open:/dev/mem"]
    refused = ["write:/var/mail/everybody", f"write:{SPOOL}/spool/{letter}", "write:/tmp/program",
               f"unlink:{SPOOL}/spool/{letter}", "socket:2", "socket:10", "socket:16",
               f"kill:{machine.parent}", "fork"]
    found = machine.intrude(pid, *closed, *refused)
    assert {found[one] for one in closed} <= {-errno.EACCES, -errno.ENOENT}, found
    assert {found[one] for one in refused} == {-errno.ENOSYS}, found
    # It is the same session all the while, and no worse for that.
    client.command(f"RCPT TO:<ada@{machine.world.hostname}>")
    client.command("DATA", 354)
    client.send(b"Subject: unharmed\r\n\r\nx\r\n.\r\n")
    client.expect(250)
    assert letter in machine.queued()
    found = machine.intrude(pid, "exec:/bin/true")
    assert found == {"exec:/bin/true": "killed 31"}
    assert client.read() == (0, [])
    machine.world.wait_until(lambda: "a session was ended by signal 31" in machine.log(),
                             what="word of it in the log")
    machine.drain()
    with machine.client() as other:
        other.ehlo()


def test_an_intruder_closes_no_folder_of_the_queue(machine, session):
    """They belong to his user, and he has them open: their modes stay."""
    folders = [fd for fd, what in machine.descriptors(session[1]).items() if SPOOL in what]
    assert folders
    modes = machine.world.run(["stat", "-c", "%a", f"{SPOOL}/spool", f"{SPOOL}/journal"]).out
    found = machine.intrude(session[1], *[f"call:fchmod,{fd},{mode}" for fd in folders
                                          for mode in (0, 0o640)])
    assert set(found.values()) == {-errno.ENOSYS}, found
    assert machine.world.run(["stat", "-c", "%a", f"{SPOOL}/spool", f"{SPOOL}/journal"]).out == modes


def test_an_intruder_keeps_the_parent_neither_busy_nor_from_hearing_others(machine, session):
    """Sessions share a way to the parent; who shuts it spoils it for those that are there by now."""
    packets = [line.split()[6] for line in machine.world.read("/proc/net/unix").decode().splitlines()
               if line.split()[4] == "0005"]  # SOCK_SEQPACKET
    (way,) = [fd for fd, what in machine.descriptors(session[1]).items()
              if what.startswith("socket:") and what[8:-1] in packets]
    assert machine.intrude(session[1], f"call:shutdown,{way},2") == {f"call:shutdown,{way},2": 0}
    machine.world.wait_until(lambda: "shut the way" in machine.log(), what="word of it in the log")
    assert_calm(machine.parent_outside())
    session[0].command("ETRN held.example", 458)
    with machine.client() as other:
        other.ehlo()
        other.command("ETRN held.example")
    machine.world.wait_until(lambda: "a partner asks for the mail for held.example" in machine.log(),
                             what="the order")
    machine.wait_quiet()


def test_what_the_filter_alone_keeps(machine, session):
    """A mailbox that anybody may read is closed as well; the process of its user could open it."""
    done = machine.world.run(["cat", "/var/mail/everybody"], user="postrider")
    assert done.returncode == 0
    found = machine.intrude(session[1], "open:/var/mail/everybody", "open:/etc/passwd")
    assert found["open:/var/mail/everybody"] == -errno.EACCES
    assert found["open:/etc/passwd"] > 0


def test_users_of_every_service_are_known(machine):
    """Also those of a service whose library could not be loaded by now."""
    with machine.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        for user in ("ada", "elsie", "help", "postmaster"):
            client.command(f"RCPT TO:<{user}@{machine.world.hostname}>")
        client.command(f"RCPT TO:<elsa@{machine.world.hostname}>", 550)


def test_all_that_a_session_does_is_allowed(machine):
    """TLS, AUTH, users, aliases, a message and the log: no call is refused."""
    world = machine.world
    with machine.client() as client:
        pid = machine.session()
        trace = subprocess.Popen(world.argv(["strace", "-qq", "-f", "-Z", "-o", "/tmp/refused", "-p",
                                             str(pid)]))
        world.wait_until(lambda: machine.status(pid)["TracerPid"] != ["0"], what="strace")
        client.ehlo()
        client.starttls()
        client.ehlo()
        client.command("AUTH PLAIN AGJlbgBzZWNyZXQ=", 235)
        client.message("ben@here.example", ["ada@here.example", "help@here.example",
                                            "you@example.net"], b"Subject: traced\r\n\r\nx\r\n")
        client.command("QUIT", 221)
    trace.wait(30)
    calls = world.read("/tmp/refused").decode()
    assert "EAGAIN" in calls  # when it waits for the client: the trace is one
    for word in ("ENOSYS", "EACCES", "EPERM", "SIGSYS"):
        assert word not in calls, calls
    assert world.logged("received", "user=ben")
    machine.drain()
