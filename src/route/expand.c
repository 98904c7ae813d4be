/*
 * The expansion of a recipient (see expand.h): a walk over aliases and lists, depth first, with a
 * stack of its own. Each alias is opened once however often it is named, so that the work grows
 * with the number of targets written, not with the number of ways to them.
 */
#include "route/expand.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "config/command.h"
#include "route/alias_target.h"
#include "route/alias_text.h"
#include "route/chain.h"
#include "route/include.h"
#include "route/lookup.h"
#include "route/names.h"
#include "route/route.h"
#include "route/targets.h"

enum { DEEPEST = 1000, TEXT_LONGEST = 4096 /* bytes of a path or a command */ };

static const char owner_prefix[] = "owner-";
static const size_t no_place = SIZE_MAX;

/* An alias or a list whose targets are being followed. */
struct step {
    size_t place;           /* in walk.opened */
    size_t alias;           /* that of the alias that it is or that names it */
    char *name;             /* for words: the key, or the path of the list */
    struct address address; /* that which led here */
    struct address owner;   /* who is to hear of failures below; null: the sender */
    bool is_list;
    struct texts targets;
    size_t next;
};

struct walk {
    const struct expander *expander;
    struct target_set set;
    struct names opened; /* keys of aliases and identities of lists */
    bool *open;          /* by their places: still on the stack */
    size_t open_capacity;
    struct step *steps;
    size_t count, capacity;
    size_t placed; /* the alias that .place is about; no_place: none */
    struct buffer place;
};

/* How an address was come by. */
struct origin {
    bool aliased;  /* it is not the recipient itself */
    bool final;    /* no alias is asked */
    bool fallback; /* postmaster or root, because nothing else was said */
};

enum finding {
    MISSED, /* there is no such key */
    ITSELF, /* it is the alias that we are in: on behind it */
    TAKEN   /* it has been dealt with */
};

static const struct address *find_owner(const struct walk *walk)
{
    static const struct address nobody;
    return walk->count ? &walk->steps[walk->count - 1].owner : &nobody;
}

static void add_error(struct walk *walk, const struct address *address, struct outcome outcome,
                      bool aliased)
{
    target_set_error(&walk->set, find_owner(walk), address, outcome, aliased);
}

static struct outcome circle(const struct walk *walk, size_t place, const char *name)
{
    size_t begin = 0;
    while (walk->steps[begin].place != place)
        begin++;
    size_t count = walk->count - begin + 1;
    const char **names = memory_get(count * sizeof *names);
    for (size_t i = 0; i + 1 < count; i++)
        names[i] = walk->steps[begin + i].name;
    names[count - 1] = name;
    struct buffer chain = {0};
    chain_format(names, count, &chain);
    struct outcome outcome =
        outcome_never("5.4.6", "the aliases run in a circle: %s", buffer_text(&chain));
    buffer_free(&chain);
    free(names);
    return outcome;
}

/* Opens an alias or a list that was not there before; takes over name and targets. */
static void push(struct walk *walk, struct step step)
{
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity ? walk->capacity * 2 : 16;
        walk->steps = memory_resize(walk->steps, walk->capacity * sizeof *walk->steps);
    }
    if (step.place >= walk->open_capacity) {
        walk->open_capacity = walk->opened.capacity;
        walk->open = memory_resize(walk->open, walk->open_capacity * sizeof *walk->open);
    }
    const struct expansion_watch *watch = walk->expander->watch;
    if (watch)
        watch->opened(watch->context, walk->count, step.name, step.is_list, &step.targets);
    walk->open[step.place] = true;
    walk->steps[walk->count++] = step;
}

static void pop(struct walk *walk)
{
    struct step *step = &walk->steps[--walk->count];
    walk->open[step->place] = false;
    free(step->name);
    address_free(&step->address);
    address_free(&step->owner);
    texts_free(&step->targets);
}

