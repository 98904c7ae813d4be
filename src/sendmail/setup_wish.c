/*
 * See setup_wish.h. An option is always first, then what the provider has for everybody, then what
 * is there already. Never takes a password from the arguments, which everybody can see.
 */
#include "sendmail/setup_wish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/memory.h"
#include "base/question.h"
#include "base/text.h"
#include "config/host.h"
#include "mail/address.h"
#include "sendmail/setup_ask.h"
#include "setup/password.h"
#include "setup/save.h"

static const char other[] = "other";

/* A wish on its way. */
struct making {
    const struct verb_options *options;
    const struct verb_account *given;
    const struct wish_about *about;
    const struct smarthost *now; /* what the section says; NULL: nothing */
    struct wish *wish;
};

static char *copy(const char *text)
{
    return text ? memory_copy(text, strlen(text)) : NULL;
}

static char *format_with(const char *format, const char *part)
{
    const char *gap = strstr(format, "%s");
    struct buffer text = {0};
    buffer_append(&text, format, gap ? (size_t)(gap - format) : strlen(format));
    if (gap) {
        buffer_append_text(&text, part);
        buffer_append_text(&text, gap + 2);
    }
    return buffer_take(&text);
}

const char *wish_section(const struct verb_options *options)
{
    return options->account.name ? options->account.name : "";
}

/* ---- provider and host ---- */

static const char *provider_said(const struct verb_options *options)
{
    return options->account.provider  ? options->account.provider
           : options->arguments.count ? options->arguments.items[0]
                                      : NULL;
}

static struct outcome refuse_provider(const char *name)
{
    struct buffer names = {0};
    for (const struct provider *provider = provider_all(); provider->name; provider++)
        buffer_format(&names, "%s, ", provider->name);
    struct outcome outcome =
        name ? outcome_refuse(EX_USAGE, "\"%.40s\" is no provider that is known: %sother", name,
                              buffer_text(&names))
             : outcome_refuse(EX_USAGE, "with which provider? One of %sor other with --host",
                              buffer_text(&names));
    buffer_free(&names);
    return outcome;
}

/* The one that the settings have already. */
static const struct provider *provider_now(const struct making *making)
{
    return making->now && making->now->hosts.count ? provider_of_host(making->now->hosts.items[0])
                                                   : NULL;
}

static struct outcome choose_provider(struct making *making)
{
    const char *said = provider_said(making->options);
    struct wish *wish = making->wish;
    if (making->options->arguments.count > 1 ||
        (making->given->provider && making->options->arguments.count &&
         !text_equal(making->given->provider, making->options->arguments.items[0])))
        return outcome_refuse(EX_USAGE, "setup takes one provider");
    wish->has_account = true;
    if (said && !text_equal(said, other)) {
        wish->provider = provider_find(said);
        return wish->provider ? outcome_done() : refuse_provider(said);
    }
    if (said || making->given->host) {
        wish->provider = making->given->host ? provider_of_host(making->given->host) : NULL;
        return outcome_done();
    }
    if (making->about->may_ask)
        return ask_provider(provider_now(making), making->now && !provider_now(making),
                            &wish->provider);
    wish->has_account = making->now != NULL;
    wish->provider = provider_now(making);
    return wish->has_account || making->given->root || making->given->test ? outcome_done()
                                                                           : refuse_provider(NULL);
}

/* The region in a host of this provider; NULL: it is none. The caller frees. */
static char *region_now(const struct making *making)
{
    const struct provider *provider = making->wish->provider;
    if (provider_now(making) != provider)
        return NULL;
    const char *host = making->now->hosts.items[0];
    size_t before = (size_t)(strstr(provider->host, "%s") - provider->host);
    size_t all = strlen(host), after = strlen(provider->host) - before - 2;
    return memory_copy(host + before, all - before - after);
}

static struct outcome find_region(const struct making *making, char **region)
{
    const struct provider *provider = making->wish->provider;
    *region = making->given->region ? copy(making->given->region) : region_now(making);
    if (making->given->region || (*region && !making->about->may_ask))
        return outcome_done();
    if (!making->about->may_ask)
        return outcome_refuse(EX_USAGE, "%s needs --region, such as %s", provider->title,
                              provider->region);
    char *initial = *region ? *region : copy(provider->region);
    struct outcome outcome = ask_text("Region", initial, ask_is_label, region);
    free(initial);
    return outcome;
}

