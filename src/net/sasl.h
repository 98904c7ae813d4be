/*
 * Signing in, the client's side: which mechanism, and its messages in base64 as SMTP carries them
 * (RFC 4954). libgsasl does the mechanisms; the two bearer token ones, which it lacks, are here.
 */
#ifndef NET_SASL_H
#define NET_SASL_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/settings.h"

struct sasl;

/* All of it belongs to the caller and stays until sasl_free. */
struct sasl_account {
    const char *user;
    const struct buffer *secret; /* password or token; NULL for EXTERNAL */
    const char *host;            /* of the server, for OAUTHBEARER */
    unsigned port;
};

/*
 * The mechanism to use, in static words, out of those offered ("PLAIN LOGIN ..."): the strongest
 * for AUTH_AUTO, else the named one. NULL: none in common. Those that show the secret to who
 * listens are for a private channel only (TLS, or loopback).
 */
const char *sasl_choose(const char *offered, enum auth_mode mode, bool private);
/* DONE with *sasl set; LATER 4.3.5 when something is missing. */
struct outcome sasl_start(struct sasl **sasl, const char *mechanism,
                          const struct sasl_account *account);
/* Whether the client speaks first, so that its first message can go along with AUTH. */
bool sasl_begins(const struct sasl *sasl);
/*
 * The next message, in base64 behind the buffer (which the caller wipes), in answer to a challenge
 * in base64; NULL: there is none yet. False: the challenge makes no sense, or comes too late.
 */
bool sasl_step(struct sasl *sasl, const char *challenge, struct buffer *message);
/* Whether the mechanism has run to its end, so that the server's consent may be believed. */
bool sasl_is_complete(const struct sasl *sasl);
void sasl_free(struct sasl *sasl);

#endif
