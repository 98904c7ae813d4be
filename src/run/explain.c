/*
 * The way of an address as a tree in text, or as JSON (see explain.h). Runs as who runs the queue
 * where its caller may, so that what cannot be read there is not read here either.
 */
#include "run/explain.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "base/terminal.h"
#include "base/text.h"
#include "config/paths.h"
#include "config/settings.h"
#include "mail/masquerade.h"
#include "route/expand.h"
#include "route/user_table.h"
#include "run/explain_words.h"

enum { LISTED_MOST = 8 /* targets of an alias that are named in its line */ };

struct explanation {
    const char *config; /* NULL: the installed settings */
    const char *from;   /* --sender; NULL: not given */
    bool as_json, asks;
    struct texts arguments;
    struct settings settings;
    struct aliases *aliases;
    struct outcome aliases_problem;
    struct expander expander;
    struct expansion_watch watch;
    struct address sender;
    struct buffer json;
    size_t count, failures; /* addresses, and those of them that go nowhere */
    bool failed;            /* the address in hand does, somewhere */
};

/* ---- a line of the tree ---- */

static void put_line(struct explanation *explanation, size_t depth, const char *kind,
                     const char *address, const char *words)
{
    struct buffer text = {0};
    if (address)
        buffer_format(&text, "%s: ", address);
    buffer_append_text(&text, words);
    if (explanation->as_json) {
        json_next(&explanation->json);
        buffer_append_byte(&explanation->json, '{');
        json_number(&explanation->json, "depth", (long long)depth);
        json_text(&explanation->json, "kind", kind);
        if (address)
            json_text(&explanation->json, "address", address);
        json_text(&explanation->json, "text", words);
        buffer_append_byte(&explanation->json, '}');
    } else {
        char *line = terminal_text(buffer_text(&text));
        printf("%*s%s\n", (int)(2 * depth + 2), "", line);
        free(line);
    }
    buffer_free(&text);
}

static void put_hop(struct explanation *explanation, size_t depth, const struct address *address,
                    const struct address *sender)
{
    struct next_hop next;
    struct buffer words = {0};
    char *text = address_text(address);
    route_find(&explanation->settings, address, sender, false, &next);
    const char *kind = explain_hop(&next, sender, &words);
    put_line(explanation, depth, kind, text, buffer_text(&words));
    explanation->failed |= next.way == WAY_ERROR;
    free(text);
    buffer_free(&words);
}

static void opened(void *context, size_t depth, const char *name, bool is_list,
                   const struct texts *targets)
{
    struct explanation *explanation = context;
    struct buffer words = {0};
    if (is_list) /* who is in it may be nobody's business */
        buffer_format(&words, "list %s, %zu member%s", name, targets->count,
                      targets->count == 1 ? "" : "s");
    else {
        buffer_format(&words, "alias %s, ", name);
        aliases_place(explanation->aliases, name, &words);
        buffer_append_text(&words, ":");
        for (size_t i = 0; i < targets->count && i < LISTED_MOST; i++)
            buffer_format(&words, "%s %s", i ? "," : "", targets->items[i]);
        if (targets->count > LISTED_MOST)
            buffer_format(&words, ", and %zu more", targets->count - LISTED_MOST);
    }
    put_line(explanation, depth, is_list ? "list" : "alias", NULL, buffer_text(&words));
    buffer_free(&words);
}

static void found(void *context, size_t depth, const struct target *target)
{
    struct explanation *explanation = context;
    if (target->kind == TARGET_REMOTE) {
        put_hop(explanation, depth, &target->address,
                address_is_null(&target->owner) ? &explanation->sender : &target->owner);
        return;
    }
    struct buffer words = {0};
    char *address = target->kind == TARGET_ERROR ? address_text(&target->address) : NULL;
    const char *kind = explain_end(&explanation->settings, target, &words);
    put_line(explanation, depth, kind, address, buffer_text(&words));
    explanation->failed |= target->kind == TARGET_ERROR;
    free(address);
    buffer_free(&words);
}

/* ---- an address ---- */

/* As a message's recipient goes in a queue run: this machine's through the aliases. */
static void follow(struct explanation *explanation, const struct address *address)
{
    struct next_hop next;
    route_find(&explanation->settings, address, &explanation->sender, false, &next);
    if (next.way != WAY_LOCAL) {
        put_hop(explanation, 0, address, &explanation->sender);
        return;
    }
    if (!outcome_good(&explanation->aliases_problem)) {
        put_line(explanation, 0, "later", NULL, explanation->aliases_problem.reason);
        explanation->failed = true;
        return;
    }
    struct targets targets = {0};
    expand(&explanation->expander, address, &targets);
    targets_free(&targets);
}

static void explain_address(struct explanation *explanation, const struct address *address)
{
    char *text = address_text(address);
    explanation->failed = false;
    if (explanation->as_json) {
        json_next(&explanation->json);
        buffer_append_byte(&explanation->json, '{');
        json_text(&explanation->json, "address", text);
        json_name(&explanation->json, "steps");
        buffer_append_byte(&explanation->json, '[');
        follow(explanation, address);
        buffer_append_byte(&explanation->json, ']');
        json_flag(&explanation->json, "deliverable", !explanation->failed);
        buffer_append_byte(&explanation->json, '}');
    } else {
        char *line = terminal_text(text);
        printf("%s\n", line);
        free(line);
        follow(explanation, address);
    }
    explanation->count++;
    explanation->failures += explanation->failed;
    free(text);
}

