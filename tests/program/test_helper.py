"""postrider-local, called by who wants to get at other people's mail with it: a local user in the group
that the front door has, a process of the queue's user that a peer has taken over, and the user whose
mailbox it writes."""

import signal
import socket
import subprocess
import time

import pytest
from intruding import read_status
from sandbox import EX_OK, EX_TEMPFAIL, EX_USAGE
from test_installed import Machine
from world import PATH

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("helper")]

HELPER = "/usr/libexec/postrider/postrider-local"
SILENT = "host = 127.0.0.1:2500\ntls = off\nauth = off\nuser ="

# Becomes a user with the queue's group and all that a caller can leave to a program that he starts, and
# starts one. A process's timers are slowed down for its children alone.
CALLER = """
import ctypes, os, pwd, resource, signal, sys
libc = ctypes.CDLL(None)
user, program = pwd.getpwnam(sys.argv[1]), sys.argv[2:]
with open("/proc/self/oom_score_adj", "w") as file:
    file.write("900")
os.setgroups([])
os.setresgid(*[pwd.getpwnam("postrider").pw_gid] * 3)
os.setresuid(*[user.pw_uid] * 3)
os.chdir("/tmp")
os.umask(0o777)
for kind, limit in (("CORE", resource.RLIM_INFINITY), ("CPU", 1), ("DATA", 1 << 29), ("AS", 1 << 30),
                    ("FSIZE", 1), ("NPROC", 0), ("STACK", 1 << 19), ("NOFILE", 300)):
    # What is hard, not even root may be able to lift where the tests run.
    resource.setrlimit(getattr(resource, "RLIMIT_" + kind), (limit, resource.getrlimit(
        getattr(resource, "RLIMIT_" + kind))[1]))
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE,
               signal.SIGXFSZ, signal.SIGALRM, signal.SIGUSR1, signal.SIGTSTP):
    signal.signal(number, signal.SIG_IGN if number % 2 else signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
for _ in range(200):
    os.set_inheritable(os.open("/etc/passwd", os.O_RDONLY), True)
slack = 29, ctypes.c_ulong(10 ** 18)
libc.prctl(*slack)
libc.personality(0x0400000)  # STICKY_TIMEOUTS
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
signal.setitimer(signal.ITIMER_REAL, 2)
os.execve(program[0], program, {
    "EVIL": "of-the-caller", "LD_PRELOAD": "/tmp/evil.so", "TMPDIR": "/tmp/evil", "TZ": "/tmp/evil",
    "SSLKEYLOGFILE": "/tmp/evil", "GNUTLS_SYSTEM_PRIORITY_FILE": "/tmp/evil", "RES_OPTIONS": "debug",
    "LOCALDOMAIN": "evil.example", "HOSTALIASES": "/tmp/evil", "KRB5_CONFIG": "/tmp/evil",
    "LANG": "tr_TR.UTF-8", "IFS": "/", "PATH": "/tmp/evil", "HOME": "/tmp/evil"})
"""


@pytest.fixture(scope="module")
def world_machine():
    machine = Machine()
    machine.world.write("/srv/caller.py", CALLER)
    yield machine
    machine.world.close()


@pytest.fixture
def machine(world_machine):
    world_machine.configure(SILENT)
    yield world_machine
    world_machine.drain()


def start(machine, argv, **options):
    """Starts something in the machine, as root, and goes on."""
    return subprocess.Popen(machine.world.argv(argv, [f"PATH={PATH}"]), **options)


def call(user, *program):
    """The words that make it a hostile caller's program."""
    return ["python3", "/srv/caller.py", user, *program]


class Process:
    """What the kernel has to say of a process in the machine."""

    def __init__(self, machine, pid):
        self.machine, self.folder = machine, f"/proc/{pid}"
        self.status = read_status(self.read("status"))

    def read(self, name):
        return self.machine.world.read(f"{self.folder}/{name}").decode()

    def environment(self):
        return [word for word in self.read("environ").split("\0") if word]

    def limits(self):
        """"Max file size" -> (soft, hard)"""
        return {line[:26].strip(): tuple(line[26:].split()[:2])
                for line in self.read("limits").splitlines()[1:]}

    def files(self):
        return [int(name) for name in self.machine.world.names(f"{self.folder}/fd")]

    def link(self, name):
        return self.machine.world.run(["readlink", f"{self.folder}/{name}"]).out.strip()


