/*
 * The record of the DNS that tells a public key to those who verify (RFC 6376 3.6.1, RFC 8463 4):
 * written, and compared with one that the DNS has.
 */
#ifndef MAIL_DKIM_RECORD_H
#define MAIL_DKIM_RECORD_H

#include "base/buffer.h"
#include "base/text.h"

struct dkim_record {
    const char *selector, *domain;
    const char *type; /* "rsa", "ed25519" */
    const char *key;  /* public, as the record has it, in base64 */
};

/* "mail._domainkey.example.org", behind the buffer. */
void dkim_record_name(const struct dkim_record *record, struct buffer *text);
/* "v=DKIM1; k=rsa; p=..." */
void dkim_record_value(const struct dkim_record *record, struct buffer *text);
/* The whole as a zone file has it, in strings of at most 255 bytes (RFC 1035 3.3). */
void dkim_record_zone(const struct dkim_record *record, struct buffer *text);

/*
 * Whether the TXT records found under that name (the strings of each joined) tell verifiers this
 * key: NULL; else what is wrong, in static words.
 */
extern const char dkim_record_testing[]; /* it is right, and says that it is a test */
const char *dkim_record_fault(const struct dkim_record *record, const struct texts *found);

#endif
