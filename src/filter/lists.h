/*
 * Who is let in or kept out by name: the lists of [filter] with what their files hold. Read by the
 * parent of the sessions, and anew when a file has changed.
 */
#ifndef FILTER_LISTS_H
#define FILTER_LISTS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/outcome.h"
#include "config/settings.h"

struct lists;

/*
 * Reads all files. EX_CONFIG, "path:line: what": one cannot be read, or has an item that is none; a
 * list half read would let in whom it was to keep out.
 */
struct outcome lists_load(const struct filtering *filter, struct lists **lists);
/* Whether one of the files is another than it was when this was asked, or the lists were read. */
bool lists_have_changed(struct lists *lists);
/* Tells the log which files this process could not read anew after a change. */
void lists_look_at_files(const struct lists *lists);
/* NULL is fine. */
void lists_free(struct lists *lists);

enum listed { UNLISTED, LIST_ALLOWS, LIST_BLOCKS };

/* An allowing list wins. */
enum listed lists_client(const struct lists *lists, const struct sockaddr *address);
/* *item: what it was that fitted; it belongs to the lists. */
enum listed lists_helo(const struct lists *lists, const char *name, const char **item);
/* "user@domain", "" for the null path, which no list has. */
enum listed lists_sender(const struct lists *lists, const char *address, const char **item);

#endif
