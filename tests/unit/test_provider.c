/* What is known of providers: each is found by its name and by its hosts, and what is said of it
 * can stand in the settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/host.h"
#include "config/provider.h"

static void assert_host(const struct provider *provider, const char *text)
{
    struct host host;
    const char *why;
    assert_true(host_parse(text, &host, &why));
    assert_int_equal(host.port, 0);
    assert_ptr_equal(provider_of_host(text), provider);
    free(host.name);
}

static void test_each_is_found(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct provider *provider = provider_all(); provider->name; provider++) {
        char host[256];
        snprintf(host, sizeof host, "%s", provider->host);
        const char *gap = strstr(provider->host, "%s");
        assert_int_equal(gap != NULL, provider->region != NULL);
        if (gap)
            snprintf(host, sizeof host, "%.*s%s%s", (int)(gap - provider->host), provider->host,
                     provider->region, gap + 2);
        assert_ptr_equal(provider_find(provider->name), provider);
        assert_host(provider, host);
        if (provider->other)
            assert_host(provider, provider->other);
        count++;
    }
    assert_int_equal(count, 13);
    assert_null(provider_find("other"));
    assert_null(provider_find(""));
    assert_null(provider_of_host("smtp.example.net"));
    assert_null(provider_of_host("email-smtp..amazonaws.com"));
    assert_null(provider_of_host("email-smtp.eu-west-1.amazonaws.com.example.net"));
}

/* TLS from the start has a port of its own (RFC 8314 7.3), and whoever knows the password is told
 * where to look for it. */
static void test_each_is_complete(void **state)
{
    (void)state;
    for (const struct provider *provider = provider_all(); provider->name; provider++) {
        assert_int_equal(provider->port, provider->tls == TLS_IMPLICIT ? 465 : 587);
        assert_true(provider->tls == TLS_IMPLICIT || provider->tls == TLS_STARTTLS);
        assert_non_null(provider->title);
        assert_non_null(provider->user_is);
        assert_non_null(provider->password_is);
        assert_true(!provider->spf || text_starts(provider->spf, "include:"));
        assert_false(provider->own_envelope && provider->own_sender);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_found),
        cmocka_unit_test(test_each_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
