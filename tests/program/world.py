"""A machine of its own for a test: a copy-on-write view of this one in private namespaces.

Inside, root may install, add users, unpack packages and use any port, and set-ID bits work; all of
it is gone with the World and nothing of this machine changes. There is no network but loopback.
Needs root, for unshare(1) and an overlay mount.
"""

import ctypes
import hashlib
import os
import socket
import stat
import subprocess
import tempfile
import threading
from pathlib import Path

from sandbox import BUILD, REPOSITORY, Result, wait_until

PACKAGES = REPOSITORY / "build" / "packages"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# Becomes process 1: the folder $1 gets the new root, made of what is below $5; $2 is the repository. In a
# plain chroot our root is no mount, and cannot be made private.
INIT = r"""
set -eu
mount --make-rprivate / 2>/dev/null || true
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$5,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=0755 tmpfs dev
mkdir dev/shm
for device in null zero full random urandom tty; do
    : > "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
# The repository may lie on a mount of its own, or in what was just covered.
[ -e ".$2/Makefile" ] || { mkdir -p ".$2"; mount --bind "$2" ".$2"; }
# What the programs count of themselves is for out here.
[ -z "$4" ] || mount --bind "$4" ".$4"
ip link set lo up
echo "$3" > /proc/sys/kernel/hostname
exec chroot . sh -c 'echo ready; exec 0</dev/null 1>/dev/null 2>/dev/null
while :; do sleep 3600 & wait $!; done'
"""


