/* status for people: columns as those of Postfix's qshape, and bars where there is room for them.
 */
#include "sendmail/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/terminal.h"

enum {
    MOST_ROWS = 30,
    DOMAIN = 28,
    LEAST_DOMAIN = 12,
    COLUMN = 5,
    MOST_BAR = 40,
    LEAST_BAR = 5,
    HOP = 16,
    WHEN = 16,
    NAME = 8,
    NARROW = 70, /* columns below which a next hop has more lines than one */
    GAP = 2
};

struct table {
    int domain, column;
    size_t ages; /* columns for ages; each but the last for so many of the census: */
    size_t together;
    size_t bar; /* columns; 0: none are drawn */
};

static int longest_number(size_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%zu", number);
    return length > COLUMN ? length : COLUMN;
}

/* What the table takes without a bar. */
static size_t width_of(const struct table *table)
{
    return (size_t)table->domain + (size_t)(table->column + 1) * (table->ages + 1);
}

/* Where a terminal has no room for all ages several of them share a column, and names are cut. */
static void fit(struct table *table, size_t columns)
{
    int domain = table->domain > DOMAIN ? DOMAIN : table->domain;
    int least = domain < LEAST_DOMAIN ? domain : LEAST_DOMAIN;
    for (table->together = 1; table->together <= CENSUS_AGES; table->together++) {
        table->ages = (CENSUS_AGES + table->together - 1) / table->together;
        for (table->domain = domain; table->domain >= least; table->domain--)
            if (width_of(table) <= columns)
                return;
    }
}

static struct table measure(const struct census *census)
{
    struct table table = {.domain = (int)strlen("TOTAL"),
                          .column = longest_number(census->total.messages),
                          .ages = CENSUS_AGES,
                          .together = 1};
    for (size_t i = 0; i < census->count && i < MOST_ROWS; i++) {
        int length = (int)terminal_width(census->rows[i].domain);
        table.domain = length > table.domain ? length : table.domain;
    }
    if (!terminal_is_there())
        return table;
    size_t columns = terminal_columns();
    fit(&table, columns);
    size_t used = width_of(&table) + GAP;
    table.bar = columns > used + LEAST_BAR ? columns - used : 0;
    table.bar = table.bar > MOST_BAR ? MOST_BAR : table.bar;
    return table;
}

/* The last of the census's ages that a column is for. */
static size_t last_age(const struct table *table, size_t column)
{
    size_t end = (column + 1) * table->together;
    return (end < CENSUS_AGES ? end : CENSUS_AGES) - 1;
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
    for (size_t i = 0, age = 0; i < table->ages; i++) {
        size_t count = 0;
        while (age <= last_age(table, i))
            count += row->ages[age++];
        printf(" %*zu", table->column, count);
    }
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
    printf("%s%*s %*s", terminal_tone(TONE_TITLE), table.domain, "", table.column, "T");
    for (size_t i = 0; i < table.ages; i++)
        printf(" %*s", table.column, census_ages[last_age(&table, i)]);
    printf("%s%s\n", table.bar ? "  minutes" : "", terminal_tone(TONE_PLAIN));
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

/* On a terminal words go on below each other, from this column on. */
static void print_folded(const char *words, size_t indent, enum terminal_tone tone)
{
    struct buffer text = {0};
    if (terminal_is_there())
        terminal_fold(&text, words, terminal_columns(), indent);
    const char *begin = tone == TONE_PLAIN ? "" : terminal_tone(tone);
    printf("%s%s%s\n", begin, text.length ? text.data : words,
           *begin ? terminal_tone(TONE_PLAIN) : "");
    buffer_free(&text);
}

static void print_fact(const char *name, enum terminal_tone tone, struct buffer *words)
{
    const char *begin = tone == TONE_PLAIN ? "" : terminal_tone(tone);
    printf("%s%-*s%s", begin, NAME, name, *begin ? terminal_tone(TONE_PLAIN) : "");
    print_folded(buffer_text(words), NAME, TONE_PLAIN);
    buffer_clear(words);
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void print_schedule(const struct census *census)
{
    char space[32];
    struct buffer words = {0};
    if (census->total.messages) {
        buffer_format(&words, "%s, %s old", census->oldest_id,
                      age(census->now, census->total.oldest, space, sizeof space));
        print_fact("oldest", TONE_PLAIN, &words);
    }
    buffer_format(&words, "%zu message%s with the next queue run", census->due,
                  plural(census->due));
    if (census->next)
        buffer_format(&words, ", another in %s",
                      age(census->next, census->now, space, sizeof space));
    print_fact("due", TONE_PLAIN, &words);
    if (census->held) {
        buffer_format(&words, "%zu message%s, until released", census->held, plural(census->held));
        print_fact("held", TONE_NOTE, &words);
    }
    if (census->unreadable) {
        buffer_format(&words, "%zu that cannot be read: see postrider queue list",
                      census->unreadable);
        print_fact("broken", TONE_FAULT, &words);
    }
    buffer_free(&words);
}

static void print_when(const struct census *census, time_t when)
{
    char space[32], text[48] = "never";
    if (when)
        snprintf(text, sizeof text, "%s ago", age(census->now, when, space, sizeof space));
    printf("  %-*s", WHEN, text);
}

/* Its last error, and for how long it is left alone. */
static void format_error(const struct census *census, const struct hop_history *history,
                         struct buffer *text)
{
    char space[32];
    if (history->failed) {
        char *reason = terminal_text(history->reason);
        buffer_format(text, "%s ago: %s", age(census->now, history->failed, space, sizeof space),
                      reason);
        free(reason);
    } else {
        buffer_append_text(text, "none");
    }
    if (history->state.until > census->now)
        buffer_format(text, " (%s for %s)",
                      history->state.failures ? "left alone" : "its rate is used up",
                      age(history->state.until, census->now, space, sizeof space));
}

static bool is_narrow(void)
{
    return terminal_is_there() && terminal_columns() < NARROW;
}

static void print_hop(const struct census *census, const struct status_hop *hop)
{
    const struct hop_history *history = &hop->history;
    struct buffer error = {0};
    char *name = terminal_text(hop->name);
    terminal_print(name, HOP, false);
    print_when(census, history->worked);
    size_t indent = terminal_width(name) > HOP ? terminal_width(name) : HOP;
    indent = is_narrow() ? GAP : indent + WHEN + 2 * GAP;
    printf(is_narrow() ? "\n%*s" : "%*s", GAP, "");
    format_error(census, history, &error);
    bool broken = history->failed && history->failed >= history->worked;
    print_folded(buffer_text(&error), indent, broken ? TONE_WARNING : TONE_PLAIN);
    buffer_free(&error);
    free(name);
}

static void print_greylist(const struct status *status)
{
    const struct greylist_counts *counts = &status->greylist;
    struct buffer text = {0};
    if (!status->greylists)
        return;
    buffer_format(&text,
                  "Greylist: %llu tries were told to come again, %llu did; %llu were of what was "
                  "known. It remembers %llu.",
                  (unsigned long long)counts->delayed, (unsigned long long)counts->passed,
                  (unsigned long long)counts->known, (unsigned long long)counts->entries);
    putchar('\n');
    print_folded(text.data, 0, TONE_PLAIN);
    buffer_free(&text);
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
    printf("\n%s%-*s  %-*s  %s%s\n", terminal_tone(TONE_TITLE), HOP, "NEXT HOP", WHEN,
           "LAST SUCCESS", is_narrow() ? "" : "LAST ERROR", terminal_tone(TONE_PLAIN));
    for (size_t i = 0; i < status->hop_count; i++)
        print_hop(census, &status->hops[i]);
}
