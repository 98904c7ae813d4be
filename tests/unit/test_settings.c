/* postrider.conf: what is read, what is refused and with which words, defaults and cross checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "config/command.h"
#include "config/dkim.h"
#include "config/paths.h"
#include "config/settings.h"
#include "config/spelling.h"

static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postrider-settings-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/postrider.conf", folder);
    return setenv("XDG_STATE_HOME", folder, 1);
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put_bytes(const void *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_true(file_write(fd, data, length));
    close(fd);
}

static struct outcome load(const char *text, struct settings *settings)
{
    put_bytes(text, strlen(text));
    return settings_load(path, settings);
}

static void assert_good(const struct outcome *outcome)
{
    if (!outcome_good(outcome))
        print_error("%s\n", outcome->reason);
    assert_true(outcome_good(outcome));
}

static void expect_good(const char *text, struct settings *settings)
{
    struct outcome outcome = load(text, settings);
    assert_good(&outcome);
}

static void assert_says(const char *said, const char *words)
{
    if (!strstr(said, words))
        print_error("\"%s\" is not in: %s\n", words, said);
    assert_non_null(strstr(said, words));
}

/* The file is refused, in this line (0: none is named), with these words. */
static void expect_fault(const char *text, unsigned line, const char *words)
{
    struct settings settings;
    struct outcome outcome = load(text, &settings);
    settings_free(&settings);
    if (outcome_good(&outcome))
        print_error("accepted: %s\n", text);
    assert_int_equal(outcome.result, NEVER);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    char place[128];
    snprintf(place, sizeof place, line ? "%s:%u: " : "%s", path, line);
    assert_says(outcome.reason, place);
    assert_says(outcome.reason, words);
}

static void test_defaults(void **state)
{
    (void)state;
    struct settings settings;
    expect_good("", &settings);
    assert_string_equal(settings.path, path);
    assert_true(*settings.hostname && *settings.domain);
    assert_int_equal(settings.local_domains.count, 2);
    assert_string_equal(settings.local_domains.items[0], "localhost");
    assert_string_equal(settings.local_domains.items[1], settings.hostname);
    assert_int_equal(settings.aliases.count, 1);
    assert_string_equal(settings.aliases.items[0], POSTRIDER_ALIASES);
    assert_string_equal(settings.mailbox_directory, "/var/mail");
    assert_string_equal(settings.log_file, "");
    assert_int_equal(settings.max_message_size, 50 << 20);
    assert_int_equal(settings.smarthost_count, 0);
    assert_int_equal(settings.retry_count, 6);
    assert_int_equal(settings.retry[0], 300);
    assert_int_equal(settings.retry[5], 4 * 3600);
    assert_int_equal(settings.warn, 4 * 3600);
    assert_int_equal(settings.lifetime, 5 * 86400);
    char queue[128];
    snprintf(queue, sizeof queue, "%s/postrider", folder);
    assert_string_equal(settings.queue_directory, queue);
    settings_free(&settings);
}

static const char everything[] =
    "\xEF\xBB\xBF# the whole of it\n"
    "[mail]\r\n"
    "hostname = ST11.example.org ; with a comment\n"
    "domain: m\xC3\xBCnchen.example\n"
    "local_domains = localhost, st11.example.org,\n"
    "    *.ST11.example.org   ; and its children\n"
    "\n"
    "  # a comment does not end the list\n"
    "\t[192.0.2.1]\n"
    "aliases = /etc/aliases, virtual\n"
    "mailbox_directory = mail\n"
    "log_file = \n"
    "max_message_size = 10k\n"
    "[smarthost]\n"
    "host = smtp.example.org, Backup.example.net:2525,\n"
    " [::1]:25\n"
    "tls = implicit\n"
    "tls_fingerprint = "
    "AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:cd:AB:"
    "cd\n"
    "tls_trust = ca.pem\n"
    "auth = SCRAM-SHA-256\n"
    "user = postmaster@example.org\n"
    "connections = 7\n"
    "[smarthost \"a name that is longer than the fifty bytes that inih keeps of it\"]\n"
    "senders = @st2.example.org, bot@example.com, cron-*@*\n"
    "host = smtp.example.com\n"
    "port = 25\n"
    "password_command = /usr/bin/pass \"show it\"\n"
    "user = x\n"
    "[queue] ; comment\n"
    "directory = /srv/queue\n"
    "retry = 1m,\n"
    " 2m\n"
    "warn = 0\n"
    "lifetime = 2w";

