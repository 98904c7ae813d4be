/*
 * See check_print.h. On a terminal sentences are folded, and remedies are not: what is folded can
 * no longer be copied into a shell. Elsewhere each finding is a line.
 */
#include "sendmail/check_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/terminal.h"

enum { MARKS = FINDING_FAULT + 1, GAP = 2 };

static const struct {
    const char *sign; /* in UTF-8 */
    const char *word;
    enum terminal_tone tone;
} marks[MARKS] = {
    [FINDING_GOOD] = {"\xE2\x9C\x93", "ok", TONE_GOOD},
    [FINDING_HINT] = {"\xC2\xB7", "note", TONE_NOTE},
    [FINDING_WARNING] = {"!", "warn", TONE_WARNING},
    [FINDING_FAULT] = {"\xE2\x9C\x97", "FAIL", TONE_FAULT},
};

struct check_manners check_manners(void)
{
    return (struct check_manners){.terminal = terminal_is_there(), .utf8 = terminal_is_utf8()};
}

/* The places of the findings in the order of their topics; the caller frees. */
static size_t *order(const struct findings *findings)
{
    size_t *places = memory_get((findings->count + 1) * sizeof *places), used = 0;
    bool *taken = memory_get((findings->count + 1) * sizeof *taken);
    for (size_t i = 0; i < findings->count; i++)
        for (size_t k = i; k < findings->count && !taken[i]; k++)
            if (strcmp(findings->items[k].topic, findings->items[i].topic) == 0) {
                places[used++] = k;
                taken[k] = k != i;
            }
    free(taken);
    return places;
}

/* ---- a terminal ---- */

static size_t widest_topic(const struct findings *findings)
{
    size_t width = 0;
    for (size_t i = 0; i < findings->count; i++) {
        size_t one = terminal_width(findings->items[i].topic);
        width = one > width ? one : width;
    }
    return width;
}

static void print_mark(enum finding_mark mark, const struct check_manners *manners)
{
    const char *text = manners->utf8 ? marks[mark].sign : marks[mark].word;
    size_t width = manners->utf8 ? 1 : strlen(marks[FINDING_FAULT].word);
    fputs(terminal_tone(marks[mark].tone), stdout);
    terminal_print(text, width, false);
    printf("%s ", terminal_tone(TONE_PLAIN));
}

static void print_on_terminal(const struct finding *finding, size_t topics,
                              const struct check_manners *manners)
{
    size_t indent = (manners->utf8 ? 1 : strlen(marks[FINDING_FAULT].word)) + 1 + topics + GAP;
    char *topic = terminal_text(finding->topic), *text = terminal_text(finding->text);
    struct buffer folded = {0};
    print_mark(finding->mark, manners);
    terminal_print(topic, topics + GAP, false);
    terminal_fold(&folded, text, terminal_columns(), indent);
    puts(buffer_text(&folded));
    if (finding->remedy) {
        char *remedy = terminal_text(finding->remedy);
        printf("%*s%s\n", (int)(indent + GAP), "", remedy);
        free(remedy);
    }
    buffer_free(&folded);
    free(topic);
    free(text);
}

/* ---- a line each ---- */

static void print_line(const struct finding *finding)
{
    char *text = terminal_text(finding->text);
    char *remedy = finding->remedy ? terminal_text(finding->remedy) : NULL;
    printf("%s: %s: %s%s%s\n", finding_mark_name(finding->mark), finding->topic, text,
           remedy ? "; " : "", remedy ? remedy : "");
    free(text);
    free(remedy);
}

static void print_count(size_t count, const char *what, const char *before)
{
    if (count)
        printf("%s%zu %s%s", before, count, what, count == 1 ? "" : "s");
}

static void print_summary(const struct findings *findings)
{
    size_t counts[MARKS] = {0};
    for (size_t i = 0; i < findings->count; i++)
        counts[findings->items[i].mark]++;
    size_t faults = counts[FINDING_FAULT], warnings = counts[FINDING_WARNING];
    print_count(faults, "fault", "");
    print_count(warnings, "warning", faults ? ", " : "");
    if (faults + warnings < findings->count || !findings->count)
        printf("%s is as it should be", faults + warnings ? "; everything else" : "everything");
    printf(" (%zu looked at)\n", findings->count);
}

void check_print_people(const struct findings *findings, const struct check_manners *manners)
{
    size_t *places = order(findings), topics = widest_topic(findings);
    for (size_t i = 0; i < findings->count; i++)
        if (manners->terminal)
            print_on_terminal(&findings->items[places[i]], topics, manners);
        else
            print_line(&findings->items[places[i]]);
    print_summary(findings);
    free(places);
}

void check_put_json(const struct findings *findings, struct buffer *json)
{
    size_t *places = order(findings);
    json_name(json, "findings");
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[places[i]];
        json_next(json);
        buffer_append_byte(json, '{');
        json_text(json, "mark", finding_mark_name(finding->mark));
        json_text(json, "topic", finding->topic);
        json_text(json, "text", finding->text);
        json_text(json, "remedy", finding->remedy);
        buffer_append_byte(json, '}');
    }
    buffer_append_byte(json, ']');
    json_text(json, "worst", finding_mark_name(finding_worst(findings)));
    free(places);
}

void check_print_json(const struct findings *findings)
{
    struct buffer json = {0};
    buffer_append_byte(&json, '{');
    check_put_json(findings, &json);
    buffer_append_byte(&json, '}');
    puts(buffer_text(&json));
    buffer_free(&json);
}
