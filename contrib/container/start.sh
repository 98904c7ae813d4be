#!/bin/sh
# The first process of a container: the queue's folders are made where a new volume has none, and the
# passwords, which may have been put there as anybody's file, become the queue's user's.
set -eu
accounts=/usr/libexec/postrider/install-accounts.sh
sh "$accounts" "" postrider /usr/sbin /usr/libexec/postrider /etc/postrider /var/spool/postrider
[ ! -e /etc/aliases ] || newaliases
exec "$@"
