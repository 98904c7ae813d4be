"""The listener of an installed Postrider: root starts it, and it is root no more; SMTP on standard input
for users; systemd's ways, played by the tests; a partner who asks for his mail."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from listening import ACTIVATE, Client
from sandbox import EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_USAGE, REPOSITORY
from test_installed import SPOOL, Machine
from world import PATH

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("listener")]

POSTRIDER = "/usr/sbin/postrider"
LOCAL = "/usr/libexec/postrider/postrider-local"
CONFIG = """[mail]
log_file = /var/log/postrider/log
[listen]
address = 127.0.0.1:25
relay_networks =
relay_domains = partner.example
etrn_networks = 127.0.0.9
[queue]
retry = 1h
"""
MESSAGE = b"Subject: %s\r\n\r\nx\r\n"
SCRIPT = ("EHLO here\nMAIL FROM:<ada>\nRCPT TO:<{}>\nDATA\nFrom: ada\nSubject: {}\n\nx\n.\nQUIT\n")


class Listener(Machine):
    """A Machine whose settings have a listener; a test starts it."""

    def __init__(self):
        super().__init__()
        self.world.shell("install -d -o postrider -g postrider /var/log/postrider")
        self.uid, self.gid = (self.world.run(["id", option, "postrider"]).out.strip()
                              for option in ("-u", "-g"))

    def configure(self, more="", listen="", **_):
        self.world.write("/etc/postrider/postrider.conf",
                         CONFIG.replace("[queue]", f"{listen}\n[queue]") + more)

    def pid(self, lock="listen.lock"):
        text = self.world.read(f"{SPOOL}/{lock}")
        return int(text) if text.strip() else None

    def is_alive(self, pid):
        return self.world.run(["kill", "-0", str(pid)]).returncode == 0

    def client(self, port=25, **options):
        return self.world.inside(lambda: Client(port, **options))

    def kill(self, number=signal.SIGTERM, lock="listen.lock"):
        """Sends it the signal; waits for its end if that is what it means."""
        pid = self.pid(lock)
        self.world.run(["kill", f"-{int(number)}", str(pid)], check=0)
        if number in (signal.SIGTERM, signal.SIGKILL):
            self.world.wait_until(lambda: not self.is_alive(pid), what="the end of the listener")

    def start(self, argv, environment=(), **options):
        """Starts something in the world as root, and goes on."""
        return subprocess.Popen(
            self.world.argv(argv, environment=[f"PATH={PATH}", *environment]), **options)

    def status(self, pid):
        """Its ids and capabilities."""
        text = self.world.read(f"/proc/{pid}/status").decode()
        return {key: value.split() for key, _, value in
                (line.partition(":") for line in text.splitlines())}

    def send(self, recipient, subject="hello", port=25):
        with self.client(port) as client:
            client.ehlo()
            client.message("a@sender.example", recipient, MESSAGE % subject.encode())
            client.command("QUIT", 221)

    def file_log(self):
        return self.world.read("/var/log/postrider/log").decode()


@pytest.fixture(scope="module")
def shared():
    machine = Listener()
    yield machine
    machine.world.close()


@pytest.fixture
def machine(shared):
    shared.configure()
    yield shared
    for pid in shared.world.processes("postrider-listen"):
        shared.world.run(["kill", "-9", str(pid)])
    shared.world.wait_until(lambda: not shared.world.processes("postrider-listen"))
    shared.drain()
    shared.world.shell(f"rm -f /var/mail/* /var/log/postrider/* {SPOOL}/*.lock")


# --- starting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [[POSTRIDER, "serve"], ["/usr/sbin/sendmail", "-bd", "-q15m"],
                                  ["/usr/lib/sendmail", "-bd"]], ids=" ".join)
def test_root_starts_it_and_is_gone(machine, argv):
    machine.world.run(argv, check=EX_OK)
    with machine.client() as client:
        client.ehlo()
        processes = machine.world.processes("postrider-listen")
        assert len(processes) == 2 and machine.pid() in processes
        for pid in processes:
            status = machine.status(pid)
            assert status["Uid"] == [machine.uid] * 4 and status["Gid"] == [machine.gid] * 4
            assert set(status["Groups"]) <= {machine.gid} and int(status["CapEff"][0], 16) == 0
    machine.send("ada@here.example")
    assert machine.wait_for_mail("ada", "hello")
    # What it makes is its own.
    owners = machine.world.run(["stat", "-c", "%U:%G", "/var/log/postrider/log",
                                f"{SPOOL}/listen.lock"], check=0).out.split()
    assert owners == ["postrider:postrider"] * 2
    refused = machine.world.run(argv, check=EX_TEMPFAIL)
    assert "a listener of this queue is at work already" in refused.err
    machine.kill()
    machine.world.run(argv, check=EX_OK)


@pytest.mark.parametrize("argv", [[POSTRIDER, "serve"], ["/usr/sbin/sendmail", "-bd"],
                                  ["/usr/sbin/sendmail", "-bD"], ["/usr/sbin/sendmail", "-q15m"]],
                         ids=" ".join)
def test_users_may_not_start_it(machine, argv):
    refused = machine.world.run(argv, user="ada", check=EX_NOPERM)
    assert "only root may start the listener" in refused.err and refused.err.count("\n") == 1
    assert not machine.world.processes("postrider-listen")
    # Nor by its own name, for which nothing is lent to him.
    refused = machine.world.run(["/usr/libexec/postrider/postrider-listen"], user="ada")
    assert refused.returncode != EX_OK and not machine.world.processes("postrider-listen")


def test_a_user_has_one_of_his_own(machine):
    machine.world.write("/home/ada/postrider.conf", "[listen]\naddress = 127.0.0.1:2530\n[queue]\n"
                        "directory = /home/ada/queue\n", owner="ada:ada")
    machine.world.run([POSTRIDER, "serve", "-C", "/home/ada/postrider.conf"], user="ada", check=EX_OK)
    with machine.client(2530) as client:
        client.ehlo()
        client.message("a@sender.example", "ada@here.example", MESSAGE % b"own")
    machine.world.wait_until(lambda: machine.world.read("/home/ada/queue/listen.lock"))
    assert not machine.queued()
    machine.world.wait_until(lambda: len(machine.world.processes("postrider-listen")) == 1)
    (pid,) = machine.world.processes("postrider-listen")
    assert machine.status(pid)["Gid"] == machine.status(pid)["Uid"] != [machine.uid] * 4
    # Found in his home, it is the one as well.
    machine.world.shell("mkdir -p /home/ada/.config/postrider && cp /home/ada/postrider.conf "
                        "/home/ada/.config/postrider/ && chown -R ada:ada /home/ada/.config")
    refused = machine.world.run([POSTRIDER, "serve"], user="ada", check=EX_TEMPFAIL)
    assert "/home/ada/queue/listen.lock" in refused.err
    machine.world.shell("rm -r /home/ada/.config /home/ada/queue /home/ada/postrider.conf")


def test_the_queues_own_user_may(machine):
    machine.configure()
    machine.world.write("/etc/postrider/postrider.conf", CONFIG.replace(":25", ":2531"))
    machine.world.run([POSTRIDER, "serve"], user="postrider", env={"HOME": "/"}, check=EX_OK)
    machine.send("ada@here.example", port=2531)
    assert machine.wait_for_mail("ada", "hello")
    machine.kill()
    machine.configure()
    refused = machine.world.run([POSTRIDER, "serve"], user="postrider", env={"HOME": "/"},
                                check=EX_NOPERM)
    assert "only root may bind ports below 1024" in refused.err


def test_runs_by_the_clock(machine):
    machine.sendmail("-odq", "ada", stdin="Subject: clock\n\nx\n", check=EX_OK)
    machine.world.run(["/usr/sbin/sendmail", "-q1s"], check=EX_OK)
    assert machine.status(machine.pid("timer.lock"))["Uid"] == [machine.uid] * 4
    assert machine.wait_for_mail("ada", "clock")


def test_mail_of_other_users_programs_is_theirs_to_read(machine):
    """What came over the network is nobody's but root's to see in the queue."""
    machine.world.run(["/usr/sbin/sendmail", "-bd"], check=EX_OK)
    machine.send("x@partner.example")
    machine.wait_quiet()
    (name,) = machine.queued()
    assert machine.world.run(["stat", "-c", "%U:%G %a", f"{SPOOL}/spool/{name}"]).out == (
        "postrider:postrider 640\n")
    assert name not in machine.world.run([POSTRIDER, "queue"], user="ada", check=EX_OK).out
    assert name in machine.world.run([POSTRIDER, "queue"], check=EX_OK).out


# --- systemd -------------------------------------------------------------------------------------


def test_readiness_and_reloads_are_told(machine):
    notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = machine.world.outside("/run/notify")
    Path(path).unlink(missing_ok=True)
    notes.bind(path)
    os.chmod(path, 0o666)
    notes.settimeout(20)
    process = machine.start([POSTRIDER, "serve", "--foreground"], ["NOTIFY_SOCKET=/run/notify"])
    assert notes.recv(1000) == b"READY=1"
    with machine.client() as client:
        client.ehlo()
        machine.kill(signal.SIGHUP)
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", notes.recv(1000))
        assert notes.recv(1000) == b"READY=1"
        machine.world.write("/etc/postrider/postrider.conf", "[listen]\nnonsense = yes\n")
        machine.kill(signal.SIGHUP)
        assert notes.recv(1000).startswith(b"RELOADING=1")
        assert notes.recv(1000) == b"READY=1"
        assert "not reloaded, the settings in force stay: " in machine.file_log()
        machine.kill()
        assert notes.recv(1000) == b"STOPPING=1"
    assert process.wait(20) == EX_OK
    notes.close()


def test_sockets_of_systemd(machine):
    """Bound by root outside, at a port below 1024; the settings' own address is not."""
    door = machine.world.inside(lambda: socket.create_server(("127.0.0.1", 587)))

    def hand_over():
        os.dup2(os.dup(door.fileno()), 3)

    process = machine.start(["/bin/sh", "-c", ACTIVATE, POSTRIDER, "serve", "--foreground"],
                            ["LISTEN_FDS=1", "LISTEN_FDNAMES=smtp"], preexec_fn=hand_over,
                            close_fds=False)
    machine.send("ada@here.example", port=587)
    assert machine.wait_for_mail("ada", "hello")
    with pytest.raises(ConnectionRefusedError):
        machine.client()
    machine.kill(signal.SIGHUP)
    machine.world.wait_until(lambda: ": reloaded" in machine.file_log())
    machine.send("ada@here.example", "again", port=587)
    machine.kill()
    assert process.wait(20) == EX_OK
    door.close()


