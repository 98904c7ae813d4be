/*
 * Signing domains as a whole (see dkim.h). Knows names of files, and never what is in them: the
 * front door reads these settings, too, and no secret.
 */
#include "config/dkim.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* What is wrong, and what to do; NULL: nothing. */
static const char *find_fault(const struct dkim *dkim)
{
    if (dkim->selectors.count == 0 || dkim->keys.count == 0)
        return "selector and key may not be empty: give them values, or take the lines out for "
               "the defaults";
    if (dkim->selectors.count != dkim->keys.count)
        return "selector and key go in pairs: as many of the one as of the other";
    for (size_t i = 0; i < dkim->selectors.count; i++)
        for (size_t k = 0; k < i; k++)
            if (text_equal(dkim->selectors.items[i], dkim->selectors.items[k]))
                return "a selector stands for one key alone, and here it stands twice";
    return NULL;
}

struct outcome dkim_check(const struct dkim *dkim, const struct entry *place)
{
    const char *fault = find_fault(dkim);
    return fault ? reader_fault(place, "[dkim \"%s\"]: %s", dkim->pattern, fault) : outcome_done();
}

void dkim_free(struct dkim *dkim)
{
    free(dkim->pattern);
    texts_free(&dkim->selectors);
    texts_free(&dkim->keys);
}

const struct dkim *dkim_find(const struct settings *settings, const char *domain)
{
    const struct dkim *best = NULL;
    for (size_t i = 0; i < settings->dkim_count; i++) {
        const struct dkim *dkim = &settings->dkims[i];
        if (text_equal(dkim->pattern, domain))
            return dkim;
        /* The longest one is the nearest. */
        if (strchr(dkim->pattern, '*') && text_match(dkim->pattern, domain) &&
            (!best || strlen(dkim->pattern) > strlen(best->pattern)))
            best = dkim;
    }
    return best;
}

const struct dkim *dkim_find_signing(const struct settings *settings, const char *domain)
{
    const struct dkim *found = NULL;
    for (size_t i = 0; i < settings->dkim_count; i++) {
        const struct dkim *dkim = &settings->dkims[i];
        if (text_equal(dkim->domain, domain) && (!found || strchr(found->pattern, '*')))
            found = dkim;
    }
    return found;
}
