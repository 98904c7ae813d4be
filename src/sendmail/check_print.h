/* Part of postrider check: how findings are shown. */
#ifndef SENDMAIL_CHECK_PRINT_H
#define SENDMAIL_CHECK_PRINT_H

#include <stdbool.h>

#include "check/finding.h"

/* What the environment says about the terminal; to be asked before the environment goes. */
struct check_manners {
    bool terminal, utf8;
};

struct check_manners check_manners(void);
/* Findings on one topic stand together, topics in the order in which they came. */
void check_print_people(const struct findings *findings, const struct check_manners *manners);
void check_print_json(const struct findings *findings);
/* The members of that object, "findings" and "worst", behind the buffer. */
void check_put_json(const struct findings *findings, struct buffer *json);

#endif
