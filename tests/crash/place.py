"""Where a scenario is played: a sandbox in memory with a smarthost beside it, whose whole state can
be taken down and put back, and the programs of the build under the tracer.
"""

import hashlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "program"))

# In memory, where there is such a place: everything is synced all the time.
if os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = os.environ.get("POSTRIDER_SPACE", "/dev/shm")

from listening import Client  # noqa: E402
from sandbox import BUILD, Result, Sandbox  # noqa: E402  (the path comes first)
from smtpfake import EXTENSIONS, FakeServer  # noqa: E402

TRACER = BUILD / "tracer"
WITHOUT_DSN = [one for one in EXTENSIONS if one != "DSN"]
HANGS = 124  # the tracer's status


class Node:
    """A file (bytes), or a folder (None), as it is on disk."""

    __slots__ = ("data", "mode", "time", "inode")

    def __init__(self, data, mode, time, inode=0):
        self.data, self.mode, self.time, self.inode = data, mode, time, inode


def take_down(root):
    """path below the root: Node, folders before what is in them."""
    found = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        for entry in sorted(os.scandir(os.path.join(root, folder)), key=lambda one: one.name):
            path = f"{folder}/{entry.name}" if folder else entry.name
            info = entry.stat(follow_symlinks=False)
            is_folder = stat.S_ISDIR(info.st_mode)
            data = None
            if not is_folder:
                with open(entry.path, "rb") as file:
                    data = file.read()
            else:
                pending.append(path)
            found[path] = Node(data, stat.S_IMODE(info.st_mode), info.st_mtime, info.st_ino)
    return dict(sorted(found.items()))


def put_back(root, nodes):
    for entry in os.scandir(root):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    for path, node in nodes.items():
        full = os.path.join(root, path)
        if node.data is None:
            os.mkdir(full)
            os.chmod(full, node.mode)
            continue
        with open(full, "wb") as file:
            file.write(node.data)
        os.chmod(full, node.mode)
        os.utime(full, (node.time, node.time))


ID = re.compile(rb"\b[0-9a-v]{15}(?:[bds][0-9]+)?\b")
TIMES = [(re.compile(rb"\b1[789]\d{8}\b"), b"TIME"), (re.compile(rb"\bcrc [0-9a-f]{8}\b"), b"crc"),
         (re.compile(rb"\.[0-9a-f]{16}@"), b".RANDOM@"),
         (re.compile(rb"=_[0-9a-v]+_[0-9a-f]{16}"), b"BOUNDARY"),
         (re.compile(rb"\w{3}, +\d+ \w{3} \d{4} [\d:]{8} [+-]\d{4}"), b"DATE"),
         (re.compile(rb"\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}"), b"DATE")]


def digest(nodes, *more):
    """A name for what is on disk (and for more), in which times and ids do not count."""
    names = {}

    def name_of(match):
        text = match[0]
        first = names.setdefault(text[:15], b"ID%d" % len(names))
        return first + text[15:]

    total = hashlib.sha1()
    for path, node in nodes.items():
        total.update(ID.sub(name_of, path.encode()) + b"\0%o" % node.mode)
        if node.data is None:
            continue
        # Of a secret it only matters that it is there.
        text = b"" if path.endswith(".secret") else ID.sub(name_of, node.data)
        for pattern, instead in TIMES:
            text = pattern.sub(instead, text)
        if path.endswith(".lock"):
            text = b"PID" if re.fullmatch(rb"\d+\n", text) else text
        total.update(b"\1" + text + b"\2")
    total.update(repr(more).encode())
    return total.digest()


class Smarthost(FakeServer):
    """Refuses refused@, and defers slow@ until it is patient. Takes chunks when .extensions say so."""

    def __init__(self):
        super().__init__(extensions=WITHOUT_DSN, at={"RCPT": self.answer_to})
        self.patient = True

    def answer_to(self, _session, line):
        if "refused@" in line:
            return "550 5.1.1 unknown"
        return "451 4.3.0 not now" if "slow@" in line and not self.patient else None

    def settle(self, seconds=10):
        """Also when a session has only just been accepted."""
        for session in self.connections:
            while session.ident is None:
                time.sleep(0.001)
        super().settle(seconds)

    def forget(self):
        self.settle()
        self.connections.clear()
        self.commands.clear()
        self.messages.clear()

    def taken(self):
        """(which message, recipient) of all that was taken, in order."""
        return [(tag_of(message.data), recipient) for message in self.messages
                for recipient in message.recipients]


def tag_of(message):
    found = re.search(rb"^Subject: (m\d+)\r?$", message, re.MULTILINE)
    return found[1].decode() if found else None


