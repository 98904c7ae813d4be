"""
Q1: one death or one fault at a time, each at the moment at which it could lose a message or deliver
it twice. test_kill.py does the same at random.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest
from bigqueue import crc32c
from sandbox import EX_IOERR, EX_OK, EX_TEMPFAIL, wait_until
from smtpfake import HANG, FakeServer
from strace import without_leak_check
from test_installed import Machine

MESSAGE = b"Subject: m%d\n\none line of text\n"
FOREIGN = b"From other Thu Jan  1 00:00:00 2026\nSubject: foreign\n\nkept\n\n"


def subjects(data):
    return [int(number) for number in re.findall(rb"^Subject: m(\d+)\r?$", data, re.MULTILINE)]


def use(sandbox, server, **more):
    sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off", **more)


def make_due(sandbox, name=None):
    for path in (sandbox.queue / "journal").iterdir():
        if name in (None, path.name):
            os.utime(path, (1, 1))


# --- the helper, killed within a run -------------------------------------------------------------


@pytest.fixture
def helper(sandbox):
    """helper(SCRIPT) stands in for the helper, "$REAL" is the true one; helper() is it again."""
    folder = sandbox.folder / "build"
    folder.mkdir()
    for name in ("postrider", "postrider-run"):
        shutil.copy(sandbox.build / name, folder)
    (folder / "sendmail").symlink_to("postrider")
    real = sandbox.build / "postrider-mailbox"
    sandbox.build = folder

    def replace(script='exec "$REAL" "$@"'):
        path = folder / "postrider-mailbox"
        path.write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")
        path.chmod(0o755)

    replace()
    return replace


# It has done its work, and cannot say so any more.
KILLED_AFTER = '"$REAL" "$@"; kill -9 $$'
# It has written a piece, and another program then its own message.
KILLED_WITHIN = """head -c 150 >> "$3/$2"; kill -9 $$"""


@pytest.mark.parametrize("script", [KILLED_AFTER, KILLED_WITHIN], ids=["after", "within"])
def test_Q1_helper_killed(sandbox, helper, script):
    helper(script)
    sandbox.sendmail("-odq", "-i", sandbox.user, stdin=MESSAGE % 1, check=EX_OK)
    sandbox.flush(check=EX_OK)
    assert len(sandbox.letters()) == 1 and sandbox.mailbox_bytes()
    helper()
    make_due(sandbox)
    sandbox.flush(check=EX_OK)
    assert not sandbox.letters()
    assert subjects(sandbox.mailbox_bytes()) == [1]
    assert sandbox.mailbox_bytes().count(b"From ") == 1
    assert not os.listdir(sandbox.queue / "runs")


def test_Q1_another_message_behind_a_piece_is_kept(sandbox, helper):
    helper(KILLED_WITHIN)
    sandbox.sendmail("-odq", "-i", sandbox.user, stdin=MESSAGE % 1, check=EX_OK)
    sandbox.flush(check=EX_OK)
    with open(sandbox.mail / sandbox.user, "ab") as file:
        file.write(b"\n\n" + FOREIGN)
    helper()
    make_due(sandbox)
    sandbox.flush(check=EX_OK)
    assert FOREIGN in sandbox.mailbox_bytes()
    assert subjects(sandbox.mailbox_bytes())[-1] == 1 and not sandbox.letters()


def test_Q1_a_message_that_is_not_due_is_remembered(sandbox, helper):
    """A run that does not come to it settles nothing about it."""
    helper(KILLED_AFTER)
    sandbox.sendmail("-odq", "-i", sandbox.user, stdin=MESSAGE % 1, check=EX_OK)
    sandbox.flush(check=EX_OK)
    (first,) = sandbox.letters()
    helper()
    sandbox.sendmail("-odq", "-i", sandbox.user, stdin=MESSAGE % 2, check=EX_OK)
    sandbox.flush(check=EX_OK)
    assert sandbox.letters() == [first]
    make_due(sandbox)
    sandbox.flush(check=EX_OK)
    assert subjects(sandbox.mailbox_bytes()) == [1, 2] and not sandbox.letters()
    assert not os.listdir(sandbox.queue / "runs")


def test_Q1_a_message_that_is_put_off_is_remembered(sandbox, helper):
    """Where it goes to cannot be told in the run after the death: the helper was not asked."""
    helper(KILLED_AFTER)
    sandbox.sendmail("-odq", "-i", sandbox.user, stdin=MESSAGE % 1, check=EX_OK)
    sandbox.flush(check=EX_OK)
    assert subjects(sandbox.mailbox_bytes()) == [1]
    helper()
    sandbox.aliases("this is no alias\n")
    make_due(sandbox)
    sandbox.flush()
    assert len(sandbox.letters()) == 1 and os.listdir(sandbox.queue / "runs")
    sandbox.aliases("")
    make_due(sandbox)
    sandbox.flush(check=EX_OK)
    assert subjects(sandbox.mailbox_bytes()) == [1] and not sandbox.letters()
    assert not os.listdir(sandbox.queue / "runs")


def test_Q1_whoever_waits_for_a_message_sees_that_the_other_run_died(sandbox, helper):
    """It has begun while that run lived, and gets the message when it is dead."""
    helper(f""""$REAL" "$@"
