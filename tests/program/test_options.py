"""The command line: sendmail's options, names of the program, verbs."""

import re

import pytest
from sandbox import EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_USAGE
from spool import queued, spool_files
from terminal import on_terminal

MESSAGE = b"From: me\nTo: you@far.example\nSubject: s\n\nbody\n"


def refused(sandbox, result, status, *words):
    """One line on standard error with these words, this exit status, nothing in the queue."""
    assert result.returncode == status, result.err
    assert result.err.startswith("sendmail: ") and result.err.count("\n") == 1, result.err
    for word in words:
        assert word in result.err
    assert result.out == ""
    assert spool_files(sandbox) == []


# --- names and verbs ---


def test_names_of_the_program(sandbox):
    assert sandbox.mailq(check=0).out == "Mail queue is empty\n"
    assert sandbox.sendmail("-bp", check=0).out == "Mail queue is empty\n"
    sandbox.aliases("a: b\nc: d\n")
    assert sandbox.newaliases(check=0).out == f"{sandbox.aliases_path}: 2 aliases\n"
    assert sandbox.sendmail("-bi", check=0).out == f"{sandbox.aliases_path}: 2 aliases\n"


def test_postrider_with_an_option_first_is_sendmail(sandbox):
    sandbox.run(["postrider", "-C", sandbox.config, "-odq", "-t"], stdin=MESSAGE, check=0)
    assert queued(sandbox).recipients == ["you@far.example"]


def test_any_other_name_is_sendmail(sandbox):
    for number, name in enumerate(("lib-sendmail", "sendmail.postrider", "exim")):
        link = sandbox.folder / name
        link.symlink_to(sandbox.build / "postrider")
        sandbox.run([link, "-C", sandbox.config, "-odq", "you@far.example"], stdin=b"x\n", check=0)
        assert len(sandbox.letters()) == number + 1


def test_help_and_version(sandbox):
    for name in ("postrider", "sendmail", "mailq", "newaliases"):
        shown = sandbox.run([name, "--help"], check=0)
        assert re.search(rf"^  {name if name != 'postrider' else 'queue'}\b", shown.out, re.MULTILINE)
        assert shown.err == "" and ("--version" in shown.out or name != "postrider")
        assert sandbox.run([name, "--version"], check=0).out.startswith("postrider ")


def commands(sandbox):
    """The commands that help tells of, without the program's other names."""
    shown = sandbox.run(["postrider", "help"], check=0).out
    return re.findall(r"^  ([a-z-]+)  +\S", shown.partition("By its other names")[0], re.MULTILINE)


def test_help_is_a_line_for_each_command_and_fits_a_terminal(sandbox):
    shown = sandbox.run(["postrider", "help"], check=0)
    assert shown.err == "" and shown.out == sandbox.run(["postrider", "--help"], check=0).out
    assert len(shown.out.splitlines()) <= 30 and max(map(len, shown.out.splitlines())) < 80
    assert "\x1b" not in shown.out
    names = commands(sandbox)
    assert len(set(names)) == len(names)
    assert {"queue", "flush", "trace", "status", "route", "setup", "check", "dkim-key", "passwd",
            "serve"} == set(names)


def test_help_of_a_command_has_its_forms_and_an_example(sandbox):
    for name in [*commands(sandbox), "sendmail", "mailq", "newaliases"]:
        shown = sandbox.run(["postrider", "help", name], check=0)
        called = f"postrider {name}" if name in commands(sandbox) else name
        assert re.search(rf"^  {called}\b.*\n      \S", shown.out, re.MULTILINE), shown.out
        assert re.search(rf"^example:\n    .*\b{called}\b", shown.out, re.MULTILINE), shown.out
        assert shown.err == "" and "-C FILE" in shown.out
        if called != name:
            assert sandbox.run(["postrider", name, "--help"], check=0).out == shown.out
            # An option behind the command does not keep it from that.
            assert sandbox.run(["postrider", name, "-C", "no-file", "--help"], check=0).out == shown.out


def test_help_is_bold_on_a_terminal_alone(sandbox):
    title = b"\x1b[1mTaking mail in\x1b[0m"
    terminal = {"TERM": "xterm"}
    assert title in on_terminal(sandbox, ["postrider", "help"], env=terminal)[1]
    for env in ({**terminal, "NO_COLOR": "1"}, {"TERM": "dumb"}, {}):
        assert b"\x1b" not in on_terminal(sandbox, ["postrider", "help"], env=env)[1]


