#!/usr/bin/python3
"""How long people wait for an answer about a long queue.

tests/bench/queue.py [MESSAGES]     100 000 by default; prints seconds and system calls a message
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "program"))

from bigqueue import fill  # noqa: E402  (the path comes first)

BUILD = Path(os.environ.get("POSTRIDER_BUILD", REPOSITORY / "build"))
COMMANDS = {
    "mailq": ["mailq", "-C", "CONFIG"],
    "queue list": ["postrider", "queue", "-C", "CONFIG", "list"],
    "queue list --json": ["postrider", "queue", "-C", "CONFIG", "list", "--json"],
    "queue list --domain": ["postrider", "queue", "-C", "CONFIG", "list", "--domain", "d3.example"],
    "status": ["postrider", "status", "-C", "CONFIG"],
    "status --prometheus": ["postrider", "status", "-C", "CONFIG", "--prometheus"],
}


def run(argv, config):
    """Seconds and the most memory in KB."""
    argv = [str(BUILD / argv[0])] + [str(config) if word == "CONFIG" else word for word in argv[1:]]
    began = time.monotonic()
    with open(os.devnull, "wb") as null:
        process = subprocess.Popen(argv, stdout=null)
        _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, argv
    return time.monotonic() - began, usage.ru_maxrss


def calls(argv, config):
    argv = [str(BUILD / argv[0])] + [str(config) if word == "CONFIG" else word for word in argv[1:]]
    with tempfile.NamedTemporaryFile() as counted:
        subprocess.run(["strace", "-qq", "-c", "-U", "calls,name", "-o", counted.name, *argv],
                       stdout=subprocess.DEVNULL, check=True)
        text = Path(counted.name).read_text()
    return {name: int(count) for count, name in re.findall(r"^\s*(\d+) (\w+)$", text, re.MULTILINE)
            if name != "total"}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    folder = Path(tempfile.mkdtemp(prefix="postrider-bench-"))
    try:
        config = folder / "postrider.conf"
        for journals, words in ((0, "without journals"), (count, "each with a journal")):
            queue = folder / f"queue-{journals}"
            began = time.monotonic()
            fill(queue, count, journals)
            config.write_text(f"[mail]\nhostname = here.example\n[queue]\ndirectory = {queue}\n")
            print(f"{count} messages {words}, written in {time.monotonic() - began:.1f} s")
            for name, argv in COMMANDS.items():
                seconds, memory = run(argv, config)
                print(f"  {name:22} {seconds:6.2f} s  {memory:7} KB", flush=True)
            if shutil.which("strace"):
                most = sorted(calls(COMMANDS["mailq"], config).items(), key=lambda one: -one[1])
                print("  mailq, calls a message: "
                      + ", ".join(f"{name} {number / count:.2f}" for name, number in most[:6]))
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
