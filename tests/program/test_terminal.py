"""Manners: tables that fit a terminal, colours for people alone, and output that nobody takes."""

import json
import os
import re
import termios
import time

import pytest
from bigqueue import fill, folders, letter, make_id, put, put_journal
from sandbox import EX_CONFIG, EX_IOERR, EX_NOINPUT, EX_OK, EX_TEMPFAIL, EX_USAGE
from smtpfake import FakeServer
from terminal import Dialogue, columns_of, on_terminal, without_tones

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


# --- long work -----------------------------------------------------------------------------------


def bars(shown):
    """(done, all) of each bar that was drawn, in their order."""
    return [tuple(map(int, found)) for found in re.findall(r"\r\[#*\.*\] (\d+) of (\d+) ", shown)]


@pytest.mark.parametrize("action, words", [("hold", "held"), ("delete", "deleted"), ("bounce", "given up"),
                                           ("retry", "still queued")])
def test_many_messages_have_a_bar_and_totals(sandbox, action, words):
    ids = fill(sandbox.queue, 30)
    sandbox.configure(smarthost="host = [::1]:1\ntls = off\nauth = off")
    yes = ["--yes"] if action in ("delete", "bounce") else []
    shown = show(sandbox, "queue", action, *ids, *yes)
    assert f"\n30 {words}\n" in shown and not re.search("|".join(ids), shown)
    drawn = bars(shown)
    assert drawn and drawn == sorted(drawn) and {all_of for _, all_of in drawn} == {30}
    assert max(columns_of(line) for line in re.split("[\r\n]", shown)) < 80
    assert action == "retry" or drawn[-1] == (30, 30)


def test_what_is_not_done_is_said_beside_the_bar(sandbox):
    ids = fill(sandbox.queue, 30)
    sandbox.postrider("queue", "hold", ids[7], check=EX_OK)
    sandbox.configure(smarthost="host = [::1]:1\ntls = off\nauth = off")
    shown = show(sandbox, "queue", "retry", *ids, check=EX_TEMPFAIL)
    assert f"\npostrider: {ids[7]}: it is held: release it first\n" in shown
    assert "\n29 still queued\n" in shown and "postrider queue" not in shown


def test_few_messages_are_lines_and_many_in_a_pipe_are_too(sandbox):
    ids = fill(sandbox.queue, 30)
    shown = show(sandbox, "queue", "hold", *ids[:20])
    assert shown.splitlines() == [f"{name}: held" for name in ids[:20]]
    out = sandbox.postrider("queue", "delete", "--all", check=EX_OK).out
    assert out.splitlines() == [f"{name}: deleted" for name in ids]


@pytest.mark.parametrize("columns", [30, 80])
def test_flush_has_a_bar_that_fits(sandbox, columns):
    fill(sandbox.queue, 5)
    sandbox.configure(smarthost="host = [::1]:1\ntls = off\nauth = off")
    shown = show(sandbox, "flush", columns=columns)
    assert bars(shown)[0] == (0, 5) and bars(shown)[-1] == (5, 5) and shown.endswith(" \n")
    assert max(map(columns_of, re.split("[\r\n]", shown))) <= columns


def test_a_stopped_terminal_stops_no_delivery(sandbox):
    """Somebody who pressed ^S while messages are tried: they are, all the same."""
    ids = fill(sandbox.queue, 40)
    with FakeServer() as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        dialogue = Dialogue(lambda slave: sandbox.start(
            ["postrider", "queue", "-C", sandbox.config, "retry", *ids], stdin=slave, stdout=slave,
            stderr=slave, env=XTERM, start_new_session=True))
        termios.tcflow(dialogue.slave, termios.TCOOFF)
        sandbox.wait_until(lambda: not sandbox.letters(), what="an empty queue")
        termios.tcflow(dialogue.slave, termios.TCOON)
        dialogue.wait_for(b"40 has left the queue")
        assert dialogue.end() == EX_OK


