/* See hello.h. What is offered depends on what the session may do by now. */
#include "listen/hello.h"

#include <stdlib.h>

#include "listen/command.h"

static bool take_name(struct session *session, char *argument, bool extended)
{
    char *name;
    if (!command_parse_domain(argument, &name)) {
        session_refuse(session, 501, "5.5.4", "%s wants the name of your host",
                       extended ? "EHLO" : "HELO");
        return false;
    }
    session_reset(session);
    free(session->helo);
    session->helo = name;
    session->extended = extended;
    return true;
}

void verb_helo(struct session *session, char *argument)
{
    if (take_name(session, argument, false))
        session_reply(session, 250, "", "%s", session->settings->hostname);
}

void verb_ehlo(struct session *session, char *argument)
{
    if (!take_name(session, argument, true))
        return;
    session_reply_part(session, 250, "%s greets %s", session->settings->hostname, session->helo);
    session_reply_part(session, 250, "PIPELINING");
    session_reply_part(session, 250, "SIZE %llu",
                       (unsigned long long)session->settings->max_message_size);
    session_reply_part(session, 250, "8BITMIME");
    session_reply_part(session, 250, "SMTPUTF8");
    session_reply_part(session, 250, "DSN");
    session_reply_part(session, 250, "CHUNKING");
    session_reply_part(session, 250, "LIMITS RCPTMAX=%u", session->listener->max_recipients);
    if (session->listener->relay_domains.count)
        session_reply_part(session, 250, "ETRN");
    if (session->listener->tls == TLS_STARTTLS && !session->stream.tls)
        session_reply_part(session, 250, "STARTTLS");
    const char *mechanisms = auth_offer(session);
    if (mechanisms)
        session_reply_part(session, 250, "AUTH %s", mechanisms);
    session_reply_part(session, 250, "ENHANCEDSTATUSCODES");
    session_reply(session, 250, "", "HELP");
}
