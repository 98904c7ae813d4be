/*
 * postrider-run check --online: what only a look at the network tells. All of it is asked side by
 * side and ends within ONLINE_S seconds, whoever does not answer.
 */
#ifndef RUN_CHECK_ONLINE_H
#define RUN_CHECK_ONLINE_H

#include <stdbool.h>

#include "check/finding.h"
#include "config/settings.h"

enum { ONLINE_S = 28 };

/* Adds what is found; smarthosts_only: nothing but what is about smarthosts, with the topics of
 * run/check_smarthost.h. */
void check_online(const struct settings *settings, bool smarthosts_only, struct findings *findings);

#endif
