/* SASLprep (RFC 4013) and base64 (RFC 4648), both by libgsasl. */
#include "net/sasl_text.h"

#include <gsasl.h>
#include <string.h>

#include "base/memory.h"

void sasl_put_base64(const void *data, size_t length, struct buffer *text)
{
    char *base64 = NULL;
    size_t size = 0;
    if (gsasl_base64_to(data, length, &base64, &size) != GSASL_OK)
        impossible("no base64");
    buffer_append(text, base64, size);
    memory_wipe(base64, size);
    gsasl_free(base64);
}

static char *run_saslprep(const char *text, Gsasl_saslprep_flags flags)
{
    char *found = NULL;
    return gsasl_saslprep(text, flags, &found, NULL) == GSASL_OK ? found : NULL;
}

static void give_back(char *text)
{
    memory_wipe(text, text ? strlen(text) : 0);
    gsasl_free(text);
}

/* Printable ASCII is its own prepared form. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

/* Releases of libgsasl differ in which way lets pass what is not assigned: both are asked. */
bool sasl_prepare(const char *text, bool stored, struct buffer *prepared)
{
    if (is_plain(text)) {
        buffer_append_text(prepared, text);
        return true;
    }
    char *one = run_saslprep(text, 0), *other = run_saslprep(text, GSASL_ALLOW_UNASSIGNED);
    const char *found = one ? one : other;
    if (stored && (!one || !other))
        found = NULL;
    if (found)
        buffer_append_text(prepared, found);
    give_back(one);
    give_back(other);
    return found != NULL;
}
