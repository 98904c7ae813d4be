/* See verb.h. */
#include "listen/verb.h"

#include <stddef.h>

#include "base/text.h"
#include "listen/auth.h"
#include "listen/courtesy.h"
#include "listen/data.h"
#include "listen/etrn.h"
#include "listen/hello.h"
#include "listen/starttls.h"
#include "listen/transaction.h"

/* clang-format off */
static const struct verb verbs[] = {
    /*                          last   idle   clear */
    {"EHLO", verb_ehlo,         true,  true,  true},
    {"HELO", verb_helo,         true,  true,  true},
    {"STARTTLS", verb_starttls, false, false, true}, /* what follows is thrown away */
    {"AUTH", verb_auth,         true,  false, true}, /* has a refusal of its own */
    {"MAIL", verb_mail,         false, false, false},
    {"RCPT", verb_rcpt,         false, false, false},
    {"DATA", verb_data,         true,  false, false},
    {"BDAT", verb_bdat,         false, false, true}, /* without MAIL nothing but its bytes are read */
    {"RSET", verb_rset,         false, true,  false},
    {"NOOP", verb_noop,         true,  true,  true},
    {"HELP", verb_help,         false, true,  true},
    {"VRFY", verb_vrfy,         true,  true,  false},
    {"ETRN", verb_etrn,         false, true,  false},
    {"QUIT", verb_quit,         false, false, true},
};
/* clang-format on */

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (text_equal(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

void verb_list(struct buffer *names)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        buffer_format(names, "%s%s", i ? " " : "", verbs[i].name);
}
