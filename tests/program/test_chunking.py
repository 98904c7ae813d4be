"""BDAT in the SMTP client (RFC 3030): small messages leave whole, one behind the other, and nothing that
a server says to one of them is taken for another. A session begins with DATA: Chunky takes two messages
like that before those that a test is about."""

import itertools
import os
import random
import select
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from smtpclient import *  # noqa: F403  (fixtures)
from smtpclient import BODY
from smtpfake import CLOSE, EXTENSIONS, RESET, FakeServer

CHUNKING = (*EXTENSIONS, "CHUNKING")
LONG = BODY + "a line of a long message\n" * 4000


EARLIER = "earlier@here.example"
FIRST = [(f"from {EARLIER}\nto earlier{number}@there.example\n", BODY) for number in range(2)]


def to(*names, body=BODY):
    return "".join(f"to {name}@there.example\n" for name in names), body


class Chunky(FakeServer):
    """`at` and .messages are about what comes behind the first messages, to which all is said as it
    should be."""

    def __init__(self, extensions=CHUNKING, **options):
        super().__init__(extensions=extensions, **options)

    def override(self, point, session, line):
        message = line if point == "message" else session.message
        earlier = EARLIER in line if point == "MAIL" else message and message.sender == EARLIER
        return None if earlier else super().override(point, session, line)

    def took(self, message):
        if message.sender != EARLIER:
            super().took(message)

    def later_verbs(self):
        """Of the commands behind those for the first messages."""
        first = [index for index, line in enumerate(self.commands) if EARLIER in line]
        return self.verbs()[first[1] + 3:]


@pytest.fixture
def after_first(deliver):
    """As deliver, for messages behind the first ones; reports on them alone."""
    def run(server, *messages, **options):
        report = deliver(server, *FIRST, *messages, **options)
        assert report.results[:2] == ["DONE"] * 2
        report.recipients = {key: outcome for key, outcome in report.recipients.items()
                             if not key[1].startswith("earlier")}
        return report
    return run


def test_a_message_leaves_whole(after_first):
    with Chunky() as server:
        report = after_first(server, to("a"))
        assert report.only.result == "DONE"
        (message,) = server.messages
        assert message.data == b"Subject: test\r\n\r\nwords\r\n" and message.chunks == 1
        assert f"BDAT {len(message.data)} LAST" in server.commands
        assert server.later_verbs() == ["MAIL", "RCPT", "BDAT", "QUIT"]
        # The dot of the one before it, and all of this one, in one round trip.
        turn = next(turn for turn in server.connections[0].turns if any("BDAT" in x for x in turn))
        assert [line.split()[0] for line in turn] == [".", "MAIL", "RCPT", "BDAT"]


def test_two_messages_are_on_their_way_at_a_time(after_first):
    """Before anything is said to one, the next one is there."""
    def message(session, sent):
        assert sent.recipients == ["r5@there.example"] or session.says_more()

    with Chunky(at={"message": message}) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(6)])
        assert report.results == ["DONE"] * 6
        assert [m.recipients for m in server.messages] == [[f"r{i}@there.example"] for i in range(6)]
        assert [m.chunks for m in server.messages] == [1] * 6
        (session,) = server.connections
        # The greeting, two for each of the first, one for each, and QUIT.
        assert len([turn for turn in session.turns if turn]) <= 1 + 4 + 6 + 1


def under_way(session):
    """The messages that have come whole, and were not read, when the client says no more."""
    session.flush()
    while select.select([session.connection], [], [], 0.3)[0]:
        session.receive()
    return bytes(session._in).count(b"BDAT ")  # pylint: disable=protected-access


class Counting(Chunky):
    """How many messages are under way when each is to be answered."""

    def __init__(self, **options):
        self.counts = []
        super().__init__(at={"message": self.count}, **options)

    def count(self, session, _message):
        self.counts.append(1 + under_way(session))


def test_with_each_message_that_is_taken_one_more_is_on_its_way(after_first):
    """Up to ten: no more than so many can come a second time when a connection breaks (RFC 1047)."""
    with Counting() as server:
        report = after_first(server, *[to(f"r{i}") for i in range(40)])
        assert report.results == ["DONE"] * 40
        assert server.counts == [min(2 + i, 10, 40 - i) for i in range(40)]


