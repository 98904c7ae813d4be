"""connections and rate of a next hop: over queue runs, sendmail -odi and runs of one message (as -M
starts them) at once, and kills.
"""

import fcntl
import os
import re
import signal
import threading
import time

import pytest
from sandbox import EX_OK
from smtpfake import EXTENSIONS, FakeServer

MESSAGE = b"Subject: hi\n\nhello\n"


def use(sandbox, server, limits, **more):
    sandbox.configure(
        smarthost=f"host = {server.address}\ntls = off\nauth = off\n{limits}", **more)


def children(program):
    """How many processes are a program's."""
    count = 0
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            try:
                with open(f"/proc/{folder}/stat") as file:
                    count += file.read().rpartition(")")[2].split()[1] == str(program.pid)
            except OSError:
                pass
    return count


class Counter:
    """How many sessions a server has at once; each is made to last a while."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def greet(self, _session, _line):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)

    def quit(self, _session, _line):
        with self.lock:
            self.now -= 1


@pytest.mark.parametrize("most", [1, 2])
def test_connections_over_runner_odi_and_single_runs_together(sandbox, most):
    counter = Counter()
    at = {"connect": counter.greet, "QUIT": counter.quit}
    with FakeServer(at=at) as server:
        use(sandbox, server, f"connections = {most}")
        for _ in range(20):
            sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        waiting = sandbox.letters()
        started = [sandbox.start(["sendmail", "-C", sandbox.config, "-q"])]
        started += [sandbox.start(["postrider-run", "-C", sandbox.config, "--id", letter])
                    for letter in waiting[:4]]
        for i in range(4):
            sandbox.sendmail("-odi", f"direct{i}@example.net", stdin=MESSAGE, check=EX_OK)
        for program in started:
            assert program.wait(60) == EX_OK
        sandbox.flush()
        sandbox.wait_empty()
        assert len(server.messages) == 24
        assert counter.most <= most and (most == 1 or counter.most == most)


def test_mx_hosts_are_as_many_as_domains_and_workers_are_not(sandbox):
    """All workers wait for a seat, which we have: a hundred for MX hosts, and one for the smarthost
    that is asked for last."""
    with FakeServer() as server:
        use(sandbox, server, "",
            extra='[route "*.invalid"]\nvia = mx\n')
        for i in range(130):
            sandbox.sendmail("-odq", "-f", "<>", f"you@d{i}.invalid", stdin=MESSAGE, check=EX_OK)
        sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        with open(sandbox.queue / "hops" / "locks", "w") as locks:
            fcntl.lockf(locks, fcntl.LOCK_EX)
            run = sandbox.start(["postrider-run", "-C", sandbox.config],
                                env={"RES_OPTIONS": "timeout:1 attempts:1"})
            sandbox.wait_until(lambda: children(run) == 101, what="all workers")
            time.sleep(0.3)
            assert children(run) == 101
        assert run.wait(60) == EX_OK
        assert len(server.messages) == 1
        # No name server tells anything of them, or one says that there are none.
        assert len(sandbox.log_lines("bounced")) + len(sandbox.letters()) == 130


def test_connections_are_given_back_by_the_dead(sandbox):
    """A worker that is killed in its session holds no seat."""
    def slow(_session, _line):
        time.sleep(0.3)

    with FakeServer(at={"MAIL": slow}) as server:
        use(sandbox, server, "connections = 1")
        sandbox.sendmail("-odb", "you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.wait_until(lambda: "MAIL" in server.verbs())
        for process in sandbox.runners():
            os.kill(process, signal.SIGKILL)
        sandbox.wait_quiet()
        sandbox.flush(timeout=20)
        assert len(server.messages) == 1 and not sandbox.letters()


def test_rate_is_used_up_and_the_rest_waits(sandbox):
    with FakeServer() as server:
        use(sandbox, server, "rate = 3/h", queue="retry = 1s, 2s")
        for i in range(5):
            sandbox.sendmail("-odq", f"you{i}@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.flush()
        assert len(server.messages) == 3 and len(sandbox.letters()) == 2
        reason = re.search(r"rate = 3/h is used up until [-\d: ]+", sandbox.mailq().out)
        assert reason, sandbox.mailq().out
        for letter in sandbox.letters():
            journal = sandbox.queue / "journal" / letter
            # Due when the first one leaves the window, and not one try the more.
            assert 3500 < journal.stat().st_mtime - time.time() < 3610
            assert "tried" not in journal.read_text()
        # Neither a run nor insisting gets more through, and no connection is made for it.
        connections = len(server.connections)
        sandbox.flush()
        sandbox.run(["postrider-run", "-C", sandbox.config, "--id", sandbox.letters()[0]],
                    check=EX_OK)
        sandbox.sendmail("-odi", "another@example.net", stdin=MESSAGE, check=EX_OK)
        assert len(server.messages) == 3 and len(sandbox.letters()) == 3
        assert len(server.connections) == connections
        assert all("tried" not in (sandbox.queue / "journal" / letter).read_text()
                   for letter in sandbox.letters())
        assert not sandbox.log_lines("bounced") and not sandbox.mailbox()
        # Nor does a look write the same once more.
        before = [(sandbox.queue / "journal" / letter).read_bytes() for letter in sandbox.letters()]
        for _ in range(3):
            sandbox.flush()
        assert before == [(sandbox.queue / "journal" / letter).read_bytes()
                          for letter in sandbox.letters()]


def test_rate_outlives_the_lifetime_of_a_message(sandbox):
    """What was never tried is not given up for it."""
    with FakeServer() as server:
        use(sandbox, server, "rate = 1/h", queue="retry = 1s\nlifetime = 1s")
        for _ in range(2):
            sandbox.sendmail("-odq", "-f", sandbox.user, "you@example.net", stdin=MESSAGE,
                             check=EX_OK)
        sandbox.flush()
        time.sleep(1.2)
        sandbox.flush()
        assert len(server.messages) == 1 and len(sandbox.letters()) == 1
        assert not sandbox.mailbox()


def test_a_hop_that_was_not_asked_has_not_worked(sandbox):
    with FakeServer() as server:
        use(sandbox, server, "rate = 1/h")
        sandbox.sendmail("-f", sandbox.user, "you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.wait_empty()
        worked = sandbox.queue / "hops" / "ok-smarthost"
        os.utime(worked, (1000, 1000))
        sandbox.sendmail("-odq", "-f", sandbox.user, "you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.flush()
        assert sandbox.log().count("is used up") and len(server.connections) == 1
        assert worked.stat().st_mtime == 1000


def test_rate_counts_a_message_once_whatever_a_session_takes(sandbox):
    """What is left for the next session was offered to nobody yet."""
    with FakeServer(extensions=[*EXTENSIONS, "LIMITS MAILMAX=1"]) as server:
        use(sandbox, server, "rate = 4/h\nconnections = 1", queue="retry = 1h")
        for one in range(6):
            sandbox.sendmail("-odq", "you@example.net", stdin=MESSAGE, check=EX_OK)
        sandbox.flush(check=EX_OK)
        assert len(server.messages) == 4


def test_rate_goes_on_when_the_window_has_moved(sandbox):
    """Waits of a few seconds are waited for, in one session."""
    with FakeServer() as server:
        use(sandbox, server, "rate = 4/s")
        for i in range(10):
            sandbox.sendmail("-odq", f"you{i}@example.net", stdin=MESSAGE, check=EX_OK)
        begun = time.monotonic()
        sandbox.flush()
        assert len(server.messages) == 10 and len(server.connections) == 1
        assert time.monotonic() - begun >= 2


def test_rate_counts_what_failed_and_not_what_never_left(sandbox):
    with FakeServer(at={"connect": ["421 no", "421 no", None]}) as server:
        use(sandbox, server, "rate = 2/h\nconnections = 1", queue="retry = 1s")
        sandbox.sendmail("-odq", "a@example.net", stdin=MESSAGE, check=EX_OK)
        for _ in range(3):
            sandbox.flush(check=EX_OK)
            time.sleep(1.2)
        assert len(server.messages) == 1
        sandbox.sendmail("-odi", "b@example.net", stdin=MESSAGE, check=EX_OK)
        assert len(server.messages) == 2
        sandbox.sendmail("-odi", "c@example.net", stdin=MESSAGE, check=EX_OK)
        assert len(server.messages) == 2 and len(sandbox.letters()) == 1


def test_rate_holds_for_all_processes_and_through_kills(sandbox):
    """However they are started and killed: never more than the rate reaches the server."""
    with FakeServer() as server:
        use(sandbox, server, "rate = 20/h\nconnections = 3", queue="retry = 1s")
        for i in range(40):
            sandbox.sendmail("-odq", f"you{i}@example.net", stdin=MESSAGE, check=EX_OK)
        for pause in (0.02, 0.05, 0.03, 0.08, 0.01, 0.1):
            started = [sandbox.start(["sendmail", "-C", sandbox.config, "-q"])]
            started += [sandbox.start(["postrider-run", "-C", sandbox.config, "--id", letter])
                        for letter in sandbox.letters()[:2]]
            time.sleep(pause)
            for process in sandbox.runners():
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            for program in started:
                program.wait(30)
            sandbox.wait_quiet()
        sandbox.flush()
        server.settle()
        offered = server.verbs().count("MAIL")
        assert 0 < len(server.messages) <= offered <= 20
        # Nobody is lost: what was not taken is still there.
        assert len(sandbox.letters()) >= 20


def test_a_hop_whose_rate_is_used_up_stops_nobody_else(sandbox):
    with FakeServer() as slow, FakeServer() as other:
        use(sandbox, slow, "rate = 1/h", extra=(
            f'[route "other.example"]\nvia = {other.address}\ntls = off\n'))
        for _ in range(2):
            sandbox.sendmail("-odq", "a@example.net", "b@other.example", stdin=MESSAGE, check=EX_OK)
        sandbox.flush()
        assert len(slow.messages) == 1 and len(other.messages) == 2
