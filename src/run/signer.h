/*
 * Signing what goes out (DKIM, RFC 6376): mail by authors of a domain that has a [dkim] section, in
 * the form in which a next hop gets it. Whether a message is ours to sign is for others to know.
 */
#ifndef RUN_SIGNER_H
#define RUN_SIGNER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/settings.h"

/* The keys, each read when it is needed first; and which settings say when that is. */
struct signer;

/* Before a sandbox is entered. NULL: nothing is ever to be signed. The settings stay the caller's,
 * and must outlive it. */
struct signer *signer_open(const struct settings *settings);
/* NULL is fine. */
void signer_close(struct signer *signer);

/* One message while it is looked through. */
struct signing;

struct signing *signing_begin(struct signer *signer);
/* Its next bytes as they will be on the wire, with CRLF line ends, dots not doubled. True, for it
 * always goes on. */
bool signing_put(void *signing, const char *data, size_t length);
/*
 * The message has been seen: the fields that go before it, each ended by LF, behind the buffer, if
 * it is to be signed. *remark says for the log by which domain, or why not; NULL: no section is
 * for its author. LATER when a key cannot be used: a message that would be refused or thrown away
 * for want of its signature waits until somebody has mended that. Frees the signing.
 */
struct outcome signing_end(struct signing *signing, struct buffer *fields, const char **remark);

#endif
