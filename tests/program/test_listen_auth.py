"""Signing in at the listener: mechanisms, who may try and when, what failing costs, and what those
who signed in may send (hardcases V6)."""

import base64
import concurrent.futures
import os
import re
import smtplib
import subprocess
import time

import pytest

from listening import Listening
from sandbox import EX_OK
from smtpfake import Certificates

PASSWORD = "hunter2 w\u00f6rd"
WRONG = "535 5.7.8 the name or the password is wrong"


def encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def plain(user, password, other=""):
    return encode(f"{other}\0{user}\0{password}")


class Office(Listening):
    """A listener that relays for nobody but those who sign in: anna, and berta@here.example."""

    def __init__(self, listen="", **options):
        own = "" if "relay_networks" in listen else "relay_networks =\n"
        super().__init__(listen=f"users = users\n{own}{listen}", **options)
        self.add("anna")
        self.add("berta@here.example")

    def add(self, name, password=PASSWORD):
        self.postrider("passwd", name, stdin=f"{password}\n", check=EX_OK)

    @property
    def users(self):
        return self.folder / "users"

    def signed_in(self, user="anna", **options):
        client = self.client(**options)
        client.ehlo()
        client.command(f"AUTH PLAIN {plain(user, PASSWORD)}", 235)
        return client


@pytest.fixture
def office():
    with Office() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_office(certificates):
    certificate, key = certificates.good
    with Office(f"tls = starttls\nrequire_tls = yes\ntls_certificate = {certificate}\n"
                f"tls_key = {key}") as sandbox:
        yield sandbox


# --- how one signs in ---


def test_what_is_offered_and_what_it_opens(office):
    with office.client() as client:
        assert client.ehlo()["AUTH"] == "SCRAM-SHA-256 PLAIN LOGIN"
        client.command("MAIL FROM:<anna@here.example>")
        client.command("RCPT TO:<someone@far.example>", 550)
        client.command("RSET")
        (line,) = client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 235)
        assert line.startswith("2.7.0 ")
        assert "AUTH" not in client.ehlo()
        client.message("anna@here.example", "someone@far.example", b"Subject: x\r\n\r\nx\r\n")
    office.wait_quiet()
    assert b"\twith ESMTPA id " in office.letter()
    (line,) = office.log_lines("signed-in", user="anna", auth="PLAIN", client="[127.0.0.1]")
    assert office.log_lines("received", user="anna", proto="ESMTPA")


@pytest.mark.parametrize("lines", [
    [f"AUTH PLAIN {plain('anna', PASSWORD)}"],
    [f"auth plain {plain('anna', PASSWORD, 'anna')}"],
    ["AUTH PLAIN", plain("anna", PASSWORD)],
    ["AUTH LOGIN", encode("anna"), encode(PASSWORD)],
    [f"AUTH LOGIN {encode('anna')}", encode(PASSWORD)],
    ["AUTH PLAIN", plain("anna", "hunter2 wo\u0308rd")],
])
def test_by_hand(office, lines):
    with office.client() as client:
        client.ehlo()
        for line in lines[:-1]:
            client.command(line, 334)
        client.command(lines[-1], 235)


def test_questions_are_as_clients_know_them(office):
    with office.client() as client:
        client.ehlo()
        assert client.command("AUTH PLAIN", 334) == [""]
        client.command("*", 501)
        assert client.command("AUTH LOGIN", 334) == [encode("User Name")]
        assert client.command(encode("anna"), 334) == [encode("Password")]


@pytest.mark.parametrize("auth", ["plain", "login", "scram-sha-256", "auto"])
def test_our_own_client_signs_in_over_tls(make_sandbox, certificates, tls_office, auth):
    sender = make_sandbox(
        mail="hostname = sender.example",
        smarthost=f"host = localhost:{tls_office.port}\ntls_trust = {certificates.ca}\n"
                  f"user = anna\nauth = {auth}")
    sender.credentials(f"[smarthost]\npassword = {PASSWORD}\n")
    sender.sendmail("-odi", "-f", "anna@here.example", "someone@far.example",
                    stdin=b"Subject: x\n\nx\n", check=EX_OK)
    sender.wait_empty()
    tls_office.wait_quiet()
    assert b"\twith ESMTPSA id " in tls_office.letter()
    mechanism = "SCRAM-SHA-256" if auth == "auto" else auth.upper()
    assert tls_office.log_lines("signed-in", user="anna", auth=mechanism)


