"""Who may do what with the installed queue: root and its own user everything, others what they
submitted. The helper says who asks, the runner looks whose a message is."""

import json

import pytest
from sandbox import EX_NOINPUT, EX_NOPERM, EX_OK, EX_USAGE
from test_installed import SPOOL, Machine

pytestmark = [pytest.mark.installed, pytest.mark.xdist_group("rights")]

HELPER = "/usr/libexec/postrider/postrider-local"
ACTIONS = ("hold", "release", "retry", "bounce", "delete")


@pytest.fixture(scope="module")
def world_machine():
    machine = Machine()
    yield machine
    machine.world.close()


@pytest.fixture
def machine(world_machine):
    world_machine.configure()
    yield world_machine
    world_machine.drain()


def submit(machine, user, recipient="away@example.net"):
    before = set(machine.queued())
    machine.sendmail("-odq", recipient, user=user, check=0)
    (name,) = set(machine.queued()) - before
    return name


def queue(machine, *arguments, user=None, **options):
    return machine.world.run(["postrider", "queue", *arguments], user=user, **options)


def helper(machine, user, *arguments, stdin=""):
    """As a front door that does what its caller wants: a process in the group."""
    return machine.world.run(
        ["setpriv", f"--reuid={user}", "--regid=postrider", "--clear-groups", "env", HELPER, "run",
         *arguments], stdin=stdin)


def test_users_command_their_own_messages(machine):
    name = submit(machine, "ada")
    assert queue(machine, "hold", name, user="ada", check=EX_OK).out == f"{name}: held\n"
    machine.sendmail("-q", user="ada", check=EX_OK)
    assert f"{name}!" in machine.world.run(["mailq"], user="ada").out
    queue(machine, "release", name, user="ada", check=EX_OK)
    machine.wait_quiet()
    out = queue(machine, "retry", name, user="ada", check=EX_OK).out
    assert out.startswith(f"{name}: still queued: ")
    assert f"id         {name}" in queue(machine, "show", name, user="ada", check=EX_OK).out
    machine.sendmail("-M", name, user="ada", check=EX_OK)
    machine.sendmail("-qRaway", user="ada", check=EX_OK)
    assert f"{name}: deleted" in machine.sendmail("-Mrm", name, user="ada", check=EX_OK).out
    machine.wait_empty()
    for event in ("held by=ada", "released by=ada", "requested action=retry by=ada",
                  "removed by=ada"):
        assert f"{name} {event}" in machine.log()


def test_bounce_by_a_user_reports_to_him(machine):
    name = submit(machine, "ada")
    queue(machine, "bounce", name, user="ada", check=EX_OK)
    report = machine.wait_for_mail("ada", "Undelivered mail returned to sender")
    assert "given up by the administrator" in report.as_string()
    assert f"{name} requested action=bounce by=ada" in machine.log()


def test_users_see_and_touch_nothing_of_others(machine):
    name, own = submit(machine, "ada"), submit(machine, "ben", "other@example.com")
    for action in (*ACTIONS, "list", "show"):
        done = queue(machine, action, name, user="ben", check=EX_NOPERM)
        assert f"{name}: only root may do that" in done.err and not done.out
    assert machine.sendmail("-M", name, user="ben").returncode == EX_NOPERM
    assert machine.sendmail("-Mrm", name, user="ben").returncode == EX_NOPERM
    # What is meant by a filter is what one may see.
    assert own in queue(machine, "hold", "--all", user="ben", check=EX_OK).out
    for options in (["--domain", "example.net"], ["--sender", "ada"]):
        assert "no message" in queue(machine, "delete", *options, user="ben", check=EX_OK).out
    lines = queue(machine, "list", "--json", user="ben", check=EX_OK).out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [own]
    status = json.loads(machine.world.run(["postrider", "status", "--json"], user="ben",
                                          check=EX_OK).out)
    assert [one["domain"] for one in status["domains"]] == ["example.com"]
    assert status["messages"] == status["held"] == 1 and status["next_hops"] == []
    assert sorted(machine.queued()) == sorted([name, own])
    assert machine.world.run(["test", "-e", f"{SPOOL}/journal/{name}"]).returncode == 1


def test_the_runner_itself_refuses(machine):
    """Whatever the front door lets through: the caller's user id comes from the helper alone."""
    name, own = submit(machine, "ada"), submit(machine, "ben")
    for action in ACTIONS:
        done = helper(machine, "ben", f"--{action}", stdin=f"{name}\n")
        assert done.returncode == EX_NOPERM and "the message is not yours" in done.err
    done = helper(machine, "ben", "--delete", stdin=f"{name}\n{own}\n")
    assert done.returncode == EX_NOPERM and done.out == f"{own}: deleted\n"
    assert helper(machine, "ben", "--id", name).returncode == EX_NOPERM
    assert machine.queued() == [name]
    assert "by=ben" in machine.log() and f"{name} removed" not in machine.log()


