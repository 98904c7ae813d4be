"""A place of its own for a test: settings, aliases, queue, mailboxes and log in one folder.

Everything runs as an unprivileged user's own Postrider does, with -C: nothing of the machine's
/etc, /var or /usr is read or written. Tests run as root or as anybody.
"""

import getpass
import json
import mailbox
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("POSTRIDER_BUILD", REPOSITORY / "build")).resolve()

# sysexits.h
EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_NOUSER = 0, 64, 65, 66, 67
EX_UNAVAILABLE, EX_SOFTWARE, EX_OSERR, EX_CANTCREAT, EX_IOERR = 69, 70, 71, 73, 74
EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 75, 77, 78

# What the sanitizers end a program with, see tests/sanitize.c.
SANITIZER_FOUND = 99


def wait_until(question, seconds=20, what="what was waited for"):
    """Asks again and again until the answer is true, and returns it; fails after that long."""
    end = time.monotonic() + seconds
    pause = 0.005
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def parse_settings(text):
    """'key = value' lines as a dict; a line without '=' continues the one before."""
    found = {}
    key = None
    for line in text.strip().splitlines():
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if equals:
            key = name.strip()
            found[key] = value.strip()
        else:
            found[key] += "\n    " + line.strip()
    return found


class Result(subprocess.CompletedProcess):
    """As subprocess gives it, with the output as text too."""

    @property
    def out(self):
        return self.stdout.decode("utf-8", "backslashreplace")

    @property
    def err(self):
        return self.stderr.decode("utf-8", "backslashreplace")


