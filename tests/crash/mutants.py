"""Can the trial of power cuts find a mistake? In a recorded run each kind of sync is taken out in
turn, as if the program had forgotten it: then some state must break the promise, but for what
UNNOTICED has with its reason.
"""

import re

from kills import Result, record
from power import try_cuts

# What is synced, by its path; some of it only keeps order in the house.
KINDS = [("a message's file", re.compile(r"queue/spool/.*")),
         ("the queue's folder", re.compile(r"queue/spool")),
         ("a journal", re.compile(r"queue/journal/.*")),
         ("the journals' folder", re.compile(r"queue/journal")),
         ("the traces' folder", re.compile(r"queue/runs")),
         ("a mailbox", re.compile(r"mail/.*")),
         ("the mailboxes' folder", re.compile(r"mail")),
         ("the hops' folder", re.compile(r"queue/hops")),
         ("the memory of a rate", re.compile(r"queue/hops/rate-[^/]+")),
         ("the greylist", re.compile(r"queue/filter/greylist\.db")),
         ("a folder that was made", re.compile(r"\.|queue|dkim")),
         ("a new file", re.compile(r".*\.new"))]


# What nobody would miss in such a scenario, and why.
UNNOTICED = [
    (("a journal", "the journals' folder"), ("SubmissionAndRun", "Retry", "Inbound"),
     "the message goes in the same run, and its end, which is synced, says as much; until then the mailbox "
     "knows an entry that comes again, and the smarthost may get the message twice"),
    (("the queue's folder",), ("Hold",), "it makes last what a verb removed, and this one removes nothing"),
    (("the memory of a rate",), ("Rate",),
     "more may go than the rate allows, and no message is lost or sent twice by that"),
    (("a folder that was made",), ("Newaliases",),
     "the database that was there before says of which text it was made, and the newer one is read instead"),
]


def unnoticed(scenario):
    """The kinds whose loss this scenario cannot show."""
    return {kind for kinds, names, _ in UNNOTICED if type(scenario).__name__ in names for kind in kinds}


def kinds_of(run):
    """kind: the lines of the record that sync it."""
    found, path = {}, ""
    for number, line in enumerate(run.record):
        if line[0] == "c":
            path = line[8].removesuffix(" (deleted)")
        elif line[0] in "sS":
            kind = next((kind for kind, pattern in KINDS if pattern.fullmatch(path)), None)
            assert kind, f"{path} is synced, and of no kind"
            found.setdefault(kind, []).append(number)
    return found


def list_turns(scenario, place):
    found = set(kinds_of(record(scenario, place)[1]))
    stale = unnoticed(scenario) - found
    assert not stale, f"{scenario.name} syncs no {stale}"
    return [(kind, kind) for kind in sorted(found - unnoticed(scenario))]


def play(scenario, place, turns, seen):
    result = Result(scenario.name)
    begin, run = record(scenario, place)
    kinds = kinds_of(run)
    for kind in turns:
        trial = Result(scenario.name)
        try_cuts(scenario, place, begin, run, seen, trial, dropped=tuple(kinds[kind]), most=1)
        result.turns += 1
        result.states += trial.states
        if not trial.faults:
            result.faults.append(f"{scenario.name}: it goes unnoticed that {kind} is not synced")
    return result
