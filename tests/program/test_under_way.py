"""Several messages under way to a next hop (RFC 3030), as a queue run has them: what it remembers of one that
breaks off, and what a power cut could bring back."""

import os
import time

import pytest

from sandbox import EX_OK
from smtpfake import CLOSE, EXTENSIONS, FakeServer
from strace import trace
from test_limits import MESSAGE, use

CHUNKING = (*EXTENSIONS, "CHUNKING")


@pytest.fixture
def send(sandbox):
    """send(number, point=...): so many messages to such a server; the server, when the run has ended, whose
    .calls are those of the run."""
    def run(number, calls="fsync", **at):
        with FakeServer(extensions=CHUNKING, at=at) as server:
            use(sandbox, server, "connections = 1")
            for index in range(number):
                sandbox.sendmail("-odq", f"you{index}@example.net", stdin=MESSAGE, check=EX_OK)
            server.calls = trace(sandbox, ["postrider-run", "-C", sandbox.config], "-e", f"trace={calls}",
                                 check=EX_OK)
            return server
    return run


def test_C2_who_ends_a_session_in_the_middle_gets_one_at_a_time(sandbox, send):
    """In each run of the next week; then it is tried again."""
    assert send(20, message=[None] * 10 + [CLOSE, None]).verbs().count("BDAT") > 8
    mark = sandbox.queue / "hops" / "abrupt-smarthost"
    assert mark.exists() and "ended a session with several messages under way" in sandbox.log()
    assert "BDAT" not in send(10).verbs()
    week = time.time() - 7 * 86400
    os.utime(mark, (week + 60, week + 60))
    assert "BDAT" not in send(10).verbs()
    os.utime(mark, (week - 60, week - 60))
    assert "BDAT" in send(10).verbs()


def test_C2_a_session_that_goes_well_is_no_end_in_the_middle(sandbox, send):
    send(20, RCPT=[None] * 9 + ["550 5.1.1 no", None])
    assert not (sandbox.queue / "hops" / "abrupt-smarthost").exists()


def test_Q1_what_has_gone_is_synced_before_another_session_is_opened(send):
    """421 with several under way: they are for the next session, and what was taken is out for good by then."""
    parted = []

    def part(session, _):
        if len(session.server.messages) < 27 or parted:
            return None
        parted.append(True)
        return "421 4.7.0 enough", CLOSE

    server = send(60, calls="fsync,unlinkat,connect", RSET=part)
    assert len(server.messages) == 60 and len(server.connections) == 2
    unsynced = connections = 0
    for line in server.calls:
        unsynced += "unlinkat(" in line and line.endswith("= 0")
        if "fsync(" in line:
            unsynced = 0
        if "connect(" in line and "AF_INET" in line:
            connections += 1
            assert unsynced == 0
    assert connections >= 2
