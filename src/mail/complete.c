/*
 * Recipients out of a header, and what a header lacks put into it. Knows the fields of RFC 5322 3.6
 * and the trace field of RFC 5321 4.4; must never know who submits, nor touch a body. What does
 * not parse stays as it is, byte for byte.
 */
#include "mail/complete.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "mail/date.h"
#include "mail/mime.h"

/* The fields of the topmost Resent- block lie from start to before end; none: both are count. */
struct block {
    size_t start, end;
};

static bool is_resent(const struct field *field)
{
    return text_starts(field->text, "Resent-");
}

/*
 * Blocks are put on top of older ones (RFC 5322 3.6.6), each in its turn below the trace fields of
 * its own travel: a trace field, or a field that this block has already, begins the older one.
 */
static struct block find_resent_block(const struct header *header)
{
    static const char *const once[] = {"Resent-From",     "Resent-Sender",    "Resent-To",
                                       "Resent-Cc",       "Resent-Bcc",       "Resent-Date",
                                       "Resent-Reply-To", "Resent-Message-ID"};
    struct block block = {.start = header->count, .end = header->count};
    unsigned seen = 0;
    for (size_t i = 0; i < header->count; i++) {
        const struct field *field = header->fields + i;
        bool begun = block.start < header->count;
        if (begun && (field_is(field, "Received") || field_is(field, "Return-Path")))
            break;
        if (!is_resent(field))
            continue;
        unsigned bit = 0;
        for (size_t name = 0; name < sizeof once / sizeof once[0]; name++)
            if (field_is(field, once[name]))
                bit = 1U << name;
        if (seen & bit)
            break;
        seen |= bit;
        if (!begun)
            block.start = i;
        block.end = i + 1;
    }
    return block;
}

static bool has_block(const struct header *header, struct block block)
{
    return block.start < header->count;
}

/* The words of a refusal show the entry that is wrong, cut where a person has seen enough. */
static struct outcome refuse_field(const struct field *field, size_t fault, const char *why)
{
    enum { SHOWN = 100 };
    const char *entry = field_body(field) + fault;
    size_t length = strcspn(entry, ",\n");
    char *shown = memory_copy(entry, length < SHOWN ? length : SHOWN);
    struct outcome outcome =
        outcome_refuse(EX_DATAERR, "%.*s: %s in \"%s\"", (int)field->name_length, field->text, why,
                       text_trim(shown));
    free(shown);
    return outcome;
}

static struct outcome add_recipients(const struct field *field, const char *domain,
                                     struct envelope *envelope, unsigned notify)
{
    if (field_has_nul(field))
        return refuse_field(field, 0, "NUL byte");
    struct addresses list = {0};
    const char *why;
    struct outcome outcome = outcome_done();
    if (!addresses_parse(field_body(field), &list, &why))
        outcome = refuse_field(field, list.fault, why);
    for (size_t i = 0; i < list.count && outcome_good(&outcome); i++) {
        struct address address = address_copy(&list.items[i].address);
        address_qualify(&address, domain);
        envelope_add(envelope, address, notify, NULL);
    }
    addresses_free(&list);
    return outcome;
}

struct outcome complete_recipients(const struct header *header, const char *recipient_domain,
                                   struct envelope *envelope, unsigned notify)
{
    struct block block = find_resent_block(header);
    bool resent = has_block(header, block);
    size_t end = resent ? block.end : header->count;
    for (size_t i = resent ? block.start : 0; i < end; i++) {
        const struct field *field = header->fields + i;
        bool wanted =
            resent ? field_is(field, "Resent-To") || field_is(field, "Resent-Cc") ||
                         field_is(field, "Resent-Bcc")
                   : field_is(field, "To") || field_is(field, "Cc") || field_is(field, "Bcc");
        if (!wanted)
            continue;
        struct outcome outcome = add_recipients(field, recipient_domain, envelope, notify);
        if (!outcome_good(&outcome))
            return outcome;
    }
    return outcome_done();
}

/* Puts "@domain" behind each bare name; the field keeps every other byte. */
static void qualify_field(struct header *header, size_t index, const char *domain)
{
    const struct field *field = header->fields + index;
    if (!domain || field_has_nul(field))
        return;
    const char *body = field_body(field), *why;
    struct addresses list = {0};
    struct buffer completed = {0};
    size_t done = 0;
    bool good = addresses_parse(body, &list, &why);
    for (size_t i = 0; i < list.count && good; i++) {
        if (list.items[i].address.domain)
            continue;
        buffer_append(&completed, body + done, list.items[i].end - done);
        buffer_append_byte(&completed, '@');
        buffer_append_text(&completed, domain);
        done = list.items[i].end;
    }
    if (done) {
        buffer_append_text(&completed, body + done);
        header_replace(header, index, buffer_text(&completed));
    }
    buffer_free(&completed);
    addresses_free(&list);
}

/* What is done to the addresses of a field. */
struct treatment {
    const char *name;
    bool of_sender; /* bare names get the senders' domain, else the recipients' */
    bool masked;    /* where a reply goes is what the writer chose: Reply-To stays */
};

/* NULL: nothing. resent: whether the field is one of the present Resent- block. */
static const struct treatment *find_treatment(const struct field *field, bool resent)
{
    static const struct treatment treatments[] = {{"From", true, true},
                                                  {"Sender", true, true},
                                                  {"Reply-To", true, false},
                                                  {"To", false, false},
                                                  {"Cc", false, false}};
    size_t before = resent ? strlen("Resent-") : 0;
    for (size_t i = 0; i < sizeof treatments / sizeof treatments[0]; i++)
        if (strlen(treatments[i].name) == field->name_length - before &&
            text_starts(field->text + before, treatments[i].name))
            return &treatments[i];
    return NULL;
}

