/* The kernel's clocks, and its random numbers. */
#include "base/clock.h"

#include <errno.h>
#include <sys/random.h>

#include "base/memory.h"

time_t clock_now(void)
{
    return (time_t)(clock_now_us() / 1000000);
}

uint64_t clock_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint32_t clock_random(uint32_t bound)
{
    uint32_t number;
    while (getrandom(&number, sizeof number, 0) != sizeof number)
        if (errno != EINTR) /* by a signal while the machine comes up and has none yet */
            impossible("no random numbers");
    return number % bound;
}
