"""How the listener is started, what it is told by signals, and when it runs the queue; without being
installed. What root and users of an installed one may do is in test_listen_installed.py."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from listening import ACTIVATE, Client, Listening
from sandbox import EX_CONFIG, EX_NOPERM, EX_OK, EX_OSERR, EX_TEMPFAIL, EX_USAGE, Sandbox, wait_until
from smtpfake import FakeServer
from spool import spool_files
from strace import without_leak_check

MESSAGE = b"Subject: hello\r\n\r\nx\r\n"
PORT = 2525


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Serving(Sandbox):
    """A Sandbox whose [listen] has an address of loopback that no other test has; it binds it itself.
    What was started in the background ends with it."""

    def __init__(self, listen="", **sections):
        self.host = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        self.address = f"{self.host}:{PORT}"
        super().__init__(**sections)
        self.listen(listen)

    def listen(self, lines="", address=None):
        self.configure(extra=f"[listen]\naddress = {address or self.address}\nrelay_networks =\n{lines}")

    def pid(self, lock="listen.lock"):
        """The process id in a lock file; None when there is none yet."""
        path = self.queue / lock
        return int(path.read_text() or 0) or None if path.exists() else None

    def client(self, **options):
        return Client(PORT, self.host, **options)

    def is_open(self, address=None):
        host, _, port = (address or self.address).rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (ConnectionRefusedError, ConnectionResetError):  # or in the moment of closing
            return False
        return True

    def send(self, subject="hello", recipient=None):
        with self.client() as client:
            client.ehlo()
            client.message("a@sender.example", recipient or f"{self.user}@here.example",
                           f"Subject: {subject}\r\n\r\nx\r\n".encode())

    def submit(self, subject="hello", *options):
        self.sendmail("-odq", "-i", *options, self.user, stdin=f"Subject: {subject}\n\nx\n",
                      check=EX_OK)

    def subjects(self):
        return sorted(message["Subject"] for message in self.mailbox())

    def wait_subjects(self, *subjects):
        self.wait_until(lambda: self.subjects() == sorted(subjects), what=f"{subjects}")

    def tell(self, number, lock="listen.lock"):
        os.kill(self.pid(lock), number)

    def stop(self, lock="listen.lock", number=signal.SIGTERM, seconds=20):
        pid = self.pid(lock)
        os.kill(pid, number)
        self.wait_until(lambda: not is_alive(pid), seconds, "its end")

    def reload(self, words="reloaded"):
        before = len(re.findall(words, self.log()))
        self.tell(signal.SIGHUP)
        self.wait_until(lambda: len(re.findall(words, self.log())) > before, what=words)

    def close(self):
        for lock in ("listen.lock", "timer.lock"):
            if self.pid(lock) and is_alive(self.pid(lock)):
                os.kill(self.pid(lock), signal.SIGKILL)
        super().close()


@pytest.fixture
def here():
    with Serving() as sandbox:
        yield sandbox


# --- starting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [
    lambda here, *more: here.postrider("serve", *more),
    lambda here, *more: here.sendmail("-bd", *more),
    lambda here, *more: here.run(["build/sendmail", "-bd", "-C", here.config.name, *more]),
], ids=["serve", "sendmail -bd", "relative"])
def test_in_the_background(here, start):
    """It returns when clients are listened to and the process id can be read."""
    (here.folder / "build").symlink_to(here.build)
    assert start(here).returncode == EX_OK
    pid = here.pid()
    assert is_alive(pid) and os.readlink(f"/proc/{pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    assert os.getsid(pid) == pid
    here.send()
    here.wait_subjects("hello")
    # There is one for a queue, and one alone; nothing happens to it.
    refused = start(here)
    assert refused.returncode == EX_TEMPFAIL
    assert "a listener of this queue is at work already" in refused.err
    assert refused.err.count("\n") == 1 and here.pid() == pid
    here.send("again")
    here.stop()
    assert not here.is_open()


@pytest.mark.parametrize("argv", [["postrider", "serve", "--foreground"], ["sendmail", "-bD"],
                                  ["sendmail", "-bdf"]], ids=" ".join)
def test_in_the_foreground(here, argv):
    process = here.start([*argv, "-C", here.config])
    here.wait_until(lambda: here.pid(), what="its process id")
    assert here.pid() == process.pid
    here.wait_until(here.is_open)
    here.send()
    here.wait_subjects("hello")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == EX_OK


def test_what_is_wrong_is_said_where_it_was_started(here):
    """With its exit status, and before anything goes to the background."""
    here.listen("tls = sometimes")
    refused = here.postrider("serve", check=EX_CONFIG)
    assert f"{here.config}:" in refused.err and refused.err.count("\n") == 1
    here.listen("tls = starttls\ntls_certificate = missing.pem\ntls_key = missing.pem")
    assert "missing.pem" in here.postrider("serve").err
    with socket.create_server((here.host, PORT)):
        here.listen()
        refused = here.postrider("serve", check=EX_OSERR)
        assert f"cannot listen on {here.address}: another program does" in refused.err
        assert refused.err.count("\n") == 1
    assert not here.pid()


def test_without_a_listen_section_the_queue_is_run(here):
    here.configure(extra="")
    here.submit()
    here.postrider("serve", "--every", "1s", check=EX_OK)
    here.wait_subjects("hello")
    assert "there is no [listen] section" in here.log()


@pytest.mark.parametrize("argv, words", [
    (["postrider", "serve", "--every", "0"], "no time"),
    (["postrider", "serve", "--every", "soon"], "no time"),
    (["postrider", "serve", "there"], "takes no arguments"),
    (["postrider", "serve", "--json"], "takes no --json"),
    (["sendmail", "-bd", "-qRexample"], "one queue run"),
    (["sendmail", "-q5m", "-qRexample"], "one queue run"),
    (["sendmail", "-q5m", "-qRexample", "-bD"], "one queue run"),
])
def test_wrong_usage(here, argv, words):
    refused = here.run([*argv, "-C", here.config], check=EX_USAGE)
    assert words in refused.err and refused.err.count("\n") == 1
    assert not here.pid() and not here.pid("timer.lock")


# --- sockets that are handed over ----------------------------------------------------------------


def handed(here, argv, more=()):
    """Starts it with a listening socket at number 3, and an open file at 4 that nobody spoke of; more:
    what its environment says otherwise."""
    assigned = "".join(f"export {name}={value};" for name, value in dict(more).items())
    door = socket.create_server(("127.0.0.1", 0))
    other = open(here.config, "rb")

    def hand_over():
        high = [os.dup(door.fileno()), os.dup(other.fileno())]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)
        os.closerange(5, 64)

    process = here.start(["/bin/sh", "-c", ACTIVATE.replace("exec", f"{assigned} exec"),
                          str(here.build / argv[0]), *argv[1:], "-C", here.config],
                         env={"LISTEN_FDS": "1", "LISTEN_FDNAMES": ""},
                         preexec_fn=hand_over, close_fds=False)
    other.close()
    return process, door


def test_serve_keeps_sockets_that_are_handed_over(here):
    process, door = handed(here, ["postrider", "serve", "--foreground"])
    with door, Client(door.getsockname()[1]) as client:
        client.ehlo()
        client.message("a@sender.example", f"{here.user}@here.example", MESSAGE)
        names = [os.readlink(f"/proc/{process.pid}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{process.pid}/fd")]
        assert str(here.config) not in names
    assert not here.is_open()  # then nothing else is bound
    here.wait_subjects("hello")


def test_a_section_without_a_socket_is_told(here):
    """With sockets that are handed over its addresses say nothing."""
    here.listen(f'[listen "other"]\naddress = {here.host}:2526')
    process, door = handed(here, ["postrider", "serve", "--foreground"])
    with door, Client(door.getsockname()[1]):
        pass
    assert 'nobody is heard for [listen "other"]' in here.log()
    assert "nobody is heard for [listen]" not in here.log()
    assert not here.is_open(f"{here.host}:2526")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == EX_OK


@pytest.mark.parametrize("more", [{"LISTEN_PID": "1"}, {"LISTEN_FDS": "0"}, {"LISTEN_FDS": "-1"},
                                  {"LISTEN_FDS": "4294967297"}, {"LISTEN_FDS": ""}], ids=str)
def test_what_is_meant_for_another_process_is_closed(here, more):
    process, door = handed(here, ["postrider", "serve", "--foreground"], more)
    port = door.getsockname()[1]
    door.close()
    here.wait_until(here.is_open)
    with pytest.raises(ConnectionRefusedError):
        Client(port)
    here.send()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == EX_OK


def test_other_ways_to_start_it_keep_no_descriptor(here):
    process, door = handed(here, ["sendmail", "-bD"])
    here.wait_until(here.is_open)
    port = door.getsockname()[1]
    door.close()
    with pytest.raises(ConnectionRefusedError):
        Client(port)
    here.send()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == EX_OK


# --- queue runs ----------------------------------------------------------------------------------


def test_runs_by_the_clock_alone(here):
    here.sendmail("-q1s", check=EX_OK)
    assert is_alive(here.pid("timer.lock")) and not here.is_open() and not here.pid()
    here.submit("one")
    here.wait_subjects("one")
    refused = here.sendmail("-q1h30m", check=EX_TEMPFAIL)
    assert "timer.lock" in refused.err
    # A listener is another matter.
    here.sendmail("-bd", check=EX_OK)
    here.send("two")
    here.wait_subjects("one", "two")
    here.stop("timer.lock")
    here.submit("three")
    time.sleep(1.5)
    assert here.subjects() == ["one", "two"]


def test_a_broken_certificate_does_not_keep_the_queue_from_being_run(here):
    here.listen("tls = starttls\ntls_certificate = missing.pem\ntls_key = missing.pem")
    here.submit()
    here.sendmail("-q1s", check=EX_OK)
    here.wait_subjects("hello")
    here.tell(signal.SIGHUP, "timer.lock")
    here.wait_until(lambda: "reloaded" in here.log())
    assert "not reloaded" not in here.log() and not here.is_open()


def test_without_an_interval_only_what_comes_in_is_sent(here):
    here.sendmail("-bd", check=EX_OK)
    here.submit("waits")
    time.sleep(1.5)
    assert here.letters() and not here.mailbox()
    here.send("comes in")  # and wakes the runner, who takes both
    here.wait_subjects("waits", "comes in")


def test_what_is_due_is_sent_in_time(here):
    """By the retry times of the settings; the interval is only how often that is looked at."""
    here.configure(smarthost="host = 127.0.0.1:1\ntls = off\nauth = off", queue="retry = 2s, 1h")
    here.sendmail("-bd", "-q1s", check=EX_OK)
    here.sendmail("-i", "you@far.example", stdin="Subject: x\n\nx\n", check=EX_OK)
    here.wait_until(lambda: here.log().count("cannot be used now") == 2, 15, "a second try")
    time.sleep(2.5)
    assert here.log().count("cannot be used now") == 2  # the next one is in an hour


def count_starts(trace):
    return len(re.findall(r'execve\("[^"]*/postrider-run"', trace.read_text()))


def test_no_runner_is_started_for_nothing(here):
    """The folder's list says whether anything is due: shown with strace."""
    trace = here.folder / "trace"
    process = here.start(["/usr/bin/strace", "-f", "-qq", "-e", "trace=execve", "-o", trace,
                          here.build / "postrider-listen", "-C", here.config, "--every", "1s"],
                         env=without_leak_check(here))
    here.wait_until(lambda: here.pid() and here.is_open())
    time.sleep(3)
    assert count_starts(trace) == 0
    here.submit()
    here.wait_subjects("hello")
    time.sleep(2.5)
    assert count_starts(trace) == 1
    here.send("two")
    here.wait_subjects("hello", "two")
    time.sleep(2.5)
    assert count_starts(trace) == 2
    here.stop()
    process.wait(20)


