#!/usr/bin/python3
"""How fast the listener takes mail in, beside what the disk and the sender can do by themselves.

tests/bench/listen_throughput.py [MESSAGES]     2000 by default

Postfix's smtp-source sends, in 20 sessions at once. Each round measures everything once, one after
the other, and ratios are those of a round: the machine may be busy with other things.
"""

import fcntl
import os
import re
import signal
import statistics
import struct
import sys
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "program"))

from listening import Listening  # noqa: E402  (the path comes first)
from postfixtools import PostfixTools  # noqa: E402

SESSIONS = 20
SIZE = 3000
ROUNDS = 3
LIMITS = (f"max_connections = {SESSIONS * 4}\nmax_connections_per_client = {SESSIONS * 4}\n"
          "relay_networks =\nrelay_domains = kept.example")


def commit(folder, count):
    """What makes a message lasting, and nothing else."""
    data = b"x" * SIZE
    spool = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for number in range(count):
        fd = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
        os.write(fd, data)
        os.fsync(fd)
        os.link(f"/proc/self/fd/{fd}", f"{os.getpid()}-{number}", src_dir_fd=spool,
                dst_dir_fd=spool, follow_symlinks=True)
        os.fsync(spool)
        os.close(fd)


def measure_disk(count):
    """Messages a second of 20 processes that only write and sync them."""
    with tempfile.TemporaryDirectory(prefix="postrider-bench-") as folder:
        processes = [Process(target=commit, args=(Path(folder), count // SESSIONS))
                     for _ in range(SESSIONS)]
        began = time.monotonic()
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
        return count / (time.monotonic() - began)


def without_runs(here):
    """Takes the lock of queue runs, so that only taking in is measured."""
    fd = os.open(here.queue / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    # struct flock: type, whence, start, length, pid
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))


def send(tools, here, port, count, recipient, sessions=SESSIONS, keep=True):
    began = time.monotonic()
    done = tools.smtp_source(here, f"127.0.0.1:{port}", "-s", str(sessions), "-m", str(count), "-l",
                             str(SIZE), "-f", "a@sender.example", "-t", recipient,
                             *(["-d"] if keep else []))
    assert done.returncode == 0, done.err
    return count / (time.monotonic() - began)


def measure_taking(tools, count, keep):
    with Listening(listen=LIMITS) as here:
        without_runs(here)
        rate = send(tools, here, here.port, count, "someone@kept.example", keep=keep)
        assert len(here.letters()) == count
        return rate


def measure_delivering(tools, count):
    with Listening(listen=LIMITS) as here:
        began = time.monotonic()
        send(tools, here, here.port, count, f"{here.user}@here.example")
        here.wait_until(lambda: not here.letters(), 600)
        return count / (time.monotonic() - began)


def count_calls(tools, sessions, messages):
    """
    System calls by name, of the listener and its sessions together: by root, who may watch them. His
    own trial gives its capabilities up by one prctl each, which an installed listener does not have.
    """
    with Listening(listen=LIMITS) as here:
        without_runs(here)
        counted = here.folder / "calls"
        strace = here.start(["/usr/bin/strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", counted,
                             "-p", str(here.listener.pid)])
        status = Path(f"/proc/{here.listener.pid}/status")
        here.wait_until(lambda: "\nTracerPid:\t0\n" not in status.read_text(), what="strace")
        send(tools, here, here.port, messages, "someone@kept.example", sessions,
             keep=sessions != messages)
        here.wait_until(lambda: not here.sessions(), what="the end of the sessions")
        strace.send_signal(signal.SIGINT)
        strace.wait()
        found = re.findall(r"^\s*(\d+) (\w+)$", counted.read_text(), re.MULTILINE)
        return {name: int(number) for number, name in found if name not in ("total", "prctl")}


def show_calls(what, more, fewer, count):
    """The difference of two measurements, for one of count."""
    each = {name: (more[name] - fewer.get(name, 0)) / count for name in more}
    most = sorted(each.items(), key=lambda one: -one[1])[:8]
    print(f"  {what}: {sum(each.values()):.1f} system calls, of them fsync {each['fsync']:.1f}, "
          f"clone {each.get('clone', 0):.1f}; "
          + ", ".join(f"{name} {number:.1f}" for name, number in most))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as folder:
        tools = PostfixTools(Path(folder))
        measures = {
            "the disk alone": lambda: measure_disk(count),
            "taken, few sessions": lambda: measure_taking(tools, count, True),
            "taken, a session for each": lambda: measure_taking(tools, count // 2, False),
            "taken and in one mailbox": lambda: measure_delivering(tools, count // 4),
        }
        rounds = []
        for _ in range(ROUNDS):
            rounds.append({name: measure() for name, measure in measures.items()})
            print("  messages a second: " + ", ".join(
                f"{name} {rate:.0f}" for name, rate in rounds[-1].items()), flush=True)
        print(f"of what the disk alone can do, median of {ROUNDS} rounds:")
        for name in list(measures)[1:]:
            ratio = statistics.median(one[name] / one["the disk alone"] for one in rounds)
            print(f"  {name:28} {ratio:6.2f}")
        few, many = count_calls(tools, 1, 10), count_calls(tools, 1, 110)
        show_calls("a message in an open session", many, few, 100)
        show_calls("a session, with its one message", count_calls(tools, 60, 60),
                   count_calls(tools, 10, 10), 50)
    return 0


if __name__ == "__main__":
    sys.exit(main())
