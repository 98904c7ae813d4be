/* See bar.h. */
#include "base/bar.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/terminal.h"

enum {
    BAR = 40,     /* columns at the most, */
    NUMBERS = 24, /* and so many beside it */
    LOOK_MS = 100,
    LOOK_SHARE = 20
};

bool bar_is_due(struct bar *bar)
{
    bar->began = clock_ms();
    return bar->began >= bar->next;
}

/* A person may have stopped his terminal: what is being done does not stop for that. */
static bool would_block(void)
{
    struct pollfd terminal = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&terminal, 1, 0) == 0;
}

static void put(size_t done, size_t all)
{
    size_t columns = terminal_columns();
    size_t width = columns < BAR + NUMBERS ? columns - columns / 2 : BAR;
    size_t filled = all && done < all ? done * width / all : width;
    printf("\r[");
    for (size_t i = 0; i < width; i++)
        putchar(i < filled ? '#' : '.');
    printf("] %zu of %zu ", done, all);
    fflush(stdout);
}

void bar_draw(struct bar *bar, size_t done, size_t all)
{
    if (!would_block())
        put(done, all);
    bar->drawn = true;
    int64_t now = clock_ms(), rest = (now - bar->began) * LOOK_SHARE;
    bar->next = now + (rest > LOOK_MS ? rest : LOOK_MS);
}

void bar_leave(struct bar *bar)
{
    if (bar->drawn)
        putchar('\n');
    bar->drawn = false;
}
