"""postrider status: the queue by age and domain, for people, as JSON and as metrics."""

import json
import re
import time

import pytest
from bigqueue import folders, letter, make_id, put, put_journal
from sandbox import EX_OK, EX_USAGE
from smtpfake import FakeServer
from terminal import on_terminal

MESSAGE = b"Subject: hi\n\nhello\n"
AGES = ["5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+"]


def queue_of(sandbox, *messages):
    """Puts messages into the queue: (age in minutes, recipient, ...) each. Returns the ids."""
    folders(sandbox.queue)
    ids = []
    for number, (minutes, *recipients) in enumerate(messages):
        arrived = time.time() - minutes * 60
        ids.append(make_id(number, arrived))
        put(sandbox.queue, ids[-1], letter("ops@example.org", recipients, MESSAGE, arrived))
    return ids


def status(sandbox, **options):
    return json.loads(sandbox.postrider("status", "--json", check=EX_OK, **options).out)


# --- a strict parse of Prometheus' text format ---------------------------------------------------

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'


def parse_metrics(data):
    """Version 0.0.4; samples by name and labels. Every metric has HELP and TYPE, once, before it."""
    text = data.decode("utf-8", "strict")
    assert text.endswith("\n")
    samples, helped, typed, current = {}, set(), set(), None
    for line in text[:-1].split("\n"):
        comment = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if comment:
            kind, name, rest = comment.groups()
            seen = helped if kind == "HELP" else typed
            assert name not in seen, line
            seen.add(name)
            assert kind == "HELP" or (rest in ("gauge", "counter") and name in helped), line
            current = name
            continue
        sample = re.fullmatch(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? (-?[0-9.e+]+)", line)
        assert sample, line
        name, labels, value = sample.groups()
        assert name == current and name in typed, "samples of a metric stand together, behind TYPE"
        assert (name, labels) not in samples, line
        samples[name, labels] = float(value)
    return samples


# --- counting ------------------------------------------------------------------------------------


def test_ages_and_domains(sandbox):
    minutes = [0, 4, 6, 15, 30, 70, 100, 200, 500, 1000, 2000, 9000]
    ids = queue_of(sandbox, *[(age, "a@example.net") for age in minutes],
                   (30, "b@example.com", "c@example.com", "d@example.net"))
    told = status(sandbox)
    assert told["messages"] == 13 and told["due"] == 13 and told["held"] == 0
    assert told["oldest_id"] == ids[11] and abs(told["oldest_seconds"] - 9000 * 60) < 30
    assert list(told["ages"]) == AGES
    net, com = told["domains"]
    assert (net["domain"], net["messages"]) == ("example.net", 13)
    assert (com["domain"], com["messages"]) == ("example.com", 1), "one message, two recipients"
    assert list(net["ages"].values()) == [2, 1, 1, 2, 1, 1, 1, 1, 1, 2]
    assert com["ages"]["40"] == 1 and abs(com["oldest_seconds"] - 1800) < 30


def test_schedule(sandbox):
    now, held, later, past, ahead = queue_of(sandbox, *[(1, "a@example.net")] * 5)
    put_journal(sandbox.queue, held, ["hold 5"], 13569465600)
    put_journal(sandbox.queue, later, [], time.time() + 600)
    put_journal(sandbox.queue, past, [], time.time() - 600)
    put_journal(sandbox.queue, ahead, [], time.time() + 7200)
    told = status(sandbox)
    assert (told["due"], told["held"], told["messages"]) == (2, 1, 5)
    assert abs(told["next_try"] - time.time() - 600) < 30
    out = sandbox.postrider("status", check=EX_OK).out
    assert re.search(r"^due     2 messages with the next queue run, another in (9m\d*s?|10m)", out,
                     re.MULTILINE)
    assert "held    1 message, until released" in out and now in told["oldest_id"]


def test_messages_for_mailboxes_count_for_this_host(sandbox):
    queue_of(sandbox, (1, "root"), (1, "ben@here.example"))
    assert [(d["domain"], d["messages"]) for d in status(sandbox)["domains"]] == [
        ("here.example", 2)]


def test_a_clock_that_was_put_back(sandbox):
    queue_of(sandbox, (-1440, "a@example.net"))
    told = status(sandbox)
    assert told["oldest_seconds"] == 0 and told["ages"]["5"] == 1
    assert "0s old" in sandbox.postrider("status", check=EX_OK).out


def test_many_domains(sandbox):
    queue_of(sandbox, *[(1, f"a@d{i}.example") for i in range(300)], (1, "a@d7.example"))
    told = status(sandbox)
    assert len(told["domains"]) == 300 and told["domains"][0]["domain"] == "d7.example"
    out = sandbox.postrider("status", check=EX_OK).out
    assert "and 270 more domains" in out and len(out.splitlines()) < 45


# --- for people ----------------------------------------------------------------------------------


def test_an_empty_queue(sandbox):
    assert sandbox.postrider("status", check=EX_OK).out == "The queue is empty.\n"
    told = status(sandbox)
    assert told["messages"] == 0 and told["domains"] == [] and told["oldest_id"] is None
    samples = parse_metrics(sandbox.postrider("status", "--prometheus", check=EX_OK).stdout)
    assert samples["postrider_queue_all_messages", None] == 0


def test_columns_as_qshape_has_them(sandbox):
    queue_of(sandbox, (1, "a@example.net"), (30, "a@a-longer-name.example"), (30, "a@example.net"))
    lines = sandbox.postrider("status", check=EX_OK).out.splitlines()
    assert lines[0].split() == ["T", *AGES]
    assert lines[1].split() == ["TOTAL", "3", "1", "0", "0", "2", *"000000"]
    assert lines[2].split() == ["example.net", "2", "1", "0", "0", "1", *"000000"]
    assert lines[3].split() == ["a-longer-name.example", "1", "0", "0", "0", "1", *"000000"]
    assert len({len(line) for line in lines[:4]}) == 1, "aligned"
    assert "#" not in "".join(lines)


@pytest.mark.parametrize("columns, bars", [(130, True), (80, False)])
def test_bars_on_a_terminal(sandbox, columns, bars):
    queue_of(sandbox, *[(1, "a@example.net")] * 3, (1, "a@example.com"), (1, "a@" + "x" * 50 + ".org"))
    done, shown = on_terminal(sandbox, ["postrider", "status", "-C", sandbox.config], columns=columns)
    lines = shown.decode().splitlines()
    assert done == EX_OK and (columns < 100 or max(map(len, lines)) <= columns)
    lengths = [line.count("#") for line in lines[1:5]]
    if bars:
        assert lengths[0] > lengths[1] > lengths[2] == lengths[3] > 0
    else:
        assert sum(lengths) == 0


def test_wrong_usage(sandbox):
    for options in (["--json", "--prometheus"], ["x"], ["--all"], ["--jso"]):
        assert sandbox.postrider("status", *options, check=EX_USAGE).err


# --- next hops -----------------------------------------------------------------------------------


def test_last_success_and_last_error(sandbox):
    with FakeServer() as server:
        sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        (hop,) = status(sandbox)["next_hops"]
        assert hop["name"] == "smarthost" and hop["last_success"] is hop["last_error"] is None
        sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
        (hop,) = status(sandbox)["next_hops"]
        assert abs(hop["last_success"] - time.time()) < 30 and hop["last_error"] is None
        server.at = {"connect": "421 4.3.2 maintenance"}
        sandbox.sendmail("-odi", "you@example.net", stdin=MESSAGE, check=EX_OK)
        (hop,) = status(sandbox)["next_hops"]
        assert abs(hop["last_error"] - time.time()) < 30 and hop["failures"] == 1
        assert hop["paused_until"] > time.time() and "maintenance" in hop["reason"]
        out = sandbox.postrider("status", check=EX_OK).out
        assert re.search(r"^smarthost +\d+s ago +\d+s ago: .*maintenance.*\(left alone for \d+m", out,
                         re.MULTILINE)
        # When it works again the error is history, and stays there to be read.
        server.at = {}
        sandbox.postrider("queue", "retry", "--all", check=EX_OK)
        (hop,) = status(sandbox)["next_hops"]
        assert hop["failures"] == 0 and hop["paused_until"] is None
        assert "maintenance" in hop["reason"] and hop["last_success"] >= hop["last_error"]
        assert sorted(p.name for p in (sandbox.queue / "hops").iterdir()
                      if p.name.startswith(("ok", "hop", "last"))) == [
            "last-smarthost", "ok-smarthost"]


# --- metrics -------------------------------------------------------------------------------------


def test_prometheus_is_valid_and_says_the_same(sandbox):
    sandbox.configure(smarthost="host = 127.0.0.1:1\ntls = off\nauth = off",
                      extra='[smarthost "st\\\\2"]\nsenders = @x.example\nhost = h.example')
    queue_of(sandbox, (3, "a@example.net"), (30, "b@example.net", "b@example.com"))
    samples = parse_metrics(sandbox.postrider("status", "--prometheus", check=EX_OK).stdout)
    assert samples["postrider_queue_messages", 'domain="example.net"'] == 2
    assert samples["postrider_queue_messages", 'domain="example.com"'] == 1
    assert abs(samples["postrider_queue_oldest_seconds", 'domain="example.net"'] - 1800) < 30
    assert samples["postrider_queue_all_messages", None] == 2
    assert samples["postrider_queue_due_messages", None] == 2
    hops = [labels for name, labels in samples
            if name == "postrider_next_hop_last_success_timestamp_seconds"]
    assert 'next_hop="smarthost"' in hops and len(hops) == 2


def test_prometheus_escapes_labels(sandbox):
    folders(sandbox.queue)
    (sandbox.queue / "hops" / 'ok-we"ird\\name').touch()
    (sandbox.queue / "hops" / "ok-line\nend").touch()
    (sandbox.queue / "hops" / os_name(b"ok-b\xffyte")).touch()
    data = sandbox.postrider("status", "--prometheus", check=EX_OK).stdout
    hops = {labels for name, labels in parse_metrics(data) if name == "postrider_next_hop_failures"}
    assert hops == {'next_hop="we\\"ird\\\\name"', 'next_hop="line\\nend"', 'next_hop="b?yte"'}
    assert len(status(sandbox)["next_hops"]) == 3


def os_name(name):
    """A file name of any bytes."""
    return name.decode("utf-8", "surrogateescape")
