"""A scripted SMTP server on loopback, port 0, for tests of everything that sends mail.

    with FakeServer() as server:                       a well-behaved smarthost in clear
    with FakeServer(certificate=Certificates(folder).good) as server:   the same with STARTTLS
    with FakeServer(at={"RCPT": "550 5.1.1 nobody"}) as server:         overriding one reply

Points that can be overridden with `at`: connect (the greeting), handshake (before TLS), EHLO, HELO,
STARTTLS, AUTH, AUTH-response (a continuation line), MAIL, RCPT, DATA, body (each read of a message),
message (the reply to the final dot), RSET, NOOP, QUIT, and any other verb. With LMTP: LHLO, and
delivery (the reply for each recipient, after the final dot; what stands behind is his address). What stands there:

    None            what the server would do by itself
    "250 ok"        this reply; lines are split at "\\n", each with its own code
    b"250 ok\\r\\n"   these bytes as they are, as the reply
    CLOSE, RESET    the connection is closed, or reset; HANG: nothing more is said, until the client
                    goes or the server is closed
    (a, b, ...)     one after the other
    [a, b, ...]     a the first time (of all connections), b the second, ...; the last one repeats
    function        function(session, line) that returns any of these
"""

import base64
import datetime
import hashlib
import hmac
import ipaddress
import os
import select
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path


class _Action:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


CLOSE, RESET, HANG = _Action("CLOSE"), _Action("RESET"), _Action("HANG")
USER, PASSWORD = "user@here.example", "geheim-Passwort"
EXTENSIONS = ("PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8")
MECHANISMS = ("PLAIN", "LOGIN")


class _Closed(Exception):
    """The connection is at its end."""


class Message:
    """One that was taken: .sender and .recipients as written, parameters as dicts, .data as sent
    (CRLF line ends) with dot-stuffing undone, .raw with it and with the final dot."""

    def __init__(self, session, sender, parameters):
        self.session = session
        self.sender = sender
        self.parameters = parameters
        self.recipients = []
        self.recipient_parameters = []
        self.data = b""
        self.raw = b""
        self.chunks = 0  # of BDAT
        self.accepted = False

    @property
    def text(self):
        """The data with LF line ends."""
        return self.data.replace(b"\r\n", b"\n")


def parse_path(line):
    """'MAIL FROM:<a@b> SIZE=5' to ('a@b', {'SIZE': '5'})."""
    rest = line.partition(":")[2].strip()
    path, _, words = rest.partition(">")
    parameters = {}
    for word in words.split():
        name, _, value = word.partition("=")
        parameters[name.upper()] = value
    return path.lstrip("<"), parameters


