"""A Sandbox with a listener at work, and a client that speaks SMTP by hand.

The listener gets sockets that are bound already (socket activation), so that no port is ever taken by
another test between the choice and the use of it.
"""

import fcntl
import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path

from sandbox import BUILD, Sandbox

ACTIVATE = 'export LISTEN_PID=$$; exec "$0" "$@"'


class Client:
    """One connection; replies are read as (code, [lines])."""

    def __init__(self, port, host="127.0.0.1", greet=True, timeout=30, source=None):
        self.socket = socket.create_connection((host, port), timeout=timeout,
                                               source_address=source and (source, 0))
        self.file = self.socket.makefile("rb")
        if greet:
            self.expect(220)

    def send(self, data):
        """Bytes as they are; a text gets its CRLF."""
        self.socket.sendall(data if isinstance(data, bytes) else data.encode() + b"\r\n")

    def read(self):
        """The next reply; code 0 when the server has closed."""
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return 0, lines
            assert line.endswith(b"\r\n") and len(line) <= 1000, line
            text = line[:-2].decode()
            assert text[:3].isdigit() and text[3:4] in (" ", "-", ""), text
            lines.append(text[4:])
            if text[3:4] != "-":
                return int(text[:3]), lines

    def expect(self, code):
        """The lines of the next reply, which must have this code."""
        got, lines = self.read()
        assert got == code, f"{got} {lines}, not {code}"
        return lines

    def command(self, line, code=250):
        self.send(line)
        return self.expect(code)

    def ehlo(self, name="client.example"):
        """What is offered: keyword -> parameters."""
        lines = self.command(f"EHLO {name}")[1:]
        return {line.split(" ")[0]: line.partition(" ")[2] for line in lines}

    def message(self, sender, recipients, data, options="", code=250):
        """A whole transaction; data are the bytes up to the dot."""
        self.command(f"MAIL FROM:<{sender}>{options}")
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            self.command(f"RCPT TO:<{recipient}>")
        self.command("DATA", 354)
        self.send(data + b".\r\n")
        return self.expect(code)

    def starttls(self, context=None, name="localhost"):
        """Without a context any certificate will do."""
        self.command("STARTTLS", 220)
        self.wrap(context, name)

    def wrap(self, context=None, name="localhost"):
        if context is None:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.file = self.socket.makefile("rb")

    def is_closed(self):
        """Whether the server has closed, after nothing but what it says by that."""
        try:
            return self.file.read() is not None
        except ConnectionError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Listening(Sandbox):
    """
    Listening(listen="relay_networks =", more={"tls": "tls = implicit"}, **sections): [listen] and its
    like; more has further [listen "NAME"] sections. The ports are in .port and .ports[NAME].
    """

    def __init__(self, listen="", more=None, host="127.0.0.1", start=True, **sections):
        super().__init__(**sections)
        self.listen = listen
        self.more = more or {}
        self.sockets = {name: socket.create_server((host, 0), backlog=4096,
                                                   family=socket.AF_INET6 if ":" in host
                                                   else socket.AF_INET)
                        for name in ["", *self.more]}
        self.ports = {name: each.getsockname()[1] for name, each in self.sockets.items()}
        self.port = self.ports[""]
        self.listener = None
        self.configure_listeners()
        if start:
            self.start_listener()

    def configure_listeners(self, listen=None, more=None):
        """Writes the settings with these lines of the listeners."""
        self.listen = self.listen if listen is None else listen
        self.more = self.more if more is None else more
        texts = [f"[listen]\n{self.listen}"]
        texts += [f'[listen "{name}"]\n{text}' for name, text in self.more.items()]
        self.configure(extra="\n".join(texts))

    def start_listener(self, *arguments, wrapper=(), **options):
        """Starts it and returns once it takes connections. wrapper: a program that execs it."""
        handed = [self.sockets[name] for name in self.sockets]
        lock = self.queue / "listen.lock"
        if lock.exists():
            lock.write_text("")

        def hand_over():
            # Away from the numbers that they are to get, first.
            high = [fcntl.fcntl(each, fcntl.F_DUPFD, 3 + len(handed)) for each in handed]
            for number, each in enumerate(high, 3):
                os.dup2(each, number)

        self.listener = self.start(
            ["sh", "-c", ACTIVATE, *wrapper, str(BUILD / "postrider-listen"), "-C", self.config,
             *arguments],
            env={"LISTEN_FDS": str(len(handed)), "LISTEN_FDNAMES": ":".join(self.sockets)},
            executable_path="/bin/sh", preexec_fn=hand_over, close_fds=False, **options)
        self.wait_until(lambda: self.listener.poll() is not None
                        or (lock.exists() and lock.read_text().strip()), what="the listener")
        assert self.listener.poll() is None, f"the listener ended: {self.log()}"
        return self.listener

    def start(self, argv, executable_path=None, **options):
        if executable_path:
            argv = [executable_path, *argv[1:]]
        return super().start(argv, **options)

    def client(self, name="", **options):
        return Client(self.ports[name], **options)

    def sessions(self):
        """Process ids of the sessions."""
        task = f"/proc/{self.listener.pid}/task/{self.listener.pid}/children"
        with open(task, encoding="ascii") as children:
            found = []
            for child in children.read().split():
                try:
                    with open(f"/proc/{child}/comm", encoding="ascii") as name:
                        if name.read().startswith("postrider-liste"):
                            found.append(int(child))
                except OSError:
                    pass
            return found

    def runners(self):
        """Those that run the queue; the listener and its sessions are none while it lives."""
        found = super().runners()
        if self.listener and self.listener.poll() is None:
            ours = [self.listener.pid, *self.sessions()]
            found = [process for process in found if process not in ours]
        return found

    def trace_session(self, *options):
        """strace(1) at the only session from here on; the file that its calls are written to."""
        file = self.folder / "trace"
        (session,) = self.sessions()
        self.start(["/usr/bin/strace", "-qq", "-y", "-s", "200", "-o", file, *options, "-p",
                    str(session)])
        status = Path(f"/proc/{session}/status")
        self.wait_until(lambda: "\nTracerPid:\t0\n" not in status.read_text(), what="strace")
        return file

    def stop_listener(self, number=signal.SIGTERM):
        """Ends it; its exit status."""
        self.listener.send_signal(number)
        try:
            return self.listener.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.listener.kill()
            raise

    def close(self):
        if self.listener and self.listener.poll() is None:
            self.stop_listener()
        super().close()
        for each in self.sockets.values():
            each.close()
