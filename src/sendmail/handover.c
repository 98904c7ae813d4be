/* See handover.h. */
#include "sendmail/handover.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/privilege.h"
#include "base/process.h"
#include "sendmail/office.h"
#include "sendmail/verb.h"

struct outcome hand_over(const char *const argv[])
{
    char path[4096];
    struct outcome outcome = privilege_drop_group();
    if (!outcome_good(&outcome))
        return outcome;
    process_find(argv[0], path, sizeof path);
    execv(path, (char *const *)argv);
    return outcome_errno(errno, "cannot start %s", path);
}

struct outcome hand_over_words(const struct texts *words)
{
    const char **argv = memory_get((words->count + 1) * sizeof *argv);
    for (size_t i = 0; i < words->count; i++)
        argv[i] = words->items[i];
    struct outcome outcome = hand_over(argv);
    free(argv);
    return outcome;
}

static struct outcome start(const char *program, const char *name, const struct office *office,
                            struct verb_options *options)
{
    struct texts words = {0};
    texts_add(&words, program);
    texts_add(&words, name);
    if (office->config) {
        texts_add(&words, "-C");
        texts_add(&words, office->config);
    }
    verb_words(options, &words);
    struct outcome outcome = hand_over_words(&words);
    texts_free(&words);
    return outcome;
}

struct outcome hand_over_verb(int argc, char *const argv[], const struct handed_verb *verb)
{
    struct verb_options options;
    struct office office = {0};
    struct outcome outcome = verb_parse(argc, argv, VERB_ARGUMENTS | verb->allowed, &options);
    size_t count = options.arguments.count;
    if (outcome_good(&outcome) && (count < 1 || (count > 1 && !verb->many)))
        outcome = outcome_refuse(EX_USAGE, "%s needs %s", argv[0], verb->wanted);
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = start(verb->program, argv[0], &office, &options);
    office_close(&office);
    verb_free(&options);
    return outcome;
}
