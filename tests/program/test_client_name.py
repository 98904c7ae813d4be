"""The name of a client by the DNS, which milters are told."""

import subprocess

import pytest

from cprogram import build_program
from dnsfake import SERVFAIL, SILENT, FakeDns, a, aaaa, cname, mx, ptr

FOUR, SIX = "192.0.2.7", "2001:db8::7"
FOUR_ARPA = "7.2.0.192.in-addr.arpa"
SIX_ARPA = "7." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"
PTR = (FOUR_ARPA, "PTR")


def find(zone, address=FOUR, limit=5000):
    """The name as the program says it, the questions, and how many milliseconds it took."""
    program = build_program("client_name")
    with FakeDns(zone) as dns:
        done = subprocess.run([program, str(dns.port), str(limit), address], check=True,
                              capture_output=True, text=True)
        name, time = done.stdout.split("\n")[:2]
        return name, dns.asked, int(time)


@pytest.mark.parametrize("zone, wanted", [
    ({}, "-"),
    ({PTR: [ptr("mx.a.example")], ("mx.a.example", "A"): [a(FOUR)]}, "mx.a.example confirmed"),
    ({PTR: [ptr("mx.a.example")], ("mx.a.example", "A"): [a("192.0.2.8"), a(FOUR)]},
     "mx.a.example confirmed"),
    ({PTR: [ptr("mx.a.example")], ("mx.a.example", "A"): [a("192.0.2.8")]}, "mx.a.example"),
    ({PTR: [ptr("mx.a.example")]}, "mx.a.example"),
    ({PTR: [ptr("mx.a.example")], ("mx.a.example", "A"): SERVFAIL}, "mx.a.example"),
    ({PTR: [ptr("x.a.example"), ptr("y.a.example")], ("y.a.example", "A"): [a(FOUR)]},
     "y.a.example confirmed"),
    ({PTR: [cname("7.sub.arpa"), ("PTR", "7.sub.arpa", ptr("mx.a.example")[2])],
      ("mx.a.example", "A"): [a(FOUR)]}, "mx.a.example confirmed"),
    ({PTR: [ptr("evil\n.example")]}, "-"),
    ({PTR: [ptr("a b.example"), ptr("(x).example")]}, "-"),
    ({PTR: [mx(10, "mx.a.example")]}, "-"),
    ({PTR: SERVFAIL}, "-"),
])
def test_names(zone, wanted):
    assert find(zone)[0] == wanted


def test_IPv6():
    zone = {(SIX_ARPA, "PTR"): [ptr("mx.a.example")], ("mx.a.example", "AAAA"): [aaaa(SIX)]}
    assert find(zone, SIX)[0] == "mx.a.example confirmed"


def test_an_IPv4_address_within_IPv6_is_one():
    zone = {PTR: [ptr("mx.a.example")], ("mx.a.example", "A"): [a(FOUR)]}
    assert find(zone, f"::ffff:{FOUR}")[0] == "mx.a.example confirmed"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.9.9.9"])
def test_this_machine_is_not_asked_for(address):
    name, asked, _ = find({}, address)
    assert name == "localhost confirmed" and not asked


def test_F3_a_thousand_names_are_a_few_questions():
    zone = {PTR: [ptr(f"{number}.a.example") for number in range(1000)]}
    name, asked, _ = find(zone)
    assert name == "0.a.example" and len([kind for _, kind in asked if kind == "A"]) == 3


@pytest.mark.parametrize("zone", [{PTR: SILENT},
                                  {PTR: [ptr("mx.a.example")], ("mx.a.example", "A"): SILENT}])
def test_F3_silence_ends(zone):
    name, _, time = find(zone, limit=1000)
    assert name in ("-", "mx.a.example") and 900 < time < 1800
