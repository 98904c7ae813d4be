/*
 * What a message needs before it may travel (RFC 5322 3.6, RFC 6409 section 8): Date, Message-ID
 * and From where missing, domains behind bare names, no Bcc, a Received field on top. Used by
 * every way in: sendmail, and the listener for those who signed in.
 */
#ifndef MAIL_COMPLETE_H
#define MAIL_COMPLETE_H

#include <stdbool.h>
#include <time.h>

#include "base/outcome.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/masquerade.h"

/*
 * Reads the recipients of the To, Cc and Bcc fields, or of the first block of Resent- fields when
 * there is one (RFC 5322 3.6.6), into the envelope. Bare names are qualified with recipient_domain.
 * EX_DATAERR, naming field and address, at the first that does not parse.
 */
struct outcome complete_recipients(const struct header *header, const char *recipient_domain,
                                   struct envelope *envelope, unsigned notify);

struct completion {
    const char *hostname;         /* of this machine, for Message-ID and Received */
    const char *sender_domain;    /* behind bare names of From, Sender, Reply-To */
    const char *recipient_domain; /* behind bare names of To and Cc */
    const char *full_name;        /* for a From that must be made; NULL: none */
    const struct address *from;   /* its address; NULL or the null path: MAILER-DAEMON */
    const char *warning;          /* X-Authentication-Warning; NULL: none */
    /*
     * For Received: a "from" clause, such as "client.example.org ([192.0.2.1])", or, beginning
     * with '(', a comment behind the "by" clause, such as "(from userid 1000)"; NULL: neither.
     */
    const char *received_from;
    const char *received_tls; /* its tls clause (RFC 8314 4.3); NULL: none */
    const char *received_for; /* the only recipient, for Received; NULL: left out */
    const char *protocol;     /* "local", "ESMTPSA", ... behind "with"; RFC 3848; NULL: none */
    const char *id;           /* queue id for Received and Message-ID */
    const struct masquerade *masquerade; /* for From and Sender; NULL: none */
    time_t now;
};

/*
 * Completes the header in place, but for Received. Never touches fields that a signature may cover
 * beyond what is said above; resent messages get Resent-Date, Resent-Message-ID and Resent-From
 * instead, and it is Resent-From and Resent-Sender that are masqueraded.
 */
void complete_header(struct header *header, const struct completion *completion);
/* Who submitted, as Received names him: "user ops, uid 1000"; user NULL: nobody knows his name. */
void complete_name_submitter(const char *user, unsigned long uid, struct buffer *text);
/* The Received field, at this index, 0 being the top: the last thing to be done, and all for a
 * message from another server. */
void complete_received(struct header *header, size_t index, const struct completion *completion);

#endif
