/* See spf_identities.h. MAIL FROM comes first: it decides more, and gets the time that there is. */
#include "filter/spf_identities.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

static void forget(struct spf_identity *identity)
{
    free(identity->domain);
    free(identity->explanation);
    *identity = (struct spf_identity){0};
}

static void ask(const struct spf_question *question, const char *local, const char *domain,
                int64_t deadline, struct spf_identity *identity)
{
    const struct resolver resolver = {0};
    const struct spf_query query = {.client = question->client,
                                    .helo = question->helo,
                                    .local = local,
                                    .domain = domain,
                                    .receiver = question->receiver,
                                    .resolver = &resolver,
                                    /* So that one dead name server of a domain does not take
                                     * all of the time. */
                                    .question_ms = question->limit_ms / 2,
                                    .deadline = deadline};
    struct buffer explanation = {0};
    forget(identity);
    identity->asked = true;
    identity->result = spf_check(&query, &explanation);
    identity->domain = memory_copy(domain, strlen(domain));
    identity->explanation = memory_copy(buffer_text(&explanation), explanation.length);
    buffer_free(&explanation);
}

/* Of others SPF says nothing. */
static bool is_name(const char *helo)
{
    return strchr(helo, '.') && *helo != '[';
}

static bool is_known(const struct spf_identity *helo, const char *name)
{
    return helo->asked && helo->result != SPF_TEMPERROR && text_equal(helo->domain, name);
}

void spf_identities_ask(const struct spf_question *question, struct spf_identities *identities)
{
    int64_t deadline = clock_ms() + question->limit_ms;
    const struct address *sender = question->sender;
    spf_identities_reset(identities);
    identities->sender_text = address_text(sender);
    if (!address_is_null(sender))
        ask(question, sender->local, sender->domain, deadline, &identities->sender);
    if (address_is_null(sender) || is_name(question->helo)) {
        if (!is_known(&identities->helo, question->helo))
            ask(question, "postmaster", question->helo, deadline, &identities->helo);
    } else {
        forget(&identities->helo);
    }
}

bool spf_identities_asked(const struct spf_identities *identities)
{
    return identities->sender_text != NULL;
}

struct outcome spf_identities_judge(const struct spf_identities *identities, const char *literal,
                                    const char *contact)
{
    const struct spf_identity *sender = &identities->sender, *helo = &identities->helo;
    const struct spf_identity *first = sender->asked ? sender : helo;
    const struct spf_identity *failed = first->result == SPF_FAIL  ? first
                                        : helo->result == SPF_FAIL ? helo
                                                                   : NULL;
    if (failed)
        return outcome_never("5.7.23",
                             "%s does not let %s %s its name (SPF); write to %s if this is "
                             "wrong%s%.160s",
                             failed->domain, literal, failed == helo ? "use" : "send in", contact,
                             *failed->explanation ? ": " : "", failed->explanation);
    if (first->result == SPF_TEMPERROR)
        return outcome_later(
            "4.7.24", "whom %s lets send in its name (SPF) cannot be found out now", first->domain);
    return outcome_done();
}

void spf_identities_reset(struct spf_identities *identities)
{
    forget(&identities->sender);
    free(identities->sender_text);
    identities->sender_text = NULL;
}

void spf_identities_free(struct spf_identities *identities)
{
    spf_identities_reset(identities);
    forget(&identities->helo);
}
