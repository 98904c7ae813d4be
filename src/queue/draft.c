/*
 * A message on its way into the queue. The durability recipe is in draft_commit: a file without a
 * name, all of it written, then its name, then file and folder synced. Where the file system has no
 * such files, a name that begins with a dot does for them; it is locked while its writer lives, so
 * that a runner can tell what is left over.
 */
#include "queue/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "queue/format.h"

enum { LONGEST_LINE = 998, DRAFT_MODE = 0640 };

struct draft {
    const struct queue *queue;
    char id[QUEUE_ID_SIZE];
    char dot_name[QUEUE_ID_SIZE + 1]; /* "" when the file has no name */
    struct output output;
    uint64_t limit;
    struct seal seal;
    size_t line_length; /* of the line that is being written */
    char last;
    struct outcome outcome; /* the first thing that went wrong */
};

static void poison(struct draft *draft, struct outcome outcome)
{
    if (outcome_good(&draft->outcome))
        draft->outcome = outcome;
}

static void poison_by_errno(struct draft *draft, int error)
{
    poison(draft, outcome_errno(error, "cannot write to the queue %s", draft->queue->directory));
}

static int open_with_dot(struct draft *draft)
{
    snprintf(draft->dot_name, sizeof draft->dot_name, ".%s", draft->id);
    int fd = openat(draft->queue->spool, draft->dot_name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, DRAFT_MODE);
    if (fd >= 0)
        (void)flock(fd, LOCK_EX); /* a runner that asks for it has it for a moment only */
    return fd;
}

/*
 * The umask is the caller's affair; the group has to read the file whatever it is. Who is locked in
 * may change no modes (base/sandbox.h), and begins with a umask that makes it unnecessary.
 */
static bool has_mode(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 &&
           ((info.st_mode & 07777) == DRAFT_MODE || fchmod(fd, DRAFT_MODE) == 0);
}

struct draft *draft_open(const struct queue *queue, const struct envelope *envelope, const char *id,
                         uint64_t limit)
{
    struct draft *draft = memory_get(sizeof *draft);
    *draft = (struct draft){.queue = queue, .limit = limit, .last = '\n'};
    draft->outcome = outcome_done();
    if (id)
        snprintf(draft->id, sizeof draft->id, "%s", id);
    else
        queue_new_id(draft->id);

    bool unnamed = file_can_be_named();
    int fd = unnamed ? openat(queue->spool, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, DRAFT_MODE) : -1;
    if (!unnamed || (fd < 0 && file_lacks_unnamed(errno)))
        fd = open_with_dot(draft);
    draft->output = (struct output){.fd = fd};
    if (fd < 0 || !has_mode(fd)) {
        poison_by_errno(draft, errno);
        return draft;
    }
    struct buffer text = {0};
    /* A place for the seal, which no checksum of its own can cover. */
    format_seal(&draft->seal, &text);
    output_put(&draft->output, text.data, text.length);
    draft->output.checksum = 0;
    buffer_clear(&text);
    format_envelope(envelope, &text);
    output_put(&draft->output, text.data, text.length);
    buffer_free(&text);
    return draft;
}

const char *draft_id(const struct draft *draft)
{
    return draft->id;
}

uint64_t draft_size(const struct draft *draft)
{
    return draft->seal.size;
}

/* Notes what a next hop may not be able to take (RFC 5321 4.5.3.1.6, RFC 6152). */
static void inspect(struct draft *draft, const char *data, size_t length)
{
    unsigned char bits = 0;
    for (size_t i = 0; i < length; i++)
        bits |= (unsigned char)data[i];
    if (bits & 0x80)
        draft->seal.eight_bit = true;
    if (draft->seal.not_8bit)
        return;
    if (memchr(data, '\0', length))
        draft->seal.not_8bit = true;
    for (const char *at = data, *end = data + length; at < end;) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        draft->line_length += (size_t)((next ? next : end) - at);
        if (draft->line_length > LONGEST_LINE)
            draft->seal.not_8bit = true;
        if (!next)
            break;
        draft->line_length = 0;
        at = next + 1;
    }
}

