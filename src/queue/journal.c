/* Writes and reads journals; the only place that knows their form. */
#include "queue/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "queue/recipients.h"

enum { LINE_LIMIT = 8192, USUAL_LINE = 256, READ_BLOCK = 4096, JOURNAL_MODE = 0640 };

struct journal {
    int fd;                /* -1 until it is needed */
    bool torn;             /* its last line has no end */
    struct buffer pending; /* lines to be written */
    bool durable;          /* and synced */
    bool lost;   /* a sync failed: what was written may not last, and no later sync tells */
    bool spoilt; /* it holds a part of what is pending and cannot be cut: no more writing */
};

static const char *const words[] = {
    [PROGRESS_PENDING] = "deferred",    [PROGRESS_EXPANDED] = "expanded",
    [PROGRESS_DELIVERED] = "delivered", [PROGRESS_FAILED] = "failed",
    [PROGRESS_BOUNCED] = "bounced",     [PROGRESS_RELAYED] = "relayed",
    [PROGRESS_PASSED] = "passed"};

static const enum notify kinds[] = {NOTIFY_SUCCESS, NOTIFY_FAILURE, NOTIFY_DELAY};
static const char *const kind_words[] = {"success", "failure", "delay"};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* ---- reading ---- */

/* Cuts the next word off. */
static char *next_word(char **rest)
{
    char *word = *rest;
    char *space = strchr(word, ' ');
    if (space)
        *space++ = '\0';
    *rest = space ? space : word + strlen(word);
    return word;
}

static const char *const child_words[] = {[LETTER_TO_MAILBOX] = "mailbox",
                                          [LETTER_TO_REMOTE] = "remote",
                                          [LETTER_TO_FILE] = "file",
                                          [LETTER_TO_COMMAND] = "command"};

static bool find_kind(const char *word, enum letter_kind *kind)
{
    for (size_t i = LETTER_TO_MAILBOX; i < sizeof child_words / sizeof child_words[0]; i++)
        if (strcmp(word, child_words[i]) == 0) {
            *kind = (enum letter_kind)i;
            return true;
        }
    return false;
}

/* An address between '<' and '>', of which there may be more between quotes. */
static bool next_address(char **rest, struct address *address)
{
    char *end = *rest;
    bool quoted = false;
    for (; *end && (quoted || *end != '>'); end++) {
        if (*end == '\\' && quoted && end[1])
            end++;
        else if (*end == '"')
            quoted = !quoted;
    }
    if (!*end)
        return false;
    char *text = memory_copy(*rest, (size_t)(end + 1 - *rest));
    const char *why;
    bool good = address_parse(text, address, &why);
    free(text);
    *rest = end + 1;
    return good;
}

/* Passes a word between two spaces. */
static bool pass_word(char **rest, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*rest, word, length) != 0)
        return false;
    *rest += length;
    return true;
}

static void read_child(struct letter *letter, char *rest)
{
    uint64_t parent;
    struct letter_recipient child = {0};
    if (!text_to_number(next_word(&rest), 0, letter->count - 1, &parent) ||
        !find_kind(next_word(&rest), &child.kind))
        return;
    bool good = next_address(&rest, &child.address) && !address_is_null(&child.address);
    if (good && pass_word(&rest, " from "))
        good = next_address(&rest, &child.sender);
    if (good && (child.kind == LETTER_TO_FILE || child.kind == LETTER_TO_COMMAND)) {
        good = pass_word(&rest, " to ");
        child.text = rest;
        rest += strlen(rest);
    }
    if (good && !*rest)
        recipients_add(letter, (size_t)parent, &child);
    address_free(&child.address);
    address_free(&child.sender);
}

/* Children from an expansion that a crash cut short were never delivered to, and count for nothing.
 */
