#!/bin/sh
# `make demo`: one message on its whole way, in a folder of its own; the machine's mail is not
# touched. The programs are those just built. The smarthost is Postrider as well: a second one, with
# a folder of its own, that takes mail only over TLS and from those who sign in.
set -eu
cd "$(dirname "$0")/.."

build=${BUILD:-build}
demo=$build/demo
smarthost=$demo/smarthost
me=$(id -un)

stop() {
    lock=$smarthost/queue/listen.lock
    if [ -s "$lock" ]; then
        kill "$(cat "$lock")" 2>/dev/null || true
    fi
}
trap stop EXIT

title() {
    printf '\n\033[1m%s\033[0m\n' "$1"
}

# Runs a command, shown as one would type it.
show() {
    printf '$ %s\n' "$*"
    "$@"
}

fail() {
    echo "demo: $1" >&2
    exit 1
}

rm -rf "$demo"
mkdir -p "$demo/mail" "$smarthost/mail"

title "1. A smarthost: Postrider that listens, with STARTTLS and AUTH"
cat >"$smarthost/aliases" <<END
# Whoever is written to there, one mailbox has it all.
@example.org: $me
@example.net: $me
@example.com: $me
END

# $1: the port.
write_smarthost() {
    cat >"$smarthost/postrider.conf" <<END
[mail]
hostname = smarthost.example
local_domains = example.org, example.net, example.com
aliases = aliases
mailbox_directory = mail
log_file = log

[listen]
address = 127.0.0.1:$1
tls = starttls
tls_certificate = tls.crt
tls_key = tls.key
users = users
require_tls = yes
require_auth = yes
relay_networks =

[queue]
directory = queue
END
}

port=$((20000 + $$ % 10000))
write_smarthost "$port"
show sh contrib/make-certificate.sh -d "$smarthost" -g "$(id -g)" localhost
printf '$ %s <password\n' "$build/postrider passwd -C $smarthost/postrider.conf demo"
printf '%s\n' 'a;secret #1' | "$build/postrider" passwd -C "$smarthost/postrider.conf" demo
# Somebody may have the port: then the next one. It is bound when this returns.
tries=20
until "$build/postrider" serve -C "$smarthost/postrider.conf" 2>"$smarthost/words"; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ] || ! grep -q "another program" "$smarthost/words"; then
        fail "no listener: $(cat "$smarthost/words")"
    fi
    port=$((port + 1))
    write_smarthost "$port"
done
printf '$ %s\n' "$build/postrider serve -C $smarthost/postrider.conf"
echo "it listens at 127.0.0.1:$port"

# --- Settings as anybody's, who has no privilege ---
cat >"$demo/postrider.conf" <<END
[mail]
hostname = demo.example
domain = demo.example
local_domains = demo.example, localhost
aliases = aliases
mailbox_directory = mail
log_file = log

[smarthost]
host = localhost:$port
tls = starttls
tls_trust = smarthost/tls.crt
user = demo

[queue]
directory = queue
END
cat >"$demo/credentials.conf" <<END
[smarthost]
password = a;secret #1
END
chmod 600 "$demo/credentials.conf"
echo "helpdesk: $me" >"$demo/aliases"

# --- The message ---
cat >"$demo/message" <<END
From: Demo <$me@demo.example>
To: helpdesk@demo.example, Ada <ada@example.org>
Cc: Grace <grace@example.net>
Bcc: hidden@example.com
Subject: Postrider carries this

A message to an alias, to two people elsewhere, and to somebody they do not know of.
END

title "2. A message is handed to sendmail"
cat "$demo/message"
echo
show "$build/newaliases" -C "$demo/postrider.conf"
printf '$ %s <%s\n' "$build/sendmail -C $demo/postrider.conf -t" "$demo/message"
"$build/sendmail" -C "$demo/postrider.conf" -t <"$demo/message"
echo "exit status $?: it is on disk, and a runner in the background takes it from here"

# Until both queues are empty, at most 30 seconds.
tries=300
while [ -n "$(ls "$demo/queue/spool" "$smarthost/queue/spool" | grep -v :)" ] &&
    [ "$tries" -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
done

title "3. The local mailbox, where the alias ends: $demo/mail/$me"
cat "$demo/mail/$me"

title "4. The mailbox at the smarthost: $smarthost/mail/$me"
cat "$smarthost/mail/$me"

title "5. The queue"
show "$build/mailq" -C "$demo/postrider.conf"

title "6. Our log: $demo/log"
cat "$demo/log"

title "7. The smarthost's log, with TLS and the name that signed in: $smarthost/log"
cat "$smarthost/log"

# --- Is it what we said? ---
grep -q "Postrider carries this" "$demo/mail/$me" || fail "the mailbox lacks the message"
for recipient in ada@example.org grace@example.net hidden@example.com; do
    grep -q " routed to=$recipient " "$smarthost/log" || fail "$recipient was not reached"
done
grep -q " received .*proto=ESMTPSA.* user=demo" "$smarthost/log" || fail "nobody signed in over TLS"
if grep -qi "^bcc:" "$demo/mail/$me" "$smarthost/mail/$me"; then
    fail "Bcc: was not taken out"
fi
if grep -q secret "$demo/log" "$smarthost/log"; then
    fail "the password is in a log"
fi
title "Everything arrived. The whole demo is below $demo"
