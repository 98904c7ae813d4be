"""Milters: what they are told, what they may answer and change, and what becomes of mail when one does
not do its work (hardcases F1). A real libmilter is in test_libmilter.py."""

import base64
import resource
import ssl
import time

import pytest

from listening import Listening
from smtpclient import certificates  # noqa: F401 (a fixture)
from milterfake import (
    ACCEPT, CLOSE, CONN_FAIL, CONTINUE, DISCARD, HANG, LEADING_SPACE, NO_BODY, NO_CONNECT, NO_DATA,
    NO_EOH, NO_HEADER, NO_HELO, NO_MAIL, NO_RCPT, NR_BODY, NR_CONNECT, NR_DATA, NR_EOH, NR_HEADER,
    NR_HELO, NR_MAIL, NR_RCPT, PROGRESS, REJECT, SHUTDOWN, SKIP, SKIP_REST, TEMPFAIL, FakeMilter,
    add_header, add_recipient, add_recipient_with, change_header, change_sender, delete_recipient,
    insert_header, packet, quarantine, replace_body, reply,
)

DATA = b"From: a@sender.example\r\nSubject: hello\r\n\r\nbody\r\n"
FROM = "a@sender.example"


class Here(Listening):
    """With milters; .to is a recipient, who has a second name 'other'."""

    def __init__(self, *milters, listen="relay_networks =", settings="", **sections):
        names = ", ".join(milter if isinstance(milter, str) else milter.name for milter in milters)
        super().__init__(listen=listen, filter=f"milter = {names}\n{settings}", **sections)
        self.to = f"{self.user}@here.example"
        self.aliases(f"other: {self.user}\nthird: {self.user}\n")

    def send(self, data=DATA, sender=FROM, to=None, code=250, client=None):
        """One message, in a session of its own or of a client; the lines of the last reply."""
        if client:
            return client.message(sender, to or self.to, data, code=code)
        with self.client() as client:
            client.ehlo("mx.sender.example")
            lines = client.message(sender, to or self.to, data, code=code)
            client.command("QUIT", 221)
        return lines

    def only(self):
        """The message that was delivered."""
        self.wait_empty()
        (message,) = self.mailbox()
        return message


@pytest.fixture
def start():
    """start(milter, ...): a Here that ends with the test; the milters are ended as well."""
    begun = []

    def run(*milters, **options):
        here = Here(*milters, **options)
        begun.extend(milter for milter in milters if not isinstance(milter, str))
        begun.append(here)
        return here

    yield run
    for one in reversed(begun):
        one.close()


# --- what a milter is told ---


def test_a_milter_is_told_of_everything(start):
    milter = FakeMilter()
    here = start(milter)
    with here.client() as client:
        client.ehlo("mx.sender.example")
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        client.command("RCPT TO:<other@here.example>")
        client.command("DATA", 354)
        client.send(b"From: a@sender.example\r\nSubject: two\r\n lines\r\nX-Tab:\tx\r\nX-Two:  y\r\n"
                    b"X-None:\r\n\r\nbody\r\n..dot\r\n.\r\n")
        (line,) = client.expect(250)
        client.command("QUIT", 221)
    milter.settle()
    session = milter.session
    assert session.letters == "OCHMRRTLLLLLNBEQ"
    assert session.offer == (6, 0x1FF, 0x1FFFFF & ~0x800)
    name, family, port, address = session.client
    assert (name, family, address) == ("localhost", "4", "127.0.0.1") and port > 0
    assert session.helos == ["mx.sender.example"]
    message = session.message
    assert message.sender == f"<{FROM}>"
    assert message.recipients == [f"<{here.to}>", "<other@here.example>"]
    # One space behind the colon is the protocol's own.
    assert message.fields == [("From", "a@sender.example"), ("Subject", "two\n lines"),
                              ("X-Tab", "\tx"), ("X-Two", " y"), ("X-None", "")]
    assert message.body == b"body\r\n.dot\r\n"
    macros = session.macros
    assert macros["C"] == {
        "j": "here.example", "_": "localhost [127.0.0.1]", "v": "Postrider 0.1.0",
        "{daemon_name}": "smtp", "{client_addr}": "127.0.0.1", "{client_name}": "localhost",
        "{client_ptr}": "localhost", "{client_port}": str(port), "{client_resolve}": "OK"}
    queued = line.split()[-1]
    assert macros["M"] == {"i": queued, "{mail_mailer}": "esmtp", "{mail_host}": "sender.example",
                           "{mail_addr}": FROM}
    assert macros["R"] == {"i": queued, "{rcpt_mailer}": "local", "{rcpt_host}": "here.example",
                           "{rcpt_addr}": "other@here.example"}
    assert macros["T"] == macros["N"] == macros["E"] == {"i": queued}
    assert "H" not in macros


