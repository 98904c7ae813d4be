"""postrider setup: from a few answers, or from flags, to both settings files and the first message,
with a scripted smarthost in the provider's place."""

import json
import os
import re
import resource
import signal
import time
from pathlib import Path

import pytest

from sandbox import (EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_NOPERM, EX_OK, EX_TEMPFAIL,
                     EX_UNAVAILABLE, EX_USAGE)
from smtpfake import Certificates, FakeServer
from strace import without_leak_check
from terminal import Terminal

USER, PASSWORD = "postmaster@mg.example.org", "hunter2-geheim"
OTHER, OTHER_PASSWORD = "other@mg.example.org", "swordfish-2"

# What an administrator wrote, with ways of writing that must survive.
BY_HAND = """\
# Our machine.
[mail]
hostname   = here.example   ; as in the DNS
domain=here.example
local_domains = here.example,
; the old name
    localhost
aliases = {aliases}
mailbox_directory = {mail}
log_file = {log}

; Where all other mail goes.
;[smarthost]
;host = smtp.example.net

[route "partner.example"]
  via = hold

[queue]
directory = {queue} ; not on /var
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(certificates):
    with FakeServer(certificate=certificates.good, auth_needed=True,
                    users={USER: PASSWORD, OTHER: OTHER_PASSWORD}) as server:
        yield server


@pytest.fixture
def place(sandbox, server, certificates):
    """A sandbox with settings as people write them; .flags name the server as a smarthost."""
    sandbox.config.write_text(BY_HAND.format(
        aliases=sandbox.aliases_path, mail=sandbox.mail, log=sandbox.log_path,
        queue=sandbox.queue))
    sandbox.credentials_path.unlink()
    sandbox.flags = ["other", "--host", f"localhost:{server.port}", "--tls-trust",
                     str(certificates.ca), "--user", USER]
    return sandbox


def run_setup(place, *arguments, password=PASSWORD, check=EX_OK):
    stdin = b"" if password is None else f"{password}\n".encode()
    return place.postrider("setup", *arguments, stdin=stdin, check=check)


def start_setup(place):
    """The same, not waited for."""
    reading, writing = os.pipe()
    os.write(writing, f"{PASSWORD}\n".encode())
    os.close(writing)
    program = place.start(["postrider", "setup", "-C", place.config, *place.flags], stdin=reading)
    os.close(reading)
    return program


def files(place):
    """Names and bytes of what is in the folder of the settings, but for the queue and the log."""
    return {path.name: path.read_bytes() for path in place.folder.iterdir()
            if path.is_file() and path.name not in ("log", "aliases.db")}


def added(before, after):
    """The lines that are new, if none has gone and none has another place."""
    rest = before.splitlines()
    new = []
    for line in after.splitlines():
        if rest and line == rest[0]:
            rest.pop(0)
        else:
            new.append(line)
    assert not rest, f"gone: {rest}"
    return new


# --- by flags ---


def test_flags_write_both_files_and_send_a_message(place, server):
    before = place.config.read_text()
    done = run_setup(place, *place.flags, "--domain", "mg.example.org", "--root", "ops@example.net",
                 "--test", "you@example.net")
    lines = done.out.splitlines()
    assert lines[-1] == "changed"
    assert "test message: delivered to localhost: 250 2.0.0 Ok: queued" in lines
    assert ">>>" not in done.out
    old = before.replace("domain=here.example\n", "domain=mg.example.org\n")
    assert added(old, place.config.read_text()) == [
        "[smarthost]", f"host = localhost:{server.port}", "tls = starttls",
        f"tls_trust = {place.flags[4]}", f"user = {USER}", ""]
    assert place.credentials_path.read_text() == f"[smarthost]\npassword = {PASSWORD}\n"
    assert place.credentials_path.stat().st_mode & 0o7777 == 0o600
    assert place.aliases_path.read_text() == "root: ops@example.net\n"
    assert Path(f"{place.aliases_path}.db").exists()
    (message,) = server.messages
    assert message.recipients == ["you@example.net"]
    assert message.sender == f"{place.user}@mg.example.org"
    assert b"Subject: Test message of postrider setup on here.example" in message.data
    assert server.connections[0].user == USER and not server.connections[0].messages
    # mail to root has a reader now
    place.sendmail("-odi", "root", stdin="Subject: hi\n\nhello\n", check=EX_OK)
    assert server.messages[-1].recipients == ["ops@example.net"]


def test_again_changes_nothing(place, server):
    flags = [*place.flags, "--domain", "mg.example.org", "--root", "ops@example.net"]
    run_setup(place, *flags)
    old = {path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
           for path in place.folder.iterdir() if path.is_file() and path != place.log_path}
    count = len(server.connections)
    done = run_setup(place, *flags)
    assert done.out.splitlines() == ["nothing to change", "unchanged"]
    # the password that is there may stay
    assert run_setup(place, *flags, password=None).out.endswith("unchanged\n")
    assert json.loads(run_setup(place, *flags, "--json").out)["changed"] is False
    assert len(server.connections) == count
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
            for path in old} == old


def test_verbose_shows_the_dialogue(place):
    done = run_setup(place, *place.flags, "--test", "you@example.net", "--verbose")
    assert ">>> RCPT TO:<you@example.net>" in done.out and ">>> AUTH PLAIN ****" in done.out


def test_json_tells_what_was_done(place):
    done = run_setup(place, *place.flags, "--test", "you@example.net", "--json")
    told = json.loads(done.out)
    assert told["changed"] is True and told["dry_run"] is False
    assert told["files"] == [str(place.config), str(place.credentials_path)]
    assert told["test_delivered"] is True and told["test"].startswith("delivered to localhost: 250")
    assert {finding["topic"] for finding in told["findings"]} == {"smarthost", "sign-in"}
    assert any("postrider check --online" in step for step in told["next"])


def test_dry_run_shows_and_writes_nothing(place, server):
    run_setup(place, *place.flags)
    before, count = files(place), len(server.connections)
    done = run_setup(place, *place.flags[:-1], OTHER, "--root", "ops@example.net", "--dry-run",
                 password=OTHER_PASSWORD)
    assert files(place) == before and len(server.connections) == count
    lines = done.out.splitlines()
    assert f"  - user = {USER}" in lines and f"  + user = {OTHER}" in lines
    assert "  - password = ********" in lines and "  + password = ********" in lines
    assert "  + root: ops@example.net" in lines
    assert lines[-1] == "changed"
    assert PASSWORD not in done.out and OTHER_PASSWORD not in done.out


def test_offline_asks_nobody(place, server):
    server.close()
    done = run_setup(place, *place.flags, "--offline")
    assert done.out.endswith("changed\n") and f"user = {USER}" in place.config.read_text()
    run_setup(place, *place.flags, "--offline", "--test", "you@example.net", check=EX_USAGE)


@pytest.mark.parametrize("name, port, tls, region", [
    ("mailgun", 587, "starttls", None), ("fastmail", 465, "implicit", None),
    ("ses", 587, "starttls", "eu-central-1")])
def test_provider_is_known(place, name, port, tls, region):
    hosts = {"mailgun": "smtp.mailgun.org", "fastmail": "smtp.fastmail.com",
             "ses": "email-smtp.eu-central-1.amazonaws.com"}
    flags = [name, "--offline", "--domain", "mg.example.org", *(["--region", region] if region else [])]
    if name != "mailgun":  # there everybody has the same name
        flags += ["--user", USER]
    done = run_setup(place, *flags)
    text = place.config.read_text()
    assert f"[smarthost]\nhost = {hosts[name]}\nport = {port}\ntls = {tls}\nuser = {USER}\n" in text
    # a provider that takes the account's address alone gets no other
    assert (f"masquerade = *@*: {USER}" in text) == (name == "fastmail")
    (spf,) = [line for line in done.out.splitlines() if line.startswith("next: SPF: ")]
    assert "mg.example.org" in spf and re.search(r'"v=spf1 include:\S+ ~all"', spf)
    assert ("is a domain of yours" in spf) == (name == "fastmail")
    assert run_setup(place, *flags).out.endswith("unchanged\n")


def test_further_account_by_senders(place, server):
    run_setup(place, *place.flags)
    flags = [*place.flags[:-1], OTHER, "--name", "shop", "--senders", "@shop.example"]
    done = run_setup(place, *flags, "--test", "you@example.net", password=OTHER_PASSWORD)
    assert "delivered to localhost" in done.out
    assert '[smarthost "shop"]\nsenders = @shop.example\n' in place.config.read_text()
    assert place.credentials_path.read_text() == (
        f'[smarthost]\npassword = {PASSWORD}\n\n[smarthost "shop"]\npassword = {OTHER_PASSWORD}\n')
    assert server.messages[-1].sender == "postmaster@shop.example"
    assert server.connections[-1].user == OTHER
    assert run_setup(place, *flags, password=OTHER_PASSWORD).out.endswith("unchanged\n")


def test_what_was_said_of_the_old_host_no_longer_counts(place, server):
    place.config.write_text(place.config.read_text() + "[smarthost]\nhost = old.example\n"
                            "tls_fingerprint = " + "ab" * 32 + "\nauth = login\nrate = 9/h\n"
                            "user = old\npassword_command = /bin/false\n")
    done = run_setup(place, *place.flags)
    text = place.config.read_text()
    for key in ("tls_fingerprint", "auth", "password_command"):
        assert f"no longer counts: [smarthost] {key}; it is a comment now" in done.out
        assert re.search(rf"^;{key} = ", text, re.MULTILINE)
    assert "\nrate = 9/h\n" in text and f"\nhost = localhost:{server.port}\n" in text


def test_route_for_all_mail_no_longer_counts(place, server):
    """As an import of a machine that asked the DNS wrote it; the account would get no mail."""
    place.config.write_text(place.config.read_text() + '[route "*"]\nvia = mx\ntls = off\n')
    done = run_setup(place, *place.flags, "--test", "you@far.example")
    for key in ("via", "tls"):
        assert f'no longer counts: [route "*"] {key}; it is a comment now' in done.out
    assert ';[route "*"]\n;via = mx\n;tls = off\n' in place.config.read_text()
    server.wait(1)
    # Whoever writes it again means it.
    place.config.write_text(place.config.read_text().replace(';[route "*"]\n;', '[route "*"]\n'))
    assert run_setup(place, *place.flags).out.endswith("unchanged\n")


@pytest.mark.parametrize("more", [["--name", "shop", "--senders", "@shop.example"], []])
def test_route_for_all_mail_that_may_stay(place, more):
    via = "mx" if more else "smarthost"
    place.config.write_text(place.config.read_text() + f'[route "*"]\nvia = {via}\n')
    done = run_setup(place, *place.flags, *more, "--offline")
    assert f'\n[route "*"]\nvia = {via}\n' in place.config.read_text()
    assert "no longer counts" not in done.out


def test_masquerade_of_setup_goes_with_its_account(place):
    old, new = "me@gmail.com", "you@fastmail.com"
    run_setup(place, "gmail", "--user", old, "--offline")
    assert f"\nmasquerade = *@*: {old}\n" in place.config.read_text()
    run_setup(place, "fastmail", "--user", new, "--offline")
    assert f"\nmasquerade = *@*: {new}\n" in place.config.read_text()
    assert old not in place.config.read_text()
    done = run_setup(place, *place.flags, "--offline")
    assert f"\n;masquerade = *@*: {new}\n" in place.config.read_text()
    assert "no longer counts: [mail] masquerade; it is a comment now" in done.out


@pytest.mark.parametrize("rule", ["*@*: other@example.org", "*@here.example: me@gmail.com",
                                  "*@*: me@gmail.com, a@b.example: c@d.example"])
def test_masquerade_of_hand_stays(place, rule):
    run_setup(place, "gmail", "--user", "me@gmail.com", "--offline")
    place.config.write_text(place.config.read_text().replace("*@*: me@gmail.com", rule))
    run_setup(place, "fastmail", "--user", "you@fastmail.com", "--offline")
    assert f"\nmasquerade = {rule}\n" in place.config.read_text()


def test_password_is_for_one_user_alone(place, server):
    run_setup(place, *place.flags)
    before = files(place)
    run_setup(place, *place.flags[:-1], OTHER, password=None, check=EX_NOINPUT)
    assert files(place) == before
    done = run_setup(place, *place.flags[:-1], "", "--offline", password=None)
    assert "[smarthost] password; it was for another account, and is gone" in done.out
    assert PASSWORD not in place.credentials_path.read_text() + done.out


def test_root_alias_is_replaced_when_it_is_said(place):
    place.aliases("# ours\nroot: old@example.net,\n    second@example.net\nben: anna\n")
    run_setup(place, "--root", "ops@example.net")
    assert place.aliases_path.read_text() == (
        "# ours\nroot: ops@example.net\n#root: old@example.net,\n#    second@example.net\n"
        "ben: anna\n")
    place.aliases("no alias\n")
    before = files(place)
    done = run_setup(place, *place.flags, "--root", "ops@example.net", check=EX_DATAERR)
    assert "aliases:1: " in done.err and files(place) == before


def test_settings_are_edited_where_a_link_leads(place):
    target = place.folder / "kept" / "settings"
    target.parent.mkdir()
    place.config.rename(target)
    place.config.symlink_to(target)
    target.chmod(0o640)
    run_setup(place, *place.flags)
    assert place.config.is_symlink() and f"user = {USER}" in target.read_text()
    assert target.stat().st_mode & 0o7777 == 0o640


def test_own_settings_are_made(place, server):
    """Somebody without settings: a folder, both files, nothing anybody else can read."""
    config = place.home / ".config" / "postrider" / "postrider.conf"
    flags = [*place.flags, "--domain", "mg.example.org"]
    place.run(["postrider", "setup", "-C", config, *flags], stdin=f"{PASSWORD}\n", check=EX_OK)
    assert f"user = {USER}" in config.read_text()
    assert config.stat().st_mode & 0o077 == 0
    assert (config.parent / "credentials.conf").stat().st_mode & 0o7777 == 0o600


# --- passwords ---


@pytest.mark.parametrize("password", [
    "with ; a comment", "  leading", "trailing \t", "\"quoted\" 'twice'", "back\\slash\\;", ";first",
    "#first", "[section]", "key = value", "gr\u00fc\u00dfe \u2709", "x" * 300, "a=b:c"],
    ids=lambda text: text[:12])
def test_password_of_any_form_signs_in(place, server, password):
    server.users = {USER: password}
    done = run_setup(place, *place.flags, password=password)
    assert done.out.endswith("changed\n")
    # with what was written, and not only with what was tried
    place.sendmail("-odi", "you@example.net", stdin="Subject: hi\n\nhello\n", check=EX_OK)
    assert len(server.messages) == 1
    assert run_setup(place, *place.flags, password=password).out.endswith("unchanged\n")
    for path in place.folder.glob("*.password"):
        assert path.stat().st_mode & 0o7777 == 0o600
    # and goes when another one takes its place
    server.users = {USER: PASSWORD}
    run_setup(place, *place.flags)
    assert not list(place.folder.glob("*.password"))
    assert place.credentials_path.read_text() == f"[smarthost]\npassword = {PASSWORD}\n"


@pytest.mark.parametrize("content, status, words", [
    (b"", EX_DATAERR, "the password is empty"), (b"\n", EX_DATAERR, "the password is empty"),
    (b"two\nlines\n", EX_DATAERR, "more than one line"), (b"nul\0\n", EX_DATAERR, "NUL byte"),
    (b"x" * 8193, EX_DATAERR, "more than 8192 bytes"), (None, EX_NOINPUT, "there is no file")],
    ids=["nothing", "an empty line", "two lines", "NUL", "too long", "missing"])
def test_password_file_that_is_none(place, server, content, status, words):
    path = place.folder / "secret"
    if content is not None:
        path.write_bytes(content)
    before = files(place)
    done = run_setup(place, *place.flags, "--password-file", path, check=status)
    assert words in done.err and files(place) == before and not server.connections


def test_wrong_password_writes_nothing(place, server):
    run_setup(place, *place.flags)
    before = files(place)
    done = run_setup(place, *place.flags[:-1], OTHER, password="wrong-one", check=EX_NOPERM)
    assert files(place) == before and not [path for path in place.folder.glob(".setup*")]
    assert "535 5.7.8" in done.out and "the sign-in failed: nothing was written" in done.err
    assert "wrong-one" not in done.out + done.err + place.log()
    told = json.loads(run_setup(place, *place.flags[:-1], OTHER, "--json", password="wrong-one",
                            check=EX_NOPERM).out)
    assert told["changed"] is False and told["files"] == []
    assert [finding["topic"] for finding in told["findings"] if finding["mark"] == "fault"] == ["sign-in"]


def test_smarthost_that_is_not_there_writes_nothing(place, server):
    server.close()
    before = files(place)
    done = run_setup(place, *place.flags, check=EX_TEMPFAIL)
    assert files(place) == before and "nothing was written" in done.err
    assert "Connection refused; look at host and port; none of the ports" in done.out


@pytest.mark.parametrize("host, more, words", [
    ("nowhere.invalid", (), "; look at the spelling of nowhere.invalid"),
    ("wrong_name", (), "; host has to be a name that its certificate is for"),
    ("localhost", ("--tls", "implicit"), "; tls = starttls, if port "),
    ("localhost", ("--user", "else"), "; give setup another user name or password")])
def test_advice_is_for_what_is_wrong(place, server, certificates, host, more, words):
    """And names no file that is not written yet."""
    if host == "wrong_name":
        host = "localhost"
        server.context.load_cert_chain(*certificates.wrong_name)
    flags = ["other", "--host", f"{host}:{server.port}", "--tls-trust", str(certificates.ca)]
    done = run_setup(place, *flags, *(more if "--user" in more else ("--user", USER, *more)), check=None)
    assert done.returncode in (EX_TEMPFAIL, EX_NOPERM)
    fault, = [line for line in done.out.splitlines() if line.startswith("fault")]
    assert words in fault and str(place.folder) not in fault


def test_password_is_seen_nowhere(place, server):
    """While the sign-in is tried and a message is sent: in no arguments, no environment, no core."""
    seen, looked = [], []
    folder = os.fsencode(place.folder)

    def look(_session, _line):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
                name = (process / "comm").read_text().strip()
                limit = (process / "limits").read_text()
            except OSError:
                continue
            if PASSWORD.encode() in text:
                seen.append(name)
            if name == "postrider" and folder in text:
                looked.append(re.search(r"^Max core file size +0 +0 ", limit, re.MULTILINE))

    server.at["AUTH"] = look
    done = run_setup(place, *place.flags, "--test", "you@example.net", "--verbose")
    assert server.messages and not seen
    assert looked and all(looked)
    assert PASSWORD not in done.out + done.err + place.log()


# --- at a terminal ---


def conclude(terminal, status):
    assert terminal.end() == status, terminal.shown
    assert PASSWORD.encode() not in terminal.shown and b"wrong-one" not in terminal.shown
    return terminal.shown.decode()


def test_person_is_asked_for_what_is_missing(place, server, certificates):
    """Three wrong ones would end it; the second one is right here."""
    terminal = Terminal(place, "setup", "--tls-trust", str(certificates.ca))
    terminal.wait_for(b"another one")
    number = re.search(rb" (\d+)  another one", terminal.shown)[1]
    terminal.answer(b"Who sends your mail: ", b"99\n")
    terminal.answer(b"the number or the name of one of them is wanted", b"")
    terminal.answer(b"Who sends your mail: ", number + b"\n")
    terminal.answer(b"Host of the smarthost: ", f"localhost:{server.port}\n".encode())
    terminal.answer(b"Domain of your mail's senders [here.example]: ", b"no domain\n")
    terminal.answer(b"Domain of your mail's senders [here.example]: ", b"mg.example.org\n")
    terminal.answer(b"User name, empty for a smarthost that wants none: ", f"{USER}\n".encode())
    terminal.answer(b"Password: ", b"wrong-one\n")
    terminal.answer(b"Who reads root's mail", b"ops@example.net\n")
    terminal.answer(b"Send a test message to, empty for none [ops@example.net]: ", b"\n")
    terminal.answer(b"Write this? [y/N] ", b"y\n")
    terminal.wait_for(b"Signing in ...\r              \r")
    terminal.wait_for(b"535 5.7.8")
    terminal.answer(b"Password: ", f"{PASSWORD}\n".encode())
    shown = conclude(terminal, EX_OK)
    assert "+ password = ********" in shown
    assert "test message: delivered to localhost: 250" in shown
    assert shown.rstrip().endswith("changed")
    assert server.messages[0].recipients == ["ops@example.net"]
    assert place.credentials_path.read_text() == f"[smarthost]\npassword = {PASSWORD}\n"


def test_three_wrong_passwords_are_enough(place, server):
    before = files(place)
    terminal = Terminal(place, "setup", *place.flags, "--yes")
    terminal.answer(b"Domain of your mail's senders", b"\n")
    for _ in range(3):
        terminal.answer(b"Password: ", b"wrong-one\n")
        if _ == 0:
            terminal.answer(b"Who reads root's mail", b"\n")
            terminal.answer(b"Send a test message to", b"\n")
        terminal.wait_for(b"535 5.7.8")
        terminal.shown = terminal.shown.replace(b"535 5.7.8", b"")
    shown = conclude(terminal, EX_NOPERM)
    assert "nothing was written" in shown and files(place) == before
    assert sum(command.startswith("AUTH") for command in server.commands) == 3


def test_person_says_no(place, server):
    before = files(place)
    terminal = Terminal(place, "setup", *place.flags, "--domain", "here.example")
    terminal.answer(b"Password: ", f"{PASSWORD}\n".encode())
    terminal.answer(b"Who reads root's mail", b"\n")
    terminal.answer(b"Send a test message to", b"\n")
    terminal.answer(b"Write this? [y/N] ", b"n\n")
    shown = conclude(terminal, EX_TEMPFAIL)
    assert shown.rstrip().endswith("nothing was written")
    assert files(place) == before and not server.connections


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_the_password(place, number):
    before = files(place)
    terminal = Terminal(place, "setup", *place.flags, "--domain", "here.example")
    terminal.answer(b"Password: ", b"hunt")
    terminal.program.send_signal(number)
    conclude(terminal, -number)
    assert files(place) == before


def test_interrupted_while_it_signs_in(place, server):
    """The copies of both files go away, and the old ones are as they were."""
    before = files(place)
    begun = []

    def wait(_session, _line):
        begun.append(True)
        time.sleep(3)

    server.at["AUTH"] = wait
    program = start_setup(place)
    place.wait_until(lambda: begun)
    assert list(place.folder.glob(".setup.*/credentials.conf"))
    program.send_signal(signal.SIGINT)
    assert program.wait(20) == -signal.SIGINT
    assert files(place) == before and not list(place.folder.glob(".setup*"))


# --- what must not leave things half done ---


def killed_at(place, call, number, argv, password):
    """Kills the front door as it begins its so-manieth call of that name; whether there was one."""
    stdin = place.home / "stdin"
    stdin.write_text(f"{password}\n")
    with open(stdin, "rb") as file:
        program = place.start(
            ["/usr/bin/strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
             f"inject={call}:signal=KILL:when={number}", place.build / "postrider", "setup", "-C",
             place.config, *argv], stdin=file, env=without_leak_check(place))
        return program.wait(60) != 0


def test_killed_anywhere_leaves_a_pair_that_works(place, server):
    """From an account that works to another one that does: both files are the old ones, the new
    ones, or a pair of them that signs in with either; and doing it again brings it to its end."""
    flags = [*place.flags[:-1], OTHER]
    run_setup(place, *place.flags)
    old = files(place)
    run_setup(place, *flags, password=OTHER_PASSWORD)
    new = files(place)
    assert sorted(new) == sorted(old)
    tried, times = set(), 0
    for call in ("rename", "fsync", "unlink", "fchmod"):
        for number in range(1, 50):
            for name, content in old.items():
                (place.folder / name).write_bytes(content)
            if not killed_at(place, call, number, [*flags, "--offline"], OTHER_PASSWORD):
                break
            times += 1
            left = files(place)
            assert left["credentials.conf"] in (old["credentials.conf"], new["credentials.conf"])
            state = (left["postrider.conf"], left["credentials.conf"])
            if state not in tried:
                tried.add(state)
                count = len(server.messages)
                place.sendmail("-odi", "you@example.net", stdin="Subject: hi\n\nhello\n",
                               check=EX_OK)
                assert len(server.messages) == count + 1, f"{call} {number}: {place.log()[-2000:]}"
            run_setup(place, *flags, "--offline", password=OTHER_PASSWORD)
            assert files(place) == new, f"{call} {number}"
    assert times > 15 and len(tried) == 4
    assert files(place) == new


def test_killed_while_it_signs_in_leaves_no_copy_for_long(place, server):
    server.at["AUTH"] = lambda _session, _line: time.sleep(2)
    program = start_setup(place)
    place.wait_until(lambda: list(place.folder.glob(".setup.*/credentials.conf")))
    program.kill()
    program.wait(20)
    assert list(place.folder.glob(".setup.*"))
    server.at.clear()
    run_setup(place, *place.flags)
    assert not list(place.folder.glob(".setup.*"))


def test_file_size_limit_changes_nothing(place):
    """As with a full disk: what cannot be written is found before anything has changed."""
    run_setup(place, *place.flags)
    before = files(place)
    long = f"{'x' * 300}@{'y' * 60}.example"
    for size in (0, 10, 60, len(before["postrider.conf"])):
        program = place.start(
            ["postrider", "setup", "-C", place.config, "--offline", *place.flags[:-1], long],
            stdin=None, preexec_fn=lambda size=size: resource.setrlimit(
                resource.RLIMIT_FSIZE, (size, size)))
        assert program.wait(30) != 0
        assert files(place) == before


def test_two_at_once(place, server):
    """The second one is told, and waits for nobody."""
    server.at["AUTH"] = lambda _session, _line: time.sleep(2)
    program = start_setup(place)
    place.wait_until(lambda: list(place.folder.glob(".setup.*")))
    refused = run_setup(place, *place.flags, check=EX_TEMPFAIL)
    assert "another postrider setup is at work" in refused.err
    assert program.wait(30) == EX_OK


def test_change_by_somebody_else_is_not_lost(place, server):
    """While the sign-in is tried, the administrator saves the file in his editor."""
    def change(_session, _line):
        place.config.write_text(place.config.read_text() + "; mine\n")

    server.at["AUTH"] = change
    done = run_setup(place, *place.flags, check=EX_TEMPFAIL)
    assert "was changed by somebody else meanwhile" in done.err
    assert place.config.read_text().endswith("; mine\n") and USER not in place.config.read_text()
    assert not place.credentials_path.exists()


# --- what makes no sense ---


@pytest.mark.parametrize("arguments, status, words", [
    ((), EX_USAGE, "with which provider? One of mailgun, "),
    (("maligun",), EX_USAGE, "\"maligun\" is no provider"),
    (("mailgun", "ses"), EX_USAGE, "one provider"),
    (("other",), EX_USAGE, "other needs --host"),
    (("ses", "--user", "x"), EX_USAGE, "Amazon SES needs --region, such as eu-west-1"),
    (("ses", "--region", "eu", "--host", "a", "--user", "x"), EX_OK, ""),
    (("mailgun", "--region", "eu"), EX_USAGE, "no regions"),
    (("postmark",), EX_USAGE, "Postmark needs --user: its server API token"),
    (("mailgun", "--name", "two"), EX_USAGE, "--name needs --senders"),
    (("mailgun", "--senders", "@a.example"), EX_USAGE, "--senders goes with --name"),
    (("mailgun", "--root", "a b"), EX_USAGE, "--root"),
    (("mailgun", "--test", "a@"), EX_USAGE, "--test"),
    (("mailgun", "--domain", "a b"), EX_CONFIG, "nothing was written, for it would be: "),
    (("mailgun", "--tls", "maybe"), EX_CONFIG, "starttls"),
    (("mailgun", "--tls", "off"), EX_CONFIG, "in clear"),
    (("mailgun", "--port", "0"), EX_CONFIG, "from 1 to 65535"),
    (("mailgun", "--password", "x"), EX_USAGE, "does not know"),
    (("mailgun", "--from", "msmtp"), EX_USAGE, "--from takes an account as that program has it"),
    (("mailgun", "--user", "a\nb"), EX_DATAERR, "no line can carry this value of user"),
])
def test_what_makes_no_sense(place, server, arguments, status, words):
    before = files(place)
    offline = () if "--test" in arguments else ("--offline",)
    done = run_setup(place, *arguments, *offline, check=status)
    assert words in done.err and not server.connections
    if status != EX_OK:
        assert done.err.count("\n") == 1 and files(place) == before


def test_settings_with_a_fault_are_mended_first(place):
    place.config.write_text("[mail]\ndomian = x\n")
    before = files(place)
    done = run_setup(place, *place.flags, check=EX_CONFIG)
    assert "postrider.conf:2: unknown key domian" in done.err and files(place) == before
    place.config.write_text("")
    place.credentials_path.write_text("[smarthost]\npassphrase = x\n")
    done = run_setup(place, *place.flags, check=EX_CONFIG)
    assert "credentials.conf:2: unknown key" in done.err


def test_message_that_is_refused(place, server):
    server.at["RCPT"] = "550 5.1.1 nobody here"
    done = run_setup(place, *place.flags, "--test", "you@example.net", check=EX_UNAVAILABLE)
    assert "refused: localhost said 550 5.1.1 nobody here" in done.out
    assert done.out.endswith("changed\n") and USER in place.config.read_text()
    server.at["RCPT"] = "450 4.2.1 later"
    done = run_setup(place, *place.flags, "--test", "you@example.net", check=EX_TEMPFAIL)
    assert "not delivered yet: localhost said 450 4.2.1 later" in done.out
    assert "postrider queue show " in done.out
