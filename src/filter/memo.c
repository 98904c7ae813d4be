/*
 * See memo.h. The file is a table of slots, eight of which may have a key; a new record takes the
 * place of the one that would have gone first. Each slot has a checksum, so that one half written,
 * or read while it is written, is none: nobody has to wait for anybody.
 */
#include "filter/memo.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"

enum {
    ROWS = 1024,
    ROW = 8,
    PATIENCE_MS = 100,
    LONGEST_S = 30 * 24 * 3600 /* what is to be kept for longer comes from a clock that was wrong */
};

struct slot {
    uint32_t checksum; /* of the rest */
    uint32_t size;
    int64_t until; /* seconds since 1970 */
    char key[MEMO_KEY_LONGEST + 1];
    unsigned char record[MEMO_RECORD_LONGEST];
};

_Static_assert(sizeof(struct slot) == 512, "slots that are parts of a page are written at once");

static uint32_t sum(const struct slot *slot)
{
    return checksum_add(0, (const char *)slot + sizeof slot->checksum,
                        sizeof *slot - sizeof slot->checksum);
}

static off_t row_place(const char *key)
{
    return (off_t)(checksum_add(0, key, strlen(key)) % ROWS) * ROW * (off_t)sizeof(struct slot);
}

static bool is_sound(const struct slot *slot, time_t now)
{
    return slot->until > now && slot->until - now <= LONGEST_S &&
           slot->size <= sizeof slot->record && sum(slot) == slot->checksum &&
           memchr(slot->key, '\0', sizeof slot->key);
}

/* What cannot be read is empty. */
static void read_row(const struct memo *memo, off_t place, struct slot row[ROW])
{
    memset(row, 0, ROW * sizeof *row);
    (void)file_read_at(memo->fd, row, ROW * sizeof *row, place);
}

bool memo_open(struct memo *memo, const char *path)
{
    memo->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    return memo->fd >= 0;
}

void memo_close(struct memo *memo)
{
    file_close(&memo->fd);
}

bool memo_find(const struct memo *memo, const char *key, time_t now, void *record, size_t size)
{
    struct slot row[ROW];
    if (memo->fd < 0)
        return false;
    read_row(memo, row_place(key), row);
    for (size_t i = 0; i < ROW; i++)
        if (is_sound(&row[i], now) && row[i].size == size && strcmp(row[i].key, key) == 0) {
            memcpy(record, row[i].record, size);
            return true;
        }
    return false;
}

void memo_keep(const struct memo *memo, const char *key, time_t now, time_t until,
               const void *record, size_t size)
{
    struct slot row[ROW], made = {.size = (uint32_t)size, .until = until};
    if (memo->fd < 0 || strlen(key) > MEMO_KEY_LONGEST || size > sizeof made.record)
        return;
    memcpy(made.key, key, strlen(key));
    memcpy(made.record, record, size);
    made.checksum = sum(&made);
    off_t place = row_place(key);
    read_row(memo, place, row);
    size_t best = 0;
    int64_t soonest = INT64_MAX;
    for (size_t i = 0; i < ROW; i++) {
        int64_t end = is_sound(&row[i], now) ? row[i].until : 0;
        if (end && strcmp(row[i].key, key) == 0)
            end = -1;
        if (end < soonest) {
            soonest = end;
            best = i;
        }
    }
    /* When it fails there is one record less. */
    (void)!pwrite(memo->fd, &made, sizeof made, place + (off_t)(best * sizeof made));
}

void memo_lock(const struct memo *memo)
{
    int64_t end = clock_ms() + PATIENCE_MS;
    while (memo->fd >= 0 && flock(memo->fd, LOCK_EX | LOCK_NB) < 0 && clock_ms() < end)
        (void)poll(NULL, 0, 1 + (int)clock_random(4));
}

void memo_unlock(const struct memo *memo)
{
    if (memo->fd >= 0)
        (void)flock(memo->fd, LOCK_UN);
}
