/* The arithmetic of the schedule. */
#include "run/retry.h"

#include "base/clock.h"

enum { LONGEST_PAUSE = 15 * 60 /* seconds: one connection tells for all that wait */ };

uint64_t retry_wait(const struct run *run, const struct route *route, unsigned tries)
{
    bool own = route && route->retry_count;
    const uint64_t *retry = own ? route->retry : run->settings.retry;
    size_t last = (own ? route->retry_count : run->settings.retry_count) - 1;
    return retry[tries < last ? tries : last];
}

uint64_t retry_jitter(uint64_t seconds)
{
    uint32_t tenth = seconds / 10 < 100000 ? (uint32_t)(seconds / 10) : 100000;
    return seconds - tenth + clock_random(2 * tenth + 1);
}

uint64_t retry_pause(const struct run *run, const struct hop *hop)
{
    uint64_t wait = retry_wait(run, hop->next.route, hop->state.failures);
    return retry_jitter(wait < LONGEST_PAUSE ? wait : LONGEST_PAUSE);
}

uint64_t retry_lifetime(const struct run *run, const struct letter *letter, size_t index)
{
    struct next_hop next;
    hops_way(run, letter, index, &next);
    return next.route && next.route->lifetime ? next.route->lifetime : run->settings.lifetime;
}

bool retry_is_over(const struct run *run, const struct letter *letter, size_t index)
{
    struct next_hop next;
    hops_way(run, letter, index, &next);
    const struct route *route = next.route;
    size_t steps = route && route->retry_count ? route->retry_count : run->settings.retry_count;
    time_t age = clock_now() - letter->envelope.arrived;
    return next.way != WAY_HOLD && age >= (time_t)retry_lifetime(run, letter, index) &&
           letter->tries + 1 >= steps;
}
