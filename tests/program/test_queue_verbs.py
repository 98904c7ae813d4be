"""The queue in people's hands: what waits and why, and what can be done about it."""

import json
import os
import re
import threading
import time

import pytest
from bigqueue import folders, letter, make_id, put, put_journal
from dsn import the_report
from sandbox import EX_NOINPUT, EX_OK, EX_TEMPFAIL, EX_USAGE
from smtpfake import FakeServer
from terminal import on_terminal

MESSAGE = b"Subject: hi\n\nhello\n"
SOON = 86400


def submit(sandbox, *recipients, sender="ops@example.org", stdin=MESSAGE):
    """Puts a message into the queue and returns its id."""
    before = set(sandbox.letters())
    sandbox.sendmail("-odq", "-i", "-f", sender, *recipients, stdin=stdin, check=EX_OK)
    (name,) = set(sandbox.letters()) - before
    return name


def queue(sandbox, *arguments, **options):
    return sandbox.postrider("queue", *arguments, **options)


def objects(sandbox, *arguments):
    """What queue list --json says, by id."""
    out = queue(sandbox, "list", "--json", *arguments, check=EX_OK).stdout
    found = [json.loads(line) for line in out.decode("utf-8", "strict").splitlines()]
    return {one["id"]: one for one in found}


def use(sandbox, server, **more):
    sandbox.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off", **more)


class Gate:
    """A point of the dialogue at which the server waits until it is opened."""

    def __init__(self, answer=None):
        self.reached, self.open, self.answer = threading.Event(), threading.Event(), answer

    def __call__(self, _session, line):
        self.reached.set()
        assert self.open.wait(60)
        return self.answer(line) if self.answer else None


# --- list ----------------------------------------------------------------------------------------


def test_list_for_people(sandbox):
    first = submit(sandbox, "you@example.net", "two@example.net", "three@example.com")
    second = submit(sandbox, "you@example.net", sender="<>")
    lines = queue(sandbox, check=EX_OK).out.splitlines()
    assert re.split(r"  +", lines[0].strip()) == [
        "ID", "AGE", "SIZE", "NEXT", "SENDER", "RECIPIENTS", "WHY IT WAITS"]
    assert re.match(rf"{first} +\d+s +\d+ +now  ops@example.org +you@example.net \+2 +new$", lines[1])
    assert re.match(rf"{second} +\d+s +\d+ +now  <> +you@example.net +new$", lines[2])
    assert re.match(r"2 messages, \d+$", lines[3]) and len(lines) == 4
    assert lines[0].index("SENDER") == lines[1].index("ops@") == lines[2].index("<>")
    sandbox.flush(check=EX_OK)
    lines = queue(sandbox, "list", first, check=EX_OK).out.splitlines()
    assert lines[1].endswith("no smarthost is configured: postrider setup does it, or [smarthost] in postrider.conf")
    assert re.search(r" [45]m\S*  ops@example.org ", lines[1]) and len(lines) == 3


def test_list_on_a_terminal_fits_it(sandbox):
    submit(sandbox, "a-name-that-is-rather-long-for-a-column@a-domain-that-is-long.example.net")
    sandbox.flush(check=EX_OK)
    for columns in (80, 100, 200):
        status, shown = on_terminal(sandbox, ["postrider", "queue", "-C", sandbox.config],
                                    columns=columns)
        lines = shown.decode().splitlines()
        assert status == EX_OK and max(map(len, lines)) <= columns and "..." in lines[1]


def test_list_of_nothing(sandbox):
    assert "no message" in queue(sandbox, check=EX_OK).out
    assert queue(sandbox, "list", "--json", check=EX_OK).out == ""
    assert "no message" in queue(sandbox, "delete", "--all", check=EX_OK).out
    submit(sandbox, "you@example.net")
    assert "no message" in queue(sandbox, "hold", "--domain", "example.org", check=EX_OK).out


