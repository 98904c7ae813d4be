/* See verb.h. */
#include "sendmail/verb.h"

#include <string.h>
#include <sysexits.h>

static const struct {
    const char *name;
    enum verb_option option;
    bool has_value;
} table[] = {
    {"--json", VERB_JSON, false},       {"--prometheus", VERB_PROMETHEUS, false},
    {"--verbose", VERB_VERBOSE, false}, {"-v", VERB_VERBOSE, false},
    {"--all", VERB_ALL, false},         {"--yes", VERB_YES, false},
    {"--domain", VERB_DOMAIN, true},    {"--sender", VERB_SENDER, true},
    {"--delete", VERB_DELETE, false},   {"--check", VERB_CHECK, false},
    {"--file", VERB_FILE, true},        {"--selector", VERB_SELECTOR, true},
    {"--type", VERB_TYPE, true},        {"--force", VERB_FORCE, false},
    {"--show", VERB_SHOW, false},       {"--foreground", VERB_FOREGROUND, false},
    {"--every", VERB_EVERY, true},      {"--release", VERB_RELEASE, false},
    {"--online", VERB_ONLINE, false},
};

/* The value of an option: behind '=' or the next argument; NULL: there is none. */
static const char *take_value(const char *text, size_t name, char *const **next)
{
    if (text[name] == '=')
        return text + name + 1;
    return text[name] == '\0' && **next ? *(*next)++ : NULL;
}

/* Where the value of an option is kept that has one alone. */
static const char **place_of(enum verb_option option, struct verb_options *options)
{
    return option == VERB_FILE       ? &options->file
           : option == VERB_SELECTOR ? &options->selector
           : option == VERB_TYPE     ? &options->type
                                     : &options->every;
}

static void keep_value(enum verb_option option, const char *value, struct verb_options *options)
{
    if (option == VERB_DOMAIN)
        texts_add(&options->domains, value);
    else if (option == VERB_SENDER)
        texts_add(&options->senders, value);
    else
        *place_of(option, options) = value;
}

static struct outcome take_option(const char *verb, const char *text, char *const **next,
                                  struct verb_options *options)
{
    if (strncmp(text, "-C", 2) == 0) {
        options->config = text[2] ? text + 2 : **next ? *(*next)++ : NULL;
        if (options->config && *options->config)
            return outcome_done();
        return outcome_refuse(EX_USAGE, "-C needs the name of a settings file");
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        size_t length = strlen(table[i].name);
        bool same = strncmp(text, table[i].name, length) == 0 &&
                    (text[length] == '\0' || (table[i].has_value && text[length] == '='));
        if (!same)
            continue;
        const char *value = table[i].has_value ? take_value(text, length, next) : "";
        if (!value)
            return outcome_refuse(EX_USAGE, "%s needs a value", table[i].name);
        if (table[i].has_value)
            keep_value(table[i].option, value, options);
        options->given |= table[i].option;
        return outcome_done();
    }
    return outcome_refuse(EX_USAGE,
                          "%s does not know the option \"%.100s\"; see postrider %s --help", verb,
                          text, verb);
}

struct outcome verb_parse(int argc, char *const argv[], unsigned allowed,
                          struct verb_options *options)
{
    *options = (struct verb_options){0};
    char *const *next = argv + 1;
    bool ended = false;
    (void)argc;
    while (*next) {
        const char *text = *next++;
        if (!ended && strcmp(text, "--") == 0) {
            ended = true;
        } else if (ended || text[0] != '-') {
            texts_add(&options->arguments, text);
            options->given |= VERB_ARGUMENTS;
        } else {
            struct outcome outcome = take_option(argv[0], text, &next, options);
            if (!outcome_good(&outcome))
                return outcome;
        }
    }
    return verb_allow(options, allowed, argv[0]);
}

struct outcome verb_allow(const struct verb_options *options, unsigned allowed, const char *what)
{
    unsigned wrong = options->given & ~allowed;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (wrong & table[i].option)
            return outcome_refuse(EX_USAGE, "%s takes no %s", what, table[i].name);
    if (wrong)
        return outcome_refuse(EX_USAGE, "%s takes no arguments, such as \"%.100s\"", what,
                              options->arguments.items[0]);
    return outcome_done();
}

void verb_words(struct verb_options *options, struct texts *words)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!(options->given & table[i].option) || table[i].option == VERB_DOMAIN ||
            table[i].option == VERB_SENDER)
            continue;
        texts_add(words, table[i].name);
        if (table[i].has_value)
            texts_add(words, *place_of(table[i].option, options));
    }
    texts_add(words, "--");
    for (size_t i = 0; i < options->arguments.count; i++)
        texts_add(words, options->arguments.items[i]);
}

void verb_free(struct verb_options *options)
{
    texts_free(&options->domains);
    texts_free(&options->senders);
    texts_free(&options->arguments);
}
