/*
 * See dnsbl.h. The test entries of a list are asked for in the same round as the client, so that
 * they cost no time of their own.
 */
#include "filter/dnsbl.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/dns_zone.h"
#include "config/network.h"
#include "filter/memo.h"
#include "filter/zone_health.h"
#include "net/questions.h"

enum {
    MOST_CODES = 16,   /* of an answer; more say nothing that a list says */
    MOST_REASON = 160, /* bytes */
    MOST_NAMES = 200,  /* likewise, of lists that decided */
    MOST_REASONS = 2,  /* are asked for */
    SHORTEST_S = 60,   /* for which an answer is remembered */
    LONGEST_S = 3600,
    DEFAULT_LISTED_S = 600,
    DEFAULT_UNLISTED_S = 300
};

/* What a list said of a client, as it is kept. */
struct said {
    uint32_t count;
    unsigned char codes[MOST_CODES][4];
    uint32_t has_reason;
    char reason[MOST_REASON + 1];
};

_Static_assert(sizeof(struct said) <= MEMO_RECORD_LONGEST, "it has to fit into a memo");

/* A list, once, however many items name it. */
struct place {
    const char *name;
    struct zone_health health;
    bool asks, tests;
    bool is_known; /* what it said of the client */
    bool is_named; /* among those that decided */
    struct said said;
    time_t lifetime;            /* seconds */
    const char *trouble;        /* NULL: it has answered all that it was asked */
    struct said must, must_not; /* what it said of the test entries */
};

enum about { CLIENT, MUST, MUST_NOT, REASON };

struct check {
    const struct dnsbl_question *question;
    struct network client;
    bool is_v6;
    time_t now;
    int64_t deadline;
    struct memo memo;
    struct dns_zone *block, *allow; /* as many as there are items */
    struct place *places;
    size_t place_count;
    struct answer *answer;
    /* The present round. */
    struct texts names;
    struct asked {
        struct place *place;
        enum about about;
    } * asked;
};

/* ---- which lists there are ---- */

static struct place *find_place(struct check *check, const char *name)
{
    for (size_t i = 0; i < check->place_count; i++)
        if (strcmp(check->places[i].name, name) == 0)
            return &check->places[i];
    struct place *made = &check->places[check->place_count++];
    *made = (struct place){.name = name};
    return made;
}

static struct dns_zone *read_zones(struct check *check, const struct texts *items)
{
    struct dns_zone *zones = memory_get((items->count + 1) * sizeof *zones);
    const char *why;
    for (size_t i = 0; i < items->count; i++)
        if (!dns_zone_parse(items->items[i], &zones[i], &why))
            impossible("a list in the DNS that was checked before");
        else
            (void)find_place(check, zones[i].name);
    return zones;
}

static void free_zones(struct dns_zone *zones, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dns_zone_free(&zones[i]);
    free(zones);
}

/* ---- questions ---- */

/* ::FFFF:7F00:2 for IPv6 (RFC 5782 5). */
static struct network test_entry(bool is_v6, unsigned char last)
{
    struct network entry = {.family = is_v6 ? AF_INET6 : AF_INET};
    unsigned char *end = entry.address + (is_v6 ? 12 : 0);
    if (is_v6)
        entry.address[10] = entry.address[11] = 0xff;
    end[0] = 127;
    end[3] = last;
    return entry;
}

static void make_name(const struct check *check, const struct place *place, enum about about,
                      struct buffer *name)
{
    struct network entry = about == MUST       ? test_entry(check->is_v6, 2)
                           : about == MUST_NOT ? test_entry(check->is_v6, 1)
                                               : check->client;
    network_format_reversed(&entry, name);
    buffer_format(name, ".%s", place->name);
}

static void add_question(struct check *check, struct place *place, enum about about)
{
    struct buffer name = {0};
    make_name(check, place, about, &name);
    check->asked[check->names.count] = (struct asked){place, about};
    texts_add(&check->names, buffer_text(&name));
    buffer_free(&name);
}

/* Codes outside 127/8 come from name servers that have an answer to everything. */
static void take_codes(struct answer *answer, struct said *said)
{
    for (int i = 0; i < answer_count(answer) && said->count < MOST_CODES; i++) {
        ns_rr record;
        if (!answer_record(answer, i, ns_t_a, &record) || ns_rr_rdlen(record) != 4 ||
            ns_rr_rdata(record)[0] != 127)
            continue;
        bool is_new = true;
        for (size_t k = 0; k < said->count; k++)
            is_new = is_new && memcmp(said->codes[k], ns_rr_rdata(record), 4) != 0;
        if (is_new)
            memcpy(said->codes[said->count++], ns_rr_rdata(record), 4);
    }
}

