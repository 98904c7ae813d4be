/* The table of behaviours, and which scripts are made of it. */
#include "script.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const struct behaviour behaviours[] = {
    {"ok", GOOD, GOES_ON, "% fine\r\n", .row = 3},
    {"ok in lines", GOOD, GOES_ON, "%-first\r\n%-\r\n% last\r\n", .row = 3},
    {"ok late", GOOD, GOES_ON, "% fine\r\n", .row = 1, .late = true},
    {"ok byte by byte", GOOD, GOES_ON, "%-a\r\n% b\r\n", .row = 1, .bytewise = true},
    {"ok without words", GOOD, GOES_ON, "%\r\n", .row = 4, .bare = true},
    {"ok, as to a message", GOOD, GOES_ON, "250 2.0.0 fine\r\n", .row = 4, .bare = true,
     .for_message = true},
    {"ok with a bare LF", GOOD, GOES_ON, "% fine\n", .row = 4},
    {"ok of 2000 bytes", GOOD, GOES_ON, "% #\r\n", .row = 4, .filler = 2000},
    {"ok of 2000 lines", GOOD, GOES_ON, "%-#\r\n", .row = 4, .filler = 40, .repeated = 2000},
    /* refusals */
    {"451", TEMPORARY, GOES_ON, "451 4.3.0 not now\r\n", .row = 3},
    {"450 in lines", TEMPORARY, GOES_ON, "450-4.2.1 come\r\n450 4.2.1 again\r\n", .row = 3},
    {"452 of a full mailbox", TEMPORARY, GOES_ON, "452 4.2.2 full\r\n", .row = 3},
    {"451 without words, late", TEMPORARY, GOES_ON, "451\r\n", .row = 3, .late = true},
    {"421 of a lying kind", TEMPORARY, GOES_ON, "422 4.2.1 no such code\r\n", .row = 3},
    {"550", PERMANENT, GOES_ON, "550 5.1.1 never\r\n", .row = 3},
    {"554 in lines", PERMANENT, GOES_ON, "554-5.7.1 go\r\n554-5.7.1\r\n554 5.7.1 away\r\n",
     .row = 3},
    {"552 of a full mailbox", PERMANENT, GOES_ON, "552 5.2.2 full\r\n", .row = 3},
    {"550 with a status of success", PERMANENT, GOES_ON, "550 2.1.5 lies\r\n", .row = 3},
    {"599 late, without words", PERMANENT, GOES_ON, "599\r\n", .row = 3, .late = true},
    {"452 too many", CROWDED, GOES_ON, "452 4.5.3 too many recipients\r\n", .row = 11},
    {"552 too many", CROWDED, GOES_ON, "552 5.5.3 too many recipients\r\n", .row = 11},
    {"500 to BDAT", UNKNOWN, GOES_ON, "500 5.5.1 what?\r\n", .row = 3},
    {"502 to BDAT", UNKNOWN, GOES_ON, "502 5.5.1 not here\r\n", .row = 3},
    {"504 to BDAT", UNKNOWN, GOES_ON, "504\r\n", .row = 3},
    {"503", SESSION, GOES_ON, "503 5.5.1 sign in first\r\n", .row = 9},
    {"530", SESSION, GOES_ON, "530 5.7.0 sign in first\r\n", .row = 9},
    {"534", SESSION, GOES_ON, "534 5.7.9 too weak\r\n", .row = 9},
    {"535", SESSION, GOES_ON, "535 5.7.8 wrong password\r\n", .row = 9},
    {"538", SESSION, GOES_ON, "538 5.7.11 encrypt first\r\n", .row = 9},
    /* ends */
    {"421 and closes", BROKEN, CLOSES, "421 4.3.2 going down\r\n", .row = 1, .parts = true},
    {"421 and stays", BROKEN, GOES_ON, "421 4.3.2 going down\r\n", .row = 1, .parts = true},
    {"closes", BROKEN, CLOSES, "", .row = 1},
    {"resets", BROKEN, RESETS, "", .row = 1},
    {"half a code, closes", BROKEN, CLOSES, "25", .row = 1},
    {"no line end, closes", BROKEN, CLOSES, "% fine", .row = 1},
    {"half a reply, closes", BROKEN, CLOSES, "%-first\r\n", .row = 1},
    {"half a reply, resets", BROKEN, RESETS, "%-first\r\n", .row = 1},
    {"hangs", BROKEN, HANGS, "", .row = 1},
    {"half a code, hangs", BROKEN, HANGS, "25", .row = 1},
    {"half a reply, hangs", BROKEN, HANGS, "%-first\r\n", .row = 1},
    /* improper */
    {"NUL", BROKEN, GOES_ON, "% a\1b\r\n", .row = 4},
    {"bare CR", BROKEN, GOES_ON, "% a\rb\r\n", .row = 4},
    {"words", BROKEN, GOES_ON, "hello\r\n", .row = 4},
    {"an empty line", BROKEN, GOES_ON, "\r\n", .row = 4},
    {"two digits", BROKEN, GOES_ON, "25 a\r\n", .row = 4},
    {"four digits", BROKEN, GOES_ON, "2500 a\r\n", .row = 4},
    {"a letter in it", BROKEN, GOES_ON, "2x0 a\r\n", .row = 4},
    {"glued", BROKEN, GOES_ON, "250a\r\n", .row = 4},
    {"1yz", BROKEN, GOES_ON, "150 a\r\n", .row = 4},
    {"6yz", BROKEN, GOES_ON, "650 a\r\n", .row = 4},
    {"000", BROKEN, GOES_ON, "000 a\r\n", .row = 4},
    {"another code", BROKEN, GOES_ON, "%-a\r\n252 b\r\n", .row = 4},
    {"another class", BROKEN, GOES_ON, "%-a\r\n550 b\r\n", .row = 4},
    {"out of place", BROKEN, GOES_ON, "355 a\r\n", .row = 4},
    {"HTTP", BROKEN, GOES_ON, "HTTP/1.1 400 Bad Request\r\n\r\n", .row = 4},
    {"a terminal's", BROKEN, GOES_ON, "\033[2J\007\377\r\n", .row = 4},
    {"a line of 3000 bytes", BROKEN, GOES_ON, "% #\r\n", .row = 4, .filler = 3000},
    {"a line without an end", BROKEN, GOES_ON, "% #", .row = 4, .filler = 100000},
    {"lines without an end", BROKEN, GOES_ON, "%-more\r\n", .row = 4, .repeated = 5000},
    {"300 KB", BROKEN, GOES_ON, "%-#\r\n", .row = 4, .filler = 1500, .repeated = 200},
    {"two replies", SURPLUS, GOES_ON, "% fine\r\n250 and more\r\n", .row = 4},
    {"a refusal more", SURPLUS, GOES_ON, "% fine\r\n550 or not\r\n", .row = 4},
    {"two with codes", SURPLUS, GOES_ON, "% fine\r\n250 2.0.0 and more\r\n", .row = 4,
     .for_message = true},
    {"a recipient more", SURPLUS, GOES_ON, "% fine\r\n250 2.1.5 who?\r\n", .row = 4},
    {"a refusal more, with its code", SURPLUS, GOES_ON, "% fine\r\n550 5.7.1 or not\r\n", .row = 4},
    /* offers */
    {"SIZE 10", SMALL, GOES_ON, "%-small\r\n%-PIPELINING\r\n% SIZE 10\r\n", .row = 10},
    {"no AUTH", POOR, GOES_ON, "%-poor\r\n% PIPELINING\r\n", .row = 8}};
