"""Messages and circumstances that the front door has to survive."""

import ctypes
import email.utils
import os
import pwd
import resource
import signal
import subprocess
import time

import pytest
from sandbox import BUILD, EX_CANTCREAT, EX_DATAERR, EX_IOERR, EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_USAGE
from spool import lend_to_nobody, queued, spool_files

FAR = "you@far.example"
# ASan keeps its own memory: what is flat stays flat, but from a higher floor.
SANITIZED = BUILD.name == "sanitize"


def submit(sandbox, message, *arguments, **options):
    """Queues a message to FAR and returns it as it was queued."""
    before = set(sandbox.letters())
    sandbox.sendmail("-odq", "-i", *arguments, FAR, stdin=message, check=0, **options)
    (name,) = set(sandbox.letters()) - before
    return queued(sandbox, name)


def assert_nothing(sandbox, result, status, *words):
    """Refused in one line, and the queue is as if nothing had been."""
    assert result.returncode == status, result.err
    assert result.err.startswith("sendmail: ") and result.err.count("\n") == 1, result.err
    for word in words:
        assert word in result.err
    assert spool_files(sandbox) == []


# --- the message ---


def test_completion(sandbox):
    letter = submit(sandbox, b"Subject: s\n\nbody\n")
    entry = pwd.getpwuid(os.getuid())
    name = entry.pw_gecos.split(",")[0].replace("&", entry.pw_name.capitalize())
    shown, address = email.utils.parseaddr(letter.parsed["From"])
    assert address == letter.sender == f"{sandbox.user}@here.example"
    assert shown == name
    assert letter.user.split() == [str(os.getuid()), sandbox.user]
    assert f"uid {os.getuid()}" in letter.parsed["Received"]
    assert letter.parsed["Message-ID"].endswith("@here.example>")
    (line,) = sandbox.log_lines("received")
    for pair in (f"from={letter.sender}", f"to={FAR}", f"size={len(letter.message)}",
                 f"uid={os.getuid()}", f"user={sandbox.user}",
                 f"message-id={letter.parsed['Message-ID']}"):
        assert f" {pair}" in line


def test_full_name_of_option_and_environment(sandbox):
    assert submit(sandbox, b"\nx\n", env={"NAME": "En Vi"}).parsed["From"].startswith("En Vi <")
    both = submit(sandbox, b"\nx\n", "-F", "Op, Tion", env={"NAME": "En Vi"})
    assert both.parsed["From"].startswith('"Op, Tion" <')
    other = submit(sandbox, b"\nx\n", "-f", "ops@far.example", env={"NAME": "En Vi"})
    assert other.parsed["From"] == "ops@far.example"
    lines = submit(sandbox, b"\nx\n", env={"NAME": "En\nBcc: x@far.example"})
    assert "Bcc" not in lines.parsed


def test_null_sender_and_bare_sender(sandbox):
    for null in ("<>", ""):
        letter = submit(sandbox, b"\nx\n", "-f", null)
        assert letter.sender == ""
        assert f"{sandbox.user}@here.example" in letter.parsed["From"]
    assert submit(sandbox, b"\nx\n", "-f", "ops").sender == "ops@here.example"


def test_bad_sender(sandbox):
    result = sandbox.sendmail("-odq", "-f", "a@@far.example", FAR, stdin=b"x\n")
    assert_nothing(sandbox, result, EX_DATAERR, "sender", "a@@far.example")


def test_warning_about_a_sender_that_was_set(sandbox):
    options = lend_to_nobody(sandbox)
    user = pwd.getpwuid(options.get("user", os.getuid())).pw_name
    letter = submit(sandbox, b"Subject: s\n\nx\n", "-f", "ceo@here.example", **options)
    assert letter.sender == "ceo@here.example"
    if options or os.getuid() != 0:
        assert letter.parsed["X-Authentication-Warning"] == (
            f"here.example: {user} set sender to ceo@here.example using -f")
    own = submit(sandbox, b"Subject: s\n\nx\n", "-f", f"{user}@here.example", **options)
    assert "X-Authentication-Warning" not in own.parsed


def test_ones_own_address_on_this_host(make_sandbox):
    """Some programs say it with -f, GNU mailutils for one."""
    sandbox = make_sandbox(mail="domain = sends.example\nmasquerade = *@here.example: x@sends.example")
    options = lend_to_nobody(sandbox)
    user = pwd.getpwuid(options.get("user", os.getuid())).pw_name
    options["env"] = {**options.get("env", {}), "NAME": "Own Name"}
    letter = submit(sandbox, b"\nx\n", "-f", f"{user}@here.example", **options)
    assert letter.parsed["From"] == "Own Name <x@sends.example>" and letter.sender == "x@sends.example"
    assert "X-Authentication-Warning" not in letter.parsed


