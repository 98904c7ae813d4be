"""memcheck over units and programs: `make valgrind`. Every process of each test runs under valgrind, and
nothing may be found in any. Of a test with many cases one is run here, as the sanitizers have all
of them in `make check`. Under it a program takes some thirty times as long: a test that fails for
want of time has been looked at all the same, and is only counted; but not more than one in ten. What
is left in memory at the end is the sanitizers' matter.

run.py [ARGUMENT...]    hands the arguments to pytest, instead of all that is not installed
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "build" / "valgrind"
WRAPPED = BUILD / "wrapped"  # scripts in the place of the programs
LOGS = BUILD / "logs"
CORES = os.cpu_count() or 1
LONGEST = 900  # seconds for a unit
CASES = 1  # of each test
# Ended by the first finding: another program that it would become starts its log anew.
VALGRIND = ["/usr/bin/valgrind", "--exit-on-first-error=yes", "--error-exitcode=99", "-q",
            "--trace-children=yes", "--num-callers=16", "--vgdb=no", "--read-inline-info=no",
            "--trace-children-skip=/usr/*,/bin/*,/sbin/*",
            f"--suppressions={REPOSITORY / 'tests/valgrind/suppressions'}", f"--log-file={LOGS}/%p"]
PROGRAMS = ("postrider", "sendmail", "mailq", "newaliases", "postrider-run", "postrider-listen",
            "postrider-local", "postrider-mailbox")
# What proves the sandbox, which this build does not have (tests/unconfined.c), what traces programs
# itself, and what is about time and amounts.
IGNORED = ("test_listen_sandbox.py", "test_worker_sandbox.py", "test_kill.py",
           "test_crash.py", "test_long_queue.py", "test_listen_load.py", "test_listen_loss.py",
           "test_set_group.py", "test_demo.py")
IGNORED_UNITS = ("test_sandbox",)  # likewise
# Not the remarks about calls that this valgrind does not know, which are answered as by an older kernel.
FINDING = re.compile(r"^==\d+== (?!Warning: )\S| {3,}(at|by) 0x")


def wrap():
    shutil.rmtree(WRAPPED, ignore_errors=True)
    WRAPPED.mkdir(parents=True)
    for name in PROGRAMS:
        path = WRAPPED / name
        path.write_text(f"#!/bin/sh\nexec {' '.join(VALGRIND)} {BUILD / name} \"$@\"\n")
        path.chmod(0o755)
    for name in ("modules.a", "object"):
        (WRAPPED / name).symlink_to(BUILD / name)


def run_unit(name):
    try:
        done = subprocess.run([*VALGRIND, BUILD / "unit" / name], cwd=REPOSITORY, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LONGEST,
                              env={**os.environ, "WATCHED": "1"})
    except subprocess.TimeoutExpired:
        return 0, 1
    text = done.stdout.decode("utf-8", "backslashreplace")
    good = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", text)))
    bad = len(set(re.findall(r"^\[  FAILED  \] (\w+)$", text, re.MULTILINE)))
    return good, max(bad, done.returncode != 0)


def run_programs(arguments):
    assert all((REPOSITORY / "tests/program" / name).exists() for name in IGNORED)
    ignored = [f"--ignore=tests/program/{name}" for name in IGNORED]
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-q", "--tb=no", "-rN", "-n", str(3 * CORES),
         "--dist=loadgroup", "-p", "no:cacheprovider", "-m", "not installed and not once", *ignored,
         *(arguments or ["tests/program"])],
        cwd=REPOSITORY, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        env={**os.environ, "POSTRIDER_BUILD": str(WRAPPED), "POSTRIDER_CASES": str(CASES)})
    text = done.stdout.decode("utf-8", "backslashreplace")
    counts = {what: int(number) for number, what in re.findall(r"(\d+) (passed|failed|error)", text)}
    good, bad = counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0)
    # Neither none at all, nor an end before the last of them.
    return good, bad + (done.returncode not in (0, 1) or good + bad == 0)


class Reader:
    """Reads the logs of processes that have ended, while others go on: numbers of processes come again."""

    def __init__(self):
        self.found, self.processes, self.over = [], 0, False
        self.thread = threading.Thread(target=self.read_all)
        self.thread.start()

    def read_all(self):
        while not self.over:
            time.sleep(1)
            self.sweep()

    def sweep(self):
        for log in LOGS.iterdir():
            if not (Path("/proc") / log.name).exists():
                self.read(log)

    def read(self, log):
        self.processes += 1
        lines = [line for line in log.read_text(errors="backslashreplace").splitlines()
                 if FINDING.search(line)]
        # Killed on purpose, or by an alarm: no fault of memory.
        if lines and not all("Process terminating with default action of signal" in line
                             or "at 0x" in line or "by 0x" in line for line in lines):
            self.found.append(f"{log.name}:\n" + "\n".join(lines[:25]))
        log.unlink()

    def end(self):
        self.over = True
        self.thread.join()
        for log in LOGS.iterdir():
            self.read(log)


def main():
    arguments = sys.argv[1:]
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True, mode=0o777)
    LOGS.chmod(0o1777)
    wrap()
    reader = Reader()
    passed = late = 0
    if not arguments:
        names = [path.stem for path in sorted(REPOSITORY.glob("tests/unit/test_*.c"))
                 if path.stem not in IGNORED_UNITS]
        with ThreadPoolExecutor(CORES) as pool:
            for good, bad in pool.map(run_unit, names):
                passed, late = passed + good, late + bad
        print(f"  units: {passed} tests, {late} without time enough", flush=True)
    good, bad = run_programs(arguments)
    print(f"  programs: {good} tests, {bad} without time enough", flush=True)
    reader.end()
    for text in reader.found[:20]:
        print(f"FOUND {text}")
    print(f"valgrind: {passed + good} tests passed, {late + bad} had no time enough, "
          f"{reader.processes} processes, {len(reader.found)} with findings")
    return 1 if reader.found or not reader.processes or 10 * (late + bad) > passed + good else 0


if __name__ == "__main__":
    sys.exit(main())
