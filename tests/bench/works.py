"""The pieces of work that are measured; what each figure means stands in peers.py."""

import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import nullcontext
from typing import NamedTuple, Optional

import queues
from machines import HOSTNAME, RECIPIENTS, TOOLS, Sink
from peak import Peak
from report import DISK

LONGEST = 20  # seconds after which a peer's delivery is stopped, and the speed of what it did is its figure
AFTERWARDS = 0.5  # seconds
LONGEST_CLIENT = 1800
MOST_UNQUEUED = 100  # messages of who has no queue: each is a process and a connection, and as slow as any
MOST_UNQUEUED_FAR = 20  # and those from a hundred milliseconds away
LOOKUPS = 50
SYNCS = ("fsync", "fdatasync", "sync", "syncfs")


def turns(rounds, peers):
    """(round, peer), everybody once a round, each time another one first."""
    for turn in range(rounds):
        for place in range(len(peers)):
            yield turn, peers[(place + turn) % len(peers)]


def those(machines, *names):
    return [machine for machine in machines if machine.name in names]


def begin_work(machines):
    for machine in machines:
        machine.clear()
        machine.write_message()


GROWN = ("postrider", "postfix")  # whose work is done at ten times its size, too


def sizes(count, rounds, peers, grown=GROWN):
    """(amount, rounds, peers): the work, and ten times of it; not the latter when one round is all."""
    yield count, rounds, peers
    if grown and rounds > 1:
        yield count * 10, 1, those(peers, *grown)


def counted(peers, rounds):
    """Whose system calls are counted: when one round is all, ours."""
    return peers if rounds > 1 else those(peers, "postrider")


def patience(machine, times=1):
    """Seconds that its delivery of so many times the work may take: ours comes to its end."""
    return LONGEST_CLIENT if machine.name == "postrider" else LONGEST * times


def unfinished(reached, size):
    return None if reached >= size else reached


# --- what is counted ---


def read_calls(text):
    """Calls by name, of strace -c -U calls,name."""
    return {name: int(number) for number, name in re.findall(r"^\s*(\d+) (\w+)$", text, re.MULTILINE)
            if name != "total"}


def sum_up(fewer, more, count):
    """(syncs, all system calls) of one, by what two measurements differ in."""
    syncs = sum(more.get(name, 0) - fewer.get(name, 0) for name in SYNCS)
    return syncs / count, (sum(more.values()) - sum(fewer.values())) / count


def watch(machine, work):
    """The system calls of its daemons, and what these start, while work() is done."""
    pids = machine.pids()
    strace = machine.start(["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", "/srv/calls",
                            *[word for pid in pids for word in ("-p", str(pid))]])
    def seen():
        texts = [machine.world.read(f"/proc/{pid}/status") for pid in pids]
        return all(b"\nTracerPid:\t0\n" not in text for text in texts)
    machine.world.wait_until(seen, what="strace")
    try:
        work()
        time.sleep(0.5)  # what daemons still have to do
    finally:
        for pid in machine.world.processes("strace"):
            machine.world.run(["kill", f"-{signal.SIGINT.value}", str(pid)])
        strace.wait(60)
        machine.started.remove(strace)
    return read_calls(machine.world.read("/srv/calls").decode())


def count_submission(machine, count=10):
    """(syncs, system calls) of a submission and every process that it starts."""
    def calls(number):
        done = machine.world.run(["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", "/srv/calls",
                                  TOOLS / "spawn", str(number), "/srv/message", *machine.submit,
                                  "u%u@example.net"])
        assert done.returncode == 0, done.err
        return read_calls(machine.world.read("/srv/calls").decode())
    # What starting a program costs the one who counts is in neither.
    return sum_up(calls(1), calls(1 + count), count)


def count_behind(machine, count=10):
    """The same of the daemons that a submission is handed to."""
    fewer, more = (watch(machine, lambda number=number: machine.spawn(
        number, [*machine.submit, "u%u@example.net"])) for number in (1, 1 + count))
    return sum_up(fewer, more, count)


def count_instructions(machine):
    """Of one submission, by valgrind, which counts the same each time; all processes together. It
    starts no set-ID programs, so root, who needs no such bits, takes them away meanwhile."""
    bits = machine.world.shell("find /usr -xdev -type f -perm /6000 -printf '%m %p\\n'").out
    programs = [line.split(None, 1) for line in bits.splitlines()]
    for _, path in programs:
        machine.world.run(["chmod", "ug-s", path], check=0)
    machine.world.shell("rm -rf /srv/counts; mkdir -m 1777 /srv/counts")
    done = machine.world.run(["valgrind", "--tool=callgrind", "--trace-children=yes",
                              "--callgrind-out-file=/srv/counts/%p", "--vgdb=no", "-q", *machine.submit,
                              "u1@example.net"], stdin=machine.world.read("/srv/message"))
    for mode, path in programs:
        machine.world.run(["chmod", mode, path], check=0)
    assert done.returncode == 0, f"{machine.name}: {done.err}"
    text = machine.world.shell("cat /srv/counts/*").out
    return sum(map(int, re.findall(r"^totals: (\d+)", text, re.MULTILINE)))


