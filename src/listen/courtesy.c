/* See courtesy.h. */
#include "listen/courtesy.h"

#include "listen/verb.h"

void verb_noop(struct session *session, char *argument)
{
    (void)argument;
    session_reply(session, 250, "2.0.0", "done nothing");
}

void verb_help(struct session *session, char *argument)
{
    (void)argument;
    struct buffer names = {0};
    verb_list(&names);
    session_reply(session, 214, "2.0.0", "%s", buffer_text(&names));
    buffer_free(&names);
}

void verb_vrfy(struct session *session, char *argument)
{
    if (*argument)
        session_reply(session, 252, "2.0.0", "send some mail, and see");
    else
        session_refuse(session, 501, "5.5.4", "VRFY wants a name");
}

void verb_quit(struct session *session, char *argument)
{
    (void)argument;
    session_end(session, 221, "2.0.0", "%s says goodbye", session->settings->hostname);
}
