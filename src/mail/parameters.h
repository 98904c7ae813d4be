/*
 * What MAIL and RCPT say (RFC 5321 4.1.1.2 and 3), and the parameters behind their addresses: SIZE
 * (RFC 1870), BODY (6152), SMTPUTF8 (6531), RET, ENVID, NOTIFY and ORCPT (3461), AUTH (4954). Pure.
 */
#ifndef MAIL_PARAMETERS_H
#define MAIL_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outcome.h"
#include "mail/address.h"
#include "mail/envelope.h"

enum body { BODY_UNSAID, BODY_7BIT, BODY_8BITMIME };

/* Zeroed by who has it parsed. */
struct mail_command {
    struct address sender; /* null: "<>" */
    uint64_t size;         /* as said; what is too large for a number is the largest one */
    bool has_size;
    enum body body;
    bool smtputf8;
    enum dsn_return ret;
    char *envid; /* decoded; NULL: not said */
};

/* Zeroed by who has it parsed. */
struct rcpt_command {
    struct address recipient; /* without a domain: see PATH_BARE, or it is "<Postmaster>" */
    unsigned notify;          /* enum notify, or-ed */
    char *orcpt;              /* "rfc822;user@example.org", decoded; NULL: not said */
};

/* What this client may write in this transaction, or-ed. */
enum command_allow {
    ALLOW_BARE = 1, /* addresses without a domain, as this machine's own programs have them */
    ALLOW_UTF8 = 2  /* RCPT: the transaction's MAIL said SMTPUTF8 */
};

/*
 * What stands behind the address, "SIZE=100 RET=HDRS", into the command. DONE, or NEVER (5.5.4)
 * with words; nothing that was written gets into them but a parameter's name, which is letters and
 * digits then. The caller frees what was taken either way. AUTH=<...> (RFC 4954 5) is looked at and
 * forgotten: nobody here is trusted to name another.
 */
struct outcome parameters_parse_mail(const char *text, unsigned allow, struct mail_command *mail);
struct outcome parameters_parse_rcpt(const char *text, unsigned allow, struct rcpt_command *rcpt);
/* 1*20DIGIT; what no number holds is the largest one, which is over every limit. */
bool parameters_parse_octets(const char *text, uint64_t *octets);

#endif
