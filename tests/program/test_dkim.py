"""Signing of outgoing mail: whatever a message is like and whichever form its next hop takes, the
signature is good; what is not ours goes unsigned, and what cannot be signed waits."""

import base64
import hashlib
import os
import random
import re
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dkimtools import Dns, fold_lengths, make_key, signatures
from listening import Listening
from sandbox import BUILD, EX_OK
from smtpfake import CLOSE, EXTENSIONS, FakeServer

SEVEN = tuple(word for word in EXTENSIONS if word != "8BITMIME")
SANITIZED = BUILD.name == "sanitize"
FAR = "you@far.example"
OURS = b"From: Me <me@here.example>\n"


def hop(server):
    return f"host = {server.address}\ntls = off\nauth = off"


@pytest.fixture
def server():
    with FakeServer() as fake:
        yield fake


@pytest.fixture
def place(sandbox, server):
    """A sandbox whose here.example has a key, in .dns, and whose mail goes to the server."""
    sandbox.configure(smarthost=hop(server), extra='[dkim "here.example"]')
    sandbox.dns = Dns(make_key(sandbox, "here.example"))
    return sandbox


def submit(sandbox, text, *arguments, to=FAR):
    sandbox.sendmail("-odq", "-i", *arguments, to, stdin=text, check=EX_OK)


def send(sandbox, server, text, *arguments, to=FAR):
    """What the server gets of one message."""
    before = len(server.messages)
    submit(sandbox, text, *arguments, to=to)
    sandbox.flush(check=EX_OK)
    assert len(server.messages) == before + 1, sandbox.log()
    return server.messages[-1]


# --- odd messages --------------------------------------------------------------------------------

BLANKS = ("", " ", "\t", "  ", " \t ", "   ")
FOLDS = ("\n ", "\n\t", " \n  ", "\n \t", "\n ")
WORDS = ("a", "hello", "Hello,", "=?utf-8?Q?=C3=A4?=", "(comment)", "x" * 70, "y" * 300, ":",
         "\u00e4\u00f6",
         "\u4f60\u597d", ";", "=", "b=", "--", "DKIM-Signature: x")
FROMS = ("me@here.example", "Me <me@here.example>", '"M, e" <me@HERE.example>', "<me@here.example>",
         "me@here.example (Me)", "M\u00fcller <me@here.example>",
         "me@here.example, you@here.example",
         "Us: me@here.example;", '"@other.example" <me@here.example>')


def odd_text(chance, most):
    return "".join(chance.choice(WORDS) + (chance.choice(FOLDS) if chance.random() < 0.2
                                           else chance.choice(BLANKS) or " ")
                   for _ in range(chance.randrange(most))).rstrip() or chance.choice(BLANKS)


def odd_header(chance):
    fold = chance.choice(("", "", "\n ", "\n\t", "\t"))
    fields = [f"{chance.choice(('From', 'FROM', 'from'))}:{chance.choice(BLANKS)}{fold}"
              f"{chance.choice(FROMS)}{chance.choice(BLANKS)}"]
    names = ("Subject", "To", "Cc", "Reply-To", "X-Odd", "subject", "List-Id", "Comments",
             "Keywords",
             "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "References", "Received",
             "Resent-To", "Resent-From", "X-" + "z" * 60, "Sender", "Date", "Message-ID",
             "List-Unsubscribe", "DKIM-Signature")
    for _ in range(chance.choice((0, 0, 1, 3, 8, 20))):
        name = chance.choice(names)
        if name == "Content-Transfer-Encoding":
            value = chance.choice(("7bit", "8bit", "quoted-printable", "binary"))
        elif name == "Content-Type":
            value = chance.choice(("text/plain", "text/html; charset=utf-8",
                                   "text/plain;\n\tcharset=x",
                                   "multipart/mixed; boundary=b", "message/rfc822"))
        else:
            value = odd_text(chance, 12)
        fields.append(f"{name}:{chance.choice(BLANKS)}{value}")
    chance.shuffle(fields)
    return "\n".join(fields).encode() + b"\n"


