/*
 * A list in the DNS (RFC 5782) as an item of a setting: "ZONE", "ZONE=MASK|MASK", "ZONE*WEIGHT",
 * "ZONE=MASK*WEIGHT". A mask is an address of 127/8, with ranges such as "127.0.0.4-7" or
 * "127.0.0-255.2" where all of them count. Asks nobody.
 */
#ifndef CONFIG_DNS_ZONE_H
#define CONFIG_DNS_ZONE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    DNS_ZONES_MOST = 32,        /* in one setting */
    DNS_ZONE_MASKS_MOST = 16,   /* of one item */
    DNS_ZONE_NAME_LONGEST = 180 /* bytes; an IPv6 address has to fit before it */
};

struct dns_mask {
    unsigned char low[4], high[4]; /* byte by byte */
};

struct dns_zone {
    char *name; /* in lower-case A-labels; owned */
    struct dns_mask masks[DNS_ZONE_MASKS_MOST];
    size_t mask_count; /* 0: the usual, see dns_zone_lists */
    unsigned weight;   /* 0: none is named */
};

/* False: *why says what is wrong, in static words; nothing is to be freed then. */
bool dns_zone_parse(const char *text, struct dns_zone *zone, const char **why);
void dns_zone_free(struct dns_zone *zone);
/*
 * Whether such an answer counts. Without masks that is all of 127/8, except what lists answer to
 * those who may not ask them: 127.0.0.1, and 127.255.255.0/24.
 */
bool dns_zone_lists(const struct dns_zone *zone, const unsigned char answer[4]);

#endif
