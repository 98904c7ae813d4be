/* One target of an alias, as written: an address, ":include:/file", "/file" or "|command". Pure. */
#ifndef ROUTE_ALIAS_TARGET_H
#define ROUTE_ALIAS_TARGET_H

#include <stdbool.h>

#include "mail/address.h"

enum alias_kind { ALIAS_ADDRESS, ALIAS_INCLUDE, ALIAS_FILE, ALIAS_COMMAND };

struct alias_target {
    enum alias_kind kind;
    bool final;             /* ADDRESS written with a '\' before it: not looked up once more */
    struct address address; /* ADDRESS */
    char *text;             /* the path, or the command without its '|' */
};

/*
 * "\joe", "joe", "Joe <joe@example.org>", ":include:/file", "/file", "|command"; those that hold
 * commas or blanks within double quotes. False: *why in static words. The caller frees.
 */
bool alias_target_parse(const char *text, struct alias_target *target, const char **why);
void alias_target_free(struct alias_target *target);

#endif