UNITS = ["postrider.service", "postrider.socket", "postrider-queue.service", "postrider-queue.timer"]


def test_units_are_installed_and_in_order(machine):
    machine.world.run(["systemd-analyze", "verify", "--man=no",
                       *[f"/usr/lib/systemd/system/{name}" for name in UNITS]], check=0)
    text = machine.world.read("/usr/lib/systemd/system/postrider.service").decode()
    assert f"ExecStart={POSTRIDER} serve --foreground" in text
    for wrong in ("NoNewPrivileges", "User=", "SystemCallFilter"):
        assert not re.search(rf"^{wrong}", text, re.MULTILINE)


def bounding_set(unit):
    text = (REPOSITORY / "contrib" / unit).read_text()
    (names,) = re.findall(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE)
    return ",".join(["-all", *[name.lower().replace("cap_", "+") for name in names.split()]])


def test_what_the_units_leave_is_enough(machine):
    """Ports, mailboxes that have to be made, locks: with no capability but those of the unit."""
    process = machine.start(["setpriv", f"--bounding-set={bounding_set('postrider.service')}",
                             POSTRIDER, "serve", "--foreground"])
    machine.world.wait_until(machine.pid)
    assert machine.world.names("/var/mail") == []
    machine.send("ada@here.example")
    assert machine.wait_for_mail("ada", "hello")
    machine.kill()
    assert process.wait(20) == EX_OK
    machine.sendmail("-odq", "ben", stdin="Subject: timer\n\nx\n", check=EX_OK)
    machine.world.run(["setpriv", f"--bounding-set={bounding_set('postrider-queue.service')}",
                       POSTRIDER, "flush"], check=EX_OK)
    assert machine.wait_for_mail("ben", "timer")


