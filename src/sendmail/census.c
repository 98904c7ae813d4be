/* See census.h. */
#include "sendmail/census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { FIRST_AGE = 5 /* minutes; each next one is twice as long */ };

const char *const census_ages[CENSUS_AGES] = {"5",   "10",  "20",  "40",   "80",
                                              "160", "320", "640", "1280", "1280+"};

/* ---- rows by domain ---- */

/* FNV-1a */
static size_t hash(const char *text)
{
    uint64_t sum = 14695981039346656037u;
    for (; *text; text++)
        sum = (sum ^ (unsigned char)*text) * 1099511628211u;
    return (size_t)sum;
}

/* The slot of a domain, or the empty one where it belongs. */
static size_t *find_slot(const struct census *census, const char *domain)
{
    size_t at = hash(domain) & (census->slot_count - 1);
    while (census->slots[at] && strcmp(census->rows[census->slots[at] - 1].domain, domain) != 0)
        at = (at + 1) & (census->slot_count - 1);
    return &census->slots[at];
}

static void grow(struct census *census)
{
    census->capacity = census->capacity ? census->capacity * 2 : 64;
    census->rows = memory_resize(census->rows, census->capacity * sizeof *census->rows);
    census->slot_count = census->capacity * 2;
    free(census->slots);
    census->slots = memory_get(census->slot_count * sizeof *census->slots);
    for (size_t i = 0; i < census->count; i++)
        *find_slot(census, census->rows[i].domain) = i + 1;
}

static struct census_row *find_row(struct census *census, const char *domain)
{
    if (census->count == census->capacity)
        grow(census);
    size_t *slot = find_slot(census, domain);
    if (!*slot) {
        census->rows[census->count] =
            (struct census_row){.domain = memory_copy(domain, strlen(domain))};
        *slot = ++census->count;
    }
    return &census->rows[*slot - 1];
}

/* ---- counting ---- */

static void count(struct census_row *row, time_t arrived, time_t now)
{
    time_t limit = FIRST_AGE * (time_t)60;
    size_t age = 0;
    while (age < CENSUS_AGES - 1 && now - arrived >= limit) {
        limit *= 2;
        age++;
    }
    row->messages++;
    row->ages[age]++;
    if (row->messages == 1 || arrived < row->oldest)
        row->oldest = arrived;
}

static void count_schedule(struct census *census, const struct letter *letter, time_t due)
{
    if (letter_is_held(letter))
        census->held++;
    else if (due <= census->now)
        census->due++;
    else if (!census->next || due < census->next)
        census->next = due;
}

void census_add(struct census *census, const struct letter *letter, time_t due)
{
    if (!letter) {
        census->unreadable++;
        return;
    }
    time_t arrived = letter->envelope.arrived;
    if (!census->total.messages || arrived < census->total.oldest)
        snprintf(census->oldest_id, sizeof census->oldest_id, "%s", letter->id);
    count(&census->total, arrived, census->now);
    count_schedule(census, letter, due);
    for (size_t i = 0; i < letter->count; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        const char *domain = recipient->address.domain;
        if (recipient->progress != PROGRESS_PENDING)
            continue;
        struct census_row *row = find_row(census, domain ? domain : census->hostname);
        if (row->last != census->total.messages)
            count(row, arrived, census->now);
        row->last = census->total.messages;
    }
}

static int by_messages(const void *a, const void *b)
{
    const struct census_row *one = a, *other = b;
    if (one->messages != other->messages)
        return one->messages < other->messages ? 1 : -1;
    return strcmp(one->domain, other->domain);
}

void census_sort(struct census *census)
{
    if (census->count)
        qsort(census->rows, census->count, sizeof *census->rows, by_messages);
}

void census_free(struct census *census)
{
    for (size_t i = 0; i < census->count; i++)
        free(census->rows[i].domain);
    free(census->rows);
    free(census->slots);
    *census = (struct census){0};
}