def check_fresh(process, user_timers_ns=50000):
    """Nothing of the caller's is left."""
    assert process.link("cwd") == "/"
    # Those that say how programs are loaded, the loader has taken away.
    assert "EVIL=of-the-caller" not in process.environment() and "HOME=/tmp/evil" not in process.environment()
    assert process.limits()["Max file size"] == ("unlimited", "unlimited")
    assert process.limits()["Max cpu time"] == ("unlimited", "unlimited")
    assert process.limits()["Max address space"] == ("unlimited", "unlimited")
    assert process.limits()["Max data size"] == ("unlimited", "unlimited")
    soft, hard = process.limits()["Max processes"]
    assert soft == hard
    assert process.limits()["Max open files"][0] == "1024"
    assert process.limits()["Max stack size"][0] == str(8 << 20)
    assert process.limits()["Max core file size"] == ("0", "0")
    assert process.read("oom_score_adj").strip() == "0"
    assert process.read("personality").strip() == "00000000"
    assert process.read("timerslack_ns").strip() == str(user_timers_ns)
    assert process.status["Cpus_allowed"] == read_status(
        process.machine.world.read("/proc/1/status").decode())["Cpus_allowed"]
    ignored = int(process.status["SigIgn"][0], 16)
    assert not ignored >> (signal.SIGCHLD - 1) & 1 and not ignored >> (signal.SIGUSR1 - 1) & 1
    blocked = int(process.status["SigBlk"][0], 16)
    assert not blocked & ~(1 << (signal.SIGCHLD - 1)), "the run waits for its children so"


def test_S4_S5_S6_a_run_has_nothing_of_its_caller(machine):
    """Not even from who reaches the helper itself, as a front door that he has taken over does."""
    with machine.world.inside(lambda: socket.create_server(("127.0.0.1", 2500))):
        machine.sendmail("-odq", "away@example.net", user="ada", check=EX_OK)
        started = start(machine, call("ben", HELPER, "run"))
        machine.world.wait_until(lambda: len(machine.world.processes("postrider-run")) > 1,
                                 what="a worker that waits for the smarthost")
        runs = [Process(machine, pid) for pid in machine.world.processes("postrider-run")]
        coordinator = min(runs, key=lambda one: int(one.status["Pid"][0]))
        check_fresh(coordinator)
        assert coordinator.status["Umask"] == ["0027"]
        for run in runs:
            assert "/etc/passwd" not in [run.link(f"fd/{fd}") for fd in run.files()]
        time.sleep(2.2)
        assert machine.world.exists(coordinator.folder), "his timer has ended it"
        assert started.poll() is None


@pytest.mark.parametrize("limit", ["fsize=1000", "cpu=1", "as=20000000", "data=100000", "nproc=0",
                                   "stack=100000", "nofile=20"])
def test_S5_a_limit_that_cannot_be_lifted_harms_nobody_elses_mail(machine, limit):
    """Such a run would die in the middle of a message, which then goes out twice; or be without the room
    for its sandbox."""
    before = len(machine.log())
    machine.sendmail("-odq", "ada", user="ada", stdin="Subject: kept\n\nx\n", check=EX_OK)
    done = machine.world.run(
        ["setpriv", "--bounding-set=-sys_resource", "--reuid=ben", "--regid=postrider", "--clear-groups",
         "env", "prlimit", f"--{limit}:{limit.partition('=')[2]}", HELPER, "run"])
    assert done.returncode != EX_OK and len(machine.queued()) == 1
    if done.returncode == EX_TEMPFAIL:
        assert "is too low for other people's mail" in done.err
    assert "filters no system calls" not in machine.log() and "deferred" not in machine.log()[before:]
    machine.sendmail("-q", check=EX_OK)
    assert machine.wait_for_mail("ada", "kept")
    machine.world.shell("rm /var/mail/ada")


