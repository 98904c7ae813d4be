"""Lists in the DNS (RFC 5782) against a scripted name server: what they say of a client, and what
becomes of mail when they are dead, cut, or answer everything (hardcases F3)."""

import os
import subprocess
import threading

import pytest

from cprogram import build_program
from dnsfake import SERVFAIL, SILENT, FakeDns, a, make_answer, txt

MINUTE, HOUR = 60, 3600
FAST = 500  # milliseconds


def reverse(address):
    if ":" not in address:
        return ".".join(reversed(address.split(".")))
    import ipaddress
    return ipaddress.ip_address(address).reverse_pointer.removesuffix(".ip6.arpa")


def sound(zone, v6=False):
    """The test entries that a list must have."""
    return {(f"{reverse('::ffff:127.0.0.2' if v6 else '127.0.0.2')}.{zone}", "A"): [a("127.0.0.2")]}


def listed(zone, address, *codes, reason=None):
    name = f"{reverse(address)}.{zone}"
    found = {(name, "A"): [a(code) for code in codes or ["127.0.0.2"]]}
    if reason is not None:
        found[(name, "TXT")] = reason if isinstance(reason, list) else [txt(reason)]
    return found


class Lists:
    """A name server with these entries, and what sessions share."""

    def __init__(self, folder, entries, limit=1000, threshold=1):
        self.dns = FakeDns(entries)
        self.folder = folder
        self.limit = limit
        self.threshold = threshold

    def ask(self, address, block="", allow="", after=0):
        """(result, names, reason, milliseconds)."""
        line = "\t".join([address, block, allow, str(after)]) + "\n"
        done = subprocess.run(
            [build_program("dnsbl_check"), str(self.dns.port), self.folder, str(self.limit),
             str(self.threshold)], input=line.encode(), capture_output=True, check=True, timeout=60)
        result, names, reason, took = done.stdout.decode().rstrip("\n").split("\t")
        assert int(took) < self.limit + 600
        return result, names, reason, int(took)

    def asked(self):
        """What has been asked since the last time."""
        found, self.dns.asked = self.dns.asked, []
        return found

    def log(self):
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def lists(tmp_path):
    made = []

    def make(*parts, **options):
        made.append(Lists(tmp_path, {key: value for part in parts for key, value in part.items()},
                          **options))
        return made[-1]

    yield make
    for each in made:
        each.dns.close()


# --- what a list says ---


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::567:89ab", "::ffff:192.0.2.1"])
def test_blocked_with_a_reason(lists, address):
    plain = address.removeprefix("::ffff:")
    here = lists(sound("bad.example", ":" in plain),
                 listed("bad.example", plain, reason="see http://bad.example/?192.0.2.1"))
    result, names, reason, _ = here.ask(address, "bad.example")
    assert (result, names) == ("blocks", "bad.example")
    assert reason == "see http://bad.example/?192.0.2.1"
    assert here.ask("192.0.2.2" if ":" not in plain else "2001:db8::1", "bad.example")[0] == "nothing"
    assert not here.log()


def test_an_allowing_list_wins(lists):
    here = lists(sound("bad.example"), sound("good.example"), listed("bad.example", "192.0.2.1"),
                 listed("good.example", "192.0.2.1", "127.0.5.3"))
    assert here.ask("192.0.2.1", "bad.example", "good.example")[:2] == ("allows", "good.example")
    assert here.ask("192.0.2.1", "bad.example", "good.example=127.0.0-255.3")[0] == "allows"
    assert here.ask("192.0.2.1", "bad.example", "good.example=127.0.0-255.0-1")[0] == "blocks"


MASKS = [
    ("bad.example", "127.0.0.2", True),
    ("bad.example", "127.1.2.3", True),
    ("bad.example", "127.0.0.1", False),
    ("bad.example", "127.255.255.254", False),
    ("bad.example", "192.0.2.66", False),
    ("bad.example=127.0.0.4-7", "127.0.0.4", True),
    ("bad.example=127.0.0.4-7", "127.0.0.7", True),
    ("bad.example=127.0.0.4-7", "127.0.0.8", False),
    ("bad.example=127.0.0.4-7", "127.0.1.4", False),
    ("bad.example=127.0.0.2|127.0.0.10-11", "127.0.0.11", True),
    ("bad.example=127.0.0.2|127.0.0.10-11", "127.0.0.3", False),
    ("bad.example=127.0.0.1", "127.0.0.1", True),
]


