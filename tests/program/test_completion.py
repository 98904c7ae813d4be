"""Completion in bash and zsh, by these shells themselves: words of the usage, and of the queue. Addresses
are chosen by whoever sends mail: none of them is ever run, or offered where it could be."""

import os
import pty
import re
import select
import subprocess
import time

import pytest

from sandbox import REPOSITORY

# What shells do gains nothing from a second run under the sanitizers.
pytestmark = pytest.mark.installed

BASH = REPOSITORY / "contrib" / "completion" / "postrider.bash"
ZSH = REPOSITORY / "contrib" / "completion"

PROVIDERS = re.findall(r'\.name = "([a-z0-9-]+)"', (REPOSITORY / "src" / "config" / "provider.c").read_text())

# What bash does on TAB: the function that is set for the command gets its name, this word and the one
# before; its answer is in COMPREPLY. Words are split as on a command line.
PRESS_TAB = r"""
set -u
source "$1"; shift
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
[[ $(complete -p postrider) == *'-F _postrider postrider' ]] || exit 1
_postrider "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}
"""


class Shell:
    """Settings with a queue in which three messages wait: two of well-behaved people, one of a villain."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.program = str(sandbox.build / "postrider")
        self.bait = sandbox.folder / "bait"
        sandbox.configure(smarthost="host = 127.0.0.1:1")
        sandbox.sendmail("-odq", "-f", "anna@here.example", "you@far.example", "other@way.example", check=0)
        sandbox.sendmail("-odq", "-f", "ben@here.example", "you@partner.example", check=0)
        sandbox.sendmail("-odq", "-f", f'"$(touch${{IFS}}{self.bait})"@here.example', "--",
                         f'"`touch {self.bait}`"@evil.example', check=0)
        self.ids = sandbox.letters()
        assert len(self.ids) == 3

    def bash(self, *words):
        """What is offered for the last word."""
        argv = ["bash", "--norc", "-c", PRESS_TAB, "press", BASH, self.program, *words]
        done = self.sandbox.run([f"/bin/{argv[0]}", *argv[1:]], check=0)
        assert done.err == "" and not self.bait.exists()
        return done.out.split()


@pytest.fixture
def shell(sandbox):
    return Shell(sandbox)


def commands(sandbox):
    """Those of the usage, but for other programs."""
    own = sandbox.run(["postrider", "--help"]).out.partition("other names")[0]
    return sorted(re.findall(r"^  ([a-z][a-z-]*)  ", own, re.MULTILINE))


def options(sandbox, *words):
    lines = sandbox.run(["postrider", words[0], "--help"]).out.splitlines()
    lines = [line for line in lines if re.match(rf"  postrider {words[0]} .*{'.*'.join(words[1:])}", line)]
    return sorted({*re.findall(r"--[a-z][a-z-]*", " ".join(lines)), "--help", "-C"})


def test_commands_and_options_are_those_of_the_usage(shell):
    known = commands(shell.sandbox)
    assert {"queue", "flush", "status", "trace", "serve"} <= set(known)
    assert sorted(shell.bash("")) == sorted([*known, "help", "--help", "--version"])
    assert shell.bash("fl") == ["flush"]
    for command in known:
        assert options(shell.sandbox, command)
        if command != "queue":
            assert sorted(shell.bash(command, "-")) == options(shell.sandbox, command), command
    assert "--yes" in shell.bash("queue", "delete", "--") and "--yes" not in shell.bash("queue", "retry", "--")
    assert shell.bash("dkim-key", "--type", "") == ["ed25519", "rsa"]


def test_providers_and_programs_are_those_of_setup(shell):
    assert sorted(shell.bash("setup", "")) == sorted(PROVIDERS)
    assert sorted(shell.bash("setup", "--provider", "mailg")) == ["mailgun", "mailgun-eu"]
    usage = shell.sandbox.run(["postrider", "setup", "--help"]).out
    for name in shell.bash("setup", "--from", ""):
        assert re.search(rf"settings of .*\b{name}\b", usage)


def test_the_queue_by_id_domain_and_sender(shell):
    settings = ("-C", str(shell.sandbox.config))
    assert shell.bash("queue", "re") == ["release", "retry"]
    assert shell.bash("queue", "show", *settings, "") == shell.ids
    assert shell.bash("queue", "show", *settings, shell.ids[1][:-1]) == [
        name for name in shell.ids if name.startswith(shell.ids[1][:-1])]
    assert shell.bash("trace", *settings, "") == shell.ids
    assert shell.bash("flush", *settings, "") == []
    assert shell.bash("queue", "hold", *settings, "--domain", "") == [
        "evil.example", "far.example", "partner.example", "way.example"]
    assert shell.bash("queue", "hold", *settings, "--sender", "") == ["anna@here.example", "ben@here.example"]


def test_files_with_blanks(shell):
    (shell.sandbox.folder / "my settings").write_text("")
    (shell.sandbox.folder / "my $(touch bait)").write_text("")
    assert shell.bash("status", "-C", "my s") == ["my", "settings"]


# An interactive zsh with our completion and nothing of anybody's. ^A puts all that is offered into the line,
# ^G says what the line is, and empties it.
ZSHRC = r"""
PS1=
fpath=($COMPLETION $fpath)
autoload -Uz compinit
compinit -u -d $HOME/zcompdump
zstyle ':completion:*' list-prompt ''
zle -C all-matches complete-word _generic
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
report() { print -r -- "LINE<$BUFFER>"; BUFFER= }
zle -N report
bindkey -e '^A' all-matches '^G' report
echo re''ady
"""


class Zsh:
    def __init__(self, shell):
        (shell.sandbox.home / ".zshrc").write_text(ZSHRC)
        self.output = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(shell.sandbox.folder)
            os.execve("/bin/zsh", ["zsh", "-d", "-i"], shell.sandbox.environment(
                TERM="dumb", COLUMNS="1000", COMPLETION=str(ZSH), PATH=f"{shell.sandbox.build}:/usr/bin:/bin"))
        self.wait("ready")

    def wait(self, pattern):
        end = time.monotonic() + 60
        while not (found := re.search(pattern.encode(), self.output, re.DOTALL)):
            assert time.monotonic() < end, self.output
            if select.select([self.fd], [], [], 0.2)[0]:
                self.output += os.read(self.fd, 65536)
        self.output = b""
        return found

    def complete(self, line):
        """The words that come in the place of the line's last one."""
        os.write(self.fd, f"{line}\x01\x07".encode())
        whole = self.wait("LINE<([^>]*)>")[1].decode()
        before = line.rpartition(" ")[0] + " "
        assert whole.startswith(before)
        return whole.removeprefix(before).split()

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def test_zsh_offers_the_same(shell):
    known = commands(shell.sandbox)
    settings = f"-C {shell.sandbox.config}"
    zsh = Zsh(shell)
    try:
        assert sorted(zsh.complete("postrider ")) == sorted([*known, "help"])
        assert zsh.complete("postrider fl") == ["flush"]
        for command in ("status", "dkim-key", "passwd"):
            assert sorted(zsh.complete(f"postrider {command} -")) == options(shell.sandbox, command)
        assert zsh.complete("postrider queue re") == ["release", "retry"]
        assert "--yes" in zsh.complete("postrider queue delete --")
        assert "--yes" not in zsh.complete("postrider queue retry --")
        assert zsh.complete("postrider dkim-key --type ") == ["ed25519", "rsa"]
        assert sorted(zsh.complete("postrider setup ")) == sorted(PROVIDERS)
        assert zsh.complete("postrider setup --from ms") == ["msmtp"]
        assert sorted(zsh.complete(f"postrider queue show {settings} ")) == shell.ids
        assert sorted(zsh.complete(f"postrider trace {settings} ")) == shell.ids
        assert zsh.complete(f"postrider queue hold {settings} --domain ") == [
            "evil.example", "far.example", "partner.example", "way.example"]
        assert zsh.complete(f"postrider queue hold {settings} --sender ") == [
            "anna@here.example", "ben@here.example"]
        assert not shell.bait.exists()
    finally:
        zsh.close()


def test_scripts_have_no_faults_of_syntax():
    for argv in (["bash", "-n", BASH], ["zsh", "-n", ZSH / "_postrider"]):
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0 and done.stdout == b"", done.stdout
