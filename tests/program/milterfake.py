"""A scripted milter on loopback or a Unix socket, for tests of what speaks to milters.

    with FakeMilter() as milter:                           says "continue" to everything
    with FakeMilter(at={"M": reply("550 5.7.1 no")}):      overriding one answer
    with FakeMilter(steps=NR_HEADER | NO_BODY):            what it asks for in the negotiation
    with FakeMilter(path=folder / "socket"):               on a Unix socket

Points that can be overridden with `at`: connect (the connection), O (options), and the letters of the
commands: C H M R T L N B E (A and Q have no answer). What stands there:

    None            what the milter would do by itself
    bytes           these bytes, as the answer; packet(), reply() and the functions below make them
    CLOSE           the connection is closed; HANG: nothing more is said, until the other side goes
    (a, b, ...)     one after the other
    [a, b, ...]     a the first time (of all connections), b the second, ...; the last one repeats
    function        function(session, data) that returns any of these
"""

import os
import socket
import struct
import threading
import time

CLOSE, HANG = object(), object()

NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT, NO_BODY, NO_HEADER, NO_EOH = (1 << bit for bit in range(7))
NR_HEADER = 0x80
NO_UNKNOWN, NO_DATA, SKIP = 0x100, 0x200, 0x400
NR_CONNECT, NR_HELO, NR_MAIL, NR_RCPT, NR_DATA = 0x1000, 0x2000, 0x4000, 0x8000, 0x10000
NR_EOH, NR_BODY = 0x40000, 0x80000
LEADING_SPACE = 0x100000
ALL_ACTIONS = 0x1FF
SILENT = {"C": NR_CONNECT, "H": NR_HELO, "M": NR_MAIL, "R": NR_RCPT, "T": NR_DATA, "L": NR_HEADER,
          "N": NR_EOH, "B": NR_BODY}


def packet(kind, *parts):
    """The parts: bytes as they are, numbers of four bytes, texts with a NUL."""
    data = kind.encode() if isinstance(kind, str) else kind
    for part in parts:
        if isinstance(part, bytes):
            data += part
        elif isinstance(part, int):
            data += struct.pack("!I", part)
        else:
            data += part.encode("utf-8", "surrogateescape") + b"\0"
    return struct.pack("!I", len(data)) + data


CONTINUE, ACCEPT, REJECT, TEMPFAIL = packet("c"), packet("a"), packet("r"), packet("t")
DISCARD, SKIP_REST, PROGRESS = packet("d"), packet("s"), packet("p")
SHUTDOWN, CONN_FAIL = packet("4"), packet("f")


def reply(text):
    return packet("y", text)


def add_header(name, value):
    return packet("h", name, value)


def insert_header(index, name, value):
    return packet("i", index, name, value)


def change_header(index, name, value):
    return packet("m", index, name, value)


def replace_body(data):
    return packet("b", data)


def change_sender(address, *arguments):
    return packet("e", address, *arguments)


def add_recipient(address):
    return packet("+", address)


def add_recipient_with(address, *arguments):
    return packet("2", address, *arguments)


def delete_recipient(address):
    return packet("-", address)


def quarantine(reason):
    return packet("q", reason)


class _Closed(Exception):
    """The connection is at its end."""


class Message:
    """What was told of one message."""

    def __init__(self):
        self.sender = None
        self.recipients = []
        self.fields = []  # (name, value)
        self.chunks = []
        self.ended = False  # E has come
        self.aborted = False

    @property
    def body(self):
        return b"".join(self.chunks)


