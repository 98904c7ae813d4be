"""postrider check of an installation, in a World: owners and modes, who runs the queue, what root sees
and what others see. What is found is mended by what it says."""

import pytest

from sandbox import EX_CONFIG, EX_NOPERM, EX_OK, EX_OSERR, REPOSITORY
from smtpfake import Certificates
from test_check import NAME, SECRET, Found
from world import PACKAGES, World

pytestmark = pytest.mark.installed

SPOOL = "/var/spool/postrider"
LIBEXEC = "/usr/libexec/postrider"
CONFIG = f"""[mail]
hostname = {NAME}
domain = {NAME}
local_domains = {NAME}, localhost
[smarthost]
host = 127.0.0.1:1
tls = off
user = me
"""
LISTEN = "[listen]\naddress = 127.0.0.1:25\n"


@pytest.fixture(scope="module")
def machine():
    with World() as world:
        world.make("install")
        for name in ("ada", "ben"):
            world.add_user(name)
        world.write("/usr/sbin/cron", "#!/bin/sh\n", 0o755)
        yield world


@pytest.fixture
def world(machine):
    """All is well in it."""
    configure(machine)
    credentials(machine)
    machine.write("/etc/aliases", "root: ada\n")
    machine.run(["newaliases"], check=EX_OK)
    machine.write("/etc/cron.d/postrider", "*/5 * * * * root /usr/sbin/sendmail -q\n")
    return machine


def configure(world, mail="", more=""):
    world.write("/etc/postrider/postrider.conf", CONFIG.replace("[smarthost]", f"{mail}\n[smarthost]")
                + more)


def credentials(world, owner="postrider:postrider", mode=0o600):
    world.write("/etc/postrider/credentials.conf", f"[smarthost]\npassword = {SECRET}\n", mode, owner)


def look(world, *arguments, **options):
    return Found(world.run(["postrider", "check", "--json", *arguments], **options))


def mend(world, *findings):
    world.shell("\n".join(finding["remedy"] for finding in findings))


# --- the whole ---


def test_all_is_well(world):
    before = world.shell(f"find {SPOOL} /etc -printf '%p %m %u:%g %T@\\n' | sort").out
    found = look(world)
    assert found.status == EX_OK and not found.bad(), found.text()
    found("good", "programs", "owners and modes")
    found("good", "programs", "sendmail, mailq and newaliases")
    found("good", "queue", "owners and modes")
    found("good", "schedule", "/etc/cron.d/postrider")
    found("good", "aliases", "root's mail is read by ada")
    found("good", "aliases", "postmaster's mail is read by ada")
    found("good", "sign-in", "/etc/postrider/credentials.conf")
    found("good", "mailboxes")
    found("good", "log", "syslog")
    assert before == world.shell(f"find {SPOOL} /etc -printf '%p %m %u:%g %T@\\n' | sort").out
    assert world.run(["postrider", "check"]).out.endswith(" looked at)\n")


def test_what_a_user_sees(world):
    found = look(world, user="ada")
    assert found.status == EX_OK
    assert "sudo" in found("hint", "rights", "for root to look at")["remedy"]
    found("good", "queue", "owners and modes")
    found("good", "programs", "owners and modes")
    assert "sign-in" not in {one["topic"] for one in found.all}


def test_a_users_own_settings(world):
    """The installation is not looked at."""
    world.shell("install -d -o ada -g ada /home/ada/.config/postrider")
    world.write("/home/ada/.config/postrider/postrider.conf", CONFIG.replace("user = me\n", ""), 0o600,
                "ada:ada")
    found = look(world, user="ada")
    found("good", "settings", "/home/ada/.config")
    assert not {"programs", "rights"} & {one["topic"] for one in found.all}
    world.shell("rm -r /home/ada/.config")


# --- owners and modes ---


