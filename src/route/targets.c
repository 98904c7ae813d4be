/*
 * Targets (see targets.h). A name that says all that makes a target different from others stands
 * for it in the set.
 */
#include "route/targets.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

/* Takes over address and text. What is there already under this name is not added again. */
static void add(struct target_set *set, const struct address *owner, const char *name,
                struct target target)
{
    bool added;
    names_add(&set->found, name, &added);
    if (!added) {
        address_free(&target.address);
        free(target.text);
        return;
    }
    target.owner = address_copy(owner);
    struct targets *targets = set->targets;
    if (targets->count == targets->capacity) {
        targets->capacity = targets->capacity ? targets->capacity * 2 : 4;
        targets->items = memory_resize(targets->items, targets->capacity * sizeof *targets->items);
    }
    targets->items[targets->count++] = target;
}

void target_set_error(struct target_set *set, const struct address *owner,
                      const struct address *address, struct outcome outcome, bool aliased)
{
    struct buffer name = {0};
    buffer_append_text(&name, "error ");
    address_format(address, &name);
    buffer_format(&name, " %s", outcome.reason);
    add(set, owner, buffer_text(&name),
        (struct target){.kind = TARGET_ERROR,
                        .address = address_copy(address),
                        .outcome = outcome,
                        .aliased = aliased});
    buffer_free(&name);
}

void target_set_remote(struct target_set *set, const struct address *owner,
                       const struct address *address, bool aliased)
{
    struct buffer name = {0};
    buffer_append_text(&name, "remote ");
    address_format(address, &name);
    add(set, owner, buffer_text(&name),
        (struct target){
            .kind = TARGET_REMOTE, .address = address_copy(address), .aliased = aliased});
    buffer_free(&name);
}

void target_set_mailbox(struct target_set *set, const struct address *owner, char *user,
                        bool aliased)
{
    struct buffer name = {0};
    buffer_format(&name, "mailbox %s", user);
    add(set, owner, buffer_text(&name),
        (struct target){.kind = TARGET_MAILBOX, .address = {.local = user}, .aliased = aliased});
    buffer_free(&name);
}

void target_set_file(struct target_set *set, const struct address *owner, enum target_kind kind,
                     const char *text, const struct address *address)
{
    struct buffer name = {0};
    buffer_format(&name, "%s %s", kind == TARGET_FILE ? "file" : "command", text);
    add(set, owner, buffer_text(&name),
        (struct target){.kind = kind,
                        .address = address_copy(address),
                        .text = memory_copy(text, strlen(text)),
                        .aliased = true});
    buffer_free(&name);
}

void target_set_close(struct target_set *set)
{
    names_free(&set->found);
}

void targets_free(struct targets *targets)
{
    for (size_t i = 0; i < targets->count; i++) {
        address_free(&targets->items[i].address);
        address_free(&targets->items[i].owner);
        free(targets->items[i].text);
    }
    free(targets->items);
    *targets = (struct targets){0};
}
