/*
 * Private keys that sign mail: RSA and Ed25519, by GnuTLS. They come from and go to PEM text, which
 * belongs to the caller, who wipes it.
 */
#ifndef NET_SIGNING_KEY_H
#define NET_SIGNING_KEY_H

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/digest.h"

enum key_type { KEY_RSA, KEY_ED25519 };

struct signing_key;

/*
 * A key from its PEM text. NEVER, EX_CONFIG: there is none, it is locked by a password, of another
 * type, or an RSA key of fewer than 1024 bits (RFC 8301 3.2); the name is for the words.
 */
struct outcome signing_key_parse(const struct buffer *pem, const char *name,
                                 struct signing_key **key);
/* The same from a file that nobody else can read; LATER as secret_load has it (config/secret.h). */
struct outcome signing_key_load(const char *path, struct signing_key **key);
/* A new one; RSA with 2048 bits, which every verifier takes and one string of the DNS nearly holds.
 */
struct outcome signing_key_make(enum key_type type, struct signing_key **key);
/* NULL is fine. The secret is overwritten. */
void signing_key_free(struct signing_key *key);

enum key_type signing_key_type(const struct signing_key *key);
/* Of an RSA key the length of its modulus. */
unsigned signing_key_bits(const struct signing_key *key);
/* As k= and a= have it: "rsa" or "ed25519". */
const char *signing_key_name(enum key_type type);
/* The private key as PEM text (PKCS #8, without a password), behind the buffer. */
struct outcome signing_key_format(const struct signing_key *key, struct buffer *pem);
/* The public key in base64, as p= has it (RFC 6376 3.6.1, RFC 8463 4.2), behind the buffer. */
struct outcome signing_key_format_public(const struct signing_key *key, struct buffer *base64);
/* The signature of a hash, in base64, behind the buffer: PKCS #1 v1.5 (RFC 6376 3.3.2), or Ed25519
 * of the hash as a message (RFC 8463 3). */
struct outcome signing_key_sign(const struct signing_key *key, const unsigned char sum[DIGEST_SIZE],
                                struct buffer *base64);

#endif
