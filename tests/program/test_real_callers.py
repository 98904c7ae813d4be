"""Programs that call sendmail, as they are, with the Postrider of this machine as their sendmail: what
they ask for comes, each message once, with the envelope, the author, the subject and the text that they
meant. They run at once, and the minute that cron sleeps is waited for only once."""

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

import admincallers  # noqa: F401  (its rows are in CALLERS)
import realcallers
from callerpackages import CallerPlace
from realcallers import CALLERS, HIDDEN
from sandbox import BUILD, REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests"))
import callers_table  # noqa: E402  (the path comes first)

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("real_callers")]


# --- what is wrong with what came ---


def find(letters, expected):
    return [one for one in letters
            if one.subject == expected.subject and expected.part.strip() in one.text]


def faults_of_letter(letter, expected, sender):
    """What is wrong with one, wherever it came."""
    if letter.sender != sender:
        yield f"from <{letter.sender}>, not <{sender}>"
    if letter.author != expected.author:
        yield f"by {letter.author}, not {expected.author}"
    if expected.whole and letter.text.rstrip("\n") != expected.part.rstrip("\n"):
        yield f"with the text {letter.text!r}"
    if "Bcc" in letter.message or HIDDEN.encode() in letter.data:
        yield "with a Bcc that can be seen"
    if b"\r" in letter.data:
        yield "with a CR"
    for name in ("From", "To", "Subject", "Date", "Message-ID", "Received"):
        if len(letter.message.get_all(name, [])) != 1:
            yield f"with {len(letter.message.get_all(name, []))} {name} fields"


def faults_of_expected(place, expected):
    for where, letters, recipients in (
            ("at the relay", place.letters(), expected.relayed),
            ("in the mailbox", place.mail_of(expected.local) if expected.local else [],
             [f"{expected.local}@here.example"] if expected.local else [])):
        found = find(letters, expected)
        if len(found) != bool(recipients):
            yield f"{expected.subject!r} is {len(found)} times {where}"
        for letter in found:
            if letter.dsn != (expected.dsn if recipients is expected.relayed else {}):
                yield f"{expected.subject!r} {where} is with {letter.dsn}"
            if Counter(letter.recipients) != Counter(recipients):
                yield f"{expected.subject!r} {where} is for {letter.recipients}"
            for fault in faults_of_letter(letter, expected, expected.sender):
                yield f"{expected.subject!r} {where} is {fault}"


def faults(place, caller, run):
    """All that is wrong with what a caller did and what came of it."""
    if run.status not in (None, caller.status):
        yield f"status {run.status} instead of {caller.status}: {run.output}"
    if len(run.calls) != (0 if caller.command else len(caller.letters)):
        yield f"{len(run.calls)} calls of sendmail, {len(caller.letters)} letters: {run.output}"
    for call in run.calls:
        if call.status != 0:
            yield f"{call.command} ended with {call.status}"
    for expected in caller.letters:
        yield from faults_of_expected(place, expected)


# --- running them ---


def have_come(place, callers):
    relayed, boxes = place.letters(), {}
    for expected in (one for caller in callers for one in caller.letters):
        if expected.local and expected.local not in boxes:
            boxes[expected.local] = place.mail_of(expected.local)
        if expected.relayed and not find(relayed, expected):
            return False
        if expected.local and not find(boxes[expected.local], expected):
            return False
    return True


def run_all(place, callers):
    """Caller's name -> Run, when what they sent has come, or has had the time to."""
    chains = {}
    for caller in callers:
        chains.setdefault(caller.alone or caller.name, []).append(caller)
    runs = {}

    def run_chain(chain):
        for caller in chain:
            runs[caller.name] = caller.run(place, caller)

    # What waits for the minute first, then what takes longest.
    first = ["cron", "busybox crond", "apt", "sudo", "fail2ban"]
    order = sorted(chains, key=lambda name: first.index(name) if name in first else len(first))
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run_chain, chains[name]) for name in order]:
            done.result()
    try:
        place.world.wait_until(lambda: have_come(place, callers), 90)
    except AssertionError:
        pass  # Each test tells what is missing of its own.
    place.wait_empty()
    return runs


def write_down(place, callers, runs):
    """For people, and for the README's table."""
    seen = []
    for caller in callers:
        run = runs[caller.name]
        wrong = list(faults(place, caller, run))
        seen.append({
            "caller": caller.name, "package": caller.package,
            "version": place.version(caller.package), "result": "; ".join(wrong) or "ok",
            "commands": sorted({call.command for call in run.calls}) or [caller.command]})
    path = BUILD / "callers.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(seen, indent=2, ensure_ascii=False) + "\n")
    os.replace(new, path)
    return seen


@pytest.fixture(scope="module")
def seen(request):
    """Name -> what was written down of those callers that are asked for."""
    asked = {item.callspec.params["caller"].name if hasattr(item, "callspec") else None
             for item in request.session.items if item.path == request.path}
    callers = [caller for caller in CALLERS if asked & {caller.name, None}]
    alone = {caller.alone for caller in callers if caller.alone}
    callers = [caller for caller in CALLERS if caller in callers or caller.alone in alone]
    place = CallerPlace()
    try:
        realcallers.prepare(place)
        return {entry["caller"]: entry
                for entry in write_down(place, callers, run_all(place, callers))}
    finally:
        place.world.close()


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.slug)
def test_caller(seen, caller):
    assert seen[caller.name]["result"] == "ok"


def test_the_readme_has_the_callers_that_were_run(seen):
    """tests/callers_table.py writes them there."""
    assert callers_table.in_readme() == callers_table.table(seen.values())
