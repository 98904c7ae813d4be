"""A scripted name server on loopback, UDP and TCP, port 0, for what a real one never says.

    with FakeDns({("a.example", "MX"): [mx(10, "mx.a.example")],
                  ("b.example", "MX"): SERVFAIL}) as dns: ... dns.port

The answer to a question is a list of records, one of the words below, or a function of the query's
bytes that returns a packet. Names that are in no question get NXDOMAIN, other types of known names an
empty answer. .asked is the list of (name, type).
"""

import socket
import struct
import threading

SERVFAIL, REFUSED, NXDOMAIN, SILENT = "SERVFAIL", "REFUSED", "NXDOMAIN", "SILENT"
CODES = {"NOERROR": 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5}
TYPES = {1: "A", 5: "CNAME", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV"}
NUMBERS = {name: number for number, name in TYPES.items()}


def pack_name(name):
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in labels) + b"\0"


def mx(preference, host, owner=None):
    return "MX", owner, struct.pack(">H", preference) + pack_name(host)


def srv(priority, weight, port, host, owner=None):
    return "SRV", owner, struct.pack(">HHH", priority, weight, port) + pack_name(host)


def a(address):
    return "A", None, socket.inet_pton(socket.AF_INET, address)


def aaaa(address):
    return "AAAA", None, socket.inet_pton(socket.AF_INET6, address)


def ptr(host):
    return "PTR", None, pack_name(host)


def txt(*texts):
    """One record of these strings, each of at most 255 bytes."""
    strings = [text if isinstance(text, bytes) else text.encode() for text in texts]
    return "TXT", None, b"".join(bytes([len(text)]) + text for text in strings)


def cname(target, owner=None):
    return "CNAME", owner, pack_name(target)


def read_question(query):
    """(name, type, where the question ends)."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    (kind,) = struct.unpack_from(">H", query, at + 1)
    return ".".join(labels).lower(), TYPES.get(kind, str(kind)), at + 5


def make_answer(query, records=(), code="NOERROR", flags=0x8180):
    name, _, end = read_question(query)
    answers = b""
    for kind, owner, data in records:
        answers += pack_name(owner or name)
        answers += struct.pack(">HHIH", NUMBERS[kind], 1, 60, len(data)) + data
    return (query[:2] + struct.pack(">HHHHH", flags | CODES[code], 1, len(records), 0, 0)
            + query[12:end] + answers)


class FakeDns:
    def __init__(self, answers, port=0):
        self.answers = dict(answers)
        self.asked = []
        self._bind(port)
        self._tcp.listen(16)
        self._closing = False
        self._threads = [threading.Thread(target=target, daemon=True)
                         for target in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def _bind(self, port):
        """One port, free for both unless it is given."""
        while True:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._udp.bind(("127.0.0.1", port))
            self.port = self._udp.getsockname()[1]
            try:
                self._tcp.bind(("127.0.0.1", self.port))
                return
            except OSError:
                self._udp.close()
                self._tcp.close()
                if port:
                    raise

    def _answer(self, query):
        name, kind, _ = read_question(query)
        self.asked.append((name, kind))
        what = self.answers.get((name, kind))
        if what is None:
            known = any(key[0] == name for key in self.answers)
            return make_answer(query, code="NOERROR" if known else NXDOMAIN)
        if what is SILENT:
            return None
        if callable(what):
            return what(query)
        if isinstance(what, str):
            return make_answer(query, code=what)
        return make_answer(query, what)

    def _serve_udp(self):
        while True:
            query, client = self._udp.recvfrom(4096)
            if self._closing:
                return
            packet = self._answer(query)
            if packet is not None and len(packet) > 512:
                # Too long for a datagram: the question again, with the TC bit.
                packet = make_answer(query, flags=0x8380)
            if packet is not None:
                self._udp.sendto(packet, client)

    def _serve_tcp(self):
        while True:
            connection, _ = self._tcp.accept()
            if self._closing:
                connection.close()
                return
            with connection:
                size = connection.recv(2)
                if len(size) == 2:
                    packet = self._answer(connection.recv(struct.unpack(">H", size)[0]))
                    connection.sendall(struct.pack(">H", len(packet)) + packet)

    def close(self):
        self._closing = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"\0", ("127.0.0.1", self.port))
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        for thread in self._threads:
            thread.join(10)
        self._udp.close()
        self._tcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
