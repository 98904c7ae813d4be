"""Greylisting (hardcases F2): strangers come again, those who did are known; the memory survives what
may happen to it, and mail goes on without it."""

import json
import os
import signal
import threading
import time

import pytest

from listening import Listening
from sandbox import EX_OK

FILTER = """greylist = on
greylist_delay = 1s
greylist_window = 1m
"""


@pytest.fixture
def here():
    with Listening(listen="relay_networks =\nmax_connections_per_client = 100\nmax_connections = 200",
                   filter=FILTER) as sandbox:
        yield sandbox


def ask(sandbox, sender="a@sender.example", recipient=None):
    """The code for one RCPT."""
    with sandbox.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{sender}>")
        client.send(f"RCPT TO:<{recipient or sandbox.user + '@here.example'}>")
        code, lines = client.read()
        if code != 250:
            assert lines[0].startswith("4.7.1 ")
        return code


def test_who_comes_again_is_taken(here):
    # Whole seconds are counted: the two are not to be on both sides of one.
    time.sleep(1.02 - time.time() % 1)
    assert ask(here) == 451
    assert ask(here) == 451  # too early
    time.sleep(1.1)
    assert ask(here) == 250
    assert ask(here) == 250
    assert ask(here, sender="other@sender.example") == 451


def test_a_client_that_has_proved_itself_is_not_asked_again(here):
    for number in range(5):
        assert ask(here, sender=f"{number}@sender.example") == 451
    time.sleep(1.1)
    for number in range(5):
        assert ask(here, sender=f"{number}@sender.example") == 250
    assert ask(here, sender="new@sender.example") == 250


def test_postmaster_and_our_own_are_never_greylisted(here):
    assert ask(here, recipient="postmaster@here.example") == 250
    here.configure_listeners(listen="relay_networks = 127.0.0.0/8")
    here.stop_listener()
    here.start_listener()
    assert ask(here) == 250


def test_status_counts_what_it_did(here):
    assert ask(here) == 451
    time.sleep(1.1)
    assert ask(here) == 250
    assert ask(here) == 250
    counts = {"delayed": 1, "passed": 1, "known": 1, "entries": 2}
    told = json.loads(here.postrider("status", "--json", check=EX_OK).out)
    assert told["greylist"] == counts
    metrics = here.postrider("status", "--prometheus", check=EX_OK).out.splitlines()
    for name, number in counts.items():
        assert f"postrider_greylist_{name} {number}" in metrics
    assert ("Greylist: 1 tries were told to come again, 1 did"
            in here.postrider("status", check=EX_OK).out)


def memory(sandbox):
    return sandbox.queue / "filter" / "greylist.db"


@pytest.mark.parametrize("damage", ["cut", "zero", "text", "gone", "page"])
def test_F2_a_damaged_memory_is_made_anew(here, damage):
    assert ask(here) == 451
    path = memory(here)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:len(data) // 2 + 100])
    elif damage == "zero":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("no database\n" * 1000)
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-700] + os.urandom(200) + data[-500:])
    for _ in range(5):
        first = ask(here, sender="after@sender.example")
        assert first in (250, 451)
    time.sleep(1.1)
    assert ask(here, sender="after@sender.example") == 250


def test_F2_what_was_cut_off_is_taken_from_the_copy(here):
    for number in range(5):
        assert ask(here, sender=f"{number}@sender.example") == 451
    (here.queue / "filter" / "greylist.copy").write_bytes(memory(here).read_bytes())
    lock = here.queue / "filter" / "greylist.lock"
    lock.write_text("C" + lock.read_text()[1:])
    memory(here).write_bytes(b"half")
    time.sleep(1.1)
    assert ask(here, sender="0@sender.example") == 250
    assert "goes on with what it knew at the last copy" in here.log()


def test_F2_a_beginning_that_was_cut_off(here):
    (here.queue / "filter" / "__db.greylist.db").write_bytes(b"begun")
    assert ask(here) == 451
    time.sleep(1.1)
    assert ask(here) == 250


def test_F2_a_memory_that_cannot_be_had_keeps_no_mail(here):
    folder = here.queue / "filter"
    assert ask(here) == 451
    (folder / "greylist.lock").unlink()
    (folder / "greylist.lock").mkdir()
    assert ask(here) == 250
    assert "the greylist cannot be used, mail goes on without it" in here.log()


def test_F2_many_sessions_at_once(here):
    codes = []

    def talk(number):
        codes.append(ask(here, sender=f"{number}@sender.example"))

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [451] * 60
    time.sleep(1.1)
    # None was forgotten: until the client is known, each has to have come before.
    assert [ask(here, sender=f"{number}@sender.example") for number in range(60)] == [250] * 60


def test_F2_kill_9_at_any_moment(here):
    """Sessions are killed while they write; the memory can be used afterwards, and nothing hangs."""
    stop = threading.Event()

    def talk():
        number = 0
        while not stop.is_set():
            number += 1
            try:
                ask(here, sender=f"{threading.get_ident()}-{number}@sender.example")
            except (AssertionError, IndexError, OSError):
                pass

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    killed = 0
    end = time.monotonic() + 60
    while killed < 40 and time.monotonic() < end:
        for pid in here.sessions():
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        time.sleep(0.003)
    stop.set()
    for thread in threads:
        thread.join()
    assert killed >= 40
    assert ask(here, sender="last@sender.example") == 451
    time.sleep(1.1)
    assert ask(here, sender="last@sender.example") == 250
    assert "cannot be used" not in here.log()
