"""Aliases that lead to files, commands and lists with owners: who may do what, and what never gets
near a shell."""

import json
import os
import pwd
import re
import shutil
import stat
import time

import pytest
from dsn import entries, read_report, the_report
from sandbox import BUILD, EX_CONFIG, EX_NOPERM, EX_OK, Sandbox, wait_until
from smtpfake import FakeServer
from test_installed import Machine

MESSAGE = b"Subject: hi\n\nhello\nFrom here\n.\n"
PROGRAMS = ("postrider", "postrider-run", "postrider-local", "postrider-mailbox")


class Private(Sandbox):
    """A sandbox of a user who is not root, whoever runs the tests: root may use no alias."""

    def __init__(self, **sections):
        super().__init__(**sections)
        self.work = self.folder / "work"
        self.work.mkdir()
        self.as_user = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam("nobody")
            self.user = entry.pw_name
            self.as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            # The folder of the build may be closed to that user.
            self.build = self.folder / "bin"
            self.build.mkdir()
            for name in PROGRAMS:
                shutil.copy(BUILD / name, self.build / name)
            for name in ("sendmail", "mailq", "newaliases"):
                (self.build / name).symlink_to("postrider")
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)

    def run(self, argv, **options):
        return super().run(argv, **self.as_user, **options)

    def own(self, path):
        if self.as_user:
            os.chown(path, self.as_user["user"], self.as_user["group"])
        return path

    def allow(self, **more):
        """The user himself may do it all."""
        self.configure(mail=f"alias_files = {self.user}\nalias_commands = {self.user}\n"
                            + more.pop("mail", ""), **more)

    def script(self, text, name="script", interpreter="/bin/sh"):
        path = self.folder / name
        path.write_text(f"#!{interpreter}\n{text}")
        path.chmod(0o755)
        return path

    def send(self, *arguments, stdin=MESSAGE, sender=None):
        self.sendmail("-odi", "-i", "-f", self.user if sender is None else sender, *arguments, stdin=stdin,
                      check=EX_OK)


@pytest.fixture
def make_private():
    made = []

    def make(**sections):
        made.append(Private(**sections))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.close()


@pytest.fixture
def private(make_private):
    sandbox = make_private()
    sandbox.allow()
    return sandbox


def run_due(sandbox):
    for path in (sandbox.queue / "journal").iterdir():
        os.utime(path, (1, 1))
    sandbox.flush(check=EX_OK)


# --- what is allowed -----------------------------------------------------------------------------


@pytest.mark.parametrize("target, word", [("/{}/file", "file"), ('"|/usr/bin/touch /{}/file"', "command")])
def test_off_unless_a_user_is_named(make_private, target, word):
    sandbox = make_private()
    sandbox.aliases(f"x: {target.format(str(sandbox.work)[1:])}\n")
    sandbox.send("x")
    sandbox.wait_empty()
    report = the_report(sandbox)
    assert report.only["status"] == "5.7.1" and word in report.text
    assert report.only["final-recipient"] == "rfc822; x@here.example"
    assert not list(sandbox.work.iterdir())


@pytest.mark.parametrize("target, word", [("{}/file", "file"), ("|/usr/bin/touch {}/file", "command")])
def test_not_in_a_list(private, target, word):
    members = private.folder / "list"
    members.write_text(target.format(private.work) + "\n")
    private.own(members)
    private.aliases(f"x: :include:{members}\n")
    done = private.newaliases(check=EX_OK)
    assert f"list of it names a {word}" in done.err
    private.send("x")
    private.wait_empty()
    report = the_report(private)
    assert report.only["status"] == "5.7.1" and "list" in report.text
    assert not list(private.work.iterdir())


def test_dev_null_is_always_allowed(make_private):
    sandbox = make_private()
    sandbox.aliases("noreply: /dev/null\nboth: /dev/null, " + sandbox.user + "\n")
    assert "warning" not in sandbox.newaliases(check=EX_OK).err
    sandbox.send("noreply")
    sandbox.wait_empty()
    assert not sandbox.mailbox() and sandbox.log_lines("delivered", file="/dev/null")
    sandbox.send("both")
    sandbox.wait_empty()
    assert len(sandbox.mailbox()) == 1


def test_newaliases_warns_of_what_is_off(make_private):
    sandbox = make_private()
    sandbox.aliases("a: b\nf: /var/x\nc: \"|/bin/x y\"\n")
    done = sandbox.newaliases(check=EX_OK)
    assert re.search(r"aliases:2: warning: .*\bf\b.*alias_files", done.err)
    assert re.search(r"aliases:3: warning: .*\bc\b.*alias_commands", done.err)
    assert "3 aliases" in done.out and (sandbox.folder / "aliases.db").exists()
    sandbox.allow()
    assert not sandbox.newaliases(check=EX_OK).err
    sandbox.aliases("c: \"|relative y\"\n")
    done = sandbox.newaliases()
    assert done.returncode and "aliases:1: the command is not an absolute path" in done.err


@pytest.mark.parametrize("key", ["alias_files", "alias_commands"])
@pytest.mark.parametrize("user, words", [
    ("root", "root's rights"), ("no-such-user", "no user no-such-user"), ("daemon", "only the caller")])
