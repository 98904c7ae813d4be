"""Questions to the DNS that are asked together: a time that holds whatever a server does, and nothing
taken for an answer that is none."""

import socket
import struct
import subprocess
import threading

import pytest

from cprogram import build_program
from dnsfake import (NXDOMAIN, REFUSED, SERVFAIL, SILENT, FakeDns, a, cname, make_answer,
                     read_question, txt)

A, TXT = 1, 16
FAST = 500  # milliseconds: far less than the limit of most tests


def ask(port, *questions, limit=8000):
    """name -> [result, ...], and how long it took."""
    words = [str(word) for question in questions for word in question]
    done = subprocess.run([build_program("questions_ask"), str(port), str(limit), *words],
                          capture_output=True, check=True, timeout=60)
    *lines, took = done.stdout.decode().splitlines()
    assert len(lines) == len(questions)
    return {line.split("\t")[0]: line.split("\t")[1:] for line in lines}, int(took)


def test_each_gets_its_answer():
    zone = {(f"{i}.list.example", "A"): [a(f"127.0.0.{i}")] for i in range(1, 60)}
    with FakeDns(zone) as dns:
        found, took = ask(dns.port, *[(f"{i}.list.example", A) for i in range(1, 80)])
    for i in range(1, 60):
        assert found[f"{i}.list.example"] == ["answer", "60", "1", f"127.0.0.{i}"]
    assert found["70.list.example"][0] == "no domain"
    assert took < 4000


def test_F3_one_that_is_silent_keeps_no_other_waiting():
    """It is asked three times, and the others have answered before its time is over."""
    zone = {("dead.example", "A"): SILENT, ("well.example", "A"): [a("127.0.0.2")],
            ("empty.example", "TXT"): [txt("x")]}
    with FakeDns(zone) as dns:
        found, took = ask(dns.port, ("dead.example", A), ("well.example", A), ("empty.example", A),
                          limit=1000)
        assert [name for name, _ in dns.asked].count("dead.example") == 3
    assert list(found)[-1] == "dead.example"
    assert found["dead.example"] == ["no answer", "no name server answered in time"]
    assert found["well.example"][0] == "answer" and found["empty.example"][0] == "no records"
    assert 1000 <= took < 1400


@pytest.mark.parametrize("word", [SERVFAIL, REFUSED])
def test_a_server_that_cannot_is_not_waited_for(word):
    with FakeDns({("a.example", "A"): word}) as dns:
        found, took = ask(dns.port, ("a.example", A))
    assert found["a.example"] == ["no answer", "the name servers could not answer"]
    assert took < FAST


def test_nobody_there():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found, took = ask(port, ("a.example", A))
    assert found["a.example"] == ["no answer", "no name server can be reached"] and took < FAST


def test_what_is_lost_is_asked_again():
    """The first packet is never answered."""
    seen = []

    def answer(query):
        seen.append(query)
        return make_answer(query, [a("127.0.0.2")]) if len(seen) > 1 else None

    with FakeDns({("a.example", "A"): answer}) as dns:
        found, _ = ask(dns.port, ("a.example", A), limit=2000)
    assert found["a.example"][0] == "answer" and len(seen) == 2


def test_a_thousand_records_come_over_tcp():
    zone = {("many.example", "A"): [a(f"127.1.{i // 256}.{i % 256}") for i in range(1000)]}
    with FakeDns(zone) as dns:
        found, took = ask(dns.port, ("many.example", A), ("other.example", A))
    assert found["many.example"] == ["answer", "60", "1000", "127.1.3.231"]
    assert found["other.example"][0] == "no domain" and took < 4000