def test_list_json_has_the_documented_fields(sandbox):
    name = submit(sandbox, "you@example.net", sandbox.user)
    sandbox.flush(check=EX_OK)
    (one,) = objects(sandbox).values()
    assert one["id"] == name and one["sender"] == "ops@example.org" and one["size"] > 100
    assert abs(one["arrived"] - time.time()) < 60 and one["uid"] == os.getuid()
    assert one["held"] is False and one["tries"] == 1 and one["next_try"] > time.time()
    states = {part["address"]: part["state"] for part in one["recipients"]}
    assert states["you@example.net"] == "pending" and "delivered" in states.values()
    waits = one["recipients"][0]
    assert waits["status"] == "4.3.5" and waits["reason"] == one["reason"]
    assert set(one) == {"id", "sender", "size", "arrived", "uid", "user", "held", "tries",
                        "next_try", "reason", "recipients"}
    assert set(waits) == {"address", "state", "status", "reason", "time"}


def test_list_json_is_utf8_whatever_the_bytes(sandbox):
    folders(sandbox.queue)
    name = make_id(1, time.time())
    put(sandbox.queue, name, letter('"q\\"uote"@example.org', ["grün@example.net"], MESSAGE, 1))
    (sandbox.queue / "journal" / name).write_bytes(
        b"deferred 5 0 4.4.1 bytes \xff\xc3 \x1b[31m \xe2\x80\xae and \"quotes\" \\ .\n")
    (one,) = objects(sandbox).values()
    assert one["reason"] == 'bytes ??  [31m \u202e and "quotes" \\'  # made tame when it is read
    assert one["recipients"][0]["address"] == "grün@example.net"
    assert one["sender"] == '"q\\"uote"@example.org'
    assert b"\x1b" not in queue(sandbox, check=EX_OK).stdout
    assert b"\xff" not in queue(sandbox, check=EX_OK).stdout


def test_show_json_is_utf8_whatever_the_bytes(sandbox):
    """A file's name can be any bytes."""
    folders(sandbox.queue)
    name = make_id(1, time.time())
    put(sandbox.queue, name, letter("a@example.org", ["grün@example.net"], MESSAGE, 1))
    (sandbox.queue / "journal" / name).write_bytes(
        "add 0 file <grün@example.net> to /srv/".encode() + b"\xff\xc3 \x1b[31m .\nexpanded 5 0 1 .\n")
    done = queue(sandbox, "show", "--json", name, check=EX_OK)
    (file,) = [one["file"] for one in json.loads(done.stdout.decode())["recipients"] if "file" in one]
    assert file == "/srv/\ufffd\ufffd \x1b[31m"


# --- which ones ----------------------------------------------------------------------------------


@pytest.fixture
def four(sandbox):
    """Four messages: 'net' and 'sub' to example.net and below, 'two' to both, 'null' from <>."""
    return sandbox, {
        "net": submit(sandbox, "a@example.net"),
        "sub": submit(sandbox, "a@sub.example.net", sender="cron@here.example"),
        "two": submit(sandbox, "b@example.net", "b@x.y.example.net", sender="root@example.org"),
        "null": submit(sandbox, "c@example.com", sender="<>"),
    }


@pytest.mark.parametrize("options, expected", [
    ([], "net sub two null"),
    (["--all"], "net sub two null"),
    (["--domain", "example.net"], "net two"),
    (["--domain", "EXAMPLE.net"], "net two"),
    (["--domain=*.example.net"], "sub two"),
    (["--domain", "example.com", "--domain", "sub.example.net"], "sub null"),
    (["--domain", "ample.net"], ""),
    (["--sender", "ops@example.org"], "net"),
    (["--sender", "@example.org"], "net two"),
    (["--sender", "@EXAMPLE.org", "--domain", "x.y.example.net"], "two"),
    (["--sender", "cron"], "sub"),
    (["--sender", "<>"], "null"),
    (["--sender", "@example.org", "--sender", "<>"], "net two null"),
])
def test_selection(four, options, expected):
    sandbox, ids = four
    assert set(objects(sandbox, *options)) == {ids[name] for name in expected.split()}


