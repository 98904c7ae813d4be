"""
S5: every system call that touches the disk fails once, at each of its turns, in the submitter, the
runner, and whatever that starts. What a submitter said 0 to is delivered in the end, what it refused
leaves nothing behind, and no mailbox has anything twice.
"""

import re
import subprocess

import pytest
from sandbox import EX_IOERR, EX_OSERR, EX_TEMPFAIL
from smtpfake import FakeServer
from spool import spool_files

# One run of them all: sanitizers want ptrace for themselves.
pytestmark = pytest.mark.installed

FAULTS = [
    ("openat", "EMFILE"), ("openat", "EIO"), ("write", "ENOSPC"), ("write", "EIO"),
    ("fsync", "EIO"), ("fdatasync", "EIO"), ("linkat", "ENOSPC"), ("unlinkat", "EIO"),
    ("mkdirat", "ENOSPC"), ("newfstatat", "EIO"), ("fstat", "EIO"), ("flock", "EINTR"),
    ("flock", "ENOLCK"), ("fcntl", "ENOLCK"), ("utimensat", "EIO"), ("pread64", "EIO"),
    ("read", "EIO"), ("getdents64", "EIO"), ("ftruncate", "EIO"), ("lseek", "EIO"),
    ("clone", "EAGAIN"), ("pipe2", "EMFILE"), ("dup2", "EBUSY"), ("renameat", "ENOSPC"),
]
MESSAGE = b"Subject: m%d\n\none line of text\n"


