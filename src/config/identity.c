/* The names of this machine (see identity.h). */
#include "config/identity.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/paths.h"
#include "mail/domain.h"

enum { MAILNAME_LONGEST = 4096 };

/* The name as a domain; NULL when it is none. */
static char *as_domain(const char *name)
{
    char *domain;
    const char *why;
    return domain_parse(name, strlen(name), &domain, &why) ? domain : NULL;
}

static bool has_dot(const char *name)
{
    return strchr(name, '.') != NULL;
}

/* The full name among the names of one line of the hosts file, if the short one is there too. */
static const char *full_name_in(const struct hostent *host, const char *name)
{
    bool is_ours = text_equal(host->h_name, name);
    const char *full = has_dot(host->h_name) ? host->h_name : NULL;
    for (char **alias = host->h_aliases; *alias; alias++) {
        is_ours = is_ours || text_equal(*alias, name);
        if (!full && has_dot(*alias))
            full = *alias;
    }
    return is_ours && full && !text_starts(full, "localhost.") ? full : NULL;
}

/* gethostent lists the hosts file; a name server cannot be listed, so that none is asked. */
static char *full_name(const char *name)
{
    char *domain = NULL;
    struct hostent *host;
    sethostent(0);
    while (!domain && (host = gethostent())) {
        const char *full = full_name_in(host, name);
        if (full)
            domain = as_domain(full);
    }
    endhostent();
    return domain;
}

char *identity_mailname(void)
{
    struct buffer content = {.limit = MAILNAME_LONGEST};
    struct outcome outcome = file_load(POSTRIDER_MAILNAME, &content);
    char *domain = NULL;
    if (outcome_good(&outcome) && content.length) {
        content.data[strcspn(content.data, "\n")] = '\0';
        domain = as_domain(text_trim(content.data));
    }
    buffer_free(&content);
    return domain;
}

char *identity_hostname(void)
{
    char space[256] = "";
    if (gethostname(space, sizeof space - 1) < 0)
        space[0] = '\0';
    char *name = as_domain(space);
    if (!name)
        name = memory_copy("localhost", strlen("localhost"));
    if (has_dot(name))
        return name;
    char *full = full_name(name);
    if (!full)
        full = identity_mailname();
    if (!full)
        return name;
    free(name);
    return full;
}
