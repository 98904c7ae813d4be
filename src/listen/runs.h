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
#include "config/settings.h"
#include "queue/queue.h"

struct asked {
    char *domain; /* as the settings have it; owned */
    int64_t when; /* clock_ms of the last order that was carried out */
    bool waiting;
};

struct runs {
    const char *config;              /* as everywhere; NULL: installed */
    const struct settings *settings; /* those in force */
    const struct queue *queue;
    int events;          /* inotify on spool/ */
    int64_t interval;    /* milliseconds from one run to the next; 0: no schedule */
    int64_t next;        /* clock_ms at which to run what is due; INT64_MAX: never */
    int64_t look;        /* clock_ms at which to look for a mark; INT64_MAX: never */
    pid_t runner, order; /* 0: none at work */
    struct asked *asked;
    size_t asked_count;
};

/*
 * Watches the queue; what is due, and what left a mark while nobody watched, is run at once. An
 * interval of 0 seconds: nothing is run by the clock, ever. EX_OSERR. The settings stay where they
 * are, and may change. The caller closes either way.
 */
struct outcome runs_open(struct runs *runs, const char *config, const struct settings *settings,
                         const struct queue *queue, uint64_t interval);
/* A partner asks for what waits for this domain, one of relay_domains: once a minute at the most is
 * it tried. */
void runs_ask(struct runs *runs, const char *domain);
/*
 * What to poll for news of the folder. -1: none are wanted now, for a run is at work or about to
 * be, and sees whatever comes; so a busy queue does not wake the listener for each message.
 */
int runs_descriptor(const struct runs *runs);
/* Reads the events; starts what is to be done. */
void runs_advance(struct runs *runs);
/* Milliseconds until runs_advance has something to do; -1: nothing is known of. */
int runs_wait(const struct runs *runs);
/* A child has ended, with this status of waitpid; false: it is none of ours. */
bool runs_reap(struct runs *runs, pid_t pid, int status);
/* Tells what is at work to come to its end. */
void runs_stop(const struct runs *runs);
bool runs_are_at_work(const struct runs *runs);
/* What is at work goes on by itself. */
void runs_close(struct runs *runs);

#endif
