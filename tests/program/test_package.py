"""The Debian package, installed by apt in a World, from nothing to the first delivered message, through
upgrades, to purging. With POSTRIDER_DEBS, a folder with the package and what it is to be installed with,
and POSTRIDER_ROOT, a machine to install it on, that is done there: `make check-deb` makes both."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from booted import Booted
from sandbox import EX_OK, REPOSITORY
from smtpfake import Certificates, FakeServer
from world import PACKAGES, World

pytestmark = pytest.mark.installed

BELOW = os.environ.get("POSTRIDER_ROOT", "/")
DEBS = os.environ.get("POSTRIDER_DEBS")
BUILT = REPOSITORY / "build" / "deb"
SPOOL = "/var/spool/postrider"
SETTINGS = "/etc/postrider/postrider.conf"
DEBIAN = {"DEBIAN_FRONTEND": "noninteractive"}
FOLDERS = ["", "spool", "journal", "corrupt", "hops", "runs", "filter"]
LOCAL = "/usr/libexec/postrider/postrider-local"
ALIASES = "root: ada\n"
DOMAIN = "mg.example.org"
USER, PASSWORD = f"postmaster@{DOMAIN}", "not easily guessed"

# What dpkg, apt and the account programs write about themselves.
LEDGERS = re.compile(r"/etc/ld\.so\.cache$|/var/(lib/(dpkg|apt)|cache/(apt|debconf|man|ldconfig))(/|$)|/var/log/(apt/|dpkg|alternatives)"
                     r"|/var/(lib|log|cache)$|/etc/(passwd|group|g?shadow|subuid|subgid)-$|/etc/\.pwd\.lock$"
                     r"|/var/lib/systemd$|/root(/|$)")



def run(*argv, **environment):
    return subprocess.run(argv, cwd=REPOSITORY, env={**os.environ, **environment}, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8")


@pytest.fixture(scope="module")
def built():
    """The folder with the package."""
    if DEBS:
        return Path(DEBS)
    # In a hurry: with what is compiled already. check-deb builds it as others do.
    done = run("make", "deb", OBJECTS="build", DEB_BUILD_OPTIONS="nocheck",
               DEB_CFLAGS_SET="-O2 -g", DEB_LDFLAGS_SET="", MAKEFLAGS="", MFLAGS="", MAKELEVEL="")
    assert done.returncode == 0, done.stdout[-5000:]
    return BUILT


@pytest.fixture(scope="module")
def package(built):
    (found,) = built.glob("postrider_*.deb")
    return found


@pytest.fixture(scope="module")
def others():
    """A program that needs a mail-transport-agent, and what it and ours need that may not be there."""
    if DEBS:
        return [path for path in Path(DEBS).glob("*.deb") if not path.name.startswith("postrider")]
    return [path for name in ("bsd-mailx", "liblockfile") for path in PACKAGES.glob(f"{name}*.deb")]


def repack(world, package, version, change):
    """The same package as another version, after this piece of shell in its tree."""
    path = f"/srv/postrider_{version}.deb"
    world.shell(f"""rm -rf /srv/tree; dpkg-deb -R {package} /srv/tree; cd /srv/tree
        sed -i 's/^Version: .*/Version: {version}/' DEBIAN/control
        {change}
        dpkg-deb -b /srv/tree {path}; rm -r /srv/tree""")
    return path


class Names(Certificates):
    KINDS = {"good": {"names": ["smtp.mailgun.org", "localhost"]}}


class Machine(World):
    """One where nothing of ours has ever been, and a provider, with TLS and passwords."""

    def __init__(self, folder):
        super().__init__(below=BELOW)
        self.add_user("ada")
        certificates = Names(folder)
        self.provider = self.inside(lambda: FakeServer(
            certificate=certificates.good, users={USER: PASSWORD}, auth_needed=True, port=587))
        self.shell("echo '127.0.0.1 smtp.mailgun.org' >> /etc/hosts; mkdir -p /etc/ssl/certs; "
                   "cat >> /etc/ssl/certs/ca-certificates.crt", stdin=certificates.ca.read_bytes())
        self.write("/etc/aliases", ALIASES)
        # The index of all manuals of this machine is no matter of ours.
        self.shell("rm -f /var/lib/man-db/auto-update")

    def apt(self, *words):
        """There is no network: it has no package but those at hand."""
        self.run(["apt-get", "-q", "-y", "--no-install-recommends", *words], env=DEBIAN, check=0, timeout=300)

    def dpkg(self, *words, check=0):
        """What apt would have it do, in less time. All that it says."""
        done = self.run(["dpkg", "--force-unsafe-io", "--no-triggers", *words], env=DEBIAN, check=check)
        assert (done.returncode == 0) == (check == 0), done.out
        return done.out + done.err

    def configure(self, more=""):
        self.write(SETTINGS, f"[mail]\n{more}\n[smarthost]\nhost = localhost\nuser = {USER}\n")
        self.shell("cat > /etc/postrider/credentials.conf", stdin=f"[smarthost]\npassword = {PASSWORD}\n")

    def queued(self):
        return [name for name in self.names(f"{SPOOL}/spool") if name[0] != "."]

    def send(self, recipient, subject="hello", *options, **how):
        return self.run(["/usr/sbin/sendmail", *options, recipient], user="ada",
                        stdin=f"Subject: {subject}\n\nx\n", **{"check": EX_OK, **how})

    def subjects(self):
        """Of what the provider has got so far."""
        return sorted(re.search(rb"^Subject: (\S+)", message.data, re.MULTILINE)[1].decode()
                      for message in self.provider.messages)

    def stat(self, *paths):
        return self.run(["stat", "-c", "%U:%G %a", *paths], check=0).out.splitlines()

    def wait_quiet(self):
        """Until no queue run is at work."""
        self.wait_until(lambda: "(postrider-run)" not in self.run(["sh", "-c", "cat /proc/[0-9]*/stat"]).out,
                        what="the end of the runner")

    def close(self):
        super().close()
        self.provider.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, others):
    machine = Machine(tmp_path_factory.mktemp("certificates"))
    if DEBS:
        machine.dpkg("-i", *[path for path in others if not path.name.startswith("bsd-mailx")])
    yield machine
    machine.close()


@pytest.fixture
def bare(shared):
    """A machine without the package, or any trace of it."""
    shared.dpkg("--purge", "postrider")
    shared.shell(f"rm -rf {SPOOL} /var/mail/*")
    shared.write("/etc/aliases", ALIASES)
    shared.provider.messages.clear()
    return shared


@pytest.fixture
def installed(bare, package):
    bare.dpkg("-i", package)
    bare.configure()
    return bare


def leavings(before, after):
    """What has come, gone or changed."""
    return {path: (before.get(path), after.get(path)) for path in {*before, *after}
            if before.get(path) != after.get(path) and not LEDGERS.match(path)}


def assert_in_order(machine):
    assert machine.stat("/usr/sbin/postrider", LOCAL, "/etc/postrider/credentials.conf") == [
        "root:postrider 2755", "root:postrider 4750", "postrider:postrider 600"]
    assert machine.stat(*[f"{SPOOL}/{name}" for name in FOLDERS]) == [
        "postrider:postrider 710", "postrider:postrider 3770", *5 * ["postrider:postrider 2750"]]


# --- what is in it -------------------------------------------------------------------------------


def test_lintian_finds_nothing(built):
    done = run("lintian", "--allow-root", "--fail-on", "error,warning", *built.glob("*.changes"))
    assert done.returncode == 0 and not re.search("^[EW]:", done.stdout, re.MULTILINE), done.stdout


# --- from nothing to nothing ---------------------------------------------------------------------


def test_from_the_first_message_to_purging(tmp_path, package, others):
    with Machine(tmp_path) as machine:
        before = machine.changes()
        machine.apt("install", package, *others)
        assert_in_order(machine)
        assert machine.exists("/etc/aliases.db")
        machine.run(["postrider", "setup", "mailgun", "--domain", DOMAIN], stdin=f"{PASSWORD}\n", check=0)
        machine.run(["sh", "-c", "echo hi | mail -s first you@example.net"], user="ada", check=0)
        (message,) = machine.provider.wait()
        assert message.recipients == ["you@example.net"] and message.session.user == USER
        assert message.sender == f"ada@{DOMAIN}"
        assert b"Subject: first\r\n" in message.data and message.data.endswith(b"\r\n\r\nhi\r\n")
        machine.run(["sh", "-c", "echo there | mail -s here root"], check=0)
        machine.wait_until(lambda: b"Subject: here" in machine.read("/var/mail/ada"))
        machine.wait_quiet()
        machine.apt("purge", "postrider", *[path.name.partition("_")[0] for path in others])
        left = leavings(before, machine.changes())
        assert set(left) == {"/var/mail/ada"}, left


# --- services ------------------------------------------------------------------------------------


def test_with_systemd_the_timer_runs_and_the_listener_does_not(package):
    with Booted() as machine:
        machine.shell("rm -f /var/lib/man-db/auto-update")
        state = ["systemctl", "is-active", "postrider-queue.timer", "postrider.service", "postrider.socket"]
        machine.run(["dpkg", "-i", package], env=DEBIAN, check=0)
        assert machine.run(state).out.split() == ["active", "inactive", "inactive"]
        enabled = machine.run(["find", "/etc/systemd/system", "-name", "postrider*"]).out.split()
        assert enabled == ["/etc/systemd/system/timers.target.wants/postrider-queue.timer"]
        machine.write(SETTINGS, "[listen]\naddress = 127.0.0.1:2525\n")
        machine.systemctl("enable", "--now", "postrider.service", "postrider-queue.path")
        listener = machine.show("postrider.service", "MainPID")
        machine.run(["dpkg", "-i", package], env=DEBIAN, check=0)
        assert machine.run(state).out.split() == ["active", "active", "inactive"]
        assert machine.show("postrider.service", "MainPID") != listener
        machine.run(["dpkg", "--purge", "postrider"], env=DEBIAN, check=0)
        assert machine.systemctl("list-units", "--all", "--plain", "--no-legend", "postrider*") == ""
        assert machine.run(["find", "/etc/systemd", "/var/lib/systemd", "-name", "*postrider*"]).out == ""


def test_what_it_needs_and_stands_for(package):
    """libidn2 is opened when it is needed: without the package nobody would bring it."""
    fields = run("dpkg-deb", "-f", package).stdout
    assert "libidn2-0" in re.search("^Depends: (.*)$", fields, re.MULTILINE)[1]
    for relation in ("Provides", "Conflicts", "Replaces"):
        assert re.search(f"^{relation}: mail-transport-agent$", fields, re.MULTILINE)


def test_cron_runs_the_queue(installed):
    *_, line = installed.read("/etc/cron.d/postrider").decode().splitlines()
    minutes, _, _, _, _, user, command = line.split(None, 6)
    assert minutes == "*/5" and user == "root"
    installed.send("you@example.net", "cron", "-odq")
    installed.shell("mkdir -p /run/systemd/system")
    installed.run(["/bin/sh", "-c", command], check=0)
    assert len(installed.queued()) == 1
    installed.shell("rmdir /run/systemd/system")
    installed.run(["/bin/sh", "-c", command], check=0)
    assert installed.queued() == [] and installed.subjects() == ["cron"]
    installed.dpkg("--remove", "postrider")
    done = installed.run(["/bin/sh", "-c", command], check=0)
    assert done.out + done.err == ""


# --- upgrades ------------------------------------------------------------------------------------


def test_settings_and_mail_survive_an_upgrade(installed, package):
    installed.configure("max_hops = 29")
    own = installed.read(SETTINGS)
    passwords = installed.read("/etc/postrider/credentials.conf")
    installed.send("you@example.net", "before", "-odq")
    newer = repack(installed, package, "9.0", "echo '; new words' >> etc/postrider/postrider.conf")
    # In the middle of it, programs can send as ever.
    installed.dpkg("--unpack", newer)
    assert installed.stat("/usr/sbin/postrider", LOCAL) == ["root:postrider 2755", "root:postrider 4750"]
    installed.send("you@example.net", "meanwhile", "-odq")
    installed.dpkg("--configure", "--force-confold", "postrider")
    assert installed.read(SETTINGS) == own
    assert b"; new words" in installed.read(f"{SETTINGS}.dpkg-dist")
    assert installed.read("/etc/postrider/credentials.conf") == passwords
    assert_in_order(installed)
    installed.run(["postrider", "flush"], check=EX_OK)
    assert installed.subjects() == ["before", "meanwhile"]


def test_what_the_administrator_says_of_modes_stays(bare, package):
    """Before the package is there, and after it."""
    bare.shell("getent group writers || groupadd writers")
    before = bare.run(["dpkg-statoverride", "--list"]).out
    bare.run(["dpkg-statoverride", "--add", "root", "writers", "0750", LOCAL], check=0)
    bare.dpkg("-i", package)
    bare.run(["dpkg-statoverride", "--remove", "/usr/sbin/postrider"], check=0)
    bare.run(["dpkg-statoverride", "--update", "--add", "root", "postrider", "2750", "/usr/sbin/postrider"],
             check=0)
    bare.dpkg("-i", package)
    assert bare.stat("/usr/sbin/postrider", LOCAL) == ["root:postrider 2750", "root:writers 750"]
    # One for a group that is no more would let dpkg do nothing for anybody; for another group it stays.
    bare.dpkg("--purge", "postrider")
    left = set(bare.run(["dpkg-statoverride", "--list"]).out.splitlines()) - set(before.splitlines())
    assert left == {f"root writers 750 {LOCAL}"}
    bare.run(["dpkg-statoverride", "--remove", LOCAL], check=0)


@pytest.mark.parametrize("name", ["hops", "runs", "filter"])
def test_links_in_the_queue_lead_root_nowhere(installed, package, name):
    """Whoever has taken over the queue's user waits for the next upgrade."""
    installed.shell("rm -rf /srv/precious /srv/made; mkdir -m 0700 /srv/precious; touch /srv/precious/file")
    target = {"hops": "/srv/precious", "runs": "/srv/precious/file", "filter": "/srv/made"}[name]
    installed.run(["sh", "-euc", f"cd {SPOOL}; rmdir {name}; ln -s {target} {name}"], user="postrider", check=0)
    assert f"'{name}'" in installed.dpkg("-i", package, check=1)
    assert installed.stat("/srv/precious", "/srv/precious/file") == ["root:root 700", "root:root 644"]
    assert not installed.exists("/srv/made")


