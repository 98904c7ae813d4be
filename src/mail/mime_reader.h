/* A stretch of a file as lines, or pieces of long lines, from any place in it and back again. */
#ifndef MAIL_MIME_READER_H
#define MAIL_MIME_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Open it with {.fd, .start, .size}; close it with reader_free. */
struct reader {
    int fd;
    off_t start;   /* of the stretch in the file */
    uint64_t size; /* of the stretch */
    uint64_t at;   /* where in the stretch the next piece begins */
    bool middle;   /* that is inside a line */
    int error;     /* errno of a failed read; there are no more pieces then */
    char *block;
    uint64_t block_at;
    size_t block_length;
};

/* Part of a line, valid until the next call. */
struct piece {
    const char *data;
    size_t length;
    bool first; /* the line begins with it */
    bool last;  /* the line ends with it: the LF, if there is one, is in it */
};

/*
 * A line whole, or a piece of one that is longer than PIECE_WHOLE. False at the end, or when
 * .error is set.
 */
enum { PIECE_WHOLE = 1024 };
bool reader_next(struct reader *reader, struct piece *piece);
/* Goes to the beginning of a line. Costs no read when that is in the block at hand. */
void reader_seek(struct reader *reader, uint64_t at);
void reader_free(struct reader *reader);

#endif
