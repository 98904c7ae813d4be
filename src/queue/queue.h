/*
 * The queue's folders, opened once. Below the directory:
 *   spool/<id>    a message with its envelope, written once (draft.h, letter.h)
 *   journal/<id>  what happened to it since, and by its file time when it is due (journal.h)
 *   corrupt/<id>  what could not be read, kept for people
 *   hops/<name>   next hops that are left alone for now, when they worked and failed last (hop.h),
 *                 what they have had (limit.h)
 *   runs/<id>     runs that put mail into mailboxes and have not ended well (runner.h)
 *   filter/       what the listener's filters remember of strangers (filter/greylist.h)
 *   run.lock      held by the one runner; spool/.wake is a submitter's mark for it (runner.h)
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <time.h>

#include "base/buffer.h"
#include "base/outcome.h"

enum {
    QUEUE_ID_LENGTH = 15, /* characters of a message's own id; that of a report on it has more */
    QUEUE_ID_SIZE = 24    /* any id with its NUL fits */
};

struct queue {
    char *directory;
    int root, spool, journal; /* folders */
    int corrupt, hops, runs;  /* the runner's folders; -1 where they may not be opened */
};

/*
 * Opens the queue. With make, missing folders are made (0700, for a user's own queue; an installed
 * queue comes with its folders). LATER with EX_CANTCREAT or EX_NOPERM. The caller closes it either
 * way.
 */
struct outcome queue_open(const char *directory, bool make, struct queue *queue);
void queue_close(struct queue *queue);
/* The path of filter/, put behind the buffer. */
void queue_filter_folder(const char *directory, struct buffer *path);
/* A new id: base32 of the time in microseconds and of 20 random bits; ids sort by time. */
void queue_new_id(char id[QUEUE_ID_SIZE]);
/* What sorts before each new id of that second and later, and behind all before. */
void queue_id_of_time(time_t time, char id[QUEUE_ID_SIZE]);
/*
 * The id of a report on a message: its id, a mark, a number; the same for the same ones, whoever
 * makes it.
 */
void queue_report_id(const char *letter, char mark, size_t number, char id[QUEUE_ID_SIZE]);
/* Whether the text has the form of an id, so that it may be part of a path. */
bool queue_is_id(const char *text);

#endif
