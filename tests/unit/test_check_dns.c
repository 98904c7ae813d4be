/* What is found of records in the DNS: the books are written here, nobody is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check/dns_book.h"
#include "check/dns_inbound.h"
#include "check/dns_key.h"
#include "check/dns_list.h"
#include "check/dns_sender.h"
#include "check/dns_spf.h"
#include "config/provider.h"
#include "filter/spf_record.h"

/* What the DNS of a test has; a name that is in none of its lines does not exist. */
struct line {
    const char *name;
    ns_type type;
    const char *values; /* separated by '|'; NULL: nobody answers */
};

static void answer(const struct line *lines, struct dns_page *page)
{
    page->answered = true;
    page->found = NO_DOMAIN;
    for (; lines->name; lines++) {
        if (!text_equal(lines->name, page->name))
            continue;
        if (page->found == NO_DOMAIN)
            page->found = NO_RECORDS;
        if (lines->type != page->type)
            continue;
        page->found = lines->values ? RESOLVED : NO_ANSWER;
        page->trouble = "nobody answered";
        const char *at = lines->values;
        while (at && *at) {
            size_t length = strcspn(at, "|");
            char *value = strndup(at, length);
            texts_add(&page->values, strcmp(value, ".") == 0 ? "" : value);
            free(value);
            at += length + (at[length] == '|');
        }
    }
}

static bool answer_all(const struct line *lines, struct dns_book *book)
{
    bool any = book->asked < book->count;
    for (; book->asked < book->count; book->asked++)
        answer(lines, book->pages[book->asked]);
    return any;
}

typedef void look_at(struct dns_book *book, const void *subject, struct findings *findings);

/* Looks until all is known; the findings as lines "mark topic text; remedy". The caller frees. */
static char *look(const struct line *lines, look_at *at, const void *subject)
{
    struct dns_book book = {0};
    struct findings found = {0};
    struct buffer text = {0};
    do {
        finding_free(&found);
        at(&book, subject, &found);
    } while (answer_all(lines, &book));
    for (size_t i = 0; i < found.count; i++) {
        const struct finding *finding = &found.items[i];
        buffer_format(&text, "%s %s %s; %s\n", finding_mark_name(finding->mark), finding->topic,
                      finding->text, finding->remedy ? finding->remedy : "");
    }
    finding_free(&found);
    dns_book_free(&book);
    return buffer_take(&text);
}

/* One line of these findings begins so, and has the other words in it. */
static void expect(const char *findings, const char *begin, const char *words)
{
    for (const char *line = findings; *line;) {
        size_t length = strcspn(line, "\n");
        char *copy = strndup(line, length);
        bool good = strncmp(copy, begin, strlen(begin)) == 0 && strstr(copy, words);
        free(copy);
        if (good)
            return;
        line += length + 1;
    }
    fail_msg("no \"%s\" with \"%s\" in:\n%s", begin, words, findings);
}

/* What is to be found of a name. */
struct expected {
    const char *name, *mark, *words;
};

#define EXPECT_EACH(lines, at, cases, subject)                                                     \
    expect_each(lines, at, cases, sizeof(cases) / sizeof *(cases), subject)

/* subject: what is looked at, by the name. */
static void expect_each(const struct line *lines, look_at *at, const struct expected *cases,
                        size_t count, const void *(*subject)(const char *name))
{
    for (size_t i = 0; i < count; i++) {
        char *found = look(lines, at, subject(cases[i].name));
        expect(found, cases[i].mark, cases[i].words);
        free(found);
    }
}

/* ---- SPF ---- */

static void look_spf(struct dns_book *book, const void *subject, struct findings *findings)
{
    dns_spf_look(book, subject, findings);
}

