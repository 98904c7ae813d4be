/*
 * Submission: the header into memory, completed there, the body through two blocks into the queue.
 * Knows what a caller may say about a message; must never know where mail goes, nor hold a body.
 * RFC 5322 3.6, RFC 6409 8. No recipients: EX_USAGE, and with -t EX_NOINPUT. Empty input is a
 * message with an empty body when recipients are named.
 */
#include "sendmail/submission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/complete.h"
#include "base/text.h"
#include "mail/header.h"
#include "queue/draft.h"
#include "queue/runner.h"
#include "sendmail/caller.h"
#include "sendmail/intake.h"

enum {
    HEADER_LIMIT = 4 * 1024 * 1024,
    SHOWN = 100 /* bytes of a wrong address that a person gets to see */
};

struct submission {
    struct office *office;
    const struct options *options;
    struct caller caller;
    struct address self;   /* who the caller is, as an address */
    struct address here;   /* the same by the name of this host, as some programs have it */
    struct address sender; /* as it was said, before it was masqueraded in the envelope */
    struct envelope envelope;
    struct intake intake;
    struct header header;
    struct buffer line; /* first line of the body, when the header's reading met it already */
};

/* ---- envelope ---- */

/* An address argument that is wrong, by what is wrong with it; fault: where in it. */
static struct outcome refuse_address(const char *what, const char *text, const char *why)
{
    return outcome_refuse(EX_DATAERR, "%s \"%.*s\": %s; nothing was queued", what, SHOWN, text,
                          why);
}

static struct outcome take_sender(struct submission *submission)
{
    struct envelope *envelope = &submission->envelope;
    const char *text = submission->options->sender;
    if (!text)
        envelope->sender = address_copy(&submission->self);
    else if (*text) {
        const char *why;
        if (!address_parse(text, &envelope->sender, &why))
            return refuse_address("the sender", text, why);
        if (!address_is_null(&envelope->sender))
            address_qualify(&envelope->sender, submission->office->settings.domain);
    }
    return outcome_done();
}

static struct outcome take_recipient(struct submission *submission, const char *text, size_t number)
{
    char what[64];
    snprintf(what, sizeof what, "recipient argument %zu,", number);
    if (options_has_control(text))
        return refuse_address(what, text, "it holds a line end or another control character");
    struct addresses list = {0};
    const char *why;
    struct outcome outcome = outcome_done();
    if (!addresses_parse(text, &list, &why))
        outcome = refuse_address(what, text + list.fault, why);
    /* The null path is no address of such a list: none of these is it. */
    for (size_t i = 0; i < list.count && outcome_good(&outcome); i++) {
        struct address address = address_copy(&list.items[i].address);
        address_qualify(&address, submission->office->settings.hostname);
        envelope_add(&submission->envelope, address, submission->options->notify, NULL);
    }
    addresses_free(&list);
    return outcome;
}

/* What is known before the message is read. An argument without any address is like none. */
static struct outcome make_envelope(struct submission *submission)
{
    const struct options *options = submission->options;
    struct envelope *envelope = &submission->envelope;
    envelope->arrived = clock_now();
    envelope->uid = submission->caller.uid;
    envelope->submitted = true;
    if (submission->caller.user)
        envelope->user = memory_copy(submission->caller.user, strlen(submission->caller.user));
    if (options->envid)
        envelope->envid = memory_copy(options->envid, strlen(options->envid));
    envelope->ret = options->ret;
    struct outcome outcome = take_sender(submission);
    for (size_t i = 0; i < options->argument_count && outcome_good(&outcome); i++)
        outcome = take_recipient(submission, options->arguments[i], i + 1);
    if (outcome_good(&outcome) && !envelope->count && !options->recipients_from_header)
        return outcome_refuse(EX_USAGE, "no recipients: name them behind the options, or take "
                                        "them from the header with -t");
    return outcome;
}

/* ---- header ---- */

/* Whether a line that did not fit belongs to the header, by as much of it as may be a name. */
static bool would_be_header(const struct header *header, const struct buffer *line)
{
    if (line->length && (line->data[0] == ' ' || line->data[0] == '\t'))
        return header->count > 0;
    struct header probe = {0};
    bool is_field =
        header_take_line(&probe, buffer_text(line),
                         line->length < LINE_LONGEST ? line->length : (size_t)LINE_LONGEST);
    header_free(&probe);
    return is_field;
}

