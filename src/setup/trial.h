/*
 * Signing in before anything is written: what the runner would find with these accounts, asked of
 * postrider-run with copies of both files in a folder that goes away afterwards. Speaks to nobody
 * itself.
 */
#ifndef SETUP_TRIAL_H
#define SETUP_TRIAL_H

#include <stdbool.h>

#include "base/buffer.h"
#include "check/finding.h"
#include "config/settings.h"

struct trial_account {
    const char *name;              /* of its section in the settings */
    const struct buffer *password; /* NULL: it has none */
};

/*
 * Adds what is found about these accounts to the list. settings: as they would be. folder: where
 * both files will be. installed: asked as the user postrider, who would run the queue. DONE when it
 * could be asked, whatever the answer.
 */
struct outcome trial_run(const struct settings *settings, const char *folder, bool installed,
                         const struct trial_account *accounts, size_t count,
                         struct findings *findings);
/* What a setup that was killed left in the folder is taken away, but for what the settings name.
 * Only under save_lock. */
void trial_sweep(const char *folder, const struct buffer *settings);

#endif