static void test_spf(void **state)
{
    static const struct {
        const char *record, *mark, *words;
    } cases[] = {
        {"v=spf1 include:p.example ~all", "good spf", "names the provider, with 2 of 10 lookups"},
        {"v=spf1 include:p.example -all", "good spf", "names the provider"},
        {"v=spf1 INCLUDE:P.example ~all", "good spf", "names the provider"},
        {"v=spf1 redirect=by.example", "good spf", "names the provider"},
        {"v=spf1 include:by.example -all", "good spf", "names the provider"},
        {"other text|v=spf1 include:p.example ~all|v=spf10 x", "good spf", "names the provider"},
        /* What must be pasted then. */
        {"other text", "warning spf",
         "no SPF record: mail from there may be taken for spam; put into the DNS: d.example. IN "
         "TXT \"v=spf1 include:p.example ~all\""},
        {"v=spf1 mx -all", "warning spf",
         "does not name the provider: v=spf1 mx -all; put into the DNS instead: d.example. IN TXT "
         "\"v=spf1 mx include:p.example -all\""},
        {"v=spf1 ?include:p.example ~all", "warning spf", "does not name the provider"},
        {"v=spf1 -all include:p.example", "warning spf", "does not name the provider"},
        {"v=spf1 redirect=other.example", "warning spf",
         "\"v=spf1 include:p.example redirect=other.example\""},
        {"v=spf1 mx ~all|v=spf1 include:p.example -all", "warning spf",
         "2 SPF records, so that none of them counts; put into the DNS instead: d.example. IN TXT "
         "\"v=spf1 mx include:p.example -all\""},
        {"v=spf1 include:p.example ipv4:192.0.2.1 ~all", "warning spf",
         "a mistake at ipv4:192.0.2.1, so that it is good for nobody: v=spf1 include:p.example "
         "ipv4:192.0.2.1 ~all; put into the DNS instead: d.example. IN TXT \"v=spf1 "
         "include:p.example ~all\""},
        {"v=spf1 include:p.example", "hint spf", "does not end in ~all or -all"},
        {"v=spf1 include:p.example ?all", "hint spf",
         "d.example. IN TXT \"v=spf1 include:p.example ~all\""},
        {"v=spf1 include:p.example +all", "warning spf", "everybody may send in its name"},
        {"v=spf1 all", "warning spf", "does not name the provider"},
        {"v=spf1 include:p.example include:nothing.example ~all", "warning spf",
         "good for nobody: it includes nothing.example, which has no SPF record"},
        {"v=spf1 include:p.example include:twice.example ~all", "warning spf",
         "it includes twice.example, which has several SPF records"},
        {"v=spf1 include:p.example include:wrong.example ~all", "warning spf",
         "it includes wrong.example, which has an SPF record with a mistake in it"},
        {"v=spf1 include:many.example include:p.example ~all", "warning spf",
         "needs 12 lookups, and receivers give up at 10"},
        {"v=spf1 include:circle.example include:p.example ~all", "warning spf",
         "needs more than 20 lookups"},
        {"v=spf1 include:dead.example ~all", "hint spf",
         "whether the SPF record of d.example names the provider is not known: no answer about "
         "dead.example"},
        {"v=spf1 include:dead.example include:p.example ~all", "good spf", "names the provider"},
        {"v=spf1 include:p.example redirect=dead.example", "hint spf",
         "whether the SPF record of d.example is in order is not known: no answer about dead"},
        {NULL, "hint spf", "is not known: nobody answered"},
    };
    static const char many[] = "v=spf1 a:1.example a:2.example a:3.example a:4.example a:5.example "
                               "mx ptr exists:%{i}.example a:9.example ~all";
    const struct dns_sender sender = {.domain = (char *)"d.example",
                                      .wanted = {{"the provider", "include:p.example"}},
                                      .wanted_count = 1};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct line lines[] = {
            {"d.example", ns_t_txt, cases[i].record},
            {"p.example", ns_t_txt, "v=spf1 ip4:192.0.2.0/24 include:q.example ~all"},
            {"q.example", ns_t_txt, "v=spf1 ip6:2001:db8::/32 ~all"},
            {"by.example", ns_t_txt, "v=spf1 include:p.example -all"},
            {"other.example", ns_t_txt, "v=spf1 mx ~all"},
            {"nothing.example", ns_t_a, "192.0.2.1"},
            {"twice.example", ns_t_txt, "v=spf1 ~all|v=spf1 -all"},
            {"wrong.example", ns_t_txt, "v=spf1 mistake ~all"},
            {"many.example", ns_t_txt, many},
            {"circle.example", ns_t_txt, "v=spf1 include:circle.example ~all"},
            {"dead.example", ns_t_txt, NULL},
            {0},
        };
        char *found = look(lines, look_spf, &sender);
        expect(found, cases[i].mark, cases[i].words);
        assert_ptr_equal(strchr(found, '\n') + 1, strchr(found, '\0'));
        free(found);
    }
}

