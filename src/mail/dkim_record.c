/* Key records (see dkim_record.h). What the DNS says is a stranger's text; it is never repeated. */
#include "mail/dkim_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "mail/txt_record.h"

const char dkim_record_testing[] =
    "the record says by t=y that this is a test: verifiers may ignore the signatures";

void dkim_record_name(const struct dkim_record *record, struct buffer *text)
{
    buffer_format(text, "%s._domainkey.%s", record->selector, record->domain);
}

void dkim_record_value(const struct dkim_record *record, struct buffer *text)
{
    buffer_format(text, "v=DKIM1; k=%s; p=%s", record->type, record->key);
}

void dkim_record_zone(const struct dkim_record *record, struct buffer *text)
{
    struct buffer value = {0};
    dkim_record_value(record, &value);
    bool several = value.length > TXT_STRING_LONGEST;
    dkim_record_name(record, text);
    buffer_append_text(text, several ? ". IN TXT (" : ". IN TXT");
    txt_record_strings(buffer_text(&value), several ? "\n    " : " ", text);
    buffer_append_text(text, several ? " )\n" : "\n");
    buffer_free(&value);
}

/* ---- comparing ---- */

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The tags that say whether and how a key is used; those that the record does not have are NULL. */
struct tags {
    char *version, *type, *key, *hashes, *services, *flags;
};

static char **place_of(struct tags *tags, const char *name)
{
    const struct {
        const char *name;
        char **place;
    } places[] = {{"v", &tags->version}, {"k", &tags->type},     {"p", &tags->key},
                  {"h", &tags->hashes},  {"s", &tags->services}, {"t", &tags->flags}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (strcmp(places[i].name, name) == 0)
            return places[i].place;
    return NULL;
}

/* Takes all white space out of the text; what we look at has none that means anything. */
static void close_up(char *text)
{
    char *to = text;
    for (; *text; text++)
        if (!is_white(*text))
            *to++ = *text;
    *to = '\0';
}

/* One "name=value" of RFC 6376 3.2, in place. A tag that we do not know is to be ignored. */
static bool take_tag(char *text, bool first, struct tags *tags)
{
    char *equals = strchr(text, '=');
    if (!equals)
        return false;
    *equals = '\0';
    char *name = text_trim(text), **place = place_of(tags, name);
    if (!*name || (place && *place) || (place == &tags->version && !first))
        return false;
    if (place) {
        *place = equals + 1;
        close_up(*place);
    }
    return true;
}

/* Cuts the text, which the tags then point into. */
static bool take_tags(char *text, struct tags *tags)
{
    bool first = true;
    for (char *rest = text; rest; first = false) {
        char *tag = rest;
        rest = strchr(tag, ';');
        if (rest)
            *rest++ = '\0';
        bool empty = !*text_trim(tag);
        if (empty && !rest && !first)
            break;
        if (empty || !take_tag(tag, first, tags))
            return false;
    }
    return true;
}

/* Whether a list that is split by colons has this word, or the other one (NULL: there is none). */
static bool lists(const char *list, const char *word, const char *other)
{
    for (;; list++) {
        size_t length = strcspn(list, ":");
        if ((strlen(word) == length && strncmp(list, word, length) == 0) ||
            (other && strlen(other) == length && strncmp(list, other, length) == 0))
            return true;
        list += length;
        if (!*list)
            return false;
    }
}

static const char *find_fault(const struct dkim_record *record, const struct tags *tags)
{
    if (tags->version && strcmp(tags->version, "DKIM1") != 0)
        return "the record is of another version than DKIM1: verifiers ignore it";
    if (!tags->key)
        return "the record has no p=, the key itself";
    if (!*tags->key)
        return "the record has an empty p=: this key has been revoked";
    if (strcmp(tags->type ? tags->type : "rsa", record->type) != 0)
        return "the record is for a key of another type, by its k=";
    if (strcmp(tags->key, record->key) != 0)
        return strncmp(record->key, tags->key, strlen(tags->key)) == 0
                   ? "the record has only the beginning of the key: all of its strings are needed"
                   : "the record has another key than the one that signs";
    if (tags->hashes && !lists(tags->hashes, "sha256", NULL))
        return "the record does not allow sha256, by its h=";
    if (tags->services && !lists(tags->services, "email", "*"))
        return "the record is not for mail, by its s=";
    if (tags->flags && lists(tags->flags, "y", NULL))
        return dkim_record_testing;
    return NULL;
}

const char *dkim_record_fault(const struct dkim_record *record, const struct texts *found)
{
    if (found->count == 0)
        return "there is no TXT record of this name";
    if (found->count > 1)
        return "there are several TXT records of this name, and verifiers may take any of them";
    struct tags tags = {0};
    char *text = memory_copy(found->items[0], strlen(found->items[0]));
    const char *fault = take_tags(text, &tags)
                            ? find_fault(record, &tags)
                            : "the record is no list of tags such as v=DKIM1; k=rsa; p=...";
    free(text);
    return fault;
}
