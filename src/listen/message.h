/*
 * A message on its way from the wire into the queue: its header is held until it is whole, checked
 * and given what it needs; the body goes through. Poisoned by its first error; it answers once.
 */
#ifndef LISTEN_MESSAGE_H
#define LISTEN_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "mail/complete.h"
#include "mail/envelope.h"
#include "queue/queue.h"

struct message;

/* How it came in. All of it belongs to the caller and stays until the end. */
struct arrival {
    const struct settings *settings;
    const struct queue *queue;
    const struct envelope *envelope;
    const char *from; /* for Received: "client.example.org ([192.0.2.1])" or "(from user ...)" */
    const char *tls;  /* the tls clause; NULL: in clear */
    const char *protocol; /* "ESMTPSA" and the like, RFC 3848 */
    bool submitted;       /* by one of ours: its header is completed and masqueraded, RFC 6409 8 */
    const struct masquerade *masquerade; /* for a submitted one */
};

/* Begins a message. Never fails here. */
struct message *message_open(const struct arrival *arrival);
/* Bytes of it, lines ending in LF; put for wire_take, hence the void. */
void message_put(void *message, const char *data, size_t length);
/* Whether there is no use in going on: message_commit will say why. */
bool message_is_poisoned(const struct message *message);
/*
 * The whole message has come. DONE: it is on stable storage, id and size say what the log wants,
 * *words its Message-ID (the caller frees; NULL: none). NEVER: 5.3.4, 5.4.6, 5.6.0; LATER: the
 * queue cannot take it. Frees the message.
 */
struct outcome message_commit(struct message *message, char id[QUEUE_ID_SIZE], uint64_t *size,
                              char **words);
/* Forgets it; nothing of it is left anywhere. NULL is allowed. */
void message_drop(struct message *message);

#endif