const size_t behaviour_count = COUNT(behaviours);

/* The outcomes of three recipients that everything is crossed with, by names in the table. */
static const char *const crossed[][RECIPIENTS] = {
    {"ok", "ok", "ok"},
    {"ok", "451", "550"},
    {"550", "ok", "451"},
    {"451", "451", "451"},
    {"550", "550", "550"},
    {"451", "550", "554 in lines"},
    {"ok in lines", "550 with a status of success", "ok late"},
    {"451 without words, late", "ok in lines", "599 late, without words"},
    {"ok", "closes", "550"},
    {"550", "glued", "ok"},
    {"ok", "ok", "421 and stays"},
    {"552 of a full mailbox", "hangs", "ok"},
    {"ok", "452 too many", "ok"},
    {"451", "552 too many", "550"},
    {"550", "ok", "530"}};
/* Handshakes take their time: these few for variants with TLS. */
enum { CROSSED_WITH_TLS = 3 };

static const char *const variant_names[] = {"plain",          "pipelined", "STARTTLS",
                                            "implicit TLS",   "opportune", "LMTP",
                                            "pipelined LMTP", "chunked",   "mixed"};
static const char *const point_names[] = {
    "greeting",   "EHLO",   "STARTTLS", "handshake", "EHLO in TLS", "AUTH",  "MAIL",
    "RCPT 1",     "RCPT 2", "RCPT 3",   "DATA",      "body",        "dot",   "dot, second",
    "dot, third", "RSET",   "MAIL B",   "RCPT B",    "DATA B",      "dot B", "QUIT"};