def test_who_signed_in_is_told(start, certificates):  # noqa: F811
    certificate, key = certificates.good
    milter = FakeMilter()
    here = start(milter, listen=f"relay_networks =\ntls = starttls\nusers = users\n"
                 f"tls_certificate = {certificate}\ntls_key = {key}\n"
                 f"tls_client_ca = {certificates.ca}")
    here.postrider("passwd", "ben", stdin="secret\n", check=0)
    with here.client() as client:
        client.ehlo()
        here.send(client=client)
        client.starttls()
        client.ehlo()
        token = base64.b64encode(b"\0ben\0secret").decode()
        client.command(f"AUTH PLAIN {token}", 235)
        here.send(client=client, sender="ben@here.example")
        client.command("QUIT", 221)
    milter.settle()
    session = milter.session
    assert session.letters == "OCHMRTLLNBEHMRTLLLLNBEQ"
    assert session.helos == ["client.example"] * 2
    assert session.macros["H"]["{tls_version}"] == "TLSv1.3"
    assert session.macros["H"]["{cipher}"].startswith("TLS_")
    assert session.macros["H"]["{cipher_bits}"] in ("128", "256")
    assert session.macros["H"]["{verify}"] == "NO"
    assert session.macros["M"]["{auth_authen}"] == "ben"
    assert session.macros["M"]["{auth_type}"] == "PLAIN"
    assert session.macros["M"]["{mail_mailer}"] == "local"
    assert session.macros["E"]["{msg_id}"].endswith("@here.example>")
    # What one of ours sends is completed before it is looked at, so that it can be signed.
    assert [name for name, _ in session.message.fields][:2] == ["From", "Subject"]
    assert {"Date", "Message-ID"} < {name for name, _ in session.message.fields}


def test_whom_a_certificate_names_is_told(start, certificates):  # noqa: F811
    certificate, key = certificates.good
    milter = FakeMilter()
    here = start(milter, listen=f"relay_networks =\ntls = starttls\n"
                 f"tls_certificate = {certificate}\ntls_key = {key}\n"
                 f"tls_client_ca = {certificates.ca}")
    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(*certificates.client)
    with here.client() as client:
        client.ehlo()
        client.starttls(context)
        client.ehlo()
        here.send(client=client)
    macros = milter.session.macros["H"]
    assert macros["{verify}"] == "OK"
    assert macros["{cert_subject}"].startswith("CN=") and macros["{cert_issuer}"].startswith("CN=")
    assert macros["{cert_subject}"] != macros["{cert_issuer}"]


def test_a_milter_gets_the_macros_that_it_asks_for(start):
    milter = FakeMilter(macros={0: "", 2: "j i {client_addr},mail_addr {no_such_thing}"})
    here = start(milter)
    here.send()
    milter.settle()
    macros = milter.session.macros
    assert "C" not in macros
    assert set(macros["M"]) == {"j", "i", "{client_addr}", "{mail_addr}"}
    assert macros["M"]["{client_addr}"] == "127.0.0.1"
    assert "{rcpt_addr}" in macros["R"]


def test_one_connection_for_all_messages_of_a_session(start):
    milter = FakeMilter()
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        here.send(client=client)
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        client.command("RSET")
        here.wait_until(lambda: milter.session.message.aborted)
        here.send(client=client)
        client.command(f"MAIL FROM:<{FROM}>")
    milter.settle()
    session = milter.session
    assert session.letters == "OCHMRTLLNBEMRAMRTLLNBEMAQ"
    assert session.quit


def test_milters_are_not_asked_before_MAIL(start):
    milter = FakeMilter()
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        client.command("VRFY somebody", 252)
        client.command("QUIT", 221)
    here.wait_until(lambda: not here.sessions())
    assert not milter.sessions


def test_one_with_a_unix_socket(start, tmp_path):
    milter = FakeMilter(path=tmp_path / "socket", at={"E": (add_header("X-Seen", "yes"), CONTINUE)})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        here.send(client=client)
        # It was in its sandbox by then.
        (session,) = here.sessions()
        with open(f"/proc/{session}/status", encoding="ascii") as status:
            assert "\nSeccomp:\t2\n" in status.read()
    assert here.only()["X-Seen"] == "yes"


def test_a_user_of_this_machine_who_speaks_SMTP(start):
    milter = FakeMilter(at={"E": (add_header("X-Seen", "yes"), CONTINUE)})
    here = start(milter)
    done = here.sendmail("-bs", stdin=b"EHLO here\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n"
                         b"Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"
                         % (here.user.encode(), here.user.encode()), check=0)
    assert "taken as" in done.out
    assert milter.session.client == ("localhost", "4", 0, "127.0.0.1")
    assert milter.session.message.sender == f"<{here.user}@here.example>"
    here.flush(check=0)
    assert here.only()["X-Seen"] == "yes"
    queued = done.out.partition("taken as ")[2].split()[0]
    assert "filtered" in here.postrider("trace", queued, check=0).out


STEPS = {"C": NO_CONNECT, "H": NO_HELO, "M": NO_MAIL, "R": NO_RCPT, "T": NO_DATA, "L": NO_HEADER,
         "N": NO_EOH, "B": NO_BODY}
ALL_STEPS = sum(STEPS.values())


@pytest.mark.parametrize("letter", STEPS)
def test_a_step_that_a_milter_does_not_want(start, letter):
    milter = FakeMilter(steps=STEPS[letter], at={"E": (add_header("X-Seen", "yes"), CONTINUE)})
    here = start(milter)
    here.send()
    milter.settle()
    assert milter.session.letters == "OCHMRTLLNBEQ".replace(letter, "")
    if letter in "CMRTN":
        assert milter.session.macros[letter]
    assert here.only()["X-Seen"] == "yes"


def test_a_milter_that_wants_nothing_but_the_end(start):
    milter = FakeMilter(steps=ALL_STEPS, at={"E": REJECT})
    here = start(milter)
    here.send(code=550)
    milter.settle()
    assert milter.session.letters == "OEQ"


