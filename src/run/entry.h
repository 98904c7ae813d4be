/* A message as it is delivered on this machine. */
#ifndef RUN_ENTRY_H
#define RUN_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "queue/letter.h"

/*
 * Puts the message for one of its recipients: X-Postrider-Id, Return-Path and Delivered-To, then
 * the message without a Return-Path of its own. is_entry: as an entry of an mbox. The same bytes
 * each time; false when the message cannot be read or put, errno in output->error.
 */
bool entry_put(struct output *output, const struct letter *letter, size_t index, bool is_entry);

#endif
