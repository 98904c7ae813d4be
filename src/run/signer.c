/*
 * The signer (see signer.h). It holds a message's header and the state of a hash, never a body. The
 * author is who stands in From (RFC 5322 3.6.2), for that is whom DMARC compares a signature with
 * (RFC 7489 3.1.1). What has no one author's domain goes as it is: no waiting would mend it.
 */
#include "run/signer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/dkim.h"
#include "mail/address.h"
#include "mail/dkim_body.h"
#include "mail/dkim_header.h"
#include "mail/dkim_signature.h"
#include "mail/header.h"
#include "net/digest.h"
#include "net/signing_key.h"

enum { HEADER_LARGEST = 32 * 1024 * 1024 };

/* A file, and what came of reading it: once for all messages of a worker. */
struct loaded_key {
    const char *path;
    struct signing_key *key;
    struct outcome outcome;
};

struct signer {
    const struct settings *settings;
    struct loaded_key *keys;
    size_t key_count;
};

struct signing {
    struct signer *signer;
    enum { IN_HEADER, IN_BODY, UNSIGNED } state;
    const char *remark;
    struct header header;
    struct buffer line; /* of the header, as far as it has come */
    size_t header_size;
    const struct dkim *dkim; /* of the author */
    struct dkim_body body;
    struct digest *digest; /* of the body */
};

/* ---- keys ---- */

struct signer *signer_open(const struct settings *settings)
{
    if (settings->dkim_count == 0)
        return NULL;
    struct signer *signer = memory_get(sizeof *signer);
    signer->settings = settings;
    digest_start();
    memory_wipe_freed(); /* GnuTLS has parts of keys in memory of its own */
    return signer;
}

void signer_close(struct signer *signer)
{
    if (!signer)
        return;
    for (size_t i = 0; i < signer->key_count; i++)
        signing_key_free(signer->keys[i].key);
    free(signer->keys);
    free(signer);
}

static struct outcome load_key(const char *path, const char *domain, struct signing_key **key)
{
    struct outcome outcome =
        access(path, F_OK) < 0 && errno == ENOENT
            ? outcome_later("4.3.5", "there is no key %s: postrider dkim-key %s makes one", path,
                            domain)
            : signing_key_load(path, key);
    if (outcome_good(&outcome))
        return outcome;
    outcome = outcome_later(outcome.result == LATER ? outcome.status : "4.3.5",
                            "it cannot be signed: %s", outcome.reason);
    log_error("mail waits, as %s", outcome.reason);
    return outcome;
}

static const struct loaded_key *find_key(struct signer *signer, const char *path,
                                         const char *domain)
{
    for (size_t i = 0; i < signer->key_count; i++)
        if (strcmp(signer->keys[i].path, path) == 0)
            return &signer->keys[i];
    signer->keys = memory_resize(signer->keys, (signer->key_count + 1) * sizeof *signer->keys);
    struct loaded_key *loaded = &signer->keys[signer->key_count++];
    *loaded = (struct loaded_key){.path = path};
    loaded->outcome = load_key(path, domain, &loaded->key);
    return loaded;
}

/* ---- the header ---- */

static void leave_unsigned(struct signing *signing, const char *remark)
{
    signing->state = UNSIGNED;
    signing->remark = remark;
    header_free(&signing->header);
    buffer_free(&signing->line);
}

/* The one domain of all authors in a From field; the caller frees. NULL: *why there is none. */
static char *find_domain(const struct field *from, const char **why)
{
    struct buffer relaxed = {0};
    struct addresses authors = {0};
    char *domain = NULL;
    dkim_relax_field(from->text, from->length, &relaxed);
    relaxed.data[relaxed.length - strlen("\r\n")] = '\0';
    if (!addresses_parse(relaxed.data + strlen("from:"), &authors, why))
        *why = "unsigned: its From field is no list of addresses";
    else if (authors.count == 0 || !authors.items[0].address.domain)
        *why = "unsigned: its From field has no address";
    else
        domain =
            memory_copy(authors.items[0].address.domain, strlen(authors.items[0].address.domain));
    for (size_t i = 1; domain && i < authors.count; i++) {
        const char *other = authors.items[i].address.domain;
        if (!other || !text_equal(other, domain)) {
            *why = "unsigned: its From field has several domains";
            free(domain);
            domain = NULL;
        }
    }
    addresses_free(&authors);
    buffer_free(&relaxed);
    return domain;
}

static void hash_body(void *context, const char *data, size_t length)
{
    digest_put(context, data, length);
}

