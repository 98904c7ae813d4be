/* Complete reads and writes, block-wise input and output. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/memory.h"

bool file_write(int fd, const void *data, size_t length)
{
    const char *rest = data;
    while (length) {
        ssize_t wrote = write(fd, rest, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        rest += wrote;
        length -= (size_t)wrote;
    }
    return true;
}

bool file_write_at(int fd, const void *data, size_t length, off_t offset)
{
    for (size_t at = 0; at < length;) {
        ssize_t wrote = pwrite(fd, (const char *)data + at, length - at, offset + (off_t)at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        at += (size_t)wrote;
    }
    return true;
}

ssize_t file_read(int fd, void *data, size_t length)
{
    size_t got = 0;
    while (got < length) {
        ssize_t count = read(fd, (char *)data + got, length - got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        got += (size_t)count;
    }
    return (ssize_t)got;
}

ssize_t file_read_at(int fd, void *data, size_t length, off_t offset)
{
    size_t got = 0;
    while (got < length) {
        ssize_t count = pread(fd, (char *)data + got, length - got, offset + (off_t)got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        got += (size_t)count;
    }
    return (ssize_t)got;
}

struct outcome file_load(const char *path, struct buffer *content)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return outcome_errno(errno, "cannot open %s", path);
    char block[4096];
    ssize_t count;
    while ((count = file_read(fd, block, sizeof block)) > 0)
        buffer_append(content, block, (size_t)count);
    int error = errno;
    close(fd);
    if (count < 0)
        return outcome_errno(error, "cannot read %s", path);
    if (content->failed)
        return outcome_later("4.3.5", "%s is larger than expected", path);
    return outcome_done();
}

struct outcome file_sync_folder(int folder, const char *name)
{
    while (fsync(folder) < 0)
        if (errno != EINTR)
            return outcome_errno(errno, "cannot make the folder %s lasting", name);
    return outcome_done();
}

bool file_lacks_unnamed(int error)
{
    return error == EOPNOTSUPP || error == EISDIR || error == ENOENT || error == EINVAL;
}

bool file_can_be_named(void)
{
    return access("/proc/self/fd", X_OK) == 0;
}

struct outcome file_sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    char *folder = slash ? memory_copy(path, length) : memory_copy(".", 1);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct outcome outcome = fd < 0 ? outcome_errno(errno, "cannot open the folder %s", folder)
                                    : file_sync_folder(fd, folder);
    file_close(&fd);
    free(folder);
    return outcome;
}

struct outcome file_make_folder(const char *path, mode_t mode, bool *made)
{
    bool is_new = mkdir(path, mode) == 0;
    if (made)
        *made = is_new;
    if (!is_new && errno != EEXIST)
        return outcome_errno(errno, "cannot make the folder %s", path);
    return is_new ? file_sync_folder_of(path) : outcome_done();
}

struct outcome file_make_folders(const char *path, mode_t mode)
{
    struct outcome outcome = outcome_done();
    char *copy = memory_copy(path, strlen(path));
    for (char *at = copy + 1; *copy && *at && outcome_good(&outcome); at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        outcome = file_make_folder(copy, mode, NULL);
        *at = '/';
    }
    free(copy);
    return outcome_good(&outcome) ? file_make_folder(path, mode, NULL) : outcome;
}

void file_close(int *fd)
{
    int error = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = error;
}

/* ---- files that are whole or not there ---- */

enum { NEW_PATIENCE_MS = 10000 /* for another process that makes the same file */ };

/* What a crash left under the name goes; what somebody is writing is locked, and stays. False: it
 * is neither. */
static bool remove_left_over(const char *temporary)
{
    int fd = open(temporary, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    bool is_ours =
        flock(fd, LOCK_EX | LOCK_NB) == 0 ? unlink(temporary) == 0 : errno == EWOULDBLOCK;
    file_close(&fd);
    return is_ours;
}

/* Without the lock in time it may have been taken for left over, and have lost its name. */
static int open_new(const char *temporary)
{
    struct stat info;
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 || (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &info) == 0 && info.st_nlink))
        return fd;
    file_close(&fd);
    errno = EEXIST;
    return -1;
}

