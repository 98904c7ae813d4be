/* See setup_ask.h. */
#include "sendmail/setup_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/question.h"
#include "base/text.h"
#include "config/host.h"
#include "config/values.h"
#include "mail/address.h"
#include "mail/domain.h"

enum { ANSWER_LONGEST = 500 };

bool ask_may_be_empty(const char *text, const char **why)
{
    *why = "it holds what is no text";
    return text_is_utf8(text, strlen(text));
}

bool ask_is_anything(const char *text, const char **why)
{
    *why = "it is needed";
    return *text && ask_may_be_empty(text, why);
}

bool ask_is_host(const char *text, const char **why)
{
    struct host host;
    if (!host_parse(text, &host, why))
        return false;
    free(host.name);
    return true;
}

bool ask_is_port(const char *text, const char **why)
{
    uint64_t number;
    *why = "a number from 1 to 65535 is wanted";
    return text_to_number(text, 1, 65535, &number);
}

bool ask_is_domain(const char *text, const char **why)
{
    char *domain;
    if (!domain_parse(text, strlen(text), &domain, why))
        return false;
    free(domain);
    return true;
}

bool ask_is_label(const char *text, const char **why)
{
    *why = "letters, digits and '-' are wanted, such as eu-west-1";
    return *text && !strchr(text, '.') && ask_is_domain(text, &(const char *){NULL});
}

bool ask_is_senders(const char *text, const char **why)
{
    struct texts items = {0};
    texts_split(&items, text);
    bool good = items.count > 0;
    *why = "@example.org or addresses are wanted, with commas between them";
    for (size_t i = 0; i < items.count && good; i++) {
        struct buffer sender = {0};
        good = value_parse_sender(items.items[i], &sender, why);
        buffer_free(&sender);
    }
    texts_free(&items);
    return good;
}

bool ask_is_address_or_empty(const char *text, const char **why)
{
    struct address address;
    if (!*text)
        return true;
    if (!address_parse(text, &address, why))
        return false;
    address_free(&address);
    return true;
}

struct outcome ask_text(const char *question, const char *initial, ask_check *check, char **answer)
{
    struct buffer prompt = {0};
    buffer_format(&prompt, initial && *initial ? "%s [%s]: " : "%s%s: ", question,
                  initial ? initial : "");
    for (;;) {
        struct buffer line = {.limit = ANSWER_LONGEST};
        struct outcome outcome = question_ask(buffer_text(&prompt), &line);
        const char *why = "it is too long";
        const char *text = outcome_good(&outcome) && line.length ? text_trim(line.data) : "";
        if (!*text && initial)
            text = initial;
        bool good = outcome_good(&outcome) && !line.failed && check(text, &why);
        if (good)
            *answer = memory_copy(text, strlen(text));
        buffer_free(&line);
        if (good || !outcome_good(&outcome)) {
            buffer_free(&prompt);
            return outcome;
        }
        fprintf(stderr, "  %s\n", why);
    }
}

/* The other one counted. */
static size_t count_providers(void)
{
    size_t count = 1;
    for (const struct provider *provider = provider_all(); provider->name; provider++)
        count++;
    return count;
}

static bool is_number_of_provider(const char *text, const char **why)
{
    uint64_t number;
    *why = "the number or the name of one of them is wanted";
    return text_to_number(text, 1, count_providers(), &number) || text_equal(text, "other") ||
           provider_find(text);
}

struct outcome ask_provider(const struct provider *now, bool other,
                            const struct provider **provider)
{
    const struct provider *all = provider_all();
    char initial[24] = "", *answer = NULL;
    size_t count = count_providers();
    uint64_t number;
    for (size_t i = 0; i + 1 < count; i++) {
        fprintf(stderr, " %2zu  %s\n", i + 1, all[i].title);
        if (now == &all[i])
            snprintf(initial, sizeof initial, "%zu", i + 1);
    }
    fprintf(stderr, " %2zu  another one\n", count);
    if (other)
        snprintf(initial, sizeof initial, "%zu", count);
    struct outcome outcome =
        ask_text("Who sends your mail", *initial ? initial : NULL, is_number_of_provider, &answer);
    if (outcome_good(&outcome)) {
        if (text_to_number(answer, 1, count, &number))
            *provider = number < count ? &all[number - 1] : NULL;
        else
            *provider = provider_find(answer);
        if (*provider && (*provider)->hint)
            fprintf(stderr, "  %s: %s.\n", (*provider)->title, (*provider)->hint);
    }
    free(answer);
    return outcome;
}
