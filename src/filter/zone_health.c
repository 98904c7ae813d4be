/* See zone_health.h. A rest doubles each time that the list is found silent again. */
#include "filter/zone_health.h"

#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/text.h"

enum {
    FIRST_REST = 120, /* seconds */
    LONGEST_REST = 32 * 60,
    TEST_EVERY = 3600, /* so long may mail be refused for a list that has gone mad */
    KEEP = 7 * 24 * 3600
};

void zone_health_find(const struct memo *memo, const char *name, bool is_v6, time_t now,
                      struct zone_health *health)
{
    struct buffer key = {0};
    buffer_format(&key, "health%c %s", is_v6 ? '6' : '4', name);
    if (!memo_find(memo, buffer_text(&key), now, health, sizeof *health))
        *health = (struct zone_health){0};
    /* Of a clock that was put back. */
    if (health->rests_until > now + LONGEST_REST)
        health->rests_until = now;
    if (health->tested > now)
        health->tested = 0;
    buffer_free(&key);
}

static void keep_health(const struct memo *memo, const char *name, bool is_v6, time_t now,
                        const struct zone_health *health)
{
    struct buffer key = {0};
    buffer_format(&key, "health%c %s", is_v6 ? '6' : '4', name);
    memo_keep(memo, buffer_text(&key), now, now + KEEP, health, sizeof *health);
    buffer_free(&key);
}

bool zone_health_wants_test(const struct zone_health *health, time_t now)
{
    return health->soundness == UNTESTED || now - health->tested >= TEST_EVERY;
}

bool zone_health_claim(const struct memo *memo, const char *name, bool is_v6, time_t now,
                       struct zone_health *health)
{
    if (!health->rests_until)
        return true;
    memo_lock(memo);
    zone_health_find(memo, name, is_v6, now, health);
    bool asks = health->rests_until <= now;
    if (asks && health->rests_until) {
        struct zone_health kept = *health;
        kept.rests_until = now + kept.rest;
        keep_health(memo, name, is_v6, now, &kept);
    }
    memo_unlock(memo);
    return asks;
}

static void note_silence(const char *name, time_t now, const char *trouble, bool asked_after_rest,
                         struct zone_health *health)
{
    bool is_news = !health->rests_until;
    /* Others, who asked at the same time, have said so already. */
    if (!is_news && health->rests_until > now && !asked_after_rest)
        return;
    health->rest = is_news                           ? FIRST_REST
                   : health->rest < LONGEST_REST / 2 ? health->rest * 2
                                                     : LONGEST_REST;
    health->rests_until = now + health->rest;
    if (is_news) {
        char words[32];
        log_error("the list %s is left alone for %s, and then for longer, until it answers: %s",
                  name, text_from_seconds(health->rest, words, sizeof words), trouble);
    }
}

static void note_test(const char *name, bool is_v6, time_t now, const char *fault,
                      struct zone_health *health)
{
    const char *whom = is_v6 ? "IPv6" : "IPv4";
    if (fault && health->soundness != UNSOUND)
        log_error("the list %s is ignored for %s: %s", name, whom, fault);
    if (!fault && health->soundness == UNSOUND)
        log_notice("the list %s is of use again for %s", name, whom);
    health->soundness = fault ? UNSOUND : SOUND;
    health->tested = now;
}

void zone_health_report(const struct memo *memo, const char *name, bool is_v6, time_t now,
                        const struct zone_report *report, struct zone_health *health)
{
    bool asked_after_rest = health->rests_until != 0;
    if (!report->trouble && !report->was_tested && !asked_after_rest)
        return; /* nothing is new */
    memo_lock(memo);
    zone_health_find(memo, name, is_v6, now, health);
    if (report->trouble) {
        note_silence(name, now, report->trouble, asked_after_rest, health);
    } else {
        if (health->rests_until)
            log_notice("the list %s answers again", name);
        health->rests_until = 0;
        if (report->was_tested)
            note_test(name, is_v6, now, report->fault, health);
    }
    keep_health(memo, name, is_v6, now, health);
    memo_unlock(memo);
}