def test_Q4_a_clock_that_was_put_back_keeps_nothing_waiting(here):
    here.submit()
    (name,) = here.letters()
    journal = here.queue / "journal" / name
    journal.write_text("")
    os.utime(journal, (time.time() + 365 * 86400,) * 2)
    here.sendmail("-q1s", check=EX_OK)
    here.wait_subjects("hello")


@pytest.fixture
def runner(here):
    """runner(SCRIPT) stands in for postrider-run, "$REAL" is the true one; runner() is it again."""
    folder = here.folder / "build"
    folder.mkdir()
    for name in ("postrider", "postrider-listen", "postrider-mailbox"):
        shutil.copy(here.build / name, folder)
    (folder / "sendmail").symlink_to("postrider")
    real = here.build / "postrider-run"
    here.build = folder

    def replace(script='exec "$REAL" "$@"'):
        fresh = folder / "fresh"
        fresh.write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")
        fresh.chmod(0o755)
        fresh.rename(folder / "postrider-run")

    replace()
    return replace


def test_a_runner_that_dies_is_started_again(here, runner):
    runner("kill -9 $$")
    here.sendmail("-bd", "-q2s", check=EX_OK)
    here.send("one")
    here.wait_until(lambda: "a queue run ended with status 137" in here.log())
    assert here.letters()
    runner()
    here.wait_subjects("one")


