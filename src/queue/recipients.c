/* A letter's recipients in memory (see recipients.h). */
#include "queue/recipients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static char *copy_text(const char *text)
{
    return text ? memory_copy(text, strlen(text)) : NULL;
}

void recipients_add(struct letter *letter, size_t parent, const struct letter_recipient *child)
{
    if (letter->count == letter->capacity) {
        letter->capacity = letter->capacity * 2 + 8;
        letter->recipients =
            memory_resize(letter->recipients, letter->capacity * sizeof *letter->recipients);
    }
    const struct letter_recipient *from = &letter->recipients[parent];
    bool same_envelope = address_is_null(&child->sender);
    letter->recipients[letter->count++] =
        (struct letter_recipient){.address = address_copy(&child->address),
                                  .kind = child->kind,
                                  .text = copy_text(child->text),
                                  .sender = address_copy(&child->sender),
                                  .notify = same_envelope ? from->notify : 0,
                                  .orcpt = same_envelope ? copy_text(from->orcpt) : NULL,
                                  .parent = (ssize_t)parent};
}

void recipients_mark(struct letter *letter, size_t index, enum progress progress, time_t when,
                     const char *status, const char *reason)
{
    struct letter_recipient *recipient = &letter->recipients[index];
    recipient->progress = progress;
    recipient->when = when;
    snprintf(recipient->status, sizeof recipient->status, "%s", status);
    text_tame(recipient->status, strlen(recipient->status));
    if (reason && *reason) {
        char *copy = memory_copy(reason, strlen(reason));
        text_tame(copy, strlen(copy));
        free(recipient->reason);
        recipient->reason = copy;
    }
}

void recipients_share_request(struct letter *letter, size_t parent, size_t first)
{
    size_t children = 0;
    bool listed = false;
    for (size_t i = first; i < letter->count; i++)
        if (letter->recipients[i].parent == (ssize_t)parent) {
            children++;
            listed = listed || !address_is_null(&letter->recipients[i].sender);
        }
    letter->recipients[parent].several = children != 1 || listed;
    if (!letter->recipients[parent].several ||
        !(letter->recipients[parent].notify & NOTIFY_SUCCESS))
        return;
    for (size_t i = first; i < letter->count; i++) {
        struct letter_recipient *child = &letter->recipients[i];
        if (child->parent != (ssize_t)parent || !address_is_null(&child->sender))
            continue;
        child->notify &= ~(unsigned)NOTIFY_SUCCESS;
        /* Nothing left is not the same as nothing said. */
        if (!child->notify)
            child->notify = NOTIFY_NEVER;
    }
}

void recipients_choose(struct letter *letter, enum notify kind)
{
    for (size_t i = 0; i < letter->count; i++)
        if (letter_owes(letter, i, kind))
            letter->recipients[i].chosen |= kind;
}

void recipients_set_told(struct letter *letter, enum notify kind)
{
    for (size_t i = 0; i < letter->count; i++) {
        if (!letter_is_chosen(letter, i, kind))
            continue;
        letter->recipients[i].told |= kind;
        if (kind == NOTIFY_FAILURE)
            letter->recipients[i].progress = PROGRESS_BOUNCED;
    }
}

/* A file or a command is the same by whatever alias it is reached. */
static bool is_same(const struct letter_recipient *one, const struct letter_recipient *other)
{
    if (one->text || other->text)
        return one->kind == other->kind && one->text && other->text &&
               strcmp(one->text, other->text) == 0;
    bool same_kind = one->kind == other->kind ||
                     (one->kind == LETTER_TO_REMOTE && other->kind == LETTER_TO_ROUTE);
    return same_kind && address_equal(&one->address, &other->address);
}

bool recipients_have(const struct letter *letter, size_t parent,
                     const struct letter_recipient *child)
{
    for (size_t i = 0; i < letter->count; i++)
        if (i != parent && letter->recipients[i].progress != PROGRESS_EXPANDED &&
            is_same(child, &letter->recipients[i]))
            return true;
    return false;
}
