/*
 * The privileged helper. It uses nothing but the C library, hears no peer and reads no settings,
 * but for one line (named.c). Its jobs are in deliver.c, command.c and run.c; each ends the
 * process.
 */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include <sys/resource.h>
#include <sys/types.h>

#ifndef POSTRIDER_USER
#define POSTRIDER_USER "postrider"
#endif
#ifndef POSTRIDER_CONFIG
#define POSTRIDER_CONFIG "/etc/postrider/postrider.conf"
#endif
#ifndef POSTRIDER_LIBEXECDIR
#define POSTRIDER_LIBEXECDIR "/usr/libexec/postrider"
#endif
#ifndef POSTRIDER_MAILDIR
#define POSTRIDER_MAILDIR "/var/mail"
#endif

/* Ends with this sysexits status and one line of words on standard error. */
void end(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* First of all: files, limits, signals, timers, environment, umask, folder are as if nobody had
 * called us; no core is left. */
void settle(void);
/* Closes all but the first three. */
void forget_files(void);
/* Sets a limit of a process, as far as it can be lifted. */
void set_limit(int kind, rlim_t wanted, rlim_t most);
/*
 * Ends when a caller has limits that could not be lifted, and that would have everybody's queue run
 * fail, or die, in the middle of a message.
 */
void check_limits(void);
/* Anew whenever user ids change: for then it is as the machine has it. */
void leave_no_core(void);

/* Whoever we were, from here on we are this user with this one group, for good. */
void become(uid_t uid, gid_t gid);
/*
 * For files alone we are this user with this one group from here on, and have no rights but his;
 * else we are our caller, the queue's user. So it is not for who owns a mailbox to stop, end or
 * slow down what fills it, while everybody's mail waits.
 */
void write_as(uid_t uid, gid_t gid);
/* As whom we write. */
uid_t writer(void);

/* What is to be appended; the id: look first whether it is there. */
struct entry {
    off_t size;
    const char *id;    /* NULL: none */
    unsigned long sum; /* CRC-32C */
};

/*
 * deliver USER FOLDER SIZE [ID SUM]: appends SIZE bytes of standard input to FOLDER/USER.
 * arguments: from SIZE on.
 */
void deliver(const char *user, const char *folder, char *const arguments[])
    __attribute__((noreturn));

/* file USER PATH SIZE [ID SUM]: appends SIZE bytes of standard input to the user's file PATH. */
void write_file(const char *user, const char *path, char *const arguments[])
    __attribute__((noreturn));

/*
 * command USER SECONDS PROGRAM [ARGUMENT...]: runs the program with our standard input, for so long
 * at the most. What it prints comes out on standard output, cut. The exit status is the program's
 * own unless there are words on standard error: those are ours.
 */
void run_command(const char *user, const char *seconds, char *const argv[])
    __attribute__((noreturn));

/* What has been begun gets finished: who ends us from a terminal or at a shutdown ends the queue
 * run, too, and our input with it. */
void ignore_signals(void);
/* Whether we have root's rights, lent to the queue's user; ends when anybody else wants them. */
int is_privileged(void);
/* Of the user for files and commands of aliases: whoever may be nobody of importance. */
struct target_user {
    uid_t uid;
    gid_t gid;
    const char *name, *home;
};
/*
 * Ends with EX_CONFIG for a name that is none, or stands for one with rights, or that root has not
 * written behind this key into the settings.
 */
struct target_user find_target_user(const char *name, const char *key);
/* Ends unless root's settings have a line "key = user". */
void check_named(const char *key, const char *user);

/* Opens FOLDER/NAME, a file that belongs to the present user, and locks it. what: for words. */
int mailbox_open(int folder, const char *name, const char *what);
/* Appends the entry from standard input, or nothing. */
void mailbox_append(int mailbox, const struct entry *entry);
/* Takes the dot-lock away; also before every end(). */
void mailbox_unlock(void);

/*
 * run ARGUMENTS: becomes the queue's user and starts postrider-run with them, and before them with
 * "--for" and the real user id of our caller.
 */
void run(char *const arguments[]) __attribute__((noreturn));
/*
 * session: becomes the queue's user and starts postrider-listen with a session on our standard
 * input and output, for the real user id of our caller.
 */
void session(void) __attribute__((noreturn));

#endif