static struct outcome read_header(struct submission *submission)
{
    struct buffer *line = &submission->line;
    struct header *header = &submission->header;
    size_t total = 0;
    line->limit = HEADER_LIMIT;
    for (;;) {
        buffer_clear(line);
        if (!intake_line(&submission->intake, line))
            return outcome_done();
        if (line->failed) {
            if (!would_be_header(header, line))
                return outcome_done();
            return outcome_refuse(EX_DATAERR, "the header is larger than %d bytes", HEADER_LIMIT);
        }
        if (!header_take_line(header, line->data, line->length))
            break;
        if (memchr(line->data, '\0', line->length))
            return outcome_refuse(EX_DATAERR, "the header holds a NUL byte");
        total += line->length;
        if (total > HEADER_LIMIT)
            return outcome_refuse(EX_DATAERR, "the header is larger than %d bytes", HEADER_LIMIT);
    }
    if (line->data[0] == '\n') /* the empty line between; we write our own */
        buffer_clear(line);
    return outcome_done();
}

/* What the message says of its sender from here on is what the world may see. */
static void mask_sender(struct submission *submission, const struct masquerade *masquerade)
{
    struct address *sender = &submission->envelope.sender;
    submission->sender = address_copy(sender);
    const struct address *other = masquerade_find(masquerade, sender);
    if (other) {
        address_free(sender);
        *sender = address_copy(other);
    }
}

/* The recipients in the header, when -t asked for them. */
static struct outcome take_header_recipients(struct submission *submission)
{
    struct envelope *envelope = &submission->envelope;
    if (!submission->options->recipients_from_header)
        return outcome_done();
    struct outcome outcome =
        complete_recipients(&submission->header, submission->office->settings.hostname, envelope,
                            submission->options->notify);
    if (outcome_good(&outcome) && !envelope->count)
        return outcome_refuse(EX_NOINPUT, "no recipients: there is none in the To, Cc and Bcc "
                                          "fields of the message, nor behind the options");
    return outcome;
}

static bool is_own(const struct submission *submission, const struct address *address)
{
    return address_equal(address, &submission->self) || address_equal(address, &submission->here);
}

/* Text for X-Authentication-Warning, or NULL; the caller frees. */
static char *make_warning(const struct submission *submission)
{
    const struct address *sender = &submission->sender;
    if (!submission->options->sender || submission->caller.uid == 0 || is_own(submission, sender))
        return NULL;
    struct buffer text = {0};
    char *path = address_text(sender);
    buffer_format(&text, "%s set sender to %s using -f", submission->caller.name,
                  *path ? path : "<>");
    free(path);
    return buffer_take(&text);
}

/* A name goes with the address that it belongs to: the caller's own, unless -F says another. */
static const char *find_full_name(const struct submission *submission)
{
    if (submission->options->full_name)
        return submission->options->full_name;
    bool own = is_own(submission, &submission->sender);
    return own || address_is_null(&submission->sender) ? submission->caller.full_name : NULL;
}

static void put_header(struct submission *submission, const struct masquerade *masquerade,
                       struct draft *draft)
{
    const struct settings *settings = &submission->office->settings;
    const struct address *sender = &submission->sender;
    char *warning = make_warning(submission);
    struct buffer trace = {0};
    buffer_append_text(&trace, "(from ");
    complete_name_submitter(submission->caller.user, (unsigned long)submission->caller.uid, &trace);
    buffer_append_byte(&trace, ')');
    const struct completion completion = {
        .hostname = settings->hostname,
        .sender_domain = settings->domain,
        .recipient_domain = settings->hostname,
        .full_name = find_full_name(submission),
        .from = address_is_null(sender) ? &submission->self : sender,
        .warning = warning,
        .received_from = buffer_text(&trace),
        .protocol = "local",
        .id = draft_id(draft),
        .now = submission->envelope.arrived,
        .masquerade = masquerade,
    };
    complete_header(&submission->header, &completion);
    complete_received(&submission->header, 0, &completion);
    struct buffer text = {0};
    header_format(&submission->header, &text);
    buffer_append_byte(&text, '\n');
    draft_put(draft, text.data, text.length);
    buffer_free(&text);
    buffer_free(&trace);
    free(warning);
}

/* ---- the whole ---- */

static struct outcome check_input(const struct submission *submission)
{
    int error = submission->intake.input.error;
    if (!error)
        return outcome_done();
    return outcome_refuse(EX_IOERR, "cannot read the message from standard input: %s",
                          strerror(error));
}

/* Stops when going on is of no use; the commit says why. A last line always gets its end. */
static void put_body(struct submission *submission, struct draft *draft)
{
    const char *data = buffer_text(&submission->line);
    size_t length = submission->line.length;
    char last = '\n';
    do {
        if (length)
            last = data[length - 1];
        if (!draft_put(draft, data, length))
            return;
        buffer_free(&submission->line);
    } while (intake_block(&submission->intake, &data, &length));
    if (last != '\n')
        draft_put(draft, "\n", 1);
}