def test_selection_by_domain_counts_pending_recipients_alone(sandbox):
    with FakeServer(at={"RCPT": lambda _, line: "451 4.7.1 later" if "late" in line else None}
                    ) as server:
        use(sandbox, server)
        name = submit(sandbox, "you@done.example", "you@late.example")
        sandbox.flush(check=EX_OK)
        assert set(objects(sandbox, "--domain", "late.example")) == {name}
        assert not objects(sandbox, "--domain", "done.example")


@pytest.mark.parametrize("options, words", [
    (["retry"], "retry what?"),
    (["show"], "show what?"),
    (["delete", "--all", "--domain", "example.net"], "--all means every message"),
    (["delete", "no-id"], '"no-id" is no id'),
    (["fly"], 'does not know "fly"'),
    (["list", "--fast"], 'does not know the option "--fast"'),
    (["list", "--yes"], "takes no --yes"),
    (["hold", "--verbose", "--all"], "takes no --verbose"),
    (["retry", "--verbose", "--json", "--all"], "either --json or --verbose"),
    (["show", "--all"], "takes no --all"),
    (["list", "--domain"], "--domain needs a value"),
    (["list", "--domain", "a b"], "the domain"),
    (["list", "--sender", "a b@"], "the sender"),
    (["list", "-C"], "-C needs"),
])
def test_wrong_usage_is_said_and_nothing_is_done(sandbox, options, words):
    name = submit(sandbox, "you@example.net")
    done = queue(sandbox, *options, check=EX_USAGE)
    assert words in done.err and len(done.err.splitlines()) == 1 and not done.out
    assert sandbox.letters() == [name]


def test_ids_and_filters_do_not_go_together(sandbox):
    name = submit(sandbox, "you@example.net")
    assert "either ids" in queue(sandbox, "delete", name, "--all", check=EX_USAGE).err


def test_an_id_that_is_not_there(sandbox):
    name, gone = submit(sandbox, "you@example.net"), make_id(7, 1000)
    for action in ("list", "show", "hold", "release", "retry", "bounce", "delete"):
        done = queue(sandbox, action, gone, check=EX_NOINPUT)
        assert f"{gone}: there is no such message" in done.err
    done = queue(sandbox, "delete", gone, name, check=EX_NOINPUT)
    assert f"{name}: deleted" in done.out and not sandbox.letters()


def test_help_of_every_verb(sandbox):
    for verb in ("queue", "flush", "status", "trace"):
        text = sandbox.run(["postrider", verb, "--help"], check=EX_OK).out
        assert f"postrider {verb} " in text and "-C FILE" in text
        assert "--nonsense" in sandbox.run(["postrider", verb, "--nonsense"], check=EX_USAGE).err


# --- hold and release ----------------------------------------------------------------------------


def test_hold_until_released(sandbox):
    name = submit(sandbox, sandbox.user)
    assert queue(sandbox, "hold", name, check=EX_OK).out == f"{name}: held\n"
    assert queue(sandbox, "hold", name, check=EX_OK).out == f"{name}: was held already\n"
    sandbox.flush(check=EX_OK)
    done = queue(sandbox, "retry", name, check=EX_TEMPFAIL)
    assert f"{name}: it is held: release it first" in done.err
    assert sandbox.letters() == [name] and not sandbox.mailbox()
    assert f"{name}!" in sandbox.mailq().out and " held  " in queue(sandbox).out
    assert objects(sandbox)[name]["held"] is True and objects(sandbox)[name]["next_try"] is None
    assert len(sandbox.log_lines("held", by=sandbox.user)) == 1
    assert queue(sandbox, "release", name, check=EX_OK).out == f"{name}: released\n"
    sandbox.wait_empty()
    assert len(sandbox.mailbox()) == 1 and sandbox.log_lines("released", by=sandbox.user)


