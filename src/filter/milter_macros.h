/*
 * What milters are told beside the protocol's own steps: macros with the names that sendmail and
 * Postfix give them, at the stages at which those give them or a milter asks for them.
 */
#ifndef FILTER_MILTER_MACROS_H
#define FILTER_MILTER_MACROS_H

#include "base/buffer.h"
#include "config/settings.h"
#include "filter/client.h"
#include "filter/client_name.h"
#include "filter/milter_packet.h"
#include "mail/address.h"
#include "mail/header.h"

/* What they are made of, as far as it is known; all of it the caller's. */
struct milter_facts {
    const struct settings *settings;
    const struct filter_client *client;
    const struct client_name *name;
    const struct address *sender;
    const struct address *recipient; /* the one in question; NULL: none */
    const struct header *header;     /* NULL: it has not come */
};

/* The packet with those of this stage, for the command that follows, behind the buffer; nothing
 * when there are none. */
void milter_put_macros(const struct milter_options *options, enum milter_stage stage,
                       enum milter_command command, const struct milter_facts *facts,
                       struct buffer *packets);
/* The client's address as text, and its port, as milters want them; of a local user, this
 * machine's. False: IPv4, true: IPv6. */
bool milter_client_address(const struct filter_client *client, struct buffer *address,
                           unsigned *port);
/* The name by which they are told of the client: "[192.0.2.1]" if it has none of its own. */
const char *milter_client_name(const struct milter_facts *facts);

#endif
