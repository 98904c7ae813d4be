/*
 * See serve.h. The listener of the installed queue is root's to start, who may bind its ports, or
 * the queue's user's. A session for a local user is started by the helper, as a queue run is: the
 * user could stop or trace a process of his own.
 */
#include "sendmail/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "config/paths.h"
#include "sendmail/handover.h"
#include "sendmail/verb.h"

/* What is due is sent so often unless something else is said; the retry times decide what that is.
 */
static const char usual_interval[] = "1m";

struct way {
    bool foreground;
    bool queue_only;
    const char *interval; /* NULL: no queue runs by the clock */
};

static struct outcome start(const struct office *office, const struct way *way)
{
    if (!office_is_master(office))
        return outcome_refuse(EX_NOPERM,
                              "only root may start the listener of this machine's queue; with "
                              "settings of your own (-C FILE) you can have one for yourself");
    const char *argv[8] = {"postrider-listen"};
    size_t count = 1;
    if (office->config) {
        argv[count++] = "-C";
        argv[count++] = office->config;
    }
    if (!way->foreground)
        argv[count++] = "--background";
    if (way->queue_only)
        argv[count++] = "--queue-only";
    if (way->interval) {
        argv[count++] = "--every";
        argv[count++] = way->interval;
    }
    return hand_over(argv);
}

static struct outcome check_interval(const char *text)
{
    uint64_t seconds;
    if (text_to_seconds(text, &seconds) && seconds > 0)
        return outcome_done();
    return outcome_refuse(EX_USAGE, "--every \"%.100s\" is no time, such as 90s, 15m or 1h", text);
}

struct outcome serve_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct office office = {0};
    struct outcome outcome = verb_parse(argc, argv, VERB_FOREGROUND | VERB_EVERY, &options);
    const struct way way = {.foreground = options.given & VERB_FOREGROUND,
                            .interval = options.every ? options.every : usual_interval};
    if (outcome_good(&outcome))
        outcome = check_interval(way.interval);
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = start(&office, &way);
    office_close(&office);
    verb_free(&options);
    return outcome;
}

struct outcome serve_run(struct office *office, const struct options *options)
{
    char interval[24];
    snprintf(interval, sizeof interval, "%" PRIu64, options->interval);
    if (options->filter_count)
        return outcome_refuse(EX_USAGE, "-qI, -qR and -qS are for one queue run: they go with "
                                        "neither -bd nor a time");
    const struct way way = {.foreground = options->foreground,
                            .queue_only = options->mode == MODE_TIMER,
                            .interval = options->interval ? interval : NULL};
    return start(office, &way);
}

/* The group is what lets us start the helper. */
static struct outcome start_helper(void)
{
    static const char path[] = POSTRIDER_LIBEXECDIR "/postrider-local";
    static const char *const argv[] = {"postrider-local", "session", NULL};
    execv(path, (char *const *)argv);
    return outcome_errno(errno, "cannot start %s", path);
}

struct outcome serve_session(struct office *office)
{
    if (office->config) {
        const char *const argv[] = {"postrider-listen", "-C", office->config, "--pipe", NULL};
        return hand_over(argv);
    }
    struct outcome outcome = office_open_queue(office);
    return outcome_good(&outcome) ? start_helper() : outcome;
}
