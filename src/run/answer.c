/* See answer.h. */
#include "run/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/terminal.h"

enum { MANY = 20 /* messages: more than that are no lines to be read */ };

void answers_begin(struct answers *answers, size_t count, bool quiet)
{
    answers->many = !answers->json && !quiet && count > MANY && terminal_is_there();
}

static void print_object(const struct answers *answers, const char *id, const char *result,
                         const char *reason)
{
    struct buffer json = {0};
    buffer_append_byte(&json, '{');
    json_text(&json, "id", id);
    json_text(&json, "action", answers->action);
    json_text(&json, "result", result);
    json_text(&json, "reason", reason);
    buffer_append_byte(&json, '}');
    puts(json.data);
    buffer_free(&json);
}

static void count(struct answers *answers, const char *words)
{
    for (size_t i = 0; i < ANSWER_KINDS; i++)
        if (!answers->totals[i].words || strcmp(answers->totals[i].words, words) == 0) {
            answers->totals[i].words = words;
            answers->totals[i].count++;
            return;
        }
}

void answers_done(struct answers *answers, const char *id, const char *result, const char *words,
                  const char *reason)
{
    if (answers->json)
        print_object(answers, id, result, reason);
    else if (answers->many)
        count(answers, words);
    else
        printf("%s: %s%s%s\n", id, words, reason ? ": " : "", reason ? reason : "");
}

void answers_refuse(const struct answers *answers, const char *id, const char *why)
{
    if (answers->json) {
        print_object(answers, id, "refused", why);
        return;
    }
    if (answers->bar.drawn)
        putchar('\n');
    fflush(stdout); /* in the order of events */
    fprintf(stderr, "postrider: %.100s: %s\n", id, why);
}

void answers_end(struct answers *answers)
{
    bar_leave(&answers->bar);
    for (size_t i = 0; i < ANSWER_KINDS && answers->totals[i].words; i++)
        printf("%zu %s\n", answers->totals[i].count, answers->totals[i].words);
}
