/*
 * The group that the program was given is for the queue: it must help nobody to read in the log of
 * other people's mail, so it is given up first. Memory: the stories that are told, within a bound.
 */
#include "sendmail/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/privilege.h"
#include "mail/address.h"
#include "queue/list.h"
#include "queue/queue.h"
#include "base/json.h"
#include "sendmail/log_reader.h"
#include "base/terminal.h"

enum {
    NARROW = 70, /* columns below which an event's words begin on a line of their own */
    INDENT = 4,
    MOST_STORIES = 1000, /* of an address, the latest */
    STORY_LONGEST = 1 << 20
};

struct story {
    struct texts addresses;
    struct list ids;      /* plain ones, sorted before they are looked for */
    struct buffer *texts; /* one for each id */
    bool json;
};

/* ---- whose ---- */

static void add_address(struct story *story, const struct address *address, const char *domain)
{
    struct address whole = address_copy(address);
    address_qualify(&whole, domain);
    char *text = address_text(&whole);
    texts_add(&story->addresses, text);
    free(text);
    address_free(&whole);
}

static void add_id(struct story *story, const char *id)
{
    char plain[QUEUE_ID_LENGTH + 1];
    snprintf(plain, sizeof plain, "%s", id);
    list_add(&story->ids, plain);
}

static struct outcome take_item(struct story *story, const struct settings *settings,
                                const char *text)
{
    struct address address;
    const char *why;
    if (queue_is_id(text)) {
        add_id(story, text);
        return outcome_done();
    }
    if (!address_parse(text, &address, &why))
        return outcome_refuse(EX_USAGE,
                              "\"%.100s\" is neither the id of a message nor an "
                              "address: %s",
                              text, why);
    add_address(story, &address, settings->hostname);
    if (!address.domain)
        add_address(story, &address, settings->domain);
    address_free(&address);
    return outcome_done();
}

static bool is_wanted(const struct story *story, const char *key, const char *value)
{
    if (strcmp(key, "from") != 0 && strcmp(key, "to") != 0 && strcmp(key, "alias-to") != 0)
        return false;
    for (size_t i = 0; i < story->addresses.count; i++)
        if (text_equal(story->addresses.items[i], value))
            return true;
    return false;
}

/* Notes whose line it is, once for lines in a row. */
static void look_for_address(void *context, struct log_line *line)
{
    struct story *story = context;
    char *key, *value;
    const struct list *ids = &story->ids;
    while (log_next_pair(&line->pairs, &key, &value))
        if (is_wanted(story, key, value)) {
            if (!ids->count ||
                strncmp(ids->entries[ids->count - 1].id, line->id, QUEUE_ID_LENGTH) != 0)
                add_id(story, line->id);
            return;
        }
}

/* ---- what ---- */

static struct buffer *find_text(struct story *story, const char *id)
{
    char plain[QUEUE_ID_LENGTH + 1];
    snprintf(plain, sizeof plain, "%s", id);
    const struct list_entry *entry = list_find(&story->ids, plain);
    return entry ? &story->texts[entry - story->ids.entries] : NULL;
}

static void put_object(struct buffer *text, struct log_line *line)
{
    struct buffer json = {0};
    char *key, *value;
    buffer_append_byte(&json, '{');
    json_text(&json, "time", line->time);
    json_text(&json, "id", line->id);
    json_text(&json, "event", line->event);
    while (log_next_pair(&line->pairs, &key, &value))
        json_text(&json, key, value);
    buffer_append_text(&json, "}\n");
    buffer_append(text, json.data, json.length);
    buffer_free(&json);
}

static enum terminal_tone tone_of(const char *event)
{
    static const struct {
        const char *event;
        enum terminal_tone tone;
    } tones[] = {{"delivered", TONE_GOOD}, {"deferred", TONE_WARNING}, {"held", TONE_NOTE},
                 {"bounced", TONE_FAULT},  {"rejected", TONE_FAULT},   {"discarded", TONE_WARNING}};
    for (size_t i = 0; i < sizeof tones / sizeof tones[0]; i++)
        if (strcmp(event, tones[i].event) == 0)
            return tones[i].tone;
    return TONE_PLAIN;
}

/* What it is about, on a terminal in as many lines as it needs. */
static void put_words(struct buffer *text, const char *words, size_t used)
{
    size_t columns = terminal_columns();
    if (!terminal_is_there()) {
        buffer_append_text(text, words);
        return;
    }
    if (columns < NARROW)
        buffer_format(text, "\n%*s", INDENT, "");
    terminal_fold(text, words, columns, columns < NARROW ? INDENT : used);
}

