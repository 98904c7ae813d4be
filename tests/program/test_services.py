"""What other programs of a machine read of us: systemd's units as systemd runs them, sysusers, tmpfiles,
logrotate, AppArmor."""

import re
import shutil
import subprocess
import time

import pytest

from booted import Booted
from sandbox import EX_OK, REPOSITORY
from smtpfake import Certificates, FakeServer

pytestmark = pytest.mark.installed

CONTRIB = REPOSITORY / "contrib"
SERVICES = ["postrider.service", "postrider-queue.service"]
SPOOL = "/var/spool/postrider"
LOG = "/var/log/postrider.log"
USER, PASSWORD = "account@mg.example", "not easily guessed"
LISTEN = "[listen]\naddress = 127.0.0.1:25\nrelay_networks = 127.0.0.0/8\n"


class Machine(Booted):
    """With Postrider, a user and a provider, with TLS and passwords."""

    def __init__(self, folder, **options):
        super().__init__(**options)
        self.add_user("ada")
        self.make("install")
        certificates = Certificates(folder)
        self.provider = self.inside(lambda: FakeServer(
            certificate=certificates.good, users={USER: PASSWORD}, auth_needed=True))
        self.write("/srv/ca.pem", certificates.ca.read_bytes())
        self.write("/etc/postrider/credentials.conf", f"[smarthost]\npassword = {PASSWORD}\n", 0o600,
                   "postrider:postrider")
        self.shell(f"rm -f {LOG}; install -m 0660 -o postrider -g postrider /dev/null {LOG}")
        self.configure()

    def configure(self, more=""):
        self.write("/etc/postrider/postrider.conf",
                   f"[mail]\nlog_file = {LOG}\n[smarthost]\nhost = localhost:{self.provider.port}\n"
                   f"tls_trust = /srv/ca.pem\nuser = {USER}\n{more}")

    def send(self, subject, *options):
        """To ada and far away."""
        self.run(["/usr/sbin/sendmail", *options, "ada", "you@example.net"], user="ada", check=EX_OK,
                 stdin=f"Subject: {subject}\n\nx\n")

    def has(self, subject):
        line = f"Subject: {subject}".encode()
        return line in self.read("/var/mail/ada") and any(
            line in message.data for message in self.provider.messages)

    def queued(self):
        return [name for name in self.names(f"{SPOOL}/spool") if name[0] != "."]

    def close(self):
        super().close()
        self.provider.close()


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    made = Machine(tmp_path_factory.mktemp("certificates"))
    yield made
    made.close()


# --- systemd -------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit, usual, strict", [(SERVICES[0], 7.0, 3.0), (SERVICES[1], 6.7, 2.8)])
def test_exposure_is_what_is_said(unit, usual, strict, tmp_path):
    """By systemd's own measure: 10 is a service without any of its means."""
    shutil.copy(CONTRIB / unit, tmp_path)

    def rate():
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", tmp_path / unit], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
        return float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1])

    assert rate() <= usual
    (tmp_path / f"{unit}.d").mkdir()
    shutil.copy(CONTRIB / "strict.conf", tmp_path / f"{unit}.d")
    assert rate() <= strict
    said = re.sub(r"\n# ", " ", (CONTRIB / unit).read_text())
    assert f"rates this {usual}, and with strict.conf {strict}" in said


def run_by_units(machine, words):
    """Mail for here and for elsewhere goes through a run by the clock, and through the listener."""
    machine.send(f"timer-{words}", "-odq")
    machine.systemctl("start", "postrider-queue.service")
    assert machine.has(f"timer-{words}") and machine.queued() == []
    machine.configure(LISTEN)
    machine.systemctl("start", "postrider.service")
    machine.run(["python3", "-c", "import smtplib; smtplib.SMTP('127.0.0.1').sendmail('ada@here.example', "
                 f"['ada@here.example', 'you@example.net'], 'Subject: listener-{words}\\n\\nx')"], check=0)
    machine.wait_until(lambda: machine.has(f"listener-{words}"))
    pid = machine.show("postrider.service", "MainPID")
    machine.systemctl("reload", "postrider.service")
    machine.systemctl("stop", "postrider.service")
    assert machine.show("postrider.service", "Result") == "success"
    assert not machine.exists(f"/proc/{pid}")
    # What hears a peer is locked in, whatever systemd has filtered before.
    assert b"filters no system calls" not in machine.read(LOG)
    machine.configure()


