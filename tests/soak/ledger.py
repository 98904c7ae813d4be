"""Who was promised what, and whether it was kept: each recipient of each accepted message has exactly
one end in the log, and the mailbox, the servers and the reports say the same."""

import json
import re
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

EVENT = re.compile(r"^(\S+) [\w-]+\[\d+\]: (\S+) (received|routed|delivered|deferred|bounced|held|"
                   r"released|requested|removed|discarded)((?: [\w-]+=.*)?)$")
PAIR = re.compile(r' ([\w-]+)=("(?:[^"\\]|\\.)*"|\S*)')


@dataclass
class Message:
    token: str
    recipients: list
    accepted: bool = False  # a status of 0, or 250
    unknown: bool = False  # the end was sent, and no answer came
    id: str = ""  # when the answer told it
    found: str = ""  # in the log


@dataclass
class Story:
    """What the log says of one message."""

    received: dict = None
    routes: dict = field(default_factory=lambda: defaultdict(set))
    ends: dict = field(default_factory=lambda: defaultdict(list))  # recipient: [(kind, time)]
    removed_by: bool = False
    reports: dict = field(default_factory=dict)  # recipient: the id of the report on him
    events: Counter = field(default_factory=Counter)
    waits: Counter = field(default_factory=Counter)  # deferred, by recipient


class Ledger:
    def __init__(self):
        self.messages = {}
        self._lock = threading.Lock()

    def add(self, message):
        with self._lock:
            self.messages[message.token] = message
        return message


def plain(value):
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def stories(log):
    """id: Story, of a whole log."""
    found = defaultdict(Story)
    for line in log.splitlines():
        match = EVENT.match(line)
        if not match:
            continue
        when, name, event, rest = match.groups()
        keys = {key: plain(value) for key, value in PAIR.findall(rest)}
        story = found[name]
        story.events[event] += 1
        if event == "received":
            story.received = keys
        elif event == "routed":
            story.routes[keys["to"]].add(keys["alias-to"])
        elif event in ("delivered", "bounced"):
            story.ends[keys["to"]].append((event, when))
            if event == "bounced":
                story.reports[keys["to"]] = keys["report"]
        elif event == "deferred" and "to" in keys:
            story.waits[keys["to"]] += 1
        elif event == "removed" and "by" in keys:
            story.removed_by = True
    return found


def by_recipient(copies):
    found = defaultdict(list)
    for copy in copies:
        found[copy.token, copy.recipient].append(copy)
    return found


