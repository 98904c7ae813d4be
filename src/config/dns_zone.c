/* See dns_zone.h. */
#include "config/dns_zone.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "mail/domain.h"

enum { MOST_WEIGHT = 1000 };

/* "4" or "4-7", up to the end. */
static bool parse_byte(char *text, unsigned char *low, unsigned char *high)
{
    uint64_t first, last;
    char *dash = strchr(text, '-');
    if (dash)
        *dash = '\0';
    if (!text_to_number(text, 0, 255, &first) ||
        !text_to_number(dash ? dash + 1 : text, first, 255, &last))
        return false;
    *low = (unsigned char)first;
    *high = (unsigned char)last;
    return true;
}

static bool parse_mask(char *text, struct dns_mask *mask)
{
    size_t count = 0;
    char *part;
    for (; (part = strsep(&text, ".")); count++)
        if (count == 4 || !parse_byte(part, &mask->low[count], &mask->high[count]))
            return false;
    return count == 4 && mask->low[0] == 127 && mask->high[0] == 127;
}

static bool parse_masks(char *text, struct dns_zone *zone, const char **why)
{
    char *part;
    while ((part = strsep(&text, "|"))) {
        *why = "too many masks";
        if (zone->mask_count == DNS_ZONE_MASKS_MOST)
            return false;
        *why = "a mask is an address of 127/8, such as 127.0.0.2 or 127.0.0.4-7, and '|' stands "
               "between two";
        if (!parse_mask(part, &zone->masks[zone->mask_count++]))
            return false;
    }
    return true;
}

static bool parse_name(const char *text, struct dns_zone *zone, const char **why)
{
    *why = "the name is too long";
    if (strlen(text) > DNS_ZONE_NAME_LONGEST)
        return false;
    return domain_parse(text, strlen(text), &zone->name, why) &&
           strlen(zone->name) <= DNS_ZONE_NAME_LONGEST;
}

bool dns_zone_parse(const char *text, struct dns_zone *zone, const char **why)
{
    *zone = (struct dns_zone){0};
    char *copy = memory_copy(text, strlen(text));
    char *weight = strrchr(copy, '*'), *masks;
    uint64_t number = 0;
    if (weight)
        *weight++ = '\0';
    masks = strchr(copy, '=');
    if (masks)
        *masks++ = '\0';
    *why = "behind the '*' a weight from 1 to 1000 is wanted";
    bool good = (!weight || text_to_number(weight, 1, MOST_WEIGHT, &number)) &&
                (!masks || parse_masks(masks, zone, why)) && parse_name(copy, zone, why);
    zone->weight = (unsigned)number;
    free(copy);
    if (!good)
        dns_zone_free(zone);
    return good;
}

void dns_zone_free(struct dns_zone *zone)
{
    free(zone->name);
    *zone = (struct dns_zone){0};
}

static bool fits(const struct dns_mask *mask, const unsigned char answer[4])
{
    bool fits = true;
    for (size_t i = 0; i < 4; i++)
        fits = fits && answer[i] >= mask->low[i] && answer[i] <= mask->high[i];
    return fits;
}

bool dns_zone_lists(const struct dns_zone *zone, const unsigned char answer[4])
{
    static const struct dns_mask all = {{127, 0, 0, 0}, {127, 255, 255, 255}};
    static const struct dns_mask odd[] = {{{127, 0, 0, 1}, {127, 0, 0, 1}},
                                          {{127, 255, 255, 0}, {127, 255, 255, 255}}};
    bool found = false;
    for (size_t i = 0; i < zone->mask_count; i++)
        found = found || fits(&zone->masks[i], answer);
    return zone->mask_count
               ? found
               : fits(&all, answer) && !fits(&odd[0], answer) && !fits(&odd[1], answer);
}
