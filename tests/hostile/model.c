/*
 * See model.h. A dialogue is walked through by its points. Where replies can be lost with a
 * connection that is reset, or be taken for others' because there are more of them than commands, a
 * client cannot know better, and several fates are right; but never "delivered" without a server
 * that took it, nor "bounced" without a refusal: the driver sees to that.
 */
#include "model.h"

#include <string.h>

struct walk {
    const struct script *script;
    struct expected *expected;
    bool used[POINTS];
    bool pipelines;           /* on this connection */
    bool alive;               /* and it can be used */
    bool open;                /* a MAIL was taken, and its transaction has not ended */
    bool small;               /* no message fits */
    bool done;                /* a transaction came to its end on this connection */
    bool hung;                /* the deadline is over: hardly anything more comes to its end */
    bool unsure;              /* and something was begun after it */
    bool chunks;              /* messages may leave with their envelopes, on this connection */
    bool coded;               /* once a message was taken on it with an enhanced code */
    bool forgone;             /* but never once such a code was missing */
    bool chunked;             /* the message at hand does */
    bool again;               /* the server knew no chunk: the message goes once more, without */
    bool more;                /* there is another transaction for it */
    bool settled[RECIPIENTS]; /* who of A needs not to be named again */
    bool surplus; /* a reply came that nobody had asked for: found out before the next command */
};

/* One message: where its points are. */
struct letter {
    size_t first, count; /* of the recipients */
    enum point mail, rcpt, data, dot;
};

static const struct letter letter_a = {0, RECIPIENTS, AT_MAIL, AT_RCPT, AT_DATA, AT_DOT};
static const struct letter letter_b = {RECIPIENTS, 1, AT_MAIL_B, AT_RCPT_B, AT_DATA_B, AT_DOT_B};

static const struct behaviour *look(const struct walk *walk, enum point point)
{
    return &behaviours[walk->used[point] ? 0 : walk->script->at[point]];
}

/* What comes at the point, once. */
static enum meaning meet(struct walk *walk, enum point point)
{
    const struct behaviour *one = look(walk, point);
    walk->used[point] = true;
    walk->hung = walk->hung || one->then == HANGS;
    return one->meaning;
}

static void fate(struct walk *walk, size_t recipient, unsigned fates)
{
    walk->expected->fates[recipient] = fates;
}

/* ---- until mail can be sent ---- */

enum opened { FAILED, FAILED_IN_TLS, OPENED };

/* Offers; HELO, which has none, where the server knows no EHLO and nothing depends on it. */
static bool greet(struct walk *walk, enum point point, bool *has_tls)
{
    enum variant variant = walk->script->variant;
    enum meaning meaning = meet(walk, point);
    bool plain =
        variant == PLAIN || variant == PIPELINED || variant == OPPORTUNE || variant_chunks(variant);
    walk->pipelines = variant_pipelines(variant);
    walk->chunks = variant_chunks(variant);
    walk->small = meaning == SMALL;
    walk->surplus = meaning == SURPLUS;
    *has_tls = variant == STARTTLS || variant == OPPORTUNE;
    if (meaning == POOR)
        return variant == STARTTLS && point == AT_HELLO; /* before TLS nobody looks for it */
    if ((meaning == PERMANENT || meaning == SESSION) && plain) {
        walk->pipelines = walk->chunks = *has_tls = false;
        return true;
    }
    return meaning == GOOD || meaning == SMALL || meaning == SURPLUS;
}

static enum opened start_tls(struct walk *walk)
{
    bool wanted = walk->script->variant == STARTTLS, none;
    enum meaning meaning = meet(walk, AT_STARTTLS);
    if (meaning != GOOD) {
        bool refused = meaning == TEMPORARY || meaning == PERMANENT || meaning == SESSION;
        return refused && !wanted ? OPENED : FAILED;
    }
    meaning = meet(walk, AT_HANDSHAKE);
    /* Whoever is content with clear text takes any certificate. */
    if (meaning == BROKEN || (meaning == PERMANENT && wanted))
        return FAILED_IN_TLS;
    return greet(walk, AT_HELLO_TLS, &none) ? OPENED : FAILED_IN_TLS;
}

