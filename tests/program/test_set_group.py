"""The front door with its set-group-ID bit: an installed queue that its callers cannot touch.

Built anew with paths below a temporary folder. Only root can give a program away to a group, so
this needs root; nothing outside that folder is written.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from sandbox import EX_CANTCREAT, EX_CONFIG, EX_NOPERM, EX_OK, REPOSITORY
from spool import QueuedLetter

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("set_group")]

GROUP = 64998  # needs no entry in the group table
NOBODY = pwd.getpwnam("nobody")
DAEMON = pwd.getpwnam("daemon")
FAR = "you@far.example"


def as_user(entry):
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Installation:
    """A postrider with the bit, its settings, its aliases and its queue."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="postrider-group-"))
        self.folder.chmod(0o755)
        self.config = self.folder / "etc/postrider/postrider.conf"
        self.queue = self.folder / "spool"
        self.log = self.folder / "var/log"
        build = self.folder / "build"
        done = subprocess.run(
            ["make", "-j2", f"BUILD={build}", f"SYSCONFDIR={self.folder}/etc", "CFLAGS=-O1",
             f"SPOOLDIR={self.queue}", f"LIBEXECDIR={self.folder}/libexec", f"{build}/postrider", f"{build}/postrider-run"],
            cwd=REPOSITORY, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]})
        assert done.returncode == 0, done.stdout.decode()
        self.program = self.folder / "postrider"
        shutil.move(build / "postrider", self.program)
        self.runner = shutil.move(build / "postrider-run", self.folder)
        shutil.rmtree(build)
        os.chown(self.program, 0, GROUP)
        self.program.chmod(0o2755)
        for name in ("sendmail", "mailq", "newaliases"):
            (self.folder / name).symlink_to("postrider")
        self.config.parent.mkdir(parents=True)
        self.log.parent.mkdir()
        os.chown(self.log.parent, 0, GROUP)
        self.log.parent.chmod(0o770)
        self.config.write_text(
            "[mail]\nhostname = here.example\ndomain = here.example\n"
            f"aliases = {self.folder}/etc/aliases\nlog_file = {self.log}\n")

    def empty(self):
        """An empty queue, an empty home for nobody."""
        shutil.rmtree(self.queue, ignore_errors=True)
        modes = {".": 0o710, "spool": 0o3770, "journal": 0o2750, "corrupt": 0o2750,
                 "hops": 0o2750, "runs": 0o2750}  # as contrib/install-accounts.sh has them
        for name, mode in modes.items():
            (self.queue / name).mkdir()
            os.chown(self.queue / name, GROUP, GROUP)
            (self.queue / name).chmod(mode)
        self.home = self.folder / "home"
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        os.chown(self.home, NOBODY.pw_uid, NOBODY.pw_gid)

    def run(self, name, *arguments, stdin=b"", entry=NOBODY, env=None, **options):
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **(env or {})}
        return subprocess.run(
            [self.folder / name, *arguments], input=stdin, env=environment, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", timeout=60,
            **as_user(entry), **options)

    def letters(self):
        return sorted(name for name in os.listdir(self.queue / "spool") if name[0] != ".")

    def letter(self):
        (name,) = self.letters()
        return QueuedLetter((self.queue / "spool" / name).read_bytes())


@pytest.fixture(scope="session")
def built():
    installation = Installation()
    yield installation
    shutil.rmtree(installation.folder)


@pytest.fixture
def installed(built):
    built.empty()
    return built