class Run:
    """What became of a traced program: .status, .out, .err, .reached (the call that was meant was
    made), .late (it hung), .ends and .files ({process: exit status, open files then}), .record (the lines, parted)."""

    is_cut = False

    def __init__(self, done, log):
        self.status = done.returncode
        self.out, self.err = done.out, done.err
        with open(log, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
        assert lines and lines[-1][0] in ("end", "reached", "late"), f"the tracer failed: {self.err}"
        self.reached, self.late = lines[-1][0] == "reached", lines[-1][0] == "late"
        self.record = lines[:-1]
        self.ends = {line[1]: int(line[2]) for line in self.record if line[0] == "x"}
        self.files = {line[1]: int(line[3]) for line in self.record if line[0] == "x"}


class Gone(Exception):
    """The listener has closed, or says that it must."""


class Voice(Client):
    """Of a connection that is there already."""

    def __init__(self, connection):  # pylint: disable=super-init-not-called
        self.socket = connection
        self.file = connection.makefile("rb")
        self.expect(220)

    def read(self):
        code, lines = super().read()
        if code in (0, 421):
            raise Gone
        return code, lines


class Caller(threading.Thread):
    """Says to a listener what there is to say; that it dies is no error."""

    def __init__(self, port, talk):
        super().__init__(daemon=True)
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=40)
        self.talk, self.error = talk, None

    def run(self):
        try:
            with Voice(self.connection) as client:
                self.talk(client)
        except (OSError, Gone):
            pass
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def hang_up(self):
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Place(Sandbox):
    """The disk is what is in .root; the log and the tracer's are beside it."""

    def __init__(self):
        super().__init__()
        self.more = {}  # for the environment of what is started
        self.root = self.folder / "disk"
        self.root.mkdir()
        for name in ("queue", "mail", "aliases_path", "config", "credentials_path"):
            path = self.root / getattr(self, name).name
            setattr(self, name, path)
        self.mail.mkdir(exist_ok=True)
        self.tracer_log = self.folder / "trace"
        self.smarthost = Smarthost()
        self.sections["mail"].update(aliases=str(self.aliases_path),
                                     mailbox_directory=str(self.mail))
        self.sections["queue"] = {"directory": str(self.queue)}
        self.aliases("")
        self.credentials()
        self.configure(smarthost=f"host = {self.smarthost.address}\ntls = off\nauth = off")

    def environment(self, **changes):
        return super().environment(**{**self.more, **changes})

    def close(self):
        super().close()
        self.smarthost.close()

    # --- the state ---

    def save(self):
        return take_down(self.root)

    def restore(self, nodes):
        put_back(self.root, nodes)
        self.log_path.unlink(missing_ok=True)
        self.smarthost.forget()

    # --- programs ---

    def tracer(self, *options):
        return [str(TRACER), "-o", str(self.tracer_log), "-r", str(self.root), "-b",
                str(BUILD), "-t", "40", *options]

    def trace(self, options, argv, stdin=b"", **more):
        """Runs a program of the build under the tracer, and all that it starts to its end. Its input is
        a file: of a pipe each run would read other pieces, and a call or a state by its number would be
        another one."""
        argv = [str(BUILD / argv[0]), *map(str, argv[1:])]
        with tempfile.TemporaryFile() as file:
            file.write(stdin)
            file.seek(0)
            done = self.run([*self.tracer(*options), *argv], stdin=file, **more)
        return Run(done, self.tracer_log)

    def check_lock(self):
        """A dot-lock that is left, as after a power cut, stops nobody for long: a further message gets
        in, and it is gone."""
        if not list(self.mail.glob("*.lock")):
            return
        before = self.mailbox_bytes()
        self.age_locks()
        entry = b"From a Thu Jan  1 00:00:00 2026\n\n\n"
        self.run(["postrider-mailbox", "deliver", self.user, str(self.mail), str(len(entry))],
                 stdin=entry, check=0)
        assert not list(self.mail.glob("*.lock")), "a dot-lock stays"
        (self.mail / self.user).write_bytes(before)

    # --- the listener ---

    def listen(self, lines, more=""):
        """Settings of a listener, with a socket that stays the same."""
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.configure(extra=f"[listen]\n{lines}\n{more}")

    def forget_clients(self):
        """Those that a dead listener never came to."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.accept()[0].close()
        except BlockingIOError:
            pass
        self.socket.setblocking(True)

    def serve(self, options, talk):
        """A listener at work until talk(client) has ended, or it has died. talk gets a Client when
        there is a greeting, and may fail when that dies. The Run."""
        argv = [*self.tracer("-l", str(self.socket.fileno()), *options),
                str(BUILD / "postrider-listen"), "-C", str(self.config)]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            listener = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                        env=self.environment(), pass_fds=[self.socket.fileno()])
            caller = Caller(self.port, talk)
            caller.start()
            while caller.is_alive() and listener.poll() is None:
                caller.join(0.01)
            listener.send_signal(signal.SIGTERM)
            status = listener.wait(60)
            caller.hang_up()
            caller.join()
            self.forget_clients()
            out.seek(0)
            err.seek(0)
            done = Result(argv, status, out.read(), err.read())
        if caller.error:
            raise caller.error
        return Run(done, self.tracer_log)

    def make_due(self):
        """Everything that waits may be tried again, and nobody is left alone."""
        for folder, pattern in (("journal", "*"), ("hops", "hop-*")):
            for path in (self.queue / folder).glob(pattern):
                if folder == "hops":
                    path.unlink()
                else:
                    os.utime(path, (1, 1))

    def age_locks(self):
        """Dot-locks of the dead count until they are old: that is not waited for."""
        for path in self.mail.glob("*.lock"):
            os.utime(path, (1, 1))
        # Likewise what a submitter left where files need a name.
        for path in (self.queue / "spool").glob(".?*"):
            os.utime(path, (1, 1))

    def flush_until_quiet(self, most=6):
        """Queue runs, as an administrator has them from cron, until nothing is left."""
        for _ in range(most):
            self.age_locks()
            self.make_due()
            done = self.sendmail("-q", timeout=60)
            assert done.returncode == 0, f"sendmail -q ended with {done.returncode}: {done.err}"
            if not self.letters():
                break
            self.wait_quiet()