def test_a_refused_message_earns_nothing(after_first):
    with Counting() as server:
        server.at["RCPT"] = "550 5.1.1 no such user"
        server.at["BDAT"] = lambda session, _: server.counts.append(1 + under_way(session))
        assert after_first(server, *[to(f"r{i}") for i in range(8)]).results == ["NEVER"] * 8
        assert server.counts == [2] * 7 + [1]


def test_no_more_bytes_are_on_their_way_than_a_line_holds(after_first):
    with Counting() as server:
        body = BODY + "a line of a message of sixty kilobytes\n" * 1540
        assert after_first(server, *[to(f"r{i}", body=body) for i in range(12)]).results == ["DONE"] * 12
        assert max(server.counts) == 3


def test_no_more_commands_are_on_their_way_than_replies_have_room(after_first):
    with Counting() as server:
        names = [[f"r{i}x{j}" for j in range(100)] for i in range(10)]
        assert after_first(server, *[to(*some) for some in names]).results == ["DONE"] * 1000
        assert max(server.counts) == 5


@pytest.mark.parametrize("action, lost", [
    (CLOSE, 10), (RESET, 10), (("421 4.3.2 going down", "250 2.0.0 or not", CLOSE), 10),
    (("421 4.3.2 going down", CLOSE), 1)], ids=str)
def test_C2_a_connection_that_breaks_repeats_nothing_that_was_answered(after_first, action, lost):
    """Whatever was under way; what is not answered for is for later, the rest goes on. Behind a 421
    nothing was read, if that was the last word."""
    with Chunky(at={"message": [None] * 30 + [action, None]}) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(60)])
        taken = [m.recipients[0] for m in server.messages]
        assert len(taken) == len(set(taken))
        for (_, address), outcome in report.recipients.items():
            assert (outcome.result == "DONE") == (address in taken), address
        assert report.results[:30] == ["DONE"] * 30 and report.results.count("LATER") == lost


@pytest.mark.parametrize("point", ["RSET", "MAIL"])
def test_C2_a_server_that_parts_after_so_many_gets_the_rest_at_once(after_first, point):
    """421 in place of the next one, with up to nine behind it: all are for the next session, which has no
    more than one under way."""
    limits = [25, 50]

    def full(*_):
        if not limits or len(server.messages) < limits[0]:
            return None
        limits.pop(0)
        return "421 4.7.0 enough for one session", CLOSE

    with Chunky(at={point: full}) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(60)])
        assert report.results == ["DONE"] * 60
        assert [m.recipients for m in server.messages] == [[f"r{i}@there.example"] for i in range(60)]
        # The rate is asked once more for each that was under way. One at a time needs no RSET.
        again = 1 if point == "MAIL" else 0
        assert len(server.connections) == 2 + again
        assert report.agains == 10 + again and report.abrupt
        assert not any(m.chunks for m in server.messages[-20:])


def test_C4_a_long_row_of_outcomes_is_in_order(after_first):
    """Each message by a plan of its own, with up to ten under way."""
    chance = random.Random(30)
    plan = {f"r{i}": (chance.choice("2222245"), chance.choice("222245")) for i in range(120)}

    def name(path):
        return path.partition("@")[0]

    with Chunky(at={"RCPT": lambda _, line: RCPTS[plan[name(line[9:])][0]],
                    "message": lambda _, sent: ENDS[plan[name(sent.recipients[0])][1]]}) as server:
        report = after_first(server, *[to(each) for each in plan])
        for (_, address), outcome in report.recipients.items():
            first, end = plan[name(address)]
            assert outcome.result == WANTED[first if first != "2" else end], address
        assert [name(m.recipients[0]) for m in server.messages] == [
            each for each, outcome in plan.items() if outcome == ("2", "2")]
        assert len(server.connections) == 1


def test_who_takes_so_many_in_a_session_gets_no_more(after_first):
    """LIMITS MAILMAX (RFC 9422), in the middle of what is under way."""
    with Chunky((*CHUNKING, "LIMITS MAILMAX=25")) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(60)])
        assert report.results == ["DONE"] * 60
        assert [m.recipients for m in server.messages] == [[f"r{i}@there.example"] for i in range(60)]
        assert len(server.connections) == 3
        # The rate has counted what was left over, and nobody has been offered it.
        assert report.agains == 0


