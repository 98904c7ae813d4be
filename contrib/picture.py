#!/usr/bin/python3
"""The picture in the README, made by running what it shows: `make picture`, or with another file to write.

The commands run on a terminal of 80 columns, in a private copy of this machine (tests/program/world.py)
with Postrider installed. The provider is a second Postrider under the name of the first one's smarthost,
with TLS, a password and a mailbox of its own. Nothing of this machine is changed; needs root, s-nail as
mail(1) and openssl. What the terminal shows in the end becomes contrib/postrider.svg.
"""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from xml.sax.saxutils import escape

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "program"))

from terminal import shown_by  # noqa: E402  (the path comes first)
from world import PATH, World  # noqa: E402

COLUMNS, ROWS = 80, 30
HOST, DOMAIN, PROVIDER = "st11.example.org", "mg.example.org", "smtp.mailgun.org"
PASSWORD = "not easily guessed"
PROMPT = "# "
COMMANDS = [
    f"postrider setup mailgun --domain {DOMAIN} --root you@example.net < pw",
    "echo hi | mail you@example.net",
    "postrider trace you@example.net",
    "postrider check | tail -n 1",
]

# As the package brings it.
SCHEDULE = "*/5 * * * * root /usr/sbin/sendmail -q\n"

PROVIDERS_SETTINGS = f"""[mail]
hostname = {PROVIDER}
local_domains = example.net
aliases = aliases
mailbox_directory = mail
[listen]
address = 127.0.0.2:587
tls = starttls
tls_certificate = tls.crt
tls_key = tls.key
users = users
require_tls = yes
require_auth = yes
relay_networks =
[queue]
directory = queue
"""


# --- The machine ---


def start_provider(world):
    """In its own folder, as its own user; found and trusted as the real one is."""
    world.shell(f"""
        echo '127.0.0.2 {PROVIDER}' >> /etc/hosts
        echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
        useradd --system --create-home --home-dir /srv/provider provider
        cd /srv/provider
        mkdir mail
        echo '@example.net: provider' > aliases
        sh {REPOSITORY}/contrib/make-certificate.sh -d . -g provider {PROVIDER}
        cat > postrider.conf
        chown -R provider: .
        mkdir -p /etc/ssl/certs
        cat tls.crt >> /etc/ssl/certs/ca-certificates.crt""", stdin=PROVIDERS_SETTINGS)
    ours = ["-C", "/srv/provider/postrider.conf"]
    world.run(["postrider", "passwd", *ours, f"postmaster@{DOMAIN}"], stdin=f"{PASSWORD}\n",
              user="provider", check=0)
    world.run(["postrider", "serve", *ours], user="provider", check=0)


def prepare(world):
    """An installation as the package leaves it, with a log of its own, and the provider."""
    world.make("install")
    start_provider(world)
    world.write("/etc/cron.d/postrider", SCHEDULE)
    world.write("/usr/sbin/cron", "#!/bin/sh\n", 0o755)  # which need not be here
    world.shell("sed -i 's|^;log_file =.*|log_file = /var/log/postrider.log|' "
                "/etc/postrider/postrider.conf\n"
                "install -o postrider -g postrider -m 660 /dev/null /var/log/postrider.log\n"
                "command -v mail >/dev/null || ln -s s-nail /usr/bin/mail")
    world.write("/root/pw", f"{PASSWORD}\n", 0o600)


# --- The terminal ---


