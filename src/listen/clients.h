/*
 * Who is connected, and how often; and who failed to sign in lately. Counts by address, IPv6 by
 * /64, for that is what one party has.
 */
#ifndef LISTEN_CLIENTS_H
#define LISTEN_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

struct connection {
    pid_t pid; /* of its session */
    unsigned char key[16];
    size_t listener;
};

struct clients {
    struct connection *connections;
    size_t count, capacity;
    struct offender *offenders; /* for clients.c alone */
    size_t offender_count, offender_capacity;
};

/* How many sessions of this listener there are, and of those how many with this client. */
void clients_count(const struct clients *clients, size_t listener, const struct sockaddr *address,
                   size_t *all, size_t *same);
void clients_add(struct clients *clients, pid_t pid, size_t listener,
                 const struct sockaddr *address);
/* A session has ended; failed: its client could not sign in. False: it is none of ours. */
bool clients_remove(struct clients *clients, pid_t pid, bool failed);
/* The listeners have other places now: those of the old ones by their old place. */
void clients_move(struct clients *clients, const size_t *places);
/* Whether it failed to sign in too often of late; that is forgotten with time. */
bool clients_is_barred(struct clients *clients, const struct sockaddr *address);
void clients_free(struct clients *clients);

#endif