def test_newaliases_of_a_large_file_has_a_bar(sandbox):
    sandbox.aliases("".join(f"user{number}: target{number}@example.org\n" for number in range(25000)))
    status, shown = on_terminal(sandbox, ["newaliases", "-C", sandbox.config], columns=60, env=XTERM)
    drawn = bars(shown.decode())
    assert status == EX_OK and drawn and drawn[-1][1] == 25000
    assert shown.decode().endswith(f"\n{sandbox.aliases_path}: 25000 aliases\r\n")
    assert sandbox.newaliases(check=EX_OK).out == f"{sandbox.aliases_path}: 25000 aliases\n"
    sandbox.aliases("a: b\n")
    assert not bars(on_terminal(sandbox, ["newaliases", "-C", sandbox.config], env=XTERM)[1].decode())


def test_what_is_waited_for_is_said_and_taken_away(sandbox):
    sandbox.configure(smarthost="host = [::1]:1\ntls = off\nauth = off")
    shown = show(sandbox, "check", "--online", check=EX_CONFIG)
    said_first = "Asking the network ..."
    assert shown.startswith(f"{said_first}\r{' ' * len(said_first)}\r") and shown.count(said_first) == 1
    assert said_first not in sandbox.postrider("check", "--online", check=EX_CONFIG).out
    assert said_first not in show(sandbox, "check", "--online", "--json", check=EX_CONFIG)


# --- JSON ----------------------------------------------------------------------------------------


def told(done):
    """Objects, one a line, by id."""
    lines = [json.loads(line) for line in done.stdout.decode("utf-8", "strict").splitlines()]
    assert len({one["id"] for one in lines}) == len(lines)
    return {one["id"]: one for one in lines}


def test_orders_tell_what_was_done_as_objects(sandbox):
    ids = fill(sandbox.queue, 3)
    gone = make_id(7, 1000)
    for action, result in (("hold", "held"), ("hold", "held"), ("release", "released"),
                           ("release", "released"), ("retry", "queued")):
        done = sandbox.postrider("queue", action, "--json", *ids[:2], check=EX_OK)
        assert done.err == ""
        objects = told(done)
        assert set(objects) == set(ids[:2])
        for one in objects.values():
            assert set(one) == {"id", "action", "result", "reason"}
            assert (one["action"], one["result"]) == (action, result)
            assert ("no smarthost" in one["reason"]) if action == "retry" else one["reason"] is None
        sandbox.wait_quiet()
    sandbox.postrider("queue", "hold", ids[2], check=EX_OK)
    done = sandbox.postrider("queue", "retry", "--json", gone, *ids[1:], check=EX_NOINPUT)
    objects = told(done)
    assert done.err == "" and [objects[name]["result"] for name in (gone, *ids[1:])] == [
        "refused", "queued", "refused"]
    assert "no such message" in objects[gone]["reason"] and "release it first" in objects[ids[2]]["reason"]
    assert told(sandbox.postrider("queue", "bounce", "--json", ids[0], check=EX_OK))[ids[0]][
        "result"] == "bounced"
    sandbox.wait_quiet()
    sandbox.postrider("queue", "delete", "--all", check=EX_OK)
    assert sandbox.postrider("queue", "delete", "--all", "--json", check=EX_OK).out == ""


def test_retry_and_flush_tell_what_left(sandbox):
    ids = fill(sandbox.queue, 4, domains=5)
    sandbox.postrider("queue", "hold", ids[3], check=EX_OK)
    with FakeServer(at={"RCPT": lambda _, line: "451 4.3.0 not now" if "@d1." in line else None}) as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        objects = told(sandbox.postrider("queue", "retry", "--json", ids[0], check=EX_OK))
        assert objects[ids[0]] == {"id": ids[0], "action": "retry", "result": "left", "reason": None}
        objects = told(sandbox.postrider("flush", "--json", check=EX_OK))
    assert set(objects) == set(ids[1:3]), "of what was due, and of nothing else"
    assert {one["action"] for one in objects.values()} == {"flush"}
    results = {one["result"] for one in objects.values()}
    assert results == {"left", "queued"} and sandbox.letters() == sorted(
        [ids[3], *(name for name, one in objects.items() if one["result"] == "queued")])
    assert any("not now" in (one["reason"] or "") for one in objects.values())
    assert sandbox.postrider("flush", "--json", check=EX_OK).out == "", "nothing is due any more"
    assert "either --json or --verbose" in sandbox.postrider("flush", "--json", "--verbose",
                                                             check=EX_USAGE).err


