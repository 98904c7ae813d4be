/* The queue's folders and its ids. */
#include "queue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

enum { TIME_DIGITS = 11, RANDOM_DIGITS = QUEUE_ID_LENGTH - TIME_DIGITS, BASE_BITS = 5 };

static const char digits[] = "0123456789abcdefghijklmnopqrstuv";

/* spool/ last: where it is, the others are. */
static const char *const folders[] = {"journal", "corrupt", "hops", "runs", "filter", "spool"};

/* Makes the folder and those above it; who has put a message into them may say that it is safe. */
static struct outcome make_folders(const char *directory)
{
    struct outcome outcome = file_make_folders(directory, 0700);
    for (size_t i = 0; outcome_good(&outcome) && i < sizeof folders / sizeof folders[0]; i++) {
        struct buffer path = {0};
        buffer_format(&path, "%s/%s", directory, folders[i]);
        outcome = file_make_folder(path.data, 0700, NULL);
        buffer_free(&path);
    }
    if (!outcome_good(&outcome) && outcome.exit_status != EX_TEMPFAIL)
        outcome.exit_status = EX_CANTCREAT;
    return outcome;
}

static int open_folder(int root, const char *name)
{
    return openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

struct outcome queue_open(const char *directory, bool make, struct queue *queue)
{
    *queue = (struct queue){.directory = memory_copy(directory, strlen(directory)),
                            .root = -1,
                            .spool = -1,
                            .journal = -1,
                            .corrupt = -1,
                            .hops = -1,
                            .runs = -1};
    if (make) {
        struct outcome outcome = make_folders(directory);
        if (!outcome_good(&outcome))
            return outcome;
    }
    queue->root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (queue->root >= 0)
        queue->spool = open_folder(queue->root, "spool");
    if (queue->spool < 0) {
        struct outcome outcome = outcome_errno(errno, "cannot open the queue %s/spool", directory);
        outcome.exit_status = errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CANTCREAT;
        return outcome;
    }
    queue->journal = open_folder(queue->root, "journal");
    if (queue->journal < 0)
        return outcome_errno(errno, "cannot open the queue %s/journal", directory);
    queue->corrupt = open_folder(queue->root, "corrupt");
    queue->hops = open_folder(queue->root, "hops");
    queue->runs = open_folder(queue->root, "runs");
    return outcome_done();
}

void queue_filter_folder(const char *directory, struct buffer *path)
{
    buffer_format(path, "%s/filter", directory);
}

void queue_close(struct queue *queue)
{
    file_close(&queue->root);
    file_close(&queue->spool);
    file_close(&queue->journal);
    file_close(&queue->corrupt);
    file_close(&queue->hops);
    file_close(&queue->runs);
    free(queue->directory);
    queue->directory = NULL;
}

static void put_digits(char *text, uint64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        text[i] = digits[value & ((1u << BASE_BITS) - 1)];
        value >>= BASE_BITS;
    }
}

void queue_new_id(char id[QUEUE_ID_SIZE])
{
    put_digits(id, clock_now_us(), TIME_DIGITS);
    put_digits(id + TIME_DIGITS, clock_random(1u << (RANDOM_DIGITS * BASE_BITS)), RANDOM_DIGITS);
    id[QUEUE_ID_LENGTH] = '\0';
}

void queue_id_of_time(time_t time, char id[QUEUE_ID_SIZE])
{
    put_digits(id, (uint64_t)time * 1000000, TIME_DIGITS);
    id[TIME_DIGITS] = '\0';
}

void queue_report_id(const char *letter, char mark, size_t number, char id[QUEUE_ID_SIZE])
{
    char full[QUEUE_ID_SIZE + 32];
    snprintf(full, sizeof full, "%s%c%zu", letter, mark, number);
    if (strlen(full) < QUEUE_ID_SIZE)
        memcpy(id, full, strlen(full) + 1);
    else
        snprintf(id, QUEUE_ID_SIZE, "%.*s%c%07x", QUEUE_ID_LENGTH, letter, mark,
                 (unsigned)(checksum_add(0, full, strlen(full)) & 0xFFFFFFF));
}

bool queue_is_id(const char *text)
{
    size_t length = strlen(text);
    return length >= QUEUE_ID_LENGTH && length < QUEUE_ID_SIZE && strspn(text, digits) == length;
}
