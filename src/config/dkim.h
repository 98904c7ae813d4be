/* How the settings of a signing domain must fit together, and which one is for which author. */
#ifndef CONFIG_DKIM_H
#define CONFIG_DKIM_H

#include "config/reader.h"
#include "config/settings.h"

/* Looks at one [dkim] as a whole; place is the line of its section. EX_CONFIG. */
struct outcome dkim_check(const struct dkim *dkim, const struct entry *place);
void dkim_free(struct dkim *dkim);
/*
 * The section for mail by authors at this domain: the one of its name, else the nearest "*." above
 * it. NULL: such mail is not signed.
 */
const struct dkim *dkim_find(const struct settings *settings, const char *domain);
/* The section that signs in the name of this domain, for whomever; NULL: none. */
const struct dkim *dkim_find_signing(const struct settings *settings, const char *domain);

#endif
