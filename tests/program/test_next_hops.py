"""Which hosts a next hop stands for: MX and SRV records from a scripted name server, LMTP sockets,
and this very host. Real servers for the same are in test_real_hops.py.
"""

import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from dnsfake import (REFUSED, SERVFAIL, SILENT, FakeDns, cname, make_answer, mx, pack_name, srv)
from smtpclient import *  # noqa: F403  (fixtures)
from smtpclient import BODY
from smtpfake import CLOSE, EXTENSIONS, HANG, FakeServer


@pytest.fixture
def ask(deliver):
    """ask(answers, domain="..."): what the client says of a domain to such a name server."""
    def run(answers, domain="there.invalid", hosts="unused.invalid", **options):
        with FakeDns(answers) as dns:
            report = deliver(hosts, dns=dns.port, domain=domain, **options)
            report.asked = dns.asked
            return report

    return run


def expect(report, result, status, *words):
    assert (report.session.result, report.session.status) == (result, status), report.session
    for word in words:
        assert word in report.session.reason
    assert not report.recipients  # nothing was taken from the source


# --- MX: what there is to say without a connection ---


def test_mx_nxdomain_is_never(ask):
    report = ask({})
    expect(report, "NEVER", "5.1.2", "there is no domain there.invalid")
    assert report.asked == [("there.invalid", "MX")]  # no search list, no address


def test_mx_null(ask):
    report = ask({("there.invalid", "MX"): [mx(0, "")]})
    expect(report, "NEVER", "5.1.10", "there.invalid takes no mail")


def test_mx_null_beside_others_is_no_null_mx(ask):
    report = ask({("there.invalid", "MX"): [mx(0, ""), mx(10, "a.invalid")]})
    expect(report, "LATER", "4.4.3", "cannot resolve a.invalid")


@pytest.mark.parametrize("what", [SERVFAIL, REFUSED])
def test_mx_failure_is_later(ask, what):
    expect(ask({("there.invalid", "MX"): what}), "LATER", "4.4.3", "there.invalid", "name server")


def test_mx_no_resolver_is_later(deliver):
    with FakeDns({}) as dns:
        port = dns.port
    report = deliver("unused.invalid", dns=port, domain="there.invalid")
    expect(report, "LATER", "4.4.3", "no name server can be reached")


def test_mx_neither_mx_nor_address(ask):
    report = ask({("there.invalid", "TXT"): []})
    expect(report, "NEVER", "5.4.4", "neither an MX record nor an address")
    assert {("there.invalid", "A"), ("there.invalid", "AAAA")} <= set(report.asked)


def test_mx_address_unknown_is_later(ask):
    """The MX question was answered, that for the address was not."""
    report = ask({("there.invalid", "MX"): [], ("there.invalid", "A"): SERVFAIL})
    expect(report, "LATER", "4.4.3", "cannot resolve there.invalid")


def test_L4_mx_own_name_only(ask):
    report = ask({("there.invalid", "MX"): [mx(10, "HERE.example"), mx(20, "b.invalid")]})
    expect(report, "NEVER", "5.4.6", "mail for there.invalid would come back to this very host")


