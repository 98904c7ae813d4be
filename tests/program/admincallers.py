"""The callers that tell an administrator what has happened: further rows of realcallers.CALLERS."""

import subprocess
from pathlib import Path

from callerpackages import DOMAIN
from realcallers import ADA, ROOT, calls, to_root
from sandbox import BUILD

SUDOERS = """Defaults mail_all_cmnds, mail_badpass
ada ALL = (ALL) NOPASSWD: /usr/bin/true
ben ALL = (ALL) ALL
"""
SUDO_SUBJECT = "*** SECURITY information for here.example ***"


@calls("sudo, mail_all_cmnds", "sudo", alone="sudo", letters=[
    to_root(SUDO_SUBJECT, "COMMAND=/usr/bin/true Grüße .", author=("", ADA[1]))])
def sudo_command(place, caller):
    place.world.write("/etc/sudoers.d/callers", SUDOERS, 0o440)
    return place.call(caller.slug, ["sudo", "true", "Grüße", ".", "\n.\nmore"])


@calls("sudo, a wrong password", "sudo", status=1, alone="sudo", letters=[
    to_root(SUDO_SUBJECT, "3 incorrect password attempts", author=("", f"ben@{DOMAIN}"))])
def sudo_password(place, caller):
    place.world.run(["chpasswd"], stdin="ben:right\n", check=0)
    return place.call(caller.slug, ["sudo", "-S", "true"], user="ben", stdin="wrong\n" * 3)


@calls("logwatch", "logwatch", letters=[
    to_root("Logwatch for here.example (Linux)", "FAILED SU (to root) grüße on pts/0",
            author=("", ROOT[1]))])
def logwatch(place, caller):
    place.world.write("/var/log/auth.log",
                      "Nov 25 10:00:00 here su[12]: FAILED SU (to root) grüße on pts/0\n")
    return place.call(caller.slug, ["logwatch", "--output", "mail", "--mailto", "root", "--range", "all",
                                    "--service", "secure"], user="root")


def pretend(place, name):
    """Makes NAME.c of this folder a library in the world, to be loaded before the C library; what names it."""
    library = BUILD / "program" / f"{name}.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", library,
                    Path(__file__).with_name(f"{name}.c"), "-ldl"], check=True)
    path = f"/srv/{library.name}"
    place.world.run(["sh", "-euc", f"cat > {path}"], stdin=library.read_bytes(), check=0)
    return {"LD_PRELOAD": path}


MDADM_CONF = """ARRAY /dev/md/forest UUID=12345678:12345678:12345678:12345678
MAILADDR root
"""
MDADM_TEST = " on md device /dev/md/forest"  # the words before it are not always the same


@calls("mdadm", "mdadm", letters=[
    to_root("TestMessage event on /dev/md/forest:here.example", MDADM_TEST,
            author=("mdadm monitoring", ROOT[1]))])
def mdadm(place, caller):
    place.world.write("/etc/mdadm/mdadm.conf", MDADM_CONF)
    place.world.write("/dev/md/forest", "")
    place.world.write("/sys/block/md127/md/array_state", "clean\n")
    return place.call(caller.slug, ["mdadm", "--monitor", "--scan", "--oneshot", "--test"], user="root",
                      env=pretend(place, "md_array"))


@calls("smartd", "smartmontools", letters=[
    to_root("SMART error (EmailTest) detected on host: here",
            "TEST EMAIL from smartd for device: /dev/sdz")])
def smartd(place, caller):
    """With its own scripts, which call mail(1): that of bsd-mailx."""
    place.world.write("/dev/sdz", "")
    place.world.write("/etc/smartd.conf", "/dev/sdz -d scsi -H -m root -M test "
                      "-M exec /usr/share/smartmontools/smartd-runner\n")
    return place.call(caller.slug, ["smartd", "-q", "onecheck"], user="root",
                      env=pretend(place, "scsi_disk"))


FAIL2BAN = """[sshd]
enabled = false
[Wächter]
enabled = true
filter = sshd
backend = polling
logpath = /var/log/fail2ban-watched.log
action = sendmail[name="Wächter", dest="root"]
"""


@calls("fail2ban", "fail2ban", letters=[
    to_root(f"[Fail2Ban] Wächter: {event} here.example", part, author=("Fail2Ban", f"fail2ban@{DOMAIN}"))
    for event, part in [("started on", "The jail Wächter has been started successfully."),
                        ("banned 192.0.2.1 from", "The IP 192.0.2.1 has just been banned"),
                        ("stopped on", "The jail Wächter has been stopped.")]])
