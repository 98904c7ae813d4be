/*
 * One session as the client's parts share it: commands put together until they leave in one
 * write, replies read one by one, time limits, the trace. Not for use outside smtp*.c.
 */
#ifndef RUN_SMTP_SESSION_H
#define RUN_SMTP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/reply.h"
#include "net/stream.h"
#include "run/smtp.h"
#include "run/smtp_hosts.h"

/* Seconds, RFC 5321 4.5.3.2. */
enum smtp_limit {
    LIMIT_CONNECT = 30,
    LIMIT_GREETING = 300,
    LIMIT_COMMAND = 300,
    LIMIT_TLS = 120,
    LIMIT_DATA = 120,
    LIMIT_BLOCK = 180,
    LIMIT_FINAL = 600,
    LIMIT_QUIT = 3
};

/* What the server said in its last EHLO reply. */
struct smtp_offer {
    bool starttls, pipelining, eight_bit, smtputf8, dsn, size;
    bool chunking, enhanced_codes;
    uint64_t most_bytes;      /* of SIZE; 0: no limit named */
    uint64_t most_recipients; /* of LIMITS RCPTMAX; 0: none named */
    uint64_t most_mails;      /* of LIMITS MAILMAX; 0: none named */
    struct buffer auth;       /* the mechanisms, separated by spaces */
};

struct smtp_session {
    const struct smtp_hop *hop;
    const struct smtp_source *source; /* to be told when the server is waited for; NULL: nobody */
    const struct smtp_target *target; /* the one of the hop's that this is a session with */
    const char *host;                 /* its name, for words */
    bool loopback;
    bool leads_here; /* the other end is on this machine */
    struct stream stream;
    struct reply reply; /* the last one */
    struct smtp_offer offer;
    struct buffer out;        /* put, but not sent */
    struct buffer told;       /* the secrets that went out, in base64, a NUL behind each */
    size_t unsent;            /* commands in it that get a reply */
    size_t awaited;           /* replies to commands that were sent */
    bool dead;                /* nothing more is to be said in it */
    bool open_mail;           /* a MAIL was accepted and its transaction has not ended */
    bool gives_codes;         /* a message was taken, with replies that codes tell apart */
    size_t under_way;         /* messages that were put and have not come to their end */
    size_t unsettled;         /* messages that have, since the source was told to settle */
    size_t earned;            /* messages more that may be under way: one for each that was taken as
                                 a chunk, none after a refusal */
    uint64_t mails;           /* MAIL commands put */
    uint64_t rounds;          /* transactions, as the server sees them, that came to their end */
    uint64_t most_recipients; /* as many were taken before "too many recipients"; 0: not seen */
};

/* A line for who watches the dialogue: '>' of ours, '<' of the server's, '*' a remark. */
void smtp_trace(const struct smtp_session *session, char direction, const char *line);
int64_t smtp_milliseconds(const struct smtp_session *session, enum smtp_limit limit);

/* A command, without its line end; it leaves at the next flush. */
void smtp_put(struct smtp_session *session, const char *format, ...) FORMATTED(2, 3);
/* A line with a secret in it; the trace sees what is shown instead. */
void smtp_put_secret(struct smtp_session *session, const char *line, const char *shown);
/*
 * Sends what was put, all in one. LATER, and the session is dead, when something was said before
 * it was asked (RFC 5321 4.2: no command, no reply). A peer that does not take it in is no
 * error yet: replies that came may be waiting, and reading finds out.
 */
struct outcome smtp_flush(struct smtp_session *session, enum smtp_limit limit);
/* What the source has to do before something takes its time. */
void smtp_settle(struct smtp_session *session);
/* The next reply, into .reply. LATER, and the session is dead, without one, or at 421. WHEN is for
 * the words: "after MAIL". */
struct outcome smtp_read(struct smtp_session *session, enum smtp_limit limit, const char *when);
/* Both, for the command that was put last. */
struct outcome smtp_ask(struct smtp_session *session, enum smtp_limit limit, const char *when);
/* Whether the last reply was 421, and the server has closed without a further word: it comes after
 * its replies to all that it read (RFC 5321 3.8). Waits for that a little. */
bool smtp_has_parted(struct smtp_session *session);
/* The reply is not one that can come here: LATER, and the session is dead. */
struct outcome smtp_misplaced(struct smtp_session *session, const char *when);
/* What .reply means, with the host's name. */
struct outcome smtp_verdict(const struct smtp_session *session, const char *when);
/* Says QUIT if anything can be said still, waits a little for its answer, and frees it all. */
void smtp_close(struct smtp_session *session);

#endif
