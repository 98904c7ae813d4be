/* Outcomes, and the one table that says what an errno means for mail. RFC 3463. */
#include "base/outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"

static void fill(struct outcome *outcome, enum result result, int exit_status, const char *status,
                 const char *format, va_list arguments)
{
    *outcome = (struct outcome){.result = result, .exit_status = exit_status};
    snprintf(outcome->status, sizeof outcome->status, "%s", status);
    vsnprintf(outcome->reason, sizeof outcome->reason, format, arguments);
    text_tame(outcome->reason, strlen(outcome->reason));
}

struct outcome outcome_done(void)
{
    return (struct outcome){.result = DONE, .status = "2.0.0"};
}

struct outcome outcome_later(const char *status, const char *format, ...)
{
    struct outcome outcome;
    va_list arguments;
    va_start(arguments, format);
    fill(&outcome, LATER, EX_TEMPFAIL, status, format, arguments);
    va_end(arguments);
    return outcome;
}

struct outcome outcome_never(const char *status, const char *format, ...)
{
    struct outcome outcome;
    va_list arguments;
    va_start(arguments, format);
    fill(&outcome, NEVER, EX_UNAVAILABLE, status, format, arguments);
    va_end(arguments);
    return outcome;
}

struct outcome outcome_refuse(int exit_status, const char *format, ...)
{
    struct outcome outcome;
    va_list arguments;
    va_start(arguments, format);
    fill(&outcome, NEVER, exit_status, "5.5.4", format, arguments);
    va_end(arguments);
    return outcome;
}

static const struct {
    int error;
    enum result result;
    int exit_status;
    const char *status;
} meanings[] = {
    {ENOSPC, LATER, EX_TEMPFAIL, "4.3.1"},      {EDQUOT, LATER, EX_TEMPFAIL, "4.2.2"},
    {EFBIG, LATER, EX_IOERR, "4.3.1"},          {EIO, LATER, EX_IOERR, "4.3.0"},
    {EROFS, LATER, EX_CANTCREAT, "4.3.0"},      {EACCES, LATER, EX_NOPERM, "4.3.0"},
    {EPERM, LATER, EX_NOPERM, "4.3.0"},         {ENOENT, LATER, EX_CANTCREAT, "4.3.5"},
    {ENOTDIR, LATER, EX_CANTCREAT, "4.3.5"},    {ECONNREFUSED, LATER, EX_TEMPFAIL, "4.4.1"},
    {ETIMEDOUT, LATER, EX_TEMPFAIL, "4.4.1"},   {EHOSTUNREACH, LATER, EX_TEMPFAIL, "4.4.1"},
    {ENETUNREACH, LATER, EX_TEMPFAIL, "4.4.1"}, {ECONNRESET, LATER, EX_TEMPFAIL, "4.4.2"},
    {EPIPE, LATER, EX_TEMPFAIL, "4.4.2"},
};

struct outcome outcome_errno(int error, const char *format, ...)
{
    struct outcome outcome;
    enum result result = LATER;
    int exit_status = EX_OSERR;
    const char *status = "4.3.0";
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].error == error) {
            result = meanings[i].result;
            exit_status = meanings[i].exit_status;
            status = meanings[i].status;
        }
    va_list arguments;
    va_start(arguments, format);
    fill(&outcome, result, exit_status, status, format, arguments);
    va_end(arguments);
    size_t used = strlen(outcome.reason);
    snprintf(outcome.reason + used, sizeof outcome.reason - used, ": %s", strerror(error));
    return outcome;
}