static void put_line(struct buffer *text, const struct log_line *line)
{
    char *time = terminal_text(line->time); /* others write into the log, too */
    char *event = terminal_text(line->event);
    char *pairs = terminal_text(line->pairs);
    enum terminal_tone tone = tone_of(event);
    struct buffer words = {0};
    if (line->id[QUEUE_ID_LENGTH] != '\0')
        buffer_format(&words, "report %s: ", line->id);
    buffer_append_text(&words, pairs);
    buffer_format(text, "  %s  %s%-9s%s", time, tone ? terminal_tone(tone) : "", event,
                  tone ? terminal_tone(TONE_PLAIN) : "");
    if (words.length) {
        buffer_append_text(text, "  ");
        put_words(text, words.data, strlen("  ") * 3 + terminal_width(time) + 9);
    }
    while (text->length && text->data[text->length - 1] == ' ')
        text->length--;
    buffer_append_byte(text, '\n');
    buffer_free(&words);
    free(time);
    free(event);
    free(pairs);
}

static void take_line(void *context, struct log_line *line)
{
    struct story *story = context;
    struct buffer *text = find_text(story, line->id);
    if (text && story->json)
        put_object(text, line);
    else if (text)
        put_line(text, line);
}

/* ---- the whole ---- */

static bool print(const struct story *story)
{
    bool any = false;
    for (size_t i = 0; i < story->ids.count; i++) {
        if (!story->texts[i].length)
            continue;
        if (!story->json)
            printf("%s%s%s%s\n", any ? "\n" : "", terminal_tone(TONE_TITLE),
                   story->ids.entries[i].id, terminal_tone(TONE_PLAIN));
        fwrite(story->texts[i].data, 1, story->texts[i].length, stdout);
        any = true;
    }
    return any;
}

static void keep_the_latest(struct list *ids)
{
    list_sort(ids);
    if (ids->count <= MOST_STORIES)
        return;
    memmove(ids->entries, ids->entries + ids->count - MOST_STORIES,
            MOST_STORIES * sizeof *ids->entries);
    ids->count = MOST_STORIES;
}

/* Whether the source could be read; *told: and knew of something. */
static bool tell(struct story *story, unsigned source, const char *log_file, bool *told)
{
    struct list given = story->ids;
    story->ids = (struct list){0};
    for (size_t i = 0; i < given.count; i++)
        list_add(&story->ids, given.entries[i].id);
    bool read = !story->addresses.count || log_read(source, log_file, look_for_address, story);
    keep_the_latest(&story->ids);
    story->texts = memory_get((story->ids.count + 1) * sizeof *story->texts);
    for (size_t i = 0; i < story->ids.count; i++)
        story->texts[i].limit = STORY_LONGEST;
    read = read && log_read(source, log_file, take_line, story);
    *told = read && print(story);
    for (size_t i = 0; i < story->ids.count; i++)
        buffer_free(&story->texts[i]);
    free(story->texts);
    list_free(&story->ids);
    story->ids = given;
    return read;
}

static struct outcome tell_from_any(struct story *story, const struct settings *settings)
{
    bool told = false, read = false;
    for (unsigned source = 0; source < LOG_SOURCES && !told; source++)
        read = tell(story, source, settings->log_file, &told) || read;
    if (told)
        return outcome_done();
    if (read)
        return outcome_refuse(EX_NOINPUT, "the log says nothing of that");
    if (getuid() == 0)
        return outcome_refuse(EX_NOINPUT,
                              "there is no log, neither /var/log/mail.log, /var/log/syslog nor the "
                              "journal: log_file = FILE in [mail] of %s keeps one",
                              settings_file(settings));
    return outcome_refuse(EX_NOPERM,
                          "there is no log that you may read: neither log_file of the settings nor "
                          "/var/log/mail.log, /var/log/syslog or the journal; ask as root");
}

struct outcome story_run(struct office *office, const struct texts *items, size_t first, bool json)
{
    struct story story = {.json = json};
    terminal_end_with_reader();
    struct outcome outcome = privilege_drop_group();
    for (size_t i = first; i < items->count && outcome_good(&outcome); i++)
        outcome = take_item(&story, &office->settings, items->items[i]);
    if (outcome_good(&outcome))
        outcome = tell_from_any(&story, &office->settings);
    texts_free(&story.addresses);
    list_free(&story.ids);
    return outcome;
}
