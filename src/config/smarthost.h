/* How the settings of smarthosts must fit together, and which one is for which sender. */
#ifndef CONFIG_SMARTHOST_H
#define CONFIG_SMARTHOST_H

#include "config/reader.h"
#include "config/settings.h"

/* Looks at one smarthost as a whole; place is the line of its section. EX_CONFIG. */
struct outcome smarthost_check(const struct smarthost *smarthost, const struct entry *place);
/* No sender may be named by two smarthosts; place is the line of the last section. EX_CONFIG. */
struct outcome smarthost_check_senders(const struct settings *settings, const struct entry *place);
/* Whether whoever sends by it signs in. */
bool smarthost_signs_in(const struct smarthost *smarthost);
/* Whether all its hosts are on loopback. */
bool smarthost_is_near(const struct smarthost *smarthost);
/* The heading of its section, for words: [smarthost "name"]. The caller frees. */
char *smarthost_heading(const struct smarthost *smarthost);

#endif
