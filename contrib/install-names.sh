#!/bin/sh
# The part of `make install` that is about the names sendmail, mailq and newaliases, which another
# mail program may have. Called by the Makefile:
#
#     install-names.sh check|install|uninstall DESTDIR SBINDIR BINDIR LIBDIR FORCE
#
# A name that a Debian package owns is diverted (dpkg-divert): that package stays installed and
# whole, its file is called NAME.displaced, and upgrades of it do not touch ours. A file that no
# package owns is kept as NAME.displaced too, but only with FORCE=1: `check` refuses before
# anything was changed. `uninstall` puts back whatever was displaced.
set -eu

what=$1 root=$2 sbin=$3 bin=$4 lib=$5 force=$6

# Each name, and what it is a link to.
names() {
    echo "$sbin/sendmail postrider"
    echo "$lib/sendmail $sbin/sendmail"
    echo "$bin/mailq $sbin/postrider"
    echo "$bin/newaliases $sbin/postrider"
}

exists() {
    [ -e "$root$1" ] || [ -L "$root$1" ]
}

is_ours() {
    [ -L "$root$1" ] && [ "$(readlink "$root$1")" = "$2" ]
}

# Only what is installed for real has a package database.
has_dpkg() {
    [ -z "$root" ] && command -v dpkg-divert >/dev/null && command -v dpkg-query >/dev/null
}

is_packaged() {
    has_dpkg && dpkg-query -S "$1" >/dev/null 2>&1
}

check() {
    while read -r name target; do
        if exists "$name" && ! is_ours "$name" "$target" && ! is_packaged "$name" &&
            [ -z "$force" ]; then
            echo "install: $root$name is there already and no package owns it. Nothing was" \
                "installed. Remove it, or let make install FORCE=1 keep it as $name.displaced." >&2
            exit 1
        fi
    done
}

place() {
    while read -r name target; do
        if exists "$name" && ! is_ours "$name" "$target"; then
            if is_packaged "$name"; then
                dpkg-divert --quiet --local --rename --divert "$name.displaced" --add "$name"
            else
                mv "$root$name" "$root$name.displaced"
            fi
            echo "install: what was $name is now $name.displaced"
        fi
        ln -sf "$target" "$root$name"
    done
}

remove() {
    while read -r name target; do
        if ! is_ours "$name" "$target"; then
            continue
        fi
        rm "$root$name"
        if has_dpkg && [ "$(dpkg-divert --listpackage "$name")" = LOCAL ] &&
            [ "$(dpkg-divert --truename "$name")" = "$name.displaced" ]; then
            dpkg-divert --quiet --local --rename --remove "$name"
        elif exists "$name.displaced"; then
            mv "$root$name.displaced" "$root$name"
        fi
    done
}

case $what in
check) names | check ;;
install) names | place ;;
uninstall) names | remove ;;
esac
