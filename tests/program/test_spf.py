"""SPF (RFC 7208) by the cases of the openspf test suite, which Debian's python3-spf carries, against a
scripted name server."""

import gzip
import io
import subprocess
import tarfile

import pytest
import yaml

from cprogram import build_program
from dnsfake import SILENT, FakeDns, a, aaaa, cname, mx, ptr, txt
from world import PACKAGES

SUITE = "./usr/share/doc/python3-spf/rfc7208-tests.yml.gz"


def read_suite():
    package = sorted(PACKAGES.glob("python3-spf_*.deb"))[-1]
    files = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True,
                           capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(files)) as archive:
        # Bytes over 127 are meant as such.
        text = gzip.decompress(archive.extractfile(SUITE).read()).decode("utf-8")
    return [section for section in yaml.safe_load_all(text) if section]


def encode(text):
    return text.encode("latin-1", "replace")


def strings(value):
    """The strings of a TXT record; long ones are cut as they must be."""
    pieces = [value] if isinstance(value, str) else value
    found = []
    for piece in pieces:
        data = encode(piece)
        found += [data[i:i + 255] for i in range(0, len(data), 255)] or [b""]
    return found


def make_zone(data):
    """The suite's zone data in the form of FakeDns. SPF records are TXT ones, unless there is a TXT
    record at the name already."""
    makers = {"A": a, "AAAA": aaaa, "MX": lambda value: mx(*value), "PTR": ptr, "CNAME": cname}
    zone = {}
    for name, records in data.items():
        name = name.lower().rstrip(".")
        kinds = [list(record)[0] if isinstance(record, dict) else record for record in records]
        for record in records:
            if record == "TIMEOUT":
                for kind in ("A", "AAAA", "MX", "PTR", "TXT"):
                    zone.setdefault((name, kind), SILENT)
                continue
            ((kind, value),) = record.items()
            if kind == "SPF" and "TXT" in kinds:
                continue
            if kind in ("TXT", "SPF"):
                if value == "NONE":
                    continue
                if value == "TIMEOUT":
                    zone[(name, "TXT")] = SILENT
                    continue
                zone.setdefault((name, "TXT"), []).append(txt(*strings(value)))
            elif value == "TIMEOUT":
                zone[(name, kind)] = SILENT
            else:
                zone.setdefault((name, kind), []).append(makers[kind](value))
        zone.setdefault((name, "NOTHING"), [])
    # A CNAME stands for every type, with what is at its end.
    for (name, kind), records in list(zone.items()):
        if kind == "CNAME":
            target = read_target(records[0])
            for other in ("A", "AAAA", "MX", "TXT"):
                chased = zone.get((target, other))
                more = [(t, target, d) for t, _, d in chased] if isinstance(chased, list) else []
                zone.setdefault((name, other), [*records, *more])
    return zone


def read_target(record):
    labels, data, at = [], record[2], 0
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    return ".".join(labels).lower()


SECTIONS = read_suite()


def check(dns, client, helo, sender):
    """The result, and the words that a fail is explained with."""
    line = "\t".join([str(dns.port), client, helo, sender]) + "\n"
    done = subprocess.run([build_program("spf_check")], input=line.encode(), capture_output=True,
                          check=True)
    result, _, words = done.stdout.decode().rstrip("\n").partition("\t")
    return result, words


def test_names_of_the_client_are_asked_for_once():
    """However often a domain wants to know them (RFC 7208 11.1)."""
    names = [f"n{number}.client.example" for number in range(5)]  # fits into a datagram
    zone = {("many.example", "TXT"): [txt("v=spf1 exists:" + "%{p}." * 40 + "x.example ptr -all")],
            ("9.2.0.192.in-addr.arpa", "PTR"): [ptr(name) for name in names]}
    for name in names:
        zone[(name, "A")] = [a("192.0.2.9")]
    with FakeDns(zone) as dns:
        assert check(dns, "192.0.2.9", "client.example", "joe@many.example")[0] == "fail"
        assert [kind for _, kind in dns.asked].count("PTR") == 1
        assert len(dns.asked) <= 20


def test_hosts_of_a_term_without_an_address_are_one_term_without_an_answer():
    """As with an IPv6 client, and mail hosts that have IPv4 alone (RFC 7208 4.6.4)."""
    zone = {("six.example", "TXT"): [txt("v=spf1 mx:four.example ip6:2001:db8::/32 -all")],
            ("four.example", "MX"): [mx(10, f"h{number}.four.example") for number in range(4)],
            ("voids.example", "TXT"): [txt("v=spf1 mx:four.example mx:four.example mx:four.example "
                                           "ip6:2001:db8::/32 -all")]}
    for number in range(4):
        zone[(f"h{number}.four.example", "A")] = [a("192.0.2.1")]
        zone[(f"h{number}.four.example", "AAAA")] = []
    with FakeDns(zone) as dns:
        assert check(dns, "2001:db8::9", "client.example", "joe@six.example")[0] == "pass"
        assert check(dns, "2001:db8::9", "client.example", "joe@voids.example")[0] == "permerror"


@pytest.mark.parametrize("section", SECTIONS, ids=[s["description"] for s in SECTIONS])
def test_suite(section):
    wrong = []
    with FakeDns(make_zone(section["zonedata"])) as dns:
        for name, case in section["tests"].items():
            result, words = check(dns, case["host"], str(case["helo"]), case["mailfrom"])
            wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
            if result not in wanted:
                wrong.append(f"{name}: {result}, not {wanted}")
            wish = case.get("explanation")
            if result == "fail" and wish and wish != "DEFAULT" and words != wish:
                wrong.append(f"{name}: explained as {words!r}, not {wish!r}")
            if result == "fail" and wish == "DEFAULT" and words:
                wrong.append(f"{name}: explained as {words!r}, not at all")
    assert not wrong, "\n".join(wrong)
