#!/usr/bin/python3
"""Proves that nothing is lost, whatever dies, fails or loses its power: see README.md beside this.

tests/crash/run.py [--sample N] [--only SCENARIO]... KIND...

Kinds are kills, power, mutants, faults and memory. --sample takes N turns of each scenario, the same
ones each time, most of them at what syncs, names and writes. A line for each scenario, "ok" or "BROKEN"
in front, and one for each kind; the exit status is 1 when a promise was broken.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
import traceback

import faults
import kills
import memory
import mutants
import power
from place import Place
from scenarios import SCENARIOS

WORKERS = 3 * (os.cpu_count() or 1)  # most of them wait most of the time
MISSED = 0.02  # so many turns of a scenario, or four, may not be reached: a run is not quite like another
TURNS = 150  # of one scenario that a worker takes at once

# What a table says of each kind, what one turn of it is, and where it is done.
KINDS = {
    "kills": ("kill at each system call", "deaths", kills),
    "power": ("power cut at each change of the disk", "cuts", power),
    "mutants": ("each sync taken out, to be noticed", "kinds", mutants),
    "faults": ("each system call fails", "faults", faults),
    "memory": (f"each of {memory.ALL_OF} allocations fails, and every {memory.STEP}rd behind them", "faults",
               memory),
}


def work(task):
    """In a process of its own: some turns of one scenario."""
    kind, number, turns, folder = task
    place = Place()
    try:
        return number, KINDS[kind][2].play(SCENARIOS[number](), place, turns, kills.Seen(folder))
    except Exception:  # pylint: disable=broad-except
        result = kills.Result(SCENARIOS[number].name)
        result.faults.append(traceback.format_exc())
        return number, result
    finally:
        place.close()


def prepare(task):
    kind, number = task
    place = Place()
    try:
        return number, KINDS[kind][2].list_turns(SCENARIOS[number](), place)
    finally:
        place.close()


def play(kind, chosen, sample):
    """One kind; the results by the scenario's number."""
    results = {number: kills.Result(SCENARIOS[number].name) for number in chosen}
    with tempfile.TemporaryDirectory(prefix="postrider-crash-") as folder, \
            multiprocessing.Pool(WORKERS, maxtasksperchild=8) as pool:
        tasks = []
        for number, turns in pool.imap_unordered(prepare, [(kind, number) for number in chosen]):
            turns = kills.sample(turns, sample)
            # A kind of sync that is taken out is another trial of power cuts.
            step = len(turns) if kind == "mutants" else max(1, -(-len(turns) // TURNS))
            tasks += [(kind, number, turns[at::step], folder) for at in range(step)]
        for number, result in pool.imap_unordered(work, tasks):
            results[number].add(result)
    for result in results.values():
        if not result.turns:
            result.faults.append(f"{result.name}: nothing was tried")
        elif result.missed > max(4, result.turns * MISSED):
            result.faults.append(f"{result.name}: {result.missed} of {result.turns} turns were not reached")
    return results


def show(kind, results, seconds):
    """The lines; whether the promise was kept."""
    words, unit, _ = KINDS[kind]
    for number, result in results.items():
        print(f"{'ok' if not result.faults else 'BROKEN'} {SCENARIOS[number].row_of(kind)} {words}: "
              f"{result.name}: {result.turns} {unit}, {result.states} states, "
              f"{len(result.faults)} violations")
        for fault in result.faults[:10]:
            print(f"    {fault[:2000]}")
    turns, states, missed, broken = (sum(each) for each in zip(*(
        (one.turns, one.states, one.missed, len(one.faults)) for one in results.values())))
    print(f"{words}: {len(results)} scenarios, {turns} {unit}, {states} states, {broken} violations"
          f" ({missed} not reached, {seconds:.0f} s)", flush=True)
    return not broken


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sample", type=int)
    parser.add_argument("--only", action="append", choices=[one.__name__ for one in SCENARIOS])
    parser.add_argument("kind", nargs="+", choices=list(KINDS))
    options = parser.parse_args()
    good = True
    for kind in options.kind:
        chosen = [number for number, one in enumerate(SCENARIOS)
                  if not options.only or one.__name__ in options.only]
        if not chosen:
            parser.error(f"{kind} has no such scenario")
        began = time.monotonic()
        results = play(kind, chosen, options.sample)
        good = show(kind, results, time.monotonic() - began) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
