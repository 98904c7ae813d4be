/* See certificate.h. */
#include "check/certificate.h"

#include "base/clock.h"
#include "mail/date.h"
#include "net/tls_certificate.h"

enum { DAY = 24 * 60 * 60, WARN_DAYS = 14 };

static bool say_dates(const char *path, const struct tls_certificate *certificate,
                      const char *topic, struct findings *findings)
{
    static const char renew[] =
        "renew it; contrib/certbot-hook.sh puts a new one in place by itself";
    const time_t now = clock_now();
    const long long days = (long long)(certificate->ends - now) / DAY;
    char space[32];
    const char *date = date_brief(
        certificate->begins > now ? certificate->begins : certificate->ends, space, sizeof space);
    if (certificate->begins > now) {
        finding_add(findings, FINDING_FAULT, topic, "the certificate %s is valid only from %s on",
                    path, date);
        finding_remedy(findings, "wait until then, or look at the clock: date -u");
    } else if (certificate->ends < now) {
        finding_add(findings, FINDING_FAULT, topic, "the certificate %s expired on %s", path, date);
        finding_remedy(findings, "%s", renew);
    } else if (days < WARN_DAYS) {
        finding_add(findings, FINDING_WARNING, topic,
                    "the certificate %s expires in %lld day%s, on %s", path, days,
                    days == 1 ? "" : "s", date);
        finding_remedy(findings, "%s", renew);
    } else {
        finding_add(findings, FINDING_GOOD, topic, "the certificate %s is valid for %lld days",
                    path, days);
    }
    return certificate->begins <= now && certificate->ends >= now;
}

bool check_certificate(const char *path, const char *host, bool *is_for, const char *topic,
                       struct findings *findings)
{
    struct tls_certificate certificate;
    const struct outcome outcome = tls_certificate_read(path, host, &certificate);
    *is_for = certificate.is_for_host;
    if (outcome_good(&outcome))
        return say_dates(path, &certificate, topic, findings);
    finding_add(findings, FINDING_FAULT, topic, "%s", outcome.reason);
    return false;
}