def own_settings(installed, folder, queue=None):
    """A settings file of nobody's own."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "postrider.conf"
    text = "[mail]\nhostname = own.example\n"
    config.write_text(text + (f"[queue]\ndirectory = {queue}\n" if queue else ""))
    for path in (config, folder, folder.parent):
        if installed.home in path.parents:
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    return config


def test_anybody_submits_into_the_queue(installed):
    done = installed.run("sendmail", "-odq", FAR, stdin=b"Subject: s\n\nx\n")
    assert (done.returncode, done.stderr) == (EX_OK, b"")
    (name,) = installed.letters()
    info = (installed.queue / "spool" / name).stat()
    assert (info.st_uid, info.st_gid, info.st_mode & 0o7777) == (NOBODY.pw_uid, GROUP, 0o640)
    assert installed.letter().sender == "nobody@here.example"
    assert not installed.log.exists(), "the log would belong to the submitter"


def test_C_gives_the_group_up(installed):
    config = own_settings(installed, installed.home / "mine", installed.queue)
    done = installed.run("sendmail", "-C", config, "-odq", FAR, stdin=b"x\n")
    assert done.returncode in (EX_NOPERM, EX_CANTCREAT), done.stderr
    assert installed.letters() == []
    config = own_settings(installed, installed.home / "mine", installed.home / "queue")
    done = installed.run("sendmail", "-C", config, "-odq", FAR, stdin=b"x\n")
    assert done.returncode == EX_OK, done.stderr
    (name,) = os.listdir(installed.home / "queue/spool")
    assert (installed.home / "queue/spool" / name).stat().st_gid == NOBODY.pw_gid


def test_C_cannot_show_a_file_of_the_group(installed):
    secret = installed.folder / "secret"
    secret.write_text("password-of-the-group\n")
    os.chown(secret, 0, GROUP)
    secret.chmod(0o640)
    done = installed.run("sendmail", "-C", secret, FAR, stdin=b"x\n")
    assert done.returncode in (EX_CONFIG, EX_NOPERM)
    assert b"Permission denied" in done.stderr and b"password-of" not in done.stderr


def test_C_of_the_installed_settings_keeps_the_group(installed):
    link = installed.home / "link"
    link.symlink_to(installed.config)
    for number, path in enumerate((installed.config, link)):
        done = installed.run("sendmail", "-C", path, "-odq", FAR, stdin=b"x\n")
        assert done.returncode == EX_OK, done.stderr
        assert len(installed.letters()) == number + 1


def test_own_settings_are_found(installed):
    elsewhere = installed.home / "elsewhere"
    queues = {
        "HOME": installed.home / ".local/state/postrider",
        "XDG": elsewhere / "state/postrider",
    }
    own_settings(installed, installed.home / ".config/postrider")
    done = installed.run("sendmail", "-odq", FAR, stdin=b"x\n")
    assert done.returncode == EX_OK, done.stderr
    assert len(os.listdir(queues["HOME"] / "spool")) == 1
    own_settings(installed, elsewhere / "config/postrider")
    for path in (elsewhere, elsewhere / "config"):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    done = installed.run("sendmail", "-odq", FAR, stdin=b"x\n",
                         env={"XDG_CONFIG_HOME": f"{elsewhere}/config",
                              "XDG_STATE_HOME": f"{elsewhere}/state"})
    assert done.returncode == EX_OK, done.stderr
    assert len(os.listdir(queues["XDG"] / "spool")) == 1
    assert installed.letters() == []


def test_settings_of_others_are_not_used(installed):
    """Left in HOME by su, or put there by whoever called a set-user-ID program."""
    own_settings(installed, installed.home / ".config/postrider")
    done = installed.run("sendmail", "-odq", FAR, stdin=b"x\n", entry=DAEMON)
    assert done.returncode == EX_OK, done.stderr
    done = installed.run("sendmail", "-odq", FAR, stdin=b"x\n", entry=pwd.getpwuid(0))
    assert done.returncode == EX_OK, done.stderr
    assert len(installed.letters()) == 2


def test_S6_environment(installed):
    hostile = {
        "NAME": "Evil Name", "LOGNAME": "evil", "USER": "evil", "TZ": "EVL-9:30", "IFS": "/",
        "LD_PRELOAD": "/nowhere/evil.so", "RES_OPTIONS": "debug", "LOCALDOMAIN": "evil.example",
        "HOSTALIASES": "/etc/passwd", "LANG": "de_DE.UTF-8", "LC_ALL": "tr_TR.UTF-8",
        "TMPDIR": "/nowhere", "XDG_CONFIG_HOME": "../../evil", "XDG_STATE_HOME": "/nowhere",
        "DB_HOME": "/nowhere",
    }
    done = installed.run("sendmail", "-odq", FAR, stdin=b"x\n", env=hostile)
    assert (done.returncode, done.stderr) == (EX_OK, b"")
    message = installed.letter().message
    for word in (b"Evil", b"evil", b"+0930"):
        assert word not in message
    installed.empty()
    installed.run("sendmail", "-odq", FAR, stdin=b"x\n", env={"TZ": "EVL-9"})
    assert b" +0900\n" in installed.letter().header


TAKE = """
import os, sys
for name in os.listdir("."):
    for what in (lambda: os.unlink(name), lambda: os.rename(name, ".gone"),
                 lambda: os.truncate(name, 0), lambda: os.link(name, "again")):
        try:
            what()
            print("did it", name)
        except PermissionError:
            pass