static enum opened connect_once(struct walk *walk, bool encrypt)
{
    enum variant variant = walk->script->variant;
    enum opened opened = OPENED;
    bool has_tls;
    walk->open = walk->done = walk->surplus = walk->chunks = walk->coded = false;
    /* What is there at once may still be in time. */
    walk->unsure = walk->unsure || walk->hung;
    if (walk->hung || (variant == IMPLICIT && meet(walk, AT_HANDSHAKE) != GOOD))
        return FAILED;
    if (meet(walk, AT_GREETING) != GOOD || !greet(walk, AT_HELLO, &has_tls))
        return FAILED;
    bool speaks = (has_tls && encrypt) || variant_signs_in(variant);
    if (walk->surplus && speaks)
        return FAILED;
    if (has_tls && encrypt)
        opened = start_tls(walk);
    if (opened == OPENED && variant_signs_in(variant)) {
        if (walk->surplus)
            return FAILED;
        enum meaning meaning = meet(walk, AT_AUTH);
        walk->surplus = meaning == SURPLUS;
        if (meaning != GOOD && meaning != SURPLUS)
            return FAILED;
    }
    return opened;
}

static void connect_to(struct walk *walk)
{
    enum opened opened = connect_once(walk, true);
    if (opened == FAILED_IN_TLS && walk->script->variant == OPPORTUNE)
        opened = connect_once(walk, false);
    walk->alive = opened == OPENED;
}

/* ---- where nobody can know ---- */

static bool is_refusal(enum meaning meaning)
{
    return meaning == TEMPORARY || meaning == PERMANENT || meaning == CROWDED;
}

static bool has(const struct walk *walk, enum point from, enum point to, enum meaning meaning)
{
    for (enum point point = from; point <= to; point++)
        if (look(walk, point)->meaning == meaning)
            return true;
    return false;
}

static bool has_come_to(const struct walk *walk, enum point from, enum point to)
{
    bool used = false;
    for (enum point point = from; point <= to; point++)
        used = used || walk->used[point];
    return used;
}

static bool resets(const struct walk *walk, enum point from, enum point to)
{
    for (enum point point = from; point <= to; point++)
        if (look(walk, point)->then == RESETS)
            return true;
    return false;
}

/* Whether recipients wait for a further transaction, and not all is well but for that. */
static bool is_crowded(const struct walk *walk)
{
    size_t crowds = 0;
    bool well = true;
    for (enum point point = AT_RCPT; point <= AT_DOT_LAST; point++) {
        enum meaning meaning = look(walk, point)->meaning;
        crowds += meaning == CROWDED;
        well = well && (meaning == GOOD || (point <= AT_RCPT_LAST && is_refusal(meaning))) &&
               !(walk->chunked && look(walk, point)->bare);
    }
    /* What waits behind a message that has left already goes down with its session. */
    for (enum point point = AT_RESET; walk->chunked && point <= AT_DOT_B; point++)
        well = well && look(walk, point)->meaning == GOOD && !look(walk, point)->bare;
    return crowds > 1 || (crowds && !well);
}

/* Whether a message is given up on a connection on which more of it had been said than its MAIL:
 * the server may have come to that, or not. */
static bool is_lost(const struct walk *walk, const struct letter *letter)
{
    bool reset = letter == &letter_a || look(walk, AT_RESET)->meaning == GOOD;
    bool ends = has(walk, letter->mail, letter->mail, BROKEN) ||
                has(walk, letter->mail, letter->mail, SESSION) || !reset;
    bool well = true;
    for (enum point point = letter->rcpt; point <= letter->data; point++)
        well = well && look(walk, point)->meaning == GOOD;
    return walk->done && !walk->chunked && ends && !(well && reset);
}

/* Whether replies of this message may get lost or be taken for others'. Those of A that come with
 * the dot go in one packet with what is said to B's first commands. */
static bool is_blurred(const struct walk *walk, const struct letter *letter)
{
    if (variant_is_lmtp(walk->script->variant) && has(walk, letter->dot, AT_DOT_LAST, SURPLUS))
        return true;
    if (letter == &letter_b)
        return walk->pipelines && (is_lost(walk, letter) || has(walk, AT_DOT, AT_DOT_B, SURPLUS) ||
                                   resets(walk, AT_DOT, AT_DOT_B));
    if (is_refusal(look(walk, AT_BODY)->meaning) || is_crowded(walk))
        return true;
    return walk->pipelines && (is_lost(walk, letter) || has(walk, AT_MAIL, AT_DOT_LAST, SURPLUS) ||
                               resets(walk, AT_MAIL, AT_DOT_B));
}