@pytest.mark.parametrize("through", [True, False])
def test_held_with_a_report_owed(sandbox, through):
    """A worker wrote the failure down, and the hold came before it was told: it is told at once."""
    name = submit(sandbox, "you@example.net", *[] if through else ["two@example.net"],
                  sender=sandbox.user)
    (sandbox.queue / "journal" / name).write_text("failed 1700000000 0 5.1.1 no such user .\n")
    done = queue(sandbox, "hold", name, check=EX_OK)
    assert done.out == f"{name}: {'was through already' if through else 'held'}\n"
    sandbox.wait_until(lambda: sandbox.mailbox(), what="the report")
    assert the_report(sandbox).actions == {"you@example.net": "failed"}
    sandbox.wait_until(lambda: sandbox.letters() == ([] if through else [name]), what="the rest")


def test_held_does_not_expire_nor_warn(sandbox):
    sandbox.configure(queue="lifetime = 1s\nwarn = 1s\nretry = 1s")
    name = submit(sandbox, "you@example.net", sender=sandbox.user)
    queue(sandbox, "hold", name, check=EX_OK)
    time.sleep(1.2)
    sandbox.flush(check=EX_OK)
    assert sandbox.letters() == [name] and not sandbox.mailbox()


def test_released_passes_a_route_that_holds(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        sandbox.configure(extra='[route "example.net"]\nvia = hold')
        name = submit(sandbox, "you@example.net")
        sandbox.flush(check=EX_OK)
        assert objects(sandbox)[name]["held"] and not server.messages
        queue(sandbox, "release", name, check=EX_OK)
        sandbox.wait_empty()
        assert len(server.messages) == 1


def test_release_of_what_is_not_held(sandbox):
    name = submit(sandbox, "you@example.net")
    assert "was not held" in queue(sandbox, "release", name, check=EX_OK).out


# --- delete and bounce ---------------------------------------------------------------------------


def test_delete_tells_nobody(sandbox):
    name = submit(sandbox, "you@example.net", sender=sandbox.user)
    sandbox.flush(check=EX_OK)
    assert queue(sandbox, "delete", name, check=EX_OK).out == f"{name}: deleted\n"
    sandbox.wait_quiet()
    assert not sandbox.letters() and not sandbox.mailbox()
    assert not list((sandbox.queue / "journal").iterdir())
    (line,) = sandbox.log_lines("removed")
    assert f"{name} removed by={sandbox.user}" in line


def test_bounce_reports_the_pending_recipients(sandbox):
    with FakeServer(at={"RCPT": lambda _, line: "451 4.7.1 later" if "late" in line else None}
                    ) as server:
        use(sandbox, server)
        name = submit(sandbox, "you@done.example", "one@late.example", "two@late.example",
                      sender=sandbox.user)
        sandbox.flush(check=EX_OK)
        queue(sandbox, "hold", name, check=EX_OK)
        assert queue(sandbox, "bounce", name, check=EX_OK).out == f"{name}: given up\n"
        sandbox.wait_empty()
        report = the_report(sandbox)
        assert report.actions == {"one@late.example": "failed", "two@late.example": "failed"}
        assert "given up by the administrator" in report.text
        assert {block["status"] for block in report.recipients} == {"5.0.0"}
        assert sandbox.log_lines("requested", action="bounce", by=sandbox.user)
        assert len(sandbox.log_lines("bounced", reason="given up by the administrator")) == 2
        assert len(server.messages) == 1


@pytest.mark.parametrize("action", ["delete", "bounce"])
def test_several_are_asked_about_once_on_a_terminal(sandbox, action):
    ids = [submit(sandbox, "-N", "never", "you@example.net") for _ in range(3)]
    argv = ["postrider", "queue", "-C", sandbox.config, action, "--all"]
    status, shown = on_terminal(sandbox, argv, typed=b"n\n")
    assert status == EX_TEMPFAIL and shown.count(b"3 messages for good? [y/N]") == 1
    assert b"nothing was done" in shown and sandbox.letters() == ids
    status, shown = on_terminal(sandbox, [*argv[:-1], ids[0]])
    assert status == EX_OK and b"[y/N]" not in shown, "one needs no question"
    status, shown = on_terminal(sandbox, argv, typed=b"y\n")
    assert status == EX_OK and shown.count(b"[y/N]") == 1
    sandbox.wait_quiet()
    assert not set(ids).intersection(sandbox.letters())


def test_yes_skips_the_question(sandbox):
    for _ in range(2):
        submit(sandbox, "you@example.net")
    status, shown = on_terminal(
        sandbox, ["postrider", "queue", "-C", sandbox.config, "delete", "--all", "--yes"])
    assert status == EX_OK and b"[y/N]" not in shown and not sandbox.letters()


# --- retry ---------------------------------------------------------------------------------------


def test_retry_passes_backoff_and_pause(sandbox):
    with FakeServer(at={"connect": "421 4.3.2 not now"}) as server:
        use(sandbox, server, queue="retry = 1h")
        name = submit(sandbox, "you@example.net")
        sandbox.flush(check=EX_OK)
        server.at = {}
        sandbox.flush(check=EX_OK)
        assert sandbox.letters() == [name], "it is not due, and the next hop is left alone"
        assert queue(sandbox, "retry", name, check=EX_OK).out == f"{name}: has left the queue\n"
        assert len(server.messages) == 1 and not sandbox.letters()
        assert sandbox.log_lines("requested", action="retry", by=sandbox.user)


def test_retry_says_why_it_still_waits(sandbox):
    with FakeServer(at={"RCPT": "451 4.7.1 greylisted"}) as server:
        use(sandbox, server)
        name = submit(sandbox, "you@example.net")
        out = queue(sandbox, "retry", name, check=EX_OK).out
        assert out.startswith(f"{name}: still queued: ") and "greylisted" in out


def test_retry_of_many_shares_connections(sandbox):
    with FakeServer() as server:
        use(sandbox, server)
        sandbox.configure(queue="retry = 1h")
        ids = [submit(sandbox, f"you{i}@example.net") for i in range(40)]
        rest = [submit(sandbox, "you@example.com") for _ in range(3)]
        done = queue(sandbox, "retry", "--domain", "example.net", check=EX_OK)
        assert done.out == "".join(f"{name}: has left the queue\n" for name in ids)
        assert len(server.messages) == 40 and len(server.connections) <= 2
        assert sandbox.letters() == rest


def test_retry_while_another_runner_is_at_work(sandbox):
    gate = Gate()
    with FakeServer(at={"message": [gate, None]}) as server:
        use(sandbox, server)
        stuck = submit(sandbox, "stuck@example.net")
        sandbox.start(["postrider-run", "-C", sandbox.config])
        assert gate.reached.wait(20)
        other = submit(sandbox, "other@example.net")
        assert f"{other}: has left" in queue(sandbox, "retry", other, check=EX_OK).out
        assert sandbox.letters() == [stuck]
        # One that a worker has is waited for, and then it is not there to be sent twice.
        waiting = sandbox.start(["sendmail", "-C", sandbox.config, "-M", stuck])
        time.sleep(0.3)
        assert waiting.poll() is None
        gate.open.set()
        assert waiting.wait(20) == EX_OK
        sandbox.wait_empty()
        assert sorted(m.recipients[0] for m in server.messages) == [
            "other@example.net", "stuck@example.net"]


def start_stuck(sandbox, server_at, gate, *recipients):
    """A message in the hands of a worker that waits at the gate."""
    name = submit(sandbox, *recipients)
    sandbox.start(["postrider-run", "-C", sandbox.config])
    assert gate.reached.wait(20)
    return name


@pytest.mark.parametrize("action, status", [("delete", EX_NOINPUT), ("hold", EX_NOINPUT),
                                            ("bounce", EX_NOINPUT)])
def test_Q2_an_order_waits_for_the_worker(sandbox, action, status):
    gate = Gate()
    with FakeServer(at={"message": gate}) as server:
        use(sandbox, server)
        name = start_stuck(sandbox, server, gate, "you@example.net")
        order = sandbox.start(["postrider", "queue", "-C", sandbox.config, action, name])
        time.sleep(0.3)
        assert order.poll() is None, "the message is in the hands of a worker"
        gate.open.set()
        assert order.wait(20) == status
        sandbox.wait_empty()
        assert len(server.messages) == 1 and not sandbox.log_lines("bounced")


@pytest.mark.parametrize("action", ["delete", "hold", "bounce"])
def test_Q2_what_leaves_while_all_are_meant_is_no_failure(sandbox, action):
    gate = Gate()
    with FakeServer(at={"message": gate}) as server:
        use(sandbox, server)
        start_stuck(sandbox, server, gate, "you@example.net")
        order = sandbox.start(["postrider", "queue", "-C", sandbox.config, action, "--all"],
                              stdout=-1, stderr=-1)
        time.sleep(0.3)
        assert order.poll() is None, "the message is in the hands of a worker"
        gate.open.set()
        assert order.communicate(timeout=20) == (b"", b"") and order.returncode == EX_OK
        sandbox.wait_empty()
        assert len(server.messages) == 1 and not sandbox.log_lines("bounced")


@pytest.mark.parametrize("action, words", [("delete", "deleted"), ("hold", "held"),
                                           ("bounce", "given up")])
def test_Q2_an_order_is_for_what_the_worker_left(sandbox, action, words):
    gate = Gate()
    at = {"message": gate, "RCPT": lambda _, line: "451 4.7.1 later" if "late" in line else None}
    with FakeServer(at=at) as server:
        use(sandbox, server, queue="retry = 1s")
        sandbox.sendmail("-odq", "-f", sandbox.user, "you@example.net", "late@example.net",
                         stdin=MESSAGE, check=EX_OK)
        (name,) = sandbox.letters()
        runner = sandbox.start(["postrider-run", "-C", sandbox.config])
        assert gate.reached.wait(20)
        order = sandbox.start(["postrider", "queue", "-C", sandbox.config, action, name],
                              stdout=-1, text=True)
        time.sleep(0.2)
        gate.open.set()
        assert order.communicate(timeout=20)[0] == f"{name}: {words}\n" and order.returncode == 0
        runner.wait(20)
        sandbox.wait_quiet()
        time.sleep(1.2)
        sandbox.flush(check=EX_OK)
        sandbox.wait_quiet()
        tries = [c for c in server.commands if c.startswith("RCPT TO:<late@")]
        assert len(server.messages) == 1 and len(tries) == 1
        assert sandbox.letters() == ([name] if action == "hold" else [])
        assert len(sandbox.mailbox()) == (1 if action == "bounce" else 0)


# --- sendmail's ways -----------------------------------------------------------------------------


def test_sendmail_M_and_Mrm(sandbox):
    with FakeServer(at={"RCPT": ["451 4.7.1 later", None]}) as server:
        use(sandbox, server, queue="retry = 1h")
        first, second = submit(sandbox, "a@example.net"), submit(sandbox, "b@example.net")
        sandbox.sendmail("-M", first, check=EX_OK)
        assert not server.messages and len(sandbox.letters()) == 2
        shown = sandbox.sendmail("-v", "-M", first, check=EX_OK).out
        assert ">>> RCPT TO:<a@example.net>" in shown and len(server.messages) == 1
        assert sandbox.letters() == [second]
        assert f"{second}: deleted" in sandbox.sendmail("-Mrm", second, check=EX_OK).out
        assert not sandbox.letters() and len(server.messages) == 1
        assert sandbox.sendmail("-M", second, check=EX_NOINPUT).err
        assert "needs ids" in sandbox.sendmail("-Mrm", check=EX_USAGE).err


@pytest.mark.parametrize("options, expected", [
    (["-qRexample.net"], "net sub two"),
    (["-qRSUB."], "sub"),
    (["-q!Rexample.net"], "null"),
    (["-qScron", "-qSroot"], "sub two"),
    (["-q!Sexample.org"], "sub null"),
    (["-qRexample.net", "-q!Scron"], "net two"),
    (["-qRnowhere"], ""),
])
def test_sendmail_q_with_a_part(four, options, expected):
    sandbox, ids = four
    with FakeServer() as server:
        use(sandbox, server)
        sandbox.sendmail(*options, check=EX_OK)
        gone = {ids[name] for name in expected.split()}
        assert set(sandbox.letters()) == set(ids.values()) - gone
        assert len(server.messages) == len(gone)


def test_sendmail_qI(four):
    sandbox, ids = four
    with FakeServer() as server:
        use(sandbox, server)
        listed = sandbox.sendmail("-bp", f"-qI{ids['sub']}", check=EX_OK).out
        assert ids["sub"] in listed and ids["net"] not in listed
        sandbox.sendmail("-v", f"-q!I{ids['sub']}", check=EX_OK)
        assert sandbox.letters() == [ids["sub"]]
        assert ">>> MAIL FROM:<cron@" in sandbox.sendmail("-v", f"-qI{ids['sub'][3:]}").out
        assert not sandbox.letters()


def test_sendmail_qf_is_a_queue_run(sandbox):
    submit(sandbox, sandbox.user)
    sandbox.sendmail("-qf", check=EX_OK)
    assert len(sandbox.mailbox()) == 1


def test_a_report_goes_out_with_the_message_that_failed(sandbox):
    with FakeServer(at={"RCPT": "550 5.1.1 unknown"}) as server:
        use(sandbox, server)
        sandbox.sendmail("-odi", "-f", sandbox.user, "you@example.net", stdin=MESSAGE, check=EX_OK)
        assert the_report(sandbox).only["status"] == "5.1.1" and not sandbox.letters()


# --- show, log, trace ----------------------------------------------------------------------------


def test_show(sandbox):
    with FakeServer(at={"RCPT": lambda _, line: "451 4.7.1 later" if "late" in line else None}
                    ) as server:
        use(sandbox, server)
        body = b"\x1b]0;owned\x07 \xff bytes\n"
        name = submit(sandbox, "you@done.example", "you@late.example",
                      stdin=b"Subject: show me\n\n" + body)
        sandbox.flush(check=EX_OK)
        shown = queue(sandbox, "show", name, check=EX_OK).stdout
        for part in (b"id         " + name.encode(), b"from       <ops@example.org>",
                     b"to         <you@done.example>\n           delivered to the next hop",
                     b"to         <you@late.example>\n           waits", b"4.7.1",
                     b"tries      1", b"Subject: show me\n", b"\n\n" + body):
            assert part in shown, part
        status, shown = on_terminal(sandbox, ["postrider", "queue", "-C", sandbox.config, "show",
                                              name])
        assert status == EX_OK and b"?]0;owned? ? bytes" in shown
        assert b"\x1b" not in shown and b"\x07" not in shown


def test_log_tells_the_story_after_the_message_has_left(sandbox):
    with FakeServer(at={"RCPT": ["451 4.7.1 greylisted", "550 5.1.1 unknown"]}) as server:
        use(sandbox, server)
        name = submit(sandbox, "you@example.net", sender=sandbox.user)
        other = submit(sandbox, sandbox.user)
        sandbox.flush(check=EX_OK)
        queue(sandbox, "retry", name, check=EX_OK)
        sandbox.wait_empty()
        out = queue(sandbox, "log", name, check=EX_OK).out
        events = re.findall(r"^  \S+Z  (\w+)", out, re.MULTILINE)
        assert out.startswith(name + "\n") and other not in out
        assert [e for e in events if e != "routed"] == [
            "received", "deferred", "requested", "received", "bounced", "removed", "delivered",
            "removed"]
        assert f"report {name}b0: from=<> to={sandbox.user}@here.example report=failure" in out
        for who in ("you@example.net", f"{sandbox.user}@here.example", sandbox.user):
            assert name in sandbox.postrider("trace", who, check=EX_OK).out
        assert other not in sandbox.postrider("trace", "YOU@example.net", check=EX_OK).out
        lines = sandbox.postrider("trace", name, "--json", check=EX_OK).out.splitlines()
        first = json.loads(lines[0])
        assert first["id"] == name and first["event"] == "received" and len(lines) == len(events)
        assert first["to"] == "you@example.net"


def test_log_of_what_nobody_knows(sandbox):
    submit(sandbox, "you@example.net")
    for what in (make_id(3, 5000), "nobody@example.org"):
        assert "says nothing" in sandbox.postrider("trace", what, check=EX_NOINPUT).err
    assert "trace what?" in sandbox.postrider("trace", check=EX_USAGE).err
    assert "neither" in sandbox.postrider("trace", "a b c", check=EX_USAGE).err


def test_log_in_the_forms_of_syslog(sandbox):
    """With and without a fraction of a second, rotated, quoted values, lines of others between."""
    name, other = make_id(1, 1000), make_id(2, 2000)
    sandbox.log_path.with_name("log.1").write_text(
        f"Nov  5 09:40:45 host postrider[77]: {name} received from=ops@example.org to=a@b.example\n"
        f"Nov  5 09:40:45 host other[77]: {name} received from=ops@example.org to=a@b.example\n"
        f"Nov  5 09:40:46 host postrider[77]: {other} received from=x@example.org to=c@d.example\n")
    sandbox.log_path.write_text(
        f"2026-11-25T09:40:45.123456+00:00 host postrider-run[5]: {name} deferred to=a@b.example "
        'reason="said \\"no\\" \\\\ twice"\n'
        f"2026-11-25T09:40:45.123456+00:00 host postrider-run[5]: {name}b0 received from=<> "
        "to=ops@example.org\n\x1b[2J junk\n" + "long " * 9000 + "\n")
    for what in (name, "ops@example.org", "a@b.example"):
        out = sandbox.postrider("trace", what, check=EX_OK).out
        assert len(out.splitlines()) == 4 and other not in out and "Nov  5 09:40:45  received" in out
    line = sandbox.postrider("trace", name, "--json").out.splitlines()[1]
    assert json.loads(line)["reason"] == 'said "no" \\ twice'


def test_log_of_others_steers_no_terminal(sandbox):
    """Whoever may write into the system's log may write a line like ours."""
    name = make_id(1, 1000)
    sandbox.log_path.write_text(
        f"2026\x1b[2J\u009b1m host postrider-run[5]: {name} \x1b]0;x\x07 to=\x1b[31m\n")
    out = sandbox.postrider("trace", name, check=EX_OK).out
    assert name in out and "to=?[31m" in out
    assert not [c for c in out if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]


# --- flush ---------------------------------------------------------------------------------------


def test_flush_draws_a_bar_on_a_terminal_alone(sandbox):
    for _ in range(5):
        submit(sandbox, sandbox.user)
    assert sandbox.postrider("flush", check=EX_OK).out == ""
    for _ in range(4):
        submit(sandbox, sandbox.user)
    status, shown = on_terminal(sandbox, ["postrider", "flush", "-C", sandbox.config])
    assert status == EX_OK and shown.startswith(b"\r[") and len(sandbox.mailbox()) == 9
    assert b"[" + b"#" * 40 + b"] " in shown.split(b"\r")[-2]
    submit(sandbox, sandbox.user, "you@example.net")
    with FakeServer() as server:
        use(sandbox, server)
        status, shown = on_terminal(sandbox, ["postrider", "flush", "-C", sandbox.config,
                                              "--verbose"])
        assert status == EX_OK and b">>> MAIL" in shown and b"\r[" not in shown
