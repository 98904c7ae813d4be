/* Writes and reads the form of a queue file; the only place that knows it. */
#include "queue/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

enum { LINE_LIMIT = 65536 };

static const char magic[] = "postrider 1\n";

void format_seal(const struct seal *seal, struct buffer *text)
{
    buffer_append_text(text, magic);
    buffer_format(text, "size %020" PRIu64 " crc %08" PRIx32 " flags %c%c\n", seal->size,
                  seal->checksum, seal->eight_bit ? '8' : '-', seal->not_8bit ? 'L' : '-');
}

static void put_address(struct buffer *text, const char *key, const struct address *address)
{
    buffer_format(text, "%s <", key);
    address_format(address, text);
    buffer_append_text(text, ">\n");
}

static void put_xtext(struct buffer *text, const char *key, const char *value)
{
    if (!value)
        return;
    buffer_format(text, "%s ", key);
    xtext_format(value, text);
    buffer_append_byte(text, '\n');
}

void format_envelope(const struct envelope *envelope, struct buffer *text)
{
    buffer_format(text, "time %lld\n", (long long)envelope->arrived);
    buffer_format(text, "user %lu %s\n", (unsigned long)envelope->uid,
                  envelope->user ? envelope->user : "");
    if (envelope->submitted)
        buffer_append_text(text, "origin submitted\n");
    put_address(text, "from", &envelope->sender);
    put_xtext(text, "envid", envelope->envid);
    put_xtext(text, "hold", envelope->hold);
    if (envelope->ret != RETURN_UNSAID)
        buffer_format(text, "ret %s\n", envelope->ret == RETURN_FULL ? "full" : "hdrs");
    for (size_t i = 0; i < envelope->count; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        put_address(text, "to", &recipient->address);
        if (recipient->notify)
            buffer_format(text, "notify %s\n", notify_text(recipient->notify));
        put_xtext(text, "orcpt", recipient->orcpt);
    }
    buffer_append_byte(text, '\n');
}

static bool read_address(const char *text, struct address *address)
{
    const char *why;
    return address_parse(text, address, &why);
}

static bool read_xtext(const char *text, char **value)
{
    struct buffer plain = {0};
    if (*value || !xtext_parse(text, &plain)) {
        buffer_free(&plain);
        return false;
    }
    *value = buffer_take(&plain);
    return true;
}

static bool read_user(const char *text, struct envelope *envelope)
{
    char *end;
    envelope->uid = (uid_t)strtoul(text, &end, 10);
    if (end == text || *end != ' ')
        return false;
    if (end[1] && !envelope->user)
        envelope->user = memory_copy(end + 1, strlen(end + 1));
    return true;
}

static bool read_recipient(const char *text, struct envelope *envelope)
{
    struct address address;
    if (!read_address(text, &address) || address_is_null(&address))
        return false;
    envelope_add(envelope, address, 0, NULL);
    return true;
}

/* One "key value" line; a key that we do not know is not ours to ignore. */
static bool read_line(const char *key, const char *value, struct envelope *envelope)
{
    struct recipient *last = envelope->count ? &envelope->recipients[envelope->count - 1] : NULL;
    uint64_t seconds = 0;
    if (strcmp(key, "to") == 0)
        return read_recipient(value, envelope);
    if (strcmp(key, "time") == 0) {
        bool good = text_to_number(value, 0, INT64_MAX, &seconds);
        envelope->arrived = (time_t)seconds;
        return good;
    }
    if (strcmp(key, "user") == 0)
        return read_user(value, envelope);
    if (strcmp(key, "origin") == 0) {
        envelope->submitted = strcmp(value, "submitted") == 0;
        return envelope->submitted;
    }
    if (strcmp(key, "from") == 0)
        return !envelope->sender.local && read_address(value, &envelope->sender);
    if (strcmp(key, "envid") == 0)
        return read_xtext(value, &envelope->envid);
    if (strcmp(key, "hold") == 0)
        return read_xtext(value, &envelope->hold);
    if (strcmp(key, "ret") == 0) {
        envelope->ret = strcmp(value, "full") == 0 ? RETURN_FULL : RETURN_HEADERS;
        return envelope->ret == RETURN_FULL || strcmp(value, "hdrs") == 0;
    }
    if (strcmp(key, "notify") == 0)
        return last && notify_parse(value, &last->notify);
    if (strcmp(key, "orcpt") == 0)
        return last && read_xtext(value, &last->orcpt);
    return false;
}

/* The line as format_seal makes it, to the byte: where the rest begins is counted from its length.
 */
static bool read_seal(const char *text, struct seal *seal)
{
    char flags[3] = "";
    if (sscanf(text, "size %20" SCNu64 " crc %8" SCNx32 " flags %2[-8L]", &seal->size,
               &seal->checksum, flags) != 3)
        return false;
    seal->eight_bit = flags[0] == '8';
    seal->not_8bit = flags[1] == 'L';
    struct buffer made = {0};
    format_seal(seal, &made);
    bool good = strcmp(made.data + strlen(magic), text) == 0;
    buffer_free(&made);
    return good;
}

/* Takes the LF off; false when there is none. */
static bool cut_line(struct buffer *line)
{
    if (line->failed || line->length == 0 || line->data[line->length - 1] != '\n')
        return false;
    line->data[--line->length] = '\0';
    return strlen(line->data) == line->length;
}

static struct outcome refuse_file(const struct input *input, const char *what)
{
    if (input->error)
        return outcome_errno(input->error, "cannot read it");
    return outcome_never("5.3.0", "%s", what);
}

struct outcome format_read(struct input *input, struct seal *seal, struct envelope *envelope,
                           off_t *start)
{
    *envelope = (struct envelope){0};
    struct buffer line = {.limit = LINE_LIMIT};
    struct outcome outcome = outcome_done();
    *start = FORMAT_BODY_AT;
    if (!input_line(input, &line))
        outcome = refuse_file(input, "it is empty");
    else if (strcmp(line.data, magic) != 0)
        outcome = refuse_file(input, "it does not begin with \"postrider 1\": damaged, or written "
                                     "by a later version");
    buffer_clear(&line);
    if (outcome_good(&outcome) && (!input_line(input, &line) || !read_seal(line.data, seal)))
        outcome = refuse_file(input, "its second line is damaged");
    while (outcome_good(&outcome)) {
        buffer_clear(&line);
        if (!input_line(input, &line)) {
            outcome = refuse_file(input, "it ends in its envelope");
            break;
        }
        *start += (off_t)line.length;
        if (!cut_line(&line)) {
            outcome = refuse_file(input, "a line of its envelope is damaged");
            break;
        }
        if (line.length == 0)
            break;
        char *value = strchr(line.data, ' ');
        if (value)
            *value++ = '\0';
        if (!value || !read_line(line.data, value, envelope))
            outcome = refuse_file(input, "a line of its envelope is damaged");
    }
    if (outcome_good(&outcome) && envelope->count == 0)
        outcome = refuse_file(input, "it has no recipient");
    buffer_free(&line);
    return outcome;
}
