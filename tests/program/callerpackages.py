"""Programs that call sendmail, as Debian packages them, in a World with Postrider installed: they are
unpacked, not installed, and run as they are. strace tells what sendmail was called with.

Mail for others goes to a relay that takes only what comes from the domains that it knows, in the envelope and
in the header, as providers do.
"""

import email
import re
import shlex
import subprocess
from email import policy
from email.header import decode_header, make_header
from email.utils import parseaddr
from functools import cached_property

from smtpfake import FakeServer, parse_path
from test_installed import Machine
from world import PACKAGES, PATH

# This host is called otherwise than the domain that may send.
DOMAIN = "sends.example"
# The bug reporter of Debian takes no reserved name of RFC 2606 for an address.
OTHER_DOMAIN = "forest.home.arpa"
CONFIG = f"""[mail]
hostname = here.example
domain = {DOMAIN}
masquerade = ada@here.example: ada@{DOMAIN}, root@here.example: root@{DOMAIN}
[smarthost]
host = 127.0.0.1:%d
tls = off
auth = off
[listen]
address = 127.0.0.1:25
[queue]
retry = 1s
"""
TRACES = "/srv/traces"
ADMIN = "admin@far.example"


def is_ours(address):
    return address.rpartition("@")[2] in (DOMAIN, OTHER_DOMAIN)


def judge_sender(_, line):
    sender, _ = parse_path(line)
    return None if not sender or is_ours(sender) else f"550 5.7.1 {sender}: sender not verified"


def judge_message(_, message):
    author = email.message_from_bytes(message.data, policy=policy.default)["From"]
    if all(is_ours(one.addr_spec) for one in author.addresses):
        return None
    return f"550 5.7.1 {author}: sender not verified"


class Call:
    """One call of sendmail: .argv, .status (None while it runs)."""

    def __init__(self, path, argv):
        self.argv = argv
        self.status = None
        name = path if path != "/usr/sbin/sendmail" else "sendmail"
        self.command = shlex.join([name, *argv[1:]])


class Run:
    """What came of running a caller: .status, .output, .calls."""

    EXEC = re.compile(r'(\d+) +execve\("(/usr/(?:s?bin|lib)/sendmail)", \[(.*?)\], 0x')
    END = re.compile(r"(\d+) +\+\+\+ exited with (\d+) \+\+\+")
    STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')

    def __init__(self, world, name, result=None):
        self.world = world
        self.name = name
        self.status = result.returncode if result else None
        self.output = result.out + result.err if result else ""

    @property
    def calls(self):
        """Each call of sendmail so far."""
        found = {}
        for line in self.world.read(f"{TRACES}/{self.name}").decode("ascii").splitlines():
            if call := self.EXEC.match(line):
                argv = [text.encode().decode("unicode_escape").encode("latin-1").decode()
                        for text in self.STRING.findall(call[3])]
                found[call[1]] = Call(call[2], argv)
            elif (end := self.END.match(line)) and end[1] in found:
                found[end[1]].status = int(end[2])
        return list(found.values())


class Letter:
    """A message as it arrived: at the relay with its envelope, or in a mailbox."""

    def __init__(self, data, sender, recipients, dsn=None):
        self.data = data
        self.sender = sender
        self.recipients = recipients
        self.dsn = dsn or {}

    @cached_property
    def message(self):
        return email.message_from_bytes(self.data, policy=policy.default)

    @property
    def subject(self):
        return str(self.message["Subject"])

    @property
    def author(self):
        """(name, address) of From; the name may be in a comment."""
        header = self.data.partition(b"\n\n")[0].decode("utf-8", "replace")
        field = re.search(r"^From: (.*(?:\n[ \t].*)*)", header, re.MULTILINE)[1]
        name, address = parseaddr(field)
        return str(make_header(decode_header(name))), address

    @property
    def text(self):
        """What a reader sees. Who says nothing of a character set, or is wrong, means UTF-8; an encoded
        text may have line ends of its own."""
        part = self.message.get_body() if self.message.is_multipart() else self.message
        data = part.get_payload(decode=True)
        try:
            text = data.decode(part.get_content_charset() or "utf-8")
        except (LookupError, UnicodeDecodeError):
            text = data.decode("utf-8", "replace")
        encoded = part["Content-Transfer-Encoding"] in ("quoted-printable", "base64")
        return text.replace("\r\n", "\n") if encoded else text


