/*
 * A walk over the aliases of one file, depth first, with a stack of its own, so that no chain is
 * too long for it. Which domains are local is not known here: a name with a domain leads to a key
 * with that domain only. What expand.c finds beyond that is found at delivery.
 */
#include "route/alias_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/command.h"
#include "route/alias_target.h"
#include "route/alias_text.h"
#include "route/chain.h"
#include "route/include.h"

enum { NO_NODE = -1 };

/* An alias or a list; those of the table come first, with the same places. */
struct node {
    enum { FRESH, OPEN, FINISHED } state;
    const char *name; /* for words; belongs to names of the table or of the walk */
};

struct step {
    size_t node;
    size_t alias; /* the alias that this step belongs to: of a list, that which names it */
    struct texts targets;
    size_t next;
};

struct walk {
    const struct alias_table *table;
    const char *path;
    const struct settings *settings;
    struct texts *warnings;
    struct names lists; /* identities of files, behind the keys of the table */
    struct names paths; /* and what they were called */
    struct node *nodes;
    size_t node_capacity;
    struct step *steps;
    size_t count, capacity;
};

static struct outcome fault(const struct walk *walk, size_t alias, const char *why)
{
    return alias_fault(walk->path, walk->table->entries[alias].line, why);
}

static void push(struct walk *walk, size_t node, size_t alias, struct texts targets)
{
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity ? walk->capacity * 2 : 64;
        walk->steps = memory_resize(walk->steps, walk->capacity * sizeof *walk->steps);
    }
    walk->nodes[node].state = OPEN;
    walk->steps[walk->count++] = (struct step){.node = node, .alias = alias, .targets = targets};
}

static void pop(struct walk *walk)
{
    struct step *step = &walk->steps[--walk->count];
    walk->nodes[step->node].state = FINISHED;
    texts_free(&step->targets);
}

static struct outcome circle(const struct walk *walk, size_t node)
{
    size_t begin = 0;
    while (walk->steps[begin].node != node)
        begin++;
    size_t count = walk->count - begin + 1;
    const char **names = memory_get(count * sizeof *names);
    for (size_t i = 0; i + 1 < count; i++)
        names[i] = walk->nodes[walk->steps[begin + i].node].name;
    names[count - 1] = walk->nodes[node].name;
    struct buffer why = {0};
    buffer_append_text(&why, "the aliases run in a circle: ");
    chain_format(names, count, &why);
    struct outcome outcome = fault(walk, walk->steps[begin].alias, buffer_text(&why));
    buffer_free(&why);
    free(names);
    return outcome;
}

static struct outcome open_alias(struct walk *walk, size_t alias)
{
    struct texts targets = {0};
    if (!alias_split(walk->table->entries[alias].value, &targets))
        impossible("a value that was split before");
    push(walk, alias, alias, targets);
    return outcome_done();
}

static bool find_key(const struct walk *walk, const char *local, const char *domain, size_t *place)
{
    struct buffer key = {0};
    /* Only read; the struct has no const. */
    struct address address = {(char *)(uintptr_t)local, (char *)(uintptr_t)domain};
    alias_key_of(&address, &key);
    bool found = names_find(&walk->table->keys, buffer_text(&key), place);
    buffer_free(&key);
    return found;
}

/* The alias that an address leads to, as expand.c would look it up; NO_NODE: none. */
static ptrdiff_t find_alias(const struct walk *walk, const struct address *address)
{
    size_t place;
    if (find_key(walk, address->local, address->domain, &place))
        return (ptrdiff_t)place;
    const char *plus = strchr(address->local, '+');
    if (plus && plus != address->local) {
        char *base = memory_copy(address->local, (size_t)(plus - address->local));
        bool found = find_key(walk, base, address->domain, &place);
        free(base);
        if (found)
            return (ptrdiff_t)place;
    }
    if (address->domain && find_key(walk, NULL, address->domain, &place))
        return (ptrdiff_t)place;
    return NO_NODE;
}

/* The node of a file that was read just now. */
static size_t node_of_list(struct walk *walk, const char *identity, const char *path)
{
    bool added;
    size_t node = walk->table->keys.count + names_add(&walk->lists, identity, &added);
    if (node >= walk->node_capacity) {
        walk->node_capacity = walk->node_capacity * 2 + 64;
        walk->nodes = memory_resize(walk->nodes, walk->node_capacity * sizeof *walk->nodes);
    }
    if (added) {
        size_t place = names_add(&walk->paths, path, NULL);
        walk->nodes[node] = (struct node){.name = walk->paths.items[place]};
    }
    return node;
}

static struct outcome follow_list(struct walk *walk, const char *path, size_t alias)
{
    struct texts members = {0};
    struct buffer identity = {0};
    struct outcome outcome = include_read(walk->settings, path, &members, &identity);
    if (!outcome_good(&outcome)) {
        outcome = fault(walk, alias, outcome.reason);
    } else {
        size_t node = node_of_list(walk, buffer_text(&identity), path);
        if (walk->nodes[node].state == OPEN) {
            outcome = circle(walk, node);
        } else if (walk->nodes[node].state == FRESH) {
            push(walk, node, alias, members);
            members = (struct texts){0};
        }
    }
    texts_free(&members);
    buffer_free(&identity);
    return outcome;
}

