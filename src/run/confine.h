/*
 * What is left to a worker that speaks to a next hop: the queue, the network, what names and
 * certificates are looked up in, and the keys that sign mail. No mailbox, no password's file, no
 * other program.
 */
#ifndef RUN_CONFINE_H
#define RUN_CONFINE_H

#include "run/run.h"
#include "run/smtp.h"

/*
 * Locks this process in for good, before it connects to the hop. Where the kernel has no such
 * locks, mail goes out as it ever did; who got anything but DONE must not go on. run: NULL for who
 * needs neither the queue nor keys; smtp: NULL for who speaks to no server of mail.
 */
struct outcome confine(const struct run *run, const struct smtp_hop *smtp);

#endif
