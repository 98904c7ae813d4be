"""
Q1: a queue run dies at each of its calls that change the disk, one after the other: whatever is
left, the next runs tell the sender of everything, and of nothing twice.
"""

import os
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from dsn import reports_in
from sandbox import EX_OK
from smtpfake import EXTENSIONS, FakeServer

WITHOUT_DSN = [one for one in EXTENSIONS if one != "DSN"]
MOST_CALLS = 400


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    library = tmp_path_factory.mktemp("killer") / "killer.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror",
                    "-o", library, Path(__file__).with_name("killer.c"), "-ldl"], check=True)
    return library


class Server(FakeServer):
    """Refuses one, defers another until it is patient."""

    def __init__(self):
        super().__init__(extensions=WITHOUT_DSN, at={"RCPT": self.answer_to})
        self.patient = False

    def answer_to(self, _session, line):
        if "refused@" in line:
            return "550 5.1.1 unknown"
        return "451 4.3.0 not now" if "slow@" in line and not self.patient else None


def run_once(sandbox, **environment):
    for path in (sandbox.queue / "journal").iterdir():
        os.utime(path, (1, 1))
    for path in (sandbox.queue / "hops").iterdir():
        path.unlink()
    done = sandbox.run(["postrider-run", "-C", sandbox.config], env=environment)
    sandbox.wait_quiet()
    return done.returncode


def prepare(sandbox, server, recipients, notify):
    sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off",
                      queue="warn = 1s\nretry = 1h")
    sandbox.aliases(f"team: {sandbox.user}, you@example.net\n")
    sandbox.sendmail("-odq", "-f", sandbox.user, "-N", notify, *recipients,
                     stdin=b"Subject: hi\n\nx\n", check=EX_OK)
    shutil.copytree(sandbox.queue, sandbox.folder / "before")
    time.sleep(1.1)


def restore(sandbox, server):
    shutil.rmtree(sandbox.queue)
    shutil.copytree(sandbox.folder / "before", sandbox.queue)
    (sandbox.mail / sandbox.user).unlink(missing_ok=True)
    server.patient = False


def told(sandbox):
    return Counter(f"{address.split('@')[0]} {action}" for report in reports_in(sandbox)
                   for address, action in report.actions.items())


CASES = {
    "each": (["root-is-not-here", "refused@example.net", "you@example.net", "slow@example.net"],
             "success,failure,delay",
             {"root-is-not-here failed", "refused failed", "you relayed", "slow delayed",
              "slow relayed"}),
    "expanded": (["team", "slow@example.net"], "success,failure,delay",
                 {"team expanded", "slow delayed", "slow relayed"}),
    "failure": (["refused@example.net"], "failure", {"refused failed"}),
    "success": (["you@example.net"], "success", {"you relayed"}),
}


@pytest.mark.parametrize("case", CASES)
def test_Q1_dies_at_every_call(sandbox, killer, case):
    recipients, notify, want = CASES[case]
    with Server() as server:
        prepare(sandbox, server, recipients, notify)
        for number in range(1, MOST_CALLS):
            restore(sandbox, server)
            note = sandbox.folder / "died"
            run_once(sandbox, LD_PRELOAD=str(killer), KILL_NOTE=str(note),
                     KILL_AT=str(number),
                     ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")
            died = note.read_bytes()
            for patient in (False, True, True):
                server.patient = patient
                assert run_once(sandbox) == EX_OK
            found = told(sandbox)
            # Whose delivery died is late, too, and its sender may hear of that: once.
            late = {one for one in set(found) - want if one.endswith(" delayed")}
            assert found == Counter(want | late), f"died at {number}\n{sandbox.log()}"
            assert not sandbox.letters(), f"died at call {number}"
            assert not list((sandbox.queue / "journal").iterdir())
            if not died:
                break
            note.unlink()
        assert 10 < number < MOST_CALLS - 1, f"it died {number - 1} times"