_Static_assert(COUNT(point_names) == POINTS, "each point has a name");
_Static_assert(COUNT(variant_names) == VARIANTS, "each variant has a name");

const char *variant_name(enum variant variant)
{
    return variant_names[variant];
}

const char *point_name(enum point point)
{
    return point_names[point];
}

bool variant_pipelines(enum variant variant)
{
    return variant == PIPELINED || variant == STARTTLS || variant == OPPORTUNE ||
           variant == LMTP_PIPELINED || variant_chunks(variant);
}

bool variant_chunks(enum variant variant)
{
    return variant == CHUNKED || variant == MIXED;
}

bool variant_is_lmtp(enum variant variant)
{
    return variant == LMTP || variant == LMTP_PIPELINED;
}

bool variant_signs_in(enum variant variant)
{
    return variant == STARTTLS || variant == IMPLICIT;
}

static bool has_tls(enum variant variant)
{
    return variant == STARTTLS || variant == IMPLICIT || variant == OPPORTUNE;
}

static bool is_come_to(enum variant variant, enum point point)
{
    if (point == AT_STARTTLS || point == AT_HELLO_TLS)
        return variant == STARTTLS || variant == OPPORTUNE;
    if (point == AT_HANDSHAKE)
        return has_tls(variant);
    if (point == AT_AUTH)
        return variant_signs_in(variant);
    return point <= AT_DOT || point > AT_DOT_LAST || variant_is_lmtp(variant);
}

bool script_fits(enum variant variant, enum point point, size_t behaviour)
{
    const struct behaviour *one = &behaviours[behaviour];
    bool hello = point == AT_HELLO || point == AT_HELLO_TLS;
    if (!is_come_to(variant, point))
        return false;
    if (one->meaning == CROWDED)
        return point >= AT_RCPT && point <= AT_RCPT_LAST;
    if (one->meaning == UNKNOWN)
        return variant_chunks(variant) &&
               (point == AT_DOT_B || (point == AT_DOT && variant == CHUNKED));
    if (one->for_message && one->bare)
        return (point >= AT_MAIL && point <= AT_RCPT_LAST) || point == AT_MAIL_B ||
               point == AT_RCPT_B;
    /* Right before a chunk nobody could tell it from the reply to that. */
    if (one->for_message && variant_chunks(variant) &&
        (point == AT_RCPT_LAST || point == AT_RCPT_B))
        return false;
    /* What an offer says must not count before TLS. */
    if (one->meaning == SMALL)
        return hello;
    if (one->meaning == POOR)
        return hello && variant_signs_in(variant);
    /* Within a message any reply comes too early: the client sees it in time, or takes it for that
     * to the dot. One that says "taken" would be believed then. */
    bool refuses = one->meaning == TEMPORARY || one->meaning == PERMANENT;
    if (point == AT_BODY && behaviour)
        return variant != CHUNKED && ((refuses && !variant_is_lmtp(variant)) ||
                                      (one->meaning == BROKEN && one->then != GOES_ON));
    /* For the handshake: the certificate is another one's, bytes that are no TLS, or an end. */
    if (point == AT_HANDSHAKE)
        return behaviour == 0 || one->meaning == PERMANENT ||
               (one->meaning == BROKEN && strcmp(one->text, "% fine") != 0);
    return true;
}

