#!/usr/bin/python3
"""Runs the fuzz targets that `make FUZZ=1 fuzzers` has built, each over its own seeds.

tests/fuzz/run.py --runs N [TARGET...]      so many inputs, the same ones each time
tests/fuzz/run.py --seconds N [TARGET...]   for so long, from where the last time ended

As many at a time as there are cores. A target that breaks a promise leaves its input in
build/fuzz/found; the exit status is 1 then.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "build" / "fuzz"
SEEDS = REPOSITORY / "tests" / "fuzz" / "corpus"
FOUND = BUILD / "found"
# Targets for which an input is several files get that part of the runs.
PART = {"import": 10}


def targets():
    return sorted(path.stem[len("fuzz_"):] for path in SEEDS.parent.glob("fuzz_*.c"))


def run(target, limits, keep):
    """Its exit status and what it printed."""
    learned = BUILD / ("corpus" if keep else "corpus-short") / target
    if not keep:
        shutil.rmtree(learned, ignore_errors=True)
    learned.mkdir(parents=True, exist_ok=True)
    FOUND.mkdir(exist_ok=True)
    # In memory, where there is such a place: a queue is synced for each message.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="postrider-fuzz-", dir=memory) as space:
        done = subprocess.run(
            [BUILD / f"fuzz_{target}", *limits, "-timeout=20", "-rss_limit_mb=1024",
             f"-artifact_prefix={FOUND}/{target}-", learned, SEEDS / target],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            env={**os.environ, "TMPDIR": space, "XDG_STATE_HOME": space, "TZ": "UTC"},
        )
    return done.returncode, done.stdout.decode("utf-8", "backslashreplace")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--runs", type=int)
    how.add_argument("--seconds", type=int)
    parser.add_argument("target", nargs="*", choices=[*targets(), []])
    options = parser.parse_args()
    wanted, inputs, bad = options.target or targets(), 0, 0

    def fuzz(target):
        limits = ([f"-runs={options.runs // PART.get(target, 1)}", "-seed=1"] if options.runs
                  else [f"-max_total_time={options.seconds}"])
        return run(target, limits, keep=not options.runs)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for target, (status, output) in zip(wanted, pool.map(fuzz, wanted)):
            lines = output.splitlines()
            print(f"{'ok' if status == 0 else 'BROKEN'} {target}: {lines[-1] if lines else ''}",
                  flush=True)
            done = re.findall(r"^Done (\d+) runs", output, re.MULTILINE)
            inputs += int(done[-1]) if done else 0
            # One that ends without a word has looked at nothing.
            if status or not done:
                bad += 1
                print("\n".join(lines[-60:]), flush=True)
    print(f"fuzz: {len(wanted)} targets, {inputs} inputs, {bad} promises broken")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