def test_a_wrong_user_keeps_mail_and_is_loud(private, key, user, words):
    private.configure(mail=f"{key} = {user}")
    target = private.work / "file" if key == "alias_files" else f'"|/usr/bin/touch {private.work}/file"'
    private.aliases(f"x: {target}\n")
    private.send("x")
    assert len(private.letters()) == 1 and words in private.mailq().out
    assert any(key in line and words in line for line in private.log().splitlines())
    assert not list(private.work.iterdir())
    private.allow()
    run_due(private)
    private.wait_empty()
    assert [path.name for path in private.work.iterdir()] == ["file"]


# --- files ---------------------------------------------------------------------------------------


def test_file_is_an_mbox(private):
    path = private.work / "archive of all"
    private.aliases(f'x: "{path}", {private.user}\n')
    private.send("x")
    private.send("x", sender="ops@example.org", stdin=b"Subject: two\n\nbody\n")
    private.wait_empty()
    raw = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_uid == (private.as_user or {"user": os.getuid()})["user"]
    assert raw.count(b"\nFrom ops@example.org ") == 1 and b"\n>From here\n" in raw
    first, second = entries(raw)
    assert b"Subject: hi\n" in first and first.endswith(b"\nhello\nFrom here\n.\n")
    assert b"Return-Path: <ops@example.org>\nDelivered-To: x@here.example\n" in second
    assert private.mailbox_bytes().replace(b"\r", b"") == raw
    assert private.log_lines("delivered", file=path) and private.log_lines("routed")
    assert not list(private.work.glob("*.lock"))


def plant(kind, path, sandbox):
    if kind == "link":
        target = sandbox.work / "target"
        sandbox.own(target.touch() or target)
        path.symlink_to(target)
    elif kind == "dangling":
        path.symlink_to(sandbox.work / "made-by-delivery")
    elif kind == "hard link":
        sandbox.own(path.touch() or path)
        os.link(path, sandbox.work / "second")
    elif kind == "folder":
        sandbox.own(path.mkdir() or path)
    elif kind == "pipe":
        sandbox.own(os.mkfifo(path) or path)
    elif kind == "other's":
        path.touch(0o666)
        path.chmod(0o666)
        os.chown(path, 12345, 12345)


@pytest.mark.parametrize("kind, words", [
    ("link", "file is a symbolic link"), ("dangling", "symbolic link"), ("hard link", "hard link"),
    ("folder", "cannot open the file"), ("pipe", "file is not a file")]
    + ([("other's", "belongs to another user")] if os.getuid() == 0 else []))
def test_file_that_is_none(private, kind, words):
    path = private.work / "file"
    plant(kind, path, private)
    before = os.lstat(path)
    private.aliases(f"x: {path}\n")
    private.send("x")
    assert len(private.letters()) == 1 and words in private.mailq().out
    after = os.lstat(path)
    assert (before.st_ino, before.st_size, before.st_mode) == (after.st_ino, after.st_size, after.st_mode)
    assert not (private.work / "made-by-delivery").exists()
    path.rmdir() if kind == "folder" else path.unlink()
    run_due(private)
    private.wait_empty()
    assert len(entries(path.read_bytes())) == 1


@pytest.mark.parametrize("where", ["missing/file", "closed/file", "folder/"])
def test_file_where_the_user_cannot_write(private, where):
    (private.work / "closed").mkdir(0o555)
    private.own(private.work / "folder") if (private.work / "folder").mkdir() else None
    private.aliases(f"x: {private.work}/{where}\n")
    private.send("x")
    assert len(private.letters()) == 1
    assert not [path for path in private.work.rglob("*") if path.is_file()]


def test_Q5_busy_file_is_not_tried_again_at_once(private):
    path = private.work / "file"
    path.symlink_to("elsewhere")
    private.aliases(f"x: {path}\n")
    for _ in range(3):
        private.sendmail("-odq", "x", stdin=MESSAGE, check=EX_OK)
    private.flush(check=EX_OK)
    private.wait_quiet()
    assert private.log().count("is a symbolic link") >= 1
    assert private.log().count("was tried a short while ago") >= 1
    assert len(private.letters()) == 3


def test_Q1_after_a_crash_nothing_is_appended_twice(private):
    """The run that appended died before it could say so: the next one finds the id."""
    path = private.work / "file"
    private.aliases(f"x: {path}\n")
    private.sendmail("-odq", "-i", "x", stdin=MESSAGE, check=EX_OK)
    spooled = private.queue / "spool" / private.letters()[0]
    kept = spooled.read_bytes()
    private.flush(check=EX_OK)
    private.wait_empty()
    before = path.read_bytes()
    spooled.write_bytes(kept)
    private.own(spooled)
    trace = private.queue / "runs" / spooled.name
    trace.touch()
    private.own(trace)
    private.flush(check=EX_OK)
    private.wait_empty()
    assert path.read_bytes() == before
    # Without that trace it is another message that happens to be alike.
    spooled.write_bytes(kept)
    private.own(spooled)
    private.flush(check=EX_OK)
    private.wait_empty()
    assert len(entries(path.read_bytes())) == 2