touch {sandbox.folder}/there
sleep 3""")
    sandbox.sendmail("-odq", "-i", sandbox.user, stdin=MESSAGE % 1, check=EX_OK)
    first = sandbox.start(["postrider-run", "-C", sandbox.config])
    sandbox.wait_until((sandbox.folder / "there").exists)
    (letter,) = sandbox.letters()
    second = sandbox.start(["sendmail", "-C", sandbox.config, "-M", letter])
    wait_until(lambda: len(sandbox.runners()) > 1, 20)
    time.sleep(0.5)
    helper()
    first.kill()
    first.wait()
    assert second.wait(60) == EX_OK
    assert subjects(sandbox.mailbox_bytes()) == [1] and not sandbox.letters()


def test_Q1_what_is_held_owes_no_report_for_ever(sandbox):
    """One recipient has failed, the report finds no room, and the other one is held by its route."""
    sandbox.configure(extra='[route "kept.example"]\nvia = hold\n')
    sandbox.sendmail("-odq", "-f", sandbox.user, "nobody-here", "you@kept.example", stdin=MESSAGE % 1,
                     check=EX_OK)
    sandbox.run(["/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=linkat", "-e",
                 "inject=linkat:error=ENOSPC", sandbox.build / "postrider-run", "-C", sandbox.config],
                env=without_leak_check(sandbox), check=EX_OK)
    assert len(sandbox.letters()) == 1 and not sandbox.mailbox_bytes()
    make_due(sandbox)
    sandbox.flush(check=EX_OK)
    assert b"nobody-here" in sandbox.mailbox_bytes()
    (queued,) = sandbox.letters()
    assert os.stat(sandbox.queue / "journal" / queued).st_mtime > time.time() + 10 ** 9, "it is not held"


def test_Q1_an_unwritten_journal_is_remembered_through_another_look(sandbox):
    """One mailbox has the message, another message is on its way, and the run looks at the folder
    once more, for a submitter; it must not take the trace for settled."""
    slow = threading.Event()

    def wait(_session, _line):
        slow.wait(30)

    with FakeServer(at={"RCPT": wait}) as server:
        use(sandbox, server)
        sandbox.sendmail("-odq", "-i", "you@far.example", stdin=MESSAGE % 0, check=EX_OK)
        (first,) = sandbox.letters()
        sandbox.sendmail("-odq", "-i", sandbox.user, "you@far.example", stdin=MESSAGE % 1, check=EX_OK)
        (queued,) = set(sandbox.letters()) - {first}
        journal = sandbox.queue / "journal" / queued
        # What is noted before the mailbox has it finds room, and nothing after that.
        run = sandbox.start(
            ["/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", "-P", journal, "-e", "trace=write,pwrite64",
             "-e", "inject=write,pwrite64:error=ENOSPC:when=2+", sandbox.build / "postrider-run", "-C",
             sandbox.config], env=without_leak_check(sandbox))
        sandbox.wait_until(lambda: "RCPT" in server.verbs())
        sandbox.sendmail("-i", sandbox.user, stdin=MESSAGE % 2, check=EX_OK)
        sandbox.wait_until(lambda: 2 in subjects(sandbox.mailbox_bytes()))
        slow.set()
        run.wait(60)
        sandbox.wait_quiet()
        make_due(sandbox)
        sandbox.flush(check=EX_OK)
    assert sorted(subjects(sandbox.mailbox_bytes())) == [1, 2]


# --- the helper by itself ------------------------------------------------------------------------


ENTRY = b"From a Thu Jan  1 00:00:00 2026\nX-Postrider-Id: 0123456789abcde\nSubject: m1\n\ntext\n\n"


SEARCHED = ("0123456789abcde", f"{crc32c(ENTRY):08x}")


def start_helper(sandbox, *more, stderr=subprocess.PIPE):
    return sandbox.start(
        ["postrider-mailbox", "deliver", sandbox.user, sandbox.mail, str(len(ENTRY)), *more],
        stdin=subprocess.PIPE, stderr=stderr)


def test_Q1_helper_whose_runner_died_while_it_waited(sandbox):
    """Another runner may have delivered the message before it gets its lock."""
    lock = sandbox.mail / f"{sandbox.user}.lock"
    lock.write_text(f"{os.getpid()}\n")
    process = start_helper(sandbox)
    process.stdin.write(ENTRY)
    process.stdin.close()
    process.stderr.close()
    time.sleep(0.3)
    lock.unlink()
    assert process.wait(20) == EX_TEMPFAIL
    assert sandbox.mailbox_bytes() == b"" and not lock.exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_helper_ends_what_it_began(sandbox, number):
    lock = sandbox.mail / f"{sandbox.user}.lock"
    process = start_helper(sandbox)
    process.stdin.write(ENTRY[:20])
    process.stdin.flush()
    wait_until(lock.exists)
    process.send_signal(number)
    time.sleep(0.05)
    process.stdin.write(ENTRY[20:])
    process.stdin.close()
    assert process.wait(20) == EX_OK
    assert sandbox.mailbox_bytes() == ENTRY and not lock.exists()


@pytest.mark.parametrize("behind", [b"", FOREIGN, b"\n" + FOREIGN], ids=["end", "next", "gap"])
def test_Q1_message_that_is_there_already(sandbox, behind):
    (sandbox.mail / sandbox.user).write_bytes(FOREIGN + ENTRY + behind)
    process = start_helper(sandbox, *SEARCHED)
    process.communicate(ENTRY, timeout=20)
    assert process.returncode == EX_OK
    assert sandbox.mailbox_bytes() == FOREIGN + ENTRY + behind


def test_Q1_message_that_is_there_already_is_synced(sandbox):
    """Who wrote it was killed before he came to that."""
    (sandbox.mail / sandbox.user).write_bytes(ENTRY)
    program = sandbox.build / "postrider-mailbox"
    with tempfile.NamedTemporaryFile() as calls:
        sandbox.run(["/usr/bin/strace", "-qq", "-o", calls.name, "-e", "trace=fsync,fdatasync", "-y",
                     program, "deliver", sandbox.user, sandbox.mail, str(len(ENTRY)), *SEARCHED],
                    stdin=ENTRY, env=without_leak_check(sandbox), check=EX_OK)
        assert f"sync(3<{sandbox.mail}/{sandbox.user}>" in re.sub(r"sync\(\d+", "sync(3",
                                                                 calls.read().decode())


# What a program took at the most, in KB; of a child of ours it would be what we have, if that is more.
MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def test_a_line_without_end_takes_no_memory(sandbox):
    """Its owner can make one, in a file that takes no room; the run that waits for us is everybody's."""
    mailbox = sandbox.mail / sandbox.user
    with mailbox.open("wb") as file:
        file.truncate(300 * 1000 * 1000)
        file.seek(0, os.SEEK_END)
        file.write(b"x\n" + FOREIGN)
    before = mailbox.stat().st_size
    done = sandbox.run(["/usr/bin/python3", "-c", MEASURE, sandbox.build / "postrider-mailbox", "deliver",
                        sandbox.user, sandbox.mail, str(len(ENTRY)), *SEARCHED], stdin=ENTRY, check=EX_OK)
    assert int(done.out) < 200 * 1000
    with mailbox.open("rb") as file:
        file.seek(before)
        assert file.read() == ENTRY


