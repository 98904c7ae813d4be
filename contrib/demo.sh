#!/bin/sh
# `make demo`: one message on its whole way, in a folder of its own; the machine's mail is not
# touched. The programs are those just built; the smarthost is contrib/smarthost.py.
set -eu
cd "$(dirname "$0")/.."

build=$PWD/${BUILD:-build}
demo=$build/demo
me=$(id -un)
smarthost=

stop() {
    # Closing its standard input ends the smarthost.
    exec 9>&-
    [ -z "$smarthost" ] || wait "$smarthost" || true
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

rm -rf "$demo"
mkdir -p "$demo/mail" "$demo/received"

# --- A smarthost with a certificate for the name localhost ---
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$demo/smarthost.key" -out "$demo/smarthost.crt" \
    2>"$demo/openssl.log" || {
    cat "$demo/openssl.log" >&2
    exit 1
}
mkfifo "$demo/input" "$demo/output"
python3 contrib/smarthost.py "$demo/received" "$demo/smarthost.crt" "$demo/smarthost.key" \
    demo "a;secret #1" <"$demo/input" >"$demo/output" &
smarthost=$!
exec 9>"$demo/input"
read -r port <"$demo/output"

# --- Settings as anybody's, who has no privilege ---
cat >"$demo/postrider.conf" <<END
[mail]
hostname = demo.example
domain = demo.example
local_domains = demo.example, localhost
aliases = $demo/aliases
mailbox_directory = $demo/mail
log_file = $demo/log

[smarthost]
host = localhost:$port
tls = starttls
tls_trust = $demo/smarthost.crt
user = demo

[queue]
directory = $demo/queue
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

title "1. A message is handed to sendmail"
cat "$demo/message"
echo
show "$build/newaliases" -C "$demo/postrider.conf"
printf '$ %s <%s\n' "$build/sendmail -C $demo/postrider.conf -t" "$demo/message"
"$build/sendmail" -C "$demo/postrider.conf" -t <"$demo/message"
echo "exit status $?: it is on disk, and a runner in the background takes it from here"

# Until the queue is empty, at most 30 seconds.
tries=300
while [ -n "$(ls "$demo/queue/spool" 2>/dev/null)" ] && [ "$tries" -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
done

title "2. The local mailbox, where the alias ends: $demo/mail/$me"
cat "$demo/mail/$me"

title "3. What the smarthost received, over STARTTLS and AUTH: $demo/received"
for file in "$demo/received"/*; do
    cat "$file"
done

title "4. The queue"
show "$build/mailq" -C "$demo/postrider.conf"

title "5. The log: $demo/log"
cat "$demo/log"

# --- Is it what we said? ---
fail() {
    echo "demo: $1" >&2
    exit 1
}
grep -q "Postrider carries this" "$demo/mail/$me" || fail "the mailbox lacks the message"
for recipient in ada@example.org grace@example.net hidden@example.com; do
    grep -q "^RCPT TO:<$recipient>" "$demo/received"/* || fail "$recipient was not reached"
done
if grep -qi "^bcc:" "$demo/mail/$me" "$demo/received"/*; then
    fail "Bcc: was not taken out"
fi
if grep -q secret "$demo/log"; then
    fail "the password is in the log"
fi
title "Everything arrived. The whole demo is below $demo"
