"""postrider setup of a machine, in a World: as root, with owners and modes, and a provider's name and
port that lead to a scripted smarthost."""

import os
from pathlib import Path

import pytest
import yaml

from sandbox import EX_NOPERM, EX_OK, REPOSITORY
from smtpfake import Certificates, FakeServer
from test_setup import added
from world import World

pytestmark = pytest.mark.installed

FOLDER = "/etc/postrider"
CONFIG, CREDENTIALS = f"{FOLDER}/postrider.conf", f"{FOLDER}/credentials.conf"
DOMAIN = "mg.example.org"
USER, PASSWORD = f"postmaster@{DOMAIN}", "hunter2 with ; in it"
PLAIN = "hunter2-plain"
FLAGS = ("setup", "mailgun", "--domain", DOMAIN)


class Named(Certificates):
    KINDS = {"good": {"names": ["smtp.mailgun.org"]}}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """With a provider at hand: .server."""
    certificates = Named(tmp_path_factory.mktemp("certificates"))
    with World() as world:
        world.make("install")
        world.add_user("ada")
        world.shell(f"cp -a {FOLDER} /srv/fresh")
        world.shell("echo '127.0.0.1 smtp.mailgun.org' >> /etc/hosts; "
                    "mkdir -p /etc/ssl/certs; cat >> /etc/ssl/certs/ca-certificates.crt",
                    stdin=certificates.ca.read_bytes())
        world.server = world.inside(lambda: FakeServer(
            certificate=certificates.good, auth_needed=True, port=587))
        with world.server:
            yield world


@pytest.fixture
def world(machine):
    """As it is right after the installation."""
    machine.shell(f"rm -rf {FOLDER} /etc/aliases*; cp -a /srv/fresh {FOLDER}")
    machine.server.users = {USER: PLAIN}
    machine.server.at.clear()
    del machine.server.messages[:]
    return machine


def setup_with(world, *arguments, password=PLAIN, check=EX_OK, **options):
    return world.run(["postrider", *FLAGS, *arguments], stdin=f"{password}\n", check=check, **options)


def modes(world):
    """Name, mode and owner of each file in the folder."""
    return sorted(world.shell(f"cd {FOLDER} && find . -type f -printf '%P %m %u:%g\\n'").out
                  .splitlines())


def contents(world):
    return world.shell(f"cd {FOLDER} && find . -type f -exec sha256sum {{}} + | sort; "
                       "cat /etc/aliases 2>/dev/null || true").out


def test_from_the_installation_to_the_first_message(world):
    before = (REPOSITORY / "etc" / "postrider.conf").read_text()
    done = setup_with(world, "--root", "you@example.net", "--test", "you@example.net")
    lines = done.out.splitlines()
    assert "test message: delivered to smtp.mailgun.org: 250 2.0.0 Ok: queued" in lines
    assert lines[-1] == "changed"
    assert any("v=spf1 include:mailgun.org ~all" in line for line in lines)
    assert any("sendmail -q" in line or "postrider-queue.timer" in line or "postrider serve" in line
               for line in lines)
    assert added(before, world.read(CONFIG).decode()) == [
        f"domain = {DOMAIN}", "[smarthost]", "host = smtp.mailgun.org", "port = 587",
        "tls = starttls", f"user = {USER}", ""]
    assert modes(world) == ["credentials.conf 600 postrider:postrider",
                            "postrider.conf 644 root:root"]
    assert world.read("/etc/aliases") == b"root: you@example.net\n"
    assert world.shell("stat -c '%a %U' /etc/aliases /etc/aliases.db").out == "644 root\n644 root\n"
    assert [message.recipients for message in world.server.messages] == [["you@example.net"]]
    # as programs of anybody send mail
    world.run(["sendmail", "-odi", "root"], stdin="Subject: hi\n\nhello\n", user="ada", check=EX_OK)
    assert world.server.messages[-1].sender == f"ada@{DOMAIN}"
    assert world.server.messages[-1].recipients == ["you@example.net"]
    # again
    state = contents(world)
    done = setup_with(world, "--root", "you@example.net")
    assert done.out.splitlines() == ["nothing to change", "unchanged"] and contents(world) == state


def test_mail_that_waited_is_not_forgotten(world):
    """What was handed in before there was a smarthost waits for its next turn, and setup says how to
    shorten that."""
    world.run(["sendmail", "-odq", "you@example.net"], stdin="Subject: early\n\nx\n", user="ada", check=EX_OK)
    said, = [line for line in setup_with(world).out.splitlines() if "in the queue" in line]
    assert said.startswith("next: 1 message is in the queue; ")
    world.shell(said.partition("now: ")[2])
    assert [message.recipients for message in world.server.messages] == [["you@example.net"]]


