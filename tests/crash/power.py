"""Power cuts: a run is recorded once, and the disk made anew as each moment of it may have left it,
whatever was not synced being there or not (disk.py). Each is brought to its end, and the promise
checked against what others had been told by then: exit statuses, replies, what the smarthost took.
"""

import re

from disk import cuts
from kills import OF_NO_KIND, Result, bring_to_end, record
from place import Node, digest, tag_of

END = b"\r\n.\r\n"
CHUNK = re.compile(rb"BDAT (\d+) LAST\r\n")
DATA = b"DATA\r\n"


LOCAL_ID = re.compile(rb"with (?:local|E?SMTP) id (\w+);")
BOOT = re.compile(rb"\b[0-9a-f]{8}-[0-9a-f-]{27}\b")


def start_anew(nodes):
    """The machine comes up: what was noted with the name of a boot is of another one."""
    for path, node in nodes.items():
        if path.startswith("queue/hops/rate-"):
            nodes[path] = Node(BOOT.sub(b"00000000-0000-4000-8000-000000000000", node.data), node.mode,
                               node.time)
    return nodes


def read_messages(stream):
    """The whole messages that a client's bytes begin with, and what is behind the last of them."""
    messages = []
    while True:
        chunk, data = CHUNK.search(stream), stream.find(DATA)
        if chunk and (data < 0 or chunk.start() < data):
            end = chunk.end() + int(chunk[1])
        else:
            # An end may come in two pieces, and the next command right behind it.
            dot = stream.find(END, data) if data >= 0 else -1
            end = dot + len(END) if dot >= 0 else len(stream) + 1
        if end > len(stream):
            return messages, stream
        messages.append(stream[:end])
        stream = stream[end:]


class Told:
    """What the world knows after so many lines of a record."""

    def __init__(self, lines, messages):
        self.messages = messages
        self.dots = []  # (line, the line behind which the smarthost's message was noted for good)
        streams = {}
        taken = {tag_of(message.data) for message in messages}
        for number, line in enumerate(lines):
            if line[0] == ">":
                stream = streams.get(line[1], b"") + bytes.fromhex(line[2])
                sent, streams[line[1]] = read_messages(stream)
                # A chunk is sent even when all its recipients are refused.
                self.dots += [number for message in sent if tag_of(message) in taken]
        assert len(self.dots) == len(messages), f"{len(self.dots)} dots, {len(messages)} messages"
        self.noted = [find_note(lines, number, LOCAL_ID.search(message.data)[1].decode())
                      for number, message in zip(self.dots, messages)]

    def taken(self, lines):
        """The messages that the smarthost may have by then."""
        return [message for message, number in zip(self.messages, self.dots) if number < lines]

    def may_repeat(self, lines):
        """Of these, which the smarthost may get again."""
        return {(tag_of(message.data), recipient)
                for message, number, noted in zip(self.messages, self.dots, self.noted)
                if number < lines <= noted for recipient in message.recipients}


def find_note(lines, start, name):
    """The line that makes it last that the message is gone from the queue, or what became of it."""
    path, removed = "", False
    for number, line in enumerate(lines[start:], start):
        if line[0] == "c":
            path = line[8]
        removed = removed or line == ["u", f"queue/spool/{name}"]
        if (line[0] == "S" and removed and path == "queue/spool") or (
                line[0] == "s" and path == f"queue/journal/{name}"):
            return number
    return len(lines)


class CutRun:
    """What is known of a run that the power ended: as place.Run."""

    is_cut = True

    def __init__(self, lines):
        self.record = lines
        self.ends = {line[1]: int(line[2]) for line in lines if line[0] == "x"}
        self.status = self.ends.get("0")
        self.out = self.err = ""
        self.reached, self.late = True, False


def list_turns(scenario, place):
    """Numbers of the states; its kind is what was the last to happen before it, but for writes."""
    begin, run = record(scenario, place)
    last = [run.record[lines - 1] if lines else ["-"] for lines, _ in cuts(begin, run.record)]
    return [((line[0], line[2] if line[0] == "S" else "") if line[0] in "sSoru>" else OF_NO_KIND, number)
            for number, line in enumerate(last)]


def play(scenario, place, turns, seen):
    result = Result(scenario.name)
    begin, run = record(scenario, place)
    try_cuts(scenario, place, begin, run, seen, result, wanted=set(turns))
    result.missed = len(turns) - result.turns
    result.turns = len(turns)
    return result


def try_cuts(scenario, place, begin, run, seen, result, wanted=None, dropped=(), most=None):
    """wanted: numbers of states; None: all. most: so many faults are enough."""
    told = Told(run.record, list(place.recorded))
    for number, (lines, state) in enumerate(cuts(begin, run.record, dropped)):
        if wanted is not None and number not in wanted:
            continue
        result.turns += 1
        nodes, cut = start_anew(state()), CutRun(run.record[:lines])
        scenario.hear(cut)
        may_repeat = told.may_repeat(lines)
        place.restore(nodes)
        place.smarthost.messages += told.taken(lines)
        name = digest(nodes, scenario.name, dropped, place.smarthost.taken(),
                      scenario.is_done(cut), sorted(may_repeat))
        if not seen.is_new(name):
            continue
        result.states += 1
        result.faults += [f"{scenario.name}, state {number} after line {lines}: {fault}"
                          for fault in bring_to_end(scenario, place, cut, may_repeat)]
        if most and len(result.faults) >= most:
            break