def test_C2_one_to_which_a_server_parts_holds_up_no_other(after_first):
    """421 for a sender, in each session: those that were under way behind it go on without it."""
    def mail(_, line):
        return ("421 4.7.0 too much from this sender", CLOSE) if "poison" in line else None

    with Chunky(at={"MAIL": mail}) as server:
        messages = [to(f"r{i}") for i in range(60)]
        messages[30] = "from poison@here.example\n" + messages[30][0], BODY
        report = after_first(server, *messages)
        assert [i for i, result in enumerate(report.results) if result != "DONE"] == [30]
        assert len({m.recipients[0] for m in server.messages}) == len(server.messages) == 59


def test_C2_a_server_that_parts_each_time_is_left_alone(after_first):
    """Not a session for each message that was under way."""
    def mail(*_):
        return ("421 4.7.0 no more", CLOSE) if len(server.messages) >= 30 else None

    with Chunky(at={"MAIL": mail}) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(60)])
        assert report.results == ["DONE"] * 30 + ["LATER"] * 10
        assert len(server.connections) <= 5


def the_client():
    """The process that the test has started."""
    return int(Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text())


@pytest.mark.parametrize("secure", [False, True], ids=("clear", "TLS"))
@pytest.mark.parametrize("point, lost", [("MAIL", 0), ("message", 1)])
def test_C2_what_was_said_before_a_server_closed_is_heard(after_first, certificates, tls, secure, point, lost):
    """Replies that came each by itself, and then the end: writing first would have thrown them away."""
    stopped = []

    def part(session, *_):
        if len(server.messages) == 25 and not stopped:
            under_way(session)
            stopped.append(the_client())
            os.kill(stopped[0], signal.SIGSTOP)
        if len(server.messages) != 31 or len(server.connections) > 1:
            return None
        threading.Timer(0.3, os.kill, (stopped[0], signal.SIGCONT)).start()
        return "421 4.7.0 enough", CLOSE

    options = {"certificate": certificates.good} if secure else {}
    with Chunky(at={point: part}, eager=True, **options) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(60)], **(tls if secure else {}))
        assert report.results.count("LATER") == lost and report.results.count("DONE") == 60 - lost
        assert len({m.recipients[0] for m in server.messages}) == len(server.messages) == 60 - lost


@pytest.mark.parametrize("seed", range(60))
def test_C3_whatever_is_said_to_whatever_is_under_way(deliver, seed):
    """By chance. Nobody is told of what a server has not said, and where it takes its leave properly
    nothing comes twice."""
    chance = random.Random(seed)
    trouble, breaks, proper = chance.choice([0, .01, .05, .2]), chance.choice([0, .005, .03]), seed % 2

    def now_and_then(*what):
        def decide(*_):
            if chance.random() < breaks:
                ends = CLOSE, RESET, "421 4.3.2 and stays"
                return ("421 4.3.2 going", CLOSE) if proper else chance.choice(ends)
            return chance.choice(what) if chance.random() < trouble else None
        return decide

    extensions = [*CHUNKING, *chance.choice([(), (), ("LIMITS MAILMAX=7",), ("LIMITS RCPTMAX=2",)])]
    at = {"RSET": now_and_then("250 2.1.5 Flushed", "250 ok"),
          "MAIL": now_and_then("550 5.1.8 no", "450 4.1.8 not now"),
          "RCPT": now_and_then("550 5.1.1 no", "450 4.2.0 not now", "452 4.5.3 too many", "552 too many"),
          "message": now_and_then("554 5.6.0 no", "451 4.3.0 not now")}
    messages = [to(*[f"r{i}x{j}" for j in range(chance.choice([1, 1, 1, 2, 5, 120]))],
                   body=BODY + "a line of words in a message\n" * chance.choice([1, 10, 300, 3000]))
                for i in range(chance.choice([5, 40, 80]))]
    with FakeServer(extensions=extensions, at=at, most_recipients=chance.choice([0, 0, 3])) as server:
        report = deliver(server, *messages)
        taken = Counter(address for message in server.messages for address in message.recipients)
        for (_, address), outcome in report.recipients.items():
            if outcome.result != "LATER":
                assert (outcome.result == "DONE") == bool(taken[address]), (address, outcome)
            elif proper:
                assert not taken[address], (address, outcome)
        assert not proper or set(taken.values()) <= {1}


