"""A terminal for a program: what it shows, and what a person types."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
import unicodedata


def on_terminal(sandbox, argv, typed=b"", columns=100, seconds=60, env=None):
    """Runs a program of build/ on a terminal; its exit status and what it showed, as bytes."""
    return shown_by(lambda slave: sandbox.start(argv, stdin=slave, stdout=slave, stderr=slave, env=env),
                    typed, columns, seconds)


def shown_by(start, typed=b"", columns=100, seconds=60):
    """The same of any program; start(slave) is to run it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    program = start(slave)
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


class Dialogue:
    """A program on a terminal of its own, which is spoken with; start(slave) is to run it."""

    def __init__(self, start):
        self.master, slave = pty.openpty()
        self.program = start(slave)
        self.slave = slave  # held open, so that its modes can be looked at afterwards
        self.shown = b""

    def wait_for(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} is not in {self.shown!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536)

    def answer(self, question, text):
        self.wait_for(question)
        self.shown = self.shown.replace(question, b"", 1)
        os.write(self.master, text)

    def end(self):
        status = self.program.wait(30)
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 65536)
        echo = termios.tcgetattr(self.slave)[3] & termios.ECHO
        os.close(self.slave)
        os.close(self.master)
        assert echo, "the echo is still off"
        return status


class Terminal(Dialogue):
    """A verb of postrider on one."""

    def __init__(self, place, verb, *arguments):
        super().__init__(lambda slave: place.start(
            ["postrider", verb, "-C", place.config, *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True))


def without_tones(shown):
    """What a terminal showed, as text without its colours."""
    return re.sub(r"\x1b\[[0-9]*m", "", shown.decode() if isinstance(shown, bytes) else shown)


def columns_of(line):
    """How many columns of a terminal a line takes."""
    return sum(0 if unicodedata.combining(character) else
               2 if unicodedata.east_asian_width(character) in "WF" else 1
               for character in without_tones(line))
