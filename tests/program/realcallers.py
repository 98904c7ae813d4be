"""The callers: how each is run, and what must come of it.

Those that can be told what to say send BODY to YOU, ben and, unseen, HIDDEN; the others write to root.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from callerpackages import ADMIN, DOMAIN, OTHER_DOMAIN, CallerPlace
from terminal import Dialogue

YOU, HIDDEN = "you@far.example", "hidden@far.example"
BODY = "Grüße aus dem Wald\n.\nhinter dem Punkt\n..zwei Punkte\nund ein Schluß\n"
ADA = ("Ada Lovelace", f"ada@{DOMAIN}")
ROOT = ("root", f"root@{DOMAIN}")
SHOP = ("", f"shop@{DOMAIN}")
LITTLE_SHOP = ("Lädchen", f"shop@{DOMAIN}")
SCRIPTS = Path(__file__).with_name("callers")


@dataclass
class Expected:
    """One letter, known by its subject and a part of its text."""

    subject: str
    author: tuple = ADA
    sender: str = ""  # the author's address, if nothing else is said
    relayed: tuple = ()
    local: str = ""  # whose mailbox has it as well
    part: str = ""  # of the text
    whole: bool = True  # that is all of it
    dsn: dict = field(default_factory=dict)  # what the relay is to tell, and how

    def __post_init__(self):
        self.sender = self.sender or self.author[1]


@dataclass
class Caller:
    name: str
    package: str
    run: object  # run(place, caller) -> Run
    letters: list = field(default_factory=list)
    status: int = 0
    command: str = ""  # of one that speaks SMTP
    alone: str = ""  # those with the same word here run one after the other, as they stand

    @property
    def slug(self):
        return re.sub(r"\W+", "-", self.name.lower()).strip("-")

    @property
    def subject(self):
        return f"{self.name} grüßt"


CALLERS = []
SUBJECT = object()


def calls(name, package, letters=None, status=0, command="", alone="", **expected):
    """The function that follows runs this caller. Without letters it is one that is told all."""
    def add(function):
        caller = Caller(name, package, function, status=status, command=command, alone=alone)
        what = {"relayed": (YOU, HIDDEN), "local": "ben", "part": BODY, **expected}
        caller.letters = letters or [Expected(caller.subject, **what)]
        CALLERS.append(caller)
        return function
    return add


def writes(name, package, *argv, env=None, **expected):
    """One that takes SUBJECT in its arguments and the text from standard input."""
    @calls(name, package, **expected)
    def run(place, caller):
        return place.call(caller.slug, [caller.subject if word is SUBJECT else word for word in argv],
                          stdin=BODY, env=env)


def to_root(subject, part, author=ROOT, **more):
    return Expected(subject, author=author, relayed=(ADMIN,), part=part, whole=more.pop("whole", False),
                    **more)


def prepare(place):
    """What several of them need."""
    place.world.write("/srv/body", BODY)
    for path in SCRIPTS.iterdir():
        place.world.write(f"/srv/{path.name}", path.read_text())
    place.world.run(["sendmail", "-bd"], check=0)


# --- jobs ---


def next_minute(place):
    """The first fields of a crontab for what is to run once, soon, after the daemons have begun."""
    now = place.world.shell("date +%s").out
    return place.world.shell(f"date -d @$(({now} + ({now} % 60 < 50 ? 60 : 120))) '+%M %H * * *'"
                             .replace("\n", "")).out.strip()


CRON = ("Cron Daemon", f"root@{DOMAIN}")


@calls("cron", "cron", letters=[
    to_root("Cron <root@here> cat /srv/body", BODY, author=CRON, whole=True),
    Expected("Cron <ada@here> cat /srv/body", author=CRON, sender=ADA[1], local="ada", part=BODY),
    Expected("Cron <ben@here> cat /srv/body; : ü", author=CRON, sender=f"ben@{DOMAIN}",
             relayed=(YOU,), local="ben", part=BODY)])
def cron(place, caller):
    """A job of root's, one whose MAILTO is not set, one whose MAILTO is a list."""
    when = next_minute(place)
    place.world.write("/etc/cron.d/callers", f"{when} root cat /srv/body\n")
    place.world.run(["crontab", "-"], user="ada", stdin=f"{when} cat /srv/body\n", check=0)
    place.world.run(["crontab", "-"], user="ben", check=0, stdin=(
        'CONTENT_TYPE="text/plain; charset=UTF-8"\n'
        f"MAILTO={YOU},ben\n{when} cat /srv/body; : ü\n"))
    return place.start(caller.slug, ["cron", "-f"])[1]


