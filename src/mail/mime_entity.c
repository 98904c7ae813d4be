/*
 * What becomes of a leaf, and the MIME fields that tell it. Knows RFC 2045 and, for text of which
 * nobody knows the character set, RFC 1428. Never sees a body, only what was found in it.
 */
#include "mail/mime_entity.h"

#include <string.h>

bool mime_choose_work(const struct mime_type *type, const struct content *content, bool wide,
                      enum mime_work *work)
{
    *work = MIME_COPY;
    if (!content_is_unfit(content, wide))
        return true;
    if (type->kind == MIME_OPAQUE)
        return false;
    *work = type->encoding == MIME_QUOTED   ? MIME_REPAIR_QUOTED
            : type->encoding == MIME_BASE64 ? MIME_REWRAP_BASE64
                                            : MIME_ENCODE_QUOTED;
    return true;
}

/* One such field with this body, where the first was or at the end. */
static void set_field(struct header *header, const char *name, const char *body)
{
    size_t first = header_find(header, name, 0);
    header_remove_all(header, name);
    header_insert(header, first, name, body);
}

static void declare_charset(struct header *header, const struct mime_type *type,
                            const struct content *content)
{
    size_t index = header_find(header, "Content-Type", 0);
    struct buffer body = {0};
    if (index == header->count) {
        buffer_format(&body, "text/plain; charset=%s", content_charset(content));
        header_insert(header, index, "Content-Type", buffer_text(&body));
    } else if (type->kind == MIME_TEXT && !type->charset && content->eight_bit) {
        buffer_append_text(&body, field_body(header->fields + index));
        while (body.length && strchr(" \t\r\n;", body.data[body.length - 1]))
            body.data[--body.length] = '\0';
        buffer_format(&body, "; charset=%s", content_charset(content));
        header_replace(header, index, buffer_text(&body));
    }
    buffer_free(&body);
}

void mime_declare(struct header *header, const struct mime_type *type, enum mime_work work,
                  const struct content *content, bool message)
{
    if (work == MIME_ENCODE_QUOTED) {
        declare_charset(header, type, content);
        set_field(header, "Content-Transfer-Encoding", "quoted-printable");
    } else if (type->wide) {
        set_field(header, "Content-Transfer-Encoding", "7bit");
    }
    bool mime = work != MIME_COPY || type->kind == MIME_MULTIPART;
    if (message && mime && header_find(header, "MIME-Version", 0) == header->count)
        header_insert(header, header->count, "MIME-Version", "1.0");
}
