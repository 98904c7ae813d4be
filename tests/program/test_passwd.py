"""postrider passwd: the users file, and how a password gets into it without being seen."""

import base64
import fcntl
import hashlib
import hmac
import os
import re
import signal

import pytest

from sandbox import (EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_NOPERM, EX_NOUSER, EX_OK,
                     EX_TEMPFAIL, EX_USAGE)
from terminal import Terminal

PASSWORD = "hunter2 with ;#:$ in it"


@pytest.fixture
def place(make_sandbox):
    """A sandbox whose listener has a users file, not made yet."""
    sandbox = make_sandbox()
    sandbox.users = sandbox.folder / "users"
    sandbox.configure(listen=f"users = {sandbox.users}")
    return sandbox


def passwd(place, *arguments, password=PASSWORD, check=EX_OK):
    return place.postrider("passwd", *arguments, stdin=f"{password}\n", check=check)


def lines(place):
    """The users' lines, each as name, hash and verifier."""
    return [line.split(":", 2) for line in place.users.read_text().splitlines()]


def test_new_user_has_a_hash_and_a_verifier(place):
    done = passwd(place, "anna@example.org")
    assert place.users.stat().st_mode & 0o7777 == 0o600
    ((name, hashed, verifier),) = lines(place)
    assert name == "anna@example.org" and hashed.startswith("$")
    scheme, iterations, salt, stored, server = re.split(r"[$:]", verifier)
    assert scheme == "SCRAM-SHA-256" and int(iterations) >= 4096
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(salt),
                                 int(iterations))
    client = hmac.digest(salted, b"Client Key", "sha256")
    assert base64.b64decode(stored) == hashlib.sha256(client).digest()
    assert base64.b64decode(server) == hmac.digest(salted, b"Server Key", "sha256")
    assert "hunter" not in done.out + done.err + place.log() + place.users.read_text()
    passwd(place, "--check", "anna@example.org")


def test_check_tells_by_its_status(place):
    passwd(place, "anna")
    passwd(place, "--check", "anna", password="hunter3", check=EX_NOPERM)
    passwd(place, "--check", "berta", check=EX_NOPERM)
    passwd(place, "--check", "anna")
    passwd(place, "anna", password="hunter4")
    passwd(place, "--check", "anna", check=EX_NOPERM)
    passwd(place, "--check", "anna", password="hunter4")
    place.users.chmod(0o644)
    done = passwd(place, "--check", "anna", password="hunter4", check=EX_NOPERM)
    assert "is open to others" in done.err


def test_delete_and_lock(place):
    passwd(place, "anna")
    passwd(place, "berta")
    passwd(place, "--delete", "anna")
    passwd(place, "--delete", "anna", check=EX_NOUSER)
    assert [name for name, *_ in lines(place)] == ["berta"]
    place.users.write_text("# temporary\n" + place.users.read_text().replace(":$", ":!$", 1))
    passwd(place, "--check", "berta", check=EX_NOPERM)
    passwd(place, "berta")
    passwd(place, "--check", "berta")
    assert place.users.read_text().startswith("# temporary\nberta:$")


def test_file_of_the_first_section_that_has_one(make_sandbox):
    sandbox = make_sandbox()
    done = passwd(sandbox, "anna", check=EX_CONFIG)
    assert "no [listen] section has a users file" in done.err
    sandbox.configure(extra="[listen]\n[listen \"a\"]\nusers = a.users\n"
                            "[listen \"b\"]\nusers = b.users\n")
    passwd(sandbox, "anna")
    assert (sandbox.folder / "a.users").exists() and not (sandbox.folder / "b.users").exists()
    passwd(sandbox, "--file", "c.users", "anna")
    assert (sandbox.folder / "c.users").read_text().startswith("anna:$")


@pytest.mark.parametrize("arguments", [
    (), ("anna", "hunter2"), ("--delete", "--check", "anna"), ("--all", "anna"), ("--file",),
    ("a:b",), ("",), ("#anna",), ("an\nna",), ("anna ",), ("x" * 256,), (b"an\xffna",)])
