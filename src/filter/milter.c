/* See milter.h. The connection and the envelope; milter_message.c has the rest. */
#include "filter/milter.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "filter/milter_talk.h"

enum { DATA_FROM = 4 /* the version that knows DATA */ };

void milter_start(struct milter *milter, const char *name, const struct settings *settings)
{
    *milter = (struct milter){
        .settings = settings,
        .link = {.name = name, .limit = (int64_t)settings->filter.milter_timeout * 1000}};
}

void milter_end(struct milter *milter)
{
    milter_reset(milter);
    if (milter->link.is_open)
        milter_put(&milter->link.out, MILTER_QUIT);
    milter_link_close(&milter->link);
    milter_free_options(&milter->options);
    reply_free(&milter->reply);
    free(milter->helo);
}

/* ---- the connection ---- */

static struct outcome agree(struct milter *milter)
{
    struct milter_link *link = &milter->link;
    const char *why;
    char kind;
    milter_put_options(&link->out);
    struct outcome outcome = milter_await(milter, false, &kind);
    if (!outcome_good(&outcome))
        return outcome;
    milter_free_options(&milter->options);
    if (kind != MILTER_OPTIONS)
        return outcome_later("4.3.0", "it does not speak the milter protocol");
    if (!milter_parse_options(link->in.data, link->in.length, &milter->options, &why))
        return outcome_later("4.3.0", "%s", why);
    return outcome;
}

static void put_client(struct milter *milter, const struct milter_facts *facts)
{
    struct buffer *out = &milter->link.out, address = {0};
    unsigned port;
    bool is_six = milter_client_address(facts->client, &address, &port);
    size_t place = milter_open(out, MILTER_CONNECT);
    milter_put_text(out, milter_client_name(facts));
    buffer_append_byte(out, is_six ? '6' : '4');
    buffer_append_byte(out, (char)(port >> 8));
    buffer_append_byte(out, (char)(port & 0xff));
    milter_put_text(out, buffer_text(&address));
    milter_close(out, place);
    buffer_free(&address);
}

static struct outcome tell_client(struct milter *milter, const struct milter_facts *facts)
{
    milter->has_met = true;
    milter_put_stage(milter, STAGE_CONNECT, MILTER_CONNECT, facts);
    if (milter_leaves_out(milter, MILTER_NO_CONNECT))
        return outcome_done();
    put_client(milter, facts);
    return milter_ask(milter, MILTER_SILENT_CONNECT, OF_CONNECTION, NULL);
}

/* A name is told once more when it comes by TLS, for then there is more to say with it. */
static struct outcome tell_helo(struct milter *milter, const struct milter_facts *facts)
{
    const struct filter_client *client = facts->client;
    bool in_tls = client->tls != NULL;
    const char *helo = client->helo ? client->helo : "";
    if (milter->helo && strcmp(milter->helo, helo) == 0 && milter->helo_in_tls == in_tls)
        return outcome_done();
    free(milter->helo);
    milter->helo = memory_copy(helo, strlen(helo));
    milter->helo_in_tls = in_tls;
    milter_put_stage(milter, STAGE_HELO, MILTER_HELO, facts);
    if (milter_leaves_out(milter, MILTER_NO_HELO))
        return outcome_done();
    size_t place = milter_open(&milter->link.out, MILTER_HELO);
    milter_put_text(&milter->link.out, helo);
    milter_close(&milter->link.out, place);
    return milter_ask(milter, MILTER_SILENT_HELO, OF_CONNECTION, NULL);
}

/* A new connection, for the first message or because the last one is gone. */
static struct outcome meet(struct milter *milter)
{
    milter->has_met = false;
    free(milter->helo);
    milter->helo = NULL;
    struct outcome outcome = milter_link_open(&milter->link);
    if (outcome_good(&outcome))
        outcome = agree(milter);
    return outcome_good(&outcome) ? outcome : milter_fail(milter, &outcome);
}

/* ---- the envelope ---- */

static void put_address(struct milter *milter, enum milter_command command,
                        const struct address *address)
{
    struct buffer *out = &milter->link.out;
    size_t place = milter_open(out, command);
    buffer_append_byte(out, '<');
    address_format(address, out);
    milter_put_text(out, ">");
    milter_close(out, place);
}

static struct outcome tell_sender(struct milter *milter, const struct milter_facts *facts)
{
    milter->is_asked = true;
    milter_put_stage(milter, STAGE_MAIL, MILTER_MAIL, facts);
    if (milter_leaves_out(milter, MILTER_NO_MAIL))
        return outcome_done();
    put_address(milter, MILTER_MAIL, facts->sender);
    return milter_ask(milter, MILTER_SILENT_MAIL, OF_MESSAGE, NULL);
}

/* Whether it is there to go on with; what it thinks of the connection is heard as well. */
static bool is_with_us(const struct milter *milter, const struct outcome *outcome)
{
    return outcome_good(outcome) && milter->link.is_open && !milter->is_content;
}

struct outcome milter_sender(struct milter *milter, const struct milter_facts *facts)
{
    milter_reset(milter);
    if (milter->has_refused)
        return milter_refuse(milter);
    if (milter->is_content)
        return outcome_done();
    if (milter->faults >= MILTER_FAULTS_MOST)
        return milter_go_without(milter);
    struct outcome outcome = outcome_done();
    milter_link_begin(&milter->link);
    if (!milter->link.is_open || milter_link_is_stale(&milter->link))
        outcome = meet(milter);
    if (is_with_us(milter, &outcome) && !milter->has_met)
        outcome = tell_client(milter, facts);
    if (is_with_us(milter, &outcome))
        outcome = tell_helo(milter, facts);
    if (is_with_us(milter, &outcome))
        outcome = tell_sender(milter, facts);
    return outcome;
}

struct outcome milter_recipient(struct milter *milter, const struct milter_facts *facts)
{
    if (milter->is_missing)
        return milter_go_without(milter);
    if (!milter->is_asked)
        return outcome_done();
    milter_link_begin(&milter->link);
    milter_put_stage(milter, STAGE_RCPT, MILTER_RCPT, facts);
    if (milter_leaves_out(milter, MILTER_NO_RCPT) || milter->skips_recipients) {
        /* However many there are, their macros do not pile up here. */
        struct outcome outcome = milter_link_send(&milter->link, false);
        return outcome_good(&outcome) ? outcome : milter_fail(milter, &outcome);
    }
    put_address(milter, MILTER_RCPT, facts->recipient);
    return milter_ask(milter, MILTER_SILENT_RCPT, OF_RECIPIENT, &milter->skips_recipients);
}

struct outcome milter_data(struct milter *milter, const struct milter_facts *facts)
{
    if (milter->is_missing)
        return milter_go_without(milter);
    if (!milter->is_asked || milter->options.version < DATA_FROM)
        return outcome_done();
    milter_link_begin(&milter->link);
    milter_put_stage(milter, STAGE_DATA, MILTER_DATA, facts);
    if (milter_leaves_out(milter, MILTER_NO_DATA))
        return outcome_done();
    milter_put(&milter->link.out, MILTER_DATA);
    return milter_ask(milter, MILTER_SILENT_DATA, OF_MESSAGE, NULL);
}

bool milter_wants_message(const struct milter *milter)
{
    return milter->is_asked;
}

void milter_reset(struct milter *milter)
{
    if (milter->is_asked && milter->link.is_open) {
        milter_put(&milter->link.out, MILTER_ABORT);
        /* When that does not reach it, the next message finds out. */
        (void)milter_link_send(&milter->link, true);
    }
    milter->is_asked = milter->is_missing = false;
    milter->discards = milter->skips_recipients = false;
}
