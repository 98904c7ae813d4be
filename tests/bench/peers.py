#!/usr/bin/python3
"""Postrider beside its peers, on the same work, in turns: `make bench`, and a short form of it,
`make bench-quick`, without OpenSMTPD and without ten times the work. As root; the peers are what
`sh contrib/bootstrap.sh bench` downloads.

tests/bench/peers.py [--quick] [--only WORK]... [--way WAY]... [--who PEER]... [--rounds N] [--csv FILE] [--plot FILE]
                     [--readme]

Every figure is the median of some rounds, in which all take turns; ratios are of figures of one work in
one run.
Each program is Debian's package with the fewest settings that the work needs (tests/bench/machines.py),
on a machine of its own, with its queue and mailboxes on the same disk. Most work is also done at ten
times its size, once, by Postrider and where it takes no long time by Postfix, and the exponent of its
growth is stated; the exit status is 1 when time grows faster than n log n with Postrider (not with
--quick, whose sizes are too small to say), or when it takes more memory than report.py allows.

A peer that drains or delivers for more than 20 seconds (ten times of that at ten times the work) is
stopped, and not tried in the rounds that are left; msmtp sends few messages only. Such a figure is marked
(the column "done" of the CSV), is the speed of what was done, and no exponent is made of it. Postrider
comes to the end of all its work.

What is synced when a program says that it has the message, by strace: Postrider, Exim and nullmailer
sync the message (Exim both of its files) and the folder that names it. Postfix syncs the file in
maildrop, and its daemon the one in the queue, but no folder. dma syncs both of its files, then links one
of them to its name, and syncs nothing more. OpenSMTPD syncs nothing, neither for a submission nor before
its 250; what it said it has may be gone with the power.

Logs: Postfix and Exim write files, in memory; the others send to /dev/log, where the bench itself reads
and keeps the lines. Nobody's log is on the disk. System calls and instructions are counted of a
submission by root, its speed is that of an ordinary user's.

Submission    a process for each message of 4 KB, one after the other, queued and no more. per_second
              until the last of them has ended; cpu_ms and million_instructions of all that it starts,
              cpu_ms also of the daemons behind it, until these have done what follows. peak_mb is of
              what is started for the message alone, without the daemons of Postfix and OpenSMTPD.
              syncs and system_calls by strace; of what these daemons do for it apart, as daemon_syncs
              and daemon_system_calls.
              In Postfix's favour: its queue file is written twice, by the program and by cleanup, and
              only the first is waited for; what its daemons do after that is in none but cpu_ms.
              Unfair to those that sync the folder as well as the file that it names, see above.
Drain         all that is queued goes through one smarthost in the same machine, which answers after so
              many milliseconds. connections: how many it saw. With everyone's defaults, and over one
              connection for those who can be told so. dma has a process and a connection for each message,
              a thousand at once, which this smarthost takes, and few others do: therefore also with
              fifty at the most, as Postfix has it unless it is told otherwise. Unfair to msmtp, which has no queue: a process
              for each message is all that it can do, one after the other, submission and all. Unfair
              to Postfix, which begins with five connections and adds more as they are answered: few
              messages are gone by then; and whose messages, released from its hold queue before, are
              moved from the deferred one and back to the first by qmgr. Exim is run in that of its
              two ways which is faster, -qf at no distance, -qqf at one. Over TLS, Postrider verifies
              the certificate; the peers are told not to, or do not.
Inbound       a client in lock-step hands messages of 4 KB over, in open sessions or in one for each;
              they stay queued, and each kind of session begins with an empty queue. Beside it, what as
              many processes can write and sync on that disk, and nothing else. syncs and system_calls
              are of the daemons, for a message in an open session, and for a session with its one
              message. No queue run looks at what is taken: with Postfix cleanup puts it on hold, and
              with Postrider somebody else is the runner. Unfair to Postrider and Exim, whose 250 waits for the folder, see above; and Postfix
              and OpenSMTPD have processes that stay, while these two start one for each session, and
              pay it in "a session each". unanswered: messages of sessions in which a peer said nothing
              for half a minute; refused: where it said no, or closed the connection. Neither counts.
              OpenSMTPD is not there over TLS: this version's handshake fails.
Local         queued messages into one mailbox, and into a hundred; until the last is there, by the
              sizes of the files, which are looked at every 10 ms. Unfair to all but dma, which gives
              the queue's copy up without syncing the mailbox. Unfair to OpenSMTPD and Postfix, whose
              daemons take their time to begin: that counts with few messages.
Aliases       newaliases with a table of so many names, and where one of them goes: `postrider route`,
              `postmap -q`, `exim -bt`. Unfair to Postrider and Exim, who read their settings and follow
              the name to its end, while postmap only looks it up in the table. Unfair to Exim, whose
              table is Debian's default, the text itself. OpenSMTPD has no program that asks.
Queue         mailq, and a queue run that finds nothing due, with so many messages. Postfix's and
              OpenSMTPD's runs are inside their daemons, and dma's and nullmailer's try everything: these
              cannot be compared. Exim is spared the longest queue (a process for each message), and
              so is OpenSMTPD (tests/bench/queues.py). The rest is Postrider alone.
Large         one message of so many bytes; seconds, and the most memory of any one process, looked at
              every 50 ms, daemons too. "relay" is from the queue to the smarthost alone, but for msmtp,
              whose submission it is. Signed (DKIM) over TLS by Postrider alone. Not with --quick.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import plot
import report
import works
from machines import BUILD, EVERYBODY, REPOSITORY, TOOLS, OpenSmtpd, Postrider
from record import Record

ROUNDS = 3


def build_tools():
    TOOLS.mkdir(parents=True, exist_ok=True)
    for name in ("sink", "source", "spawn", "syncs"):
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-std=c11", "-o", TOOLS / name,
                        REPOSITORY / "tests" / "bench" / f"{name}.c", "-lgnutls", "-lpthread"],
                       check=True)


def drain_some(quick, names):
    ways = works.QUICK_WAYS if quick else works.WAYS

    def drain(record, machines, rounds, count, _):
        works.drain(record, machines, rounds, count,
                    [way for way in ways if not names or way.name in names])
    return drain


def everybody(quick):
    """Their names; not of who makes clients wait for half a minute when there is little time."""
    return [kind.name for kind in EVERYBODY if not (quick and kind is OpenSmtpd)]


def set_up(kinds, disk, machines):
    """Installs them, two at a time; those that stand are in machines whatever comes."""
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(kind, disk) for kind in kinds]
    machines += [one.result() for one in started if not one.exception()]
    for one in started:
        one.result()
    machines.sort(key=lambda machine: kinds.index(type(machine)))


def plan(quick, ways=()):
    """By name: the function, and how much of the work."""
    found = {"submission": (works.submission, 20 if quick else 500),
             "drain": (drain_some(quick, ways), 20 if quick else 1000),
             "local": (works.local, 20 if quick else 1000),
             "aliases": (works.aliases, 10000 if quick else 100000),
             "queue": (works.listing, (1, 1000) if quick else (1, 1000, 10000, 100000)),
             "inbound": (works.inbound, 40 if quick else 2000)}
    if not quick:
        found["large"] = (works.large, (100 << 20, 1 << 30))
    return found


def parse():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a minute or two")
    parser.add_argument("--only", action="append", choices=plan(False),
                        help="some pieces of work; the figures of the others stay, if the CSV has them")
    parser.add_argument("--way", action="append", choices=[way.name for way in works.WAYS],
                        help="some ways of draining a queue; likewise")
    parser.add_argument("--who", action="append", help="beside Postrider: names of peers")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--csv", default=str(BUILD / "bench" / "peers.csv"))
    parser.add_argument("--plot", default=str(BUILD / "bench" / "peers.svg"))
    parser.add_argument("--readme", action="store_true",
                        help="the figures into README.md as well, CSV and plot beside this file")
    parser.add_argument("--disk", default=str(BUILD / "bench"), help="a folder of the disk to use")
    return parser.parse_args()


def main():
    options = parse()
    # Who is told to end takes the machines down, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    record = Record.read(options.csv) if options.only and Path(options.csv).exists() else Record()
    build_tools()
    machines = []
    disk = tempfile.mkdtemp(prefix="machines-", dir=options.disk)
    try:
        set_up([kind for kind in EVERYBODY
                if kind.name in (options.who or everybody(options.quick)) or kind is Postrider],
               disk, machines)
        for name, (work, amount) in plan(options.quick, options.way).items():
            if not options.only or name in options.only:
                work(record, machines, 1 if options.quick else options.rounds, amount, disk)
                record.rows.sort(key=lambda row: list(plan(False)).index(row[0].partition(",")[0]))
                record.write(options.csv)
    finally:
        for machine in machines:
            machine.close()
        shutil.rmtree(disk)
    report.show(record)
    steep, greedy = report.too_steep(record), report.too_large(record)
    date = time.strftime("%Y-%m-%d")
    plot.write(record, options.plot,
               f"Postrider and its peers, {date}: {report.describe_machine(options.disk)}")
    print(f"\n{options.csv} has every figure, {options.plot} shows them")
    if options.readme:
        record.write(report.FIGURES.with_suffix(".csv"))
        shutil.copy(options.plot, report.FIGURES.with_suffix(".svg"))
        report.write_readme(record, options.disk, date)
    return 1 if greedy or (steep and not options.quick) else 0


if __name__ == "__main__":
    sys.exit(main())
