/*
 * What a sendmail command line asks for, by the one table of options in options.c. Knows nothing of
 * settings, queues or addresses.
 */
#ifndef SENDMAIL_OPTIONS_H
#define SENDMAIL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "mail/envelope.h"

enum mode {
    MODE_SUBMIT,  /* -bm: a message on standard input */
    MODE_LIST,    /* -bp: what is in the queue */
    MODE_ALIASES, /* -bi: the database of the aliases anew */
    MODE_RUN,     /* -q: one queue run, or with filters those messages */
    MODE_RETRY,   /* -M: these messages, now */
    MODE_DELETE,  /* -Mrm: these messages out of the queue */
    MODE_LISTEN,  /* -bd, -bD: the listener */
    MODE_TIMER,   /* -qINTERVAL alone: queue runs by the clock */
    MODE_VERIFY,  /* -bv: where these addresses would go */
    MODE_TEST,    /* -bt: the same for lines on standard input */
    MODE_SESSION  /* -bs: SMTP on standard input and output */
};

enum delivery {
    DELIVERY_BACKGROUND, /* -odb */
    DELIVERY_WAIT,       /* -odi */
    DELIVERY_QUEUE       /* -odq: the next queue run takes it */
};

/* A part of an id, of a pending recipient or of the sender, as -qI, -qR and -qS have it. */
struct filter {
    char kind; /* 'I', 'R' or 'S' */
    bool negated;
    const char *part;
};

struct options {
    enum mode mode;
    const char *id;         /* behind -M; NULL: none */
    struct filter *filters; /* of -q; owned */
    size_t filter_count;
    bool foreground;       /* -bD, -bdf */
    uint64_t interval;     /* seconds, of -q; 0: none given */
    const char *config;    /* -C; NULL: not given */
    const char *sender;    /* -f or -r; NULL: not given */
    const char *full_name; /* -F; NULL: not given */
    bool recipients_from_header;
    bool ignore_dots;
    bool verbose;
    enum delivery delivery;
    unsigned notify; /* -N */
    enum dsn_return ret;
    char *envid;            /* -V, xtext decoded; owned */
    char *const *arguments; /* what stands behind the options */
    size_t argument_count;
};

/*
 * Reads the options of argv; mode says what the program's name stands for. EX_USAGE with the
 * option that is wrong. The options point into argv; the caller frees either way.
 */
struct outcome options_parse(int argc, char *const argv[], enum mode mode, struct options *options);
void options_free(struct options *options);

/* Whether a control character, a line end above all, is in the text. */
bool options_has_control(const char *text);

#endif
