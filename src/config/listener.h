/* How the settings of a listener must fit together, and what must not be done by mistake. */
#ifndef CONFIG_LISTENER_H
#define CONFIG_LISTENER_H

#include "config/reader.h"
#include "config/settings.h"

/* Looks at one [listen] as a whole; place is the line of its section. EX_CONFIG. */
struct outcome listener_check(const struct listener *listener, const struct entry *place);
/* The heading of its section, for words: [listen "name"]. The caller frees. */
char *listener_heading(const struct listener *listener);
void listener_free(struct listener *listener);

#endif
