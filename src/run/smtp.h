/*
 * The client of SMTP (RFC 5321) and LMTP (RFC 2033): one connection to a next hop and as many
 * transactions on it as the source has. With PIPELINING (RFC 2920) the end of one message and the
 * next envelope leave in one write.
 */
#ifndef RUN_SMTP_H
#define RUN_SMTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "base/text.h"
#include "config/settings.h"
#include "mail/envelope.h"
#include "run/signer.h"

/* How to reach a next hop; everything belongs to the caller. */
struct smtp_hop {
    const char *hostname;      /* for EHLO */
    const struct texts *hosts; /* tried in turn: "host", "host:port", "[v6]:port", "srv:domain" */
    const char *domain;        /* to its MX hosts instead; NULL: no */
    const char *socket;        /* to this Unix socket instead, by LMTP; NULL: no */
    const struct sockaddr_in *name_server; /* instead of those in resolv.conf, for tests; NULL */
    unsigned port;                         /* when a host names none */
    enum tls_mode tls;
    const char *tls_trust;       /* "system" or a PEM file */
    const char *tls_fingerprint; /* "" or SHA-256 in hex, colons allowed: pins instead of trust */
    const char *tls_certificate, *tls_key;
    enum auth_mode auth; /* AUTH_OFF: no AUTH */
    const char *user;
    struct buffer *secret;
    /* Called before each AUTH; puts a secret that is good for it into .secret. NULL: it is there.
     */
    struct outcome (*renew)(void *context, struct buffer *secret);
    void *renew_context;
    /* Sees each line of the dialogue, without line end, secrets masked; direction '>' or '<', or
     * '*' for remarks (connected to, TLS parameters). NULL: nobody looks. */
    void (*trace)(void *context, char direction, const char *line);
    void *trace_context;
    unsigned timeout_percent; /* of the time limits of RFC 5321 4.5.3.2, for tests; 0: all of it */
    bool *no_chunks;  /* is set when the server offers CHUNKING and does not know BDAT, or offers
                         enhanced codes and none tell its replies apart; NULL: BDAT is not used */
    bool *abrupt;     /* is set, and .no_chunks with it, when a session ended with several messages
                         under way; not NULL where .no_chunks is not */
    int64_t deadline; /* clock_ms when all must be over, whatever those limits are; 0: never */
};

/* The hop that the settings mean by a smarthost, as far as they say; without its secret. */
struct smtp_hop smtp_hop_of(const struct smarthost *peer, const char *hostname);

struct smtp_recipient {
    const struct address *address;
    unsigned notify;
    const char *orcpt;      /* NULL: none */
    struct outcome outcome; /* filled in before finish is called; LATER to begin with */
    bool settled;           /* filled in: that is its outcome, whatever comes of the others */
};

/* One message for some of its recipients. The message has LF line ends in a file. */
struct transaction {
    const struct address *sender;
    const char *envid; /* NULL: none */
    enum dsn_return ret;
    int fd;
    off_t start;
    uint64_t size;      /* bytes from start on */
    bool eight_bit;     /* has bytes over 127 */
    bool not_8bit;      /* has NUL or lines over 998 bytes: needs re-encoding everywhere */
    const char *prefix; /* fields in plain ASCII, each ended by LF, to go before it; NULL: none */
    struct smtp_recipient *recipients;
    size_t count;
    struct signer *signer; /* see signer.h; NULL: the message is not ours to sign */
    bool dsn_passed;       /* filled in: the next hop took the DSN parameters over (RFC 3461 5.2) */
    const char *signed_by; /* filled in: for the log, as signing_end has it; NULL: nothing to say */
};

/* Where transactions come from and go to. */
struct smtp_source {
    void *context;
    /* The next one, or NULL when there is nothing (more) for this hop, or, without wait, nothing
     * right now. Others may be unfinished by then, as many as a session has under way. */
    struct transaction *(*next)(void *context, bool wait);
    /* Whether one that an earlier session left over may go; LATER: not at all, or, without wait,
     * not right now. NULL: it always may. */
    struct outcome (*again)(void *context, bool wait);
    /* The transaction goes on with other recipients in another round: a good moment to write down
     * what is settled. */
    void (*progress)(void *context, struct transaction *transaction);
    /* Each recipient's outcome is set; called once for every transaction that next gave. */
    void (*finish)(void *context, struct transaction *transaction);
    /* What was finished so far is to be safe from a power cut; called before the server is waited
     * for, but not for each of several that are under way, and before a message that takes a while
     * to send. NULL: it always is. */
    void (*sync)(void *context);
};

/*
 * Connects to the first host that works, signs in and delivers until the source is empty. DONE: the
 * session worked and the source is empty. LATER: no host could be used (nothing was taken from the
 * source), or the session broke (what was unfinished got finished as LATER with this reason);
 * *transactions tells how many were finished with a reply to their own. When a session broke
 * after at least one transaction, calling again is sensible; the caller decides. NEVER: mail for
 * this hop can go nowhere (dns_mx), or would come back to this very host; nothing was taken from
 * the source, and this is the outcome of all that waits in it.
 */
struct outcome smtp_deliver(const struct smtp_hop *hop, const struct smtp_source *source,
                            size_t *transactions);

#endif