PROGRAMS = ["/usr/sbin/postrider", f"{LIBEXEC}/postrider-local", f"{LIBEXEC}/postrider-run",
            f"{LIBEXEC}/postrider-listen", f"{LIBEXEC}/postrider-mailbox"]
FOLDERS = [SPOOL, *(f"{SPOOL}/{name}" for name in
                    ("spool", "journal", "corrupt", "hops", "runs", "filter"))]


def rights(world, paths):
    return world.run(["stat", "-c", "%a %U:%G", *paths], check=0).out.splitlines()


@pytest.mark.parametrize("change", ["chmod 0755", "chown ada", "chmod go+w", "chmod 6755",
                                    "chmod 0700"])
def test_programs(world, change):
    before = rights(world, PROGRAMS)
    world.shell(f"{change} {' '.join(PROGRAMS)}")
    found = look(world)
    wrong = [path for path, old, new in zip(PROGRAMS, before, rights(world, PROGRAMS)) if old != new]
    assert wrong
    faults = [found("fault", "programs", f"{path} is ", "should be") for path in wrong]
    assert len(found.bad("programs")) == len(wrong)
    mend(world, *faults)
    assert rights(world, PROGRAMS) == before
    assert not look(world).bad()


@pytest.mark.parametrize("change", ["chmod 0700", "chmod o+rx", "chown root", "chgrp ada",
                                    "chmod g-s,g+w"])
def test_queue_folders(world, change):
    before = rights(world, FOLDERS)
    world.shell(f"{change} {' '.join(FOLDERS)}")
    wrong = [path for path, old, new in zip(FOLDERS, before, rights(world, FOLDERS)) if old != new]
    found = look(world)
    said = [one for one in found.all if one["topic"] == "queue" and one["mark"] != "good"]
    assert [one["text"].split()[0] for one in said] == wrong
    assert {one["mark"] for one in said} <= {"fault", "warning"}
    mend(world, *said)
    assert rights(world, FOLDERS) == before
    assert not look(world).bad()


def test_queue_folders_that_are_missing(world):
    before = rights(world, FOLDERS)
    world.shell(f"rm -r {SPOOL}")
    found = look(world)
    mend(world, *[found("fault", "queue", f"there is no {path}: ") for path in FOLDERS])
    assert rights(world, FOLDERS) == before
    assert not look(world).bad()


def test_program_that_is_missing(world):
    world.shell(f"mv {LIBEXEC}/postrider-listen {LIBEXEC}/away")
    look(world)("fault", "programs", f"there is no {LIBEXEC}/postrider-listen")
    world.shell(f"mv {LIBEXEC}/away {LIBEXEC}/postrider-listen")
    assert not look(world).bad()


def test_folder_of_programs_that_others_can_write(world):
    world.shell(f"chmod 0777 {LIBEXEC}")
    mend(world, look(world)("fault", "programs", f"{LIBEXEC} is 0777", "in place of ours"))
    assert not look(world).bad()


def test_no_such_user(world):
    world.shell("cp /etc/passwd /etc/passwd.kept; sed -i '/^postrider:/d' /etc/passwd")
    one = look(world)("fault", "programs", "no user postrider")
    assert one["remedy"].startswith("useradd --system")
    world.shell("mv /etc/passwd.kept /etc/passwd")
    assert not look(world).bad()


def test_mounted_without_set_id(world):
    world.shell(f"mount --bind {LIBEXEC} {LIBEXEC}; mount -o remount,bind,nosuid {LIBEXEC}")
    one = look(world)("fault", "programs", "nosuid", f"{LIBEXEC}/postrider-local")
    assert "remount,suid" in one["remedy"]
    world.shell(f"umount {LIBEXEC}")
    assert not look(world).bad()


