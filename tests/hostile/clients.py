"""Hostile clients against the listener: what a client may do at each point of a dialogue, crossed with
recipients of every outcome, each in a session of its own and many at a time. A model says which reply
each command gets, whether the session goes on, and what must be in the queue in the end: each message
that got its 250 once, for the recipients that were accepted, and no other.

clients.py [--pairs] [--workers N] [--only NUMBER]    the last line counts
--pairs: each thing that is done at each step once for each variant of the dialogue, with recipients
of other outcomes each time.
"""

import argparse
import base64
import fcntl
import os
import re
import socket
import ssl
import struct
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "program"))

from listening import Listening  # noqa: E402  (the path comes first)
from sandbox import EX_OK  # noqa: E402
from smtpfake import Certificates  # noqa: E402
from spool import QueuedLetter  # noqa: E402

SIZE_MOST = 20_000
PASSWORD = "hunter2"
PATIENCE = 20

# --- what is said --------------------------------------------------------------------------------


@dataclass
class Step:
    """One command, message or chunk, and the code that it gets when nothing is wrong."""

    verb: str
    data: bytes
    code: int
    recipient: str = ""  # accepted with it


@dataclass
class Move:
    """What goes over the wire at once. codes: of its replies, in order; a tuple for one of several."""

    data: bytes
    codes: list = field(default_factory=list)
    end: str = ""  # "close", "reset": what the client does then
    over: bool = False  # the server must close then
    joins: bool = False  # of the envelope: goes over the wire with its neighbours, pipelined


@dataclass
class Plan:
    """A dialogue, and what must come of it: how often the message may be in the queue."""

    name: str
    pair: tuple  # variant, step and what is done there
    row: str
    tls: bool
    moves: list
    taken: set
    recipients: list
    token: str = ""
    content: bytes = b""


OUTCOMES = {  # by the part before the '@'
    "ok": ("{user}+{n}@here.example", 250), "relay": ("r{n}@partner.example", 250),
    "unknown": ("nobody-{n}@here.example", 550), "foreign": ("x{n}@foreign.example", 550),
    "broken": ("x{n}@@here.example", 501), "twice": ("{user}@here.example", 250)}
CROSSED = [["ok"], ["ok", "unknown", "relay"], ["unknown", "foreign"], ["foreign", "ok"],
           ["broken", "relay"], ["twice", "twice", "ok"], ["unknown"], ["relay", "broken", "foreign"]]
VARIANTS = ("data", "pipelined", "chunk", "chunks", "tls")


def body(token):
    return (f"Subject: {token}\r\nMessage-Id: <{token}@hostile.example>\r\n\r\nwords\r\n..\r\n.\r\r\n"
            .replace(".\r\r\n", "last words\r\n")).encode()


def stuff(data):
    return re.sub(rb"(^|\r\n)\.", rb"\1..", data) + b".\r\n"


def steps(variant, outcomes, user, token):
    """A whole dialogue, the message in it and who is accepted."""
    found = [Step("EHLO", b"EHLO client.example\r\n", 250)]
    if variant == "tls":
        secret = base64.b64encode(b"\0anna\0" + PASSWORD.encode())
        found += [Step("STARTTLS", b"STARTTLS\r\n", 220), Step("HANDSHAKE", b"", 0),
                  Step("EHLO", b"EHLO client.example\r\n", 250),
                  Step("AUTH", b"AUTH PLAIN %b\r\n" % secret, 235)]
    found.append(Step("MAIL", b"MAIL FROM:<a@sender.example>\r\n", 250))
    accepted = []
    for number, outcome in enumerate(outcomes):
        path, code = OUTCOMES[outcome]
        # Who has signed in may send to the world.
        code = 250 if variant == "tls" and outcome == "foreign" else code
        address = path.format(user=user, n=number)
        found.append(Step("RCPT", f"RCPT TO:<{address}>\r\n".encode(), code,
                          address if code == 250 else ""))
        if code == 250 and address not in accepted:
            accepted.append(address)
    content = body(token)
    if variant.startswith("chunk"):
        cuts = [0, 10, 10, len(content)] if variant == "chunks" else [0, len(content)]
        parts = [content[a:b] for a, b in zip(cuts, cuts[1:])]
        for number, part in enumerate(parts):
            last = b" LAST" if number == len(parts) - 1 else b""
            found.append(Step("BDAT", b"BDAT %d%b\r\n%b" % (len(part), last, part),
                              250 if accepted else 554))
            if not accepted:
                break  # the rest is refused likewise
    else:
        found.append(Step("DATA", b"DATA\r\n", 354 if accepted else 554))
        if accepted:
            found.append(Step("BODY", stuff(content), 250))
    return [*found, Step("RSET", b"RSET\r\n", 250), Step("QUIT", b"QUIT\r\n", 221)], content, accepted


