#!/usr/bin/python3
"""Postrider beside its peers, on the same work, in turns: `make bench`, and a short form of it,
`make bench-quick`.

tests/bench/peers.py [--quick] [--only WORK]... [--rounds N] [--csv FILE] [--plot FILE]

Every figure is the median of some rounds, in which all take turns; ratios are of figures of one run. What
is measured is told beside each piece of work.
"""

import argparse
import csv
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machines import BUILD, EVERYBODY, REPOSITORY, TOOLS, Sink

ROUNDS = 3
LONGEST = 1800  # seconds that a drain may take


class Record:
    """What was measured: rows of (work, figure, who, round, value)."""

    def __init__(self):
        self.rows = []

    def add(self, work, who, turn, **figures):
        for figure, value in figures.items():
            self.rows.append((work, figure, who, turn, value))
        words = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
        print(f"  {work:34} {who:11} {words}", flush=True)

    def median(self, work, figure, who):
        values = [row[4] for row in self.rows if row[:3] == (work, figure, who)]
        return statistics.median(values) if values else None

    def works(self):
        return list(dict.fromkeys((row[0], row[1]) for row in self.rows))

    def who(self):
        return list(dict.fromkeys(row[2] for row in self.rows))


def turns(rounds, peers):
    """(round, peer), everybody once a round, each time another one first."""
    for turn in range(rounds):
        for place in range(len(peers)):
            yield turn, peers[(place + turn) % len(peers)]


# --- what is measured ---


def count_calls(machine, count=10):
    """(fsync and its kin, all system calls) of a submission and every process that it starts."""
    def calls(turns):
        done = machine.world.run(["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", "/srv/calls",
                                  TOOLS / "spawn", str(turns), "/srv/message", *machine.submit,
                                  "u%u@example.net"])
        assert done.returncode == 0, done.err
        found = dict((name, int(number)) for number, name in re.findall(
            r"^\s*(\d+) (\w+)$", machine.world.read("/srv/calls").decode(), re.MULTILINE))
        return (sum(found.get(name, 0) for name in ("fsync", "fdatasync", "sync", "syncfs")),
                found["total"])
    # What starting a program costs the one who counts is in neither.
    fewer, more = calls(1), calls(1 + count)
    return (more[0] - fewer[0]) / count, (more[1] - fewer[1]) / count


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


def submission(record, machines, rounds, count):
    """A process for each message of 4 KB, queued and no more, one after the other."""
    peers = [machine for machine in machines if machine.queues]
    work = f"submission of {count}"
    for machine in peers:
        machine.write_message()
    for turn, machine in turns(rounds, peers):
        clock, processor, memory = machine.fill(count)
        record.add(work, machine.name, turn, per_second=count / clock,
                   cpu_ms=processor / count * 1000, peak_mb=memory / 1024)
    for machine in peers:
        syncs, calls = count_calls(machine)
        record.add(work, machine.name, 0, syncs=syncs, system_calls=calls)
        if machine.countable:
            record.add(work, machine.name, 0,
                       million_instructions=count_instructions(machine) / 1e6)


def measure_drain(machine, count, tls, delay, connections):
    machine.fill(count)
    with Sink(machine, tls, delay) as sink:
        machine.relay_to(sink, tls, connections)
        began = time.monotonic()
        if machine.queues:
            machine.begin()
        else:
            machine.spawn(count, [*machine.submit, "u%u@example.net"])
        reached = 0
        while reached < count:
            reached, used = sink.read()
            if time.monotonic() - began > LONGEST:
                break
            time.sleep(0.01)
        seconds = time.monotonic() - began
        machine.end()
        return reached / seconds, used


DRAINS = (("plain", False, 0, None), ("TLS and AUTH", True, 0, None),
          ("20 ms", False, 20, None), ("100 ms", False, 100, None),
          ("20 ms, one connection", False, 20, 1))


def drain(record, machines, rounds, count, kinds):
    """Everything queued goes through one smarthost, with everyone's defaults, and over one connection
    for those who can be told so."""
    for name, tls, delay, connections in kinds:
        peers = [one for one in machines
                 if not connections or one.name in ("postrider", "postfix")]
        for machine in peers:
            machine.write_message()
        for turn, machine in turns(rounds, peers):
            rate, used = measure_drain(machine, count, tls, delay, connections)
            record.add(f"drain of {count}, {name}", machine.name, turn, per_second=rate,
                       connections=used)