static void take_reason(struct answer *answer, struct said *said)
{
    size_t length = 0;
    for (int i = 0; i < answer_count(answer) && !length; i++) {
        ns_rr record;
        if (!answer_record(answer, i, ns_t_txt, &record))
            continue;
        const unsigned char *at = ns_rr_rdata(record), *end = at + ns_rr_rdlen(record);
        for (; at < end && at + 1 + *at <= end; at += 1 + *at)
            for (size_t k = 1; k <= *at && length < MOST_REASON; k++)
                said->reason[length++] = at[k] < ' ' ? ' ' : at[k] > '~' ? '?' : (char)at[k];
    }
    said->reason[length] = '\0';
    said->has_reason = length > 0;
}

static time_t lifetime_of(struct answer *answer, bool listed)
{
    uint32_t seconds = answer_lifetime(answer);
    if (!seconds)
        seconds = listed ? DEFAULT_LISTED_S : DEFAULT_UNLISTED_S;
    return seconds < SHORTEST_S ? SHORTEST_S : seconds > LONGEST_S ? LONGEST_S : (time_t)seconds;
}

static void take(void *context, size_t number, enum resolved found, struct answer *answer)
{
    struct check *check = context;
    struct place *place = check->asked[number].place;
    enum about about = check->asked[number].about;
    struct said *said = about == MUST       ? &place->must
                        : about == MUST_NOT ? &place->must_not
                                            : &place->said;
    if (about == REASON) {
        if (found == RESOLVED)
            take_reason(answer, said);
        return;
    }
    if (found == NO_ANSWER) {
        place->trouble = answer->trouble;
        return;
    }
    if (found == RESOLVED)
        take_codes(answer, said);
    if (about == CLIENT) {
        place->is_known = true;
        place->lifetime = lifetime_of(answer, said->count > 0);
    }
}

/* All questions of the round, to all lists at once. */
static void ask(struct check *check, ns_type type)
{
    struct question *questions = memory_get((check->names.count + 1) * sizeof *questions);
    for (size_t i = 0; i < check->names.count; i++)
        questions[i] = (struct question){.name = check->names.items[i], .type = type};
    questions_ask(check->question->resolver, questions, check->names.count, check->deadline,
                  check->answer, take, check);
    free(questions);
    texts_free(&check->names);
}

/* ---- what is known already, and what is known then ---- */

static void keep_said(const struct check *check, const struct place *place)
{
    struct buffer key = {0};
    make_name(check, place, CLIENT, &key);
    memo_keep(&check->memo, buffer_text(&key), check->now, check->now + place->lifetime,
              &place->said, sizeof place->said);
    buffer_free(&key);
}

static bool find_said(const struct check *check, struct place *place)
{
    struct buffer key = {0};
    make_name(check, place, CLIENT, &key);
    bool found =
        memo_find(&check->memo, buffer_text(&key), check->now, &place->said, sizeof place->said) &&
        place->said.count <= MOST_CODES;
    buffer_free(&key);
    place->said.reason[MOST_REASON] = '\0';
    return found;
}

static void prepare(struct check *check, struct place *place)
{
    place->is_known = find_said(check, place);
    if (!place->is_known)
        place->said = (struct said){0};
    zone_health_find(&check->memo, place->name, check->is_v6, check->now, &place->health);
    bool tests = zone_health_wants_test(&place->health, check->now);
    /* An unsound list is not asked about clients until it is known to be sound again. */
    bool asks = !place->is_known && (tests || place->health.soundness == SOUND);
    if ((!tests && !asks) ||
        !zone_health_claim(&check->memo, place->name, check->is_v6, check->now, &place->health))
        return;
    place->tests = tests;
    place->asks = asks;
    if (place->tests) {
        add_question(check, place, MUST);
        add_question(check, place, MUST_NOT);
    }
    if (place->asks)
        add_question(check, place, CLIENT);
}

static void format_code(const struct said *said, char *text, size_t size)
{
    snprintf(text, size, "%u.%u.%u.%u", said->codes[0][0], said->codes[0][1], said->codes[0][2],
             said->codes[0][3]);
}

