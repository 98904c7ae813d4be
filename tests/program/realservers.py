"""Postfix and Exim, as Debian packages them, as smarthosts in a World: submission on port 587 with
STARTTLS, on 465 with TLS from the start, AUTH needed to relay. Every message that such a server
takes is kept as it would go on, one file each, below /srv/received."""

from email import message_from_bytes, policy

USER = "relay@smarthost.example"
PASSWORD = "correct horse; battery \"staple\" #1"

HOSTNAME = "smarthost.example"
TRUST = "/srv/tls/ca.crt"
CERTIFICATE = "/srv/tls/server.crt"
KEY = "/srv/tls/server.key"

SINK = """#!/bin/sh
# Keeps what comes; it appears under its final name when it is whole.
# Postfix names the envelope in arguments, Exim in the environment.
set -eu
from=${1-$SENDER}
to=${2-$LOCAL_PART@$DOMAIN}
file=$(mktemp /srv/received/.XXXXXXXX)
printf 'X-Envelope-From: <%s>\\nX-Envelope-To: <%s>\\n' "$from" "$to" > "$file"
cat >> "$file"
chmod 0644 "$file"
mv "$file" "/srv/received/$(basename "$file" | tr . m)"
"""

POSTFIX_MAIN = f"""
compatibility_level = 3.6
myhostname = {HOSTNAME}
mydestination =
alias_maps =
alias_database =
inet_interfaces = loopback-only
maillog_file = /var/log/postfix.log
default_transport = sink
sink_destination_recipient_limit = 1
smtpd_tls_cert_file = {CERTIFICATE}
smtpd_tls_key_file = {KEY}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = /etc/postfix/sasl
smtpd_sasl_local_domain =
smtpd_sasl_authenticated_header = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
message_size_limit = 20000000
smtputf8_enable = yes
"""

# What any Postfix needs, as in its own master.cf.
POSTFIX_SERVICES = """
pickup     unix  n - n 60 1 pickup
cleanup    unix  n - n - 0 cleanup
qmgr       unix  n - n 300 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - - trivial-rewrite
bounce     unix  - - n - 0 bounce
defer      unix  - - n - 0 bounce
trace      unix  - - n - 0 bounce
verify     unix  - - n - 1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - - proxymap
proxywrite unix  - - n - 1 proxymap
smtp       unix  - - n - - smtp
showq      unix  n - n - - showq
error      unix  - - n - - error
retry      unix  - - n - - error
discard    unix  - - n - - discard
anvil      unix  - - n - 1 anvil
scache     unix  - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
"""

POSTFIX_MASTER = POSTFIX_SERVICES + """\
587        inet  n - n - - smtpd
465        inet  n - n - - smtpd
    -o smtpd_tls_wrappermode=yes
sink       unix  - n n - 4 pipe
    flags=DRX user=nobody argv=/srv/sink ${sender} ${original_recipient}
"""

# Cyrus SASL's own library in smtpd, secrets from sasldb, so that every mechanism works.
POSTFIX_SASL = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: {mechanisms}
"""

EXIM = f"""
primary_hostname = {HOSTNAME}
local_interfaces = <; 127.0.0.1 ; ::1
daemon_smtp_ports = 587 : 465
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = {CERTIFICATE}
tls_privatekey = {KEY}
auth_advertise_hosts = ${{if def:tls_in_cipher {{*}}{{}}}}
smtputf8_advertise_hosts = *
keep_environment =
log_file_path = /var/log/exim4/%slog
message_size_limit = 20M
acl_smtp_rcpt = recipient
begin acl
recipient:
  deny domains = refused.example
       message = 550 5.1.1 no such user
  accept authenticated = *
         control = submission/sender_retain
  deny message = relay not permitted
begin routers
everything:
  driver = accept
  caseful_local_part
  transport = sink
begin transports
sink:
  driver = pipe
  command = /srv/sink
  user = nobody
  return_path_add
  batch_max = 1
  message_prefix =
  message_suffix =
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}\\
                              {{eq{{$auth3}}{{${{readfile{{/srv/password}}}}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{USER}}}}}\\
                              {{eq{{$auth2}}{{${{readfile{{/srv/password}}}}}}}}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{USER}}}{{${{readfile{{/srv/password}}}}}}fail}}
  server_set_id = $auth1
