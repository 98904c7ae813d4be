"""How much of src the tests run: `make coverage`. Units and programs, the installed ones too, against
the build of COVERAGE=1; then a figure for each room and in total, the files that are run the least,
and the functions that are never run at all.

report.py [ARGUMENT...]    hands the arguments to pytest, instead of all of tests/program
report.py --again          tells the figures of the last run, and runs nothing
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "build" / "coverage"
CORES = os.cpu_count() or 1
WORST = 10
# What proves the sandbox, which this build does not have (tests/unconfined.c).
CONFINED = ("test_listen_sandbox.py", "test_worker_sandbox.py")


def forget():
    """Empty counts in the place of all, that every user may write to, whoever comes first."""
    for note in BUILD.rglob("*.gcno"):
        counts = note.with_suffix(".gcda")
        counts.write_bytes(b"")
        counts.chmod(0o666)


def run_tests(arguments):
    """What fails here has failed in `make check` as well, or wants the sandbox: told, no more."""
    for unit in sorted(REPOSITORY.glob("tests/unit/test_*.c")):
        done = subprocess.run([BUILD / "unit" / unit.stem], cwd=REPOSITORY, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            print(f"{unit.stem} ended with {done.returncode}")
    ignored = [f"--ignore=tests/program/{name}" for name in CONFINED]
    subprocess.run(["/usr/bin/python3", "-m", "pytest", "-q", "--tb=no", "-n", str(2 * CORES),
                    "--dist=loadgroup", "-p", "no:cacheprovider", *ignored,
                    *(arguments or ["tests/program"])],
                   cwd=REPOSITORY, check=False, stdin=subprocess.DEVNULL,
                   env={**os.environ, "POSTRIDER_BUILD": str(BUILD)})


def gcov(note):
    """What it says of one source; of counts that are empty it says nothing, of none that all are 0."""
    counts = note.with_suffix(".gcda")
    if counts.exists() and not counts.stat().st_size:
        counts.unlink()
    done = subprocess.run(["gcov", "--json-format", "--stdout", note], cwd=REPOSITORY, check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return json.loads(done.stdout)["files"]


def read_counts():
    """file: {line: times run}, and {(file, line): name} of functions that were never run."""
    lines, functions = defaultdict(dict), defaultdict(int)
    with ThreadPoolExecutor(CORES) as pool:
        for files in pool.map(gcov, sorted(BUILD.glob("object/src/*/*.gcno"))):
            for file in files:
                name = file["file"]
                if not name.startswith("src/"):
                    continue
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[name][number] = max(lines[name].get(number, 0), line["count"])
                for function in file["functions"]:
                    functions[name, function["start_line"], function["name"]] += (
                        function["execution_count"])
    return lines, sorted(where for where, count in functions.items() if not count)


def share(run, all_lines):
    return f"{100 * run / all_lines:5.1f} %  {run:6} of {all_lines:6} lines" if all_lines else "none"


def report():
    lines, idle = read_counts()
    run = {name: sum(1 for count in file.values() if count) for name, file in lines.items()}
    rooms = defaultdict(list)
    for name in lines:
        rooms[name.split("/")[1]].append(name)
    for room, names in sorted(rooms.items()):
        total = share(sum(run[name] for name in names), sum(len(lines[name]) for name in names))
        print(f"{room + '/':12}{total}")
    print(f"{'src/':12}{share(sum(run.values()), sum(map(len, lines.values())))}")
    print(f"\nThe {WORST} files that are run the least:")
    for name in sorted(lines, key=lambda name: run[name] / len(lines[name]))[:WORST]:
        missing = [str(number) for number, count in sorted(lines[name].items()) if not count]
        print(f"{share(run[name], len(lines[name]))}  {name}: {' '.join(missing)}")
    if idle:
        print("\nNever called:")
        for name, line, function in idle:
            print(f"{name}:{line}: {function}")
    return lines


def main():
    arguments = sys.argv[1:]
    if arguments != ["--again"]:
        forget()
        run_tests(arguments)
    lines = report()
    # Every line, for who wants to look at one file.
    with open(BUILD / "lines", "w", encoding="ascii") as out:
        for name, file in sorted(lines.items()):
            for number, count in sorted(file.items()):
                out.write(f"{name}:{number}:{count}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
