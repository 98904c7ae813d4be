/*
 * The queue runs that the listener starts, one at a time: when a message has come in, on a
 * schedule, and for a domain whose partner asks (ETRN). They are processes of other programs;
 * nothing of a peer's words reaches them.
 */
#ifndef LISTEN_RUNS_H
#define LISTEN_RUNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/outcome.h"
#include "listen/orders.h"
#include "listen/service.h"
#include "queue/queue.h"

enum { MOST_ORDERS = 64 };

struct asked {
    char *domain; /* as the settings have it */
    int64_t when; /* clock_ms of the last order that was carried out */
    bool waiting;
};

struct runs {
    const char *config;
    const struct queue *queue;
    int events;          /* inotify on spool/, for the mark */
    int64_t interval;    /* milliseconds from one run to the next; 0: no schedule */
    int64_t next;        /* clock_ms of the next one by the schedule */
    int64_t look;        /* clock_ms at which a mark that was seen is followed up; 0: none was */
    pid_t runner, order; /* 0: none at work */
    struct asked asked[MOST_ORDERS];
    size_t asked_count;
};

/* Watches the queue, with the first run by the schedule at once. EX_OSERR. */
struct outcome runs_open(struct runs *runs, const char *config, const struct queue *queue,
                         uint64_t interval_seconds);
/* A partner asks for what waits for this domain. One that asked within the last minute is not heard
 * again. */
void runs_ask(struct runs *runs, const char *domain);
/* Reads the events; starts what is due. */
void runs_advance(struct runs *runs);
/* Milliseconds until runs_advance has something to do; -1: nothing is known of. */
int runs_wait(const struct runs *runs);
/* A child has ended; false: it is none of ours. */
bool runs_reap(struct runs *runs, pid_t pid);
/* Runs that are at work go on by themselves. */
void runs_close(struct runs *runs);

#endif