def odd_body(chance):
    lines = ["", "", " ", "\t", "a", "a ", "a\t \t", " a", "a  b", "\ta\t b", ".", "..", ".a",
             "-- ",
             "From me", ">From", "--b", "--b--", "\u00e4", "\u4f60 \u597d ", "x" * 998, "y " * 800,
             "z" * 5000, "caf\u00e9 " * 300, "=", "a=", "=20", "a =20 "]
    end = chance.choice(("\n", "\n", "\n", "\r\n"))
    body = end.join(chance.choice(lines) for _ in range(chance.choice((0, 1, 2, 5, 30))))
    body += chance.choice(("", end, end * 2, end * 40, f" {end}\t{end}", "   "))
    data = body.encode()
    if chance.random() < 0.1:
        data += bytes(chance.randrange(256) for _ in range(chance.randrange(400)))
    if chance.random() < 0.05:
        data = data.replace(b"a", b"\r")
    return data


def odd_message(chance):
    header = odd_header(chance)
    return header + b"\n" + odd_body(chance) if chance.random() < 0.95 else header


def assert_signed(dns, data, selectors=("mail",)):
    """Every signature of ours is good, and no field that readers see can be added."""
    ours = [each for each in signatures(data) if each.get("d") == "here.example"]
    assert [each["s"] for each in ours] == list(selectors), data[:2000]
    for index, tags in enumerate(ours):
        assert dns.verifies(data, index), data[:3000]
        names = tags["h"].lower().split(":")
        header = data.partition(b"\r\n\r\n")[0].lower()
        for name in ("from", "reply-to", "subject", "date", "to", "cc"):
            there = len(re.findall(rb"^%s:" % name.encode(), header, re.MULTILINE))
            assert names.count(name) == there + 1
    assert max(fold_lengths(data[:data.index(b"Received:")])) <= 78


@pytest.mark.parametrize("extensions", [EXTENSIONS, SEVEN], ids=["8bit", "7bit"])
def test_odd_messages_verify(place, server, extensions):
    """Half of them reach a server that takes 7 bits alone."""
    server.extensions = list(extensions)
    chance = random.Random(str(extensions))
    count = 150 if SANITIZED else 1000
    for _ in range(count):
        submit(place, odd_message(chance))
    place.flush(check=EX_OK, timeout=600)
    lost = [line for line in place.log_lines("bounced") if "5.6.3" not in line]
    assert not lost and not place.letters(), place.log()[-3000:]
    sent = len(server.messages) - len(place.log_lines("received", **{"from": "<>"}))
    assert len(server.messages) > count * 0.9 and sent <= count
    for message in server.messages:
        assert_signed(place.dns, message.data)


@pytest.mark.once
def test_many_messages_of_one_client_verify(server):
    """Taken in over the network by the thousand, sent on in few sessions."""
    with Listening(smarthost=hop(server)) as place:
        place.configure(extra=place.extra + '\n[dkim "here.example"]\nselector = r, e\n'
                                            "key = r.pem, e.pem")
        dns = Dns(make_key(place, "here.example", "--selector=r"),
                  make_key(place, "here.example", "--selector=e", "--type=ed25519"))
        place.stop_listener()
        place.start_listener()
        chance = random.Random(8463)
        count = 200 if SANITIZED else 2000
        with place.client() as client:
            client.ehlo()
            for _ in range(count):
                text = odd_header(chance) + b"\n" + odd_body(chance).replace(b"\0", b"")
                lines = re.split(rb"\r\n|\r|\n", text)
                data = b"".join((b"." + line if line[:1] == b"." else line)[:990] + b"\r\n"
                                for line in lines)
                client.message("me@here.example", FAR, data)
        place.wait_until(lambda: len(server.messages) == count, 120, "all messages")
        for message in server.messages:
            assert_signed(dns, message.data, ("r", "e"))


