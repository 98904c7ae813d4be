/*
 * The two clocks, wall time for what people and queue files see and monotonic time for waiting; and
 * chance.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Seconds since 1970. */
time_t clock_now(void);
/* Microseconds since 1970, for ids. */
uint64_t clock_now_us(void);
/* Milliseconds of a clock that nobody sets. */
int64_t clock_ms(void);
/* A random number below the bound, from the kernel and not to be guessed; bound > 0. */
uint32_t clock_random(uint32_t bound);

#endif
