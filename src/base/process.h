/* What a process inherits, and the programs that it starts. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/outcome.h"

/*
 * To be called first in main: descriptors 0 to 2 are open (on /dev/null if need be), so that no
 * file of ours ever gets such a number; signals and the timer that a caller may have set are back
 * to their defaults, SIGPIPE and SIGXFSZ are ignored (writes say EPIPE, EFBIG instead), no core.
 */
void process_settle(void);
/* Standard input, output and error lead nowhere. */
void process_forget_standard_files(void);
/* The same, and every other descriptor gets closed. */
void process_forget_files(void);
/* How many descriptors from 3 on were handed over to this very process by who started it
 * (sd_listen_fds(3)); 0: none. */
int process_handed_over(void);
/* Every descriptor from this one on gets closed. */
void process_close_from(int first);

/*
 * Runs a program found by its path, argv NULL-terminated, with standard input from /dev/null and
 * standard output into the buffer, for so many milliseconds at the most; standard error stays.
 * Done only when it ended with status 0; the words say why it could not be started, or how it
 * ended, and never hold its output. It ends with this process, whatever ends that.
 */
struct outcome process_capture(char *const argv[], struct buffer *output, int limit_ms);

/*
 * The end of a program that does what somebody asked for: what stands on standard output goes out,
 * and a failure of that, or the outcome, is told on standard error in this name. The exit status.
 */
int process_end(const char *name, struct outcome outcome);

/* Waits for a child; its exit status, or 128 + signal. */
int process_wait(pid_t pid);
/* The same; *signal: what ended it, 0: nothing did. */
int process_wait_for(pid_t pid, int *signal);

/* The folder of the running program, such as "/usr/sbin"; "" when the kernel does not say. It is
 * remembered: who means to leave the folder that he was started in, or /proc, asks before. */
const char *process_folder(void);

/* The path of another program of ours: beside the running one where that was built, else where
 * they are installed. */
void process_find(const char *name, char *path, size_t size);

#endif
