/* See clients.h. The numbers are small: plain arrays do. */
#include "listen/clients.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum {
    MOST_FAILED_SESSIONS = 10, /* each had some failures */
    FORGIVEN_AFTER_MS = 60000, /* one of them */
    MOST_OFFENDERS = 10000     /* remembered at a time */
};

struct offender {
    unsigned char key[16];
    unsigned failures;
    int64_t since; /* clock_ms of when the count was right */
};

static void make_key(const struct sockaddr *address, unsigned char key[16])
{
    memset(key, 0, 16);
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        memcpy(key, v6, IN6_IS_ADDR_V4MAPPED(v6) ? 16 : 8);
    } else if (address->sa_family == AF_INET) {
        key[10] = key[11] = 0xff;
        memcpy(key + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    }
}

void clients_count(const struct clients *clients, size_t listener, const struct sockaddr *address,
                   size_t *all, size_t *same)
{
    unsigned char key[16];
    make_key(address, key);
    *all = *same = 0;
    for (size_t i = 0; i < clients->count; i++) {
        const struct connection *connection = &clients->connections[i];
        if (connection->listener != listener)
            continue;
        ++*all;
        *same += memcmp(connection->key, key, sizeof key) == 0;
    }
}

void clients_add(struct clients *clients, pid_t pid, size_t listener,
                 const struct sockaddr *address)
{
    if (clients->count == clients->capacity) {
        clients->capacity = clients->capacity ? clients->capacity * 2 : 16;
        clients->connections =
            memory_resize(clients->connections, clients->capacity * sizeof *clients->connections);
    }
    struct connection *connection = &clients->connections[clients->count++];
    *connection = (struct connection){.pid = pid, .listener = listener};
    make_key(address, connection->key);
}

/* What is left of the count by now. */
static void forgive(struct offender *offender, int64_t now)
{
    int64_t past = (now - offender->since) / FORGIVEN_AFTER_MS;
    offender->failures = past >= offender->failures ? 0 : offender->failures - (unsigned)past;
    offender->since += past * FORGIVEN_AFTER_MS;
}

static struct offender *find_offender(struct clients *clients, const unsigned char key[16])
{
    int64_t now = clock_ms();
    for (size_t i = 0; i < clients->offender_count;) {
        struct offender *offender = &clients->offenders[i];
        forgive(offender, now);
        if (!offender->failures)
            *offender = clients->offenders[--clients->offender_count];
        else if (memcmp(offender->key, key, 16) == 0)
            return offender;
        else
            i++;
    }
    return NULL;
}

static void note_failure(struct clients *clients, const unsigned char key[16])
{
    struct offender *offender = find_offender(clients, key);
    if (!offender && clients->offender_count < MOST_OFFENDERS) {
        if (clients->offender_count == clients->offender_capacity) {
            clients->offender_capacity = clients->offender_capacity * 2 + 16;
            clients->offenders = memory_resize(clients->offenders, clients->offender_capacity *
                                                                       sizeof *clients->offenders);
        }
        offender = &clients->offenders[clients->offender_count++];
        *offender = (struct offender){.since = clock_ms()};
        memcpy(offender->key, key, sizeof offender->key);
    }
    if (offender && offender->failures < 2 * MOST_FAILED_SESSIONS)
        offender->failures++;
}

bool clients_remove(struct clients *clients, pid_t pid, bool failed)
{
    for (size_t i = 0; i < clients->count; i++) {
        if (clients->connections[i].pid != pid)
            continue;
        if (failed)
            note_failure(clients, clients->connections[i].key);
        clients->connections[i] = clients->connections[--clients->count];
        return true;
    }
    return false;
}

void clients_move(struct clients *clients, const size_t *places)
{
    for (size_t i = 0; i < clients->count; i++)
        if (clients->connections[i].listener != SIZE_MAX)
            clients->connections[i].listener = places[clients->connections[i].listener];
}

bool clients_is_barred(struct clients *clients, const struct sockaddr *address)
{
    unsigned char key[16];
    make_key(address, key);
    const struct offender *offender = find_offender(clients, key);
    return offender && offender->failures >= MOST_FAILED_SESSIONS;
}

void clients_free(struct clients *clients)
{
    free(clients->connections);
    free(clients->offenders);
    *clients = (struct clients){0};
}