/* Whether the server took its leave there: what left behind that was not read, unless it is
 * answered. */
static bool has_parted(const struct walk *walk, enum point from, enum point to)
{
    for (enum point point = from; point <= to; point++)
        if (walk->used[point] && behaviours[walk->script->at[point]].parts)
            return true;
    return false;
}

/* Everything that may be, of a message in which something may. */
static void blur(struct walk *walk, const struct letter *letter, bool can_bounce)
{
    for (size_t i = 0; i < letter->count; i++)
        fate(walk, letter->first + i, DELIVERED | QUEUED | (can_bounce ? BOUNCED : 0));
}

/* ---- a message ---- */

/* The session is over; recipients without a fate stay queued. */
static void break_off(struct walk *walk)
{
    walk->alive = false;
}

static unsigned fate_of(enum meaning meaning)
{
    return meaning == PERMANENT || meaning == UNKNOWN ? BOUNCED : QUEUED;
}

static void settle(struct walk *walk, const struct letter *letter, const bool accepted[],
                   enum meaning meaning)
{
    for (size_t i = 0; i < letter->count; i++)
        if (accepted[i])
            fate(walk, letter->first + i, meaning == GOOD ? DELIVERED : fate_of(meaning));
}

/* A surplus reply is seen when the next command is to leave; false: it was. */
static bool go_on(struct walk *walk)
{
    if (walk->surplus)
        break_off(walk);
    return walk->alive;
}

/* By what is known when the message begins, which is along with the end of the one before it. */
static void choose_chunk(struct walk *walk, const struct letter *letter)
{
    walk->chunked = walk->chunks && walk->coded && !walk->forgone &&
                    (letter == &letter_b || walk->script->variant == CHUNKED);
}

/* MAIL or RCPT: without its enhanced code no chunk follows, and one that did is not answered for.
 */
static enum meaning meet_coded(struct walk *walk, enum point point)
{
    bool bare = look(walk, point)->bare;
    enum meaning meaning = meet(walk, point);
    walk->forgone = walk->forgone || bare;
    return bare && walk->chunked ? BROKEN : meaning;
}

/* MAIL was refused: with pipelining the rest is said already, and only its ends count. */
static void ignore_rest(struct walk *walk, const struct letter *letter)
{
    for (size_t i = 0; walk->pipelines && walk->alive && i < letter->count; i++)
        if (meet_coded(walk, letter->rcpt + (enum point)i) == BROKEN)
            break_off(walk);
    if (!walk->pipelines || !walk->alive)
        return;
    if (walk->chunked) {
        enum meaning meaning = meet_coded(walk, letter->dot);
        if (meaning == BROKEN || meaning == UNKNOWN)
            break_off(walk);
        return;
    }
    enum meaning meaning = meet(walk, letter->data);
    bool lmtp = variant_is_lmtp(walk->script->variant);
    if (meaning == BROKEN || (meaning == GOOD && lmtp))
        break_off(walk);
    /* It wants a message for nobody, and gets a lone dot. */
    else if (meaning == GOOD && meet(walk, letter->dot) == BROKEN)
        break_off(walk);
    else if (meaning == GOOD)
        walk->open = false;
}

/* The recipients' replies; how many are accepted. */
static size_t name_recipients(struct walk *walk, const struct letter *letter, bool accepted[])
{
    size_t count = 0;
    for (size_t i = 0; i < letter->count && go_on(walk); i++) {
        if (letter == &letter_a && walk->settled[i])
            continue;
        enum meaning meaning = meet_coded(walk, letter->rcpt + (enum point)i);
        walk->surplus = meaning == SURPLUS;
        if (meaning == GOOD || meaning == SURPLUS) {
            accepted[i] = true;
            count++;
        } else if (meaning == CROWDED && count) {
            /* He is named in a further transaction, in which all is well. */
            fate(walk, letter->first + i, DELIVERED);
            walk->more = true;
        } else if (is_refusal(meaning)) {
            fate(walk, letter->first + i, fate_of(meaning));
        } else {
            break_off(walk);
        }
    }
    return count;
}