static void test_spf_of_who_is_not_known(void **state)
{
    static const struct line lines[] = {{"d.example", ns_t_a, "192.0.2.1"},
                                        {"open.example", ns_t_txt, "v=spf1 +all"},
                                        {"good.example", ns_t_txt, "v=spf1 mx -all"},
                                        {0}};
    struct dns_sender sender = {.domain = (char *)"d.example", .usual = (char *)"a:s.example"};
    (void)state;
    char *found = look(lines, look_spf, &sender);
    expect(found, "warning spf", "d.example. IN TXT \"v=spf1 a:s.example ~all\"");
    free(found);
    sender.domain = (char *)"open.example";
    found = look(lines, look_spf, &sender);
    expect(found, "warning spf", "open.example. IN TXT \"v=spf1 a:s.example ~all\"");
    free(found);
    sender.domain = (char *)"good.example";
    found = look(lines, look_spf, &sender);
    expect(found, "good spf", "is in order");
    free(found);
    sender.domain = (char *)"gone.example";
    found = look(lines, look_spf, &sender);
    expect(found, "warning spf", "a domain that is not in the DNS");
    free(found);
    /* Who has a domain of its own for SPF makes none necessary. */
    sender = (struct dns_sender){.domain = (char *)"d.example", .needs_none = true};
    found = look(lines, look_spf, &sender);
    expect(found, "hint spf", "has no SPF record");
    free(found);
}

static void test_spf_composed(void **state)
{
    static const char *const records[] = {
        "v=spf1 a  a mx:\"x\".example exp=why.example x=y redirect=r.example"};
    const struct dns_sender sender = {
        .domain = (char *)"d.example", .wanted = {{"P", "include:p.example"}}, .wanted_count = 1};
    struct texts list = {0};
    struct buffer record = {0};
    (void)state;
    texts_add(&list, records[0]);
    dns_spf_compose(&sender, &list, &record);
    assert_string_equal(buffer_text(&record),
                        "v=spf1 a exp=why.example x=y include:p.example redirect=r.example");
    buffer_clear(&record);
    texts_add(&list, "v=spf1 mx -all");
    dns_spf_compose(&sender, &list, &record);
    assert_string_equal(buffer_text(&record),
                        "v=spf1 a exp=why.example x=y mx include:p.example -all");
    buffer_free(&record);
    texts_free(&list);
}

static void test_spf_of_two_providers(void **state)
{
    static const struct line lines[] = {{"d.example", ns_t_txt, "v=spf1 include:p.example -all"},
                                        {"both.example", ns_t_txt,
                                         "v=spf1 include:p.example "
                                         "ip4:192.0.2.0/24 -all"},
                                        {"p.example", ns_t_txt, "v=spf1 -all"},
                                        {0}};
    struct dns_sender sender = {.domain = (char *)"d.example",
                                .wanted = {{"P", "include:p.example"}, {"Q", "ip4:192.0.2.8"}},
                                .wanted_count = 2};
    (void)state;
    char *found = look(lines, look_spf, &sender);
    expect(found, "warning spf",
           "does not name Q: v=spf1 include:p.example -all; put into the DNS instead: d.example. "
           "IN TXT \"v=spf1 include:p.example ip4:192.0.2.8 -all\"");
    free(found);
    sender.domain = (char *)"both.example";
    found = look(lines, look_spf, &sender);
    expect(found, "good spf", "names P and Q, with 1 of 10 lookups");
    free(found);
}

/* Longer than one string of the DNS. */
static void test_spf_of_many_words(void **state)
{
    struct buffer record = {0};
    const struct dns_sender sender = {
        .domain = (char *)"d.example", .wanted = {{"P", "include:p.example"}}, .wanted_count = 1};
    (void)state;
    buffer_append_text(&record, "v=spf1");
    for (int i = 0; i < 20; i++)
        buffer_format(&record, " ip4:192.0.2.%d/32", 100 + i);
    const struct line lines[] = {{"d.example", ns_t_txt, buffer_text(&record)}, {0}};
    char *found = look(lines, look_spf, &sender);
    const char *value = strstr(found, "IN TXT \"");
    assert_non_null(value);
    const char *end = strchr(value + strlen("IN TXT \""), '"');
    assert_int_equal(end - value, strlen("IN TXT \"") + 255);
    assert_memory_equal(end, "\" \"", 3);
    assert_non_null(strstr(end, " include:p.example ~all\"\n"));
    free(found);
    buffer_free(&record);
}

