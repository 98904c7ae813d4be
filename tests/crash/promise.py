"""The promise, checked on what is left when all has come to rest: every recipient of a message that
was accepted is in exactly one state, and nothing is left over."""

import re
from collections import Counter

from dsn import entries
from place import tag_of

# What may lie in each folder of a queue that is at rest.
AT_REST = {
    "spool": re.compile(r"\.wake"),
    "journal": None,
    "runs": None,
    "corrupt": None,
    "hops": re.compile(r"locks|(ok|hop|last|rate|abrupt)-[^.]+"),
    "filter": re.compile(r"greylist\.(db|lock|copy)|dns(bl)?\.\w+|memo"),
}


class Letter:
    """
    A message by its tag (m1), which is its Subject, and what must become of it for each recipient:
    "here" (in the mailbox), "away" (with the smarthost), "failed", "held"; promised: it was
    accepted, otherwise it may as well not be there at all. reports: {recipient: {action}} that the
    sender has to be told besides failures. owner: whose mailbox.
    """

    def __init__(self, tag, fates, promised=True, reports=None, sender=True, body=b"one line\n"):
        self.tag, self.fates, self.promised = tag, fates, promised
        self.reports = reports or {}
        self.sender = sender
        self.body = body

    @property
    def text(self):
        return b"Subject: %s\n\n%s" % (self.tag.encode(), self.body)


TOLD = re.compile(rb"^Final-Recipient: \S+; (\S+)\nAction: (\w+)$", re.MULTILINE)
ENVID = re.compile(rb"^Original-Envelope-Id: (\S+)$", re.MULTILINE)


def is_report(entry):
    return b"\nContent-Type: multipart/report;" in entry.partition(b"\n\n")[0]


def read_report(entry):
    """(tag, address, action) of each recipient: tests/program/dsn.py looks closer."""
    envid = ENVID.search(entry)
    found = [(envid[1].decode() if envid else "?", address.decode(), action.decode())
             for address, action in TOLD.findall(entry)]
    boundary = re.search(rb'boundary="(.*)"', entry)
    whole = boundary and entry.rstrip().endswith(b"--" + boundary[1] + b"--")
    return found if whole else []


# Where the power was cut in the middle of an append of several blocks, zeros and what comes behind
# them may stay, when there is nothing by which to tell whose they are.
HOLE = re.compile(rb"(?<=\n)\0.*\Z", re.DOTALL)


def read_mailbox(data, bodies, faults, may_be_cut):
    """How often each tag is there, and each (tag, address, action) is told; what is no whole message
    is a fault."""
    here, told = Counter(), Counter()
    for entry in entries(data):
        if may_be_cut:
            entry = HOLE.sub(b"", entry)
            entry = entry.rstrip(b"\n") + b"\n"
        if is_report(entry):
            about = read_report(entry)
            told.update(about)
            if not about:
                faults.append(f"a report is no whole one: {entry[-300:]!r}")
            continue
        tag = tag_of(entry)
        if tag not in bodies or entry.partition(b"\n\n")[2] != bodies[tag].rstrip(b"\n") + b"\n":
            faults.append(f"the mailbox has something that is no message: {entry[:200]!r}")
        else:
            here[tag] += 1
    return here, told


def check_letters(place, letters, may_repeat=(), may_be_cut=False):
    """Faults, in words. may_repeat: (tag, recipient) that the smarthost may have twice."""
    faults = []
    bodies = {letter.tag: letter.body for letter in letters}
    here, told = read_mailbox(place.mailbox_bytes(), bodies, faults, may_be_cut)
    away = Counter(place.smarthost.taken())
    for letter in letters:
        faults += check_letter(letter, here, away, told, may_repeat)
    known = {letter.tag for letter in letters}
    for tag, recipient in away:
        if tag not in known and tag is not None:
            faults.append(f"the smarthost has {tag} for {recipient}, which nobody sent")
    for tag, address, action in told:
        if tag not in known:
            faults.append(f"there is a report {action} on {address} of {tag}")
    return faults


