/*
 * Signatures of mail: what is signed of a body and of a header, the field, keys and their records.
 * With the examples of RFC 6376 (3.4.5, and A.2 for the hash of a body) and RFC 8463 (appendix A).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/base64.h"
#include "mail/dkim_body.h"
#include "mail/dkim_header.h"
#include "mail/dkim_record.h"
#include "mail/dkim_signature.h"
#include "net/digest.h"
#include "net/signing_key.h"

static void append(void *context, const char *data, size_t length)
{
    buffer_append(context, data, length);
}

/* The body in pieces of so many bytes; 0: in one. */
static void relax_body(const char *text, size_t length, size_t piece, struct buffer *out)
{
    struct dkim_body body = {.sink = append, .context = out};
    while (length) {
        size_t part = piece && piece < length ? piece : length;
        dkim_body_put(&body, text, part);
        text += part;
        length -= part;
    }
    dkim_body_end(&body);
}

static void expect_body(const char *text, const char *relaxed)
{
    for (size_t piece = 0; piece < 4; piece++) {
        struct buffer out = {0};
        relax_body(text, strlen(text), piece, &out);
        assert_string_equal(buffer_text(&out), relaxed);
        buffer_free(&out);
    }
}

static void expect_field(const char *text, const char *relaxed)
{
    struct buffer out = {0};
    dkim_relax_field(text, strlen(text), &out);
    assert_string_equal(buffer_text(&out), relaxed);
    buffer_free(&out);
}

static void take_header(const char *text, struct header *header)
{
    while (*text) {
        size_t length = strcspn(text, "\n") + 1;
        assert_true(header_take_line(header, text, length));
        text += length;
    }
}

/* ---- what is signed ---- */

static void test_rfc6376_relaxed_example(void **state)
{
    (void)state;
    expect_field("A: X\r\n", "a:X\r\n");
    expect_field("B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n");
    expect_body(" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n");
}

static void test_body(void **state)
{
    (void)state;
    expect_body("", "");
    expect_body("\r\n", "");
    expect_body("\r\n\r\n \t\r\n", "");
    expect_body(" ", "");
    expect_body("a", "a\r\n");
    expect_body("a ", "a\r\n");
    expect_body("a\r\n \r\n\t", "a\r\n");
    expect_body("\r\n\r\na\r\n", "\r\n\r\na\r\n");
    expect_body("a\r\n\r\n \r\nb", "a\r\n\r\n\r\nb\r\n");
    expect_body("a  \t b\t\r\n\t c\r\n", "a b\r\n c\r\n");
    expect_body("\xC3\xA4\f\v x\r\n", "\xC3\xA4\f\v x\r\n");
    expect_body(".\r\n..\r\n", ".\r\n..\r\n");
}

static void test_body_with_nul(void **state)
{
    (void)state;
    struct buffer out = {0};
    relax_body("a\0 b\r\n", 6, 1, &out);
    assert_int_equal(out.length, 6);
    assert_memory_equal(out.data, "a\0 b\r\n", 6);
    buffer_free(&out);
}

static void count(void *context, const char *data, size_t length)
{
    (void)data;
    assert_in_range(length, 1, DKIM_BODY_BLOCK);
    *(size_t *)context += length;
}

/* Empty lines are counted, not kept. */
static void test_many_empty_lines(void **state)
{
    (void)state;
    enum { LINES = 1000000 };
    size_t size = 0;
    struct dkim_body body = {.sink = count, .context = &size};
    for (size_t i = 0; i < LINES; i++)
        dkim_body_put(&body, "\r\n", 2);
    assert_int_equal(size, 0);
    dkim_body_put(&body, "x", 1);
    dkim_body_end(&body);
    assert_int_equal(size, 2 * LINES + 3);
}

static void test_fields(void **state)
{
    (void)state;
    expect_field("Subject:\n", "subject:\r\n");
    expect_field("Subject: \t \n", "subject:\r\n");
    expect_field("SUBJECT\t :a\n b\r\n\t\tc \n", "subject:a b c\r\n");
    expect_field("X-\xC3\x84: :a: b\n", "x-\xC3\x84::a: b\r\n");
    expect_field("From: a\n \n b\n", "from:a b\r\n");
}

