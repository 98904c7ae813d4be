/* status for programs: JSON, and metrics for node_exporter's textfile collector. */
#include "sendmail/status.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

static long long age(time_t now, time_t then)
{
    return now > then ? (long long)(now - then) : 0;
}

/* ---- JSON ---- */

static void put_row(struct buffer *json, const struct census_row *row, time_t now)
{
    json_number(json, "messages", (long long)row->messages);
    json_number(json, "oldest_seconds", row->messages ? age(now, row->oldest) : 0);
    json_name(json, "ages");
    buffer_append_byte(json, '{');
    for (size_t i = 0; i < CENSUS_AGES; i++)
        json_number(json, census_ages[i], (long long)row->ages[i]);
    buffer_append_byte(json, '}');
}

static void put_hop(struct buffer *json, const struct status_hop *hop)
{
    const struct hop_history *history = &hop->history;
    json_next(json);
    buffer_append_byte(json, '{');
    json_text(json, "name", hop->name);
    json_time(json, "last_success", history->worked);
    json_time(json, "last_error", history->failed);
    json_text(json, "status", history->failed ? history->status : NULL);
    json_text(json, "reason", history->failed ? history->reason : NULL);
    json_number(json, "failures", history->state.failures);
    json_time(json, "paused_until", history->state.until);
    buffer_append_byte(json, '}');
}

static void put_greylist(struct buffer *json, const struct greylist_counts *counts)
{
    json_name(json, "greylist");
    buffer_append_byte(json, '{');
    json_number(json, "delayed", (long long)counts->delayed);
    json_number(json, "passed", (long long)counts->passed);
    json_number(json, "known", (long long)counts->known);
    json_number(json, "entries", (long long)counts->entries);
    buffer_append_byte(json, '}');
}

void status_print_json(const struct status *status)
{
    const struct census *census = &status->census;
    struct buffer json = {0};
    buffer_append_byte(&json, '{');
    json_time(&json, "time", census->now);
    put_row(&json, &census->total, census->now);
    json_text(&json, "oldest_id", census->total.messages ? census->oldest_id : NULL);
    json_number(&json, "due", (long long)census->due);
    json_number(&json, "held", (long long)census->held);
    json_number(&json, "unreadable", (long long)census->unreadable);
    json_time(&json, "next_try", census->next);
    json_name(&json, "domains");
    buffer_append_byte(&json, '[');
    for (size_t i = 0; i < census->count; i++) {
        json_next(&json);
        buffer_append_byte(&json, '{');
        json_text(&json, "domain", census->rows[i].domain);
        put_row(&json, &census->rows[i], census->now);
        buffer_append_byte(&json, '}');
    }
    buffer_append_byte(&json, ']');
    json_name(&json, "next_hops");
    buffer_append_byte(&json, '[');
    for (size_t i = 0; i < status->hop_count; i++)
        put_hop(&json, &status->hops[i]);
    buffer_append_byte(&json, ']');
    if (status->greylists)
        put_greylist(&json, &status->greylist);
    buffer_append_text(&json, "}\n");
    fwrite(json.data, 1, json.length, stdout);
    buffer_free(&json);
}

/* ---- Prometheus ---- */

static void begin(const char *name, const char *help)
{
    printf("# HELP postrider_%s %s\n# TYPE postrider_%s gauge\n", name, help, name);
}

static void put_number(const char *name, const char *help, long long number)
{
    begin(name, help);
    printf("postrider_%s %lld\n", name, number);
}

/* A label's value: backslash, quote and line end are escaped, all must be UTF-8. */
static void put_labelled(const char *name, const char *label, const char *value, long long number)
{
    struct buffer text = {0};
    for (const char *c = value; *c; c++)
        if (*c == '\\' || *c == '"')
            buffer_format(&text, "\\%c", *c);
        else if (*c == '\n')
            buffer_append_text(&text, "\\n");
        else
            buffer_append_byte(&text, *c);
    if (!text_is_utf8(buffer_text(&text), text.length))
        for (size_t i = 0; i < text.length; i++)
            if ((unsigned char)text.data[i] >= 128)
                text.data[i] = '?';
    printf("postrider_%s{%s=\"%s\"} %lld\n", name, label, buffer_text(&text), number);
    buffer_free(&text);
}

static void put_domains(const struct census *census)
{
    begin("queue_messages", "Messages that wait for a recipient of this domain.");
    for (size_t i = 0; i < census->count; i++)
        put_labelled("queue_messages", "domain", census->rows[i].domain,
                     (long long)census->rows[i].messages);
    begin("queue_oldest_seconds", "Age of the oldest message that waits for this domain.");
    for (size_t i = 0; i < census->count; i++)
        put_labelled("queue_oldest_seconds", "domain", census->rows[i].domain,
                     age(census->now, census->rows[i].oldest));
}

static void put_hops(const struct status *status)
{
    begin("next_hop_last_success_timestamp_seconds", "When a next hop worked last; 0: never.");
    for (size_t i = 0; i < status->hop_count; i++)
        put_labelled("next_hop_last_success_timestamp_seconds", "next_hop", status->hops[i].name,
                     (long long)status->hops[i].history.worked);
    begin("next_hop_last_error_timestamp_seconds", "When a next hop failed last; 0: never.");
    for (size_t i = 0; i < status->hop_count; i++)
        put_labelled("next_hop_last_error_timestamp_seconds", "next_hop", status->hops[i].name,
                     (long long)status->hops[i].history.failed);
    begin("next_hop_failures", "Failures of a next hop since it worked last.");
    for (size_t i = 0; i < status->hop_count; i++)
        put_labelled("next_hop_failures", "next_hop", status->hops[i].name,
                     (long long)status->hops[i].history.state.failures);
}

static void put_greylist_metrics(const struct greylist_counts *counts)
{
    put_number("greylist_delayed", "Tries that the greylist told to come again.",
               (long long)counts->delayed);
    put_number("greylist_passed", "Senders that came again in time.", (long long)counts->passed);
    put_number("greylist_known", "Tries of senders that were known.", (long long)counts->known);
    put_number("greylist_entries", "Senders and clients that the greylist remembers.",
               (long long)counts->entries);
}

void status_print_prometheus(const struct status *status)
{
    const struct census *census = &status->census;
    put_domains(census);
    put_number("queue_all_messages", "Messages in the queue.", (long long)census->total.messages);
    put_number("queue_all_oldest_seconds", "Age of the oldest message in the queue.",
               census->total.messages ? age(census->now, census->total.oldest) : 0);
    put_number("queue_due_messages", "Messages that the next queue run will try.",
               (long long)census->due);
    put_number("queue_held_messages", "Messages that are held until somebody releases them.",
               (long long)census->held);
    put_number("queue_unreadable_messages", "Files in the queue that cannot be read.",
               (long long)census->unreadable);
    put_hops(status);
    if (status->greylists)
        put_greylist_metrics(&status->greylist);
}
