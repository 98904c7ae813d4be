"""What a message costs, in numbers that are the same on every machine: syncs, system calls, instructions,
connections, round trips, memory. The bounds are a little above what it takes today; who has to lift one
knows what was made dearer. Times are for tests/bench."""

import re
import subprocess
from collections import Counter

import pytest

from bigqueue import fill
from listening import Listening
from sandbox import BUILD, EX_OK, REPOSITORY
from smtpfake import EXTENSIONS, FakeServer
from strace import count

pytestmark = pytest.mark.installed  # sanitizers make their own calls

MESSAGE = b"From: a@here.example\nSubject: cost\n\n" + b"a line of four kilobytes\n" * 160
SYNCS = ("fsync", "fdatasync", "sync", "syncfs")


@pytest.fixture
def queued(sandbox):
    """A sandbox, and a function that queues so many messages for a smarthost."""
    def queue(number, server, **settings):
        lines = [f"host = {server.address}", "tls = off", "auth = off"]
        lines += [f"{key} = {value}" for key, value in settings.items()]
        sandbox.configure(smarthost="\n".join(lines))
        for index in range(number):
            sandbox.sendmail("-odq", f"r{index}@there.example", stdin=MESSAGE, check=EX_OK)
    sandbox.queue_up = queue
    return sandbox


def submission(sandbox):
    return [str(BUILD / "sendmail"), "-C", str(sandbox.config), "-odq", "a@there.example"]


def with_input(program, words):
    """argv that gives a program a file on standard input."""
    return ["/bin/sh", "-c", 'file=$1; shift; exec "$@" < "$file"', "sh", program, *words]


@pytest.fixture
def message(tmp_path):
    path = tmp_path / "message"
    path.write_bytes(MESSAGE)
    return path


def test_a_submission_syncs_twice_and_makes_few_calls(sandbox, message):
    """One sync of the file, one of the folder."""
    argv = submission(sandbox)
    subprocess.run(argv, stdin=open(message, "rb"), check=True)  # makes the folders
    calls = count(sandbox, with_input(message, argv))
    shell = count(sandbox, with_input(message, ["/bin/true"]))
    assert sum(calls.get(name, 0) for name in SYNCS) == calls["fsync"] == 2
    assert calls.get("clone", 0) + calls.get("vfork", 0) + calls.get("fork", 0) == 0
    assert sum(calls.values()) - sum(shell.values()) <= 190
    assert calls["linkat"] == 1 and calls["write"] <= 3


def test_a_submission_takes_few_instructions(sandbox, message, tmp_path):
    """Of which the most are the dynamic linker's: whoever links one more library sees it here."""
    argv = submission(sandbox)
    subprocess.run(argv, stdin=open(message, "rb"), check=True)
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp_path}/out", *argv],
                          stdin=open(message, "rb"), stderr=subprocess.PIPE, check=True)
    (instructions,) = re.findall(rb"Collected : (\d+)", done.stderr)
    assert int(instructions) <= 1_000_000


@pytest.fixture(scope="module")
def most_memory(tmp_path_factory):
    """most_memory(argv, file): KB, of the one process of those that it starts that had the most. A
    process begins with what its parent has: so this one is not started by Python."""
    spawn = tmp_path_factory.mktemp("spawn") / "spawn"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", spawn, REPOSITORY / "tests/bench/spawn.c"],
                   check=True)

    def measure(argv, file="/dev/null"):
        done = subprocess.run([spawn, "1", file, *argv], stdout=subprocess.PIPE, check=True)
        return int(done.stdout.split()[2])
    return measure


def test_a_submission_has_three_megabytes_at_most_whatever_its_size(sandbox, message, tmp_path,
                                                                    most_memory):
    argv = submission(sandbox)
    assert most_memory(argv, message) <= 3 * 1024
    long = tmp_path / "long"
    with open(long, "wb") as file:
        file.write(MESSAGE)
        file.truncate(40 * 1024 * 1024)
    assert most_memory(argv, long) <= 3 * 1024


def test_a_delivery_syncs_once_and_makes_few_calls(queued):
    with FakeServer() as server:
        def calls(number):
            queued.queue_up(number, server, connections=1)
            found = count(queued, ["postrider-run", "-C", queued.config])
            assert not queued.letters()
            return found
        few, many = calls(5), calls(45)
        each = {name: (many[name] - few.get(name, 0)) / 40 for name in many}
        assert sum(each.get(name, 0) for name in SYNCS) == pytest.approx(1, abs=0.06)
        assert sum(each.values()) <= 62, each
        assert each.get("clone", 0) == 0 and each["openat"] <= 6


