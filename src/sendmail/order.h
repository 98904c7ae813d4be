/* What people want done with messages: asked for here, done by the queue's own user. */
#ifndef SENDMAIL_ORDER_H
#define SENDMAIL_ORDER_H

#include <stdbool.h>

#include "base/outcome.h"
#include "sendmail/office.h"
#include "sendmail/selection.h"

/* verbose and json do not go together. */
struct order {
    const char *option; /* of postrider-run: "--retry", "--delete" and so on */
    const char
        *question; /* "delete": a person is asked before it is done to several; NULL: never */
    bool verbose;  /* the SMTP dialogue is shown */
    bool json;     /* what was done with each message, or not, is an object on standard output */
};

/*
 * Has it done with the selected messages. postrider-run says what was done with each, and looks at
 * the rights once more. Nothing selected is no failure. Not good without words: they were said;
 * the status is that of the first thing that was not done. Opens the office's queue.
 */
struct outcome order_run(struct office *office, const struct selection *selection,
                         const struct order *order);

#endif
