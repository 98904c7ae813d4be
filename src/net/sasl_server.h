/*
 * Signing in, the server's side: one exchange, message by message, in base64 as SMTP carries it
 * (RFC 4954 section 4). libgsasl does the mechanisms. Who may sign in is for the caller to say.
 */
#ifndef NET_SASL_SERVER_H
#define NET_SASL_SERVER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/sasl_verifier.h"

struct sasl_server;

/*
 * Who may sign in. Names and passwords come in their prepared form where they have one. DONE; NEVER
 * for no; LATER when nobody can tell. Both are to take the same time whether the name is known or
 * not.
 */
struct sasl_book {
    struct outcome (*check_password)(void *context, const char *name, const char *password);
    /* Fills the verifier in for a name that is not known, too, with an invention. */
    struct outcome (*find_verifier)(void *context, const char *name,
                                    struct sasl_verifier *verifier);
    void *context;
};

enum sasl_answer {
    SASL_CHALLENGE, /* 334 with the challenge, which may be empty; the next message is awaited */
    SASL_ACCEPTED,  /* 235 */
    SASL_REFUSED,   /* 535: whatever was wrong */
    SASL_CANCELLED, /* 501: the client does not go on */
    SASL_GARBLED,   /* 501: no base64 */
    SASL_TOO_LONG,  /* 500 */
    SASL_TROUBLE    /* 454: nobody can tell */
};

/* Its name in static words, whatever its case; NULL: there is no such mechanism. */
const char *sasl_server_find(const char *mechanism);
/* The mechanism by its static name; book stays until sasl_server_free. LATER 4.7.0: not to be had.
 */
struct outcome sasl_server_start(struct sasl_server **server, const char *mechanism,
                                 const struct sasl_book *book);
/*
 * Takes the client's next message, without its line end; the first one is the initial response
 * that came with AUTH ("=" being an empty one), or NULL. The challenge is put behind the buffer.
 * After any answer but SASL_CHALLENGE the exchange is over.
 */
enum sasl_answer sasl_server_step(struct sasl_server *server, const char *message,
                                  struct buffer *challenge);
/* Why it was refused, or what the trouble is. */
const struct outcome *sasl_server_reason(const struct sasl_server *server);
/* The prepared name of who signs in; as he gave it if it has no such form; "" as long as it is not
 * known. Believed after SASL_ACCEPTED alone. */
const char *sasl_server_user(const struct sasl_server *server);
void sasl_server_free(struct sasl_server *server);

#endif