def cronie(place, caller):
    """Beside the other cron, with crontabs and a process id file of its own."""
    when = next_minute(place)
    place.world.write("/srv/cronie/crontabs/ada", f"{when} cat /srv/body; : 2\n", 0o600, "ada:ada")
    place.world.write("/srv/cronie/cron.d/callers", f"{when} root cat /srv/body; : 2\n")
    place.world.shell(f"dpkg-deb --fsys-tarfile {place.file_of('cronie')} | tar -x -C /srv/cronie\n"
                      "cp /srv/cronie/etc/pam.d/* /etc/pam.d")
    return place.start(caller.slug, ["unshare", "-m", "sh", "-euc", """
        mount --bind /srv/cronie/crontabs /var/spool/cron/crontabs
        mount --bind /srv/cronie/cron.d /etc/cron.d
        mount -t tmpfs tmpfs /run
        exec /srv/cronie/usr/sbin/crond -n"""])[1]


if CallerPlace.file_of("cronie"):
    calls("cronie", "cronie", letters=[
        to_root("Cron <root@here> cat /srv/body; : 2", BODY, author=("(Cron Daemon)", ROOT[1]),
                whole=True),
        Expected("Cron <ada@here> cat /srv/body; : 2", author=("(Cron Daemon)", ADA[1]), local="ada",
                 part=BODY)])(cronie)


@calls("busybox crond", "busybox-static", letters=[
    Expected("cron: cat /srv/body", author=ADA, relayed=(YOU,), part=BODY)])
def busybox_crond(place, caller):
    place.world.write("/srv/crontabs/ada", f"MAILTO={YOU}\n{next_minute(place)} cat /srv/body\n", 0o600)
    return place.start(caller.slug, ["busybox", "crond", "-f", "-c", "/srv/crontabs"])[1]


@calls("at", "at", letters=[
    Expected("Output from your job        1", local="ada", part=BODY),
    to_root("Output from your job        2", BODY, whole=True)])
def at(place, caller):
    _, run = place.start(caller.slug, ["atd", "-f"])
    place.world.wait_until(lambda: place.world.read("/run/atd.pid").strip())
    for user in ("ada", None):
        place.world.run(["at", "now"], user=user, stdin="cat /srv/body\n", check=0)
    return run


@calls("anacron", "anacron", letters=[
    to_root("Anacron job 'forest' on here.example", BODY, author=("Anacron", ROOT[1]), whole=True)])
def anacron(place, caller):
    place.world.write("/srv/anacrontab", "1 0 forest cat /srv/body\n")
    place.world.shell("mkdir /srv/anacron")
    return place.call(caller.slug, ["anacron", "-d", "-n", "-t", "/srv/anacrontab", "-S",
                                    "/srv/anacron"], user="root")


# --- programs that people write mail with ---

writes("bsd-mailx", "bsd-mailx", "bsd-mailx", "-s", SUBJECT, "-c", "ben", "-b", HIDDEN, YOU)
writes("s-nail", "s-nail", "s-nail", "-:/", "-s", SUBJECT, "-c", "ben", "-b", HIDDEN, YOU)
writes("s-nail -r", "s-nail", "s-nail", "-:/", "-r", SHOP[1], "-s", SUBJECT, "-c", "ben", "-b", HIDDEN,
       YOU, author=SHOP)
# It would take a lone dot for the end by itself.
writes("GNU mailutils", "mailutils", "mail.mailutils", "-E", "unset dot", "-s", SUBJECT, "-a", "Cc: ben",
       "-a", f"Bcc: {HIDDEN}", YOU)
writes("mutt", "mutt", "mutt", "-s", SUBJECT, "-c", "ben", "-b", HIDDEN, YOU)
writes("mutt, its own sender and DSN", "mutt", "mutt", "-e",
       f'set use_envelope_from from="{SHOP[1]}" realname="{LITTLE_SHOP[0]}" use_8bitmime '
       'dsn_notify="failure,delay" dsn_return=hdrs',
       "-s", SUBJECT, "-c", "ben", "-b", HIDDEN, YOU,
       author=LITTLE_SHOP, dsn={"RET": "HDRS", "NOTIFY": "FAILURE,DELAY"})
writes("neomutt", "neomutt", "neomutt", "-s", SUBJECT, "-c", "ben", "-b", HIDDEN, YOU)

PINERC = f"""inbox-path=/home/ada/none
last-version-used=6.26
default-fcc=""
character-set=UTF-8
customized-hdrs=Bcc: {HIDDEN}
"""


