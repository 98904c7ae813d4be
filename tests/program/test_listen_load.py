"""V8 and V3: many clients at once, slow ones, and a machine that has run out of something. The
listener says so, serves the others, does not spin, and recovers by itself."""

import os
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from listening import Client, Listening
from sandbox import BUILD
from test_installed import SPOOL, Machine

# Each session is a process of its own, and one with sanitizers is a large one.
CROWD = 1000 if BUILD.name != "sanitize" else 100
MESSAGE = b"Subject: hi\r\n\r\nhello\r\n"


@pytest.fixture(autouse=True, scope="module")
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CROWD + 500
    assert hard == resource.RLIM_INFINITY or hard >= wanted, "the tests' own limit of open files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def effort(pid):
    """Seconds of processor time so far, and how often the process went to sleep."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    waits = int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), waits


def assert_calm(pid, seconds=3):
    """It does next to nothing, whatever waits at its door."""
    before = effort(pid)
    time.sleep(seconds)
    after = effort(pid)
    assert after[0] - before[0] < 0.1 * seconds
    assert after[1] - before[1] < 20 * seconds


def everything(sandbox):
    """All names in the spool, drafts too, but for the runner's mark."""
    return [name for name in os.listdir(sandbox.queue / "spool") if name != ".wake"]


# --- many ----------------------------------------------------------------------------------------


def test_V8_a_thousand_at_once(make_crowd):
    """All are greeted and spoken with while all the others are there, and all come to their end."""
    with make_crowd(f"max_connections = {CROWD + 100}\nmax_connections_per_client = {CROWD + 100}"
                    ) as here, ExitStack() as stack:
        clients = [stack.enter_context(here.client(timeout=120)) for _ in range(CROWD)]
        assert len(here.sessions()) == CROWD
        for client in clients:
            client.send("EHLO crowd.example")
        for client in clients:
            client.expect(250)
            client.send("MAIL FROM:<a@sender.example>\r\n"
                        f"RCPT TO:<{here.user}@here.example>\r\nDATA")
        for client in clients:
            for code in (250, 250, 354):
                client.expect(code)
        for client in clients[::10]:
            client.send(MESSAGE + b".\r\n")
        for client in clients[::10]:
            client.expect(250)
        assert_calm(here.listener.pid)
        # The others go away in the middle of their message.
        for client in clients:
            client.close()
        here.wait_until(lambda: not here.sessions(), 60, "the end of all sessions")
        here.wait_until(lambda: not here.letters(), 60, "an empty queue")
        assert len(here.mailbox()) == len(clients[::10])
        assert not everything(here)


@pytest.fixture
def make_crowd():
    return lambda listen, **sections: Listening(listen=listen, **sections)


def test_V8_limits_are_said_at_once(make_crowd):
    """421 without waiting for anything, a word in the log, and room again when somebody goes."""
    with make_crowd("max_connections = 5\nmax_connections_per_client = 3\nrelay_networks =") as here, \
            ExitStack() as stack:
        mine = [stack.enter_context(here.client(source="127.0.0.2")) for _ in range(3)]
        began = time.monotonic()
        with here.client(source="127.0.0.2", greet=False) as client:
            (line,) = client.expect(421)
            assert "from you" in line and client.read() == (0, [])
        others = [stack.enter_context(here.client(source=f"127.0.0.{i}")) for i in (3, 4)]
        with here.client(source="127.0.0.5", greet=False) as client:
            (line,) = client.expect(421)
            assert "from you" not in line and client.read() == (0, [])
        assert time.monotonic() - began < 2
        assert len(here.log_lines("rejected", client="[127.0.0.2]")) == 1
        assert len(here.log_lines("rejected", client="[127.0.0.5]")) == 1
        for client in mine + others:
            client.ehlo()
        others[0].command("QUIT", 221)
        here.wait_until(lambda: len(here.sessions()) == 4, what="the end of a session")
        with here.client(source="127.0.0.5") as client:
            client.ehlo()


def test_V8_programs_of_this_machine_do_not_lock_each_other_out(make_crowd):
    """Behind an address of relay_networks are many clients: they count together alone."""
    with make_crowd("max_connections = 5\nmax_connections_per_client = 2\n"
                    "relay_networks = 127.0.0.1") as here, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(here.client(source="127.0.0.1")).ehlo()
        with here.client(source="127.0.0.1") as client:
            client.ehlo()
            with here.client(source="127.0.0.1", greet=False) as other:
                (line,) = other.expect(421)
                assert "from you" not in line


# --- slow ----------------------------------------------------------------------------------------


