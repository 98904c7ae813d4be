/*
 * The privileged helper. It uses nothing but the C library, hears no peer and parses no settings.
 * Its two jobs are in deliver.c and run.c; both end the process.
 */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include <sys/types.h>

#ifndef POSTRIDER_USER
#define POSTRIDER_USER "postrider"
#endif
#ifndef POSTRIDER_LIBEXECDIR
#define POSTRIDER_LIBEXECDIR "/usr/libexec/postrider"
#endif
#ifndef POSTRIDER_MAILDIR
#define POSTRIDER_MAILDIR "/var/mail"
#endif

/* Ends with this sysexits status and one line of words on standard error. */
void end(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* Whoever we were, from here on we are this user with this one group, for good. */
void become(uid_t uid, gid_t gid);

/* deliver USER FOLDER SIZE [ID]: appends SIZE bytes of standard input to FOLDER/USER. */
void deliver(const char *user, const char *folder, const char *size, const char *id)
    __attribute__((noreturn));

/* Opens FOLDER/NAME, an existing mailbox that belongs to the present user, and locks it. */
int mailbox_open(int folder, const char *name);
/* Appends size bytes of standard input, or nothing. id: look first whether it is there. */
void mailbox_append(int mailbox, off_t size, const char *id);
/* Takes the dot-lock away; also before every end(). */
void mailbox_unlock(void);

/*
 * run ARGUMENTS: becomes the queue's user and starts postrider-run with them, and before them with
 * "--for" and the real user id of our caller.
 */
void run(char *const arguments[]) __attribute__((noreturn));

#endif