# --- sendmail -bs --------------------------------------------------------------------------------


def test_bs_for_a_user(machine):
    """No listener is needed; it comes as he submits otherwise, and goes to anybody."""
    done = machine.sendmail("-bs", user="ada", stdin=SCRIPT.format("ben", "piped"), check=EX_OK)
    assert "250 2.0.0 " in done.out and done.err == ""
    message = machine.wait_for_mail("ben", "piped")
    assert message["From"] == "ada@here.example"
    uid = machine.world.run(["id", "-u", "ada"]).out.strip()
    received = " ".join(str(message["Received"]).split())
    assert f"by here.example (Postrider) (from user ada, uid {uid}) with ESMTP id" in received
    machine.sendmail("-bs", user="ada", stdin=SCRIPT.format("x@far.example", "far"), check=EX_OK)
    machine.wait_quiet()
    (name,) = machine.queued()
    assert f"\nuser {uid} ada\n" in machine.world.read(f"{SPOOL}/spool/{name}").decode()
    # In the queue's hands it is the queue's: the file's owner counts, and that is who took it in.
    assert name not in machine.world.run([POSTRIDER, "queue"], user="ada", check=EX_OK).out
    machine.world.run([POSTRIDER, "queue", "delete", name], user="ada", check=EX_NOPERM)
    assert "ada" in machine.world.run([POSTRIDER, "queue", "list", "--json"], check=EX_OK).out