/* What is pasted for each of them has to be right. */
static void test_spf_that_providers_want(void **state)
{
    static const struct line lines[] = {{"d.example", ns_t_a, "192.0.2.1"}, {0}};
    (void)state;
    for (const struct provider *provider = provider_all(); provider->name; provider++) {
        struct spf_record record = {0};
        struct buffer text = {0};
        if (!provider->spf)
            continue;
        buffer_format(&text, "v=spf1 %s", provider->spf);
        assert_true(spf_record_parse(buffer_text(&text), &record));
        assert_int_equal(record.count, 1);
        const struct dns_sender sender = {.domain = (char *)"d.example",
                                          .wanted = {{provider->title, provider->spf}},
                                          .wanted_count = 1};
        char *found = look(lines, look_spf, &sender);
        expect(found, "warning spf", buffer_text(&text));
        free(found);
        spf_record_free(&record);
        buffer_free(&text);
    }
}

/* ---- DMARC, and where bounces go ---- */

static void look_sender(struct dns_book *book, const void *subject, struct findings *findings)
{
    dns_sender_look(book, subject, findings);
}

static const void *sender_of(const char *name)
{
    static struct dns_sender sender;
    sender = (struct dns_sender){.domain = (char *)name};
    return &sender;
}

static void test_dmarc(void **state)
{
    static const struct line lines[] = {
        {"a.example", ns_t_txt, "v=spf1 ~all"},
        {"_dmarc.a.example", ns_t_txt, "something else|v=DMARC1; p=Reject; rua=mailto:x@a.example"},
        {"x.a.example", ns_t_txt, "v=spf1 ~all"},
        {"none.example", ns_t_txt, "v=spf1 ~all"},
        {"two.example", ns_t_txt, "v=spf1 ~all"},
        {"_dmarc.two.example", ns_t_txt, "v=DMARC1; p=none|v=DMARC1; p=reject"},
        {"odd.example", ns_t_txt, "v=spf1 ~all"},
        {"_dmarc.odd.example", ns_t_txt, "v=DMARC1; sp=none; p=maybe"},
        {"dead.example", ns_t_txt, "v=spf1 ~all"},
        {"_dmarc.dead.example", ns_t_txt, NULL},
        {0}};
    static const struct expected cases[] = {
        {"a.example", "good dmarc", "is _dmarc.a.example: p=reject"},
        {"x.a.example", "good dmarc", "for x.a.example is _dmarc.a.example: p=reject"},
        {"none.example", "hint dmarc", "_dmarc.none.example. IN TXT \"v=DMARC1; p=none\""},
        {"two.example", "warning dmarc", "_dmarc.two.example has several"},
        {"odd.example", "warning dmarc", "has no p= of none, quarantine or reject"},
        {"dead.example", "hint dmarc", "is not known: nobody answered"},
    };
    (void)state;
    EXPECT_EACH(lines, look_sender, cases, sender_of);
}

static void test_way_back(void **state)
{
    static const struct line lines[] = {{"mx.example", ns_t_mx, "first.example|second.example"},
                                        {"null.example", ns_t_mx, "."},
                                        {"four.example", ns_t_a, "192.0.2.4"},
                                        {"six.example", ns_t_aaaa, "2001:db8::6"},
                                        {"none.example", ns_t_txt, "v=spf1 ~all"},
                                        {"dead.example", ns_t_mx, NULL},
                                        {0}};
    static const struct expected cases[] = {
        {"mx.example", "good sender", "go to first.example"},
        {"null.example", "warning sender", "says that it takes no mail"},
        {"four.example", "good sender", "go to 192.0.2.4"},
        {"six.example", "good sender", "go to 2001:db8::6"},
        {"none.example", "hint sender", "neither an MX record nor an address"},
        {"dead.example", "hint sender", "is not known"},
    };
    (void)state;
    EXPECT_EACH(lines, look_sender, cases, sender_of);
}

/* ---- keys, lists ---- */

static void look_key(struct dns_book *book, const void *subject, struct findings *findings)
{
    dns_key_look(book, subject, "postrider dkim-key --show d.example", findings);
}

