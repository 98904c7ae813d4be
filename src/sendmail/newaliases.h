/* The databases of the alias files, made anew. */
#ifndef SENDMAIL_NEWALIASES_H
#define SENDMAIL_NEWALIASES_H

#include "base/outcome.h"
#include "sendmail/office.h"

/*
 * Builds every file of the settings and prints how many aliases each has. Goes on behind a file
 * with an error, whose database stays as it was; the outcome names every such file.
 */
struct outcome newaliases_run(const struct office *office);

#endif
