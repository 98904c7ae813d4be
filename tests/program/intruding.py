"""Making a process of ours do what an intruder in it would, with intruder.c; needs root."""

import re
import subprocess
from pathlib import Path


def build(folder):
    """The program, in that folder."""
    program = Path(folder) / "intruder"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program,
                    Path(__file__).with_name("intruder.c")], check=True)
    return program


def results(output):
    """What it printed: each try -> an errno (negative), a number, or "killed N"."""
    found = {}
    for line in output.splitlines():
        what, _, came = line.partition(" ")
        found[what] = int(came) if re.fullmatch(r"-?\d+", came) else came
    return found


def read_status(text):
    """The lines of /proc/PID/status as a dict of lists of words."""
    return {key: value.split() for key, _, value in
            (line.partition(":") for line in text.splitlines())}