def test_mistakes_in_aliases_stop_no_installation(bare, package):
    bare.write("/etc/aliases", "root: ada\nnonsense\n")
    said = bare.dpkg("-i", package)
    assert "/etc/aliases:2" in said and "the database of /etc/aliases is not made" in said


# --- purging -------------------------------------------------------------------------------------


def test_purging_leaves_mail_that_waits(installed, package):
    installed.send("you@example.net", "waits", "-odq")
    (name,) = installed.queued()
    message = installed.read(f"{SPOOL}/spool/{name}")
    installed.dpkg("--remove", "postrider")
    assert not installed.exists("/etc/aliases.db") and installed.exists(SETTINGS)
    assert f"mail that waits in {SPOOL} stays" in installed.dpkg("--purge", "postrider")
    assert not installed.exists("/etc/postrider")
    assert installed.read(f"{SPOOL}/spool/{name}") == message
    assert installed.stat(f"{SPOOL}/spool/{name}") == ["ada:postrider 640"]
    installed.dpkg("-i", package)
    installed.configure()
    assert_in_order(installed)
    installed.run(["postrider", "flush"], check=EX_OK)
    assert installed.subjects() == ["waits"]
    installed.dpkg("--purge", "postrider")
    assert not installed.exists(SPOOL) and installed.run(["id", "postrider"]).returncode != 0


