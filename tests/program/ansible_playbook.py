"""contrib/ansible by Ansible itself, in a World: make check-ansible, for which ansible-core has to be
installed. Not among the tests of make check: its package is large, and each play takes its time."""

import re
import shutil

import pytest

from sandbox import EX_OK, REPOSITORY
from test_setup_installed import CONFIG, PLAIN, USER, machine, world  # noqa: F401  (fixtures)

pytestmark = pytest.mark.installed


def play(world, *options):
    done = world.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e",
         f"postrider_password={PLAIN}", "-e", "ansible_python_interpreter=/usr/bin/python3",
         *options, REPOSITORY / "contrib/ansible/postrider.yml"],
        env={"LANG": "C.UTF-8", "ANSIBLE_LOCALHOST_WARNING": "False"}, check=EX_OK, timeout=300)
    recap = re.search(r"ok=(\d+) +changed=(\d+) .*failed=(\d+)", done.out)
    return tuple(int(number) for number in recap.groups()), done.out + done.err


def test_playbook(world):  # noqa: F811
    assert shutil.which("ansible-playbook"), "ansible-core is not installed"
    world.shell("rm -f /etc/cron.d/postrider*; touch /etc/aliases; newaliases >/dev/null")
    # would change, does not
    counted, shown = play(world, "--check", "--diff")
    assert counted == (3, 2, 0), shown
    assert USER not in world.read(CONFIG).decode()
    # does
    counted, shown = play(world)
    assert counted == (3, 2, 0) and PLAIN not in shown, shown
    assert f"user = {USER}" in world.read(CONFIG).decode()
    # need not
    counted, shown = play(world)
    assert counted == (3, 0, 0), shown
