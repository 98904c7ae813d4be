"""A queue run, and what goes wrong at a bad moment: nothing goes out twice, and what was not tried
does not count as tried.
"""

import os
import resource
import signal
import time

import pytest
from bigqueue import fill, make_id, put_journal
from sandbox import EX_OK, EX_TEMPFAIL, wait_until
from smtpfake import CLOSE, HANG, FakeServer
from strace import trace, without_leak_check

MESSAGE = b"Subject: %d\n\nhello\n"


def use(sandbox, server, **more):
    sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off", **more)


def submit(sandbox, count, *recipients):
    for one in range(count):
        sandbox.sendmail("-odq", "-i", *(recipients or ["you@example.net"]), stdin=MESSAGE % one,
                         check=EX_OK)


def start(sandbox, **options):
    return sandbox.start(["postrider-run", "-C", sandbox.config], **options)


def journals(sandbox, word):
    """Ids of messages whose journal has such a line."""
    return [path.name for path in (sandbox.queue / "journal").iterdir()
            if f"{word} " in path.read_text()]


def hold(held, then=None):
    """For a server that waits until another one is held, by the test, and says the rest then."""
    def wait(_session, _line):
        held.append(1)
        wait_until(lambda: len(held) > 1)
        return then
    return wait


def wait_through_looks(sandbox):
    """Until there is something in the mailbox; each message that comes in makes the run look again."""
    def arrived():
        sandbox.sendmail("-i", "you@example.net", stdin=MESSAGE % 9, check=EX_OK)
        time.sleep(0.3)
        return sandbox.mailbox()

    sandbox.wait_until(arrived)


def subjects(server):
    return sorted(int(message.data.split(b"Subject: ")[1].split()[0])
                  for message in server.messages)


# --- processes that end --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_what_a_terminal_sends_to_all_processes_stops_none_in_the_middle(sandbox, number):
    held = []
    with FakeServer(at={"message": hold(held)}) as server:
        use(sandbox, server, queue="retry = 1h")
        submit(sandbox, 3)
        run = start(sandbox, start_new_session=True)
        wait_until(lambda: held)
        os.killpg(run.pid, number)
        assert run.wait(20) == -number
        held.append(1)
        sandbox.wait_quiet()
        assert len(sandbox.letters()) == 3 - len(server.messages)
        sandbox.flush(check=EX_OK)
        sandbox.wait_empty()
        assert subjects(server) == [0, 1, 2]


def test_a_worker_that_dies_has_tried_one_message(sandbox):
    """Others that it had on its list may have nothing to do with that."""
    with FakeServer(at={"MAIL": HANG}) as server:
        use(sandbox, server, queue="retry = 1h")
        submit(sandbox, 10)
        run = start(sandbox)
        wait_until(lambda: server.connections)
        (worker,) = [pid for pid in sandbox.runners() if pid != run.pid]
        os.kill(worker, signal.SIGKILL)
        assert run.wait(20) == EX_OK
    assert "ended with status 137" in sandbox.log()
    assert len(journals(sandbox, "tried")) == 1
    assert all((sandbox.queue / "journal" / one).stat().st_mtime > time.time() + 3000
               for one in sandbox.letters())


def test_told_to_end_while_it_looks_for_the_password(sandbox):
    """The command that prints it was told as well: that says nothing of the smarthost."""
    with FakeServer() as server:
        asked, told = sandbox.folder / "asked", sandbox.folder / "told"
        command = sandbox.folder / "command"
        command.write_text(f"#!/bin/sh\ntouch {asked}\nwhile [ ! -e {told} ]; do sleep 0.05; done\n"
                           "kill -TERM $$\n")
        command.chmod(0o755)
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nuser = me\n"
                                    f"password_command = {command}")
        submit(sandbox, 1)
        run = start(sandbox, start_new_session=True)
        wait_until(asked.exists)
        os.killpg(run.pid, signal.SIGTERM)
        told.touch()
        assert run.wait(20) == EX_OK
    assert "cannot be used" not in sandbox.log()
    assert not journals(sandbox, "tried") and len(sandbox.letters()) == 1


