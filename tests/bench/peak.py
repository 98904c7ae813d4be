"""The most memory that any one process of a machine had while something was done. A process that lives for
less than the pause between two looks may be missed as a whole.
"""

import os
import re
import threading
import time
from pathlib import Path

PAUSE = 0.05  # seconds between looks; the kernel keeps a process's peak, so of a longer one only its end
# can be missed
# The bench's own, and what the machine starts to be looked at.
NOT_COUNTED = ("sink", "source", "spawn", "sh", "sleep", "ps", "cat", "kill", "rm", "find", "env",
               "nsenter")


class Peak:
    """with Peak(machine) as peak: ...; then peak.most is in MB, and peak.who is that process."""

    def __init__(self, machine):
        self.space = os.readlink(f"/proc/{machine.world.init}/ns/pid")
        self.strangers = set()
        self.most, self.who = 0, ""
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _members(self):
        for name in os.listdir("/proc"):
            if name.isdigit() and name not in self.strangers:
                try:
                    if os.readlink(f"/proc/{name}/ns/pid") == self.space:
                        yield name
                    elif int(name) != os.getpid():
                        self.strangers.add(name)
                except OSError:
                    continue

    def _look(self):
        for name in self._members():
            try:
                text = Path(f"/proc/{name}/status").read_text(encoding="utf-8")
            except OSError:
                continue
            found = re.search(r"^VmHWM:\s+(\d+)", text, re.MULTILINE)
            command = text.split(None, 2)[1]
            if found and command not in NOT_COUNTED and int(found.group(1)) / 1024 > self.most:
                self.most, self.who = int(found.group(1)) / 1024, command

    def _forget(self):
        """A daemon's peak of earlier work is none of this one."""
        for name in self._members():
            try:
                Path(f"/proc/{name}/clear_refs").write_text("5", encoding="ascii")
            except OSError:
                continue

    def _watch(self):
        while not self.done.is_set():
            self._look()
            time.sleep(PAUSE)

    def __enter__(self):
        self._forget()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self._look()