def test_C11_too_many_recipients_found_out_by_many_at_once(after_first):
    """Each of those under way has some left, and each of these goes once."""
    def rcpt(session, _):
        message = session.message
        full = message and len(message.recipients) >= 2 and len(server.messages) >= 20
        return "452 4.5.3 too many recipients" if full else None

    with Chunky(at={"RCPT": rcpt}) as server:
        names = [[f"r{i}x{j}" for j in range(5)] for i in range(40)]
        report = after_first(server, *[to(*some) for some in names])
        assert report.results == ["DONE"] * 200
        taken = [each for m in server.messages for each in m.recipients]
        assert sorted(taken) == sorted(f"{each}@there.example" for some in names for each in some)


def test_a_session_begins_with_data(deliver):
    """Each: that the server gives codes may be forgotten, or be another server's."""
    with FakeServer(extensions=CHUNKING) as server:
        for number in range(2):
            assert deliver(server, *[to(f"{x}{number}") for x in "abc"]).results == ["DONE"] * 3
        assert [m.chunks for m in server.messages] == [0, 0, 1] * 2


@pytest.mark.parametrize("point, words", [
    ("MAIL", "250 ok"), ("RCPT", "250 ok"), ("RCPT", "250"), ("message", "250 queued"),
    ("MAIL", "250 2.0.0 ok"), ("RCPT", "250 2.0.0 ok"), ("message", "250 2.1.5 somebody's")], ids=str)
def test_C4_without_codes_that_fit_there_is_no_bdat(deliver, point, words):
    """Offered they are, but none tells which command a reply is to."""
    with FakeServer(extensions=CHUNKING, at={point: words}) as server:
        report = deliver(server, *[to(f"r{i}") for i in range(5)])
        assert report.results == ["DONE"] * 5
        assert "BDAT" not in server.verbs() and len(server.connections) == 1


@pytest.mark.parametrize("point, words", [
    ("MAIL", "250 ok"), ("RCPT", "250 ok"), ("message", "250 queued"),
    ("MAIL", "250 2.0.0 ok"), ("RCPT", "250 2.0.0 ok"), ("message", "250 2.1.5 somebody's")], ids=str)
def test_C4_a_code_that_is_missing_ends_the_session(after_first, point, words):
    with Chunky(at={point: [None, words]}) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(5)])
        assert report.results[:2] == ["DONE", "LATER"]
        assert set(report.results[2:]) <= {"LATER"}
        assert report.session.result == "LATER"
        taken = [m.recipients[0] for m in server.messages]
        assert len(taken) == len(set(taken))


def test_C4_a_code_that_is_missing_once_ends_chunks(after_first):
    """The long message goes by DATA; the one that follows it was on its way by then."""
    with Chunky(at={"message": ["250 queued", None]}) as server:
        report = after_first(server, to("a", body=LONG), to("b"), to("c"), to("d"))
        assert report.results == ["DONE"] * 4
        assert [m.chunks for m in server.messages] == [0, 1, 0, 0]


def test_C4_a_message_for_nobody_shows_no_codes(deliver):
    """Only what was said about one that somebody gets is about a message."""
    with FakeServer(extensions=CHUNKING, at={"RCPT": ["550 5.1.1 no"] * 2 + [None],
                                             "DATA": "354 go on"}) as server:
        report = deliver(server, *[to(name) for name in "abcde"])
        assert report.results == ["NEVER"] * 2 + ["DONE"] * 3
        assert [m.chunks for m in server.messages] == [0, 0, 1]


@pytest.mark.parametrize("words", ["250 Ok", "250 2.0.0 Ok", "250 2.1.5 Flushed"])
def test_rset_may_have_any_code(after_first, words):
    with Chunky(at={"RSET": words}) as server:
        assert after_first(server, *[to(f"r{i}") for i in range(5)]).results == ["DONE"] * 5
        assert [m.chunks for m in server.messages] == [1] * 5 and len(server.connections) == 1


