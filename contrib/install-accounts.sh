#!/bin/sh
# The part of `make install` that is about whose files they are: the account, the owners and
# set-ID bits of the programs, the queue's folders. Called by the Makefile:
#
#     install-accounts.sh DESTDIR USER SBINDIR LIBEXECDIR CONFDIR SPOOLDIR
#
# Without DESTDIR the account is made when it is missing. With DESTDIR its numbers are those in
# DESTDIR/etc/passwd; a package's build has none, and does this when it is installed.
set -eu

root=$1 user=$2 sbin=$3 libexec=$4 conf=$5 spool=$6

say_later() {
    cat >&2 <<END
install: $1, so owners and set-ID bits are not set. For a working installation, as root:
    the system user and group $user exist
    chown root:$user $sbin/postrider && chmod 2755 $sbin/postrider
    chown root:$user $libexec/postrider-local && chmod 4750 $libexec/postrider-local
    chown $user:$user $conf/credentials.conf && chmod 0600 $conf/credentials.conf
    install -d -o $user -g $user -m 0710 $spool
    install -d -o $user -g $user -m 2770 $spool/spool
    install -d -o $user -g $user -m 2750 $spool/journal $spool/corrupt $spool/hops $spool/runs $spool/filter
END
    exit 0
}

[ "$(id -u)" -eq 0 ] || say_later "we are not root"

if [ -z "$root" ]; then
    if ! getent group "$user" >/dev/null; then
        groupadd --system "$user"
    fi
    if ! getent passwd "$user" >/dev/null; then
        useradd --system --gid "$user" --home-dir "$spool" --no-create-home \
            --shell /usr/sbin/nologin --comment "Postrider mail queue" "$user"
    fi
    uid=$(id -u "$user")
    gid=$(getent group "$user" | cut -d: -f3)
else
    # The third field of the account's line.
    number() {
        [ ! -r "$root/etc/$1" ] || sed -n "s/^$user:[^:]*:\([0-9]*\):.*/\1/p" "$root/etc/$1"
    }
    uid=$(number passwd)
    gid=$(number group)
    [ -n "$uid" ] && [ -n "$gid" ] || say_later "$root/etc has no user and group $user"
fi

# Owner first: changing it takes set-ID bits away.
chown "0:$gid" "$root$sbin/postrider" "$root$libexec/postrider-local"
chmod 2755 "$root$sbin/postrider"
chmod 4750 "$root$libexec/postrider-local"
chown "$uid:$gid" "$root$conf/credentials.conf"
chmod 0600 "$root$conf/credentials.conf"

# The front door's group may put messages into spool and read the rest.
install -d -o "$uid" -g "$gid" -m 0710 "$root$spool"
install -d -o "$uid" -g "$gid" -m 2770 "$root$spool/spool"
for folder in journal corrupt hops runs filter; do
    install -d -o "$uid" -g "$gid" -m 2750 "$root$spool/$folder"
done