/* The length of a user's name, without detail and domain. */
static size_t name_length(const char *key)
{
    size_t length = strcspn(key, "@+");
    return length ? length : strcspn(key, "@");
}

/* Whether the way from an open alias led by other names of one user alone (see expand.c). */
static bool is_itself(const struct walk *walk, size_t alias, const struct address *address)
{
    size_t length = name_length(address->local);
    for (size_t i = walk->count; i > 0 && walk->steps[i - 1].alias != alias; i--) {
        const char *key = walk->table->keys.items[walk->steps[i - 1].alias];
        if (name_length(key) != length || strncasecmp(key, address->local, length) != 0)
            return false;
    }
    return true;
}

static struct outcome follow_address(struct walk *walk, const struct alias_target *target)
{
    ptrdiff_t place = target->final ? NO_NODE : find_alias(walk, &target->address);
    if (place == NO_NODE || walk->nodes[place].state == FINISHED)
        return outcome_done();
    if (walk->nodes[place].state == FRESH)
        return open_alias(walk, (size_t)place);
    return is_itself(walk, (size_t)place, &target->address) ? outcome_done()
                                                            : circle(walk, (size_t)place);
}

static void warn(const struct walk *walk, size_t alias, const char *why)
{
    struct buffer line = {0};
    buffer_format(&line, "%s:%u: warning: mail for %s will be refused: %s", walk->path,
                  walk->table->entries[alias].line, walk->table->keys.items[alias], why);
    texts_add(walk->warnings, buffer_text(&line));
    buffer_free(&line);
}

/* A command that does not parse is an error; what is not allowed may become so any time. */
static struct outcome follow_file(const struct walk *walk, const struct alias_target *target,
                                  size_t alias, bool in_list)
{
    bool command = target->kind == ALIAS_COMMAND;
    const char *user = command ? walk->settings->alias_commands : walk->settings->alias_files;
    struct texts words = {0};
    const char *why;
    if (!command && strcmp(target->text, "/dev/null") == 0)
        return outcome_done();
    if (!user || !*user)
        warn(walk, alias,
             command ? "it leads to a command, and alias_commands in [mail] names no user for that"
                     : "it leads to a file, and alias_files in [mail] names no user for that");
    else if (in_list)
        warn(walk, alias,
             command ? "a list of it names a command, which only an alias itself may name"
                     : "a list of it names a file, which only an alias itself may name");
    else if (command && !command_split(target->text, &words, &why))
        return fault(walk, alias, why);
    texts_free(&words);
    return outcome_done();
}

/* The next target of the last step. */
static struct outcome follow(struct walk *walk)
{
    struct step *step = &walk->steps[walk->count - 1];
    size_t alias = step->alias;
    bool in_list = step->node >= walk->table->keys.count;
    const char *text = step->targets.items[step->next++];
    struct alias_target target;
    const char *why;
    if (!alias_target_parse(text, &target, &why)) {
        char words[256];
        /* A list may be somebody's secret, and is not quoted. */
        if (in_list)
            snprintf(words, sizeof words, "a member in %.150s: %s", walk->nodes[step->node].name,
                     why);
        else
            snprintf(words, sizeof words, "target %.100s: %s", text, why);
        return fault(walk, alias, words);
    }
    struct outcome outcome;
    if (target.kind == ALIAS_INCLUDE)
        outcome = follow_list(walk, target.text, alias);
    else if (target.kind == ALIAS_ADDRESS)
        outcome = follow_address(walk, &target);
    else
        outcome = follow_file(walk, &target, alias, in_list);
    alias_target_free(&target);
    return outcome;
}

struct outcome alias_check(const struct alias_table *table, const char *path,
                           const struct settings *settings, struct texts *warnings)
{
    struct walk walk = {.table = table,
                        .path = path,
                        .settings = settings,
                        .warnings = warnings,
                        .node_capacity = table->keys.count + 64};
    walk.nodes = memory_get(walk.node_capacity * sizeof *walk.nodes);
    for (size_t i = 0; i < table->keys.count; i++)
        walk.nodes[i].name = table->keys.items[i];
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < table->keys.count && outcome_good(&outcome); i++) {
        if (walk.nodes[i].state == FRESH)
            outcome = open_alias(&walk, i);
        while (walk.count && outcome_good(&outcome)) {
            if (walk.steps[walk.count - 1].next < walk.steps[walk.count - 1].targets.count)
                outcome = follow(&walk);
            else
                pop(&walk);
        }
    }
    while (walk.count)
        pop(&walk);
    free(walk.steps);
    free(walk.nodes);
    names_free(&walk.lists);
    names_free(&walk.paths);
    return outcome;
}
