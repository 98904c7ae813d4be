/* postrider status: the queue by age and domain, and how the next hops are. */
#ifndef SENDMAIL_STATUS_H
#define SENDMAIL_STATUS_H

#include <stddef.h>
#include <stdbool.h>

#include "base/outcome.h"
#include "filter/greylist_state.h"
#include "queue/hop.h"
#include "sendmail/census.h"
#include "sendmail/office.h"

enum status_form { STATUS_PEOPLE, STATUS_JSON, STATUS_PROMETHEUS };

/* postrider status; argv begins with the verb. */
struct outcome status_verb(int argc, char *const argv[]);

/* ---- within: status.c collects, status_text.c and status_metrics.c print ---- */

struct status_hop {
    char *name;
    struct hop_history history;
};

struct status {
    struct census census;
    struct status_hop *hops;
    size_t hop_count;
    bool greylists; /* there are counts of the greylist */
    struct greylist_counts greylist;
};

void status_print_people(const struct status *status);
void status_print_json(const struct status *status);
/* The text format of Prometheus, version 0.0.4. */
void status_print_prometheus(const struct status *status);

#endif
