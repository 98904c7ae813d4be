/*
 * What sessions tell each other for a while: small records by key in one file of fixed size. It may
 * forget anything at any time, and what is damaged is not there.
 */
#ifndef FILTER_MEMO_H
#define FILTER_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { MEMO_KEY_LONGEST = 255, MEMO_RECORD_LONGEST = 240 /* bytes */ };

struct memo {
    int fd; /* -1: there is none; nothing is kept or found */
};

/* Opens or makes the file. False: errno says why there is none; the memo can be used all the same.
 */
bool memo_open(struct memo *memo, const char *path);
void memo_close(struct memo *memo);
/* False: there is no such record of this size, or its time is over. */
bool memo_find(const struct memo *memo, const char *key, time_t now, void *record, size_t size);
/* Keeps it until then, in the place of an older one. */
void memo_keep(const struct memo *memo, const char *key, time_t now, time_t until,
               const void *record, size_t size);
/*
 * Keeps others who do so from going on until memo_unlock, for what is found, changed and kept. They
 * do not wait for long: who died or was stopped with it must not stop mail.
 */
void memo_lock(const struct memo *memo);
void memo_unlock(const struct memo *memo);

#endif
