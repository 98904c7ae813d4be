"""Kill at each system call: one process of a scenario's tree dies right before a call of its own, or
all of them do; what is left is brought to its end, and the promise checked.

Deaths that leave the same (times and ids apart) are brought to their end once.
"""

import os
import random

from place import HANGS, digest
from promise import find_unnoted


class Result:
    """Of one scenario, or of a part of its turns."""

    def __init__(self, name):
        self.name = name
        self.turns = self.states = self.missed = 0
        self.faults = []

    def add(self, other):
        self.turns += other.turns
        self.states += other.states
        self.missed += other.missed
        self.faults += other.faults


def list_calls(run):
    """(process, number, call) of every call of the programs, as the record has them."""
    return [(line[2], int(line[3]), line[4]) for line in run.record if line[0] == "c"]


# What a promise hangs on: of these calls a sample has more than of others.
SYNCS = ("fsync", "fdatasync")
NAMES = ("linkat", "link", "rename", "renameat", "renameat2", "unlink", "unlinkat")
WRITES = ("write", "writev", "pwrite64", "ftruncate", "sendto")
OF_NO_KIND = None
FOR_ALL_ALONE = "too long for a sample"


def kind_of_call(line):
    """Of a call of the record: what a sample must not miss, told apart by the call and the folder."""
    call, kind, path = line[4], line[6], line[8]
    if call in SYNCS + NAMES or (call in WRITES and kind in "fs"):
        return call, kind, "/".join(path.split("/")[:2]) if kind in "fdn" else ""
    return OF_NO_KIND


def list_turns(scenario, place):
    """Where a kill can be, each with its kind: (process, number, one or all)."""
    _, run = record(scenario, place)
    calls = list_calls(run)
    ways = "kK" if len({process for process, _, _ in calls}) > 1 else "k"
    turns, before = [], {}
    for line in run.record:
        if line[0] != "c":
            continue
        process, number, after = line[2], int(line[3]), before.get(line[2])
        before[process] = kind_of_call(line)
        kind = ("before", before[process]) if before[process] else ("after", after) if after else OF_NO_KIND
        turns += [(kind, (process, number, how)) for how in ways]
    return turns


def sample(turns, count, seed=1):
    """Of (kind, turn) so many turns, the same ones each time; None: all of them. Four of five are of as
    many kinds as there are, in turn; the others of no kind."""
    chance, kinds = random.Random(seed), {}
    if count is None or count >= len(turns):
        return [turn for _, turn in turns]
    order = list(range(len(turns)))
    chance.shuffle(order)
    for index in order:
        kinds.setdefault(turns[index][0], []).append(index)
    kinds.pop(FOR_ALL_ALONE, None)
    rest = kinds.pop(OF_NO_KIND, [])
    ranked = sorted((rank, at, index) for at, each in enumerate(kinds.values())
                    for rank, index in enumerate(each))
    first = [index for _, _, index in ranked]
    most = count - min(count // 5, len(rest))
    chosen = (first[:most] + rest + first[most:])[:count]
    return [turns[index][1] for index in sorted(chosen)]


def perform_until_reached(place, scenario, begin, options, tries=3):
    """The run; who comes first differs, and sometimes so does the number of calls."""
    for _ in range(tries):
        place.restore(begin)
        run = scenario.perform(place, options)
        place.smarthost.settle()
        if run.reached or run.late:
            break
    return run


def kill_at(place, scenario, begin, where):
    """The run that was killed, and a name for what it left."""
    process, number, how = where
    run = perform_until_reached(place, scenario, begin, ["-p", f"{process}:{number}", f"-{how}"])
    nodes = place.save()
    return run, nodes, digest(nodes, scenario.name, place.smarthost.taken(), scenario.is_done(run))


class Seen:
    """Names of states, which all workers share: a folder with an empty file for each."""

    def __init__(self, folder):
        self.folder = folder

    def is_new(self, name):
        try:
            os.close(os.open(f"{self.folder}/{name.hex()}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


def play(scenario, place, turns, seen):
    """All of these kills, one after the other."""
    result = Result(scenario.name)
    scenario.prepare(place)
    begin = place.save()
    for where in turns:
        result.turns += 1
        run, nodes, name = kill_at(place, scenario, begin, where)
        words = f"{scenario.name}, {where[0]} before call {where[1]}, {'all' if where[2] == 'K' else 'one'}"
        result.missed += not run.reached
        if run.late or run.status == HANGS:
            result.faults.append(f"{words}: it hangs")
            continue
        if not seen.is_new(name):
            continue
        result.states += 1
        may_repeat = find_unnoted(nodes, place.smarthost.taken())
        result.faults += [f"{words}: {fault}"
                          for fault in bring_to_end(scenario, place, run, may_repeat)]
    return result


def bring_to_end(scenario, place, run, may_repeat):
    """Faults of what comes of it."""
    try:
        scenario.recover(place, run)
        return scenario.check(place, run, may_repeat)
    except (AssertionError, OSError) as error:
        return [f"{type(error).__name__} {error}"]


def record(scenario, place):
    """The run without a death, and what was on disk before; it has to keep the promise itself."""
    scenario.prepare(place)
    place.restore(place.save())
    begin = place.save()
    run = scenario.perform(place, ["-R"])
    place.smarthost.settle()
    place.recorded = list(place.smarthost.messages)
    scenario.recover(place, run)
    faults = scenario.check(place, run)
    assert run.status == 0 and not faults, f"{scenario.name}: {run.status} {faults} {run.err}"
    return begin, run
