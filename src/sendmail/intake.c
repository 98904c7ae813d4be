/* Line ends made one, and the lone dot of people at terminals. Memory: two blocks. */
#include "sendmail/intake.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Takes the next byte as it should be; false when it ended the message. */
static bool take_byte(struct intake *intake, char byte)
{
    if (byte == '\n' && intake->place == LINE_DOT)
        return false;
    if (intake->place == LINE_DOT)
        intake->data[intake->end++] = '.'; /* it was held back */
    if (byte == '.' && intake->dot_ends && intake->place == LINE_START) {
        intake->place = LINE_DOT;
        return true;
    }
    intake->data[intake->end++] = byte;
    intake->place = byte == '\n' ? LINE_START : LINE_INSIDE;
    return true;
}

/* Copies a block with its line ends made LF: no longer than it was, but for a dot held back. */
static void change_block(struct intake *intake, const char *from, size_t length)
{
    if (!intake->data)
        intake->data = memory_block(FILE_BLOCK + 1);
    intake->block = intake->data;
    for (size_t i = 0; i < length && !intake->ended; i++) {
        bool second_of_pair = from[i] == '\n' && intake->after_cr;
        intake->after_cr = from[i] == '\r';
        if (!second_of_pair && !take_byte(intake, intake->after_cr ? '\n' : from[i]))
            intake->ended = true;
    }
}

static bool fill(struct intake *intake)
{
    while (intake->start == intake->end) {
        if (intake->ended || !input_fill(&intake->input))
            return false;
        const char *from = intake->input.data + intake->input.start;
        size_t length = intake->input.end - intake->input.start;
        intake->input.start = intake->input.end;
        intake->start = intake->end = 0;
        if (intake->dot_ends || intake->after_cr || memchr(from, '\r', length)) {
            change_block(intake, from, length);
        } else {
            intake->block = from;
            intake->end = length;
        }
    }
    return true;
}

bool intake_block(struct intake *intake, const char **data, size_t *length)
{
    if (!fill(intake))
        return false;
    *data = intake->block + intake->start;
    *length = intake->end - intake->start;
    intake->start = intake->end;
    return true;
}

bool intake_line(struct intake *intake, struct buffer *line)
{
    bool any = false;
    while (fill(intake)) {
        const char *begin = intake->block + intake->start;
        size_t rest = intake->end - intake->start;
        const char *newline = memchr(begin, '\n', rest);
        size_t length = newline ? (size_t)(newline - begin) + 1 : rest;
        buffer_append(line, begin, length);
        if (line->failed)
            return true;
        intake->start += length;
        any = true;
        if (newline)
            break;
    }
    return any;
}

void intake_free(struct intake *intake)
{
    input_free(&intake->input);
    free(intake->data);
    intake->data = NULL;
}