class Judge:
    """
    Counts violations of the promise. kills: times (time.time()) at which something was killed;
    tokens and reports: what the mailbox holds, as Counters; sent_reports and copies: what the servers took.
    """

    def __init__(self, ledger, log, tokens, reports, sent_reports, copies, kills):
        self.messages = ledger.messages
        self.stories = stories(log)
        self.tokens, self.reports, self.kills = tokens, reports, kills
        self.copies, self.sent_reports = by_recipient(copies), by_recipient(sent_reports)
        self.faults = []
        self.figures = Counter()
        self.ids = defaultdict(list)
        for name, story in self.stories.items():
            if story.received:
                self.ids[story.received.get("message-id", "")].append(name)

    def fault(self, message, words):
        self.faults.append(f"{message.token} {message.found}: {words}")

    def judge(self):
        for message in self.messages.values():
            self.find(message)
            if not message.found:
                continue
            story = self.stories[message.found]
            for recipient in message.recipients:
                self.follow(message, story, recipient, ())
        self.judge_strangers()
        return self.faults

    def find(self, message):
        """The id of a message, by its Message-Id, which only the token decides."""
        ids = self.ids[f"<{message.token}@soak.example>"]
        if message.id and message.id not in ids:
            self.fault(message, f"was answered with this id, and the log has {ids}")
        if not message.accepted:
            self.figures["refused" if not message.unknown else "without an answer"] += 1
            if ids and not message.unknown:
                self.fault(message, f"was refused, and is in the log as {ids}")
        else:
            self.figures["accepted"] += 1
            if not ids:
                self.fault(message, "was accepted, and the log knows nothing of it")
        message.found = ids[0] if ids else ""
        if len(ids) > 1:
            self.fault(message, f"was taken {len(ids)} times: {ids}")

    def follow(self, message, story, recipient, before):
        """One recipient, or what an alias made of him."""
        leads = story.routes.get(recipient)
        ends = story.ends.get(recipient, [])
        if leads and recipient not in before and not ends:
            for other in leads:
                self.follow(message, story, other, (*before, recipient))
            return
        kinds = {kind for kind, _ in ends}
        if not kinds and story.removed_by:
            kinds = {"removed"}
        if len(kinds) != 1:
            self.fault(message, f"{recipient} has {len(kinds)} ends: {sorted(kinds)}")
            return
        (kind,) = kinds
        self.figures[kind] += 1
        for (_, first), (_, second) in zip(ends, ends[1:]):
            if not self.was_killed(first, second):
                self.fault(message, f"{recipient} is {kind} twice, at {first} and {second}")
        self.compare(message, story, recipient, kind)

    def was_killed(self, first, second):
        """Between two times of the log, which have whole seconds."""
        begin, end = (datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
                      for text in (first, second))
        return any(begin - 1 <= kill <= end + 1 for kill in self.kills)

    def compare(self, message, story, recipient, kind):
        """With what is where it was to go to."""
        user, _, domain = recipient.partition("@")
        here = domain in ("", "here.example")
        if kind == "bounced":
            found = self.count_reports(message.token, recipient)
            # A clerk may take a report out of the queue like any message.
            if found > 1 or not (found or self.stories[story.reports[recipient]].removed_by):
                self.fault(message, f"{recipient} is bounced, and the sender has {found} reports")
        elif here:
            found = self.tokens[message.token]
            if found != (kind == "delivered"):
                self.fault(message, f"{recipient} is {kind}, and the mailbox has it {found} times")
        elif domain != "void.example":
            self.compare_copies(message, story, recipient, kind)

    def has_kill(self, first, second):
        return any(first.at - 2 <= kill <= second.at for kill in self.kills)

    def count_reports(self, token, recipient):
        """Of those that servers took, one, and any that neither a lost answer nor a kill explains."""
        copies = self.sent_reports[token, recipient]
        return (self.reports[token, recipient] + bool(copies)
                + sum(first.told and not self.has_kill(first, second)
                      for first, second in zip(copies, copies[1:])))

    def compare_copies(self, message, story, recipient, kind):
        copies = self.copies[message.token, recipient]
        if kind == "delivered" and not copies:
            self.fault(message, f"{recipient} is delivered, and no server has it")
        # Taken, the answer lost, and then taken out of the queue by hand.
        if kind != "delivered" and any(copy.told for copy in copies):
            self.fault(message, f"{recipient} is {kind}, and a server has taken it")
        for first, second in zip(copies, copies[1:]):
            lost = not first.told and story.waits[recipient]
            if not lost and not self.has_kill(first, second):
                self.fault(message, f"{recipient} came twice, after {second.at - first.at:.3f} s, "
                                    f"and neither the log nor a kill tells why")
            self.figures["doubled by a lost answer" if lost else "doubled by a kill"] += 1

    def judge_strangers(self):
        """Whatever is in a mailbox or at a server was promised, or its answer was lost."""
        for token in {*self.tokens, *(token for token, _ in self.copies)}:
            message = self.messages.get(token)
            if not message or not (message.accepted or message.unknown):
                self.faults.append(f"{token}: is there, and was not accepted")
        for token, count in self.tokens.items():
            if count > 1:
                self.faults.append(f"{token}: is in the mailbox {count} times")

    def check_trace(self, names, trace):
        """`postrider trace` of these ids says what the log says."""
        for name in names:
            told = Counter(json.loads(line)["event"] for line in trace(name).splitlines()
                           if json.loads(line)["id"] == name)
            if told != self.stories[name].events:
                self.faults.append(f"{name}: trace says {dict(told)}, the log "
                                   f"{dict(self.stories[name].events)}")
            self.figures["traced"] += 1