# --- the works; each takes the record, the machines, rounds, and how much of it ---


def submission(record, machines, rounds, count, disk):
    peers = [machine for machine in machines if machine.queues]
    for size, times, some in sizes(count, rounds, peers):
        begin_work(some)
        for turn, machine in turns(times, some):
            clock, processor, memory = machine.fill(size)
            record.add("submission", size, machine.name, turn, per_second=size / clock,
                       cpu_ms=processor / size * 1000, peak_mb=memory / 1024)
        # Not in between: ext4 takes its time to find a file where many have been removed in the last minutes.
        for machine in some:
            machine.clear()
    for machine in counted(peers, rounds):
        syncs, calls = count_submission(machine)
        record.add("submission", count, machine.name, 0, syncs=syncs, system_calls=calls)
        if machine.name in ("postfix", "opensmtpd"):
            syncs, calls = count_behind(machine)
            record.add("submission", count, machine.name, 0, daemon_syncs=syncs,
                       daemon_system_calls=calls)
        if machine.countable:
            record.add("submission", count, machine.name, 0,
                       million_instructions=count_instructions(machine) / 1e6)


def measure_drain(machine, count, tls=False, delay=0, connections=None, most=0, file="/srv/message",
                  longest=LONGEST, watched=False):
    """How many messages came to the smarthost, in how many seconds, over how many connections; and the
    most memory of a process meanwhile, if that is to be watched."""
    if not machine.queues:
        count = min(count, MOST_UNQUEUED if delay < 100 else MOST_UNQUEUED_FAR)
    machine.fill(count, file=file)
    with Sink(machine, tls, delay, most) as sink:
        machine.relay_to(sink, tls, connections)
        with Peak(machine) if watched else nullcontext() as peak:
            began = time.monotonic()
            if machine.queues:
                machine.begin()
            else:
                machine.spawn(count, [*machine.submit, "u%u@example.net"], file)
            reached = 0
            while reached < count:
                reached, used = sink.read()
                if time.monotonic() - began > longest:
                    break
                time.sleep(0.01)
            seconds = time.monotonic() - began
        # The last replies are still on their way: who does not get them keeps those messages for the next turn.
        time.sleep(AFTERWARDS + 3 * delay / 1000)
        machine.end()
    if reached < count:
        assert machine.name != "postrider", f"{count - reached} messages did not reach the smarthost"
        machine.clear()
    return reached, seconds, used, peak.most if watched else None


class Way(NamedTuple):
    """How a queue is drained. Milliseconds before each reply; connections that the programs are told to
    have, None: as they come; most that the smarthost takes of one client, 0: any number; grown: who
    does it at ten times its size, too."""

    name: str
    tls: bool = False
    delay: int = 0
    connections: Optional[int] = None
    most: int = 0
    grown: tuple = ("postrider",)


# Fifty of a client are what Postfix takes unless it is told otherwise (smtpd_client_connection_count_limit).
WAYS = (Way("plain", grown=GROWN), Way("TLS and AUTH", tls=True), Way("20 ms", delay=20),
        Way("20 ms, 50 a client", delay=20, most=50), Way("100 ms", delay=100),
        Way("20 ms, one connection", delay=20, connections=1, grown=()))
QUICK_WAYS = (WAYS[0], WAYS[-1])