class Session(threading.Thread):
    """One connection; what it heard is in .commands, .turns (commands by round trip), .messages."""

    def __init__(self, server, connection, address):
        super().__init__(daemon=True)
        self.server = server
        self.connection = connection
        self.address = address
        self.commands = []
        self.turns = [[]]
        self.reads = 0
        self.messages = []  # those that got their 2xx
        self.tls = None  # "TLSv1.3" after the handshake
        self.cipher = None
        self.server_name = None  # what the client asked for (SNI)
        self.client_certificate = None
        self.user = None  # after AUTH
        self.mechanism = None
        self.behind_starttls = b""
        self.greeted = False
        self.message = None
        self.error = None
        self.ended = None  # time.monotonic() of the end
        self._in = bytearray()
        self._out = bytearray()

    # --- bytes ---

    def receive(self):
        """Reads once; what is to be said goes out first, as one write."""
        self.flush()
        try:
            data = self.connection.recv(65536)
        except OSError as error:
            raise _Closed from error
        if not data:
            raise _Closed
        self.reads += 1
        self._in += data
        return data

    def flush(self):
        if self._out:
            data, self._out = bytes(self._out), bytearray()
            self.turns.append([])
            try:
                self.connection.sendall(data)
            except OSError as error:
                raise _Closed from error

    def line(self):
        while b"\n" not in self._in:
            self.receive()
        end = self._in.index(b"\n") + 1
        line = bytes(self._in[:end])
        del self._in[:end]
        return line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")

    def says_more(self, seconds=20):
        """Whether the client goes on although the last command has not been answered; it is in clear."""
        self.flush()
        return bool(self._in or select.select([self.connection], [], [], seconds)[0])

    def say(self, what):
        """Does one of the things that can stand in `at`."""
        if isinstance(what, tuple):
            for one in what:
                self.say(one)
        elif what is CLOSE:
            self.flush()
            raise _Closed
        elif what is RESET:
            self.flush()
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            raise _Closed
        elif what is HANG:
            self.flush()
            while not self.server.closing:
                self.receive()
            raise _Closed
        elif isinstance(what, bytes):
            self._out += what
        else:
            self._out += "".join(line + "\r\n" for line in what.split("\n")).encode()
        if self.server.eager:
            self.flush()

    def answer(self, point, line, default):
        """Says what `at` holds for the point, or the default; whether the latter was said."""
        what = self.server.override(point, self, line)
        self.say(default if what is None else what)
        return what is None

    # --- the dialogue ---

    def run(self):
        try:
            if self.server.tls == "implicit":
                self.handshake()
            self.answer("connect", "", f"220 {self.server.name} ESMTP ready")
            while True:
                line = self.line()
                self.commands.append(line)
                self.server.heard(line)
                self.turns[-1].append(line)
                self.command(line)
        except _Closed:
            pass
        except Exception as error:  # shown by FakeServer.close
            self.error = error
        finally:
            try:
                self.connection.close()
            except OSError:
                pass
            self.ended = time.monotonic()

    def handshake(self):
        what = self.server.override("handshake", self, "")
        if what is not None:
            self.say(what)
        self.flush()

        def name_asked(_, name, __):
            self.server_name = name

        context = self.server.context
        context.sni_callback = name_asked
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except (OSError, ssl.SSLError) as error:
            raise _Closed from error
        cipher = self.connection.cipher()
        if cipher is None:  # the client is gone already
            raise _Closed
        self.tls = self.connection.version()
        self.cipher = cipher[0]
        self.client_certificate = self.connection.getpeercert(binary_form=True)

    def capabilities(self):
        lines = [self.server.name]
        if self.server.tls == "starttls" and not self.tls:
            lines.append("STARTTLS")
        if self.tls or self.server.auth_in_clear:
            if self.server.mechanisms:
                lines.append("AUTH " + " ".join(self.server.mechanisms))
        lines += self.server.extensions
        return "\n".join(
            f"250{' ' if i == len(lines) - 1 else '-'}{line}" for i, line in enumerate(lines)
        )

    def command(self, line):
        verb = line.split(" ", 1)[0].split(":", 1)[0].upper()
        method = getattr(self, "do_" + verb.lower(), None)
        if method:
            method(line)
        else:
            self.answer(verb, line, "502 5.5.1 no such command")

    def do_ehlo(self, line):
        self.message = None
        if self.server.lmtp:
            self.say("500 5.5.1 this is LMTP")
            return
        self.greeted = self.answer("EHLO", line, self.capabilities()) or self.greeted

    def do_lhlo(self, line):
        self.message = None
        if self.server.lmtp:
            self.greeted = self.answer("LHLO", line, self.capabilities()) or self.greeted
        else:
            self.answer("LHLO", line, "502 5.5.1 no such command")

    def do_helo(self, line):
        self.message = None
        self.greeted = True
        self.answer("HELO", line, f"250 {self.server.name}")

    def do_starttls(self, line):
        if self.server.tls != "starttls" or self.tls:
            self.answer("STARTTLS", line, "502 5.5.1 no TLS here")
            return
        what = self.server.override("STARTTLS", self, line)
        self.say("220 2.0.0 go ahead" if what is None else what)
        if isinstance(what, str) and not what.startswith("220"):
            return
        self.flush()
        self.behind_starttls = bytes(self._in)
        self._in.clear()
        self.handshake()
        self.greeted = False

    def do_auth(self, line):
        words = line.split(" ")
        mechanism = words[1].upper() if len(words) > 1 else ""
        initial = words[2] if len(words) > 2 else None
        if self.user is not None:
            self.say("503 5.5.1 already")
            return
        what = self.server.override("AUTH", self, line)
        if what is not None:
            self.say(what)
            return
        method = getattr(self, "sasl_" + mechanism.lower().replace("-", "_"), None)
        if mechanism not in self.server.mechanisms or method is None:
            self.say("504 5.5.4 no such mechanism")
            return
        try:
            user = method(initial)
        except ValueError:
            self.say("501 5.5.2 cannot decode that")
            return
        if user is None:
            self.say("535 5.7.8 Error: authentication failed")
        else:
            self.user = user
            self.mechanism = mechanism
            self.say("235 2.7.0 Authentication successful")

    def do_mail(self, line):
        if self.server.auth_needed and self.user is None:
            default = "530 5.7.0 Authentication required"
        elif self.message is not None:
            default = "503 5.5.1 nested MAIL command"
        else:
            default = "250 2.1.0 Ok"
        what = self.server.override("MAIL", self, line)
        said = default if what is None else what
        if (isinstance(said, str) and said.startswith("2")) or isinstance(said, (bytes, tuple)):
            sender, parameters = parse_path(line)
            self.message = Message(self, sender, parameters)
        self.say(said)

    def do_rcpt(self, line):
        if self.message is None:
            default = "503 5.5.1 need MAIL before RCPT"
        elif self.server.most_recipients and (
            len(self.message.recipients) >= self.server.most_recipients
        ):
            default = "452 4.5.3 too many recipients"
        else:
            default = "250 2.1.5 Ok"
        what = self.server.override("RCPT", self, line)
        said = default if what is None else what
        first = said[0] if isinstance(said, tuple) else said
        if self.message is not None and isinstance(first, (str, bytes)) and first[:1] in ("2", b"2"):
            address, parameters = parse_path(line)
            self.message.recipients.append(address)
            self.message.recipient_parameters.append(parameters)
        self.say(said)

    def do_data(self, line):
        if self.message is None or not self.message.recipients:
            default = "554 5.5.1 no valid recipients"
        else:
            default = "354 end with a dot"
        what = self.server.override("DATA", self, line)
        said = default if what is None else what
        self.say(said)
        first = said[0] if isinstance(said, tuple) else said
        if isinstance(first, (str, bytes)) and first[:1] in ("3", b"3"):
            self.body()

    def body(self):
        message = self.message or Message(self, "", {})
        raw = self._in  # as it is so far, grows with each read
        while not (raw.startswith(b".\r\n") or b"\r\n.\r\n" in raw):
            what = self.server.override("body", self, "")
            if what is not None:
                self.say(what)
            self.receive()
        end = 3 if raw.startswith(b".\r\n") else raw.index(b"\r\n.\r\n") + 5
        message.raw = bytes(raw[:end])
        del raw[:end]
        lines = message.raw[:-3].split(b"\r\n")
        message.data = b"\r\n".join(x[1:] if x.startswith(b".") else x for x in lines)
        self.turns[-1].append(".")
        self.ended_message(message)

    def do_bdat(self, line):
        """RFC 3030, for those who name CHUNKING in their extensions; "BDAT" answers without taking the
        bytes, as one who does not know it."""
        what = self.server.override("BDAT", self, line)
        if what is not None:
            self.say(what)
            return
        words = line.upper().split()
        while len(self._in) < int(words[1]):
            what = self.server.override("body", self, "")
            if what is not None:
                self.say(what)
            self.receive()
        chunk = bytes(self._in[:int(words[1])])
        del self._in[:int(words[1])]
        message = self.message
        if message is None or not message.recipients:
            self.say("503 5.5.1 no valid recipients")
            return
        message.raw += chunk
        message.data += chunk
        message.chunks += 1
        if "LAST" in words:
            self.ended_message(message)
        else:
            self.say("250 2.0.0 a part")

    def ended_message(self, message):
        self.message = None
        if self.server.lmtp:
            self.deliveries(message)
            return
        default = "250 2.0.0 Ok: queued"
        if not message.recipients:
            default = "554 5.5.1 no valid recipients"
        what = self.server.override("message", self, message)
        said = default if what is None else what
        first = said[0] if isinstance(said, tuple) else said
        if isinstance(first, (str, bytes)) and first[:1] in ("2", b"2"):
            message.accepted = True
            self.messages.append(message)
            self.server.took(message)
        self.say(said)

    def deliveries(self, message):
        """RFC 2033: a reply for each recipient; one that fails is taken out of the message."""
        replies = []
        for recipient in message.recipients:
            what = self.server.override("delivery", self, recipient)
            replies.append(f"250 2.1.5 <{recipient}> delivered" if what is None else what)
        message.recipients = [
            recipient for recipient, said in zip(message.recipients, replies)
            if isinstance(said, str) and said.startswith("2")
        ]
        if message.recipients:
            message.accepted = True
            self.messages.append(message)
            self.server.took(message)
        for said in replies:
            self.say(said)

    def do_rset(self, line):
        self.message = None
        self.answer("RSET", line, "250 2.0.0 Ok")

    def do_noop(self, line):
        self.answer("NOOP", line, "250 2.0.0 Ok")

    def do_quit(self, line):
        self.answer("QUIT", line, "221 2.0.0 Bye")
        raise_after_flush(self)

    # --- SASL, the server's side ---

    def challenge(self, data):
        """Sends a challenge and returns what came back, decoded."""
        what = self.server.override("AUTH-response", self, "")
        self.say("334 " + base64.b64encode(data).decode() if what is None else what)
        line = self.line()
        self.commands.append(line)
        self.server.heard(line)
        if line == "*":
            raise ValueError(line)
        return base64.b64decode(line, validate=True)

    def first(self, initial):
        if initial is None:
            return self.challenge(b"")
        return b"" if initial == "=" else base64.b64decode(initial, validate=True)

    def known(self, user, password):
        return user if self.server.users.get(user) == password else None

    def sasl_plain(self, initial):
        _, user, password = self.first(initial).split(b"\0")
        return self.known(user.decode(), password.decode())

    def sasl_login(self, initial):
        if initial is not None:
            user = base64.b64decode(initial, validate=True)
        else:
            user = self.challenge(b"Username:")
        return self.known(user.decode(), self.challenge(b"Password:").decode())

    def sasl_cram_md5(self, initial):
        if initial is not None:
            raise ValueError("an initial response")
        challenge = f"<{os.getpid()}.{time.time()}@{self.server.name}>".encode()
        user, _, digest = self.challenge(challenge).decode().rpartition(" ")
        password = self.server.users.get(user)
        if password is None:
            return None
        right = hmac.new(password.encode(), challenge, "md5").hexdigest()
        return user if hmac.compare_digest(right, digest) else None

    def sasl_external(self, initial):
        user = self.first(initial).decode()
        return (user or "certificate") if self.client_certificate else None

    def sasl_xoauth2(self, initial):
        fields = dict(f.split("=", 1) for f in self.first(initial).decode().split("\x01") if f)
        user = self.known(fields["user"], fields["auth"].removeprefix("Bearer "))
        if user is None:
            self.challenge(b'{"status":"401","schemes":"bearer"}')
        return user

    def sasl_oauthbearer(self, initial):
        header, *fields = self.first(initial).decode().split("\x01")
        user = header.split(",")[1].removeprefix("a=")
        fields = dict(f.split("=", 1) for f in fields if f)
        user = self.known(user, fields["auth"].removeprefix("Bearer "))
        if user is None:
            self.challenge(b'{"status":"invalid_token"}')
        return user

    def sasl_scram_sha_1(self, initial):
        return self.scram("sha1", initial)

    def sasl_scram_sha_256(self, initial):
        return self.scram("sha256", initial)

    def scram(self, digest, initial):
        first = self.first(initial).decode()
        bare = first.split(",", 2)[2]
        fields = dict(f.split("=", 1) for f in bare.split(","))
        user = fields["n"].replace("=2C", ",").replace("=3D", "=")
        salt, nonce = os.urandom(16), fields["r"] + base64.b64encode(os.urandom(12)).decode()
        server_first = f"r={nonce},s={base64.b64encode(salt).decode()},i=4096"
        final = self.challenge(server_first.encode()).decode()
        without, _, proof = final.rpartition(",p=")
        password = self.server.users.get(user, "")
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, 4096)
        client_key = hmac.digest(salted, b"Client Key", digest)
        stored = hashlib.new(digest, client_key).digest()
        signed = f"{bare},{server_first},{without}".encode()
        signature = hmac.digest(stored, signed, digest)
        right = bytes(a ^ b for a, b in zip(client_key, signature))
        if not hmac.compare_digest(right, base64.b64decode(proof)):
            return None
        server_key = hmac.digest(salted, b"Server Key", digest)
        if self.server.scram_forged:
            server_key = b"x" * len(server_key)
        verifier = b"v=" + base64.b64encode(hmac.digest(server_key, signed, digest))
        self.challenge(verifier)
        return user


