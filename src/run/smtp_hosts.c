/*
 * Next hops to hosts (see smtp_hosts.h). SRV records are not protected, so that a host that they
 * name must show a certificate for the domain of the settings; one for its own name will do when it
 * lies within that domain, as RFC 6186 section 6 has it.
 */
#include "run/smtp_hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "net/dial.h"
#include "net/dns.h"

static char *copy(const char *text)
{
    return memory_copy(text, strlen(text));
}

static void add(struct smtp_targets *targets, struct smtp_target target)
{
    targets->items = memory_resize(targets->items, (targets->count + 1) * sizeof *targets->items);
    targets->items[targets->count++] = target;
}

static struct outcome add_mx(const struct smtp_hop *hop, struct smtp_targets *targets)
{
    struct dns_hosts found;
    struct outcome outcome =
        dns_mx(hop->domain, hop->hostname, hop->port, hop->name_server, &found);
    for (size_t i = 0; outcome_good(&outcome) && i < found.count; i++)
        add(targets, (struct smtp_target){.host = copy(found.items[i].name),
                                          .port = found.items[i].port,
                                          .absolute = true,
                                          .tls = hop->tls,
                                          .certificate_name = copy(found.items[i].name)});
    dns_hosts_free(&found);
    return outcome;
}

/* Whether a name is the domain or lies below it. */
static bool is_within(const char *name, const char *domain)
{
    size_t length = strlen(name), of_domain = strlen(domain);
    if (length < of_domain || !text_equal(name + length - of_domain, domain))
        return false;
    return length == of_domain || name[length - of_domain - 1] == '.';
}

/* Implicit TLS is as good as STARTTLS, and the other way round, unless the settings ask for one. */
static unsigned services(enum tls_mode tls)
{
    if (tls == TLS_IMPLICIT)
        return DNS_SUBMISSIONS;
    return tls == TLS_OFF ? DNS_SUBMISSION : DNS_SUBMISSIONS | DNS_SUBMISSION;
}

static struct outcome add_srv(const struct smtp_hop *hop, const char *domain,
                              struct smtp_targets *targets)
{
    struct dns_hosts found;
    struct outcome outcome = dns_srv(domain, services(hop->tls), hop->name_server, &found);
    for (size_t i = 0; outcome_good(&outcome) && i < found.count; i++) {
        const struct dns_host *host = &found.items[i];
        bool within = is_within(host->name, domain);
        add(targets, (struct smtp_target){.host = copy(host->name),
                                          .port = host->port,
                                          .absolute = true,
                                          .tls = host->implicit_tls ? TLS_IMPLICIT : hop->tls,
                                          .certificate_name = copy(within ? host->name : domain),
                                          .other_name = within ? copy(domain) : NULL});
    }
    dns_hosts_free(&found);
    return outcome;
}

static struct outcome add_item(const struct smtp_hop *hop, const char *item,
                               struct smtp_targets *targets)
{
    static const char srv[] = "srv:";
    if (text_starts(item, srv))
        return add_srv(hop, item + strlen(srv), targets);
    struct smtp_target target = {.tls = hop->tls};
    if (!dial_parse(item, hop->port, &target.host, &target.port))
        return outcome_later("4.3.5", "\"%s\" is no host, host:port or [address]:port", item);
    target.certificate_name = copy(target.host);
    add(targets, target);
    return outcome_done();
}

struct outcome smtp_targets_find(const struct smtp_hop *hop, struct smtp_targets *targets)
{
    *targets = (struct smtp_targets){.problem = outcome_done()};
    if (hop->socket) {
        add(targets, (struct smtp_target){.host = copy(hop->socket),
                                          .socket = true,
                                          .tls = TLS_OFF,
                                          .certificate_name = copy("")});
        return outcome_done();
    }
    if (hop->domain)
        return add_mx(hop, targets);
    for (size_t i = 0; i < hop->hosts->count; i++) {
        struct outcome outcome = add_item(hop, hop->hosts->items[i], targets);
        if (!outcome_good(&outcome) && outcome_good(&targets->problem))
            targets->problem = outcome;
    }
    if (targets->count)
        return outcome_done();
    return outcome_good(&targets->problem) ? outcome_later("4.3.5", "there is no host to send to")
                                           : targets->problem;
}

void smtp_targets_free(struct smtp_targets *targets)
{
    for (size_t i = 0; i < targets->count; i++) {
        free(targets->items[i].host);
        free(targets->items[i].certificate_name);
        free(targets->items[i].other_name);
    }
    free(targets->items);
    *targets = (struct smtp_targets){0};
}