static void test_everything(void **state)
{
    (void)state;
    struct settings settings;
    char expected[128];
    expect_good(everything, &settings);
    assert_string_equal(settings.hostname, "st11.example.org");
    assert_string_equal(settings.domain, "xn--mnchen-3ya.example");
    assert_int_equal(settings.local_domains.count, 4);
    assert_string_equal(settings.local_domains.items[2], "*.st11.example.org");
    assert_string_equal(settings.local_domains.items[3], "[192.0.2.1]");
    assert_int_equal(settings.aliases.count, 2);
    snprintf(expected, sizeof expected, "%s/virtual", folder);
    assert_string_equal(settings.aliases.items[1], expected);
    snprintf(expected, sizeof expected, "%s/mail", folder);
    assert_string_equal(settings.mailbox_directory, expected);
    assert_int_equal(settings.max_message_size, 10240);
    assert_string_equal(settings.queue_directory, "/srv/queue");
    assert_int_equal(settings.retry_count, 2);
    assert_int_equal(settings.retry[1], 120);
    assert_int_equal(settings.warn, 0);
    assert_int_equal(settings.lifetime, 14 * 86400);

    assert_int_equal(settings.smarthost_count, 2);
    const struct smarthost *host = settings_smarthost(&settings, "");
    assert_int_equal(host->hosts.count, 3);
    assert_string_equal(host->hosts.items[1], "backup.example.net:2525");
    assert_string_equal(host->hosts.items[2], "[::1]:25");
    assert_int_equal(host->port, 465);
    assert_int_equal(host->tls, TLS_IMPLICIT);
    assert_int_equal(host->auth, AUTH_SCRAM_SHA_256);
    assert_int_equal(host->connections, 7);
    assert_int_equal(strlen(host->tls_fingerprint), 64);
    assert_memory_equal(host->tls_fingerprint, "abcdabcd", 8);
    snprintf(expected, sizeof expected, "%s/ca.pem", folder);
    assert_string_equal(host->tls_trust, expected);
    host = settings_smarthost(&settings,
                              "a name that is longer than the fifty bytes that inih keeps of it");
    assert_non_null(host);
    assert_int_equal(host->port, 25);
    assert_int_equal(host->connections, 4);
    assert_int_equal(host->tls, TLS_STARTTLS);
    assert_string_equal(host->tls_trust, "system");
    assert_null(settings_smarthost(&settings, "a name"));
    settings_free(&settings);
}

static void test_unknown_names(void **state)
{
    (void)state;
    expect_fault("[mial]\n", 1, "did you mean [mail]?");
    expect_fault("[mail]\n[smarthosts]\n", 2, "did you mean [smarthost]?");
    expect_fault("[mail]\nhostnam = x\n", 2, "did you mean hostname?");
    expect_fault("[queue]\n\nlife_time = 5d\n", 3, "did you mean lifetime?");
    expect_fault("[smarthost]\npassword = hunter2\n", 2, "credentials.conf");
    expect_fault("[queue \"x\"]\n", 1, "takes no name");
    expect_fault("[mail]\na_key_whose_name_is_much_longer_than_the_fifty_bytes_of_inih = x\n", 2,
                 "unknown key a_key");
    /* Features that are not there yet are not swallowed. */
    expect_fault("[vacation]\n", 1, "unknown section [vacation]");
}

/* A next hop whose rate is used up is left alone for as long as that takes. */
static void test_longest_wait(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seconds;
    } cases[] = {
        {"[queue]\nretry = 5m, 2h, 15m\n", 7200},
        {"[queue]\nretry = 5m\n[smarthost]\nhost = h\nauth = off\nrate = 100/h\n", 3600},
        {"[queue]\nretry = 5m\n[route \"a.example\"]\nvia = h\ntls = off\nrate = 9/d\n", 86400},
        {"[queue]\nretry = 5m\n[route \"a.example\"]\nvia = h\ntls = off\nretry = 3h\n", 10800},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings settings;
        struct outcome outcome = load(cases[i].text, &settings);
        assert_string_equal(outcome.reason, "");
        assert_int_equal(settings_longest_wait(&settings), cases[i].seconds);
        settings_free(&settings);
    }
}

static void test_things_given_twice(void **state)
{
    (void)state;
    expect_fault("[mail]\ndomain = a\ndomain = a\n", 3, "domain is given a second time");
    expect_fault("[mail]\naliases = /a\nDomain = b\naliases = /b\n", 4,
                 "aliases is given a second time");
    expect_fault("[mail]\n[queue]\n[mail]\n", 3, "[mail] stands here a second time");
    expect_fault("[smarthost \"a\"]\nhost = x\n[smarthost \"a\"]\n", 3, "a second time");
}

static void test_continued_lines(void **state)
{
    (void)state;
    expect_fault("[mail]\nhostname = a\n  domain = b\n", 3, "hostname above, which is no list");
    expect_fault("[mail]\naliases = /a\n  domain = b\n", 3,
                 "an indented line goes on with aliases");
    expect_fault("[mail]\naliases = /a\n  [queue]\nwarn = 1h\n", 3, "an indented line");
    expect_fault("[mail]\naliases = /a\n  [smarthost \"x\"]\n", 3, "an indented line");
    expect_fault("[smarthost]\nhost = a\n \tport = 25\n", 3, "an indented line");
    struct settings settings;
    /* inih takes the first key of a section for a key even if it is indented, and so do we. */
    expect_good("[mail]\n  hostname = a.example\n", &settings);
    assert_string_equal(settings.hostname, "a.example");
    settings_free(&settings);
    expect_good("[mail]\naliases =\n /one ; comment\n /two\n", &settings);
    assert_int_equal(settings.aliases.count, 2);
    assert_string_equal(settings.aliases.items[0], "/one");
    settings_free(&settings);
}