/* Whether two local addresses are one user's, details and domains apart. */
static bool is_same_user(const struct walk *walk, const struct address *one,
                         const struct address *other)
{
    if (!route_is_local(walk->expander->settings, one->domain) ||
        !route_is_local(walk->expander->settings, other->domain))
        return false;
    char *bases[] = {lookup_base(one->local), lookup_base(other->local)};
    bool same = text_equal(bases[0] ? bases[0] : one->local, bases[1] ? bases[1] : other->local);
    free(bases[0]);
    free(bases[1]);
    return same;
}

/*
 * Whether an address that leads to an open alias stands in that alias, or came from it by nothing
 * but other names of its own user, as with "joe@domain: joe" and "joe: joe@domain".
 */
static bool is_itself(const struct walk *walk, size_t place, const struct address *address)
{
    for (size_t i = walk->count; i > 0; i--) {
        const struct step *step = &walk->steps[i - 1];
        if (step->place == place)
            return true;
        if (!step->is_list && !is_same_user(walk, &step->address, address))
            return false;
    }
    return false;
}

/* A key that was met before: done with, the alias that we are in, or a circle. */
static enum finding meet_again(struct walk *walk, size_t place, const char *key,
                               const struct address *address, const struct origin *origin)
{
    if (!walk->open[place])
        return TAKEN;
    if (origin->fallback || is_itself(walk, place, address))
        return ITSELF;
    add_error(walk, address, circle(walk, place, key), origin->aliased);
    return TAKEN;
}

static bool is_owner_name(const char *key)
{
    return text_starts(key, owner_prefix);
}

/*
 * The owner of an alias, or of the one that led to it. An owner's own failures go to the sender of
 * what failed: an alias that begins with owner- has no owner.
 */
static struct outcome look_up_owner(const struct walk *walk, const char *key, struct address *owner)
{
    *owner = (struct address){0};
    struct outcome outcome = outcome_done();
    if (is_owner_name(key))
        return outcome;
    struct address found = {0};
    const char *why;
    bool exists = false;
    struct buffer name = {0};
    struct texts targets = {0};
    buffer_format(&name, "%s%s", owner_prefix, key);
    if (*key != '@' && *key != '"' && address_parse(buffer_text(&name), &found, &why))
        outcome = aliases_find(walk->expander->aliases, buffer_text(&name), &targets, &exists);
    if (exists)
        address_qualify(&found, walk->expander->settings->domain);
    *owner = address_copy(exists ? &found : find_owner(walk));
    address_free(&found);
    texts_free(&targets);
    buffer_free(&name);
    return outcome;
}

/* Looks one key up, and opens its alias. */
static enum finding try_key(struct walk *walk, const char *key, const struct address *address,
                            const struct origin *origin)
{
    size_t place;
    if (!walk->expander->aliases)
        return MISSED;
    if (names_find(&walk->opened, key, &place))
        return meet_again(walk, place, key, address, origin);
    struct texts targets = {0};
    struct address owner = {0};
    bool found;
    struct outcome outcome = aliases_find(walk->expander->aliases, key, &targets, &found);
    if (outcome_good(&outcome) && found && walk->count >= DEEPEST)
        outcome = outcome_never("5.4.6", "the aliases lead through more than %d others", DEEPEST);
    if (outcome_good(&outcome) && found)
        outcome = look_up_owner(walk, key, &owner);
    if (!outcome_good(&outcome))
        add_error(walk, address, outcome, origin->aliased);
    if (!outcome_good(&outcome) || !found) {
        texts_free(&targets);
        address_free(&owner);
        return outcome_good(&outcome) ? MISSED : TAKEN;
    }
    place = names_add(&walk->opened, key, NULL);
    push(walk, (struct step){.place = place,
                             .alias = place,
                             .name = memory_copy(key, strlen(key)),
                             .address = address_copy(address),
                             .owner = owner,
                             .targets = targets});
    return TAKEN;
}

/* The keys of an address with its domain, or without, until one is there. */
static enum finding try_keys(struct walk *walk, const struct address *address, bool with_domain,
                             const struct origin *origin)
{
    enum finding finding = MISSED;
    struct texts keys = {0};
    lookup_keys(address, with_domain, &keys);
    for (size_t i = 0; i < keys.count && finding == MISSED; i++)
        finding = try_key(walk, keys.items[i], address, origin);
    texts_free(&keys);
    return finding;
}