static void expect_cover(const char *text, const char *names)
{
    struct header header = {0};
    struct dkim_cover cover = {0};
    struct buffer list = {0};
    take_header(text, &header);
    dkim_cover_choose(&cover, &header);
    for (size_t i = 0; i < cover.count; i++) {
        const struct field *field = cover.items[i].field;
        assert_true(!field || field_is(field, cover.items[i].name));
        buffer_format(&list, "%s%s%s", i ? ":" : "", cover.items[i].name, field ? "" : "-");
    }
    assert_string_equal(buffer_text(&list), names);
    buffer_free(&list);
    dkim_cover_free(&cover);
    header_free(&header);
}

static void test_cover(void **state)
{
    (void)state;
    expect_cover("From: a@b\n", "From:From-:Reply-To-:Subject-:Date-:To-:Cc-");
    expect_cover("Received: x\nReturn-Path: <a@b>\nBcc: c@d\nX-Spam: no\nComments: x\nfrom: a@b\n",
                 "From:From-:Reply-To-:Subject-:Date-:To-:Cc-");
    expect_cover("CC: a@b\nTo: a@b\nSubject: s\nReply-To: r\nDate: d\nFrom: a@b\nTo: c@d\n",
                 "From:From-:Reply-To:Reply-To-:Subject:Subject-:Date:Date-:To:To:To-:Cc:Cc-");
    expect_cover("From: a@b\nSender: c@d\nMessage-ID: <x>\nMIME-Version: 1.0\n"
                 "Content-Type: text/plain\nList-Id: l\nResent-From: a@b\nResent-From: c@d\n",
                 "From:From-:Reply-To-:Subject-:Date-:To-:Cc-:Sender:Sender-:Message-ID:Message-ID-"
                 ":MIME-Version:MIME-Version-:Content-Type:Content-Type-:Resent-From:Resent-From:"
                 "List-Id");
}

/* RFC 6376 5.4.2: from the bottom up. */
static void test_several_of_a_name(void **state)
{
    (void)state;
    struct header header = {0};
    struct dkim_cover cover = {0};
    struct buffer out = {0};
    take_header("To: one\nFrom: a@b\nTo : two\n\tthree\n", &header);
    dkim_cover_choose(&cover, &header);
    dkim_relax_cover(&cover, &out);
    assert_string_equal(buffer_text(&out), "from:a@b\r\nto:two three\r\nto:one\r\n");
    buffer_free(&out);
    dkim_cover_free(&cover);
    header_free(&header);
}

/* A header that says one thing a hundred thousand times takes no longer for each of them. */
static void test_very_many_fields(void **state)
{
    (void)state;
    enum { FIELDS = 100000 };
    struct header header = {0};
    struct dkim_cover cover = {0};
    for (size_t i = 0; i < FIELDS; i++)
        take_header("To: a@b\n", &header);
    dkim_cover_choose(&cover, &header);
    assert_int_equal(cover.count, FIELDS + 6);
    dkim_cover_free(&cover);
    header_free(&header);
}

/* ---- the field ---- */

static void assert_narrow(const char *field)
{
    for (const char *line = field; *line; line = strchr(line, '\n') + 1) {
        assert_non_null(strchr(line, '\n'));
        assert_in_range(strcspn(line, "\n"), 2, 78);
        assert_true(line == field || *line == ' ');
        assert_true(line[1] != ' ');
    }
}