def test_bs_for_root(machine):
    machine.sendmail("-bs", stdin=SCRIPT.format("ben", "root's"), check=EX_OK)
    received = " ".join(str(machine.wait_for_mail("ben", "root's")["Received"]).split())
    assert "(from user root, uid 0)" in received


def test_bs_sends_while_it_goes_on(machine):
    process = machine.start(["setpriv", "--reuid=ada", "--regid=ada", "--init-groups",
                             "/usr/sbin/sendmail", "-bs"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    process.stdin.write(SCRIPT.format("ben", "on its way").replace("QUIT\n", "").encode())
    process.stdin.flush()
    assert machine.wait_for_mail("ben", "on its way")
    assert process.poll() is None
    # It is a process of the queue's user: the caller can neither stop nor trace it.
    for pid in machine.world.processes("postrider-listen"):
        assert machine.status(pid)["Uid"] == [machine.uid] * 4
        for number in ("-STOP", "-KILL"):
            refused = machine.world.run(["kill", number, str(pid)], user="ada")
            assert refused.returncode != 0 and "not permitted" in refused.err
    process.stdin.close()
    assert process.wait(20) == EX_OK
    process.stdout.close()


# Starts so many sessions, tells of a line of the last one's when all that can are there, and stays.
FLOOD = """
import subprocess, sys, time
for _ in range(300):
    last = subprocess.Popen(["/usr/sbin/sendmail", "-bs"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
print(last.stdout.readline().decode(), flush=True)
time.sleep(600)
"""


def test_bs_leaves_processes_for_all_else(machine):
    """However many sessions somebody begins; even to send what is taken in one that began before."""
    process = machine.start(["setpriv", "--reuid=ada", "--regid=ada", "--init-groups",
                             "/usr/sbin/sendmail", "-bs"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"220 ")
    flood = machine.start(["setpriv", "--reuid=ben", "--regid=ben", "--init-groups", "python3", "-c",
                           FLOOD], stdout=subprocess.PIPE)
    try:
        assert b"Resource temporarily unavailable" in flood.stdout.readline()
        process.stdin.write(SCRIPT.format("ben", "taken before").encode())
        process.stdin.flush()
        assert machine.wait_for_mail("ben", "taken before")
        machine.sendmail("ben", user="ada", stdin="Subject: otherwise\n\nx\n", check=EX_OK)
        assert machine.wait_for_mail("ben", "otherwise")
        assert process.wait(20) == EX_OK
    finally:
        flood.kill()
        machine.world.run(["sh", "-c", "kill $(pgrep -u ben)"])
    process.stdin.close()
    process.stdout.close()
    flood.stdout.close()


def test_S6_S7_bs_from_a_hostile_caller(machine):
    """Limits, a mask, signals, a timer, an environment, descriptors: none of it reaches the session."""
    script = SCRIPT.format("ben", "hostile")
    hostile = """
        renice -n 5 $$ >/dev/null
        ulimit -S -f 0; ulimit -S -v 200000; ulimit -S -t 1; umask 0777; trap '' HUP INT TERM CHLD
        export POSTRIDER_CONFIG=/tmp/x LISTEN_PID=$$ LISTEN_FDS=1 TZ=../../etc/shadow HOME=/tmp/evil
        export LD_PRELOAD=/tmp/evil.so GNUTLS_SYSTEM_PRIORITY_FILE=/tmp/x MALLOC_PERTURB_=1
        exec 5</etc/passwd 6>/tmp/ada-wrote
        exec /usr/sbin/sendmail -bs
        """
    machine.world.write("/tmp/hostile.sh", hostile)
    done = machine.world.run(["sh", "/tmp/hostile.sh"], user="ada", stdin=script)
    assert done.returncode == EX_OK, done.err
    assert machine.wait_for_mail("ben", "hostile")


def test_bs_has_none_of_the_callers_descriptors(machine):
    machine.world.write("/tmp/open.sh", "exec 5</etc/passwd 7</etc/group\nexec /usr/sbin/sendmail -bs\n")
    process = machine.start(["setpriv", "--reuid=ada", "--regid=ada", "--init-groups", "sh",
                             "/tmp/open.sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline()[:4] == b"220 "
    for pid in machine.world.processes("postrider-listen"):
        links = machine.world.shell(f"readlink /proc/{pid}/fd/* || true").out
        assert "/etc/passwd" not in links and "/etc/group" not in links
    process.stdin.close()
    assert process.wait(20) == EX_OK
    process.stdout.close()


def test_S11_bs_without_new_privileges(machine):
    refused = machine.world.run(["setpriv", "--no-new-privs", "/usr/sbin/sendmail", "-bs"], user="ada",
                                check=EX_NOPERM)
    assert "NoNewPrivileges" in refused.err and refused.err.count("\n") == 1


@pytest.mark.parametrize("argv", [[LOCAL, "session"], [LOCAL, "session", "--for", "0"],
                                  [LOCAL, "run", "--pipe"]], ids=" ".join)
def test_the_helper_is_for_the_front_door_alone(machine, argv):
    refused = machine.world.run(argv, user="ada", stdin="QUIT\n")
    assert refused.returncode in (126, 127) and "ermission denied" in refused.err


def test_the_helper_takes_nothing_with_a_session(machine):
    """Even from who may call it: for whom it is, the kernel says."""
    refused = machine.world.run([LOCAL, "session", "--for", "0"], check=EX_USAGE)
    assert "usage" in refused.err
    for argument in ("--for", "--for=0", "-C", "-C/tmp/x"):
        machine.world.run([LOCAL, "run", argument, "0"], check=EX_USAGE)


def test_who_says_himself_for_whom_it_is_gets_nowhere(machine):
    refused = machine.world.run(["/usr/libexec/postrider/postrider-listen", "--pipe", "--for", "0"],
                                user="ada", stdin=SCRIPT.format("ben", "forged"))
    assert refused.returncode == EX_NOPERM and not machine.queued()


def test_bs_with_settings_of_ones_own(machine):
    machine.world.write("/home/ada/own.conf", "[queue]\ndirectory = /home/ada/queue\n", owner="ada:ada")
    machine.sendmail("-bs", "-C", "/home/ada/own.conf", user="ada",
                     stdin=SCRIPT.format("x@far.example", "own"), check=EX_OK)
    assert not machine.queued()
    owners = machine.world.shell("stat -c %U /home/ada/queue/spool/*").out.split()
    assert owners == ["ada"]
    machine.world.shell("rm -r /home/ada/queue /home/ada/own.conf")


# --- a partner asks ------------------------------------------------------------------------------


HOLD = '[route "partner.example"]\nvia = hold\n[route "*.example"]\nvia = 127.0.0.1:1\n'


def ask(machine, domain, source="127.0.0.9"):
    with machine.client(source=source) as client:
        client.ehlo()
        client.send(f"ETRN {domain}")
        code, lines = client.read()
        return f"{code} {lines[-1]}"


def test_V9_a_partner_gets_what_his_route_holds(machine):
    """Past any backoff; what somebody holds stays, and other people's mail as well."""
    machine.configure(more=HOLD)
    machine.world.run(["/usr/sbin/sendmail", "-bd"], check=EX_OK)
    for subject in ("one", "two"):
        machine.send("x@partner.example", subject)
        machine.wait_quiet()
    first, second = sorted(machine.queued())
    machine.world.run([POSTRIDER, "queue", "hold", second], check=EX_OK)
    assert ask(machine, "partner.example").startswith("250 2.0.0 ")
    machine.world.wait_until(lambda: f"{first} released by=postrider" in machine.log())
    machine.world.wait_until(lambda: f"{first} deferred" in machine.log(), what="a try")
    machine.wait_quiet()
    assert f"{second} released" not in machine.log()
    shown = machine.world.run([POSTRIDER, "queue", "show", second], check=EX_OK).out
    assert "held" in shown


# --- last, for it leaves the queue's user few processes ---


def test_V8_a_user_cannot_take_all_processes_by_bs(machine):
    """More sessions than there may be: those over it are told, and everybody's mail goes on."""
    machine.world.write("/tmp/flood.sh", """
        mkfifo /tmp/held
        sleep 300 > /tmp/held &
        echo $! > /tmp/writer
        for one in $(seq 300); do
            /usr/sbin/sendmail -bs < /tmp/held > /dev/null 2>> /tmp/flood.err &
        done
        wait
        """)
    flood = machine.start(["setpriv", "--reuid=ada", "--regid=ada", "--init-groups", "sh",
                           "/tmp/flood.sh"])
    machine.world.wait_until(
        lambda: b"emporarily unavailable" in machine.world.read("/tmp/flood.err"), 60, "the limit")
    assert len(machine.world.processes("postrider-listen")) <= 513
    # One place or two are left by those who could not begin.
    other = machine.sendmail("-bs", user="ben", stdin="QUIT\n")
    assert other.returncode in (EX_OK, EX_TEMPFAIL), other.err
    machine.sendmail("ben", user="ben", stdin="Subject: on\n\nx\n", check=EX_OK)
    assert machine.wait_for_mail("ben", "on")
    machine.world.run(["/usr/sbin/sendmail", "-bd"], check=EX_OK)
    machine.send("ben@here.example", "in")
    assert machine.wait_for_mail("ben", "in")
    machine.world.shell("kill $(cat /tmp/writer)")  # the end of everybody's input
    flood.wait(60)
    machine.world.wait_until(lambda: len(machine.world.processes("postrider-listen")) == 1, 60)
    machine.world.shell("rm -f /tmp/held /tmp/flood.err /tmp/writer")