# --- commands ------------------------------------------------------------------------------------

SPY = """
import json, os, resource, sys
from pathlib import Path
said = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "uid": os.getuid(),
        "gid": os.getgid(), "groups": os.getgroups(), "session": os.getsid(0) == os.getpid(),
        "fds": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "umask": os.umask(0o77), "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "signals": [line for line in open("/proc/self/status") if line.startswith(("SigIgn", "SigBlk"))]}
data = sys.stdin.buffer.read()
Path(OUT + ".json").write_text(json.dumps(said))
Path(OUT).write_bytes(data)
"""


def spy(sandbox):
    out = sandbox.work / "seen"
    # -I -S: nothing of the environment or of this machine's own settings.
    script = sandbox.script(f"OUT = {str(out)!r}\n" + SPY, "spy", "/usr/bin/python3 -IS")
    return script, lambda: (json.loads((sandbox.work / "seen.json").read_text()), out.read_bytes())


def test_command_gets_the_message_and_nothing_else(private):
    script, seen = spy(private)
    private.aliases(f'x: "|{script} one \\"two words\\" \\"\\" three"\n')
    private.sendmail("-odi", "-i", "-f", "ops@example.org", "x", stdin=MESSAGE, check=EX_OK,
                     env={"SECRET": "of the caller", "LD_LIBRARY_PATH": "/tmp", "IFS": "x"})
    private.wait_empty()
    said, data = seen()
    assert said["argv"] == ["one", "two words", "", "three"]
    home = pwd.getpwnam(private.user).pw_dir
    env = {key: value for key, value in said["env"].items() if key != "LC_CTYPE"}
    assert env == {"PATH": "/usr/local/bin:/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": home,
                   "USER": private.user, "LOGNAME": private.user}
    assert said["cwd"] == "/" and said["session"] and said["umask"] == 0o77 and said["core"] == 0
    assert [fd for fd in said["fds"] if fd > 2] in ([], [3])  # the listing itself
    assert all(int(line.split()[1], 16) & 0x7FFFFFFF & ~(1 << 12 | 1 << 24) == 0
               for line in said["signals"])  # Python ignores SIGPIPE and SIGXFSZ, glibc 32
    lines = data.split(b"\n")
    assert lines[0].startswith(b"X-Postrider-Id: ")
    assert lines[1:3] == [b"Return-Path: <ops@example.org>", b"Delivered-To: x@here.example"]
    assert data.endswith(b"\n\nhello\nFrom here\n.\n")
    assert private.log_lines("delivered", status="2.0.0", command=f'{script} one "two words" "" three')


@pytest.mark.parametrize("form", ['"|{} a b"', '|"{} a b"', "|{} a b"])
def test_ways_to_write_a_command(private, form):
    script, seen = spy(private)
    private.aliases(f"x: {form.format(script)}, {private.user}\n")
    private.send("x")
    private.wait_empty()
    assert seen()[0]["argv"] == ["a", "b"] and len(private.mailbox()) == 1


HOSTILE = ["|rm -rf {}/x", "$(touch {}/x)", "`touch {}/x`", ";touch {}/x", "a\\nb", "x; touch {}/x", "-f", "--help",
           "../../../{}/x", "/{}/x", ":include:/etc/passwd", "|/usr/bin/touch {}/x"]


@pytest.mark.parametrize("address", HOSTILE)
def test_hostile_addresses_run_nothing(private, address):
    """As recipients they are names of nobody; as senders, words in a header field."""
    script, seen = spy(private)
    private.aliases(f'x: "|{script} fixed"\n')
    text = '"' + address.format(private.work).replace("\\", "\\\\") + '"'
    private.send("--", f"{text}@here.example")
    private.wait_empty()
    assert the_report(private).only["status"] == "5.1.1"
    private.send("x", sender=f"{text}@example.org")
    private.wait_empty()
    said, data = seen()
    assert said["argv"] == ["fixed"]
    assert b"Return-Path: <" in data and not any(
        address in value for value in said["env"].values())
    assert sorted(path.name for path in private.work.iterdir()) == ["seen", "seen.json"]


def test_no_shell_reads_the_command(private):
    script, seen = spy(private)
    private.aliases(f'x: "|{script} $HOME `id` $(id) > {private.work}/x ; touch {private.work}/y & *"\n')
    private.send("x")
    private.wait_empty()
    assert seen()[0]["argv"] == ["$HOME", "`id`", "$(id)", ">", f"{private.work}/x", ";", "touch",
                                 f"{private.work}/y", "&", "*"]
    assert sorted(path.name for path in private.work.iterdir()) == ["seen", "seen.json"]


TEMPORARY = {71: "4.3.0", 73: "4.2.0", 74: "4.3.0", 75: "4.3.0"}
PERMANENT = {1: "5.3.0", 2: "5.3.0", 64: "5.3.0", 65: "5.6.0", 66: "5.3.0", 67: "5.1.1", 68: "5.1.2",
             69: "5.3.0", 70: "5.3.0", 72: "5.3.0", 76: "5.5.0", 77: "5.7.0", 78: "5.3.5",
             127: "5.3.0", 255: "5.3.0"}


