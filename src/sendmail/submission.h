/* A message from standard input into the queue, and then on its way. */
#ifndef SENDMAIL_SUBMISSION_H
#define SENDMAIL_SUBMISSION_H

#include "base/outcome.h"
#include "sendmail/office.h"
#include "sendmail/options.h"

/*
 * Done when the message is on stable storage, whatever the network does after that. Else nothing
 * is left behind: EX_USAGE (no recipients on the command line), EX_NOINPUT (none in the header
 * that -t asked to look at), EX_DATAERR (a bad address or message), EX_IOERR (standard input), or
 * what draft_commit says. The office's queue gets opened.
 */
struct outcome submission_run(struct office *office, const struct options *options);

#endif
