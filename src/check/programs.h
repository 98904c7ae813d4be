/* What is installed: the programs, their set-ID bits, and whom the names of sendmail lead to. */
#ifndef CHECK_PROGRAMS_H
#define CHECK_PROGRAMS_H

#include "check/finding.h"
#include "check/rights.h"

/* account: NULL where there is none. */
void check_programs(const struct account *account, struct findings *findings);

#endif