def test_arguments_that_make_no_sense(place, arguments):
    done = passwd(place, *arguments, check=EX_USAGE)
    assert done.err.count("\n") == 1 and not place.users.exists()


def test_name_that_looks_like_an_option(place):
    passwd(place, "--", "--delete")
    assert lines(place)[0][0] == "--delete"


@pytest.mark.parametrize("text,status", [
    (b"", EX_NOINPUT), (b"\n", EX_DATAERR), (b"hunter\x002\n", EX_DATAERR),
    (b"hunter\x1b2\n", EX_DATAERR), (b"x" * 512 + b"\n", EX_DATAERR)])
def test_what_is_no_password(place, text, status):
    done = place.postrider("passwd", "anna", stdin=text, check=status)
    assert done.err.count("\n") == 1 and "hunter" not in done.err
    assert not place.users.exists()


def test_file_with_a_fault_is_named_and_kept(place):
    text = "anna:!\nberta hunter2\n"
    place.users.write_text(text)
    done = passwd(place, "anna", check=EX_CONFIG)
    assert f"{place.users}:2: " in done.err and "hunter" not in done.err
    assert place.users.read_text() == text
    assert sorted(path.name for path in place.folder.glob("users*")) == ["users"]


def test_many_at_once_lose_nobody(place):
    names = [f"user{number}" for number in range(8)]
    programs = []
    for name in names:
        reading, writing = os.pipe()
        os.write(writing, b"hunter2\n")
        os.close(writing)
        programs.append(place.start(
            ["postrider", "passwd", "-C", place.config, name], stdin=reading))
        os.close(reading)
    assert [program.wait(60) for program in programs] == [0] * len(names)
    assert sorted(name for name, *_ in lines(place)) == names
    assert not list(place.folder.glob("users.*"))


@pytest.mark.once
def test_who_keeps_the_lock_stops_nobody_for_ever(place):
    """A session of the listener has the file open, too, and an intruder in it could."""
    passwd(place, "anna")
    with open(place.users, "rb") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        refused = passwd(place, "ben", check=EX_TEMPFAIL)
        assert f"{place.users} is locked by another process" in refused.err
    passwd(place, "ben")


# --- at a terminal ---


def test_terminal_asks_twice_and_shows_nothing(place):
    terminal = Terminal(place, "passwd", "anna")
    terminal.answer(b"Password: ", b"hunter2\n")
    terminal.answer(b"Again: ", b"hunter2\n")
    assert terminal.end() == EX_OK
    assert b"hunter" not in terminal.shown
    terminal = Terminal(place, "passwd", "--check", "anna")
    terminal.answer(b"Password: ", b"hunter2\n")
    assert terminal.end() == EX_OK
    assert b"Again" not in terminal.shown and b"hunter" not in terminal.shown


def test_terminal_two_passwords_change_nothing(place):
    terminal = Terminal(place, "passwd", "anna")
    terminal.answer(b"Password: ", b"hunter2\n")
    terminal.answer(b"Again: ", b"hunter3\n")
    assert terminal.end() == EX_DATAERR
    assert not place.users.exists() and b"hunter" not in terminal.shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_terminal_interrupted_gets_its_echo_back(place, number):
    terminal = Terminal(place, "passwd", "anna")
    terminal.answer(b"Password: ", b"hunt")
    terminal.program.send_signal(number)
    assert terminal.end() == -number
    assert not place.users.exists()


def test_password_is_in_no_argument_and_no_environment(place):
    terminal = Terminal(place, "passwd", "anna")
    terminal.answer(b"Password: ", b"hunter2\n")
    terminal.wait_for(b"Again: ")
    process = f"/proc/{terminal.program.pid}"
    with open(f"{process}/cmdline", "rb") as file:
        command = file.read().split(b"\0")
    assert command[:2] == [b"postrider-listen", b"passwd"] and b"hunter" not in b"".join(command)
    with open(f"{process}/limits", encoding="ascii") as file:
        assert re.search(r"^Max core file size +0 +0 ", file.read(), re.MULTILINE)
    terminal.answer(b"Again: ", b"hunter2\n")
    assert terminal.end() == EX_OK