def test_what_could_not_be_configured_can_be_removed(bare, package):
    """Before there was a user: whose processes are to end is nobody's question then."""
    broken = repack(bare, package, "9.1", "sed -i '2i exit 1' DEBIAN/postinst")
    bare.dpkg("-i", broken, check=1)
    assert bare.run(["id", "postrider"]).returncode != 0
    bare.dpkg("--purge", "postrider")
    assert not bare.exists("/usr/sbin/postrider") and not bare.exists("/etc/postrider")


def test_purging_leaves_a_queue_in_another_place(installed):
    """And its owner, whose number nobody else may get."""
    installed.shell(f"cp -a {SPOOL} /srv/queue; echo '[queue]\ndirectory = /srv/queue' >> {SETTINGS}")
    installed.send("you@example.net", "there", "-odq")
    assert "the queue in /srv/queue stays" in installed.dpkg("--purge", "postrider")
    assert not installed.exists(SPOOL)
    assert installed.shell("ls -1 /srv/queue/spool | wc -l").out == "1\n"
    assert installed.run(["id", "-u", "postrider"]).returncode == 0
    installed.shell("rm -r /srv/queue")


def test_roots_mailbox_of_another_mail_program_is_taken_over(installed):
    installed.write("/etc/aliases", "")
    installed.run(["newaliases"], check=0)
    installed.write("/var/mail/root", "From x\n\nold\n\n")
    installed.shell("chown root:mail /var/mail/root; chmod 600 /var/mail/root; "
                    "dpkg-reconfigure postrider || sh /var/lib/dpkg/info/postrider.postinst configure")
    assert installed.stat("/var/mail/root") == ["postrider:mail 600"]
    installed.shell(": >/var/mail/root; chown root:mail /var/mail/root; "
                    "LANG=de_DE.UTF-8 sh /var/lib/dpkg/info/postrider.postinst configure")
    assert installed.stat("/var/mail/root") == ["postrider:mail 600"]
    installed.shell("printf 'From x\\n\\nold\\n\\n' >/var/mail/root")
    installed.send("root")
    installed.wait_until(lambda: b"old" in installed.read("/var/mail/root")
                         and installed.read("/var/mail/root").count(b"From ") >= 2)