def test_a_message_whole_as_an_object(sandbox):
    """Larger than a block, with characters that the blocks' ends divide, and bytes that are none."""
    sandbox.aliases(f"list: {sandbox.user}, far@example.net\n")
    body = b"x" + "日本語 \"\\\t".encode() * 20000 + b"\xff\xc3 \0 \xe6\x97\n"
    sandbox.sendmail("-odq", "-i", "-f", "ops@example.org", "-N", "delay", "-V", "QQ+2B1", "list",
                     stdin=b"Subject: gr\xc3\xbc\xc3\x9fe\n\n" + body, check=EX_OK)
    (name,) = sandbox.letters()
    sandbox.flush(check=EX_OK)
    one = told(sandbox.postrider("queue", "show", "--json", name, check=EX_OK))[name]
    plain = json.loads(sandbox.postrider("queue", "list", "--json", name, check=EX_OK).out)
    assert {key: value for key, value in one.items() if key in plain and key != "recipients"} == {
        key: value for key, value in plain.items() if key != "recipients"}
    assert one["envid"] == "QQ+1" and one["recipients"][0]["notify"] == "DELAY"
    assert {(part["address"], part["state"]) for part in one["recipients"]} >= {
        ("far@example.net", "pending"), ("list@here.example", "expanded")}
    assert next(part for part in one["recipients"] if part["address"] == "far@example.net")[
        "original"] == "list@here.example"
    header, _, rest = one["message"].partition("\n\n")
    assert "Subject: grüße" in header
    assert re.sub("\ufffd+", "?", rest) == re.sub("\ufffd+", "?", body.decode("utf-8", "replace"))
    (sandbox.queue / "spool" / name).write_bytes(b"nonsense\n")
    done = sandbox.postrider("queue", "show", "--json", name)
    assert done.returncode == EX_TEMPFAIL and "problem" in told(done)[name]


# --- nobody takes it -----------------------------------------------------------------------------

SAYING = [("help",), ("help", "queue"), ("queue",), ("queue", "--json"), ("queue", "show", None),
          ("queue", "show", None, "--json"), ("status",), ("status", "--json"), ("status", "--prometheus"),
          ("trace", None), ("trace", None, "--json"), ("check",), ("check", "--json"), ("route", "root"),
          ("route", "--json", "root")]


def said(sandbox, words, **options):
    argv = ["postrider", words[0], *([] if words[0] == "help" else ["-C", sandbox.config]), *words[1:]]
    return sandbox.run([word or sandbox.letters()[1] for word in argv], **options)


@pytest.mark.parametrize("words", SAYING)
def test_a_full_disk_is_told(sandbox, waiting, words):
    with open("/dev/full", "wb") as full:
        done = said(sandbox, words, stdout=full)
    # What check has found counts for more.
    assert done.returncode == (EX_CONFIG if words[0] == "check" else EX_IOERR), done.err
    assert "cannot write to standard output: No space left" in done.err


@pytest.mark.parametrize("words", SAYING)
def test_a_reader_who_has_gone_ends_it_without_a_word(sandbox, waiting, words):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as nobody:
        done = said(sandbox, words, stdout=nobody)
    assert done.err == "" and done.returncode != EX_OK


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_orders_are_done_even_if_nobody_can_be_told(sandbox, options):
    """On a full disk that is said; to a reader who has gone there is nothing to say."""
    fill(sandbox.queue, 5)
    with open("/dev/full", "wb") as full:
        done = sandbox.postrider("queue", "hold", "--all", *options, stdout=full, check=EX_IOERR)
    assert done.err == "postrider-run: cannot write to standard output: No space left on device\n"
    assert all(json.loads(line)["held"] for line in
               sandbox.postrider("queue", "--json", check=EX_OK).out.splitlines())
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as nobody:
        done = sandbox.postrider("queue", "delete", "--all", *options, stdout=nobody, check=EX_IOERR)
    assert done.err == "" and sandbox.letters() == []


def test_the_first_lines_of_many(sandbox):
    fill(sandbox.queue, 3000)
    for words in ("queue", "queue list --json", "status"):
        done = sandbox.run(["/bin/sh", "-c", f"{sandbox.build}/postrider {words} -C {sandbox.config} | head -n 2"],
                           check=EX_OK)
        assert done.err == "" and len(done.out.splitlines()) == 2