def test_without_root_it_is_said_whose_settings_they_are(world):
    done = setup_with(world, user="ada")
    assert "written: /home/ada/.config/postrider/postrider.conf" in done.out
    assert "next: this is for your own mail alone; for that of the whole machine: sudo postrider setup" in done.out
    world.shell("rm -r /home/ada/.config")


def test_advice_has_the_words_of_the_provider(world):
    done = setup_with(world, password="wrong", check=EX_NOPERM)
    fault, = [line for line in done.out.splitlines() if line.startswith("fault")]
    assert "; Mailgun (US) wants as user: SMTP login, as password: SMTP password" in fault
    assert "postrider setup" not in fault and FOLDER not in fault


def test_sign_in_is_tried_without_root(world):
    """What hears the provider is the user who runs the queue, and he could read what he was given."""
    seen, here = [], os.readlink(f"/proc/{world.init}/ns/mnt")

    def look(_session, _line):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                status = (process / "status").read_text()
                if os.readlink(process / "ns" / "mnt") != here:
                    continue
            except OSError:
                continue
            if status.startswith("Name:\tpostrider-run\n"):
                seen.append(status.partition("\nUid:\t")[2].split("\n")[0].split())

    world.server.at["AUTH"] = look
    setup_with(world)
    number = world.shell("id -u postrider").out.strip()
    assert seen and all(ids == [number] * 4 for ids in seen)


def test_password_that_needs_a_file_of_its_own(world):
    world.server.users = {USER: PASSWORD}
    setup_with(world, "--test", "you@example.net", password=PASSWORD)
    assert len(world.server.messages) == 1
    assert modes(world) == ["credentials.conf 600 postrider:postrider",
                            "postrider.conf 644 root:root",
                            "smarthost.password 600 postrider:postrider"]
    assert setup_with(world, password=PASSWORD).out.endswith("unchanged\n")


def test_owners_and_modes_of_what_was_there(world):
    """Of the settings they stay; those of the passwords are put right."""
    world.shell(f"chown root:adm {CONFIG}; chmod 640 {CONFIG}")
    world.shell(f"chgrp postrider {CONFIG}")  # the front door has to read them
    setup_with(world)
    assert "postrider.conf 640 root:postrider" in modes(world)
    world.shell(f"chown ada {CREDENTIALS}; chmod 644 {CREDENTIALS}")
    assert setup_with(world).out.endswith("changed\n")
    assert "credentials.conf 600 postrider:postrider" in modes(world)


def test_full_disk_changes_nothing(world):
    setup_with(world)
    world.shell(f"""
        mkdir /tmp/kept && cp -a {FOLDER}/. /tmp/kept
        mount -t tmpfs -o size=64k,mode=0755 tmpfs {FOLDER}
        cp -a /tmp/kept/. {FOLDER}
        dd if=/dev/zero of={FOLDER}/full bs=4096 2>/dev/null || true""")
    try:
        before = contents(world)
        done = world.run(["postrider", *FLAGS, "--user", "other", "--offline"], stdin="other\n")
        assert done.returncode != EX_OK and "No space left on device" in done.err
        assert contents(world) == before
    finally:
        world.shell(f"umount {FOLDER}; rm -rf /tmp/kept")


def test_who_is_not_root(world):
    """The machine's settings are not his; his own are, and he gets some."""
    done = world.run(["postrider", "setup", "-C", CONFIG, "mailgun"], user="ada", stdin=f"{PLAIN}\n",
                     check=EX_NOPERM)
    assert "only root may set up this machine" in done.err
    setup_with(world, "--test", "you@example.net", user="ada")
    own = "/home/ada/.config/postrider"
    assert world.shell(f"cd {own}; stat -c '%a %U' *").out == "600 ada\n600 ada\n"
    assert len(world.server.messages) == 1 and not world.names("/var/spool/postrider/spool")
    world.run(["sendmail", "-odi", "you@example.net"], stdin="Subject: hi\n\nhello\n", user="ada",
              check=EX_OK)
    assert world.server.messages[-1].sender == f"ada@{DOMAIN}"
    world.shell(f"rm -rf {own}")


