/* Opens messages of the queue, locks them, and takes them out of it. */
#include "queue/letter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "queue/format.h"
#include "queue/journal.h"
#include "queue/list.h"

enum {
    DRAFT_PATIENCE = 60,  /* seconds */
    ENVELOPE_BLOCK = 4096 /* holds nearly every envelope, and not much of the message */
};

/* The envelope's recipients become the first of the letter's list. */
static void move_recipients(struct letter *letter)
{
    struct envelope *envelope = &letter->envelope;
    letter->recipients = memory_get(envelope->count * sizeof *letter->recipients);
    letter->count = letter->capacity = envelope->count;
    for (size_t i = 0; i < envelope->count; i++) {
        struct recipient *from = &envelope->recipients[i];
        letter->recipients[i] = (struct letter_recipient){
            .address = from->address, .notify = from->notify, .orcpt = from->orcpt, .parent = -1};
    }
    free(envelope->recipients);
    envelope->recipients = NULL;
    envelope->count = envelope->capacity = 0;
}

/* end: the size that the file was found to have; there is nothing to be asked for behind it. */
static struct outcome compare_checksum(int fd, off_t end, uint32_t expected)
{
    char *block = memory_block(FILE_BLOCK);
    uint32_t sum = 0;
    off_t at = FORMAT_BODY_AT;
    ssize_t count = 0;
    while (at < end) {
        off_t left = end - at;
        count = file_read_at(fd, block, left < FILE_BLOCK ? (size_t)left : FILE_BLOCK, at);
        if (count <= 0)
            break;
        sum = checksum_add(sum, block, (size_t)count);
        at += count;
    }
    struct outcome outcome = outcome_done();
    if (count < 0)
        outcome = outcome_errno(errno, "cannot read it");
    else if (sum != expected)
        outcome = outcome_never("5.3.0", "its checksum is wrong");
    free(block);
    return outcome;
}

static struct outcome read_file(struct letter *letter, bool verify)
{
    struct stat info;
    if (fstat(letter->fd, &info) < 0)
        return outcome_errno(errno, "cannot read it");
    if (!S_ISREG(info.st_mode))
        return outcome_never("5.3.0", "it is not a regular file");
    struct seal seal = {0};
    struct input input = {.fd = letter->fd, .block = ENVELOPE_BLOCK};
    struct outcome outcome = format_read(&input, &seal, &letter->envelope, &letter->start);
    input_free(&input);
    if (!outcome_good(&outcome))
        return outcome;
    if (info.st_size != letter->start + (off_t)seal.size)
        return outcome_never("5.3.0", "it has %lld bytes and should have %lld",
                             (long long)info.st_size,
                             (long long)letter->start + (long long)seal.size);
    if (verify)
        outcome = compare_checksum(letter->fd, info.st_size, seal.checksum);
    letter->size = seal.size;
    letter->eight_bit = seal.eight_bit;
    letter->not_8bit = seal.not_8bit;
    return outcome;
}