@pytest.mark.parametrize("status", sorted(PERMANENT))
def test_Q10_status_that_is_final(private, status):
    script = private.script(f"cat > /dev/null; echo 'the very words'; exit {status}")
    private.aliases(f"x: |{script}\n")
    private.send("x")
    private.wait_empty()
    report = the_report(private)
    assert report.only["status"] == PERMANENT[status]
    words = " ".join(report.text.split())
    assert f"ended with status {status}" in words and words.count("the very words") == 1
    assert "the very words" in report.only["diagnostic-code"]
    assert private.log_lines("bounced", status=PERMANENT[status])


@pytest.mark.parametrize("status", sorted(TEMPORARY))
def test_Q10_status_that_is_temporary(private, status):
    flag = private.work / "ready"
    script = private.script(f"cat > /dev/null; test -e {flag} || {{ echo 'not now' >&2; exit {status}; }}")
    private.aliases(f"x: |{script}\n")
    private.send("x")
    assert len(private.letters()) == 1 and "not now" in private.mailq().out
    assert private.log_lines("deferred", status=TEMPORARY[status])
    flag.touch()
    run_due(private)
    private.wait_empty()
    assert not private.mailbox()


def test_Q10_signal_is_temporary(private):
    script = private.script("kill -SEGV $$")
    private.aliases(f"x: |{script}\n")
    private.send("x")
    assert len(private.letters()) == 1 and "ended by signal 11" in private.mailq().out


@pytest.mark.parametrize("command, words", [
    ("/nonexistent/program", "No such file"), ("{}/plain", "Permission denied"), ("{}", "Permission denied")])
def test_program_that_cannot_start(private, command, words):
    (private.work / "plain").write_text("#!/bin/sh\n")
    private.aliases(f"x: |{command.format(private.work)} a\n")
    private.send("x")
    assert len(private.letters()) == 1 and words in private.mailq().out


def test_Q10_a_megabyte_of_output_is_cut(private):
    script = private.script("cat > /dev/null\nhead -c 1000000 /dev/zero | tr '\\0' 'x'\n"
                            "printf '\\033[2J\\n\\000\\nend'\nexit 69\n")
    private.aliases(f"x: |{script}\n")
    private.send("x")
    private.wait_empty()
    report = the_report(private)
    assert "xxxxxxxx" in report.text and len(report.raw) < 20000
    assert all(len(line) < 5000 for line in private.log().splitlines())


def test_output_holds_no_control_characters(private):
    script = private.script("cat > /dev/null\nprintf 'one\\n\\033[2Jtwo\\0three\\r\\n.\\nfailed 1 2 .\\n'\nexit 69\n")
    private.aliases(f"x: |{script}\n")
    private.send("x")
    private.wait_empty()
    assert re.search(r"one\s+\[2Jtwo\s+three\s+\.", the_report(private).text)
    assert "\033" not in private.log()


def test_output_of_success_is_logged(private):
    script = private.script("cat > /dev/null; echo 'stored as 17'")
    private.aliases(f"x: |{script}\n")
    private.send("x")
    private.wait_empty()
    assert private.log_lines("delivered", output="stored as 17")


def processes(text):
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if text.encode() in file.read():
                    found.append(int(name))
        except OSError:
            continue
    return found


def test_Q10_command_that_takes_too_long_is_ended_with_its_group(private):
    private.allow(mail="alias_time = 1s")
    mark = f"604{os.getpid()}"
    script = private.script(f"echo before\nsleep {mark} & \nsleep {mark}\n")
    private.aliases(f"x: |{script}\n")
    began = time.monotonic()
    private.send("x")
    assert 1 <= time.monotonic() - began < 15
    assert len(private.letters()) == 1 and "did not end within 1 seconds" in private.mailq().out
    wait_until(lambda: not processes(f"sleep\0{mark}"), 5, "the end of its children")


