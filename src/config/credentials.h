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
 * name in the file at path. A file that group or others can read is refused. Trailing line end
 * cut, exactly one line. The caller wipes the buffer. LATER (4.7.0 or 4.3.5) with the reason; never
 * the secret in it.
 */
struct outcome credentials_find(const struct smarthost *smarthost, const char *path,
                                struct buffer *secret);

#endif