def test_no_new_privileges(world):
    """S11: of whoever asks, and it is said even where nothing else can be seen."""
    barred = ["setpriv", "--no-new-privs", "postrider", "check", "--json"]
    found = Found(world.run(barred))
    found("hint", "programs", "NoNewPrivileges")
    assert not found.bad()
    found = Found(world.run(barred, user="ada"))
    found("hint", "programs", "NoNewPrivileges")
    found("fault", "queue", "NoNewPrivileges")


# --- the names of sendmail ---


def test_names_that_lead_elsewhere(world):
    names = {"/usr/sbin/sendmail": "postrider", "/usr/lib/sendmail": "/usr/sbin/sendmail",
             "/usr/bin/mailq": "/usr/sbin/postrider", "/usr/bin/newaliases": "/usr/sbin/postrider"}
    for name in names:
        world.shell(f"rm {name}; printf '#!/bin/sh\\n' > {name}; chmod 755 {name}")
    found = look(world)
    for name in names:
        one = found("warning", "programs", f"{name} is another program")
        mend(world, one)
    for name, target in names.items():
        assert world.run(["readlink", name]).out.strip() == target
        assert world.read(f"{name}.displaced") == b"#!/bin/sh\n"
        world.shell(f"rm {name}")
    found = look(world)
    mend(world, found("fault", "programs", "no /usr/sbin/sendmail"),
         *[found("hint", "programs", f"no {name},") for name in list(names)[1:]])
    found = look(world)
    found("good", "programs", "sendmail, mailq and newaliases")
    for name in names:
        world.shell(f"rm -f {name}.displaced; ! command -v dpkg-divert || dpkg-divert --local "
                    f"--no-rename --remove {name} || true")


# --- room ---


def small_queue(world, options):
    """The queue on a file system of its own, with all its folders."""
    world.shell(f"mkdir -p /run/small; mount -t tmpfs -o {options} tmpfs /run/small; "
                f"cp -a {SPOOL}/. /run/small; mount --move /run/small {SPOOL}")


@pytest.mark.parametrize("options, mark, words", [
    ("mode=0710,size=512k", "fault", "only: mail is refused"),
    ("mode=0710,size=8m", "warning", "max_message_size does not fit"),
    ("mode=0710,size=80m,nr_inodes=200", "warning", "more files"),
    ("mode=0710,size=80m,nr_inodes=14", "fault", "more files")])
def test_room(world, options, mark, words):
    small_queue(world, options)
    try:
        found = look(world)
        found(mark, "disk", SPOOL, words)
        assert found.bad() == found.bad("disk")
    finally:
        world.shell(f"umount {SPOOL}")
    assert not look(world).bad()


def test_mounted_read_only(world):
    small_queue(world, "mode=0710,size=80m")
    world.shell(f"mount -o remount,ro {SPOOL}")
    try:
        look(world)("fault", "disk", "read-only")
    finally:
        world.shell(f"umount {SPOOL}")


# --- files ---


def test_settings_file(world):
    for mode in ("0666", "0600"):
        world.shell(f"chmod {mode} /etc/postrider/postrider.conf")
        mend(world, look(world)("fault", "settings", f"postrider.conf is {mode}"))
        assert not look(world).bad()
    world.shell("chown ada /etc/postrider/postrider.conf")
    mend(world, look(world)("fault", "settings", "ada:root"))
    world.shell("chmod 0777 /etc/postrider")
    mend(world, look(world)("fault", "settings", "/etc/postrider is 0777"))
    world.shell("chown root:postrider /etc/postrider/postrider.conf; "
                "chmod 0640 /etc/postrider/postrider.conf")
    assert not look(world).bad(), "the front door has that group"
    world.shell("rm /etc/postrider/postrider.conf")
    assert look(world)("hint", "settings", "there is no")["remedy"] == "postrider setup"


def test_credentials_of_another_user(world):
    for owner, mode in (("ada:ada", 0o600), ("root:root", 0o600), ("postrider:postrider", 0o640)):
        credentials(world, owner, mode)
        found = look(world)
        mend(world, found("fault", "sign-in", "[smarthost] cannot sign in"))
        found = look(world)
        assert not found.bad()
        assert rights(world, ["/etc/postrider/credentials.conf"]) == ["600 postrider:postrider"]
        assert SECRET not in found.text()


