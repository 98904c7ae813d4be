/* See newaliases.h: the library that knows databases is not linked here, and the group that we were
 * given is to help nobody to read an included file or to write beside one. */
#include "sendmail/newaliases.h"

#include "sendmail/handover.h"

struct outcome newaliases_start(const struct office *office)
{
    const char *argv[] = {"postrider-run", "newaliases", office->config ? "-C" : NULL,
                          office->config, NULL};
    return hand_over(argv);
}