def test_a_milter_that_answers_nothing_but_the_end(start):
    steps = (NR_CONNECT | NR_HELO | NR_MAIL | NR_RCPT | NR_DATA | NR_HEADER | NR_EOH | NR_BODY)
    milter = FakeMilter(steps=steps, at={"E": (add_header("X-Seen", "yes"), CONTINUE)})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        for _ in range(2):
            here.send(client=client, data=DATA + b"x" * 70 + b"\r\n")
        client.command("QUIT", 221)
    milter.settle()
    assert milter.session.letters == "OCHMRTLLNBEMRTLLNBEQ"
    here.wait_empty()
    assert [message["X-Seen"] for message in here.mailbox()] == ["yes"] * 2


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_versions(start, version):
    milter = FakeMilter(version=version, actions=0xF, at={"E": (add_header("X-Seen", "1"), CONTINUE)})
    here = start(milter)
    here.send()
    milter.settle()
    session = milter.session
    assert session.letters == ("OCHMRTLLNBEQ" if version >= 4 else "OCHMRLLNBEQ")
    # What an older libmilter takes macros for.
    assert ("T" in session.macros) == (version >= 4)
    assert ("N" in session.macros) == (version >= 6)
    assert here.only()["X-Seen"] == "1"


def test_the_space_behind_the_colon(start):
    milter = FakeMilter(steps=LEADING_SPACE, at={
        "E": (add_header("X-Tight", "a"), insert_header(0, "X-Loose", "   b"),
              change_header(1, "Subject", "\tc"), CONTINUE)})
    here = start(milter)
    here.send()
    assert milter.session.message.fields == [("From", " a@sender.example"), ("Subject", " hello")]
    here.wait_empty()
    text = here.mailbox_bytes()
    assert b"\nX-Tight:a\n" in text and b"\nX-Loose:   b\n" in text and b"\nSubject:\tc\n" in text


@pytest.mark.parametrize("data, body", [
    (b"Subject: x\r\n\r\n", b""),
    (b"Subject: x\r\n", b""),
    (b"\r\nno header\r\n", b"no header\r\n"),
    (b"Subject: x\r\n\r\n\r\n\r\nx\r\n\r\n", b"\r\n\r\nx\r\n\r\n"),
    (b"Subject: x\r\n\r\n" + bytes(range(128, 256)) + b"\r\n", bytes(range(128, 256)) + b"\r\n"),
    (b"Subject: x\r\n\r\n" + b"y" * 200000 + b"\r\n", b"y" * 200000 + b"\r\n"),
    (b"Subject: x\r\n\r\n" + b"\r\n" * 100000, b"\r\n" * 100000),
])
def test_bodies(start, data, body):
    milter = FakeMilter()
    here = start(milter)
    here.send(data)
    milter.settle()
    message = milter.session.message
    assert message.body == body
    assert all(len(chunk) == 65535 for chunk in message.chunks[:-1])
    assert all(0 < len(chunk) <= 65535 for chunk in message.chunks)


def test_a_message_in_chunks_that_has_no_last_line_end(start):
    milter = FakeMilter()
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        for piece, last in ((b"Subject: x\r\n\r\nfi", ""), (b"rst\r\nlast", " LAST")):
            client.send(b"BDAT %d%s\r\n" % (len(piece), last.encode()) + piece)
            client.expect(250)
    milter.settle()
    assert milter.session.message.body == b"first\r\nlast\r\n"


def test_fields_that_no_packet_holds_are_told_in_part(start):
    milter = FakeMilter(at={"E": (add_header("X-Seen", "yes"), CONTINUE)})
    here = start(milter)
    long = b"".join(b" %04d@there.example,\r\n" % number for number in range(5000))
    here.send(b"To:" + long + b" end@there.example\r\n\r\nbody\r\n")
    milter.settle()
    (name, value), = milter.session.message.fields
    assert name == "To" and value.startswith("0000@there.example,\n 0001@")
    assert len(name) + len(value) + 2 == 65535
    message = here.only()
    assert message["X-Seen"] == "yes" and message["To"].endswith("end@there.example")


def test_long_lines_of_a_header_are_told_as_they_go_on(start):
    """A signature is to fit what is in the queue."""
    milter = FakeMilter()
    here = start(milter)
    here.send(b"X-Long: " + b"word " * 500 + b"end\r\nX-Word: " + b"x" * 3000 + b"\r\n\r\nbody\r\n")
    milter.settle()
    message = here.only()
    assert milter.session.message.fields == [(name, message[name]) for name in ("X-Long", "X-Word")]
    assert all(len(line) <= 998 for _, value in milter.session.message.fields
               for line in value.split("\n"))


def test_a_body_of_which_it_has_seen_enough(start):
    milter = FakeMilter(steps=SKIP, at={"B": [CONTINUE, SKIP_REST, REJECT],
                                        "E": (add_header("X-Seen", "yes"), CONTINUE)})
    here = start(milter)
    here.send(b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 30000)
    milter.settle()
    assert milter.session.letters == "OCHMRTLNBBEQ"
    assert here.only()["X-Seen"] == "yes"


