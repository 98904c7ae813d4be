"""Long queues and damaged ones: few system calls a message, and nothing that stops the rest."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from bigqueue import crc32c, fill, folders, letter, make_id, put, put_journal
from sandbox import EX_NOINPUT, EX_OK, EX_TEMPFAIL
from smtpfake import CLOSE, HANG, FakeServer
from strace import count, trace

MESSAGE = b"Subject: hi\n\nhello\n"


# --- system calls --------------------------------------------------------------------------------


@pytest.mark.parametrize("journals, most", [
    (False, {"openat": 1, "newfstatat": 1, "read": 1, "close": 1}),
    # The folder's file times, and the journal read.
    (True, {"openat": 2, "newfstatat": 2, "read": 2, "close": 2}),
])
@pytest.mark.parametrize("argv", [["mailq"], ["postrider", "queue"], ["postrider", "status"]])
def test_system_calls_a_message(make_sandbox, argv, journals, most):
    counts = []
    sizes = (100, 300)
    for size in sizes:
        sandbox = make_sandbox()
        fill(sandbox.queue, size, size if journals else 0)
        counts.append(count(sandbox, [*argv, "-C", sandbox.config]))
    rates = {name: (counts[1][name] - counts[0].get(name, 0)) / (sizes[1] - sizes[0])
             for name in counts[1]}
    for name, rate in rates.items():
        # Memory and output come in blocks; on old kernels and libraries fstat has its own name.
        allowed = most.get(name, most["newfstatat"] if "stat" in name else 0.1)
        assert rate <= allowed + 0.1, (name, rate)


def test_listing_takes_no_lock_and_reads_no_body(sandbox):
    folders(sandbox.queue)
    name = make_id(1, time.time())
    put(sandbox.queue, name, letter("a@b.example", ["c@d.example"], b"Subject: s\n\n"
                                    + b"x" * 999 + b"\n" * 1, time.time()) + b"")
    big = make_id(2, time.time())
    put(sandbox.queue, big, letter("a@b.example", ["c@d.example"], b"line\n" * 200000, time.time()))
    lines = trace(sandbox, ["postrider", "queue", "-C", sandbox.config])
    assert not [line for line in lines if "flock(" in line or "F_OFD_SETLK" in line]
    got = sum(int(size) for size in re.findall(r"read\(\d+, .*\) = (\d+)$", "\n".join(lines), re.M))
    assert got < 200000, "of a message of a million bytes, the envelope's block is read"


def test_a_run_with_nothing_due_opens_no_message(sandbox):
    fill(sandbox.queue, 50, 50)
    lines = trace(sandbox, ["postrider-run", "-C", sandbox.config],
                  "-y", "-e", "trace=openat,open,read,pread64")
    assert lines
    spool = str(sandbox.queue / "spool")
    touched = [line for line in lines
               if re.search(rf'{re.escape(spool)}(>, "|/)(?!\.)', line) and ">, \".\"" not in line]
    assert not touched, touched[:3]
    assert not [line for line in lines if re.search(r'journal>, "[0-9a-v]', line)]


def peak_of(program):
    """The most memory so far, in KB; 0 when it has ended."""
    status = Path(f"/proc/{program.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) if found else 0


@pytest.mark.once
def test_a_run_comes_to_more_messages_than_its_lists_hold(sandbox):
    sandbox.configure(extra='[route "*"]\nvia = discard\n')
    fill(sandbox.queue, 21000, 21000, due=-10)
    run, most = sandbox.start(["postrider-run", "-C", sandbox.config]), 0
    while run.poll() is None:
        most = max(most, peak_of(run))
        time.sleep(0.01)
    assert run.returncode == EX_OK and not sandbox.letters()
    assert 0 < most < 10000, "KB"


@pytest.mark.once
def test_memory_of_a_run_has_a_bound_however_long_the_queue(sandbox):
    """More are due than a run has on its lists, and the smarthost takes none."""
    with FakeServer(at={"connect": HANG}) as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        fill(sandbox.queue, 41000, due=-10)
        run = sandbox.start(["postrider-run", "-C", sandbox.config])
        sandbox.wait_until(lambda: server.connections, 60)
        time.sleep(1)  # a look with nothing to take
        assert 0 < peak_of(run) < 10000, "KB"
        run.terminate()
    run.wait(60)
    assert len(sandbox.letters()) == 41000


# --- what can be wrong with a file ---------------------------------------------------------------


def cut_short(data):
    return data[:-5]


def cut_in_the_envelope(data):
    return data[:70]


def wrong_checksum(data):
    return data.replace(b"hello", b"hallo")


def future_version(data):
    return data.replace(b"postrider 1\n", b"postrider 2\n", 1)


def foreign(_data):
    return b"From: somebody\n\nnot one of ours\n"


def unknown_key(_data):
    data = letter("ops@example.org", ["you@example.net"], MESSAGE, time.time())
    return data.replace(b"\nfrom <", b"\nfrum <")


def lying_about_its_size(data):
    return data.replace(b"size 0", b"size 9", 1)


DAMAGES = [cut_short, cut_in_the_envelope, wrong_checksum, future_version, foreign,
           unknown_key, lying_about_its_size]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_Q3_damaged_file_is_set_aside(sandbox, damage):
    folders(sandbox.queue)
    bad, good = make_id(1, time.time()), make_id(2, time.time())
    data = damage(letter("ops@example.org", ["you@example.net"], MESSAGE, time.time()))
    put(sandbox.queue, bad, data)
    put(sandbox.queue, good, letter("ops@example.org", [sandbox.user], MESSAGE, time.time()))

    # Those who look see the rest, and leave it where it is. Its checksum is no reader's matter.
    broken = damage is not wrong_checksum
    for argv in (["mailq", "-C", sandbox.config], ["postrider", "queue", "-C", sandbox.config]):
        out = sandbox.run(argv, check=EX_OK).out
        assert bad in out and good in out and ("cannot be read" in out) == broken
    objects = [json.loads(line) for line in
               sandbox.postrider("queue", "list", "--json", check=EX_OK).out.splitlines()]
    assert [one["id"] for one in objects] == [bad, good] and ("problem" in objects[0]) == broken
    told = json.loads(sandbox.postrider("status", "--json", check=EX_OK).out)
    assert told["unreadable"] == broken and told["messages"] == 2 - broken
    assert sandbox.letters() == [bad, good]

    sandbox.flush(check=EX_OK)
    sandbox.wait_quiet()
    assert sandbox.letters() == [] and len(sandbox.mailbox()) == 1
    assert (sandbox.queue / "corrupt" / bad).read_bytes() == data, "never deleted"
    (line,) = sandbox.log_lines("held", folder="corrupt")
    assert bad in line and "reason=" in line


def test_Q3_empty_file_is_taken_away(sandbox):
    """Nobody was told that it is safe, and nothing in it is worth keeping."""
    folders(sandbox.queue)
    bad, good = make_id(1, time.time()), make_id(2, time.time())
    put(sandbox.queue, bad, b"")
    put(sandbox.queue, good, letter("ops@example.org", [sandbox.user], MESSAGE, time.time()))
    assert "cannot be read" in sandbox.mailq(check=EX_OK).out
    sandbox.flush(check=EX_OK)
    sandbox.wait_quiet()
    assert sandbox.letters() == [] and len(sandbox.mailbox()) == 1
    assert not list((sandbox.queue / "corrupt").iterdir())
    assert [line for line in sandbox.log_lines("removed") if bad in line and "it is empty" in line]


def test_Q3_an_order_meets_a_damaged_file(sandbox):
    folders(sandbox.queue)
    bad = make_id(1, time.time())
    put(sandbox.queue, bad, b"postrider 1\njunk")
    done = sandbox.postrider("queue", "delete", bad, check=EX_TEMPFAIL)
    assert bad in done.err and (sandbox.queue / "corrupt" / bad).exists()
    sandbox.postrider("queue", "delete", bad, check=EX_NOINPUT)


def test_checksums_of_the_tests_are_those_of_the_program():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720 B.4


# --- clocks --------------------------------------------------------------------------------------


def test_Q4_clock_set_back_a_day(sandbox):
    """Everything in the queue is of tomorrow: it is listed, and it is delivered now."""
    tomorrow = time.time() + 86400
    folders(sandbox.queue)
    waits, new = make_id(1, tomorrow), make_id(2, tomorrow)
    for name in (waits, new):
        put(sandbox.queue, name, letter("ops@example.org", [sandbox.user], MESSAGE, tomorrow))
        os.utime(sandbox.queue / "spool" / name, (tomorrow, tomorrow))
    put_journal(sandbox.queue, waits, [f"deferred {int(tomorrow)} 0 4.2.0 busy",
                                       f"tried {int(tomorrow)}"], tomorrow + 300)
    with FakeServer() as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        for verb in (sandbox.mailq, lambda **o: sandbox.postrider("queue", **o)):
            out = verb(check=EX_OK).out
            assert waits in out and new in out
        assert re.search(rf"{waits} +0s ", sandbox.postrider("queue").out)
        sandbox.flush(check=EX_OK)
        sandbox.wait_quiet()
        assert not sandbox.letters() and len(sandbox.mailbox()) == 2


def test_Q4_clock_set_back_does_not_bounce(sandbox):
    """A first try tomorrow, and today is another one: no age is below nothing, none expires."""
    name = make_id(1, time.time() + 86400)
    folders(sandbox.queue)
    put(sandbox.queue, name, letter("ops@example.org", ["you@example.net"], MESSAGE,
                                    time.time() + 86400))
    sandbox.flush(check=EX_OK)
    assert sandbox.letters() == [name] and not sandbox.log_lines("bounced")


# --- many recipients -----------------------------------------------------------------------------


def test_ten_thousand_recipients_in_one_message(sandbox):
    everyone = [f"user{i}@example.net" for i in range(10000)]
    with FakeServer(most_recipients=1000) as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        sandbox.sendmail("-odq", "-t", stdin=("Bcc: " + ",\n ".join(everyone) + "\n").encode()
                         + MESSAGE, check=EX_OK)
        (name,) = sandbox.letters()
        assert " +9999" in sandbox.postrider("queue", check=EX_OK).out
        assert len(sandbox.mailq(check=EX_OK).out.splitlines()) > 10000
        one = json.loads(sandbox.postrider("queue", "list", "--json", check=EX_OK).out)
        assert len(one["recipients"]) == 10000
        sandbox.postrider("queue", "hold", name, check=EX_OK)
        sandbox.postrider("queue", "release", name, check=EX_OK)
        sandbox.wait_empty(60)
        got = [recipient for message in server.messages for recipient in message.recipients]
        assert len(got) == 10000 and set(got) == set(everyone)


def test_Q1_recipients_delivered_before_a_crash_are_never_tried_again(sandbox):
    """50 recipients, 10 a transaction; the worker is killed before the reply to the third."""
    everyone = [f"user{i}@example.net" for i in range(50)]
    workers = []

    def kill_at_the_third(_session, _line):
        workers.append(1)
        if len(workers) == 3:
            children = {}
            for pid in sandbox.runners():
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    words = file.read()
                if "(postrider-run)" in words:
                    children[pid] = int(words.rpartition(")")[2].split()[1])
            for pid, parent in children.items():
                if parent in children:
                    os.kill(pid, signal.SIGKILL)
            return CLOSE
        return None

    with FakeServer(at={"message": kill_at_the_third}, most_recipients=10) as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off",
                          queue="retry = 1s")
        sandbox.sendmail("-odq", *everyone, stdin=MESSAGE, check=EX_OK)
        sandbox.flush(check=EX_OK)
        sandbox.wait_quiet()
        before = [one for message in server.messages for one in message.recipients]
        if sandbox.letters():
            sandbox.postrider("queue", "retry", "--all", check=EX_OK)
        sandbox.wait_empty()
        got = [one for message in server.messages for one in message.recipients]
        assert sorted(got) == sorted(everyone), "each once"
        assert len(before) >= 20 and len(workers) == 6
