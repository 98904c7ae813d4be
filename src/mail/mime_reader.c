/*
 * Lines out of a file by pread, a block at a time, with a way back. Knows nothing of mail. Two of
 * them share a descriptor, and neither moves its offset.
 */
#include "mail/mime_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

/* Makes the block begin where the next piece does, unless it reaches far enough already. */
static bool reader_fill(struct reader *reader)
{
    uint64_t left = reader->size - reader->at;
    uint64_t held = 0;
    if (reader->at >= reader->block_at && reader->at < reader->block_at + reader->block_length)
        held = reader->block_at + reader->block_length - reader->at;
    if (held >= PIECE_WHOLE || (held && held == left))
        return true;
    if (!left || reader->error)
        return false;
    if (!reader->block)
        reader->block = memory_block(FILE_BLOCK);
    size_t wanted = left < FILE_BLOCK ? (size_t)left : FILE_BLOCK;
    ssize_t got =
        file_read_at(reader->fd, reader->block, wanted, reader->start + (off_t)reader->at);
    if (got < 0 || (size_t)got < wanted) {
        reader->error = got < 0 ? errno : EIO; /* shorter than was said: the file was cut */
        reader->block_length = 0;
        return false;
    }
    reader->block_at = reader->at;
    reader->block_length = wanted;
    return true;
}

bool reader_next(struct reader *reader, struct piece *piece)
{
    if (!reader_fill(reader))
        return false;
    size_t offset = (size_t)(reader->at - reader->block_at);
    size_t length = reader->block_length - offset;
    piece->data = reader->block + offset;
    const char *newline = memchr(piece->data, '\n', length);
    piece->length = newline ? (size_t)(newline - piece->data) + 1 : length;
    piece->first = !reader->middle;
    reader->at += piece->length;
    piece->last = newline || reader->at == reader->size;
    reader->middle = !piece->last;
    return true;
}

void reader_seek(struct reader *reader, uint64_t at)
{
    reader->at = at;
    reader->middle = false;
}

void reader_free(struct reader *reader)
{
    free(reader->block);
    reader->block = NULL;
    reader->block_length = 0;
}
