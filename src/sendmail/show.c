/* See show.h. The message goes by in blocks. */
#include "sendmail/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "mail/envelope.h"
#include "sendmail/listing.h"
#include "base/terminal.h"

struct show {
    size_t count;
    bool clean; /* for a terminal */
    struct outcome outcome;
};

static void format_time(time_t when, char *space, size_t size)
{
    struct tm broken;
    if (!localtime_r(&when, &broken) || !strftime(space, size, "%Y-%m-%d %H:%M:%S %z", &broken))
        snprintf(space, size, "-");
}

/* What was stored elsewhere is clean by itself; this may be anything. */
static void print_field(const char *name, const char *text)
{
    char *clean = terminal_text(text);
    printf("%-10s %s\n", name, clean);
    free(clean);
}

static void print_address(const char *name, const struct address *address)
{
    struct buffer text = {0};
    buffer_append_byte(&text, '<');
    address_format(address, &text);
    buffer_append_byte(&text, '>');
    print_field(name, text.data);
    buffer_free(&text);
}

static void print_schedule(const struct letter *letter, time_t due)
{
    char when[64], wait[32];
    time_t now = clock_now();
    /* What a filter wants held is before anybody has run the queue. */
    const char *why = letter->released ? NULL : letter->envelope.hold;
    if (letter_is_held(letter))
        puts("next try   held until it is released");
    else if (due <= now)
        puts("next try   with the next queue run");
    else {
        format_time(due, when, sizeof when);
        printf("next try   %s (in %s)\n", when,
               text_from_seconds((uint64_t)(due - now), wait, sizeof wait));
    }
    if (why)
        print_field("held for", why);
    printf("tries      %u\n", letter->tries);
}

static void print_recipient(const struct letter *letter, size_t index)
{
    static const char *const states[] = {[PROGRESS_PENDING] = "waits",
                                         [PROGRESS_EXPANDED] = "expanded by an alias",
                                         [PROGRESS_DELIVERED] = "delivered into a mailbox",
                                         [PROGRESS_FAILED] = "failed, the sender is not told yet",
                                         [PROGRESS_BOUNCED] = "failed, the sender has been told",
                                         [PROGRESS_RELAYED] = "delivered to the next hop",
                                         [PROGRESS_PASSED] =
                                             "delivered to the next hop, which reports"};
    const struct letter_recipient *recipient = &letter->recipients[index];
    print_address(recipient->parent < 0 ? "to" : "  child", &recipient->address);
    bool elsewhere =
        recipient->progress == PROGRESS_DELIVERED && (recipient->text || recipient->reason);
    printf("           %s", elsewhere ? "delivered" : states[recipient->progress]);
    if (recipient->when) {
        char when[64];
        format_time(recipient->when, when, sizeof when);
        printf(", %s", when);
    }
    if (recipient->status[0])
        printf(", %s", recipient->status);
    putchar('\n');
    if (recipient->reason)
        print_field("", recipient->reason);
    if (recipient->text)
        print_field(recipient->kind == LETTER_TO_COMMAND ? "  command" : "  file", recipient->text);
    if (!address_is_null(&recipient->sender))
        print_address("  sender", &recipient->sender);
    if (recipient->notify)
        print_field("  notify", notify_text(recipient->notify));
    if (recipient->orcpt)
        print_field("  orcpt", recipient->orcpt);
}

static void print_envelope(const struct letter *letter, time_t due)
{
    char when[64];
    format_time(letter->envelope.arrived, when, sizeof when);
    printf("id         %s\narrived    %s\nsize       %" PRIu64 "\n", letter->id, when,
           letter->size);
    printf("submitter  uid %lu%s%s\n", (unsigned long)letter->envelope.uid,
           letter->envelope.user ? " " : "", letter->envelope.user ? letter->envelope.user : "");
    print_schedule(letter, due);
    print_address("from", &letter->envelope.sender);
    if (letter->envelope.envid)
        print_field("envid", letter->envelope.envid);
    for (size_t i = 0; i < letter->count; i++)
        print_recipient(letter, i);
    putchar('\n');
}

/*
 * The message in blocks, each taken with what the one before left of itself; how much of it is
 * taken, put answers. last: no more follows.
 */
static struct outcome walk_message(const struct letter *letter,
                                   size_t (*put)(const char *data, size_t length, bool last))
{
    char *block = memory_block(FILE_BLOCK);
    off_t at = letter->start;
    size_t left = 0;
    ssize_t count;
    while ((count = file_read_at(letter->fd, block + left, FILE_BLOCK - left, at)) > 0) {
        at += count;
        size_t length = left + (size_t)count, taken = put(block, length, false);
        left = length - taken;
        memmove(block, block + taken, left);
    }
    int error = errno;
    put(block, left, true);
    free(block);
    return count < 0 ? outcome_errno(error, "cannot read message %s", letter->id) : outcome_done();
}

static size_t put_as_it_is(const char *data, size_t length, bool last)
{
    (void)last;
    fwrite(data, 1, length, stdout);
    return length;
}

/* A character that a block's end divides is shown as '?'s. */
static size_t put_clean(const char *data, size_t length, bool last)
{
    struct buffer text = {0};
    (void)last;
    terminal_put(&text, data, length, true);
    fwrite(buffer_text(&text), 1, text.length, stdout);
    buffer_free(&text);
    return length;
}

static size_t put_json(const char *data, size_t length, bool last)
{
    struct buffer text = {0};
    size_t taken = json_part(&text, data, length, last);
    fwrite(buffer_text(&text), 1, text.length, stdout);
    buffer_free(&text);
    return taken;
}

static void take_object(void *context, const struct selected *selected)
{
    struct show *show = context;
    struct buffer json = {0};
    struct outcome outcome = outcome_done();
    listing_put(&json, selected, true);
    if (selected->letter)
        json_name(&json, "message");
    fwrite(buffer_text(&json), 1, json.length, stdout);
    buffer_free(&json);
    if (selected->letter) {
        putchar('"');
        outcome = walk_message(selected->letter, put_json);
        putchar('"');
    } else
        outcome =
            outcome_later("4.3.0", "%s cannot be read: %s", selected->entry->id, selected->problem);
    puts("}");
    if (!outcome_good(&outcome))
        show->outcome = outcome;
}

static void take(void *context, const struct selected *selected)
{
    struct show *show = context;
    if (show->count++)
        putchar('\n');
    if (!selected->letter) {
        show->outcome =
            outcome_later("4.3.0", "%s cannot be read: %s", selected->entry->id, selected->problem);
        return;
    }
    print_envelope(selected->letter, selected->entry->due);
    struct outcome outcome = walk_message(selected->letter, show->clean ? put_clean : put_as_it_is);
    if (!outcome_good(&outcome))
        show->outcome = outcome;
}

struct outcome show_run(struct office *office, const struct selection *selection, bool json)
{
    struct show show = {.clean = terminal_is_there(), .outcome = outcome_done()};
    terminal_end_with_reader();
    struct outcome outcome = office_open_queue(office);
    if (outcome_good(&outcome))
        outcome = selection_walk(office, selection, true, json ? take_object : take, &show);
    return outcome_good(&outcome) ? show.outcome : outcome;
}
