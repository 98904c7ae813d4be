"""The listener as those see it who send mail to it: what it offers, takes and refuses, and what then
becomes of the mail. What hostile clients do is in test_listen_hostile.py."""

import pytest

from listening import Listening


@pytest.fixture
def here():
    with Listening(listen="relay_networks =\nrelay_domains = partner.example") as sandbox:
        sandbox.aliases(f"helpdesk: {sandbox.user}\n")
        yield sandbox


def test_a_message_is_in_the_mailbox(here):
    with here.client() as client:
        client.ehlo("mx.sender.example")
        client.message("a@sender.example", f"{here.user}@here.example",
                       b"Subject: hello\r\n\r\n..a dot\r\nand the rest\r\n")
        client.command("QUIT", 221)
    here.wait_empty()
    (message,) = here.mailbox()
    assert message["Subject"] == "hello"
    assert message.get_payload() == ".a dot\nand the rest\n"
    assert message["Return-Path"] == "<a@sender.example>"
    (received,) = message.get_all("Received")
    assert received.startswith("from mx.sender.example ([127.0.0.1])\n\tby here.example")
    assert "\n\twith ESMTP id " in received
    assert f"\n\tfor <{here.user}@here.example>;" in received
    assert here.log_lines("received", client="[127.0.0.1]", helo="mx.sender.example")


def test_what_is_offered(here):
    with here.client() as client:
        offered = client.ehlo()
    assert offered == {"PIPELINING": "", "SIZE": str(50 * 1024 * 1024), "8BITMIME": "",
                       "SMTPUTF8": "", "DSN": "", "CHUNKING": "", "LIMITS": "RCPTMAX=1000",
                       "ETRN": "", "ENHANCEDSTATUSCODES": "", "HELP": ""}


def test_unknown_recipients_are_refused_at_once(here):
    with here.client() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@sender.example>")
        client.command("RCPT TO:<helpdesk@here.example>")
        client.command("RCPT TO:<helpdesk+detail@here.example>")
        client.command("RCPT TO:<Postmaster>")
        (line,) = client.command("RCPT TO:<nobody-of-that-name@here.example>", 550)
        assert line == "5.1.1 there is no such address here"
        (line,) = client.command("RCPT TO:<someone@elsewhere.example>", 550)
        assert line.startswith("5.7.1 ")
        client.command("RCPT TO:<whoever@partner.example>")