struct outcome file_begin(const char *path, struct new_file *file)
{
    struct buffer temporary = {0};
    buffer_format(&temporary, "%s.new", path);
    *file = (struct new_file){.path = path, .temporary = buffer_take(&temporary)};
    int64_t end = clock_ms() + NEW_PATIENCE_MS;
    while ((file->fd = open_new(file->temporary)) < 0 && errno == EEXIST && clock_ms() < end &&
           remove_left_over(file->temporary))
        (void)poll(NULL, 0, 5);
    if (file->fd >= 0)
        return outcome_done();
    struct outcome outcome =
        errno == EEXIST || errno == ELOOP
            ? outcome_refuse(EX_TEMPFAIL, "%s is in the way, or another process is writing it",
                             file->temporary)
            : outcome_errno(errno, "cannot make a file for %s", path);
    free(file->temporary);
    file->temporary = NULL;
    return outcome;
}

struct outcome file_sync(struct new_file *file)
{
    while (fsync(file->fd) < 0)
        if (errno != EINTR)
            return outcome_errno(errno, "cannot write %s", file->path);
    return outcome_done();
}

/* At once, so that nothing is left beside it; some file systems can only do it in two steps. */
static bool name_unless_taken(const struct new_file *file)
{
    if (syscall(SYS_renameat2, AT_FDCWD, file->temporary, AT_FDCWD, file->path, RENAME_NOREPLACE) ==
        0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    return link(file->temporary, file->path) == 0 && unlink(file->temporary) == 0;
}

/* The name is given last, so that it never is that of a file that a crash could cut. */
static struct outcome give_name(struct new_file *file, bool replace)
{
    struct outcome outcome = file_sync(file);
    if (!outcome_good(&outcome))
        return outcome;
    if (replace ? rename(file->temporary, file->path) < 0 : !name_unless_taken(file)) {
        if (errno == EEXIST && !replace)
            return outcome_refuse(EX_CANTCREAT, "%s is there already", file->path);
        return outcome_errno(errno, "cannot write %s", file->path);
    }
    free(file->temporary);
    file->temporary = NULL;
    return file_sync_folder_of(file->path);
}

struct outcome file_commit(struct new_file *file, bool replace)
{
    struct outcome outcome = give_name(file, replace);
    file_drop(file);
    return outcome;
}

void file_drop(struct new_file *file)
{
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    file->temporary = NULL;
    file_close(&file->fd);
}

/* ---- blocks ---- */

bool input_fill(struct input *input)
{
    if (input->start < input->end)
        return true;
    if (input->ended)
        return false;
    if (input->block == 0)
        input->block = FILE_BLOCK;
    if (!input->data)
        input->data = memory_block(input->block);
    ssize_t count;
    do
        count = read(input->fd, input->data, input->block);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        input->error = errno;
    if (count <= 0) {
        input->ended = true;
        return false;
    }
    input->start = 0;
    input->end = (size_t)count;
    return true;
}

bool input_line(struct input *input, struct buffer *line)
{
    bool any = false;
    while (input_fill(input)) {
        const char *begin = input->data + input->start;
        size_t rest = input->end - input->start;
        const char *newline = memchr(begin, '\n', rest);
        size_t length = newline ? (size_t)(newline - begin) + 1 : rest;
        buffer_append(line, begin, length);
        input->start += length;
        any = true;
        if (newline)
            break;
    }
    return any;
}

void input_free(struct input *input)
{
    free(input->data);
    *input = (struct input){.fd = -1, .ended = true};
}

static void output_write(struct output *output, const char *data, size_t length)
{
    if (output->counting || output->error || !length)
        return;
    output->written = true;
    if (!file_write(output->fd, data, length))
        output->error = errno;
}

void output_put(struct output *output, const void *data, size_t length)
{
    output->total += length;
    output->checksum = checksum_add(output->checksum, data, length);
    if (output->counting)
        return;
    if (!output->data)
        output->data = memory_block(FILE_BLOCK);
    if (length > FILE_BLOCK - output->used) {
        output_write(output, output->data, output->used);
        output->used = 0;
    }
    if (length >= FILE_BLOCK) {
        output_write(output, data, length);
        return;
    }
    memcpy(output->data + output->used, data, length);
    output->used += length;
}

void output_text(struct output *output, const char *text)
{
    output_put(output, text, strlen(text));
}

void output_amend(struct output *output, const void *data, size_t length)
{
    if (!output->written && length <= output->used)
        memcpy(output->data, data, length);
    else if (!output->error && !file_write_at(output->fd, data, length, 0))
        output->error = errno;
}

bool output_flush(struct output *output)
{
    output_write(output, output->data, output->used);
    output->used = 0;
    return !output->error;
}

void output_free(struct output *output)
{
    free(output->data);
    output->data = NULL;
}
