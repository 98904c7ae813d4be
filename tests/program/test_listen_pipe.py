"""sendmail -bs: SMTP on standard input and output for a local user, with settings of his own. What it is
for users of an installed queue is in test_listen_installed.py."""

import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import subprocess
import termios
import time
from pathlib import Path

import pytest

from sandbox import EX_DATAERR, EX_OK, EX_TEMPFAIL, EX_USAGE
from smtpfake import FakeServer
from spool import QueuedLetter, spool_files
from strace import without_leak_check


class Pipe:
    """A session; what is sent is bytes, lines and their ends included."""

    def __init__(self, sandbox, *options, **more):
        self.process = sandbox.start(["sendmail", "-C", sandbox.config, "-bs", *options],
                                     **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
                                        "stderr": subprocess.PIPE, **more})

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def expect(self, code):
        """The last line of the next reply."""
        while True:
            line = self.process.stdout.readline()
            assert line.endswith(b"\r\n"), line
            if line[3:4] == b" ":
                assert int(line[:3]) == code, line
                return line.decode().strip()

    def command(self, line, code=250):
        self.send(line)
        return self.expect(code)

    def end(self, status=EX_OK, seconds=20):
        """What it has still to say on standard error."""
        self.process.stdin.close()
        assert self.process.wait(seconds) == status
        return self.process.stderr.read().decode()


def begin(pipe, sandbox, end=b"\r\n"):
    pipe.expect(220)
    pipe.command(b"EHLO localhost" + end)
    pipe.command(b"MAIL FROM:<a@sender.example>" + end)
    pipe.command(f"RCPT TO:<{sandbox.user}>".encode() + end)
    pipe.command(b"DATA" + end, 354)


def test_a_script_with_bare_line_feeds(sandbox):
    """printf '...' | sendmail -bs"""
    script = (f"EHLO here\nMAIL FROM:<{sandbox.user}>\nRCPT TO:<{sandbox.user}>\nDATA\n"
              f"From: {sandbox.user}\nSubject: printed\n\nbody\n..dot\n.\nQUIT\n")
    done = sandbox.sendmail("-bs", stdin=script, check=EX_OK)
    assert [line[:3] for line in done.out.splitlines() if line[3] != "-"] == [
        "220", "250", "250", "250", "354", "250", "221"]
    assert done.stdout.count(b"\n") == done.stdout.count(b"\r\n") and done.err == ""
    sandbox.wait_empty()
    (message,) = sandbox.mailbox()
    assert message["Subject"] == "printed" and message.get_payload() == "body\n.dot\n"
    # Bare names have their domains, as in any submission.
    assert message["From"] == f"{sandbox.user}@here.example"
    assert message["Return-Path"] == f"<{sandbox.user}@here.example>"
    (received,) = message.get_all("Received")
    who = f"user {sandbox.user}, uid {os.getuid()}"
    assert re.search(rf"by here\.example.*\({re.escape(f'from {who}')}\).*with ESMTP id",
                     received.replace("\n\t", " ")), received
    assert message["Message-ID"] and message["Date"]
    assert sandbox.log_lines("received", client=who)


def test_a_program_that_waits_for_replies(sandbox):
    """As Symfony, alpine and others have it, with options of theirs; to anybody."""
    with FakeServer() as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        pipe = Pipe(sandbox, "-odb", "-oem", "-i")
        pipe.expect(220)
        pipe.command(b"EHLO [127.0.0.1]\r\n")
        for number in range(3):
            pipe.command(b"MAIL FROM:<a@sender.example>\r\n")
            pipe.command(b"RCPT TO:<you@far.example>\r\n")
            pipe.command(b"DATA\r\n", 354)
            pipe.command(b"Subject: %d\r\n\r\nx\r\n.\r\n" % number)
            # Each is on its way while the session goes on.
            sandbox.wait_until(lambda: len(server.messages) > number, what="the message")
        pipe.command(b"QUIT\r\n", 221)
        assert pipe.end() == ""
        assert server.messages[0].sender == "a@sender.example"
    sandbox.wait_empty()


def test_envelope_names_the_caller(sandbox):
    sandbox.configure(smarthost="host = 127.0.0.1:1\ntls = off\nauth = off")
    pipe = Pipe(sandbox)
    pipe.expect(220)
    pipe.command(b"EHLO localhost\r\n")
    pipe.command(b"MAIL FROM:<>\r\n")
    pipe.command(b"RCPT TO:<you@far.example>\r\n")
    pipe.command(b"DATA\r\n", 354)
    pipe.command(b"Subject: x\r\n\r\nx\r\n.\r\n")
    pipe.end()
    sandbox.wait_quiet()
    assert QueuedLetter(sandbox.letter()).user == f"{os.getuid()} {sandbox.user}"


