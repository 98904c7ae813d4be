"""No memory: each allocation of a program of a scenario fails, one in each run. Nothing is lost, and
the program ends by itself, with a word."""

from faults import check_ends
from kills import Result, bring_to_end
from place import BUILD, HANGS, digest
from promise import find_unnoted

LIBRARY = BUILD / "scarce.so"
PROGRAMS = ("postrider", "postrider-run", "postrider-listen", "postrider-mailbox")
ALL_OF = 400  # the first so many allocations of a program; of the rest every STEP-th
STEP = 23


def perform(scenario, place, program, number):
    """The run, and the lines that the library noted."""
    note = place.folder / "note"
    note.unlink(missing_ok=True)
    place.more = {"LD_PRELOAD": str(LIBRARY), "SCARCE_PROGRAM": program, "SCARCE_AT": str(number),
                  "SCARCE_NOTE": str(note)}
    try:
        run = scenario.perform(place, [])
    finally:
        place.more = {}
    return run, note.read_text().splitlines() if note.exists() else []


def list_turns(scenario, place):
    """(program, the how many-th allocation)."""
    scenario.prepare(place)
    begin, turns = place.save(), []
    for program in PROGRAMS:
        place.restore(begin)
        run, notes = perform(scenario, place, program, 0)
        assert run.status == 0, f"{scenario.name}: {run.status} {run.err}"
        most = max((int(line.split()[1]) for line in notes), default=0)
        turns += [(program, (program, number)) for number in range(1, most + 1)
                  if number <= ALL_OF or number % STEP == 0]
    return turns


def play(scenario, place, turns, seen):
    result = Result(scenario.name)
    scenario.is_faulty = True
    scenario.prepare(place)
    begin = place.save()
    for program, number in turns:
        result.turns += 1
        place.restore(begin)
        run, notes = perform(scenario, place, program, number)
        place.smarthost.settle()
        words = f"{scenario.name}, {program}, allocation {number}"
        result.missed += not any(line.startswith("failed") for line in notes)
        if run.late or run.status == HANGS:
            result.faults.append(f"{words}: it hangs")
            continue
        faults = check_ends(run)
        nodes = place.save()
        if seen.is_new(digest(nodes, scenario.name, place.smarthost.taken(), scenario.is_done(run))):
            result.states += 1
            may_repeat = find_unnoted(nodes, place.smarthost.taken())
            faults += bring_to_end(scenario, place, run, may_repeat)
        result.faults += [f"{words}: {one}" for one in faults]
    return result