class Sandbox:
    """
    Sandbox(mail="max_hops = 3", queue="retry = 1s", smarthost="host = 127.0.0.1:2525", extra="…"):
    the keywords are sections of postrider.conf, their lines replace the defaults below; extra is
    put behind as it is. configure() with the same keywords writes the file anew.
    """

    # What a runner is called from its fork on, until it has opened the queue.
    STARTERS = ("sendmail", "postrider", "postrider-run")

    def __init__(self, **sections):
        self.folder = Path(tempfile.mkdtemp(prefix="postrider-test-"))
        self.config = self.folder / "postrider.conf"
        self.credentials_path = self.folder / "credentials.conf"
        self.aliases_path = self.folder / "aliases"
        self.queue = self.folder / "queue"
        self.mail = self.folder / "mail"
        self.log_path = self.folder / "log"
        self.home = self.folder / "home"
        self.user = getpass.getuser()
        self.build = BUILD
        self.programs = []
        self.mail.mkdir()
        self.home.mkdir()
        self.aliases("")
        self.credentials()
        self.sections = {
            "mail": {
                "hostname": "here.example",
                "domain": "here.example",
                "local_domains": "here.example, localhost",
                "aliases": str(self.aliases_path),
                "mailbox_directory": str(self.mail),
                "log_file": str(self.log_path),
            },
            "queue": {"directory": str(self.queue)},
        }
        self.extra = ""
        self.configure(**sections)

    # --- what is in it ---

    def configure(self, extra=None, **sections):
        """Changes settings: the lines given replace or add keys; a value of None drops a section."""
        for name, text in sections.items():
            if text is None:
                self.sections.pop(name, None)
            else:
                self.sections.setdefault(name, {}).update(parse_settings(text))
        if extra is not None:
            self.extra = extra
        lines = []
        for name, keys in self.sections.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {value}" for key, value in keys.items()]
        self.config.write_text("\n".join(lines) + "\n" + self.extra + "\n")

    def credentials(self, text="", mode=0o600):
        """Writes credentials.conf."""
        self.credentials_path.write_text(text)
        self.credentials_path.chmod(mode)

    def aliases(self, text):
        self.aliases_path.write_text(text)

    # --- programs ---

    def environment(self, **changes):
        """A small clean environment; a change to None takes a variable out."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C",
            "LOGNAME": self.user,
            "USER": self.user,
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.update(changes)
        return {name: value for name, value in environment.items() if value is not None}

    def run(self, argv, stdin=b"", env=None, check=None, timeout=120, **options):
        """
        Runs a program of build/ (or a path with a slash). check: the exit status that must come.
        env: changes to the clean environment. Other options go to subprocess.run. The output goes
        to files, so that a runner left in the background keeps nobody waiting.
        """
        program = os.fspath(argv[0])
        if "/" not in program:
            program = str(self.build / program)
        if isinstance(stdin, str):
            stdin = stdin.encode()
        if isinstance(stdin, (bytes, bytearray)):
            options["input"] = stdin
        else:
            options["stdin"] = stdin
        options.setdefault("cwd", self.folder)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = subprocess.run(
                [os.fspath(argument) for argument in argv],
                executable=program,
                stdout=options.pop("stdout", out),
                stderr=options.pop("stderr", err),
                env=self.environment(**(env or {})),
                timeout=timeout,
                check=False,
                **options,
            )
            out.seek(0)
            err.seek(0)
            result = Result(done.args, done.returncode, out.read(), err.read())
        assert result.returncode != SANITIZER_FOUND, f"a sanitizer ended {argv}:\n{result.err}"
        if check is not None:
            assert result.returncode == check, (
                f"{argv} ended with {result.returncode}, not {check}\n"
                f"--- stdout\n{result.out}--- stderr\n{result.err}--- log\n{self.log()}"
            )
        return result

    def start(self, argv, env=None, **options):
        """Starts a program and returns its Popen; it is ended with the sandbox."""
        program = os.fspath(argv[0])
        if "/" not in program:
            program = str(self.build / program)
        options.setdefault("cwd", self.folder)
        started = subprocess.Popen(
            [os.fspath(argument) for argument in argv],
            executable=program,
            env=self.environment(**(env or {})),
            **options,
        )
        self.programs.append(started)
        return started

    def sendmail(self, *arguments, stdin=b"", **options):
        """sendmail -C <our settings> arguments…; see run."""
        return self.run(["sendmail", "-C", self.config, *arguments], stdin=stdin, **options)

    def postrider(self, *arguments, **options):
        """postrider verb -C <our settings> arguments…"""
        return self.run(
            ["postrider", arguments[0], "-C", self.config, *arguments[1:]], **options
        )

    def mailq(self, *arguments, **options):
        return self.run(["mailq", "-C", self.config, *arguments], **options)

    def newaliases(self, *arguments, **options):
        return self.run(["newaliases", "-C", self.config, *arguments], **options)

    def flush(self, **options):
        """One queue run in the foreground, as `sendmail -q`."""
        return self.sendmail("-q", **options)

    # --- what came of it ---

    def letters(self):
        """The ids of the messages in the queue, oldest first."""
        spool = self.queue / "spool"
        if not spool.is_dir():
            return []
        # The mark for the runner lies there too; it is no message.
        return sorted(entry.name for entry in spool.iterdir() if entry.name[0] != ".")

    def letter(self, name=None):
        """The bytes of a queue file; without a name there must be just one."""
        if name is None:
            (name,) = self.letters()
        return (self.queue / "spool" / name).read_bytes()

    def mailbox_bytes(self, user=None):
        path = self.mail / (user or self.user)
        return path.read_bytes() if path.exists() else b""

    def mailbox(self, user=None):
        """The messages of a mailbox, as email.message.Message objects with .get_from()."""
        path = self.mail / (user or self.user)
        if not path.exists():
            return []
        box = mailbox.mbox(path, create=False)
        try:
            return list(box)
        finally:
            box.close()

    def log(self):
        return self.log_path.read_text(errors="backslashreplace") if self.log_path.exists() else ""

    def log_lines(self, event=None, **values):
        """Lines of the log with this event and these key=value pairs."""
        lines = self.log().splitlines()
        if event is not None:
            lines = [line for line in lines if re.search(rf"\b{re.escape(event)}\b", line)]
        for key, value in values.items():
            value = str(value)
            pairs = (f"{key}={value}", f"{key}={json.dumps(value, ensure_ascii=False)}")
            lines = [line for line in lines if any(f" {pair}" in line for pair in pairs)]
        return lines

    def _processes(self, counts):
        found = []
        for process in Path("/proc").iterdir():
            if not process.name.isdigit() or int(process.name) == os.getpid():
                continue
            try:
                if counts(process):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def _has_queue(self, process):
        return any(os.readlink(fd).startswith(f"{self.queue}") for fd in (process / "fd").iterdir())

    def _may_open_queue(self, process):
        ours = os.fsencode(self.folder) + b"/" in (process / "cmdline").read_bytes()
        return ours and (process / "comm").read_text().strip() in self.STARTERS

    def holders(self):
        """Process ids of programs that have this sandbox's queue open."""
        return self._processes(self._has_queue)

    def runners(self):
        """The same, and of those that may be about to open it."""
        return self._processes(lambda one: self._may_open_queue(one) or self._has_queue(one))

    def wait_until(self, question, seconds=20, what=None):
        try:
            return wait_until(question, seconds, what or "what was waited for")
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- log\n{self.log()}") from None

    def wait_empty(self, seconds=20):
        """Until nothing is queued and no runner is at work."""
        self.wait_until(
            lambda: not self.letters() and not self.runners(), seconds, "an empty, quiet queue"
        )

    def wait_quiet(self, seconds=20):
        """Until no runner is at work, whatever is still queued."""
        self.wait_until(lambda: not self.runners(), seconds, "the end of the runner")

    def close(self):
        for program in self.programs:
            if program.poll() is None:
                program.kill()
            program.wait()
        for process in self.runners():
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                pass
        wait_until(lambda: not self.runners(), 10, "the end of what had the queue open")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