def raise_after_flush(session):
    session.flush()
    raise _Closed


class FakeServer:
    """
    host, port      where it listens; port 0 becomes a free one, see .port; a host with a '/' is the
                    path of a Unix socket
    lmtp            speaks LMTP
    certificate     (certificate file, key file): then STARTTLS is offered; None: no TLS
    tls             "starttls", "implicit" or "off"; default by the certificate
    client_ca       a PEM file: clients may show a certificate of it
    context         an ssl.SSLContext of your own instead
    users           name: password
    mechanisms      offered with AUTH, inside TLS, or also in clear when auth_in_clear
    auth_needed     MAIL is refused with 530 before AUTH
    extensions      the other EHLO lines
    most_recipients RCPT beyond so many get 452 4.5.3
    eager           each reply is written at once, instead of all when there is nothing to read
    scram_forged    SCRAM ends with a wrong server signature
    at              overrides by point, see above
    """

    def __init__(self, at=None, host="127.0.0.1", port=0, certificate=None, tls=None,
                 client_ca=None, context=None, users=None, mechanisms=MECHANISMS,
                 auth_in_clear=False, auth_needed=False, extensions=EXTENSIONS,
                 most_recipients=0, eager=False, scram_forged=False, name="fake.example",
                 lmtp=False):
        self.at = dict(at or {})
        self.tls = tls or ("starttls" if certificate or context else "off")
        self.users = {USER: PASSWORD} if users is None else users
        self.mechanisms = tuple(mechanisms)
        self.auth_in_clear = auth_in_clear
        self.auth_needed = auth_needed
        self.extensions = list(extensions)
        self.most_recipients = most_recipients
        self.eager = eager
        self.scram_forged = scram_forged
        self.name = name
        self.lmtp = lmtp
        self.closing = False
        self.connections = []  # Session objects, in the order of connecting
        self.commands = []  # of all of them
        self.messages = []  # likewise: every one that got 2xx
        self.receive_buffer = 0  # set it to make connections slow
        self._counts = {}
        self._lock = threading.Lock()
        self.context = context
        if certificate and not context:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.set_ciphers("DEFAULT:@SECLEVEL=0")
            self.context.load_cert_chain(*certificate)
            if client_ca:
                self.context.load_verify_locations(client_ca)
                self.context.verify_mode = ssl.CERT_OPTIONAL
        self.host = host
        if "/" in host:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(host)
            self.port, self.address = 0, host
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.socket(family, socket.SOCK_STREAM)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
            self.port = self._listener.getsockname()[1]
            self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._listener.listen(128)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while not self.closing:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            if self.closing:
                connection.close()
                return
            if self.port:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.receive_buffer)
            session = Session(self, connection, address)
            with self._lock:
                self.connections.append(session)
            session.start()

    def override(self, point, session, line):
        """What `at` says for this point now, or None."""
        what = self.at.get(point)
        if isinstance(what, list):
            with self._lock:
                count = self._counts.get(point, 0)
                self._counts[point] = count + 1
            what = what[min(count, len(what) - 1)] if what else None
        if callable(what):
            what = what(session, line)
        return what

    def heard(self, line):
        with self._lock:
            self.commands.append(line)

    def took(self, message):
        with self._lock:
            self.messages.append(message)

    def verbs(self):
        """The first words of all commands, in order."""
        return [line.split(" ")[0].split(":")[0].upper() for line in self.commands]

    def wait(self, count=1, seconds=20):
        """Until so many messages were taken; returns them."""
        end = time.monotonic() + seconds
        while len(self.messages) < count:
            if time.monotonic() > end:
                raise AssertionError(f"{len(self.messages)} of {count} messages after {seconds} s")
            time.sleep(0.005)
        return self.messages

    def settle(self, seconds=10):
        """Until every connection has ended, so that what was heard is complete."""
        for session in self.connections:
            session.join(seconds)

    def close(self):
        self.closing = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join(10)
        for session in self.connections:
            try:
                session.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            session.join(10)
        errors = [session.error for session in self.connections if session.error]
        if errors:
            raise errors[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Certificates:
    """
    Certificates for localhost, made when first asked for, in a folder. Attributes are pairs of
    paths (certificate, key), but .ca, the PEM file of the authority: good, expired, not_yet,
    self_signed, wrong_name, name_only (in the CN), wildcard, wrong_usage, weak_hash (SHA-1),
    weak_key (RSA 1024), tiny_key (RSA 512), client (for the client's side), other_ca (signed by a
    stranger).
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._made = {}
        self._authorities = {}

    KINDS = {
        "good": {},
        "expired": {"days": (-30, -2)},
        "not_yet": {"days": (2, 30)},
        "self_signed": {"issuer": None},
        "wrong_name": {"names": ["other.example"]},
        "name_only": {"names": [], "common_name": "localhost"},
        "wildcard": {"names": ["*", "*.localhost"]},
        "wrong_usage": {"usage": "client"},
        "weak_key": {"key": 1024},
        "client": {"usage": "client", "names": ["client.here.example"]},
        "other_ca": {"issuer": "stranger"},
    }

    EXTENSIONS = []  # further ones, for every certificate

    # RSA bits and hash: what no newer library makes any more, but the openssl program.
    WEAK = {"weak_hash": (2048, "sha1"), "tiny_key": (512, "sha256")}

    def __getattr__(self, name):
        if name == "ca":
            self._authority("authority")
            return self.folder / "authority.pem"
        if name not in self._made:
            if name in self.KINDS:
                self._made[name] = self._make(name, **self.KINDS[name])
            elif name in self.WEAK:
                self._made[name] = self._make_weak(name, *self.WEAK[name])
            else:
                raise AttributeError(name)
        return self._made[name]

    def fingerprint(self, name):
        """The SHA-256 of a certificate in hex with colons."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        certificate = x509.load_pem_x509_certificate(getattr(self, name)[0].read_bytes())
        return ":".join(f"{byte:02X}" for byte in certificate.fingerprint(hashes.SHA256()))

    def _authority(self, name):
        if name not in self._authorities:
            self._authorities[name] = self._build(name, None, (-60, 60), True, [], "authority")
        return self._authorities[name]

    def _make(self, name, issuer="authority", days=(-30, 30), names=None, common_name=None,
              usage="server", key=None):
        if names is None:
            names = ["localhost", "127.0.0.1", "::1"]
        self._build(name, self._authority(issuer) if issuer else None, days, False, names,
                    common_name or "a server", usage, key)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _make_weak(self, name, bits, digest):
        self._authority("authority")
        script = f"""
            openssl genrsa -out {name}.key {bits}
            openssl req -new -{digest} -subj '/CN=a server' -key {name}.key -out {name}.csr
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\\nextendedKeyUsage=serverAuth\\n' > {name}.ext
            openssl x509 -req -{digest} -in {name}.csr -CA authority.pem -CAkey authority.key \\
                -set_serial 7 -days 30 -extfile {name}.ext -out {name}.pem"""
        subprocess.run(["sh", "-euc", script], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _build(self, name, issuer, days, authority, names, common_name, usage=None, bits=None):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        if bits:
            key = rsa.generate_private_key(65537, bits)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name + (
            " " + name if authority else ""))])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(one) for one in names]), critical=False
            )
        if usage in ("server", "client"):
            purpose = {"server": ExtendedKeyUsageOID.SERVER_AUTH,
                       "client": ExtendedKeyUsageOID.CLIENT_AUTH}[usage]
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        for extension in self.EXTENSIONS:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
        (self.folder / f"{name}.pem").write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )
        path = self.folder / f"{name}.key"
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key


def _general_name(text):
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
