/* Questions to the DNS (see resolver.h). Knows nothing of what they are asked for. */
#include "net/resolver.h"

#include <ctype.h>
#include <errno.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { LONGEST_CHAIN = 16 /* of CNAME records, and then some */ };

const char *resolver_trouble(int error)
{
    if (error == ETIMEDOUT)
        return "no name server answered in time";
    if (error == ECONNREFUSED || error == ENETUNREACH || error == EHOSTUNREACH)
        return "no name server can be reached";
    return "the name servers could not answer";
}

/* A chain of CNAME records, as it stands in the answer, is followed to its end. */
static void follow_aliases(struct answer *answer)
{
    int count = ns_msg_count(answer->message, ns_s_an);
    for (int step = 0; step < LONGEST_CHAIN; step++) {
        bool moved = false;
        for (int i = 0; i < count && !moved; i++) {
            ns_rr record;
            char target[NS_MAXDNAME];
            if (ns_parserr(&answer->message, ns_s_an, i, &record) < 0 ||
                ns_rr_type(record) != ns_t_cname || !text_equal(ns_rr_name(record), answer->owner))
                continue;
            if (dn_expand(ns_msg_base(answer->message), ns_msg_end(answer->message),
                          ns_rr_rdata(record), target, sizeof target) < 0)
                return;
            snprintf(answer->owner, sizeof answer->owner, "%s", target);
            moved = true;
        }
        if (!moved)
            return;
    }
}

enum resolved answer_read(struct answer *answer, int length)
{
    ns_rr question;
    /* The library gives the length that there was, which may be more than there was room for. */
    if (length > RESOLVER_LONGEST || ns_initparse(answer->bytes, length, &answer->message) < 0 ||
        ns_parserr(&answer->message, ns_s_qd, 0, &question) < 0) {
        answer->trouble = "the answer cannot be read";
        return NO_ANSWER;
    }
    /* As the library writes names: odd bytes have a '\\' before them. */
    snprintf(answer->owner, sizeof answer->owner, "%s", ns_rr_name(question));
    int code = ns_msg_getflag(answer->message, ns_f_rcode);
    if (code == ns_r_nxdomain)
        return NO_DOMAIN;
    if (code != ns_r_noerror) {
        answer->trouble = resolver_trouble(0);
        return NO_ANSWER;
    }
    /* It does not know, does not ask on, and tells who might know. */
    if (!answer_count(answer) && !ns_msg_getflag(answer->message, ns_f_aa) &&
        !ns_msg_getflag(answer->message, ns_f_ra)) {
        answer->trouble = "the name server does not ask others";
        return NO_ANSWER;
    }
    follow_aliases(answer);
    return answer_count(answer) ? RESOLVED : NO_RECORDS;
}

int answer_count(const struct answer *answer)
{
    return ns_msg_count(answer->message, ns_s_an);
}

/* For a name that is not there, or has no such record, RFC 2308 5 has the SOA record tell. */
uint32_t answer_lifetime(struct answer *answer)
{
    ns_sect section = answer_count(answer) ? ns_s_an : ns_s_ns;
    uint32_t least = 0;
    for (int i = 0; i < ns_msg_count(answer->message, section); i++) {
        ns_rr record;
        if (ns_parserr(&answer->message, section, i, &record) < 0)
            break;
        uint32_t lifetime = ns_rr_ttl(record);
        unsigned length = ns_rr_rdlen(record);
        if (section == ns_s_ns && (ns_rr_type(record) != ns_t_soa || length < NS_INT32SZ))
            continue;
        if (section == ns_s_ns) {
            uint32_t minimum = ns_get32(ns_rr_rdata(record) + length - NS_INT32SZ);
            lifetime = minimum < lifetime ? minimum : lifetime;
        }
        least = !least || lifetime < least ? lifetime : least;
    }
    return least;
}

bool answer_record(struct answer *answer, int i, ns_type type, ns_rr *record)
{
    return ns_parserr(&answer->message, ns_s_an, i, record) == 0 && ns_rr_type(*record) == type &&
           ns_rr_class(*record) == ns_c_in && text_equal(ns_rr_name(*record), answer->owner);
}

bool answer_any_name(const struct answer *answer, const unsigned char *data, char name[NS_MAXDNAME])
{
    if (dn_expand(ns_msg_base(answer->message), ns_msg_end(answer->message), data, name,
                  NS_MAXDNAME) < 0)
        return false;
    if (strcmp(name, ".") == 0)
        name[0] = '\0';
    return true;
}

bool answer_name(struct answer *answer, const unsigned char *data, char name[NS_MAXDNAME])
{
    if (!answer_any_name(answer, data, name))
        return false;
    /* What is no name of a host would only make trouble further on. */
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
            return false;
    return true;
}