class CallerPlace(Machine):
    """The machine with all callers; ada and ben are its users, root's mail goes to ADMIN."""

    def __init__(self):
        self.relay = None
        super().__init__(self.make_relay)
        try:
            self.prepare()
        except BaseException:
            self.world.close()
            raise

    def make_relay(self, world):
        self.relay = world.inside(
            lambda: FakeServer(at={"MAIL": judge_sender, "message": judge_message}))
        return self.relay

    def configure(self, *_, **__):
        self.world.write("/etc/postrider/postrider.conf", CONFIG % self.relay.port)

    def prepare(self):
        world = self.world
        world.write("/etc/aliases", f"postmaster: root\nroot: {ADMIN}\n")
        world.run(["newaliases"], check=0)
        world.shell("usermod -c 'Ada Lovelace' ada; mkdir -p $0".replace("$0", TRACES))
        self.unpack((PACKAGES / "callers").read_text().split())

    def unpack(self, packages):
        """With the names that the packages' own scripts would give them."""
        files = [str(self.file_of(package)) for package in packages]
        self.world.shell("for file in $0; do\n"
                         "  dpkg-deb --fsys-tarfile $file | tar -x --keep-directory-symlink -C /\n"
                         "done".replace("$0", shlex.join(files)))
        self.world.shell("""
            cd /usr/bin
            ln -sf bsd-mailx mail; ln -sf bsd-mailx mailx; ln -sf php[0-9]* php
            cd /etc/php/*/cli/conf.d
            for name in ctype iconv intl mbstring; do
                echo "extension=$name" > 20-$name.ini
            done
            groupadd -r crontab
            chgrp crontab /usr/bin/crontab /var/spool/cron/crontabs
            chmod 2755 /usr/bin/crontab; chmod 1730 /var/spool/cron/crontabs
            install -o daemon -g daemon /dev/null /var/spool/cron/atjobs/.SEQ
            """)

    @staticmethod
    def file_of(package):
        """The newest file of a package; None when there is none."""
        return max(PACKAGES.glob(f"{package}_*.deb"), default=None)

    def version(self, package):
        """That of the unpacked package, else of the installed one."""
        if self.file_of(package):
            argv = ["dpkg-deb", "-f", self.file_of(package), "Version"]
        else:
            argv = ["dpkg-query", "-W", "-f", "${Version}", package]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    @staticmethod
    def traced(name, argv, user):
        """What runs a program under strace, which is root's, so that set-ID bits count."""
        become = []
        if user != "root":
            become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return ["strace", "-f", "-q", "-s", "4096", "-e", "trace=execve", "-e", "signal=none", "-o",
                f"{TRACES}/{name}", *become, *argv]

    @staticmethod
    def environment(user, more=None):
        home = "/root" if user == "root" else f"/home/{user}"
        return {"HOME": home, "USER": user, "LOGNAME": user, "LC_ALL": "C.UTF-8", **(more or {})}

    def call(self, name, argv, user="ada", stdin="", env=None, timeout=120):
        """Runs a caller to its end, and that of all that it started; the Run."""
        result = self.world.run(self.traced(name, argv, user), stdin=stdin, timeout=timeout,
                                env=self.environment(user, env))
        return Run(self.world, name, result)

    def start(self, name, argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, user="root",
              env=None):
        """Starts one that stays; (Popen, Run). It ends with the world."""
        variables = [f"{key}={value}" for key, value in self.environment(user, env).items()]
        program = subprocess.Popen(
            self.world.argv(self.traced(name, argv, user), [f"PATH={PATH}", *variables]),
            stdin=stdin, stdout=stdout, stderr=subprocess.STDOUT)
        return program, Run(self.world, name)

    def letters(self):
        """What the relay took so far."""
        return [Letter(one.text, one.sender, one.recipients,
                       {key: value for several in (one.parameters, *one.recipient_parameters)
                        for key, value in several.items() if key in ("RET", "NOTIFY")})
                for one in list(self.relay.messages)]

    def mail_of(self, user):
        """What is in a user's mailbox."""
        found = []
        data = self.world.read(f"/var/mail/{user}").removesuffix(b"\n")
        for part in data.split(b"\nFrom ") if data else []:
            letter = Letter(part.partition(b"\n")[2], "", [])
            letter.sender = str(letter.message["Return-Path"]).strip("<>")
            letter.recipients = [str(one) for one in letter.message.get_all("Delivered-To", [])]
            found.append(letter)
        return found