def test_C4_what_is_said_about_one_that_was_taken_twice_is_for_no_other(after_first):
    """Two replies to a chunk, then a refusal: neither the next message nor its recipient had it."""
    ends = ["250 2.0.0 octets received\n250 2.0.0 queued", "554 5.6.0 no", None]
    with Chunky(at={"message": ends, "RCPT": [None, None, "550 5.1.1 no", None]}) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(5)])
        taken = [m.recipients[0] for m in server.messages]
        for (_, address), outcome in report.recipients.items():
            assert outcome.result != ("NEVER" if address in taken else "DONE"), address


@pytest.mark.parametrize("point, words, results", [
    ("RCPT", "550 no", ["NEVER", "DONE"]), ("MAIL", "550 no", ["NEVER", "DONE"]),
    ("RCPT", "450 later", ["LATER", "DONE"]), ("message", "554 no", ["NEVER", "DONE"]),
    ("message", "550 5.1.1 no such user", ["NEVER", "DONE"]),
    ("message", "500 5.7.1 not such a one", ["NEVER", "DONE"])], ids=str)
def test_C3_a_refusal_without_a_code_is_one(after_first, point, words, results):
    with Chunky(at={point: [words, None]}) as server:
        assert after_first(server, to("a"), to("b")).results == results
        assert [m.recipients for m in server.messages] == [["b@there.example"]]
        assert len(server.connections) == 1


@pytest.mark.parametrize("extensions", [EXTENSIONS, ("CHUNKING", "8BITMIME", "ENHANCEDSTATUSCODES"),
                                        ("PIPELINING", "CHUNKING", "8BITMIME")], ids=str)
def test_without_all_three_extensions_there_is_no_bdat(deliver, extensions):
    with FakeServer(extensions=extensions) as server:
        assert deliver(server, to("a"), to("b")).results == ["DONE"] * 2
        assert "BDAT" not in server.verbs()


def test_a_long_message_waits_to_be_asked_for(after_first):
    with Chunky() as server:
        report = after_first(server, to("a"), to("b", body=LONG), to("c"))
        assert report.results == ["DONE"] * 3
        assert [m.chunks for m in server.messages] == [1, 0, 1]
        assert server.messages[1].text.decode() == LONG
        assert server.later_verbs().count("DATA") == 1


def test_lmtp_has_a_reply_for_each_and_no_bdat(deliver, tmp_path):
    path = str(tmp_path / "lmtp")
    with FakeServer(host=path, lmtp=True, extensions=CHUNKING) as server:
        report = deliver("unused.invalid", to("a"), socket=path)
        server.settle()
        assert report.only.result == "DONE" and "BDAT" not in server.verbs()


@pytest.mark.parametrize("body", [
    "a\n.\n..\n.b\n", "bare\rcr\n", "no end", "", "a\r\n.\r\nb\n", "\n\n\n", "\xe9t\xe9\n",
    "x" * 2000 + "\n", "\0nul\n", ".\n"], ids=ascii)
@pytest.mark.parametrize("more", [(), ("8BITMIME",)], ids=("7BIT", "8BITMIME"))
def test_C12_the_bytes_are_those_of_data(after_first, body, more):
    base = ("PIPELINING", "ENHANCEDSTATUSCODES", *more)
    with Chunky(base) as plain, Chunky((*base, "CHUNKING")) as server:
        message = to("a", body=f"Subject: x\n\n{body}")
        one, other = after_first(plain, message), after_first(server, message)
        assert one.results == other.results
        assert [m.data for m in plain.messages] == [m.data for m in server.messages]
        assert server.messages and server.messages[0].chunks == 1


def test_C3_all_refused_the_message_was_sent_for_nobody(after_first):
    with Chunky(at={"RCPT": ["550 5.1.1 no such user", None]}) as server:
        report = after_first(server, to("a"), to("b"), to("c"))
        assert report.results == ["NEVER", "DONE", "DONE"]
        assert [m.recipients for m in server.messages] == [["b@there.example"], ["c@there.example"]]


