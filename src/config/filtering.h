/* The kinds of values that [filter] has, and how they fit together. */
#ifndef CONFIG_FILTERING_H
#define CONFIG_FILTERING_H

#include "base/outcome.h"
#include "config/settings.h"
#include "config/values.h"

/* As the functions of values.h. Lists with senders, names of hosts, ranges of addresses, or
 * "file:/path" of files with such items. */
struct outcome filtering_set_list_senders(const struct setting *setting, const char *text);
struct outcome filtering_set_list_helo(const struct setting *setting, const char *text);
struct outcome filtering_set_list_networks(const struct setting *setting, const char *text);
/* A name as clients give it with HELO, or a pattern with '*'. False: *why says what is wrong. */
bool filtering_parse_helo(const char *text, struct buffer *name, const char **why);
/* An address, or nothing. */
struct outcome filtering_set_contact(const struct setting *setting, const char *text);
/* Lists in the DNS, see config/dns_zone.h; those that allow have no weight. */
struct outcome filtering_set_dnsbl(const struct setting *setting, const char *text);
struct outcome filtering_set_dnswl(const struct setting *setting, const char *text);
/* "unix:/path", "inet:host:port". */
struct outcome filtering_set_milters(const struct setting *setting, const char *text);
struct outcome filtering_set_milter_default(const struct setting *setting, const char *text);
struct outcome filtering_set_spf(const struct setting *setting, const char *text);

/* Whether anything at all is asked of the filter. */
bool filtering_is_empty(const struct filtering *filter);
/* Whether questions to the DNS, or connections over the network, are among it. */
bool filtering_needs_internet(const struct filtering *filter);
/* Whether sessions share what they know, in the folder filter/ of the queue. */
bool filtering_shares(const struct filtering *filter);
/* How the keys fit together. EX_CONFIG; path: of the settings, for the words. */
struct outcome filtering_check(const struct filtering *filter, const char *path);
/* The path of an item "file:/path"; NULL: it is no such item. */
const char *filtering_file(const char *item);
void filtering_free(struct filtering *filter);

#endif