static void forget_older_children(struct letter *letter, size_t parent, const char *first)
{
    uint64_t limit = 0;
    if (!text_to_number(first, 0, letter->count, &limit))
        return;
    for (size_t i = 0; i < limit; i++)
        if (letter->recipients[i].parent == (ssize_t)parent)
            letter->recipients[i].progress = PROGRESS_EXPANDED;
    recipients_share_request(letter, parent, (size_t)limit);
}

static void set_held(struct letter *letter, bool held, bool by_route)
{
    letter->held = held;
    letter->by_route = by_route;
    letter->released = !held;
}

static void read_report(struct letter *letter, const char *kind, bool made)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kind, kind_words[i]) == 0) {
            if (made)
                recipients_set_told(letter, kinds[i]);
            else
                recipients_choose(letter, kinds[i]);
        }
}

static void read_event(struct letter *letter, const char *event, char *rest)
{
    uint64_t when, index;
    if (!text_to_number(next_word(&rest), 0, INT64_MAX, &when))
        return;
    if (strcmp(event, "report") == 0 || strcmp(event, "told") == 0)
        read_report(letter, rest, *event == 't');
    else if (strcmp(event, "late") == 0 && text_to_number(rest, 0, letter->count - 1, &index))
        letter->recipients[index].late = true;
    if (strcmp(event, "tried") == 0)
        letter->tries++;
    else if (strcmp(event, "hold") == 0 || strcmp(event, "release") == 0)
        set_held(letter, *event == 'h', strcmp(rest, "route") == 0);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(event, words[i]) != 0)
            continue;
        if (!text_to_number(next_word(&rest), 0, letter->count - 1, &index))
            return;
        const char *status = next_word(&rest);
        if (i == PROGRESS_EXPANDED)
            forget_older_children(letter, (size_t)index, status);
        recipients_mark(letter, (size_t)index, (enum progress)i, (time_t)when, status, rest);
    }
}

static void read_journal_line(struct letter *letter, char *line, size_t length)
{
    if (length > 0 && line[length - 1] == '\n')
        line[--length] = '\0';
    if (length < 2 || strlen(line) != length || strcmp(line + length - 2, " .") != 0)
        return;
    line[length - 2] = '\0';
    char *rest = line;
    const char *event = next_word(&rest);
    if (strcmp(event, "add") == 0)
        read_child(letter, rest);
    else
        read_event(letter, event, rest);
}

/* None was delivered to before the whole was on disk, and the aliases may have changed since. */
static void drop_incomplete_children(struct letter *letter)
{
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *child = &letter->recipients[i];
        if (child->parent >= 0 && letter->recipients[child->parent].progress != PROGRESS_EXPANDED)
            child->progress = PROGRESS_EXPANDED;
    }
}

