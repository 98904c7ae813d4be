/*
 * What strangers' name servers say: SRV and MX records, and SPF with all that it asks for. The
 * questions are ours here: answers are taken from the input, each behind its length.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>
#include <unistd.h>

#include "base/clock.h"
#include "filter/spf.h"
#include "fuzz.h"
#include "net/dns.h"
#include "net/questions.h"

enum { MOST_QUESTIONS = 200 };

static const uint8_t *rest;
static size_t rest_size;
static unsigned questions;

/* The next answer of the input, as long as it says, or -1: there is none left. */
static int take_answer(unsigned char *answer, int size)
{
    must(++questions <= MOST_QUESTIONS);
    if (rest_size < 2)
        return -1;
    size_t length = (size_t)rest[0] << 8 | rest[1];
    rest += 2;
    rest_size -= 2;
    if (length > rest_size)
        length = rest_size;
    must(length <= (size_t)size);
    memcpy(answer, rest, length);
    rest += length;
    rest_size -= length;
    return (int)length;
}

int res_nquery(res_state state, const char *name, int class, int type, unsigned char *answer,
               int size)
{
    must(strlen(name) < NS_MAXDNAME && class == ns_c_in && type > 0);
    int length = take_answer(answer, size);
    if (length < 0)
        state->res_h_errno = questions % 2 ? HOST_NOT_FOUND : NO_DATA;
    return length;
}

/* SPF's questions, which have sockets of their own otherwise. */
enum resolved questions_ask_one(const struct resolver *resolver, const char *name, ns_type type,
                                int64_t deadline, struct answer *answer)
{
    (void)resolver;
    must(strlen(name) < NS_MAXDNAME && type > 0 && deadline > 0);
    int length = take_answer(answer->bytes, sizeof answer->bytes);
    if (length < 0)
        return questions % 2 ? NO_DOMAIN : NO_RECORDS;
    return answer_read(answer, length);
}

static void begin(const uint8_t *data, size_t size)
{
    rest = data;
    rest_size = size;
    questions = 0;
}

static void try_srv(void)
{
    struct dns_hosts hosts;
    struct outcome outcome =
        dns_srv("sender.example", DNS_SUBMISSIONS | DNS_SUBMISSION, NULL, &hosts);
    must(outcome_good(&outcome) == (hosts.count > 0));
    must_be_clean(outcome.reason);
    for (size_t i = 0; i < hosts.count; i++) {
        must(*hosts.items[i].name && hosts.items[i].port && hosts.items[i].port < 65536);
        must(!hosts.items[i].name[strspn(hosts.items[i].name, "-_.abcdefghijklmnopqrstuvwxyz"
                                                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                              "0123456789")]);
    }
    dns_hosts_free(&hosts);
}

static void try_spf(void)
{
    static const struct resolver resolver;
    struct sockaddr_in client = {.sin_family = AF_INET, .sin_port = htons(25)};
    client.sin_addr.s_addr = htonl(0xC0000201);
    const struct spf_query query = {
        .client = (struct sockaddr *)&client,
        .helo = "mx.sender.example",
        .local = "o\"ps%{s}",
        .domain = "sender.example",
        .receiver = "here.example",
        .resolver = &resolver,
        .deadline = clock_ms() + 60000,
    };
    struct buffer explanation = {0};
    enum spf_result result = spf_check(&query, &explanation);
    must(result <= SPF_PERMERROR && *spf_result_name(result));
    must(explanation.length == 0 || result == SPF_FAIL);
    must(text_is_ascii(buffer_text(&explanation)));
    must_be_clean(buffer_text(&explanation));
    buffer_free(&explanation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin(data, size);
    try_srv();
    begin(data, size);
    try_spf();
    return 0;
}
