/*
 * A message on its way from the wire into the queue: its header is held until it is whole, checked
 * and given what it needs; the body goes through. Poisoned by its first error; it answers once.
 */
#ifndef LISTEN_MESSAGE_H
#define LISTEN_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "filter/filter.h"
#include "mail/complete.h"
#include "mail/envelope.h"
#include "queue/queue.h"

struct message;

/* What has been taken in. */
struct taken {
    const char *id; /* as in the arrival */
    uint64_t size;
    char *message_id; /* owned by who asked; NULL: it has none */
    bool discarded;   /* a filter wanted it taken and thrown away */
};

/* How it came in. All of it belongs to the caller and stays until the end. */
struct arrival {
    const struct settings *settings;
    const struct queue *queue;
    const char *id;            /* that it will have */
    struct envelope *envelope; /* a filter may change it */
    const char *from; /* for Received: "client.example.org ([192.0.2.1])" or "(from user ...)" */
    const char *tls;  /* the tls clause; NULL: in clear */
    const char *protocol; /* "ESMTPSA" and the like, RFC 3848 */
    bool submitted;       /* by one of ours: its header is completed and masqueraded, RFC 6409 8 */
    const struct masquerade *masquerade; /* for a submitted one */
    struct filter *filter;               /* NULL: nothing is asked */
    const struct filter_client *client;  /* for it */
};

/* Begins a message. Never fails here. */
struct message *message_open(const struct arrival *arrival);
/* Bytes of it, lines ending in LF; put for wire_take, hence the void. */
void message_put(void *message, const char *data, size_t length);
/* Whether there is no use in going on: message_commit will say why. */
bool message_is_poisoned(const struct message *message);
/*
 * The whole message has come. DONE: it is on stable storage, or discarded. NEVER: 5.3.4, 5.4.6,
 * 5.6.0, or what a filter says; LATER: the queue cannot take it, or a filter. Frees the message.
 */
struct outcome message_commit(struct message *message, struct taken *taken);
/* Forgets it; nothing of it is left anywhere. NULL is allowed. */
void message_drop(struct message *message);

#endif
