#!/bin/sh
# The part of `make install` that is about whose files they are: the account, the owners and
# set-ID bits of the programs, the queue's folders. Called by the Makefile, and by packages when
# they are configured:
#
#     install-accounts.sh DESTDIR USER SBINDIR LIBEXECDIR CONFDIR SPOOLDIR
#
# Without DESTDIR the account is made when it is missing. With DESTDIR its numbers are those in
# DESTDIR/etc/passwd; a package's build has none, and does this when it is installed.
set -eu

root=$1 user=$2 sbin=$3 libexec=$4 conf=$5 spool=$6

# What the queue's user alone may change, and the group of the front door read; spool is open to it.
folders="journal corrupt hops runs filter"

say_later() {
    cat >&2 <<END
install: $1, so owners and set-ID bits are not set. For a working installation, as root:
    the system user and group $user exist
    chown root:$user $sbin/postrider && chmod 2755 $sbin/postrider
    chown root:$user $libexec/postrider-local && chmod 4750 $libexec/postrider-local
    chown $user:$user $conf/credentials.conf && chmod 0600 $conf/credentials.conf
    install -d -o $user -g $user -m 0710 $spool
    install -d -o $user -g $user -m 3770 $spool/spool
    cd $spool && install -d -o $user -g $user -m 2750 $folders
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

# Whether an administrator, or our own package, has told dpkg what this file is to be like.
is_overridden() {
    [ -z "$root" ] && command -v dpkg-statoverride >/dev/null &&
        dpkg-statoverride --list "$1" >/dev/null 2>&1
}

# Owner first: changing it takes set-ID bits away.
set_bits() {
    if ! is_overridden "$1"; then
        chown "0:$gid" "$root$1"
        chmod "$2" "$root$1"
    fi
}

set_bits "$sbin/postrider" 2755
set_bits "$libexec/postrider-local" 4750
chown "$uid:$gid" "$root$conf/credentials.conf"

# Root's mail is put into his mailbox as our user. One that another mail program has left is root's own.
mailbox=$root/var/mail/root
if [ -f "$mailbox" ] && [ ! -L "$mailbox" ] && [ "$(stat -c %u:%h "$mailbox")" = 0:1 ]; then
    chown -h "$uid" "$mailbox"
fi
chmod 0600 "$root$conf/credentials.conf"

install -d -o "$uid" -g "$gid" -m 0710 "$root$spool"
if [ -n "$root" ]; then
    install -d -o "$uid" -g "$gid" -m 3770 "$root$spool/spool"
    for folder in $folders; do
        install -d -o "$uid" -g "$gid" -m 2750 "$root$spool/$folder"
    done
else
    # In his own folder the user could have put links anywhere: whoever follows them has his rights.
    su -s /bin/sh -c "set -e; cd '$spool'; mkdir -p spool $folders
        chmod 3770 spool; chmod 2750 $folders" "$user"
fi
