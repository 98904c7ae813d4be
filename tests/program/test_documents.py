"""The documents: every example in them is run, or accounted for below; manual pages, the help and the tables
of settings and options name the same things; and the picture in the README is what its commands show."""

import configparser
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

import documents
from documents import MANUALS
from realfilters import ClamAv, OpenDkim, Rspamd, SpamAssassin
from sandbox import BUILD, EX_CONFIG, EX_OK, EX_TEMPFAIL, EX_USAGE, REPOSITORY
from terminal import Dialogue, shown_by
from world import PATH, World

sys.path.insert(0, str(REPOSITORY / "contrib"))

import picture  # noqa: E402  (the path comes first)

BLOCKS = documents.all_blocks()
PASSWORD = picture.PASSWORD


# --- What becomes of an example ------------------------------------------------------------------


class Example:
    """A block is recognised by its document and how it begins. place(): where it is tried."""

    needs_world = True

    def run(self, block, world):
        raise NotImplementedError


def commands(block):
    """Each command of a block: comments gone, continued lines made one."""
    text = re.sub(r" \\\n *| &&\n *", lambda found: " && " if "&" in found.group() else " ", block.text)
    return [re.sub(r" {2,}# .*", "", line).strip() for line in text.splitlines() if line.strip()]


def parses(command):
    """A shell takes it, whatever it is about."""
    done = subprocess.run(["sh", "-n"], input=command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return True


class Shell(Example):
    """Commands, run by root in the installed machine. replace: text -> text; expect: what one of them says, by
    a pattern, or the exit status that is right; before: what has to be so."""

    def __init__(self, *expect, replace=(), before=None, after=None, status=EX_OK, skip=None):
        self.expect, self.replace, self.before, self.after = expect, dict(replace), before, after
        self.status, self.skip = status, skip

    def run(self, block, world):
        if self.before:
            self.before(world)
        said = ""
        for command in commands(block):
            if self.skip and re.search(self.skip[0], command):
                assert parses(command) and self.skip[1]
                continue
            for old, new in self.replace.items():
                command = command.replace(old, new(world) if callable(new) else new)
            done = world.run(["sh", "-c", command], cwd="/root")
            assert done.returncode == self.status, f"{command}: {done.returncode}\n{done.out}{done.err}"
            said += done.out + done.err
        for pattern in self.expect:
            assert re.search(pattern, said, re.MULTILINE), f"{pattern!r} is not in\n{said}"
        if self.after:
            self.after(world)


class Named(Example):
    """What cannot be run here, and why; it is parsed, and what it needs of the repository is there."""

    needs_world = False

    def __init__(self, why, *paths):
        self.why, self.paths = why, paths

    def run(self, block, world):
        assert self.why and parses(block.text)
        for path in self.paths:
            assert (REPOSITORY / path).exists(), path


class Settings(Example):
    """Settings are loaded as they are; before: the section that lines belong to."""

    needs_world = False

    def __init__(self, before=""):
        self.before = before

    def run(self, block, sandbox):
        # With settings of one's own a log is made where it is named: not on this machine.
        text = re.sub(r"^log_file = .*\n", "", f"{self.before}{block.text}", flags=re.MULTILINE)
        if "[queue]" not in text:
            text += f"[queue]\ndirectory = {sandbox.queue}\n"
        sandbox.config.write_text(text)
        done = sandbox.mailq(check=EX_OK)
        assert (done.out, done.err) == ("Mail queue is empty\n", "")


class Milter(Settings):
    """The line for a filter: also the one that the tests of real filters use."""

    def __init__(self, kind):
        super().__init__("[filter]\n")
        self.kind = kind

    def run(self, block, sandbox):
        super().run(block, sandbox)
        assert block.text == f"milter = {self.kind.milter}\n"


class Recipe(Example):
    """Lines for a filter's own settings: those with which it is tested."""

    needs_world = False

    def __init__(self, kind, path):
        self.kind, self.path = kind, path

    def run(self, block, sandbox):
        assert block.text == self.kind.recipe[self.path]


class Aliases(Example):
    """Alias lines: newaliases makes a database of them, and says so many."""

    def __init__(self, count, settings="", warnings=""):
        self.count, self.settings, self.warnings = count, settings, warnings

    def run(self, block, world):
        world.write("/srv/aliases", block.text)
        world.write("/etc/postrider/staff", "ben\ngrace@example.net\n")
        world.write("/srv/aliases.conf", f"[mail]\naliases = /srv/aliases\n{self.settings}"
                    "[queue]\ndirectory = /srv/queue\n")
        done = world.run(["newaliases", "-C", "/srv/aliases.conf"], check=EX_OK)
        assert done.out == f"/srv/aliases: {self.count} alias{'es' * (self.count > 1)}\n"
        assert done.err == self.warnings


class Call(Example):
    """Something of its own: a function of the block and the machine, or the sandbox."""

    def __init__(self, function, needs_world=True):
        self.run, self.needs_world = function, needs_world


# --- The examples --------------------------------------------------------------------------------


def write_message(world):
    world.write("/root/message", "From: root\nTo: you@example.net\nSubject: a message\n\nhello\n")


def write_postfix_settings(world):
    world.write("/etc/postfix/main.cf", "relayhost = [smtp.mailgun.org]:587\nsmtp_tls_security_level = verify\n")


def fill_queue(world):
    """Some mail waits, of a script that went wild, for domains that cannot be reached at the moment."""
    world.shell("printf '[route \"*\"]\\nvia = 127.0.0.1:1\\ntls = off\\n' >> /etc/postrider/postrider.conf\n"
                "for to in you@example.net root@partner.example a@example.net customer@example.net; do\n"
                "  echo hi | sendmail -odi -f www-data@st11.example.org $to; done")
    assert len(ids(world)) == 4


def ids(world):
    return [name for name in world.names(f"{SPOOL}/spool") if name[0] != "."]


SPOOL = "/var/spool/postrider"


def listen(world):
    """A listener that can be started: ports of loopback, and a certificate."""
    world.shell("grep -q '^.listen' /etc/postrider/postrider.conf || "
                "printf '[listen]\\naddress = 127.0.0.1:25\\n' >> /etc/postrider/postrider.conf")


def stop_listening(world):
    """The listener that was started has its lock; the provider is another one."""
    pid = world.wait_until(lambda: world.read(f"{SPOOL}/listen.lock").decode().strip(), what="a listener")
    world.run(["kill", pid], check=0)
    world.wait_until(lambda: world.run(["kill", "-0", pid]).returncode != 0, what="its end")


def ask_for_setup(block, world):
    """As a person answers it."""
    (command,) = commands(block)
    answers = [(b"Domain of your mail's senders", b"mg.example.org"), (b"SMTP login", b""),
               (b"SMTP password", PASSWORD.encode()), (b"Who reads root's mail", b"you@example.net"),
               (b"Send a test message to", b""), (b"Write this?", b"y")]
    world.shell("rm -rf /etc/postrider /etc/aliases*; cp -a /srv/fresh /etc/postrider")
    dialogue = Dialogue(lambda slave: subprocess.Popen(
        world.argv(["sh", "-c", command], [f"PATH={PATH}", "TERM=dumb", "LANG=C.UTF-8", "HOME=/root"]),
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True))
    for question, answer in answers:
        dialogue.answer(question, answer + b"\n")
    dialogue.wait_for(b"changed")
    assert dialogue.end() == EX_OK
    assert b"test message: delivered to smtp.mailgun.org" in dialogue.shown
    # What the text says that comes of it.
    example = (REPOSITORY / "etc" / "postrider.conf.mailgun").read_text()
    written = world.read("/etc/postrider/postrider.conf").decode()
    for line in ("host = smtp.mailgun.org", "domain = mg.example.org", "user = postmaster@mg.example.org"):
        key, _, value = line.partition(" = ")
        assert f"\n{line}\n" in written
        assert re.search(rf"^{key} += {re.escape(value)}", example, re.MULTILINE), key
    assert world.shell("stat -c '%a %U' /etc/postrider/credentials.conf").out == "600 postrider\n"


def setup_again(block, world):
    """Run again, it changes nothing."""
    (command,) = commands(block)
    world.write("/root/password", f"{PASSWORD}\n", 0o600)
    for _ in range(2):
        done = world.run(["sh", "-c", command], cwd="/root", check=EX_OK)
    assert done.out.endswith("nothing to change\nunchanged\n"), done.out


def look_at_findings(block, world):
    """The sample is what is said when it is so; the marks are those of a terminal with UTF-8."""
    world.shell("rm /etc/cron.d/postrider; chmod 644 /etc/postrider/credentials.conf")
    status, shown = shown_by(lambda slave: subprocess.Popen(
        world.argv(["postrider", "check"], [f"PATH={PATH}", "TERM=dumb", "LANG=C.UTF-8", "HOME=/root"]),
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True))
    assert status == EX_CONFIG
    world.write("/etc/cron.d/postrider", picture.SCHEDULE)
    world.shell("chmod 600 /etc/postrider/credentials.conf")
    shown = " ".join(shown.decode().split())
    *sample, summary = block.lines
    findings = re.split(r"\n(?=[✓!✗·] )", "\n".join(sample))
    assert len(findings) == 3
    for finding in findings:
        assert " ".join(finding.split()) in shown, finding
    # How many there are is another matter here.
    pattern = re.sub(r"\d+", r"\\d+", re.escape(summary)).replace("warning;", "warnings?;")
    assert re.search(pattern, shown), shown


def make_key(block, world):
    """What is printed as the section is the block of the README that follows."""
    (command,) = commands(block)
    done = world.run(["sh", "-c", command], check=EX_OK)
    section = re.search(r'^\[dkim "example.org"\]\n(?:.+\n)+', done.out, re.MULTILINE).group()
    blocks = [one for one in BLOCKS if one.text.startswith('[dkim "example.org"]')]
    assert section in [re.sub(r" *;.*", "", one.text) for one in blocks]
    assert world.shell("stat -c '%a %U' /etc/postrider/dkim/example.org.pem").out == "600 postrider\n"


def use_own_settings(block, sandbox):
    """build/postrider -C my.conf …, as a user without any privilege."""
    (sandbox.folder / "build").symlink_to(BUILD)
    (sandbox.folder / "my.conf").write_text(sandbox.config.read_text())
    (sandbox.folder / "message").write_text(f"To: {sandbox.user}\nSubject: own\n\nhello\n")
    run = [command for command in commands(block) if command.startswith("build/postrider")]
    assert len(run) == 1
    for command in commands(block):
        if command in run:
            sandbox.run(["/bin/sh", "-c", command.replace("you@example.net", sandbox.user)], check=EX_OK)
        else:
            assert parses(command)
    sandbox.wait_empty()
    assert len(sandbox.mailbox()) == 1


def sign_release(block, sandbox):
    """Both blocks, one after the other, with a key made for it."""
    version = re.search(r"^VERSION += (\S+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE).group(1)
    tarball = f"postrider-{version}.tar.gz"
    (sandbox.folder / tarball).write_bytes(b"a release")
    readme = (REPOSITORY / "README.md").read_text()
    signers = re.search(r"^\(`(releases@\S+ namespaces=\S+ ssh-ed25519) AAAA\.\.\.`\):$", readme, re.MULTILINE)
    script = f"""ssh-keygen -q -t ed25519 -N '' -f release_key
        sha256sum {tarball} > {tarball}.sha256
        printf '%s %s\\n' '{signers.group(1)}' "$(cut -d' ' -f2 release_key.pub)" > allowed_signers\n"""
    for one in BLOCKS:
        if one.document == "README.md" and one.text.startswith("ssh-keygen"):
            script += one.text.replace("VERSION", version)
    done = sandbox.run(["/bin/sh", "-euc", script], check=EX_OK)
    assert "Good \"postrider\" signature" in done.out and f"{tarball}: OK" in done.out


def run_steps(block, _):
    """Names of steps, units and tests are right."""
    steps, unit, tests = (command.split() for command in commands(block))
    text = (REPOSITORY / "tests" / "run").read_text()
    assert steps[0] == "tests/run" and all(f'    "{step}": step_' in text for step in steps[1:])
    assert (REPOSITORY / unit[0].replace("build/unit", "tests/unit")).with_suffix(".c").exists()
    assert tests[:3] == ["/usr/bin/python3", "-m", "pytest"] and (REPOSITORY / tests[-1]).exists()


def look_at_map(block, _):
    """The rooms and files that the drawing names are there."""
    named = set(re.findall(r"\b([a-z]+)/(?: |$)", block.text, re.MULTILINE)) - {"spool"}
    assert len(named) >= 6 and all((REPOSITORY / "src" / room).is_dir() for room in named), named
    for room, file in re.findall(r"\b(run|route|queue)/([a-z_]+)\b", block.text):
        assert list((REPOSITORY / "src" / room).glob(f"{file}.[ch]")), f"{room}/{file}"


def look_at_mailq(block, world):
    """Line by line of the same form."""
    world.shell("printf '[route \"*\"]\\nvia = 127.0.0.1:1\\ntls = off\\n' >> /etc/postrider/postrider.conf\n"
                "echo hi | sendmail -odi -f cron@example.org admin@example.net")
    out = world.run(["mailq"], check=EX_OK).out

    def form(text):
        text = re.sub(r"\b[0-9a-v]{15}\b", "ID", text)
        text = re.sub(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d", "TIME", text)
        text = re.sub(r"^    \(.*\)$", "    (REASON)", text, flags=re.MULTILINE)
        text = re.sub(r" +\d+ TIME", "  SIZE TIME", text)
        return re.sub(r"^-- \d+ Kbytes", "-- N Kbytes", text, flags=re.MULTILINE).strip()

    assert form(out) == form(block.text)


def look_at_notes(block, world):
    """The lines of that file, at those places, and what is said of them; here they are folded."""
    wanted = [" ".join(one.split()) for one in re.split(r"\n(?=/etc)", block.text)]
    lines = {int(number): line for number, line in re.findall(r"msmtprc:(\d+): `(.*?)`", block.text)}
    text = "\n".join(lines.get(number, "account default" if number == 1 else "")
                     for number in range(1, max(lines) + 1))
    world.write("/etc/msmtprc", f"{text}\n")
    said = world.run(["postrider", "setup", "--from", "msmtp", "--dry-run", "--offline"], check=EX_OK).out
    for one in wanted:
        assert one in said, said


def look_at_users(block, world):
    """A file with such lines is what passwd makes, checks and leaves alone."""
    anna, printer, guest = block.lines[1:]
    world.shell("rm -f /etc/postrider/users")
    world.run(["postrider", "passwd", "--file", "/etc/postrider/users", "anna@example.org"],
              stdin=f"{PASSWORD}\n", check=EX_OK)
    made = world.read("/etc/postrider/users").decode().splitlines()[-1]
    assert re.fullmatch(re.escape(anna).replace(re.escape("..."), ".+").replace("32768", r"\d+"), made), made
    hashed = world.run(["openssl", "passwd", "-6", PASSWORD], check=0).out.strip()
    assert re.fullmatch(re.escape(printer).replace(re.escape("..."), ".+"), f"printer:{hashed}")
    world.shell(f"printf '%s\\n' '{block.lines[0]}' 'printer:{hashed}' '{guest}' >> /etc/postrider/users")
    for name, status in (("printer", 0), ("guest", 77), ("anna@example.org", 0)):
        world.run(["postrider", "passwd", "--file", "/etc/postrider/users", "--check", name],
                  stdin=f"{PASSWORD}\n", check=status)


def load_credentials(block, sandbox):
    """Found for both sections by who looks, and shown to nobody."""
    other = sandbox.folder / "news.password"
    other.write_text("another\n")
    other.chmod(0o600)
    sandbox.credentials(block.text.replace("/etc/postrider/news.password", str(other)))
    sandbox.configure(smarthost="host = a.example\nuser = one",
                      extra='[smarthost "news"]\nhost = b.example\nuser = two\nsenders = @news.example')
    out = sandbox.postrider("check").out
    assert "good: sign-in: [smarthost] has its password in" in out
    assert 'good: sign-in: [smarthost "news"] has its password in' in out and "another" not in out


def read_form(block, sandbox):
    """Comments and continued lines are read as the form says."""
    text = block.text
    for word, real in (("[section]", "[mail]"), ("key = value", "hostname = a.example"),
                       ("list = first, second", "local_domains = first, second")):
        assert word in text
        text = text.replace(word, real)
    sandbox.config.write_text(f"{text}[queue]\ndirectory = {sandbox.queue}\n")
    for domain, local in (("first", True), ("second", True), ("third", True), ("fourth", False)):
        out = sandbox.postrider("route", f"{sandbox.user}@{domain}").out
        assert ("mailbox" in out) == local, out


def load_unit(block, _):
    """A drop-in for a unit: its form, and names that systemd has."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(block.text)
    assert dict(parser["Unit"]) == {"After": "docker.service"}


def load_msmtprc(block, sandbox):
    """msmtp itself reads it."""
    path = sandbox.folder / "msmtprc"
    path.write_text(block.text)
    path.chmod(0o600)
    done = sandbox.run(["/usr/bin/msmtp", "-P", "-C", path, "you@example.net"], check=EX_OK)
    assert re.search(r"^host += 172\.17\.0\.1$", done.out, re.MULTILINE), done.out


def run_schedule(block, world):
    """The crontab line is one that check takes for what it is; the others start something."""
    line, unit, serve = block.lines
    world.write("/etc/cron.d/postrider", f"{line}\n")
    world.write("/usr/sbin/cron", "#!/bin/sh\n", 0o755)
    assert "good: schedule: /etc/cron.d/postrider runs the queue" in world.run(["postrider", "check"]).out
    world.run(["sh", "-c", line.partition(" root ")[2]], check=EX_OK)
    assert parses(unit) and (REPOSITORY / "contrib" / unit.split()[-1]).exists()  # no systemd here
    listen(world)
    world.run(["sh", "-c", serve], check=EX_OK)
    stop_listening(world)


def run_alias_examples(world):
    world.write("/etc/postrider/virtual", next(
        block for block in BLOCKS if block.text.startswith("info@bakery.example")).text)
    world.shell("sed -i 's|^\\[mail\\]|&\\naliases = /etc/aliases, /etc/postrider/virtual\\n"
                "local_domains = localhost, bakery.example, club.example|' /etc/postrider/postrider.conf\n"
                "newaliases")


def forget_alias_examples(world):
    world.shell("sed -i '/^aliases = /d; /^local_domains = /d' /etc/postrider/postrider.conf")


OWN_QUEUE = "[queue]\ndirectory = /srv/own\n"
NO_SYSTEMD = (r"^systemctl ", "no systemd is at work in the machine of a test")

EXAMPLES = [
    # --- README ---
    ("README.md", "sh contrib/bootstrap.sh deb", Named(
        "installs packages; test_package.py builds ours, and apt installs it", "contrib/bootstrap.sh",
        "contrib/make-deb.sh", "contrib/debian/control", "tests/program/test_package.py")),
    ("README.md", "postrider setup mailgun\n", Call(ask_for_setup)),
    ("README.md", "postrider setup mailgun --domain", Call(setup_again)),
    ("README.md", "postrider setup --from postfix", Shell(
        r"relayhost = .*: taken over as \[smarthost\]", r"^would be written: /etc/postrider/postrider.conf$",
        before=write_postfix_settings)),
    ("README.md", "echo 'It works.'", Shell(r"< 250 2\.0\.0 taken as", r"> AUTH ")),
    ("README.md", "postrider check ", Shell("looked at", status=EX_TEMPFAIL)),
    ("README.md", "✓ settings", Call(look_at_findings)),
    ("README.md", "postrider queue ", Shell(
        "WHY IT WAITS", ": held$", ": released$", " received ", r"^ +T +5 +10", "mailbox|smarthost",
        before=fill_queue, replace={" ID": lambda world: f" {ids(world)[0]}"})),
    ("README.md", "echo '*/5 * * * * root", Shell(
        skip=NO_SYSTEMD, after=lambda world: world.shell(
            f"grep -qxF '{picture.SCHEDULE.strip()}' /etc/cron.d/postrider"))),
    ("README.md", '[smarthost "shop"]', Settings()),
    ("README.md", "sh contrib/make-certificate.sh", Shell(
        before=listen, after=stop_listening, replace={"contrib/": f"{REPOSITORY}/contrib/"})),
    ("README.md", "[mail]\nlocal_domains", Settings()),
    ("README.md", '[listen "submissions"]', Settings()),
    ("README.md", "[filter]", Settings()),
    ("README.md", "milter = inet:127.0.0.1:11332", Milter(Rspamd)),
    ("README.md", "extended_spam_headers", Recipe(Rspamd, "/etc/rspamd/local.d/milter_headers.conf")),
    ("README.md", "milter = unix:/run/spamass/", Milter(SpamAssassin)),
    ("README.md", "OPTIONS=", Recipe(SpamAssassin, "/etc/default/spamass-milter")),
    ("README.md", "milter = inet:127.0.0.1:8891", Milter(OpenDkim)),
    ("README.md", "Socket ", Recipe(OpenDkim, "/etc/opendkim.conf")),
    ("README.md", "milter = unix:/run/clamav/", Milter(ClamAv)),
    ("README.md", "postrider dkim-key", Call(make_key)),
    ("README.md", '[dkim "example.org"]', Settings()),
    ("README.md", "build/postrider -C my.conf -t", Call(use_own_settings, needs_world=False)),
    ("README.md", "sh contrib/bootstrap.sh demo", Named(
        "installs packages; test_demo.py runs the demo", "tests/program/test_demo.py", "contrib/demo.sh")),
    ("README.md", "sh contrib/bootstrap.sh check", Named("that is what runs this very test", "tests/run")),
    ("README.md", "ssh-keygen -Y sign", Call(sign_release, needs_world=False)),
    ("README.md", "ssh-keygen -Y verify", Call(sign_release, needs_world=False)),
    # --- for those who change it ---
    ("src/HACKING.md", "sh contrib/bootstrap.sh build ", Call(use_own_settings, needs_world=False)),
    ("src/HACKING.md", "tests/run", Call(run_steps, needs_world=False)),
    ("src/HACKING.md", "cron, PHP", Call(look_at_map, needs_world=False)),
    # --- containers: test_package.py sends with these ---
    ("contrib/container/README.md", '[listen "containers"]', Settings()),
    ("contrib/container/README.md", "[Unit]", Call(load_unit, needs_world=False)),
    ("contrib/container/README.md", "[mail]\ndomain", Settings()),
    ("contrib/container/README.md", "account default", Call(load_msmtprc, needs_world=False)),
    ("contrib/container/README.md", "podman build", Named(
        "needs podman and a registry of images", "contrib/container/Containerfile")),
    ("contrib/container/README.md", "[mail]\nlog_file", Settings()),
    # --- manual pages ---
    ("mailq.1", "mailq -v", Shell("^Mail queue is empty$")),
    ("mailq.1", "-Queue ID-", Call(look_at_mailq)),
    ("newaliases.1", "echo 'root:", Shell(
        r"^/etc/aliases: 1 alias$", before=lambda world: world.shell("rm -f /etc/aliases*"))),
    ("postrider-aliases.5", "# a comment", Aliases(5)),
    ("postrider-aliases.5", "ticket:", Aliases(2, "alias_files = ben\nalias_commands = ben\n")),
    ("postrider-aliases.5", "staff:", Aliases(2)),
    ("postrider-aliases.5", "root: you", Aliases(1)),
    ("postrider-aliases.5", "info@bakery", Aliases(4)),
    ("postrider-aliases.5", "postrider route", Shell(
        "treasurer@club.example", "grace@example.net", before=run_alias_examples, after=forget_alias_examples)),
    ("postrider-listen.8", "sendmail -bd", Shell(before=listen)),
    ("postrider-listen.8", "systemctl enable", Named(
        "no systemd is at work in the machine of a test", "contrib/postrider.service")),
    ("postrider-listen.8", "systemctl reload", Shell(skip=NO_SYSTEMD)),
    ("postrider-listen.8", "pkill -HUP", Shell(after=stop_listening)),
    ("postrider-local.8", "/usr/libexec", Shell()),
    ("postrider-run.8", "/usr/libexec", Shell(
        before=lambda world: world.write("/root/my.conf", f"{OWN_QUEUE}"))),
    ("postrider.8", "/etc/msmtprc:4", Call(look_at_notes)),
    ("postrider.8", "*/5 * * * *", Call(run_schedule)),
    ("postrider.8", "postrider setup mailgun", Shell(
        "nothing to change|^changed$", replace={"you@example.net": "you@example.net < password"})),
    ("postrider.8", "postrider setup ses", Shell(
        "^would be written: /etc/postrider/postrider.conf$",
        before=lambda world: world.write("/run/secrets/ses", "secret\n", 0o600),
        # Nobody plays Amazon here.
        replace={"--domain example.org": "--domain example.org --dry-run --offline"})),
    ("postrider.8", "postrider setup --from postfix", Shell("^would be written: ", before=write_postfix_settings)),
    ("postrider.8", "postrider queue\n", Shell("there is no message in the queue")),
    ("postrider.8", "postrider queue retry --domain example.net\n", Shell(
        ": still queued: ", before=fill_queue)),
    ("postrider.8", "postrider queue hold --sender", Shell(": held$", ": deleted$", before=fill_queue)),
    ("postrider.8", "postrider trace customer@", Shell("deferred +to=customer@example.net",
                                                 before=fill_queue)),
    ("postrider.8", "postrider queue list --json", Shell(
        "^[0-9a-v]{15}$", before=lambda world: world.shell(
            "head -c 1200000 /dev/zero | tr '\\0' 'x' | fold | sendmail -odq you@example.net"))),
    ("postrider.8", "postrider check --online", Call(lambda block, world: check_twice(block, world))),
    ("postrider.8", "postrider status --prometheus", Shell(
        before=lambda world: world.shell("mkdir -p /var/lib/prometheus/node-exporter"),
        after=lambda world: world.shell("grep -q '^postrider_queue_all_messages ' "
                                        "/var/lib/prometheus/node-exporter/postrider.prom"))),
    ("postrider.8", "postrider queue retry --domain example.net --json", Shell(
        "^queued$", before=fill_queue)),
    ("postrider.8", "postrider route root", Shell("smtp.mailgun.org")),
    ("postrider.8", "postrider passwd anna", Shell(
        before=lambda world: world.shell("printf '[listen]\\nusers = /etc/postrider/users\\n' "
                                         ">> /etc/postrider/postrider.conf; rm -f /etc/postrider/users"),
        after=lambda world: world.shell("grep -q ^anna: /etc/postrider/users; "
                                        "sed -i '/^.listen./,$d' /etc/postrider/postrider.conf"))),
    ("postrider.8", "postrider dkim-key", Shell(
        before=lambda world: world.shell("rm -rf /etc/postrider/dkim"),
        after=lambda world: world.shell("test -s /etc/postrider/dkim/example.org.pem"))),
    ("postrider.conf.5", "[section]", Call(read_form, needs_world=False)),
    ("postrider.conf.5", "dnsbl = ", Settings("[filter]\n")),
    ("postrider.conf.5", "[smarthost]\npassword", Call(load_credentials, needs_world=False)),
    ("postrider.conf.5", "# made by postrider passwd", Call(look_at_users)),
    ("postrider.conf.5", "[mail]\ndomain", Settings()),
    ("postrider.conf.5", "[smarthost]\nhost = smtp.example.net", Settings()),
    ("postrider.conf.5", "[mail]\nlocal_domains", Settings()),
    ("sendmail.8", "echo 'Disk", Shell(before=write_message)),
    ("sendmail.8", "echo 'It works.'", Shell(r"< 250 2\.0\.0 taken as")),
    ("sendmail.8", "sendmail -qR", Shell("no message in the queue matches")),
]


def check_twice(block, world):
    """--online finds a fault: there are no name servers. The other command ends with tail's status."""
    online, last = commands(block)
    done = world.run(["sh", "-c", online])
    assert done.returncode == EX_CONFIG and "fault: dns: " in done.out and "signed in as" in done.out
    assert re.search("looked at\\)$", world.run(["sh", "-c", last], check=EX_OK).out.strip())


def is_of(block, example):
    return example[0] == block.document and block.text.startswith(example[1])


def examples_of(block):
    """The longest beginning counts."""
    found = [example for example in EXAMPLES if is_of(block, example)]
    longest = max((len(example[1]) for example in found), default=0)
    return [example for example in found if len(example[1]) == longest]


def test_every_example_is_accounted_for():
    unknown = [f"{block.place}: {block.lines[0]}" for block in BLOCKS if len(examples_of(block)) != 1]
    assert not unknown, "examples that no test runs:\n" + "\n".join(unknown)
    used = [examples_of(block)[0][:2] for block in BLOCKS]
    gone = [example[:2] for example in EXAMPLES if example[:2] not in used]
    assert not gone, "examples that are in no document any more"
    assert len(set(used)) == len(used) == len(EXAMPLES), "each has its own"


# --- They are run --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine():
    """An installation with a stand-in for the provider, as in the picture."""
    with World(picture.HOST) as world:
        picture.prepare(world)
        for name in ("ada", "ben", "grace"):
            world.add_user(name)
        world.shell("cp -a /etc/postrider /srv/fresh; rm -f /etc/aliases*")
        world.write("/root/password", f"{PASSWORD}\n", 0o600)
        world.run(["sh", "-c", picture.COMMANDS[0]], cwd="/root", check=EX_OK)
        world.shell("cp -a /etc/postrider /srv/ready; cp /etc/aliases /srv/aliases.ready")
        yield world


@pytest.fixture
def world(machine):
    """As it is after setup."""
    machine.wait_until(lambda: not machine.names(f"{SPOOL}/runs"), what="the end of queue runs")
    machine.shell("rm -rf /etc/postrider; cp -a /srv/ready /etc/postrider; cp /srv/aliases.ready /etc/aliases\n"
                  "newaliases >/dev/null; postrider queue delete --all --yes >/dev/null")
    return machine


def named(block):
    return f"{block.document.rpartition('/')[2]}-{'-'.join(re.findall(r'[A-Za-z]+', block.text)[:4])}"


IN_WORLD = [block for block in BLOCKS if any(example[2].needs_world for example in examples_of(block))]
ELSEWHERE = [block for block in BLOCKS if block not in IN_WORLD and examples_of(block)]


@pytest.mark.parametrize("block", ELSEWHERE, ids=named)
def test_example(sandbox, block):
    examples_of(block)[0][2].run(block, sandbox)


@pytest.mark.installed
@pytest.mark.parametrize("block", IN_WORLD, ids=named)
def test_example_in_an_installation(world, block):
    examples_of(block)[0][2].run(block, world)


# --- Manual pages, the help, and the tables ------------------------------------------------------


def rendered(page):
    """A manual page as it is read."""
    done = subprocess.run(["mandoc", "-T", "utf8", REPOSITORY / "man" / page], capture_output=True,
                          check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return re.sub(".\b", "", done.stdout.decode())


def synopsis(page):
    """The lines of its SYNOPSIS, those that go on made one."""
    text = rendered(page).partition("\nSYNOPSIS\n")[2].partition("\nDESCRIPTION\n")[0]
    return [" ".join(line.split()) for line in re.split(r"\n(?= {5}\S)", "\n" + text) if line.strip()]


def items(page, kind):
    """The words of .It Fl or .It Ic, each of a row, with where they stand: a list of (heading, word)."""
    found, heading = [], ""
    for line in (REPOSITORY / "man" / page).read_text().splitlines():
        if line.startswith((".Sh ", ".Ss ")):
            heading = line[4:]
        if line.startswith(f".It {kind} "):
            words = re.sub(r" (?:Ar|Ns|Op|Oo)\b[^,]*?(?=,|$)", "", line[len(f".It {kind} "):])
            found += [(heading, re.sub(rf"^{kind} ", "", word.strip())) for word in words.split(",")]
    return found


def helped(sandbox, name):
    return sandbox.run(["postrider", "help", name], check=EX_OK).out.partition("\nexample:")[0]


def long_options(text):
    return set(re.findall(r"--[a-z][a-z-]*", text))


def verbs_of(sandbox):
    shown = sandbox.run(["postrider", "help"], check=EX_OK).out
    return re.findall(r"^  ([a-z-]+)  ", shown.partition("By its other names")[0], re.MULTILINE)


def test_manual_and_help_have_the_same_commands_and_options(sandbox):
    in_manual = {}
    for line in synopsis("postrider.8"):
        verb = re.match(r"postrider ([a-z][a-z-]+)\b(?!-option)", line)
        if verb and verb.group(1) != "sendmail-option":
            in_manual.setdefault(verb.group(1), set()).update(long_options(line))
    # It has too many for that.
    in_manual["setup"].update(f"-{word}" for heading, word in items("postrider.8", "Fl")
                              if heading == "Setting up")
    in_help = {verb: long_options(helped(sandbox, verb)) for verb in verbs_of(sandbox)}
    assert in_manual.pop("help") == set()
    assert in_manual == in_help
    # What is in the table of options is told by somebody.
    table = re.findall(r'^    \{"(--[a-z-]+)", VERB_', (REPOSITORY / "src/sendmail/verb.c").read_text(),
                       re.MULTILINE)
    assert len(table) > 30 and set(table) == set().union(*in_help.values())


def test_manual_and_help_have_the_same_orders_to_the_queue(sandbox):
    """Of postrider queue, and what it says itself when one is misspelt."""
    found = []
    for text in (helped(sandbox, "queue"), "\n".join(f"  {line}" for line in synopsis("postrider.8"))):
        forms = re.findall(r"^  postrider queue \[?((?:[a-z]+(?: ?\| ?)?)+)", text, re.MULTILINE)
        found.append({word for form in forms for word in re.findall("[a-z]+", form)})
    said = sandbox.run(["postrider", "queue", "what"], check=EX_USAGE).err
    found.append(set(re.findall("[a-z]+", said.partition('"what": ')[2].partition(" are there")[0])) - {"and"})
    assert found[0] == found[1] == found[2] and len(found[0]) == 8, found


def short_options(text):
    """-t, -bd, -Mrm, of the help of sendmail and its kin: values are in capitals behind them."""
    text = text.replace("[!]", "")
    found = {re.sub("(PART|TIME)$", "", word) for word in re.findall(r"(?<![\w=-])-([A-Za-z]+)", text)}
    return {"o" if re.fullmatch("o[di]?[biq]?", word) else word for word in found}


def test_manual_and_help_of_sendmail_and_its_kin(sandbox):
    for page in ("sendmail.8", "mailq.1"):
        shown = sandbox.run(["postrider", "help", page.partition(".")[0]], check=EX_OK).out
        shown = " ".join(re.findall(r"^  .*\n      .*\n", shown, re.MULTILINE)) + " -C"
        in_manual = {"o" if word.startswith("o") else word for _, word in items(page, "Fl")}
        assert short_options(shown) == in_manual, page
    assert "\n  newaliases\n" in sandbox.run(["postrider", "help", "newaliases"], check=EX_OK).out
    assert synopsis("newaliases.1") == ["newaliases [-C file]"]


def test_every_letter_that_sendmail_takes_is_in_its_manual(sandbox):
    text = rendered("sendmail.8")
    for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        done = sandbox.run(["sendmail", f"-{letter}", "-C", sandbox.folder / "none"])
        unknown = re.search(r'unknown|does not know|no option', done.err) is not None
        assert unknown != bool(re.search(rf"(?<![\w-])-{letter}", text)), (letter, done.err)


def test_manuals_and_usages_of_the_helpers(sandbox):
    for page in ("postrider-run.8", "postrider-listen.8", "postrider-local.8"):
        name = page.partition(".")[0]
        usage = " ".join(sandbox.run([name, "--nonsense"], check=EX_USAGE).err.split())
        forms = re.split(rf"(?=\b{name}\b)|\| (?=[a-z]+ [A-Z])", usage.removeprefix("usage: "))
        # Those that begin with a word are verbs; those of postrider are told elsewhere.
        verbs = {word for form in forms for word in re.findall(rf"^(?:{name} )?([a-z][a-z-]*) ", form)}
        own = " ".join(form for form in forms if re.match(rf"{name} \[", form))
        lines = " ".join(synopsis(page))
        assert long_options(own) == long_options(lines), page
        assert verbs and verbs <= set(re.findall(r"[a-z][a-z-]*", lines)), (page, verbs)


def test_every_setting_is_in_the_manual_and_the_other_way_round():
    source = (REPOSITORY / "src/config/keys.c").read_text()
    table = set(re.findall(r'^    \{"([a-z]+)", "([a-z_]+)",', source, re.MULTILINE))
    assert len(table) > 70 and len(re.findall(r'^    \{"', source, re.MULTILINE)) == len(table)
    in_manual = {(re.search(r"\[([a-z]+)", heading).group(1), word)
                 for heading, word in items("postrider.conf.5", "Ic") if heading.startswith("Section [")}
    assert in_manual == table
    secrets = {word for heading, word in items("postrider.conf.5", "Ic") if heading == "CREDENTIALS"}
    assert secrets == {"password", "password_file"}


def test_defaults_are_those_of_the_table():
    """Of whatever has one that is more than a yes or no, the manual says it."""
    source = (REPOSITORY / "src/config/keys.c").read_text()
    text = " ".join(rendered("postrider.conf.5").split())
    said = re.findall(r'\{"[a-z]+", "([a-z_]+)",[^{}]*?\.initial =\s*"([^"]+)"', source, re.DOTALL)
    assert len(said) > 25
    assert not [(name, value) for name, value in said if value not in text]


def test_manuals_refer_to_what_there_is():
    """To each other by names that they have, and to pages that others have; each has its examples."""
    ours = {page.name for page in MANUALS}
    # What Linux and its C library, systemd and others describe.
    others = {"seccomp.2", "landlock.7", "fcntl.2", "cgroups.7", "nsswitch.conf.5", "crypt.3", "crypt.5",
              "inetd.8", "sd_listen_fds.3", "sd_notify.3"}
    referred = set()
    for page in MANUALS:
        text = page.read_text()
        found = {f"{name}.{section}" for name, section in re.findall(r"\bXr (\S+) (\d)", text)}
        referred |= found
        assert page.name not in found, f"{page.name} refers to itself"
        headings = re.findall(r"^\.Sh (.+)", text, re.MULTILINE)
        assert headings[0] == "NAME" and {"DESCRIPTION", "EXAMPLES", "SEE ALSO"} <= set(headings), page.name
        see_also = text.partition(".Sh SEE ALSO\n")[2].partition(".Sh ")[0]
        listed = re.findall(r"^\.Xr (\S+) (\d)", see_also, re.MULTILINE)
        assert listed == sorted(listed, key=lambda one: (one[1], one[0])), page.name
        if page.name == "postrider.8":
            assert {f"{name}.{section}" for name, section in listed} == ours - {page.name}
    assert referred == ours | others


# --- Markdown ------------------------------------------------------------------------------------


def named_page(path):
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", documents.MARKDOWN, ids=named_page)
def test_links_and_files_that_are_named_are_there(path):
    """Links, and paths of the repository in `code`, also as a room calls its files."""
    text, source = path.read_text(), REPOSITORY / "src"
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, heading = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if heading:
            assert heading in [re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
                               for line in there.read_text().splitlines() if line.startswith("#")], target
    rooms = [entry.name for entry in source.iterdir() if entry.is_dir()]
    tests = "".join(file.read_text() for suffix in ("c", "py") for file in REPOSITORY.glob(f"tests/*/test_*.{suffix}"))
    for word in re.findall(r"`([\w./*-]+)`", text):
        top = word.split("/")[0]
        if top in ("src", "tests", "contrib", "man", "etc"):
            assert list(REPOSITORY.glob(word.rstrip("/"))), word
        elif top in rooms and "/" in word:
            assert list(source.glob(word.rstrip("/"))), word
        elif re.match(r"test_\w+\.py$", word):
            assert (REPOSITORY / "tests" / "program" / word).exists(), word
        elif re.match(r"test_\w+$", word):
            assert re.search(rf"\b(def|void) {word}\b", tests), word


# --- The picture ---------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def lines_of(path):
    """What it shows, line by line."""
    root = xml.etree.ElementTree.parse(path).getroot()
    assert root.tag == f"{SVG}svg"
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def without_chance(lines):
    """Without what is another one each time."""
    text = " ".join(" ".join(lines).split())
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"\b[0-9a-v]{15}\b(\.[0-9a-f]+)?", "ID", text)
    text = re.sub(r"[\d.]+ ms", "N ms", text)
    return re.sub(r"\b(size=|for )\d+", r"\1N", text)


@pytest.mark.installed
def test_the_picture_shows_what_its_commands_show(tmp_path):
    made, there = tmp_path / "made.svg", REPOSITORY / "contrib" / "postrider.svg"
    done = subprocess.run([sys.executable, REPOSITORY / "contrib" / "picture.py", made], check=False,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    new, old = lines_of(made), lines_of(there)
    assert [line for line in old if line.startswith(picture.PROMPT)] == [
        picture.PROMPT + command for command in picture.COMMANDS]
    assert without_chance(new) == without_chance(old), "make picture"
    assert len(old) <= picture.ROWS and max(map(len, old)) <= picture.COLUMNS
    # Every colour has a class, in light and in dark.
    text = there.read_text()
    light, _, dark = text.partition("prefers-color-scheme: dark")
    for tone in set(re.findall(r'class="(\w+)"', text)) - {"plain", "bold"}:
        assert f".{tone} {{" in light and f".{tone} {{" in dark
    assert 'class="green"' in text