@pytest.mark.parametrize("item, code, blocks", MASKS)
def test_which_answers_count(lists, item, code, blocks):
    here = lists(sound("bad.example"), listed("bad.example", "192.0.2.1", code))
    assert here.ask("192.0.2.1", item)[0] == ("blocks" if blocks else "nothing")


@pytest.mark.parametrize("block, threshold, result", [
    ("a.example, b.example", 2, "blocks"),
    ("a.example, b.example", 3, "nothing"),
    ("a.example*2, c.example*5", 3, "nothing"),
    ("a.example*2, b.example, c.example*5", 3, "blocks"),
    ("a.example=127.0.0.2*2, a.example=127.0.0.3*1", 3, "blocks"),
    ("a.example=127.0.0.2*2, a.example=127.0.0.4*1", 3, "nothing"),
    ("a.example=127.0.0.2-3*2", 3, "nothing"),
])
def test_weights(lists, block, threshold, result):
    here = lists(sound("a.example"), sound("b.example"), sound("c.example"),
                 listed("a.example", "192.0.2.1", "127.0.0.2", "127.0.0.3"),
                 listed("b.example", "192.0.2.1"), threshold=threshold)
    assert here.ask("192.0.2.1", block)[0] == result
    assert [name for name, kind in here.asked() if kind == "A"].count("1.2.0.192.a.example") == 1


def test_all_at_once(lists):
    """Thirty lists that each take a while to answer."""
    zones = [f"l{i}.example" for i in range(30)]
    entries = {}
    barrier = threading.Event()

    def late(query):
        barrier.wait(0.05)
        return make_answer(query, [a("127.0.0.2")])

    for zone in zones:
        entries.update(sound(zone))
        entries[(f"1.2.0.192.{zone}", "A")] = late
    here = lists(entries, threshold=30, limit=8000)
    result, names, _, took = here.ask("192.0.2.1", ", ".join(zones))
    assert result == "blocks" and names.startswith("l0.example, l1.example, ") and len(names) <= 200
    assert took < 30 * 50 + 4000


# --- reasons ---


@pytest.mark.parametrize("records, reason", [
    ([txt("two ", "parts")], "two parts"),
    ([txt("x" * 255, "x" * 255)], "x" * 160),
    ([txt(b"caf\xc3\xa9 \x1b[31m\r\n554 no\0end\x7f")], "caf??  [31m  554 no end?"),
    ([txt(""), txt("second")], "second"),
    ([], ""),
    (SERVFAIL, ""),
    (SILENT, ""),
])
def test_reasons_are_bounded_and_clean(lists, records, reason):
    here = lists(sound("bad.example"), listed("bad.example", "192.0.2.1"),
                 {("1.2.0.192.bad.example", "TXT"): records})
    assert here.ask("192.0.2.1", "bad.example")[:3] == ("blocks", "bad.example", reason)


def test_a_reason_is_asked_of_two_lists_only_and_only_to_refuse(lists):
    zones = [f"l{i}.example" for i in range(5)]
    here = lists(*[sound(zone) for zone in zones],
                 *[listed(zone, "192.0.2.1", reason=f"by {zone}") for zone in zones], threshold=2)
    assert here.ask("192.0.2.1", "l0.example")[0] == "nothing"
    assert "TXT" not in [kind for _, kind in here.asked()]
    assert here.ask("192.0.2.1", ", ".join(zones))[2] in ("by l1.example", "by l2.example")
    assert [kind for _, kind in here.asked()].count("TXT") <= 2


# --- what is remembered ---


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.2"])
def test_what_was_said_is_remembered_for_a_while(lists, address):
    """Listed or not: not asked again within a minute, by no session; asked again after an hour."""
    here = lists(sound("bad.example"), listed("bad.example", "192.0.2.1", reason="because"))
    first = here.ask(address, "bad.example")
    assert here.asked()
    assert here.ask(address, "bad.example", after=50)[:3] == first[:3] and not here.asked()
    # The record's own 60 seconds.
    if first[0] == "blocks":
        assert here.ask(address, "bad.example", after=70)[:3] == first[:3] and here.asked()
    assert here.ask(address, "bad.example", after=HOUR + 70)[:3] == first[:3] and here.asked()


def test_a_memory_that_cannot_be_had(lists):
    here = lists(sound("bad.example"), listed("bad.example", "192.0.2.1"))
    (here.folder / "dnsbl").mkdir()
    assert here.ask("192.0.2.1", "bad.example")[0] == "blocks"
    assert "cannot be remembered" in here.log()[0]


