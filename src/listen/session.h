/*
 * One client's session with our server (RFC 5321): the dialogue and what is known by now. Each
 * session is a process of its own, locked in before it reads a byte; it can put messages into the
 * queue and ask what [filter] names, and nothing else.
 */
#ifndef LISTEN_SESSION_H
#define LISTEN_SESSION_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/settings.h"
#include "filter/filter.h"
#include "listen/admission.h"
#include "listen/auth.h"
#include "listen/message.h"
#include "listen/service.h"
#include "listen/wire.h"
#include "mail/masquerade.h"
#include "net/stream.h"
#include "queue/queue.h"

/* What the parent gives to a session. */
struct session_start {
    const struct service *service;
    const struct listener *listener;
    size_t listener_index;          /* its place in the settings */
    int fd;                         /* connected, non-blocking; taken over */
    int watch;                      /* can be read once the listener stops */
    int orders;                     /* see orders.h; -1: none */
    bool is_barred;                 /* from signing in */
    const struct sockaddr *address; /* of the client; NULL: a local user, on a pipe */
    uid_t uid;                      /* of that user */
    const char *login;              /* his name; NULL: unknown */
};

struct session {
    const struct service *service;
    const struct settings *settings;
    const struct listener *listener;
    size_t listener_index;
    struct stream stream;
    int orders;
    struct buffer output; /* replies that have not been sent yet */

    char *client; /* "[192.0.2.1]", "[IPv6:2001:db8::1]" or "user ops, uid 1000" */
    bool is_pipe; /* a local user on the other end of a pipe */
    uid_t uid;
    const char *login;
    char *helo;            /* what the client calls itself; NULL: not said yet */
    bool extended;         /* it said EHLO */
    bool is_near;          /* its address is on loopback */
    bool in_network;       /* its address is in relay_networks */
    bool may_ask;          /* its address is in etrn_networks */
    char *user;            /* who signed in; NULL: nobody */
    const char *mechanism; /* and how, static */
    bool has_failed_to_sign_in;
    bool is_barred;  /* from signing in: too many attempts have failed */
    bool is_lenient; /* what is refused now is no error: a recipient, to one of ours */
    struct auth auth;
    struct visitor visitor;
    struct expander expander;
    struct aliases *aliases;
    struct outcome aliases_problem;
    struct queue queue;
    struct filter *filter; /* NULL: nothing is asked */
    struct filter_client filter_client;

    /* The transaction. */
    bool has_sender;
    char id[QUEUE_ID_SIZE]; /* that its message will have */
    bool smtputf8;
    struct envelope envelope;
    size_t refused; /* recipients over the most */
    struct masquerade masquerade;
    bool chunking;                             /* it has begun with BDAT */
    struct wire wire;                          /* of the message that comes */
    int64_t data_began;                        /* clock_ms */
    uint64_t data_taken;                       /* bytes of it so far */
    struct buffer received_from, received_tls; /* for .arrival */
    struct arrival arrival;                    /* of .message */
    struct message *message;                   /* NULL: no data has come */

    unsigned errors; /* commands that were refused */
    unsigned idle;   /* commands that do nothing, since the last message */
    bool is_over;    /* no command is read any more */
    bool was_cut;    /* it was ended by us, or its client was gone within a transaction */
};

/* Runs the session to its end. The exit status for the parent: EX_OK, EX_NOPERM when the client
 * could not sign in, EX_DATAERR when it came to no good end, EX_TEMPFAIL when no mail could
 * be taken.
 */
int session_run(const struct session_start *start);

/*
 * Adds a reply of one line: code, enhanced status ("" for none) and words. It goes out with the
 * next ones, once nothing more is waiting to be read (RFC 2920).
 */
void session_reply(struct session *session, unsigned code, const char *status, const char *format,
                   ...) FORMATTED(4, 5);
/* A line of a reply that goes on, as of EHLO. */
void session_reply_part(struct session *session, unsigned code, const char *format, ...)
    FORMATTED(3, 4);
/* A reply that refuses a command: those are counted, and too many end the session. */
void session_refuse(struct session *session, unsigned code, const char *status, const char *format,
                    ...) FORMATTED(4, 5);
/* The same by an outcome that is not good; code: 0 for 4yz or 5yz by its result (451, 550). */
void session_refuse_by(struct session *session, unsigned code, const struct outcome *outcome);
/*
 * Refuses and logs what a filter has refused, for a recipient or (NULL) the message: with the reply
 * that the filter wants, else with its words and this code, 0 being as above. 421 is the end of the
 * session.
 */
void session_refuse_filtered(struct session *session, const char *recipient, unsigned code,
                             const struct outcome *outcome);
/* Counts a command that does nothing. False: there were too many since the last message, and the
 * session is over. */
bool session_count_idle(struct session *session);
/* A last reply (421, 554, 221): no command is taken after it. */
void session_end(struct session *session, unsigned code, const char *status, const char *format,
                 ...) FORMATTED(4, 5);
/* Sends what has been replied. False: the client is gone. */
bool session_flush(struct session *session);
/* The next line of a dialogue within a command, without its end, into the buffer. False: the
 * session is over, and the client has been told. */
bool session_read_line(struct session *session, struct buffer *line);
/* Reading has come to an end: says why, as far as the client can hear it. The session is over. */
void session_lost(struct session *session);
/* Looks anew at who the client is: after the handshake, after it signed in. */
void session_trust(struct session *session);
/* Whether it is a user of ours, by name, by certificate or by being on this machine's pipe. */
bool session_is_known(const struct session *session);
/* What filters are told of the client, as it is known now; belongs to the session. */
const struct filter_client *session_filter_client(struct session *session);
/* Forgets the transaction. */
void session_reset(struct session *session);
/* "SMTP", "ESMTP", "ESMTPS", "ESMTPSA", "UTF8SMTPS" and the like (RFC 3848, RFC 6531 4.3); static.
 */
const char *session_protocol(const struct session *session);
/* Logs "rejected" with the client, sender and recipient, and what was replied. */
void session_log_rejected(const struct session *session, const char *recipient, unsigned code,
                          const char *status, const char *words);

#endif