class Traced:
    """A program under strace, with one call of one kind failing."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.summary = sandbox.folder / "strace"

    def run(self, *argv, inject=None, stdin=b""):
        strace = ["/usr/bin/strace", "-f", "-qq", "-o", self.summary]
        if inject:
            strace += ["-e", f"trace={inject.partition(':')[0]}", "-e", f"inject={inject}"]
        else:
            strace += ["-c", "-U", "calls,name"]
        return self.sandbox.run([*strace, *argv], stdin=stdin)

    def count(self, *argv, stdin=b""):
        """How often each call happens in a run without faults."""
        assert self.run(*argv, stdin=stdin).returncode == 0
        lines = self.summary.read_text().splitlines()
        found = (re.match(r"\s*(\d+) (\w+)$", line) for line in lines)
        return {one[2]: int(one[1]) for one in found if one and one[2] != "total"}


def subjects(data):
    return [int(number) for number in re.findall(rb"^Subject: m(\d+)\r?$", data, re.MULTILINE)]


def drain(sandbox, fault="many"):
    """Clean runs until nothing is left."""

    def drained():
        # A dot-lock that could not be taken away counts until it is stale: that is not waited for.
        for path in sandbox.mail.glob("*.lock"):
            path.unlink()
        for path in (sandbox.queue / "hops").iterdir():
            path.unlink()
        for path in (sandbox.queue / "journal").iterdir():
            subprocess.run(["touch", "-d", "2001-01-01", path], check=True)
        sandbox.flush()
        sandbox.wait_quiet()
        return not sandbox.letters()

    if (sandbox.queue / "spool").is_dir():
        sandbox.wait_until(drained, 20, f"an empty queue after {fault}")
        assert not list((sandbox.queue / "journal").iterdir())


def settings(server):
    return {"smarthost": f"host = {server.address}\ntls = off\nauth = off",
            "queue": "retry = 1s"}


def turns(counts, name):
    """Each of the first calls and every seventh of the rest."""
    number = counts.get(name, 0)
    return [turn for turn in range(1, number + 1) if turn <= 12 or turn % 7 == 0]


def check(sandbox, server, promised, refused):
    here, away = subjects(sandbox.mailbox_bytes()), []
    for message in server.messages:
        away += subjects(message.data)
    for number, fault in promised.items():
        assert number in here, f"m{number} is lost for the mailbox: {fault}"
        assert number in away, f"m{number} is lost for the smarthost: {fault}"
    for number, fault in {**promised, **refused}.items():
        assert here.count(number) <= 1, f"m{number} is twice in the mailbox: {fault}"
    for number, fault in refused.items():
        assert number not in here + away, f"m{number} was refused, and delivered: {fault}"


def test_S5_faults_of_the_submitter(make_sandbox):
    with FakeServer() as server:
        sandbox = make_sandbox(**settings(server))
        traced = Traced(sandbox)
        argv = [sandbox.build / "sendmail", "-C", sandbox.config, "-odq", "-i", sandbox.user,
                "you@example.net"]
        counts = traced.count(*argv, stdin=MESSAGE % 0)
        promised, refused = {0: "none"}, {}
        for name, error in FAULTS:
            for turn in turns(counts, name):
                fault, number = f"{name}:error={error}:when={turn}", len(promised) + len(refused)
                done = traced.run(*argv, inject=fault, stdin=MESSAGE % number)
                assert done.returncode >= 0 and done.returncode < 128, f"{fault}: {done}"
                (promised if done.returncode == 0 else refused)[number] = fault
                if done.returncode:
                    assert done.err.strip(), f"no word about {fault}"
        assert len(promised) > 5 and len(refused) > 5
        drain(sandbox)
        check(sandbox, server, promised, refused)
        assert len(server.messages) == len(promised)


def test_S5_faults_of_the_runner(make_sandbox):
    with FakeServer() as server:
        sandbox = make_sandbox(**settings(server))
        traced = Traced(sandbox)
        sandbox.aliases(f"both: {sandbox.user}, you@example.net\n")
        argv = [sandbox.build / "postrider-run", "-C", sandbox.config]

        def submit(number):
            sandbox.sendmail("-odq", "-i", "both", stdin=MESSAGE % number, check=0)

        submit(0)
        counts = traced.count(*argv)
        promised = {0: "none"}
        for name, error in FAULTS:
            for turn in turns(counts, name):
                fault, number = f"{name}:error={error}:when={turn}", len(promised)
                submit(number)
                done = traced.run(*argv, inject=fault)
                assert done.returncode >= 0 and done.returncode < 128, f"{fault}: {done}"
                promised[number] = fault
                sandbox.wait_quiet()
                drain(sandbox, fault)
        check(sandbox, server, promised, {})
        assert not list((sandbox.queue / "corrupt").iterdir())
        sandbox.flush(check=0)
        assert not list((sandbox.queue / "runs").iterdir())
        # A disk that says no after the smarthost said yes: sent again, the lesser evil.
        assert len(server.messages) < len(promised) * 1.5


def calls(traced, names, *argv, **options):
    """The lines of strace for these calls, in their order."""
    strace = ["/usr/bin/strace", "-f", "-qq", "-o", traced.summary, "-e", f"trace={names}"]
    assert traced.sandbox.run([*strace, *argv], **options).returncode == 0
    return traced.summary.read_text().splitlines()


def test_Q1_what_was_delivered_is_gone_for_good_one_by_one(make_sandbox):
    """Its removal is synced before the next message goes: a power cut brings one back, not many."""
    with FakeServer() as server:
        sandbox = make_sandbox(**settings(server))
        for number in range(3):
            sandbox.sendmail("-odq", "-i", "you@example.net", stdin=MESSAGE % number, check=0)
        letters = sandbox.letters()
        lines = calls(Traced(sandbox), "unlinkat,fsync", sandbox.build / "postrider-run", "-C",
                      sandbox.config)
        steps = [f"{name or 'fsync'}" for line in lines
                 for name in re.findall(r'unlinkat\(\d+, "(\w{15})", 0\) += 0|fsync\(\d+\) += 0', line)]
        assert len(server.messages) == 3
        for letter in letters:
            assert steps[steps.index(letter) + 1] == "fsync"


def test_file_system_without_files_that_have_no_name(make_sandbox):
    """Submission goes on with a hidden name, and each fault after that leaves nothing behind."""
    sandbox = make_sandbox()
    traced = Traced(sandbox)
    argv = [sandbox.build / "sendmail", "-C", sandbox.config, "-odq", "-i", sandbox.user]
    opened = [line for line in calls(traced, "openat", *argv, stdin=MESSAGE % 0)
              if "openat(" in line]
    (turn,) = [at for at, line in enumerate(opened, 1) if "O_TMPFILE" in line]
    without = f"openat:error=EOPNOTSUPP:when={turn}"
    assert traced.run(*argv, inject=without, stdin=MESSAGE % 1).returncode == 0
    count, promised, refused = 2, {0: "none", 1: without}, {}
    more = [f"openat:error=ENOSPC:when={turn + 1}"]
    more += [f"{name}:when={at}" for name in ("write:error=ENOSPC", "fsync:error=EIO",
             "linkat:error=EIO", "flock:error=ENOLCK", "unlinkat:error=EIO",
             "linkat:signal=KILL", "fsync:signal=KILL", "unlinkat:signal=KILL")
             for at in (1, 2)]
    for fault in more:
        strace = ["/usr/bin/strace", "-f", "-qq", "-o", traced.summary, "-e", f"inject={without}",
                  "-e", f"inject={fault}"]
        done = sandbox.run([*strace, *argv], stdin=MESSAGE % count)
        (promised if done.returncode == 0 else refused)[count] = fault
        if done.returncode and "KILL" not in fault:
            assert done.returncode in (EX_TEMPFAIL, EX_IOERR, EX_OSERR), f"{fault}: {done}"
        count += 1
    # What was killed left its draft; the next run but one takes it away.
    for path in (sandbox.queue / "spool").glob(".*"):
        subprocess.run(["touch", "-d", "2001-01-01", path], check=True)
    drain(sandbox)
    here = subjects(sandbox.mailbox_bytes())
    assert set(promised) <= set(here) and len(set(here)) == len(here)
    assert not [number for number in refused if number in here and "KILL" not in refused[number]]
    assert not [name for name in spool_files(sandbox)]
    assert len(refused) > 4 and len(promised) > 4
