/* Who calls: the real user, as the user table knows him. */
#ifndef SENDMAIL_CALLER_H
#define SENDMAIL_CALLER_H

#include <sys/types.h>

struct caller {
    uid_t uid;
    char *user;      /* login name; NULL when the user table has none */
    char *name;      /* the same, or "uid-1234": what mail is sent from */
    char *full_name; /* NULL: none known */
};

/* The caller frees. */
void caller_find(struct caller *caller);
void caller_free(struct caller *caller);

#endif