def test_a_large_body_takes_no_memory(start):
    milter = FakeMilter(at={"E": (lambda session, _: (replace_body(b"x" * 60000 + b"\r\n"),) * 800
                                  + (CONTINUE,))})
    here = start(milter)
    block = b"0123456789abcdef" * 60 + b"\r\n"
    count = 50 * 1024 * 1024 // len(block) - 10
    with here.client(timeout=120) as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        client.command("DATA", 354)
        client.send(b"Subject: large\r\n\r\n")
        for _ in range(count // 1000):
            client.send(block * 1000)
        client.send(b".\r\n")
        client.expect(250)
        (session,) = here.sessions()
        with open(f"/proc/{session}/status", encoding="ascii") as status:
            most = int(status.read().partition("VmHWM:")[2].split()[0])
    assert most < (16 * 1024 if here.build.name == "build" else 400 * 1024)
    assert sum(map(len, milter.session.message.chunks)) > 49 * 1024 * 1024
    here.wait_until(lambda: len(here.mailbox_bytes()) > 800 * 60000)


# --- what it answers ---

ANSWERS = {
    REJECT: (550, ["5.7.1 refused by a filter"]),
    TEMPFAIL: (451, ["4.7.1 not now, says a filter; try again later"]),
    reply("551 5.7.0 no such\tthing, 100%% sure"): (551, ["5.7.0 no such thing, 100% sure"]),
    reply("459 without a status"): (459, ["without a status"]),
    reply("554-5.7.1 three\r\n554-5.7.1 lines\r\n554 5.7.1 of gr\u00fcn"):
        (554, ["5.7.1 three", "5.7.1 lines", "5.7.1 of gr\u00fcn"]),
}
IDS = ["reject", "tempfail", "reply", "bare", "lines"]


@pytest.mark.parametrize("answer", ANSWERS, ids=IDS)
@pytest.mark.parametrize("letter", "CHM")
def test_no_before_the_recipients(start, letter, answer):
    milter = FakeMilter(at={letter: [answer, CONTINUE]})
    here = start(milter)
    code, lines = ANSWERS[answer]
    with here.client() as client:
        client.ehlo()
        assert client.command(f"MAIL FROM:<{FROM}>", code) == lines
        client.command(f"RCPT TO:<{here.to}>", 503)
        # A no to the connection is one to all its messages.
        if letter == "M":
            here.send(client=client)
        else:
            assert client.command(f"MAIL FROM:<{FROM}>", code) == lines
        client.command("QUIT", 221)
    assert here.log_lines("rejected", **{"from": FROM})
    assert milter.name in here.log_lines("rejected")[0]


@pytest.mark.parametrize("answer", ANSWERS, ids=IDS)
def test_no_to_a_recipient(start, answer):
    milter = FakeMilter(at={"R": [CONTINUE, answer, CONTINUE]})
    here = start(milter)
    code, lines = ANSWERS[answer]
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        assert client.command("RCPT TO:<other@here.example>", code) == lines
        client.command("RCPT TO:<third@here.example>")
        client.command("DATA", 354)
        client.send(DATA + b".\r\n")
        client.expect(250)
    here.wait_empty()
    assert here.log_lines("received", nrcpt=2)
    assert here.log_lines("rejected", to="other@here.example")


@pytest.mark.parametrize("answer", ANSWERS, ids=IDS)
def test_no_to_DATA(start, answer):
    milter = FakeMilter(at={"T": [answer, CONTINUE]})
    here = start(milter)
    code, lines = ANSWERS[answer]
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        assert client.command("DATA", code) == lines
        client.command("DATA", 503)
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        client.send(b"BDAT %d LAST\r\n" % len(DATA) + DATA)
        client.expect(250)
    here.wait_empty()
    assert len(here.mailbox()) == 1


def test_no_to_BDAT(start):
    milter = FakeMilter(at={"T": REJECT})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        client.send(b"BDAT %d LAST\r\n" % len(DATA) + DATA)
        client.expect(550)
        client.command("NOOP")
    assert not here.letters()


@pytest.mark.parametrize("answer", ANSWERS, ids=IDS)
@pytest.mark.parametrize("letter", "LNBE")
def test_no_to_the_message(start, letter, answer):
    milter = FakeMilter(at={letter: [answer, CONTINUE]})
    here = start(milter)
    code, lines = ANSWERS[answer]
    with here.client() as client:
        client.ehlo()
        assert here.send(client=client, code=code) == lines
        assert not here.letters()
        here.send(client=client)
        client.command("QUIT", 221)
    milter.settle()
    first = "OCHMRTLLNBE"
    assert milter.session.letters == first[:first.index(letter) + 1] + "MRTLLNBEQ"


@pytest.mark.parametrize("answer", [SHUTDOWN, CONN_FAIL, reply("421 4.3.2 we close"),
                                    reply("421-4.3.2 we\r\n421 4.3.2 close")])
@pytest.mark.parametrize("letter", "CRTE")
def test_an_end_of_the_connection(start, letter, answer):
    milter = FakeMilter(at={letter: answer})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        client.send(f"MAIL FROM:<{FROM}>\r\nRCPT TO:<{here.to}>\r\nDATA")
        code, lines = client.read()
        while code in (250, 354):
            if code == 354:
                client.send(DATA + b".\r\n")
            code, lines = client.read()
        assert code == 421 and lines[-1][:4] in ("4.3.", "4.7.")
        assert client.is_closed()
    milter.settle()
    assert milter.session.quit


@pytest.mark.parametrize("letter", "CHMRTLNBE")
def test_one_that_accepts_hears_no_more_of_it(start, letter):
    milter = FakeMilter(at={letter: ACCEPT})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        here.send(client=client)
        here.send(client=client)
        client.command("QUIT", 221)
    milter.settle()
    part = "OCHMRTLLNBE"[:"OCHMRTLLNBE".index(letter) + 1]
    again = "" if letter in "CH" else part[3:]
    assert milter.session.letters == part + again + "Q"
    here.wait_empty()
    assert len(here.mailbox()) == 2


@pytest.mark.parametrize("letter", "MRTLNBE")
def test_one_that_throws_a_message_away(start, letter):
    milter = FakeMilter(at={letter: [DISCARD, CONTINUE]})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        here.send(client=client, data=b"Subject: first\r\nX-Y: z\r\n\r\nbody\r\n")
        here.send(client=client)
        client.command("QUIT", 221)
    assert here.only()["Subject"] == "hello"
    assert len(here.log_lines("discarded", **{"from": FROM})) == 1
    assert here.log_lines("filtered", milter=milter.name, discard="yes")


def test_progress_is_no_answer(start):
    milter = FakeMilter(at={"E": (PROGRESS, PROGRESS, add_header("X-Seen", "yes"), PROGRESS,
                                  CONTINUE), "M": (PROGRESS, CONTINUE)})
    here = start(milter)
    here.send()
    assert here.only()["X-Seen"] == "yes"


# --- what it changes ---


def end(*changes):
    return {"E": (*changes, CONTINUE)}


def fields(message):
    """Without those that the way here added."""
    ours = ("x-postrider-id", "return-path", "delivered-to", "received")
    return [(name, value) for name, value in message.items() if name.lower() not in ours]


MESSAGE = b"A: 1\r\nB: 2\r\nA: 3\r\nC: 4\r\n\r\nbody\r\n"
ABAC = [("A", "1"), ("B", "2"), ("A", "3"), ("C", "4")]


@pytest.mark.parametrize("change, wanted", [
    (add_header("X", "y"), ABAC + [("X", "y")]),
    (add_header("A", "y"), ABAC + [("A", "y")]),
    # Places count from our own Received field on, which is the first.
    (insert_header(0, "X", "y"), [("X", "y")] + ABAC),
    (insert_header(1, "X", "y"), [("X", "y")] + ABAC),
    (insert_header(2, "X", "y"), ABAC[:1] + [("X", "y")] + ABAC[1:]),
    (insert_header(99, "X", "y"), ABAC + [("X", "y")]),
    (insert_header(0xFFFFFFFF, "X", "y"), ABAC + [("X", "y")]),
    (change_header(1, "a", "y"), [("A", "y")] + ABAC[1:]),
    (change_header(0, "A", "y"), [("A", "y")] + ABAC[1:]),
    (change_header(2, "A", "y"), ABAC[:2] + [("A", "y"), ("C", "4")]),
    (change_header(3, "A", "y"), ABAC + [("A", "y")]),
    (change_header(1, "X", "y"), ABAC + [("X", "y")]),
    (change_header(2, "A", ""), ABAC[:2] + ABAC[3:]),
    (change_header(3, "A", ""), ABAC),
    (change_header(2, "A", "") + change_header(1, "A", ""), [("B", "2"), ("C", "4")]),
    (add_header("X", "two\n\tlines"), ABAC + [("X", "two\n\tlines")]),
    (add_header("X", "two\r\n lines\r\n"), ABAC + [("X", "two\n lines")]),
    # No value ends a field before its time.
    (add_header("X", "y\nEvil: z"), ABAC + [("X", "y\n\tEvil: z")]),
    (add_header("X", "y\r\n\r\nbody"), ABAC + [("X", "y\n\tbody")]),
    (add_header("X", "y\n \n\t\nbody"), ABAC + [("X", "y\n\tbody")]),
    (change_header(1, "B", "y\rEvil: z\n\n"), ABAC[:1] + [("B", "y\n\tEvil: z")] + ABAC[2:]),
    (add_header("X", "gr\u00fcn"), None),
])
def test_fields(start, change, wanted):
    milter = FakeMilter(at=end(change))
    here = start(milter)
    here.send(MESSAGE)
    message = here.only()
    if wanted:
        assert fields(message) == wanted
    else:
        assert "\nX: gr\u00fcn\n".encode() in here.mailbox_bytes()
    assert message.get_payload() == "body\n"
    assert here.log_lines("filtered", milter=milter.name)


@pytest.mark.parametrize("pieces, wanted", [
    ([b""], b""),
    ([b"new\r\n"], b"new\n"),
    ([b"new"], b"new\n"),
    ([b"a\r", b"\nb\r\n"], b"a\nb\n"),
    ([b"a\r", b"", b"\nb\r\n"], b"a\nb\n"),
    ([b"a\nb\r\n", b"c\r\n"], b"a\nb\nc\n"),
    ([b"x" * 65535] * 3 + [b"\r\n"], b"x" * 3 * 65535 + b"\n"),
    ([b"\xff\xfe\r\n", b"From here\r\n"], b"\xff\xfe\n>From here\n"),
])
def test_a_new_body(start, pieces, wanted):
    here = start(FakeMilter(at=end(*map(replace_body, pieces))))
    here.send(MESSAGE)
    here.wait_empty()
    _, _, body = here.mailbox_bytes().partition(b"\nC: 4\n\n")
    assert body.rstrip(b"\n") == wanted.rstrip(b"\n")
    assert here.log_lines("filtered", body="replaced")


def test_a_bare_CR_in_a_new_body_ends_no_line(start):
    here = start(FakeMilter(at=end(replace_body(b"a\rb\r\r\nc\r"))))
    here.configure(route=None, extra=here.extra + '\n[route "hold.example"]\nvia = hold\n')
    here.send(MESSAGE)
    here.wait_empty()
    assert b"\n\na\rb\r\nc\r\n" in here.mailbox_bytes()


def test_another_sender(start):
    here = start(FakeMilter(at=end(change_sender("<bounce@list.example>"))))
    here.send()
    assert here.only()["Return-Path"] == "<bounce@list.example>"
    assert here.log_lines("filtered", **{"from": "bounce@list.example"})


def test_another_sender_with_parameters(start):
    here = start(FakeMilter(at=end(change_sender("<>", "RET=HDRS ENVID=abc+2Bd SIZE=5"))),
                 extra='[route "there.example"]\nvia = hold\n')
    here.configure_listeners(listen="relay_networks = 127.0.0.0/8")
    text = here.config.read_text()
    here.config.write_text(text + '\n[route "there.example"]\nvia = hold\n')
    here.stop_listener()
    here.start_listener()
    here.send(to="you@there.example")
    letter = here.letter()
    assert b"\nfrom <>\n" in letter and b"\nret hdrs\n" in letter and b"\nenvid abc+2Bd\n" in letter


def test_other_recipients(start):
    changes = (add_recipient("<third@here.example>"), add_recipient("other@here.example"),
               delete_recipient("<THIRD@HERE.example>"), delete_recipient("<nobody@here.example>"),
               add_recipient_with("<you@there.example>", "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y"))
    here = start(FakeMilter(at=end(*changes)), listen="relay_networks = 127.0.0.0/8")
    text = here.config.read_text()
    here.config.write_text(text + '\n[route "*"]\nvia = hold\n[route "here.example"]\nvia = hold\n')
    here.stop_listener()
    here.start_listener()
    here.send()
    letter = here.letter()
    recipients = [line for line in letter.partition(b"\n\n")[0].split(b"\n")
                  if line.split(b" ")[0] in (b"to", b"notify", b"orcpt")]
    assert recipients == [f"to <{here.to}>".encode(), b"to <other@here.example>",
                          b"to <you@there.example>", b"notify SUCCESS,DELAY", b"orcpt rfc822;x@y"]
    assert here.log_lines("filtered", added=3, deleted=1)


def test_no_recipient_left(start):
    milter = None

    def delete(session, _):
        return tuple(map(delete_recipient, session.message.recipients)) + (CONTINUE,)

    milter = FakeMilter(at={"E": delete})
    here = start(milter)
    here.send(to=[f"{here.user}@here.example", "other@here.example"])
    here.wait_empty()
    assert not here.mailbox()
    assert here.log_lines("discarded")
    assert here.log_lines("filtered", milter=milter.name, discard="no recipient is left")


def test_F1_quarantine_holds_the_message_until_it_is_released(start):
    milter = FakeMilter(at=end(quarantine("a virus, perhaps\r\n")))
    here = start(milter)
    here.send()
    here.wait_quiet()
    here.flush(check=0)
    (queued,) = here.letters()
    for way in (["show", queued], ["list"], ["list", "--json"]):
        assert "a virus, perhaps" in here.postrider("queue", *way, check=0).out
    assert f"{queued}!" in here.mailq(check=0).out
    assert not here.mailbox()
    assert here.log_lines("filtered", hold=f"{milter.name}: a virus, perhaps  ")
    here.postrider("queue", "release", queued, check=0)
    here.flush(check=0)
    assert here.only()["Subject"] == "hello"


def test_nothing_is_changed_of_what_is_refused_or_goes_to_the_next(start):
    """What is wanted before a last word that is none is forgotten with it."""
    wrong = FakeMilter(at={"E": (add_header("X-First", "1"), replace_body(b"other\r\n"),
                                 change_sender("<x@y.example>"), packet("?"))})
    right = FakeMilter(at=end(add_header("X-Second", "2")))
    here = start(wrong, right, settings="milter_default = accept")
    here.send()
    message = here.only()
    assert "X-First" not in message and message["X-Second"] == "2"
    assert message["Return-Path"] == f"<{FROM}>" and message.get_payload() == "body\n"


# --- several ---


def test_each_sees_what_the_one_before_made_of_it(start):
    first = FakeMilter(at=end(add_header("X-First", "1"), replace_body(b"one\r\n"),
                              change_header(1, "Subject", "")))
    second = FakeMilter(at=end(add_header("X-Second", "2"), replace_body(b"one\r\ntwo\r\n")))
    third = FakeMilter()
    here = start(first, second, third)
    here.send()
    assert first.session.message.body == b"body\r\n"
    assert second.session.message.body == b"one\r\n"
    assert ("X-First", "1") in second.session.message.fields
    assert "Subject" not in dict(second.session.message.fields)
    assert third.session.message.body == b"one\r\ntwo\r\n"
    message = here.only()
    assert message["X-Second"] == "2" and message.get_payload() == "one\ntwo\n"


@pytest.mark.parametrize("letter", "MRTE")
def test_a_no_of_one_is_the_end_for_all(start, letter):
    first, second, third = FakeMilter(), FakeMilter(at={letter: REJECT}), FakeMilter()
    here = start(first, second, third)
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>", 550 if letter == "M" else 250)
        if letter in "RTE":
            client.command(f"RCPT TO:<{here.to}>", 550 if letter == "R" else 250)
        if letter in "TE":
            client.command("DATA", 550 if letter == "T" else 354)
        if letter == "E":
            client.send(DATA + b".\r\n")
            client.expect(550)
        client.command("RSET")
        client.command("QUIT", 221)
    first.settle()
    third.settle()
    assert first.session.message.aborted == (letter != "E")
    if third.sessions and third.messages:
        assert third.session.message.aborted and not third.session.message.ended


def test_strangers_who_are_refused_by_name_are_no_matter_for_milters(start):
    milter = FakeMilter()
    here = start(milter, settings="block_senders = *@spam.example")
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<x@spam.example>")
        (line,) = client.command(f"RCPT TO:<{here.to}>", 550)
        assert "not wanted here" in line
    milter.settle()
    assert milter.session.letters == "OCHMAQ"


def test_a_refusal_by_name_is_said_in_its_own_words_after_a_milters(start):
    milter = FakeMilter(at={"R": reply("550 5.7.1 by the milter")})
    here = start(milter, settings="block_helo = evil.example")
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<x@spam.example>")
        (line,) = client.command(f"RCPT TO:<{here.to}>", 550)
        assert line == "5.7.1 by the milter"
        client.command("RCPT TO:<someone@elsewhere.example>", 550)
        client.command("RSET")
        client.ehlo("evil.example")
        client.command("MAIL FROM:<x@spam.example>")
        (line,) = client.command(f"RCPT TO:<{here.to}>", 550)
        assert "not wanted here" in line


# --- faults ---

DEFAULTS = {"tempfail": (451, "4.7.1"), "reject": (550, "5.7.1"), "accept": (250, None)}


def check_default(here, default, seconds=10, milter=None):
    """One message: what milter_default says comes of it, in time, and one line of the log tells."""
    code, status = DEFAULTS[default]
    began = time.monotonic()
    with here.client() as client:
        client.ehlo()
        for step in (f"MAIL FROM:<{FROM}>", f"RCPT TO:<{here.to}>", "DATA"):
            client.send(step)
            got, lines = client.read()
            if got not in (250, 354):
                break
        else:
            client.send(DATA + b".\r\n")
            got, lines = client.read()
        assert got == code, lines
        assert status is None or lines[0].startswith(status)
        assert time.monotonic() - began < seconds
        # The same session goes on, and says no more of it.
        client.send(f"RSET\r\nMAIL FROM:<{FROM}>")
        client.expect(250)
        client.read()
        client.command("QUIT", 221)
    here.wait_empty()
    assert len(here.mailbox()) == (default == "accept")
    said = [line for line in here.log().splitlines() if f" milter {milter or ''}" in line]
    assert len(said) == 1, here.log()


@pytest.mark.parametrize("default", DEFAULTS)
def test_F1_a_milter_that_is_not_there(start, default, tmp_path):
    milter = FakeMilter()
    name = milter.name
    milter.close()
    here = start(name, settings=f"milter_default = {default}")
    check_default(here, default, milter=name)
    missing = f"unix:{tmp_path}/no-such-socket"
    here = start(missing, settings=f"milter_default = {default}")
    check_default(here, default, milter=missing)
    unknown = "inet:no-such-host.invalid:1"
    here = start(unknown, settings=f"milter_default = {default}")
    check_default(here, default, milter=unknown, seconds=40)


POINTS = ["connect", "O", "C", "H", "M", "R", "T", "L", "N", "B", "E"]


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("point", POINTS)
def test_F1_a_milter_that_closes(start, point, default):
    milter = FakeMilter(at={point: CLOSE})
    here = start(milter, settings=f"milter_default = {default}")
    check_default(here, default, milter=milter.name)


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("point", POINTS)
def test_F1_a_milter_that_hangs(start, point, default):
    milter = FakeMilter(at={point: HANG})
    here = start(milter, settings=f"milter_default = {default}\nmilter_timeout = 1s")
    check_default(here, default, seconds=5, milter=milter.name)
    assert "took too long" in here.log()


LIES = {
    "zero": b"\0\0\0\0",
    "absurd": b"\xff\xff\xff\xffc",
    "large": b"\0\x10\0\x01c",
    "short": b"\0\0\0\x09c" + b"x" * 3,
    "half": b"\0\0",
    "more": packet("c", b"more"),
    "unknown": packet("?"),
    "nul": packet(b"\0"),
    "http": b"HTTP/1.0 400 Bad Request\r\n\r\n",
    "reply": reply("250 fine"),
    "reply2": reply("55"),
    "reply3": reply("550-5.7.1 one\r\n551 5.7.1 two"),
    "reply4": reply("550-5.7.1 and then"),
    "reply5": reply("550 x\r\n" * 40),
    "reply6": packet("y", b"550 5.7.1 no NUL"),
    "twice": CONTINUE + CONTINUE,
}


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("point", ["C", "R", "B"])
def test_F1_a_milter_that_talks_nonsense(start, point, lie, default):
    milter = FakeMilter(at={point: LIES[lie]})
    here = start(milter, settings=f"milter_default = {default}\nmilter_timeout = 1s")
    check_default(here, default, milter=milter.name)


@pytest.mark.parametrize("options", [
    packet("O"), packet("O", 6, 0x1FF), packet("O", 1, 0, 0), packet("O", 7, 0, 0),
    packet("O", 6, 0x200, 0), packet("O", 6, 0, 0x200000), packet("O", 6, 0, 0, b"\0\0\0"),
    packet("O", 6, 0, 0, 2, b"no NUL"), CONTINUE, REJECT, b"220 mx.example ESMTP\r\n"])
def test_F1_options_that_cannot_be(start, options):
    milter = FakeMilter(at={"O": options})
    here = start(milter, settings="milter_timeout = 1s")
    check_default(here, "tempfail", milter=milter.name)


WRONG_CHANGES = {
    "cut": packet("h", b"X"),
    "no value": packet("h", "X"),
    "no number": packet("m", b"\0\0", "X", "y"),
    "name": add_header("X Y", "z"),
    "colon": add_header("X:", "z"),
    "empty": add_header("", "z"),
    "line": add_header("X\nY", "z"),
    "long": add_header("X" * 2000, "z"),
    "address": add_recipient("<a@b@c>"),
    "null": add_recipient("<>"),
    "injection": add_recipient("<a@b.example>\nto <c@d.example>"),
    "sender": change_sender("a b"),
    "parameter": change_sender("<a@b.example>", "FOO=bar"),
    "notify": add_recipient_with("<a@b.example>", "NOTIFY=never,success"),
    "more": packet("+", "<a@b.example>", "more"),
    "list": packet("l", 0, "j"),
}


@pytest.mark.parametrize("change", WRONG_CHANGES)
def test_F1_changes_that_cannot_be(start, change):
    milter = FakeMilter(at=end(WRONG_CHANGES[change]))
    here = start(milter)
    check_default(here, "tempfail", milter=milter.name)


@pytest.mark.parametrize("letter", "CMRTLNB")
def test_F1_changes_before_the_end(start, letter):
    milter = FakeMilter(at={letter: (add_header("X", "y"), CONTINUE)})
    here = start(milter)
    check_default(here, "tempfail", milter=milter.name)


ENDLESS = {
    "progress": PROGRESS,
    "fields": add_header("X", "y" * 60000),
    "small": add_header("X", ""),
    "recipients": add_recipient("<a@b.example>"),
    "nothing": replace_body(b""),
    "body": replace_body(b"x" * 65534 + b"\n"),
}


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.once
def test_F1_a_milter_that_never_ends(start, what):
    def forever(session, _):
        while not session.milter.closing:
            session.send(ENDLESS[what] * 10)

    milter = FakeMilter(at={"E": forever})
    here = start(milter, settings="milter_timeout = 1s", mail="max_message_size = 30M")
    began = time.monotonic()
    with here.client(timeout=60) as client:
        client.ehlo()
        here.send(client=client, code=451)
        assert time.monotonic() - began < 25
        (session,) = here.sessions()
        with open(f"/proc/{session}/status", encoding="ascii") as status:
            most = int(status.read().partition("VmHWM:")[2].split()[0])
    assert most < (24 * 1024 if here.build.name == "build" else 400 * 1024)
    assert not here.letters()


def test_F1_a_byte_at_a_time(start):
    def drip(session, _):
        while not session.milter.closing:
            for byte in packet("h", "X", "y" * 1000):
                session.send(bytes([byte]))
                time.sleep(0.2)

    milter = FakeMilter(at={"E": drip})
    here = start(milter, settings="milter_timeout = 1s")
    check_default(here, "tempfail", seconds=5, milter=milter.name)


def test_F1_one_that_does_not_read(start):
    """Nothing is written without an end to somebody who takes none of it."""
    def deaf(session, _):
        while not session.milter.closing:
            time.sleep(0.05)

    milter = FakeMilter(steps=NR_BODY, at={"N": (CONTINUE, deaf)})
    here = start(milter, settings="milter_timeout = 1s")
    began = time.monotonic()
    here.send(b"Subject: x\r\n\r\n" + (b"x" * 78 + b"\r\n") * 200000, code=451)
    assert time.monotonic() - began < 8


def test_F1_one_that_comes_back_is_asked_again(start):
    milter = FakeMilter(at={"M": [CONTINUE, CLOSE, CONTINUE],
                            "E": (add_header("X-Seen", "yes"), CONTINUE)})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        here.send(client=client)
        client.command(f"MAIL FROM:<{FROM}>", 451)
        here.send(client=client)
        client.command("QUIT", 221)
    milter.settle()
    assert len(milter.sessions) == 2
    assert milter.sessions[1].letters == "OCHMRTLLNBEQ"
    here.wait_empty()
    assert len(here.mailbox()) == 2


def test_F1_a_restart_between_two_messages_is_not_seen(start):
    milter = FakeMilter(at={"E": [(CONTINUE, CLOSE), CONTINUE]})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        here.send(client=client)
        milter.sessions[0].join(10)
        here.send(client=client)
        client.command("QUIT", 221)
    assert len(milter.sessions) == 2
    assert " milter " not in here.log()


def test_F1_one_that_hangs_is_not_waited_for_at_each_message(start):
    milter = FakeMilter(at={"connect": HANG})
    here = start(milter, settings="milter_timeout = 1s")
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>", 451)
        began = time.monotonic()
        for _ in range(3):
            client.command(f"MAIL FROM:<{FROM}>", 451)
        assert time.monotonic() - began < 0.5
    assert len(milter.sessions) == 1


def test_F1_no_message_slips_through_when_it_breaks_among_the_recipients(start):
    milter = FakeMilter(at={"R": [CONTINUE, CLOSE]})
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{FROM}>")
        client.command(f"RCPT TO:<{here.to}>")
        client.command("RCPT TO:<other@here.example>", 451)
        client.command("RCPT TO:<third@here.example>", 451)
        client.command("DATA", 451)
    here.wait_empty()
    assert not here.mailbox()


def test_F1_no_room_for_a_new_body_is_no_fault_of_the_milter(start):
    """The message is refused for now as when there is no room for it itself."""
    milter = FakeMilter(at=end(*[replace_body(b"x" * 65000 + b"\r\n")] * 40))
    here = start(milter)
    with here.client() as client:
        client.ehlo()
        (session,) = here.sessions()
        resource.prlimit(session, resource.RLIMIT_FSIZE, (1024 * 1024, 1024 * 1024))
        lines = here.send(client=client, code=452)
        assert lines[0].startswith("4.3.1 ")
        here.send(client=client, code=452)
    assert not here.letters() and " milter " not in here.log()