def drain(record, machines, rounds, count, ways):
    for way in ways:
        peers = those(machines, "postrider", "postfix") if way.connections else machines
        begin_work(peers)
        stopped = set()
        for size, times, some in sizes(count, rounds, peers, way.grown):
            for turn, machine in turns(times if way.delay < 100 else 1, some):
                if machine in stopped:
                    continue
                reached, seconds, used, _ = measure_drain(
                    machine, size, way.tls, way.delay, way.connections, way.most,
                    longest=patience(machine, size // count))
                if reached < size:
                    stopped.add(machine)
                record.add(f"drain, {way.name}", size, machine.name, turn, unfinished(reached, size),
                           per_second=reached / seconds, connections=used)


def measure_disk(folder, count, at_once):
    """Messages a second that so many processes can write and sync, file and folder, and no more."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        done = subprocess.run([TOOLS / "syncs", str(at_once), str(count), place], check=True,
                              stdout=subprocess.PIPE, text=True)
    return count / float(done.stdout)


def send(machine, sessions, count, keep=True, tls=False, size=4096, address="u0@example.net"):
    """
    (messages a second, {figure: how many were not taken}) of a client in lock-step. OpenSMTPD sometimes
    lets sessions wait at its door for ever; none of ours may.
    """
    done = machine.world.run([TOOLS / "source", "-s", str(sessions), "-m", str(count), "-l", str(size),
                              *(["-k"] if keep else []), *(["-t"] if tls else []), "127.0.0.1", "25",
                              address], timeout=LONGEST_CLIENT)
    assert len(done.out.split()) == 4, f"{machine.name}: {done.out} {done.err}"
    taken, seconds, silent, refused = map(float, done.out.split())
    assert taken == count or machine.name != "postrider", \
        f"{silent:.0f} messages had no answer, {refused:.0f} were refused"
    lost = {"unanswered": int(silent), "refused": int(refused)}
    return taken / seconds if taken else 0, {name: number for name, number in lost.items() if number}


def listen(machines, tls=False):
    for machine in machines:
        machine.listen(tls)
        machine.world.wait_until(
            lambda machine=machine: machine.world.run(
                [TOOLS / "source", "-m", "1", "127.0.0.1", "25", "u1@example.net"]).returncode == 0,
            what=machine.name)


INBOUND = ("postrider", "postfix", "exim", "opensmtpd")


def count_inbound(record, machine, size):
    """Of a message in an open session, and of a session with its one message."""
    few, many = (watch(machine, lambda number=number: send(machine, 1, number))
                 for number in (5, 55))
    syncs, calls = sum_up(few, many, 50)
    record.add("inbound, 1 session", size, machine.name, 0, syncs=syncs, system_calls=calls)
    few, many = (watch(machine, lambda number=number: send(machine, 1, number, keep=False))
                 for number in (5, 55))
    syncs, calls = sum_up(few, many, 50)
    record.add("inbound, a session each", size, machine.name, 0, syncs=syncs, system_calls=calls)


def inbound(record, machines, rounds, count, disk):
    peers = those(machines, *INBOUND)
    small = count // 4
    for tls in (False, True):
        words = ", TLS" * tls
        if tls:
            # Its handshake ends with an error of its libraries, with either kind of key.
            peers = [machine for machine in peers if machine.name != "opensmtpd"]
        for name, sessions, usual, keep, grown in (
                (f"inbound, 1 session{words}", 1, small, True, ("postrider",)),
                (f"inbound, a session each{words}", 20, small, False, ("postrider",)),
                (f"inbound, 20 sessions{words}", 20, count, True, ("postrider",) if tls else GROWN)):
            for size, times, some in sizes(usual, rounds, peers, grown):
                # With a queue that is empty.
                begin_work(some)
                listen(some, tls)
                for turn in range(times):
                    record.add(name, size, DISK, turn, per_second=measure_disk(disk, size, sessions))
                    for place in range(len(some)):
                        machine = some[(place + turn) % len(some)]
                        rate, lost = send(machine, sessions, size, keep, tls)
                        record.add(name, size, machine.name, turn, per_second=rate, **lost)
        if not tls:
            begin_work(peers)
            listen(peers, tls)
            for machine in counted(peers, rounds):
                count_inbound(record, machine, small)
    for machine in machines:
        machine.clear()


LOCAL = ("postrider", "postfix", "exim", "dma", "opensmtpd")


def local(record, machines, rounds, count, disk):
    peers, stopped = those(machines, *LOCAL), set()
    for size, mailboxes, times, some in [
            (size, mailboxes, times, some) for mailboxes in (1, RECIPIENTS) if count >= mailboxes
            for size, times, some in sizes(count, rounds, peers)]:
        address = f"u0@{HOSTNAME}" if mailboxes == 1 else f"u%u@{HOSTNAME}"
        begin_work(some)
        for turn, machine in turns(times, some):
            if (machine, mailboxes) in stopped:
                continue
            machine.world.shell("rm -f /var/mail/u*")
            for _ in range(1 if mailboxes == 1 else size // mailboxes):
                machine.fill(size if mailboxes == 1 else mailboxes, address)
            machine.deliver_here()
            began = time.monotonic()
            machine.begin()
            reached = machine.wait_mailboxes(size, [f"u{i}" for i in range(mailboxes)],
                                             patience(machine, size // count))
            seconds = time.monotonic() - began
            assert reached >= size or machine.name != "postrider", f"{size - reached} are not there"
            if reached < size:
                stopped.add((machine, mailboxes))
            record.add(f"local, to {mailboxes}", size, machine.name, turn, unfinished(reached, size),
                       per_second=reached / seconds)
            machine.end()
            machine.clear()


def aliases(record, machines, rounds, count, disk):
    """In no order: one that reads the text from its beginning is in the middle on the average."""
    for size in (count // 10, count) if rounds > 1 else (count,):
        numbers = list(range(size))
        random.Random(1).shuffle(numbers)
        text = "".join(f"a{number}: u{number % RECIPIENTS}\n" for number in numbers)
        peers = [machine for machine in machines if machine.rebuild or machine.lookup]
        for machine in peers:
            machine.clear()
            machine.world.write("/etc/aliases", text)
        for turn, machine in turns(rounds, peers):
            if machine.rebuild:
                seconds, _, memory = machine.spawn(1, machine.rebuild, "/dev/null", None)
                record.add("aliases, newaliases", size, machine.name, turn, seconds=seconds,
                           peak_mb=memory / 1024)
            if machine.lookup:
                seconds, _, _ = machine.spawn(LOOKUPS, machine.lookup, "/dev/null", None)
                record.add("aliases, where one goes", size, machine.name, turn,
                           lookup_ms=seconds / LOOKUPS * 1000)
    for machine in machines:
        machine.world.write("/etc/aliases", "")
        if machine.rebuild:
            machine.world.run(machine.rebuild, check=0)


OURS = {"queue list --json": ("postrider", "queue", "list", "--json"),
        "queue list --domain": ("postrider", "queue", "list", "--domain", "d3.example"),
        "status": ("postrider", "status")}


def listing(record, machines, rounds, sizes, disk):
    begin_work(machines)
    for size in sizes:
        peers = [machine for machine in machines if machine.queues and queues.make(machine, size)]
        for turn, machine in turns(rounds, peers):
            commands = {"mailq": machine.mailq}
            if machine.run_due:
                commands["a run with nothing due"] = machine.run_due
            if machine.name == "postrider":
                commands.update(OURS)
            for name, argv in commands.items():
                seconds, _, memory = machine.spawn(1, argv, "/dev/null", None)
                record.add(f"queue, {name}", size, machine.name, turn, seconds=seconds,
                           peak_mb=memory / 1024)
        for machine in those(peers, "postrider"):
            machine.world.run(["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", "/srv/calls",
                               *machine.mailq], check=0)
            calls = read_calls(machine.world.read("/srv/calls").decode())
            record.add("queue, mailq", size, machine.name, 0,
                       system_calls_each=sum(calls.values()) / size)
        for machine in peers:
            machine.clear()


def relay_large(record, machine, size, name, tls=False):
    """From the queue to the smarthost; the whole of msmtp, which has none. Over TLS with a signature, too."""
    reached, seconds, _, memory = measure_drain(machine, 1, tls, file=name, longest=LONGEST_CLIENT,
                                                watched=True)
    assert reached, f"{machine.name}: a message of {size} bytes did not reach the smarthost"
    record.add("large, relay" + ", TLS and AUTH, signed" * tls, size, machine.name, 0, seconds=seconds,
               peak_mb=memory)
    machine.clear()


def large(record, machines, rounds, sizes, disk):
    """One message through every path of every program, one after the other."""
    name = "/var/spool/bench-message"
    for machine in machines:
        machine.clear()
        machine.world.shell("rm -f /var/mail/u*")
        file = machine.outside(name)
        for size in sizes:
            shutil.copy(make_large(disk, size), file)
            if machine.queues:
                with Peak(machine) as peak:
                    seconds, _, _ = machine.fill(1, file=name)
                record.add("large, submission", size, machine.name, 0, seconds=seconds,
                           peak_mb=peak.most)
                machine.clear()
            relay_large(record, machine, size, name)
            if machine.name == "postrider":
                machine.signs = True
                relay_large(record, machine, size, name, tls=True)
                machine.signs = False
            if machine.name in LOCAL:
                machine.fill(1, f"u0@{HOSTNAME}", name)
                machine.deliver_here()
                box, began = machine.outside("/var/mail/u0"), time.monotonic()
                with Peak(machine) as peak:
                    machine.begin()
                    machine.world.wait_until(lambda: box.exists() and box.stat().st_size >= size,
                                             LONGEST_CLIENT, machine.name)
                record.add("large, local", size, machine.name, 0, peak_mb=peak.most,
                           seconds=time.monotonic() - began)
                machine.end()
                machine.clear()
                machine.world.shell("rm -f /var/mail/u*")
            if machine.name in INBOUND:
                listen([machine])
                with Peak(machine) as peak:
                    rate, _ = send(machine, 1, 1, size=size)
                record.add("large, inbound", size, machine.name, 0, seconds=1 / rate,
                           peak_mb=peak.most)
                machine.clear()
        file.unlink()


def make_large(disk, size):
    """A message of that size in a file, which the next one overwrites."""
    path = f"{disk}/large"
    line = b"a line of a message that is as long as people write them, or nearly so\n"
    block = line * 10000
    with open(path, "wb") as file:
        file.write(b"From: ada@bench.example\nSubject: a large message\nX-Bench: 1\n\n")
        while size > file.tell() + len(block):
            file.write(block)
        file.write(line * ((size - file.tell()) // len(line)))
    return path