static void test_ranges(void **state)
{
    (void)state;
    expect_fault("[smarthost]\nhost = a\nport = 0\n", 3, "from 1 to 65535");
    expect_fault("[smarthost]\nhost = a\nport = 65536\n", 3, "from 1 to 65535");
    expect_fault("[smarthost]\nconnections = many\n", 2, "from 1 to 100");
    expect_fault("[mail]\nmax_message_size = 1023\n", 2, "from 1K to 1024G");
    expect_fault("[mail]\nmax_message_size = 99999999999999999999G\n", 2, "from 1K to 1024G");
    expect_fault("[mail]\nmax_message_size = -1\n", 2, "from 1K to 1024G");
    expect_fault("[queue]\nretry = 5m, 0\n", 2, "from 1s to 4w");
    expect_fault("[queue]\nretry =\n", 0, "retry in [queue] may not be empty");
    expect_fault("[queue]\nlifetime = 5 d\n", 2, "from 1s to 52w");
    expect_fault("[smarthost]\ntls = ssl\n", 2, "starttls, implicit, opportunistic or off");
    expect_fault("[smarthost]\nauth = digest-md5\n", 2, "auto, plain, login");
}

static void test_values_that_are_none(void **state)
{
    (void)state;
    expect_fault("[mail]\nhostname =\n", 2, "hostname may not be empty");
    expect_fault("[mail]\nhostname = a b\n", 2, "character that a domain must not have");
    expect_fault("[mail]\nlocal_domains = *x.example\n", 2, "*x.example");
    expect_fault("[mail]\nmailbox_directory = ~/mail\n", 2, "write the whole path");
    expect_fault("[smarthost]\nhost = ::1\n", 2, "[address]:port");
    expect_fault("[smarthost]\nhost = a:b\n", 2, "no port");
    expect_fault("[smarthost]\nhost = [a]:1\n", 2, "IPv6");
    expect_fault("[smarthost]\ntls_fingerprint = abcd\n", 2, "64 hexadecimal digits");
    expect_fault("[smarthost \"a\"]\nsenders = joe\n", 2, "neither an address");
    expect_fault("[smarthost]\npassword_command = pass show\n", 2, "absolute path");
    expect_fault("[smarthost]\npassword_command = /bin/x \"y\n", 2, "not closed");
}

static void test_malformed_lines(void **state)
{
    (void)state;
    struct settings settings;
    expect_fault("[mail]\nhostname\n", 2, "neither a [section] nor");
    expect_fault("[mail]\nhostname\nmumble = x\n", 2, "neither a [section] nor");
    expect_fault("[mail]\nhostname ;= x", 2, "");
    expect_fault("hostname = x\n", 1, "before the first [section]");
    expect_fault("[mail\n", 1, "without its ']'");
    expect_fault("[mail] hostname = x\n", 1, "behind the section");
    expect_fault("[mail]x\n", 1, "behind the section");
    expect_fault("[]\n", 1, "not a section");
    expect_fault("[smarthost st2]\n", 1, "not a section");
    expect_fault("[smarthost \"st2]\n", 1, "not a section");
    expect_fault("[smarthost \"\"]\n", 1, "not a section");
    expect_fault("[mail]\nhostname = \xFF\n", 2, "not valid UTF-8");
    expect_fault("[mail]\n# \xC3\n", 2, "not valid UTF-8");
    expect_fault("[mail]\nhostname = a\rb\n", 2, "control character");
    put_bytes("[mail]\n\nhost\0name = x\n", 21);
    struct outcome outcome = settings_load(path, &settings);
    settings_free(&settings);
    assert_says(outcome.reason, ":3: the line holds a NUL byte");
}

static void test_lines_over_the_limit(void **state)
{
    (void)state;
    static const size_t lengths[] = {198, 199, 200, 201, 5000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char text[6000];
        size_t begin = (size_t)snprintf(text, sizeof text, "[mail]\nlog_file = /");
        size_t line = strlen("log_file = /");
        memset(text + begin, 'x', lengths[i] - line);
        snprintf(text + begin + lengths[i] - line, 16, "\n[queue]\n");
        if (lengths[i] > 198) {
            expect_fault(text, 2, "the limit is 198");
            continue;
        }
        struct settings settings;
        expect_good(text, &settings);
        assert_int_equal(strlen(settings.log_file), lengths[i] - line + 1);
        settings_free(&settings);
    }
}