static struct outcome choose_host(struct making *making)
{
    struct wish *wish = making->wish;
    const struct provider *provider = wish->provider;
    struct outcome outcome = outcome_done();
    if (making->given->region && (!provider || !provider->region))
        return outcome_refuse(EX_USAGE, "this provider has no regions");
    if (making->given->host) {
        wish->host = copy(making->given->host);
    } else if (provider && provider->region) {
        char *region = NULL;
        outcome = find_region(making, &region);
        if (outcome_good(&outcome))
            wish->host = format_with(provider->host, region);
        free(region);
    } else if (provider && provider != provider_now(making)) {
        wish->host = copy(provider->host);
    } else if (!provider && making->about->may_ask) {
        const char *now =
            making->now && making->now->hosts.count == 1 ? making->now->hosts.items[0] : NULL;
        outcome = ask_text("Host of the smarthost", now, ask_is_host, &wish->host);
    } else if (!provider && !making->now) {
        outcome = outcome_refuse(EX_USAGE, "other needs --host, the name of the smarthost");
    }
    return outcome;
}

/* The port that stands in the host itself; 0: none. */
static unsigned port_in(const char *text)
{
    struct host host;
    const char *why;
    if (!text || !host_parse(text, &host, &why))
        return 0;
    free(host.name);
    return host.port;
}

/* Whether the account stays with the host that it has. */
static bool stays(const struct making *making)
{
    return making->now &&
           (!making->wish->host || (making->now->hosts.count == 1 &&
                                    text_equal(making->now->hosts.items[0], making->wish->host)));
}

static struct outcome choose_way(struct making *making)
{
    struct wish *wish = making->wish;
    const struct provider *provider = wish->provider;
    bool known = provider && !(making->given->host && !provider_of_host(making->given->host));
    unsigned port = port_in(wish->host), usual = known ? provider->port : 587;
    bool in_host = port != 0;
    struct outcome outcome = outcome_done();
    char number[16];
    if (!known && making->given->tls && text_equal(making->given->tls, "implicit"))
        usual = 465;
    snprintf(number, sizeof number, "%u", usual);
    if (making->given->port)
        wish->port = copy(making->given->port);
    else if (!in_host && !stays(making) && !known && making->about->may_ask)
        outcome = ask_text("Port", number, ask_is_port, &wish->port);
    else if (!in_host && !stays(making))
        wish->port = copy(number);
    if (wish->port)
        port = (unsigned)strtoul(wish->port, NULL, 10);
    if (making->given->tls)
        wish->tls = copy(making->given->tls);
    else if (!stays(making) || making->given->port)
        wish->tls = copy(port == 465 || port == 2465 ? "implicit" : "starttls");
    wish->tls_trust = copy(making->given->tls_trust);
    return outcome;
}

/* ---- whose mail ---- */

/* The domain of the first address or @domain of a list; NULL: none. The caller frees. */
static char *domain_of(const char *list)
{
    const char *at = list ? strchr(list, '@') : NULL;
    return at ? memory_copy(at + 1, strcspn(at + 1, ", \t")) : NULL;
}

static struct outcome choose_senders(struct making *making)
{
    struct wish *wish = making->wish;
    if (!*wish->name) {
        if (making->given->senders)
            return outcome_refuse(EX_USAGE,
                                  "--senders goes with --name: the default account is for "
                                  "all the others");
        return outcome_done();
    }
    wish->senders = copy(making->given->senders);
    if (wish->senders || (making->now && making->now->senders.count))
        return outcome_done();
    if (!making->about->may_ask)
        return outcome_refuse(EX_USAGE, "--name needs --senders, such as @example.org");
    return ask_text("For mail of which senders, such as @example.org", NULL, ask_is_senders,
                    &wish->senders);
}

static struct outcome choose_domain(struct making *making)
{
    struct wish *wish = making->wish;
    const char *said = making->options->domains.count ? making->options->domains.items[0] : NULL;
    if (making->options->domains.count > 1)
        return outcome_refuse(EX_USAGE, "setup takes one --domain");
    wish->domain = copy(said);
    /* Where the sender is the account, no other domain is seen outside. */
    if (said || *wish->name || !making->about->may_ask ||
        (wish->provider && wish->provider->own_sender))
        return outcome_done();
    return ask_text("Domain of your mail's senders", making->about->now->domain, ask_is_domain,
                    &wish->domain);
}

