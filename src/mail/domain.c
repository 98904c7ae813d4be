/*
 * Domain names. The only file that knows libidn2: UTF-8 to A-labels by UTS 46 without transitional
 * forms (RFC 5891 5). What comes out is looked at again here, so that no mapping of look-alike
 * characters can bring in a byte that a domain must not have. Never asks a resolver.
 *
 * Few domains need libidn2, and loading it with its tables of Unicode is a third of what the front
 * door does for a message: it is opened when the first such domain is met. Programs that are locked
 * in by then have it from their start, by their link.
 */
#include "mail/domain.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

#ifndef POSTRIDER_IDN2
#define POSTRIDER_IDN2 "libidn2.so.0"
#endif

/* Bytes of UTF-8 that could still make 255 of A-labels; keeps libidn2 from long rubbish. */
enum { UTF8_LONGEST = 4 * DOMAIN_LONGEST };

static bool fail(char **domain, const char **why, const char *words)
{
    free(*domain);
    *domain = NULL;
    *why = words;
    return false;
}

/* Underscores are no letters of a host name, but machines inside companies have them. */
static bool is_label_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static const char *label_fault(const char *label, size_t length)
{
    if (length == 0)
        return "empty label in the domain";
    if (length > DOMAIN_LABEL_LONGEST)
        return "label of over 63 bytes in the domain";
    if (label[0] == '-' || label[length - 1] == '-')
        return "hyphen at an end of a label in the domain";
    for (size_t i = 0; i < length; i++)
        if (!is_label_byte(label[i]))
            return "character that a domain must not have";
    return NULL;
}

static const char *domain_fault(const char *domain)
{
    if (strlen(domain) > DOMAIN_LONGEST)
        return "domain of over 255 bytes";
    for (;;) {
        size_t length = strcspn(domain, ".");
        const char *fault = label_fault(domain, length);
        if (fault || !domain[length])
            return fault;
        domain += length + 1;
    }
}

/* What we need of libidn2. */
struct idn2 {
    int (*lookup)(const uint8_t *name, uint8_t **alabels, int flags);
    void (*release)(void *alabels);
};

/* A function of an open library; POSIX lets what dlsym gives be one. */
static bool find_function(void *library, const char *name, void *function, size_t size)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, size);
    return found != NULL;
}

/* False: it is not there. Stays open until the end. */
static bool open_idn2(struct idn2 *idn2)
{
    void *library = dlopen(POSTRIDER_IDN2, RTLD_NOW | RTLD_LOCAL);
    return library &&
           find_function(library, "idn2_lookup_u8", &idn2->lookup, sizeof idn2->lookup) &&
           find_function(library, "idn2_free", &idn2->release, sizeof idn2->release);
}

/* Replaces the UTF-8 by A-labels; or why not. */
static const char *to_alabels(char **domain)
{
    static struct idn2 idn2;
    uint8_t *alabels = NULL;
    if (!idn2.release && !open_idn2(&idn2))
        return "internationalised domain, and the library for these (libidn2) is missing";
    if (idn2.lookup((const uint8_t *)*domain, &alabels, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
        IDN2_OK)
        return "domain that is no valid internationalised name";
    char *copy = memory_copy((const char *)alabels, strlen((const char *)alabels));
    idn2.release(alabels);
    free(*domain);
    *domain = copy;
    return NULL;
}

bool domain_parse(const char *text, size_t length, char **domain, const char **why)
{
    *domain = NULL;
    if (length == 0)
        return fail(domain, why, "empty domain");
    if (length > UTF8_LONGEST)
        return fail(domain, why, "domain of over 255 bytes");
    if (memchr(text, '\0', length))
        return fail(domain, why, "control character");
    *domain = memory_copy(text, length);
    if (!text_is_ascii(*domain)) {
        if (!text_is_utf8(text, length))
            return fail(domain, why, "domain that is not valid UTF-8");
        const char *fault = to_alabels(domain);
        if (fault)
            return fail(domain, why, fault);
    }
    text_lower(*domain);
    size_t end = strlen(*domain);
    if (end > 1 && (*domain)[end - 1] == '.')
        (*domain)[end - 1] = '\0';
    const char *fault = domain_fault(*domain);
    return fault ? fail(domain, why, fault) : true;
}

bool domain_parse_literal(const char *text, size_t length, char **domain, const char **why)
{
    *domain = NULL;
    char inner[INET6_ADDRSTRLEN + sizeof "[IPv6:]"];
    if (length < 2 || length - 2 >= sizeof inner)
        return fail(domain, why, "address literal that is no IP address");
    memcpy(inner, text + 1, length - 2);
    inner[length - 2] = '\0';

    bool six = text_starts(inner, "IPv6:");
    unsigned char binary[sizeof(struct in6_addr)];
    char canonical[INET6_ADDRSTRLEN];
    int family = six ? AF_INET6 : AF_INET;
    if (inet_pton(family, six ? inner + strlen("IPv6:") : inner, binary) != 1 ||
        !inet_ntop(family, binary, canonical, sizeof canonical))
        return fail(domain, why, "address literal that is no IP address");

    struct buffer literal = {0};
    buffer_format(&literal, "[%s%s]", six ? "IPv6:" : "", canonical);
    *domain = buffer_take(&literal);
    return true;
}