ODDITIES = [
    b"",
    b"\n",
    b"From: me@here.example\n",
    OURS + b"\n",
    OURS + b"\n\n\n\n\n",
    OURS + b"\n \n\t\n  ",
    OURS + b"\nno end",
    OURS + b"\nspaces  \t  and tabs\t\n  at  both ends  \n\n  \n",
    OURS + b"\n.\n..\n.a\n",
    OURS + b"\nbare\rCR\r\rand\r\nmixed\n\r\n",
    OURS + b"Subject: bare\rX-New: field\n\nx\n",
    OURS + b"Subject:\n\nx\n",
    OURS + b"Subject:\n  \n folded to nothing\n\nx\n",
    OURS + b"Subject: " + b"word " * 3000 + b"\n\nx\n",
    OURS + b"Subject: caf\xc3\xa9\nTo: \xff <you@far.example>\n\n\xc3\xa9 \xff\n",
    OURS + b"Subject: one\nSubject: two\nTo: a@b.example\nTo: c@d.example\n\nx\n",
    OURS + b"\n" + b"x" * 3000 + b"\n",
    OURS + b"\nnul\0 here\n",
    b"From me Mon Jan  1 00:00:00 2026\n" + OURS + b"\nx\n",
]


@pytest.mark.parametrize("text", ODDITIES, ids=range(len(ODDITIES)))
@pytest.mark.parametrize("extensions", [EXTENSIONS, SEVEN], ids=["8bit", "7bit"])
def test_single_oddities_verify(place, server, extensions, text):
    server.extensions = list(extensions)
    message = send(place, server, text, "-f", "me@here.example")
    assert_signed(place.dns, message.data)
    assert int(message.parameters["SIZE"]) == len(message.data)


def test_what_is_covered_cannot_be_changed(place, server):
    data = send(place, server, OURS + b"Subject: s\nTo: you@far.example\n\nbody\n").data
    assert place.dns.verifies(data)
    header, _, body = data.partition(b"\r\n\r\n")
    for field in (b"From: x@here.example", b"Subject: other", b"To: other@far.example",
                  b"Date: Mon, 1 Jun 2026 10:00:00 +0000", b"Reply-To: x@bad.example",
                  b"Cc: x@bad.example",
                  b"Message-ID: <other@here.example>"):
        assert not place.dns.verifies(field + b"\r\n" + data), field
        assert not place.dns.verifies(header + b"\r\n" + field + b"\r\n\r\n" + body), field
    assert not place.dns.verifies(data.replace(b"Subject: s", b"Subject: t"))
    assert not place.dns.verifies(data + b"more\r\n")
    assert not place.dns.verifies(data.replace(b"body", b"Body"))
    # What happens to honest mail on its way.
    assert place.dns.verifies(b"Received: from here by there\r\n" + data)
    assert place.dns.verifies(data.replace(b"Subject: s", b"SUBJECT:\r\n\ts  "))
    assert place.dns.verifies(data + b"\r\n\r\n")


def test_tags(place, server):
    (tags,) = signatures(send(place, server, OURS + b"\nx\n").data)
    assert (tags["v"], tags["a"], tags["c"]) == ("1", "rsa-sha256", "relaxed/relaxed")
    assert (tags["d"], tags["s"]) == ("here.example", "mail")
    assert abs(int(tags["t"]) - time.time()) < 60 and "l" not in tags and "x" not in tags


# --- the way -------------------------------------------------------------------------------------


def test_marks_of_the_way_are_no_harm(place, server):
    """What an alias sends on gets a Delivered-To field on its way out."""
    place.aliases(f"away: {FAR}, other@far.example\n")
    submit(place, OURS + b"Subject: s\n\nx\n", to="away")
    place.flush(check=EX_OK)
    (message,) = server.messages
    assert b"\r\nDelivered-To: away@here.example\r\n" in message.data
    assert_signed(place.dns, message.data)
    assert int(message.parameters["SIZE"]) == len(message.data)