/* The user name that the provider has for everybody; NULL: none. The caller frees. */
static char *usual_user(const struct making *making)
{
    const struct wish *wish = making->wish;
    if (!wish->provider || !wish->provider->user)
        return NULL;
    if (*wish->name && strstr(wish->provider->user, "%s")) {
        char *domain = domain_of(wish->senders);
        char *user = domain ? format_with(wish->provider->user, domain) : NULL;
        free(domain);
        return user;
    }
    return format_with(wish->provider->user,
                       wish->domain ? wish->domain : making->about->now->domain);
}

static struct outcome choose_user(struct making *making)
{
    struct wish *wish = making->wish;
    struct outcome outcome = outcome_done();
    if (making->given->user) {
        wish->user = copy(making->given->user);
        return outcome;
    }
    const char *now = stays(making) && *making->now->user ? making->now->user : NULL;
    char *usual = now ? copy(now) : usual_user(making);
    bool fixed =
        usual && wish->provider && wish->provider->user && strcmp(usual, wish->provider->user) == 0;
    char question[128];
    snprintf(question, sizeof question, "%s%s%s",
             wish->provider ? wish->provider->title : "User name",
             wish->provider ? ", " : ", empty for a smarthost that wants none",
             wish->provider ? wish->provider->user_is : "");
    if (!fixed && making->about->may_ask)
        outcome = ask_text(question, usual, wish->provider ? ask_is_anything : ask_may_be_empty,
                           &wish->user);
    else if (!now && (usual || !wish->provider))
        wish->user = copy(usual);
    else if (!now && wish->provider)
        outcome = outcome_refuse(EX_USAGE, "%s needs --user: its %s", wish->provider->title,
                                 wish->provider->user_is);
    free(usual);
    return outcome;
}

/* A provider that takes the account's own address alone gets no other. */
static void choose_masquerade(struct making *making)
{
    struct wish *wish = making->wish;
    const char *user = wish->user ? wish->user : making->now ? making->now->user : "";
    if (!wish->provider || !wish->provider->own_sender || *wish->name || !strchr(user, '@'))
        return;
    wish->masquerade = format_with("*@*: %s", user);
}

/* ---- password ---- */

static struct outcome read_password_file(const char *path, struct buffer *password)
{
    struct save_file file;
    struct outcome outcome = save_load(path, SAVE_OPEN, false, &file);
    if (outcome_good(&outcome) && !file.there)
        outcome = outcome_refuse(EX_NOINPUT, "there is no file %s", path);
    const char *data = buffer_text(&file.content);
    size_t length = file.content.length;
    if (length && data[length - 1] == '\n')
        length--;
    if (length && data[length - 1] == '\r')
        length--;
    buffer_append(password, data, length);
    save_free(&file);
    return outcome;
}

static struct outcome ask_for_password(const struct wish *wish, bool may_stay,
                                       struct buffer *password)
{
    char question[160];
    snprintf(question, sizeof question, "%s%s%s: ", wish->provider ? "Its " : "Password",
             wish->provider ? wish->provider->password_is : "",
             may_stay ? " (empty: as it is)" : "");
    const char *const questions[] = {question, NULL};
    return question_ask_hidden(questions, password, PASSWORD_LONGEST);
}

static bool signs_in(const struct making *making)
{
    const char *user = making->wish->user;
    return user ? *user != '\0' : making->now && *making->now->user;
}

/* Whether the password that is there is that of this user at this host. */
static bool may_keep_password(const struct making *making)
{
    const char *user = making->wish->user;
    return making->about->has_password && stays(making) &&
           (!user || strcmp(user, making->now->user) == 0);
}