static void test_cross_checks(void **state)
{
    (void)state;
    struct settings settings;
    expect_fault("\n[smarthost]\nport = 25\n", 2, "no host");
    expect_fault("[smarthost]\nhost = a\nsenders = x@y\n", 1, "a section with a name");
    expect_fault("[smarthost \"smarthost\"]\nhost = a\n", 1, "take another");
    expect_fault("[smarthost]\nhost = a\nuser = u\ntls = off\n", 1, "password in clear");
    expect_fault("[smarthost]\nhost = 127.0.0.1, a\nuser = u\ntls = off\n", 1, "in clear");
    expect_fault("[smarthost]\nhost = 127.0.0.1.example\nuser = u\ntls = off\n", 1, "in clear");
    expect_fault("[smarthost]\nhost = a\nuser = u\ntls = opportunistic\n", 1, "any certificate");
    expect_fault("[smarthost]\nhost = a\ntls = opportunistic\ntls_fingerprint = "
                 "abababababababababababababababababababababababababababababababab\n",
                 1, "yet tls_fingerprint");
    expect_good("[smarthost]\nhost = a\ntls = opportunistic\n", &settings);
    assert_int_equal(settings.smarthosts[0].tls, TLS_OPPORTUNISTIC);
    settings_free(&settings);
    expect_fault("[smarthost]\nhost = a\ntls_certificate = c\n", 1, "needs tls_key");
    expect_fault("[smarthost]\nhost = a\ntls_key = c\n", 1, "needs tls_certificate");
    expect_fault("[smarthost]\nhost = a\nauth = plain\n", 1, "auth needs user");
    expect_fault("[smarthost]\nhost = a\nauth = external\n", 1, "needs tls_certificate");
    expect_fault("[smarthost]\nhost = a\npassword_command = /x\n", 1,
                 "password_command needs user");
    expect_fault("[smarthost \"a\"]\nhost = a\nsenders = X@y.example\n"
                 "[smarthost \"b\"]\nhost = b\nsenders = x@y.example\n",
                 4, "is given to smarthost a and to b");
    expect_good("[smarthost]\nhost = 127.8.0.1:25, [::1], localhost\nuser = u\ntls = off\n",
                &settings);
    settings_free(&settings);
    expect_good("[smarthost]\nhost = a\ntls = off\n", &settings);
    assert_int_equal(settings.smarthosts[0].port, 587);
    settings_free(&settings);
}

static void test_listeners(void **state)
{
    (void)state;
    struct settings settings;
    expect_good("[mail]\n", &settings);
    assert_int_equal(settings.listener_count, 0);
    settings_free(&settings);

    expect_good("[listen]\n", &settings);
    const struct listener *listener = &settings.listeners[0];
    assert_string_equal(listener->name, "");
    assert_int_equal(listener->addresses.count, 2);
    assert_string_equal(listener->addresses.items[0], "127.0.0.1");
    assert_string_equal(listener->addresses.items[1], "[::1]");
    assert_int_equal(listener->tls, TLS_OFF);
    assert_false(listener->require_tls || listener->require_auth || listener->own_sender);
    assert_string_equal(listener->users, "");
    assert_int_equal(listener->relay_networks.count, 2);
    assert_string_equal(listener->relay_networks.items[0], "127.0.0.0/8");
    assert_string_equal(listener->relay_networks.items[1], "::1");
    assert_int_equal(listener->relay_domains.count, 0);
    assert_int_equal(listener->etrn_networks.count, 0);
    assert_int_equal(listener->max_connections, 100);
    assert_int_equal(listener->max_connections_per_client, 10);
    assert_int_equal(listener->max_recipients, 1000);
    assert_int_equal(listener->timeout, 300);
    settings_free(&settings);

    expect_good("[listen \"smtp\"]\naddress = *, 192.0.2.1:2525, [::]:26,\n localhost\n"
                "tls = starttls\ntls_certificate = tls.crt, /b.crt\ntls_key = tls.key, /b.key\n"
                "tls_client_ca = ca.crt\nrelay_networks =\n"
                "relay_domains = Partner.Example, *.partner.example\n"
                "etrn_networks = 192.0.2.0/24\nmax_connections = 100000\nmax_recipients = 100\n"
                "[listen \"submission\"]\naddress = *:587\ntls = implicit\ntls_certificate = /c\n"
                "tls_key = /k\nrequire_tls = yes\nrequire_auth = yes\nusers = users\n"
                "relay_networks = 10.0.0.0/8, fc00::/7, fe80::/10, 2001:db8::/32\n",
                &settings);
    assert_int_equal(settings.listener_count, 2);
    listener = &settings.listeners[0];
    assert_string_equal(listener->name, "smtp");
    assert_int_equal(listener->addresses.count, 4);
    assert_string_equal(listener->addresses.items[2], "[::]:26");
    assert_int_equal(listener->tls_certificates.count, 2);
    char expected[128];
    snprintf(expected, sizeof expected, "%s/tls.crt", folder);
    assert_string_equal(listener->tls_certificates.items[0], expected);
    assert_string_equal(listener->tls_keys.items[1], "/b.key");
    assert_int_equal(listener->relay_networks.count, 0);
    assert_string_equal(listener->relay_domains.items[0], "partner.example");
    assert_string_equal(listener->relay_domains.items[1], "*.partner.example");
    listener = &settings.listeners[1];
    assert_int_equal(listener->tls, TLS_IMPLICIT);
    assert_true(listener->require_tls && listener->require_auth);
    snprintf(expected, sizeof expected, "%s/users", folder);
    assert_string_equal(listener->users, expected);
    assert_int_equal(listener->relay_networks.count, 4);
    settings_free(&settings);
}