def test_removing_gives_root_his_mailbox_and_installing_takes_it_again(installed, package):
    """Another mail program may come meanwhile, to which a mailbox of another user is none of root's."""
    installed.write("/var/mail/root", "From x\n\nold\n\n", 0o600, "postrider:mail")
    installed.dpkg("--remove", "postrider")
    assert installed.stat("/var/mail/root") == ["root:mail 600"]
    installed.dpkg("-i", package)
    assert installed.stat("/var/mail/root") == ["postrider:mail 600"]
    installed.shell("chown ada /var/mail/root")
    installed.dpkg("--remove", "postrider")
    assert installed.stat("/var/mail/root") == ["ada:mail 600"]


def test_purging_stops_a_listener_and_gives_root_his_mailbox(installed):
    installed.write("/etc/aliases", "")
    installed.run(["newaliases"], check=0)
    installed.write(SETTINGS, "[listen]\naddress = 127.0.0.1:2525\n")
    installed.run(["postrider", "serve"], check=0)
    pid = installed.read(f"{SPOOL}/listen.lock").decode().strip()
    assert installed.exists(f"/proc/{pid}/exe")
    installed.send("root")
    installed.wait_until(lambda: installed.read("/var/mail/root"))
    assert installed.stat("/var/mail/root") == ["postrider:mail 660"]
    installed.dpkg("--purge", "postrider")
    assert not installed.exists(f"/proc/{pid}/exe")
    assert installed.stat("/var/mail/root") == ["root:mail 660"]
    assert installed.run(["getent", "passwd", "postrider"]).returncode == 2
    assert installed.run(["getent", "group", "postrider"]).returncode == 2
