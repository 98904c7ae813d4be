/* See listing.h. One message is in memory at a time. */
#include "sendmail/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/terminal.h"

enum { ID = 16, AGE = 6, SIZE = 7, NEXT = 7, ADDRESS = 26, LEAST = 10 };

struct listing {
    size_t count;
    uint64_t bytes;
    time_t now;
    bool cut; /* to the terminal's width */
    size_t address, reason;
    struct buffer line; /* of JSON */
};

static bool waits(const struct letter_recipient *recipient)
{
    return recipient->progress == PROGRESS_PENDING || recipient->progress == PROGRESS_FAILED;
}

/* Why a message waits, in words that belong to the letter or to nobody. */
static const char *reason_of(const struct letter *letter, time_t due)
{
    if (letter->envelope.hold && !letter->released) /* what a filter said */
        return letter->envelope.hold;
    if (letter->held)
        return "held until it is released";
    for (size_t i = 0; i < letter->count; i++)
        if (waits(&letter->recipients[i]) && letter->recipients[i].reason)
            return letter->recipients[i].reason;
    return due ? "it was not tried yet" : "new";
}

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
    if (letter->held)
        snprintf(space, size, "held");
    else if (due <= listing->now)
        snprintf(space, size, "now");
    else
        text_from_seconds((uint64_t)(due - listing->now), space, size);
}

/* The first recipient that waits, and how many more do. */
static char *format_recipients(const struct letter *letter)
{
    struct buffer text = {0};
    size_t more = 0;
    for (size_t i = 0; i < letter->count; i++) {
        if (!waits(&letter->recipients[i]))
            continue;
        if (text.length)
            more++;
        else
            address_format(&letter->recipients[i].address, &text);
    }
    char *clean = terminal_text(buffer_text(&text));
    buffer_clear(&text);
    buffer_append_text(&text, clean);
    free(clean);
    if (more)
        buffer_format(&text, " +%zu", more);
    return buffer_take(&text);
}

static void print_head(struct listing *listing)
{
    size_t others = ID + AGE + SIZE + NEXT + 4 * 2;
    listing->address = ADDRESS;
    listing->cut = terminal_is_there();
    if (listing->cut) {
        size_t columns = terminal_columns();
        size_t taken = others + 4; /* the gaps beside the addresses */
        size_t rest = columns > taken ? columns - taken : 0;
        listing->address = rest / 3 < LEAST ? LEAST : rest / 3;
        if (listing->address > ADDRESS)
            listing->address = ADDRESS;
        rest = rest > 2 * listing->address ? rest - 2 * listing->address : 0;
        listing->reason = rest < LEAST ? LEAST : rest;
    }
    printf("%-*s  %*s  %*s  %*s  %-*s  %-*s  %s\n", ID, "ID", AGE, "AGE", SIZE, "SIZE", NEXT,
           "NEXT", (int)listing->address, "SENDER", (int)listing->address, "RECIPIENTS",
           "WHY IT WAITS");
}

static void print_row(const struct listing *listing, const struct letter *letter, time_t due)
{
    char age[32], size[32], next[32];
    time_t arrived = letter->envelope.arrived;
    text_from_seconds(listing->now > arrived ? (uint64_t)(listing->now - arrived) : 0, age,
                      sizeof age);
    format_size(letter->size, size, sizeof size);
    format_next(listing, letter, due, next, sizeof next);
    char *address = address_text(&letter->envelope.sender);
    char *sender = terminal_text(address);
    char *recipients = format_recipients(letter);
    char *reason = terminal_text(reason_of(letter, due));
    printf("%-*s  %*s  %*s  %*s  ", ID, letter->id, AGE, age, SIZE, size, NEXT, next);
    terminal_print(*sender ? sender : "<>", listing->address, listing->cut);
    fputs("  ", stdout);
    terminal_print(recipients, listing->address, listing->cut);
    fputs("  ", stdout);
    terminal_print(reason, listing->reason * listing->cut, listing->cut);
    putchar('\n');
    free(address);
    free(sender);
    free(recipients);
    free(reason);
}

static void take_row(void *context, const struct selected *selected)
{
    struct listing *listing = context;
    if (listing->count++ == 0)
        print_head(listing);
    if (!selected->letter) {
        printf("%-*s  it cannot be read: %s\n", ID, selected->entry->id, selected->problem);
        return;
    }
    listing->bytes += selected->letter->size;
    print_row(listing, selected->letter, selected->entry->due);
}

/* ---- for programs ---- */

static void put_recipients(struct buffer *json, const struct letter *letter)
{
    static const char *const states[] = {
        [PROGRESS_PENDING] = "pending",     [PROGRESS_EXPANDED] = "expanded",
        [PROGRESS_DELIVERED] = "delivered", [PROGRESS_FAILED] = "failed",
        [PROGRESS_BOUNCED] = "bounced",     [PROGRESS_RELAYED] = "relayed",
        [PROGRESS_PASSED] = "relayed"};
    json_name(json, "recipients");
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < letter->count; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        char *address = address_text(&recipient->address);
        json_next(json);
        buffer_append_byte(json, '{');
        json_text(json, "address", address);
        json_text(json, "state", states[recipient->progress]);
        json_text(json, "status", recipient->status[0] ? recipient->status : NULL);
        json_text(json, "reason", recipient->reason);
        json_time(json, "time", recipient->when);
        buffer_append_byte(json, '}');
        free(address);
    }
    buffer_append_byte(json, ']');
}

static void put_letter(struct buffer *json, const struct letter *letter, time_t due)
{
    char *sender = address_text(&letter->envelope.sender);
    json_text(json, "sender", sender);
    free(sender);
    json_number(json, "size", (long long)letter->size);
    json_time(json, "arrived", letter->envelope.arrived);
    json_number(json, "uid", letter->envelope.uid);
    json_text(json, "user", letter->envelope.user);
    json_flag(json, "held", letter->held);
    json_number(json, "tries", letter->tries);
    json_time(json, "next_try", letter->held ? 0 : due);
    json_text(json, "reason", reason_of(letter, due));
    put_recipients(json, letter);
}

static void take_object(void *context, const struct selected *selected)
{
    struct listing *listing = context;
    struct buffer *json = &listing->line;
    listing->count++;
    buffer_clear(json);
    buffer_append_byte(json, '{');
    json_text(json, "id", selected->entry->id);
    if (selected->letter)
        put_letter(json, selected->letter, selected->entry->due);
    else
        json_text(json, "problem", selected->problem);
    buffer_append_text(json, "}\n");
    fwrite(json->data, 1, json->length, stdout);
}

struct outcome listing_run(struct office *office, const struct selection *selection, bool json)
{
    struct listing listing = {.now = clock_now()};
    terminal_end_with_reader();
    struct outcome outcome = office_open_queue(office);
    if (outcome_good(&outcome))
        outcome = selection_walk(office, selection, true, json ? take_object : take_row, &listing);
    buffer_free(&listing.line);
    if (!json && outcome_good(&outcome)) {
        char size[32];
        format_size(listing.bytes, size, sizeof size);
        if (listing.count)
            printf("%zu message%s, %s\n", listing.count, listing.count == 1 ? "" : "s", size);
        else
            puts(selection_is_all(selection) ? "there is no message in the queue"
                                             : "no message in the queue is meant by that");
    }
    return outcome;
}