def drip(client, data, stop, pause=0.2):
    """Sends a byte at a time until the server has had enough; the seconds that took."""
    began = time.monotonic()
    client.socket.settimeout(pause)
    for i in range(int(stop / pause)):
        try:
            if data:
                client.socket.sendall(data[i % len(data):][:1])
            if client.socket.recv(1, socket.MSG_PEEK) is not None:
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    client.socket.settimeout(30)
    return time.monotonic() - began


@pytest.mark.parametrize("phase", ["command", "data", "chunk", "silence"])
def test_V3_slow_clients_are_dropped_on_time(make_crowd, phase):
    with make_crowd("timeout = 2s") as here, here.client() as slow:
        slow.ehlo()
        if phase in ("data", "chunk"):
            slow.command("MAIL FROM:<a@sender.example>")
            slow.command(f"RCPT TO:<{here.user}@here.example>")
        if phase == "data":
            slow.command("DATA", 354)
        if phase == "chunk":
            slow.send("BDAT 100000")
        took = drip(slow, b"" if phase == "silence" else b"NOOP and more words ", 20)
        assert 1.5 < took < 6
        slow.expect(421)
        assert slow.is_closed()
        here.wait_until(lambda: not here.sessions(), what="the end of the session")
        assert not everything(here)


def test_V3_a_message_in_crumbs_is_dropped_on_time(make_crowd):
    """Each chunk is there in time, and the message would come in half a year."""
    with make_crowd("timeout = 2s") as here, here.client() as slow:
        slow.ehlo()
        slow.command("MAIL FROM:<a@sender.example>")
        slow.command(f"RCPT TO:<{here.user}@here.example>")
        began, code = time.monotonic(), 250
        while code == 250 and time.monotonic() - began < 20:
            slow.send(b"BDAT 1\r\nx")
            code, _ = slow.read()
            time.sleep(0.5)
        assert code == 421 and 1.5 < time.monotonic() - began < 6
        here.wait_until(lambda: not here.sessions(), what="the end of the session")
        assert not everything(here)


def test_V8_slow_clients_keep_nobody_waiting(make_crowd):
    with make_crowd("timeout = 3s\nmax_connections_per_client = 100") as here, \
            ExitStack() as stack:
        slow = [stack.enter_context(here.client()) for _ in range(50)]
        for client in slow:
            client.send(b"EH")
        longest = 0
        for _ in range(20):
            began = time.monotonic()
            with here.client() as client:
                client.ehlo()
                client.message("a@sender.example", f"{here.user}@here.example", MESSAGE)
            longest = max(longest, time.monotonic() - began)
        assert longest < 2
        for client in slow:
            client.expect(421)
        here.wait_until(lambda: not here.sessions(), what="the end of the slow ones")


def test_V3_replies_that_nobody_reads(make_crowd):
    """A client that sends and never reads fills its buffers, not our memory, and is dropped."""
    with make_crowd("timeout = 2s") as here, here.client() as client:
        client.ehlo()
        client.socket.settimeout(0.5)
        sent, began = 0, time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 30:
                try:
                    sent += client.socket.send(b"VRFY somebody\r\n" * 1000)
                except TimeoutError:
                    if not here.sessions():
                        raise ConnectionError from None
        assert time.monotonic() - began < 15
        here.wait_until(lambda: not here.sessions(), what="the end of the session")


# --- halfway -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["DATA", "BDAT"])
@pytest.mark.parametrize("how", ["close", "reset", "killed", "stopped"])
def test_V8_a_message_that_stops_halfway_leaves_nothing(make_crowd, way, how):
    with make_crowd("timeout = 60s") as here, here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        client.command(f"RCPT TO:<{here.user}@here.example>")
        if way == "DATA":
            client.command("DATA", 354)
        else:
            client.send("BDAT 2000000")
        client.send(b"Subject: half\r\n\r\n" + b"half of a line\r\n" * 50000)
        (session,) = here.sessions()
        here.wait_until(lambda: any(os.readlink(fd).endswith(" (deleted)")
                                    for fd in Path(f"/proc/{session}/fd").iterdir()),
                        what="a draft")
        if how == "killed":
            os.kill(session, 9)
        elif how == "stopped":
            assert here.stop_listener() == 0
        elif how == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how in ("close", "reset"):
            client.close()
        if how != "stopped":
            here.wait_until(lambda: not here.sessions(), what="the end of the session")
            with here.client() as other:
                other.ehlo()
        assert not everything(here) and not here.mailbox_bytes()


# --- nothing left --------------------------------------------------------------------------------


