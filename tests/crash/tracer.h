/* The tracer's two halves: tracer.c stops processes and changes their fate, record.c notes what
 * they did to the disk. */
#ifndef CRASH_TRACER_H
#define CRASH_TRACER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { NAME_SIZE = 96, ARGUMENTS = 6 };

/* What becomes of a call that is not left alone. */
enum change {
    LEFT_ALONE,
    SKIPPED,   /* it does not happen, and has this result */
    SHORTENED, /* less is asked for than the program wanted */
    ANSWERED   /* it happens, and has this result all the same */
};

/* A system call that a process is in. */
struct call {
    long number;
    uint64_t arguments[ARGUMENTS];
    bool counted;       /* the program's own: not the loader's, nor another program's */
    enum change change; /* of tracer.c */
    long result;        /* SKIPPED, ANSWERED: what the program gets to see */
    /* record.c: */
    unsigned long entered;       /* lines of the log when it began */
    char paths[2][PATH_MAX + 1]; /* absolute, of calls that name files */
    bool existed;                /* the first of them */
    char kind;                   /* of what the call is about, see record.c */
};

struct process {
    pid_t pid;
    char name[NAME_SIZE]; /* 0 is the first one; 0.2 its second child; "" not known yet */
    bool has_stopped;     /* for the first time, before it does anything */
    bool is_ours;         /* runs a program of the build */
    bool is_inside;       /* a call */
    unsigned calls, children;
    int files;          /* open when it ended; -1: not known */
    uint64_t loader[2]; /* where ld.so lies: from, to */
    struct call call;
};

/* The log, and the folder whose files count. */
struct record {
    FILE *log;
    bool is_full; /* else only how processes end */
    const char *root;
    unsigned long lines;
};

/* Before a call happens, and after it, with its result: -1 to -4095 are errors. */
void record_entry(const struct record *record, struct process *process);
void record_exit(struct record *record, const struct process *process, long result);
/* Whether the call could change the disk below the root, for faults that stay. */
bool record_is_change(const struct record *record, const struct process *process);
void record_end(struct record *record, const struct process *process, int status);

#endif
