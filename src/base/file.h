/* Reading and writing that finishes, whatever EINTR and short counts do. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/outcome.h"

enum { FILE_BLOCK = 65536 };

/* Writes all of it; false with errno set. */
bool file_write(int fd, const void *data, size_t length);
/* The same at an offset. */
bool file_write_at(int fd, const void *data, size_t length, off_t offset);
/* Reads up to length bytes; less only at the end. -1 with errno set. */
ssize_t file_read(int fd, void *data, size_t length);
/* The same at an offset. */
ssize_t file_read_at(int fd, void *data, size_t length, off_t offset);
/* The whole of a small file behind the buffer, within the buffer's limit. */
struct outcome file_load(const char *path, struct buffer *content);
/* fsync of a folder, so that names made or removed in it last; fails hard. */
struct outcome file_sync_folder(int folder, const char *name);
/* The same for the folder that the path is in. */
struct outcome file_sync_folder_of(const char *path);
/* Whether an open with O_TMPFILE failed because the file system has no files without a name. */
bool file_lacks_unnamed(int error);
/* Whether a file without a name can get one: before Linux 6.10 only root can without /proc, which a
 * bare chroot has not. */
bool file_can_be_named(void);
/* Makes a folder, with a name that lasts; *made, if not NULL: it was not there. */
struct outcome file_make_folder(const char *path, mode_t mode, bool *made);
/* With those above it. */
struct outcome file_make_folders(const char *path, mode_t mode);
/* Closes a descriptor that may be -1, and sets it to -1; errno stays as it was. */
void file_close(int *fd);

/*
 * A file on its way to its name, under which it is whole and on stable storage or not there. It is
 * made beside it as NAME.new, locked, of mode 0600, with the owner of this process; whoever wants
 * that otherwise changes it before the commit. What a crash leaves there the next one takes away.
 */
struct new_file {
    int fd;
    char *temporary; /* its name until then */
    const char *path;
};

/* Waits for another process that makes the same file: EX_TEMPFAIL when it does not end. */
struct outcome file_begin(const char *path, struct new_file *file);
/* What was written is on stable storage, still without the name: a full disk is found here. */
struct outcome file_sync(struct new_file *file);
/*
 * fsync, and the name. replace: what had it is gone; otherwise EX_CANTCREAT when it is taken.
 * Closes the file either way, and leaves nothing behind when it fails.
 */
struct outcome file_commit(struct new_file *file, bool replace);
/* Instead of a commit: it never was. */
void file_drop(struct new_file *file);

/* Block-wise input. Open it with {.fd = ...}. */
struct input {
    int fd;
    bool ended;
    int error;    /* errno of a failed read; the input has ended then */
    size_t block; /* bytes read at once; 0: FILE_BLOCK */
    size_t start, end;
    char *data; /* of so many bytes; made at the first fill */
};

/* Reads a next block when the present one is used up; false at the end or on an error. */
bool input_fill(struct input *input);
/*
 * The next line, its LF included unless it is the last one without, put behind the buffer.
 * False when nothing is left. A line over the buffer's limit sets its .failed.
 */
bool input_line(struct input *input, struct buffer *line);
void input_free(struct input *input);

/* Block-wise output that is poisoned by its first error. Open it with {.fd = ...}. */
struct output {
    int fd;
    int error;
    size_t used;
    bool written;      /* something went out already */
    uint64_t total;    /* bytes put so far */
    uint32_t checksum; /* of them, see checksum.h */
    bool counting;     /* only these two: nothing is written */
    char *data;
};

/* What fails is for output_flush to say. */
void output_put(struct output *output, const void *data, size_t length);
void output_text(struct output *output, const char *text);
/* Puts other bytes in the place of the first ones; what is counted of them stays as it is. */
void output_amend(struct output *output, const void *data, size_t length);
/* Writes out what is held; false when anything failed, errno in .error. */
bool output_flush(struct output *output);
void output_free(struct output *output);

#endif
