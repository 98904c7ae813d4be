/* Part of postrider setup: its questions, asked again until the answer can be used. */
#ifndef SENDMAIL_SETUP_ASK_H
#define SENDMAIL_SETUP_ASK_H

#include <stdbool.h>

#include "base/outcome.h"
#include "config/provider.h"

/* Whether an answer can be used; else *why says what is wrong, in static words. */
typedef bool ask_check(const char *text, const char **why);

ask_check ask_is_anything, ask_may_be_empty, ask_is_host, ask_is_port, ask_is_domain, ask_is_label,
    ask_is_senders, ask_is_address_or_empty;

/* initial: what an empty answer means; NULL: nothing. The caller frees *answer. */
struct outcome ask_text(const char *question, const char *initial, ask_check *check, char **answer);
/* A numbered list; now: what an empty answer means, NULL with other set: another one. *provider is
 * NULL for another one. */
struct outcome ask_provider(const struct provider *now, bool other,
                            const struct provider **provider);

#endif