/* What the test entries say, and what of it is told to other sessions. */
static void settle(struct check *check, struct place *place)
{
    char fault[120] = "";
    if (place->tests && place->must_not.count) {
        char code[16];
        format_code(&place->must_not, code, sizeof code);
        snprintf(fault, sizeof fault,
                 "it lists everybody, or does not want to be asked (it has %s "
                 "as %s)",
                 check->is_v6 ? "::ffff:7f00:1" : "127.0.0.1", code);
    } else if (place->tests && !place->must.count) {
        snprintf(fault, sizeof fault, "it does not have the test entry %s of a list",
                 check->is_v6 ? "::ffff:7f00:2" : "127.0.0.2");
    }
    const struct zone_report report = {
        .trouble = place->trouble, .was_tested = place->tests, .fault = *fault ? fault : NULL};
    if (place->tests || place->asks)
        zone_health_report(&check->memo, place->name, check->is_v6, check->now, &report,
                           &place->health);
    if (place->health.soundness != SOUND)
        place->is_known = false;
    if (place->asks && place->is_known)
        keep_said(check, place);
}

static void ask_for_clients(struct check *check)
{
    for (size_t i = 0; i < check->place_count; i++)
        prepare(check, &check->places[i]);
    if (check->names.count)
        ask(check, ns_t_a);
    for (size_t i = 0; i < check->place_count; i++)
        settle(check, &check->places[i]);
}

/* ---- what comes of it ---- */

/* The list of this item if it has the client. */
static struct place *find_listing(struct check *check, const struct dns_zone *zone)
{
    struct place *place = find_place(check, zone->name);
    for (size_t i = 0; place->is_known && i < place->said.count; i++)
        if (dns_zone_lists(zone, place->said.codes[i]))
            return place;
    return NULL;
}

/* Once, and as far as there is room. */
static void add_name(struct place *place, struct buffer *names)
{
    size_t length = names->length;
    if (!place->is_named && length + strlen(place->name) + 2 <= MOST_NAMES)
        buffer_format(names, "%s%s", length ? ", " : "", place->name);
    place->is_named = true;
}

static bool is_allowed(struct check *check, struct buffer *names)
{
    for (size_t i = 0; i < check->question->allow->count; i++) {
        struct place *place = find_listing(check, &check->allow[i]);
        if (place) {
            add_name(place, names);
            return true;
        }
    }
    return false;
}

static bool is_blocked(struct check *check, struct buffer *names)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < check->question->block->count; i++) {
        const struct dns_zone *zone = &check->block[i];
        struct place *place = find_listing(check, zone);
        if (place) {
            sum += zone->weight ? zone->weight : 1;
            add_name(place, names);
        }
    }
    return sum >= check->question->threshold;
}

/* The first lists that block it are asked why; of one that has said so before it is known. */
static void find_reason(struct check *check, struct buffer *reason)
{
    struct place *listing[MOST_REASONS];
    size_t count = 0;
    for (size_t i = 0; i < check->question->block->count && count < MOST_REASONS; i++) {
        struct place *place = find_listing(check, &check->block[i]);
        if (!place || (count && listing[count - 1] == place))
            continue;
        listing[count++] = place;
        if (place->asks && !place->trouble)
            add_question(check, place, REASON);
    }
    if (check->names.count)
        ask(check, ns_t_txt);
    for (size_t i = 0; i < count; i++) {
        const struct said *said = &listing[i]->said;
        if (said->has_reason && listing[i]->asks)
            keep_said(check, listing[i]);
        if (said->has_reason && !reason->length)
            buffer_append_text(reason, said->reason);
    }
}

static void open_memo(struct check *check)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/dnsbl", check->question->folder);
    if (!memo_open(&check->memo, buffer_text(&path)))
        log_error("what lists in the DNS say cannot be remembered in %s: %s", buffer_text(&path),
                  strerror(errno));
    buffer_free(&path);
}

enum listed dnsbl_check(const struct dnsbl_question *question, struct buffer *names,
                        struct buffer *reason)
{
    struct check check = {
        .question = question, .now = question->now, .deadline = clock_ms() + question->limit_ms};
    enum listed listed = UNLISTED;
    size_t items = question->block->count + question->allow->count;
    if (!network_of(question->client, &check.client))
        return UNLISTED;
    check.is_v6 = check.client.family == AF_INET6;
    check.places = memory_get((items + 1) * sizeof *check.places);
    check.asked = memory_get(3 * (items + 1) * sizeof *check.asked);
    check.answer = memory_get(sizeof *check.answer);
    check.block = read_zones(&check, question->block);
    check.allow = read_zones(&check, question->allow);
    open_memo(&check);
    ask_for_clients(&check);
    if (is_allowed(&check, names)) {
        listed = LIST_ALLOWS;
    } else if (is_blocked(&check, names)) {
        listed = LIST_BLOCKS;
        find_reason(&check, reason);
    }
    memo_close(&check.memo);
    free_zones(check.block, question->block->count);
    free_zones(check.allow, question->allow->count);
    free(check.places);
    free(check.asked);
    free(check.answer);
    return listed;
}