@pytest.mark.parametrize("arguments", [
    ["--for", "0", "--delete"], ["--delete", "--for", "0"], ["--for=0", "--delete"],
    ["-C", "/etc/postrider/postrider.conf", "--delete"], ["", "--delete"],
])
def test_a_caller_cannot_say_who_he_is(machine, arguments):
    name = submit(machine, "ada")
    done = helper(machine, "ben", *arguments, stdin=f"{name}\n")
    assert done.returncode == EX_USAGE and machine.queued() == [name]


@pytest.mark.parametrize("stdin", ["../../etc/passwd\n", "x\n", "\n", "a" * 5000 + "\n",
                                   "0123456789abcde/\n", "\0\n"])
def test_what_is_no_id_is_refused(machine, stdin):
    assert helper(machine, "ben", "--delete", stdin=stdin).returncode != EX_OK


def test_verbose_runs_show_nobody_elses_mail(machine):
    submit(machine, "ada")
    assert helper(machine, "ben", "--verbose").returncode == EX_NOPERM
    assert machine.sendmail("-q", "-v", user="ben").returncode == EX_NOPERM
    assert machine.sendmail("-q", user="ben").returncode == EX_OK, "everybody may ask for a run"
    own = submit(machine, "ben")
    assert machine.sendmail("-v", "-M", own, user="ben").returncode == EX_OK


def test_root_and_the_queues_user_command_everything(machine):
    first, second = submit(machine, "ada"), submit(machine, "ben")
    assert first in queue(machine, "hold", "--all", check=EX_OK).out
    done = queue(machine, "release", "--all", user="postrider", check=EX_OK)
    assert f"{first}: released" in done.out and f"{second}: released" in done.out
    machine.wait_quiet()
    done = queue(machine, "delete", first, second, "0123456789abcde", check=EX_NOINPUT)
    assert done.out == "".join(f"{name}: deleted\n" for name in sorted([first, second]))
    assert f"{first} removed by=root" in machine.log()
    assert f"{first} released by=postrider" in machine.log()


def test_the_log_is_read_with_the_callers_own_rights(machine):
    """The group that the front door is given opens no log to anybody."""
    machine.configure(mail="log_file = /var/log/postrider.log")
    machine.world.shell("install -o postrider -g postrider -m 660 /dev/null /var/log/postrider.log;"
                        "rm -f /var/log/mail.log /var/log/syslog /usr/bin/journalctl")
    name = submit(machine, "ada")
    assert "received" in queue(machine, "log", name, check=EX_OK).out
    assert "received" in machine.world.run(["postrider", "trace", "away@example.net"],
                                           user="postrider", check=EX_OK).out
    for user in ("ada", "ben"):
        done = queue(machine, "log", name, user=user, check=EX_NOPERM)
        assert "no log that you may read" in done.err and not done.out
    machine.world.shell("mv /var/log/postrider.log /srv")
    done = machine.world.run(["postrider", "trace", "away@example.net"], check=EX_NOINPUT)
    assert "log_file = FILE in [mail] of /etc/postrider/postrider.conf keeps one" in done.err
    machine.world.shell("mv /srv/postrider.log /var/log")
    # From syslog's file, for whoever may read that.
    machine.world.shell(f"sed 's/^/Nov 25 09:40:45 here /; s/here [^ ]* /here /' "
                        "/var/log/postrider.log > /var/log/mail.log; rm /var/log/postrider.log")
    assert f"uid={machine.world.run(['id', '-u', 'ada']).out.strip()}" in queue(
        machine, "log", name, user="ben", check=EX_OK).out


def test_journal_is_asked_when_there_is_no_file(machine):
    machine.configure()
    machine.world.write("/usr/bin/journalctl", "#!/bin/sh\necho \"$@\" > /tmp/asked\n"
                        "echo '2026-11-25T09:40:45+0000 here postrider[7]: 0123456789abcde received "
                        "from=a@b.example to=c@d.example'\n", 0o755)
    machine.world.shell("rm -f /var/log/mail.log* /var/log/syslog* /var/log/postrider.log*")
    out = machine.world.run(["postrider", "trace", "c@d.example"], check=EX_OK).out
    assert out == ("0123456789abcde\n  2026-11-25T09:40:45+0000  received   from=a@b.example "
                   "to=c@d.example\n")
    assert "-t postrider-run" in machine.world.read("/tmp/asked").decode()