static struct outcome explain_text(struct explanation *explanation, const char *text)
{
    struct addresses list = {0};
    const char *why;
    struct outcome outcome = outcome_done();
    if (!addresses_parse(text, &list, &why))
        outcome = outcome_refuse(EX_DATAERR, "\"%.200s\" is no address: %s", text, why);
    for (size_t i = 0; outcome_good(&outcome) && i < list.count; i++)
        explain_address(explanation, &list.items[i].address);
    addresses_free(&list);
    return outcome;
}

/* As sendmail -bt: line after line, and what is no address is only said. */
static void explain_lines(struct explanation *explanation)
{
    bool prompts = isatty(STDIN_FILENO) == 1 && terminal_is_there();
    char *line = NULL;
    size_t size = 0;
    for (;;) {
        if (prompts)
            fputs("> ", stdout);
        fflush(stdout);
        ssize_t length = getline(&line, &size, stdin);
        if (length < 0)
            break;
        struct outcome outcome = explain_text(explanation, text_trim(line));
        if (!outcome_good(&outcome))
            fprintf(stderr, "postrider: %s\n", outcome.reason);
    }
    free(line);
}

/* ---- setting up ---- */

static struct outcome read_arguments(int argc, char *const argv[], struct explanation *explanation)
{
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        if (!ended && strcmp(argv[i], "-C") == 0 && i + 1 < argc)
            explanation->config = argv[++i];
        else if (!ended && strcmp(argv[i], "--sender") == 0 && i + 1 < argc)
            explanation->from = argv[++i];
        else if (!ended && strcmp(argv[i], "--json") == 0)
            explanation->as_json = true;
        else if (!ended && strcmp(argv[i], "--test") == 0)
            explanation->asks = true;
        else if (!ended && strcmp(argv[i], "--") == 0)
            ended = true;
        else if (!ended && argv[i][0] == '-')
            return outcome_refuse(EX_USAGE, "route does not know the option \"%.100s\"", argv[i]);
        else
            texts_add(&explanation->arguments, argv[i]);
    }
    if (!explanation->arguments.count && !explanation->asks)
        return outcome_refuse(EX_USAGE, "route needs an address");
    return outcome_done();
}

/* Whose mail it would be: the caller's, unless somebody is named; by his address outside. */
static struct outcome find_sender(struct explanation *explanation)
{
    const struct passwd *caller = getpwuid(getuid());
    const char *name = explanation->from ? explanation->from : caller ? caller->pw_name : "root";
    const char *why;
    if (!address_parse(name, &explanation->sender, &why))
        return outcome_refuse(EX_USAGE, "the sender \"%.200s\": %s", name, why);
    address_qualify(&explanation->sender, explanation->settings.domain);
    struct masquerade masquerade;
    masquerade_read(&explanation->settings.masquerade, &masquerade);
    const struct address *other = masquerade_find(&masquerade, &explanation->sender);
    if (other) {
        struct address copy = address_copy(other);
        address_free(&explanation->sender);
        explanation->sender = copy;
    }
    masquerade_free(&masquerade);
    return outcome_done();
}

static struct outcome find_user(void *context, const char *name, char **canonical)
{
    const struct explanation *explanation = context;
    return user_table_find(name, explanation->config != NULL, canonical);
}

static struct outcome set_up(struct explanation *explanation)
{
    struct outcome outcome = settings_load(explanation->config, &explanation->settings);
    if (outcome_good(&outcome))
        outcome = find_sender(explanation);
    if (outcome_good(&outcome) && !explanation->config && geteuid() == 0)
        outcome = privilege_become(POSTRIDER_USER);
    if (!outcome_good(&outcome))
        return outcome;
    explanation->aliases_problem =
        aliases_open(&explanation->settings.aliases, &explanation->aliases);
    explanation->watch =
        (struct expansion_watch){.opened = opened, .found = found, .context = explanation};
    explanation->expander = (struct expander){.settings = &explanation->settings,
                                              .aliases = explanation->aliases,
                                              .find_user = find_user,
                                              .context = explanation,
                                              .watch = &explanation->watch};
    return outcome;
}

static struct outcome explain_all(struct explanation *explanation)
{
    struct outcome outcome = outcome_done();
    terminal_end_with_reader();
    if (explanation->as_json)
        buffer_append_byte(&explanation->json, '[');
    if (explanation->asks)
        explain_lines(explanation);
    for (size_t i = 0; outcome_good(&outcome) && i < explanation->arguments.count; i++)
        outcome = explain_text(explanation, explanation->arguments.items[i]);
    if (explanation->as_json && outcome_good(&outcome))
        printf("%s]\n", buffer_text(&explanation->json));
    if (outcome_good(&outcome) && explanation->failures && !explanation->asks)
        outcome = outcome_refuse(EX_NOUSER, "%zu of %zu address%s %s nowhere, or in part",
                                 explanation->failures, explanation->count,
                                 explanation->count == 1 ? "" : "es",
                                 explanation->failures == 1 ? "leads" : "lead");
    return outcome;
}

struct outcome explain_run(int argc, char *const argv[])
{
    struct explanation explanation = {0};
    struct outcome outcome = read_arguments(argc, argv, &explanation);
    if (outcome_good(&outcome))
        outcome = set_up(&explanation);
    if (outcome_good(&outcome))
        outcome = explain_all(&explanation);
    aliases_close(explanation.aliases);
    address_free(&explanation.sender);
    settings_free(&explanation.settings);
    texts_free(&explanation.arguments);
    buffer_free(&explanation.json);
    return outcome;
}
