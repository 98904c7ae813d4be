/* Whose an Authentication-Results field is; what we write of SPF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "filter/marks.h"

static const char hostname[] = "here.example";

static void take(struct header *header, const char *line, size_t length)
{
    assert_true(header_take_line(header, line, length));
}

static bool claims(const char *body, size_t length)
{
    struct header header = {0};
    struct buffer line = {0};
    buffer_append_text(&line, "Authentication-Results:");
    buffer_append(&line, body, length);
    buffer_append_byte(&line, '\n');
    take(&header, line.data, line.length);
    bool found = marks_claim(&header.fields[0], hostname);
    header_free(&header);
    buffer_free(&line);
    return found;
}

static void test_claims(void **state)
{
    (void)state;
    static const char *const ours[] = {" here.example",
                                       "here.example;",
                                       " HERE.EXAMPLE 1;",
                                       " here.example.;",
                                       " here.example/1;",
                                       " (c)here.example(c);",
                                       " \"here.example\"",
                                       " \"\\here.example\" 1",
                                       " here.(c)example",
                                       " here .\texample;",
                                       " \"here.exam\"ple",
                                       " here.\"example\";",
                                       " ((a)\\)) here.example",
                                       "",
                                       " ",
                                       " ;",
                                       " \"\";",
                                       " (never closed",
                                       " \"here.example",
                                       " \"he re.exa\tmple\"",
                                       " here.example)",
                                       " \"\" here.example",
                                       " here.example;;",
                                       " here.example\";x",
                                       " )here.example;"};
    static const char *const others[] = {
        " there.example", " here.example.org;",  " x.here.example",
        " here",          " here example",       " there.example here.example",
        " hhere.example", " (here.example) a.b", " there.example/here.example",
        " here,example",  " here-example;",      " [192.0.2.1]; x"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!claims(ours[i], strlen(ours[i])))
            fail_msg("it is ours:%s", ours[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (claims(others[i], strlen(others[i])))
            fail_msg("it is not ours:%s", others[i]);
    assert_true(claims(" there.example\0;", 16));
    assert_true(claims("\0 there.example", 15));
}

/* Whatever comes: an end is found. */
static void test_any_bytes(void **state)
{
    (void)state;
    static const char bytes[] = "h.e()\\\"; \t/1\xC3";
    srand(1);
    for (int i = 0; i < 20000; i++) {
        char body[24];
        size_t length = (size_t)(rand() % (int)sizeof body);
        for (size_t k = 0; k < length; k++)
            body[k] = bytes[rand() % (int)(sizeof bytes - 1)];
        (void)claims(body, length);
    }
}

static void expect_field(const struct header *header, size_t i, const char *text)
{
    assert_true(i < header->count);
    assert_string_equal(header->fields[i].text, text);
}

static struct spf_identity identity(enum spf_result result, const char *domain)
{
    return (struct spf_identity){
        .asked = true, .result = result, .domain = memory_copy(domain, strlen(domain))};
}

static void test_written(void **state)
{
    (void)state;
    struct header header = {0};
    struct sockaddr_in client = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    struct spf_identities found = {.sender = identity(SPF_PASS, "a.example"),
                                   .helo = identity(SPF_NONE, "mx.a.example"),
                                   .sender_text = memory_copy("joe@a.example", 13)};
    take(&header, "Received-SPF: pass\n", 19);
    marks_put(&header, hostname, (struct sockaddr *)&client, "mx.a.example", &found);
    assert_int_equal(header.count, 4);
    expect_field(&header, 0,
                 "Authentication-Results: here.example;\n\tspf=pass\n"
                 "\tsmtp.mailfrom=a.example\n");
    expect_field(&header, 1,
                 "Received-SPF: pass (here.example: domain of\n\ta.example\n"
                 "\tdesignates 192.0.2.1)\n\tclient-ip=192.0.2.1;\n"
                 "\tenvelope-from=\"joe@a.example\";\n\thelo=mx.a.example;\n"
                 "\tidentity=mailfrom; receiver=here.example\n");
    assert_non_null(strstr(header.fields[2].text, "identity=helo;"));
    assert_int_equal(marks_end(&header, &found), 3);
    header_insert(&header, 0, "X-Other", "of a filter");
    assert_int_equal(marks_end(&header, &found), 4);
    header_free(&header);
    spf_identities_free(&found);
    assert_int_equal(marks_end(&header, &found), 0);
}

/* What was found of a HELO name is kept for the session; it says nothing of this sender. */
static void test_not_asked_this_time(void **state)
{
    (void)state;
    struct header header = {0};
    struct sockaddr_in client = {.sin_family = AF_INET};
    struct spf_identities found = {.helo = identity(SPF_PASS, "mx.a.example")};
    take(&header, "Received-SPF: pass\n", 19);
    marks_put(&header, hostname, (struct sockaddr *)&client, "mx.a.example", &found);
    assert_int_equal(header.count, 1);
    assert_int_equal(marks_end(&header, &found), 0);
    header_free(&header);
    spf_identities_free(&found);
}

/* What is no atom is quoted, and nothing in it ends the quotes, the comment or the line. */
static void test_odd_values(void **state)
{
    (void)state;
    struct header header = {0};
    struct sockaddr_in6 client = {.sin6_family = AF_INET6, .sin6_addr.s6_addr = {0x20, 1}};
    struct spf_identities found = {.helo = identity(SPF_TEMPERROR, "a)b(\\\n.example"),
                                   .sender_text = memory_copy("", 0)};
    marks_put(&header, hostname, (struct sockaddr *)&client, "\"\\\r\n x\x7f\xff.", &found);
    assert_int_equal(header.count, 2);
    expect_field(&header, 0,
                 "Authentication-Results: here.example;\n\tspf=temperror\n"
                 "\tsmtp.helo=\"a)b(\\\\?.example\"\n");
    expect_field(&header, 1,
                 "Received-SPF: temperror (here.example: domain of\n"
                 "\ta\\)b\\(\\\\?.example\n\tcannot be asked now for 2001::)\n"
                 "\tclient-ip=\"2001::\";\n\tenvelope-from=\"<>\";\n"
                 "\thelo=\"\\\"\\\\?? x??.\";\n\tidentity=helo; receiver=here.example\n");
    header_free(&header);
    spf_identities_free(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),     cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_written),    cmocka_unit_test(test_not_asked_this_time),
        cmocka_unit_test(test_odd_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
