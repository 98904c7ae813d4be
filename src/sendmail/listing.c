/* See listing.h. One message is in memory at a time. */
#include "sendmail/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/terminal.h"

enum {
    ID = 16,
    AGE = 6,
    SIZE = 5,
    NEXT = 6,
    GAP = 2,
    FIRST = ID + AGE + SIZE + NEXT + 3 * GAP, /* what always stands in one line */
    ADDRESS = 26,
    /* So many columns, and a message is a line, or two: the reason is what people look for. */
    ONE_LINE = 120,
    TWO_LINES = 72
};

struct listing {
    size_t count;
    uint64_t bytes;
    time_t now;
    uint64_t warn;          /* seconds from which a message is old; 0: never */
    size_t lines;           /* of a message */
    size_t columns;         /* of the terminal; 0: there is none, and nothing is cut */
    size_t address, reason; /* columns */
    struct buffer text;     /* of a line */
};

/* ---- for people ---- */

static void format_size(uint64_t bytes, char *space, size_t size)
{
    static const char units[] = "KMGT";
    double value = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(space, size, "%" PRIu64, bytes);
        return;
    }
    while (value >= 1024 && units[unit + 1]) {
        value /= 1024;
        unit++;
    }
    snprintf(space, size, value < 10 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

static void format_next(const struct listing *listing, const struct letter *letter, time_t due,
                        char *space, size_t size)
{
    if (letter_is_held(letter))
        snprintf(space, size, "held");
    else if (due <= listing->now)
        snprintf(space, size, "now");
    else
        text_from_seconds((uint64_t)(due - listing->now), space, size);
}

/* The first recipient that waits, and how many more do, in so many columns. */
static void print_recipients(const struct listing *listing, const struct letter *letter)
{
    const struct letter_recipient *first = NULL;
    char more[32] = "";
    size_t others = 0;
    for (size_t i = 0; i < letter->count; i++) {
        if (!letter_waits_for(&letter->recipients[i]))
            continue;
        others += first != NULL;
        first = first ? first : &letter->recipients[i];
    }
    if (others)
        snprintf(more, sizeof more, " +%zu", others);
    char *address = first ? address_text(&first->address) : NULL;
    char *clean = terminal_text(address ? address : "");
    size_t used = terminal_width(clean) + strlen(more);
    int rest = used < listing->address && listing->lines == 1 ? (int)(listing->address - used) : 0;
    if (used <= listing->address || !listing->columns)
        printf("%s%s%*s", clean, more, rest, "");
    else {
        terminal_print(clean, listing->address - strlen(more), true);
        fputs(more, stdout);
    }
    free(address);
    free(clean);
}

/* Begins the next column, or the next line. */
static void next_column(bool line)
{
    printf(line ? "\n%*s" : "%*s", GAP, "");
}

static void measure(struct listing *listing)
{
    listing->lines = 1;
    listing->address = ADDRESS;
    if (!terminal_is_there())
        return;
    listing->columns = terminal_columns();
    size_t rest = listing->columns > FIRST + 3 * GAP ? listing->columns - FIRST - 3 * GAP : 0;
    listing->lines = listing->columns >= ONE_LINE ? 1 : listing->columns >= TWO_LINES ? 2 : 3;
    if (listing->lines == 1) {
        listing->address = rest / 4 < ADDRESS ? rest / 4 : ADDRESS;
        listing->reason = rest - 2 * listing->address;
    } else if (listing->lines == 2) {
        listing->address = (rest + GAP) / 2; /* no gap before the reason */
    } else {
        listing->address = (listing->columns - 2 * GAP) / 2;
    }
}

static void print_head(const struct listing *listing)
{
    printf("%s%-*s  %*s  %*s  %*s", terminal_tone(TONE_TITLE), ID, "ID", AGE, "AGE", SIZE, "SIZE",
           NEXT, "NEXT");
    if (listing->lines < 3) {
        next_column(false);
        terminal_print("SENDER", listing->address, false);
        next_column(false);
        terminal_print("RECIPIENTS", listing->lines == 1 ? listing->address : 0, false);
    }
    if (listing->lines == 1) {
        next_column(false);
        fputs("WHY IT WAITS", stdout);
    }
    puts(terminal_tone(TONE_PLAIN));
}

/* Words for which a terminal has no room any more go on below each other. */
static void print_words(struct listing *listing, const char *words)
{
    char *clean = terminal_text(words);
    buffer_clear(&listing->text);
    if (listing->columns && listing->lines > 1)
        terminal_fold(&listing->text, clean, listing->columns, GAP);
    if (listing->text.length)
        puts(listing->text.data);
    else {
        bool cut = listing->columns && terminal_width(clean) > listing->reason;
        terminal_print(clean, cut ? listing->reason : 0, cut);
        putchar('\n');
    }
    free(clean);
}

static void print_row(struct listing *listing, const struct letter *letter, time_t due)
{
    char age[32], size[32], next[32];
    time_t arrived = letter->envelope.arrived;
    uint64_t old = listing->now > arrived ? (uint64_t)(listing->now - arrived) : 0;
    bool late = listing->warn && old > listing->warn, held = letter_is_held(letter);
    text_from_seconds(old, age, sizeof age);
    format_size(letter->size, size, sizeof size);
    format_next(listing, letter, due, next, sizeof next);
    char *address = address_text(&letter->envelope.sender);
    char *sender = terminal_text(address);
    const char *plain = terminal_tone(TONE_PLAIN);
    printf("%-*s  %s%*s%s  %*s  %s%*s%s", ID, letter->id, late ? terminal_tone(TONE_WARNING) : "",
           AGE, age, late ? plain : "", SIZE, size, held ? terminal_tone(TONE_NOTE) : "", NEXT,
           next, held ? plain : "");
    next_column(listing->lines == 3);
    terminal_print(*sender ? sender : "<>", listing->address, listing->columns != 0);
    next_column(false);
    print_recipients(listing, letter);
    next_column(listing->lines > 1);
    print_words(listing, listing_reason(letter, due));
    free(address);
    free(sender);
}

static void take_row(void *context, const struct selected *selected)
{
    struct listing *listing = context;
    if (listing->count++ == 0) {
        measure(listing);
        print_head(listing);
    }
    if (!selected->letter) {
        printf("%-*s  %sit cannot be read:%s", ID, selected->entry->id, terminal_tone(TONE_FAULT),
               terminal_tone(TONE_PLAIN));
        fputs(listing->lines > 1 ? "\n  " : " ", stdout);
        print_words(listing, selected->problem);
        return;
    }
    listing->bytes += selected->letter->size;
    print_row(listing, selected->letter, selected->entry->due);
}

static void take_object(void *context, const struct selected *selected)
{
    struct listing *listing = context;
    struct buffer *json = &listing->text;
    listing->count++;
    buffer_clear(json);
    listing_put(json, selected, false);
    buffer_append_text(json, "}\n");
    fwrite(json->data, 1, json->length, stdout);
}

struct outcome listing_run(struct office *office, const struct selection *selection, bool json)
{
    struct listing listing = {.now = clock_now(), .warn = office->settings.warn};
    terminal_end_with_reader();
    struct outcome outcome = office_open_queue(office);
    if (outcome_good(&outcome))
        outcome = selection_walk(office, selection, true, json ? take_object : take_row, &listing);
    buffer_free(&listing.text);
    if (!json && outcome_good(&outcome)) {
        char size[32];
        format_size(listing.bytes, size, sizeof size);
        if (listing.count)
            printf("%zu message%s, %s\n", listing.count, listing.count == 1 ? "" : "s", size);
        else
            puts(selection_is_all(selection) ? "there is no message in the queue"
                                             : "no message in the queue matches");
    }
    return outcome;
}