struct outcome journal_read(struct letter *letter)
{
    letter->journal = memory_get(sizeof *letter->journal);
    *letter->journal = (struct journal){.fd = -1};
    int fd =
        openat(letter->queue->journal, letter->id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? outcome_done() : outcome_errno(errno, "cannot read the journal");
    struct input input = {.fd = fd, .block = READ_BLOCK};
    struct buffer line = {.limit = LINE_LIMIT};
    /* When less than a block comes it was all. */
    if (input_fill(&input) && input.end < input.block)
        input.ended = true;
    while (input_line(&input, &line)) {
        letter->journal->torn = line.failed || line.data[line.length - 1] != '\n';
        if (!line.failed)
            read_journal_line(letter, line.data, line.length);
        buffer_clear(&line);
    }
    struct outcome outcome =
        input.error ? outcome_errno(input.error, "cannot read the journal") : outcome_done();
    buffer_free(&line);
    input_free(&input);
    file_close(&fd);
    drop_incomplete_children(letter);
    return outcome;
}

void journal_free(struct letter *letter)
{
    if (!letter->journal)
        return;
    file_close(&letter->journal->fd);
    buffer_free(&letter->journal->pending);
    free(letter->journal);
    letter->journal = NULL;
}

/* ---- writing ---- */

static void end_line(struct buffer *pending)
{
    buffer_append_text(pending, " .\n");
}

static void put_address(struct buffer *text, const struct address *address)
{
    buffer_append_byte(text, '<');
    address_format(address, text);
    buffer_append_byte(text, '>');
}

void journal_add_child(struct letter *letter, size_t parent, const struct letter_recipient *child)
{
    if (recipients_have(letter, parent, child))
        return;
    recipients_add(letter, parent, child);
    struct buffer *pending = &letter->journal->pending;
    buffer_format(pending, "add %zu %s ", parent, child_words[child->kind]);
    put_address(pending, &child->address);
    if (!address_is_null(&child->sender)) {
        buffer_append_text(pending, " from ");
        put_address(pending, &child->sender);
    }
    if (child->text)
        buffer_format(pending, " to %s", child->text);
    end_line(pending);
    letter->journal->durable = true;
}

void journal_expanded(struct letter *letter, size_t parent, size_t first)
{
    struct buffer *pending = &letter->journal->pending;
    letter->recipients[parent].progress = PROGRESS_EXPANDED;
    recipients_share_request(letter, parent, first);
    buffer_format(pending, "expanded %lld %zu %zu", (long long)clock_now(), parent, first);
    end_line(pending);
    letter->journal->durable = true;
}

void journal_mark(struct letter *letter, size_t index, enum progress progress, const char *status,
                  const char *reason)
{
    const struct letter_recipient *recipient = &letter->recipients[index];
    bool news = progress != PROGRESS_PENDING || !recipient->reason || !reason ||
                strcmp(recipient->reason, reason) != 0;
    recipients_mark(letter, index, progress, clock_now(), status, reason);
    if (!news)
        return;
    struct buffer *pending = &letter->journal->pending;
    buffer_format(pending, "%s %lld %zu %s %s", words[progress], (long long)clock_now(), index,
                  status, reason ? reason : "");
    end_line(pending);
    if (progress != PROGRESS_PENDING)
        letter->journal->durable = true;
}

void journal_late(struct letter *letter, size_t index)
{
    letter->recipients[index].late = true;
    buffer_format(&letter->journal->pending, "late %lld %zu", (long long)clock_now(), index);
    end_line(&letter->journal->pending);
    letter->journal->durable = true;
}

static void put_report(struct letter *letter, const char *event, enum notify kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i] == kind)
            buffer_format(&letter->journal->pending, "%s %lld %s", event, (long long)clock_now(),
                          kind_words[i]);
    end_line(&letter->journal->pending);
    letter->journal->durable = true;
}

static size_t count_chosen(const struct letter *letter, enum notify kind, size_t *first)
{
    size_t count = 0;
    for (size_t i = letter->count; i-- > 0;)
        if (letter_is_chosen(letter, i, kind)) {
            *first = i;
            count++;
        }
    return count;
}

size_t journal_choose(struct letter *letter, enum notify kind, size_t *first)
{
    size_t count = count_chosen(letter, kind, first);
    if (count)
        return count;
    recipients_choose(letter, kind);
    count = count_chosen(letter, kind, first);
    if (count)
        put_report(letter, "report", kind);
    return count;
}

void journal_told(struct letter *letter, enum notify kind)
{
    recipients_set_told(letter, kind);
    put_report(letter, "told", kind);
}

void journal_tried(struct letter *letter)
{
    letter->tries++;
    buffer_format(&letter->journal->pending, "tried %lld", (long long)clock_now());
    end_line(&letter->journal->pending);
}

static void put_hold(struct letter *letter, const char *event, const char *by)
{
    buffer_format(&letter->journal->pending, "%s %lld%s", event, (long long)clock_now(), by);
    end_line(&letter->journal->pending);
    letter->journal->durable = true;
}

void journal_hold(struct letter *letter)
{
    set_held(letter, true, false);
    put_hold(letter, "hold", "");
}

void journal_release(struct letter *letter)
{
    set_held(letter, false, false);
    put_hold(letter, "release", "");
}