@pytest.mark.parametrize("calls, words", [
    ("?clone,?clone3,?fork,?vfork", "cannot start a delivery process"),
    ("getdents64", "cannot list the queue"),
])
def test_what_a_run_could_not_see_to_is_told(sandbox, calls, words):
    with FakeServer() as server:
        use(sandbox, server)
        submit(sandbox, 2)
        trace(sandbox, ["postrider-run", "-C", sandbox.config], "-e", f"trace={calls}",
              "-e", f"inject={calls}:error=EAGAIN", check=EX_TEMPFAIL)
        assert words in sandbox.log()
        assert len(sandbox.letters()) == 2 and not list((sandbox.queue / "journal").iterdir())
        sandbox.flush(check=EX_OK)
        sandbox.wait_empty()
        assert subjects(server) == [0, 1]


def test_told_to_end_it_leaves_the_mark_to_the_next_run(sandbox):
    with FakeServer(at={"MAIL": HANG}) as server:
        use(sandbox, server)
        submit(sandbox, 1)
        run = start(sandbox)
        wait_until(lambda: server.connections)
        os.kill(run.pid, signal.SIGSTOP)
        sandbox.sendmail("-i", sandbox.user, stdin=MESSAGE % 1, check=EX_OK)
        assert (sandbox.queue / "spool" / ".wake").exists()
        run.terminate()
        os.kill(run.pid, signal.SIGCONT)
        sandbox.wait_until(lambda: "told to end" in sandbox.log())
    assert run.wait(20) == EX_OK
    assert (sandbox.queue / "spool" / ".wake").exists() and not sandbox.mailbox()


def test_told_to_end_a_runner_finishes_what_it_has_in_hand(sandbox):
    """As when a service is stopped, all of its processes hear of it: nothing goes out twice, what was
    not begun is due at once."""
    held = []
    with FakeServer(at={"message": hold(held)}) as server:
        use(sandbox, server, queue="retry = 1h")
        submit(sandbox, 3)
        coordinator = start(sandbox)
        wait_until(lambda: held)
        for process in sandbox.runners():
            os.kill(process, signal.SIGTERM)
        sandbox.wait_until(lambda: "told to end" in sandbox.log())
        assert coordinator.poll() is None
        held.append(1)
        assert coordinator.wait(20) == EX_OK
        sandbox.wait_quiet()
        begun = len(server.messages)
        assert begun < 3 and len(sandbox.letters()) == 3 - begun
        sandbox.flush(check=EX_OK)
        sandbox.wait_empty()
        assert subjects(server) == [0, 1, 2]


def test_told_to_end_a_runner_leaves_what_it_did_not_come_to(sandbox):
    """The next hop is down, and many messages are to be put off, each with a report of its delay."""
    sandbox.configure(smarthost="host = 127.0.0.1:1\ntls = off\nauth = off")
    sandbox.aliases(f"cron: {sandbox.user}\n")
    all_of_them = set(fill(sandbox.queue, 6000))
    coordinator = start(sandbox)
    journal = sandbox.queue / "journal"
    wait_until(lambda: any(journal.iterdir()))
    coordinator.terminate()
    assert coordinator.wait(60) == EX_OK
    assert "told to end" in sandbox.log()
    put_off = {entry.name for entry in journal.iterdir()} & all_of_them
    assert 0 < len(put_off) < 6000
    # What is left is due as it was.
    sandbox.configure(extra='[route "*"]\nvia = discard\n')
    sandbox.run(["postrider-run", "-C", sandbox.config], check=EX_OK)
    assert not set(sandbox.letters()) & all_of_them - put_off


# --- a run that lasts ----------------------------------------------------------------------------


def test_a_busy_mailbox_is_tried_again_though_the_run_goes_on(sandbox):
    path = sandbox.mail / sandbox.user
    path.symlink_to("elsewhere")
    with FakeServer(at={"MAIL": HANG}) as server:
        use(sandbox, server, queue="retry = 1s")
        submit(sandbox, 1)
        submit(sandbox, 1, sandbox.user)
        run = start(sandbox)
        sandbox.wait_until(lambda: "symbolic link" in sandbox.log())
        path.unlink()
        wait_through_looks(sandbox)
        assert run.poll() is None
        run.terminate()
    run.wait(20)


