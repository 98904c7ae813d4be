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


def list_turns(scenario, place):
    """Where a kill can be: (process, number, one or all)."""
    _, run = record(scenario, place)
    calls = list_calls(run)
    ways = "kK" if len({process for process, _, _ in calls}) > 1 else "k"
    return [(process, number, how) for process, number, _ in calls for how in ways]


def sample(turns, count, seed=1):
    """The same ones each time; None: all of them."""
    if count is None or count >= len(turns):
        return turns
    chosen = random.Random(seed).sample(range(len(turns)), count)
    return [turns[index] for index in sorted(chosen)]


def kill_at(place, scenario, begin, where):
    """The run that was killed, and a name for what it left."""
    process, number, how = where
    place.restore(begin)
    run = scenario.perform(place, ["-p", f"{process}:{number}", f"-{how}"])
    place.smarthost.settle()
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
