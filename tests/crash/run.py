#!/usr/bin/python3
"""Proves that nothing is lost, whatever dies and fails: see README.md beside this.

tests/crash/run.py kills [--sample N] [SCENARIO...]
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
import power
from place import Place
from scenarios import SCENARIOS

WORKERS = 3 * (os.cpu_count() or 1)
TURNS = 150  # of one scenario that a worker takes at once


KINDS = {"kills": (kills, "deaths"), "power": (power, "power cuts"), "faults": (faults, "faults")}


def work(task):
    """In a process of its own: some turns of one scenario."""
    kind, number, turns, folder = task
    place = Place()
    try:
        return number, KINDS[kind][0].play(SCENARIOS[number](), place, turns, kills.Seen(folder))
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
        return number, KINDS[kind][0].list_turns(SCENARIOS[number](), place)
    finally:
        place.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=list(KINDS))
    parser.add_argument("--sample", type=int, help="so many turns of each scenario")
    parser.add_argument("scenario", nargs="*")
    options = parser.parse_args()
    chosen = [number for number, one in enumerate(SCENARIOS)
              if not options.scenario or one.__name__ in options.scenario]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="postrider-crash-") as folder, multiprocessing.Pool(WORKERS, maxtasksperchild=8) as pool:
        tasks = []
        for number, turns in pool.imap_unordered(prepare,
                                                 [(options.what, one) for one in chosen]):
            turns = kills.sample(turns, options.sample)
            step = max(1, -(-len(turns) // TURNS))
            tasks += [(options.what, number, turns[at::step], folder) for at in range(step)]
        results = {number: kills.Result(SCENARIOS[number].name) for number in chosen}
        for number, result in pool.imap_unordered(work, tasks):
            results[number].add(result)
    for result in results.values():
        print(f"{'ok' if not result.faults else 'BROKEN'} {result.name}: {result.turns} {KINDS[options.what][1]}, "
              f"{result.states} states, {len(result.faults)} violations ({result.missed} missed)")
        for fault in result.faults[:10]:
            print(f"    {fault[:300]}")
    print(f"{sum(one.turns for one in results.values())} {KINDS[options.what][1]}, "
          f"{sum(one.states for one in results.values())} states, "
          f"{sum(len(one.faults) for one in results.values())} violations, "
          f"{time.monotonic() - began:.0f} s")
    cpu = os.times()
    print(f"cpu {sum(cpu[:4]):.0f} s")
    return 1 if any(one.faults for one in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