def test_a_mailbox_without_end_is_not_searched_for_hours(sandbox):
    """Likewise: of one that is larger than any disk only the last part is looked at."""
    mailbox = sandbox.mail / sandbox.user
    with mailbox.open("wb") as file:
        file.truncate(1 << 42)
        file.seek(0, os.SEEK_END)
        file.write(b"x\n" + FOREIGN + ENTRY)
    before = mailbox.stat().st_size
    process = start_helper(sandbox, *SEARCHED)
    process.communicate(ENTRY, timeout=300)
    assert process.returncode == EX_OK and mailbox.stat().st_size == before
    mailbox.write_bytes(b"")
    os.truncate(mailbox, 1 << 42)
    process = start_helper(sandbox, *SEARCHED)
    process.communicate(ENTRY, timeout=300)
    assert process.returncode == EX_OK
    with mailbox.open("rb") as file:
        file.seek(-len(ENTRY), os.SEEK_END)
        assert file.read() == ENTRY


def test_a_mailbox_that_may_not_grow_leaves_nothing_open(sandbox):
    """What it is too large for was taken back: nothing is to be searched for in later runs."""
    helper = sandbox.build / "postrider-mailbox"
    done = sandbox.run(["/usr/bin/prlimit", f"--fsize={len(ENTRY) - 1}", helper, "deliver", sandbox.user,
                        sandbox.mail, str(len(ENTRY))], stdin=ENTRY)
    assert done.returncode == EX_TEMPFAIL and "File too large" in done.err
    assert sandbox.mailbox_bytes() == b""


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "removed"])
def test_Q6_a_mailbox_that_goes_while_its_lock_is_waited_for(sandbox, replaced):
    """Of a reader that knows no dot-lock: what is written to the old file nobody would ever see."""
    mailbox, other = sandbox.mail / sandbox.user, sandbox.mail / "other"
    mailbox.write_bytes(FOREIGN)
    with mailbox.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        process = start_helper(sandbox)
        process.stdin.write(ENTRY)
        process.stdin.close()
        wait_until(lambda: any(os.path.exists(f"/proc/{process.pid}/fd/{fd}")
                               and os.path.samefile(f"/proc/{process.pid}/fd/{fd}", mailbox)
                               for fd in range(3, 10)))
        if replaced:
            other.write_bytes(b"")
            other.rename(mailbox)
        else:
            mailbox.unlink()
    status = process.wait(20)
    process.stderr.close()
    if replaced:
        assert status == EX_OK and mailbox.read_bytes() == ENTRY
    else:
        assert status not in (EX_OK, EX_IOERR) and not mailbox.exists()


