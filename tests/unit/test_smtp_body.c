/* The message on the wire (C12) and the offers of EHLO. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "run/smtp_body.h"
#include "run/smtp_greeting.h"

/* Encodes in pieces of so many bytes. */
static void encode(const char *text, size_t piece, struct buffer *out, uint64_t *size)
{
    struct smtp_encoder encoder = {0};
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i += piece)
        smtp_encode(&encoder, text + i, length - i < piece ? length - i : piece, out);
    smtp_encode_end(&encoder, out);
    *size = encoder.size;
}

static const struct {
    const char *text, *wire;
} cases[] = {
    {"", ""},
    {"a", "a\r\n"},
    {"a\n", "a\r\n"},
    {"a\r\n", "a\r\n"},
    {"a\r", "a\r\n"},
    {"a\rb", "a\r\nb\r\n"},
    {"\r\r\n\n", "\r\n\r\n\r\n"},
    {"\n\r", "\r\n\r\n"},
    {".", "..\r\n"},
    {"..\n", "...\r\n"},
    {"a.b\n", "a.b\r\n"},
    {"a\n.\nb\n", "a\r\n..\r\nb\r\n"},
    {"a\r\n.\r\nb", "a\r\n..\r\nb\r\n"},
    {"a\r.\rb", "a\r\n..\r\nb\r\n"},
    {"a\n.\rb", "a\r\n..\r\nb\r\n"},
    {"a\r.\nb", "a\r\n..\r\nb\r\n"},
    {"\r\n.\r\n", "\r\n..\r\n"},
};

static void test_C12_encoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece < 8; piece++) {
            struct buffer out = {0};
            uint64_t size;
            encode(cases[i].text, piece, &out, &size);
            assert_string_equal(buffer_text(&out), cases[i].wire);
            buffer_free(&out);
        }
}

static void test_size_counts_no_stuffing(void **state)
{
    (void)state;
    struct buffer out = {0};
    uint64_t size;
    encode(".a\n..\nb", 3, &out, &size);
    assert_int_equal(size, strlen(".a\r\n..\r\nb\r\n"));
    assert_int_equal(out.length, size + 2);
    buffer_free(&out);
}

/* Every text of eight bytes out of four kinds: the end of a message is never in it. */
static void test_C12_nothing_inside_ends_it(void **state)
{
    (void)state;
    static const char kinds[] = "\r\n.x";
    for (unsigned number = 0; number < 65536; number++) {
        char text[9] = "";
        for (unsigned i = 0; i < 8; i++)
            text[i] = kinds[number >> (2 * i) & 3];
        struct buffer out = {0};
        uint64_t size;
        buffer_append_text(&out, "\r\n");
        encode(text, 8, &out, &size);
        const char *wire = buffer_text(&out);
        assert_null(strstr(wire, "\r\n.\r"));
        assert_null(strstr(wire, "\r\n.\n"));
        for (const char *c = wire; *c; c++) {
            assert_true(*c != '\n' || (c > wire && c[-1] == '\r'));
            assert_true(*c != '\r' || c[1] == '\n');
        }
        assert_memory_equal(wire + out.length - 2, "\r\n", 2);
        buffer_free(&out);
    }
}

static void test_offers(void **state)
{
    (void)state;
    static const char *const lines[] = {"250-mx.example STARTTLS",
                                        "250-pipelining",
                                        "250-SIZE 1000",
                                        "250-8BITMIME",
                                        "250-Dsn",
                                        "250-AUTH=LOGIN",
                                        "250-AUTH PLAIN CRAM-MD5",
                                        "250-LIMITS MAILMAX=7 RCPTMAX=90 X=1",
                                        "250-XSTARTTLS",
                                        "250 SMTPUTF8"};
    struct reply reply = {0};
    struct smtp_offer offer = {.starttls = true};
    const char *why;
    bool last;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_true(reply_add(&reply, lines[i], strlen(lines[i]), &last, &why));
    smtp_offer_parse(&reply, &offer);
    assert_false(offer.starttls);
    assert_true(offer.pipelining && offer.size && offer.eight_bit && offer.dsn && offer.smtputf8);
    assert_int_equal(offer.most_bytes, 1000);
    assert_int_equal(offer.most_mails, 7);
    assert_int_equal(offer.most_recipients, 90);
    assert_string_equal(buffer_text(&offer.auth), "LOGIN PLAIN CRAM-MD5");
    /* What was offered before is forgotten. */
    smtp_offer_parse(&(struct reply){0}, &offer);
    assert_false(offer.pipelining || offer.size || offer.eight_bit || offer.dsn || offer.smtputf8);
    assert_int_equal(offer.most_bytes + offer.most_mails + offer.most_recipients, 0);
    assert_string_equal(buffer_text(&offer.auth), "");
    buffer_free(&offer.auth);
    reply_free(&reply);
}

static void test_absurd_offers(void **state)
{
    (void)state;
    static const char *const lines[] = {"250-mx",      "250-SIZE 99999999999999999999999",
                                        "250-SIZE -1", "250-LIMITS RCPTMAX=0 MAILMAX=x RCPTMAX=",
                                        "250-AUTH",    "250-LIMITS",
                                        "250- ",       "250 SIZE x"};
    struct reply reply = {0};
    struct smtp_offer offer = {0};
    const char *why;
    bool last;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_true(reply_add(&reply, lines[i], strlen(lines[i]), &last, &why));
    smtp_offer_parse(&reply, &offer);
    assert_int_equal(offer.most_bytes + offer.most_mails + offer.most_recipients, 0);
    assert_string_equal(buffer_text(&offer.auth), "");
    buffer_free(&offer.auth);
    reply_free(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C12_encoding),
        cmocka_unit_test(test_size_counts_no_stuffing),
        cmocka_unit_test(test_C12_nothing_inside_ends_it),
        cmocka_unit_test(test_offers),
        cmocka_unit_test(test_absurd_offers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