def test_password_file_of_another_user(world):
    """What is mended is that file, not credentials.conf, which is in order."""
    world.write("/etc/postrider/credentials.conf", "[smarthost]\npassword_file = the secret\n", 0o600,
                "postrider:postrider")
    for owner, mode in (("ada:ada", 0o600), ("root:root", 0o600), ("postrider:postrider", 0o644)):
        world.write("/etc/postrider/the secret", SECRET + "\n", mode, owner)
        mend(world, look(world)("fault", "sign-in", "/etc/postrider/the secret"))
        found = look(world)
        assert not found.bad()
        assert rights(world, ["/etc/postrider/the secret"])[0].startswith("600 postrider:")
        assert SECRET not in found.text()
    world.shell("install -d -m 700 /etc/closed; mv '/etc/postrider/the secret' /etc/closed/secret")
    world.write("/etc/postrider/credentials.conf", "[smarthost]\npassword_file = /etc/closed/secret\n", 0o600,
                "postrider:postrider")
    assert "the folder of /etc/closed/secret" in look(world)("fault", "sign-in", "closed/secret")["remedy"]
    world.shell("rm -r /etc/closed")
    credentials(world, "root:root")
    assert "credentials.conf" in look(world)("fault", "sign-in", "cannot sign in")["remedy"]


def test_client_key_that_others_can_read(world, tmp_path):
    """Once it is closed to them, the queue's user still reads it, or no mail would leave."""
    pair = Pairs(tmp_path).good
    world.write("/etc/postrider/chain.pem", pair[0].read_bytes())
    configure(world, more="tls_certificate = /etc/postrider/chain.pem\ntls_key = /etc/postrider/the key\n")
    world.shell("sed -i 's/^tls = off/tls = starttls/' /etc/postrider/postrider.conf")
    for owner, mode in (("root:root", 0o644), ("postrider:postrider", 0o660)):
        world.write("/etc/postrider/the key", pair[1].read_bytes(), mode, owner)
        mend(world, look(world)("warning", "certificate", "the key /etc/postrider/the key is open"))
        found = look(world)
        assert not found.bad(), found.text()
        assert rights(world, ["/etc/postrider/the key"]) == ["640 root:postrider"]
    world.shell("chown root:root '/etc/postrider/the key'")
    mend(world, look(world)("fault", "certificate", "cannot use tls_certificate"))
    assert not look(world).bad()
    world.shell("rm '/etc/postrider/the key' /etc/postrider/chain.pem")


def test_mailbox_folder(world):
    world.shell("chmod 0777 /var/mail")
    mend(world, look(world)("fault", "mailboxes", "by everybody"))
    world.shell("chmod 0755 /var/mail")
    found = look(world)
    assert not found.bad()
    mend(world, found("hint", "mailboxes", "group mail"))
    world.shell("chmod 1777 /var/mail")
    look(world)("good", "mailboxes")
    world.shell("chown ada /var/mail")
    mend(world, look(world)("fault", "mailboxes", "is not root's"))
    # The helper is as strict with any other folder.
    world.shell("rm -rf /srv/mail; install -d -m 1777 /srv/mail")
    configure(world, mail="mailbox_directory = /srv/mail")
    mend(world, look(world)("fault", "mailboxes", "/srv/mail is not of the group mail"))
    look(world)("good", "mailboxes", "/srv/mail")
    configure(world)
    world.shell("rm -rf /var/mail")
    mend(world, look(world)("fault", "mailboxes", "there is no folder"))
    assert not look(world).bad()
    assert rights(world, ["/var/mail"]) == ["2775 root:mail"]


