/*
 * hops/locks holds no byte: seats and rates are ranges of it that are locked, SEATS of them for
 * each next hop, at a place that its name leads to.
 *
 * hops/rate-<name>, text: "postrider-rate 1 COUNT NEXT BOOT" in a first line of LINE bytes, then
 * COUNT lines of "WALL RUNNING", the times at which the last COUNT messages went, in a ring: NEXT
 * is the oldest one. A message may go when that is older than the window. NEXT moves before the
 * time is written, so that a crash in between costs nothing and gives nothing.
 */
#include "queue/limit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "queue/hop.h"

enum {
    SEATS = 126, /* locks 0 to 125; more than connections can be set to */
    TURN = 126,  /* held by the one who waits at the seats */
    RATE = 127,  /* held while hops/rate-<name> is read or changed */
    LOCKS = 128, /* of each next hop */
    LOOK_EVERY_MS = 20,
    LINE = 96
};

static const char locks[] = "locks";

/* ---- locks ---- */

/* FNV-1a: where a next hop's locks begin. */
static off_t place_of(const char *hop)
{
    uint64_t hash = 14695981039346656037u;
    for (const char *c = hop; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return (off_t)(hash >> 8) / LOCKS * LOCKS;
}

static struct outcome open_locks(const struct queue *queue, int *fd)
{
    *fd = openat(queue->hops, locks, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd >= 0)
        return outcome_done();
    return outcome_errno(errno, "cannot open %s/hops/%s", queue->directory, locks);
}

/* F_WRLCK or F_UNLCK. False: somebody else holds it, or errno says what else. */
static bool lock(int fd, const char *hop, unsigned which, short type, bool wait)
{
    struct flock wish = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = place_of(hop) + which, .l_len = 1};
    int done;
    do
        done = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &wish);
    while (done < 0 && errno == EINTR);
    return done == 0;
}

static bool is_taken(void)
{
    return errno == EAGAIN || errno == EACCES;
}

static struct outcome cannot_lock(const struct queue *queue, int *fd)
{
    struct outcome outcome =
        outcome_errno(errno, "cannot lock %s/hops/%s", queue->directory, locks);
    file_close(fd);
    return outcome;
}

/* False with *taken: all seats are. */
static bool sit_down(int fd, const char *hop, unsigned seats, bool *taken)
{
    *taken = false;
    for (unsigned i = 0; i < seats; i++) {
        if (lock(fd, hop, i, F_WRLCK, false))
            return true;
        if (!is_taken())
            return false;
    }
    *taken = true;
    return false;
}