/* An open relay cannot be had by a line that was written in haste. */
static void test_V4_open_relays(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "relay_networks = 0.0.0.0/0",
        "relay_networks = ::/0",
        "relay_networks = 127.0.0.0/8, 0.0.0.0/1, 128.0.0.0/1",
        "relay_networks = 10.0.0.0/7",
        "relay_networks = ::1,\n    2000::/3",
        "relay_networks = 2000::/15",
        "relay_networks = f800::/5",
        "relay_domains = *",
        "relay_domains = partner.example, *",
        "relay_domains = *.com",
        "relay_domains = partner.example,\n    *.example",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "[mail]\n[listen \"mx\"]\n%s\n", lines[i]);
        expect_fault(text, 2, "[listen \"mx\"]: its relay_networks or relay_domains are so wide");
    }
    expect_fault("[listen]\nrelay_networks = all\n", 2, "a range such as");
    expect_fault("[listen]\nrelay_networks = 192.0.2.1/24\n", 2, "bits behind the prefix");
    expect_fault("[listen]\nrelay_networks = ::ffff:0:0/96\n", 2, "write it as IPv4");
    expect_fault("[listen]\nrelay_networks = here.example\n", 2, "an IP address");
    expect_fault("[listen]\netrn_networks = 192.0.2.0/99\n", 2, "a range such as");
    expect_fault("[listen]\nrelay_domains = a*.example\n", 2, "character that a domain");
    expect_fault("[listen]\nrelay_domains = .example.org\n", 2, "empty label");
    expect_fault("[listen]\nrelay_domains = joe@example.org\n", 2, "character that a domain");
}

static void test_listeners_that_do_not_fit_together(void **state)
{
    (void)state;
    expect_fault("[listen]\naddress =\n", 2, "address may not be empty");
    expect_fault("[listen]\naddress = *:0\n", 2, "no port from 1 to 65535");
    expect_fault("[listen]\naddress = *25\n", 2, "no port");
    expect_fault("[listen]\naddress = ::1\n", 2, "[address]:port");
    expect_fault("[listen]\naddress = srv:example.org\n", 2, "not the name of a service");
    expect_fault("[listen]\ntls = starttls\n", 1, "tls needs tls_certificate and tls_key");
    expect_fault("[listen]\ntls = implicit\ntls_key = /k\n", 1, "tls needs tls_certificate");
    expect_fault("[listen]\ntls = starttls\ntls_certificate = /c\n", 1, "go in pairs");
    expect_fault("[listen]\ntls = starttls\ntls_certificate = /c\ntls_key = /k, /l\n", 1,
                 "go in pairs");
    expect_fault("[listen]\ntls = opportunistic\n", 1, "off, starttls or implicit here");
    expect_fault("[listen]\ntls_certificate = /c\ntls_key = /k\n", 1, "tls = off, yet");
    expect_fault("[listen]\ntls_key = /k\n", 1, "go in pairs");
    expect_fault("[listen]\ntls_client_ca = /ca\n", 1, "tls = off, yet");
    expect_fault("[listen]\nrequire_tls = yes\n", 1, "require_tls needs tls");
    expect_fault("[listen]\nrequire_tls = maybe\n", 2, "is wanted");
    expect_fault("[listen]\nrequire_auth = yes\n", 1, "require_auth needs users");
    expect_fault("[listen]\nmax_connections = 0\n", 2, "from 1 to 100000");
    expect_fault("[listen]\nmax_connections_per_client = 100001\n", 2, "from 1 to 100000");
    expect_fault("[listen]\nmax_recipients = 99\n", 2, "from 100 to 100000");
    expect_fault("[listen]\ntimeout = 0\n", 2, "from 1s to 1h");
    expect_fault("[listen]\n[listen]\n", 2, "a second time");
    expect_fault("[listen]\n[listen \"x\"]\nrequire_tls = yes\n", 2, "[listen \"x\"]: ");
}

static const char *name_for(const struct settings *settings, const char *sender)
{
    const struct smarthost *smarthost = settings_smarthost_for(settings, sender);
    return smarthost ? smarthost->name : NULL;
}

