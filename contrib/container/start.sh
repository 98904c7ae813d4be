#!/bin/sh
# The first process of a container: the queue's folders are made where a new volume has none, and the
# passwords, which may have been put there as anybody's file, become the queue's user's.
set -eu
accounts=/usr/libexec/postrider/install-accounts.sh
sh "$accounts" "" postrider /usr/sbin /usr/libexec/postrider /etc/postrider /var/spool/postrider
# Mistakes in that file are no reason to take no mail: until they are mended lookups read the text.
[ ! -e /etc/aliases ] || newaliases || echo "postrider: the database of /etc/aliases is not made" >&2
exec "$@"
