"""
Q1: kill -9 of submitters and runners at random moments. Every message whose submitter said 0 is
delivered or still queued in the end, and none twice unless the reply to its final dot was lost. Its
sender hears of every success and failure, and of no success, failure or delay twice.

POSTRIDER_KILLS sets the number of kills; the short form is part of make check.
"""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter

import pytest
from dsn import entries, read_report
from sandbox import wait_until
from smtpfake import EXTENSIONS, FakeServer

KILLS = int(os.environ.get("POSTRIDER_KILLS", "60"))


def kill_runner(sandbox, chance, killed):
    """One random process of the queue run dies: the coordinator, a worker, the helper."""
    runners = []
    for process in sandbox.runners():
        try:
            with open(f"/proc/{process}/comm", encoding="ascii") as file:
                runners.append((process, file.read().strip()))
        except OSError:
            continue
    runners = [one for one in runners if one[1].startswith("postrider-")]
    if not runners:
        return
    process, name = chance.choice(runners)
    try:
        os.kill(process, signal.SIGKILL)
        killed[name] += 1
    except OSError:
        pass


def submit(sandbox, number, kind, chance, killed):
    """Starts a submission and perhaps kills it; True when it said 0."""
    recipients = {"local": [sandbox.user], "remote": ["you@example.net"],
                  "both": ["you@example.net", "team"], "refused": ["refused@example.net"],
                  "mixed": ["refused@example.net", "nobody-here", "you@example.net"]}[kind]
    argv = [sandbox.build / "sendmail", "-C", sandbox.config, "-i", "-f", sandbox.user,
            "-N", "success,failure,delay", "-V", f"m{number}", *recipients]
    body = b"Subject: m%d\n\n" % number + b"line of text\n" * chance.randrange(1, 4000)
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=sandbox.environment(), cwd=sandbox.folder)
    try:
        if chance.random() < 0.5:
            process.stdin.write(body[: len(body) // 2])
            process.stdin.flush()
            time.sleep(chance.random() * 0.01)
            process.stdin.write(body[len(body) // 2 :])
        else:
            process.stdin.write(body)
        process.stdin.close()
        if chance.random() < 0.4:
            time.sleep(chance.random() * 0.012)
            process.kill()
            killed["sendmail"] += 1
    except BrokenPipeError:
        pass
    status = process.wait(60)
    return status == 0


def wanted(sandbox, kind):
    """What the sender of such a message must be told, by recipient."""
    local = {f"{sandbox.user}@here.example": "delivered"}
    remote = {"you@example.net": "relayed"}
    refused = {"refused@example.net": "failed"}
    return {"local": local, "remote": remote, "both": {**remote, **local}, "refused": refused,
            "mixed": {**refused, "nobody-here@here.example": "failed", **remote}}[kind]


def check_reports(sandbox, reports, promised, kinds):
    told = Counter((int(report.message["original-envelope-id"][1:]), address, action)
                   for report in reports for address, action in report.actions.items())
    for number in promised:
        for address, action in wanted(sandbox, kinds[number]).items():
            assert told[number, address, action], f"no report {action} on {address} of {number}"
    twice = {what: count for what, count in told.items() if count > 1}
    assert not twice, f"told twice: {twice}"
    for number, address, action in told:
        assert action in (wanted(sandbox, kinds[number])[address], "delayed")
    return Counter(action for _, _, action in told)


def numbers(texts):
    return Counter(int(re.search(rb"Subject: m(\d+)", text)[1]) for text in texts)


@pytest.mark.parametrize("seed", [1])
def test_Q1_kill_anything_anywhere(make_sandbox, seed):
    chance = random.Random(seed)

    def slowly(_session, _line):
        time.sleep(chance.random() * 0.02)

    def refuse(_session, line):
        if "refused@" in line:
            return "550 5.1.1 unknown"
        return "451 4.3.0 not now" if chance.random() < 0.2 else None

    without_dsn = [one for one in EXTENSIONS if one != "DSN"]
    with FakeServer(at={"MAIL": slowly, "body": slowly, "message": slowly, "RCPT": refuse},
                    extensions=without_dsn) as server:
        sandbox = make_sandbox(
            smarthost=f"host = {server.address}\ntls = off\nauth = off\nconnections = 2",
            queue="retry = 1s\nwarn = 2s",
            mail="max_message_size = 50M")
        sandbox.aliases(f"team: {sandbox.user}\n")
        promised, kinds, killed, number = set(), {}, Counter(), 0
        while sum(killed.values()) < KILLS:
            number += 1
            kinds[number] = chance.choice(["local", "remote", "both", "refused", "mixed"])
            if submit(sandbox, number, kinds[number], chance, killed):
                promised.add(number)
            if chance.random() < 0.6:
                time.sleep(chance.random() * 0.3)
                kill_runner(sandbox, chance, killed)

        sandbox.wait_quiet(60)

        def drained():
            hops = sandbox.queue / "hops"
            for path in hops.iterdir():
                path.unlink()
            for path in (sandbox.queue / "journal").iterdir():
                os.utime(path, (1, 1))
            sandbox.flush()
            sandbox.wait_quiet()
            return not sandbox.letters()

        wait_until(drained, 120, "an empty queue")
        remote = numbers(m.data for m in server.messages)
        reports, delivered = [], []
        for entry in entries(sandbox.mailbox_bytes()):
            if b"\nContent-Type: multipart/report;" in entry.partition(b"\n\n")[0]:
                reports.append(read_report(entry))
            else:
                delivered.append(entry)
        local = numbers(delivered)

        for one in promised:
            if kinds[one] in ("remote", "both", "mixed"):
                assert remote[one] >= 1, f"message {one} is lost on its way to the smarthost"
            if kinds[one] in ("local", "both"):
                assert local[one] >= 1, f"message {one} is lost on its way to the mailbox"
        twice = {one: count for one, count in local.items() if count > 1}
        assert not twice, f"messages twice in the mailbox: {twice}"
        # The server said 250 and the worker was killed before it could write that down: the one
        # duplicate that RFC 1047 allows, at most one for each kill.
        assert sum(count - 1 for count in remote.values()) <= killed["postrider-run"]
        told = check_reports(sandbox, reports, promised, kinds)
        for entry in delivered:
            assert entry.count(b"line of text\n") >= 1
        assert not list((sandbox.queue / "corrupt").iterdir())
        print(f"{dict(told)} told, {dict(killed)} killed, {number} submissions, {len(promised)} promised, "
              f"{sum(remote.values()) - len(remote)} allowed duplicates")
