/*
 * Loops: what a message's own header says about where it has been. Received fields count the hosts
 * (RFC 5321 6.3); Delivered-To fields name the addresses that sent it on or took it in.
 */
#ifndef RUN_LOOP_H
#define RUN_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "mail/address.h"
#include "queue/letter.h"

struct loop_trace {
    size_t hosts;         /* Received fields */
    struct address *been; /* what stands in Delivered-To fields */
    size_t been_count;
};

/* Reads the header of an open message. LATER when it cannot be read. The caller frees. */
struct outcome loop_read(const struct letter *letter, struct loop_trace *trace);
void loop_free(struct loop_trace *trace);

/* NEVER (5.4.6) when it has passed more hosts than that. */
struct outcome loop_check_hosts(const struct loop_trace *trace, unsigned most);
/*
 * NEVER (5.4.6) when this address of ours has had the message before. Letters' case does not
 * count; hostname is the domain of addresses without one.
 */
struct outcome loop_check_address(const struct loop_trace *trace, const struct address *address,
                                  const char *hostname);
/*
 * The field that lets loop_check_address know a message again that this address sent on, with its
 * line end, behind the buffer. None for an address that needs SMTPUTF8: not every next hop could
 * take such a header, and the number of hosts ends that loop.
 */
void loop_put_mark(const struct address *address, const char *hostname, struct buffer *text);

#endif
