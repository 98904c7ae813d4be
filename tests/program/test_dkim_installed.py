"""Keys of an installed Postrider: root makes them, its user alone reads them, and signs."""

import pytest

from dkimtools import Dns, Printed
from sandbox import EX_NOPERM, EX_OK
from smtpfake import FakeServer
from test_installed import Machine

pytestmark = pytest.mark.installed

FOLDER = "/etc/postrider/dkim"
KEY = f"{FOLDER}/here.example.pem"
MESSAGE = "From: me@here.example\n\nx\n"


@pytest.fixture(scope="module")
def machine():
    machine = Machine()
    machine.server = machine.world.inside(lambda: FakeServer(port=2626))
    yield machine
    machine.world.close()
    machine.server.close()


def configure(machine, dkim=""):
    machine.world.write("/etc/postrider/postrider.conf",
                        "[smarthost]\nhost = 127.0.0.1:2626\ntls = off\nauth = off\n"
                        f"[queue]\nretry = 1h\n{dkim}")


def rights(machine, path):
    return machine.world.run(["stat", "-c", "%a %U:%G", path]).out.strip()


def dkim_key(machine, *arguments, **options):
    return machine.world.run(["postrider", "dkim-key", *arguments, "here.example"], **options)


def test_root_makes_a_key_that_signs_users_mail(machine):
    configure(machine)
    printed = Printed(dkim_key(machine, check=EX_OK).out)
    assert printed.path == KEY and rights(machine, KEY) == "600 postrider:postrider"
    assert rights(machine, FOLDER) == "750 root:postrider"
    assert machine.world.names(FOLDER) == ["here.example.pem"]
    assert printed.remark.startswith("; For /etc/postrider/postrider.conf, once the DNS has")
    configure(machine, printed.section)
    machine.sendmail("you@far.example", stdin=MESSAGE, user="ada", check=EX_OK)
    (message,) = machine.server.wait()
    assert Dns(printed).verifies(message.data)
    again = Printed(dkim_key(machine, "--show", check=EX_OK).out)
    assert again.value == printed.value
    assert "PRIVATE" not in printed.text + "".join(machine.world.syslog)


def test_users_have_no_part_in_it(machine):
    configure(machine)
    if not machine.world.names(FOLDER):
        dkim_key(machine, check=EX_OK)
    before = machine.world.read(KEY)
    for arguments in ([], ["--force"], ["--show"], ["--force", "--selector", "other"]):
        done = dkim_key(machine, *arguments, user="ada")
        assert done.returncode in (EX_NOPERM, 66) and not done.out, done
    # Nor by the helper that starts the runner as its user, nor with the group of the front door.
    for argv in (["/usr/libexec/postrider/postrider-local", "run", "dkim-key", "--force",
                  "here.example"],
                 ["cat", KEY], ["ls", FOLDER]):
        done = machine.world.run(argv, user="ada")
        assert done.returncode != EX_OK and not done.out, argv
    assert machine.world.read(KEY) == before
    assert rights(machine, KEY) == "600 postrider:postrider"


def test_a_key_of_root_alone_is_told(machine):
    """Made by hand, as root: mail waits, and the log says what to do."""
    configure(machine, '[dkim "here.example"]\nkey = /etc/postrider/own.pem\n')
    machine.world.shell("umask 077; openssl genrsa -out /etc/postrider/own.pem 2048 2>/dev/null")
    before = len(machine.server.messages)
    machine.sendmail("you@far.example", stdin=MESSAGE, user="ada", check=EX_OK)
    words = "/etc/postrider/own.pem cannot be read: it must belong to the present user"
    machine.world.wait_until(lambda: any(words in line for line in machine.world.syslog))
    done = dkim_key(machine, "--show")
    assert done.returncode == EX_NOPERM and words in done.err
    machine.world.shell("chown postrider /etc/postrider/own.pem")
    printed = Printed(dkim_key(machine, "--show", check=EX_OK).out)
    machine.world.run(["postrider", "queue", "retry", "--all"], check=EX_OK)
    machine.world.wait_until(lambda: len(machine.server.messages) > before)
    assert Dns(printed).verifies(machine.server.messages[-1].data)


def test_a_user_has_keys_of_his_own(machine):
    machine.world.shell("mkdir -p /home/ben/.config/postrider; cd /home/ben/.config/postrider;"
                        "printf '[smarthost]\\nhost = 127.0.0.1:2626\\ntls = off\\nauth = off\\n'"
                        " > postrider.conf; chown -R ben:ben /home/ben/.config")
    printed = Printed(dkim_key(machine, user="ben", check=EX_OK).out)
    assert printed.path == "/home/ben/.config/postrider/dkim/here.example.pem"
    assert rights(machine, printed.path) == "600 ben:ben"
