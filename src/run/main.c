/*
 * postrider-run: one run of the queue, or of one message of it. Run by the queue's own user for
 * the installed queue, by its owner for a queue of one's own (-C).
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "run/run.h"

static const char usage[] = "usage: postrider-run [-C FILE] [--verbose] [--background | --id ID]\n";

/* ---- who has a mailbox ---- */

static char *lower_copy(const char *name)
{
    char *copy = memory_copy(name, strlen(name));
    text_lower(copy);
    return copy;
}

/* As written, else in lower case: mail is not sent back for a capital. */
static struct outcome look_up_user(const char *name, char **canonical)
{
    char *lower = lower_copy(name);
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (!user && (errno == 0 || errno == ENOENT))
        user = getpwnam(lower);
    int error = errno;
    free(lower);
    if (user) {
        *canonical = memory_copy(user->pw_name, strlen(user->pw_name));
        return outcome_done();
    }
    if (error == 0 || error == ENOENT || error == ESRCH)
        return outcome_never("5.1.1", "there is no user %s here", name);
    return outcome_errno(error, "the user table cannot be read");
}

/* For a queue of one's own: nobody else's mailbox can be written. */
static struct outcome look_up_myself(const char *name, char **canonical)
{
    const struct passwd *me = getpwuid(getuid());
    if (!me)
        return outcome_later("4.3.5", "the user table does not know user %ld", (long)getuid());
    if (!text_equal(me->pw_name, name))
        return outcome_never("5.1.1",
                             "there is no mailbox of %s here: without an installation "
                             "only that of %s can be written",
                             name, me->pw_name);
    *canonical = memory_copy(me->pw_name, strlen(me->pw_name));
    return outcome_done();
}

static struct outcome find_user(void *context, const char *name, char **canonical)
{
    const struct run *run = context;
    return run->config ? look_up_myself(name, canonical) : look_up_user(name, canonical);
}

/* ---- setting up ---- */

static void make_hops(struct run *run)
{
    run->hop_count = run->settings.smarthost_count;
    run->hops = memory_get((run->hop_count + 1) * sizeof *run->hops);
    for (size_t i = 0; i < run->hop_count; i++) {
        const struct smarthost *smarthost = &run->settings.smarthosts[i];
        run->hops[i] = (struct hop){.smarthost = smarthost,
                                    .name = *smarthost->name ? smarthost->name : "smarthost"};
        hop_read(&run->queue, run->hops[i].name, &run->hops[i].state);
    }
}

static struct outcome set_up(struct run *run)
{
    struct outcome outcome = settings_load(run->config, &run->settings);
    if (!outcome_good(&outcome))
        return outcome;
    outcome = log_to_file(run->settings.log_file);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
    outcome = queue_open(run->settings.queue_directory, run->config != NULL, &run->queue);
    if (!outcome_good(&outcome))
        return outcome;
    run->aliases_problem = aliases_open(&run->settings.aliases, &run->aliases);
    if (!outcome_good(&run->aliases_problem))
        log_error("%s", run->aliases_problem.reason);
    run->expander = (struct expander){.local_domains = &run->settings.local_domains,
                                      .hostname = run->settings.hostname,
                                      .aliases = run->aliases,
                                      .find_user = find_user,
                                      .context = run};
    for (size_t i = 0; i < run->settings.retry_count; i++)
        if (run->settings.retry[i] > run->longest_wait)
            run->longest_wait = run->settings.retry[i];
    make_hops(run);
    return outcome;
}

static void tear_down(struct run *run)
{
    for (size_t i = 0; i < run->hop_count; i++)
        list_free(&run->hops[i].waiting);
    free(run->hops);
    free(run->workers);
    texts_free(&run->busy_mailboxes);
    aliases_close(run->aliases);
    queue_close(&run->queue);
    settings_free(&run->settings);
    log_close();
}

static bool read_arguments(int argc, char **argv, struct run *run, const char **id)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            run->verbose = true;
        else if (strcmp(argv[i], "--background") == 0)
            run->gathers = true;
        else if (strcmp(argv[i], "-C") == 0 && i + 1 < argc)
            run->config = argv[++i];
        else if (strcmp(argv[i], "--id") == 0 && i + 1 < argc && queue_is_id(argv[i + 1]))
            *id = argv[++i];
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    process_settle();
    umask(027);
    log_open("postrider-run");
    struct run run = {.lock = -1, .trace = {.fd = -1}};
    const char *id = NULL;
    if (!read_arguments(argc, argv, &run, &id)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    struct outcome outcome = set_up(&run);
    if (outcome_good(&outcome))
        outcome = id ? run_letter(&run, id) : run_queue(&run);
    if (!outcome_good(&outcome)) {
        log_error("%s", outcome.reason);
        fprintf(stderr, "postrider-run: %s\n", outcome.reason);
    }
    tear_down(&run);
    return outcome.exit_status;
}
