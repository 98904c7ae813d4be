/* A hash table with open addressing, at most half full; FNV-1a from a random seed. */
#include "route/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum { FIRST_SLOTS = 64 };

static uint64_t hash(const struct names *names, const char *name)
{
    uint64_t value = names->seed;
    for (; *name; name++)
        value = (value ^ (unsigned char)*name) * 0x100000001B3u;
    return value ^ value >> 29;
}

/* The slot that has the name, or the empty one where it would go. */
static size_t find_slot(const struct names *names, const char *name)
{
    size_t slot = hash(names, name) & (names->slot_count - 1);
    while (names->slots[slot] && strcmp(names->items[names->slots[slot] - 1], name) != 0)
        slot = (slot + 1) & (names->slot_count - 1);
    return slot;
}

static void grow(struct names *names)
{
    if (!names->slot_count)
        names->seed = 0xCBF29CE484222325u ^ ((uint64_t)clock_random(UINT32_MAX) << 16);
    names->slot_count = names->slot_count ? names->slot_count * 2 : FIRST_SLOTS;
    free(names->slots);
    names->slots = memory_get(names->slot_count * sizeof *names->slots);
    for (size_t i = 0; i < names->count; i++)
        names->slots[find_slot(names, names->items[i])] = i + 1;
}

size_t names_add(struct names *names, const char *name, bool *added)
{
    if (names->count * 2 >= names->slot_count)
        grow(names);
    size_t slot = find_slot(names, name);
    bool is_new = names->slots[slot] == 0;
    if (is_new) {
        if (names->count == names->capacity) {
            names->capacity = names->capacity ? names->capacity * 2 : FIRST_SLOTS;
            names->items = memory_resize(names->items, names->capacity * sizeof *names->items);
        }
        names->items[names->count++] = memory_copy(name, strlen(name));
        names->slots[slot] = names->count;
    }
    if (added)
        *added = is_new;
    return names->slots[slot] - 1;
}

bool names_find(const struct names *names, const char *name, size_t *place)
{
    if (!names->count)
        return false;
    size_t slot = find_slot(names, name);
    if (!names->slots[slot])
        return false;
    *place = names->slots[slot] - 1;
    return true;
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    free(names->slots);
    *names = (struct names){0};
}
