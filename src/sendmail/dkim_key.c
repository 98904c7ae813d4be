/* postrider dkim-key (see dkim_key.h): what it is about is done by postrider-run, for no library
 * that knows keys is linked here. */
#include "sendmail/dkim_key.h"

#include "sendmail/handover.h"
#include "sendmail/verb.h"

struct outcome dkim_key_verb(int argc, char *const argv[])
{
    static const struct handed_verb verb = {.program = "postrider-run",
                                            .allowed =
                                                VERB_SELECTOR | VERB_TYPE | VERB_FORCE | VERB_SHOW,
                                            .wanted = "the name of one domain"};
    return hand_over_verb(argc, argv, &verb);
}
