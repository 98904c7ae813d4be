/*
 * The secrets of credentials.conf, by smarthost section: password or password_file. Linked into
 * programs that speak to the network only.
 */
#ifndef CONFIG_CREDENTIALS_H
#define CONFIG_CREDENTIALS_H

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/settings.h"

/*
 * The password or token for a smarthost, from password_command, else from the section of the same
 * name in the file at path: its password, or the first line of its password_file (up to 8 KB; a
 * relative path counts from the folder of the file at path). A file that group or others can touch
 * is refused, and so is one that belongs neither to the present user nor to root. The command is
 * run without a shell (command.h), for 30 seconds at the most, and prints exactly one line. The
 * line end is cut; white space around a password in the file itself does not count. The buffer is
 * overwritten; the caller wipes it. LATER (4.7.0 or 4.3.5) with the reason; never the secret in it.
 */
struct outcome credentials_find(const struct smarthost *smarthost, const char *path,
                                struct buffer *secret);
/* The file that holds a password of credentials.conf: that at path itself, or the one that it names
 * with password_file for this smarthost; the caller frees. */
char *credentials_file(const struct smarthost *smarthost, const char *path);

#endif