static void log_received(const struct submission *submission, const char *id, uint64_t size)
{
    const struct envelope *envelope = &submission->envelope;
    char bytes[24], count[24], uid[24];
    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)size);
    snprintf(count, sizeof count, "%zu", envelope->count);
    snprintf(uid, sizeof uid, "%lu", (unsigned long)envelope->uid);
    char *from = address_text(&envelope->sender);
    char *said = address_text(&submission->sender);
    char *to = address_text(&envelope->recipients[0].address);
    char *message_id = header_words(&submission->header, "Message-ID");
    log_event(id, "received", "from", *from ? from : "<>", "masquerades",
              strcmp(from, said) == 0 ? NULL : said, "to", envelope->count == 1 ? to : NULL,
              "nrcpt", envelope->count == 1 ? NULL : count, "size", bytes, "uid", uid, "user",
              envelope->user, "message-id", message_id, NULL);
    free(message_id);
    free(from);
    free(said);
    free(to);
}

static struct outcome submit(struct submission *submission, char id[QUEUE_ID_SIZE])
{
    struct outcome outcome = make_envelope(submission);
    if (outcome_good(&outcome))
        outcome = office_open_queue(submission->office);
    if (outcome_good(&outcome))
        outcome = read_header(submission);
    if (outcome_good(&outcome))
        outcome = check_input(submission);
    if (outcome_good(&outcome))
        outcome = take_header_recipients(submission);
    if (outcome_good(&outcome) && submission->envelope.count > ENVELOPE_MOST)
        outcome =
            outcome_refuse(EX_DATAERR, "%zu recipients are too many for one message: %d at most",
                           submission->envelope.count, ENVELOPE_MOST);
    if (!outcome_good(&outcome))
        return outcome;

    struct masquerade masquerade;
    masquerade_read(&submission->office->settings.masquerade, &masquerade);
    mask_sender(submission, &masquerade);
    struct draft *draft = draft_open(&submission->office->queue, &submission->envelope, NULL,
                                     submission->office->settings.max_message_size);
    put_header(submission, &masquerade, draft);
    masquerade_free(&masquerade);
    put_body(submission, draft);
    outcome = check_input(submission);
    if (!outcome_good(&outcome)) {
        draft_drop(draft);
        return outcome;
    }
    uint64_t size = draft_size(draft);
    snprintf(id, QUEUE_ID_SIZE, "%s", draft_id(draft));
    outcome = draft_commit(draft, NULL);
    if (!outcome_good(&outcome))
        return outcome;
    impossible_ends_with(EX_OK);
    log_received(submission, id, size);
    return outcome;
}

/* Nothing that goes wrong here is an error of the submission: the message is safe. */
static void send_on(const struct office *office, const struct options *options, const char *id)
{
    if (options->verbose)
        dprintf(STDOUT_FILENO, "%s is in the queue\n", id);
    if (options->delivery == DELIVERY_QUEUE)
        return;
    if (options->delivery == DELIVERY_BACKGROUND && !options->verbose) {
        runner_wake(&office->queue, office->config);
        return;
    }
    const char *const arguments[] = {"--id", id, options->verbose ? "--verbose" : NULL, NULL};
    int status = runner_run(office->config, arguments, options->verbose);
    if (status != 0)
        log_notice("%s: the queue runner ended with status %d; it stays queued until the next run",
                   id, status);
}

struct outcome submission_run(struct office *office, const struct options *options)
{
    struct submission submission = {
        .office = office,
        .options = options,
        .intake = {.input = {.fd = STDIN_FILENO}, .dot_ends = !options->ignore_dots && isatty(0)}};
    caller_find(&submission.caller);
    submission.self.local = memory_copy(submission.caller.name, strlen(submission.caller.name));
    submission.here = address_copy(&submission.self);
    address_qualify(&submission.self, office->settings.domain);
    address_qualify(&submission.here, office->settings.hostname);

    char id[QUEUE_ID_SIZE];
    struct outcome outcome = submit(&submission, id);

    address_free(&submission.self);
    address_free(&submission.here);
    address_free(&submission.sender);
    caller_free(&submission.caller);
    envelope_free(&submission.envelope);
    header_free(&submission.header);
    buffer_free(&submission.line);
    intake_free(&submission.intake);
    if (outcome_good(&outcome))
        send_on(office, options, id);
    return outcome;
}