static void test_keys(void **state)
{
    static const char name[] = "mail._domainkey.d.example";
    static const struct {
        const char *value, *mark, *words;
    } cases[] = {
        {"v=DKIM1; k=rsa; p=QUJD", "good dkim", "tells the key that signs (rsa)"},
        {"v=DKIM1; k=rsa; p=QUJE", "warning dkim",
         "another key than the one that signs; postrider dkim-key --show d.example prints"},
        {"v=DKIM1; k=rsa; p=QUJ", "warning dkim", "only the beginning of the key"},
        {"v=DKIM1; k=rsa; p=", "warning dkim", "has been revoked"},
        {"v=DKIM1; k=rsa; t=y; p=QUJD", "hint dkim", "this is a test"},
        {"v=DKIM1; k=rsa; t=y; p=QUJE", "warning dkim", "another key"},
        {"v=DKIM1; k=ed25519; p=QUJD", "warning dkim", "another type"},
        {"v=DKIM1; h=sha1; k=rsa; p=QUJD", "warning dkim", "by its h="},
        {"v=DKIM1; s=tlsrpt; k=rsa; p=QUJD", "warning dkim", "by its s="},
        {"v=DKIM2; k=rsa; p=QUJD", "warning dkim", "another version"},
        {"v=DKIM1; k=rsa; p=QUJD|v=DKIM1; k=rsa; p=QUJD", "warning dkim", "several TXT records"},
        {"", "warning dkim", "there is no TXT record of this name"},
        {NULL, "hint dkim", "is not known: nobody answered"},
    };
    const struct dkim_record record = {
        .selector = "mail", .domain = "d.example", .type = "rsa", .key = "QUJD"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct line lines[] = {{name, ns_t_txt, cases[i].value}, {0}};
        char *found = look(lines, look_key, &record);
        expect(found, cases[i].mark, cases[i].words);
        expect(found, cases[i].mark, name);
        free(found);
    }
}

static void look_list(struct dns_book *book, const void *subject, struct findings *findings)
{
    dns_list_look(book, "dnsbl", subject, findings);
}

static const void *itself(const char *name)
{
    return name;
}

static void test_lists(void **state)
{
    static const struct line lines[] = {{"2.0.0.127.good.example", ns_t_a, "127.0.0.2"},
                                        {"2.0.0.127.all.example", ns_t_a, "127.0.0.2"},
                                        {"1.0.0.127.all.example", ns_t_a, "127.255.255.254"},
                                        {"2.0.0.127.hijacked.example", ns_t_a, "192.0.2.1"},
                                        {"1.0.0.127.hijacked.example", ns_t_a, "192.0.2.1"},
                                        {"2.0.0.127.dead.example", ns_t_a, NULL},
                                        {0}};
    static const struct expected cases[] = {
        {"good.example", "good dnsbl", "answers"},
        {"all.example", "warning dnsbl", "it has 127.0.0.1 as 127.255.255.254, and is ignored"},
        {"hijacked.example", "warning dnsbl", "does not have the test entry 127.0.0.2"},
        {"none.example", "warning dnsbl", "does not have the test entry 127.0.0.2"},
        {"dead.example", "warning dnsbl", "does not answer: nobody answered"},
    };
    (void)state;
    EXPECT_EACH(lines, look_list, cases, itself);
}

/* ---- what comes in ---- */

static struct dns_inbound inbound;

static void look_domain(struct dns_book *book, const void *subject, struct findings *findings)
{
    dns_inbound_look_domain(book, &inbound, subject, true, findings);
}

static void look_host(struct dns_book *book, const void *subject, struct findings *findings)
{
    dns_inbound_look_host(book, subject, findings);
}

static const void *machine(const char *name)
{
    inbound.hostname = name;
    return &inbound;
}

static int set_up_inbound(void **state)
{
    (void)state;
    inbound = (struct dns_inbound){.hostname = "here.example"};
    texts_add(&inbound.own, "192.0.2.1");
    texts_add(&inbound.own, "2001:db8::1");
    return 0;
}

static int tear_down_inbound(void **state)
{
    (void)state;
    texts_free(&inbound.own);
    return 0;
}