def test_S4_S5_S6_a_delivery_has_nothing_of_its_caller(machine):
    """Who has taken the run over finds nothing in the helper that he can turn."""
    uid = machine.world.run(["id", "-u", "postrider"]).out.strip()
    started = start(machine, call("postrider", HELPER, "deliver", "ada", "/var/mail", "9"),
                            stdin=subprocess.PIPE)
    pid, = machine.world.wait_until(lambda: machine.world.processes("postrider-loca"))
    machine.world.wait_until(lambda: machine.world.exists("/var/mail/ada.lock"))
    helper = Process(machine, pid)
    check_fresh(helper)
    assert helper.status["Umask"] == ["0077"] and helper.status["Groups"] == []
    assert helper.status["CapPrm"] == helper.status["CapEff"] == ["0" * 16]
    assert helper.status["Uid"][:3] == [uid] * 3
    assert "/etc/passwd" not in [helper.link(f"fd/{fd}") for fd in helper.files()]
    time.sleep(2.2)
    started.stdin.write(b"From x\n\n\n")
    started.stdin.close()
    assert started.wait(20) == EX_OK
    assert machine.world.read("/var/mail/ada") == b"From x\n\n\n"
    machine.world.shell("rm /var/mail/ada")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_S4_no_file_of_the_helpers_gets_a_standard_number(machine, closed):
    """Else its own words would stand in a mailbox."""
    machine.world.write("/srv/closed.sh", f'exec setpriv --reuid=postrider --regid=postrider '
                        f'--clear-groups env "$@" {closed}\n')
    machine.world.run(["sh", "/srv/closed.sh", HELPER, "deliver", "ada", "/var/mail", "9"],
                      stdin=b"From x\n\n\n")
    assert machine.world.read("/var/mail/ada") in (b"From x\n\n\n", b"")
    machine.world.shell("rm -f /var/mail/ada; test ! -e /var/mail/ada.lock")


@pytest.mark.parametrize("user", ["ada", "postrider"])
def test_S3_helper_without_a_name(machine, user):
    script = ("import ctypes, os, sys; argv = (ctypes.c_char_p * 1)(None); "
              f"ctypes.CDLL(None).execve({HELPER.encode()!r}, argv, argv)")
    done = machine.world.run(["setpriv", f"--reuid={user}", "--regid=postrider", "--clear-groups", "env",
                              "python3", "-c", script])
    assert done.returncode == EX_USAGE and done.err.startswith("usage: ")


HOLD = """
import fcntl, sys, time
mailbox = open("/var/mail/ada", "r+b")
fcntl.lockf(mailbox, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_S7_the_owner_of_a_mailbox_stops_nobody_elses_mail(machine):
    """Her lock gives her time to find who writes it; but she can neither stop nor end nor hamper it."""
    machine.world.shell("install -o ada -g mail -m 660 /dev/null /var/mail/ada")
    holder = start(machine, ["setpriv", "--reuid=ada", "--regid=ada", "--init-groups", "env", "python3",
                            "-c", HOLD], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    machine.sendmail("ada", user="ada", stdin="Subject: trap\n\nx\n", check=EX_OK)
    helper, = machine.world.wait_until(lambda: machine.world.processes("postrider-loca"))
    machine.world.wait_until(lambda: machine.world.exists("/var/mail/ada.lock"))
    try:
        for attempt in (["kill", "-STOP"], ["kill", "-KILL"], ["renice", "19"],
                        ["prlimit", "--cpu=0", "--pid"], ["chrt", "--idle", "--pid", "0"]):
            done = machine.world.run([*attempt, str(helper)], user="ada")
            assert done.returncode != EX_OK and "not permitted" in done.err, attempt
        machine.sendmail("ben", user="ben", stdin="Subject: goes on\n\nx\n", check=EX_OK)
        machine.wait_for_mail("ben", "goes on", 60)
    finally:
        machine.world.run(["kill", "-KILL", str(helper)])
        holder.kill()
        holder.wait()
        holder.stdout.close()
        machine.world.run(["pkill", "-KILL", "-u", "ada"])
        machine.world.shell("rm -f /var/mail/ada /var/mail/ada.lock /var/mail/ben")