class Screen:
    """What a terminal shows: rows of (character, tone), of which wide ones take two columns."""

    def __init__(self):
        self.rows = [[]]
        self.column = 0
        self.tone = ""

    def put(self, text):
        at = 0
        while at < len(text):
            if text.startswith("\x1b[", at):
                end = text.index("m", at)
                self.tone = "" if text[at + 2:end] == "0" else text[at + 2:end]
                at = end
            elif text[at] == "\r":
                self.column = 0
            elif text[at] == "\n":
                self.rows.append([])
                self.column = 0
            else:
                self.put_character(text[at])
            at += 1

    def put_character(self, character):
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self.column + width > COLUMNS:
            self.rows.append([])
            self.column = 0
        row = self.rows[-1]
        row += [(" ", "")] * (self.column + width - len(row))
        row[self.column] = (character, self.tone)
        self.column += width

    def lines(self):
        """Each row as a list of (text, tone), without the spaces at its end; no empty ones at the end."""
        found = []
        for row in self.rows:
            while row and row[-1] == (" ", ""):
                row = row[:-1]
            parts = []
            for character, tone in row:
                if parts and parts[-1][1] == tone:
                    parts[-1] = (parts[-1][0] + character, tone)
                else:
                    parts.append((character, tone))
            found.append(parts)
        while found and not found[-1]:
            found.pop()
        return found


def type_command(world, screen, command):
    """Runs it as root's shell does, on a terminal, until it has ended."""
    screen.put(f"\x1b[1m{PROMPT}{command}\x1b[0m\n")
    environment = [f"PATH={PATH}", "TERM=xterm", "LANG=C.UTF-8", "HOME=/root", "USER=root"]
    status, shown = shown_by(lambda slave: subprocess.Popen(
        world.argv(["sh", "-c", command], environment, "/root"), stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True), columns=COLUMNS)
    if status != 0:
        sys.exit(f"picture: {command} ended with {status}:\n{shown.decode()}")
    screen.put(shown.decode())


def record():
    """The screen after all commands."""
    screen = Screen()
    with World(HOST) as world:
        prepare(world)
        for command in COMMANDS:
            type_command(world, screen, command)
            # What it handed in is on its way: whoever types is slower than that.
            world.wait_until(lambda: not world.names("/var/spool/postrider/spool"), what="an empty queue")
    return screen


# --- The picture ---

CELL, LINE, FONT, MARGIN = 8.4, 18, 14, 16  # in pixels; a monospaced character is 0.6 of its height

TONES = {"": "plain", "1": "bold", "31": "red", "32": "green", "33": "yellow", "36": "cyan"}

STYLE = """
text { font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
       white-space: pre; fill: #1f2328; }
.window { fill: #f6f8fa; stroke: #d0d7de; }
.bold { font-weight: bold; }
.red { fill: #cf222e; } .green { fill: #1a7f37; } .yellow { fill: #8a5a00; } .cyan { fill: #0b7285; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .window { fill: #0d1117; stroke: #30363d; }
  .red { fill: #ff7b72; } .green { fill: #3fb950; } .yellow { fill: #d29922; } .cyan { fill: #56d4dd; }
}
""" % FONT


def draw(lines):
    """The SVG: a <text> for each line that is not empty, in it a <tspan> for each tone."""
    width, height = 2 * MARGIN + COLUMNS * CELL, 2 * MARGIN + len(lines) * LINE
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
           f'viewBox="0 0 {width:g} {height:g}" role="img">',
           "<title>Postrider at work: from its setup to a delivered message</title>",
           f"<style>{STYLE}</style>",
           f'<rect class="window" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="8"/>']
    for number, parts in enumerate(lines):
        column, spans = 0, []
        for text, tone in parts:
            spans.append(f'<tspan class="{TONES[tone]}" x="{MARGIN + column * CELL:g}" '
                         f'textLength="{len(text) * CELL:g}">{escape(text)}</tspan>')
            column += len(text)
        if spans:
            out.append(f'<text xml:space="preserve" y="{MARGIN + number * LINE + FONT:g}">'
                       f'{"".join(spans)}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "contrib" / "postrider.svg"
    if os.geteuid() != 0:
        sys.exit("picture: a private copy of the machine needs root")
    lines = record().lines()
    if len(lines) > ROWS:
        sys.exit(f"picture: {len(lines)} lines are no picture any more, {ROWS} would be")
    path.write_text(draw(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