@pytest.mark.parametrize("words, said", [
    (["fluhs"], 'there is no command "fluhs": perhaps flush; postrider help names them'),
    (["QUEUE"], 'there is no command "QUEUE": perhaps queue; postrider help names them'),
    (["dkim"], 'there is no command "dkim": perhaps dkim-key; postrider help names them'),
    (["hepl"], 'there is no command "hepl"; postrider help names them'),
    (["x"], 'there is no command "x"; postrider help names them'),
    (["sendmail"], 'there is no command "sendmail"; postrider help names them'),
    (["help", "quueue"], 'there is no command "quueue": perhaps queue; postrider help names them'),
    (["help", "queue", "flush"], "help tells about one command, not about 2"),
    (["queue", "relaese"], 'queue does not know "relaese", perhaps release: list, show, log, retry, hold, '
     "release, delete and bounce are there"),
    (["flush", "--verbos"], 'flush does not know the option "--verbos": perhaps --verbose; '
     "see postrider flush --help"),
    (["flush", "--colour"], 'flush does not know the option "--colour"; see postrider flush --help'),
    (["a" * 5000], f'there is no command "{"a" * 100}"; postrider help names them'),
    ([], "a command is wanted; postrider help names them"),
])
def test_what_was_meant_is_said(sandbox, words, said):
    done = sandbox.run(["postrider", *words], check=EX_USAGE)
    assert (done.out, done.err) == ("", f"postrider: {said}\n")


def test_a_verb_is_an_address_for_sendmail(sandbox):
    sandbox.sendmail("-odq", "flush", stdin=b"x\n", check=0)
    assert queued(sandbox).recipients == ["flush@here.example"]


def test_help_into_a_full_device(sandbox):
    with open("/dev/full", "wb") as full:
        result = sandbox.run(["postrider", "--help"], stdout=full)
    assert result.returncode == 74 and "standard output" in result.err


def test_a_message_that_is_queued_is_no_error_whoever_reads_that(sandbox):
    sandbox.configure(smarthost="host = 127.0.0.1:1\ntls = off\nauth = off")
    with open("/dev/full", "wb") as full:
        result = sandbox.sendmail("-v", "you@example.net", stdin=b"x\n", stdout=full)
    assert result.returncode == 0 and len(sandbox.letters()) == 1


# --- options ---


def test_option_values_attached_and_separate(sandbox):
    ways = [
        ["-fops@far.example", "-FOps Team", "-Nsuccess,delay", "-Rhdrs", "-VQQ+2B1", "-B8BITMIME"],
        ["-f", "ops@far.example", "-F", "Ops Team", "-N", "success,delay", "-R", "hdrs", "-V",
         "QQ+2B1", "-B", "8BITMIME"],
        ["-rops@far.example", "-tiFOps Team", "-iN", "success,delay", "-vRhdrs", "-VQQ+2B1",
         "-B7bit"],
    ]
    for way in ways:
        before = set(sandbox.letters())
        sandbox.sendmail("-odq", *way, "--", "you@far.example", stdin=b"Subject: s\n\nb\n", check=0)
        (name,) = set(sandbox.letters()) - before
        letter = queued(sandbox, name)
        assert letter.sender == "ops@far.example"
        assert letter.parsed["From"] == "Ops Team <ops@far.example>"
        assert letter.notify == {"you@far.example": "SUCCESS,DELAY"}
        assert letter.envid == "QQ+2B1"
        assert letter.ret.lower() == "hdrs"


def test_options_that_are_accepted_and_ignored(sandbox):
    sandbox.sendmail(
        "-odq", "-n", "-G", "-U", "-m", "-h", "3", "-h5", "-L", "tag", "-Ltag", "-Ac", "-Am",
        "-oem", "-oee", "-oi", "-oMrsmtp", "-ozz", "-o7", "-d", "-d0-99.1", "-em", "-bm",
        "-O", "QueueDirectory=/elsewhere", "-OTimeout.ident=0", "-iGU", "you@far.example",
        stdin=b"x\n", check=0)
    assert queued(sandbox).recipients == ["you@far.example"]


def test_delivery_modes_that_only_queue(sandbox):
    for number, mode in enumerate((["-odq"], ["-odd"], ["-O", "DeliveryMode=queueonly"],
                                   ["-ODeliveryMode=q"], ["-odi", "-odq"])):
        result = sandbox.sendmail(*mode, sandbox.user, stdin=b"x\n", check=0)
        assert result.out == "" and result.err == ""
        assert len(sandbox.letters()) == number + 1
        assert not (sandbox.queue / "spool" / ".wake").exists()


@pytest.mark.parametrize("option, words", [
    (["-z"], ["unknown option -z", "--"]),
    (["-tz"], ["unknown option -z"]),
    (["--recipients"], ["unknown option --"]),
    (["-bs"], ["no addresses are taken"]),
    (["-bd"], ["no addresses are taken"]),
    (["-bD"], ["no addresses are taken"]),
    (["-bdf"], ["no addresses are taken"]),
    (["-bd", "-qRpart", "--"], ["no addresses are taken"]),
    (["-bt"], ["no addresses are taken"]),
    (["-b", "x"], ["-bx is not built in"]),
    (["-q30m"], ["no addresses are taken"]),
    (["-q0"], ['"-q0" is no time']),
    (["-q15x"], ['"-q15x" is no time']),
    (["-q1h-1m"], ['"-q1h-1m" is no time']),
    (["-q1h "], ['"-q1h " is no time']),
    (["-q9999d"], ['"-q9999d" is no time', "up to a year"]),
    (["-q99999999999999999999d"], ["is no time"]),
    (["-qX1abc"], ["-qX1abc is not built in"]),
    (["-q!I"], ["-q!I is not built in"]),
    (["-qI1abc"], ["no addresses are taken"]),
    (["-M", "1abc"], ['"1abc" is no id']),
    (["-Mrm", "1abc"], ['"1abc" is no id']),
    (["-B", "16BIT"], ["-B takes 7BIT or 8BITMIME", '"16BIT"']),
    (["-N", "never,delay"], ["-N takes never", '"never,delay"']),
    (["-N", "sometimes"], ["-N takes never"]),
    (["-R", "body"], ["-R takes full or hdrs"]),
    (["-V", "a+"], ["-V takes xtext"]),
    (["-V", "a+0Ab"], ["-V takes xtext"]),
    (["-V", "x" * 101], ["-V takes xtext"]),
    (["-V", ""], ["-V takes xtext"]),
    (["-odx"], ["the way of delivery is b, i or q"]),
    (["-C", ""], ["-C needs"]),
])
def test_bad_options(sandbox, option, words):
    refused(sandbox, sandbox.sendmail(*option, "you@far.example", stdin=MESSAGE), EX_USAGE, *words)