@pytest.mark.parametrize("left", [
    ENTRY[:80] + bytes(len(ENTRY) - 80), ENTRY[:80] + bytes(7) + ENTRY[87:], ENTRY[:-1], ENTRY[:80],
    bytes(len(ENTRY)), bytes(200000)],
    ids=["only its length", "hole", "all but a byte", "beginning", "nothing", "nothing, long"])
def test_Q1_what_a_power_cut_left_of_a_message(sandbox, left):
    """The length may be on disk, and zeros where the text should be."""
    (sandbox.mail / sandbox.user).write_bytes(FOREIGN + left)
    process = start_helper(sandbox, *SEARCHED)
    process.communicate(ENTRY, timeout=20)
    assert process.returncode == EX_OK
    assert sandbox.mailbox_bytes() == FOREIGN + ENTRY


def test_Q1_piece_of_a_message_before_another_ones(sandbox):
    (sandbox.mail / sandbox.user).write_bytes(ENTRY[:80] + bytes(len(ENTRY) - 80) + b"\n\n" + FOREIGN)
    process = start_helper(sandbox, *SEARCHED)
    process.communicate(ENTRY, timeout=20)
    assert process.returncode == EX_OK
    assert sandbox.mailbox_bytes().endswith(b"\n" + FOREIGN + ENTRY)


def test_Q1_message_that_a_mail_reader_has_marked(sandbox):
    marked = ENTRY.replace(b"\n\ntext", b"\nStatus: RO\n\ntext")
    (sandbox.mail / sandbox.user).write_bytes(FOREIGN + marked)
    process = start_helper(sandbox, *SEARCHED)
    process.communicate(ENTRY, timeout=20)
    assert process.returncode == EX_OK
    assert sandbox.mailbox_bytes() == FOREIGN + marked


