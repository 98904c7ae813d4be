"""A terminal for a program: what it shows, and what a person types."""

import fcntl
import os
import pty
import select
import struct
import termios
import time


def on_terminal(sandbox, argv, typed=b"", columns=100, seconds=60, env=None):
    """Runs a program of build/ on a terminal; its exit status and what it showed, as bytes."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    program = sandbox.start(argv, stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    os.write(master, typed)
    shown = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            shown += data
    os.close(master)
    return program.wait(10), shown
