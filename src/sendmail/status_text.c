/* status for people: columns as those of Postfix's qshape, and bars where there is room for them.
 */
#include "sendmail/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/terminal.h"

enum { MOST_ROWS = 30, DOMAIN = 28, COLUMN = 5, MOST_BAR = 40, LEAST_BAR = 5, HOP = 16, WHEN = 16 };

struct table {
    int domain, column;
    size_t bar; /* columns; 0: none are drawn */
};

static int longest_number(size_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%zu", number);
    return length > COLUMN ? length : COLUMN;
}

static struct table measure(const struct census *census)
{
    struct table table = {.domain = (int)strlen("TOTAL"),
                          .column = longest_number(census->total.messages)};
    for (size_t i = 0; i < census->count && i < MOST_ROWS; i++) {
        int length = (int)strlen(census->rows[i].domain);
        table.domain = length > table.domain ? length : table.domain;
    }
    if (!terminal_is_there())
        return table;
    size_t columns = terminal_columns();
    table.domain = table.domain > DOMAIN ? DOMAIN : table.domain;
    size_t used = (size_t)table.domain + (size_t)(table.column + 1) * (CENSUS_AGES + 1) + 2;
    table.bar = columns > used + LEAST_BAR ? columns - used : 0;
    table.bar = table.bar > MOST_BAR ? MOST_BAR : table.bar;
    return table;
}

static void print_row(const struct table *table, const char *name, const struct census_row *row,
                      size_t all)
{
    char *clean = terminal_text(name);
    size_t width = terminal_width(clean), most = (size_t)table->domain;
    printf("%*s", width < most ? (int)(most - width) : 0, "");
    terminal_print(clean, width < most ? width : most, terminal_is_there());
    free(clean);
    printf(" %*zu", table->column, row->messages);
    for (size_t i = 0; i < CENSUS_AGES; i++)
        printf(" %*zu", table->column, row->ages[i]);
    if (table->bar && all) {
        size_t length = (row->messages * table->bar + all - 1) / all;
        printf("  ");
        while (length--)
            putchar('#');
    }
    putchar('\n');
}

static void print_table(const struct census *census)
{
    struct table table = measure(census);
    printf("%*s %*s", table.domain, "", table.column, "T");
    for (size_t i = 0; i < CENSUS_AGES; i++)
        printf(" %*s", table.column, census_ages[i]);
    puts(table.bar ? "  minutes" : "");
    print_row(&table, "TOTAL", &census->total, census->total.messages);
    for (size_t i = 0; i < census->count && i < MOST_ROWS; i++)
        print_row(&table, census->rows[i].domain, &census->rows[i], census->total.messages);
    if (census->count > MOST_ROWS)
        printf("%*s and %zu more domains\n", table.domain, "", census->count - MOST_ROWS);
}

/* "2h5m"; a clock that was put back makes no age below nothing. */
static const char *age(time_t now, time_t then, char *space, size_t size)
{
    return text_from_seconds(now > then ? (uint64_t)(now - then) : 0, space, size);
}

static void print_schedule(const struct census *census)
{
    char space[32];
    if (census->total.messages)
        printf("oldest  %s, %s old\n", census->oldest_id,
               age(census->now, census->total.oldest, space, sizeof space));
    printf("due     %zu message%s with the next queue run", census->due,
           census->due == 1 ? "" : "s");
    if (census->next)
        printf(", another in %s", age(census->next, census->now, space, sizeof space));
    putchar('\n');
    if (census->held)
        printf("held    %zu message%s, until released\n", census->held,
               census->held == 1 ? "" : "s");
    if (census->unreadable)
        printf("broken  %zu that cannot be read: see postrider queue list\n", census->unreadable);
}

static void print_when(const struct census *census, time_t when)
{
    char space[32], text[48] = "never";
    if (when)
        snprintf(text, sizeof text, "%s ago", age(census->now, when, space, sizeof space));
    printf("  %-*s", WHEN, text);
}

static void print_hop(const struct census *census, const struct status_hop *hop)
{
    const struct hop_history *history = &hop->history;
    char space[32];
    char *name = terminal_text(hop->name);
    terminal_print(name, HOP, false);
    free(name);
    print_when(census, history->worked);
    if (history->failed) {
        char *reason = terminal_text(history->reason);
        printf("  %s ago: %s", age(census->now, history->failed, space, sizeof space), reason);
        free(reason);
    } else {
        fputs("  none", stdout);
    }
    if (history->state.until > census->now)
        printf(" (%s for %s)", history->state.failures ? "left alone" : "its rate is used up",
               age(history->state.until, census->now, space, sizeof space));
    putchar('\n');
}

static void print_greylist(const struct status *status)
{
    const struct greylist_counts *counts = &status->greylist;
    if (status->greylists)
        printf(
            "\nGreylist: %llu tries were told to come again, %llu did; %llu were of what was known."
            "  It remembers %llu.\n",
            (unsigned long long)counts->delayed, (unsigned long long)counts->passed,
            (unsigned long long)counts->known, (unsigned long long)counts->entries);
}

void status_print_people(const struct status *status)
{
    const struct census *census = &status->census;
    if (census->total.messages || census->unreadable) {
        print_table(census);
        putchar('\n');
        print_schedule(census);
    } else {
        puts("The queue is empty.");
    }
    print_greylist(status);
    if (!status->hop_count)
        return;
    printf("\n%-*s  %-*s  %s\n", HOP, "NEXT HOP", WHEN, "LAST SUCCESS", "LAST ERROR");
    for (size_t i = 0; i < status->hop_count; i++)
        print_hop(census, &status->hops[i]);
}