def calls_of(here, number):
    """System calls of a session in which so many messages are taken, by name."""
    with here.client() as client:
        client.ehlo()
        file = here.trace_session()
        for _ in range(number):
            client.message("a@sender.example", f"{here.user}@here.example",
                           MESSAGE.replace(b"\n", b"\r\n"))
        client.command("QUIT", 221)
    here.wait_until(lambda: not here.sessions(), what="the end of the session")
    return Counter(line.partition("(")[0] for line in file.read_text().splitlines())


def test_a_message_that_is_taken_in_syncs_twice_and_makes_few_calls():
    with Listening() as here:
        few, many = calls_of(here, 5), calls_of(here, 45)
        each = {name: (many[name] - few[name]) / 40 for name in many}
        assert sum(each.get(name, 0) for name in SYNCS) == each["fsync"] == 2
        assert each["linkat"] == 1 and each.get("clone", 0) == 0
        assert sum(each.values()) <= 46, each


def test_a_message_into_a_mailbox_syncs_it_once_and_makes_few_calls(queued):
    def calls(number):
        for _ in range(number):
            queued.sendmail("-odq", queued.user, stdin=MESSAGE, check=EX_OK)
        found = count(queued, ["postrider-run", "-C", queued.config])
        assert not queued.letters()
        return found
    few, many = calls(5), calls(45)
    each = {name: (many[name] - few.get(name, 0)) / 40 for name in many}
    assert sum(each.get(name, 0) for name in SYNCS) <= 3.1, each
    assert each.get("clone", 0) + each.get("vfork", 0) <= 1.1
    assert sum(each.values()) <= 250, each


def test_a_name_is_looked_up_without_reading_the_table(sandbox):
    """As many calls among a hundred names as among ten thousand, but for pages of the tree."""
    def calls(number):
        sandbox.aliases("".join(f"name{i}: far{i}@far.example\n" for i in range(number)))
        sandbox.newaliases(check=EX_OK)
        argv = ["postrider", "-C", sandbox.config, "route", "name77"]
        return sum(count(sandbox, argv).values())
    assert calls(10000) - calls(100) <= 40


def test_a_queue_goes_over_as_few_connections_as_it_may(queued):
    with FakeServer() as server:
        queued.queue_up(60, server, connections=3)
        queued.flush(check=EX_OK)
        assert len(server.messages) == 60 and len(server.connections) <= 3


@pytest.mark.parametrize("extensions, most", [(EXTENSIONS, 1.05), ((*EXTENSIONS, "CHUNKING"), 1.05)],
                         ids=("DATA", "BDAT"))
def test_a_message_takes_one_round_trip(queued, extensions, most):
    """Turns of the dialogue, which PIPELINING puts together; the greeting and QUIT have their own."""
    with FakeServer(extensions=extensions) as server:
        queued.queue_up(40, server, connections=1)
        queued.flush(check=EX_OK)
        (connection,) = server.connections
        turns = [turn for turn in connection.turns if turn]
        assert len(server.messages) == 40 and len(turns) <= 40 * most + 3


def test_a_run_has_ten_megabytes_at_most_however_long_the_queue(queued, most_memory):
    """Nothing is kept for each message but a few bytes of its name."""
    with FakeServer(at={"MAIL": "451 4.3.0 later"}) as server:
        queued.queue_up(1, server)
        memory = []
        for number in (1000, 20000):
            fill(queued.queue, number, journals=number, due=7200)
            memory.append(most_memory([str(BUILD / "postrider-run"), "-C", str(queued.config)]))
        assert max(memory) <= 10 * 1024, memory
        assert memory[1] - memory[0] <= 3 * 1024, memory


def test_nothing_stays_in_memory_when_all_is_done(queued):
    with FakeServer() as server:
        queued.queue_up(0, server)
        queued.sendmail("a@there.example", stdin=MESSAGE, check=EX_OK)
        queued.wait_quiet()
        assert not queued.runners() and len(server.messages) == 1
        assert not subprocess.run(["pgrep", "-f", str(queued.config)], check=False,
                                  stdout=subprocess.PIPE).stdout
