"""What a process of the queue run is left with that speaks to a next hop: the queue and the network,
no mailbox, no password's file, no program to run."""

import errno
import os
import signal
from pathlib import Path

import pytest

import intruding
from intruding import read_status
from sandbox import BUILD, EX_OK
from smtpfake import HANG, PASSWORD, USER, Certificates, FakeServer

MESSAGE = b"Subject: hi\n\nhello\n"


def processes(sandbox):
    """Process ids of those that have the queue open: (coordinator, workers)."""
    coordinator, workers = None, []
    for pid in sandbox.holders():
        status = read_status(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
        if status["Name"] != ["postrider-run"]:
            continue
        if int(status["PPid"][0]) in sandbox.holders():
            workers.append((pid, status))
        else:
            coordinator = (pid, status)
    return coordinator, workers


@pytest.fixture
def talking(sandbox, tmp_path):
    """talking(**smarthost): (coordinator, worker), each (process id, status), the worker in the middle
    of a session over TLS in which the server says nothing more."""
    certificates = Certificates(tmp_path / "certificates")
    server = FakeServer(certificate=certificates.good, auth_needed=True, at={"MAIL": HANG})
    server.__enter__()

    def start(secret):
        sandbox.configure(smarthost=f"host = localhost:{server.port}\ntls_trust = {certificates.ca}\n"
                                    f"user = {USER}\n{secret}")
        sandbox.sendmail("you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.wait_until(lambda: server.connections and server.connections[0].mechanism,
                           what="a session that is signed in")
        coordinator, (worker,) = processes(sandbox)
        return coordinator, worker

    yield start
    for pid in sandbox.runners():
        os.kill(pid, signal.SIGKILL)
    server.__exit__(None, None, None)


def check_status(coordinator, worker):
    assert worker[1]["NoNewPrivs"] == ["1"] and worker[1]["Seccomp"] == ["2"]
    # Who fills mailboxes calls the privileged helper, and cannot be locked in.
    assert coordinator[1]["NoNewPrivs"] == ["0"] and coordinator[1]["Seccomp"] == ["0"]


def test_a_worker_is_locked_in(sandbox, talking):
    sandbox.credentials(f"[smarthost]\npassword = {PASSWORD}\n")
    check_status(*talking(""))
    assert "filters no system calls" not in sandbox.log()


def test_a_worker_whose_password_a_command_prints_is_locked_in(sandbox, talking, tmp_path):
    """Somebody else runs it, who goes when the worker does."""
    command = tmp_path / "token"
    command.write_text(f"#!/bin/sh\necho {PASSWORD}\n")
    command.chmod(0o700)
    coordinator, worker = talking(f"password_command = {command}")
    check_status(coordinator, worker)
    (keeper,) = Path(f"/proc/{worker[0]}/task/{worker[0]}/children").read_text().split()
    descriptors = {os.readlink(fd).split(":")[0] for fd in Path(f"/proc/{keeper}/fd").iterdir()}
    assert "socket" in descriptors
    # Neither the queue nor a lock in it.
    assert not [path for path in descriptors if path.startswith(str(sandbox.folder))]


def test_a_worker_that_cannot_be_locked_in_sends_nothing(sandbox):
    """The filter is made in a file in memory: this one does not hold it."""
    with FakeServer() as server:
        sandbox.configure(smarthost=f"host = localhost:{server.port}\ntls = off\nauth = off")
        sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.run(["/usr/bin/prlimit", "--fsize=600:", BUILD / "postrider-run", "-C", sandbox.config])
        assert not server.connections and len(sandbox.letters()) == 1
        assert "cannot filter system calls" in sandbox.log()


@pytest.mark.installed
def test_an_intruder_opens_nothing_and_runs_nothing(sandbox, talking, tmp_path):
    """Not even root can, once it is in there."""
    sandbox.credentials(f"[smarthost]\npassword = {PASSWORD}\n")
    mailbox = sandbox.mail / sandbox.user
    mailbox.write_text("From ada\n")
    mailbox.chmod(0o666)
    intruder = intruding.build(tmp_path)
    _, (pid, _) = talking("")
    (letter,) = sandbox.letters()
    closed = [f"open:{mailbox}", f"open:{sandbox.credentials_path}", "open:/etc/shadow",
              f"write:{mailbox}", f"write:{tmp_path}/new", f"unlink:{mailbox}", "open:/root"]
    found = intruding.results(sandbox.run(
        [intruder, str(pid), *closed, f"open:{sandbox.queue}/spool/{letter}", "fork", "kill:1",
         "exec:/bin/true"], check=0).out)
    assert {found[one] for one in closed} == {-errno.EACCES}, found
    assert found[f"open:{sandbox.queue}/spool/{letter}"] > 0
    assert found["fork"] == found["kill:1"] == -errno.ENOSYS
    assert found["exec:/bin/true"] == "killed 31"
    sandbox.wait_until(lambda: "ended with status 159" in sandbox.log(), what="word of it in the log")
    assert sandbox.letters() == [letter]