void journal_hold_by_route(struct letter *letter)
{
    set_held(letter, true, true);
    put_hold(letter, "hold", " route");
}

/* Opens it for appending; a new one's name is made to last. */
static struct outcome open_for_writing(struct letter *letter)
{
    struct journal *journal = letter->journal;
    if (journal->fd >= 0)
        return outcome_done();
    int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    journal->fd = openat(letter->queue->journal, letter->id, flags);
    if (journal->fd < 0 && errno == ENOENT)
        journal->fd =
            openat(letter->queue->journal, letter->id, flags | O_CREAT | O_EXCL, JOURNAL_MODE);
    struct stat info = {0};
    if (journal->fd < 0 || fstat(journal->fd, &info) < 0)
        return outcome_errno(errno, "cannot write the journal of %s", letter->id);
    /* An empty one may be what somebody made and did not live to sync. */
    struct outcome outcome = outcome_done();
    if (info.st_size == 0)
        outcome = file_sync_folder(letter->queue->journal, "the journal folder");
    if (!outcome_good(&outcome))
        file_close(&journal->fd);
    return outcome;
}

/*
 * What was not written as a whole is cut off again, for it stays pending: children that stand there
 * twice would be delivered to twice.
 */
static bool append(struct journal *journal)
{
    struct stat info;
    struct buffer text = {0};
    if (journal->spoilt) {
        errno = EIO;
        return false;
    }
    if (fstat(journal->fd, &info) < 0)
        return false;
    if (journal->torn)
        buffer_append_byte(&text, '\n');
    buffer_append(&text, journal->pending.data, journal->pending.length);
    bool written = file_write(journal->fd, text.data, text.length);
    int error = errno;
    if (!written)
        journal->spoilt = ftruncate(journal->fd, info.st_size) < 0;
    buffer_free(&text);
    errno = error;
    return written;
}

/*
 * What stands there and may not outlive a power cut is left: without it, what was delivered would
 * be delivered again in any case. But no later sync says that it failed.
 */
static bool sync_lines(struct journal *journal)
{
    if (journal->durable && !journal->lost)
        journal->lost = fdatasync(journal->fd) < 0;
    else if (journal->lost)
        errno = EIO;
    journal->durable = journal->durable && journal->lost;
    return !journal->lost;
}

struct outcome journal_save(struct letter *letter)
{
    struct journal *journal = letter->journal;
    if (journal->pending.length == 0 && !journal->lost)
        return outcome_done();
    struct outcome outcome = open_for_writing(letter);
    if (!outcome_good(&outcome))
        return outcome;
    bool written = append(journal);
    if (written) {
        journal->torn = false;
        buffer_clear(&journal->pending);
    }
    if (written && sync_lines(journal))
        return outcome_done();
    return outcome_errno(errno, "cannot write the journal of %s", letter->id);
}

struct outcome journal_reserve(struct letter *letter)
{
    struct outcome outcome = open_for_writing(letter);
    if (!outcome_good(&outcome))
        return outcome;
    struct stat info;
    int fd = letter->journal->fd;
    off_t room = (off_t)letter->count * USUAL_LINE;
    if (fstat(fd, &info) == 0 && (fallocate(fd, FALLOC_FL_KEEP_SIZE, info.st_size, room) == 0 ||
                                  errno == EOPNOTSUPP || errno == ENOSYS))
        return outcome_done();
    return outcome_errno(errno, "no room for the journal of %s", letter->id);
}

struct outcome journal_set_due(struct letter *letter, time_t due)
{
    struct outcome outcome = open_for_writing(letter);
    if (!outcome_good(&outcome))
        return outcome;
    struct timespec times[2] = {{.tv_sec = due}, {.tv_sec = due}};
    if (futimens(letter->journal->fd, times) < 0)
        return outcome_errno(errno, "cannot say when %s is due", letter->id);
    return outcome_done();
}