class Session(threading.Thread):
    """One connection."""

    def __init__(self, milter, connection):
        super().__init__(daemon=True)
        self.milter = milter
        self.connection = connection
        self.commands = []  # (letter, data)
        self.macros = {}  # letter -> {name: value}, the last ones
        self.offer = None  # (version, actions, steps)
        self.client = None
        self.helos = []
        self.messages = []
        self.quit = False
        self.ended = None
        self.error = None

    @property
    def letters(self):
        return "".join(letter for letter, _ in self.commands)

    @property
    def message(self):
        """The present one; the last one when it has ended."""
        return self.messages[-1]

    def read(self, count):
        data = b""
        while len(data) < count:
            try:
                piece = self.connection.recv(min(count - len(data), 1 << 20))
            except OSError as error:
                raise _Closed from error
            if not piece:
                raise _Closed
            data += piece
        return data

    def send(self, data):
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise _Closed from error

    def say(self, what):
        if isinstance(what, tuple):
            for one in what:
                self.say(one)
        elif what is CLOSE:
            raise _Closed
        elif what is HANG:
            while not self.milter.closing:
                self.read(1)
            raise _Closed
        elif callable(what):
            self.say(what(self, b""))
        elif what is not None:
            self.send(what)

    def run(self):
        try:
            self.say(self.milter.override("connect", self, b""))
            while True:
                length = struct.unpack("!I", self.read(4))[0]
                assert 0 < length <= 65536, f"a packet of {length} bytes"
                data = self.read(length)
                self.heard(chr(data[0]), data[1:])
        except _Closed:
            pass
        except Exception as error:  # shown by FakeMilter.close
            self.error = error
        finally:
            self.connection.close()
            self.ended = time.monotonic()

    def heard(self, letter, data):
        if letter == "D":
            texts = data[1:].split(b"\0")
            assert texts.pop() == b"" and len(texts) % 2 == 0, data
            texts = [text.decode() for text in texts]
            self.macros[chr(data[0])] = dict(zip(texts[::2], texts[1::2]))
            return
        self.commands.append((letter, data))
        self.take(letter, data)
        if letter == "Q":
            raise _Closed
        if letter == "A":
            return
        self.answer(letter, data)

    def take(self, letter, data):
        """What the command says."""
        begun = self.messages and not (self.message.ended or self.message.aborted)
        if letter == "M" or (letter in "RTLNBE" and not begun):
            self.messages.append(Message())
        if letter == "O":
            self.offer = struct.unpack("!III", data)
        elif letter == "C":
            name, _, rest = data.partition(b"\0")
            port = struct.unpack("!H", rest[1:3])[0]
            assert rest.endswith(b"\0")
            self.client = (name.decode(), chr(rest[0]), port, rest[3:-1].decode())
        elif letter == "H":
            self.helos.append(data[:-1].decode())
        elif letter == "M":
            self.message.sender = data[:-1].decode()
        elif letter == "R":
            self.message.recipients.append(data[:-1].decode())
        elif letter == "L":
            name, value, rest = data.split(b"\0")
            assert rest == b""
            self.message.fields.append((name.decode(), value.decode("utf-8", "surrogateescape")))
        elif letter == "B":
            self.message.chunks.append(data)
        elif letter == "E":
            assert data == b""
            self.message.ended = True
        elif letter == "A":
            if self.messages:
                self.message.aborted = True
        elif letter == "Q":
            self.quit = True
        else:
            assert letter in "TN" and data == b"", (letter, data)

    def answer(self, letter, data):
        what = self.milter.override(letter, self, data)
        if what is not None:
            self.say(what)
        elif letter == "O":
            macros = b"".join(struct.pack("!I", stage) + names.encode() + b"\0"
                              for stage, names in self.milter.macros.items())
            self.send(packet("O", self.milter.version, self.milter.actions, self.milter.steps,
                             macros))
        elif not self.milter.steps & SILENT.get(letter, 0):
            self.send(CONTINUE)


class FakeMilter:
    """macros: what it asks for, {stage: "names"}, stages by the protocol's numbers."""

    def __init__(self, at=None, version=6, actions=ALL_ACTIONS, steps=0, macros=None, path=None,
                 port=0):
        self.at = dict(at or {})
        self.version, self.actions, self.steps = version, actions, steps
        self.macros = macros or {}
        self.sessions = []
        self.closing = False
        self.counts = {}
        self.lock = threading.Lock()
        self.path = path
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(os.fspath(path))
            self.socket.listen(64)
            self.name = f"unix:{path}"
        else:
            self.socket = socket.create_server(("127.0.0.1", port), backlog=64)
            self.name = f"inet:127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while not self.closing:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            session = Session(self, connection)
            self.sessions.append(session)
            session.start()

    def override(self, point, session, data):
        what = self.at.get(point)
        if isinstance(what, list):
            with self.lock:
                count = self.counts[point] = self.counts.get(point, -1) + 1
            what = what[min(count, len(what) - 1)]
        return what(session, data) if callable(what) else what

    @property
    def session(self):
        """The only one."""
        (session,) = self.sessions
        return session

    @property
    def messages(self):
        return [message for session in self.sessions for message in session.messages]

    def settle(self, seconds=10):
        """Until all connections have ended."""
        for session in self.sessions:
            session.join(seconds)
            assert not session.is_alive(), "a connection to the milter that does not end"

    def close(self):
        self.closing = True
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes who waits for the next one
        self.socket.close()
        self.thread.join(10)
        if self.path:
            os.unlink(self.path)
        for session in self.sessions:
            try:
                session.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            session.join(10)
            if session.error:
                raise session.error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
