/*
 * The one way in which Postrider says how something went: done, later or never, with an
 * enhanced status code (RFC 3463) and a sentence that reaches the log and the sender.
 * What is unknown, and what crashed, is LATER: mail is never given up for a hiccup.
 */
#ifndef BASE_OUTCOME_H
#define BASE_OUTCOME_H

#include <stdarg.h>
#include <stdbool.h>

enum result { DONE, LATER, NEVER };

struct outcome {
    enum result result;
    int exit_status;  /* sysexits.h; what a program ends with if this is its end */
    char status[12];  /* enhanced status code, such as "4.4.1" */
    char reason[512]; /* one line, no control characters; cut if longer */
};

#define FORMATTED(text, first) __attribute__((format(printf, text, first)))

struct outcome outcome_done(void);
/* EX_TEMPFAIL and EX_UNAVAILABLE; status is copied, the reason is formatted and made one clean
 * line. */
struct outcome outcome_later(const char *status, const char *format, ...) FORMATTED(2, 3);
struct outcome outcome_never(const char *status, const char *format, ...) FORMATTED(2, 3);
/* A refusal of what the caller gave us, with its sysexits status; NEVER, 5.5.4. */
struct outcome outcome_refuse(int exit_status, const char *format, ...) FORMATTED(2, 3);
/* What errno means for mail, by the one table in outcome.c; ": strerror" is put behind the words.
 */
struct outcome outcome_errno(int error, const char *format, ...) FORMATTED(2, 3);

static inline bool outcome_good(const struct outcome *outcome)
{
    return outcome->result == DONE;
}

#endif