def measure_disk(folder, count, at_once=20):
    """Messages a second that so many processes can write and sync, file and folder, and no more."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        done = subprocess.run([TOOLS / "syncs", str(at_once), str(count), place], check=True,
                              stdout=subprocess.PIPE, text=True)
    return count / float(done.stdout)


def inbound(record, machines, rounds, count, disk):
    """A client in lock-step hands messages of 4 KB over in open sessions; they are queued."""
    names = ("postrider", "postfix", "exim", "opensmtpd")
    peers = [machine for machine in machines if machine.name in names]
    for tls in (False, True):
        for machine in peers:
            machine.listen(tls)
            machine.world.wait_until(
                lambda: machine.world.run([TOOLS / "source", "-m", "1", "127.0.0.1", "25",
                                           "u1@example.net"]).returncode == 0, what=machine.name)
        for sessions in (1, 20):
            number = count if sessions > 1 else count // 4
            work = f"inbound, {sessions} session{'s' * (sessions > 1)}{', TLS' * tls}"
            for turn in range(rounds):
                record.add(work, "the disk alone", turn,
                           per_second=measure_disk(disk, number, sessions))
                for place in range(len(peers)):
                    machine = peers[(place + turn) % len(peers)]
                    done = machine.world.run(
                        [TOOLS / "source", "-s", str(sessions), "-m", str(number), "-k",
                         *(["-t"] if tls else []), "127.0.0.1", "25", "u%u@example.net"],
                        timeout=LONGEST)
                    assert done.returncode == 0, f"{machine.name}: {done.out} {done.err}"
                    taken, seconds = done.out.split()
                    record.add(work, machine.name, turn, per_second=int(taken) / float(seconds))


def local(record, machines, rounds, count):
    """Queued mail to this machine's users: into one mailbox, and into a hundred."""
    names = ("postrider", "postfix", "exim", "dma", "opensmtpd")
    peers = [machine for machine in machines if machine.name in names]
    for machine in peers:
        machine.write_message()
        machine.deliver_here()
    for mailboxes in (1, 100):
        address = "u0@bench.example" if mailboxes == 1 else "u%u@bench.example"
        each = count // mailboxes
        for turn, machine in turns(rounds, peers):
            machine.world.shell("rm -f /var/mail/u*")
            for _ in range(1 if mailboxes == 1 else each):
                machine.fill(count if mailboxes == 1 else mailboxes, address)
            began = time.monotonic()
            machine.deliver_here()
            machine.begin()
            machine.wait_mailboxes(count, [f"u{i}" for i in range(mailboxes)])
            record.add(f"local, {count} to {mailboxes}", machine.name, turn,
                       per_second=count / (time.monotonic() - began))
            machine.end()


# --- what comes of it ---


def show(record):
    """Postrider beside the best of the others, and all of them."""
    print()
    for work, figure in record.works():
        values = {who: record.median(work, figure, who) for who in record.who()}
        values = {who: value for who, value in values.items() if value is not None}
        words = ", ".join(f"{who} {value:.4g}" for who, value in values.items())
        ratio = ""
        others = [value for who, value in values.items()
                  if who not in ("postrider", "the disk alone")]
        if "postrider" in values and others and figure != "connections":
            best = max(others) if figure == "per_second" else min(others)
            if best:
                ratio = f"  postrider to the best of the others: {values['postrider'] / best:.2f}"
        print(f"{work}, {figure}: {words}{ratio}")


def write_csv(record, path):
    with open(path, "w", newline="", encoding="ascii") as file:
        writer = csv.writer(file)
        writer.writerow(("work", "figure", "who", "round", "value"))
        writer.writerows(record.rows)


def build_tools():
    TOOLS.mkdir(parents=True, exist_ok=True)
    for name in ("sink", "source", "spawn", "syncs"):
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-std=c11", "-o", TOOLS / name,
                        REPOSITORY / "tests" / "bench" / f"{name}.c", "-lgnutls", "-lpthread"],
                       check=True)


WORKS = ("submission", "drain", "inbound", "local")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="about two minutes")
    parser.add_argument("--only", action="append", choices=WORKS, help="some pieces of work")
    parser.add_argument("--who", action="append", help="beside Postrider: names of peers")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--csv", default=str(BUILD / "bench" / "peers.csv"))
    parser.add_argument("--disk", default=str(BUILD / "bench"), help="a folder of the disk to use")
    return parser.parse_args()


def main():
    options = parse()
    works = options.only or WORKS
    rounds = 1 if options.quick else options.rounds
    many = 100 if options.quick else 500
    record = Record()
    build_tools()
    machines = []
    try:
        for kind in EVERYBODY:
            if not options.who or kind.name in ("postrider", *options.who):
                machines.append(kind(options.disk))
        if "submission" in works:
            submission(record, machines, rounds, many)
        if "drain" in works:
            kinds = DRAINS[:1] + DRAINS[4:] if options.quick else DRAINS
            drain(record, machines, rounds, 100 if options.quick else 1000, kinds)
        if "inbound" in works:
            inbound(record, machines, rounds, 400 if options.quick else 2000, options.disk)
        if "local" in works:
            local(record, machines, rounds, 100 if options.quick else 1000)
    finally:
        for machine in machines:
            machine.close()
    show(record)
    write_csv(record, options.csv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