def test_a_mark_starts_a_runner_though_the_last_one_died(here, runner):
    """The mark of the first message is still there, when that of the second is left."""
    runner("kill -9 $$")
    here.sendmail("-bd", check=EX_OK)
    here.send("one")
    here.wait_until(lambda: "a queue run ended with status 137" in here.log())
    assert (here.queue / "spool" / ".wake").exists()
    runner()
    here.send("two")
    here.wait_subjects("one", "two")


def test_a_mark_that_stays_is_not_run_after_all_the_time(here, runner):
    runner(f"echo >> {here.folder}/starts")
    here.sendmail("-bd", check=EX_OK)
    here.send("one")
    time.sleep(3)
    # Once more at the most: for the message, and for a mark that was left just then.
    assert len((here.folder / "starts").read_text()) <= 2
    runner()
    here.wait_subjects("one")  # in a few seconds


def test_a_runner_of_others_that_dies_with_a_mark_is_noticed(here, runner):
    """Who holds the lock should see the mark; it is dead before that."""
    here.sendmail("-bd", check=EX_OK)
    lock = here.queue / "run.lock"
    lock.touch()
    script = ("import fcntl, struct, sys, time\n"
              "file = open(sys.argv[1], 'r+')\n"
              "fcntl.lockf(file, fcntl.LOCK_EX)\n"
              "print('locked', flush=True)\n"
              "time.sleep(100)\n")
    holder = here.start(["/usr/bin/python3", "-c", script, lock], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"locked\n"
    here.send("one")
    time.sleep(1)
    assert here.letters()
    holder.kill()
    here.wait_subjects("one")


def test_marks_while_the_listener_is_stopped(here):
    here.sendmail("-bd", check=EX_OK)
    with here.client() as client:
        client.ehlo()
        here.tell(signal.SIGSTOP)
        client.message("a@sender.example", f"{here.user}@here.example", MESSAGE)
        time.sleep(0.5)
        assert here.letters()
        here.tell(signal.SIGCONT)
        here.wait_subjects("hello")


def test_marks_of_a_listener_that_was_killed(here):
    """The next one sees it, and runs the queue though it has no interval."""
    here.sendmail("-bd", check=EX_OK)
    with here.client() as client:
        client.ehlo()
        here.tell(signal.SIGSTOP)
        client.message("a@sender.example", f"{here.user}@here.example", MESSAGE)
        here.stop(number=signal.SIGKILL)
        # Its sessions end with it, and say so.
        client.expect(421)
        assert client.is_closed()
    assert here.letters()
    here.sendmail("-bd", check=EX_OK)
    here.wait_subjects("hello")


# --- stopping ------------------------------------------------------------------------------------


@pytest.fixture
def handing():
    with Listening(listen="relay_networks =") as sandbox:
        yield sandbox


def begin(client, sandbox):
    client.ehlo()
    client.command("MAIL FROM:<a@sender.example>")
    client.command(f"RCPT TO:<{sandbox.user}@here.example>")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_sessions_end_at_once(handing, number):
    with handing.client() as one, handing.client() as other:
        one.ehlo()
        began = time.monotonic()
        assert handing.stop_listener(number) == EX_OK
        assert time.monotonic() - began < 2
        for client in (one, other):
            (line,) = client.expect(421)
            assert line.startswith("4.3.2 ") and client.is_closed()


def stop_all(handing):
    """As a service manager may: the signal goes to every process."""
    for pid in [*handing.sessions(), handing.listener.pid]:
        os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("stop", [lambda one: one.listener.send_signal(signal.SIGTERM), stop_all,
                                  lambda one: one.listener.kill()], ids=["TERM", "to all", "KILL"])
def test_a_message_in_the_middle_is_dropped(handing, stop):
    with handing.client() as client:
        begin(client, handing)
        client.command("DATA", 354)
        client.send(b"Subject: half\r\n\r\nof a message\r\n")
        handing.wait_until(lambda: len(handing.sessions()) == 1)
        stop(handing)
        (line,) = client.expect(421)
        assert line.startswith("4.3.2 ") and client.is_closed()
    handing.listener.wait(20)
    handing.wait_quiet()
    assert spool_files(handing) == []
    assert any("we stop" in line for line in handing.log_lines("rejected"))


def test_a_message_that_comes_and_comes_is_dropped_too(handing):
    """Its client never waits for anything, so that there is always something to be read."""
    with handing.client() as client:
        begin(client, handing)
        client.command("DATA", 354)
        stopped = threading.Event()

        def pour():
            try:
                while not stopped.is_set():
                    client.socket.sendall(b"x" * 70 + b"\r\n")
            except OSError:
                pass

        pouring = threading.Thread(target=pour)
        pouring.start()
        time.sleep(0.3)
        began = time.monotonic()
        handing.listener.send_signal(signal.SIGTERM)
        client.expect(421)
        stopped.set()
        assert handing.listener.wait(20) == EX_OK
        assert time.monotonic() - began < 5
        pouring.join()
    assert spool_files(handing) == []


@pytest.mark.parametrize("stop", [lambda one: one.listener.send_signal(signal.SIGTERM), stop_all,
                                  lambda one: one.listener.kill()], ids=["TERM", "to all", "KILL"])
def test_a_message_whose_end_was_read_is_taken(handing, stop):
    """It is being written to the disk, which takes its time, when the end comes."""
    with handing.client() as client:
        begin(client, handing)
        client.command("DATA", 354)
        (session,) = handing.sessions()
        trace = handing.folder / "trace"
        tracer = handing.start(["/usr/bin/strace", "-qq", "-e", "trace=fsync", "-e",
                                "inject=fsync:delay_enter=1500000", "-o", trace, "-p", str(session)])
        handing.wait_until(lambda: "\nTracerPid:\t0\n" not in status(session), what="strace")
        client.send(MESSAGE + b".\r\n")
        handing.wait_until(lambda: "fsync" in trace.read_text(), what="the first fsync")
        stop(handing)
        client.expect(250)
        client.expect(421)
        assert client.is_closed()
        tracer.wait(20)
    handing.listener.wait(20)
    handing.wait_quiet()
    assert handing.letters() or handing.mailbox()
    handing.flush(check=EX_OK)
    handing.wait_empty()
    assert [message["Subject"] for message in handing.mailbox()] == ["hello"]


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return file.read()


@pytest.mark.once
def test_a_session_that_does_not_end_is_killed(handing):
    with handing.client() as client:
        client.ehlo()
        (session,) = handing.sessions()
        os.kill(session, signal.SIGSTOP)
        began = time.monotonic()
        handing.listener.send_signal(signal.SIGTERM)
        assert handing.listener.wait(60) == EX_OK
        assert 20 < time.monotonic() - began < 40
        handing.wait_until(lambda: not is_alive(session))
    assert "1 sessions did not come to an end and are killed" in handing.log()


def test_sessions_hear_no_signals_of_their_own(handing):
    """Stopping is their parent's to say."""
    with handing.client() as client:
        client.ehlo()
        for session in handing.sessions():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(session, number)
        client.message("a@sender.example", f"{handing.user}@here.example", MESSAGE)
        client.command("QUIT", 221)


def test_the_next_listener_need_not_wait_for_old_sessions(here):
    here.sendmail("-bd", check=EX_OK)
    with here.client() as client:
        begin(client, here)
        (session,) = children(here.pid())
        os.kill(session, signal.SIGSTOP)
        first = here.pid()
        here.tell(signal.SIGTERM)
        here.wait_until(lambda: not here.is_open())
        here.sendmail("-bd", check=EX_OK)
        assert here.pid() != first and is_alive(first)
        here.send()
        here.wait_subjects("hello")
        os.kill(session, signal.SIGCONT)
        client.expect(421)
        here.wait_until(lambda: not is_alive(first))


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def test_a_runner_is_waited_for(here):
    """It finishes what it has in hand, and begins nothing else: nothing goes out twice."""
    held = []

    def hold(_session, _line):
        held.append(1)
        wait_until(lambda: len(held) > 1)

    with FakeServer(at={"message": hold}) as server:
        here.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off\nconnections = 1")
        for one in range(3):
            here.sendmail("-odq", "-i", "you@far.example", stdin=f"Subject: {one}\n\nx\n",
                          check=EX_OK)
        here.sendmail("-bd", "-q1s", check=EX_OK)
        wait_until(lambda: held)
        pid = here.pid()
        here.tell(signal.SIGTERM)
        here.wait_until(lambda: "told to end" in here.log())
        assert is_alive(pid)
        held.append(1)
        here.wait_until(lambda: not is_alive(pid), what="its end")
        here.wait_quiet()
        sent = len(server.messages)
        assert 1 <= sent < 3 and len(here.letters()) == 3 - sent


# --- reloading -----------------------------------------------------------------------------------


def test_new_settings_for_new_sessions(here):
    here.sendmail("-bd", check=EX_OK)
    with here.client() as old:
        old.ehlo()
        here.configure(mail="hostname = other.example\nmax_message_size = 1M")
        here.reload()
        with here.client(greet=False) as new:
            assert new.expect(220)[0].startswith("other.example ")
            assert new.ehlo()["SIZE"] == str(1024 * 1024)
        assert old.ehlo()["SIZE"] == str(50 * 1024 * 1024)
        old.message("a@sender.example", f"{here.user}@here.example", MESSAGE)
        assert old.command("QUIT", 221)[0].endswith("here.example says goodbye")
    here.wait_subjects("hello")


@pytest.mark.parametrize("lines, words", [
    ("tls = sometimes", r"postrider\.conf:\d+: "),
    ("tls = starttls\ntls_certificate = missing.pem\ntls_key = missing.pem", r"missing\.pem"),
    ("relay_networks = 0.0.0.0/0", r"given twice|relay_networks"),
    ("[queue]\nlifetime = 1d", "a second time"),
], ids=["settings", "certificate", "relay", "section"])
def test_settings_that_are_wrong_change_nothing(here, lines, words):
    here.sendmail("-bd", check=EX_OK)
    pid = here.pid()
    here.listen(lines)
    here.configure(mail="hostname = other.example")
    here.reload("not reloaded, the settings in force stay: ")
    (line,) = [line for line in here.log().splitlines() if "not reloaded" in line]
    assert re.search(words, line)
    with here.client(greet=False) as client:
        assert client.expect(220)[0].startswith("here.example ")
    here.listen()
    here.reload(": reloaded")
    assert here.pid() == pid
    with here.client(greet=False) as client:
        assert client.expect(220)[0].startswith("other.example ")


def test_another_queue_needs_a_restart(here):
    here.sendmail("-bd", check=EX_OK)
    here.configure(queue=f"directory = {here.folder}/elsewhere")
    here.reload("not reloaded")
    assert "another queue directory needs a restart" in here.log()
    here.send()
    assert not (here.folder / "elsewhere").exists()


def test_another_log_file_or_none(here):
    here.sendmail("-bd", check=EX_OK)
    other = here.folder / "other.log"
    here.configure(mail=f"log_file = {other}")
    here.tell(signal.SIGHUP)
    here.wait_until(lambda: other.exists() and ": reloaded" in other.read_text())
    before = here.log(), other.read_text()
    here.configure(mail="log_file =")
    here.tell(signal.SIGHUP)
    time.sleep(0.5)
    here.send()
    here.wait_subjects("hello")
    assert (here.log(), other.read_text()) == before


def test_other_addresses(here):
    """What is not wanted any more is closed, and what is wanted still stays open all the while."""
    second, third = (f"{here.host}:{PORT + n}" for n in (1, 2))
    here.listen(address=f"{here.address}, {second}")
    here.sendmail("-bd", check=EX_OK)
    assert here.is_open() and here.is_open(second)
    inode = sockets(here.pid(), here.address)
    here.listen(address=f"{third}, {here.address}")
    here.reload()
    assert here.is_open() and here.is_open(third) and not here.is_open(second)
    assert sockets(here.pid(), here.address) == inode


def sockets(pid, address):
    """The inode of the socket that listens there."""
    host, _, port = address.rpartition(":")
    wanted = socket.inet_aton(host)[::-1].hex().upper() + f":{int(port):04X}"
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        (inode,) = [line.split()[9] for line in table if line.split()[1:4:2] == [wanted, "0A"]]
    return inode


def test_an_address_that_cannot_be_had_changes_nothing(here):
    second, third = (f"{here.host}:{PORT + n}" for n in (1, 2))
    here.listen(address=f"{here.address}, {second}")
    here.sendmail("-bd", check=EX_OK)
    with socket.create_server((here.host, PORT + 2)):
        here.listen(address=f"{PORT + 3}".join([f"{here.host}:", f", {here.address}, {third}"]))
        here.reload("not reloaded")
        assert here.is_open() and here.is_open(second)
        assert not here.is_open(f"{here.host}:{PORT + 3}")
        here.send()
    here.reload(": reloaded")
    assert here.is_open() and here.is_open(third) and not here.is_open(second)


def test_a_wider_address_in_place_of_ours_is_explained(here):
    here.sendmail("-bd", check=EX_OK)
    here.listen(address=f"*:{PORT}")
    here.reload("not reloaded")
    assert "takes a restart" in here.log() and here.is_open()


def test_who_is_connected_counts_on(here):
    """By the name of the section, whatever its place."""
    here.listen("max_connections = 1")
    here.sendmail("-bd", check=EX_OK)
    second = f"{here.host}:{PORT + 1}"
    with here.client() as client:
        client.ehlo()
        here.configure(extra=f'[listen "new"]\naddress = {second}\n[listen]\naddress = {here.address}\n'
                             "max_connections = 1\n")
        here.reload()
        with here.client(greet=False) as other:
            other.expect(421)
        with Client(PORT + 1, here.host) as third:
            third.ehlo()
        client.command("QUIT", 221)
        here.wait_until(lambda: not children(here.pid()))
        # A section that is gone: its sessions end by themselves, and count nowhere.
        with here.client() as client:
            here.configure(extra=f'[listen "new"]\naddress = {second}\n')
            here.reload()
            client.ehlo()
            assert not here.is_open() and here.is_open(second)


def test_reloads_while_sessions_are_at_work(here):
    """TLS identities and settings are exchanged under them."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "30", "-subj", "/CN=here.example", "-keyout",
                    here.folder / "tls.key", "-out", here.folder / "tls.crt"], check=True,
                   capture_output=True)
    lines = ("tls = starttls\ntls_certificate = tls.crt\ntls_key = tls.key\n"
             "max_connections_per_client = 50")
    here.listen(lines)
    here.sendmail("-bd", check=EX_OK)
    failures, done = [], threading.Event()

    def work(number):
        try:
            count = 0
            while not done.is_set() or count < 3:
                with here.client() as client:
                    client.ehlo()
                    client.starttls()
                    client.ehlo()
                    client.message("a@sender.example", f"{here.user}@here.example",
                                   f"Subject: {number} {count}\r\n\r\nx\r\n".encode())
                    client.command("QUIT", 221)
                count += 1
            sent.append(count)
        except (AssertionError, OSError) as error:
            failures.append(error)

    sent = []
    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for number in range(20):
        here.configure(mail=f"max_hops = {20 + number}")
        here.reload()
    done.set()
    for worker in workers:
        worker.join()
    assert not failures, failures
    here.wait_until(lambda: len(here.mailbox()) == sum(sent) and not here.letters())
    assert "ended by signal" not in here.log() and "not reloaded" not in here.log()


def test_settings_that_are_wrong_are_told_of_with_each_run(here):
    """A queue run reads them anew; the listener goes on, and so does what it takes."""
    here.sendmail("-bd", check=EX_OK)
    config = here.config.read_text()
    here.config.write_text(config + "nonsense = yes\n")
    here.send("one")
    here.wait_until(lambda: "ended with status 78, a mistake in the settings" in here.log())
    here.config.write_text(config)
    here.send("two")
    here.wait_subjects("one", "two")


# --- root ----------------------------------------------------------------------------------------


def test_sessions_have_no_capability_whoever_started_them(handing):
    """Root with settings of his own has them lose all of his; the log says what that is good for."""
    with handing.client() as client:
        client.ehlo()
        (session,) = handing.sessions()
        found = dict(line.split(":\t") for line in status(session).splitlines() if ":\t" in line)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(found[kind], 16) == 0, kind
        if os.geteuid() == 0:
            assert int(found["CapBnd"], 16) == 0
        client.message("a@sender.example", f"{handing.user}@here.example", MESSAGE)
    handing.wait_until(lambda: len(handing.mailbox()) == 1)
    notices = handing.log().count("that is for trials only")
    assert notices == (1 if os.geteuid() == 0 else 0)


def test_root_takes_no_mail_in_without_landlock(here):
    """His sessions have his name; others have rights of their own, and a filter of system calls."""
    process = here.start(["/usr/bin/strace", "-f", "-qq", "-e", "trace=landlock_create_ruleset", "-e",
                          "inject=landlock_create_ruleset:error=ENOSYS", "-o", "/dev/null",
                          here.build / "postrider-listen", "-C", here.config],
                         env=without_leak_check(here), stderr=subprocess.PIPE)
    if os.geteuid() == 0:
        assert process.wait(20) == EX_NOPERM
        assert b"no Landlock" in process.stderr.read() and not here.is_open()
    else:
        here.wait_until(here.is_open)
        here.send()
        here.wait_subjects("hello")
        assert "no Landlock" in here.log()