@pytest.mark.parametrize("letter", list("fFrBNRVCbOoLh"))
def test_an_option_without_its_value(sandbox, letter):
    refused(sandbox, sandbox.sendmail(f"-{letter}", stdin=MESSAGE), EX_USAGE,
            f"-{letter} needs a value")


def test_listing_takes_no_addresses(sandbox):
    refused(sandbox, sandbox.sendmail("-bp", "you@far.example"), EX_USAGE, "you@far.example")


@pytest.mark.parametrize("options", [["-fa@far.example\nBcc: x"], ["-f", "a\rb@far.example"],
                                     ["-r", "a@far.example\n"], ["-FName\nBcc: evil@far.example"],
                                     ["-F", "a\r\nX: y"], ["-F", "a\x7fb"]])
def test_S1_line_end_in_an_option(sandbox, options):
    result = sandbox.sendmail("-odq", *options, "you@far.example", stdin=MESSAGE)
    refused(sandbox, result, EX_USAGE, "line end")


def test_S1_line_end_in_a_recipient(sandbox):
    for bad in ("a@far.example\nb@far.example", "a\r@far.example", "a@far.example\n"):
        result = sandbox.sendmail("-odq", "good@far.example", bad, stdin=MESSAGE)
        refused(sandbox, result, EX_DATAERR, "recipient argument 2", "line end")


def test_S2_recipients_like_options_and_shell_words(sandbox):
    odd = ["-oQ/tmp@far.example", "--help", "`touch${IFS}x`@far.example", "|sh", "a/../b",
           "-X/tmp/x"]
    sandbox.sendmail("-odq", "-i", "--", *odd, stdin=b"x\n", check=0)
    assert queued(sandbox).recipients == [
        "-oQ/tmp@far.example", "--help@here.example", "`touch${IFS}x`@far.example",
        "|sh@here.example", '"a/../b"@here.example', "-X/tmp/x@here.example"]


def test_options_end_at_the_first_address(sandbox):
    sandbox.sendmail("-odq", "you@far.example", "-v", stdin=b"x\n", check=0)
    assert queued(sandbox).recipients == ["you@far.example", "-v@here.example"]


# --- settings ---


def test_settings_that_are_not_there(sandbox):
    result = sandbox.run(["sendmail", "-C", "/nowhere/postrider.conf", "-t"], stdin=MESSAGE)
    refused(sandbox, result, EX_CONFIG, "/nowhere/postrider.conf")


def test_settings_that_are_wrong(sandbox):
    sandbox.configure(mail="hostnome = x")
    refused(sandbox, sandbox.sendmail("-t", stdin=MESSAGE), EX_CONFIG, "hostnome",
            f"{sandbox.config.name}:")


def test_relative_settings_file(sandbox):
    sandbox.run(["sendmail", "-Cpostrider.conf", "-odq", "-t"], stdin=MESSAGE, check=0)
    assert len(sandbox.letters()) == 1


def test_no_recipients(sandbox):
    refused(sandbox, sandbox.sendmail("-i", stdin=MESSAGE), EX_USAGE, "no recipients", "-t")
    refused(sandbox, sandbox.sendmail("", " ", stdin=MESSAGE), EX_USAGE, "no recipients")
    refused(sandbox, sandbox.sendmail("-t", stdin=b"Subject: x\n\nTo: a\n"), EX_NOINPUT,
            "no recipients")
    refused(sandbox, sandbox.sendmail("-t", stdin=b""), EX_NOINPUT, "no recipients")


def test_bad_recipients_of_odd_bytes(sandbox):
    """Whatever the bytes are, the answer is one clean line."""
    for byte in [*range(1, 48), 92, 96, 127, 128, 195, 255]:
        argument = b"a" + bytes([byte]) + b"@@far.example"
        result = sandbox.sendmail("-odq", "--", argument, stdin=b"x\n")
        assert result.returncode == EX_DATAERR
        assert result.stderr.count(b"\n") == 1
        assert not any(b < 32 for b in result.stderr[:-1])
    assert spool_files(sandbox) == []
