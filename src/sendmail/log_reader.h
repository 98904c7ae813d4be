/*
 * Our lines in the log, read back: from log_file, the files that syslog writes, or the journal.
 * Knows how a line is made (base/log.h) and what syslog puts before it.
 */
#ifndef SENDMAIL_LOG_READER_H
#define SENDMAIL_LOG_READER_H

#include <stdbool.h>

#include "base/outcome.h"

/* One event. The parts belong to the reader, and are gone with the next one. */
struct log_line {
    const char *time; /* as it stands there */
    const char *id;
    const char *event;
    char *pairs; /* "key=value ...", to be taken apart by log_next_pair */
};

enum { LOG_SOURCES = 4 /* tried in this order until one knows of the message */ };

/*
 * Calls take for each event in the numbered source, the older of rotated files first. False: there
 * is no such source, or it may not be read.
 */
bool log_read(unsigned source, const char *log_file,
              void (*take)(void *context, struct log_line *line), void *context);
/* Cuts the next pair off, quotes undone; false when there is none. */
bool log_next_pair(char **rest, char **key, char **value);

#endif
