/* The next hops of this run: made when the first recipient needs them, kept until its end. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "run/run.h"

enum { COMMANDS_AT_ONCE = 4 };

void hops_way(const struct run *run, const struct letter *letter, size_t index,
              struct next_hop *next)
{
    const struct letter_recipient *recipient = &letter->recipients[index];
    if (letter_ends_here(recipient))
        *next = (struct next_hop){.way = WAY_LOCAL};
    else
        route_find(&run->settings, &recipient->address, letter_sender(letter, index),
                   letter->released, next);
}

static bool is_hop(const struct hop *hop, const struct next_hop *next)
{
    return hop->next.peer == next->peer && hop->next.way == next->way &&
           (next->way != WAY_MX || text_equal(hop->domain, next->domain));
}

static void keep(struct run *run, struct hop *hop)
{
    run->hops = memory_resize(run->hops, (run->hop_count + 1) * sizeof *run->hops);
    run->hops[run->hop_count++] = hop;
}

static struct hop *add(struct run *run, const struct next_hop *next)
{
    struct hop *hop = memory_get(sizeof *hop);
    *hop = (struct hop){.next = *next};
    if (next->way == WAY_MX)
        hop->domain = memory_copy(next->domain, strlen(next->domain));
    hop->next.domain = hop->domain;
    struct buffer name = {0};
    next_hop_name(next, &name);
    hop->name = buffer_take(&name);
    hop_forgive(&run->queue, hop->name, run->changed);
    hop_read(&run->queue, hop->name, &hop->state);
    keep(run, hop);
    return hop;
}

static struct hop *find_commands(struct run *run)
{
    static const char name[] = "commands of aliases";
    static const struct smarthost peer = {.connections = COMMANDS_AT_ONCE};
    for (size_t i = 0; i < run->hop_count; i++)
        if (run->hops[i]->commands)
            return run->hops[i];
    struct hop *hop = memory_get(sizeof *hop);
    *hop = (struct hop){.name = memory_copy(name, strlen(name)),
                        .commands = true,
                        .next = {.way = WAY_LOCAL, .peer = &peer}};
    keep(run, hop);
    return hop;
}

struct hop *hops_find(struct run *run, const struct letter *letter, size_t index)
{
    if (letter->recipients[index].kind == LETTER_TO_COMMAND)
        return find_commands(run);
    struct next_hop next;
    hops_way(run, letter, index, &next);
    if (!next.peer)
        return NULL;
    for (size_t i = 0; i < run->hop_count; i++)
        if (is_hop(run->hops[i], &next))
            return run->hops[i];
    return add(run, &next);
}

void hops_free(struct run *run)
{
    for (size_t i = 0; i < run->hop_count; i++) {
        free(run->hops[i]->name);
        free(run->hops[i]->domain);
        list_free(&run->hops[i]->waiting);
        free(run->hops[i]);
    }
    free(run->hops);
}