@pytest.mark.parametrize("size", [10, 3000000])
def test_what_it_leaves_in_the_background_is_not_waited_for(private, size):
    """It keeps the pipes of message and output open."""
    mark = f"97.{os.getpid()}{size % 7}"
    script = private.script(f"exec 3<&0\nsleep {mark} <&3 &\nexit 0\n")
    private.aliases(f"x: |{script}\n")
    began = time.monotonic()
    private.send("x", stdin=b"Subject: x\n\n" + b"line of text\n" * (size // 13))
    private.wait_empty()
    assert time.monotonic() - began < 20
    left = wait_until(lambda: processes(f"sleep\0{mark}"))
    assert len(left) == 1
    os.kill(left[0], 9)


def test_command_that_reads_nothing(private):
    private.aliases("x: |/bin/true\ny: |/bin/false\n")
    private.send("x", stdin=b"Subject: x\n\n" + b"line of text\n" * 300000)
    private.wait_empty()
    assert private.log_lines("delivered", command="/bin/true")


def test_slow_command_holds_up_no_other_mail(private):
    go = private.work / "go"
    script = private.script(f"while ! test -e {go}; do sleep 0.1; done\n")
    private.aliases(f"slow: |{script}\nquick: |/bin/true\n")
    private.sendmail("-odb", "slow", stdin=MESSAGE, check=EX_OK)
    private.wait_until(lambda: processes(str(script)), what="the slow command")
    private.sendmail("-odb", private.user, stdin=MESSAGE, check=EX_OK)
    private.sendmail("-odb", "quick", stdin=MESSAGE, check=EX_OK)
    private.wait_until(lambda: len(private.letters()) == 1 and private.mailbox(), what="the others")
    go.touch()
    private.wait_empty()


def test_command_of_a_message_that_was_held_meanwhile(private):
    """More messages than commands run at once: one waits for its turn, and is held."""
    go, began = private.work / "go", private.work / "began"
    script = private.script(f"echo >> {began}; cat > /dev/null\n"
                            f"while ! test -e {go}; do sleep 0.1; done\n")
    private.aliases(f"slow: |{script}\n")
    for _ in range(5):
        private.sendmail("-odq", "slow", stdin=MESSAGE, check=EX_OK)
    run = private.start(["sendmail", "-C", private.config, "-q"], **private.as_user)
    private.wait_until(lambda: began.exists() and len(began.read_text()) == 4, what="four of them")
    holds = [private.start(["postrider", "queue", "hold", "-C", private.config, letter],
                           **private.as_user) for letter in private.letters()]
    private.wait_until(lambda: any(one.poll() == EX_OK for one in holds), what="the fifth held")
    for one in holds:  # those that wait for a worker
        if one.poll() is None:
            one.kill()
    time.sleep(0.2)
    go.touch()
    assert run.wait(30) == EX_OK
    assert len(began.read_text()) == 4


def test_command_and_the_others_of_an_alias_in_one_run(private):
    script, seen = spy(private)
    with FakeServer() as server:
        private.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
        private.aliases(f"x: \"|{script}\", {private.work}/file, {private.user}, you@example.net\n")
        private.send("x")
        private.wait_empty()
        assert len(server.messages) == 1
    assert seen()[1].endswith(b"\n.\n") and (private.work / "file").exists()
    assert len(private.mailbox()) == 1


def test_command_runs_once_for_several_recipients(private):
    script = private.script(f"cat >> {private.work}/log; echo >> {private.work}/count")
    private.aliases(f"a: |{script}\nb: |{script}\nc: a, b\n")
    private.send("a", "b", "c")
    private.wait_empty()
    assert (private.work / "count").read_text() == "\n"


def test_children_are_in_the_journal_as_they_were(private):
    """What a run has expanded is delivered, whatever happens to the aliases meanwhile."""
    flag = private.work / "ready"
    script = private.script(f'cat > /dev/null; printf %s "$*" > {private.work}/words; test -e {flag} || exit 75')
    private.aliases(f'x: "|{script} a  \\"b  c\\" . ."\n')
    private.send("x")
    (identity,) = private.letters()
    journal = (private.queue / "journal" / identity).read_text()
    assert f'add 0 command <x@here.example> to {script} a  "b  c" . . .\n' in journal
    shown = private.run(["postrider", "queue", "-C", private.config, "show", identity], check=EX_OK).out
    assert f'{script} a  "b  c" . .' in shown
    private.aliases("x: /dev/null\n")
    flag.touch()
    run_due(private)
    private.wait_empty()
    assert (private.work / "words").read_text() == "a b  c . ."


def kill_runners(sandbox):
    for process in sandbox.runners():
        try:
            os.kill(process, 9)
        except ProcessLookupError:
            pass


def test_Q1_command_runs_again_after_a_crash(private):
    """It ran, and its runner died before that was noted: the same message comes once more."""
    go = private.work / "go"
    script = private.script(f"cat >> {private.work}/seen\nwhile ! test -e {go}; do sleep 0.05; done\n")
    private.aliases(f"x: |{script}\n")
    private.sendmail("-odb", "x", stdin=MESSAGE, check=EX_OK)
    private.wait_until(lambda: (private.work / "seen").exists() and b"\n.\n" in (private.work / "seen").read_bytes())
    kill_runners(private)
    private.wait_until(lambda: not private.runners())
    go.touch()
    private.flush(check=EX_OK)
    private.wait_empty()
    wait_until(lambda: not processes(str(script)), 10, "the end of the first one")
    seen = (private.work / "seen").read_bytes()
    assert seen[: len(seen) // 2] * 2 == seen and seen.count(b"X-Postrider-Id: ") == 2


def test_command_is_ended_though_its_runner_died(private):
    private.allow(mail="alias_time = 2s")
    mark = f"8{os.getpid()}"
    script = private.script(f"sleep {mark}\n")
    private.aliases(f"x: |{script}\n")
    private.sendmail("-odb", "x", stdin=MESSAGE, check=EX_OK)
    private.wait_until(lambda: processes(f"sleep\0{mark}"))
    kill_runners(private)
    wait_until(lambda: not processes(f"sleep\0{mark}"), 10, "the end of the command")


def test_held_message_runs_no_command(private):
    script = private.script(f"echo >> {private.work}/count; exit 75")
    private.aliases(f"x: |{script}\n")
    private.send("x")
    private.run(["postrider", "queue", "-C", private.config, "hold", *private.letters()], check=EX_OK)
    run_due(private)
    private.wait_quiet()
    assert (private.work / "count").read_text() == "\n"


def test_allowed_no_more(private):
    script = private.script("cat > /dev/null; exit 75")
    private.aliases(f"x: |{script}\n")
    private.send("x")
    private.configure(mail="alias_commands =")
    run_due(private)
    private.wait_empty()
    assert the_report(private).only["status"] == "5.7.1"


# --- owners of lists -----------------------------------------------------------------------------


def refusing(**more):
    return FakeServer(at={"RCPT": lambda _session, line: "550 5.1.1 unknown" if "bad@" in line else None},
                      **more)


def list_sandbox(private, server, aliases):
    private.configure(smarthost=f"host = {server.address}\ntls = off\nauth = off")
    private.aliases(aliases)
    return private


def test_list_goes_on_in_its_owners_name(private):
    with FakeServer() as server:
        list_sandbox(private, server, f"staff: a@example.net, b@example.net, {private.user}\n"
                                      f"owner-staff: {private.user}\n")
        private.send("staff", "other@example.net", sender="ops@example.org")
        private.wait_empty()
        senders = {tuple(sorted(message.recipients)): message.sender for message in server.messages}
    assert senders == {("a@example.net", "b@example.net"): "owner-staff@here.example",
                       ("other@example.net",): "ops@example.org"}
    (message,) = private.mailbox()
    assert message["Return-Path"] == "<owner-staff@here.example>"
    assert message.get_from().startswith("owner-staff@here.example ")


def test_failures_of_a_list_reach_its_owner_alone(private):
    with refusing() as server:
        list_sandbox(private, server, f"staff: bad@example.net, good@example.net\n"
                                      f"owner-staff: {private.work}/owner\nops: {private.work}/ops\n")
        private.send("-V", "the-senders-own", "staff", "bad@example.com", sender="ops@here.example")
        private.wait_empty()
    (report,) = [read_report(one) for one in entries((private.work / "owner").read_bytes())]
    assert report.only["final-recipient"] == "rfc822; bad@example.net"
    assert report.header["To"] == "owner-staff@here.example"
    assert "original-envelope-id" not in report.message
    (report,) = [read_report(one) for one in entries((private.work / "ops").read_bytes())]
    assert report.only["final-recipient"] == "rfc822; bad@example.com"
    assert report.message["original-envelope-id"] == "the-senders-own"


def test_the_sender_of_a_list_hears_of_its_expansion_only(private):
    with FakeServer() as server:
        list_sandbox(private, server, f"one: a@example.net\nowner-one: {private.work}/owner\n")
        private.send("-N", "success,failure", "-V", "senders", "one")
        private.wait_empty()
        (message,) = server.messages
        assert "SUCCESS" not in str(message.recipient_parameters) and "ENVID" not in message.parameters
    report = the_report(private)
    assert report.actions == {"one@here.example": "expanded"}
    assert not (private.work / "owner").exists()


def test_nearest_owner_counts(private):
    with FakeServer() as server:
        list_sandbox(private, server,
                     "all: staff, out@example.net\nstaff: in@example.net\n"
                     "owner-all: x\nowner-staff: y\nplain: p@example.net\nwrap: plain\nowner-wrap: z\n"
                     "List@here.example: v@example.net\nowner-list@here.example: z\n")
        private.send("all", "wrap", "list", sender="ops@example.org")
        private.wait_empty()
        senders = {message.recipients[0]: message.sender for message in server.messages}
    assert senders == {"in@example.net": "owner-staff@here.example",
                       "out@example.net": "owner-all@here.example",
                       "p@example.net": "owner-wrap@here.example",
                       "v@example.net": "owner-list@here.example"}


def test_null_sender_stays_null(private):
    """A report to a list makes no more reports."""
    with FakeServer() as server:
        list_sandbox(private, server, "staff: a@example.net\nowner-staff: x\n")
        private.send("staff", sender="<>")
        private.wait_empty()
        (message,) = server.messages
    assert message.sender == ""


def test_owner_has_no_owner(private):
    with FakeServer() as server:
        list_sandbox(private, server, "owner-staff: a@example.net\nowner-owner-staff: x\n"
                                      "staff: b@example.net\n")
        private.send("owner-staff", sender="ops@example.org")
        private.wait_empty()
        (message,) = server.messages
    assert message.sender == "ops@example.org"


def test_owner_survives_a_later_try(private):
    with FakeServer(at={"RCPT": ["451 4.2.0 not now", None]}) as server:
        list_sandbox(private, server, f"staff: a@example.net\nowner-staff: {private.user}\n")
        private.send("staff", sender="ops@example.org")
        assert " from <owner-staff@here.example> ." in (
            private.queue / "journal" / private.letters()[0]).read_text()
        for path in (private.queue / "hops").iterdir():
            path.unlink()
        run_due(private)
        private.wait_empty()
        assert {message.sender for message in server.messages} == {"owner-staff@here.example"}


def test_account_goes_by_the_owner(private):
    with FakeServer() as server, FakeServer() as lists:
        list_sandbox(private, server, "staff: a@example.net\nowner-staff: x\n")
        private.configure(extra=f'[smarthost "lists"]\nsenders = owner-*\nhost = {lists.address}\n'
                                "tls = off\nauth = off\n")
        private.send("staff", sender="ops@example.org")
        private.wait_empty()
        assert len(lists.messages) == 1 and not server.messages


# --- the helper ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, status", [
    (("file", "root", "/tmp/x", "5"), EX_CONFIG), (("file", "{}", "relative", "5"), EX_CONFIG),
    (("file", "{}", "/tmp/", "5"), EX_CONFIG), (("file", "{}", "/tmp/x", "-5"), 64),
    (("file", "{}", "/tmp/x", "0"), 64), (("command", "root", "5", "/bin/true"), EX_CONFIG),
    (("command", "{}", "5", "true"), EX_CONFIG), (("command", "{}", "0", "/bin/true"), 64),
    (("command", "{}", "5"), 64), (("command", "{}", "5", "/bin/true"), 0),
    (("command", "{}", "5", "/bin/false"), 1)])
def test_helper_by_itself(private, arguments, status):
    done = private.run(["postrider-mailbox", *(one.format(private.user) for one in arguments)])
    assert done.returncode == status, done.err
    assert bool(done.err) == (status > 1)


# --- as installed --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine():
    machine = Machine()
    try:
        machine.world.add_user("carrier")
        machine.world.shell("install -d -o carrier -g carrier -m 0755 /srv/mail")
        yield machine
    finally:
        machine.world.close()


@pytest.fixture
def installed(machine):
    machine.configure(mail="alias_files = carrier\nalias_commands = carrier\nalias_time = 2s")
    machine.world.shell("rm -rf /srv/mail/*")
    yield machine
    machine.drain()


def aliases(machine, text):
    machine.world.write("/etc/aliases", f"postmaster: root\nroot: ada\n{text}")
    return machine.world.run(["newaliases"], check=0)


@pytest.mark.installed
@pytest.mark.xdist_group("aliases")
def test_installed_file_and_command_are_the_users(installed):
    installed.world.write("/srv/spy", "#!/bin/sh\n{ id -u; id -g; id -G; id -un; umask; pwd; env | sort;"
                          " ls -l /proc/self/fd; cat; } > /srv/mail/seen\n", 0o755)
    aliases(installed, 'x: /srv/mail/file, "|/srv/spy a"\n')
    installed.sendmail("x", user="ben", env={"SECRET": "of ben"}, check=0)
    installed.wait_empty()
    world = installed.world
    uid = world.shell("id -u carrier").out.strip()
    gid = world.shell("id -g carrier").out.strip()
    assert world.shell("stat -c '%U:%G %a' /srv/mail/file /srv/mail/seen").out.split() == [
        "carrier:carrier", "600"] * 2
    lines = world.read("/srv/mail/seen").decode().splitlines()
    assert lines[:6] == [uid, gid, gid, "carrier", "0077", "/"]
    assert "SECRET=of ben" not in lines and "HOME=/home/carrier" in lines
    assert "Return-Path: <ben@here.example>" in lines and "body" in lines
    assert b"Return-Path: <ben@here.example>" in world.read("/srv/mail/file")


@pytest.mark.installed
@pytest.mark.xdist_group("aliases")
@pytest.mark.parametrize("plant, words", [
    ("install -o ben -g carrier -m 0666 /dev/null /srv/mail/file", "belongs to another user"),
    ("install -o root -m 0666 /dev/null /srv/mail/file", "belongs to another user"),
    ("install -o carrier -m 0600 /dev/null /srv/other; ln -s /srv/other /srv/mail/file", "symbolic link"),
    ("ln -s /etc/shadow /srv/mail/file", "symbolic link"),
    ("install -o carrier -m 0600 /dev/null /srv/other; ln /srv/other /srv/mail/file", "hard link"),
    ("ln -s /srv/mail/made /srv/mail/file", "symbolic link")])
def test_installed_file_of_somebody_else(installed, plant, words):
    installed.world.shell(plant)
    before = installed.world.shell("sha256sum /etc/shadow; stat -c '%s %i' /srv/mail/file").out
    aliases(installed, "x: /srv/mail/file\n")
    installed.sendmail("-odi", "x", user="ben", check=0)
    installed.wait_quiet()
    assert len(installed.queued()) == 1 and words in installed.log()
    assert installed.world.shell("sha256sum /etc/shadow; stat -c '%s %i' /srv/mail/file").out == before
    assert "made" not in installed.world.names("/srv/mail")
    installed.world.shell("rm -f /srv/other")


@pytest.mark.installed
@pytest.mark.xdist_group("aliases")
@pytest.mark.parametrize("path", ["/etc/made", "/var/mail/ada", "/var/spool/postrider/spool/made", "/root/made"])
def test_installed_file_where_the_user_may_not_write(installed, path):
    installed.world.shell("install -o ada -g mail -m 0660 /dev/null /var/mail/ada")
    aliases(installed, f"x: {path}\n")
    installed.sendmail("-odi", "x", user="ben", check=0)
    installed.wait_quiet()
    assert len(installed.queued()) == 1
    assert installed.world.read(path) == b""
    assert path == "/var/mail/ada" or not installed.world.shell(f"ls {path} 2>/dev/null || true").out


@pytest.mark.installed
@pytest.mark.xdist_group("aliases")
@pytest.mark.parametrize("user, words", [
    ("root", "root's rights"), ("postrider", "rights of the queue"), ("nobody-at-all", "no user nobody-at-all"),
    ("toor", "root's rights"), ("wheel", "root's rights")])
def test_installed_users_that_no_alias_may_be(installed, user, words):
    installed.world.shell("id toor 2>/dev/null || useradd -o -u 0 -M toor; id wheel 2>/dev/null || useradd -g 0 -M wheel")
    installed.configure(mail=f"alias_files = {user}\nalias_commands = {user}")
    aliases(installed, 'x: /srv/mail/file\ny: "|/usr/bin/touch /srv/mail/file"\n')
    for name, key in (("x", "alias_files"), ("y", "alias_commands")):
        installed.sendmail("-odi", name, user="ben", check=0)
        installed.wait_quiet()
        assert installed.world.logged(key, words)
    assert len(installed.queued()) == 2 and not installed.world.names("/srv/mail")


@pytest.mark.installed
@pytest.mark.xdist_group("aliases")
def test_installed_slow_command_is_ended(installed):
    """The runner has no right to do that: the helper stays with it."""
    installed.world.write("/srv/slow", "#!/bin/sh\nsleep 7654 &\nsleep 7654\n", 0o755)
    aliases(installed, "x: |/srv/slow\n")
    installed.sendmail("-odi", "x", user="ben", check=0)
    installed.wait_quiet()
    assert "did not end within 2 seconds" in installed.log()
    assert not installed.world.processes("sleep 7654") and "7654" not in installed.world.run(["ps", "ax"]).out
    assert len(installed.queued()) == 1


@pytest.mark.installed
@pytest.mark.xdist_group("aliases")
def test_installed_helper_is_for_the_queue_alone(installed):
    helper = "/usr/libexec/postrider/postrider-local"
    for arguments in (("file", "ada", "/srv/mail/x", "2"), ("command", "ada", "5", "/bin/true")):
        assert installed.world.run([helper, *arguments], stdin="x\n", user="ben").returncode in (126, 127)
        # Even a copy that others may run asks who calls.
        installed.world.shell(f"cp {helper} /srv/helper; chown root:root /srv/helper; chmod 4755 /srv/helper")
        done = installed.world.run(["/srv/helper", *arguments], stdin="x\n", user="ben")
        assert done.returncode == EX_NOPERM, done.err
    assert not installed.world.names("/srv/mail")


def help_out(machine, *arguments):
    """What the helper says to the queue's own user."""
    done = machine.world.run(["/usr/libexec/postrider/postrider-local", *arguments], stdin="x\n",
                             user="postrider")
    return done.returncode, done.err


@pytest.mark.installed
@pytest.mark.xdist_group("aliases")
def test_installed_queue_user_becomes_nobody_whom_root_has_not_named(installed):
    """Who took the runner over could otherwise be anybody."""
    for arguments in (("file", "ada", "/home/ada/x", "2"), ("command", "ada", "5", "/bin/true")):
        status, words = help_out(installed, *arguments)
        assert status == EX_CONFIG and "has no line" in words and "= ada" in words
    assert help_out(installed, "command", "carrier", "5", "/bin/true") == (0, "")
    installed.configure(mail="alias_files = carrier\nALIAS_COMMANDS : ada    ; he said so")
    assert help_out(installed, "command", "ada", "5", "/bin/true") == (0, "")
    assert help_out(installed, "command", "carrier", "5", "/bin/true")[0] == EX_CONFIG
    assert help_out(installed, "file", "carrier", "/srv/mail/x", "2") == (0, "")
    for spoil, mend in (("chmod 666 /etc/postrider/postrider.conf", "chmod 644 /etc/postrider/postrider.conf"),
                        ("chown postrider /etc/postrider/postrider.conf", "chown root /etc/postrider/postrider.conf"),
                        ("chown postrider /etc/postrider", "chown root /etc/postrider")):
        installed.world.shell(spoil)
        status, words = help_out(installed, "command", "ada", "5", "/bin/true")
        assert status == EX_CONFIG and "must belong to root" in words
        installed.world.shell(mend)
    installed.configure(mail=";alias_commands = ada\nalias_commands = ad")
    assert help_out(installed, "command", "ada", "5", "/bin/true")[0] == EX_CONFIG


@pytest.mark.installed
@pytest.mark.xdist_group("aliases")
def test_installed_command_can_send_mail(installed):
    """A command that answers by sendmail: set-ID bits work for it."""
    installed.world.write("/srv/answer", "#!/bin/sh\ncat > /dev/null\n"
                          "printf 'Subject: answer\\n\\nthank you\\n' | /usr/sbin/sendmail ada\n", 0o755)
    aliases(installed, "x: |/srv/answer\n")
    installed.sendmail("x", user="ben", check=0)
    assert installed.wait_for_mail("ada", "answer")["Return-Path"] == "<carrier@here.example>"
    installed.wait_empty()
