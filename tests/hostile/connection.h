/* The server's end of one connection: bytes in and out, in clear or in TLS, and replies as the
 * table has them. */
#ifndef TESTS_HOSTILE_CONNECTION_H
#define TESTS_HOSTILE_CONNECTION_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

#include "script.h"

enum { CONNECTION_ROOM = 1 << 19, CONNECTION_PATIENCE_MS = 8000 };

struct connection {
    int fd;
    gnutls_session_t tls; /* NULL: in clear */
    bool over;            /* nothing is to be read or said any more */
    bool idle;            /* because the client neither spoke nor closed */
    char in[CONNECTION_ROOM];
    size_t length;
};

struct text {
    char data[CONNECTION_ROOM];
    size_t length;
};

/* More of what the client says; false: it has nothing to say any more. */
bool connection_receive(struct connection *connection);
/* Forgets so many bytes of it. */
void connection_drop(struct connection *connection, size_t length);
void connection_put(struct connection *connection, const char *data, size_t length);
/* Until the client closes. */
void connection_drain(struct connection *connection);

void text_append(struct text *text, const char *data, size_t length);
/* A behaviour's text with its code, its enhanced one, "" for none, and its filler. */
void text_compose(const struct behaviour *one, const char *code, const char *status,
                  struct text *text);
/* Says it, and does what comes behind it. */
void connection_utter(struct connection *connection, const struct behaviour *one,
                      const struct text *text);

#endif
