/*
 * mailq: a row for each message, then its recipients that are still pending, each behind the
 * reason of its last deferral. Only looks, and takes no lock. Whose a message is, the owner of its
 * file says; a stranger's is not even opened.
 */
#include "sendmail/mailq.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "queue/letter.h"
#include "queue/list.h"

enum { ADDRESS_COLUMN = 48 /* where sender and recipients stand */ };

struct totals {
    uint64_t bytes;
    size_t count;
};

static bool is_own(const struct queue *queue, const char *id)
{
    struct stat info;
    return fstatat(queue->spool, id, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_uid == getuid();
}

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
    if (letter->held)
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
        if (recipient->progress != PROGRESS_PENDING && recipient->progress != PROGRESS_FAILED)
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
    printf("%s%c%*s%8" PRIu64 " %-19s  ", letter->id, letter->held ? '!' : ' ',
           (int)(17 - strlen(letter->id)), "", letter->size, arrived);
    print_address(&letter->envelope.sender, "MAILER-DAEMON");
    if (verbose)
        print_schedule(letter, due);
    print_recipients(letter);
    putchar('\n');
}

static void print_message(const struct queue *queue, const struct list_entry *entry, bool verbose,
                          struct totals *totals)
{
    struct letter letter;
    struct outcome problem;
    enum letter_found found = letter_open(queue, entry->id, LETTER_LOOK, false, &letter, &problem);
    if (found == LETTER_GONE)
        return;
    if (totals->count++ == 0)
        printf("%-18s%8s %-19s  %s\n", "-Queue ID-------", "--Size--", "---Arrival Time----",
               "-Sender/Recipient-------");
    if (found == LETTER_OPENED) {
        print_letter(&letter, entry->due, verbose);
        totals->bytes += letter.size;
        letter_close(&letter);
    } else {
        printf("%s  (it cannot be read: %s)\n\n", entry->id, problem.reason);
    }
}

struct outcome mailq_run(struct office *office, bool verbose)
{
    struct outcome outcome = office_open_queue(office);
    struct list list = {0};
    if (outcome_good(&outcome))
        outcome = list_read(&office->queue, &list);
    if (!outcome_good(&outcome))
        return outcome;
    bool all = office_is_master(office);
    struct totals totals = {0};
    for (size_t i = 0; i < list.count; i++)
        if (all || is_own(&office->queue, list.entries[i].id))
            print_message(&office->queue, &list.entries[i], verbose, &totals);
    if (totals.count == 0)
        puts("Mail queue is empty");
    else
        printf("-- %" PRIu64 " Kbytes in %zu Request%s.\n", (totals.bytes + 1023) / 1024,
               totals.count, totals.count == 1 ? "" : "s");
    list_free(&list);
    return outcome;
}