def test_mail_goes_by_the_units(machine):
    run_by_units(machine, "usual")


def be_strict(machine):
    for unit in SERVICES:
        machine.write(f"/etc/systemd/system/{unit}.d/strict.conf", (CONTRIB / "strict.conf").read_bytes())
    machine.systemctl("daemon-reload")


def test_mail_goes_by_the_units_with_all_of_strict(machine):
    be_strict(machine)
    try:
        run_by_units(machine, "strict")
    finally:
        machine.shell("rm -r /etc/systemd/system/postrider*.d")
        machine.systemctl("daemon-reload")


def test_mail_goes_by_the_units_in_a_container(tmp_path):
    with Machine(tmp_path, contained=True) as machine:
        run_by_units(machine, "contained")
        # What strict.conf says of such: its mail waits.
        be_strict(machine)
        machine.send("strict", "-odq")
        machine.run(["systemctl", "start", "postrider-queue.service"])
        assert not machine.has("strict") and len(machine.queued()) == 1
        assert b"NoNewPrivileges" in machine.read(LOG)


def test_the_timer_runs_the_queue(machine):
    """At the times that it has on a machine that runs for long, but sooner."""
    machine.write("/etc/systemd/system/postrider-queue.timer.d/soon.conf",
                  "[Timer]\nOnBootSec=\nOnActiveSec=100ms\nAccuracySec=1ms\n")
    machine.systemctl("daemon-reload")
    machine.send("by-the-clock", "-odq")
    machine.systemctl("start", "postrider-queue.timer")
    machine.wait_until(lambda: machine.has("by-the-clock"))
    assert machine.show("postrider-queue.timer", "ActiveState") == "active"
    machine.systemctl("stop", "postrider-queue.timer")


def test_the_path_unit_takes_what_nobody_runs(machine):
    """Of a submission that could start nothing. Others do not make it run wild."""
    machine.systemctl("start", "postrider-queue.path")
    machine.shell("chmod 0 /usr/libexec/postrider/postrider-local")
    machine.send("no-runner")
    assert machine.exists(f"{SPOOL}/spool/.wake")
    machine.shell("chmod 4750 /usr/libexec/postrider/postrider-local")
    machine.wait_until(lambda: machine.has("no-runner"))
    for number in range(20):
        machine.send(f"many-{number}")
    machine.wait_until(lambda: machine.has("many-19") and not machine.queued())
    assert machine.show("postrider-queue.path", "ActiveState") == "active"
    machine.systemctl("stop", "postrider-queue.path", "postrider-queue.service")


def test_S11_mail_waits_while_the_helper_has_no_rights(machine):
    """Nobody is told that a user were unknown."""
    machine.shell("chmod u-s /usr/libexec/postrider/postrider-local")
    machine.send("no-rights", "-odq")
    # As root, who can start a run without any bit.
    machine.run(["postrider", "flush"], check=None)
    assert len(machine.queued()) == 1 and b"no-rights" not in machine.read("/var/mail/ada")
    machine.shell("chmod u+s /usr/libexec/postrider/postrider-local")
    machine.run(["postrider", "queue", "retry", "--all"], check=None)
    machine.wait_until(lambda: machine.has("no-rights"))
    assert machine.queued() == []


def test_the_path_unit_waits_while_nothing_can_be_run(machine):
    """Settings that nobody can read, and a mark that stays therefore."""
    machine.write("/etc/systemd/system/postrider-queue.service.d/count.conf",
                  "[Service]\nExecStartPre=/bin/sh -c 'echo >> /srv/runs/list'\n")
    machine.shell("install -d -o postrider /srv/runs")
    machine.systemctl("daemon-reload")
    machine.send("broken", "-odq")
    machine.configure("nonsense = yes\n")
    machine.shell(f"touch {SPOOL}/spool/.wake; chown postrider: {SPOOL}/spool/.wake")
    machine.systemctl("start", "postrider-queue.path")
    machine.wait_until(lambda: len(machine.read("/srv/runs/list")) >= 2)
    time.sleep(2)
    assert len(machine.read("/srv/runs/list")) <= 3
    machine.configure()
    machine.wait_until(lambda: machine.has("broken"))
    machine.systemctl("stop", "postrider-queue.path", "postrider-queue.service")
    machine.shell("rm -r /etc/systemd/system/postrider-queue.service.d; systemctl daemon-reload")