def test_aliases_that_change_count_at_once(sandbox):
    with FakeServer(at={"MAIL": HANG}) as server:
        use(sandbox, server)
        sandbox.aliases("x: nobody-at-all\n")
        submit(sandbox, 1)
        run = start(sandbox)
        wait_until(lambda: server.connections)
        sandbox.aliases(f"x: {sandbox.user}\n")
        sandbox.sendmail("-i", "x", stdin=MESSAGE % 1, check=EX_OK)
        sandbox.wait_until(sandbox.mailbox)
        assert run.poll() is None and len(server.connections) == 1
    run.wait(20)


def test_settings_that_change_count_at_once(sandbox):
    """What is in hand is finished as it was begun, and goes out once."""
    held = []
    with FakeServer(at={"message": hold(held)}) as old, FakeServer() as new:
        use(sandbox, old)
        submit(sandbox, 3)
        run = start(sandbox)
        wait_until(lambda: held)
        use(sandbox, new)
        sandbox.sendmail("-i", "you@example.net", stdin=MESSAGE % 3, check=EX_OK)
        sandbox.wait_until(lambda: 3 in subjects(new))
        assert run.poll() is None
        held.append(1)
        assert run.wait(20) == EX_OK
        sandbox.wait_empty()
        assert sorted(subjects(old) + subjects(new)) == [0, 1, 2, 3]
        assert 0 in subjects(old)


def test_what_a_worker_of_old_settings_could_not_deliver_is_tried_by_the_new_ones(sandbox):
    held = []
    with FakeServer(at={"message": hold(held, CLOSE)}) as old, FakeServer() as new:
        use(sandbox, old)
        submit(sandbox, 1)
        run = start(sandbox)
        wait_until(lambda: held)
        use(sandbox, new)
        sandbox.sendmail("-i", sandbox.user, stdin=MESSAGE % 3, check=EX_OK)
        sandbox.wait_until(sandbox.mailbox)
        held.append(1)
        assert run.wait(20) == EX_OK
        sandbox.wait_empty()
        assert subjects(new) == [0]


def test_settings_in_the_middle_of_an_edit_are_not_used(sandbox):
    with FakeServer(at={"MAIL": HANG}) as server:
        use(sandbox, server)
        submit(sandbox, 1)
        run = start(sandbox)
        wait_until(lambda: server.connections)
        good = sandbox.config.read_text()
        marked = sandbox.queue / "spool" / ".wake"
        sandbox.sendmail("-odq", "-i", sandbox.user, stdin=MESSAGE % 1, check=EX_OK)
        sandbox.config.write_text(good + "[smarth")
        marked.touch()
        sandbox.wait_until(sandbox.mailbox)
        assert "the settings have changed, and are not used" in sandbox.log()
        assert run.poll() is None and len(server.connections) == 1
        sandbox.config.write_text(good)
    run.wait(20)


def test_a_process_that_could_not_be_started_does_not_end_the_looking(sandbox):
    with FakeServer(at={"MAIL": HANG}) as server:
        use(sandbox, server, extra='[route "other.example"]\nvia = 127.0.0.1:1\ntls = off\n')
        submit(sandbox, 1)
        submit(sandbox, 1, "you@other.example")
        sandbox.start(["/usr/bin/strace", "-qq", "-f", "-o", "/dev/null", "-e", "trace=?clone,?clone3",
                       "-e", "inject=?clone,?clone3:error=EAGAIN:when=2",
                       sandbox.build / "postrider-run", "-C", sandbox.config],
                      env=without_leak_check(sandbox))
        sandbox.wait_until(lambda: "cannot start a delivery process" in sandbox.log()
                           and server.connections)
        sandbox.sendmail("-i", sandbox.user, stdin=MESSAGE % 1, check=EX_OK)
        sandbox.wait_until(sandbox.mailbox)
    sandbox.wait_quiet()


