/* Macros in SPF records (RFC 7208 7). Pure but for what %{p} costs. */
#ifndef FILTER_SPF_MACRO_H
#define FILTER_SPF_MACRO_H

#include <stdbool.h>

#include "base/buffer.h"

/* What the letters stand for. */
struct spf_names {
    const char *local, *sender_domain;       /* %{s}, %{l}, %{o} */
    const char *domain;                      /* %{d}: whose record it is */
    const char *helo;                        /* %{h} */
    const char *address;                     /* %{i}: dotted */
    const char *readable;                    /* %{c} */
    const char *family;                      /* %{v}: "in-addr" or "ip6" */
    const char *receiver;                    /* %{r} */
    const char *(*validated)(void *context); /* %{p}, asked for only when it is there */
    void *context;
};

/* Whether the grammar takes it: a domain-spec, a macro-string. */
bool spf_macro_is_domain(const char *text);
bool spf_macro_is_string(const char *text);
/* Behind the buffer. explains: c, r and t count, and spaces may be there. False: bad grammar. */
bool spf_macro_expand(const char *text, const struct spf_names *names, bool explains,
                      struct buffer *expanded);
/* The same for a domain-spec: cut from the left to 253 bytes, without a last dot. */
bool spf_macro_expand_domain(const char *text, const struct spf_names *names,
                             struct buffer *domain);

#endif