"""


def test_S7_the_group_takes_no_message_of_others_away(installed):
    """Who got the better of the front door has its group, and still is who he is."""
    installed.run("sendmail", "-odq", FAR, stdin=b"Subject: s\n\nx\n")
    letters, (before,) = installed.letters(), (installed.queue / "spool").glob("[!.]*")
    kept = before.read_bytes()
    done = subprocess.run(
        ["/usr/bin/setpriv", f"--reuid={DAEMON.pw_uid}", f"--regid={GROUP}", "--clear-groups",
         "/usr/bin/python3", "-c", TAKE], cwd=installed.queue / "spool", check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.stdout == b"" and done.returncode == 0, done.stdout
    assert installed.letters() == letters and before.read_bytes() == kept


def test_mailq_shows_the_callers_own(installed):
    installed.run("sendmail", "-odq", "a@far.example", stdin=b"x\n")
    installed.run("sendmail", "-odq", "b@far.example", stdin=b"x\n", entry=DAEMON)
    seen = {name: installed.run("mailq", entry=pwd.getpwnam(name)).stdout
            for name in ("nobody", "daemon", "root", "bin")}
    assert b"a@far.example" in seen["nobody"] and b"b@far.example" not in seen["nobody"]
    assert b"b@far.example" in seen["daemon"] and b"a@far.example" not in seen["daemon"]
    assert b"in 1 Request." in seen["nobody"]
    assert b"a@far.example" in seen["root"] and b"b@far.example" in seen["root"]
    assert seen["bin"] == b"Mail queue is empty\n"


def test_only_root_watches_the_queue(installed):
    done = installed.run("sendmail", "-q", "-v")
    assert done.returncode == EX_NOPERM and b"only root" in done.stderr


def test_newaliases_has_the_callers_rights_alone(installed):
    aliases = installed.folder / "etc/aliases"
    aliases.write_text("a: b\n")
    libexec = installed.folder / "libexec"
    libexec.mkdir()
    shutil.copy(installed.runner, libexec)
    done = installed.run("newaliases")
    assert done.returncode == EX_NOPERM, done.stderr
    assert not aliases.with_suffix(".db").exists()
    os.chown(aliases, 0, GROUP)
    aliases.chmod(0o640)
    done = installed.run("newaliases")
    assert done.returncode == EX_NOPERM and b"Permission denied" in done.stderr
    done = installed.run("newaliases", entry=pwd.getpwuid(0))
    assert done.stdout == f"{aliases}: 1 alias\n".encode(), done.stderr
    shutil.rmtree(libexec)


def test_S11_no_new_privileges(installed):
    done = subprocess.run(
        ["/usr/bin/setpriv", "--no-new-privs", f"--reuid={NOBODY.pw_uid}",
         f"--regid={NOBODY.pw_gid}", "--clear-groups", installed.folder / "sendmail", FAR],
        input=b"Subject: s\n\nx\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
        env={"HOME": str(installed.home)})
    assert done.returncode == EX_NOPERM, done.stderr
    assert done.stderr.count(b"\n") == 1
    for word in (b"NoNewPrivileges", b"-C FILE"):
        assert word in done.stderr
    assert installed.letters() == []


def test_S11_no_new_privileges_with_own_settings(installed):
    config = own_settings(installed, installed.home / "mine", installed.home / "queue")
    done = subprocess.run(
        ["/usr/bin/setpriv", "--no-new-privs", f"--reuid={NOBODY.pw_uid}",
         f"--regid={NOBODY.pw_gid}", "--clear-groups", installed.folder / "sendmail", "-C", config,
         "-odq", FAR], input=b"x\n", stderr=subprocess.PIPE, check=False,
        env={"HOME": str(installed.home)})
    assert (done.returncode, done.stderr) == (EX_OK, b"")


def test_S7_the_caller_cannot_trace_it(installed):
    """Its memory is not its caller's: no core, no ptrace, no /proc/PID/mem."""
    program = subprocess.Popen([installed.folder / "sendmail", FAR], stdin=subprocess.PIPE,
                               env={"HOME": str(installed.home)}, **as_user(NOBODY))
    try:
        done = subprocess.run(["/usr/bin/cat", f"/proc/{program.pid}/environ"], check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              **as_user(NOBODY))
        assert done.returncode != 0 and b"denied" in done.stderr
    finally:
        program.kill()
        program.wait()
        program.stdin.close()
    assert installed.letters() == []
