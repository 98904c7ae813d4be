/* Certificates of ours, in files. */
#ifndef CHECK_CERTIFICATE_H
#define CHECK_CERTIFICATE_H

#include <stdbool.h>

#include "check/finding.h"

/*
 * Whether it can be read and is valid today; says so, and when it ends soon. host: a name that
 * *is_for is about; NULL: none.
 */
bool check_certificate(const char *path, const char *host, bool *is_for, const char *topic,
                       struct findings *findings);

#endif