/* RFC 2033: a reply for each. */
static void end_each(struct walk *walk, const struct letter *letter, const bool accepted[])
{
    for (size_t i = 0; i < letter->count && walk->alive; i++) {
        if (!accepted[i])
            continue;
        enum meaning meaning = meet(walk, letter->dot + (enum point)i);
        bool taken = meaning == GOOD || meaning == SURPLUS;
        if (meaning == BROKEN)
            break_off(walk);
        else
            fate(walk, letter->first + i, taken ? DELIVERED : fate_of(meaning));
    }
}

static void end_message(struct walk *walk, const struct letter *letter, const bool accepted[],
                        size_t count)
{
    if (letter == &letter_a && count && meet(walk, AT_BODY) == BROKEN) {
        break_off(walk);
        return;
    }
    if (variant_is_lmtp(walk->script->variant)) {
        end_each(walk, letter, accepted);
    } else {
        bool bare = look(walk, letter->dot)->bare;
        enum meaning meaning = meet(walk, letter->dot);
        walk->surplus = meaning == SURPLUS;
        /* The next message began along with it, unless there is more of this one. */
        if (walk->more && (meaning == GOOD || meaning == SURPLUS)) {
            walk->forgone = walk->forgone || bare;
            walk->coded = !bare;
        }
        if (meaning == BROKEN || (meaning == SESSION && count))
            break_off(walk);
        else if (count)
            settle(walk, letter, accepted, meaning == SURPLUS ? GOOD : meaning);
    }
    walk->open = false;
}

/* The reply to a chunk. A refusal leaves the transaction open. */
static void end_chunk(struct walk *walk, const struct letter *letter, const bool accepted[],
                      size_t count)
{
    enum meaning meaning = meet_coded(walk, letter->dot);
    walk->surplus = meaning == SURPLUS;
    if (meaning == GOOD || meaning == SURPLUS)
        walk->open = false;
    /* A server that knows no chunk may take its lines for commands: no more is said to it. */
    if (meaning == BROKEN || meaning == UNKNOWN || (count && meaning == SESSION))
        break_off(walk);
    else if (count)
        settle(walk, letter, accepted, meaning == SURPLUS ? GOOD : meaning);
    walk->forgone = walk->forgone || meaning == UNKNOWN;
    if (count && meaning == UNKNOWN) {
        walk->again = true;
        for (size_t i = 0; letter == &letter_a && i < RECIPIENTS; i++)
            walk->settled[i] = !accepted[i];
    }
}

/* From MAIL to the end; who has no fate in the end stays queued. */
static void send_letter(struct walk *walk, const struct letter *letter)
{
    bool accepted[RECIPIENTS] = {false};
    walk->more = false;
    choose_chunk(walk, letter);
    enum meaning meaning = meet_coded(walk, letter->mail);
    walk->surplus = meaning == SURPLUS;
    if (is_refusal(meaning)) {
        for (size_t i = 0; i < letter->count; i++)
            fate(walk, letter->first + i, fate_of(meaning));
        ignore_rest(walk, letter);
        return;
    }
    if (meaning != GOOD && meaning != SURPLUS) {
        break_off(walk);
        return;
    }
    walk->open = true;
    size_t count = name_recipients(walk, letter, accepted);
    if (!go_on(walk) || (!count && !walk->pipelines))
        return;
    if (walk->chunked) {
        end_chunk(walk, letter, accepted, count);
        return;
    }
    meaning = meet(walk, letter->data);
    walk->surplus = meaning == SURPLUS;
    if (meaning == BROKEN || (meaning == SESSION && count) || !go_on(walk))
        break_off(walk);
    else if (meaning != GOOD)
        settle(walk, letter, accepted, meaning);
    else if (!count && variant_is_lmtp(walk->script->variant))
        break_off(walk); /* nobody would be answered for */
    else
        end_message(walk, letter, accepted, count);
}

/* ---- the dialogue ---- */

static bool refuse_small(struct walk *walk)
{
    for (size_t i = 0; walk->small && i < ALL_RECIPIENTS; i++)
        fate(walk, i, BOUNCED);
    return walk->small;
}

