"""A disk that can lose what was not synced: what a power cut may leave of a recorded run.

The rules are the weakest that POSIX allows and file systems have shown: until a file is synced, each
of its writes, lengths, times and modes may be there or not, in any combination; a write may be there
in part, with zeros where the rest should be. Until a folder is synced, the same goes for each of its
names. Syncing a file does not sync its name, and no order holds between files. A rename is whole or
not at all.
"""

import random

from place import Node

BLOCK = 4096
FOLDER = "folder"


class Change:
    """Something that is not synced yet: seq says when it came, .on which file (its inode) or folders
    it waits for."""

    def __init__(self, seq, kind, on, *values):
        self.seq, self.kind, self.on, self.values = seq, kind, on, values


class File:
    def __init__(self, data=b"", mode=0o600, time=0):
        self.data, self.mode, self.time = bytearray(data), mode, time

    def copy(self):
        return File(self.data, self.mode, self.time)

    def write(self, at, data):
        if len(self.data) < at + len(data):
            self.data.extend(bytes(at + len(data) - len(self.data)))
        self.data[at:at + len(data)] = data

    def cut(self, size):
        if size < len(self.data):
            del self.data[size:]
        else:
            self.data.extend(bytes(size - len(self.data)))


def part(path):
    """Folder and name."""
    folder, _, name = path.rpartition("/")
    return folder, name


class Disk:
    """What is safe, and the changes since then that are not."""

    def __init__(self, nodes):
        self.files = {}  # by inode number
        self.names = {"": {}}  # folder: {name: inode number, or FOLDER}
        self.pending = []
        for path, node in nodes.items():
            folder, name = part(path)
            if node.data is None:
                self.names[path] = {}
                self.names[folder][name] = FOLDER
            else:
                self.files[node.inode] = File(node.data, node.mode, node.time)
                self.names[folder][name] = node.inode
        self.modes = {path: node.mode for path, node in nodes.items() if node.data is None}

    # --- what happens ---

    def note(self, seq, line):
        """Takes over a line of the record; whether it changed anything."""
        kind, values = line[0], line[1:]
        if kind == "o":
            return self.note_name(seq, int(values[0]), int(values[1], 8), values[2])
        if kind == "w":
            self.add(seq, "write", [int(values[0])], int(values[1]), bytes.fromhex(values[2]))
        elif kind == "t":
            self.add(seq, "length", [int(values[0])], int(values[1]))
        elif kind == "T":
            self.add(seq, "time", [int(values[0])], int(values[1]))
        elif kind == "m":
            self.add(seq, "mode", [int(values[0])], int(values[1], 8))
        elif kind == "d":
            self.names[values[0]] = {}
            self.add(seq, "name", [part(values[0])[0]], values[0], FOLDER)
        elif kind == "u":
            self.add(seq, "name", [part(values[0])[0]], values[0], None)
        elif kind == "r":
            self.note_rename(seq, *values)
        elif kind == "s":
            self.sync(int(values[0]), int(values[1]), values[2] == "1")
        elif kind == "S":
            self.sync(int(values[0]), "" if values[1] == "." else values[1], True)
        else:
            return False
        return True

    def add(self, seq, kind, on, *values):
        self.pending.append(Change(seq, kind, on, *values))

    def note_name(self, seq, inode, mode, path):
        self.files.setdefault(inode, File(mode=mode))
        if path:
            self.add(seq, "name", [part(path)[0]], path, inode)
        return True

    def find(self, path):
        """The inode that a path has now, whether that is safe or not."""
        inode = self.names[part(path)[0]].get(part(path)[1])
        for change in self.pending:
            if change.kind == "name" and change.values[0] == path:
                inode = change.values[1]
            elif change.kind == "rename" and path in change.values[:2]:
                inode = change.values[2] if path == change.values[1] else None
        return inode

    def note_rename(self, seq, old, new):
        self.add(seq, "rename", [part(old)[0], part(new)[0]], old, new, self.find(old))

    def sync(self, entered, what, whole):
        """All that came before the call was made is safe; without whole a file's time and mode may
        wait."""
        kept = []
        for change in self.pending:
            waits = change.seq >= entered or what not in change.on
            if waits or (not whole and change.kind in ("time", "mode")):
                kept.append(change)
            else:
                self.apply(change, self.files, self.names)
        self.pending = kept

    # --- what is left ---

    @staticmethod
    def apply(change, files, names):
        values = change.values
        if change.kind == "write":
            files[change.on[0]].write(*values)
        elif change.kind == "length":
            files[change.on[0]].cut(values[0])
        elif change.kind == "time":
            files[change.on[0]].time = values[0]
        elif change.kind == "mode":
            files[change.on[0]].mode = values[0]
        elif change.kind == "name":
            Disk.set_name(names, values[0], values[1])
        elif change.kind == "rename":
            Disk.set_name(names, values[0], None)
            Disk.set_name(names, values[1], values[2])

    @staticmethod
    def set_name(names, path, inode):
        folder, name = part(path)
        if inode is None:
            names[folder].pop(name, None)
        else:
            names[folder][name] = inode

    def after(self, changes):
        """What is on disk when of the pending changes just these were written: path: Node."""
        touched = {change.on[0] for change in changes if change.kind not in ("name", "rename")}
        files = {inode: file.copy() if inode in touched else file
                 for inode, file in self.files.items()}
        names = {folder: dict(each) for folder, each in self.names.items()}
        for change in changes:
            self.apply(change, files, names)
        found = {}
        self.list(files, names, "", found)
        return dict(sorted(found.items()))

    def list(self, files, names, folder, found):
        for name, what in names[folder].items():
            path = f"{folder}/{name}" if folder else name
            if what == FOLDER:
                found[path] = Node(None, self.modes.get(path, 0o700), 0)
                self.list(files, names, path, found)
            else:
                file = files[what]
                found[path] = Node(bytes(file.data), file.mode, file.time)


def torn(change):
    """The same write, written in part."""
    at, data = change.values
    half = len(data) // 2
    pieces = [(at, data[:half])] if half else []
    first = BLOCK - at % BLOCK  # up to the end of its first block
    if first < len(data):
        pieces += [(at, data[:first]), (at, bytes(first) + data[first:])]
    # The length is there, and nothing else.
    pieces.append((at, bytes(len(data))))
    return [Change(change.seq, "write", change.on, *piece) for piece in pieces]


def subsets(pending, chance, more=6):
    """Combinations of changes that may be there, few enough to try them all."""
    yield []
    yield pending
    for index, change in enumerate(pending):
        rest = pending[index + 1:]
        before = pending[:index]
        yield [change]
        yield before + rest
        yield before + [change]
        if change.kind == "write":
            for piece in torn(change):
                yield before + [piece]
                yield before + [piece] + rest
    for _ in range(more if len(pending) > 2 else 0):
        yield [change for change in pending if chance.random() < 0.5]


def cuts(begin, record, dropped=(), seed=1):
    """Every state that a power cut may leave, as (the number of lines that came before it, a function
    that gives path: Node, as long as the next state is not asked for). dropped: lines that sync
    something, and here do not."""
    chance = random.Random(seed)
    disk = Disk(begin)
    yield 0, lambda: disk.after([])
    for seq, line in enumerate(record):
        # An end, or what a peer is told, changes what must be there.
        if (seq not in dropped and disk.note(seq, line)) or line[0] in ">x":
            for changes in subsets(disk.pending, chance):
                yield seq + 1, lambda changes=changes: disk.after(changes)