static void test_smarthost_by_sender(void **state)
{
    (void)state;
    struct settings settings;
    expect_good("[smarthost \"wild\"]\nhost = a\nsenders = *@*.example.org, b*@example.com\n"
                "[smarthost \"domain\"]\nhost = a\nsenders = @example.com, @sub.example.org\n"
                "[smarthost \"exact\"]\nhost = a\nsenders = bot@example.com\n"
                "[smarthost]\nhost = a\n",
                &settings);
    assert_string_equal(name_for(&settings, "Bot@Example.com"), "exact");
    assert_string_equal(name_for(&settings, "bob@example.com"), "domain");
    assert_string_equal(name_for(&settings, "x@sub.example.org"), "domain");
    assert_string_equal(name_for(&settings, "x@other.example.org"), "wild");
    assert_string_equal(name_for(&settings, "x@example.net"), "");
    assert_string_equal(name_for(&settings, ""), "");
    assert_string_equal(name_for(&settings, "joe"), "");
    settings_free(&settings);
    expect_good("[smarthost \"a\"]\nhost = a\nsenders = @example.com\n", &settings);
    assert_null(name_for(&settings, "x@example.net"));
    settings_free(&settings);
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    struct settings settings;
    unlink(path);
    struct outcome outcome = settings_load(path, &settings);
    settings_free(&settings);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    outcome = settings_load(folder, &settings);
    settings_free(&settings);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    outcome = settings_load("/dev/zero", &settings);
    settings_free(&settings);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    outcome = settings_load("/dev/null", &settings);
    settings_free(&settings);
    assert_true(outcome_good(&outcome));
    /* Root may read everything, so that for a moment somebody else asks. */
    put_bytes("", 0);
    assert_int_equal(chmod(path, 0), 0);
    uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    outcome = settings_load(path, &settings);
    assert_int_equal(seteuid(user), 0);
    settings_free(&settings);
    assert_int_equal(outcome.exit_status, EX_NOPERM);
    assert_int_equal(chmod(path, 0644), 0);
}

static void test_relative_path_of_the_file(void **state)
{
    (void)state;
    struct settings settings;
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    put_bytes("[queue]\ndirectory = q\n", 22);
    assert_int_equal(chdir(folder), 0);
    struct outcome outcome = settings_load("postrider.conf", &settings);
    assert_int_equal(chdir(here), 0);
    assert_good(&outcome);
    char expected[128];
    snprintf(expected, sizeof expected, "%s/q", folder);
    assert_string_equal(settings.queue_directory, expected);
    assert_string_equal(settings.path, path);
    char *credentials = settings_credentials_path(&settings);
    snprintf(expected, sizeof expected, "%s/credentials.conf", folder);
    assert_string_equal(credentials, expected);
    free(credentials);
    settings_free(&settings);
}

/* Without a path it is the installed file, which may be there or not where this runs. */
static void test_installed_settings(void **state)
{
    (void)state;
    struct settings settings;
    bool is_there = access(POSTRIDER_CONFIG, F_OK) == 0;
    struct outcome outcome = settings_load(NULL, &settings);
    assert_string_equal(settings.path, is_there ? POSTRIDER_CONFIG : "");
    char *credentials = settings_credentials_path(&settings);
    assert_memory_equal(credentials, POSTRIDER_CONFIG, strlen(POSTRIDER_CONFIG) - 14);
    assert_non_null(strstr(credentials, "/credentials.conf"));
    free(credentials);
    if (!is_there) {
        assert_good(&outcome);
        assert_string_equal(settings.queue_directory, POSTRIDER_SPOOL);
    }
    settings_free(&settings);
}

static void test_queue_of_a_user(void **state)
{
    (void)state;
    struct settings settings;
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/home/somebody", 1);
    expect_good("", &settings);
    assert_string_equal(settings.queue_directory, "/home/somebody/.local/state/postrider");
    settings_free(&settings);
    setenv("XDG_STATE_HOME", "not/absolute", 1);
    expect_good("", &settings);
    assert_string_equal(settings.queue_directory, "/home/somebody/.local/state/postrider");
    settings_free(&settings);
    if (home)
        setenv("HOME", home, 1);
    setenv("XDG_STATE_HOME", folder, 1);
    free(home);
}

static void test_command_words(void **state)
{
    (void)state;
    struct texts words = {0};
    const char *why;
    assert_true(command_split(" /bin/x  a\\b \"c d\"e \"\\\"\\\\\\n\" \"\" $HOME;|", &words, &why));
    assert_int_equal(words.count, 6);
    assert_string_equal(words.items[1], "a\\b");
    assert_string_equal(words.items[2], "c de");
    assert_string_equal(words.items[3], "\"\\\\n");
    assert_string_equal(words.items[4], "");
    assert_string_equal(words.items[5], "$HOME;|");
    texts_free(&words);
    assert_false(command_split("", &words, &why));
    assert_false(command_split("/x \"a", &words, &why));
    assert_int_equal(words.count, 0);
}

static void test_spelling(void **state)
{
    (void)state;
    assert_int_equal(spelling_distance("", ""), 0);
    assert_int_equal(spelling_distance("Host", "hosts"), 1);
    assert_int_equal(spelling_distance("kitten", "sitting"), 3);
    assert_int_equal(spelling_distance("abc", ""), 3);

    static const char *const words[] = {"status", "setup", "dkim-key"};
    assert_string_equal(spelling_nearest("statsu", words, 3), "status");
    assert_string_equal(spelling_nearest("SETUP", words, 3), "setup");
    assert_string_equal(spelling_nearest("dk", words, 3), "dkim-key");
    assert_string_equal(spelling_nearest("st", words, 3), "status");
    static const char *const far[] = {"s", "", "nothing", "-v", "keydkim-"};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
        assert_null(spelling_nearest(far[i], words, 3));
    assert_null(spelling_nearest("status", words, 0));
}

