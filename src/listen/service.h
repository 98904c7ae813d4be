/*
 * What the listener works by, loaded as one: the settings, and what they name that only root may
 * read. A reload makes a new one, and takes it only when all of it is good.
 */
#ifndef LISTEN_SERVICE_H
#define LISTEN_SERVICE_H

#include <stdbool.h>
#include <time.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "net/sasl_verifier.h"
#include "queue/queue.h"

struct tls_identity;
struct lists;

struct service {
    const char *config;  /* the settings file when it is not the installed one, else NULL */
    bool listens;        /* else only the queue is run, or a local user served on a pipe */
    unsigned generation; /* how many were before it */
    unsigned char secret[SASL_SECRET_SIZE]; /* see users.h; the same for all that comes later */
    struct settings settings;
    struct lists *lists;              /* of [filter] */
    struct tls_identity **identities; /* one for each of settings.listeners; NULL: without TLS */
};

/* Who does not listen needs no certificates. EX_CONFIG and the like; the words name file and line.
 * The caller frees either way. */
struct outcome service_load(const char *config, bool listens, struct service *service);
/*
 * By the one listener of a queue: takes the secret from there, or leaves it there. Who asked for
 * users before and after a restart would learn by another one who is there.
 */
void service_keep_secret(struct service *service, const struct queue *queue);
void service_free(struct service *service);

#endif
