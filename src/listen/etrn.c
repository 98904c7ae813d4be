/* See etrn.h. Who asks learns nothing of what waits, and cannot make us work all the time. */
#include "listen/etrn.h"

#include <stdlib.h>
#include <string.h>

#include "config/network.h"
#include "listen/orders.h"
#include "mail/domain.h"

void verb_etrn(struct session *session, char *argument)
{
    const struct listener *listener = session->listener;
    if (!session->helo) {
        session_refuse(session, 503, "5.5.1", "say EHLO first");
        return;
    }
    /* "@domain" is the domain with all below it: the pattern of the settings has them anyway. */
    const char *why, *text = *argument == '@' ? argument + 1 : argument;
    char *domain = NULL;
    if (!domain_parse(text, strlen(text), &domain, &why)) {
        session_refuse(session, 501, "5.5.4", "ETRN wants a domain");
        return;
    }
    size_t at = admission_find_relay_domain(listener, domain);
    free(domain);
    if (at == listener->relay_domains.count) {
        session_refuse(session, 459, "4.7.1", "we keep no mail for this domain");
        return;
    }
    if (!session->visitor.trusted && !session->may_ask) {
        session_refuse(session, 458, "4.7.1", "you may not ask for it");
        return;
    }
    const struct order_place place = {.generation = session->service->generation,
                                      .listener = (unsigned)session->listener_index,
                                      .domain = (unsigned)at};
    if (orders_write(session->orders, &place))
        session_reply(session, 250, "2.0.0",
                      "the mail for this domain is tried, once a minute at the most");
    else
        session_refuse(session, 458, "4.3.0", "ask again later");
}