def test_log_file(world):
    configure(world, mail="log_file = /var/log/mail.postrider")
    mend(world, look(world)("warning", "log", "there is no log_file"))
    look(world)("good", "log", "/var/log/mail.postrider")
    for change in ("chmod 0640", "chown root:root"):
        world.shell(f"{change} /var/log/mail.postrider")
        mend(world, look(world)("warning", "log", "cannot be written"))
        look(world)("good", "log", "/var/log/mail.postrider")


# --- aliases ---


def test_nobody_reads_roots_mail(world):
    world.write("/etc/aliases", "postmaster: root\n")
    one = look(world)("warning", "aliases", "no alias says who reads root's mail")
    mend(world, one)
    found = look(world)
    found("good", "aliases", "root's mail is read by you@example.net")
    world.write("/etc/aliases", "root: gone\n")
    found = look(world)
    found("fault", "aliases", "mail for root goes nowhere", "gone")
    found("fault", "aliases", "mail for postmaster goes nowhere")
    found("warning", "aliases", "/etc/aliases.db is not used")
    world.write("/etc/aliases", "root: ada\npostmaster: gone\n")
    world.run(["newaliases"], check=EX_OK)
    look(world)("fault", "aliases", "mail for postmaster goes nowhere")


def test_roots_mailbox_of_another_mail_program(world):
    world.write("/etc/aliases", "postmaster: root\n")
    world.run(["newaliases"], check=EX_OK)
    world.write("/var/mail/root", "From x\n\nold\n\n", 0o600)
    mend(world, look(world)("fault", "aliases", "/var/mail/root, where root's mail goes, is not"))
    assert rights(world, ["/var/mail/root"]) == ["600 postrider:root"]
    look(world)("warning", "aliases", "no alias says who reads root's mail")
    assert "where root's mail goes" not in look(world).text()
    world.shell("rm /var/mail/root; touch /var/mail/root; chmod 644 /var/mail/root")
    look(world)("fault", "aliases", "/var/mail/root, where root's mail goes, is not")
    world.shell("rm /var/mail/root")


def test_list_of_the_queues_user(world):
    world.write("/etc/list", "ada\n")
    world.write("/etc/aliases", "root: ada\nall: :include:/etc/list\n")
    world.shell("chown postrider:postrider /etc/list; chmod 664 /etc/list")
    world.run(["newaliases"], check=EX_OK)
    assert not look(world).bad()


def test_users_of_files_and_commands_in_aliases(world):
    for name in ("root", "postrider", "gone"):
        configure(world, mail=f"alias_commands = {name}")
        look(world)("fault", "aliases", f"alias_commands names {name}")
    configure(world, mail="alias_commands = nobody")
    assert not look(world).bad()


def test_list_that_the_runner_cannot_read(world):
    """Root could read it: that tells nothing."""
    world.write("/etc/list", "ada\n", 0o600)
    world.write("/etc/aliases", "root: ada\nall: :include:/etc/list\n")
    look(world)("fault", "aliases", "/etc/aliases:2: ", "Permission denied")
    found = look(world, user="ada")
    found("hint", "aliases", "Permission denied")
    assert not found.bad("aliases")[1:]
    world.shell("chmod 644 /etc/list; newaliases")
    assert not look(world).bad()


# --- who runs the queue ---


SENDMAIL = "/usr/sbin/sendmail"


@pytest.mark.parametrize("path, line, counts", [
    ("/etc/crontab", f"*/5 * * * * root {SENDMAIL} -q\n", True),
    ("/etc/cron.d/mail", "*/5 * * * * root cd / && postrider flush >/dev/null\n", True),
    ("/etc/cron.d/mail", "*/5 * * * * root [ -x /usr/sbin/runq ] && /usr/sbin/runq\n", True),
    ("/etc/cron.d/mail", "@hourly root /usr/lib/sendmail -qf\n", True),
    ("/var/spool/cron/crontabs/root", f"*/5 * * * * {SENDMAIL} -q\n", True),
    ("/etc/cron.d/mail", f"#*/5 * * * * root {SENDMAIL} -q\n", False),
    ("/etc/cron.d/mail", f"*/5 * * * * root {SENDMAIL} -t -q < /x\n", False),
    ("/etc/cron.d/mail", "*/5 * * * * root postrider queue list\n", False),
    ("/etc/cron.d/mail", f"MAILTO=root\n\n0 0 * * * root echo {SENDMAIL}\n-q", False)])
