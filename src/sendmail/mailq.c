/*
 * mailq: a row for each message, then its recipients that are still pending, each behind the
 * reason of its last deferral. Only looks, and takes no lock.
 */
#include "sendmail/mailq.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "queue/letter.h"
#include "base/terminal.h"

enum { ADDRESS_COLUMN = 48 /* where sender and recipients stand */ };

struct listed {
    bool verbose;
    uint64_t bytes;
    size_t count;
};

static void format_time(time_t when, char *space, size_t size)
{
    struct tm broken;
    if (!localtime_r(&when, &broken) || !strftime(space, size, "%a %b %e %H:%M:%S", &broken))
        snprintf(space, size, "-");
}

static void print_address(const struct address *address, const char *when_null)
{
    char *text = address_text(address);
    text_tame(text, strlen(text));
    puts(*text ? text : when_null);
    free(text);
}

static void print_schedule(const struct letter *letter, time_t due)
{
    char when[32], wait[32];
    time_t now = clock_now();
    format_time(due, when, sizeof when);
    if (letter->tries)
        printf("      tried %u time%s, ", letter->tries, letter->tries == 1 ? "" : "s");
    else
        printf("      not tried yet, ");
    if (letter_is_held(letter))
        puts("held");
    else if (due > now)
        printf("next try %s (in %s)\n", when,
               text_from_seconds((uint64_t)(due - now), wait, sizeof wait));
    else
        puts("due now");
}

/* A reason that several recipients have in a row is said once. */
static void print_recipients(const struct letter *letter)
{
    const char *said = NULL;
    for (size_t i = 0; i < letter->count; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        if (!letter_waits_for(recipient))
            continue;
        const char *reason = recipient->reason;
        if (reason && (!said || strcmp(said, reason) != 0))
            printf("    (%s)\n", reason);
        said = reason;
        printf("%*s", ADDRESS_COLUMN, "");
        print_address(&recipient->address, "<>");
    }
}

static void print_letter(const struct letter *letter, time_t due, bool verbose)
{
    char arrived[32];
    format_time(letter->envelope.arrived, arrived, sizeof arrived);
    printf("%s%c%*s%8" PRIu64 " %-19s  ", letter->id, letter_is_held(letter) ? '!' : ' ',
           (int)(17 - strlen(letter->id)), "", letter->size, arrived);
    print_address(&letter->envelope.sender, "MAILER-DAEMON");
    if (verbose)
        print_schedule(letter, due);
    print_recipients(letter);
    putchar('\n');
}

static void take(void *context, const struct selected *selected)
{
    struct listed *listed = context;
    if (listed->count++ == 0)
        printf("%-18s%8s %-19s  %s\n", "-Queue ID-------", "--Size--", "---Arrival Time----",
               "-Sender/Recipient-------");
    if (selected->letter) {
        print_letter(selected->letter, selected->entry->due, listed->verbose);
        listed->bytes += selected->letter->size;
    } else {
        printf("%s  (it cannot be read: %s)\n\n", selected->entry->id, selected->problem);
    }
}

struct outcome mailq_run(struct office *office, const struct selection *selection, bool verbose)
{
    struct listed listed = {.verbose = verbose};
    terminal_end_with_reader();
    struct outcome outcome = office_open_queue(office);
    if (outcome_good(&outcome))
        outcome = selection_walk(office, selection, true, take, &listed);
    if (!outcome_good(&outcome))
        return outcome;
    if (listed.count == 0)
        puts("Mail queue is empty");
    else
        printf("-- %" PRIu64 " Kbytes in %zu Request%s.\n", (listed.bytes + 1023) / 1024,
               listed.count, listed.count == 1 ? "" : "s");
    return outcome;
}