def test_settings_of_somebody_else(world):
    """They name files and hosts: root's rights are not for them. A link leads nobody anywhere."""
    world.shell("mkdir -p /home/ada/own && ln -sf /etc/shadow /home/ada/own/credentials.conf && "
                "chown -R ada /home/ada/own")
    before = world.shell("sha256sum /etc/shadow; stat -c '%a %U' /etc/shadow").out
    command = ["postrider", "setup", "-C", "/home/ada/own/postrider.conf", "mailgun", "--domain",
               DOMAIN, "--offline"]
    done = world.run(command, stdin=f"{PLAIN}\n", check=EX_NOPERM)
    assert "is not root's" in done.err
    assert world.run(command, user="ada", stdin=f"{PLAIN}\n").returncode != EX_OK
    assert world.shell("sha256sum /etc/shadow; stat -c '%a %U' /etc/shadow").out == before


def test_a_file_of_roots_in_the_folder_of_somebody_else(world):
    """A link to one makes the settings root's, and another link would have root write anywhere."""
    world.shell("mkdir -p /home/ada/lent; touch /srv/roots.conf /srv/precious; chmod 644 /srv/precious; "
                "ln -sf /srv/roots.conf /home/ada/lent/postrider.conf; "
                "ln -sf /srv/precious /home/ada/lent/credentials.conf; chown -hR ada /home/ada/lent")
    done = world.run(["postrider", "setup", "-C", "/home/ada/lent/postrider.conf", "mailgun", "--domain",
                      DOMAIN, "--offline"], stdin=f"{PLAIN}\n", check=EX_NOPERM)
    assert "is not root's" in done.err
    assert world.read("/srv/precious") == world.read("/srv/roots.conf") == b""


def test_S6_root_takes_over_nothing_from_a_home_in_his_environment(world):
    """sudo -E leaves it: what its owner has there would name root's commands, hosts and files."""
    world.write("/home/ada/.msmtprc", "account default\nhost ada.example\nfrom ada@ada.example\n"
                "auth on\nuser ada\npasswordeval /usr/bin/touch /srv/ran\n", 0o600, "ada:ada")
    world.shell("rm -f /etc/msmtprc /root/.msmtprc")
    command = ["postrider", "setup", "--from", "msmtp", "--offline", "--dry-run"]
    done = world.run(command, env={"HOME": "/home/ada"})
    assert done.returncode != EX_OK and "ada.example" not in done.out + done.err
    done = world.run([*command, "-C", "/home/ada/new.conf"], user="ada", check=EX_OK)
    assert "ada.example" in done.out
    assert not world.exists("/srv/ran")
    world.shell("rm /home/ada/.msmtprc")


def test_machine_is_left_alone(world):
    """Nothing of the setup stays behind in the folder."""
    setup_with(world)
    assert sorted(name for name in os.listdir(world.outside(FOLDER))) == [
        "credentials.conf", "postrider.conf"]


# --- the examples in contrib/ ---


def test_cloud_init_example(world):
    """Its files and its commands, as cloud-init does them at the first start."""
    text = (REPOSITORY / "contrib/cloud-init/user-data.yml").read_text()
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert set(data) == {"write_files", "runcmd"}
    for file in data["write_files"]:
        content = PLAIN + "\n" if "password" in file["path"] else file["content"]
        world.write(file["path"], content, int(file.get("permissions", "0644"), 8))
    for command in data["runcmd"]:
        world.run(command if isinstance(command, list) else ["sh", "-c", command], check=EX_OK)
    assert f"user = {USER}" in world.read(CONFIG).decode()
    assert world.read("/etc/aliases") == b"root: you@example.net\n"
    assert not world.read("/run/postrider.password")
    schedule, = [file["path"] for file in data["write_files"] if file["path"].startswith("/etc/cron.d/")]
    assert b"sendmail -q" in world.read(schedule)
    # What a package would find there and has a file of its own for, it would ask about, with nobody to answer.
    assert schedule != "/etc/cron.d/postrider"


def test_ansible_example(world):
    """Its command, with its variables; make check-ansible has Ansible itself run all of it."""
    (play,) = yaml.safe_load((REPOSITORY / "contrib/ansible/postrider.yml").read_text())
    account = play["tasks"][0]
    command = account["ansible.builtin.command"]
    assert command["stdin"] == "{{ postrider_password }}" and account["check_mode"] is False
    assert "last == 'changed'" in account["changed_when"]
    for check, last in ((True, "changed"), (False, "changed"), (False, "unchanged")):
        # The expression is one of Python's, too.
        argv = eval(command["argv"].strip("{} "), {}, {**play["vars"], "ansible_check_mode": check})
        done = world.run(argv, stdin=PLAIN, check=EX_OK)
        assert done.out.splitlines()[-1] == last
        assert (USER in world.read(CONFIG).decode()) == (not check)