static void test_domains(void **state)
{
    static const struct line lines[] = {{"named.example", ns_t_mx, "first.example|HERE.example"},
                                        {"addressed.example", ns_t_mx, "alias.example"},
                                        {"alias.example", ns_t_aaaa, "2001:db8::1"},
                                        {"first.example", ns_t_a, "192.0.2.9"},
                                        {"elsewhere.example", ns_t_mx, "first.example"},
                                        {"itself.example", ns_t_a, "192.0.2.1"},
                                        {"other.example", ns_t_a, "192.0.2.9"},
                                        {"null.example", ns_t_mx, "."},
                                        {"dangling.example", ns_t_mx, "gone.example"},
                                        {"nothing.example", ns_t_txt, "x"},
                                        {"dead.example", ns_t_mx, NULL},
                                        {"deadhost.example", ns_t_mx, "dead.first.example"},
                                        {"dead.first.example", ns_t_a, NULL},
                                        {0}};
    static const struct expected cases[] = {
        {"named.example", "good mx", "comes here, as HERE.example"},
        {"addressed.example", "good mx", "comes here, as alias.example"},
        {"itself.example", "good mx", "comes here, as itself.example"},
        {"elsewhere.example", "hint mx", "goes to first.example (192.0.2.9), which is not this"},
        {"elsewhere.example", "hint mx", "elsewhere.example. IN MX 20 here.example."},
        {"other.example", "hint mx", "goes to other.example (192.0.2.9)"},
        {"null.example", "warning mx", "says in the DNS that it takes no mail"},
        {"dangling.example", "warning mx", "there is no address of gone.example"},
        {"nothing.example", "warning mx", "it has no MX record"},
        {"gone.example", "warning mx", "it has no MX record"},
        {"dead.example", "hint mx", "is not known"},
        {"deadhost.example", "hint mx", "is not known"},
    };
    (void)state;
    EXPECT_EACH(lines, look_domain, cases, itself);
}

static void test_hostname(void **state)
{
    static const struct line lines[] = {
        {"here.example", ns_t_a, "192.0.2.1"},
        {"1.2.0.192.in-addr.arpa", ns_t_ptr, "other.example|Here.Example"},
        {"nat.example", ns_t_a, "192.0.2.9"},
        {"9.2.0.192.in-addr.arpa", ns_t_ptr, "cloud.example"},
        {"six.example", ns_t_aaaa, "2001:db8::1"},
        {"dead.example", ns_t_a, NULL},
        {0}};
    static const struct expected cases[] = {
        {"here.example", "good hostname", "leads here (192.0.2.1)"},
        {"here.example", "good hostname", "192.0.2.1 leads back to here.example"},
        {"nat.example", "hint hostname", "which is no address of this machine itself"},
        {"nat.example", "hint hostname",
         "192.0.2.9 leads back to cloud.example, not to nat.example"},
        {"nat.example", "hint hostname", "9.2.0.192.in-addr.arpa. IN PTR nat.example."},
        {"six.example", "good hostname", "leads here (2001:db8::1)"},
        {"six.example", "hint hostname", "2001:db8::1 leads back to no name"},
        {"six.example", "hint hostname", "8.b.d.0.1.0.0.2.ip6.arpa. IN PTR six.example."},
        {"gone.example", "warning hostname", "has no address in the DNS"},
        {"dead.example", "hint hostname", "is not known"},
    };
    (void)state;
    EXPECT_EACH(lines, look_host, cases, machine);
}

/* However much strangers put into their records. */
static void test_a_book_ends(void **state)
{
    struct dns_book book = {0};
    (void)state;
    for (int i = 0; i < DNS_BOOK_MOST; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.example", i);
        assert_null(dns_book_look(&book, name, ns_t_a));
    }
    const struct dns_page *page = dns_book_look(&book, "one.more.example", ns_t_a);
    assert_non_null(page);
    assert_int_equal(page->found, NO_ANSWER);
    assert_int_equal(book.count, DNS_BOOK_MOST);
    assert_null(dns_book_look(&book, "0.EXAMPLE", ns_t_a));
    dns_book_free(&book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spf),
        cmocka_unit_test(test_spf_of_who_is_not_known),
        cmocka_unit_test(test_spf_composed),
        cmocka_unit_test(test_spf_of_two_providers),
        cmocka_unit_test(test_spf_of_many_words),
        cmocka_unit_test(test_spf_that_providers_want),
        cmocka_unit_test(test_dmarc),
        cmocka_unit_test(test_way_back),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_lists),
        cmocka_unit_test_setup_teardown(test_domains, set_up_inbound, tear_down_inbound),
        cmocka_unit_test_setup_teardown(test_hostname, set_up_inbound, tear_down_inbound),
        cmocka_unit_test(test_a_book_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
