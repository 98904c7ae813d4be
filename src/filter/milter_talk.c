/*
 * See milter_talk.h. Whatever goes wrong with a milter ends in milter_fail, which does what
 * milter_default says; it is tried again at the next message, though not for ever.
 */
#include "filter/milter_talk.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"

/* One line of reply, and the outcome that goes with it. */
static void make_reply(struct milter *milter, const char *line)
{
    bool last;
    const char *why;
    milter->reply.count = 0;
    if (!reply_add(&milter->reply, line, strlen(line), &last, &why))
        impossible("a reply of ours that is none");
}

struct outcome milter_refuse(struct milter *milter)
{
    const struct reply *reply = &milter->reply;
    struct buffer words = {0};
    reply_format(reply, &words);
    bool later = reply->code < 500;
    const char *status = *reply->status ? reply->status : later ? "4.7.1" : "5.7.1";
    struct outcome outcome =
        later ? outcome_later(status, "%s: %s", milter->link.name, buffer_text(&words))
              : outcome_never(status, "%s: %s", milter->link.name, buffer_text(&words));
    buffer_free(&words);
    return outcome;
}

static struct outcome refuse_with(struct milter *milter, const char *line)
{
    make_reply(milter, line);
    return milter_refuse(milter);
}

static void log_fault(struct milter *milter, const struct outcome *outcome)
{
    static const char *const means[] = {"mail has to wait", "mail goes on without it",
                                        "mail is refused"};
    if (milter->is_logged)
        return;
    milter->is_logged = true;
    log_error("milter %s: %s; %s", milter->link.name, outcome->reason,
              means[milter->settings->filter.milter_default]);
}

struct outcome milter_go_without(struct milter *milter)
{
    milter->is_asked = false;
    milter->is_missing = true;
    switch (milter->settings->filter.milter_default) {
    case MILTER_ACCEPT:
        return outcome_done();
    case MILTER_REJECT:
        return refuse_with(milter, "550 5.7.1 mail cannot be checked here now");
    default:
        return refuse_with(milter, "451 4.7.1 mail cannot be checked now, try again later");
    }
}

struct outcome milter_fail(struct milter *milter, const struct outcome *outcome)
{
    /* One that takes its time is not waited for again. */
    milter->faults += milter_link_is_slow(&milter->link) ? MILTER_FAULTS_MOST : 1;
    log_fault(milter, outcome);
    buffer_clear(&milter->link.out);
    milter_link_close(&milter->link);
    return milter_go_without(milter);
}

/* A word with which it is done, be it for the connection or the message. */
static struct outcome conclude(struct milter *milter, enum milter_place place,
                               struct outcome outcome)
{
    if (place == OF_CONNECTION)
        milter->has_refused = !outcome_good(&outcome);
    if (place != OF_RECIPIENT || outcome_good(&outcome))
        milter->is_asked = false;
    return outcome;
}

static struct outcome take_reply(struct milter *milter, enum milter_place place)
{
    const char *why;
    const struct buffer *in = &milter->link.in;
    if (milter_parse_reply(in->data, in->length, &milter->reply, &why))
        return conclude(milter, place, milter_refuse(milter));
    struct outcome outcome = outcome_later("4.3.0", "%s", why);
    return milter_fail(milter, &outcome);
}

/* It is done with it, and has nothing against it. */
static struct outcome accept_it(struct milter *milter, enum milter_place place)
{
    milter->is_content = milter->is_content || place == OF_CONNECTION;
    return conclude(milter, place, outcome_done());
}

static struct outcome discard_it(struct milter *milter, enum milter_place place)
{
    milter->discards = true;
    return conclude(milter, place, outcome_done());
}

/* The reply that goes with a word; NULL: none. */
static const char *words_for(char kind)
{
    switch (kind) {
    case MILTER_SAYS_REJECT:
        return "550 5.7.1 refused by a filter";
    case MILTER_SAYS_TEMPFAIL:
        return "451 4.7.1 not now, says a filter; try again later";
    case MILTER_SAYS_SHUTDOWN:
    case MILTER_SAYS_FAIL_CONNECTION:
        return "421 4.7.0 a filter wants no more of this connection";
    default:
        return NULL;
    }
}

struct outcome milter_hear(struct milter *milter, char kind, enum milter_place place)
{
    const struct buffer *in = &milter->link.in;
    if (kind == MILTER_SAYS_REPLY)
        return take_reply(milter, place);
    bool is_bare = in->length == 0;
    if (is_bare && kind == MILTER_SAYS_CONTINUE)
        return outcome_done();
    if (is_bare && kind == MILTER_SAYS_ACCEPT)
        return accept_it(milter, place);
    if (is_bare && kind == MILTER_SAYS_DISCARD && place != OF_CONNECTION)
        return discard_it(milter, place);
    const char *line = is_bare ? words_for(kind) : NULL;
    if (line) {
        make_reply(milter, line);
        return conclude(milter, place, milter_refuse(milter));
    }
    struct outcome outcome = outcome_later(
        "4.3.0", "its answer \"%c\" with %zu bytes has no place there",
        (unsigned char)kind > ' ' && (unsigned char)kind < 127 ? kind : '?', in->length);
    return milter_fail(milter, &outcome);
}

struct outcome milter_await(struct milter *milter, bool is_more, char *kind)
{
    struct outcome outcome =
        is_more ? milter_link_take(&milter->link, kind) : milter_link_ask(&milter->link, kind);
    while (outcome_good(&outcome) && *kind == MILTER_SAYS_PROGRESS)
        outcome = milter_link_take(&milter->link, kind);
    return outcome;
}

struct outcome milter_ask(struct milter *milter, unsigned silent, enum milter_place place,
                          bool *skips)
{
    char kind;
    bool is_silent = milter->options.steps & silent;
    struct outcome outcome =
        is_silent ? milter_link_send(&milter->link, false) : milter_await(milter, false, &kind);
    if (!outcome_good(&outcome))
        return milter_fail(milter, &outcome);
    if (is_silent)
        return outcome;
    if (skips && kind == MILTER_SAYS_SKIP && milter->link.in.length == 0) {
        *skips = true;
        return outcome;
    }
    return milter_hear(milter, kind, place);
}

bool milter_leaves_out(const struct milter *milter, unsigned step)
{
    return milter->options.steps & step;
}

void milter_put_stage(struct milter *milter, enum milter_stage stage, enum milter_command command,
                      const struct milter_facts *facts)
{
    milter_put_macros(&milter->options, stage, command, facts, &milter->link.out);
}