def test_another_server_that_takes_another_form(place, server):
    """The first host has no time after the first message; the next one takes 7 bits alone."""
    with FakeServer(extensions=SEVEN) as other:
        server.at = {"MAIL": [None, ("421 4.3.2 later", CLOSE)],
                     "connect": [None, ("421 4.3.2 later", CLOSE)]}
        place.configure(smarthost=f"host = {server.address}, {other.address}")
        for number in range(2):
            submit(place, OURS + b"Subject: %d\n\ncaf\xc3\xa9\n" % number)
        place.flush(check=EX_OK)
        assert len(server.messages) == 1 and len(other.messages) == 1, place.log()
        assert "caf\u00e9".encode() in server.messages[0].data
        assert b"caf=C3=A9" in other.messages[0].data
        for message in server.messages + other.messages:
            assert_signed(place.dns, message.data)


def test_each_try_is_signed_anew(place, server):
    server.at = {"message": ["451 4.3.0 later", None]}
    submit(place, OURS + b"\nx\n")
    place.flush(check=EX_OK)
    assert not server.messages
    place.postrider("queue", "retry", "--all", check=EX_OK)
    place.wait_until(lambda: server.messages)
    assert_signed(place.dns, server.messages[0].data)


def test_lmtp_stays_unsigned(place, server, tmp_path):
    path = str(tmp_path / "lmtp")
    with FakeServer(host=path, lmtp=True) as local:
        place.configure(extra=place.extra + f'\n[route "box.example"]\nvia = lmtp:{path}')
        data = send(place, local, OURS + b"\nx\n", to="you@box.example").data
        assert not signatures(data)


@pytest.mark.once
def test_memory_stays_flat(place):
    """200 MB, half of them empty lines; what any process of the run had in memory at the most. The
    hash alone is looked at: python3-dkim would take minutes for it."""
    got = {}

    def sink(session, _):
        session.say("354 go on")
        session.flush()
        data = session._in
        while not data.endswith(b"\r\n.\r\n"):
            session.receive()
        got["data"] = bytes(data[:-3])
        data.clear()
        session.message = None
        return "250 2.0.0 Ok"

    with FakeServer(at={"DATA": sink}, extensions=["PIPELINING", "8BITMIME", "SIZE"]) as server:
        place.configure(smarthost=hop(server), mail="max_message_size = 1G")
        text = OURS + b"\n" + b"0123456789 \t abcdef \n" * (5 << 20) + b"\n" * (50 << 20) + b"end\n"
        relaxed = (b"0123456789 abcdef\r\n" * (5 << 20) + b"\r\n" * (50 << 20) + b"end\r\n")
        submit(place, text)
        runner = place.start(["postrider-run", "-C", place.config])
        highest = {}
        while runner.poll() is None:
            for pid in place.runners():
                try:
                    with open(f"/proc/{pid}/status", encoding="ascii") as status:
                        high = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
                    highest[pid] = max(high + [highest.get(pid, 0)])
                except OSError:
                    continue
            time.sleep(0.05)
        assert runner.wait() == EX_OK and not place.letters(), place.log()
        assert len(highest) > 1
        if not SANITIZED:
            assert max(highest.values()) < 24 * 1024
        assert len(got["data"]) > 200 << 20
        (tags,) = signatures(got["data"][:10000])
        assert tags["bh"] == base64.b64encode(hashlib.sha256(relaxed).digest()).decode()


# --- whose mail ----------------------------------------------------------------------------------


