#!/bin/sh
# From a base Debian to a running demo or a full check:
#
#     sh contrib/bootstrap.sh build    installs what building needs, then make
#     sh contrib/bootstrap.sh deb      what packages need to be built as well, then make deb
#     sh contrib/bootstrap.sh demo     what building needs, then make demo
#     sh contrib/bootstrap.sh check    what the tests need as well, then make check
#     sh contrib/bootstrap.sh bench    other mail programs to compare with, then make bench
#
# Packages come from the machine's own apt sources. The mail servers that the tests talk to, and the
# programs that are to send by Postrider, are only downloaded, into build/packages: nothing is started
# and the machine's mail stays as it is.
set -eu
cd "$(dirname "$0")/.."

build_packages="gcc libc6-dev make pkg-config libgnutls28-dev libgsasl-dev libdb-dev libinih-dev
    libidn2-dev libcrypt-dev libseccomp-dev"
deb_packages="build-essential dpkg-dev debhelper dh-apparmor libcmocka-dev"
demo_packages="openssl"
check_packages="ca-certificates libcmocka-dev libmilter-dev python3-pytest python3-pytest-xdist python3-cryptography python3-yaml
    python3-dkim mandoc clang libclang-rt-dev clang-format clang-tidy cppcheck binutils iproute2 util-linux adduser procps strace
    jq openssh-client testssl.sh swaks libnet-ssleay-perl curl msmtp s-nail gsasl valgrind
    lintian rpm apparmor systemd bash-completion zsh musl-tools"
server_packages="postfix exim4-daemon-light bsd-mailx sasl2-bin libsasl2-modules dovecot-lmtpd
    dnsmasq-base rbldnsd python3-spf rspamd spamass-milter spamd opendkim clamav-daemon
    clamav-milter logrotate"
# Programs that call sendmail; those that a release does not have are left out.
caller_packages="cron busybox-static at anacron bsd-mailx s-nail mailutils mutt neomutt alpine git-email
    php-cli libphp-phpmailer php-symfony-mailer libmime-lite-perl libmailtools-perl
    libemail-sender-perl ruby-mail node-nodemailer sudo logwatch mdadm smartmontools
    unattended-upgrades apticron apt-listchanges fail2ban reportbug"
# Wherever it is from.
command -v node >/dev/null || caller_packages="$caller_packages nodejs"
# Programs whose settings can be taken over: only unpacked, for the settings that they come with.
import_packages="msmtp ssmtp dma nullmailer"
bench_packages="python3 strace valgrind util-linux iproute2 procps adduser"
# Whom Postrider is compared with.
peer_packages="postfix libsasl2-modules exim4-daemon-light dma nullmailer opensmtpd msmtp"

usage() {
    echo "usage: sh contrib/bootstrap.sh build|deb|demo|check|bench" >&2
    exit 64
}

[ $# -eq 1 ] || usage
case $1 in
build) wanted=$build_packages ;;
deb) wanted="$build_packages $deb_packages" ;;
demo) wanted="$build_packages $demo_packages" ;;
check) wanted="$build_packages $deb_packages $demo_packages $check_packages" ;;
bench) wanted="$build_packages $demo_packages $bench_packages" ;;
*) usage ;;
esac

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# What has to be installed by hand, and why we cannot do it.
cannot_install() {
    {
        echo "bootstrap: $1."
        echo "Please install these packages (Debian's names), then run make $target:"
        for package in $2; do
            echo "    $package"
        done
    } >&2
    exit 1
}

target=$1
if [ "$target" = build ]; then
    target=all
fi

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    cannot_install "there is no apt-get here" "$wanted"

updated=
# The lists of packages, once, and only when something is needed.
update() {
    if [ -z "$updated" ] && [ "$(id -u)" -eq 0 ]; then
        apt-get update -q
    fi
    updated=yes
}

missing=
for package in $wanted; do
    is_installed "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    [ "$(id -u)" -eq 0 ] || cannot_install "packages are missing and we are not root" "$missing"
    echo "bootstrap: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    update
    # shellcheck disable=SC2086
    apt-get install -q -y --no-install-recommends $missing
fi

# Packages that would replace the machine's own mail system are downloaded with whatever they need
# and installed by the tests, in a file system that goes away with them. PACKAGE.needs has the names, but
# for what would start something on a schedule: nothing is to, there.
find_needs() {
    folder=$1
    shift
    apt-get install -s -q --reinstall --no-install-recommends "$@" |
        sed -n '/^Inst systemd-standalone-/!{/^Inst .*\(systemd\|cron\)/d}; s/^Inst \([^ ]*\).*/\1/p' \
            >"$folder/$1.needs"
}

download_peers() {
    if [ "$(cat build/bench/packages/complete 2>/dev/null)" = "$peer_packages" ]; then
        return
    fi
    rm -rf build/bench/packages
    update
    mkdir -p build/bench/packages
    for package in $peer_packages; do
        find_needs build/bench/packages "$package"
    done
    (
        cd build/bench/packages
        # shellcheck disable=SC2046
        apt-get download -q $(sort -u ./*.needs)
    )
    echo "$peer_packages" >build/bench/packages/complete
}

download_servers() {
    all="$server_packages $caller_packages $import_packages"
    if [ "$(cat build/packages/complete 2>/dev/null)" = "$all" ]; then
        return
    fi
    rm -rf build/packages
    update
    mkdir -p build/packages
    for package in $server_packages; do
        # Who needs any mail server gets Postfix; and no systemd is needed to add a system user.
        with=
        case $package in
        bsd-mailx) with=postfix ;;
        clamav-*) command -v systemd-sysusers >/dev/null || with=systemd-standalone-sysusers ;;
        esac
        find_needs build/packages "$package" $with
    done
    # These are unpacked beside Postrider: instead of another mail server they get the least that passes
    # for one, and that is left out again.
    # shellcheck disable=SC2086
    here=$(apt-cache show $caller_packages 2>/dev/null | sed -n 's/^Package: //p' | sort -u)
    # shellcheck disable=SC2086
    apt-get install -s -q --reinstall --no-install-recommends $here msmtp-mta |
        sed -n '/^Inst [^ ]*\(msmtp\|systemd\|udev\)/d; s/^Inst \([^ ]*\).*/\1/p' >build/packages/callers
    # Another cron, which cannot be beside the first; Debian 12 does not have it.
    other=$(apt-cache show cronie 2>/dev/null | sed -n 's/^Package: //p' | sort -u)
    (
        cd build/packages
        # shellcheck disable=SC2046,SC2086
        apt-get download -q $(sort -u ./*.needs ./callers) $other \
            $(apt-cache show $import_packages 2>/dev/null | sed -n 's/^Package: //p' | sort -u)
    )
    echo "$all" >build/packages/complete
}

if [ "$target" = check ]; then
    download_servers
    download_peers
    exec make check
fi

if [ "$target" = bench ]; then
    download_peers
fi

[ "$target" != deb ] || exec make deb

jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
make -j"$jobs" all
[ "$target" = all ] || exec make "$target"
