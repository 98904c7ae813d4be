"""
S5: every system call that touches the disk fails once, at each of its turns, in the submitter, the
runner, and whatever that starts. What a submitter said 0 to is delivered in the end, what it refused
leaves nothing behind, and no mailbox has anything twice.
"""

import re
import subprocess

import pytest
from smtpfake import FakeServer

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
        # A disk that says no after the smarthost said yes: sent again, the lesser evil.
        assert len(server.messages) < len(promised) * 1.5