/* Older blocks are history, written by others elsewhere. */
static bool is_in_block(const struct header *header, struct block block, size_t index)
{
    return index >= block.start && index < block.end && is_resent(header->fields + index);
}

static void qualify_fields(struct header *header, struct block block,
                           const struct completion *completion)
{
    for (size_t i = 0; i < header->count; i++) {
        const struct treatment *treatment =
            find_treatment(header->fields + i, is_in_block(header, block, i));
        if (treatment)
            qualify_field(header, i,
                          treatment->of_sender ? completion->sender_domain
                                               : completion->recipient_domain);
    }
}

/* The From of a message that is resent is somebody else's. */
static void mask_fields(struct header *header, bool resent, struct block block,
                        const struct completion *completion)
{
    for (size_t i = 0; i < header->count && completion->masquerade; i++) {
        if (resent && !is_in_block(header, block, i))
            continue;
        const struct treatment *treatment = find_treatment(header->fields + i, resent);
        if (treatment && treatment->masked)
            masquerade_field(completion->masquerade, header, i);
    }
}

static void format_from(const struct completion *completion, struct buffer *text)
{
    struct address address = {0};
    if (completion->from && !address_is_null(completion->from))
        address = address_copy(completion->from);
    else
        address.local = memory_copy("MAILER-DAEMON", strlen("MAILER-DAEMON"));
    if (completion->sender_domain)
        address_qualify(&address, completion->sender_domain);

    char *name = completion->full_name
                     ? memory_copy(completion->full_name, strlen(completion->full_name))
                     : memory_get(1);
    text_clean(name);
    const char *trimmed = text_trim(name);
    if (*trimmed) {
        mime_encode_phrase(trimmed, text);
        buffer_append_text(text, " <");
    }
    address_format(&address, text);
    if (*trimmed)
        buffer_append_byte(text, '>');
    free(name);
    address_free(&address);
}

/* Random, so that an id that was used up long ago on a reinstalled machine does no harm. */
static void format_message_id(const struct completion *completion, struct buffer *text)
{
    buffer_format(text, "<%s.%08x%08x@%s>", completion->id ? completion->id : "postrider",
                  clock_random(UINT32_MAX), clock_random(UINT32_MAX), completion->hostname);
}

/*
 * Adds what is missing: at the top of the Resent- block when the message is resent, else at the
 * end of the header, below whatever trace there is.
 */
static void add_missing(struct header *header, struct block *block,
                        const struct completion *completion)
{
    static const char *const names[] = {"Resent-From", "Resent-Date", "Resent-Message-ID"};
    bool resent = has_block(header, *block);
    size_t at = block->start; /* which is the end of the header when there is no block */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *name = names[i] + (resent ? 0 : strlen("Resent-"));
        if (header_find(header, name, resent ? block->start : 0) <
            (resent ? block->end : header->count))
            continue;
        struct buffer body = {0};
        if (i == 0)
            format_from(completion, &body);
        else if (i == 1)
            date_format(completion->now, &body);
        else
            format_message_id(completion, &body);
        header_insert(header, at++, name, buffer_text(&body));
        block->end += resent;
        buffer_free(&body);
    }
}

/* What came from outside goes into a trace field as printable ASCII only. */
static void append_clean(struct buffer *text, const char *words)
{
    for (; *words; words++) {
        unsigned char byte = (unsigned char)*words;
        buffer_append_byte(text, byte > 126 ? '?' : byte < ' ' ? ' ' : *words);
    }
}

void complete_received(struct header *header, size_t index, const struct completion *completion)
{
    const char *from = completion->received_from;
    struct buffer body = {0};
    if (from && *from != '(') {
        buffer_append_text(&body, "from ");
        append_clean(&body, from);
        buffer_append_text(&body, "\n\t");
    }
    buffer_append_text(&body, "by ");
    append_clean(&body, completion->hostname);
    buffer_append_text(&body, " (Postrider)");
    if (from && *from == '(') {
        buffer_append_byte(&body, ' ');
        append_clean(&body, from);
    }
    if (completion->protocol || completion->id)
        buffer_append_text(&body, "\n\t");
    if (completion->protocol) {
        buffer_append_text(&body, "with ");
        append_clean(&body, completion->protocol);
    }
    if (completion->id) {
        buffer_append_text(&body, completion->protocol ? " id " : "id ");
        append_clean(&body, completion->id);
    }
    if (completion->received_for) {
        buffer_append_text(&body, "\n\tfor <");
        append_clean(&body, completion->received_for);
        buffer_append_byte(&body, '>');
    }
    if (completion->received_tls) {
        buffer_append_text(&body, "\n\t");
        append_clean(&body, completion->received_tls);
    }
    buffer_append_text(&body, ";\n\t");
    date_format(completion->now, &body);
    header_insert(header, index, "Received", buffer_text(&body));
    buffer_free(&body);
}

void complete_header(struct header *header, const struct completion *completion)
{
    struct block block = find_resent_block(header);
    bool resent = has_block(header, block);
    qualify_fields(header, block, completion);
    add_missing(header, &block, completion);
    mask_fields(header, resent, block, completion);
    header_remove_all(header, "Bcc");
    header_remove_all(header, "Resent-Bcc");
    if (completion->warning) {
        struct buffer body = {0};
        append_clean(&body, completion->hostname);
        buffer_append_text(&body, ": ");
        append_clean(&body, completion->warning);
        header_insert(header, 0, "X-Authentication-Warning", buffer_text(&body));
        buffer_free(&body);
    }
}

void complete_name_submitter(const char *user, unsigned long uid, struct buffer *text)
{
    if (user)
        buffer_format(text, "user %s, ", user);
    buffer_format(text, "uid %lu", uid);
}
