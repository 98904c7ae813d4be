/* Users by name (see user_table.h). A name is never part of a path here. */
#include "route/user_table.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

static struct outcome look_up_user(const char *name, char **canonical)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (user) {
        *canonical = memory_copy(user->pw_name, strlen(user->pw_name));
        return outcome_done();
    }
    if (errno == 0 || errno == ENOENT || errno == ESRCH)
        return outcome_never("5.1.1", "there is no user %s here", name);
    return outcome_errno(errno, "the user table cannot be read");
}

/* For a queue of one's own: nobody else's mailbox can be written. */
static struct outcome look_up_myself(const char *name, char **canonical)
{
    const struct passwd *me = getpwuid(getuid());
    if (!me)
        return outcome_later("4.3.5", "the user table does not know user %ld", (long)getuid());
    if (!text_equal(me->pw_name, name))
        return outcome_never("5.1.1",
                             "there is no mailbox of %s here: without an installation "
                             "only that of %s can be written",
                             name, me->pw_name);
    *canonical = memory_copy(me->pw_name, strlen(me->pw_name));
    return outcome_done();
}

struct outcome user_table_find(const char *name, bool own, char **canonical)
{
    return own ? look_up_myself(name, canonical) : look_up_user(name, canonical);
}
