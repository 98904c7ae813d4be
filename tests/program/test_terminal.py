"""Manners: tables that fit a terminal, colours for people alone, and output that nobody takes."""

import re
import time

import pytest
from bigqueue import folders, letter, make_id, put, put_journal
from sandbox import EX_OK
from terminal import columns_of, on_terminal, without_tones

MESSAGE = b"Subject: hi\n\nhello\n"
XTERM = {"TERM": "xterm", "LANG": "C.UTF-8"}
GREEN, YELLOW, CYAN, RED, PLAIN = (f"\x1b[{number}m" for number in (32, 33, 36, 31, 0))
WIDE = "日本語のとても長い名前のひと"
ACCENT = "zu\u0308rich"
REASON = "mx.example.net said: 451 4.7.1 come back later, for we are not at home today, nor tomorrow"


def show(sandbox, *words, columns=80, env=None, check=EX_OK):
    """What a command shows on a terminal of so many columns."""
    status, shown = on_terminal(sandbox, ["postrider", words[0], "-C", sandbox.config, *words[1:]],
                                columns=columns, env={**XTERM, **(env or {})})
    assert status == check, shown
    return shown.decode().replace("\r\n", "\n")


@pytest.fixture
def waiting(sandbox):
    """A message that waits since long, one with wide characters that is held, one with a combining one,
    and one that is broken; their ids."""
    folders(sandbox.queue)
    now = int(time.time())
    old, held, new, broken = [make_id(number, now - age) for number, age in
                              enumerate((6 * 3600, 60, 30, 20))]
    put(sandbox.queue, old, letter("ops@example.org", [f"{WIDE}@example.com", "b@example.net"], MESSAGE,
                                   now - 6 * 3600))
    put_journal(sandbox.queue, old, [f"deferred {now} 0 4.7.1 {REASON}"], now + 600)
    put(sandbox.queue, held, letter(f"{WIDE}@example.org", ["you@example.net"], MESSAGE, now - 60))
    put(sandbox.queue, new, letter("", [f"{ACCENT}@example.net"], MESSAGE, now - 30))
    put(sandbox.queue, broken, b"nonsense\n")
    sandbox.postrider("queue", "hold", held, check=EX_OK)
    return old, held, new, broken


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns, lines", [(40, 3), (60, 3), (80, 2), (120, 1), (200, 1)])
def test_the_queue_fits_a_terminal(sandbox, waiting, columns, lines):
    shown = without_tones(show(sandbox, "queue", columns=columns)).splitlines()
    assert not [line for line in shown if columns_of(line) > columns]
    starts = [next(i for i, line in enumerate(shown) if line.startswith(name)) for name in waiting]
    assert starts[2] - starts[1] == starts[3] - starts[2] == lines, "the last has no addresses"
    folded = " ".join(" ".join(shown[starts[0]:starts[1]]).split())
    if lines == 1:
        assert "mx.example.net said:" in folded and ("tomorrow" in folded) == (columns == 200)
    else:
        assert REASON in folded, "a reason is never cut where it has lines of its own"
    assert "+1" in folded and (f"{WIDE[:6]}" in folded if lines != 3 else WIDE[:5] in folded)
    # What stands below each other does so in columns of the terminal.
    if lines < 3:
        at = columns_of(shown[0][:shown[0].index("RECIPIENTS")])
        for start, text in ((starts[0], WIDE[:5]), (starts[1], "you@"), (starts[2], ACCENT)):
            line = shown[start]
            assert columns_of(line[:line.index(text)]) == at, line


def test_the_queue_in_a_pipe_is_not_cut(sandbox, waiting):
    out = sandbox.postrider("queue", check=EX_OK, env=XTERM).out
    assert REASON in out and f"{WIDE}@example.com +1" in out and len(out.splitlines()) == 6


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_status_fits_a_terminal(sandbox, waiting, columns):
    sandbox.configure(smarthost="host = [::1]:1\ntls = off\nauth = off")
    sandbox.postrider("queue", "retry", waiting[2])
    shown = without_tones(show(sandbox, "status", columns=columns)).splitlines()
    assert not [line for line in shown if columns_of(line) > columns]
    head, total = shown[0].split(), shown[1].split()
    assert head[0] == "T" and total[:2] == ["TOTAL", "3"]
    ages = head[1:-1] if head[-1] == "minutes" else head[1:]
    assert ages[-1] == "1280+" and (len(ages) == 10) == (columns > 60)
    assert sum(map(int, total[2:2 + len(ages)])) == 3, "no age is left out"
    assert total[2 + next(i for i, age in enumerate(ages) if age in ("640", "1280+") or
                          int(age) > 360)] == "1"
    assert ("#" in shown[1]) == (columns == 200)
    text = " ".join(" ".join(shown).split())
    assert "Connection refused (left alone for" in text and "1 message, until released" in text


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_trace_fits_a_terminal(sandbox, waiting, columns):
    sandbox.postrider("queue", "retry", waiting[2])
    shown = without_tones(show(sandbox, "trace", waiting[2], columns=columns))
    for line in shown.splitlines():
        assert columns_of(line) <= columns or len(line.split()) == 1, line
    told = sandbox.postrider("trace", waiting[2], check=EX_OK).out
    assert shown.split() == told.split() and len(told.splitlines()) == 3


# --- colours -------------------------------------------------------------------------------------


def test_colours_say_what_wants_to_be_looked_at(sandbox, waiting):
    old, held, new, broken = waiting
    rows = {line[:15]: line for line in show(sandbox, "queue", columns=200).splitlines()}
    assert re.search(rf"{re.escape(YELLOW)} *6h", rows[old]) and CYAN not in rows[old]
    assert f"{CYAN}  held{PLAIN}" in rows[held] and YELLOW not in rows[held]
    assert "\x1b" not in rows[new] and f"{RED}it cannot be read:{PLAIN}" in rows[broken]
    assert f"{RED}broken  {PLAIN}1 that cannot be read" in show(sandbox, "status")
    sandbox.configure(smarthost="host = [::1]:1\ntls = off\nauth = off", queue="warn = 7h")
    assert YELLOW not in show(sandbox, "queue", columns=200), "not older than warn says"
    sandbox.postrider("queue", "retry", new)
    sandbox.postrider("queue", "bounce", old)
    told = show(sandbox, "status")
    assert re.search(rf"{re.escape(YELLOW)}\d+s ago: cannot connect", told)
    assert f"{CYAN}held    {PLAIN}1 message" in told
    sandbox.wait_quiet()
    assert f"{YELLOW}deferred {PLAIN}" in show(sandbox, "trace", new)
    story = show(sandbox, "trace", old)
    assert f"{RED}bounced  {PLAIN}" in story
    assert f"{CYAN}held     {PLAIN}" in show(sandbox, "trace", held)
    sandbox.sendmail(sandbox.user, stdin=MESSAGE, check=EX_OK)
    assert sandbox.wait_until(lambda: sandbox.log_lines("delivered", to=sandbox.user))
    assert f"{GREEN}delivered{PLAIN}" in show(sandbox, "trace", sandbox.user)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}])
@pytest.mark.parametrize("words", [("queue",), ("status",), ("trace", None)])
def test_no_colours_where_they_are_not_wanted(sandbox, waiting, env, words):
    words = [word or waiting[1] for word in words]
    assert "\x1b" in show(sandbox, *words)
    assert "\x1b" not in show(sandbox, *words, env=env)
    assert b"\x1b" not in sandbox.postrider(*words, check=EX_OK, env=XTERM).stdout
