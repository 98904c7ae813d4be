/*
 * The hostile smarthost: a thread that follows the script at hand, on TCP and on a socket for LMTP,
 * and notes what it did. It knows nothing of the client.
 */
#ifndef TESTS_HOSTILE_SERVER_H
#define TESTS_HOSTILE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "script.h"

enum { ALL_RECIPIENTS = RECIPIENTS + 1 }; /* those of message A, then the one of B */

/* What was done in a dialogue, for all of its connections. */
struct record {
    unsigned connections;
    unsigned copies[ALL_RECIPIENTS]; /* messages that were taken, though the answer may be lost */
    bool told[ALL_RECIPIENTS];       /* and the answer was said */
    bool refused[ALL_RECIPIENTS];    /* a 5yz was said that can be about him */
    bool leaked;                     /* mail or a password in clear, where TLS is required */
    bool damaged;                    /* a message is not what was sent */
    const char *trouble;             /* NULL: the client did as clients do */
};

/* As they have to arrive: with CRLF, dots undone. Messages before A, if any, are from <w@...> and
 * have the body of B. */
struct bodies {
    const char *a, *b;
    size_t a_length, b_length;
};

struct server;

/* certificate: a PEM file that the client trusts, and its key; strange: one for another name. The
 * folder is for the socket. Ends the program when it cannot. */
struct server *server_start(const char *folder, const char *certificate, const char *strange,
                            const char *key);
const char *server_address(const struct server *server); /* 127.0.0.1:PORT */
const char *server_socket(const struct server *server);
/* A dialogue begins; nobody is connected. */
void server_begin(struct server *server, const struct script *script, const struct bodies *bodies);
/* It is over: every connection is at its end. */
void server_end(struct server *server, struct record *record);

#endif
