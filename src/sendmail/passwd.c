/* postrider passwd (see passwd.h): what it is about is done by postrider-listen, for no library
 * that knows secrets is linked here. */
#include "sendmail/passwd.h"

#include "sendmail/handover.h"
#include "sendmail/verb.h"

struct outcome passwd_verb(int argc, char *const argv[])
{
    static const struct handed_verb verb = {.program = "postrider-listen",
                                            .allowed = VERB_DELETE | VERB_CHECK | VERB_FILE,
                                            .wanted = "the name of one user"};
    return hand_over_verb(argc, argv, &verb);
}