static struct outcome choose_password(struct making *making)
{
    struct wish *wish = making->wish;
    bool there = may_keep_password(making);
    struct outcome outcome;
    if (making->given->password_file)
        outcome = read_password_file(making->given->password_file, &wish->password);
    else if (!signs_in(making))
        return outcome_done();
    else
        outcome = ask_for_password(wish, there, &wish->password);
    /* nothing was said: what is there may stay */
    if (there && !making->given->password_file &&
        (outcome.exit_status == EX_NOINPUT || (outcome_good(&outcome) && !wish->password.length)))
        return outcome_done();
    if (outcome.exit_status == EX_NOINPUT && !making->given->password_file)
        return outcome_refuse(EX_NOINPUT, "there is no password: name a file of it with "
                                          "--password-file, or give it on standard input");
    if (outcome_good(&outcome))
        outcome = password_check(&wish->password);
    wish->has_password = outcome_good(&outcome);
    return outcome;
}

struct outcome wish_ask_password(struct wish *wish)
{
    buffer_wipe(&wish->password);
    struct outcome outcome = ask_for_password(wish, false, &wish->password);
    return outcome_good(&outcome) ? password_check(&wish->password) : outcome;
}

/* ---- addresses ---- */

static struct outcome check_address(const char *option, const char *text)
{
    struct address address;
    const char *why;
    if (!text)
        return outcome_done();
    if (!address_parse(text, &address, &why))
        return outcome_refuse(EX_USAGE, "%s \"%.100s\": %s", option, text, why);
    address_free(&address);
    return outcome_done();
}

static struct outcome choose_root(struct making *making)
{
    making->wish->root = copy(making->given->root);
    if (making->given->root)
        return check_address("--root", making->given->root);
    if (!making->about->may_ask || !making->about->root_has_no_alias)
        return outcome_done();
    return ask_text("Who reads root's mail, an address, or empty for nobody", NULL,
                    ask_is_address_or_empty, &making->wish->root);
}

static struct outcome choose_test(struct making *making)
{
    making->wish->test = copy(making->given->test);
    if (making->given->test || (making->options->given & VERB_OFFLINE))
        return check_address("--test", making->given->test);
    if (!making->about->may_ask || (making->options->given & VERB_DRY_RUN))
        return outcome_done();
    return ask_text("Send a test message to, empty for none", making->wish->root,
                    ask_is_address_or_empty, &making->wish->test);
}

/* ---- the whole ---- */

static struct outcome check_options(const struct verb_options *options)
{
    const struct verb_account *given = &options->account;
    if (given->name && (!*given->name || strpbrk(given->name, "\"]\n")))
        return outcome_refuse(EX_USAGE, "--name \"%.40s\" is no name of a section", given->name);
    if (given->test && (options->given & VERB_OFFLINE))
        return outcome_refuse(EX_USAGE, "--test needs the network: not with --offline");
    if (given->from_root)
        return outcome_refuse(EX_USAGE, "--from-root goes with --from");
    return outcome_done();
}

static struct outcome choose_account(struct making *making)
{
    static struct outcome (*const steps[])(struct making * making) = {
        choose_host, choose_way, choose_senders, choose_domain, choose_user, choose_password};
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && outcome_good(&outcome); i++)
        outcome = steps[i](making);
    if (outcome_good(&outcome))
        choose_masquerade(making);
    return outcome;
}

static void drop_empty(char **text)
{
    if (*text && !**text) {
        free(*text);
        *text = NULL;
    }
}

struct outcome wish_make(const struct verb_options *options, const struct wish_about *about,
                         struct wish *wish)
{
    struct making making = {.options = options,
                            .given = &options->account,
                            .about = about,
                            .now = settings_smarthost(about->now, wish_section(options)),
                            .wish = wish};
    *wish = (struct wish){.name = copy(wish_section(options))};
    struct outcome outcome = check_options(options);
    if (outcome_good(&outcome))
        outcome = choose_provider(&making);
    if (outcome_good(&outcome) && wish->has_account)
        outcome = choose_account(&making);
    if (outcome_good(&outcome))
        outcome = choose_root(&making);
    if (outcome_good(&outcome))
        outcome = choose_test(&making);
    drop_empty(&wish->root);
    drop_empty(&wish->test);
    return outcome;
}

void wish_free(struct wish *wish)
{
    free(wish->name);
    free(wish->senders);
    free(wish->host);
    free(wish->port);
    free(wish->tls);
    free(wish->tls_trust);
    free(wish->user);
    free(wish->domain);
    free(wish->masquerade);
    free(wish->root);
    free(wish->test);
    buffer_wipe(&wish->password);
    *wish = (struct wish){0};
}