@pytest.mark.parametrize("own", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_L4_mx_own_address_only(ask, own):
    report = ask({("there.invalid", "MX"): [mx(10, own)]})
    expect(report, "NEVER", "5.4.6", "this very host")


def test_mx_what_is_not_preferred_to_ourselves_is_dropped(ask):
    """RFC 5321 5.1: equal or higher numbers than our own go, lower ones stay."""
    records = [mx(30, "c.invalid"), mx(20, "here.example"), mx(20, "equal.invalid"),
               mx(10, "best.invalid")]
    report = ask({("there.invalid", "MX"): records})
    expect(report, "LATER", "4.4.3", "cannot resolve best.invalid")
    assert "equal.invalid" not in report.trace and "c.invalid" not in report.trace


def test_mx_by_preference_and_equal_ones_shuffled(ask):
    records = [mx(20, "last.invalid")] + [mx(10, f"{name}.invalid") for name in "abcd"]
    orders = set()
    for _ in range(6):
        trace = ask({("there.invalid", "MX"): records}).trace
        tried = [line.split("cannot resolve ")[1].split(":")[0] for line in trace.splitlines()
                 if "cannot resolve" in line]
        assert sorted(tried[:4]) == [f"{name}.invalid" for name in "abcd"]
        assert tried[4:] == ["last.invalid"]
        orders.add(tuple(tried))
    assert len(orders) > 1


def test_mx_behind_cnames(ask):
    chain = [cname("two.invalid"), cname("three.invalid", "two.invalid"),
             mx(0, "", "three.invalid"), mx(5, "stray.invalid", "other.invalid")]
    expect(ask({("there.invalid", "MX"): chain}), "NEVER", "5.1.10")


def test_mx_cname_circle_comes_to_an_end(ask):
    chain = [cname("two.invalid"), cname("there.invalid", "two.invalid")]
    report = ask({("there.invalid", "MX"): chain, ("there.invalid", "A"): chain,
                  ("there.invalid", "AAAA"): chain})
    expect(report, "LATER", "4.4.3")


def test_mx_of_many_hosts_comes_by_tcp(ask):
    records = [mx(10 + i, f"host-with-a-long-name-{i}.there.invalid") for i in range(30)]
    report = ask({("there.invalid", "MX"): records}, limit=120)
    expect(report, "LATER", "4.4.3", "cannot resolve host-with-a-long-name-0.there.invalid")
    assert report.asked.count(("there.invalid", "MX")) == 2
    tried = [line.split("cannot resolve ")[1].split(".")[0] for line in report.trace.splitlines()
             if "cannot resolve" in line]
    assert tried[:20] == [f"host-with-a-long-name-{i}" for i in range(20)]
    assert set(tried[20:]) <= set(tried[:1]), "no more than twenty; the session's own line last"


def forged(data):
    return lambda query: make_answer(query, [("MX", None, data)])


@pytest.mark.parametrize("data", [
    b"", b"\0", b"\0\x0a", b"\0\x0a\x3f", b"\0\x0a\xc0\xff", b"\0\x0a\xff\xff",
    # a pointer to itself: 12 bytes of header, the question, the record's fixed part, preference
    struct.pack(">H", 10) + struct.pack(">H", 0xC000 | (12 + 15 + 4 + 15 + 10 + 2)),
    b"\0\x0a" + pack_name("with space.invalid"), b"\0\x0a" + b"\x05a\x00b\r\n\x00",
    b"\0\x0a" + pack_name("a\\b.invalid"),
])
def test_mx_forged_records_name_no_host(ask, data):
    report = ask({("there.invalid", "MX"): forged(data)})
    assert report.session.result in ("LATER", "NEVER") and not report.recipients
    assert report.session.status in ("4.4.4", "4.4.3", "5.4.4"), report.session


def cut(size):
    return lambda query: make_answer(query, [mx(1, "a.invalid")])[:size]


@pytest.mark.once
def test_mx_without_a_whole_answer_is_later(ask):
    """All at once: each waits for all the time that there is."""
    cases = [SILENT, *map(cut, (1, 11, 12, 13, 30, 40, 50))]
    with ThreadPoolExecutor(len(cases)) as together:
        for report in together.map(lambda case: ask({("there.invalid", "MX"): case}), cases):
            expect(report, "LATER", "4.4.3", "in time")


def test_mx_literal_needs_no_dns(ask):
    report = ask({}, domain="[127.0.0.1]")
    expect(report, "NEVER", "5.4.6")
    assert report.asked == []


# --- SRV ---


def services(port=0, tls_port=0, host="localhost", domain="localhost"):
    return {(f"_submission._tcp.{domain}", "SRV"): [srv(0, 0, port, host)] if port else [],
            (f"_submissions._tcp.{domain}", "SRV"): [srv(0, 0, tls_port, host)] if tls_port else []}


@pytest.fixture
def ask_srv(deliver, tls):
    def run(answers, hosts="srv:localhost", **options):
        with FakeDns(answers) as dns:
            report = deliver(hosts, dns=dns.port, **{**tls, **options})
            report.asked = dns.asked
            return report

    return run


def test_srv_implicit_tls_comes_first(ask_srv, certificates):
    with FakeServer(certificate=certificates.good, tls="implicit") as first, \
            FakeServer(certificate=certificates.good) as second:
        assert ask_srv(services(second.port, first.port)).only.result == "DONE"
        assert len(first.messages) == 1 and not second.connections


def test_srv_then_starttls(ask_srv, certificates):
    with FakeServer(certificate=certificates.good, tls="implicit", at={"connect": "421 no"}) as first, \
            FakeServer(certificate=certificates.good) as second:
        assert ask_srv(services(second.port, first.port)).only.result == "DONE"
        assert first.connections and len(second.messages) == 1
        assert second.connections[0].tls


def test_srv_starttls_is_needed(ask_srv):
    with FakeServer() as server:
        report = ask_srv(services(server.port))
        assert report.session.status == "4.7.4" and not server.messages


@pytest.mark.parametrize("mode, asked", [("implicit", ["_submissions"]), ("off", ["_submission"]),
                                         ("starttls", ["_submissions", "_submission"])])
def test_srv_asks_for_what_tls_allows(ask_srv, mode, asked):
    report = ask_srv({}, tls=mode)
    assert [name.split(".")[0] for name, _ in report.asked] == asked


@pytest.mark.parametrize("answers", [
    {}, services(), {("_submissions._tcp.localhost", "SRV"): [srv(0, 0, 465, "")],
                     ("_submission._tcp.localhost", "SRV"): [srv(0, 0, 0, "localhost")]}])
def test_srv_nothing_offered_is_later(ask_srv, answers):
    expect(ask_srv(answers), "LATER", "4.4.4", "localhost offers no submission",
           "_submissions._tcp.localhost nor _submission._tcp.localhost", "name hosts")


@pytest.mark.parametrize("what", [SERVFAIL, REFUSED, pytest.param(SILENT, marks=pytest.mark.once)])
def test_srv_failure_is_later(ask_srv, what):
    expect(ask_srv({("_submissions._tcp.localhost", "SRV"): what}), "LATER", "4.4.3", "localhost")


def test_srv_one_answer_is_enough(ask_srv, certificates):
    with FakeServer(certificate=certificates.good) as server:
        answers = {**services(server.port), ("_submissions._tcp.localhost", "SRV"): SERVFAIL}
        assert ask_srv(answers).only.result == "DONE"


def test_srv_and_hosts_in_one_list(ask_srv, certificates):
    with FakeServer(certificate=certificates.good) as server:
        report = ask_srv({}, hosts=["srv:gone.invalid", f"localhost:{server.port}"])
        assert report.only.result == "DONE"
    report = ask_srv({}, hosts=["srv:gone.invalid", "localhost:1"])
    assert "gone.invalid offers no submission" in report.session.reason


def test_srv_priority_then_weight(ask_srv):
    name = ("_submission._tcp.localhost", "SRV")
    records = [srv(20, 9, 1, "late.invalid"), srv(10, 0, 1, "light.invalid"),
               srv(10, 65535, 1, "heavy.invalid"), srv(5, 0, 1, "early.invalid")]
    second = []
    for _ in range(5):
        trace = ask_srv({name: records}).trace
        tried = [line.split("cannot resolve ")[1].split(".")[0] for line in trace.splitlines()
                 if "cannot resolve" in line]
        assert tried[0] == "early" and tried[3] == "late" and len(tried) == 4
        second.append(tried[1])
    # 1 in 65536 each that the light one is drawn.
    assert second.count("heavy") >= 4


def test_srv_the_target_must_prove_the_domain(ask_srv, certificates):
    """RFC 6186 section 6: the DNS is not protected, so that a host outside of the domain needs a
    certificate for the domain."""
    with FakeServer(certificate=certificates.good, tls="implicit") as server:
        answers = services(0, server.port, domain="example.org")
        report = ask_srv(answers, hosts="srv:example.org")
        assert report.session.status == "4.7.5" and not server.messages
        assert "localhost, found by srv:example.org" in report.session.reason
        assert "wrong name" in report.session.reason
        assert server.connections[0].server_name == "example.org"


def test_srv_a_certificate_for_the_domain(ask_srv, certificates):
    with FakeServer(certificate=certificates.wrong_name, tls="implicit") as server:
        answers = services(0, server.port, domain="other.example")
        assert ask_srv(answers, hosts="srv:other.example").only.result == "DONE"


def test_srv_a_host_within_the_domain(ask_srv, certificates):
    """Either name will do; and a name that only ends alike is not within."""
    for target, domain, good in (("localhost", "localhost", True),
                                 ("localhost", "ocalhost", False)):
        with FakeServer(certificate=certificates.good, tls="implicit") as server:
            answers = services(0, server.port, target, domain)
            report = ask_srv(answers, hosts=f"srv:{domain}")
            assert (report.session.result == "DONE") == good


def test_srv_fingerprint_settles_it(ask_srv, certificates):
    with FakeServer(certificate=certificates.self_signed, tls="implicit") as server:
        answers = services(0, server.port, domain="example.org")
        report = ask_srv(answers, hosts="srv:example.org",
                         fingerprint=certificates.fingerprint("self_signed"))
        assert report.only.result == "DONE"


# --- LMTP ---


@pytest.fixture
def lmtp(deliver, tmp_path):
    """lmtp(*messages, at=..., ...): a scripted LMTP server, and the report of a delivery to it."""
    def run(*messages, limit=60, options=None, **settings):
        path = tmp_path / "lmtp"
        path.unlink(missing_ok=True)
        with FakeServer(host=str(path), lmtp=True, **settings) as server:
            report = deliver("unused.invalid", *messages, socket=path, limit=limit,
                             **(options or {}))
            server.settle()
            report.server = server
            return report

    return run


@pytest.mark.parametrize("extensions", [EXTENSIONS, ()])
def test_lmtp_a_reply_for_each_recipient(lmtp, extensions):
    verdicts = {"full@a": "452 4.2.2 mailbox full", "gone@a": "550 5.1.1 went while we looked",
                "odd@a": "530 5.7.0 sign in"}
    lines = "".join(f"to {name}\n" for name in ("one@a", *verdicts, "two@a", "no@a"))
    report = lmtp((lines, BODY), ("to one@a\n", BODY), extensions=extensions,
                  at={"delivery": lambda _, recipient: verdicts.get(recipient),
                      "RCPT": lambda _, line: "550 5.1.1 nobody" if "no@a" in line else None})
    assert report.results == ["DONE", "LATER", "NEVER", "LATER", "DONE", "NEVER", "DONE"]
    assert [outcome.status for outcome in report.recipients.values()][1:3] == ["4.2.2", "5.1.1"]
    assert [message.recipients for message in report.server.messages] == [["one@a", "two@a"],
                                                                          ["one@a"]]
    assert report.server.verbs()[0] == "LHLO" and "EHLO" not in report.server.verbs()
    assert report.session.result == "DONE" and report.transactions == 2


@pytest.mark.parametrize("eager", [False, True])
def test_lmtp_a_thousand_recipients_and_messages_behind(lmtp, eager):
    many = "".join(f"to user{i}@a\n" for i in range(1000))
    some = [("to last@a\nto other@a\n", BODY)] * 20
    report = lmtp((many, BODY), *some, eager=eager, limit=120)
    assert set(report.results) == {"DONE"} and len(report.results) == 1040
    assert len(report.server.messages) == 21 and len(report.server.connections) == 1


def test_lmtp_replies_are_counted(lmtp):
    """More commands than one window behind a message with many replies."""
    many = "".join(f"to user{i}@a\n" for i in range(600))
    report = lmtp(*[(many, BODY)] * 3, eager=True, limit=120)
    assert set(report.results) == {"DONE"} and len(report.results) == 1800
    assert report.session.result == "DONE" and len(report.server.connections) == 1
    assert report.server.verbs()[-1] == "QUIT"


def test_lmtp_in_small_rounds(lmtp):
    lines = "".join(f"to user{i}@a\n" for i in range(25))
    report = lmtp((lines, BODY), most_recipients=10)
    assert report.results == ["DONE"] * 25
    assert [len(message.recipients) for message in report.server.messages] == [10, 10, 5]


@pytest.mark.parametrize("action", [CLOSE, HANG, "421 4.3.2 going down"])
def test_lmtp_ends_between_replies(lmtp, action):
    """What was answered for counts, the rest is for later: no duplicate and no loss."""
    replies = ["250 2.0.0 ok", "550 5.2.1 no", action]
    count = [0]

    def next_reply(_session, _recipient):
        count[0] += 1
        return replies[min(count[0], 3) - 1]

    lines = "".join(f"to user{i}@a\n" for i in range(5))
    report = lmtp((lines, BODY), at={"delivery": next_reply}, options={"percent": 1})
    assert report.results == ["DONE", "NEVER", "LATER", "LATER", "LATER"]
    assert report.session.result == "LATER"


def test_lmtp_data_is_refused_when_nobody_is_left(lmtp):
    report = lmtp(("to a@a\nto b@a\n", BODY), ("to c@a\n", BODY),
                  at={"RCPT": ["550 5.1.1 no", "450 4.2.0 later", None]})
    assert report.results == ["NEVER", "LATER", "DONE"]


def test_lmtp_354_with_nobody_left_is_no_answer(lmtp):
    report = lmtp(("to a@a\n", BODY), at={"RCPT": "550 5.1.1 no", "DATA": "354 go on"})
    assert report.results == ["NEVER"] and not report.server.messages


def test_lmtp_lhlo_refused_is_later(lmtp):
    report = lmtp(at={"LHLO": "500 5.5.1 what?"})
    expect(report, "LATER", "4.5.1", "after LHLO")
    assert "HELO" not in report.server.verbs()


def test_lmtp_no_tls_and_no_auth(lmtp, certificates):
    report = lmtp(options={"tls": "starttls"}, extensions=("STARTTLS", "AUTH PLAIN", "PIPELINING"))
    assert report.only.result == "DONE"
    assert not {"STARTTLS", "AUTH"} & set(report.server.verbs())


@pytest.mark.parametrize("kind", ["missing", "nobody listens", "file", "long"])
def test_lmtp_socket_that_is_none(deliver, tmp_path, kind):
    path = tmp_path / "lmtp"
    if kind == "nobody listens":
        FakeServer(host=str(path), lmtp=True).close()
    elif kind == "file":
        path.write_text("")
    elif kind == "long":
        path = tmp_path / ("x" * 120)
    report = deliver("unused.invalid", socket=path)
    expect(report, "LATER", "4.3.5" if kind == "long" else "4.4.1", str(path))


# --- This very host ---


def test_L4_the_next_hop_is_this_very_host(deliver):
    with FakeServer(name="HERE.example") as server, FakeServer() as other:
        report = deliver([server, other])
        expect(report, "NEVER", "5.4.6", "the next hop is this very host")
        assert server.verbs() in ([], ["QUIT"]) and not other.connections


def test_another_name_on_loopback_is_another_host(deliver):
    for greeting in ("220 here.example.net ESMTP", "220 tunnel ESMTP here.example", "220",
                     "220 xhere.example"):
        with FakeServer(at={"connect": greeting}) as server:
            assert deliver(server).only.result == "DONE"


def test_lmtp_of_this_host_is_no_circle(lmtp):
    assert lmtp(name="here.example").only.result == "DONE"