def test_sections_by_the_author(place, server):
    place.configure(extra='[dkim "here.example"]\n[dkim "*.here.example"]\n'
                          '[dkim "*.lab.here.example"]\n[dkim "m\u00fcnchen.example"]')
    dns = place.dns
    dns.add(make_key(place, "lab.here.example"))
    dns.add(make_key(place, "m\u00fcnchen.example"))
    for author, signer in [("a@here.example", "here.example"),
                           ("a@HERE.example", "here.example"),
                           ("a@www.here.example", "here.example"),
                           ("a@lab.here.example", "here.example"),
                           ("a@x.lab.here.example", "lab.here.example"),
                           ("a@m\u00fcnchen.example", "xn--mnchen-3ya.example"),
                           ("a@xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
                           ("a@nothere.example", None),
                           ("a@[192.0.2.1]", None),
                           ("here.example@other.example", None)]:
        # The envelope's sender does not matter.
        data = send(place, server, f"From: {author}\n\nx\n".encode(), "-f", "x@here.example").data
        found = signatures(data)
        assert [each["d"] for each in found] == ([signer] if signer else []), author
        assert not signer or dns.verifies(data)
        assert bool(signer) == bool(place.log_lines("delivered", dkim=signer or "none")), author


def test_off_unless_configured(sandbox, server):
    sandbox.configure(smarthost=hop(server))
    assert not signatures(send(sandbox, server, OURS + b"\nx\n").data)
    assert "dkim" not in sandbox.log()


@pytest.mark.parametrize("header, why", [
    (OURS + b"From: you@here.example\n", "it has several From fields"),
    (b"From: nobody:;\n", "its From field has no address"),
    (b"From: me@here.example, you@other.example\n", "its From field has several domains"),
    (b"From: me@here.example you too\n", "its From field is no list of addresses"),
])
def test_no_author_no_signature(place, server, header, why):
    data = send(place, server, header + b"Subject: s\n\nx\n").data
    assert not signatures(data)
    assert place.log_lines("delivered", dkim=f"unsigned: {why}"), place.log()


def test_reports_of_our_own_are_signed(place, server):
    server.at = {"RCPT": ["550 5.1.1 nobody", None]}
    place.configure(extra=place.extra + "\n")
    submit(place, OURS + b"\nx\n", "-f", "me@other.example")
    place.flush(check=EX_OK)
    (report,) = server.messages
    assert report.sender == ""
    assert b"From: Mail Delivery System <MAILER-DAEMON@here.example>" in report.data
    assert_signed(place.dns, report.data)


# --- strangers -----------------------------------------------------------------------------------


@pytest.fixture
def open_place(server):
    """A listener whose aliases lead out again, and that is backup MX for a partner."""
    with Listening(start=False, smarthost=hop(server), listen="relay_networks = 127.0.0.2\n"
                   "relay_domains = partner.example") as place:
        place.configure(extra=place.extra + '\n[dkim "here.example"]')
        place.aliases(f"away: {FAR}\nlist: {FAR}\nowner-list: me@here.example\n")
        place.dns = Dns(make_key(place, "here.example"))
        place.start_listener()
        yield place


@pytest.mark.parametrize("recipient", ["away@here.example", "list@here.example",
                                       "you@partner.example"])
def test_a_strangers_mail_is_not_signed(open_place, server, recipient):
    """However much it says that it is ours: no alias, no list and no backup MX vouches for it."""
    with open_place.client() as client:
        client.ehlo("here.example")
        client.message("me@here.example", recipient,
                       b"Received: from here.example (user root)\r\nFrom: me@here.example\r\n"
                       b"Subject: pay at once\r\n\r\norigin submitted\r\n")
    (message,) = server.wait()
    assert not signatures(message.data)
    open_place.wait_empty()
    assert "dkim" not in open_place.log()


def test_mail_of_those_who_may_relay_is_signed(open_place, server):
    with open_place.client(source="127.0.0.2") as client:
        client.ehlo()
        client.message("me@other.example", FAR, b"From: me@here.example\r\n\r\nx\r\n")
    (message,) = server.wait()
    assert_signed(open_place.dns, message.data)


# --- keys ----------------------------------------------------------------------------------------


def pem_of(key):
    return key.private_bytes(serialization.Encoding.PEM,
                             serialization.PrivateFormat.TraditionalOpenSSL,
                             serialization.NoEncryption())


def locked_key():
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.BestAvailableEncryption(b"geheim"))


