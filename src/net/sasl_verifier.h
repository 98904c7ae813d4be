/*
 * What a server keeps of a password for SCRAM-SHA-256 (RFC 5802, 7677), as text in the form of
 * RFC 5803: with it a password can be checked, and not be shown. And what stands in its place for a
 * name that has none, so that strangers cannot tell.
 */
#ifndef NET_SASL_VERIFIER_H
#define NET_SASL_VERIFIER_H

#include <stdbool.h>

#include "base/buffer.h"

enum {
    SASL_SECRET_SIZE = 32,       /* of the secret that inventions are made with */
    SASL_KEY_TEXT = 44 + 1,      /* 32 bytes in base64, and a NUL */
    SASL_SALT_TEXT = 44 + 1,     /* likewise: a salt has 8 to 32 bytes */
    SASL_ITERATIONS_LEAST = 4096 /* RFC 7677 section 4 */
};

/* Salt and keys in base64. */
struct sasl_verifier {
    unsigned iterations;
    char salt[SASL_SALT_TEXT];
    char stored_key[SASL_KEY_TEXT], server_key[SASL_KEY_TEXT];
};

/* "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY". */
bool sasl_verifier_parse(const char *text, struct sasl_verifier *verifier);
/* The same text behind the buffer. */
void sasl_verifier_format(const struct sasl_verifier *verifier, struct buffer *text);
/* For a prepared password, with a new salt. False: libgsasl cannot. */
bool sasl_verifier_make(const char *password, struct sasl_verifier *verifier);
/*
 * One that looks like the given one and that no password fits: always the same for the same name
 * and secret (of SASL_SECRET_SIZE bytes), so that asking twice shows nothing.
 */
void sasl_verifier_invent(const void *secret, const char *name, const struct sasl_verifier *like,
                          struct sasl_verifier *verifier);
/* A number below count that depends on name and secret alone, and that no one else can tell. */
unsigned sasl_verifier_choose(const void *secret, const char *name, unsigned count);

#endif
