/* The databases of the alias files, made anew. */
#ifndef SENDMAIL_NEWALIASES_H
#define SENDMAIL_NEWALIASES_H

#include "base/outcome.h"
#include "sendmail/office.h"

/*
 * Builds every file of the settings and prints how many aliases each has. Goes on behind a file
 * with an error, whose database stays as it was; the outcome is the last such error, and the ones
 * before it are reported.
 */
struct outcome newaliases_run(const struct office *office,
                              void (*report)(const struct outcome *failure));

#endif
