/*
 * A round is one transaction as the server sees it; a message with more recipients than the server
 * takes at once has several. Its steps are RSET (if a transaction is open), MAIL, each RCPT, DATA;
 * with PIPELINING as many are under way as the window holds, else one. RFC 5321 3.3, 2920
 * (PIPELINING), 9422 (LIMITS), 2033 (LMTP).
 *
 * With CHUNKING as well (RFC 3030) a small message follows its recipients at once, as one BDAT, and
 * all of the next ones behind it: none waits to be asked for. If all recipients are refused its
 * bytes were sent for nobody.
 *
 * Should a server say one reply too many, the 354 tells that what follows is not to the command it
 * seems to be; with BDAT only enhanced codes do (RFC 2034, RFC 3463 3.2: X.1.X is about addresses).
 * So a session begins with DATA, and has chunks once a message's replies were told apart by them.
 */
#ifndef RUN_SMTP_ROUND_H
#define RUN_SMTP_ROUND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "run/smtp_mail.h"
#include "run/smtp_session.h"

enum { SMTP_WINDOW = 400 /* commands without an answer are enough for any line */ };

struct smtp_round {
    struct smtp_mail *mail;
    size_t *chosen;        /* recipients' indices */
    size_t count;          /* of them; fewer when the server says "too many" */
    size_t sent, answered; /* the first step not yet put, not yet answered */
    size_t accepted;       /* recipients */
    bool refused;          /* MAIL was */
    bool go_ahead;         /* DATA got its 354 */
    bool more;             /* the message has recipients for another round */
    bool chunked;          /* its last step is no DATA, but BDAT with the message */
    bool again;            /* the server does not know BDAT: nothing came of it */
    struct outcome fault;  /* zeroed it is none: why the message could not be put */
};

/* With as many of the mail's waiting recipients as the server takes; RESET: behind a transaction
 * that is open. The mail stays the caller's. */
void smtp_round_begin(struct smtp_round *round, struct smtp_mail *mail,
                      const struct smtp_session *session, bool reset);
/* Frees what it has; the mail stays. */
void smtp_round_end(struct smtp_round *round);
/* Puts the steps that may be under way now; what is put leaves with smtp_flush. See .fault. */
void smtp_round_put(struct smtp_round *round, struct smtp_session *session);
/* Reads the reply to the first step without one, and settles whom it is about. LATER: the session
 * has broken. */
struct outcome smtp_round_take(struct smtp_round *round, struct smtp_session *session);
/* Reads what is said to the dot, by LMTP to each recipient, and settles them. LATER: the session
 * has broken. */
struct outcome smtp_round_take_end(struct smtp_round *round, struct smtp_session *session);
/* Whether all of it was put, with the message. */
bool smtp_round_is_whole(const struct smtp_round *round);
/* Whether something may have come of it: its MAIL was answered, or its message put, unless the
 * server is known to have read nothing behind its last reply: unread. */
bool smtp_round_is_begun(const struct smtp_round *round, bool unread);

#endif
