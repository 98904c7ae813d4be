"""Mail programs on machines of their own, ready for the same work: Postrider and its peers, each in a
World (tests/program/world.py) whose queue and mailboxes are on the real disk.

Each is the package of Debian with the few settings that the work needs; what they leave alone is each
one's default. The smarthost is tests/bench/sink.c at 127.0.0.1 in that machine.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "program"))

from world import World  # noqa: E402  (the path comes first)

BUILD = REPOSITORY / "build"
TOOLS = BUILD / "bench"
CERTIFICATE, KEY, TRUST = "/srv/tls/server.crt", "/srv/tls/server.key", "/srv/tls/ca.crt"
USER, PASSWORD = "bench", "secret"
HOSTNAME = "bench.example"
PORT = 25
RECIPIENTS = 100  # users with a mailbox: u0, u1, ...


class Sink:
    """The smarthost of a machine: Sink(machine, tls=True, delay=20).port; most: connections that it takes at
    once, 0: any number."""

    def __init__(self, machine, tls=False, delay=0, most=0):
        self.delay = delay
        words = [TOOLS / "sink", "-d", str(delay), "-c", str(most), *(["-t", CERTIFICATE, KEY] if tls else [])]
        self.process = subprocess.Popen(machine.world.argv(words), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def read(self):
        """(messages, connections) so far."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        return int(words[1]), int(words[5])

    def close(self):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Machine:
    """What all have in common. Their commands run in the machine as root unless it says otherwise."""

    name = ""
    packages = ()
    daemons = ()  # names of processes that work while nobody waits for them
    spool = ""  # folders below it are the queue
    queues = True  # there is a queue at all
    countable = True  # valgrind can follow all that a submission starts
    submit = ()  # queues a message for the address behind it, and does no more

    def __init__(self, disk):
        """disk: a folder on the disk that is measured; ours is made in it, and removed at the end."""
        self.disk = Path(disk) / self.name
        shutil.rmtree(self.disk, ignore_errors=True)
        self.world = World(HOSTNAME)
        self.started = []
        try:
            self._bind()
            self._prepare()
            self.install()
        except BaseException:
            self.close()
            raise

    def _bind(self):
        """/var/spool and /var/mail are folders of the disk: all else is in memory."""
        for path in ("/var/spool", "/var/mail"):
            here = self.disk / path.strip("/").replace("/", "-")
            here.mkdir(parents=True)
            target = f"{self.world.folder}/root{path}"
            subprocess.run(["nsenter", "-t", str(self.world.init), "-m", "mount", "--bind", here,
                            target], check=True)
        self.world.shell("chmod 2775 /var/mail; chgrp mail /var/mail; ln -s ../mail /var/spool/mail")

    def _prepare(self):
        self.world.shell(f"""
            mkdir -p /srv/tls && cd /srv/tls
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \\
                -subj '/CN=Test authority' -keyout ca.key -out ca.crt 2>/dev/null
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
                -subj '/CN=localhost' -keyout server.key -out server.csr 2>/dev/null
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nextendedKeyUsage=serverAuth\\n' > ext
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -set_serial 2 -days 20 \\
                -extfile ext -out server.crt 2>/dev/null
            chmod 0644 ca.crt server.crt
            chmod 0640 server.key
            for i in $(seq 0 {RECIPIENTS - 1}); do echo "u$i:x:$((20000 + i)):100::/srv:/bin/sh"; done \\
                >> /etc/passwd
        """)
        self.world.add_user("ada")
        if self.packages:
            self.world.install_packages(*self.packages, folder=TOOLS / "packages")

    # --- what each does in its own way ---

    def install(self):
        """Settings for submissions that are queued only."""

    def relay_to(self, sink, tls=False, connections=None):
        """Settings for a smarthost; connections: at once, None: as many as it likes."""

    def begin(self):
        """Starts to send all that is queued; comes back soon, or when it is done."""

    def end(self):
        """Stops what begin left running."""

    def listen(self, tls=False):
        """Takes mail for anybody on port 25 from now on, and keeps it in the queue."""

    def deliver_here(self):
        """Settings for mail to this machine's users."""

    rebuild = ()  # makes a database of /etc/aliases; (): it has none
    lookup = ()  # where mail for "a%u" would go, by a program that ends with the answer
    mailq = ("mailq",)
    run_due = ()  # a queue run that sends what is due, and ends

    def clear(self):
        """Forgets all that is queued, and listens no more."""

    # --- ---

    def forget(self, *folders):
        """Removes the files in these folders of the queue."""
        for folder in folders:
            for path in self.outside(self.spool).joinpath(folder).rglob("*"):
                if path.is_file() and ".lock" not in path.name:
                    path.unlink()

    def start(self, argv, **options):
        process = subprocess.Popen(self.world.argv(argv), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        self.started.append(process)
        return process

    def stop_started(self):
        """Ends what start has left, and the daemons: each by its own process id, inside."""
        running = [process for process in self.started if process.poll() is None]
        if running:
            self.world.run(["kill", *map(str, self.pids())])
        for process in running:
            process.wait(60)
        self.started = []

    def pids(self):
        """Of the daemons, inside."""
        found = []
        for line in self.world.run(["ps", "-eo", "pid=,comm="]).out.splitlines():
            pid, command = line.split(None, 1)
            if any(command.startswith(name[:15]) for name in self.daemons):
                found.append(int(pid))
        return found

    def daemon_seconds(self):
        """Processor time of the daemons and what they have waited for."""
        total = 0
        for pid in self.pids():
            text = self.world.read(f"/proc/{pid}/stat").decode()
            if text:
                total += sum(map(int, text.rpartition(")")[2].split()[11:15]))
        return total / os.sysconf("SC_CLK_TCK")

    def stop_daemons(self):
        """Ends what listens, by its own process ids, and waits for that."""
        pids = self.pids()
        if pids:
            self.world.run(["kill", *map(str, pids)])
        self.world.wait_until(lambda: not self.pids(), what=f"the end of {self.name}")

    def outside(self, path):
        """A folder of the disk, /var/spool or /var/mail or below, as it is called out here."""
        _, var, place, *rest = path.split("/")
        return self.disk.joinpath(f"{var}-{place}", *rest)

    def settle(self):
        """Waits until the daemons have done what follows from what they were given."""

    def spawn(self, count, argv, file="/srv/message", user="ada"):
        """Runs it so often; seconds until the last has ended, processor seconds of these and of what the
        daemons then still do, most memory of one of these in KB."""
        before = self.daemon_seconds()
        done = self.world.run([TOOLS / "spawn", str(count), file, *argv], user=user, timeout=3600)
        assert done.returncode == 0, f"{self.name}: {done.err[:500]}"
        self.settle()
        clock, processor, memory = done.out.split()
        return float(clock), float(processor) + self.daemon_seconds() - before, int(memory)

    def fill(self, count, address="u%u@example.net", file="/srv/message"):
        """Queues so many messages."""
        return self.spawn(count, [*self.submit, address], file)

    def wait_mailboxes(self, count, names, seconds):
        """
        Until that many messages of /srv/message are in the mailboxes, or the time is up: how many there
        are. It looks at the sizes of the files, and reads them only when these may be all.
        """
        boxes = [self.outside(f"/var/mail/{name}") for name in names]
        least = count * len(self.world.read("/srv/message"))
        deadline = time.monotonic() + seconds
        def size():
            return sum(box.stat().st_size for box in boxes if box.exists())
        def messages():
            return sum(box.read_bytes().count(b"\nX-Bench: ") for box in boxes if box.exists())
        while time.monotonic() < deadline:
            if (now := size()) >= least:
                reached = messages()
                if reached >= count:
                    return reached
                # Each is a little longer there than it was; half of one less, for not all are as long.
                least = max(now + 1, int((count - 0.5) * now / reached)) if reached else now + 1
            time.sleep(0.01)
        return messages()

    def write_message(self, size=4096):
        head = "From: ada@bench.example\nSubject: a message of a bench\nX-Bench: 1\n\n"
        line = "a line of a message that is as long as people write them, or nearly so\n"
        body = line * (max(size - len(head), 0) // len(line) + 1)
        self.world.write("/srv/message", (head + body)[:size - 1] + "\n")

    def close(self):
        if hasattr(self, "world"):
            self.world.close()
        shutil.rmtree(self.disk, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# Until its standard input ends there is a runner at work already, and no other one begins.
BE_RUNNER = """
import fcntl, sys
with open("/var/spool/postrider/run.lock", "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


class Postrider(Machine):
    name = "postrider"
    daemons = ("postrider-run", "postrider-liste")
    spool = "/var/spool/postrider"
    submit = ("/usr/sbin/sendmail", "-odq")
    rebuild = ("newaliases",)
    lookup = ("postrider", "route", "a%u")
    run_due = ("/usr/sbin/sendmail", "-q")

    def install(self):
        self.signs = False  # what is relayed over TLS
        self.runner = None  # who keeps others from being it
        self.world.make("install")
        self.world.shell(f"""
            mkdir -p /etc/postrider/dkim && cd /etc/postrider/dkim
            openssl genrsa -out {HOSTNAME}.pem 2048 2>/dev/null
            chown -R postrider:postrider .
            chmod 0600 {HOSTNAME}.pem
        """)
        self.configure()

    def configure(self, text=""):
        self.world.write("/etc/postrider/postrider.conf",
                         f"[mail]\nlocal_domains = localhost, {HOSTNAME}\n"
                         f"max_message_size = 2G\n{text}")
        self.world.write("/etc/postrider/credentials.conf",
                         f"[smarthost]\npassword = {PASSWORD}\n" if "\nuser" in text else "", 0o600,
                         "postrider:postrider")

    def relay_to(self, sink, tls=False, connections=None):
        lines = [f"host = localhost:{sink.port}"]
        lines += [f"user = {USER}", f"tls_trust = {TRUST}"] if tls else ["tls = off", "auth = off"]
        if connections:
            lines.append(f"connections = {connections}")
        if self.signs:
            lines.append(f'[dkim "{HOSTNAME}"]')
        self.configure("[smarthost]\n" + "\n".join(lines) + "\n")

    def begin(self):
        self.start(["/usr/sbin/sendmail", "-q"])

    def end(self):
        self.stop_started()

    def be_runner(self):
        self.world.run(self.run_due, check=0)  # makes the file
        self.runner = subprocess.Popen(self.world.argv(["python3", "-c", BE_RUNNER]),
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.runner.stdout.readline() == b"held\n"

    def stop_runner(self):
        if self.runner:
            self.runner.communicate()
            self.runner = None

    def listen(self, tls=False):
        self.stop_daemons()
        self.stop_runner()
        self.be_runner()
        # What is queued stays there, as with Postfix: no queue run looks at it.
        self.configure('[route "example.net"]\nvia = hold\n'
                       "[listen]\naddress = 127.0.0.1:25\nmax_connections_per_client = 100\n"
                       + (f"tls = starttls\ntls_certificate = {CERTIFICATE}\ntls_key = {KEY}\n"
                          if tls else "tls = off\n"))
        self.world.run(["postrider", "serve"], check=0)

    def deliver_here(self):
        self.configure()

    def clear(self):
        self.stop_daemons()
        self.stop_runner()
        self.forget("spool", "journal", "hops")


class Postfix(Machine):
    name = "postfix"
    packages = ("postfix", "libsasl2-modules")
    daemons = ("master", "pickup", "cleanup", "qmgr", "smtp", "smtpd", "local", "trivial-rewrite",
               "bounce", "error", "tlsmgr", "anvil", "scache", "proxymap", "postlogd")
    spool = "/var/spool/postfix"
    submit = ("/usr/sbin/sendmail",)
    rebuild = ("newaliases",)
    lookup = ("postmap", "-q", "a%u", "hash:/etc/aliases")

    def install(self):
        self.loaded = None
        self.settings = {
            "compatibility_level": "3.6", "myhostname": HOSTNAME, "mydestination": f"{HOSTNAME}, localhost",
            "inet_interfaces": "loopback-only", "alias_maps": "hash:/etc/aliases",
            "maillog_file": "/var/log/postfix.log", "mailbox_size_limit": "0",
            "message_size_limit": "0", "defer_transports": "smtp, local",
            # All that it takes is put on hold, by cleanup: qmgr hears nothing of it.
            "header_checks": "static:HOLD"}
        self.world.run(["newaliases"])
        self.configure()
        self.world.run(["postfix", "start"], check=0)

    def configure(self, **more):
        self.settings.update(more)
        self.world.write("/etc/postfix/main.cf",
                         "".join(f"{key} = {value}\n" for key, value in self.settings.items()))

    def reload(self):
        """It takes some seconds until all of its processes are new."""
        if self.settings != self.loaded:
            self.world.run(["postfix", "reload"], check=0)
            time.sleep(1)
            self.loaded = dict(self.settings)

    def settle(self):
        """Until pickup and cleanup have put all of it aside."""
        queue = self.outside(self.spool)
        def idle():
            return not any(any(os.scandir(queue / name)) for name in ("maildrop", "incoming"))
        self.world.wait_until(idle, 900, "Postfix's queue")

    def release(self):
        """What was held is to be sent when begin says so."""
        self.world.run(["postsuper", "-H", "ALL"])

    def relay_to(self, sink, tls=False, connections=None):
        hop = f"[127.0.0.1]:{sink.port}"
        self.world.write("/etc/postfix/password", f"{hop} {USER}:{PASSWORD}\n")
        more = {"relayhost": hop, "defer_transports": "",
                "smtp_tls_security_level": "encrypt" if tls else "none",
                "smtp_sasl_auth_enable": "yes" if tls else "no",
                "smtp_sasl_password_maps": "texthash:/etc/postfix/password",
                "smtp_sasl_security_options": "noanonymous"}
        if connections:
            more["smtp_destination_concurrency_limit"] = connections
        else:
            self.settings.pop("smtp_destination_concurrency_limit", None)
        self.configure(**more)
        self.reload()
        self.release()

    def begin(self):
        self.world.run(["postqueue", "-f"], check=0)

    def end(self):
        self.configure(defer_transports="smtp, local")
        self.reload()

    def listen(self, tls=False):
        self.configure(defer_transports="smtp, local", smtpd_client_connection_count_limit=0,
                       smtpd_tls_security_level="may" if tls else "none",
                       smtpd_tls_cert_file=CERTIFICATE, smtpd_tls_key_file=KEY)
        self.reload()

    def deliver_here(self):
        self.configure(defer_transports="")
        self.reload()
        self.release()

    def clear(self):
        self.configure(defer_transports="smtp, local")
        self.reload()
        self.world.run(["postsuper", "-d", "ALL"], check=0)

    def close(self):
        self.world.run(["postfix", "stop"])
        super().close()


EXIM = """
primary_hostname = {hostname}
local_interfaces = 127.0.0.1
queue_only = true
queue_only_override = false
accept_8bitmime = true
message_size_limit = 0
smtp_accept_max = 200
smtp_accept_max_per_connection = 0
log_file_path = /var/log/exim4/%slog
keep_environment =
{tls}
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
aliases:
  driver = redirect
  domains = {hostname} : localhost
  data = ${{lookup{{$local_part}}lsearch{{/etc/aliases}}}}
here:
  driver = accept
  domains = {hostname} : localhost
  check_local_user
  transport = mailbox
there:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = relay
begin transports
mailbox:
  driver = appendfile
  file = /var/mail/$local_part_data
  group = mail
  mode = 0660
relay:
  driver = smtp
  port = {port}
  {relay}
begin retry
* * F,2h,1h
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^{user}^{password}
"""


class Exim(Machine):
    name = "exim"
    packages = ("exim4-daemon-light",)
    countable = False  # starts itself anew as another user, who may not write what root began
    daemons = ("exim4",)
    spool = "/var/spool/exim4"
    submit = ("/usr/sbin/sendmail", "-odq")
    lookup = ("exim4", "-bt", f"a%u@{HOSTNAME}")
    run_due = ("exim4", "-q")

    def install(self):
        self.configure()

    def configure(self, port=PORT, relay="", tls=""):
        self.world.write("/etc/exim4/exim4.conf",
                         EXIM.format(hostname=HOSTNAME, port=port, relay=relay, tls=tls, user=USER,
                                     password=PASSWORD), 0o640, "root:Debian-exim")

    def relay_to(self, sink, tls=False, connections=None):
        relay = ("hosts_require_tls = *\n  hosts_require_auth = *\n  tls_verify_certificates ="
                 if tls else "hosts_avoid_tls = *")
        self.configure(sink.port, relay)
        # Which one is faster: messages a connection each, or first all routed and then in one connection.
        self.run_all = "-qqf" if sink.delay else "-qf"

    def begin(self):
        self.start(["exim4", self.run_all])

    def end(self):
        self.stop_started()

    def listen(self, tls=False):
        self.configure(tls=f"tls_advertise_hosts = *\ntls_certificate = {CERTIFICATE}\n"
                           f"tls_privatekey = {KEY}" if tls else "tls_advertise_hosts =")
        self.stop_daemons()
        self.world.shell(f"chgrp Debian-exim {KEY}")
        self.world.run(["exim4", "-bd", "-oX", str(PORT)], check=0)

    def deliver_here(self):
        self.configure()
        self.run_all = "-qf"

    def clear(self):
        self.stop_daemons()
        self.forget("input", "msglog", "db")


class Dma(Machine):
    name = "dma"
    packages = ("dma",)
    countable = False  # becomes another user, as exim does
    daemons = ("dma",)
    spool = "/var/spool/dma"
    submit = ("/usr/sbin/dma",)

    def install(self):
        self.configure("DEFER\n")

    def configure(self, text):
        self.world.write("/etc/dma/dma.conf", f"MAILNAME {HOSTNAME}\nALIASES /etc/aliases\n{text}")

    def relay_to(self, sink, tls=False, connections=None):
        text = f"DEFER\nSMARTHOST 127.0.0.1\nPORT {sink.port}\n"
        if tls:
            text += "SECURETRANSFER\nSTARTTLS\nAUTHPATH /etc/dma/auth.conf\n"
            self.world.write("/etc/dma/auth.conf", f"{USER}|127.0.0.1:{PASSWORD}\n", 0o640,
                             "root:mail")
        self.configure(text)

    def begin(self):
        self.start(["/usr/sbin/dma", "-q"])

    def end(self):
        self.stop_started()

    def deliver_here(self):
        self.configure("DEFER\n")

    def clear(self):
        self.forget("")


class Nullmailer(Machine):
    name = "nullmailer"
    packages = ("nullmailer",)
    daemons = ("nullmailer-send", "smtp")
    spool = "/var/spool/nullmailer"
    submit = ("/usr/sbin/sendmail",)

    def install(self):
        self.world.write("/etc/nullmailer/me", f"{HOSTNAME}\n")
        self.world.write("/etc/nullmailer/remotes", "", 0o640, "mail:mail")

    def relay_to(self, sink, tls=False, connections=None):
        options = f" --starttls --insecure --user={USER} --pass={PASSWORD}" if tls else ""
        self.world.write("/etc/nullmailer/remotes", f"127.0.0.1 smtp --port={sink.port}{options}\n",
                         0o640, "mail:mail")

    def begin(self):
        self.start(["setpriv", "--reuid=mail", "--regid=mail", "--clear-groups",
                    "nullmailer-send"])

    def end(self):
        self.stop_started()

    def clear(self):
        self.forget("queue", "tmp")


class OpenSmtpd(Machine):
    name = "opensmtpd"
    packages = ("opensmtpd",)
    daemons = ("smtpd",)
    countable = False  # its sendmail ends when it has not its group
    spool = "/var/spool/smtpd"
    submit = ("/usr/sbin/sendmail",)
    rebuild = ("newaliases",)
    mailq = ("smtpctl", "show", "queue")

    def install(self):
        self.daemon = None
        self.run()

    def run(self, relay="smtp://127.0.0.1:1", listen="", paused=True, options=""):
        self.stop()
        if "auth" in options:
            self.world.write("/etc/secrets", f"relay {USER}:{PASSWORD}\n", 0o640, "root:opensmtpd")
        self.world.write("/etc/smtpd.conf", f"""
table aliases file:/etc/aliases
table secrets file:/etc/secrets
smtp max-message-size 2G
{listen or 'listen on socket'}
action "there" relay host {relay} {options}
action "here" mbox alias <aliases>
match from any for local action "here"
match from any for any action "there"
""")
        self.world.shell("test -e /etc/secrets || : > /etc/secrets")
        self.daemon = self.start(["smtpd", "-F"])
        self.world.wait_until(lambda: self.world.run(["smtpctl", "show", "status"]).returncode == 0,
                              what="smtpd")
        if paused:
            self.world.run(["smtpctl", "pause", "mta"], check=0)
            self.world.run(["smtpctl", "pause", "mda"], check=0)

    def stop(self):
        self.stop_started()
        self.world.wait_until(lambda: not self.pids(), what="the end of smtpd")

    def relay_to(self, sink, tls=False, connections=None):
        self.run(f"smtp+tls://relay@127.0.0.1:{sink.port}" if tls
                 else f"smtp+notls://127.0.0.1:{sink.port}",
                 options="auth <secrets> tls no-verify" if tls else "")

    def begin(self):
        self.world.run(["smtpctl", "resume", "mta"], check=0)
        self.world.run(["smtpctl", "resume", "mda"], check=0)
        self.world.run(["smtpctl", "schedule", "all"])

    def end(self):
        self.world.run(["smtpctl", "pause", "mta"], check=0)
        self.world.run(["smtpctl", "pause", "mda"], check=0)

    def settle(self):
        """Until its daemons use no more time."""
        before, now = -1, self.daemon_seconds()
        while now > before:
            time.sleep(0.1)
            before, now = now, self.daemon_seconds()

    def listen(self, tls=False):
        pki = f'pki bench cert "{CERTIFICATE}"\npki bench key "{KEY}"\n' if tls else ""
        self.run(listen=f"{pki}listen on socket\nlisten on lo port {PORT}"
                        + (" tls pki bench" if tls else ""))

    def clear(self):
        self.stop()
        self.forget("queue")
        for folder in sorted(self.outside(self.spool).joinpath("queue").rglob("*"), reverse=True):
            folder.rmdir()
        self.run()


class Msmtp(Machine):
    """Has no queue: each submission is its own way to the smarthost."""

    name = "msmtp"
    packages = ("msmtp",)
    queues = False

    def relay_to(self, sink, tls=False, connections=None):
        lines = ["account default", "host 127.0.0.1", f"port {sink.port}", f"from ada@{HOSTNAME}",
                 f"tls {'on' if tls else 'off'}"]
        if tls:
            lines += ["tls_certcheck off", "auth plain", f"user {USER}", f"password {PASSWORD}"]
        self.world.write("/etc/msmtprc", "\n".join(lines) + "\n", 0o644)

    def fill(self, count, address="u%u@example.net", file="/srv/message"):
        return 0, 0, 0

    submit = ("msmtp",)


PEERS = (Postfix, Exim, Dma, Nullmailer, OpenSmtpd, Msmtp)
EVERYBODY = (Postrider, *PEERS)
