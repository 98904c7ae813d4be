/* The envelope of a message (RFC 5321 2.3.1) with its DSN parameters (RFC 3461). */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "mail/address.h"

/* When a recipient's sender wants to hear of it; 0: nothing said, which means failure and delay. */
enum notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

struct recipient {
    struct address address;
    unsigned notify; /* enum notify, or-ed */
    char *orcpt;     /* "rfc822;user@example.org" with the xtext decoded; NULL: not given */
};

/* So many recipients a message of a local program may have; more take several messages. */
enum { ENVELOPE_MOST = 10000 };

enum dsn_return { RETURN_UNSAID, RETURN_HEADERS, RETURN_FULL };

struct envelope {
    struct address sender; /* the reverse-path */
    struct recipient *recipients;
    size_t count;
    size_t capacity;
    char *envid; /* xtext decoded; NULL: not given */
    enum dsn_return ret;
    char *hold; /* why it is kept until someone releases it; NULL: it is not */
    time_t arrived;
    uid_t uid;      /* the submitter's real user id */
    char *user;     /* and name; NULL when it has none */
    bool submitted; /* by one of ours, and not taken for others from a stranger: ours to sign */
    size_t *slots;  /* finds duplicates among many recipients; for envelope.c alone */
    size_t slot_count, indexed;
};

/* Adds a recipient, taking over the address, unless it is there already (then frees it). */
void envelope_add(struct envelope *envelope, struct address address, unsigned notify,
                  const char *orcpt);
/* Removes the recipient at this place; the order of the others stays. */
void envelope_remove(struct envelope *envelope, size_t place);
void envelope_free(struct envelope *envelope);

/* "failure,delay" to or-ed bits; "never" stands alone (RFC 3461 4.1). False: not such a list. */
bool notify_parse(const char *text, unsigned *notify);
/* Bits to "SUCCESS,FAILURE"; "" for 0. Static space, good until the next call. */
const char *notify_text(unsigned notify);
/*
 * xtext (RFC 3461 section 4). Parsing refuses what decodes to a control character or to no UTF-8,
 * and leaves the buffer alone then.
 */
bool xtext_parse(const char *text, struct buffer *plain);
void xtext_format(const char *plain, struct buffer *text);

#endif
