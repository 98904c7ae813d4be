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
    if (letter->held || why)
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
    bool elsewhere = recipient->progress == PROGRESS_DELIVERED && recipient->text;
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

/* A character that a block's end divides is shown as '?'s on a terminal; nothing else is changed.
 */
static struct outcome print_message(const struct letter *letter, bool clean)
{
    char *block = memory_block(FILE_BLOCK);
    struct buffer text = {0};
    off_t at = letter->start;
    ssize_t count;
    while ((count = file_read_at(letter->fd, block, FILE_BLOCK, at)) > 0) {
        at += count;
        if (!clean) {
            fwrite(block, 1, (size_t)count, stdout);
            continue;
        }
        buffer_clear(&text);
        terminal_put(&text, block, (size_t)count, true);
        fwrite(text.data, 1, text.length, stdout);
    }
    int error = errno;
    buffer_free(&text);
    free(block);
    return count < 0 ? outcome_errno(error, "cannot read message %s", letter->id) : outcome_done();
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
    struct outcome outcome = print_message(selected->letter, show->clean);
    if (!outcome_good(&outcome))
        show->outcome = outcome;
}

struct outcome show_run(struct office *office, const struct selection *selection)
{
    struct show show = {.clean = terminal_is_there(), .outcome = outcome_done()};
    terminal_end_with_reader();
    struct outcome outcome = office_open_queue(office);
    if (outcome_good(&outcome))
        outcome = selection_walk(office, selection, true, take, &show);
    return outcome_good(&outcome) ? show.outcome : outcome;
}