def fail2ban(place, caller):
    world = place.world
    world.write("/var/log/fail2ban-watched.log", "")
    world.write("/etc/fail2ban/jail.d/zz-callers.local", FAIL2BAN)
    world.shell("mkdir -p /run/fail2ban /var/lib/fail2ban")
    program, run = place.start(caller.slug, ["fail2ban-client", "start"])
    utf8 = {"LC_ALL": "C.UTF-8"}
    world.wait_until(lambda: world.run(["fail2ban-client", "status", "Wächter"],
                                       env=utf8).returncode == 0)
    for argv in (["set", "Wächter", "banip", "192.0.2.1"], ["stop"]):
        world.run(["fail2ban-client", *argv], env=utf8, check=0)
    run.status = program.wait(60)
    return run


# --- packages ---

# The only package of the only source, in the version $1; what is new in it, and the list of changes.
RELEASE = r"""
version=$1
folder=/srv/packages/$version
mkdir -p $folder/DEBIAN $folder/usr/share/doc/forest /srv/repository
cat > $folder/DEBIAN/control <<END
Package: forest
Version: $version
Architecture: all
Maintainer: Ada <ada@here.example>
Description: trees
END
for name in NEWS changelog; do
    cat <<END | gzip -9n > $folder/usr/share/doc/forest/$name.Debian.gz
forest ($version) stable; urgency=low

  Grüße aus $name $version.
  .
  behind the dot

 -- Ada <ada@here.example>  Wed, 25 Nov 2026 10:00:0$version +0000
END
done
cd /srv/repository
file=forest_${version}_all.deb
dpkg-deb --build $folder $file >/dev/null
cat > Packages <<END
$(dpkg-deb -f $file)
Filename: ./$file
Size: $(stat -c %s $file)
SHA256: $(sha256sum $file | cut -d' ' -f1)
END
cat > Release <<END
Origin: Forest
Suite: stable
Date: $(date -Ru)
SHA256:
 $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages
END
apt-get update -qq
"""

PREPARE = r"""
rm -rf /etc/apt/sources.list* /etc/apt/preferences.d/* /var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/srv/repository ./' > /etc/apt/sources.list
cp /usr/share/unattended-upgrades/50unattended-upgrades /etc/apt/apt.conf.d/
cp /usr/lib/apticron/apticron.conf /etc/apticron/
mkdir -p /var/lib/apticron
"""
LISTCHANGES = """[apt]
frontend=mail
email_address=root
which=news
confirm=false
save_seen=/var/lib/apt/listchanges.db
"""
UPGRADES = """Unattended-Upgrade::Origins-Pattern { "origin=Forest"; };
Unattended-Upgrade::Mail "root";
"""


def release(place, version):
    place.world.run(["sh", "-euc", RELEASE, "sh", str(version)], check=0)


def news(version):
    return to_root("apt-listchanges: news for here.example",
                   f"  Grüße aus NEWS {version}.\n  .\n  behind the dot\n")


@calls("apticron", "apticron", alone="apt", letters=[
    to_root("1 Debian package update(s) for here.example", "Grüße aus NEWS 2.\n  .\n  behind")])
def apticron(place, caller):
    """It calls mailx(1): that of bsd-mailx."""
    world = place.world
    world.shell(PREPARE)
    world.write("/etc/apt/listchanges.conf", LISTCHANGES)
    world.write("/etc/apt/apt.conf.d/51callers", UPGRADES)
    release(place, 1)
    world.run(["dpkg", "-i", "/srv/repository/forest_1_all.deb"], check=0)
    release(place, 2)
    return place.call(caller.slug, ["apticron"], user="root")


@calls("apt-listchanges", "apt-listchanges", alone="apt", letters=[news(2)])
def apt_listchanges(place, caller):
    return place.call(caller.slug, ["apt-get", "-qy", "upgrade"], user="root")


@calls("unattended-upgrades", "unattended-upgrades", alone="apt", letters=[
    news(3), to_root("unattended-upgrades result for localhost: SUCCESS",
                     "Packages that were upgraded:\n forest", author=("", ROOT[1]))])
def unattended_upgrades(place, caller):
    """apt-listchanges writes as well."""
    release(place, 3)
    return place.call(caller.slug, ["unattended-upgrade"], user="root")
