/* See masquerade.h. */
#include "mail/masquerade.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void masquerade_read(const struct texts *texts, struct masquerade *masquerade)
{
    *masquerade =
        (struct masquerade){.rules = memory_get(texts->count * sizeof(*masquerade->rules))};
    for (size_t i = 0; i < texts->count; i++) {
        struct masquerade_rule *rule = &masquerade->rules[masquerade->count];
        const char *text = texts->items[i], *colon = strchr(text, ':'), *why;
        if (!colon || !address_parse(colon + 1, &rule->address, &why))
            continue;
        rule->pattern = memory_copy(text, (size_t)(colon - text));
        masquerade->count++;
    }
}

void masquerade_free(struct masquerade *masquerade)
{
    for (size_t i = 0; i < masquerade->count; i++) {
        free(masquerade->rules[i].pattern);
        address_free(&masquerade->rules[i].address);
    }
    free(masquerade->rules);
    *masquerade = (struct masquerade){0};
}

const struct address *masquerade_find(const struct masquerade *masquerade,
                                      const struct address *address)
{
    if (masquerade->count == 0 || address_is_null(address))
        return NULL;
    const struct address *found = NULL;
    char *text = address_text(address);
    for (size_t i = 0; i < masquerade->count && !found; i++)
        if (text_match(masquerade->rules[i].pattern, text))
            found = &masquerade->rules[i].address;
    free(text);
    return found;
}

void masquerade_field(const struct masquerade *masquerade, struct header *header, size_t index)
{
    const struct field *field = header->fields + index;
    if (masquerade->count == 0 || field_has_nul(field))
        return;
    const char *body = field_body(field), *why;
    struct addresses list = {0};
    struct buffer changed = {0};
    size_t done = 0;
    bool good = addresses_parse(body, &list, &why);
    for (size_t i = 0; i < list.count && good; i++) {
        const struct address *other = masquerade_find(masquerade, &list.items[i].address);
        if (!other)
            continue;
        buffer_append(&changed, body + done, list.items[i].start - done);
        address_format(other, &changed);
        done = list.items[i].end;
    }
    if (done) {
        buffer_append_text(&changed, body + done);
        header_replace(header, index, buffer_text(&changed));
    }
    buffer_free(&changed);
    addresses_free(&list);
}