def test_cron(world, path, line, counts):
    world.shell("rm -f /etc/cron.d/postrider /etc/cron.d/mail /etc/crontab "
                "/var/spool/cron/crontabs/root")
    world.write(path, line, 0o600 if "spool" in path else 0o644)
    found = look(world)
    if counts:
        found("good", "schedule", path)
    else:
        mend(world, found("warning", "schedule", "nobody runs the queue"))
        look(world)("good", "schedule", "/etc/cron.d/postrider")
    world.shell(f"rm {path}")


def test_table_without_cron_is_read_by_nobody(world):
    world.shell("mv /usr/sbin/cron /srv")
    found = look(world)
    assert "postrider serve" in found("warning", "schedule", "/etc/cron.d/postrider", "no cron here")["remedy"]
    world.run(["postrider", "serve"], check=EX_OK)
    look(world)("good", "schedule", "at work, and runs the queue")
    world.shell(f"kill $(cat {SPOOL}/listen.lock); mv /srv/cron /usr/sbin")
    world.wait_until(lambda: not world.processes("postrider-listen"))


def test_without_cron_no_line_for_it_is_advised(world):
    """Nobody would read it."""
    world.shell("mv /usr/sbin/cron /srv; rm /etc/cron.d/postrider")
    remedy = look(world)("warning", "schedule", "nobody runs the queue")["remedy"]
    assert remedy.startswith("postrider serve") and "/etc/cron.d" not in remedy
    world.shell("mv /srv/cron /usr/sbin")
    assert "> /etc/cron.d/postrider" in look(world)("warning", "schedule", "nobody")["remedy"]


@pytest.fixture
def busybox(world):
    """Its cron alone, and root's crontab, as they are in Alpine."""
    package = sorted(PACKAGES.glob("busybox-static_*.deb"))[-1]
    world.shell(f"""mv /usr/sbin/cron /srv; rm -rf /var/spool/cron/crontabs
        dpkg-deb -x {package} /srv/box; ln -s /srv/box/bin/busybox /usr/sbin/crond
        ln -s /srv/box/bin/busybox /usr/bin/crontab; mkdir -p /var/spool/cron /etc/crontabs
        ln -s /etc/crontabs /var/spool/cron/crontabs""")
    world.write("/etc/crontabs/root", "*/15 * * * * run-parts /etc/periodic/15min\n", 0o600)
    yield world
    world.shell("rm -rf /usr/sbin/crond /usr/bin/crontab /etc/crontabs /etc/periodic /var/spool/cron/crontabs; "
                "mv /srv/cron /usr/sbin")


def test_busybox_reads_the_crontab_of_root_alone(busybox):
    one = look(busybox)("warning", "schedule", "/etc/cron.d/postrider", "not the cron here")
    mend(busybox, one)
    look(busybox)("good", "schedule", "crontabs/root runs the queue")
    assert b"15min\n" in busybox.read("/etc/crontabs/root"), "what was there stays"
    busybox.shell("rm /etc/cron.d/postrider; sed -i /sendmail/d /etc/crontabs/root")
    mend(busybox, look(busybox)("warning", "schedule", "nobody runs the queue"))
    look(busybox)("good", "schedule", "crontabs/root runs the queue")


