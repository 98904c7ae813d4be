/*
 * What SPF found, written into the header: Authentication-Results (RFC 8601) and Received-SPF (RFC
 * 7208 9.1); and what others write there in our name, taken out.
 */
#ifndef FILTER_MARKS_H
#define FILTER_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "filter/spf_identities.h"
#include "mail/header.h"

/*
 * Whether the field, an Authentication-Results, says that it is of this host (RFC 8601 2.2, and its
 * older forms): however that is written, and also if it does not say of whom it is.
 */
bool marks_claim(const struct field *field, const char *hostname);
/* Removes those that do (RFC 8601 5). */
void marks_remove_claims(struct header *header, const char *hostname);
/* Puts the fields on top. */
void marks_put(struct header *header, const char *hostname, const struct sockaddr *client,
               const char *helo, const struct spf_identities *identities);
/* The index behind those that marks_put has put on top, whatever has been put above them since. */
size_t marks_end(const struct header *header, const struct spf_identities *identities);

#endif