@calls("alpine", "alpine")
def alpine(place, caller):
    """On a terminal: its keys for sending, and for being sure of it."""
    place.world.write("/home/ada/.pinerc", PINERC, owner="ada:ada")
    quoted = [quote(text) for text in (caller.subject, BODY.replace("\n", "\r\n"))]
    argv = ["alpine", "-url", f"mailto:{YOU}?cc=ben&subject={quoted[0]}&body={quoted[1]}"]
    runs = []

    def start(slave):
        program, run = place.start(caller.slug, argv, stdin=slave, stdout=slave, user="ada",
                                   env={"TERM": "vt100"})
        runs.append(run)
        return program

    dialogue = Dialogue(start)
    dialogue.answer(b"Cut Text", b"\x18")
    dialogue.answer(b"Send message", b"y")
    runs[0].status = dialogue.end()
    runs[0].output = dialogue.shown.decode("utf-8", "replace")
    return runs[0]


PATCH = """cd; git init -q forest; cd forest
git config user.name 'Ada Lovelace'; git config user.email ada@here.example
echo forest > text; git add text; git commit -qm first
cp /srv/body text; git commit -qam 'Grüße
.
behind the dot'
"""


@calls("git send-email", "git-email", letters=[
    Expected("[PATCH] Grüße . behind the dot", relayed=(YOU, HIDDEN), local="ben", whole=False,
             part="".join(f"\n+{line}" for line in BODY.splitlines()))])
def git_send_email(place, caller):
    place.world.shell(PATCH, user="ada")
    return place.call(caller.slug, ["git", "-C", "/home/ada/forest", "send-email", "--confirm=never",
                                    "--suppress-cc=all", "--to", YOU, "--cc", "ben", "--bcc", HIDDEN,
                                    "-1"])


@calls("reportbug", "reportbug", letters=[
    Expected("base-files: Grüße", author=("Ada Lovelace", f"ada@{OTHER_DOMAIN}"), part=BODY,
             relayed=("submit@bugs.debian.org", f"ada@{OTHER_DOMAIN}"), whole=False)])
def reportbug(place, caller):
    return place.call(caller.slug, [
        "reportbug", "--no-config-files", "--offline", "--no-query-bts", "--no-bug-script", "--ui=text",
        "--mode=expert", "--no-check-available", "--no-cc-menu", "--no-tags-menu", "--no-compress",
        "--email", f"ada@{OTHER_DOMAIN}", "--realname", ADA[0], "--subject", "base-files: Grüße",
        "--severity=wishlist", "--body-file", "/srv/body", "-V", "12", "base-files"])


# --- libraries ---

writes("PHP mail()", "php-cli", "php", "/srv/php_mail.php", SUBJECT, author=LITTLE_SHOP, sender=ADA[1])
writes("PHP mail() with -f", "php-cli", "php", "/srv/php_mail.php", SUBJECT, f"-f{SHOP[1]}",
       author=LITTLE_SHOP)
for method in ("isMail", "isSendmail"):
    writes(f"PHPMailer, {method}()", "libphp-phpmailer", "php", "/srv/phpmailer.php", SUBJECT, method,
           author=LITTLE_SHOP)
for scheme in ("sendmail://", "native://"):
    writes(f"Symfony Mailer, {scheme}", "php-symfony-mailer", "php", "/srv/symfony.php", SUBJECT,
           f"{scheme}default", author=LITTLE_SHOP)
writes("Perl MIME::Lite", "libmime-lite-perl", "perl", "/srv/mime_lite.pl", SUBJECT, author=SHOP)
writes("Perl Mail::Mailer", "libmailtools-perl", "perl", "/srv/mail_mailer.pl", SUBJECT, author=SHOP,
       sender=ADA[1])
writes("Perl Email::Sender", "libemail-sender-perl", "perl", "/srv/email_sender.pl", SUBJECT, author=SHOP)
writes("Ruby mail", "ruby-mail", "ruby", "/srv/ruby_mail.rb", SUBJECT, author=SHOP)
writes("nodemailer", "node-nodemailer", "node", "/srv/nodemailer.js", SUBJECT, author=SHOP,
       env={"NODE_PATH": "/usr/share/nodejs"})
writes("Python os.popen()", "python3", "python3", "/srv/python_ways.py", SUBJECT, "popen", author=SHOP,
       sender=ADA[1])
writes("Python subprocess and email", "python3", "python3", "/srv/python_ways.py", SUBJECT, "policy",
       author=SHOP, sender=ADA[1])
writes("Python smtplib", "python3", "python3", "/srv/python_ways.py", SUBJECT, "smtplib", author=SHOP,
       command="SMTP to localhost")
