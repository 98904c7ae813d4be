/*
 * A message on the wire, against a second reading of RFC 5321 4.5.2 that looks at all of it at
 * once: the same end, the same bytes, and the same opinion of what stands alone, however it is cut
 * up.
 */
#include <unistd.h>

#include "fuzz.h"
#include "listen/wire.h"

static void collect(void *context, const char *data, size_t length)
{
    must(length);
    buffer_append(context, data, length);
}

static bool is_at(const char *data, size_t size, size_t at, const char *what)
{
    size_t length = strlen(what);
    return at <= size && size - at >= length && memcmp(data + at, what, length) == 0;
}

static bool begins_line(const char *data, size_t size, size_t at)
{
    return at == 0 || (at >= 2 && is_at(data, size, at - 2, "\r\n"));
}

/* How many bytes are the message with its end; SIZE_MAX: it has none. */
static size_t find_end(const char *data, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (begins_line(data, size, at) && is_at(data, size, at, ".\r\n"))
            return at + 3;
    return SIZE_MAX;
}

/* Without dots and CR; false when something stands alone. */
static bool decode(const char *data, size_t size, bool chunked, struct buffer *text)
{
    bool good = true;
    for (size_t at = 0; at < size; at++) {
        if (is_at(data, size, at, "\r\n")) {
            buffer_append_byte(text, '\n');
            at++;
        } else if (data[at] == '\r' || data[at] == '\n' || data[at] == '\0') {
            good = false;
        } else if (data[at] != '.' || chunked || !begins_line(data, size, at)) {
            buffer_append_byte(text, data[at]);
        }
    }
    return good;
}

/* The first byte: whether it comes in chunks; the second: how large the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    bool chunked = bytes[0] & 1;
    size_t piece = 1 + bytes[1] % 16;
    const char *data = (const char *)bytes + 2;
    size -= 2;

    struct wire wire = {.chunked = chunked};
    struct buffer text = {0}, expected = {0};
    size_t taken = 0;
    while (taken < size && !wire.ended) {
        size_t offered = size - taken < piece ? size - taken : piece;
        size_t used = wire_take(&wire, data + taken, offered, collect, &text);
        must(used <= offered && (used == offered || wire.ended));
        taken += used;
    }
    size_t end = chunked ? SIZE_MAX : find_end(data, size);
    must(wire.ended == (end != SIZE_MAX));
    must(taken == (wire.ended ? end : size));

    size_t length = wire.ended ? end - 3 : size;
    bool open = length && data[length - 1] == '\r' && !wire.ended;
    bool good = decode(data, open ? length - 1 : length, chunked, &expected);
    must(wire.bare == !good);
    if (good)
        must(strcmp(buffer_text(&text), buffer_text(&expected)) == 0);
    buffer_free(&text);
    buffer_free(&expected);
    return 0;
}
