"""A mixed load for so many seconds, with accidents; then every message is accounted for by the log, the
mailbox and the servers. The listener is started anew in the first fifth of the time and in the last one
only: in the quiet middle between them one listener lives, and one session, and neither's memory,
descriptors and disk may have more in the second half than in the first one.

run.py [--seconds N] [--seed N]    `make soak SECONDS=n`; the last line counts
"""

import argparse
import copy
import os
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "program"))

import load  # noqa: E402  (the path comes first)
from dsn import entries  # noqa: E402
from ledger import Judge, Ledger  # noqa: E402
from listening import Listening  # noqa: E402
from sandbox import BUILD, EX_OK  # noqa: E402
from smarthosts import Receivers, Smarthost, read  # noqa: E402
from smtpfake import PASSWORD, USER, Certificates  # noqa: E402

ACTORS = ((load.Caller, 4), (load.Employee, 2), (load.Stranger, 3), (load.Sitter, 1),
          (load.Clerk, 1), (load.Administrator, 1), (load.Accident, 1), (load.Weather, 1))
# How much more the second half may have than the first one at its most.
MORE = {"memory": 512, "descriptors": 8, "state": 65536, "session memory": 512,
        "session descriptors": 2}
EDGE = 0.2  # of the time, before and after the quiet middle
STATE = ("hops", "filter", "runs", "corrupt")  # folders of the queue that messages do not lie in
PATIENCE = 300  # seconds until the queue has to be empty


@dataclass
class Sample:
    at: float
    pid: int  # of the listener's parent
    figures: dict  # memory in KiB that are there, descriptors; the state's bytes
    sessions: dict  # process id: memory and descriptors of the sessions