def dead_process():
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize("age, alive", [(400, False), (-86400 * 365, False), (4000, True)],
                         ids=["stale", "clock put back", "number of another"])
def test_Q4_dot_lock_that_is_none(sandbox, age, alive):
    lock = sandbox.mail / f"{sandbox.user}.lock"
    lock.write_text(f"{os.getpid() if alive else dead_process()}\n")
    os.utime(lock, (time.time() - age, time.time() - age))
    process = start_helper(sandbox)
    process.communicate(ENTRY, timeout=20)
    assert process.returncode == EX_OK and sandbox.mailbox_bytes() == ENTRY


# --- the runner ----------------------------------------------------------------------------------


def test_Q1_coordinator_killed_workers_alive(sandbox):
    """The queue is no worker's: a new run begins while an old worker still has its message."""
    held = []

    def hold(_session, _line):
        held.append(1)
        wait_until(lambda: len(held) > 1)

    with FakeServer(at={"message": hold}) as server:
        use(sandbox, server)
        sandbox.sendmail("-odq", "-i", "you@example.net", stdin=MESSAGE % 1, check=EX_OK)
        coordinator = sandbox.start(["postrider-run", "-C", sandbox.config])
        wait_until(lambda: held)
        coordinator.kill()
        coordinator.wait()
        sandbox.sendmail("-odq", "-i", sandbox.user, stdin=MESSAGE % 2, check=EX_OK)
        sandbox.flush(check=EX_OK)
        assert subjects(sandbox.mailbox_bytes()) == [2]
        assert len(sandbox.letters()) == 1 and len(held) == 1
        held.append(1)
        sandbox.wait_empty()
        assert len(server.messages) == 1


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_runner_ends_at_once_and_loses_nothing(sandbox, number):
    def hold(_session, _line):
        time.sleep(0.5)

    with FakeServer(at={"message": hold}) as server:
        use(sandbox, server)
        for one in range(3):
            sandbox.sendmail("-odq", "-i", "you@example.net", sandbox.user, stdin=MESSAGE % one,
                             check=EX_OK)
        coordinator = sandbox.start(["postrider-run", "-C", sandbox.config])
        wait_until(lambda: server.connections)
        coordinator.send_signal(number)
        assert coordinator.wait(5) == (EX_OK if number == signal.SIGTERM else -number)
        sandbox.wait_quiet()

        def drained():
            make_due(sandbox)
            sandbox.flush(check=EX_OK)
            sandbox.wait_quiet()
            return not sandbox.letters()

        wait_until(drained)
        assert sorted(subjects(sandbox.mailbox_bytes())) == [0, 1, 2]
        sent = sum((subjects(message.data) for message in server.messages), [])
        assert sorted(sent) == [0, 1, 2]


def test_report_of_a_delivery_in_the_foreground_goes_too(sandbox):
    sandbox.sendmail("-odi", "-f", sandbox.user, "nosuch", stdin=MESSAGE % 1, check=EX_OK)
    sandbox.wait_empty()
    (report,) = sandbox.mailbox()
    assert "nosuch@here.example" in str(report)


def test_alias_of_a_missing_user_to_himself_and_another(sandbox):
    sandbox.aliases(f"nosuch: nosuch@here.example, {sandbox.user}\n")
    sandbox.sendmail("-odq", "-f", sandbox.user, "nosuch", stdin=MESSAGE % 1, check=EX_OK)
    sandbox.flush(check=EX_OK)
    assert not sandbox.letters()
    assert len(sandbox.mailbox()) == 2, "the message and the report"


def test_ten_thousand_recipients(sandbox):
    names = ", ".join(f"u{number}@example.net" for number in range(10000))
    with FakeServer() as server:
        use(sandbox, server)
        sandbox.sendmail("-odq", "-t", "-i", stdin=f"To: {names}\n\nx\n".encode(), check=EX_OK)
        sandbox.flush(check=EX_OK)
        assert not sandbox.letters()
        assert sum(len(message.recipients) for message in server.messages) == 10000


# --- a full disk ---------------------------------------------------------------------------------


