/* See handover.h. */
#include "sendmail/handover.h"

#include <errno.h>
#include <unistd.h>

#include "base/privilege.h"
#include "base/process.h"

struct outcome hand_over(const char *const argv[])
{
    char path[4096];
    struct outcome outcome = privilege_drop_group();
    if (!outcome_good(&outcome))
        return outcome;
    process_find(argv[0], path, sizeof path);
    execv(path, (char *const *)argv);
    return outcome_errno(errno, "cannot start %s", path);
}