static void test_signature_field(void **state)
{
    (void)state;
    struct header header = {0};
    struct dkim_cover cover = {0};
    struct buffer field = {0}, input = {0}, relaxed = {0};
    take_header("From: a@b\nSubject: x\nContent-Transfer-Encoding: 7bit\n", &header);
    dkim_cover_choose(&cover, &header);
    const struct dkim_signature signature = {
        .algorithm = "rsa-sha256",
        .domain = "example.org",
        .selector = "mail",
        .time = 1795000000,
        .cover = &cover,
        .body_hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    };
    dkim_signature_begin(&signature, &field);
    dkim_signature_input(&cover, &field, &input);
    static const char tags[] =
        "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail; t=1795000000; "
        "h=From:From:Reply-To:Subject:Subject:Date:To:Cc: "
        "Content-Transfer-Encoding:Content-Transfer-Encoding; "
        "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=";
    struct buffer expected = {0};
    buffer_format(&expected,
                  "from:a@b\r\nsubject:x\r\ncontent-transfer-encoding:7bit\r\ndkim-signature:%s",
                  tags);
    assert_int_equal(input.length, expected.length);
    assert_memory_equal(input.data, expected.data, input.length);

    /* With its signature in it, a verifier that takes that out sees the same. */
    char base64[345];
    memset(base64, 'x', sizeof base64 - 1);
    base64[sizeof base64 - 1] = '\0';
    dkim_signature_end(base64, &field);
    assert_narrow(buffer_text(&field));
    dkim_relax_field(buffer_text(&field), field.length, &relaxed);
    buffer_clear(&expected);
    buffer_format(&expected, "dkim-signature:%sx", tags);
    assert_memory_equal(relaxed.data, expected.data, expected.length);
    size_t signs = 0;
    for (const char *at = strstr(relaxed.data, "; b=") + 4; *at; at++)
        signs += *at == 'x';
    assert_int_equal(signs, sizeof base64 - 1);
    buffer_free(&expected);
    buffer_free(&relaxed);
    buffer_free(&input);
    buffer_free(&field);
    dkim_cover_free(&cover);
    header_free(&header);
}

static void test_long_names_and_short_signatures(void **state)
{
    (void)state;
    char domain[251];
    memset(domain, 'd', sizeof domain - 1);
    domain[sizeof domain - 1] = '\0';
    struct dkim_cover cover = {0};
    dkim_cover_add(&cover, "From", NULL);
    const struct dkim_signature signature = {.algorithm = "ed25519-sha256",
                                             .domain = domain,
                                             .selector = "s",
                                             .cover = &cover,
                                             .body_hash = "x"};
    struct buffer field = {0};
    dkim_signature_begin(&signature, &field);
    dkim_signature_end("y", &field);
    assert_non_null(strstr(field.data, domain));
    assert_null(strstr(field.data, "\n\n"));
    assert_null(strstr(field.data, "\n \n"));
    assert_string_equal(field.data + field.length - 6, "\n b=y\n");
    buffer_free(&field);
    dkim_cover_free(&cover);
}

/* ---- RFC 8463, appendix A ---- */

static const char message_header[] =
    "From: Joe SixPack <joe@football.example.com>\r\n"
    "To: Suzie Q <suzie@shopping.example.net>\r\n"
    "Subject: Is dinner ready?\r\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
static const char message_body[] =
    "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
static const char message_hash[] = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=";

