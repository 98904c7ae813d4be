"""A World with systemd as its service manager, for what only that shows: units as they are run.

What of systemd's own would touch the machine's kernel, devices or clock is taken out first, and so is all
that is enabled: what runs in there is what a test starts.
"""

import subprocess

from world import World

# In a control group and namespaces of its own. $1: a name for the group that nobody else has; $2: what is
# put in front of systemd's command.
BOOT = r"""
set -eu
mkdir -p /run/cgroups
mount -t cgroup2 cgroup2 /run/cgroups
mkdir "/run/cgroups/$1"
echo $$ > "/run/cgroups/$1/cgroup.procs"
exec unshare -C -m -p -f --kill-child sh -euc '
    umount /run/cgroups
    mount -t proc proc /proc
    mount -t sysfs -o ro sysfs /sys
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir /dev/pts /dev/mqueue /run/lock
    ln -s pts/ptmx /dev/ptmx
    mount -t tmpfs tmpfs /dev/shm
    mount -t tmpfs tmpfs /run/lock
    mount -t devpts -o newinstance devpts /dev/pts
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin '"$2"' \
        /lib/systemd/systemd --system --unit=basic.target --log-target=null --show-status=no'
"""

REMOVE = r"""
mount -t cgroup2 cgroup2 /mnt
until find "/mnt/$1" -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.1; done
"""


class Booted(World):
    """
    Its processes are started from outside of what systemd counts as services. contained: systemd has no
    CAP_SYS_ADMIN, as in most containers.
    """

    def __init__(self, contained=False, **options):
        super().__init__(**options)
        self.shell("rm -rf /usr/lib/systemd/system/*.wants /etc/systemd/system/*.wants /usr/sbin/policy-rc.d")
        self.group = f"postrider-{self.init}"
        self.first = self.init
        try:
            self._start(contained)
        except BaseException:
            self.close()
            raise

    def _start(self, contained):
        self.boot = subprocess.Popen(self.argv(["sh", "-euc", BOOT, "boot", self.group,
                                                "setpriv --bounding-set=-sys_admin" if contained else ""]),
                                     stdin=subprocess.DEVNULL)
        self.init = self.wait_until(self._systemd, what="systemd")
        self.wait_until(lambda: self.run(["systemctl", "is-active", "basic.target"]).out == "active\n",
                        what="systemd's readiness")

    def _systemd(self):
        """Its process id, as seen from here: the only grandchild of what was started."""
        found = self.boot.pid
        for _ in range(3):
            try:
                with open(f"/proc/{found}/comm", encoding="utf-8") as comm:
                    if comm.read() == "systemd\n":
                        return found
                with open(f"/proc/{found}/task/{found}/children", encoding="utf-8") as children:
                    found = int(children.read().split()[0])
            except (OSError, IndexError):
                return None
        return None

    def systemctl(self, *words, check=0):
        return self.run(["systemctl", *words], check=check).out.strip()

    def show(self, unit, name):
        """A property of a unit."""
        return self.systemctl("show", "-P", name, unit)

    def close(self):
        self.init = self.first
        super().close()
        self.boot.wait()
        # Its processes are gone, or about to be: then the group can go, too.
        subprocess.run(["unshare", "-m", "sh", "-euc", REMOVE, "remove", self.group], check=True, timeout=60)
