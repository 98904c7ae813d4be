/* See check_online.h. */
#include "run/check_online.h"

void check_online(const struct settings *settings, bool smarthosts_only, struct findings *findings)
{
    (void)settings;
    (void)smarthosts_only;
    (void)findings;
}