def test_recipient_lists_and_names(sandbox):
    sandbox.sendmail("-odq", "A <a@far.example>, b@far.example", "(c) c@FAR.example,, local",
                     "a@far.example", stdin=b"x\n", check=0)
    assert queued(sandbox).recipients == [
        "a@far.example", "b@far.example", "c@far.example", "local@here.example"]


def test_S9_recipients_from_the_header(sandbox):
    header = (b"To: friends: \"Q, C\" <q@far.example>, (a (nested) comment) n@far.example;\n"
              b"Cc: undisclosed-recipients:;\n"
              b"Bcc: only@far.example,\n bcc2@far.example\nSubject: s\n")
    sandbox.sendmail("-odq", "-t", stdin=header + b"\nx\n", check=0)
    letter = queued(sandbox)
    assert letter.recipients == [
        "q@far.example", "n@far.example", "only@far.example", "bcc2@far.example"]
    assert "Bcc" not in letter.parsed and b"only@far" not in letter.message


def test_S9_only_bcc(sandbox):
    sandbox.sendmail("-odq", "-t", stdin=b"Bcc: hid@far.example\n\nx\n", check=0)
    letter = queued(sandbox)
    assert letter.recipients == ["hid@far.example"]
    assert b"hid@far" not in letter.message


def test_S9_resent_twice(sandbox):
    header = (b"Resent-To: new@far.example\nResent-From: me\nResent-Date: x\n"
              b"Resent-To: older@far.example\nResent-From: him\n"
              b"To: first@far.example\n")
    sandbox.sendmail("-odq", "-t", stdin=header + b"\nx\n", check=0)
    assert queued(sandbox).recipients == ["new@far.example"]


@pytest.mark.parametrize("given, kept", [
    (b"a\r\nb\r\n", b"a\nb\n"),
    (b"a\nb", b"a\nb\n"),
    (b"a\rb\r", b"a\nb\n"),
    (b"a\r\r\nb", b"a\n\nb\n"),
    (b"\n\n.\n..\n", b"\n\n.\n..\n"),
    (b"caf\xc3\xa9 \xff\x00 nul\n", b"caf\xc3\xa9 \xff\x00 nul\n"),
    (b"From here on\n", b"From here on\n"),
    (b"", b""),
])
def test_S8_bodies(sandbox, given, kept):
    assert submit(sandbox, b"Subject: s\n\n" + given).body == kept


def test_S8_line_ends_across_reads(sandbox):
    """A CRLF that two reads tear apart is one line end, wherever it is torn."""
    pieces = [b"Subject: s\r", b"\n\r", b"\nbody\r", b"\nx\r", b"y", b"\r", b"\r", b"\nz"]
    program = sandbox.start(["sendmail", "-C", sandbox.config, "-odq", FAR], stdin=subprocess.PIPE)
    for piece in pieces:
        program.stdin.write(piece)
        program.stdin.flush()
        time.sleep(0.05)
    program.stdin.close()
    assert program.wait(20) == 0
    letter = queued(sandbox)
    assert letter.body == b"body\nx\ny\n\nz\n"
    assert letter.parsed["Subject"] == "s"


def test_S8_block_borders(sandbox):
    """Line ends around the size of a block, all of them CRLF."""
    for length in range(65536 - 20, 65536 + 4):
        line = b"x" * length
        letter = submit(sandbox, b"A: b\r\n\r\n" + line + b"\r\n" + line + b"\r\nend")
        assert letter.body == line + b"\n" + line + b"\nend\n"


def test_S8_eight_bit_in_the_header(sandbox):
    letter = submit(sandbox, b"Subject: caf\xc3\xa9\nX-Raw: \xff\xfe\n\nx\n")
    assert b"\nSubject: caf\xc3\xa9\nX-Raw: \xff\xfe\n" in letter.header


def test_S8_nul_in_the_header(sandbox):
    for header in (b"Subject: a\0b\n\nx\n", b"Subject: a\n b\0\n\nx\n", b"Subject: a\0"):
        result = sandbox.sendmail("-odq", FAR, stdin=header)
        assert_nothing(sandbox, result, EX_DATAERR, "NUL")


def test_S8_header_of_2_MB(sandbox):
    many = b"".join(b"X-Field-%d: %s\n" % (number, b"v" * 80) for number in range(20000))
    letter = submit(sandbox, b"Subject: s\n" + many + b"\nbody\n")
    assert letter.body == b"body\n"
    assert many in letter.message
    folded = b"X-One: begin\n" + b" more words\n" * 170000
    assert submit(sandbox, folded + b"\nbody\n").body == b"body\n"