# --- what is done instead ------------------------------------------------------------------------

COMMANDS = ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT")
ENVELOPE = ("MAIL", "RCPT", "DATA")
SMUGGLED = b"MAIL FROM:<evil@evil.example>\r\nRCPT TO:<r9@partner.example>\r\nDATA\r\nSubject: evil\r\n\r\nx\r\n"


def ends(name, cut, end):
    """The client sends so much of the step, and goes."""
    return name, "V7", COMMANDS + ("BODY", "BDAT"), lambda step: [Move(cut(step.data), [], end)]


def instead(name, row, data, *codes):
    """Bytes that end the session, whatever should have come."""
    return name, row, COMMANDS, lambda step: [Move(data, list(codes), over=True)]


def before(name, row, data, code, verbs=COMMANDS):
    """A command that is refused; then the step as it should be."""
    return name, row, verbs, lambda step: [Move(data, [code]), Move(step.data, [step.code])]


def again(step):
    code = {"MAIL": 503, "AUTH": 503, "STARTTLS": 503}.get(step.verb, step.code)
    return [Move(step.data, [step.code]), Move(step.data, [code])]


def within(name, row, piece, code, taken):
    """A message with this in its middle."""
    def change(step):
        data = step.data.replace(b"\r\n\r\nwords\r\n", b"\r\n\r\nwords\r\n" + piece)
        assert data != step.data
        return [Move(data, [code])]
    change.taken = taken
    return name, row, ("BODY",), change


def chunk(name, data, codes, over, taken, *more):
    """data: a function of the message's bytes; None: a chunk that is not the last. Then come more
    commands and their codes."""
    def change(step):
        content = step.data.partition(b"\r\n")[2]
        done = [Move(data(content), codes[:1], over=over)] if data else [
            Move(b"BDAT %d\r\n" % len(content) + content, [250])]
        return done + [Move(line, [code]) for line, code in more]
    change.taken = taken
    return name, "V7", ("BDAT LAST",), change


