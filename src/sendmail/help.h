/* What the commands are, in short: all of them, or one with its forms and an example. */
#ifndef SENDMAIL_HELP_H
#define SENDMAIL_HELP_H

#include "sendmail/verbs.h"

/* A line for each command, in groups. */
void help_print_all(void);
/* One, or a name of the program: each form with a sentence, and an example. */
void help_print(const struct verb *verb);

#endif
