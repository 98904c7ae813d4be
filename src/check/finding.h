/*
 * What `postrider check` finds: one line each, with a mark, a sentence and a remedy. Each of our
 * programs finds what its own rights and libraries let it see and hands that on as text; the front
 * door shows all of it. Never holds a secret.
 */
#ifndef CHECK_FINDING_H
#define CHECK_FINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"

enum finding_mark {
    FINDING_GOOD,    /* as it should be */
    FINDING_HINT,    /* nothing is wrong; worth knowing */
    FINDING_WARNING, /* mail goes, but something wants to be looked at */
    FINDING_FAULT    /* mail does not go, or somebody could get in */
};

struct finding {
    enum finding_mark mark;
    char *topic;  /* one word for scripts, such as "smarthost" */
    char *text;   /* a sentence */
    char *remedy; /* what to do about it; NULL: nothing */
};

/* Zero-initialise it; owns what is in it. */
struct findings {
    struct finding *items;
    size_t count, capacity;
};

/* Adds a finding without a remedy. Control characters become spaces, what is no UTF-8 '?'. */
void finding_add(struct findings *list, enum finding_mark mark, const char *topic,
                 const char *format, ...) FORMATTED(4, 5);
/* Gives the newest finding its remedy. */
void finding_remedy(struct findings *list, const char *format, ...) FORMATTED(2, 3);
/* The worst mark in the list; FINDING_GOOD for an empty one. */
enum finding_mark finding_worst(const struct findings *list);
/* No finding in the list is worse than this any more. */
void finding_soften(struct findings *list, enum finding_mark most);
/* Takes all of the other list to the end of this one; the other is empty then. */
void finding_take(struct findings *list, struct findings *other);
/* "good", "hint", "warning", "fault". */
const char *finding_mark_name(enum finding_mark mark);

/* The list as one of our programs tells it to another: a line each, fields separated by tabs. */
void finding_format(const struct findings *list, struct buffer *buffer);
/* The same on standard output. */
void finding_print(const struct findings *list);
/* Adds what such a text holds to the list; false: it is none (what came before stays). */
bool finding_parse(const char *text, size_t length, struct findings *list);
void finding_free(struct findings *list);

#endif