static void resolve(struct walk *walk, const struct address *address, const struct origin *origin);

/* Where mail for a name goes that must always lead somewhere; false: it is no such name. */
static bool try_fallback(struct walk *walk, const char *name)
{
    const char *other = lookup_fallback(name);
    if (!other)
        return false;
    struct address address = {.local = (char *)(uintptr_t)other}; /* only read */
    struct origin origin = {.aliased = true, .fallback = true};
    resolve(walk, &address, &origin);
    return true;
}

static void resolve_mailbox(struct walk *walk, const struct address *address,
                            const struct origin *origin)
{
    char *user;
    struct outcome outcome = lookup_user(walk->expander, address->local, &user);
    if (outcome_good(&outcome)) {
        target_set_mailbox(&walk->set, find_owner(walk), user, origin->aliased);
        return;
    }
    char *base = lookup_base(address->local);
    if (outcome.result == LATER || !try_fallback(walk, base ? base : address->local))
        add_error(walk, address, outcome, origin->aliased);
    free(base);
}

/* One address: its targets are added, or the alias that it leads to is opened. */
static void resolve(struct walk *walk, const struct address *address, const struct origin *origin)
{
    if (address_is_null(address)) {
        add_error(walk, address, outcome_never("5.1.3", "an empty address goes nowhere"),
                  origin->aliased);
        return;
    }
    bool local = route_is_local(walk->expander->settings, address->domain);
    bool taken = false;
    if (address->domain && !origin->final)
        taken = try_keys(walk, address, true, origin) == TAKEN;
    if (!taken && local && !origin->final)
        taken = try_keys(walk, address, false, origin) == TAKEN;
    if (!taken && local)
        resolve_mailbox(walk, address, origin);
    else if (!taken)
        target_set_remote(&walk->set, find_owner(walk), address, origin->aliased);
}

/* Words about an alias begin with where it stands. To know that takes a look at the whole text. */
static struct outcome later_at(struct walk *walk, size_t alias, const char *why)
{
    if (walk->placed != alias) {
        buffer_clear(&walk->place);
        aliases_place(walk->expander->aliases, walk->opened.items[alias], &walk->place);
        walk->placed = alias;
    }
    return outcome_later("4.3.5", "%s: %s", buffer_text(&walk->place), why);
}

static void open_list(struct walk *walk, const char *path, size_t alias,
                      const struct address *address)
{
    struct texts members = {0};
    struct buffer identity = {0};
    if (walk->expander->lists_closed)
        return;
    buffer_append_byte(&identity, '\001'); /* no key of an alias begins so */
    struct outcome outcome = include_read(walk->expander->settings, path, &members, &identity);
    if (!outcome_good(&outcome))
        outcome = later_at(walk, alias, outcome.reason);
    else if (walk->count >= DEEPEST)
        outcome = outcome_never("5.4.6", "the aliases lead through more than %d others", DEEPEST);
    bool added = false;
    size_t place = no_place;
    if (outcome_good(&outcome))
        place = names_add(&walk->opened, buffer_text(&identity), &added);
    if (outcome_good(&outcome) && !added && walk->open[place])
        outcome = circle(walk, place, path);
    if (!outcome_good(&outcome)) {
        add_error(walk, address, outcome, true);
    } else if (added) {
        push(walk, (struct step){.place = place,
                                 .alias = alias,
                                 .is_list = true,
                                 .name = memory_copy(path, strlen(path)),
                                 .address = address_copy(address),
                                 .owner = address_copy(find_owner(walk)),
                                 .targets = members});
        members = (struct texts){0};
    }
    texts_free(&members);
    buffer_free(&identity);
}

/* A text that is no target. Those of a list are not quoted: it may be somebody's secret. */
static void add_unparsed(struct walk *walk, const struct step *step, const char *text,
                         const char *why)
{
    struct buffer words = {0};
    if (step->is_list)
        buffer_format(&words, "a member in %.150s: %s", step->name, why);
    else
        buffer_format(&words, "target %.100s: %s", text, why);
    add_error(walk, &step->address, later_at(walk, step->alias, buffer_text(&words)), true);
    buffer_free(&words);
}