def test_smtplib_signs_in(office):
    office.add("berta@here.example", "hunter2")
    for method in ("auth_plain", "auth_login"):
        with smtplib.SMTP("127.0.0.1", office.port, timeout=30) as client:
            client.user, client.password = "berta@here.example", "hunter2"
            client.ehlo()
            name = method[5:].upper()
            assert client.auth(name, getattr(client, method))[0] == 235
            client.sendmail("berta@here.example", ["someone@far.example"], "Subject: x\n\nx\n")


def run(argv, **options):
    return subprocess.run(argv, check=True, timeout=60, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options).stdout.decode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_and_curl_sign_in(office, mechanism):
    office.add("anna", "hunter2")
    run(["swaks", "--server", "127.0.0.1", "--port", str(office.port), "--helo", "client.example",
         "--auth", mechanism, "--auth-user", "anna", "--auth-password", "hunter2",
         "--from", "anna@here.example", "--to", "someone@far.example"])
    letter = office.folder / "letter"
    letter.write_bytes(b"Subject: x\r\n\r\nx\r\n")
    run(["curl", "-s", f"smtp://127.0.0.1:{office.port}", "--user", "anna:hunter2",
         "--login-options", f"AUTH={mechanism}", "--mail-from", "anna@here.example",
         "--mail-rcpt", "someone@far.example", "--upload-file", letter])
    assert len(office.log_lines("signed-in", user="anna", auth=mechanism)) == 2
    assert len(office.log_lines("received", user="anna")) == 2


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_gsasl_signs_in(office, mechanism):
    office.add("anna", "hunter2")
    run(["gsasl", "--smtp", "--no-starttls", "--connect", f"127.0.0.1:{office.port}", "--mechanism",
         mechanism, "--authentication-id", "anna", "--authorization-id", "", "--password",
         "hunter2", "--no-cb", "--quality-of-protection", "qop-auth"], stdin=subprocess.DEVNULL)
    assert office.log_lines("signed-in", user="anna", auth=mechanism)


@pytest.mark.parametrize("auth", ["plain", "login", "scram-sha-256"])
def test_msmtp_signs_in(tls_office, certificates, tmp_path, auth):
    settings = tmp_path / "msmtprc"
    settings.write_text(f"account default\nhost localhost\nport {tls_office.port}\n"
                        f"from anna@here.example\nauth {auth}\nuser anna\npassword {PASSWORD}\n"
                        f"tls on\ntls_trust_file {certificates.ca}\n")
    settings.chmod(0o600)
    run(["msmtp", "-C", settings, "someone@far.example"], input=b"Subject: x\n\nx\n")
    assert tls_office.log_lines("signed-in", user="anna", auth=auth.upper())
    assert tls_office.log_lines("received", user="anna", proto="ESMTPSA")


# --- who may try, and when ---


def test_V6_auth_before_tls(tls_office):
    with tls_office.client() as client:
        assert "AUTH" not in client.ehlo()
        for line in (f"AUTH PLAIN {plain('anna', PASSWORD)}", "AUTH LOGIN", "AUTH NONSENSE"):
            (line,) = client.command(line, 538)
            assert line.startswith("5.7.11 ")
        client.starttls()
        client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 503)
        assert client.ehlo()["AUTH"] == "SCRAM-SHA-256 PLAIN LOGIN"
        client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 235)


def test_who_signed_in_in_clear_is_forgotten_with_tls(certificates):
    certificate, key = certificates.good
    with Office(f"tls = starttls\ntls_certificate = {certificate}\ntls_key = {key}") as office:
        with office.signed_in() as client:
            client.starttls()
            assert "AUTH" in client.ehlo()
            client.command("MAIL FROM:<anna@here.example>")
            client.command("RCPT TO:<someone@far.example>", 550)


