/* Ranges of addresses: which texts are some, what is within them, address literals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "config/network.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *four = (void *)&storage;
    struct sockaddr_in6 *six = (void *)&storage;
    if (strchr(text, ':')) {
        six->sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
    } else {
        four->sin_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, text, &four->sin_addr), 1);
    }
    return storage;
}

static void test_texts_that_are_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int family;
        unsigned bits;
    } table[] = {
        {"127.0.0.0/8", AF_INET, 8},         {"192.0.2.1", AF_INET, 32},
        {"192.0.2.1/32", AF_INET, 32},       {"192.0.2.128/25", AF_INET, 25},
        {"0.0.0.0/0", AF_INET, 0},           {"::1", AF_INET6, 128},
        {"2001:db8::/32", AF_INET6, 32},     {"2001:DB8:0:0::/33", AF_INET6, 33},
        {"fe80::/10", AF_INET6, 10},         {"::/0", AF_INET6, 0},
        {"64:ff9b::1.2.3.4", AF_INET6, 128},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct network network;
        const char *why = "";
        if (!network_parse(table[i].text, &network, &why))
            fail_msg("%s: %s", table[i].text, why);
        assert_int_equal(network.family, table[i].family);
        assert_int_equal(network.bits, table[i].bits);
    }
}

static void test_texts_that_are_none(void **state)
{
    (void)state;
    static const char wanted[] = "is wanted", bits[] = "bits behind the prefix", four[] = "as IPv4";
    static const struct {
        const char *text, *why;
    } table[] = {
        {"", wanted},
        {"/8", wanted},
        {"localhost", wanted},
        {"192.0.2", wanted},
        {"192.0.2.256", wanted},
        {"192.0.2.010", wanted},
        {"192.0.2.0/", wanted},
        {"192.0.2.0/33", wanted},
        {"192.0.2.0/-1", wanted},
        {"192.0.2.0/+8", wanted},
        {"192.0.2.0/24/24", wanted},
        {"192.0.2.0/255.255.255.0", wanted},
        {"192.0.2.0 /24", wanted},
        {"192.0.2.0-192.0.2.9", wanted},
        {"[::1]", wanted},
        {"IPv6:::1", wanted},
        {"::1/129", wanted},
        {"fe80::1%eth0", wanted},
        {"2001:db8", wanted},
        {"192.0.2.1/24", bits},
        {"10.1.0.0/8", bits},
        {"0.0.0.1/0", bits},
        {"192.0.2.129/25", bits},
        {"2001:db8::1/64", bits},
        {"2001:db8:8000::/32", bits},
        {"::ffff:10.0.0.0/104", four},
        {"::ffff:0:0/96", four},
        {"::ffff:192.0.2.1", four},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct network network;
        const char *why = "";
        if (network_parse(table[i].text, &network, &why))
            fail_msg("%s is taken", table[i].text);
        if (!strstr(why, table[i].why))
            fail_msg("%s: \"%s\" is not in: %s", table[i].text, table[i].why, why);
    }
}

static void test_what_is_within(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool within;
    } table[] = {
        {"127.0.0.0/8", "127.0.0.1", true},
        {"127.0.0.0/8", "127.255.255.255", true},
        {"127.0.0.0/8", "126.255.255.255", false},
        {"127.0.0.0/8", "128.0.0.0", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.0", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.255", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.3.128", false},
        {"192.0.2.252/30", "192.0.2.251", false},
        {"192.0.2.252/31", "192.0.2.253", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"2001:db8::/32", "2001:db8:ffff::", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"::1", "127.0.0.1", false},
        /* How a socket for both families shows clients of IPv4. */
        {"192.0.2.0/24", "::ffff:192.0.2.7", true},
        {"192.0.2.0/24", "::ffff:192.0.3.7", false},
        {"::/0", "::ffff:192.0.2.7", false},
        /* Not mapped, only like it. */
        {"192.0.2.0/24", "::192.0.2.7", false},
        {"192.0.2.0/24", "64:ff9b::192.0.2.7", false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct network network;
        const char *why = "";
        assert_true(network_parse(table[i].network, &network, &why));
        struct sockaddr_storage address = address_of(table[i].address);
        if (network_has(&network, (struct sockaddr *)&address) != table[i].within)
            fail_msg("%s in %s", table[i].address, table[i].network);
    }
}

static void test_lists(void **state)
{
    (void)state;
    struct texts networks = {0};
    struct sockaddr_storage address = address_of("192.0.2.7");
    assert_false(networks_have(&networks, (struct sockaddr *)&address));
    texts_split(&networks, "127.0.0.0/8, ::1");
    assert_false(networks_have(&networks, (struct sockaddr *)&address));
    texts_split(&networks, "192.0.2.7");
    assert_true(networks_have(&networks, (struct sockaddr *)&address));
    struct sockaddr_un other = {.sun_family = AF_UNIX};
    texts_split(&networks, "0.0.0.0/0, ::/0");
    assert_false(networks_have(&networks, (struct sockaddr *)&other));
    texts_free(&networks);
}

static void test_literals(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"192.0.2.1", "[192.0.2.1]"},
        {"::ffff:192.0.2.1", "[192.0.2.1]"},
        {"2001:db8::1", "[IPv6:2001:db8::1]"},
        {"::1", "[IPv6:::1]"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sockaddr_storage address = address_of(table[i][0]);
        struct buffer text = {0};
        network_format_literal((struct sockaddr *)&address, &text);
        assert_string_equal(buffer_text(&text), table[i][1]);
        buffer_free(&text);
    }
}

static void test_reversed(void **state)
{
    (void)state;
    static const struct {
        const char *address, *reversed;
    } cases[] = {
        {"192.0.2.1", "1.2.0.192"},
        {"2001:db8::567:89ab", "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct network network;
        struct buffer text = {0};
        const char *why;
        assert_true(network_parse(cases[i].address, &network, &why));
        network_format_reversed(&network, &text);
        assert_string_equal(buffer_text(&text), cases[i].reversed);
        buffer_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_that_are_ranges),
        cmocka_unit_test(test_texts_that_are_none),
        cmocka_unit_test(test_what_is_within),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_reversed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
