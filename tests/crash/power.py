"""Power cuts: a run is recorded once, and the disk made anew as each moment of it may have left it,
whatever was not synced being there or not (disk.py). Each is brought to its end, and the promise
checked against what others had been told by then: exit statuses, replies, what the smarthost took.
"""

from disk import cuts
from kills import Result, bring_to_end, record
from place import digest, tag_of

END = b"\r\n.\r\n"


class Told:
    """What the world knows after so many lines of a record."""

    def __init__(self, lines, messages):
        self.messages = messages
        self.dots = []  # (line, the line behind which the smarthost's message was noted for good)
        process, waiting, streams = None, [], {}
        for number, line in enumerate(lines):
            if line[0] == "c":
                process = line[2]
            elif line[0] == ">":
                # An end may come in two pieces, and the next command right behind it.
                stream = streams.get(line[1], b"") + bytes.fromhex(line[2])
                streams[line[1]] = stream[-len(END) + 1:]
                for _ in range(stream.count(END)):
                    self.dots.append([number, len(lines)])
                    waiting.append((line[1], self.dots[-1]))
            elif line[0] in "sS":
                for dot in [each for each in waiting if each[0] == process]:
                    dot[1][1] = number
                    waiting.remove(dot)
        assert len(self.dots) == len(messages), f"{len(self.dots)} dots, {len(messages)} messages"

    def taken(self, lines):
        """The messages that the smarthost may have by then."""
        return [message for message, (number, _) in zip(self.messages, self.dots)
                if number < lines]

    def may_repeat(self, lines):
        """Of these, which the smarthost may get again."""
        return {(tag_of(message.data), recipient)
                for message, (number, noted) in zip(self.messages, self.dots)
                if number < lines <= noted for recipient in message.recipients}


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
    """Numbers of the states."""
    begin, run = record(scenario, place)
    return list(range(sum(1 for _ in cuts(begin, run.record))))


def play(scenario, place, turns, seen, keep=lambda line: True):
    result = Result(scenario.name)
    begin, run = record(scenario, place)
    told = Told(run.record, list(place.recorded))
    wanted = set(turns)
    for number, (lines, state) in enumerate(cuts(begin, run.record, keep)):
        if number not in wanted:
            continue
        result.turns += 1
        nodes, cut = state(), CutRun(run.record[:lines])
        scenario.hear(cut)
        may_repeat = told.may_repeat(lines)
        place.restore(nodes)
        place.smarthost.messages += told.taken(lines)
        name = digest(nodes, scenario.name, place.smarthost.taken(), scenario.is_done(cut),
                      sorted(may_repeat))
        if not seen.is_new(name):
            continue
        result.states += 1
        result.faults += [f"{scenario.name}, state {number} after line {lines}: {fault}"
                          for fault in bring_to_end(scenario, place, cut, may_repeat)]
    return result
