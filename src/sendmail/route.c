/* Where an address would go (see route.h): told by postrider-run, with its own tables. */
#include "sendmail/route.h"

#include "sendmail/handover.h"
#include "sendmail/verb.h"

static const char program[] = "postrider-run";

struct outcome route_verb(int argc, char *const argv[])
{
    static const struct handed_verb verb = {.program = program,
                                            .allowed = VERB_SENDER | VERB_JSON,
                                            .wanted = "an address",
                                            .many = true};
    return hand_over_verb(argc, argv, &verb);
}

struct outcome route_run(const struct office *office, const struct options *options)
{
    struct texts words = {0};
    texts_add(&words, program);
    texts_add(&words, "route");
    if (office->config) {
        texts_add(&words, "-C");
        texts_add(&words, office->config);
    }
    if (options->sender) {
        texts_add(&words, "--sender");
        texts_add(&words, options->sender);
    }
    if (options->mode == MODE_TEST)
        texts_add(&words, "--test");
    texts_add(&words, "--");
    for (size_t i = 0; i < options->argument_count; i++)
        texts_add(&words, options->arguments[i]);
    struct outcome outcome = hand_over_words(&words);
    texts_free(&words);
    return outcome;
}