/* The secret key in the RFC is the bytes; this is PKCS #8 (RFC 8410 7) around them. */
static const char ed25519_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
static const char ed25519_public[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
static const char rsa_pem[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                              "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
                              "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
                              "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
                              "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
                              "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
                              "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
                              "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
                              "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
                              "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
                              "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
                              "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
                              "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
                              "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
                              "-----END RSA PRIVATE KEY-----\n";
static const char rsa_public[] =
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"
    "J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2"
    "EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

static struct outcome parse(const char *text, struct signing_key **key)
{
    const struct buffer pem = {.data = (char *)(uintptr_t)text, .length = strlen(text)};
    return signing_key_parse(&pem, "k.pem", key);
}

static struct signing_key *parsed(const char *text)
{
    struct signing_key *key;
    struct outcome outcome = parse(text, &key);
    assert_true(outcome_good(&outcome));
    return key;
}

static void test_rfc_body_hash(void **state)
{
    (void)state;
    struct buffer body = {0}, base64 = {0};
    unsigned char sum[DIGEST_SIZE];
    relax_body(message_body, strlen(message_body), 0, &body);
    struct digest *digest = digest_open();
    digest_put(digest, body.data, 7);
    digest_put(digest, body.data + 7, body.length - 7);
    digest_close(digest, sum);
    base64_put(sum, sizeof sum, &base64);
    assert_string_equal(buffer_text(&base64), message_hash);
    buffer_free(&base64);
    buffer_free(&body);
}

/* The RFC's field up to its "b=", with its own list of names; the signature must be the RFC's. */
static void expect_rfc_signature(const char *pem, const char *public, const char *field_text,
                                 const char *signature)
{
    static const char *const names[] = {"From",       "To",   "Subject", "Date",
                                        "Message-ID", "From", "Subject", "Date"};
    struct signing_key *key = parsed(pem);
    struct header header = {0};
    struct dkim_cover cover = {0};
    struct buffer field = {0}, input = {0}, made = {0};
    unsigned char sum[DIGEST_SIZE];
    take_header(message_header, &header);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        dkim_cover_add(&cover, names[i],
                       i < 5 ? header.fields + header_find(&header, names[i], 0) : NULL);
    buffer_append_text(&field, field_text);
    dkim_signature_input(&cover, &field, &input);
    struct digest *digest = digest_open();
    digest_put(digest, input.data, input.length);
    digest_close(digest, sum);
    struct outcome outcome = signing_key_sign(key, sum, &made);
    assert_true(outcome_good(&outcome));
    assert_string_equal(buffer_text(&made), signature);
    buffer_clear(&made);
    outcome = signing_key_format_public(key, &made);
    assert_true(outcome_good(&outcome));
    assert_string_equal(buffer_text(&made), public);
    buffer_free(&made);
    buffer_free(&input);
    buffer_free(&field);
    dkim_cover_free(&cover);
    header_free(&header);
    signing_key_free(key);
}

static void test_rfc8463_ed25519(void **state)
{
    (void)state;
    expect_rfc_signature(ed25519_pem, ed25519_public,
                         "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
                         " d=football.example.com; i=@football.example.com;\n"
                         " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
                         " subject : date : message-id : from : subject : date;\n"
                         " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                         " b=",
                         "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7Zbn"
                         "KELq+eXdp1Q1Dw==");
}

static void test_rfc8463_rsa(void **state)
{
    (void)state;
    expect_rfc_signature(rsa_pem, rsa_public,
                         "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
                         " d=football.example.com; i=@football.example.com;\n"
                         " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
                         " date : message-id : from : subject : date;\n"
                         " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                         " b=",
                         "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVc"
                         "OF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgI"
                         "qXP7OdEFE4LjFYNcUxZQ4FADY+8=");
}

/* ---- keys ---- */

static void expect_no_key(const char *pem, const char *words)
{
    struct signing_key *key;
    struct outcome outcome = parse(pem, &key);
    assert_null(key);
    assert_int_equal(outcome.result, NEVER);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    if (!strstr(outcome.reason, words))
        print_error("%s\n", outcome.reason);
    assert_non_null(strstr(outcome.reason, words));
    assert_non_null(strstr(outcome.reason, "k.pem"));
    assert_null(strstr(outcome.reason, "MC4C"));
}

/* A key of another kind, as PEM text that the caller frees. */
static char *make_other_key(gnutls_pk_algorithm_t algorithm, unsigned bits, const char *password)
{
    gnutls_x509_privkey_t key;
    gnutls_datum_t text;
    assert_true(gnutls_x509_privkey_init(&key) >= 0);
    assert_true(gnutls_x509_privkey_generate(key, algorithm, bits, 0) >= 0);
    assert_true(gnutls_x509_privkey_export2_pkcs8(
                    key, GNUTLS_X509_FMT_PEM, password,
                    password ? GNUTLS_PKCS_PBES2_AES_256 : GNUTLS_PKCS_PLAIN, &text) >= 0);
    char *pem = strndup((char *)text.data, text.size);
    gnutls_free(text.data);
    gnutls_x509_privkey_deinit(key);
    return pem;
}

static void expect_no_other_key(gnutls_pk_algorithm_t algorithm, unsigned bits,
                                const char *password, const char *words)
{
    char *pem = make_other_key(algorithm, bits, password);
    expect_no_key(pem, words);
    free(pem);
}

static void test_what_is_no_key(void **state)
{
    (void)state;
    expect_no_key("", "holds no private key");
    expect_no_key("MC4C rubbish\n", "holds no private key");
    expect_no_key("-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n",
                  "holds no private key");
    expect_no_other_key(GNUTLS_PK_RSA, 768, NULL, "of 768 bits");
    expect_no_other_key(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), NULL,
                        "neither RSA nor Ed25519");
    expect_no_other_key(GNUTLS_PK_RSA, 1024, "geheim", "locked by a password");
}

static void test_keys_are_made(void **state)
{
    (void)state;
    static const unsigned char sum[DIGEST_SIZE] = "0123456789";
    for (enum key_type type = KEY_RSA; type <= KEY_ED25519; type++) {
        struct signing_key *key, *again;
        struct buffer pem = {0}, one = {0}, other = {0}, signature = {0}, second = {0};
        struct outcome outcome = signing_key_make(type, &key);
        assert_true(outcome_good(&outcome));
        assert_int_equal(signing_key_type(key), type);
        outcome = signing_key_format(key, &pem);
        assert_true(outcome_good(&outcome));
        assert_memory_equal(pem.data, "-----BEGIN PRIVATE KEY-----\n", 28);
        again = parsed(pem.data);
        assert_int_equal(signing_key_type(again), type);
        outcome = signing_key_format_public(key, &one);
        assert_true(outcome_good(&outcome));
        outcome = signing_key_format_public(again, &other);
        assert_true(outcome_good(&outcome));
        assert_string_equal(one.data, other.data);
        assert_int_equal(one.length, type == KEY_RSA ? 392 : 44);
        outcome = signing_key_sign(key, sum, &signature);
        assert_true(outcome_good(&outcome));
        outcome = signing_key_sign(again, sum, &second);
        assert_true(outcome_good(&outcome));
        assert_string_equal(signature.data, second.data);
        assert_int_equal(signature.length, type == KEY_RSA ? 344 : 88);
        buffer_free(&pem);
        buffer_free(&one);
        buffer_free(&other);
        buffer_free(&signature);
        buffer_free(&second);
        signing_key_free(key);
        signing_key_free(again);
    }
    signing_key_free(NULL);
}

/* ---- records ---- */

static const struct dkim_record rsa_record = {"mail", "example.org", "rsa", rsa_public};
static const struct dkim_record ed25519_record = {"ed", "example.org", "ed25519", ed25519_public};

static void test_record(void **state)
{
    (void)state;
    struct buffer text = {0};
    dkim_record_name(&ed25519_record, &text);
    assert_string_equal(text.data, "ed._domainkey.example.org");
    buffer_clear(&text);
    dkim_record_value(&ed25519_record, &text);
    assert_string_equal(text.data, "v=DKIM1; k=ed25519; "
                                   "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    buffer_clear(&text);
    dkim_record_zone(&ed25519_record, &text);
    assert_string_equal(text.data, "ed._domainkey.example.org. IN TXT \"v=DKIM1; k=ed25519; "
                                   "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n");
    buffer_free(&text);
}

/* The strings of a zone's record, joined, with the length of the longest. */
static size_t join_strings(const char *zone, struct buffer *joined)
{
    size_t longest = 0;
    for (const char *at = strchr(zone, '"'); at; at = strchr(at, '"')) {
        size_t length = strcspn(++at, "\"");
        buffer_append(joined, at, length);
        longest = length > longest ? length : longest;
        at += length + 1;
    }
    return longest;
}

static void test_record_of_several_strings(void **state)
{
    (void)state;
    char long_key[602];
    for (size_t length = 220; length < 601; length += 10) {
        memset(long_key, 'k', length);
        long_key[length] = '\0';
        const struct dkim_record record = {"mail", "example.org", "rsa", long_key};
        struct buffer zone = {0}, joined = {0}, value = {0};
        dkim_record_zone(&record, &zone);
        dkim_record_value(&record, &value);
        assert_in_range(join_strings(zone.data, &joined), 1, 255);
        assert_string_equal(joined.data, value.data);
        assert_int_equal(strchr(zone.data, '(') != NULL, value.length > 255);
        assert_int_equal(strchr(zone.data, ')') != NULL, value.length > 255);
        buffer_free(&zone);
        buffer_free(&joined);
        buffer_free(&value);
    }
}

/* What is found is the format with the record's key in it. */
static void expect_fault(const struct dkim_record *record, const char *format, const char *words)
{
    struct texts found = {0};
    struct buffer text = {0};
    const char *key = strstr(format, "KEY");
    buffer_append(&text, format, key ? (size_t)(key - format) : strlen(format));
    if (key)
        buffer_format(&text, "%s%s", record->key, key + 3);
    texts_add(&found, buffer_text(&text));
    const char *fault = dkim_record_fault(record, &found);
    if (words && !(fault && strstr(fault, words)))
        print_error("%s: %s\n", format, fault ? fault : "no fault");
    if (words)
        assert_true(fault && strstr(fault, words));
    else if (fault)
        fail_msg("%s: %s", format, fault);
    buffer_free(&text);
    texts_free(&found);
}

static void test_records_that_are_right(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "v=DKIM1; k=rsa; p=KEY",
        "p=KEY",
        "v=DKIM1;p=KEY;",
        "v = DKIM1 ; p = KEY ; ",
        "k=rsa; h=sha1:sha256; s=email; t=s; n=for mail=always; x=y; p=KEY",
        "v=DKIM1; h= sha256 ; s = other : * ; t = s : s; p=\t KEY",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        expect_fault(&rsa_record, forms[i], NULL);
    expect_fault(&ed25519_record, "v=DKIM1; k=ed25519; p=KEY", NULL);
    /* A key is cut into pieces with white space by many a web form. */
    struct texts found = {0};
    struct buffer text = {0};
    buffer_format(&text, "v=DKIM1; p=%.20s \t%.9s\r\n %s", rsa_public, rsa_public + 20,
                  rsa_public + 29);
    texts_add(&found, text.data);
    assert_null(dkim_record_fault(&rsa_record, &found));
    texts_add(&found, text.data);
    assert_non_null(strstr(dkim_record_fault(&rsa_record, &found), "several"));
    buffer_free(&text);
    texts_free(&found);
}

static void test_records_that_are_wrong(void **state)
{
    (void)state;
    const struct texts none = {0};
    assert_non_null(strstr(dkim_record_fault(&rsa_record, &none), "no TXT record"));
    static const char no_list[] = "no list of tags";
    expect_fault(&rsa_record, "", no_list);
    expect_fault(&rsa_record, ";", no_list);
    expect_fault(&rsa_record, "v=spf1 -all", "another version");
    expect_fault(&rsa_record, "hello", no_list);
    expect_fault(&rsa_record, "p=KEY; p=KEY", no_list);
    expect_fault(&rsa_record, "k=rsa; v=DKIM1; p=KEY", no_list);
    expect_fault(&rsa_record, "v=DKIM1;; p=KEY", no_list);
    expect_fault(&rsa_record, "v=DKIM1; =x; p=KEY", no_list);
    expect_fault(&rsa_record, "v=DKIM2; p=KEY", "another version");
    expect_fault(&rsa_record, "v=DKIM1; k=rsa", "has no p=");
    expect_fault(&rsa_record, "v=DKIM1; p=", "revoked");
    expect_fault(&rsa_record, "v=DKIM1; p= \t;", "revoked");
    expect_fault(&rsa_record, "v=DKIM1; k=ed25519; p=KEY", "another type");
    expect_fault(&ed25519_record, "v=DKIM1; p=KEY", "another type");
    expect_fault(&rsa_record, "v=DKIM1; p=MIGf", "only the beginning");
    expect_fault(&rsa_record, "v=DKIM1; p=MIGe", "another key");
    expect_fault(&rsa_record, "v=DKIM1; p=KEYx", "another key");
    expect_fault(&rsa_record, "v=DKIM1; h=sha1; p=KEY", "does not allow sha256");
    expect_fault(&rsa_record, "v=DKIM1; h=sha2567:xsha256; p=KEY", "does not allow sha256");
    expect_fault(&rsa_record, "v=DKIM1; s=tlsrpt; p=KEY", "not for mail");
    expect_fault(&rsa_record, "v=DKIM1; t=s:y; p=KEY", "a test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc6376_relaxed_example),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_body_with_nul),
        cmocka_unit_test(test_many_empty_lines),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_cover),
        cmocka_unit_test(test_several_of_a_name),
        cmocka_unit_test(test_very_many_fields),
        cmocka_unit_test(test_signature_field),
        cmocka_unit_test(test_long_names_and_short_signatures),
        cmocka_unit_test(test_rfc_body_hash),
        cmocka_unit_test(test_rfc8463_ed25519),
        cmocka_unit_test(test_rfc8463_rsa),
        cmocka_unit_test(test_what_is_no_key),
        cmocka_unit_test(test_keys_are_made),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_record_of_several_strings),
        cmocka_unit_test(test_records_that_are_right),
        cmocka_unit_test(test_records_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
