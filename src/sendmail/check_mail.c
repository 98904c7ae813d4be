/*
 * See check_mail.h. One walk over the queue, as status does it; nothing of a message is shown but
 * its id, a domain and why it waits.
 */
#include "sendmail/check_mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "queue/hop.h"
#include "route/route.h"
#include "sendmail/selection.h"

static const char topic[] = "mail";

enum { USUAL_WARN = 4 * 60 * 60, MOST_HOPS = 10 };

struct tally {
    const struct office *office;
    struct newest *newest;
    time_t now;
    size_t count, late, held, unreadable, stranded;
    time_t oldest; /* of those that are late */
    char oldest_id[QUEUE_ID_SIZE];
    char *reason;                  /* why it waits; owned, or NULL */
    char broken_id[QUEUE_ID_SIZE]; /* one of the unreadable */
};

/* ---- counting ---- */

static bool is_stranded(const struct settings *settings, const struct letter *letter)
{
    for (size_t i = 0; i < letter->count; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        struct next_hop next;
        if (recipient->progress != PROGRESS_PENDING || !recipient->address.domain ||
            letter_ends_here(recipient))
            continue;
        route_find(settings, &recipient->address, letter_sender(letter, i), letter->released,
                   &next);
        if (next.way == WAY_NONE)
            return true;
    }
    return false;
}

static void count_late(struct tally *tally, const struct letter *letter)
{
    const uint64_t warn = tally->office->settings.warn;
    const time_t arrived = letter->envelope.arrived;
    if (tally->now - arrived < (time_t)(warn ? warn : USUAL_WARN))
        return;
    tally->late++;
    if (tally->oldest_id[0] && arrived >= tally->oldest)
        return;
    const char *reason = letter_reason(letter);
    tally->oldest = arrived;
    snprintf(tally->oldest_id, sizeof tally->oldest_id, "%s", letter->id);
    free(tally->reason);
    tally->reason = reason ? memory_copy(reason, strlen(reason)) : NULL;
}

static void take(void *context, const struct selected *selected)
{
    struct tally *tally = context;
    const struct letter *letter = selected->letter;
    newest_take(tally->newest, tally->office->queue.spool, selected->entry->id,
                "a message in the queue");
    tally->count++;
    if (!letter) {
        tally->unreadable++;
        snprintf(tally->broken_id, sizeof tally->broken_id, "%s", selected->entry->id);
        return;
    }
    if (is_stranded(&tally->office->settings, letter))
        tally->stranded++;
    if (letter_is_held(letter))
        tally->held++;
    else
        count_late(tally, letter);
}

/* ---- what it says ---- */

static void say_late(const struct tally *tally, struct findings *findings)
{
    char age[32];
    text_from_seconds((uint64_t)(tally->now - tally->oldest), age, sizeof age);
    finding_add(findings, FINDING_WARNING, topic,
                "%zu message%s waited for too long, the oldest, %s, for %s%s%.300s", tally->late,
                tally->late == 1 ? " has" : "s have", tally->oldest_id, age,
                tally->reason ? ": " : "", tally->reason ? tally->reason : "");
    finding_remedy(findings, "postrider queue show %s", tally->oldest_id);
}

static void say_what_waits(const struct tally *tally, bool master, struct findings *findings)
{
    const char *whose = master ? "" : " of yours";
    if (tally->late)
        say_late(tally, findings);
    else if (tally->count > tally->held + tally->unreadable)
        finding_add(findings, FINDING_GOOD, topic, "%zu message%s%s in the queue, and not for long",
                    tally->count, tally->count == 1 ? "" : "s", whose);
    else if (!tally->count)
        finding_add(findings, FINDING_GOOD, topic, "no mail%s waits", whose);
    if (tally->held) {
        finding_add(findings, FINDING_HINT, topic,
                    "%zu message%s%s held until somebody releases %s", tally->held,
                    tally->held == 1 ? "" : "s", tally->held == 1 ? " is" : " are",
                    tally->held == 1 ? "it" : "them");
        finding_remedy(findings, "postrider queue list");
    }
    if (tally->unreadable) {
        finding_add(findings, FINDING_WARNING, topic,
                    "%zu file%s in the queue cannot be read as messages, such as %s",
                    tally->unreadable, tally->unreadable == 1 ? "" : "s", tally->broken_id);
        finding_remedy(findings, "postrider flush, which sets them aside");
    }
}

static void say_damaged(const struct queue *queue, struct findings *findings)
{
    struct list list = {0};
    struct outcome outcome =
        queue->corrupt < 0 ? outcome_done() : list_folder(queue->corrupt, &list);
    if (outcome_good(&outcome) && list.count) {
        finding_add(findings, FINDING_WARNING, topic, "%zu damaged file%s set aside in %s/corrupt",
                    list.count, list.count == 1 ? " was" : "s were", queue->directory);
        finding_remedy(findings,
                       "look what can be saved in %s/corrupt, and take it away from there",
                       queue->directory);
    }
    list_free(&list);
}

/* ---- next hops ---- */

static void say_hop(const struct queue *queue, const char *name, time_t now, const char *about,
                    struct findings *findings)
{
    struct hop_history history;
    char age[32];
    hop_read_history(queue, name, &history);
    if (history.state.failures) {
        text_from_seconds((uint64_t)(now > history.failed ? now - history.failed : 0), age,
                          sizeof age);
        finding_add(findings, FINDING_WARNING, about, "%s failed %s ago: %s", name, age,
                    history.reason);
        finding_remedy(findings, "postrider check --online");
    } else if (history.worked) {
        text_from_seconds((uint64_t)(now > history.worked ? now - history.worked : 0), age,
                          sizeof age);
        finding_add(findings, FINDING_GOOD, about, "%s worked %s ago", name, age);
    }
}

static bool is_smarthost(const struct settings *settings, const char *file)
{
    for (size_t i = 0; i < settings->smarthost_count; i++) {
        const char *name = settings->smarthosts[i].name;
        char known[HOP_FILE_NAME];
        hop_file_name("ok", *name ? name : "smarthost", known);
        if (strcmp(known + strlen("ok-"), file) == 0)
            return true;
    }
    return false;
}

static void say_hops(const struct office *office, time_t now, struct findings *findings)
{
    const struct settings *settings = &office->settings;
    struct texts others = {0};
    size_t said = 0;
    for (size_t i = 0; i < settings->smarthost_count; i++) {
        const char *name = settings->smarthosts[i].name;
        say_hop(&office->queue, *name ? name : "smarthost", now, "smarthost", findings);
    }
    hop_list(&office->queue, &others);
    for (size_t i = 0; i < others.count && said < MOST_HOPS; i++) {
        struct hop_state state;
        hop_read(&office->queue, others.items[i], &state);
        if (!state.failures || is_smarthost(settings, others.items[i]))
            continue;
        say_hop(&office->queue, others.items[i], now, topic, findings);
        said++;
    }
    texts_free(&others);
}

void check_mail(struct office *office, size_t *stranded, struct newest *newest,
                struct findings *findings)
{
    static const struct selection everything;
    struct tally tally = {.office = office, .newest = newest, .now = clock_now()};
    struct outcome outcome = selection_walk(office, &everything, true, take, &tally);
    const bool master = office_is_master(office);
    if (!outcome_good(&outcome))
        finding_add(findings, FINDING_FAULT, topic, "%s", outcome.reason);
    else
        say_what_waits(&tally, master, findings);
    if (master) {
        say_damaged(&office->queue, findings);
        say_hops(office, tally.now, findings);
    }
    *stranded = tally.stranded;
    free(tally.reason);
}
