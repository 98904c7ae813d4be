/*
 * SCRAM's keys by libgsasl, and inventions (see sasl_verifier.h). Knows neither files nor users.
 * RFC 5802 section 3 (keys), 5803 (their text).
 */
#include "net/sasl_verifier.h"

#include <gsasl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

enum {
    ITERATIONS = 32768, /* what the client has to do, some hundredths of a second */
    ITERATIONS_MOST = 100000000,
    SALT_SIZE = 16, /* of new ones */
    SALT_LEAST = 8,
    KEY_SIZE = 32 /* SHA-256 */
};

static const char scheme[] = "SCRAM-SHA-256$";

/* ---- text ---- */

/* Bytes that the base64 stands for; 0: it is none, or has none. */
static size_t decoded_size(const char *text)
{
    char *data = NULL;
    size_t size = 0;
    if (gsasl_base64_from(text, strlen(text), &data, &size) != GSASL_OK)
        return 0;
    gsasl_free(data);
    return size;
}

/* Takes what stands before the mark. False: there is no mark, or no room for it. */
static bool take_part(const char **text, char mark, char *part, size_t size)
{
    const char *end = strchr(*text, mark);
    size_t length = end ? (size_t)(end - *text) : 0;
    if (!end || length >= size)
        return false;
    memcpy(part, *text, length);
    part[length] = '\0';
    *text = mark ? end + 1 : end;
    return true;
}

bool sasl_verifier_parse(const char *text, struct sasl_verifier *verifier)
{
    char digits[16];
    uint64_t iterations;
    if (!text_starts(text, scheme))
        return false;
    text += sizeof scheme - 1;
    if (!take_part(&text, ':', digits, sizeof digits) ||
        !take_part(&text, '$', verifier->salt, sizeof verifier->salt) ||
        !take_part(&text, ':', verifier->stored_key, sizeof verifier->stored_key) ||
        !take_part(&text, '\0', verifier->server_key, sizeof verifier->server_key) ||
        !text_to_number(digits, SASL_ITERATIONS_LEAST, ITERATIONS_MOST, &iterations))
        return false;
    verifier->iterations = (unsigned)iterations;
    return decoded_size(verifier->salt) >= SALT_LEAST &&
           decoded_size(verifier->stored_key) == KEY_SIZE &&
           decoded_size(verifier->server_key) == KEY_SIZE;
}

void sasl_verifier_format(const struct sasl_verifier *verifier, struct buffer *text)
{
    buffer_format(text, "%s%u:%s$%s:%s", scheme, verifier->iterations, verifier->salt,
                  verifier->stored_key, verifier->server_key);
}

static bool encode(const void *data, size_t size, char *space, size_t room)
{
    char *text = NULL;
    size_t length = 0;
    if (gsasl_base64_to(data, size, &text, &length) != GSASL_OK)
        return false;
    bool fits = length < room;
    if (fits)
        snprintf(space, room, "%s", text);
    gsasl_free(text);
    return fits;
}

/* ---- keys ---- */

bool sasl_verifier_make(const char *password, struct sasl_verifier *verifier)
{
    char salt[SALT_SIZE], salted[GSASL_HASH_MAX_SIZE], client[GSASL_HASH_MAX_SIZE],
        server[GSASL_HASH_MAX_SIZE], stored[GSASL_HASH_MAX_SIZE];
    verifier->iterations = ITERATIONS;
    bool good = gsasl_nonce(salt, sizeof salt) == GSASL_OK &&
                gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, password, ITERATIONS, salt,
                                                  sizeof salt, salted, client, server,
                                                  stored) == GSASL_OK &&
                encode(salt, sizeof salt, verifier->salt, sizeof verifier->salt) &&
                encode(stored, KEY_SIZE, verifier->stored_key, sizeof verifier->stored_key) &&
                encode(server, KEY_SIZE, verifier->server_key, sizeof verifier->server_key);
    memory_wipe(salted, sizeof salted);
    memory_wipe(client, sizeof client);
    memory_wipe(server, sizeof server);
    memory_wipe(stored, sizeof stored);
    return good;
}

/*
 * Bytes that depend on the name, the secret, and what they are for: HMAC-SHA-256, which is what one
 * iteration of SCRAM's Hi comes to.
 */
static void derive(const void *secret, const char *purpose, const char *name, unsigned char *bytes)
{
    char key[2 * SASL_SECRET_SIZE + 1], salted[GSASL_HASH_MAX_SIZE], client[GSASL_HASH_MAX_SIZE],
        server[GSASL_HASH_MAX_SIZE], stored[GSASL_HASH_MAX_SIZE];
    struct buffer text = {0};
    for (size_t i = 0; i < SASL_SECRET_SIZE; i++)
        snprintf(key + 2 * i, 3, "%02x", ((const unsigned char *)secret)[i]);
    buffer_format(&text, "%s:%s", purpose, name);
    if (gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, key, 1, buffer_text(&text),
                                          text.length, salted, client, server, stored) != GSASL_OK)
        impossible("no HMAC-SHA-256");
    memcpy(bytes, salted, KEY_SIZE);
    memory_wipe(key, sizeof key);
    buffer_free(&text);
}

void sasl_verifier_invent(const void *secret, const char *name, const struct sasl_verifier *like,
                          struct sasl_verifier *verifier)
{
    unsigned char salt[KEY_SIZE], stored[KEY_SIZE], server[KEY_SIZE];
    size_t size = like ? decoded_size(like->salt) : SALT_SIZE;
    derive(secret, "salt", name, salt);
    derive(secret, "stored", name, stored);
    derive(secret, "server", name, server);
    verifier->iterations = like ? like->iterations : ITERATIONS;
    if (!encode(salt, size < sizeof salt ? size : sizeof salt, verifier->salt,
                sizeof verifier->salt) ||
        !encode(stored, sizeof stored, verifier->stored_key, sizeof verifier->stored_key) ||
        !encode(server, sizeof server, verifier->server_key, sizeof verifier->server_key))
        impossible("no base64");
}

unsigned sasl_verifier_choose(const void *secret, const char *name, unsigned count)
{
    unsigned char bytes[KEY_SIZE];
    derive(secret, "choice", name, bytes);
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof number; i++)
        number = number << 8 | bytes[i];
    return (unsigned)(number % count);
}
