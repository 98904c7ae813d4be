/* See milter_packet.h. */
#include "filter/milter_packet.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "mail/header.h"

enum {
    VERSION_LEAST = 2,
    VERSION = 6,
    ACTIONS = 0x1ff, /* all that there are */
    STEPS = 0x1fffff & ~MILTER_REFUSED_TOO,
    /* Wishes that change nothing when they are not heard: refused recipients, larger packets. */
    HARMLESS = MILTER_REFUSED_TOO | 0x30000000
};

/* ---- what we send ---- */

size_t milter_open(struct buffer *packets, enum milter_command command)
{
    size_t place = packets->length;
    milter_put_number(packets, 0);
    buffer_append_byte(packets, (char)command);
    return place;
}

static void write_number(char *place, uint32_t number)
{
    for (int i = 3; i >= 0; i--, number >>= 8)
        place[i] = (char)(number & 0xff);
}

void milter_close(struct buffer *packets, size_t place)
{
    write_number(packets->data + place, (uint32_t)(packets->length - place - 4));
}

void milter_put_number(struct buffer *packets, uint32_t number)
{
    char bytes[4];
    write_number(bytes, number);
    buffer_append(packets, bytes, sizeof bytes);
}

void milter_put_text(struct buffer *packets, const char *text)
{
    buffer_append(packets, text, strlen(text) + 1);
}

void milter_put(struct buffer *packets, enum milter_command command)
{
    milter_close(packets, milter_open(packets, command));
}

void milter_put_options(struct buffer *packets)
{
    size_t place = milter_open(packets, MILTER_OPTIONS);
    milter_put_number(packets, VERSION);
    milter_put_number(packets, ACTIONS);
    milter_put_number(packets, STEPS);
    milter_close(packets, place);
}

/* ---- what comes back ---- */

uint32_t milter_number(const char *data)
{
    uint32_t number = 0;
    for (size_t i = 0; i < 4; i++)
        number = number << 8 | (unsigned char)data[i];
    return number;
}

/* What is left of a packet's data. */
struct cursor {
    const char *at;
    size_t left;
};

static bool take_number(struct cursor *cursor, uint32_t *number)
{
    if (cursor->left < 4)
        return false;
    *number = milter_number(cursor->at);
    cursor->at += 4;
    cursor->left -= 4;
    return true;
}

/* A text with its NUL. */
static bool take_text(struct cursor *cursor, const char **text)
{
    const char *end = cursor->left ? memchr(cursor->at, '\0', cursor->left) : NULL;
    if (!end)
        return false;
    *text = cursor->at;
    cursor->left -= (size_t)(end + 1 - cursor->at);
    cursor->at = end + 1;
    return true;
}

/* "j {daemon_name},i": without braces, they are the same names. */
static void take_names(const char *text, struct texts *names)
{
    static const char between[] = " ,\t\r\n{}";
    while (*(text += strspn(text, between)) && names->count < MILTER_MACROS_MOST) {
        size_t length = strcspn(text, between);
        char *name = memory_copy(text, length);
        texts_add(names, name);
        free(name);
        text += length;
    }
}

bool milter_parse_options(const char *data, size_t length, struct milter_options *options,
                          const char **why)
{
    struct cursor cursor = {data, length};
    uint32_t version, stage;
    const char *names;
    *options = (struct milter_options){0};
    *why = "its options are cut short";
    if (!take_number(&cursor, &version) || !take_number(&cursor, &options->actions) ||
        !take_number(&cursor, &options->steps))
        return false;
    while (cursor.left) {
        if (!take_number(&cursor, &stage) || !take_text(&cursor, &names))
            return false;
        if (stage < STAGES) {
            texts_free(&options->macros[stage]);
            take_names(names, &options->macros[stage]);
            options->asks[stage] = true;
        }
    }
    options->version = version;
    *why = "it speaks a version of the protocol that we do not";
    if (version < VERSION_LEAST || version > VERSION)
        return false;
    *why = "it wants to do what we do not offer";
    if (options->actions & ~(uint32_t)ACTIONS)
        return false;
    *why = "it wants steps of the protocol that we do not offer";
    return (options->steps & ~(uint32_t)(STEPS | HARMLESS)) == 0;
}

void milter_free_options(struct milter_options *options)
{
    for (size_t i = 0; i < STAGES; i++)
        texts_free(&options->macros[i]);
    *options = (struct milter_options){0};
}

/* ---- replies ---- */

/* A line with its code, the words made fit to be sent. */
static void make_line(const char *text, size_t length, struct buffer *line)
{
    buffer_clear(line);
    for (size_t i = 0; i < length && line->length < MILTER_REPLY_LINE_LONGEST; i++) {
        buffer_append_byte(line, text[i]);
        if (text[i] == '%' && i + 1 < length && text[i + 1] == '%')
            i++;
    }
    if (line->length)
        text_tame(line->data, line->length);
}

bool milter_parse_reply(const char *data, size_t length, struct reply *reply, const char **why)
{
    struct buffer line = {0};
    bool last = false, good = length && memchr(data, '\0', length);
    const char *at = data, *fault;
    reply->count = 0;
    do {
        if (!good)
            break;
        size_t size = strcspn(at, "\r\n");
        make_line(at, size, &line);
        at += size;
        at += *at == '\r' && at[1] == '\n';
        at += *at != '\0';
        good = !last && reply->count < MILTER_REPLY_LINES &&
               reply_add(reply, buffer_text(&line), line.length, &last, &fault);
    } while (*at);
    buffer_free(&line);
    *why = "it wants a reply that is none";
    return good && last && reply->code >= 400;
}

/* ---- changes ---- */

bool milter_is_change(char kind)
{
    return kind && strchr("+-2behimq", kind) != NULL;
}

static bool is_field_name(const char *name)
{
    const char *c = name;
    while (*c > ' ' && *c < 127 && *c != ':')
        c++;
    return c > name && !*c && c - name < LINE_LONGEST;
}

static bool take_field(struct cursor *cursor, struct milter_change *change, const char **why)
{
    if (!take_text(cursor, &change->name) || !take_text(cursor, &change->value))
        return false;
    *why = "it names a header field that can be none";
    return is_field_name(change->name);
}

static bool take_address(struct cursor *cursor, bool with_parameters, struct milter_change *change)
{
    if (!take_text(cursor, &change->name))
        return false;
    if (!with_parameters || !cursor->left)
        return true;
    return take_text(cursor, &change->parameters);
}

bool milter_parse_change(char kind, const char *data, size_t length, struct milter_change *change,
                         const char **why)
{
    struct cursor cursor = {data, length};
    bool good = false;
    *change = (struct milter_change){.kind = kind};
    *why = "what it wants changed is cut short";
    switch (kind) {
    case MILTER_INSERTS_FIELD:
    case MILTER_CHANGES_FIELD:
        good = take_number(&cursor, &change->index) && take_field(&cursor, change, why);
        break;
    case MILTER_ADDS_FIELD:
        good = take_field(&cursor, change, why);
        break;
    case MILTER_ADDS_RECIPIENT:
    case MILTER_DELETES_RECIPIENT:
    case MILTER_QUARANTINES:
        good = take_address(&cursor, false, change);
        break;
    case MILTER_ADDS_RECIPIENT_WITH:
    case MILTER_CHANGES_SENDER:
        good = take_address(&cursor, true, change);
        break;
    default:
        *why = "it wants what nobody knows";
    }
    if (!good || !cursor.left)
        return good;
    *why = "there is more behind what it wants changed";
    return false;
}