def test_S8_header_over_the_limit(sandbox):
    endless = b"X-F: v\n" * 700000
    for header in (endless + b"\nx\n", endless, b"X-F: " + b"v" * 5000000 + b"\n\nx\n",
                   b"X-F: v\n " + b"v" * 5000000):
        result = sandbox.sendmail("-odq", FAR, stdin=header)
        assert_nothing(sandbox, result, EX_DATAERR, "header is larger")


def test_S8_line_of_5_MB(sandbox):
    line = b"long " * 1000000
    assert submit(sandbox, b"Subject: s\n\n" + line + b"\nend\n").body == line + b"\nend\n"
    assert submit(sandbox, line + b"\nend\n").body == line + b"\nend\n"


def test_S8_no_blank_line(sandbox):
    letter = submit(sandbox, b"Subject: s\nTo: you@far.example\nthis is the body\nTo: z\n")
    assert letter.parsed["Subject"] == "s"
    assert letter.body == b"this is the body\nTo: z\n"
    letter = submit(sandbox, b"only words\nand more\n")
    assert letter.body == b"only words\nand more\n"
    letter = submit(sandbox, b"Subject: only a header")
    assert letter.parsed["Subject"] == "only a header" and letter.body == b""


def test_S8_folded_first_line(sandbox):
    letter = submit(sandbox, b"  Subject: no header\nX: y\n\nbody\n")
    assert letter.body == b"  Subject: no header\nX: y\n\nbody\n"
    assert "Subject" not in letter.parsed


def test_S8_mbox_from_line_first(sandbox):
    letter = submit(sandbox, b"From me Tue Nov  3 09:30:00 2026\nSubject: s\n\nbody\n")
    assert letter.parsed["Subject"] == "s" and letter.body == b"body\n"
    assert b"From me" not in letter.message


def test_S8_empty_input(sandbox):
    letter = submit(sandbox, b"")
    assert letter.body == b"" and letter.recipients == [FAR]


def test_message_over_the_limit(make_sandbox):
    sandbox = make_sandbox(mail="max_message_size = 100K")
    result = sandbox.sendmail("-odq", FAR, stdin=b"Subject: s\n\n" + b"x\n" * 60000)
    assert_nothing(sandbox, result, EX_DATAERR, "max_message_size")
    submit(sandbox, b"Subject: s\n\n" + b"x\n" * 40000)


