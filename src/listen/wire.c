/* The reader of a message's bytes (see wire.h), a machine of five places. */
#include "listen/wire.h"

#include <string.h>

/* How far the bytes mean themselves, from a place within a line or at its start. */
static size_t count_plain(const char *data, size_t length)
{
    size_t count = 0;
    while (count < length && data[count] != '\r' && data[count] != '\n' && data[count] != '\0')
        count++;
    return count;
}

/* A byte that cannot be passed over in a run. */
static void step(struct wire *wire, char byte, void (*put)(void *, const char *, size_t),
                 void *context)
{
    bool after_cr = wire->place == WIRE_CR || wire->place == WIRE_DOT_CR;
    if (byte == '\n' && wire->place == WIRE_DOT_CR) {
        wire->ended = true;
    } else if (byte == '\n' && after_cr) {
        put(context, "\n", 1);
        wire->place = WIRE_LINE;
    } else if (byte == '\n' || byte == '\0' || after_cr) {
        wire->bare = true;
        wire->place = byte == '\r' ? WIRE_CR : WIRE_WITHIN;
    } else if (byte == '\r') {
        wire->place = wire->place == WIRE_DOT ? WIRE_DOT_CR : WIRE_CR;
    }
}

size_t wire_take(struct wire *wire, const char *data, size_t length,
                 void (*put)(void *, const char *, size_t), void *context)
{
    size_t at = 0;
    while (at < length && !wire->ended) {
        if (wire->place == WIRE_LINE && data[at] == '.' && !wire->chunked) {
            wire->place = WIRE_DOT;
            at++;
            continue;
        }
        bool after_cr = wire->place == WIRE_CR || wire->place == WIRE_DOT_CR;
        size_t plain = after_cr ? 0 : count_plain(data + at, length - at);
        if (plain) {
            put(context, data + at, plain);
            wire->place = WIRE_WITHIN;
            at += plain;
        } else {
            step(wire, data[at++], put, context);
        }
    }
    return at;
}
