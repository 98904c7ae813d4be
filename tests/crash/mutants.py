"""Can the trial of power cuts find a mistake? In a recorded run each kind of sync is taken out in
turn, as if the program had forgotten it: then some state must break the promise.
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
         ("a folder that was made", re.compile(r"\.|queue|dkim")),
         ("a new file", re.compile(r".*\.new"))]


def kinds_of(run):
    """kind: the lines of the record that sync it."""
    found, path = {}, ""
    for number, line in enumerate(run.record):
        if line[0] == "c":
            path = line[8].removesuffix(" (deleted)")
        elif line[0] in "sS":
            for kind, pattern in KINDS:
                if pattern.fullmatch(path):
                    found.setdefault(kind, []).append(number)
                    break
    return found


def list_turns(scenario, place):
    return [(kind, kind) for kind in kinds_of(record(scenario, place)[1])]


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
