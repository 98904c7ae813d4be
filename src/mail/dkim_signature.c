/* Writes the field of a signature (see dkim_signature.h); signs nothing. */
#include "mail/dkim_signature.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 76 /* of a line, one long word apart */ };

/* Text being folded: column is where its last line stands. */
struct folding {
    struct buffer *out;
    size_t column;
};

static void put(struct folding *folding, const char *text, size_t length)
{
    buffer_append(folding->out, text, length);
    folding->column += length;
}

static void fold(struct folding *folding)
{
    buffer_append_text(folding->out, "\n ");
    folding->column = 1;
}

/* A word that may go to a next line; "a=b;" with a space before it, or a name of a list without. */
static void put_word(struct folding *folding, const char *word, bool apart)
{
    size_t length = strlen(word);
    if (folding->column + apart + length > WIDTH)
        fold(folding);
    else if (apart)
        put(folding, " ", 1);
    put(folding, word, length);
}

static void put_tag(struct folding *folding, const char *tag, const char *value)
{
    struct buffer word = {0};
    buffer_format(&word, "%s=%s;", tag, value);
    put_word(folding, buffer_text(&word), true);
    buffer_free(&word);
}

/* Folded between names: that is where white space may stand in this list. */
static void put_names(struct folding *folding, const struct dkim_cover *cover)
{
    struct buffer word = {0};
    for (size_t i = 0; i < cover->count; i++) {
        buffer_clear(&word);
        buffer_format(&word, "%s%s%s", i == 0 ? "h=" : "", cover->items[i].name,
                      i + 1 < cover->count ? ":" : ";");
        put_word(folding, buffer_text(&word), i == 0);
    }
    buffer_free(&word);
}

void dkim_signature_begin(const struct dkim_signature *signature, struct buffer *field)
{
    static const char name[] = "DKIM-Signature:";
    struct folding folding = {.out = field};
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%lld", (long long)signature->time);
    put(&folding, name, strlen(name));
    put_tag(&folding, "v", "1");
    put_tag(&folding, "a", signature->algorithm);
    put_tag(&folding, "c", "relaxed/relaxed");
    put_tag(&folding, "d", signature->domain);
    put_tag(&folding, "s", signature->selector);
    put_tag(&folding, "t", seconds);
    put_names(&folding, signature->cover);
    put_tag(&folding, "bh", signature->body_hash);
    fold(&folding);
    put(&folding, "b=", 2);
}

void dkim_signature_end(const char *base64, struct buffer *field)
{
    size_t room = WIDTH - strlen(" b="), length = strlen(base64);
    for (; length > room; length -= room, base64 += room, room = WIDTH - 1) {
        buffer_append(field, base64, room);
        buffer_append_text(field, "\n ");
    }
    buffer_append(field, base64, length);
    buffer_append_byte(field, '\n');
}

void dkim_signature_input(const struct dkim_cover *cover, const struct buffer *field,
                          struct buffer *input)
{
    dkim_relax_cover(cover, input);
    dkim_relax_field(buffer_text(field), field->length, input);
    input->length -= strlen("\r\n"); /* 3.7: without the last line end */
}
