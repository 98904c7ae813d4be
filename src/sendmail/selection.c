/* See selection.h. Reads no more than the folders' listings where that is enough. */
#include "sendmail/selection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"
#include "mail/address.h"
#include "mail/domain.h"

/* The selection, its words understood. */
struct walk {
    const struct selection *selection;
    const struct office *office;
    struct texts domains; /* A-labels, perhaps with "*." before them */
    struct texts sender_domains;
    struct addresses senders;
    bool read;
    void (*take)(void *context, const struct selected *selected);
    void *context;
};

bool selection_is_named(const struct selection *selection)
{
    return selection->ids && selection->ids->count > selection->first_id;
}

bool selection_is_all(const struct selection *selection)
{
    return !selection->ids && !selection->filter_count &&
           !(selection->domains && selection->domains->count) &&
           !(selection->senders && selection->senders->count);
}

/* ---- words ---- */

static struct outcome take_domain(const char *text, struct texts *domains)
{
    bool below = strncmp(text, "*.", 2) == 0;
    const char *rest = below ? text + 2 : text;
    const char *why;
    char *domain;
    if (!domain_parse(rest, strlen(rest), &domain, &why))
        return outcome_refuse(EX_USAGE, "the domain \"%.100s\": %s", text, why);
    struct buffer pattern = {0};
    buffer_format(&pattern, "%s%s", below ? "*." : "", domain);
    texts_add(domains, pattern.data);
    buffer_free(&pattern);
    free(domain);
    return outcome_done();
}

static struct outcome take_sender(struct walk *walk, const char *text)
{
    if (text[0] == '@')
        return take_domain(text + 1, &walk->sender_domains);
    struct address address = {0};
    const char *why;
    if (*text && !address_parse(text, &address, &why))
        return outcome_refuse(EX_USAGE, "the sender \"%.100s\": %s", text, why);
    if (!address_is_null(&address))
        address_qualify(&address, walk->office->settings.domain);
    struct addresses *list = &walk->senders;
    list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = (struct address_place){.address = address};
    return outcome_done();
}

static struct outcome understand(struct walk *walk)
{
    const struct selection *selection = walk->selection;
    const struct texts *domains = selection->domains, *senders = selection->senders;
    struct outcome outcome = outcome_done();
    for (size_t i = selection->first_id; selection->ids && i < selection->ids->count; i++)
        if (!queue_is_id(selection->ids->items[i]))
            return outcome_refuse(EX_USAGE, "\"%.100s\" is no id of a message, as mailq shows them",
                                  selection->ids->items[i]);
    for (size_t i = 0; domains && i < domains->count && outcome_good(&outcome); i++)
        outcome = take_domain(domains->items[i], &walk->domains);
    for (size_t i = 0; senders && i < senders->count && outcome_good(&outcome); i++)
        outcome = take_sender(walk, senders->items[i]);
    return outcome;
}

/* ---- does it belong to it? ---- */

static bool has_domain(const struct texts *patterns, const char *domain)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (text_match(patterns->items[i], domain))
            return true;
    return false;
}

static bool fits_domains(const struct walk *walk, const struct letter *letter)
{
    if (!walk->domains.count)
        return true;
    for (size_t i = 0; i < letter->count; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        const char *domain = recipient->address.domain;
        if (recipient->progress == PROGRESS_PENDING &&
            has_domain(&walk->domains, domain ? domain : walk->office->settings.hostname))
            return true;
    }
    return false;
}

static bool fits_senders(const struct walk *walk, const struct letter *letter)
{
    const struct address *sender = &letter->envelope.sender;
    if (!walk->senders.count && !walk->sender_domains.count)
        return true;
    for (size_t i = 0; i < walk->senders.count; i++) {
        const struct address *wanted = &walk->senders.items[i].address;
        if (address_is_null(wanted) ? address_is_null(sender) : address_equal(wanted, sender))
            return true;
    }
    return sender->domain && has_domain(&walk->sender_domains, sender->domain);
}

static bool holds_part(const struct address *address, const char *part)
{
    char *text = address_text(address);
    bool found = strcasestr(text, part) != NULL;
    free(text);
    return found;
}

static bool holds(const struct filter *filter, const struct letter *letter)
{
    if (filter->kind == 'I')
        return strstr(letter->id, filter->part) != NULL;
    if (filter->kind == 'S')
        return holds_part(&letter->envelope.sender, filter->part);
    for (size_t i = 0; i < letter->count; i++)
        if (letter->recipients[i].progress == PROGRESS_PENDING &&
            holds_part(&letter->recipients[i].address, filter->part))
            return true;
    return false;
}