def describe(path):
    """Kind and mode, owner, and content; None for what is not there, and for what an overlay has as gone."""
    try:
        what = os.lstat(path)
    except FileNotFoundError:
        return None
    content = ""
    if stat.S_ISLNK(what.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(what.st_mode):
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    elif stat.S_ISCHR(what.st_mode) and what.st_rdev == 0:
        return None
    return f"{stat.filemode(what.st_mode)} {what.st_uid}:{what.st_gid} {content}"


class World:
    """World("here.example"): started at once; close() ends every process in it. below: the machine that it
    is a view of, another one's root than ours, for instance of debootstrap's."""

    def __init__(self, hostname="here.example", below="/"):
        assert os.geteuid() == 0, "a world of its own needs root"
        self.hostname = hostname
        self.below = str(below).rstrip("/")
        self.folder = tempfile.mkdtemp(prefix="postrider-world-")
        self.unshare = subprocess.Popen(
            ["unshare", "-m", "--propagation", "unchanged", "-p", "-n", "-i", "-u", "-f",
             "--kill-child", "sh", "-c", INIT, "init", self.folder, str(REPOSITORY), hostname,
             str(BUILD) if BUILD.name == "coverage" else "", str(below)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        if self.unshare.stdout.readline() != b"ready\n":
            raise AssertionError("no world: " + self.unshare.stderr.read().decode())
        self.init = self._child()
        self.syslog = []
        self._listen_syslog()
        self.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.0.1 {hostname}\n::1 localhost\n")
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("/etc/mailname", f"{hostname}\n")
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        # Nobody looks manual pages up here, and their index takes longer than a package.
        self.run(["rm", "-f", "/var/lib/man-db/auto-update"])

    def _child(self):
        """The process id, as seen from here, of the world's process 1."""
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue
            if f"\nPPid:\t{self.unshare.pid}\n" in text:
                return int(status.parent.name)
        raise AssertionError("the world's first process is gone")

    def _listen_syslog(self):
        """Plays syslogd: what reaches /dev/log in there is kept in self.syslog."""
        self._log_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.outside("/dev/log")
        self._log_socket.bind(path)
        os.chmod(path, 0o666)

        def receive():
            while True:
                try:
                    line = self._log_socket.recv(65536)
                except OSError:
                    return
                if not line:
                    return
                self.syslog.append(line.decode("utf-8", "backslashreplace"))

        threading.Thread(target=receive, daemon=True).start()

    def changes(self):
        """All that is otherwise than on the machine below: by path, what it is, or None if it is gone."""
        upper = f"/proc/{self.unshare.pid}/root{self.folder}/upper"
        found = {}
        for folder, folders, files in os.walk(upper):
            for name in folders + files:
                path = f"{folder}/{name}".removeprefix(upper)
                what = describe(upper + path)
                if what != describe(self.below + path):
                    found[path] = what
        return found

    def inside(self, function):
        """What the function returns, called with the world's network: sockets made there stay there."""
        found = []

        def call():
            library = ctypes.CDLL(None, use_errno=True)
            try:
                with open(f"/proc/{self.init}/ns/net", "rb") as network:
                    assert library.setns(network.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
                found.append(function())
            except BaseException as error:  # raised below, by whoever called
                found.append(error)

        # Of a thread that ends with it.
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    def outside(self, path):
        """A path of the world as it is called out here."""
        return f"/proc/{self.init}/root{path}"

    def argv(self, argv, environment=(), cwd="/"):
        """What runs that in the world, as root."""
        return ["nsenter", "-t", str(self.init), "-r", "-m", "-p", "-n", "-i", "-u", "env", "-i", "-C",
                cwd, *(environment or [f"PATH={PATH}"]), *[os.fspath(word) for word in argv]]

    def run(self, argv, stdin=b"", user=None, env=None, check=None, timeout=120, cwd="/"):
        """
        Runs a program in the world, as root or as a user of it, with a clean environment plus env.
        check: the exit status that must come. The output goes to files, so that what a program
        leaves in the background keeps nobody waiting.
        """
        if isinstance(stdin, str):
            stdin = stdin.encode()
        become = []
        if user is not None:
            # setpriv has root's capabilities until its exec is done: env's exec is the user's own.
            become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "env"]
        environment = {"PATH": PATH, "HOME": f"/home/{user}" if user else "/root",
                       "LOGNAME": user or "root", "USER": user or "root", **(env or {})}
        variables = [f"{key}={value}" for key, value in environment.items() if value is not None]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = subprocess.run(
                self.argv([*become, *argv], variables, cwd),
                input=stdin, stdout=out, stderr=err, timeout=timeout, check=False,
            )
            out.seek(0)
            err.seek(0)
            result = Result(done.args, done.returncode, out.read(), err.read())
        if check is not None:
            assert result.returncode == check, (
                f"{argv} ended with {result.returncode}, not {check}\n"
                f"--- stdout\n{result.out}--- stderr\n{result.err}"
            )
        return result

    def shell(self, script, **options):
        """A piece of shell; it must succeed."""
        return self.run(["sh", "-euc", script], check=options.pop("check", 0), **options)

    def write(self, path, content, mode=0o644, owner="root:root"):
        """Makes a file with its folders."""
        self.shell('mkdir -p "$(dirname "$0")"; cat > "$0"; chown "$2" "$0"; chmod "$1" "$0"'
                   .replace("$0", path).replace("$1", f"{mode:o}").replace("$2", owner),
                   stdin=content)

    def read(self, path):
        """A file's bytes; empty when there is none."""
        done = self.run(["cat", path])
        return done.stdout if done.returncode == 0 else b""

    def exists(self, path):
        return self.run(["test", "-e", path]).returncode == 0

    def names(self, folder):
        """What is in a folder, by name."""
        return self.run(["ls", folder]).out.split()

    def add_user(self, name, **options):
        self.run(["useradd", "--create-home", "--user-group", "--shell", "/bin/sh", name], check=0,
                 **options)

    def install_packages(self, *names, folder=PACKAGES):
        """Installs downloaded Debian packages (contrib/bootstrap.sh has their list) and all that they
        need for good, as far as this world goes; starts nothing."""
        needed = {package for name in names
                  for package in (folder / f"{name}.needs").read_text().split()}
        found = [sorted(folder.glob(f"{package}_*.deb"))[-1] for package in sorted(needed)]
        dpkg = ["dpkg", "--force-depends", "--force-confnew", "--force-unsafe-io"]
        debian = {"env": {"DEBIAN_FRONTEND": "noninteractive"}, "timeout": 300}
        self.run([*dpkg, "--unpack", *found], check=0, **debian)
        # Where what they need is not all there, cron for instance, their order is any: one that comes too
        # early is there for the next time.
        for check in (None, None, 0):
            if self.run([*dpkg, "--configure", "--pending"], check=check, **debian).returncode == 0:
                break

    def make(self, *targets, check=0):
        counting = ["COVERAGE=1"] if BUILD.name == "coverage" else []
        return self.run(["make", "-C", str(REPOSITORY), *counting, *targets], check=check, timeout=300)

    def processes(self, name):
        """Process ids, inside, of living programs of this name."""
        found = []
        for entry in self.run(["ps", "-eo", "pid=,stat=,comm="]).out.splitlines():
            pid, state, command = entry.split(None, 2)
            if command.startswith(name[:15]) and not state.startswith("Z"):
                found.append(int(pid))
        return found

    def logged(self, *parts, count=1):
        """The lines of the log with all of these parts, as soon as there are so many: who writes to it
        does not wait for its reader."""
        def find():
            return [line for line in list(self.syslog) if all(part in line for part in parts)]

        self.wait_until(lambda: len(find()) >= count, what=f"{count} lines of the log with {parts}")
        return find()

    def wait_until(self, question, seconds=30, what="what was waited for"):
        try:
            return wait_until(question, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- syslog\n" + "\n".join(self.syslog)) from None

    def close(self):
        self.unshare.kill()
        self.unshare.wait()
        self.unshare.stdout.close()
        self.unshare.stderr.close()
        self._log_socket.close()
        # Where it could not be kept private, the mount was made out here, too.
        subprocess.run(["umount", "-l", self.folder], stderr=subprocess.DEVNULL, check=False)
        os.rmdir(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
