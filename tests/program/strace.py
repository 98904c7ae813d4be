"""The system calls of a program, counted or listed."""

import os
import re
import tempfile


def without_leak_check(sandbox):
    """The leak sanitizer cannot look at a process that is traced."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return {"ASAN_OPTIONS": ":".join(filter(None, [options, "detect_leaks=0"]))}


def trace(sandbox, argv, *options, check=0):
    """The lines of strace -f about a program of build/."""
    with tempfile.NamedTemporaryFile() as file:
        program = argv[0] if "/" in os.fspath(argv[0]) else sandbox.build / argv[0]
        sandbox.run(["/usr/bin/strace", "-qq", "-f", *options, "-o", file.name, program, *argv[1:]],
                    env=without_leak_check(sandbox), check=check)
        return file.read().decode(errors="backslashreplace").splitlines()


def count(sandbox, argv):
    """How often each system call was made, by name."""
    found = {}
    for line in trace(sandbox, argv):
        call = re.match(r"(?:\d+ +)?(\w+)\(", line)
        if call:
            found[call[1]] = found.get(call[1], 0) + 1
    return found