def test_S8_huge_body_in_bounded_memory(make_sandbox):
    """300 MB of zeros; what the program ever had in memory is asked of the kernel at the end."""
    sandbox = make_sandbox(mail="max_message_size = 1G")
    program = sandbox.start(["sendmail", "-C", sandbox.config, "-odq", FAR],
                            stdin=subprocess.PIPE)

    def highest():
        with open(f"/proc/{program.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    program.stdin.write(b"Subject: s\n\n")
    block = bytes(1 << 20)
    for megabyte in range(300):
        program.stdin.write(block)
        if megabyte == 10:
            early = highest()
    program.stdin.flush()
    late = highest()
    program.stdin.close()
    assert program.wait(60) == 0
    assert late - early < 1024
    if not SANITIZED:
        assert late < 16 * 1024
    (name,) = sandbox.letters()
    assert (sandbox.queue / "spool" / name).stat().st_size > 300 << 20


# --- what the caller leaves us with ---


@pytest.mark.parametrize("name", [None, b""])
def test_S3_empty_argv(sandbox, name):
    """Older kernels give argc 0, newer ones one empty string; both end in EX_USAGE."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(sandbox.folder / "said", os.O_WRONLY | os.O_CREAT, 0o600), 2)
        arguments = (ctypes.c_char_p * 2)(name, None)
        nothing = (ctypes.c_char_p * 1)(None)
        ctypes.CDLL(None).execve(os.fsencode(sandbox.build / "sendmail"), arguments, nothing)
        os._exit(99)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == EX_USAGE
    assert (sandbox.folder / "said").read_text() == "postrider: called without a name\n"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_S4_closed_descriptors(sandbox, closed):
    """What is written to a closed descriptor must land in no file of ours."""
    def close():
        for fd in closed:
            os.close(fd)

    arguments = ["sendmail", "-C", sandbox.config, "-odq", "-v", FAR]
    program = sandbox.start(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, preexec_fn=close)
    try:
        program.stdin.write(b"Subject: s\n\nbody\n")
        program.stdin.close()
    except BrokenPipeError:
        assert 0 in closed
    assert program.wait(20) == 0
    letter = queued(sandbox)
    assert letter.body == (b"" if 0 in closed else b"body\n")
    assert b"is in the queue" not in sandbox.letter()


def test_S4_many_inherited_descriptors(sandbox):
    """1 000 of them change nothing, and the runner gets none of ours."""
    inherited = [os.open("/dev/null", os.O_RDONLY) for _ in range(1000)]
    try:
        sandbox.sendmail("-odi", sandbox.user, stdin=b"Subject: s\n\nx\n", pass_fds=inherited,
                         check=0)
    finally:
        for fd in inherited:
            os.close(fd)
    assert len(sandbox.mailbox()) == 1


@pytest.mark.parametrize("kind, limit, statuses", [
    (resource.RLIMIT_FSIZE, 1024, {EX_IOERR}),
    (resource.RLIMIT_NOFILE, 5, None),
    (resource.RLIMIT_NOFILE, 9, None),
    (resource.RLIMIT_NPROC, 0, {0}),
    (resource.RLIMIT_CORE, resource.RLIM_INFINITY, {0}),
])
def test_S5_limits(sandbox, kind, limit, statuses):
    """A clear failure or success, never a cut message."""
    options = lend_to_nobody(sandbox)
    hard = resource.getrlimit(kind)[1]
    body = b"line\n" * 2000
    result = sandbox.sendmail(
        "-odq" if kind != resource.RLIMIT_NPROC else "-odb", FAR, stdin=b"Subject: s\n\n" + body,
        preexec_fn=lambda: resource.setrlimit(kind, (min(limit, hard) if hard >= 0 else limit,
                                                     hard)), **options)
    sandbox.wait_quiet()
    if statuses is not None:
        assert result.returncode in statuses, result.err
    if result.returncode == 0:
        assert queued(sandbox).body == body
    else:
        assert result.err.count("\n") == 1
        assert spool_files(sandbox) == []


@pytest.mark.parametrize("umask", [0, 0o777])
def test_S5_umask(sandbox, umask):
    submit(sandbox, b"Subject: s\n\nx\n", umask=umask)
    (name,) = sandbox.letters()
    mode = (sandbox.queue / "spool" / name).stat().st_mode & 0o777
    assert mode & 0o137 == 0 and mode & 0o600 == 0o600


@pytest.mark.parametrize("seconds", [0.3, 0.00001])
def test_S5_signals_and_timer(sandbox, seconds):
    """SIGXFSZ and SIGCHLD ignored, everything blocked, a timer about to go off, or gone off."""
    def prepare():
        for number in (signal.SIGXFSZ, signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, set(range(1, signal.NSIG)))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    program = sandbox.start(["sendmail", "-C", sandbox.config, "-odi", sandbox.user],
                            stdin=subprocess.PIPE, preexec_fn=prepare)
    program.stdin.write(b"Subject: s\n\n")
    program.stdin.flush()
    time.sleep(0.6)
    program.stdin.write(b"body\n")
    program.stdin.close()
    assert program.wait(20) == 0
    assert [message.get_payload() for message in sandbox.mailbox()] == ["body\n"]


def test_S7_killed_while_it_reads(sandbox):
    submit(sandbox, b"x\n")  # makes the queue
    (before,) = spool_files(sandbox)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        program = sandbox.start(["sendmail", "-C", sandbox.config, FAR], stdin=subprocess.PIPE)
        program.stdin.write(b"Subject: s\n\n" + b"body\n" * 100000)
        program.stdin.flush()
        program.send_signal(number)
        assert program.wait(20) == -number
        program.stdin.close()
        assert spool_files(sandbox) == [before]


def test_input_that_cannot_be_read(sandbox):
    with open(os.devnull, "wb") as write_only:
        result = sandbox.sendmail("-odq", FAR, stdin=write_only)
    assert_nothing(sandbox, result, EX_IOERR, "standard input")
    folder = os.open(sandbox.folder, os.O_RDONLY)
    result = sandbox.sendmail("-odq", FAR, stdin=folder)
    os.close(folder)
    assert_nothing(sandbox, result, EX_IOERR, "standard input")


# --- the queue ---


# $1 is the queue, $2 where to write the names that are left in it, the rest is the command.
SCRIPT = """
mount -t tmpfs -o size=256k,nr_inodes={inodes} none "$1" || exit 99
queue=$1 left=$2
shift 2
{prepare}
"$@"
status=$?
ls -A "$queue/spool" > "$left"
exit $status
"""
MAKE_FOLDERS = 'for name in spool journal corrupt hops runs; do mkdir "$queue/$name"; done'


def on_small_disk(sandbox, message, inodes=100, prepare=":"):
    """Submits with the queue on a small disk of its own; the result, and what is left in spool/."""
    sandbox.queue.mkdir()
    left = sandbox.folder / "left"
    name_space = ["--mount"] if os.getuid() == 0 else ["--map-root-user", "--mount"]
    result = sandbox.run(
        ["/usr/bin/unshare", *name_space, "/bin/sh", "-c",
         SCRIPT.format(inodes=inodes, prepare=prepare), "sh", sandbox.queue, left,
         sandbox.build / "sendmail", "-C", sandbox.config, "-odq", FAR],
        stdin=message)
    return result, left.read_text().split()


def test_S10_disk_full(sandbox):
    result, left = on_small_disk(sandbox, b"Subject: s\n\n" + b"x" * 79 * 8000)
    assert_nothing(sandbox, result, EX_TEMPFAIL, str(sandbox.queue))
    assert left == []


def test_S10_fits_on_a_small_disk(sandbox):
    result, left = on_small_disk(sandbox, b"Subject: s\n\nx\n")
    assert result.returncode == 0 and len(left) == 1


def test_S10_no_inodes(sandbox):
    fill = f'{MAKE_FOLDERS}; n=0; while mkdir "$queue/f$n"; do n=$((n+1)); done 2>/dev/null'
    result, left = on_small_disk(sandbox, b"x\n", inodes=20, prepare=fill)
    assert_nothing(sandbox, result, EX_TEMPFAIL, str(sandbox.queue))
    assert left == []


def test_S10_read_only_queue(sandbox):
    remount = f'{MAKE_FOLDERS}; mount -o remount,bind,ro "$queue"'
    result, left = on_small_disk(sandbox, b"x\n", prepare=remount)
    assert_nothing(sandbox, result, EX_CANTCREAT, str(sandbox.queue))
    assert left == []


def test_S10_queue_that_cannot_be_made(sandbox):
    sandbox.configure(queue=f"directory = {sandbox.config}/queue")
    result = sandbox.sendmail("-odq", FAR, stdin=b"x\n")
    assert_nothing(sandbox, result, EX_CANTCREAT, f"{sandbox.config}")


def test_S10_queue_of_somebody_else(sandbox):
    options = lend_to_nobody(sandbox)
    sandbox.queue.mkdir()
    (sandbox.queue / "spool").mkdir()
    if options:
        os.chown(sandbox.queue, 0, 0)
    os.chmod(sandbox.queue, 0o500)
    result = sandbox.sendmail("-odq", FAR, stdin=b"x\n", **options)
    os.chmod(sandbox.queue, 0o700)
    assert result.returncode in (EX_CANTCREAT, EX_NOPERM) and result.err.count("\n") == 1
    assert spool_files(sandbox) == []


@pytest.mark.installed
@pytest.mark.parametrize("argv", [
    ["sendmail", "-odi", FAR], ["sendmail", "-q"], ["sendmail", "-bs"], ["sendmail", "-bd"],
    ["postrider-run"], ["postrider-listen"], ["postrider-run", "check", "--online"],
    ["postrider-run", "newaliases"], ["postrider-run", "route", FAR]], ids=" ".join)
def test_root_takes_no_settings_of_another_users(sandbox, argv):
    """What they name is run, and written, with root's rights."""
    ran = sandbox.folder / "ran"
    sandbox.configure(mail=f"log_file = {sandbox.folder}/log-of-root",
                      smarthost=f"host = 127.0.0.1:1\ntls = off\nuser = u\npassword_command = /usr/bin/touch {ran}")
    os.chown(sandbox.config, pwd.getpwnam("nobody").pw_uid, 0)
    place = 2 if len(argv) > 1 and not argv[1].startswith("-") else 1
    done = sandbox.run([*argv[:place], "-C", sandbox.config, *argv[place:]], stdin=b"x\n")
    assert done.returncode == EX_NOPERM and "is not root's" in done.err, done.err
    assert not ran.exists() and not (sandbox.folder / "log-of-root").exists()
    assert not sandbox.queue.exists()


def test_more_recipients_than_a_message_may_have(sandbox):
    """Each is looked up in a run that is everybody's."""
    def message(count):
        names = ",\n ".join(f"u{number}@far.example" for number in range(count))
        return f"Bcc: {names}\n\nx\n".encode()
    done = sandbox.sendmail("-odq", "-t", stdin=message(10001), check=EX_DATAERR)
    assert "10001 recipients are too many for one message: 10000 at most" in done.err
    assert not sandbox.letters()
    sandbox.sendmail("-odq", "-t", stdin=message(10000), check=EX_OK)
    assert len(sandbox.letters()) == 1