@pytest.mark.parametrize("damage", ["cut", "noise", "other", "full"])
def test_a_damaged_memory_is_an_empty_one(lists, damage):
    here = lists(sound("bad.example"), listed("bad.example", "192.0.2.1", reason="because"))
    first = here.ask("192.0.2.1", "bad.example")
    here.asked()
    path = here.folder / "dnsbl"
    data = path.read_bytes()
    assert b"bad.example" in data and len(data) <= 4 * 1024 * 1024
    if damage == "cut":
        path.write_bytes(data[:len(data) // 2])
    elif damage == "noise":
        path.write_bytes(os.urandom(len(data)))
    elif damage == "full":
        path.write_bytes(os.urandom(4 * 1024 * 1024))
    else:
        path.write_bytes(data.replace(b"bad.example", b"bed.example"))
    assert here.ask("192.0.2.1", "bad.example")[:3] == first[:3]
    if damage != "cut":
        assert here.asked()


@pytest.mark.once
def test_many_clients_at_once_and_none_is_mixed_up(lists):
    """More clients than the memory has room for; each gets its own answer, also from the memory."""
    entries = sound("bad.example")
    for i in range(0, 400, 2):
        entries.update(listed("bad.example", f"192.0.{2 + i // 256}.{i % 256}", reason=f"number {i}"))
    here = lists(entries, limit=8000)
    wrong = []

    def talk(first):
        for i in range(first, 400, 4):
            said = here.ask(f"192.0.{2 + i // 256}.{i % 256}", "bad.example")
            wish = ("blocks", f"number {i}") if i % 2 == 0 else ("nothing", "")
            if (said[0], said[2]) != wish:
                wrong.append((i, said))

    for _ in range(2):
        threads = [threading.Thread(target=talk, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong and not here.log()


# --- lists that are none ---


ODD = {
    "no test entry": {},
    "lists everybody": {("1.0.0.127.odd.example", "A"): [a("127.0.0.2")], **sound("odd.example")},
    "answers for another": {("1.0.0.127.odd.example", "A"): [a("127.255.255.254")],
                            ("2.0.0.127.odd.example", "A"): [a("127.255.255.254")]},
    "hijacked": {("1.0.0.127.odd.example", "A"): [a("192.0.2.66")],
                 ("2.0.0.127.odd.example", "A"): [a("192.0.2.66")]},
    "a thousand": {("1.0.0.127.odd.example", "A"): [a(f"127.1.{i // 250}.{i % 250 + 2}")
                                                    for i in range(1000)], **sound("odd.example")},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_F3_a_list_that_is_none_is_ignored_and_logged_once(lists, odd):
    here = lists(odd, sound("bad.example"), listed("odd.example", "192.0.2.1"),
                 listed("bad.example", "192.0.2.3"), limit=4000)
    for i in range(4):
        assert here.ask("192.0.2.1", "odd.example, bad.example", "odd.example",
                        after=i)[0] == "nothing"
    assert here.ask("192.0.2.3", "odd.example, bad.example")[:2] == ("blocks", "bad.example")
    (line,) = here.log()
    assert "the list odd.example is ignored for IPv4: it " in line
    # Looked at again after an hour, and not before; nothing new is to be said.
    here.asked()
    here.ask("192.0.2.9", "odd.example", after=50 * MINUTE)
    assert not here.asked()
    here.ask("192.0.2.9", "odd.example", after=61 * MINUTE)
    assert ("2.0.0.127.odd.example", "A") in here.asked() and len(here.log()) == 1


def test_F3_a_list_that_is_none_and_is_mended(lists):
    here = lists(listed("odd.example", "192.0.2.1"))
    assert here.ask("192.0.2.1", "odd.example")[0] == "nothing"
    here.dns.answers.update(sound("odd.example"))
    assert here.ask("192.0.2.1", "odd.example", after=61 * MINUTE)[0] == "blocks"
    assert [line.split(": ", 1)[-1] for line in here.log()][1:] == [
        "the list odd.example is of use again for IPv4"]


def test_F3_a_list_that_goes_mad_is_found_out(lists):
    """As lists do that are given up: from one day on they list all the world."""
    here = lists(sound("old.example"))
    assert here.ask("192.0.2.1", "old.example")[0] == "nothing"
    for last in (1, 2, 3):
        here.dns.answers[(f"{last}.0.0.127.old.example", "A")] = [a("127.0.0.2")]
    here.dns.answers[("1.2.0.192.old.example", "A")] = [a("127.0.0.2")]
    assert here.ask("192.0.2.1", "old.example", after=61 * MINUTE)[0] == "nothing"
    assert "lists everybody" in here.log()[0]


def test_F3_a_list_of_ipv4_alone_has_no_say_for_ipv6(lists):
    here = lists(sound("four.example"), listed("four.example", "192.0.2.1"),
                 listed("four.example", "2001:db8::1"))
    assert here.ask("2001:db8::1", "four.example")[0] == "nothing"
    assert here.ask("192.0.2.1", "four.example")[0] == "blocks"
    (line,) = here.log()
    assert "four.example is ignored for IPv6" in line and "::ffff:7f00:2" in line


# --- lists that do not answer ---


def dead(zone, *addresses):
    return {(f"{reverse(address)}.{zone}", kind): SILENT
            for address in ("127.0.0.1", "127.0.0.2", *addresses) for kind in ("A", "TXT")}


CLIENTS = [f"192.0.2.{i}" for i in range(1, 9)]


def test_F3_a_dead_list_is_waited_for_once(lists):
    here = lists(dead("dead.example", *CLIENTS), sound("bad.example"),
                 listed("bad.example", "192.0.2.1"))
    result, names, _, took = here.ask("192.0.2.1", "dead.example, bad.example")
    assert (result, names) == ("blocks", "bad.example") and took >= 1000
    for client in CLIENTS:
        assert here.ask(client, "dead.example, bad.example", after=100)[3] < FAST
    (line,) = here.log()
    assert "the list dead.example is left alone for 2m, and then for longer, until it answers: " \
           "no name server answered in time" in line


def test_F3_a_dead_list_is_tried_again_less_and_less_often(lists):
    here = lists(dead("dead.example", *CLIENTS), limit=300)
    waited = [minute for minute in range(0, 120)
              if here.ask("192.0.2.1", "dead.example", after=minute * MINUTE)[3] >= 300]
    # Each rest is twice the one before; 32 minutes at the most.
    assert waited == [0, 2, 6, 14, 30, 62, 94]
    assert len(here.log()) == 1
    for key in list(here.dns.answers):
        del here.dns.answers[key]
    here.dns.answers.update(sound("dead.example"))
    here.dns.answers.update(listed("dead.example", "192.0.2.1"))
    assert here.ask("192.0.2.1", "dead.example", after=127 * MINUTE)[0] == "blocks"
    assert here.log()[1].endswith("the list dead.example answers again")


def test_F3_many_sessions_meet_a_dead_list(lists):
    """All at once: each waits, and the log has it once."""
    here = lists(dead("dead.example", *CLIENTS))
    said = []
    threads = [threading.Thread(target=lambda client=client: said.append(
        here.ask(client, "dead.example")[0])) for client in CLIENTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["nothing"] * len(CLIENTS) and len(here.log()) == 1
    assert here.ask("192.0.2.1", "dead.example")[3] < FAST
    # After the rest one of them asks, and the others do not wait.
    said = []
    threads = [threading.Thread(target=lambda client=client: said.append(
        here.ask(client, "dead.example", after=3 * MINUTE)[3])) for client in CLIENTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([took for took in said if took >= 1000]) == 1 and len(here.log()) == 1


def test_F3_servfail_costs_no_time_and_counts_as_dead(lists):
    here = lists({("1.2.0.192.ill.example", "A"): SERVFAIL, ("2.0.0.127.ill.example", "A"): SERVFAIL,
                  ("1.0.0.127.ill.example", "A"): SERVFAIL})
    assert here.ask("192.0.2.1", "ill.example")[0] == "nothing"
    assert here.ask("192.0.2.1", "ill.example")[3] < FAST
    here.asked()
    here.ask("192.0.2.1", "ill.example", after=100)
    assert not here.asked() and len(here.log()) == 1


def test_F3_a_list_known_to_be_sound_may_die_and_what_it_said_stays(lists):
    here = lists(sound("bad.example"), listed("bad.example", "192.0.2.1", reason="because"))
    assert here.ask("192.0.2.1", "bad.example")[0] == "blocks"
    here.dns.answers = dead("bad.example", *CLIENTS)
    assert here.ask("192.0.2.2", "bad.example", after=1)[3] >= 1000
    result, _, reason, took = here.ask("192.0.2.1", "bad.example", after=2)
    assert (result, reason) == ("blocks", "because") and took < FAST


def test_F3_an_answer_of_a_thousand_records(lists):
    """More than a datagram holds, and than a list would have to say."""
    many = [f"127.1.{i // 256}.{i % 256}" for i in range(1000)]
    here = lists(sound("bad.example"), listed("bad.example", "192.0.2.1", *many), limit=4000)
    assert here.ask("192.0.2.1", "bad.example")[0] == "blocks"
    assert here.ask("192.0.2.1", "bad.example=127.0.0.2")[0] == "nothing"
