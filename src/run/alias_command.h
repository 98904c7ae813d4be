/* Commands that aliases name. */
#ifndef RUN_ALIAS_COMMAND_H
#define RUN_ALIAS_COMMAND_H

#include "base/buffer.h"
#include "base/outcome.h"
#include "queue/letter.h"
#include "queue/list.h"
#include "run/run.h"

/*
 * What a command's exit status (sysexits.h, as Postfix takes them) and its output mean: EX_OSERR,
 * EX_CANTCREAT, EX_IOERR and EX_TEMPFAIL LATER, others but 0 NEVER. The reason, which may be longer
 * than an outcome's, goes behind the buffer; program: its path. Pure.
 */
struct outcome alias_command_outcome(const char *program, int status, const char *output,
                                     struct buffer *reason);

/* Runs the commands that these messages wait for, in a process of its own; an exit status. */
int alias_command_work(struct run *run, const struct list *letters);

#endif