# $1 is the queue, $2 the settings, $3 where the programs are, $4 who gets mail here.
FULL_DISK = """
mount -t tmpfs -o size=256k none "$1" || exit 99
subject() { printf 'Subject: m%s\\n\\none line of text\\n' "$1"; }
run() { find "$1/journal" "$1/hops" -type f -exec touch -d 2001-01-01 {} +; "$3/sendmail" -C "$2" -q; }
subject 1 | "$3/sendmail" -C "$2" -i -odq one@example.net later@example.net || exit 98
subject 2 | "$3/sendmail" -C "$2" -i -odq "$4" later@example.net || exit 97
dd if=/dev/zero of="$1/fill" bs=4096 2>/dev/null
run "$@"; run "$@"; run "$@"
ls "$1/spool" > "$5"
rm "$1/fill"
run "$@"; run "$@"
subject 3 | "$3/sendmail" -C "$2" -i -odq "$4" || exit 96
dd if=/dev/zero of="$1/fill" bs=4096 2>/dev/null
run "$@"; run "$@"
ls "$1/spool" > "$6"
"""


def test_S10_runner_with_a_full_disk_delivers_nothing_twice(sandbox):
    def one_only(_session, line):
        return "450 4.2.0 later" if b"later@" in line.encode("latin-1") else None

    with FakeServer(at={"RCPT": one_only}) as server:
        use(sandbox, server, queue="retry = 1s")
        sandbox.queue.mkdir()
        name_space = ["--mount"] if os.getuid() == 0 else ["--map-root-user", "--mount"]
        full, after = sandbox.folder / "full", sandbox.folder / "after"
        sandbox.run(["/usr/bin/unshare", *name_space, "/bin/sh", "-c", FULL_DISK, "sh",
                     sandbox.queue, sandbox.config, sandbox.build, sandbox.user, full, after],
                    check=EX_OK)
        assert sorted(subjects(sandbox.mailbox_bytes())) == [2, 3]
        assert len(full.read_text().split()) == 2
        assert len(after.read_text().split()) == 2, "what only later@ still waits for"
        accepted = [message for message in server.messages if "one@example.net" in message.recipients]
        assert len(accepted) == 1


# --- installed -----------------------------------------------------------------------------------


@pytest.mark.installed
def test_Q1_installed_helper_that_died_before_it_gave_the_mailbox_away():
    """Root's empty file is nobody's mailbox yet; one with something in it is root's."""
    machine = Machine()
    try:
        machine.configure("host = 127.0.0.1:1")
        machine.world.shell("install -m 600 -o root -g mail /dev/null /var/mail/ada")
        machine.world.shell("install -m 600 -o root -g mail /etc/hosts /var/mail/ben")
        machine.sendmail("ada", "ben", stdin="Subject: m1\n\nx\n", check=EX_OK)
        machine.wait_for_mail("ada", "m1")
        machine.wait_quiet()
        assert machine.world.run(["stat", "-c", "%U:%G %a", "/var/mail/ada"]).out == "ada:mail 660\n"
        assert "Permission denied" in machine.log() and len(machine.queued()) == 1
        # The report that a delivery in the foreground makes goes by itself here, too.
        machine.sendmail("-odi", "-f", "ada", "nosuch", stdin="Subject: m2\n\nx\n", check=EX_OK)
        machine.wait_for_mail("ada", "Undelivered mail returned to sender")
    finally:
        machine.world.close()


def test_Q1_fifty_recipients_and_a_death_in_the_middle(sandbox):
    """The next hop takes ten at a time; everything dies after twenty: those are never tried again."""
    third = threading.Event()

    def hang_at_the_third(session, _line):
        if len(session.server.messages) < 2:
            return None
        third.set()
        return HANG

    with FakeServer(most_recipients=10, at={"message": hang_at_the_third}) as server:
        use(sandbox, server, queue="retry = 1s")
        everybody = {f"u{number}@far.example" for number in range(50)}
        sandbox.sendmail("-i", *sorted(everybody), stdin=MESSAGE % 1, check=EX_OK)
        assert third.wait(30)
        for process in sandbox.runners():
            os.kill(process, signal.SIGKILL)
        sandbox.wait_quiet()
        taken = {one for message in server.messages for one in message.recipients}
        assert len(taken) == 20
        server.at.clear()
        make_due(sandbox)
        sandbox.flush()
        sandbox.wait_empty(60)
        later = [one for message in server.messages[2:] for one in message.recipients]
        assert sorted(later) == sorted(everybody - taken)