def measure(pid):
    """Memory and descriptors of a process; None: it is gone, or going."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file.read().splitlines())
        return int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, KeyError):
        return None


class Soak:
    def __init__(self, seed, seconds, folder):
        self.seed = seed
        self.seconds, self.began = seconds, time.monotonic()
        self.quiet = None  # the middle: from, to
        self.over = threading.Event()
        self.restarting = threading.Lock()  # whoever needs the listener to stay holds it
        self.ledger, self.receivers = Ledger(), Receivers()
        self.kills, self.samples = [], []
        self.reloads = self.restarts = 0
        self.password = "hunter2"
        self.certificates = Certificates(folder)
        good = self.certificates.good
        self.servers = [Smarthost(self.receivers, seed + 1, good),
                        Smarthost(self.receivers, seed + 2, good),
                        Smarthost(self.receivers, seed + 3, None)]
        tls = f"tls_certificate = {good[0]}\ntls_key = {good[1]}"
        limits = "max_connections_per_client = 50\n"
        self.here = Listening(
            start=False, listen=f"{limits}relay_networks =\nrelay_domains = partner.example",
            more={"submission": f"{limits}tls = implicit\n{tls}\nrequire_auth = yes\nusers = users"},
            mail="local_domains = here.example, localhost",
            queue="retry = 1s\nlifetime = 1d",
            filter="greylist = on\ngreylist_delay = 1s\ngreylist_window = 1m")
        self.listeners = self.here.extra
        self.write_aliases(0)
        self.here.credentials(f"[smarthost]\npassword = {PASSWORD}\n")
        self.here.newaliases(check=EX_OK)
        self.configure(connections=2)
        self.here.postrider("passwd", "anna", stdin=f"{self.password}\n", check=EX_OK)
        self.here.start_listener()

    def replace(self, name, write):
        """Nobody ever reads a file that is half written."""
        path = getattr(self.here, name)
        shadow = copy.copy(self.here)
        setattr(shadow, name, path.with_suffix(".new"))
        write(shadow)
        os.replace(getattr(shadow, name), path)

    def write_aliases(self, number):
        user = self.here.user
        self.replace("aliases_path", lambda here: here.aliases(
            f"# {number}\nteam: {user}\nlist: {user}, one@far.example, two@other.example\n"
            "forward: forward@far.example\n"))

    def configure(self, connections):
        first, second, partner = (server.server.address for server in self.servers)
        self.replace("config", lambda here: here.configure(
            extra=f'{self.listeners}\n[route "partner.example"]\nvia = {partner}\ntls = off\n'
                  '[route "void.example"]\nvia = discard\n',
            smarthost=f"host = {first}, {second}\ntls_trust = {self.certificates.ca}\nuser = {USER}\n"
                      f"connections = {connections}"))

    # --- what is looked at all the time ---

    def is_quiet(self):
        """Whether the listener has to be left alone; who holds .restarting is told what stays true."""
        return self.quiet is not None and time.monotonic() <= self.quiet[1]

    def calm_down(self):
        """The quiet middle begins as soon as nobody starts the listener anew."""
        if not self.quiet and time.monotonic() - self.began >= self.seconds * EDGE:
            with self.restarting:
                self.quiet = (time.monotonic(), self.began + self.seconds * (1 - EDGE))

    def sample(self):
        self.calm_down()
        if not self.is_quiet():
            return
        pid = self.here.listener.pid
        parent = measure(pid)
        if not parent or self.here.listener.poll() is not None:
            return
        sessions = {one: measure(one) for one in self.here.sessions()}
        state = sum(path.stat().st_size for name in STATE
                    for path in (self.here.queue / name).glob("*") if path.is_file())
        self.samples.append(Sample(
            time.monotonic(), pid, {"memory": parent[0], "descriptors": parent[1], "state": state},
            {one: found for one, found in sessions.items() if found}))

    def check_flat(self):
        """What grows, grows without an end: the most of each half of the quiet middle."""
        begin, end = self.quiet or (self.began, self.began)
        halves = [[one for one in self.samples if (one.at > (begin + end) / 2) == later]
                  for later in (False, True)]
        if min(map(len, halves)) < 10 or len({one.pid for one in self.samples}) != 1:
            yield "the listener was not to be seen all the time that it should have stayed"
            return
        # The one that sat there all the time; when it came, others had not gone yet.
        seen = Counter(pid for one in self.samples for pid in one.sessions)
        sitter, often = seen.most_common(1)[0] if seen else (0, 0)
        if often < 0.8 * len(self.samples):
            yield f"no session was there all the time, but one in {often} of {len(self.samples)} samples"
            return
        for one in self.samples:
            if sitter in one.sessions:
                one.figures["session memory"], one.figures["session descriptors"] = one.sessions[sitter]
        figures = []
        for name, more in MORE.items():
            first, second = (max(one.figures.get(name, 0) for one in half) for half in halves)
            if second > first + more:
                yield f"{name} of the listener or the queue grew from {first} to {second}"
            figures.append(f"{name} {first} and {second}")
        print(f"  at the most in each half of {end - begin:.0f} s, of {len(self.samples)} samples: "
              f"{', '.join(figures)}")

    # --- the end ---

    def drain(self):
        """Good weather, and queue runs until nothing is left."""
        for server in self.servers:
            server.tame = True
        end = time.monotonic() + PATIENCE
        while self.here.letters() or self.here.runners():
            assert time.monotonic() < end, f"still queued: {self.here.letters()}"
            self.here.postrider("queue", "release", "--all")
            self.here.postrider("queue", "retry", "--all", timeout=PATIENCE)
            self.here.wait_quiet(PATIENCE)
        # A whole run forgets those that were cut off.
        self.here.flush(check=EX_OK)
        self.here.wait_quiet(PATIENCE)

    def leftovers(self):
        for name in ("spool", "journal", "runs", "corrupt"):
            left = [one for one in os.listdir(self.here.queue / name) if one != ".wake"]
            if left:
                yield f"{name}/ is not empty: {left[:5]}"
        if self.here.listener.poll() is not None:
            yield "the listener is not there any more"
        elif self.here.sessions():
            yield f"sessions are left: {self.here.sessions()}"

    def close(self):
        self.here.close()
        for server in self.servers:
            server.close()


class Evidence:
    """What is there in the end: the log, the mailbox, what the servers took."""

    def __init__(self, soak):
        self.ledger, self.kills = soak.ledger, soak.kills
        self.log = soak.here.log()
        self.copies = list(soak.receivers.copies)
        self.sent_reports = list(soak.receivers.reports)
        self.tokens, self.reports = Counter(), Counter()
        for message in entries(soak.here.mailbox_bytes()):
            token, about = read(message)
            if about:
                self.reports.update((token, recipient) for recipient in about)
            else:
                self.tokens[token] += 1

    def judge(self):
        judge = Judge(self.ledger, self.log, self.tokens, self.reports, self.sent_reports, self.copies,
                      self.kills)
        judge.judge()
        return judge

    def altered(self):
        """The same with one thing wrong: each must be found, or the judge is blind."""
        yield "a message that the log does not know", {
            "log": re.sub(r"^.* received .*soak\.example.*\n", "", self.log, 1, re.MULTILINE)}
        ended = next(one.found for one in self.ledger.messages.values() if one.found in {
            name for name, count in Counter(re.findall(r" (\S+) delivered .* mailbox=", self.log)).items()
            if count == 1})
        yield "a recipient without an end", {
            "log": re.sub(rf"^.* {ended} delivered .* mailbox=.*\n", "", self.log, 1, re.MULTILINE)}
        yield "a message twice in the mailbox", {"tokens": self.tokens + Counter([next(iter(self.tokens))])}
        yield "a message that the mailbox lost", {
            "tokens": self.tokens - Counter([next(iter(self.tokens))])}
        told = [one for one in self.copies if one.token in self.ledger.messages and one.told]
        yield "a message that a server lost", {
            "copies": [one for one in self.copies if one[1:3] != told[0][1:3]]}
        late = told[0]._replace(at=told[0].at + 0.01)
        yield "a message twice at a server", {"copies": [told[0], late, *self.copies], "kills": []}
        yield "a report that never came", {"reports": Counter(), "sent_reports": []}
        for told in [one for one in self.sent_reports if one.token in self.ledger.messages and one.told][:1]:
            late = told._replace(at=told.at + 0.01)
            yield "a report twice at a server", {"sent_reports": [told, late, *self.sent_reports], "kills": []}


def account(soak):
    """Judges all messages; the judge."""
    evidence = Evidence(soak)
    judge = evidence.judge()
    blind = []
    for what, change in evidence.altered():
        other = copy.copy(evidence)
        vars(other).update(change)
        if len(other.judge().faults) <= len(judge.faults):
            blind.append(f"the judge does not see {what}")
    judge.faults += blind
    ids = [message.found for message in soak.ledger.messages.values() if message.found]
    judge.check_trace(ids[::max(1, len(ids) // 20)],
                      lambda name: soak.here.postrider("trace", "--json", name, check=EX_OK).out)
    return judge


def run(soak, seconds):
    soak.began = time.monotonic()
    actors = [kind(soak, number) for kind, count in ACTORS for number in range(count)]
    for actor in actors:
        actor.start()
    end = soak.began + seconds
    while time.monotonic() < end and not soak.over.is_set():
        soak.sample()
        time.sleep(0.1)
    soak.over.set()
    for actor in actors:
        actor.join(120)
        if actor.is_alive() or actor.error:
            yield f"{actor.name}: {actor.error!r}" if actor.error else f"{actor.name} does not end"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"postrider-soak-{os.getpid()}"
    soak = Soak(options.seed, options.seconds, folder)
    try:
        faults = list(run(soak, options.seconds))
        soak.drain()
        judge = account(soak)
        faults += judge.faults + list(soak.check_flat()) + list(soak.leftovers())
        if soak.here.stop_listener() != 0:
            faults.append("the listener ended badly")
        log = soak.here.log()
    finally:
        soak.close()
        for path in folder.glob("*"):
            path.unlink()
        folder.rmdir()
    figures = judge.figures
    print(f"  {soak.restarts} restarts and {soak.reloads} reloads of the listener, {len(soak.kills)} kills, "
          f"{sum(server.restarts for server in soak.servers)} restarts of servers, "
          f"{log.count(chr(10))} lines of log")
    print("  recipients: " + ", ".join(f"{count} {what}" for what, count in sorted(figures.items())
                                       if what not in ("accepted", "refused", "traced")))
    if faults:
        kept = BUILD / "soak.log"
        kept.write_text(log)
        print(f"  the log is in {kept}")
    for fault in faults[:40]:
        print(f"VIOLATION {str(fault)[:2000]}")
    print(f"soak: {time.monotonic() - began:.0f} s, seed {options.seed}, {figures['accepted']} messages, "
          f"{figures['refused']} refused, {figures['traced']} traced, {len(faults)} violations")
    return 1 if faults or not figures["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