def test_alpine_runs_the_script_of_the_package(busybox):
    script = "/etc/periodic/15min/postrider"
    busybox.shell("rm /etc/cron.d/postrider")
    text = (REPOSITORY / "contrib" / "alpine" / "postrider.periodic").read_text()
    busybox.write(script, text, 0o755)
    look(busybox)("good", "schedule", f"{script} runs the queue")
    busybox.shell(f"chmod 644 {script}")
    look(busybox)("warning", "schedule", "nobody")
    busybox.shell(f"chmod 755 {script}; sed -i 's/^/#/' /etc/crontabs/root")
    look(busybox)("warning", "schedule", "nobody")


def test_fcron_has_tables_of_its_own(world):
    world.shell("mv /usr/sbin/cron /srv")
    world.write("/usr/sbin/fcron", "#!/bin/sh\n", 0o755)
    one = look(world)("warning", "schedule", "/etc/cron.d/postrider", "not the cron here")
    assert one["remedy"].endswith("| fcrontab -")
    world.write("/var/spool/fcron/root.orig", f"*/5 * * * * {SENDMAIL} -q\n", 0o600)
    look(world)("good", "schedule", "/var/spool/fcron/root.orig")
    world.shell("rm -r /usr/sbin/fcron /var/spool/fcron; mv /srv/cron /usr/sbin")


def test_cron_ignores_names_with_dots(world):
    world.shell("mv /etc/cron.d/postrider /etc/cron.d/postrider.sh")
    found = look(world)
    found("hint", "schedule", "/etc/cron.d/postrider.sh", "dot")
    found("warning", "schedule", "nobody")
    world.shell("rm /etc/cron.d/postrider.sh")


def test_crontab_of_root_is_for_root(world):
    world.shell("rm /etc/cron.d/postrider")
    world.write("/var/spool/cron/crontabs/root", f"*/5 * * * * {SENDMAIL} -q\n", 0o600)
    world.shell("chmod 700 /var/spool/cron/crontabs")
    look(world)("good", "schedule")
    look(world, user="ada")("warning", "schedule", "only root can read")
    world.shell("rm -r /var/spool/cron/crontabs")


def test_systemd(world):
    wants = "/etc/systemd/system/timers.target.wants"
    unit = "/usr/lib/systemd/system/postrider-queue.timer"
    world.shell(f"rm /etc/cron.d/postrider; mkdir -p {wants}; ln -s {unit} {wants}")
    found = look(world)
    found("hint", "schedule", "systemd is not running")
    assert "/etc/cron.d" in found("warning", "schedule", "nobody")["remedy"]
    world.shell("mkdir -p /run/systemd/system")
    look(world)("good", "schedule", "postrider-queue.timer is enabled")
    world.shell(f"rm -r {wants}")
    found = look(world)
    assert found("warning", "schedule", "nobody")["remedy"].startswith("systemctl enable --now ")
    # The package's line in the crontab leaves it to systemd where there is one.
    world.shell("cp " + str(REPOSITORY / "contrib" / "postrider.cron") + " /etc/cron.d/postrider")
    look(world)("warning", "schedule", "nobody")
    world.shell("rm -r /run/systemd")
    look(world)("good", "schedule", "/etc/cron.d/postrider")


def test_listener(world):
    configure(world, more=LISTEN)
    world.shell("rm /etc/cron.d/postrider")
    found = look(world)
    assert found("hint", "listener", "no listener")["remedy"] == "postrider serve"
    world.run(["postrider", "serve"], check=EX_OK)
    for user in (None, "ada"):
        found = look(world, user=user)
        found("good", "listener", "at work")
        found("good", "schedule", "a listener is at work")
    world.shell(f"kill $(cat {SPOOL}/listen.lock)")
    world.wait_until(lambda: not world.processes("postrider-listen"))
    wants = "/etc/systemd/system/sockets.target.wants"
    world.shell(f"mkdir -p /run/systemd/system {wants}; ln -s /x {wants}/postrider.socket")
    found = look(world)
    found("hint", "listener", "postrider.socket is enabled")
    world.shell(f"rm -r /run/systemd {wants}")