BEHAVIOURS = [
    ("nothing", "V0", ("EHLO",), lambda step: [Move(step.data, [step.code])]),
    ends("closes", lambda data: b"", "close"), ends("resets", lambda data: b"", "reset"),
    ends("half of it, closes", lambda data: data[:len(data) // 2], "close"),
    ends("half of it, resets", lambda data: data[:len(data) // 2], "reset"),
    ends("all but the last byte, closes", lambda data: data[:-1], "close"),
    ends("all but two bytes, closes", lambda data: data[:-2], "close"),
    ends("all but three bytes, resets", lambda data: data[:-3], "reset"),
    ends("all of it, closes", lambda data: data, "close"),
    ends("all of it, resets", lambda data: data, "reset"),
    instead("a bare LF", "V1", b"NOOP\n", 500), instead("a bare CR", "V1", b"NO\rOP\r\n", 500),
    instead("NUL", "V1", b"NO\0OP\r\n", 500), instead("a line of 3000 bytes", "V3", b"x" * 3000 + b"\r\n", 500),
    instead("a line of 100 KB", "V3", b"x" * 100_000 + b"\r\n", 500),
    instead("HTTP", "V5", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 554),
    instead("speaks before it is asked", "V5", b"NOOP\r\nNOOP\r\n", 554),
    before("an empty line", "V3", b"\r\n", 502), before("no command", "V3", b"NONSENSE\r\n", 502),
    before("arguments too many", "V4", b"DATA now\r\n", 501),
    before("MAIL without an address", "V4", b"MAIL FROM:\r\n", (501, 503)),
    before("DATA out of place", "V7", b"DATA\r\n", 503, ("MAIL",)),
    before("a recipient out of place", "V7", b"RCPT TO:<r8@partner.example>\r\n", 503, ("MAIL",)),
    before("a chunk out of place", "V7", b"BDAT 3 LAST\r\nabc", 503, ("MAIL",)),
    before("a second sender", "V7", b"MAIL FROM:<b@sender.example>\r\n", 503, ("RCPT", "DATA")),
    before("NOOP", "V3", b"NOOP\r\n", 250),
    ("twice", "V3", ("EHLO", "AUTH", "MAIL", "RCPT", "RSET"), again),
    within("LF . LF", "V1", b"x\n.\n" + SMUGGLED, 554, 0),
    within("LF . CRLF", "V1", b"x\n.\r\n" + SMUGGLED, 554, 0),
    within("CRLF . LF", "V1", b"x\r\n.\n" + SMUGGLED, 554, 0),
    within("CR . CR", "V1", b"x\r.\r" + SMUGGLED, 554, 0),
    within("CR . CRLF", "V1", b"x\r.\r\n" + SMUGGLED, 554, 0),
    within("CRLF . CR", "V1", b"x\r\n.\r" + SMUGGLED, 554, 0),
    within("NUL . CRLF", "V1", b"x\r\n\0.\r\n" + SMUGGLED, 554, 0),
    within("CRLF . NUL CRLF", "V1", b"x\r\n.\0\r\n" + SMUGGLED, 554, 0),
    within("too large", "V3", b"y" * 70 + b"\r\n" + (b"z" * 70 + b"\r\n") * (SIZE_MOST // 70), 552, 0),
    within("a line of 10 KB", "V3", b"y" * 10_000 + b"\r\n", 250, 1),
    within("bytes over 127", "V3", bytes(range(128, 256)) + b"\r\n", 250, 1),
    within("dots", "V1", b"..\r\n...\r\n.. .\r\n", 250, 1),
    chunk("a size that is too large, closes", lambda data: b"BDAT %d LAST\r\n" % (len(data) + 5) + data, [],
          False, 0),
    chunk("a size that is too small", lambda data: b"BDAT %d LAST\r\n" % (len(data) - 12) + data,
          [250], False, 1, (b"", 502)),
    chunk("a negative size", lambda data: b"BDAT -1 LAST\r\n" + data, [501], True, 0),
    chunk("a huge size", lambda data: b"BDAT 99999999999 LAST\r\n" + data, [(501, 552)], True, 0),
    chunk("no size", lambda data: b"BDAT\r\n" + data, [501], True, 0),
    chunk("words behind LAST", lambda data: b"BDAT %d LAST NOW\r\n" % len(data) + data, [501], True, 0),
    chunk("DATA behind a chunk", None, [], False, 0, (b"DATA\r\n", 503), (b"RSET\r\n", 250)),
    chunk("a recipient behind a chunk", None, [], False, 0, (b"RCPT TO:<r7@partner.example>\r\n", 503),
          (b"RSET\r\n", 250), (b"DATA\r\n", 503)),
    chunk("RSET behind a chunk", None, [], False, 0, (b"RSET\r\n", 250), (b"BDAT 0 LAST\r\n", 503)),
]
BEHAVIOURS += [
    ("commands behind STARTTLS", "V2", ("STARTTLS",),
     lambda step: [Move(step.data + b"MAIL FROM:<evil@evil.example>\r\n", [step.code])]),
    ("closes", "V2", ("HANDSHAKE",), lambda step: [Move(b"", end="close")]),
    ("SMTP instead", "V5", ("HANDSHAKE",), lambda step: [Move(b"MAIL FROM:<a@sender.example>\r\n", end="close")]),
    ("half a record, resets", "V5", ("HANDSHAKE",), lambda step: [Move(b"\x16\x03\x01\x02\x00\x01", end="reset")]),
    ("cancels", "V6", ("AUTH",), lambda step: [Move(b"AUTH PLAIN\r\n", [334]), Move(b"*\r\n", [501]),
                                             Move(step.data, [step.code])]),
    ("a wrong password", "V6", ("AUTH",),
     lambda step: [Move(b"AUTH PLAIN AGFubmEAeA==\r\n", [535]), Move(step.data, [step.code])]),
    ("no base64", "V6", ("AUTH",), lambda step: [Move(b"AUTH PLAIN !!!\r\n", [501]), Move(step.data, [step.code])]),
    ("no such mechanism", "V6", ("AUTH",),
     lambda step: [Move(b"AUTH NTLM\r\n", [504]), Move(step.data, [step.code])]),
]


def fits(verbs, step):
    return step.verb in verbs or ("BDAT LAST" in verbs and step.verb == "BDAT"
                                  and b" LAST\r\n" in step.data and step.code == 250)


def is_end(step):
    """Whether the message is complete with it."""
    return step.code == 250 and (step.verb == "BODY" or (step.verb == "BDAT" and b" LAST\r\n" in step.data))


# Behind these a client has to wait (RFC 2920 3.1).
WAITED_FOR = re.compile(rb"(EHLO|HELO|AUTH|DATA|NOOP|VRFY|STARTTLS|QUIT)\b")


def pipeline(moves):
    """The envelope in as few writes as may be; what is wrong in it comes in the middle of the others."""
    found, is_open = [], False
    for move in moves:
        if is_open and move.joins:
            before_it = found.pop()
            move = Move(before_it.data + move.data, before_it.codes + move.codes, move.end, move.over, True)
            command = move.data[len(before_it.data):]
        else:
            command = move.data
        found.append(move)
        is_open = move.joins and not move.end and not move.over and not WAITED_FOR.match(command)
    return found


def plan(variant, outcomes, at, behaviour, user, token):
    """The dialogue in which this is done at that step; None: it does not fit there."""
    name, row, verbs, change = behaviour
    whole, content, accepted = steps(variant, outcomes, user, token)
    if at >= len(whole) or not fits(verbs, whole[at]):
        return None
    moves, taken, special = [], 0, whole[at]
    for number, step in enumerate(whole):
        if number != at:
            taken += is_end(step)
            moves.append(Move(step.data, [step.code] if step.code else [], joins=step.verb in ENVELOPE))
            continue
        done = change(step)
        for move in done:
            move.joins = step.verb in ENVELOPE
        moves += done
        last = done[-1]
        complete = is_end(step) and last.data == step.data
        taken += getattr(change, "taken", complete)
        if last.end or last.over or (step.verb == "BDAT" and hasattr(change, "taken")):
            break
    possible = {taken}
    if special is whole[at] and moves[-1].end == "reset" and taken and is_end(special):
        possible.add(0)
    describes = f"{variant}; {', '.join(outcomes)}; {special.verb}: {name}"
    same = taken and not (is_end(special) and hasattr(change, "taken"))
    if variant == "pipelined":
        moves = pipeline(moves)
    return Plan(describes, (variant, special.verb, name), row, variant == "tls", moves, possible, accepted, token,
                content if same else b"")


def plans(user):
    """All that differ in what goes over the wire."""
    found, known = [], set()
    for variant in VARIANTS:
        for outcomes in CROSSED:
            for at in range(14):
                for behaviour in BEHAVIOURS:
                    token = f"t{len(found)}"
                    one = plan(variant, outcomes, at, behaviour, user, token)
                    if not one:
                        continue
                    said = (one.tls, *((move.data.replace(token.encode(), b"TOKEN"), move.end, move.over)
                                       for move in one.moves))
                    if said not in known:
                        known.add(said)
                        found.append(one)
    return found


def each_pair(found):
    """Of each pair of a step and what is done there one, the same ones each time."""
    by_pair = {}
    for one in found:
        by_pair.setdefault(one.pair, []).append(one)
    return [ones[number % len(ones)] for number, ones in enumerate(by_pair.values())]


# --- doing it ------------------------------------------------------------------------------------


class Fault(Exception):
    pass


class Session:
    def __init__(self, here, one):
        self.plan = one
        self.socket = socket.create_connection(("127.0.0.1", here.ports["tls"] if one.tls else here.port),
                                               timeout=PATIENCE)
        self.file = self.socket.makefile("rb")

    def read(self):
        """The code of the next reply; 0: the end."""
        while True:
            line = self.file.readline(2000)
            if not line:
                return 0
            if not re.match(rb"\d{3}[ -]", line) or not line.endswith(b"\r\n"):
                raise Fault(f"an improper reply: {line!r}")
            if line[3:4] == b" ":
                return int(line[:3])

    def run(self):
        if self.read() != 220:
            raise Fault("no greeting")
        for move in self.plan.moves:
            if move.data or move.codes or move.end or move.over:
                self.make(move)
            else:
                self.shake_hands()

    def make(self, move):
        try:
            self.socket.sendall(move.data)
            for code in move.codes if not move.end else []:
                got = self.read()
                wanted = code if isinstance(code, tuple) else (code,)
                if got not in wanted:
                    raise Fault(f"{got} to {move.data[:60]!r}, not {code}")
            if move.over and self.read() != 0:
                raise Fault(f"the session goes on after {move.data[:60]!r}")
        except OSError as error:
            # Who is thrown out in the middle of his words may miss what is said to that.
            if not move.over or isinstance(error, TimeoutError):
                raise Fault(f"{error!r} after {move.data[:60]!r}") from error
        if move.end == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def shake_hands(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.file.close()
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()


class Driver:
    def __init__(self, here, chosen):
        self.here, self.chosen = here, chosen
        self.at = 0
        self.lock = threading.Lock()
        self.faults = []

    def work(self):
        while True:
            with self.lock:
                if self.at == len(self.chosen):
                    return
                one = self.chosen[self.at]
                self.at += 1
            session = None
            try:
                session = Session(self.here, one)
                session.run()
            except Exception as error:  # whatever it is, nobody else tells
                with self.lock:
                    self.faults.append(f"{one.token} {one.name}: {error}")
            finally:
                if session:
                    session.close()

    def run(self, workers):
        threads = [threading.Thread(target=self.work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.here.wait_until(lambda: not self.here.sessions(), PATIENCE, "the end of all sessions")

    def judge(self):
        """What is in the queue is what was promised."""
        found, known = Counter(), {one.token: one for one in self.chosen}
        for name in self.here.letters():
            letter = QueuedLetter(self.here.letter(name))
            token = re.search(rb"^Subject: (\S*)$", letter.message, re.MULTILINE)
            one = known.get(token[1].decode()) if token else None
            if not one:
                self.faults.append(f"{name} is in the queue: {letter.message[:200]!r}")
                continue
            found[one.token] += 1
            if letter.recipients != one.recipients:
                self.faults.append(f"{one.token} {one.name}: for {letter.recipients}, not {one.recipients}")
            # To the header of mail that is submitted fields may be added.
            content = one.content.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
            if content and not letter.message.endswith(content):
                self.faults.append(f"{one.token} {one.name}: not what was sent")
        for one in self.chosen:
            if found[one.token] not in one.taken:
                self.faults.append(f"{one.token} {one.name}: {found[one.token]} times in the queue, "
                                   f"expected {sorted(one.taken)}")
        return sum(found.values())


def make_listener(certificates):
    certificate, key = certificates.good
    shared = "max_connections = 200\nmax_connections_per_client = 200\n"
    here = Listening(start=False, mail=f"max_message_size = {SIZE_MOST}",
                     listen=f"{shared}relay_networks =\nrelay_domains = partner.example",
                     more={"tls": f"{shared}relay_networks =\nrelay_domains = partner.example\nusers = users\n"
                                  f"tls = starttls\ntls_certificate = {certificate}\ntls_key = {key}"})
    here.postrider("passwd", "anna", stdin=f"{PASSWORD}\n", check=EX_OK)
    here.start_listener()
    return here


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"postrider-clients-{os.getpid()}"
    here = make_listener(Certificates(folder))
    try:
        chosen = each_pair(plans(here.user)) if options.pairs else plans(here.user)
        if options.only is not None:
            chosen = plans(here.user)[options.only:options.only + 1]
        # As long as somebody else runs the queue, all that was taken stays where we can see it.
        with open(here.queue / "run.lock", "a", encoding="ascii") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            driver = Driver(here, chosen)
            driver.run(options.workers)
            taken = driver.judge()
            if here.stop_listener() != 0:
                driver.faults.append("the listener ended badly")
            for name in here.letters():
                (here.queue / "spool" / name).unlink()
    finally:
        here.close()
        for path in folder.glob("*"):
            path.unlink()
        folder.rmdir()
    rows = Counter(one.row for one in chosen)
    print("  dialogues by row of hardcases: " + " ".join(f"{row} {rows[row]}" for row in sorted(rows)))
    for fault in driver.faults[:40]:
        print(f"VIOLATION {fault}")
    print(f"hostile clients: {len(chosen)} dialogues, {sum(one.tls for one in chosen)} with TLS, "
          f"{taken} messages taken, {len(driver.faults)} violations")
    return 1 if driver.faults or not taken else 0


if __name__ == "__main__":
    sys.exit(main())
