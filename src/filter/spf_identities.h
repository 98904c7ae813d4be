/*
 * Who a client says that it is, by MAIL FROM and by HELO, and what SPF has to say of each
 * (RFC 7208 2.3, 2.4); what comes of that where mail is to be refused for it (RFC 7372).
 */
#ifndef FILTER_SPF_IDENTITIES_H
#define FILTER_SPF_IDENTITIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/outcome.h"
#include "filter/spf.h"
#include "mail/address.h"

struct spf_identity {
    bool asked;
    enum spf_result result;
    char *domain;      /* owned */
    char *explanation; /* of a fail; owned */
};

/* Zero-initialise it. */
struct spf_identities {
    struct spf_identity sender; /* not asked for the null path: it is the HELO name then */
    struct spf_identity helo;
    char *sender_text; /* the address; "" for the null path; NULL: not asked; owned */
};

struct spf_question {
    const struct sockaddr *client;
    const char *helo;
    const struct address *sender;
    const char *receiver; /* our name */
    int64_t limit_ms;     /* for both */
};

/* Asks about both. What was found of a HELO name before is kept for the same name. */
void spf_identities_ask(const struct spf_question *question, struct spf_identities *identities);
/* Whether that was for the sender at hand: what is kept of a HELO name may be older. */
bool spf_identities_asked(const struct spf_identities *identities);
/*
 * NEVER (5.7.23) for a fail of one of them, with what its domain says of it; LATER (4.7.24) when
 * the sender's domain could not be asked; else DONE. literal: the client; contact: for the words.
 */
struct outcome spf_identities_judge(const struct spf_identities *identities, const char *literal,
                                    const char *contact);
/* Forgets the sender. */
void spf_identities_reset(struct spf_identities *identities);
void spf_identities_free(struct spf_identities *identities);

#endif