def test_C3_a_server_that_takes_it_for_nobody(after_first):
    """250 to a message without recipients is nobody's."""
    with Chunky(at={"RCPT": "450 4.2.0 later", "BDAT": "250 2.0.0 fine"}) as server:
        report = after_first(server, to("a", body=""))
        assert report.only.result == "LATER"


@pytest.mark.parametrize("code, result", [("550 5.7.1 no", "NEVER"), ("451 4.3.0 later", "LATER")])
def test_mail_refused_the_next_goes(after_first, code, result):
    with Chunky(at={"MAIL": [code, None]}) as server:
        report = after_first(server, to("a"), to("b"))
        assert report.results == [result, "DONE"]
        assert [m.recipients for m in server.messages] == [["b@there.example"]]


def test_C3_each_recipient_has_its_own_outcome(after_first):
    def rcpt(_, line):
        return {"b": "550 5.1.1 no", "c": "450 4.2.1 later"}.get(line[9])
    with Chunky(at={"RCPT": rcpt}) as server:
        report = after_first(server, to("a", "b", "c", "d"), to("c"), to("d"))
        assert report.results == ["DONE", "NEVER", "LATER", "DONE", "LATER", "DONE"]
        assert [m.recipients for m in server.messages] == [
            ["a@there.example", "d@there.example"], ["d@there.example"]]


@pytest.mark.parametrize("code, result", [("552 5.2.2 full", "NEVER"), ("452 4.3.1 disk", "LATER"),
                                          ("554 5.6.0 spam", "NEVER")])
def test_a_refused_message_is_no_fault_of_the_next(after_first, code, result):
    with Chunky(at={"message": [code, None]}) as server:
        report = after_first(server, to("a"), to("b"), to("c"))
        assert report.results == [result, "DONE", "DONE"]
        assert [m.recipients for m in server.messages] == [["b@there.example"], ["c@there.example"]]


def test_C11_too_many_recipients_go_in_further_transactions(after_first):
    with Chunky(most_recipients=2) as server:
        report = after_first(server, to("a", "b", "c", "d", "e"), to("f"), to("g", "h", "i"))
        assert report.results == ["DONE"] * 9
        assert sorted(r[0] for m in server.messages for r in m.recipients) == list("abcdefghi")
        assert all(len(m.recipients) <= 2 for m in server.messages)


@pytest.mark.parametrize("code", ["500 5.5.1 what?", "502 5.5.1 no such command", "504 5.5.4 no"])
def test_who_does_not_know_what_he_offers_gets_data(after_first, code):
    """Nothing was taken, so that it goes at once, in another session, and nobody has it twice."""
    with Chunky(at={"BDAT": code}) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(7)])
        # Of the second nobody knows what he took it for.
        assert report.results in (["DONE"] * 7, ["DONE", "LATER"] + ["DONE"] * 5)
        assert [m.chunks for m in server.messages] == [0] * len(server.messages)
        assert len({m.recipients[0] for m in server.messages}) == len(server.messages)
        assert server.verbs().count("BDAT") <= 2


def test_who_does_not_know_it_may_have_a_long_message_behind(after_first):
    """Of that one only the envelope was said: the next session has both."""
    with Chunky(at={"BDAT": "502 5.5.1 no such command"}) as server:
        report = after_first(server, to("a"), to("b", body=LONG), to("c"))
        assert report.results == ["DONE"] * 3
        assert [m.recipients[0][0] for m in server.messages] == ["a", "b", "c"]


def test_a_refused_chunk_leaves_its_transaction_open(after_first):
    """RFC 3030 2: RSET comes before whatever is next, also for the rest of its recipients."""
    with Chunky(most_recipients=2, at={"message": ["452 4.3.1 disk", None]}) as server:
        report = after_first(server, to("a", "b", "c"))
        assert report.results == ["LATER", "LATER", "DONE"]
        verbs = server.later_verbs()
        assert verbs[verbs.index("BDAT"):] == ["BDAT", "RSET", "MAIL", "RCPT", "BDAT", "QUIT"]