bool draft_put(struct draft *draft, const void *data, size_t length)
{
    if (!outcome_good(&draft->outcome) || length == 0)
        return outcome_good(&draft->outcome);
    draft->seal.size += length;
    if (draft->limit && draft->seal.size > draft->limit) {
        struct outcome outcome = outcome_refuse(
            EX_DATAERR, "the message is larger than the %llu bytes of max_message_size",
            (unsigned long long)draft->limit);
        memcpy(outcome.status, "5.3.4", sizeof "5.3.4");
        poison(draft, outcome);
        return false;
    }
    inspect(draft, data, length);
    draft->last = ((const char *)data)[length - 1];
    output_put(&draft->output, data, length);
    if (draft->output.error)
        poison_by_errno(draft, draft->output.error);
    return outcome_good(&draft->outcome);
}

/* Gives the file its name; EEXIST when another message has it. */
static bool give_name(struct draft *draft)
{
    int spool = draft->queue->spool;
    if (draft->dot_name[0])
        return linkat(spool, draft->dot_name, spool, draft->id, 0) == 0;
    if (linkat(draft->output.fd, "", spool, draft->id, AT_EMPTY_PATH) == 0)
        return true;
    if (errno == EEXIST)
        return false;
    /* Older kernels let only root link by descriptor, but everyone by this path. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", draft->output.fd);
    return linkat(AT_FDCWD, path, spool, draft->id, AT_SYMLINK_FOLLOW) == 0;
}

/* A message that fits into the output's block is written with its seal in one go. */
static void seal(struct draft *draft)
{
    struct buffer text = {0};
    draft->seal.checksum = draft->output.checksum;
    format_seal(&draft->seal, &text);
    output_amend(&draft->output, text.data, text.length);
    buffer_free(&text);
}

static void sync_file(struct draft *draft)
{
    if (outcome_good(&draft->outcome) && fsync(draft->output.fd) < 0)
        poison_by_errno(draft, errno);
}

/* All of it is in the file, as any living process sees it. */
static void finish_file(struct draft *draft)
{
    if (draft->last != '\n')
        draft_put(draft, "\n", 1);
    seal(draft);
    if (outcome_good(&draft->outcome) && !output_flush(&draft->output))
        poison_by_errno(draft, draft->output.error);
}

/*
 * The name comes before the file is synced: on a journalling file system one write of the journal
 * then has both, and the sync of the folder finds little left to do. After a power cut in between
 * the name may stand for a piece, which its checksum tells, and of which nobody was told that it
 * is safe. Who asks whether the name existed trusts it, and so it is given to a synced file.
 */
struct outcome draft_commit(struct draft *draft, bool *existed)
{
    bool named = false;
    finish_file(draft);
    if (existed) {
        *existed = false;
        sync_file(draft);
    }
    if (outcome_good(&draft->outcome)) {
        named = give_name(draft);
        if (!named && errno == EEXIST && existed)
            *existed = true;
        else if (!named)
            poison_by_errno(draft, errno);
    }
    if (!existed)
        sync_file(draft);
    /* A name that a power cut can take away again is no promise. */
    if (outcome_good(&draft->outcome))
        poison(draft, file_sync_folder(draft->queue->spool, "the queue"));
    /* Who may not remove names (base/sandbox.h) makes it one that the next runner removes. */
    if (!outcome_good(&draft->outcome) && named && unlinkat(draft->queue->spool, draft->id, 0) < 0)
        (void)!ftruncate(draft->output.fd, 0);
    struct outcome outcome = draft->outcome;
    draft_drop(draft);
    return outcome;
}

void draft_drop(struct draft *draft)
{
    if (!draft)
        return;
    if (draft->dot_name[0] && draft->output.fd >= 0)
        unlinkat(draft->queue->spool, draft->dot_name, 0);
    file_close(&draft->output.fd);
    output_free(&draft->output);
    free(draft);
}