static bool fits_filters(const struct selection *selection, const struct letter *letter, char kind)
{
    bool any = false;
    for (size_t i = 0; i < selection->filter_count; i++) {
        const struct filter *filter = &selection->filters[i];
        if (filter->kind != kind)
            continue;
        any = true;
        if (holds(filter, letter) != filter->negated)
            return true;
    }
    return !any;
}

static bool fits(const struct walk *walk, const struct letter *letter)
{
    return fits_domains(walk, letter) && fits_senders(walk, letter) &&
           fits_filters(walk->selection, letter, 'I') &&
           fits_filters(walk->selection, letter, 'R') && fits_filters(walk->selection, letter, 'S');
}

static bool chooses(const struct walk *walk)
{
    return walk->domains.count || walk->senders.count || walk->sender_domains.count ||
           walk->selection->filter_count;
}

/* ---- the walk ---- */

static void take_entry(const struct walk *walk, const struct list_entry *entry)
{
    struct letter letter;
    struct outcome problem;
    struct selected selected = {.entry = entry};
    if (!walk->read && !chooses(walk)) {
        walk->take(walk->context, &selected);
        return;
    }
    enum letter_found found =
        letter_open(&walk->office->queue, entry->id, entry->due ? LETTER_LOOK : LETTER_GLANCE,
                    false, &letter, &problem);
    if (found == LETTER_OPENED) {
        selected.letter = &letter;
        if (fits(walk, &letter))
            walk->take(walk->context, &selected);
        letter_close(&letter);
    } else if (found != LETTER_GONE && !chooses(walk)) {
        selected.problem = problem.reason;
        walk->take(walk->context, &selected);
    }
}

static struct outcome walk_all(const struct walk *walk)
{
    struct list list = {0};
    struct outcome outcome = list_read(&walk->office->queue, &list);
    bool all = outcome_good(&outcome) && office_is_master(walk->office);
    struct stat info;
    for (size_t i = 0; outcome_good(&outcome) && i < list.count; i++)
        if (all || (fstatat(walk->office->queue.spool, list.entries[i].id, &info,
                            AT_SYMLINK_NOFOLLOW) == 0 &&
                    info.st_uid == getuid()))
            take_entry(walk, &list.entries[i]);
    list_free(&list);
    return outcome;
}

static struct outcome refuse_id(const struct walk *walk, int status, const char *id,
                                const char *why)
{
    struct outcome outcome = outcome_refuse(status, "%s", "");
    if (walk->selection->refuse) {
        walk->selection->refuse(id, why);
        return outcome;
    }
    fflush(stdout);
    fprintf(stderr, "postrider: %.100s: %s\n", id, why);
    return outcome;
}

static struct outcome walk_id(const struct walk *walk, const char *id)
{
    struct stat info;
    struct list_entry entry = {0};
    const struct queue *queue = &walk->office->queue;
    if (fstatat(queue->spool, id, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return refuse_id(walk, errno == ENOENT ? EX_NOINPUT : EX_IOERR, id,
                         errno == ENOENT ? "there is no such message in the queue"
                                         : strerror(errno));
    if (!office_is_master(walk->office) && info.st_uid != getuid())
        return refuse_id(walk, EX_NOPERM, id, "only root may do that: the message is not yours");
    snprintf(entry.id, sizeof entry.id, "%s", id);
    if (fstatat(queue->journal, id, &info, AT_SYMLINK_NOFOLLOW) == 0)
        entry.due = info.st_mtime;
    take_entry(walk, &entry);
    return outcome_done();
}

static struct outcome walk_ids(const struct walk *walk)
{
    struct outcome first = outcome_done();
    const struct selection *selection = walk->selection;
    for (size_t i = selection->first_id; i < selection->ids->count; i++) {
        struct outcome outcome = walk_id(walk, selection->ids->items[i]);
        if (outcome_good(&first))
            first = outcome;
    }
    return first;
}

struct outcome selection_walk(struct office *office, const struct selection *selection, bool read,
                              void (*take)(void *context, const struct selected *selected),
                              void *context)
{
    struct walk walk = {
        .selection = selection, .office = office, .read = read, .take = take, .context = context};
    struct outcome outcome = understand(&walk);
    if (outcome_good(&outcome))
        outcome = selection_is_named(selection) ? walk_ids(&walk) : walk_all(&walk);
    texts_free(&walk.domains);
    texts_free(&walk.sender_domains);
    addresses_free(&walk.senders);
    return outcome;
}