@pytest.mark.parametrize("how", ["refused", "silent", "half", "other"])
def test_F3_a_cut_answer_that_cannot_be_had_whole(how):
    """UDP says that there is more; TCP then does not give it."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        if how == "refused":
            tcp.close()

        def cut():
            query, client = udp.recvfrom(512)
            udp.sendto(make_answer(query, flags=0x8380), client)
            if how == "refused":
                return
            connection, _ = tcp.accept()
            query = connection.recv(1024)[2:]
            packet = make_answer(query, [a("127.0.0.2")])
            if how == "half":
                connection.sendall(struct.pack(">H", len(packet)) + packet[:-3])
            elif how == "other":
                packet = b"\0\0" + packet[2:] if packet[:2] != b"\0\0" else b"\1\1" + packet[2:]
                connection.sendall(struct.pack(">H", len(packet)) + packet)
            if how != "half":
                connection.recv(1)  # until the client has gone
            connection.close()

        server = threading.Thread(target=cut)
        server.start()
        found, took = ask(port, ("a.example", A), limit=1000)
        server.join()
    assert found["a.example"] == ["no answer", "the answer was cut, and cannot be had whole"]
    assert took < 1400


def test_a_referral_is_no_answer():
    """From a server that does not ask others, and whose domain it is not."""
    def refer(query):
        return make_answer(query, flags=0x8100)  # neither AA nor RA

    with FakeDns({("a.example", "A"): refer,
                  ("b.example", "A"): lambda query: make_answer(query, flags=0x8500)}) as dns:
        found, took = ask(dns.port, ("a.example", A), ("b.example", A))
    assert found["a.example"][0] == "no answer" and found["b.example"][0] == "no records"
    assert took < FAST


def spoil_id(query):
    packet = make_answer(query, [a("127.0.0.66")])
    return bytes([packet[0] ^ 1]) + packet[1:]


def spoil_name(query):
    return make_answer(query, [a("127.0.0.66")]).replace(b"\x01a", b"\x01b", 1)


def spoil_type(query):
    _, _, end = read_question(query)
    packet = make_answer(query, [a("127.0.0.66")])
    return packet[:end - 4] + b"\0\x10" + packet[end - 2:]


WRONG = {
    "another id": spoil_id,
    "another name": spoil_name,
    "another type": spoil_type,
    "a question": lambda query: query,
    "no question": lambda query: query[:2] + b"\x81\x80" + b"\0" * 8,
    "short": lambda query: query[:7],
    "cut within": lambda query: make_answer(query, [a("127.0.0.66")])[:-2],
    "noise": lambda query: query[:2] + b"\xff" * 200,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_no_answer_is_not_taken_for_one(wrong):
    """It comes before the true one, which is taken all the same."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))

        def serve():
            query, client = udp.recvfrom(512)
            udp.sendto(wrong(query), client)
            udp.sendto(make_answer(query, [a("127.0.0.2")]), client)

        server = threading.Thread(target=serve)
        server.start()
        found, took = ask(udp.getsockname()[1], ("a.example", A), limit=1000)
        server.join()
    assert found["a.example"] == ["answer", "60", "1", "127.0.0.2"] and took < FAST


def test_another_port_than_was_asked_is_not_heard():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        udp.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))

        def serve():
            query, client = udp.recvfrom(512)
            other.sendto(make_answer(query, [a("127.0.0.66")]), client)

        server = threading.Thread(target=serve)
        server.start()
        found, _ = ask(udp.getsockname()[1], ("a.example", A), limit=300)
        server.join()
    assert found["a.example"][0] == "no answer"


def test_ports_and_ids_cannot_be_guessed():
    """Each question has a port of its own; over many runs both are spread."""
    seen = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(10)

        def serve():
            for _ in range(80):
                query, client = udp.recvfrom(512)
                seen.append((struct.unpack(">H", query[:2])[0], client[1]))
                udp.sendto(make_answer(query, code=NXDOMAIN), client)

        server = threading.Thread(target=serve)
        server.start()
        for _ in range(4):
            ask(udp.getsockname()[1], *[(f"{i}.example", A) for i in range(20)])
        server.join()
    for i in range(0, 80, 20):
        assert len({port for _, port in seen[i:i + 20]}) == 20
    ids = [number for number, _ in seen]
    assert len(set(ids)) > 75 and max(ids) - min(ids) > 32768
    assert len({after - before for before, after in zip(ids, ids[1:])}) > 70


def test_a_chain_of_aliases_is_followed_but_not_for_ever():
    short = [cname("b.example", "a.example"), cname("c.example", "b.example"),
             ("A", "c.example", a("127.0.0.2")[2])]
    ring = [cname(f"{(i + 1) % 200}.ring.example", f"{i}.ring.example") for i in range(200)]
    with FakeDns({("a.example", "A"): short, ("0.ring.example", "A"): ring}) as dns:
        found, took = ask(dns.port, ("a.example", A), ("0.ring.example", A))
    assert found["a.example"] == ["answer", "60", "3", "127.0.0.2"]
    assert found["0.ring.example"] == ["answer", "60", "200", "-"] and took < 4000


def test_what_is_not_there_is_remembered_as_long_as_its_zone_says():
    def answer(query):
        name = b"\x07example\0"
        soa = name + name + struct.pack(">IIIII", 1, 2, 3, 4, 300)
        packet = make_answer(query, code=NXDOMAIN)
        return (packet[:8] + b"\0\1" + packet[10:]
                + name + struct.pack(">HHIH", 6, 1, 900, len(soa)) + soa)

    with FakeDns({("a.example", "A"): answer}) as dns:
        found, _ = ask(dns.port, ("a.example", A), ("b.example", A))
    assert found["a.example"][:2] == ["no domain", "300"]
    assert found["b.example"][:2] == ["no domain", "0"]


def test_a_name_that_is_none():
    with FakeDns({}) as dns:
        found, took = ask(dns.port, (f"{'x' * 64}.example", A), ("a..example", A), ("b.example", A))
    assert found[f"{'x' * 64}.example"] == ["no answer", "it is no name of the DNS"]
    assert found["a..example"] == ["no answer", "it is no name of the DNS"]
    assert found["b.example"][0] == "no domain" and took < FAST


def test_a_cut_answer_beside_one_that_never_comes():
    zone = {("many.example", "A"): [a(f"127.1.0.{i}") for i in range(200)],
            ("dead.example", "A"): SILENT}
    with FakeDns(zone) as dns:
        found, _ = ask(dns.port, ("dead.example", A), ("many.example", A), limit=1000)
    assert found["many.example"][0] == "answer" and found["dead.example"][0] == "no answer"
