/*
 * A message as it is delivered on this machine: with the fields of a final delivery on top (RFC
 * 5321 4.4) and, for a mailbox, as an mbox entry (RFC 4155) whose lines are quoted so that it can
 * be undone. Never knows where it goes.
 */
#include "run/entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "mail/address.h"
#include "mail/date.h"

static const char from_line[] = "From ";
static const char return_path[] = "Return-Path:";

struct scribe {
    struct output *output;
    bool is_entry; /* lines that begin with "From " are quoted */
    bool in_header;
    bool dropping;                 /* inside a Return-Path field that came with the message */
    char held[sizeof return_path]; /* the beginning of a line, until it is clear what it is */
    size_t held_length;
    size_t quotes; /* '>' at the beginning of a line, counted only */
    bool at_start; /* still deciding about the line */
};

static void put_quotes(struct scribe *scribe)
{
    for (; scribe->quotes; scribe->quotes--)
        output_put(scribe->output, ">", 1);
}

/* The line is what it is: out with what was held back. */
static void decide(struct scribe *scribe)
{
    bool is_from = scribe->is_entry && scribe->held_length == sizeof from_line - 1 &&
                   memcmp(scribe->held, from_line, scribe->held_length) == 0;
    bool is_path = scribe->in_header && scribe->quotes == 0 &&
                   scribe->held_length == sizeof return_path - 1 &&
                   strncasecmp(scribe->held, return_path, scribe->held_length) == 0;
    bool is_fold = scribe->held_length && (scribe->held[0] == ' ' || scribe->held[0] == '\t');
    scribe->dropping = is_path || (scribe->dropping && is_fold);
    if (!scribe->dropping) {
        if (is_from)
            output_put(scribe->output, ">", 1);
        put_quotes(scribe);
        output_put(scribe->output, scribe->held, scribe->held_length);
    }
    scribe->quotes = 0;
    scribe->held_length = 0;
    scribe->at_start = false;
}

/* True while the held bytes could still become a line that needs care. */
static bool is_undecided(const struct scribe *scribe)
{
    size_t length = scribe->held_length;
    if (length < sizeof from_line - 1 && memcmp(scribe->held, from_line, length) == 0)
        return true;
    return scribe->in_header && scribe->quotes == 0 && length < sizeof return_path - 1 &&
           strncasecmp(scribe->held, return_path, length) == 0;
}

static void begin_line(struct scribe *scribe)
{
    scribe->at_start = true;
    scribe->held_length = 0;
    scribe->quotes = 0;
}

static void put_start_byte(struct scribe *scribe, char byte)
{
    if (byte == '>' && scribe->held_length == 0) {
        scribe->quotes++;
        scribe->dropping = false;
        return;
    }
    if (byte == '\n' && scribe->held_length == 0 && scribe->quotes == 0)
        scribe->in_header = scribe->dropping = false;
    scribe->held[scribe->held_length++] = byte;
    if (byte == '\n' || !is_undecided(scribe))
        decide(scribe);
    if (byte == '\n')
        begin_line(scribe);
}

static void put_text(struct scribe *scribe, const char *data, size_t length)
{
    const char *end = data + length;
    while (data < end) {
        if (scribe->at_start) {
            put_start_byte(scribe, *data++);
            continue;
        }
        const char *line_end = memchr(data, '\n', (size_t)(end - data));
        const char *stop = line_end ? line_end + 1 : end;
        if (!scribe->dropping)
            output_put(scribe->output, data, (size_t)(stop - data));
        if (line_end)
            begin_line(scribe);
        data = stop;
    }
}

static void put_head(struct output *output, const struct letter *letter, size_t index,
                     bool is_entry)
{
    struct buffer text = {0};
    char *sender = address_text(letter_sender(letter, index));
    char *to = address_text(letter_original(letter, index));
    bool plain = *sender && !strpbrk(sender, " \t\"");
    if (is_entry) {
        buffer_format(&text, "From %s ", plain ? sender : "MAILER-DAEMON");
        date_format_mbox(letter->envelope.arrived, &text);
        buffer_append_byte(&text, '\n');
    }
    buffer_format(&text, "X-Postrider-Id: %s\nReturn-Path: <%s>\nDelivered-To: %s\n", letter->id,
                  sender, to);
    output_put(output, text.data, text.length);
    buffer_free(&text);
    free(sender);
    free(to);
}

bool entry_put(struct output *output, const struct letter *letter, size_t index, bool is_entry)
{
    put_head(output, letter, index, is_entry);
    struct scribe scribe = {.output = output, .is_entry = is_entry, .in_header = true};
    begin_line(&scribe);
    char *block = memory_block(FILE_BLOCK);
    off_t at = letter->start, end = at + (off_t)letter->size;
    ssize_t count = 0;
    while (!output->error && at < end) {
        off_t left = end - at;
        count = file_read_at(letter->fd, block, left < FILE_BLOCK ? (size_t)left : FILE_BLOCK, at);
        if (count <= 0)
            break;
        put_text(&scribe, block, (size_t)count);
        at += count;
    }
    if (!output->error && count < 0)
        output->error = errno;
    if (scribe.at_start && (scribe.held_length || scribe.quotes))
        decide(&scribe);
    if (is_entry)
        output_text(output, "\n");
    free(block);
    return output_flush(output);
}