# --- what the listener reads, and as whom ---


class Pairs(Certificates):
    KINDS = {"good": {"names": [NAME]}}


def test_listener_reads_keys_as_root_and_all_else_as_its_user(world, tmp_path):
    pair = Pairs(tmp_path).good
    for path, name, mode in ((pair[0], "tls.crt", 0o644), (pair[1], "tls.key", 0o600)):
        world.write(f"/etc/postrider/{name}", path.read_text(), mode)
    world.run(["postrider", "passwd", "--file", "/etc/postrider/users", "anna"],
              stdin=f"{SECRET}\n", check=EX_OK)
    world.write("/etc/postrider/blocked", "spammer@far.tld\n")
    configure(world, more=LISTEN + "tls = starttls\ntls_certificate = tls.crt\ntls_key = tls.key\n"
              "users = users\n[filter]\nblock_senders = file:blocked\n")
    found = look(world)
    assert not found.bad(), found.text()
    found("good", "certificate")
    found("good", "users")

    world.shell("chown root:root /etc/postrider/users; chmod 600 /etc/postrider/users")
    mend(world, look(world)("fault", "users", "nobody can sign in"))
    world.shell("chmod 600 /etc/postrider/blocked")
    mend(world, look(world)("warning", "filter", "can be read by root alone"))
    found = look(world)
    assert not found.bad(), found.text()

    found = look(world, user="ada")
    assert not found.bad(), "a user is told of no key that is not his to read"


def test_milter_that_the_listener_may_not_use(world):
    configure(world, more=LISTEN + "[filter]\nmilter = unix:/run/milter/socket\n")
    world.shell("install -d -m 700 /run/milter")
    script = ("import socket, time\ns = socket.socket(socket.AF_UNIX)\n"
              "s.bind('/run/milter/socket')\ns.listen()\ntime.sleep(600)\n")
    world.shell(f'python3 -c "{script}" >/dev/null 2>&1 & echo $! > /run/milter/pid')
    world.wait_until(lambda: "socket" in world.names("/run/milter"))
    look(world)("fault", "milter", "Permission denied")
    world.shell("chmod 755 /run/milter; chmod 666 /run/milter/socket")
    found = look(world)
    found("good", "milter")
    assert not found.bad()
    world.shell("kill $(cat /run/milter/pid); rm -r /run/milter")


# --- whose mail ---


def test_mail_of_others_is_not_shown(world):
    configure(world, more="[queue]\nwarn = 1s\n")
    world.run([SENDMAIL, "-odq", "x@far.tld"], stdin="\n\n", user="ada", check=EX_OK)
    (name,) = [name for name in world.names(f"{SPOOL}/spool") if name[0] != "."]
    world.wait_until(lambda: look(world).bad("mail"))
    assert name in look(world)("warning", "mail", "1 message has waited")["text"]
    assert name in look(world, user="ada")("warning", "mail", "1 message has waited")["text"]
    found = look(world, user="ben")
    found("good", "mail", "no mail of yours waits")
    assert name not in found.text()
    world.run(["postrider", "queue", "delete", name], check=EX_OK)


def test_nothing_is_gained_by_looking(world):
    """The caller's own settings are read with his own rights, whatever the program's group."""
    world.write("/home/ada/x.conf", f"[queue]\ndirectory = {SPOOL}\n", 0o600, "ada:ada")
    result = world.run(["postrider", "check", "-C", "/home/ada/x.conf"], user="ada")
    assert result.returncode == EX_CONFIG
    assert "cannot be used: Permission denied" in result.out
    for program in (f"{LIBEXEC}/postrider-run", f"{LIBEXEC}/postrider-listen"):
        result = world.run([program, "check"], user="ada")
        assert result.returncode in (EX_OK, EX_NOPERM, EX_OSERR) and SECRET not in result.out