def test_auth_has_its_place(office):
    with office.client() as client:
        client.command("AUTH PLAIN", 503)
        client.command("HELO client.example")
        client.command("AUTH PLAIN", 503)
        client.ehlo()
        client.command("AUTH", 501)
        client.command("AUTH PLAIN a b", 501)
        (line,) = client.command("AUTH CRAM-MD5", 504)
        assert line.startswith("5.5.4 ")
        client.command("MAIL FROM:<anna@here.example>")
        client.command("AUTH PLAIN", 503)
        client.command("RSET")
        client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 235)
        client.command("AUTH PLAIN", 503)
    assert not office.log_lines("rejected")


def test_without_users_nobody_signs_in(make_sandbox):
    with Listening() as listening:
        with listening.client() as client:
            assert "AUTH" not in client.ehlo()
            client.command("AUTH PLAIN", 502)


def test_V6_nothing_may_be_sent_behind_auth(office):
    with office.client() as client:
        client.ehlo()
        client.send(f"AUTH PLAIN {plain('anna', PASSWORD)}\r\nMAIL FROM:<anna@here.example>")
        client.expect(554)
        assert client.is_closed()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_V6_cancelled_empty_and_garbled(office, mechanism):
    with office.client() as client:
        client.ehlo()
        client.command(f"AUTH {mechanism}", 334)
        client.command("*", 501)
        client.command(f"AUTH {mechanism}", 334)
        (line,) = client.command("no base64", 501)
        assert line.startswith("5.5.2 ")
        client.command(f"AUTH {mechanism} *", 501)
        client.command(f"AUTH {mechanism} ==", 501)
        client.command(f"AUTH {mechanism} =", 535)
        client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 235)


def test_V6_message_that_is_too_long(office):
    with office.client() as client:
        client.ehlo()
        client.command("AUTH PLAIN", 334)
        client.send("A" * 12288)
        client.expect(535)
        client.command("AUTH PLAIN", 334)
        client.send("A" * 13000)
        client.expect(500)
        assert client.is_closed()


def test_a_challenge_longer_than_a_reply(office):
    """The client's nonce comes back in it."""
    with office.client() as client:
        client.ehlo()
        client.command("AUTH SCRAM-SHA-256", 334)
        nonce = "n" * 5000
        client.send(encode(f"n,,n=anna,r={nonce}"))
        line = client.file.readline()
        assert line.startswith(b"334 ") and nonce in base64.b64decode(line[4:]).decode()


# --- what failing costs ---


def fail(office, line, more=()):
    """What is said to a failure, and the seconds it took."""
    with office.client() as client:
        client.ehlo()
        for each in [line, *more][:-1]:
            client.command(each, 334)
        began = time.monotonic()
        client.send([line, *more][-1])
        code, words = client.read()
        return f"{code} {words[0]}", time.monotonic() - began


def scram_first(user):
    return encode(f"n,,n={user},r=abcdefghijkl")


def test_V6_unknown_users_get_the_same_words_and_time(office):
    office.add("carla")
    text = office.users.read_text()
    office.users.write_text(re.sub(r"^carla:", "carla:!", text, flags=re.MULTILINE))
    cases = [[f"AUTH PLAIN {plain(user, password, other)}"]
             for user, password, other in [("anna", "wrong", ""), ("nobody", PASSWORD, ""),
                                           ("carla", PASSWORD, ""), ("", PASSWORD, ""),
                                           ("anna", PASSWORD, "root"), ("anna", "", ""),
                                           ("x" * 900, PASSWORD, "")]]
    cases += [["AUTH LOGIN", encode(user), encode(PASSWORD[1:])]
              for user in ("anna", "nobody", "carla")]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda lines: fail(office, lines[0], lines[1:]), cases))
    assert {words for words, _ in answers} == {WRONG}
    for _, seconds in answers:
        assert 0.99 <= seconds < 2.5, answers