/* Whatever the bytes are, the answer is settings or a fault. The seed is fixed. */
static void assert_signs(const struct settings *settings, const char *author, const char *pattern)
{
    const struct dkim *found = dkim_find(settings, author);
    if (!pattern)
        assert_null(found);
    else
        assert_string_equal(found->pattern, pattern);
}

static void test_dkim(void **state)
{
    (void)state;
    struct settings settings;
    char key[160];
    expect_good("[dkim \"Example.ORG\"]\n"
                "[dkim \"*.example.org\"]\nselector = a, B.sub\nkey = /k/a.pem, b.pem\n"
                "[dkim \"*.lab.example.org\"]\nselector = lab\n"
                "[dkim \"m\xC3\xBCnchen.example\"]\n",
                &settings);
    assert_int_equal(settings.dkim_count, 4);
    const struct dkim *dkim = settings.dkims;
    assert_string_equal(dkim->domain, "example.org");
    assert_int_equal(dkim->selectors.count, 1);
    assert_string_equal(dkim->selectors.items[0], "mail");
    snprintf(key, sizeof key, "%s/dkim/example.org.pem", folder);
    assert_int_equal(dkim->keys.count, 1);
    assert_string_equal(dkim->keys.items[0], key);
    dkim++;
    assert_string_equal(dkim->domain, "example.org");
    assert_string_equal(dkim->selectors.items[1], "b.sub");
    assert_string_equal(dkim->keys.items[0], "/k/a.pem");
    snprintf(key, sizeof key, "%s/b.pem", folder);
    assert_string_equal(dkim->keys.items[1], key);
    snprintf(key, sizeof key, "%s/dkim/lab.example.org.pem", folder);
    assert_string_equal(dkim[1].keys.items[0], key);

    assert_signs(&settings, "example.org", "example.org");
    assert_signs(&settings, "EXAMPLE.org", "example.org");
    assert_signs(&settings, "host.example.org", "*.example.org");
    assert_signs(&settings, "lab.example.org", "*.example.org");
    assert_signs(&settings, "a.lab.example.org", "*.lab.example.org");
    assert_signs(&settings, "xn--mnchen-3ya.example", "xn--mnchen-3ya.example");
    assert_signs(&settings, "notexample.org", NULL);
    assert_signs(&settings, "org", NULL);
    assert_signs(&settings, "[192.0.2.1]", NULL);
    assert_string_equal(dkim_find_signing(&settings, "example.org")->pattern, "example.org");
    assert_string_equal(dkim_find_signing(&settings, "lab.example.org")->pattern,
                        "*.lab.example.org");
    assert_null(dkim_find_signing(&settings, "host.example.org"));
    settings_free(&settings);
}

static void test_dkim_faults(void **state)
{
    (void)state;
    static const char wants[] = "[dkim] wants the domain of authors";
    expect_fault("[dkim]\n", 1, wants);
    expect_fault("[dkim \"*\"]\n", 1, wants);
    expect_fault("[dkim \"[192.0.2.1]\"]\n", 1, wants);
    expect_fault("[dkim \"a..b\"]\n", 1, "empty label");
    expect_fault("[mail]\n\n[dkim \"a.example\"]\nselector = a, b\n", 3, "go in pairs");
    expect_fault("[dkim \"a.example\"]\nkey = a.pem, b.pem\n", 1, "go in pairs");
    expect_fault("[dkim \"a.example\"]\nselector = a, A\nkey = a.pem, b.pem\n", 1, "stands twice");
    expect_fault("[dkim \"a.example\"]\nselector =\nkey =\n", 1, "may not be empty");
    expect_fault("[dkim \"a.example\"]\nselector = a b\n", 2, "a selector is a name");
    expect_fault("[dkim \"a.example\"]\nkeys = b\n", 2, "did you mean key?");
    expect_fault("[dkim \"a.example\"]\n[DKIM \"a.example\"]\n", 2, "a second time");
}

static void test_fuzz(void **state)
{
    (void)state;
    static const char hot[] = "\n[];#=: \t\"\\\0,*@\r\xFF";
    uint64_t random = 0x9E3779B97F4A7C15u;
    char text[sizeof everything + 64];
    for (unsigned round = 0; round < 2000; round++) {
        size_t length = sizeof everything - 1;
        memcpy(text, everything, length);
        for (unsigned change = round % 7 + 1; change; change--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t at = (random >> 33) % length;
            text[at] = random >> 20 & 1 ? hot[(random >> 24) % (sizeof hot - 1)]
                                        : text[(random >> 40) % length];
            if ((random >> 60) == 0)
                length = at + 1;
        }
        put_bytes(text, length);
        struct settings settings;
        struct outcome outcome = settings_load(path, &settings);
        settings_free(&settings);
        assert_true(outcome_good(&outcome) || outcome.exit_status == EX_CONFIG);
        assert_true(outcome_good(&outcome) || strstr(outcome.reason, path));
    }
}