def spoil_mode(path):
    path.chmod(0o640)


def spoil_content(path):
    path.write_text("-----BEGIN PRIVATE KEY-----\nMIIE secret\n-----END PRIVATE KEY-----\n")


@pytest.mark.parametrize("spoil, why", [
    (lambda path: path.unlink(), "there is no key {}: postrider dkim-key here.example makes one"),
    (spoil_mode, "{} is open to group or others: chmod 600 {}"),
    (spoil_content, "{} holds no private key"),
    (lambda path: path.write_bytes(b""), "{} holds no private key"),
    (lambda path: path.write_bytes(bytes(100000)), "{} is larger than"),
    (lambda path: path.write_bytes(locked_key()), "{} is locked by a password"),
    (lambda path: path.write_bytes(pem_of(ec.generate_private_key(ec.SECP256R1()))),
     "{} holds a key that is neither RSA nor Ed25519"),
    (lambda path: (path.unlink(), path.mkdir(0o700)), "{} is not a file"),
], ids=["missing", "open", "garbled", "empty", "large", "locked", "other", "folder"])
def test_mail_waits_for_its_key(place, server, spoil, why):
    """It is neither sent unsigned nor given up; other mail goes on."""
    path = place.folder / "dkim" / "here.example.pem"
    good = path.read_bytes()
    spoil(path)
    for _ in range(2):
        submit(place, OURS + b"\nx\n")
    submit(place, b"From: me@other.example\n\nx\n")
    place.flush(check=EX_OK)
    assert [b"other.example" in message.data for message in server.messages] == [True]
    assert len(place.letters()) == 2
    words = why.format(path, path)
    lines = place.log_lines("deferred", to=FAR)
    assert len(lines) == 2 and all(f"it cannot be signed: {words}" in line for line in lines), lines
    # The admin hears it once a worker, not once a message.
    assert place.log().count("mail waits, as it cannot be signed") == 1
    assert "MIIE" not in place.log()
    if path.is_dir():
        path.rmdir()
    path.write_bytes(good)
    path.chmod(0o600)
    place.postrider("queue", "retry", "--all", check=EX_OK)
    place.wait_empty()
    for message in server.messages[1:]:
        assert_signed(place.dns, message.data)


def test_one_bad_key_of_two_is_enough_to_wait(place, server):
    place.configure(extra='[dkim "here.example"]\nselector = mail, ed\n'
                          "key = dkim/here.example.pem, dkim/ed.pem")
    submit(place, OURS + b"\nx\n")
    place.flush(check=EX_OK)
    assert not server.messages and len(place.letters()) == 1
    place.dns.add(make_key(place, "here.example", "--selector=ed", "--type=ed25519"))
    place.postrider("queue", "retry", "--all", check=EX_OK)
    place.wait_empty()
    assert_signed(place.dns, server.messages[0].data, ("mail", "ed"))


def test_queue_says_who_submitted(place):
    submit(place, OURS + b"\nx\n")
    assert b"\norigin submitted\n" in place.letter().partition(b"\n\n")[0]


# --- postrider dkim-key --------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, selector, size", [
    ((), "mail", 392), (("--type=rsa", "--selector", "2026-07"), "2026-07", 392),
    (("--type", "ed25519", "--selector=ed"), "ed", 44)])
