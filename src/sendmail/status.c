/* Collects what status shows. Other people's mail is counted for the queue's master alone. */
#include "sendmail/status.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "queue/queue.h"
#include "sendmail/selection.h"
#include "base/terminal.h"
#include "sendmail/verb.h"

static void take(void *context, const struct selected *selected)
{
    census_add(context, selected->letter, selected->entry->due);
}

static void add_hop(struct status *status, const struct queue *queue, const char *name)
{
    status->hops = memory_resize(status->hops, (status->hop_count + 1) * sizeof *status->hops);
    struct status_hop *hop = &status->hops[status->hop_count++];
    hop->name = memory_copy(name, strlen(name));
    hop_read_history(queue, name, &hop->history);
}

/* The configured smarthosts in their order, then whatever else was used. */
static void read_hops(struct status *status, const struct office *office)
{
    struct texts others = {0};
    size_t configured = office->settings.smarthost_count;
    for (size_t i = 0; i < configured; i++) {
        const char *name = office->settings.smarthosts[i].name;
        add_hop(status, &office->queue, *name ? name : "smarthost");
    }
    hop_list(&office->queue, &others);
    for (size_t i = 0; i < others.count; i++) {
        bool known = false;
        for (size_t k = 0; k < configured; k++) {
            char file[HOP_FILE_NAME];
            hop_file_name("ok", status->hops[k].name, file);
            known = known || strcmp(file + strlen("ok-"), others.items[i]) == 0;
        }
        if (!known)
            add_hop(status, &office->queue, others.items[i]);
    }
    texts_free(&others);
}

static struct outcome collect(struct office *office, struct status *status)
{
    static const struct selection everything;
    struct outcome outcome = office_open_queue(office);
    status->census.hostname = office->settings.hostname;
    status->census.now = clock_now();
    if (outcome_good(&outcome))
        outcome = selection_walk(office, &everything, true, take, &status->census);
    census_sort(&status->census);
    if (outcome_good(&outcome) && office_is_master(office)) {
        struct buffer folder = {0};
        read_hops(status, office);
        queue_filter_folder(office->settings.queue_directory, &folder);
        status->greylists = greylist_read_counts(buffer_text(&folder), &status->greylist);
        buffer_free(&folder);
    }
    return outcome;
}

static void print(const struct status *status, unsigned given)
{
    terminal_end_with_reader();
    if (given & VERB_PROMETHEUS)
        status_print_prometheus(status);
    else if (given & VERB_JSON)
        status_print_json(status);
    else
        status_print_people(status);
}

struct outcome status_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct office office = {0};
    struct status status = {0};
    struct outcome outcome = verb_parse(argc, argv, VERB_JSON | VERB_PROMETHEUS, &options);
    if (outcome_good(&outcome) && options.given == (VERB_JSON | VERB_PROMETHEUS))
        outcome = outcome_refuse(EX_USAGE, "either --json or --prometheus");
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = collect(&office, &status);
    if (outcome_good(&outcome))
        print(&status, options.given);
    for (size_t i = 0; i < status.hop_count; i++)
        free(status.hops[i].name);
    free(status.hops);
    census_free(&status.census);
    office_close(&office);
    verb_free(&options);
    return outcome;
}