def ask_salt(office, user):
    """With what salt, and how many rounds, somebody is asked who then gives a wrong proof."""
    with office.client() as client:
        client.ehlo()
        (challenge,) = client.command(f"AUTH SCRAM-SHA-256 {scram_first(user)}", 334)
        text = base64.b64decode(challenge).decode()
        nonce, salt, iterations = re.fullmatch(r"r=(.*),s=(.*),i=(\d+)", text).groups()
        proof = encode(b"p" * 32)
        client.send(encode(f"c=biws,r={nonce},p={proof}"))
        code, words = client.read()
        assert f"{code} {words[0]}" == WRONG
        return salt, iterations


def test_V6_scram_shows_nobody_after_a_restart(office):
    """Who is asked with another salt then would be no user."""
    secret = office.queue / "listen.secret"
    before = ask_salt(office, "nobody")
    assert secret.stat().st_mode & 0o777 == 0o600 and secret.stat().st_size == 32
    office.stop_listener()
    office.start_listener()
    assert ask_salt(office, "nobody") == before


def test_V6_scram_shows_nobody_who_is_there(office):
    """A stranger is asked with a salt like a user's, the same each time."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        known, first, second, other = pool.map(
            lambda user: ask_salt(office, user), ["anna", "nobody", "nobody", "someone"])
    assert first == second and first[0] != other[0] and known[0] != first[0]
    assert len(known[0]) == len(first[0]) and known[1] == first[1]


def test_V6_guesses_are_slowed_and_end_the_session(office):
    with office.client() as client:
        client.ehlo()
        spent = []
        for code in (535, 535, 421):
            began = time.monotonic()
            client.command(f"AUTH PLAIN {plain('anna', 'wrong')}", code)
            spent.append(time.monotonic() - began)
        assert client.is_closed()
    for seconds, least in zip(spent, (1, 2, 4)):
        assert least - 0.01 <= seconds < least + 1.5, spent
    assert len(office.log_lines("rejected", user="anna", reason="the password is wrong")) == 3


def test_V6_half_closed_does_not_make_it_quicker(office):
    with office.client() as client:
        client.ehlo()
        began = time.monotonic()
        client.send(f"AUTH PLAIN {plain('anna', 'wrong')}")
        client.socket.shutdown(1)
        client.expect(535)
        assert time.monotonic() - began >= 0.99


def test_V6_failures_are_counted_across_sessions():
    with Office("max_connections_per_client = 50") as office, office.signed_in() as inside:
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda _: fail(office, f"AUTH PLAIN {plain('anna', 'x')}"), range(10)))
        office.wait_until(lambda: len(office.sessions()) == 1)
        began = time.monotonic()
        with office.client(greet=False) as client:
            (line,) = client.expect(421)
            assert line == "4.7.0 too many failed attempts to sign in, try again later"
            assert client.is_closed()
        assert time.monotonic() - began < 1
        # Who is in already stays in.
        inside.message("anna@here.example", "someone@far.example", b"Subject: x\r\n\r\nx\r\n")


def test_V6_those_who_may_relay_cannot_guess_for_ever_either():
    """Their mail goes on."""
    with Office("relay_networks = 127.0.0.0/8\nmax_connections_per_client = 50") as office:
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda _: fail(office, f"AUTH PLAIN {plain('anna', 'x')}"), range(10)))
        office.wait_until(lambda: not office.sessions())
        with office.client() as client:
            client.ehlo()
            (line,) = client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 454)
            assert line == "4.7.0 too many failed attempts to sign in, try again later"
            client.message("anna@here.example", "someone@far.example", b"Subject: x\r\n\r\nx\r\n")


@pytest.mark.parametrize("trusted", [True, False])
def test_recipients_that_are_no_more(trusted):
    """A list has many of them, and its program takes a 421 for the reply to the next one."""
    with Office("relay_networks = 127.0.0.0/8" if trusted else "") as office, office.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<list@here.example>")
        for number in range(30 if trusted else 19):
            client.command(f"RCPT TO:<gone{number}@here.example>", 550)
        if trusted:
            client.command("RCPT TO:<someone@far.example>")
        else:
            client.command("RCPT TO:<gone@here.example>", 550)
            client.expect(421)


def test_stopping_does_not_wait_for_who_guessed_wrong(office):
    with office.client() as client:
        client.ehlo()
        client.command(f"AUTH PLAIN {plain('anna', 'wrong')}", 535)
        client.command(f"AUTH PLAIN {plain('anna', 'wrong')}", 535)
        client.send(f"AUTH PLAIN {plain('anna', 'wrong')}")
        office.wait_until(lambda: len(office.log_lines("rejected", auth="PLAIN")) == 3)
        began = time.monotonic()
        assert office.stop_listener() == EX_OK
        assert time.monotonic() - began < 2
        client.expect(421)


# --- the users file ---


def test_who_is_put_in_is_known_to_the_next_session(office):
    with office.client() as before:
        before.ehlo()
        office.add("dora")
        with office.client() as after:
            after.ehlo()
            after.command(f"AUTH PLAIN {plain('dora', PASSWORD)}", 235)
    office.postrider("passwd", "--delete", "dora", check=EX_OK)
    assert fail(office, f"AUTH PLAIN {plain('dora', PASSWORD)}")[0] == WRONG


def test_scram_is_not_offered_where_somebody_has_a_hash_alone(office):
    text = office.users.read_text()
    office.users.write_text(re.sub(r"^(anna:[^:]*):.*$", r"\1", text, flags=re.MULTILINE))
    with office.client() as client:
        assert client.ehlo()["AUTH"] == "PLAIN LOGIN"
        client.command(f"AUTH SCRAM-SHA-256 {scram_first('anna')}", 504)
        client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 235)


@pytest.mark.parametrize("harm,reason", [
    (lambda path: path.chmod(0o644), "is open to others"),
    (lambda path: path.write_text("anna hunter2\n"), 'users:1: \\"name:hash\\" is wanted'),
    (lambda path: path.unlink(), "cannot read the users file"),
])
def test_a_users_file_that_is_no_good_turns_nobody_away_for_good(office, harm, reason):
    harm(office.users)
    with office.client() as client:
        assert client.ehlo()["AUTH"] == "PLAIN LOGIN"
        (line,) = client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 454)
        assert line == "4.7.0 nobody can sign in now, try again later"
    (line,) = office.log_lines("rejected", auth="PLAIN")
    assert reason in line and "hunter" not in line


def test_listener_says_at_its_start_what_is_wrong_with_the_file():
    with Listening(listen="users = users", start=False) as listening:
        (listening.folder / "users").write_text("anna hunter2\n")
        (listening.folder / "users").chmod(0o600)
        listening.start_listener()
        words = f"nobody can sign in: {listening.folder}/users:1: "
        listening.wait_until(lambda: words in listening.log())
        assert "hunter" not in listening.log()


def test_listener_says_at_its_start_who_can_sign_in_without_tls():
    with Listening(listen="users = users", more={"mx": ""}, start=False) as listening:
        (listening.folder / "users").touch(0o600)
        listening.start_listener()
        words = "users can sign in from this machine alone, as long as tls = off"
        listening.wait_until(lambda: f"[listen]: {words}" in listening.log())
        assert listening.log().count(words) == 1


def test_V3_a_large_users_file_is_read_once_a_session(office):
    """Who says EHLO over and over would have it read over and over."""
    line = office.users.read_text().splitlines()[0].partition(":")[2]
    office.users.write_text("".join(f"user{number}@some.example:{line}\n" for number in range(10000)))
    with office.client() as client:
        began = time.monotonic()
        assert client.ehlo()["AUTH"] == "SCRAM-SHA-256 PLAIN LOGIN"
        once = time.monotonic() - began
        for _ in range(40):
            client.ehlo()
        assert time.monotonic() - began < 10 * once + 1


# --- what may be sent ---


def test_require_auth(make_sandbox):
    with Office("require_auth = yes") as office:
        with office.client() as client:
            client.ehlo()
            (line,) = client.command("MAIL FROM:<anna@here.example>", 530)
            assert line.startswith("5.7.0 ")
            client.command(f"AUTH PLAIN {plain('anna', PASSWORD)}", 235)
            client.command("MAIL FROM:<anna@here.example>")




@pytest.mark.parametrize("user,sender,good", [
    ("anna", "anna@here.example", True),
    ("anna", "anna", True),
    ("anna", "Anna@here.example", True),
    ("anna", "anna+list@here.example", True),
    ("anna", "anna@localhost", True),
    ("anna", "", True),
    ("anna", "anna@far.example", False),
    ("anna", "berta@here.example", False),
    # In that domain the name is another's.
    ("anna", "anna@virtual.example", False),
    ("anna", "ann@here.example", False),
    ("anna", "root@here.example", False),
    ("berta@here.example", "berta@here.example", True),
    ("berta@here.example", "berta@localhost", False),
    ("berta@here.example", "anna@here.example", False),
    ("berta@here.example", "elsewhere@far.example", False),
    ("clerk@far.example", "clerk@far.example", True),
    ("clerk@far.example", "clerk@FAR.example", True),
    ("clerk@far.example", "clerk@here.example", False),
    ("clerk@far.example", "desk@here.example", True),
    ("USER", "info@here.example", True),
    ("USER", "USER@here.example", True),
    ("USER", "anna@virtual.example", True),
    ("USER", "desk@here.example", False),
    ("USER@here.example", "info@here.example", True),
    # Not that mailbox: another's, by his own alias.
    ("USER@virtual.example", "info@here.example", False),
    ("USER@virtual.example", "USER@here.example", False),
])
def test_own_sender(own_sender_office, user, sender, good):
    office = own_sender_office
    user, sender = (text.replace("USER", office.user) for text in (user, sender))
    with office.signed_in(user) as client:
        if good:
            client.command(f"MAIL FROM:<{sender}>")
        else:
            (line,) = client.command(f"MAIL FROM:<{sender}>", 553)
            assert line == f"5.7.1 you signed in as {user} and may not send as another"
            assert office.log_lines("rejected", **{"user": user, "from": sender})
            # And nothing has begun.
            client.command("RCPT TO:<someone@far.example>", 503)


@pytest.fixture(scope="module")
def own_sender_office():
    with Office("own_sender = yes",
                mail="local_domains = here.example, virtual.example, localhost") as office:
        office.aliases(f"info: {office.user}, desk\ndesk: clerk@far.example\n"
                       f"anna@virtual.example: {office.user}\n"
                       f"{office.user}@virtual.example: desk\n"
                       "berta@here.example: elsewhere@far.example\n")
        for name in (office.user, f"{office.user}@here.example", f"{office.user}@virtual.example",
                     "clerk@far.example"):
            office.add(name)
        yield office


def test_own_sender_is_for_those_who_signed_in():
    with Office("own_sender = yes") as office:
        with office.client() as client:
            client.ehlo()
            client.command("MAIL FROM:<whoever@far.example>")


# --- nothing leaks ---


def test_V6_passwords_are_in_no_log(office):
    for password in (PASSWORD, "hunter3"):
        for user in ("anna", "hunter5"):
            if (user, password) != ("anna", PASSWORD):
                fail(office, f"AUTH PLAIN {plain(user, password)}")
    fail(office, "AUTH LOGIN", [encode("anna"), encode("hunter3")])
    with office.signed_in() as client:
        client.command("QUIT", 221)
    log = office.log()
    assert "hunter2" not in log and "hunter3" not in log
    for secret in (plain("anna", PASSWORD), encode(PASSWORD), encode("hunter3")):
        assert secret.strip("=") not in log


def test_V6_names_begin_no_line_of_the_log(office):
    fail(office, f"AUTH PLAIN {plain('x' * 600, 'x')}")
    fail(office, "AUTH LOGIN", [encode("a\r\nb signed-in user=\"anna\""), encode("x")])
    for line in office.log().splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT", line)
    assert not re.search(r"^\S+ \S+ - signed-in", office.log(), re.MULTILINE)
    (line,) = [line for line in office.log().splitlines() if "xxx" in line]
    assert "x" * 255 in line and "x" * 256 not in line


def test_session_leaves_no_core(office):
    with office.signed_in():
        (session,) = office.sessions()
        with open(f"/proc/{session}/limits", encoding="ascii") as file:
            assert re.search(r"^Max core file size +0 +0 ", file.read(), re.MULTILINE)
        # Not to be looked into, nor traced, by other processes of the same user.
        assert os.stat(f"/proc/{session}/environ").st_uid == 0