def test_key_record_and_section(sandbox, server, arguments, selector, size):
    """What is printed is all that is needed, as it is."""
    printed = make_key(sandbox, "Here.Example", *arguments)
    path = sandbox.folder / "dkim" / "here.example.pem"
    assert printed.path == str(path)
    assert path.stat().st_mode & 0o7777 == 0o600 and path.parent.stat().st_mode & 0o7777 == 0o700
    assert printed.name == f"{selector}._domainkey.here.example"
    assert printed.zone.startswith(f"{printed.name}. IN TXT ")
    assert "".join(printed.strings) == printed.value
    assert all(0 < len(string) <= 255 for string in printed.strings)
    assert len(printed.value.partition("p=")[2]) == size
    assert "PRIVATE" not in printed.text
    sandbox.configure(smarthost=hop(server), extra=printed.section)
    assert_signed(Dns(printed), send(sandbox, server, OURS + b"\nx\n").data, (selector,))
    again = make_key(sandbox, "here.example", "--show", f"--selector={selector}")
    assert again.value == printed.value and "has it in [dkim" in again.remark
    # The whole of it may be pasted into either file.
    sandbox.configure(extra="\n".join(line for line in printed.text.splitlines()
                                      if line.startswith(";")))
    sandbox.mailq(check=EX_OK)


def test_never_overwrites_unless_forced(place):
    path = place.folder / "dkim" / "here.example.pem"
    before = path.read_bytes()
    done = place.postrider("dkim-key", "here.example", check=73)
    assert f"{path} is there already" in done.err and not done.out
    assert path.read_bytes() == before
    other = make_key(place, "here.example", "--force")
    assert path.read_bytes() != before and path.stat().st_mode & 0o7777 == 0o600
    assert other.value != place.dns("mail._domainkey.here.example.").decode()
    assert sorted(os.listdir(path.parent)) == ["here.example.pem"]


def test_a_second_key_of_a_domain(place, server):
    ed = make_key(place, "here.example", "--selector=ed", "--type=ed25519")
    assert ed.path.endswith("/dkim/here.example.ed.pem") and "once the DNS has" in ed.remark
    place.configure(extra=ed.section)
    place.dns.add(ed)
    data = send(place, server, OURS + b"\nx\n").data
    assert_signed(place.dns, data, ("mail", "ed"))
    assert [tags["a"] for tags in signatures(data)] == ["rsa-sha256", "ed25519-sha256"]
    assert make_key(place, "here.example", "--show").value.startswith("v=DKIM1; k=rsa;")


@pytest.mark.parametrize("arguments, status, words", [
    ((), 64, "needs the name of one domain"),
    (("a.example", "b.example"), 64, "needs the name of one domain"),
    (("--type=dsa", "a.example"), 64, "--type is rsa or ed25519"),
    (("--show", "--force", "a.example"), 64, "which?"),
    (("--all", "a.example"), 64, "takes no --all"),
    (("--selector", "a b", "a.example"), 65, 'the selector "a b"'),
    (("*.a.example",), 65, 'the domain "*.a.example"'),
    (("--show", "a.example"), 66, "there is no key"),
])
def test_wrong_ways_to_ask(sandbox, arguments, status, words):
    done = sandbox.postrider("dkim-key", *arguments, check=status)
    assert words in done.err and done.err.count("\n") == 1 and not done.out
    assert not (sandbox.folder / "dkim").exists()


def test_where_it_cannot_be_written(sandbox):
    (sandbox.folder / "dkim").write_text("")
    done = sandbox.postrider("dkim-key", "a.example")
    assert done.returncode != 0 and "dkim" in done.err and not done.out
    (sandbox.folder / "dkim").unlink()
    with open("/dev/full", "w", encoding="ascii") as full:
        sandbox.postrider("dkim-key", "a.example", stdout=full, check=74)


def test_the_front_door_names_no_secret(sandbox):
    """It hands over: no key is ever in its memory, and no library that knows keys is linked."""
    libraries = subprocess.run(["ldd", str(BUILD / "postrider")], capture_output=True, check=True)
    assert b"gnutls" not in libraries.stdout