/* After the lock: does the file still have its name, or did its last holder deliver it? */
static bool still_named(const struct letter *letter)
{
    struct stat mine, named;
    return fstat(letter->fd, &mine) == 0 &&
           fstatat(letter->queue->spool, letter->id, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

static int lock(int fd, bool wait)
{
    int result;
    do
        result = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    while (result < 0 && errno == EINTR);
    return result;
}

static void set_aside(const struct queue *queue, const char *id, const char *why)
{
    if (renameat(queue->spool, id, queue->corrupt, id) == 0)
        log_event(id, "held", "reason", why, "folder", "corrupt", NULL);
    else
        log_error("cannot set %s aside into corrupt (%s): %s", id, why, strerror(errno));
}

/* A name that cannot be opened: gone, or nothing that we could have written. */
static enum letter_found open_failed(const struct queue *queue, const char *id,
                                     enum letter_access access, struct outcome *problem)
{
    int error = errno;
    if (error == ENOENT) {
        *problem = outcome_never("5.3.0", "there is no message %s in the queue", id);
        return LETTER_GONE;
    }
    *problem = outcome_errno(error, "cannot open message %s", id);
    if ((error == ELOOP || error == ENXIO) && access >= LETTER_WORK)
        set_aside(queue, id, error == ELOOP ? "it is a link" : "it is a socket");
    return LETTER_BROKEN;
}

/*
 * A writer that could not finish it and may remove nothing (draft.c) left it empty, or a power cut
 * did before it was synced: nobody was told that it is safe, and nothing in it is worth keeping.
 */
static bool remove_empty(const struct letter *letter)
{
    struct stat info;
    if (fstat(letter->fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size > 0 ||
        unlinkat(letter->queue->spool, letter->id, 0) < 0)
        return false;
    log_event(letter->id, "removed", "reason", "it is empty, and was accepted from nobody", NULL);
    return true;
}

enum letter_found letter_open(const struct queue *queue, const char *id, enum letter_access access,
                              bool verify, struct letter *letter, struct outcome *problem)
{
    *letter = (struct letter){.queue = queue, .fd = -1};
    *problem = outcome_done();
    snprintf(letter->id, sizeof letter->id, "%s", id);
    letter->fd = openat(queue->spool, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (letter->fd < 0)
        return open_failed(queue, id, access, problem);
    if (access >= LETTER_WORK && lock(letter->fd, access == LETTER_WAIT) < 0) {
        *problem = errno == EWOULDBLOCK
                       ? outcome_later("4.3.0", "message %s is being delivered just now", id)
                       : outcome_errno(errno, "cannot lock message %s", id);
        letter_close(letter);
        return LETTER_BUSY;
    }
    if (access >= LETTER_WORK && (!still_named(letter) || remove_empty(letter))) {
        *problem = outcome_never("5.3.0", "there is no message %s in the queue", id);
        letter_close(letter);
        return LETTER_GONE;
    }
    *problem = read_file(letter, verify);
    if (problem->result == NEVER && access >= LETTER_WORK)
        set_aside(queue, id, problem->reason);
    if (outcome_good(problem)) {
        move_recipients(letter);
        if (access != LETTER_GLANCE)
            *problem = journal_read(letter);
    }
    if (outcome_good(problem))
        return LETTER_OPENED;
    letter_close(letter);
    return LETTER_BROKEN;
}

void letter_close(struct letter *letter)
{
    journal_free(letter);
    for (size_t i = 0; i < letter->count; i++) {
        address_free(&letter->recipients[i].address);
        address_free(&letter->recipients[i].sender);
        free(letter->recipients[i].text);
        free(letter->recipients[i].orcpt);
        free(letter->recipients[i].reason);
    }
    free(letter->recipients);
    letter->recipients = NULL;
    letter->count = letter->capacity = 0;
    envelope_free(&letter->envelope);
    file_close(&letter->fd);
}

bool letter_is_finished(const struct letter *letter)
{
    for (size_t i = 0; i < letter->count; i++)
        if (letter->recipients[i].progress == PROGRESS_PENDING ||
            letter_owes(letter, i, NOTIFY_FAILURE) || letter_owes(letter, i, NOTIFY_SUCCESS))
            return false;
    return true;
}

bool letter_is_held(const struct letter *letter)
{
    return letter->held || (letter->envelope.hold && !letter->released);
}

bool letter_waits_for(const struct letter_recipient *recipient)
{
    return recipient->progress == PROGRESS_PENDING || recipient->progress == PROGRESS_FAILED;
}

const char *letter_reason(const struct letter *letter)
{
    if (letter->envelope.hold && !letter->released) /* what a filter said */
        return letter->envelope.hold;
    if (letter->held)
        return "held until it is released";
    for (size_t i = 0; i < letter->count; i++)
        if (letter_waits_for(&letter->recipients[i]) && letter->recipients[i].reason)
            return letter->recipients[i].reason;
    return NULL;
}

const struct address *letter_original(const struct letter *letter, size_t index)
{
    while (letter->recipients[index].parent >= 0)
        index = (size_t)letter->recipients[index].parent;
    return &letter->recipients[index].address;
}

bool letter_ends_here(const struct letter_recipient *recipient)
{
    return recipient->kind == LETTER_TO_MAILBOX || recipient->kind == LETTER_TO_FILE ||
           recipient->kind == LETTER_TO_COMMAND;
}

const struct address *letter_sender(const struct letter *letter, size_t index)
{
    const struct address *own = &letter->recipients[index].sender;
    return address_is_null(own) ? &letter->envelope.sender : own;
}

/* Failure and delay are for all to know of; who asked for what is the report's matter. */
bool letter_owes(const struct letter *letter, size_t index, enum notify kind)
{
    const struct letter_recipient *recipient = &letter->recipients[index];
    if (recipient->told & kind)
        return false;
    if (kind == NOTIFY_FAILURE)
        return recipient->progress == PROGRESS_FAILED;
    if (kind == NOTIFY_DELAY)
        return recipient->late;
    if (!(recipient->notify & NOTIFY_SUCCESS) || address_is_null(letter_sender(letter, index)))
        return false;
    return recipient->progress == PROGRESS_DELIVERED || recipient->progress == PROGRESS_RELAYED ||
           (recipient->progress == PROGRESS_EXPANDED && recipient->several);
}

bool letter_is_chosen(const struct letter *letter, size_t index, enum notify kind)
{
    return letter->recipients[index].chosen & kind && letter_owes(letter, index, kind);
}

struct outcome letter_remove(struct letter *letter)
{
    if (unlinkat(letter->queue->spool, letter->id, 0) < 0 && errno != ENOENT)
        return outcome_errno(errno, "cannot remove message %s", letter->id);
    if (faccessat(letter->queue->journal, letter->id, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT
                   ? outcome_done()
                   : outcome_errno(errno, "cannot look for the journal of %s", letter->id);
    struct outcome outcome = letter_sync(letter->queue);
    if (!outcome_good(&outcome))
        return outcome;
    if (unlinkat(letter->queue->journal, letter->id, 0) < 0 && errno != ENOENT)
        return outcome_errno(errno, "cannot remove the journal of %s", letter->id);
    return outcome_done();
}

struct outcome letter_sync(const struct queue *queue)
{
    return file_sync_folder(queue->spool, "the queue");
}

/* Whoever is still writing holds a lock on it, but for the first moment. */
static void sweep_draft(const struct queue *queue, const char *name)
{
    struct stat info;
    int fd = openat(queue->spool, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &info) == 0 &&
        info.st_mtime + DRAFT_PATIENCE < clock_now())
        unlinkat(queue->spool, name, 0);
    file_close(&fd);
}

static void sweep_drafts(const struct queue *queue)
{
    int fd = openat(queue->spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        file_close(&fd);
        return;
    }
    struct dirent *name;
    while ((name = readdir(stream)) != NULL)
        if (name->d_name[0] == '.' && queue_is_id(name->d_name + 1))
            sweep_draft(queue, name->d_name);
    closedir(stream);
}

/* Leaves those whose message is not there. */
static void keep_orphans(const struct queue *queue, struct list *journals)
{
    size_t kept = 0;
    struct stat info;
    for (size_t i = 0; i < journals->count; i++)
        if (fstatat(queue->spool, journals->entries[i].id, &info, AT_SYMLINK_NOFOLLOW) < 0 &&
            errno == ENOENT)
            journals->entries[kept++] = journals->entries[i];
    journals->count = kept;
}

/*
 * A journal without a message is rubbish, for the message goes first; but whoever removed that may
 * not have come to sync it.
 */
static void sweep_journals(const struct queue *queue)
{
    struct list journals = {0};
    struct outcome outcome = list_folder(queue->journal, &journals);
    keep_orphans(queue, &journals);
    if (outcome_good(&outcome) && journals.count)
        outcome = letter_sync(queue);
    for (size_t i = 0; outcome_good(&outcome) && i < journals.count; i++)
        unlinkat(queue->journal, journals.entries[i].id, 0);
    list_free(&journals);
}

void letter_sweep(const struct queue *queue)
{
    sweep_drafts(queue);
    sweep_journals(queue);
}
