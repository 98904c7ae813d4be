/* The programs whose settings can be read, each by a function that knows its files and its ways. */
#ifndef SETUP_IMPORT_PROGRAMS_H
#define SETUP_IMPORT_PROGRAMS_H

#include "setup/import_file.h"

/* Each puts what it finds into importing->import, and a note about every line; what keeps it from
 * that goes into importing->outcome. */
void import_msmtp(struct importing *importing);
void import_ssmtp(struct importing *importing);
void import_dma(struct importing *importing);
void import_nullmailer(struct importing *importing);
void import_postfix(struct importing *importing);
void import_exim(struct importing *importing);

#endif