static void end_header(struct signing *signing)
{
    const struct header *header = &signing->header;
    size_t from = header_find(header, "From", 0);
    const char *why = NULL;
    char *domain = NULL;
    if (from == header->count)
        why = "unsigned: it has no From field";
    else if (header_find(header, "From", from + 1) < header->count)
        why = "unsigned: it has several From fields";
    else
        domain = find_domain(header->fields + from, &why);
    signing->dkim = domain ? dkim_find(signing->signer->settings, domain) : NULL;
    free(domain);
    if (!signing->dkim) {
        leave_unsigned(signing, why);
        return;
    }
    signing->state = IN_BODY;
    signing->remark = signing->dkim->domain;
    signing->digest = digest_open();
    signing->body = (struct dkim_body){.sink = hash_body, .context = signing->digest};
}

/* A line with its end. Whatever is no field would be taken for the body by one verifier, and for
 * nothing by another. */
static void end_line(struct signing *signing)
{
    struct buffer *line = &signing->line;
    const char *text = buffer_text(line);
    signing->header_size += line->length;
    if (strcmp(text, "\r\n") == 0)
        end_header(signing);
    else if (line->failed || signing->header_size > HEADER_LARGEST)
        leave_unsigned(signing, "unsigned: its header is too large");
    else if (!header_take_line(&signing->header, text, line->length) || !signing->header.count)
        leave_unsigned(signing, "unsigned: a line of its header is no field");
    buffer_clear(line);
}

struct signing *signing_begin(struct signer *signer)
{
    struct signing *signing = memory_get(sizeof *signing);
    signing->signer = signer;
    signing->line.limit = HEADER_LARGEST;
    return signing;
}

bool signing_put(void *context, const char *data, size_t length)
{
    struct signing *signing = context;
    while (length && signing->state == IN_HEADER) {
        const char *end = memchr(data, '\n', length);
        size_t count = end ? (size_t)(end - data) + 1 : length;
        buffer_append(&signing->line, data, count);
        data += count;
        length -= count;
        if (end || signing->line.failed)
            end_line(signing);
    }
    if (length && signing->state == IN_BODY)
        dkim_body_put(&signing->body, data, length);
    return true;
}

/* ---- the fields ---- */

static struct outcome add_field(struct signing *signing, const struct dkim_cover *cover,
                                const char *body_hash, size_t index, struct buffer *fields)
{
    const struct dkim *dkim = signing->dkim;
    const struct loaded_key *loaded =
        find_key(signing->signer, dkim->keys.items[index], dkim->domain);
    if (!outcome_good(&loaded->outcome))
        return loaded->outcome;
    struct buffer field = {0}, input = {0}, algorithm = {0}, base64 = {0};
    unsigned char sum[DIGEST_SIZE];
    buffer_format(&algorithm, "%s-sha256", signing_key_name(signing_key_type(loaded->key)));
    const struct dkim_signature signature = {
        .algorithm = buffer_text(&algorithm),
        .domain = dkim->domain,
        .selector = dkim->selectors.items[index],
        .time = clock_now(),
        .cover = cover,
        .body_hash = body_hash,
    };
    dkim_signature_begin(&signature, &field);
    dkim_signature_input(cover, &field, &input);
    struct digest *digest = digest_open();
    digest_put(digest, input.data, input.length);
    digest_close(digest, sum);
    struct outcome outcome = signing_key_sign(loaded->key, sum, &base64);
    if (outcome_good(&outcome)) {
        dkim_signature_end(buffer_text(&base64), &field);
        buffer_append(fields, field.data, field.length);
    }
    buffer_free(&field);
    buffer_free(&input);
    buffer_free(&algorithm);
    buffer_free(&base64);
    return outcome;
}

/* One for each key: a verifier that does not know Ed25519 finds the one with RSA (RFC 8463 5). */
static struct outcome add_fields(struct signing *signing, struct buffer *fields)
{
    struct outcome outcome = outcome_done();
    struct buffer body_hash = {0};
    struct dkim_cover cover = {0};
    unsigned char sum[DIGEST_SIZE];
    dkim_body_end(&signing->body);
    digest_close(signing->digest, sum);
    base64_put(sum, sizeof sum, &body_hash);
    dkim_cover_choose(&cover, &signing->header);
    for (size_t i = 0; i < signing->dkim->selectors.count && outcome_good(&outcome); i++)
        outcome = add_field(signing, &cover, buffer_text(&body_hash), i, fields);
    if (!outcome_good(&outcome))
        buffer_clear(fields);
    dkim_cover_free(&cover);
    buffer_free(&body_hash);
    return outcome;
}

struct outcome signing_end(struct signing *signing, struct buffer *fields, const char **remark)
{
    struct outcome outcome = outcome_done();
    if (signing->state == IN_HEADER)
        end_header(signing);
    if (signing->state == IN_BODY)
        outcome = add_fields(signing, fields);
    *remark = signing->remark;
    header_free(&signing->header);
    buffer_free(&signing->line);
    free(signing);
    return outcome;
}