def test_a_journal_that_could_not_be_written_is_tried_again_though_the_run_goes_on(sandbox):
    mailbox = sandbox.mail / sandbox.user
    mailbox.symlink_to("elsewhere")
    with FakeServer(at={"MAIL": HANG}) as server:
        use(sandbox, server, queue="retry = 1s")
        submit(sandbox, 1, sandbox.user)
        (queued,) = sandbox.letters()
        submit(sandbox, 1)
        # It is opened, looked for a journal, and then gets none, for what is known and for its time.
        run = sandbox.start(
            ["/usr/bin/strace", "-qq", "-f", "-o", "/dev/null", "-P", queued, "-e", "trace=openat",
             "-e", "inject=openat:error=ENOSPC:when=3..6", sandbox.build / "postrider-run", "-C",
             sandbox.config], env=without_leak_check(sandbox))
        sandbox.wait_until(lambda: server.connections)
        assert sandbox.log().count("cannot write the journal") >= 2
        assert not list((sandbox.queue / "journal").iterdir())
        mailbox.unlink()
        wait_through_looks(sandbox)
        assert run.poll() is None
    run.wait(60)
    sandbox.wait_quiet()


def test_new_mail_is_seen_while_a_slow_next_hop_fills_the_lists(sandbox):
    with FakeServer(at={"connect": HANG}) as server:
        use(sandbox, server)
        fill(sandbox.queue, 20500)
        run = start(sandbox)
        sandbox.wait_until(lambda: server.connections, 60)
        for one in range(3):
            sandbox.sendmail("-i", sandbox.user, stdin=MESSAGE % one, check=EX_OK)
        sandbox.wait_until(lambda: len(sandbox.mailbox()) == 3, 60)
        sandbox.wait_until(lambda: len(sandbox.letters()) == 20500)
        assert run.poll() is None
        run.terminate()
    run.wait(60)


# --- disks ---------------------------------------------------------------------------------------


def test_no_room_for_journals_does_not_make_messages_due_at_once(sandbox):
    sandbox.configure(smarthost="host = 127.0.0.1:1\ntls = off\nauth = off", queue="retry = 1h")
    submit(sandbox, 2)
    run = start(sandbox, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16)))
    assert run.wait(20) == EX_OK
    for path in (sandbox.queue / "journal").iterdir():
        assert path.read_bytes() == b"" and path.stat().st_mtime > time.time() + 3000
    assert len(list((sandbox.queue / "journal").iterdir())) == 2


def test_who_has_it_is_not_forgotten_by_a_disk_that_cannot_sync(sandbox):
    def answer(_session, line):
        return "450 4.2.1 later" if "late" in line else "250 2.1.5 fine"

    with FakeServer(at={"RCPT": answer}) as server:
        use(sandbox, server, queue="retry = 1h")
        submit(sandbox, 1, "you@example.net", "late@example.net")
        trace(sandbox, ["postrider-run", "-C", sandbox.config], "-e", "trace=fdatasync",
              "-e", "inject=fdatasync:error=EIO", check=None)
        assert len(server.messages) == 1, sandbox.log()
        assert len(journals(sandbox, "passed")) == 1


def test_children_that_could_not_be_synced_are_not_delivered_to(sandbox):
    """Though the disk says nothing of it the next time (fsync(2) tells once)."""
    with FakeServer() as server:
        use(sandbox, server, queue="retry = 1h")
        sandbox.aliases(f"x: {sandbox.user}, you@example.net\n")
        submit(sandbox, 1, "x")
        trace(sandbox, ["postrider-run", "-C", sandbox.config], "-e", "trace=fdatasync",
              "-e", "inject=fdatasync:error=EIO:when=1", check=None)
        assert not sandbox.mailbox() and not server.messages
        os.utime(next((sandbox.queue / "journal").iterdir()), (1, 1))
        sandbox.flush(check=EX_OK)
        sandbox.wait_empty()
        assert len(sandbox.mailbox()) == len(server.messages) == 1


def test_a_journal_without_a_message_goes_when_that_is_known_to_be_gone(sandbox):
    submit(sandbox, 1, sandbox.user)
    put_journal(sandbox.queue, make_id(1, time.time() - 60), ["tried 1"], 1)
    lines = trace(sandbox, ["postrider-run", "-C", sandbox.config], "-y",
                  "-e", "trace=unlinkat,fsync,fdatasync")
    gone = next(number for number, line in enumerate(lines)
                if "unlinkat(" in line and "/journal>" in line)
    assert any("sync(" in line and "/spool>" in line for line in lines[:gone])
