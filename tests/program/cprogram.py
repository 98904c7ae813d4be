"""Test programs in C, linked with the modules of the build under test."""

import fcntl
import os
import shlex
import subprocess
from pathlib import Path

from sandbox import BUILD, REPOSITORY

LIBRARIES = ["gnutls", "libgsasl", "libidn2", "inih", "libseccomp", "libxcrypt"]


def build_program(name):
    """The path of the program made of NAME.c in this folder."""
    source = Path(__file__).with_name(f"{name}.c")
    archive = BUILD / "modules.a"
    program = BUILD / "program" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    with open(program.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(source.stat().st_mtime, archive.stat().st_mtime)
        if not program.exists() or program.stat().st_mtime < newest:
            libraries = subprocess.run(["pkg-config", "--cflags", "--libs", *LIBRARIES],
                                       check=True, capture_output=True, text=True).stdout
            watched = {"sanitize": ["-fsanitize=address,undefined"],
                       "coverage": ["--coverage", BUILD / "object/tests/coverage/coverage.o"]}
            subprocess.run(
                [*shlex.split(os.environ.get("CC", "cc")), "-std=c11", "-D_GNU_SOURCE", "-O1",
                 "-g", "-I", REPOSITORY / "src", "-o", f"{program}.new", source,
                 *watched.get(BUILD.name, []), archive, *shlex.split(libraries), "-ldb", "-lresolv"], check=True)
            os.replace(f"{program}.new", program)
    return program