def test_V1_who_ends_lines_right_is_held_to_that(sandbox):
    """What a web form brings into such a message can end neither it nor a line."""
    pipe = Pipe(sandbox)
    begin(pipe, sandbox)
    pipe.send(b"Subject: x\r\n\r\nhello\n.\nMAIL FROM:<evil@sender.example>\n\r\n.\r\n")
    assert "554 5.6.0" in pipe.expect(554)
    pipe.command(b"QUIT\r\n", 221)
    pipe.end()
    assert spool_files(sandbox) == []


def test_chunks_are_carried_as_they_are(sandbox):
    pipe = Pipe(sandbox)
    pipe.expect(220)
    pipe.command(b"EHLO localhost\r\n")
    pipe.command(b"MAIL FROM:<a@sender.example>\r\n")
    pipe.command(f"RCPT TO:<{sandbox.user}>\r\n".encode())
    body = b"Subject: x\r\n\r\n.\r\nx\r\n"
    pipe.command(b"BDAT %d\r\n%s" % (len(body) - 1, body[:-1]))
    pipe.command(b"BDAT 1 LAST\r\n\n")
    pipe.command(b"QUIT\r\n", 221)
    pipe.end()
    sandbox.wait_empty()
    (message,) = sandbox.mailbox()
    assert message.get_payload() == ".\nx\n"


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_input_that_ends_within_a_message(sandbox, end):
    """Nothing is left of it, and the exit status says so."""
    pipe = Pipe(sandbox)
    begin(pipe, sandbox, end)
    pipe.send(b"Subject: half" + end + end + b"x" + end)
    assert "came to no good end" in pipe.end(EX_DATAERR)
    assert spool_files(sandbox) == []


@pytest.mark.parametrize("text", [b"From: me\nTo: you\nSubject: x\n\nx\n", b"\x16\x03\x01\x02\n"])
def test_input_that_is_no_smtp(sandbox, text):
    """A message for sendmail -t, by mistake: nobody is to believe that it was taken."""
    assert "came to no good end" in sandbox.sendmail("-bs", stdin=text, check=EX_DATAERR).err
    assert spool_files(sandbox) == []


