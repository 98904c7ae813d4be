"""Mail filters that speak the milter protocol, as Debian packages them, in a World: rspamd,
SpamAssassin behind spamass-milter, OpenDKIM, ClamAV. Each is set up as the README says; what there is
here besides only keeps them from a network that a World has not, or makes them start sooner."""

import re

# What makes spam of a message for every filter that knows this test.
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
# What makes a virus of it, for a ClamAV that knows nothing but this.
VIRUS, VIRUS_NAME = b"postrider-tests-take-this-for-a-virus", "Postrider.Test.Signature"
# What SpamAssassin here does not like, without taking it for spam that is to be refused.
SUSPICIOUS = "some words that are not liked here"


class Filter:
    """
    .milter is what the settings call it, .recipe the lines that the README has: path -> text.
    start() comes back when it takes connections.
    """

    packages = ()
    milter = ""
    recipe = {}
    programs = ()  # what runs while it does

    def __init__(self, world):
        self.world = world
        for path, text in self.recipe.items():
            self.set(path, text)
        self.prepare()

    def set(self, path, text):
        """Lines of a file of Debian's, instead of those that begin with the same word, if any do."""
        lines = self.world.read(path).decode().splitlines()
        for line in text.splitlines():
            word = re.match(r"\w+", line).group()
            lines = [old for old in lines if not re.match(rf"{word}\b", old)] + [line]
        self.world.write(path, "\n".join(lines) + "\n")

    def prepare(self):
        """What the recipe does not say."""

    def start(self):
        self.launch()
        self.wait_for(self.milter)

    def restart(self):
        self.stop()
        self.start()

    def launch(self):
        raise NotImplementedError

    def wait_for(self, address):
        """Until somebody takes connections there."""
        kind, _, place = address.partition(":")
        if kind == "unix":
            script = f"socket.socket(socket.AF_UNIX).connect({place!r})"
        else:
            host, _, port = place.rpartition(":")
            script = f"socket.create_connection(({host!r}, {port}), 5)"
        argv = ["python3", "-c", f"import socket\n{script}"]
        self.world.wait_until(lambda: self.world.run(argv).returncode == 0, what=address)

    def stop(self):
        """At once: libmilter would take some seconds to end in peace."""
        self.kill(*self.programs)

    def kill(self, *programs):
        def alive():
            return [str(pid) for name in programs for pid in self.world.processes(name)]

        self.world.run(["kill", "-9", *alive()], check=0)
        self.world.wait_until(lambda: not alive(), what=f"the end of {programs}")


class Rspamd(Filter):
    packages = ("rspamd",)
    milter = "inet:127.0.0.1:11332"
    recipe = {"/etc/rspamd/local.d/milter_headers.conf": "extended_spam_headers = true;\n"}
    programs = ("rspamd",)

    def prepare(self):
        local = "/etc/rspamd/local.d"
        # Its list of top-level domains takes ten seconds to compile, its regular expressions as long.
        self.world.write("/etc/rspamd/tld", "example\ncom\n")
        self.world.write(f"{local}/options.inc", 'url_tld = "/etc/rspamd/tld";\n'
                         "disable_hyperscan = true;\ndisable_monitoring = true;\n")
        for module in ("rbl", "fuzzy_check", "asn", "multimap"):
            self.world.write(f"{local}/{module}.conf", "enabled = false;\n")
        # One process that does it all.
        for worker in ("normal", "controller"):
            self.world.write(f"{local}/worker-{worker}.inc", "enabled = false;\n")
        self.world.write(f"{local}/worker-proxy.inc",
                         'upstream "local" {\n  default = yes;\n  self_scan = yes;\n}\n')

    def launch(self):
        self.world.shell("mkdir -p /run/rspamd; rspamd -u _rspamd -g _rspamd")


class SpamAssassin(Filter):
    packages = ("spamass-milter", "spamd")
    milter = "unix:/run/spamass/spamass.sock"
    recipe = {"/etc/default/spamass-milter": """\
OPTIONS="-u spamass-milter -r 15"
SOCKET=/run/spamass/spamass.sock
SOCKETOWNER=spamass-milter:postrider
SOCKETMODE=0660
"""}
    programs = ("spamass-milter", "spamd")

    def prepare(self):
        self.world.write("/etc/spamassassin/local.cf", f"use_bayes 0\nbody SUSPICIOUS /{SUSPICIOUS}/\nscore SUSPICIOUS 8\n")

    def launch(self):
        # -L: nothing that needs a network.
        self.world.shell("spamd -d -L -m 2 --pidfile=/run/spamd.pid\n"
                         "/etc/init.d/spamass-milter start")
        self.wait_for("inet:127.0.0.1:783")


class OpenDkim(Filter):
    packages = ("opendkim",)
    milter = "inet:127.0.0.1:8891"
    recipe = {"/etc/opendkim.conf": """\
Socket      inet:8891@localhost
Domain      example.org
Selector    mail
KeyFile     /etc/dkimkeys/example.org.pem
"""}
    programs = ("opendkim",)

    def prepare(self):
        # It would ask the root servers, and compare what they say.
        self.world.shell("sed -i '/^TrustAnchorFile/d' /etc/opendkim.conf\n"
                         "echo 'Nameservers 127.0.0.1' >> /etc/opendkim.conf\n"
                         "install -d -o opendkim -g opendkim /run/opendkim\n"
                         "cd /etc/dkimkeys\n"
                         "openssl genrsa -out example.org.pem 2048 2>/dev/null\n"
                         "chown opendkim example.org.pem; chmod 600 example.org.pem")

    def record(self):
        """What the DNS is to have at mail._domainkey.example.org."""
        key = self.world.shell("openssl rsa -in /etc/dkimkeys/example.org.pem -pubout 2>/dev/null")
        return "v=DKIM1; k=rsa; p=" + "".join(key.out.splitlines()[1:-1])

    def launch(self):
        self.world.shell("opendkim")


class ClamAv(Filter):
    packages = ("clamav-daemon", "clamav-milter")
    milter = "unix:/run/clamav/clamav-milter.ctl"
    programs = ("clamav-milter", "clamd")

    def prepare(self):
        # All that it knows: its own lists cannot be downloaded here.
        self.world.write("/var/lib/clamav/test.ndb", f"{VIRUS_NAME}:0:*:{VIRUS.hex()}\n")
        self.world.shell("install -d -o clamav -g clamav /run/clamav")

    def use(self, text):
        """Lines of its settings."""
        self.set("/etc/clamav/clamav-milter.conf", text)
        self.restart()

    def launch(self):
        # On their own way into the background they may wait for ever.
        self.world.shell("clamd --foreground=true &")
        # A milter that does not find it looks again much later.
        self.wait_for("unix:/run/clamav/clamd.ctl")
        self.world.shell("clamav-milter --foreground=true &")
