/*
 * The front door cannot write journals, and must not: its process belongs to its caller, who could
 * stop it with a lock in its hands. So all it does is to say which messages are meant.
 */
#include "sendmail/order.h"

#include <stdio.h>
#include <sysexits.h>

#include "queue/runner.h"
#include "base/terminal.h"

static void take(void *context, const struct selected *selected)
{
    list_add(context, selected->entry->id);
}

static bool agreed(const struct order *order, size_t count)
{
    char question[100];
    if (!order->question || count < 2)
        return true;
    snprintf(question, sizeof question, "%s %zu messages for good?", order->question, count);
    return terminal_confirm(question);
}

static struct outcome give(const struct office *office, const struct order *order, bool chosen,
                           const struct list *ids)
{
    const char *arguments[4] = {order->option};
    size_t count = 1;
    if (order->verbose || order->json)
        arguments[count++] = order->verbose ? "--verbose" : "--json";
    if (chosen)
        arguments[count++] = "--chosen";
    fflush(stdout);
    int status = runner_order(office->config, arguments, ids);
    struct outcome outcome = outcome_done();
    if (status != EX_OK) {
        outcome = outcome_later("4.3.0", "%s", "");
        outcome.exit_status = status;
    }
    return outcome;
}

struct outcome order_run(struct office *office, const struct selection *selection,
                         const struct order *order)
{
    struct list ids = {0};
    struct outcome given = outcome_done();
    struct outcome outcome = office_open_queue(office);
    if (outcome_good(&outcome))
        outcome = selection_walk(office, selection, false, take, &ids);
    if (ids.count == 0 && outcome_good(&outcome) && !order->json)
        puts(selection_is_all(selection) ? "there is no message in the queue"
                                         : "no message in the queue matches");
    else if (ids.count && !agreed(order, ids.count))
        given = outcome_later("4.3.0", "nothing was done");
    else if (ids.count)
        given = give(office, order, !selection_is_named(selection), &ids);
    list_free(&ids);
    return outcome_good(&outcome) ? given : outcome;
}
