/* What to do about a smarthost that cannot be used, by what went wrong. Words alone; asks nobody.
 */
#ifndef RUN_CHECK_REMEDY_H
#define RUN_CHECK_REMEDY_H

#include "check/finding.h"
#include "run/check_smarthost.h"
#include "run/smtp_session.h"

/* Each gives the newest finding its remedy. */

/* "in SECTION of FILE: " and these words. */
void remedy_set(const struct smarthost_question *question, struct findings *findings,
                const char *format, ...) FORMATTED(3, 4);
/* The name could not be resolved. */
void remedy_name(const struct smarthost_question *question, const char *host,
                 struct findings *findings);
/* Nobody is there at this port; answers: another port of the host where somebody is, or 0. */
void remedy_connect(const struct smarthost_question *question, unsigned port, unsigned answers,
                    struct findings *findings);
/* The session ended before TLS or AUTH. */
void remedy_greeting(const struct smarthost_question *question, const struct smtp_session *session,
                     const struct outcome *outcome, struct findings *findings);
void remedy_tls(const struct smarthost_question *question, const struct smtp_session *session,
                const struct outcome *outcome, struct findings *findings);
/* By the session's last reply (RFC 4954 4.7). */
void remedy_sign_in(const struct smarthost_question *question, const struct smtp_session *session,
                    struct findings *findings);

#endif