def test_V8_no_descriptors_left(make_crowd):
    """EMFILE: clients wait, the listener does not spin, and they are served once there are some."""
    with make_crowd("") as here, ExitStack() as stack:
        parent = here.listener.pid
        here.wait_quiet()  # while the first queue run begins it has more of them open
        used = max(int(fd.name) for fd in Path(f"/proc/{parent}/fd").iterdir())
        _, hard = resource.prlimit(parent, resource.RLIMIT_NOFILE)
        free = set(range(used)) - {int(fd.name) for fd in Path(f"/proc/{parent}/fd").iterdir()}
        resource.prlimit(parent, resource.RLIMIT_NOFILE, (min(free, default=used + 1), hard))
        waiting = [stack.enter_context(here.client(greet=False)) for _ in range(5)]
        here.wait_until(lambda: "cannot accept a connection" in here.log(), what="a word in the log")
        assert_calm(parent)
        assert len(here.log().splitlines()) < 40
        resource.prlimit(parent, resource.RLIMIT_NOFILE, (hard, hard))
        for client in waiting:
            client.expect(220)
            client.ehlo()


CONFIG = """[mail]
mailbox_directory = /var/mail
[listen]
address = 127.0.0.1:25
relay_networks =
max_connections_per_client = 50
[queue]
retry = 1h
"""


class Listener(Machine):
    """A Machine with the listener at work."""

    config = CONFIG

    def __init__(self):
        super().__init__()
        try:
            self.world.write("/etc/postrider/postrider.conf", self.config)
            self.prepare()
            self.start()
        except BaseException:
            self.world.close()
            raise

    def prepare(self):
        """What the settings need to be there."""

    def start(self):
        self.world.run(["/usr/libexec/postrider/postrider-listen", "--background"], check=0)
        self.parent = int(self.world.wait_until(lambda: self.world.read(f"{SPOOL}/listen.lock"),
                                                what="the listener's process id"))

    def stop(self):
        self.world.run(["kill", str(self.parent)], check=0)
        self.world.wait_until(lambda: not self.world.processes("postrider-listen"),
                              what="the end of the listener")
        self.world.shell(f": > {SPOOL}/listen.lock")

    def client(self, **options):
        return self.world.inside(lambda: Client(25, **options))

    def parent_outside(self):
        """The parent's process id as it is out here."""
        (found,) = [int(status.parent.name) for status in Path("/proc").glob("[0-9]*/status")
                    if f"\nNSpid:\t{status.parent.name}\t{self.parent}\n" in read(status)
                    and os.readlink(status.parent / "ns/pid") == os.readlink(
                        f"/proc/{self.world.init}/ns/pid")]
        return found


def read(path):
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def machine():
    listener = Listener()
    yield listener
    listener.world.close()


@pytest.mark.installed
def test_V8_no_processes_left(machine):
    """fork fails: whoever comes is told to come again, without spinning."""
    def limit(*what):
        return machine.world.run(["prlimit", "--pid", str(machine.parent), *what],
                                 user="postrider", check=0).out

    before = limit("--nproc", "--output", "SOFT", "--noheadings", "--raw").strip()
    limit("--nproc=1:")
    try:
        with ExitStack() as stack:
            waiting = [stack.enter_context(machine.client(greet=False)) for _ in range(20)]
            (line,) = waiting[0].expect(421)
            assert "too busy" in line and waiting[0].read() == (0, [])
            assert_calm(machine.parent_outside())
            limit(f"--nproc={before}:")
            waiting[-1].expect(220)
            waiting[-1].ehlo()
    finally:
        limit(f"--nproc={before}:")


@pytest.fixture
def small_disk(machine):
    """The spool on a disk of a megabyte."""
    machine.stop()
    machine.wait_quiet()
    machine.world.shell(f"""
        mount -t tmpfs -o size=1m,nr_inodes=20 tmpfs /mnt
        chown --reference={SPOOL}/spool /mnt; chmod --reference={SPOOL}/spool /mnt
        mount --move /mnt {SPOOL}/spool""")
    machine.start()
    yield machine
    machine.stop()
    machine.wait_quiet()
    machine.world.shell(f"umount {SPOOL}/spool")
    machine.start()


@pytest.mark.installed
@pytest.mark.parametrize("what", ["blocks", "inodes"])
def test_V8_disk_full(small_disk, what):
    """452, nothing is left behind, and the same session goes on."""
    world = small_disk.world
    large = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 40000
    if what == "inodes":
        world.shell(f"cd {SPOOL}/spool; i=0; while touch .fill$i 2>&-; do i=$((i + 1)); done")
        large = MESSAGE
    with small_disk.client() as client:
        client.ehlo()
        for _ in range(3):
            client.message("a@sender.example", "ada@here.example", large, code=452)
        if what == "inodes":
            world.shell(f"rm {SPOOL}/spool/.fill*")
        assert not small_disk.queued()
        client.message("a@sender.example", "ada@here.example", b"Subject: small\r\n\r\nx\r\n")
    small_disk.wait_for_mail("ada", "small")
    small_disk.wait_empty()