def test_input_that_ends_without_a_word(sandbox):
    pipe = Pipe(sandbox)
    begin(pipe, sandbox)
    pipe.command(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert pipe.end() == ""
    sandbox.wait_empty()
    assert len(sandbox.mailbox()) == 1
    assert Pipe(sandbox).end() == ""


def many_recipients(sandbox, count):
    return b"EHLO localhost\r\nMAIL FROM:<a@sender.example>\r\n" + b"".join(
        b"RCPT TO:<%s+%d>\r\n" % (sandbox.user.encode(), number) for number in range(count))


def test_who_reads_when_all_is_written(sandbox):
    """More replies than a pipe holds, and a message larger than all buffers: neither side waits."""
    count = 9999
    sandbox.configure(extra='[route "here.example"]\nvia = hold')
    pipe = Pipe(sandbox)
    pipe.send(many_recipients(sandbox, count) + b"DATA\r\nSubject: large\r\n\r\n" +
              (b"x" * 76 + b"\r\n") * 64000 + b".\r\nQUIT\r\n")
    codes = [line[:4] for line in pipe.process.stdout.read().splitlines()]
    assert codes.count(b"250 ") == count + 3 and codes[-1] == b"221 "
    assert pipe.end() == ""


@pytest.mark.once
def test_who_never_reads_is_left_after_a_while(sandbox):
    """There are more replies than the pipe holds, and the session is over."""
    began = time.monotonic()
    pipe = Pipe(sandbox)
    pipe.send(many_recipients(sandbox, 9999) + b"QUIT\r\n")
    assert pipe.process.wait(60) == EX_OK  # with both ends still open
    assert 8 < time.monotonic() - began < 30
    sandbox.wait_quiet()
    pipe.process.stdout.close()
    pipe.process.stdin.close()


def test_a_reader_that_is_gone_ends_it(sandbox):
    pipe = Pipe(sandbox)
    pipe.expect(220)
    pipe.process.stdout.close()
    assert pipe.process.wait(20) == EX_OK  # standard input is still open
    assert not sandbox.runners()


def test_a_session_that_dies(sandbox):
    pipe = Pipe(sandbox)
    begin(pipe, sandbox)
    pid = pipe.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        (session,) = map(int, children.read().split())
    os.kill(session, signal.SIGKILL)
    assert pipe.process.wait(20) == EX_TEMPFAIL
    assert "ended with status 137" in pipe.process.stderr.read().decode()
    assert spool_files(sandbox) == []


def test_killed_in_the_middle_it_leaves_nothing(sandbox):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        pipe = Pipe(sandbox)
        begin(pipe, sandbox)
        pipe.send(b"Subject: half\r\n\r\n")
        pipe.process.send_signal(number)
        assert pipe.process.wait(20) == -number
        sandbox.wait_quiet()
        assert spool_files(sandbox) == []


def test_what_was_taken_goes_out_though_nobody_reads_the_reply(sandbox):
    pipe = Pipe(sandbox)
    begin(pipe, sandbox)
    (session,) = [int(pid) for pid in
                  Path(f"/proc/{pipe.process.pid}/task/{pipe.process.pid}/children").read_text().split()]
    os.kill(session, signal.SIGSTOP)
    pipe.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    unread = bytearray(4)
    sandbox.wait_until(lambda: not fcntl.ioctl(pipe.process.stdin, termios.FIONREAD, unread)
                       and not any(unread))
    time.sleep(0.3)  # to be carried on
    pipe.process.stdout.close()
    time.sleep(0.3)
    os.kill(session, signal.SIGCONT)
    pipe.process.wait(20)
    sandbox.wait_until(sandbox.mailbox)


def test_one_socket_for_both_directions(sandbox):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = sandbox.start(["sendmail", "-C", sandbox.config, "-bs"], stdin=theirs, stdout=theirs)
        theirs.close()
        lines = ours.makefile("rb")
        assert lines.readline()[:4] == b"220 "
        ours.sendall(b"QUIT\r\n")
        assert lines.readline()[:4] == b"221 " and lines.read() == b""
        assert process.wait(20) == EX_OK


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("which", ["stdin", "stdout"])
def test_V4_a_connection_from_the_network_is_no_local_user(sandbox, host, which):
    """As inetd starts it, by the line that every manual of sendmail has: an open relay, if it spoke."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host
                              else socket.AF_INET) as server, \
            socket.create_connection(server.getsockname()[:2]) as client, server.accept()[0] as ours:
        process = sandbox.start(["sendmail", "-C", sandbox.config, "-bs"],
                                **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
                                   "stderr": subprocess.PIPE, which: ours.fileno()})
        ours.close()
        client.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n")
        assert process.wait(20) == EX_USAGE
        heard = b""
        with contextlib.suppress(ConnectionResetError):  # an end is as good
            heard = client.recv(100)
        assert heard == b""
        assert "no connections from the network" in process.stderr.read().decode()
    assert "no connections from the network" in sandbox.log()


def test_descriptors_that_do_not_block(sandbox):
    """They may be shared: they are found as they were left, too."""
    inward, outward = os.pipe(), os.pipe()
    for fd in (inward[0], outward[1]):
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)
    process = sandbox.start(["sendmail", "-C", sandbox.config, "-bs"], stdin=inward[0],
                            stdout=outward[1])
    os.write(inward[1], b"NOOP\r\n" * 50)
    time.sleep(0.3)
    os.write(inward[1], b"QUIT\r\n")
    assert process.wait(20) == EX_OK
    assert fcntl.fcntl(inward[0], fcntl.F_GETFL) & os.O_NONBLOCK
    replies = os.read(outward[0], 65536)
    assert replies.count(b"\r\n") == 52 and replies.splitlines()[-1][:4] == b"221 "
    for fd in (*inward, *outward):
        os.close(fd)


def test_blocking_descriptors_are_left_so(sandbox):
    pipe = Pipe(sandbox)
    pipe.expect(220)
    for stream in (pipe.process.stdin, pipe.process.stdout):
        assert not fcntl.fcntl(stream, fcntl.F_GETFL) & os.O_NONBLOCK
    pipe.command(b"QUIT\r\n", 221)
    pipe.end()


def test_it_does_not_spin(sandbox):
    """Neither while it waits, nor when nothing can be written."""
    pipe = Pipe(sandbox)
    pipe.expect(220)
    pipe.send(b"NOOP\r\nNOOP\r\n")
    time.sleep(1.5)
    with open(f"/proc/{pipe.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    assert int(fields[11]) + int(fields[12]) < 0.5 * os.sysconf("SC_CLK_TCK")
    pipe.end()


def test_at_a_terminal(sandbox):
    """Typed by hand; what is typed comes with bare line feeds."""
    master, slave = os.openpty()
    process = sandbox.start(["sendmail", "-C", sandbox.config, "-bs"], stdin=slave, stdout=slave)
    os.close(slave)

    def read_until(text):
        seen = b""
        while text not in seen:
            assert select.select([master], [], [], 20)[0], seen
            seen += os.read(master, 4096)

    read_until(b"220 here.example")
    os.write(master, b"EHLO me\n")
    read_until(b"250 HELP")
    os.write(master, b"\x04")  # end of input
    assert process.wait(20) == EX_OK
    os.close(master)


def test_it_is_locked_in_like_any_session(sandbox):
    pipe = Pipe(sandbox, env=without_leak_check(sandbox))
    pipe.expect(220)
    pid = pipe.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        (session,) = map(int, children.read().split())
    with open(f"/proc/{session}/status", encoding="ascii") as status:
        found = dict(line.split(":\t") for line in status.read().splitlines() if ":\t" in line)
    assert found["Seccomp"] == "2" and found["NoNewPrivs"] == "1" and int(found["CapEff"], 16) == 0
    assert {os.readlink(f"/proc/{session}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    pipe.end()
