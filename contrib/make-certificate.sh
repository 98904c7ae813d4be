#!/bin/sh
# Makes a key and a certificate signed by itself, for the listener to begin with:
#
#     sh contrib/make-certificate.sh [-d FOLDER] [-g GROUP] [HOST...]
#
# FOLDER/tls.crt and FOLDER/tls.key (/etc/postrider) are for these host names or addresses, by
# default for this machine's full name. The key is for root and GROUP (postrider) alone. Nothing is
# ever overwritten. Who connects cannot tell such a certificate from an impostor's: most mail
# servers take any, programs that sign in want one from an authority (contrib/certbot-hook.sh).
set -eu

usage() {
    echo "usage: sh make-certificate.sh [-d FOLDER] [-g GROUP] [HOST...]" >&2
    exit 64
}

die() {
    status=$1
    shift
    echo "make-certificate: $*" >&2
    exit "$status"
}

folder=/etc/postrider group=postrider
while getopts d:g: option; do
    case $option in
    d) folder=$OPTARG ;;
    g) group=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- "$(hostname -f)"

command -v openssl >/dev/null || die 69 "openssl is missing: apt-get install openssl"
[ -d "$folder" ] || die 73 "there is no folder $folder: is Postrider installed?"
for file in "$folder/tls.crt" "$folder/tls.key"; do
    if [ -e "$file" ] || [ -L "$file" ]; then
        die 73 "$file is there already; move it away first"
    fi
done

names=
for host; do
    case $host in
    '' | -* | *[!A-Za-z0-9.:*-]*)
        die 65 "\"$host\" is no host name; internationalised ones are written xn--..."
        ;;
    *:*) kind=IP ;;
    *[!0-9.]*) kind=DNS ;;
    *) kind=IP ;;
    esac
    names="$names${names:+,}$kind:$host"
done
# A common name has 64 characters at the most, and nobody looks at it.
subject=/CN=$1
[ ${#1} -le 64 ] || subject=/CN=postrider

umask 077
work=$(mktemp -d "$folder/.certificate.XXXXXX") || die 73 "cannot write into $folder"
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 \
    -subj "$subject" -addext "subjectAltName=$names" \
    -addext "extendedKeyUsage=serverAuth" -addext "keyUsage=critical,digitalSignature" \
    -addext "basicConstraints=critical,CA:FALSE" \
    -keyout "$work/tls.key" -out "$work/tls.crt" 2>"$work/words" || {
    cat "$work/words" >&2
    die 65 "openssl made no certificate for $*"
}

chmod 0644 "$work/tls.crt"
if [ "$(id -u)" -eq 0 ]; then
    chgrp "$group" "$work/tls.key" ||
        die 77 "no group $group: is Postrider installed? Or name one with -g"
    chmod 0640 "$work/tls.key"
fi
# A link is never made over a file that came there meanwhile.
for file in tls.key tls.crt; do
    ln "$work/$file" "$folder/$file" || die 73 "cannot write into $folder"
done
echo "$folder/tls.crt and $folder/tls.key are for $names, for ten years."
openssl x509 -in "$folder/tls.crt" -noout -fingerprint -sha256
