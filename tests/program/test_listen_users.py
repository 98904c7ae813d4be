"""Who may sign in at an installed listener: whose file that is, who may change it, and that nobody
signs in where others could listen."""

import base64
import time

import pytest

from listening import Client
from sandbox import EX_NOPERM, EX_OK
from test_installed import Machine

pytestmark = pytest.mark.installed

USERS = "/etc/postrider/users"
ADDRESS = "192.0.2.10"  # of a network card that is none
CONFIG = f"""[listen]
address = 127.0.0.1:2525, {ADDRESS}:2525
tls = starttls
tls_certificate = /etc/postrider/tls.crt
tls_key = /etc/postrider/tls.key
users = {USERS}
relay_networks =
[queue]
retry = 1h
"""


def encode(text):
    return base64.b64encode(text.encode()).decode()


def plain(user, password):
    return encode(f"\0{user}\0{password}")


@pytest.fixture(scope="module")
def machine():
    machine = Machine()
    world = machine.world
    world.shell(f"""
        ip link add card type veth peer name other
        ip address add {ADDRESS}/24 dev card; ip link set card up; ip link set other up
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \\
            -subj /CN=here.example -addext subjectAltName=DNS:here.example \\
            -keyout /etc/postrider/tls.key -out /etc/postrider/tls.crt 2>/dev/null
        chgrp postrider /etc/postrider/tls.key; chmod 640 /etc/postrider/tls.key
        """)
    world.write("/etc/postrider/postrider.conf", CONFIG)
    world.run(["/usr/libexec/postrider/postrider-listen", "--background"], check=EX_OK)
    yield machine
    world.close()


def passwd(machine, *arguments, password="hunter2", **options):
    return machine.world.run(["postrider", "passwd", *arguments], stdin=f"{password}\n", **options)


def rights(machine):
    return machine.world.run(["stat", "-c", "%a %U:%G", USERS]).out.strip()


def connect(machine, host):
    return machine.world.inside(lambda: Client(2525, host=host, source=host))


def test_root_makes_users_whom_the_listener_knows(machine):
    done = passwd(machine, "ada", check=EX_OK)
    assert done.out == f"{USERS}: ada has a new password\n"
    assert rights(machine) == "640 root:postrider"
    # Mended by the next change, if somebody has opened it.
    machine.world.shell(f"chmod 644 {USERS}; chown ada:ada {USERS}")
    passwd(machine, "ben", check=EX_OK)
    assert rights(machine) == "640 root:postrider"
    passwd(machine, "--check", "ada", check=EX_OK)
    with connect(machine, "127.0.0.1") as client:
        client.ehlo()
        client.command(f"AUTH PLAIN {plain('ada', 'hunter2')}", 235)
        client.message("ada@here.example", "someone@far.example", b"Subject: x\r\n\r\nx\r\n")
    machine.world.wait_until(lambda: any("signed-in" in line and "user=ada" in line
                                         for line in machine.world.syslog))
    assert "hunter2" not in machine.log()


def test_others_can_neither_read_nor_change_the_file(machine):
    passwd(machine, "ada", check=EX_OK)
    before = machine.world.read(USERS)
    for arguments in (["ada"], ["--delete", "ada"], ["--check", "ada"]):
        done = passwd(machine, *arguments, user="ben")
        assert done.returncode not in (EX_OK, EX_NOPERM) or "Permission denied" in done.err
        assert done.err.startswith("postrider: ") and "Permission denied" in done.err
    assert machine.world.read(USERS) == before and rights(machine) == "640 root:postrider"
    # The group of the front door helps nobody to it.
    assert machine.world.run(["cat", USERS], user="ben").returncode != 0
    done = passwd(machine, "--file", USERS, "--check", "ada", user="ben")
    assert done.returncode != EX_OK


def test_a_user_has_a_file_of_his_own(machine):
    machine.world.shell("mkdir -p /home/ben/.config/postrider; cd /home/ben/.config/postrider;"
                        "printf '[listen]\\naddress = 127.0.0.1:3525\\nusers = users\\n'"
                        " > postrider.conf; chown -R ben:ben /home/ben/.config")
    passwd(machine, "friend", user="ben", check=EX_OK)
    found = machine.world.run(["stat", "-c", "%a %U:%G", "/home/ben/.config/postrider/users"])
    assert found.out.strip() == "600 ben:ben"
    passwd(machine, "--check", "friend", user="ben", check=EX_OK)


def test_V6_nobody_signs_in_where_others_could_listen(machine):
    passwd(machine, "ada", check=EX_OK)
    with connect(machine, ADDRESS) as client:
        assert "AUTH" not in client.ehlo()
        began = time.monotonic()
        (line,) = client.command(f"AUTH PLAIN {plain('ada', 'hunter2')}", 538)
        assert line.startswith("5.7.11 ") and time.monotonic() - began < 1
        client.starttls(name="here.example")
        assert client.ehlo()["AUTH"] == "SCRAM-SHA-256 PLAIN LOGIN"
        client.command(f"AUTH PLAIN {plain('ada', 'hunter2')}", 235)
    with connect(machine, "127.0.0.1") as client:
        assert client.ehlo()["AUTH"] == "SCRAM-SHA-256 PLAIN LOGIN"


def find_in_memory(machine, pid, words):
    """Which of the words stand anywhere in what a process of the world can write to."""
    folder = machine.world.outside(f"/proc/{pid}")
    found = set()
    with open(f"{folder}/maps", encoding="utf-8") as maps, \
            open(f"{folder}/mem", "rb", buffering=0) as memory:
        for line in maps:
            where, mode = line.split()[:2]
            start, end = (int(number, 16) for number in where.split("-"))
            if mode[1] == "w":
                memory.seek(start)
                content = memory.read(end - start)
                found.update(word for word in words if word in content)
    return found


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("lines,code", [
    ([f"AUTH PLAIN {plain('ada', 'Zq9-secret-Xy7')}"], 235),
    (["AUTH PLAIN", plain("ada", "Zq9-secret-Xy7")], 235),
    (["AUTH LOGIN", encode("ada"), encode("Zq9-secret-Xy7")], 235),
    ([f"AUTH PLAIN {plain('nobody', 'Zq9-secret-Xy7')}"], 535),
])
def test_no_password_stays_in_memory(machine, tls, lines, code):
    passwd(machine, "ada", password="Zq9-secret-Xy7", check=EX_OK)
    # Any twelve bytes of them would tell something.
    secrets = {lines[-1].split()[-1][at:at + 12].encode()
               for at in range(8, len(lines[-1].split()[-1]) - 12)} | {b"Zq9-secret", b"secret-Xy7"}
    with connect(machine, "127.0.0.1") as client:
        client.ehlo("memory.example")
        if tls:
            client.starttls(name="here.example")
            client.ehlo("memory.example")
        for line in lines[:-1]:
            client.command(line, 334)
        client.command(lines[-1], code)
        parent = int(machine.world.read("/var/spool/postrider/listen.lock"))
        (session,) = [pid for pid in machine.world.processes("postrider-listen") if pid != parent]
        assert find_in_memory(machine, session, secrets | {b"memory.example"}) \
            == {b"memory.example"}
        client.command("QUIT", 221)
    machine.world.wait_until(
        lambda: len(machine.world.processes("postrider-listen")) == 1, what="its end")