static void test_filter(void **state)
{
    (void)state;
    struct settings settings;
    expect_good("[filter]\n"
                "dnsbl = Zen.Example, a.example=127.0.0.2-11|127.1.0-255.4*3\n"
                "    b.example*2, m\xC3\xBCnchen.example=127.0.0.3\n"
                "dnswl = good.example=127.0-255.0-255.3\n"
                "block_senders = A@B.Example, @C.example, file:lists/senders\n"
                "block_helo = Localhost, *.D.example\ncontact = help@example.org\n",
                &settings);
    const struct filtering *filter = &settings.filter;
    static const char *const lists[] = {"zen.example", "a.example=127.0.0.2-11|127.1.0-255.4*3",
                                        "b.example*2", "xn--mnchen-3ya.example=127.0.0.3"};
    assert_int_equal(filter->dnsbl.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(filter->dnsbl.items[i], lists[i]);
    assert_string_equal(filter->dnswl.items[0], "good.example=127.0-255.0-255.3");
    assert_string_equal(filter->block_senders.items[0], "A@b.example");
    assert_string_equal(filter->block_senders.items[1], "@c.example");
    char file[160];
    snprintf(file, sizeof file, "file:%s/lists/senders", folder);
    assert_string_equal(filter->block_senders.items[2], file);
    assert_string_equal(filter->block_helo.items[0], "localhost");
    assert_int_equal(filter->dnsbl_threshold, 1);
    assert_int_equal(filter->dns_timeout, 5);
    settings_free(&settings);
}

static void test_filter_faults(void **state)
{
    (void)state;
    static const char *const lists[][2] = {
        {"a b.example", "character that a domain must not have"},
        {"*3", "empty domain"},
        {"a.example*", "a weight from 1 to 1000"},
        {"a.example*0", "a weight from 1 to 1000"},
        {"a.example*1001", "a weight from 1 to 1000"},
        {"a.example*-1", "a weight from 1 to 1000"},
        {"a.example*3=127.0.0.2", "a weight from 1 to 1000"},
        {"a.example=", "a mask is"},
        {"a.example=127.0.0", "a mask is"},
        {"a.example=127.0.0.1.2", "a mask is"},
        {"a.example=127.0.0.256", "a mask is"},
        {"a.example=127.0.0.9-2", "a mask is"},
        {"a.example=127.0.0.2|", "a mask is"},
        {"a.example=192.0.2.1", "a mask is an address of 127/8"},
        {"a.example=126-127.0.0.2", "a mask is"},
        {"a.example=127.0.0.2=127.0.0.3", "a mask is"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "[filter]\ndnsbl = %s\n", lists[i][0]);
        expect_fault(text, 2, lists[i][1]);
    }
    expect_fault("[filter]\ndnswl = a.example*2\n", 2, "no weight is wanted");
    expect_fault("[filter]\nblock_senders = b.example\n", 2, "neither an address");
    expect_fault("[filter]\nblock_senders = news*@b\xC3\xBC.example\n", 2, "xn--");
    expect_fault("[filter]\nblock_clients = 192.0.2.1/24\n", 2, "bits behind the prefix");
    expect_fault("[filter]\nblock_clients = a.example\n", 2, "an IP address, or a range");
    expect_fault("[filter]\nblock_helo = a b\n", 2, "character that a domain must not have");
    expect_fault("[filter]\nblock_helo = file:\n", 2, "no path");
    expect_fault("[filter]\ncontact = a@b@c\n", 2, "contact");
    expect_fault("[filter]\nspf = on\n", 2, "off, mark or reject");
    expect_fault("[filter]\ngreylist = on\ngreylist_delay = 8h\n", 0,
                 "greylist_window must be longer");
    expect_fault("[filter]\ndnsbl_threshold = 0\n", 2, "from 1 to 1000");

    struct buffer text = {0};
    buffer_append_text(&text, "[filter]\ndnsbl = a.example\n");
    for (int i = 0; i < 31; i++)
        buffer_format(&text, "    l%d.example\n", i);
    struct settings settings;
    expect_good(buffer_text(&text), &settings);
    settings_free(&settings);
    buffer_append_text(&text, "    another.example\n");
    expect_fault(buffer_text(&text), 34, "32 are the most");
    buffer_clear(&text);
    buffer_append_text(&text, "[filter]\ndnsbl = ");
    for (int i = 0; i < 46; i++)
        buffer_append_text(&text, "abc.");
    buffer_append_text(&text, "\n");
    expect_fault(buffer_text(&text), 2, "the name is too long");
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_longest_wait),
        cmocka_unit_test(test_things_given_twice),
        cmocka_unit_test(test_continued_lines),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_values_that_are_none),
        cmocka_unit_test(test_malformed_lines),
        cmocka_unit_test(test_lines_over_the_limit),
        cmocka_unit_test(test_cross_checks),
        cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_V4_open_relays),
        cmocka_unit_test(test_listeners_that_do_not_fit_together),
        cmocka_unit_test(test_smarthost_by_sender),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_relative_path_of_the_file),
        cmocka_unit_test(test_installed_settings),
        cmocka_unit_test(test_queue_of_a_user),
        cmocka_unit_test(test_command_words),
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_dkim),
        cmocka_unit_test(test_dkim_faults),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_filter_faults),
        cmocka_unit_test(test_fuzz),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
