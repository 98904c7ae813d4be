/* See names.h. Names that are nobody's by RFC 2606 and 6761, and those that never left a house. */
#include "check/names.h"

#include <string.h>

#include "base/text.h"
#include "config/settings.h"

static const char topic[] = "names";

static const char *const nobodys[] = {"example",     "example.com", "example.net", "example.org",
                                      "example.edu", "invalid",     "test",        "localhost"};
static const char *const private_[] = {"local", "localdomain", "lan",       "internal", "home",
                                       "corp",  "intranet",    "home.arpa", "private"};

static bool is_below(const char *name, const char *const *domains, size_t count)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < count; i++) {
        size_t end = strlen(domains[i]);
        if (length >= end && text_equal(name + length - end, domains[i]) &&
            (length == end || name[length - end - 1] == '.'))
            return true;
    }
    return false;
}

/* Why the world outside does not know the name; NULL: it may. */
static const char *find_fault(const char *name)
{
    if (!strchr(name, '.'))
        return "has no dot, so it is no full name";
    if (is_below(name, nobodys, sizeof nobodys / sizeof nobodys[0]))
        return "is a name for examples, which nobody has";
    if (is_below(name, private_, sizeof private_ / sizeof private_[0]))
        return "is a name that is known in your network alone";
    return NULL;
}

static bool check_domain(const struct settings *settings, struct findings *findings)
{
    const char *fault = find_fault(settings->domain);
    if (!fault)
        return true;
    finding_add(findings, FINDING_WARNING, topic,
                "the domain behind senders, %s, %s: other servers refuse such senders, and no "
                "answer or report finds its way back",
                settings->domain, fault);
    finding_remedy(findings, "in [mail] of %s: domain = the domain that your mail comes from",
                   settings_file(settings));
    return false;
}

static bool check_hostname(const struct settings *settings, struct findings *findings)
{
    const char *fault = find_fault(settings->hostname);
    if (!fault)
        return true;
    /* Who is greeted with it is mostly a smarthost, which looks at the password instead. */
    finding_add(findings, FINDING_HINT, topic,
                "the name of this machine, %s, %s: servers that are picky about greetings refuse "
                "it",
                settings->hostname, fault);
    finding_remedy(findings, "in [mail] of %s: hostname = a full name of this machine",
                   settings_file(settings));
    return false;
}

static void check_local_domains(const struct settings *settings, struct findings *findings)
{
    for (size_t i = 0; i < settings->local_domains.count; i++)
        if (text_match(settings->local_domains.items[i], settings->hostname))
            return;
    finding_add(findings, FINDING_HINT, topic,
                "local_domains lacks the name of this machine, %s, whose mail stays here all the "
                "same",
                settings->hostname);
    finding_remedy(findings, "in [mail] of %s: add %s to local_domains", settings_file(settings),
                   settings->hostname);
}

void check_names(const struct settings *settings, struct findings *findings)
{
    bool good = check_domain(settings, findings);
    if (!text_equal(settings->domain, settings->hostname) && !check_hostname(settings, findings))
        good = false;
    if (good)
        finding_add(findings, FINDING_GOOD, topic,
                    "this machine is %s, and senders without a domain get @%s", settings->hostname,
                    settings->domain);
    check_local_domains(settings, findings);
}
