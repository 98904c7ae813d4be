/*
 * See ending.h. A message whose next hop has it and whose reply was not read yet would go out
 * twice: so whoever stops all processes of a service stops none in the middle of one.
 */
#include "run/ending.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t told;

static void note(int number)
{
    (void)number;
    told = 1;
}

void ending_expect(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
}

static void pass(int number)
{
    (void)number;
}

void ending_outlive_terminal(void)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGHUP};
    struct sigaction action = {.sa_handler = pass, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

bool ending_is_due(void)
{
    return told;
}
