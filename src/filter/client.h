/* What filters are told of the client; all of it stays the caller's, and may be another at each
 * stage. */
#ifndef FILTER_CLIENT_H
#define FILTER_CLIENT_H

#include <stdbool.h>
#include <sys/socket.h>

struct tls;

struct filter_client {
    const struct sockaddr *address; /* NULL: a local user */
    const char *literal;            /* "[192.0.2.1]" */
    const char *helo;
    const char *service;   /* the name of the listener that it came to; "": of the only one */
    bool trusted;          /* one of ours: signed in, or of our networks */
    const char *user;      /* who signed in; NULL: nobody */
    const char *mechanism; /* with what he did */
    const struct tls *tls; /* NULL: in clear */
    const char *id;        /* that the message will have; NULL: there is none on its way */
};

#endif
