/* See verb.h. */
#include "sendmail/verb.h"

#include <stddef.h>
#include <string.h>
#include <sysexits.h>

#include "config/spelling.h"

#define IN_OPTIONS(field) offsetof(struct verb_options, field)

static const struct row {
    const char *name;
    enum verb_option option;
    bool has_value;
    size_t place; /* of the value; 0: in a list */
} table[] = {
    {"--json", VERB_JSON, false, 0},
    {"--prometheus", VERB_PROMETHEUS, false, 0},
    {"--verbose", VERB_VERBOSE, false, 0},
    {"-v", VERB_VERBOSE, false, 0},
    {"--all", VERB_ALL, false, 0},
    {"--yes", VERB_YES, false, 0},
    {"--domain", VERB_DOMAIN, true, 0},
    {"--sender", VERB_SENDER, true, 0},
    {"--delete", VERB_DELETE, false, 0},
    {"--check", VERB_CHECK, false, 0},
    {"--file", VERB_FILE, true, IN_OPTIONS(file)},
    {"--selector", VERB_SELECTOR, true, IN_OPTIONS(selector)},
    {"--type", VERB_TYPE, true, IN_OPTIONS(type)},
    {"--force", VERB_FORCE, false, 0},
    {"--show", VERB_SHOW, false, 0},
    {"--foreground", VERB_FOREGROUND, false, 0},
    {"--every", VERB_EVERY, true, IN_OPTIONS(every)},
    {"--release", VERB_RELEASE, false, 0},
    {"--online", VERB_ONLINE, false, 0},
    {"--offline", VERB_OFFLINE, false, 0},
    {"--dry-run", VERB_DRY_RUN, false, 0},
    {"--provider", VERB_ACCOUNT, true, IN_OPTIONS(account.provider)},
    {"--region", VERB_ACCOUNT, true, IN_OPTIONS(account.region)},
    {"--name", VERB_ACCOUNT, true, IN_OPTIONS(account.name)},
    {"--senders", VERB_ACCOUNT, true, IN_OPTIONS(account.senders)},
    {"--host", VERB_ACCOUNT, true, IN_OPTIONS(account.host)},
    {"--port", VERB_ACCOUNT, true, IN_OPTIONS(account.port)},
    {"--tls", VERB_ACCOUNT, true, IN_OPTIONS(account.tls)},
    {"--tls-trust", VERB_ACCOUNT, true, IN_OPTIONS(account.tls_trust)},
    {"--user", VERB_ACCOUNT, true, IN_OPTIONS(account.user)},
    {"--password-file", VERB_ACCOUNT, true, IN_OPTIONS(account.password_file)},
    {"--root", VERB_ACCOUNT, true, IN_OPTIONS(account.root)},
    {"--test", VERB_ACCOUNT, true, IN_OPTIONS(account.test)},
    {"--from", VERB_ACCOUNT, true, IN_OPTIONS(account.from)},
    {"--from-root", VERB_ACCOUNT, true, IN_OPTIONS(account.from_root)},
};

/* The value of an option: behind '=' or the next argument; NULL: there is none. */
static const char *take_value(const char *text, size_t name, char *const **next)
{
    if (text[name] == '=')
        return text + name + 1;
    return text[name] == '\0' && **next ? *(*next)++ : NULL;
}

/* The value of an option that has one alone; NULL: not given. */
static const char *value_of(const struct row *row, const struct verb_options *options)
{
    return *(const char *const *)(const void *)((const char *)options + row->place);
}

static void keep_value(const struct row *row, const char *value, struct verb_options *options)
{
    if (row->option == VERB_DOMAIN)
        texts_add(&options->domains, value);
    else if (row->option == VERB_SENDER)
        texts_add(&options->senders, value);
    else
        *(const char **)(void *)((char *)options + row->place) = value;
}

/* Several options may share one place among those that a verb allows. */
static bool is_given(const struct row *row, const struct verb_options *options)
{
    return options->given & row->option && (!row->place || value_of(row, options));
}

static struct outcome refuse_option(const char *verb, const char *text, unsigned allowed)
{
    const char *words[sizeof table / sizeof table[0] + 1] = {"--help"};
    size_t count = 1;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (allowed & table[i].option)
            words[count++] = table[i].name;
    const char *nearest = spelling_nearest(text, words, count);
    return outcome_refuse(EX_USAGE,
                          "%s does not know the option \"%.100s\"%s%s; see postrider %s --help",
                          verb, text, nearest ? ": perhaps " : "", nearest ? nearest : "", verb);
}

static struct outcome take_option(const char *verb, unsigned allowed, const char *text,
                                  char *const **next, struct verb_options *options)
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
            keep_value(&table[i], value, options);
        options->given |= table[i].option;
        return outcome_done();
    }
    return refuse_option(verb, text, allowed);
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
            struct outcome outcome = take_option(argv[0], allowed, text, &next, options);
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
        if (wrong & table[i].option && is_given(&table[i], options))
            return outcome_refuse(EX_USAGE, "%s takes no %s", what, table[i].name);
    if (wrong)
        return outcome_refuse(EX_USAGE, "%s takes no arguments, such as \"%.100s\"", what,
                              options->arguments.items[0]);
    return outcome_done();
}

void verb_words(struct verb_options *options, struct texts *words)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!is_given(&table[i], options) || table[i].option == VERB_DOMAIN ||
            table[i].option == VERB_SENDER)
            continue;
        texts_add(words, table[i].name);
        if (table[i].has_value)
            texts_add(words, value_of(&table[i], options));
    }
    for (size_t i = 0; i < options->domains.count; i++) {
        texts_add(words, "--domain");
        texts_add(words, options->domains.items[i]);
    }
    for (size_t i = 0; i < options->senders.count; i++) {
        texts_add(words, "--sender");
        texts_add(words, options->senders.items[i]);
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