"""


class Received:
    """One message that a smarthost took, with its envelope."""

    def __init__(self, data):
        self.data = data
        self.message = message_from_bytes(data, policy=policy.default)
        self.sender = str(self.message["X-Envelope-From"])[1:-1]
        self.recipient = str(self.message["X-Envelope-To"])[1:-1]
        # What the smarthost itself wrote about how the message came.
        self.trace = str(self.message.get_all("Received")[0])


class Smarthost:
    """What the two have in common."""

    log_path = ""

    def __init__(self, world):
        self.world = world
        world.run(["install", "-d", "-m", "1777", "/srv/received"], check=0)
        world.write("/srv/sink", SINK, 0o755)
        world.shell(f"echo '127.0.0.1 {HOSTNAME}' >> /etc/hosts")
        make_certificates(world)

    def received(self):
        """Everything taken so far, in no order."""
        return [Received(self.world.read(f"/srv/received/{name}"))
                for name in self.world.names("/srv/received")]

    def received_for(self, recipient):
        return [one for one in self.received() if one.recipient == recipient]

    def wait_for(self, recipient, seconds=30):
        """The first message for this recipient, once it is there."""
        try:
            return self.world.wait_until(lambda: self.received_for(recipient), seconds,
                                         f"mail for {recipient}")[0]
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- smarthost\n{self.log()}") from None

    def log(self):
        return self.world.read(self.log_path).decode("utf-8", "backslashreplace")

    def wait_listening(self):
        self.world.wait_until(
            lambda: all(
                self.world.run(["python3", "-c", "import socket, sys\n"
                                "socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)",
                                port]).returncode == 0
                for port in ("587", "465")),
            what="the smarthost's ports")


def make_certificates(world):
    """An authority and a server certificate for HOSTNAME, in /srv/tls."""
    world.shell(f"""
        mkdir -p /srv/tls && cd /srv/tls
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \\
            -subj '/CN=Test authority' -keyout ca.key -out ca.crt 2>/dev/null
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
            -subj '/CN={HOSTNAME}' -keyout server.key -out server.csr 2>/dev/null
        printf 'subjectAltName=DNS:{HOSTNAME}\\nextendedKeyUsage=serverAuth\\n' > extensions
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -set_serial 2 -days 20 \\
            -extfile extensions -out server.crt 2>/dev/null
        chmod 0644 ca.crt server.crt server.key
        chmod 0600 ca.key
    """)


class Postfix(Smarthost):
    log_path = "/var/log/postfix.log"
    PACKAGES = ("postfix", "sasl2-bin", "libsasl2-modules")

    def __init__(self, world, mechanisms="PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256"):
        super().__init__(world)
        world.install_packages(*self.PACKAGES)
        world.write("/etc/postfix/main.cf", POSTFIX_MAIN)
        world.write("/etc/postfix/master.cf", POSTFIX_MASTER)
        self.offer(mechanisms)
        name, realm = USER.split("@")
        world.run(["saslpasswd2", "-c", "-p", "-u", realm, name], stdin=PASSWORD, check=0)
        world.shell("chown postfix /etc/sasldb2")
        world.run(["postfix", "start"], check=0)
        self.wait_listening()

    def offer(self, mechanisms):
        """The AUTH mechanisms from the next connection on that a new smtpd serves."""
        self.world.write("/etc/postfix/sasl/smtpd.conf",
                         POSTFIX_SASL.format(mechanisms=mechanisms))


class Exim(Smarthost):
    log_path = "/var/log/exim4/mainlog"

    def __init__(self, world):
        super().__init__(world)
        world.install_packages("exim4-daemon-light")
        world.write("/srv/password", PASSWORD, 0o640, "root:Debian-exim")
        world.write("/etc/exim4/exim4.conf", EXIM, 0o640, "root:Debian-exim")
        world.run(["exim4", "-bd", "-q30m"], check=0)
        self.wait_listening()
