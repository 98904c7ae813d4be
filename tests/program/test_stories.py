"""What an administrator does from morning to evening, one story a test, to be read from top to bottom."""

import json

from sandbox import EX_OK
from smtpfake import PASSWORD, Certificates, FakeServer

MESSAGE = "From: {sender}\nSubject: {subject}\n\nhello\n"


def send(sandbox, sender, recipient, subject, *options):
    sandbox.sendmail(*options, "-i", "-f", sender, recipient, check=EX_OK,
                     stdin=MESSAGE.format(sender=sender, subject=subject))


def test_two_sender_domains_through_two_smarthosts(sandbox, tmp_path):
    """Each domain has an account of its own, over TLS; neither password reaches the other."""
    certificates = Certificates(tmp_path / "certificates")
    with (FakeServer(certificate=certificates.good, auth_needed=True,
                     users={"postmaster@st1.example": PASSWORD}) as first,
          FakeServer(certificate=certificates.good, auth_needed=True,
                     users={"postmaster@st2.example": "st2; #secret"}) as second):
        sandbox.configure(
            smarthost=f"host = localhost:{first.port}\ntls_trust = {certificates.ca}\n"
                      "user = postmaster@st1.example",
            extra=f'[smarthost "st2"]\nsenders = @st2.example, bot@*.st2.example\n'
                  f"host = localhost:{second.port}\ntls_trust = {certificates.ca}\n"
                  "user = postmaster@st2.example\n")
        sandbox.credentials(f'[smarthost]\npassword = {PASSWORD}\n\n'
                            '[smarthost "st2"]\npassword_file = st2.password\n')
        (sandbox.folder / "st2.password").write_text("st2; #secret\n")
        (sandbox.folder / "st2.password").chmod(0o600)

        send(sandbox, "shop@st1.example", "customer@far.example", "from the first")
        send(sandbox, "info@st2.example", "customer@far.example", "from the second")
        send(sandbox, "bot@mail.st2.example", "customer@far.example", "from the second's bot")
        send(sandbox, f"{sandbox.user}@here.example", "customer@far.example", "from the machine")
        sandbox.wait_empty()

        assert sorted(one.sender for one in first.messages) == [
            f"{sandbox.user}@here.example", "shop@st1.example"]
        assert sorted(one.sender for one in second.messages) == [
            "bot@mail.st2.example", "info@st2.example"]
        assert len(sandbox.log_lines("delivered", via="st2")) == 2
        assert len(sandbox.log_lines("delivered", via="smarthost")) == 2
        assert "secret" not in sandbox.log() and PASSWORD not in sandbox.log()


def test_backup_mx_for_a_partner(sandbox):
    """The partner is down; his mail waits and can be seen; he is up; it goes at a word, past any
    backoff; the log tells it all."""
    with FakeServer() as smarthost, FakeServer() as partner:
        address = partner.address
        partner.close()
        sandbox.configure(
            queue="retry = 1h", smarthost=f"host = {smarthost.address}\ntls = off\nauth = off",
            extra=f'[route "st2.example"]\nvia = {address}\ntls = off\nretry = 2h\nlifetime = 30d\n')

        # Morning: mail for the partner comes in, and he does not answer.
        send(sandbox, "a@far.example", "boss@st2.example", "one", "-odi")
        send(sandbox, "b@far.example", "sales@st2.example", "two", "-odi")
        send(sandbox, "c@far.example", "x@elsewhere.example", "three", "-odi")
        assert [one.recipients for one in smarthost.messages] == [["x@elsewhere.example"]]

        # Noon: what waits, and why?
        held = [json.loads(line) for line in
                sandbox.postrider("queue", "list", "--json", check=EX_OK).out.splitlines()]
        assert len(held) == 2
        listing = sandbox.mailq(check=EX_OK).out
        assert "boss@st2.example" in listing and "cannot connect" in listing
        assert "st2.example" in sandbox.postrider("status", check=EX_OK).out

        # The partner is up again. By itself it would take two hours; one message is asked for.
        with FakeServer(port=int(address.rsplit(":", 1)[1])) as partner:
            sandbox.flush(check=EX_OK)
            assert not partner.messages, "it was not due"
            first = min(sandbox.letters())
            done = sandbox.sendmail("-v", "-M", first, check=EX_OK)
            assert "RCPT TO:<boss@st2.example>" in done.out
            assert [one.recipients for one in partner.messages] == [["boss@st2.example"]]
            # Then all that waits for him.
            sandbox.postrider("queue", "retry", "--domain", "st2.example", check=EX_OK)
            sandbox.wait_empty()
            assert [one.recipients for one in partner.messages] == [
                ["boss@st2.example"], ["sales@st2.example"]]

        # Evening: what became of the first one?
        story = sandbox.postrider("trace", first, check=EX_OK).out
        for event in ("received", "deferred", "delivered", "removed"):
            assert event in story
        assert "Mail queue is empty" in sandbox.mailq(check=EX_OK).out