/* The others wait behind the one who waits at the seats. */
static bool wait_for_seat(int fd, const char *hop, unsigned seats)
{
    bool taken, seated;
    if (!lock(fd, hop, TURN, F_WRLCK, true))
        return false;
    while (!(seated = sit_down(fd, hop, seats, &taken)) && taken) {
        if (seats == 1) {
            seated = lock(fd, hop, 0, F_WRLCK, true);
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
    }
    int error = errno;
    bool left = lock(fd, hop, TURN, F_UNLCK, false);
    errno = seated ? errno : error;
    return seated && left;
}

struct outcome limit_enter(const struct queue *queue, const char *hop, unsigned seats, int *fd,
                           bool *waited)
{
    *waited = false;
    if (seats > SEATS)
        seats = SEATS;
    struct outcome outcome = open_locks(queue, fd);
    if (!outcome_good(&outcome))
        return outcome;
    bool taken;
    if (sit_down(*fd, hop, seats, &taken))
        return outcome;
    *waited = taken;
    return taken && wait_for_seat(*fd, hop, seats) ? outcome : cannot_lock(queue, fd);
}

/* ---- clocks ---- */

static int64_t milliseconds(clockid_t clock)
{
    struct timespec time = {0};
    if (clock_gettime(clock, &time) < 0)
        impossible("a clock that does not tell the time");
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void read_clock(struct limit_clock *now)
{
    *now = (struct limit_clock){.wall = milliseconds(CLOCK_REALTIME),
                                .running = milliseconds(CLOCK_BOOTTIME)};
    struct buffer boot = {.limit = sizeof now->boot};
    struct outcome outcome = file_load("/proc/sys/kernel/random/boot_id", &boot);
    /* Without a name for it, every process takes it for the same boot, by its own word. */
    const char *name = outcome_good(&outcome) && boot.length ? buffer_text(&boot) : "unknown";
    snprintf(now->boot, sizeof now->boot, "%.*s", (int)strcspn(name, " \t\r\n"), name);
    buffer_free(&boot);
}

/* ---- the ring ---- */

struct moment {
    int64_t wall, running; /* both 0: nothing went */
};

struct ring {
    const struct queue *queue;
    char path[HOP_FILE_NAME];
    int fd;
    unsigned count, next;
    char boot[40];
};

static struct outcome ring_fault(const struct ring *ring, const char *what)
{
    return outcome_errno(errno, "cannot %s %s/hops/%s, which tells how much went there", what,
                         ring->queue->directory, ring->path);
}

/* One line, blank up to its length. */
static bool write_line(int fd, unsigned index, const char *text)
{
    char line[LINE + 1];
    snprintf(line, sizeof line, "%-*s\n", LINE - 1, text);
    return file_write_at(fd, line, LINE, (off_t)index * LINE);
}

static bool write_head(int fd, unsigned count, unsigned next, const char *boot)
{
    char text[LINE];
    snprintf(text, sizeof text, "postrider-rate 1 %u %u %s", count, next, boot);
    return write_line(fd, 0, text);
}

static bool write_moment(int fd, unsigned index, const struct moment *moment)
{
    char text[LINE];
    snprintf(text, sizeof text, "%" PRId64 " %" PRId64, moment->wall, moment->running);
    return write_line(fd, index + 1, text);
}

/* -1: it cannot be read, errno says why; 0: there is none; 1: it is there. */
static int read_line(int fd, unsigned index, char text[LINE + 1])
{
    ssize_t count = file_read_at(fd, text, LINE, (off_t)index * LINE);
    if (count < 0)
        return -1;
    text[count] = '\0';
    return *text ? 1 : 0;
}

/* What cannot be read as a time is taken for one just now: rather too little than too much. */
static bool read_moment(const struct ring *ring, unsigned index, const struct limit_clock *now,
                        struct moment *moment)
{
    char text[LINE + 1];
    *moment = (struct moment){0};
    int there = read_line(ring->fd, index + 1, text);
    if (there == 1 && sscanf(text, "%" SCNd64 " %" SCNd64, &moment->wall, &moment->running) != 2)
        *moment = (struct moment){now->wall, now->running};
    return there >= 0;
}

/* How long ago. A running clock that shows less than then belongs to another boot after all, which
 * nobody gave a name. */
static int64_t age_of(const struct moment *moment, const char *boot, const struct limit_clock *now)
{
    bool same = strcmp(boot, now->boot) == 0 && now->running >= moment->running;
    int64_t age = same ? now->running - moment->running : now->wall - moment->wall;
    return age > 0 ? age : 0;
}

static int by_time(const void *a, const void *b)
{
    const struct moment *one = a, *other = b;
    return (one->running > other->running) - (one->running < other->running);
}

/*
 * The times by which a new ring goes on, oldest first; room for ring->count of them. A power cut
 * may have left the last of them in its place, and NEXT as it was.
 */
static bool read_all(const struct ring *ring, const struct limit_clock *now, struct moment *moments,
                     unsigned *found)
{
    *found = 0;
    for (unsigned i = 0; i < ring->count; i++) {
        struct moment *moment = &moments[*found];
        if (!read_moment(ring, (ring->next + i) % ring->count, now, moment))
            return false;
        if (moment->wall == 0 && moment->running == 0)
            continue;
        int64_t age = age_of(moment, ring->boot, now);
        *moment = (struct moment){now->wall - age, now->running - age};
        ++*found;
    }
    if (*found)
        qsort(moments, *found, sizeof *moments, by_time);
    return true;
}

/* Those from first to the one before end. */
static bool write_all(int fd, unsigned count, const struct moment *moments, unsigned first,
                      unsigned end, const char *boot)
{
    bool good = write_head(fd, count, (end - first) % count, boot);
    for (unsigned i = first; good && i < end; i++)
        good = write_moment(fd, i - first, &moments[i]);
    return good && fdatasync(fd) == 0;
}

/* A file with these times in the place of the one there was, whole or not at all. */
static struct outcome replace(struct ring *ring, unsigned count, const struct moment *moments,
                              unsigned found, const struct limit_clock *now)
{
    char path[HOP_FILE_NAME + 8];
    snprintf(path, sizeof path, "%s.new", ring->path);
    int fd =
        openat(ring->queue->hops, path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    /* Only the last ones fit when there are fewer places now. */
    unsigned skipped = found > count ? found - count : 0;
    bool good = fd >= 0 && write_all(fd, count, moments, skipped, found, now->boot) &&
                renameat(ring->queue->hops, path, ring->queue->hops, ring->path) == 0;
    struct outcome outcome = good ? outcome_done() : ring_fault(ring, "write");
    if (good)
        outcome = file_sync_folder(ring->queue->hops, "hops");
    file_close(&ring->fd);
    ring->fd = fd;
    ring->count = count;
    ring->next = (found - skipped) % count;
    snprintf(ring->boot, sizeof ring->boot, "%s", now->boot);
    return outcome;
}

/* The limit has changed, or the machine was started anew: the times are taken over. */
static struct outcome take_over(struct ring *ring, unsigned count, const struct limit_clock *now)
{
    struct moment *moments = memory_get((ring->count + 1) * sizeof *moments);
    unsigned found;
    struct outcome outcome = read_all(ring, now, moments, &found)
                                 ? replace(ring, count, moments, found, now)
                                 : ring_fault(ring, "read");
    free(moments);
    return outcome;
}

static struct outcome open_ring(struct ring *ring, unsigned count, const struct limit_clock *now)
{
    char text[LINE + 1] = "";
    ring->fd = openat(ring->queue->hops, ring->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (ring->fd < 0 && errno != ENOENT)
        return ring_fault(ring, "open");
    if (ring->fd >= 0 && read_line(ring->fd, 0, text) < 0)
        return ring_fault(ring, "read");
    if (sscanf(text, "postrider-rate 1 %u %u %39s", &ring->count, &ring->next, ring->boot) != 3 ||
        ring->count == 0 || ring->next >= ring->count || ring->count > 10000000) {
        if (ring->fd >= 0)
            log_error("%s/hops/%s is damaged, and begun anew", ring->queue->directory, ring->path);
        return replace(ring, count, NULL, 0, now);
    }
    if (ring->count != count || strcmp(ring->boot, now->boot) != 0)
        return take_over(ring, count, now);
    return outcome_done();
}

static struct outcome ask_ring(struct ring *ring, const struct limit_rate *rate,
                               const struct limit_clock *now, bool take, int64_t *wait_ms)
{
    struct outcome outcome = open_ring(ring, rate->count, now);
    struct moment oldest = {0};
    if (!outcome_good(&outcome))
        return outcome;
    if (!read_moment(ring, ring->next, now, &oldest))
        return ring_fault(ring, "read");
    int64_t window = (int64_t)rate->seconds * 1000;
    if (oldest.wall != 0 || oldest.running != 0) {
        int64_t age = age_of(&oldest, ring->boot, now);
        *wait_ms = age < window ? window - age : 0;
    }
    if (*wait_ms > 0 || !take)
        return outcome;
    unsigned place = ring->next;
    ring->next = (ring->next + 1) % ring->count;
    if (!write_head(ring->fd, ring->count, ring->next, ring->boot) ||
        !write_moment(ring->fd, place, &(struct moment){now->wall, now->running}) ||
        fdatasync(ring->fd) < 0)
        return ring_fault(ring, "write");
    return outcome;
}

struct outcome limit_ask(const struct queue *queue, const char *hop, const struct limit_rate *rate,
                         const struct limit_clock *now, bool take, int64_t *wait_ms)
{
    int lock_fd;
    *wait_ms = 0;
    if (rate->count == 0)
        return outcome_done();
    struct outcome outcome = open_locks(queue, &lock_fd);
    if (!outcome_good(&outcome))
        return outcome;
    if (!lock(lock_fd, hop, RATE, F_WRLCK, true))
        return cannot_lock(queue, &lock_fd);
    struct ring ring = {.queue = queue, .fd = -1};
    struct limit_clock clock;
    hop_file_name("rate", hop, ring.path);
    /* Not before it is our turn: times in the ring are in order then. */
    if (!now) {
        read_clock(&clock);
        now = &clock;
    }
    outcome = ask_ring(&ring, rate, now, take, wait_ms);
    file_close(&ring.fd);
    file_close(&lock_fd);
    return outcome;
}
