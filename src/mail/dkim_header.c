/*
 * The part of a header that is signed. Knows the names of fields and RFC 6376 5.4 and 5.4.1; never
 * who signs, or with what.
 */
#include "mail/dkim_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

enum also_absent {
    AS_PRESENT,    /* each that is there */
    CLOSED,        /* and no more of them may come, if there is one */
    ALWAYS_CLOSED, /* nor if there is none */
};

/*
 * A field whose name is listed once more than it is there cannot be added to a signed message that
 * somebody sends around anew. That is closed for whatever readers show of a message, and for where
 * replies go, although a relay that adds a To or a Reply-To of its own breaks the signature; who
 * does that changes what the message says. What a relay might add with some right where it is
 * missing (a Message-ID, the fields of MIME, a Sender) is closed only where it is there: a second
 * one never has a right. Resent- blocks and the List- fields of another list may come on top of
 * what is there. Trace fields are not listed: each host adds its own.
 */
static const struct {
    const char *name;
    enum also_absent also_absent;
} names[] = {
    {"From", ALWAYS_CLOSED},
    {"Reply-To", ALWAYS_CLOSED},
    {"Subject", ALWAYS_CLOSED},
    {"Date", ALWAYS_CLOSED},
    {"To", ALWAYS_CLOSED},
    {"Cc", ALWAYS_CLOSED},
    {"Sender", CLOSED},
    {"Message-ID", CLOSED},
    {"In-Reply-To", CLOSED},
    {"References", CLOSED},
    {"MIME-Version", CLOSED},
    {"Content-Type", CLOSED},
    {"Content-Transfer-Encoding", CLOSED},
    {"Resent-From", AS_PRESENT},
    {"Resent-Sender", AS_PRESENT},
    {"Resent-To", AS_PRESENT},
    {"Resent-Cc", AS_PRESENT},
    {"Resent-Date", AS_PRESENT},
    {"Resent-Message-ID", AS_PRESENT},
    {"List-Id", AS_PRESENT},
    {"List-Help", AS_PRESENT},
    {"List-Post", AS_PRESENT},
    {"List-Owner", AS_PRESENT},
    {"List-Archive", AS_PRESENT},
    {"List-Subscribe", AS_PRESENT},
    {"List-Unsubscribe", AS_PRESENT},
    {"List-Unsubscribe-Post", AS_PRESENT}, /* RFC 8058 4 wants it covered */
};

void dkim_cover_add(struct dkim_cover *cover, const char *name, const struct field *field)
{
    if (cover->count == cover->capacity) {
        cover->capacity = cover->capacity ? 2 * cover->capacity : 32;
        cover->items = memory_resize(cover->items, cover->capacity * sizeof *cover->items);
    }
    cover->items[cover->count++] = (struct dkim_covered){name, field};
}

/* Of several fields of a name the last one is meant first (5.4.2). */
void dkim_cover_choose(struct dkim_cover *cover, const struct header *header)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t before = cover->count;
        for (size_t at = header->count; at--;)
            if (field_is(header->fields + at, names[i].name))
                dkim_cover_add(cover, names[i].name, header->fields + at);
        if (names[i].also_absent == ALWAYS_CLOSED ||
            (names[i].also_absent == CLOSED && cover->count > before))
            dkim_cover_add(cover, names[i].name, NULL);
    }
}

void dkim_cover_free(struct dkim_cover *cover)
{
    free(cover->items);
    *cover = (struct dkim_cover){0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void dkim_relax_field(const char *field, size_t length, struct buffer *out)
{
    const char *colon = memchr(field, ':', length), *end = field + length;
    size_t name = colon ? (size_t)(colon - field) : length;
    while (name && is_blank(field[name - 1]))
        name--;
    for (size_t i = 0; i < name; i++)
        buffer_append_byte(out,
                           field[i] >= 'A' && field[i] <= 'Z' ? field[i] + 'a' - 'A' : field[i]);
    buffer_append_byte(out, ':');
    bool blank = false, filled = false;
    for (const char *at = colon ? colon + 1 : end; at < end; at++) {
        if (*at == '\r' || *at == '\n')
            continue;
        if (is_blank(*at)) {
            blank = true;
            continue;
        }
        if (blank && filled)
            buffer_append_byte(out, ' ');
        buffer_append_byte(out, *at);
        blank = false;
        filled = true;
    }
    buffer_append(out, "\r\n", 2);
}

void dkim_relax_cover(const struct dkim_cover *cover, struct buffer *out)
{
    for (size_t i = 0; i < cover->count; i++)
        if (cover->items[i].field)
            dkim_relax_field(cover->items[i].field->text, cover->items[i].field->length, out);
}
