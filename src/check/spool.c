/* See spool.h. The modes are those of contrib/install-accounts.sh. */
#include "check/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "queue/queue.h"

static const char topic[] = "queue";

enum { LEAST_BYTES = 1 << 20, LEAST_FILES = 10, FEW_FILES = 1000, OTHERS = 077 };

/* ---- room ---- */

/* "31.4G" into the buffer, which is emptied before. */
static const char *size_text(uint64_t bytes, struct buffer *text)
{
    static const char units[] = "KMGTP";
    uint64_t tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
    size_t unit = 0;
    for (; tenths >= 10240 && units[unit + 1]; unit++)
        tenths /= 1024;
    buffer_clear(text);
    buffer_format(text, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10, units[unit]);
    return buffer_text(text);
}

static void check_bytes(const char *directory, const struct statvfs *system, uint64_t largest,
                        struct findings *findings)
{
    struct buffer size = {0};
    char *word = shell_word(directory);
    uint64_t room = (uint64_t)system->f_bavail * system->f_frsize;
    /* Whoever submits a message of the greatest size has it there once. */
    enum finding_mark mark = room < LEAST_BYTES ? FINDING_FAULT
                             : room < largest   ? FINDING_WARNING
                                                : FINDING_GOOD;
    if (mark != FINDING_GOOD) {
        finding_add(findings, mark, "disk", "%s has room for %s only: %s", directory,
                    size_text(room, &size),
                    mark == FINDING_FAULT ? "mail is refused, and tried again later"
                                          : "a message of max_message_size does not fit");
        finding_remedy(findings, "df -h %s # and make room there", word);
    } else if (system->f_files && system->f_favail < FEW_FILES) {
        mark = system->f_favail < LEAST_FILES ? FINDING_FAULT : FINDING_WARNING;
        finding_add(findings, mark, "disk",
                    "%s has room for %ju more files, and each message takes one or two", directory,
                    (uintmax_t)system->f_favail);
        finding_remedy(findings, "df -i %s # and take files away there", word);
    } else {
        finding_add(findings, FINDING_GOOD, "disk", "%s has room for %s", directory,
                    size_text(room, &size));
    }
    free(word);
    buffer_free(&size);
}

static void check_room(const struct settings *settings, const char *directory,
                       struct findings *findings)
{
    struct statvfs system;
    if (statvfs(directory, &system) < 0)
        return;
    if (system.f_flag & ST_RDONLY) {
        finding_add(findings, FINDING_FAULT, "disk",
                    "%s is on a file system that is mounted read-only: no mail is taken",
                    directory);
        finding_remedy(findings, "mount -o remount,rw it; after errors of the disk look at dmesg "
                                 "first");
        return;
    }
    check_bytes(directory, &system, settings->max_message_size, findings);
}

/* ---- the installed queue ---- */

static const struct {
    const char *name; /* below the directory */
    mode_t mode;
    const char *else_;
} folders[] = {
    {"", 0710, "users cannot put mail into the queue, or can see into it"},
    {"/spool", 03770, "users cannot put mail into the queue, or can take away the mail of others"},
    {"/journal", 02750, "what happens to mail cannot be noted down, or others can change it"},
    {"/corrupt", 02750, "what is damaged cannot be set aside"},
    {"/hops", 02750, "next hops that do not answer are not left alone"},
    {"/runs", 02750, "mail into mailboxes waits"},
    {"/filter", 02750, "filters of the listener forget all that they have learnt"},
};

void check_spool(const struct settings *settings, const struct account *account,
                 struct findings *findings)
{
    bool good = true;
    struct buffer path = {0};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        buffer_clear(&path);
        buffer_format(&path, "%s%s", settings->queue_directory, folders[i].name);
        const struct rights rights = {.path = buffer_text(&path),
                                      .topic = topic,
                                      .else_ = folders[i].else_,
                                      .is_folder = true,
                                      .is_ours = true,
                                      .of_group = true,
                                      .must = folders[i].mode,
                                      .may = folders[i].mode,
                                      .ordinary = folders[i].mode};
        good = rights_check(&rights, account, findings) && good;
    }
    buffer_free(&path);
    if (good)
        finding_add(findings, FINDING_GOOD, topic, "the folders of %s have their owners and modes",
                    settings->queue_directory);
    check_room(settings, settings->queue_directory, findings);
}

/* ---- a user's own ---- */

/* The folder, or what is above it up to the first that is there; the caller frees. */
static char *find_existing(const char *directory)
{
    char *path = memory_copy(directory, strlen(directory));
    while (access(path, F_OK) < 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            break;
        *slash = '\0';
    }
    return path;
}

static void check_future(const struct settings *settings, struct findings *findings)
{
    char *above = find_existing(settings->queue_directory);
    bool writable = access(above, W_OK | X_OK) == 0;
    if (writable)
        finding_add(findings, FINDING_HINT, topic,
                    "%s is not there yet: the first message makes it", settings->queue_directory);
    else
        finding_add(findings, FINDING_FAULT, topic, "%s is not there, and you cannot make it: %s",
                    settings->queue_directory, strerror(errno));
    if (!writable)
        finding_remedy(findings, "set directory in [queue] to a folder of yours");
    else
        check_room(settings, above, findings);
    free(above);
}

void check_own_spool(const struct settings *settings, struct findings *findings)
{
    const char *directory = settings->queue_directory;
    struct stat status;
    if (stat(directory, &status) < 0 && errno == ENOENT) {
        check_future(settings, findings);
        return;
    }
    char *word = shell_word(directory);
    if (stat(directory, &status) == 0 && !S_ISDIR(status.st_mode)) {
        finding_add(findings, FINDING_FAULT, topic, "%s is no folder", directory);
        finding_remedy(findings, "take %s away, or set directory in [queue] to another", word);
    } else if (access(directory, R_OK | W_OK | X_OK) < 0 || stat(directory, &status) < 0) {
        finding_add(findings, FINDING_FAULT, topic, "%s cannot be used: %s", directory,
                    strerror(errno));
        finding_remedy(findings, "chmod 700 %s, or set directory in [queue] to a folder of yours",
                       word);
    } else if (status.st_mode & OTHERS) {
        finding_add(findings, FINDING_WARNING, topic,
                    "%s is open to other users, and so may be the mail in it", directory);
        finding_remedy(findings, "chmod 700 %s", word);
    } else {
        finding_add(findings, FINDING_GOOD, topic, "%s is yours alone", directory);
    }
    free(word);
    check_room(settings, directory, findings);
}