def check_letter(letter, here, away, told, may_repeat):
    tag, faults = letter.tag, []
    found = {"here": here[tag], **{one: away[tag, one] for one in letter.fates}}
    about = {key: count for key, count in told.items() if key[0] == tag}
    if not letter.promised and not any(found.values()) and not about:
        return []
    wanted = sum(fate == "here" for fate in letter.fates.values())
    if here[tag] != wanted:
        faults.append(f"{tag} is {here[tag]} times in the mailbox, not {wanted}")
    for recipient, fate in letter.fates.items():
        count = away[tag, recipient]
        most = 2 if (tag, recipient) in may_repeat else 1
        if fate == "away" and not 1 <= count <= most:
            faults.append(f"the smarthost has {tag} {count} times for {recipient}")
        if fate != "away" and count:
            faults.append(f"the smarthost has {tag} for {recipient}")
        expected = set(letter.reports.get(recipient, ()))
        if fate == "failed" and letter.sender:
            expected.add("failed")
        for action in ("failed", "delayed", "delivered", "relayed", "expanded"):
            count = about.pop((tag, recipient, action), 0)
            if action in expected and count != 1:
                faults.append(f"{count} reports say that {recipient} of {tag} {action}")
            # Whose delivery was cut off is late, too, and his sender may hear of that: once.
            if action not in expected and count > (action == "delayed"):
                faults.append(f"{count} reports say that {recipient} of {tag} {action}")
    # Likewise those whom an alias stands for.
    faults += [f"{count} reports say that {address} of {tag} {action}"
               for (_, address, action), count in about.items() if count and
               (action != "delayed" or count > 1)]
    return faults


def check_rest(place, allowed=(), may_be_cut=False):
    """Nothing is left over: in the queue, beside mailboxes, and beside what else is there. may_be_cut:
    what the power cut off, and nobody was told is safe, may have been set aside."""
    faults = []
    for name, pattern in AT_REST.items():
        if name == "corrupt" and may_be_cut:
            continue
        folder = place.queue / name
        for path in folder.iterdir() if folder.is_dir() else ():
            if not (pattern and pattern.fullmatch(path.name)):
                faults.append(f"queue/{name}/{path.name} is left over")
    for path in place.mail.iterdir():
        if path.name != place.user:
            faults.append(f"mail/{path.name} is left over")
    names = {place.queue.name, place.mail.name, place.aliases_path.name, place.config.name,
             place.credentials_path.name, *allowed}
    for path in place.root.iterdir():
        if path.name not in names:
            faults.append(f"{path.name} is left over")
    for path in place.queue.iterdir() if place.queue.is_dir() else ():
        if path.name not in (*AT_REST, "run.lock", "listen.lock", "listen.secret"):
            faults.append(f"queue/{path.name} is left over")
    return faults


# --- what the queue knows right after a death ---


RECIPIENT = re.compile(rb"^to <(.*)>$", re.MULTILINE)
CHILD = re.compile(rb"add \d+ \w+ <(.*?)>(?: from <.*>)?(?: to .*)? \.$")
SENT = re.compile(rb"(?:relayed|passed|delivered) \d+ (\d+) .* \.$")


def find_unnoted(nodes, taken):
    """Of those that the smarthost has, whom the queue still takes for waiting: they may get it
    again (RFC 1047). nodes: the disk below the root, as place.take_down gives it."""
    unnoted = set()
    for path, node in nodes.items():
        if not path.startswith("queue/spool/") or "/." in path:
            continue
        envelope, _, message = node.data.partition(b"\n\n")
        tag = tag_of(message)
        recipients = RECIPIENT.findall(envelope)
        done = set()
        journal = nodes.get(path.replace("spool", "journal", 1))
        for line in journal.data.split(b"\n") if journal else ():
            child, sent = CHILD.match(line), SENT.match(line)
            if child:
                recipients.append(child[1])
            elif sent:
                done.add(int(sent[1]))
        waiting = {address.decode() for index, address in enumerate(recipients)
                   if index not in done}
        unnoted |= {(tag, address) for address in waiting}
    return {one for one in taken if one in unnoted}