/* Why a file or a command is no target here; DONE: it is one. */
static struct outcome check_file(struct walk *walk, const struct alias_target *target, size_t alias,
                                 bool in_list)
{
    bool command = target->kind == ALIAS_COMMAND;
    const struct settings *settings = walk->expander->settings;
    const char *user = command ? settings->alias_commands : settings->alias_files;
    const char *name = walk->opened.items[alias];
    const char *what = command ? "delivery to a command" : "delivery into a file";
    if (!command && strcmp(target->text, "/dev/null") == 0)
        return outcome_done();
    if (!user || !*user)
        return outcome_never("5.7.1", "alias %s: %s is not allowed", name, what);
    if (in_list)
        return outcome_never("5.7.1", "alias %s: %s is not allowed in an included list", name,
                             what);
    for (const char *c = target->text; *c; c++) /* a database may be somebody else's */
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 127)
            return later_at(walk, alias, "the path or command holds a control character");
    if (strlen(target->text) > TEXT_LONGEST)
        return later_at(walk, alias, "the path or command has over 4096 bytes");
    struct texts words = {0};
    const char *why;
    if (command && !command_split(target->text, &words, &why))
        return later_at(walk, alias, why);
    texts_free(&words);
    return outcome_done();
}

static void resolve_file(struct walk *walk, const struct alias_target *target, size_t alias,
                         bool in_list, const struct address *address)
{
    struct outcome outcome = check_file(walk, target, alias, in_list);
    if (outcome_good(&outcome))
        target_set_file(&walk->set, find_owner(walk),
                        target->kind == ALIAS_COMMAND ? TARGET_COMMAND : TARGET_FILE, target->text,
                        address);
    else
        add_error(walk, address, outcome, true);
}

/* The next target of the last step. */
static void follow(struct walk *walk)
{
    struct step *step = &walk->steps[walk->count - 1];
    const char *text = step->targets.items[step->next++];
    struct alias_target target;
    const char *why;
    if (!alias_target_parse(text, &target, &why)) {
        add_unparsed(walk, step, text, why);
        return;
    }
    struct origin origin = {.aliased = true, .final = target.final};
    /* The steps may move when one is added. */
    struct address address = address_copy(&step->address);
    size_t place = step->alias;
    bool is_list = step->is_list;
    switch (target.kind) {
    case ALIAS_ADDRESS:
        resolve(walk, &target.address, &origin);
        break;
    case ALIAS_INCLUDE:
        open_list(walk, target.text, place, &address);
        break;
    case ALIAS_FILE:
    case ALIAS_COMMAND:
        resolve_file(walk, &target, place, is_list, &address);
        break;
    }
    address_free(&address);
    alias_target_free(&target);
}

/* Tells of the ends that were found since there were so many, so many levels deep. */
static void tell(const struct walk *walk, size_t before, size_t depth)
{
    const struct expansion_watch *watch = walk->expander->watch;
    for (size_t i = before; watch && i < walk->set.targets->count; i++)
        watch->found(watch->context, depth, &walk->set.targets->items[i]);
}

void expand(const struct expander *expander, const struct address *recipient,
            struct targets *targets)
{
    struct walk walk = {.expander = expander, .set.targets = targets, .placed = no_place};
    struct origin origin = {0};
    size_t first = targets->count, before = first;
    resolve(&walk, recipient, &origin);
    tell(&walk, before, 0);
    while (walk.count) {
        const struct step *step = &walk.steps[walk.count - 1];
        size_t depth = walk.count;
        before = targets->count;
        if (step->next < step->targets.count)
            follow(&walk);
        else
            pop(&walk);
        tell(&walk, before, depth);
    }
    if (targets->count == first) {
        add_error(&walk, recipient, outcome_never("5.2.4", "the list has no members"), true);
        tell(&walk, first, 0);
    }
    names_free(&walk.opened);
    target_set_close(&walk.set);
    free(walk.open);
    free(walk.steps);
    buffer_free(&walk.place);
}