# --- shells --------------------------------------------------------------------------------------


def test_bash_loads_the_completion_when_it_is_needed(machine):
    done = machine.run(["bash", "-c", "source /usr/share/bash-completion/bash_completion; "
                        "_completion_loader postrider; complete -p postrider"])
    assert done.out == "complete -F _postrider postrider\n"


# --- accounts and folders ------------------------------------------------------------------------


def test_sysusers_and_tmpfiles_make_what_the_installation_makes(machine):
    """On a root that has neither account nor folders yet."""
    machine.shell("mkdir -p /srv/root/etc /srv/root/usr/lib; cp -a /usr/lib/*.d /srv/root/usr/lib 2>/dev/null || true")
    machine.run(["systemd-sysusers", "--root=/srv/root", "postrider.conf"], check=0)
    machine.run(["systemd-tmpfiles", "--root=/srv/root", "--create", "postrider.conf"], check=0)
    account = machine.run(["sh", "-c", "grep ^postrider: /srv/root/etc/passwd"], check=0).out.split(":")
    own = machine.run(["getent", "passwd", "postrider"], check=0).out.split(":")
    assert account[5:] == own[5:]
    found = [machine.shell(f"cd {root}{SPOOL}; find . -type d -printf '%P %m %U:%G\\n' | sort").out
             for root in ("", "/srv/root")]
    assert found[1].replace(":".join(account[2:4]), ":".join(own[2:4])) == found[0] and "spool 3770" in found[0]


# --- logs ----------------------------------------------------------------------------------------


def test_logs_are_rotated_and_the_listener_goes_on_with_the_new_one(machine):
    machine.install_packages("logrotate")
    machine.write("/etc/logrotate.d/postrider", (CONTRIB / "postrider.logrotate").read_bytes())
    machine.configure(LISTEN)
    machine.run(["postrider", "serve"], check=0)
    machine.run(["logrotate", "--force", "/etc/logrotate.d/postrider"], check=0)
    assert machine.run(["stat", "-c", "%U:%G %a", LOG]).out == "postrider:postrider 660\n"
    machine.wait_until(lambda: b": reloaded" in machine.read(LOG))
    old = machine.read(f"{LOG}.1")
    machine.send("rotated")
    machine.wait_until(lambda: machine.has("rotated"))
    assert machine.read(f"{LOG}.1") == old and b"delivered" in machine.read(LOG)
    pid = machine.read(f"{SPOOL}/listen.lock").decode().strip()
    machine.run(["kill", pid], check=0)
    machine.wait_until(lambda: not machine.exists(f"/proc/{pid}"))
    # A number that is another's by now is left alone.
    sleeper = machine.shell(f"sleep 600 >/dev/null 2>&1 & echo $!; echo $! > {SPOOL}/listen.lock").out.strip()
    machine.run(["logrotate", "--force", "/etc/logrotate.d/postrider"], check=0)
    assert machine.exists(f"/proc/{sleeper}")
    machine.run(["kill", sleeper], check=0)


# --- AppArmor ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [path.name for path in (CONTRIB / "apparmor").iterdir()])
def test_profiles_can_be_read(name):
    """By AppArmor's parser, all the way to what the kernel gets; and each is of a program that there is."""
    profile = CONTRIB / "apparmor" / name
    done = subprocess.run(["apparmor_parser", "-Q", "-K", "-T", "-S", profile], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and len(done.stdout) > 1000, done.stderr
    program = name.rpartition(".")[2]
    assert f"profile {program} /usr/libexec/postrider/{program} flags=(complain)" in profile.read_text()
    assert (REPOSITORY / "build" / program).exists()