/* A message on its way, and once more without chunks where the server knows none. */
static void send_surely(struct walk *walk, const struct letter *letter)
{
    send_letter(walk, letter);
    if (!walk->again)
        return;
    connect_to(walk);
    if (walk->alive)
        send_letter(walk, letter);
}

/* Whether it may come to be refused when nobody can tell which reply is to what. */
static bool may_bounce(const struct walk *walk, enum point from, enum point to)
{
    return has(walk, from, to, PERMANENT) || has(walk, from, to, UNKNOWN) ||
           has(walk, from, to, SURPLUS) || has(walk, AT_HELLO, AT_HELLO_TLS, SMALL);
}

/*
 * A message behind another one. Nothing of it was answered when its MAIL was not, and then the next
 * connection has it, unless this one did no work. With chunks all of it has been sent by then: it
 * waits, unless the server took its leave. Returns whether it is blurred.
 */
static bool send_behind(struct walk *walk, const struct letter *letter, bool behind_chunk)
{
    bool bounces = letter == &letter_a ? may_bounce(walk, AT_MAIL, AT_DOT_LAST)
                                       : may_bounce(walk, AT_DOT, AT_DOT_B);
    choose_chunk(walk, letter);
    bool blurred = is_blurred(walk, letter);
    if (walk->alive && (walk->open || behind_chunk)) {
        if (!go_on(walk) || meet(walk, AT_RESET) != GOOD)
            break_off(walk);
        walk->open = false;
    }
    bool ready = walk->alive && !walk->surplus;
    bool unread =
        has_parted(walk, AT_RESET, AT_RESET) || (ready && look(walk, letter->mail)->parts);
    /* Else it may read on, and say so. */
    bool closes = behaviours[walk->script->at[ready ? letter->mail : AT_RESET]].then == CLOSES;
    blurred = blurred || (walk->chunked && unread && !closes);
    bool worked = walk->done && (!walk->chunked || unread);
    enum meaning meaning = look(walk, letter->mail)->meaning;
    bool ends = worked && (meaning == BROKEN || meaning == SESSION);
    if (ready && ends)
        (void)meet(walk, letter->mail);
    if (worked && (!ready || ends)) {
        connect_to(walk);
        blurred = blurred || is_blurred(walk, letter);
    } else if (!ready) {
        break_off(walk);
    }
    if (walk->alive && !walk->surplus)
        send_surely(walk, letter);
    if (blurred)
        blur(walk, letter, bounces);
    return blurred;
}

void model_expect(const struct script *script, struct expected *expected)
{
    struct walk walk = {.script = script, .expected = expected};
    *expected = (struct expected){0};
    for (size_t i = 0; i < ALL_RECIPIENTS; i++)
        fate(&walk, i, QUEUED);
    connect_to(&walk);
    if (go_on(&walk) && !refuse_small(&walk)) {
        /* Those that go before A are taken, with the codes that are offered. */
        walk.done = walk.coded = variant_chunks(script->variant);
        struct walk before = walk;
        bool blurred = send_behind(&walk, &letter_a, false), behind_chunk = walk.chunked;
        /* B began along with the end of A, and is kept if nothing of it can have been answered. */
        bool unread = before.done &&
                      (has_parted(&walk, AT_MAIL, AT_DOT_LAST) || (walk.forgone && !behind_chunk));
        /* Of it no more was said than its envelope, along with the end of A. */
        bool envelope = has_come_to(&walk, AT_BODY, AT_DOT_LAST) && !behind_chunk;
        bool kept = before.pipelines && !walk.alive && (unread || envelope);
        walk.done = walk.alive;
        /* What the second message meets depends on how the first one ended. */
        if (blurred || kept)
            blur(&before, &letter_b, may_bounce(&before, AT_MAIL, AT_DOT_B));
        else if (walk.alive && !walk.again) /* else B was behind the first try, unanswered */
            send_behind(&walk, &letter_b, behind_chunk);
    }
    /* A deadline may be over at any time, on a machine with much to do. */
    expected->exact = true;
    for (size_t i = 0; i < ALL_RECIPIENTS; i++) {
        if (script_hangs(script))
            expected->fates[i] |= QUEUED;
        if (walk.unsure)
            expected->fates[i] |= DELIVERED | BOUNCED;
        unsigned fates = expected->fates[i];
        expected->exact = expected->exact && (fates & (fates - 1)) == 0;
    }
}
