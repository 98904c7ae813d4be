/*
 * The envelope: recipients without duplicates, and the DSN parameters as text and back (RFC 3461
 * 4). Never knows where an envelope comes from.
 */
#include "mail/envelope.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211U; /* FNV-1a */
    return hash;
}

/* The slot that holds this address, or the free one where it belongs. Slots hold index + 1. */
static size_t *find_slot(struct envelope *envelope, const struct address *address)
{
    uint64_t hash = hash_text(hash_text(14695981039346656037U, address->local), address->domain);
    for (size_t at = (size_t)(hash ^ hash >> 29);; at++) {
        size_t *slot = envelope->slots + (at & (envelope->slot_count - 1));
        if (!*slot || address_equal(&envelope->recipients[*slot - 1].address, address))
            return slot;
    }
}

/* Makes the slots anew when they are full, or when someone moved recipients by hand. */
static void index_recipients(struct envelope *envelope)
{
    if (envelope->indexed == envelope->count && envelope->slot_count > 2 * envelope->count)
        return;
    size_t wanted = 16;
    while (wanted <= 4 * envelope->count)
        wanted *= 2;
    free(envelope->slots);
    envelope->slots = memory_get(wanted * sizeof *envelope->slots);
    envelope->slot_count = wanted;
    for (size_t i = 0; i < envelope->count; i++) {
        size_t *slot = find_slot(envelope, &envelope->recipients[i].address);
        if (!*slot)
            *slot = i + 1;
    }
    envelope->indexed = envelope->count;
}

void envelope_add(struct envelope *envelope, struct address address, unsigned notify,
                  const char *orcpt)
{
    index_recipients(envelope);
    size_t *slot = find_slot(envelope, &address);
    if (*slot) {
        address_free(&address);
        return;
    }
    if (envelope->count == envelope->capacity) {
        envelope->capacity = envelope->capacity ? 2 * envelope->capacity : 4;
        envelope->recipients =
            memory_resize(envelope->recipients, envelope->capacity * sizeof *envelope->recipients);
    }
    envelope->recipients[envelope->count++] = (struct recipient){
        .address = address,
        .notify = notify,
        .orcpt = orcpt ? memory_copy(orcpt, strlen(orcpt)) : NULL,
    };
    *slot = envelope->count;
    envelope->indexed = envelope->count;
}

static void free_recipient(struct recipient *recipient)
{
    address_free(&recipient->address);
    free(recipient->orcpt);
}

void envelope_remove(struct envelope *envelope, size_t place)
{
    struct recipient *gone = &envelope->recipients[place];
    free_recipient(gone);
    memmove(gone, gone + 1, (--envelope->count - place) * sizeof *gone);
    /* Not their number: the slots are made anew. */
    envelope->indexed = envelope->count + 1;
}

void envelope_free(struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->count; i++)
        free_recipient(&envelope->recipients[i]);
    free(envelope->recipients);
    free(envelope->slots);
    free(envelope->envid);
    free(envelope->hold);
    free(envelope->user);
    address_free(&envelope->sender);
    *envelope = (struct envelope){0};
}

static const struct {
    const char *name;
    unsigned bit;
} notifies[] = {
    {"NEVER", NOTIFY_NEVER},
    {"SUCCESS", NOTIFY_SUCCESS},
    {"FAILURE", NOTIFY_FAILURE},
    {"DELAY", NOTIFY_DELAY},
};

enum { NOTIFIES = sizeof notifies / sizeof notifies[0] };

bool notify_parse(const char *text, unsigned *notify)
{
    unsigned bits = 0;
    for (;;) {
        size_t length = strcspn(text, ","), i = 0;
        while (i < NOTIFIES &&
               (strlen(notifies[i].name) != length || !text_starts(text, notifies[i].name)))
            i++;
        if (i == NOTIFIES)
            return false;
        bits |= notifies[i].bit;
        if (!text[length])
            break;
        text += length + 1;
    }
    if (bits & NOTIFY_NEVER && bits != NOTIFY_NEVER)
        return false;
    *notify = bits;
    return true;
}

const char *notify_text(unsigned notify)
{
    static struct buffer text;
    buffer_clear(&text);
    for (size_t i = 0; i < NOTIFIES; i++) {
        if (!(notify & notifies[i].bit))
            continue;
        if (text.length)
            buffer_append_byte(&text, ',');
        buffer_append_text(&text, notifies[i].name);
    }
    return buffer_text(&text);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    if (c >= 'a' && c <= 'f')
        c += 'A' - 'a';
    const char *digit = c ? strchr(digits, c) : NULL;
    return digit ? (int)(digit - digits) : -1;
}

bool xtext_parse(const char *text, struct buffer *plain)
{
    struct buffer decoded = {0};
    bool good = true;
    while (good && *text) {
        int byte = (unsigned char)*text++;
        good = byte > ' ' && byte < 127 && byte != '=';
        if (good && byte == '+') {
            int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
            good = low >= 0;
            byte = 16 * high + low;
            good = good && byte >= ' ' && byte != 127;
            text += good ? 2 : 0;
        }
        if (good)
            buffer_append_byte(&decoded, (char)byte);
    }
    good = good && text_is_utf8(buffer_text(&decoded), decoded.length);
    if (good)
        buffer_append(plain, buffer_text(&decoded), decoded.length);
    buffer_free(&decoded);
    return good;
}

void xtext_format(const char *plain, struct buffer *text)
{
    for (; *plain; plain++) {
        unsigned char byte = (unsigned char)*plain;
        if (byte > ' ' && byte < 127 && byte != '+' && byte != '=')
            buffer_append_byte(text, (char)byte);
        else
            buffer_format(text, "+%02X", byte);
    }
}