@pytest.mark.parametrize("action", [CLOSE, RESET, ("421 4.3.2 going down", CLOSE)], ids=str)
def test_C2_an_answer_that_is_lost_leaves_both_for_later(after_first, action):
    with Chunky(at={"message": action}) as server:
        report = after_first(server, to("a"), to("b"), to("c"))
        assert report.session.result == "LATER"
        assert report.results[:2] == ["LATER"] * 2
        # The third was not begun.
        assert len(report.results) == 2 or report.results[2] == "LATER"


def test_C1_closed_before_the_message_was_answered_then_well(after_first):
    """The next session takes what is left, and nothing that was answered for goes again."""
    with Chunky(at={"message": [None, None, CLOSE, None]}) as server:
        report = after_first(server, *[to(f"r{i}") for i in range(5)])
        assert report.results[:2] == ["DONE", "DONE"]
        taken = [m.recipients[0] for m in server.messages]
        assert len(taken) == len(set(taken))
        for (_, address), outcome in report.recipients.items():
            assert (outcome.result == "DONE") == (address in taken)


@pytest.mark.parametrize("point, words", [
    ("BDAT", "334 go on"), ("BDAT", "354 go on"), ("RSET", "354 what"), ("message", "350 hm")])
def test_C4_a_reply_out_of_place_ends_the_session(after_first, point, words):
    with Chunky(at={point: words}) as server:
        report = after_first(server, to("a"), to("b"))
        assert report.session.result == "LATER"
        assert all(result == "LATER" for result in report.results[1:])


def test_C4_more_replies_than_commands(after_first):
    with Chunky(at={"message": "250 2.0.0 one\n250 2.0.0 and one more"}) as server:
        report = after_first(server, to("a"), to("b"))
        assert report.results[0] == "DONE"
        assert [m.recipients for m in server.messages][0] == ["a@there.example"]


RCPTS = {"2": None, "4": "450 4.2.0 later", "5": "550 5.1.1 no"}
ENDS = {"2": None, "4": "451 4.3.0 later", "5": "554 5.6.0 no"}
WANTED = {"2": "DONE", "4": "LATER", "5": "NEVER"}


@pytest.mark.parametrize("first", itertools.product(RCPTS, ENDS), ids="".join)
@pytest.mark.parametrize("second", itertools.product(RCPTS, ENDS), ids="".join)
def test_C3_what_is_said_to_one_is_not_taken_for_another(after_first, first, second):
    """Three messages: each of two outcomes for the recipient and for the message, then a good one."""
    plan = {"a": first, "b": second, "c": ("2", "2")}

    def rcpt(_, line):
        return RCPTS[plan[line[9]][0]]

    def message(_, sent):
        return ENDS[plan[sent.recipients[0][0]][1]]

    with Chunky(at={"RCPT": rcpt, "message": message}) as server:
        report = after_first(server, to("a"), to("b"), to("c"))
        assert report.results == [WANTED[rcpt if rcpt != "2" else end]
                                  for rcpt, end in plan.values()]
        assert [m.recipients[0][0] for m in server.messages] == [
            name for name, outcome in plan.items() if outcome == ("2", "2")]


@pytest.mark.parametrize("code", ["500 5.5.1 what?", "502 5.5.1 no such command", "504 5.5.4 no"])
def test_C3_who_does_not_know_bdat_runs_no_line_of_a_message(after_first, code):
    """With nobody accepted, too: the lines of the message would be answered as the next one's commands."""
    commands = "NOOP\n" * 4
    with Chunky(at={"RCPT": ["550 5.1.1 no", None], "BDAT": code}) as server:
        report = after_first(server, to("a", body=commands), to("b"))
        taken = [m.recipients[0] for m in server.messages]
        assert report.results[0] == "NEVER"
        assert report.results[1] == ("DONE" if "b@there.example" in taken else "LATER")
        assert len(server.connections) > 1 or report.results[1] == "LATER"


def test_C4_one_reply_too_many_is_no_verdict_on_the_next(after_first):
    """A server that answers twice for the first: what it said to a recipient is not for the message."""
    ends = ["250 2.0.0 one\n250 2.0.0 and one more", "554 5.6.0 no", None]
    with Chunky(at={"message": ends}) as server:
        report = after_first(server, to("a"), to("b"))
        assert report.results[0] == "DONE"
        assert report.results[1] != "DONE"