bool script_hangs(const struct script *script)
{
    for (size_t i = 0; i < POINTS; i++)
        if (behaviours[script->at[i]].then == HANGS)
            return true;
    return false;
}

static unsigned char find(const char *name)
{
    for (size_t i = 0; i < behaviour_count; i++)
        if (strcmp(behaviours[i].name, name) == 0)
            return (unsigned char)i;
    fprintf(stderr, "hostile: there is no behaviour \"%s\"\n", name);
    abort();
}

/* ---- all of them ---- */

/* Numbers are dealt out to variant, point, behaviour and what it is crossed with. A point among the
 * recipients is crossed by what is there. */
static struct script *all;
static size_t all_count;

static void add(enum variant variant, enum point point, size_t behaviour, size_t with)
{
    static size_t capacity;
    if (all_count == capacity) {
        capacity = capacity ? 2 * capacity : 4096;
        all = realloc(all, capacity * sizeof *all);
        if (!all)
            abort();
    }
    struct script *script = &all[all_count++];
    memset(script, 0, sizeof *script);
    script->variant = variant;
    for (size_t i = 0; i < RECIPIENTS; i++) {
        script->at[AT_RCPT + i] = find(crossed[with][i]);
        /* Each recipient has an end of his own, the other way round. */
        unsigned char end = find(crossed[with][RECIPIENTS - 1 - i]);
        if (variant_is_lmtp(variant) && script_fits(variant, AT_DOT + i, end))
            script->at[AT_DOT + i] = end;
    }
    script->at[point] = (unsigned char)behaviour;
}

static void make_all(void)
{
    for (enum variant variant = 0; variant < VARIANTS; variant++)
        for (size_t with = 0; with < (has_tls(variant) ? CROSSED_WITH_TLS : COUNT(crossed)); with++)
            for (enum point point = 0; point < POINTS; point++)
                for (size_t i = 0; i < behaviour_count; i++)
                    if (script_fits(variant, point, i))
                        add(variant, point, i, with);
}

size_t script_count(void)
{
    if (!all)
        make_all();
    return all_count;
}

bool script_systematic(size_t number, struct script *script)
{
    if (number >= script_count())
        return false;
    *script = all[number];
    return true;
}

/* ---- at random ---- */

static uint32_t next(uint64_t *state)
{
    /* A generator of its own: the same numbers on every machine. */
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

void script_random(size_t number, struct script *script)
{
    uint64_t state = number * 2862933555777941757u + 3037000493u;
    memset(script, 0, sizeof *script);
    (void)next(&state);
    /* Mostly without TLS, which takes its time and has few points of its own. */
    static const enum variant variants[] = {PLAIN,   PIPELINED, PIPELINED,      PLAIN,    OPPORTUNE,
                                            LMTP,    PIPELINED, LMTP_PIPELINED, STARTTLS, PLAIN,
                                            CHUNKED, CHUNKED,   CHUNKED,        MIXED};
    script->variant = variants[next(&state) % COUNT(variants)];
    size_t wanted = 2 + next(&state) % 3;
    while (wanted) {
        enum point point = next(&state) % POINTS;
        size_t behaviour = next(&state) % behaviour_count;
        if (!script_fits(script->variant, point, behaviour))
            continue;
        script->at[point] = (unsigned char)behaviour;
        wanted--;
    }
}

void script_describe(const struct script *script, char *text, size_t size)
{
    size_t length = (size_t)snprintf(text, size, "%s", variant_name(script->variant));
    for (size_t i = 0; i < POINTS && length < size; i++)
        if (script->at[i])
            length += (size_t)snprintf(text + length, size - length, "; %s: %s", point_names[i],
                                       behaviours[script->at[i]].name);
}
