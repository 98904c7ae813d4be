#!/bin/sh
# A deploy hook for certbot: gives a renewed certificate to the listener.
#
#     certbot certonly -d mx.example.org --deploy-hook /usr/local/sbin/certbot-hook.sh
#
# certbot remembers it for that certificate and runs it as root after each renewal, with the
# certificate's folder in RENEWED_LINEAGE. For a listener with several certificates, a name for each
# file: --deploy-hook "/usr/local/sbin/certbot-hook.sh example.net".
#
#     certbot-hook.sh [-d FOLDER] [-g GROUP] [-q QUEUE] [NAME]
#
# fullchain.pem becomes FOLDER/NAME.crt and privkey.pem FOLDER/NAME.key (/etc/postrider, tls), the
# key for root and GROUP (postrider) alone; then the listener of QUEUE (/var/spool/postrider), if
# there is one, loads them. Connections that are open go on.
set -eu

usage() {
    echo "usage: certbot-hook.sh [-d FOLDER] [-g GROUP] [-q QUEUE] [NAME], run by certbot" >&2
    exit 64
}

die() {
    status=$1
    shift
    echo "certbot-hook: $*" >&2
    exit "$status"
}

folder=/etc/postrider group=postrider queue=/var/spool/postrider
while getopts d:g:q: option; do
    case $option in
    d) folder=$OPTARG ;;
    g) group=$OPTARG ;;
    q) queue=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -le 1 ] || usage
name=${1:-tls}
lineage=${RENEWED_LINEAGE:-}
[ -n "$lineage" ] || usage
for file in fullchain.pem privkey.pem; do
    [ -s "$lineage/$file" ] || die 66 "$lineage/$file is missing or empty"
done
[ -d "$folder" ] || die 73 "there is no folder $folder: is Postrider installed?"

umask 077
work=$(mktemp -d "$folder/.certificate.XXXXXX") || die 73 "cannot write into $folder"
trap 'rm -rf "$work"' EXIT
# Owner and mode first, so that nobody else can read it at any time.
: >"$work/key"
if [ "$(id -u)" -eq 0 ]; then
    chown "root:$group" "$work/key" || die 77 "no group $group: is Postrider installed?"
fi
chmod 0640 "$work/key"
cat "$lineage/privkey.pem" >"$work/key"
cat "$lineage/fullchain.pem" >"$work/crt"
chmod 0644 "$work/crt"
sync "$work/key" "$work/crt"
mv -f "$work/key" "$folder/$name.key"
mv -f "$work/crt" "$folder/$name.crt"

# A number that is left over may be anybody's by now.
lock=$queue/listen.lock
pid=
[ ! -e "$lock" ] || read -r pid <"$lock" || true
case $(cat "/proc/${pid:-none}/comm" 2>/dev/null) in
postrider-liste*) # the kernel keeps 15 bytes of a name
    kill -HUP "$pid" || die 75 "the listener (process $pid) cannot be told: send it SIGHUP"
    ;;
esac
