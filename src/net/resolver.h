/*
 * An answer of the DNS and its records, with a CNAME chain in it followed; questions.h asks. No
 * search list has a say in it.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <stdbool.h>

enum { RESOLVER_LONGEST = 65535 };

struct resolver {
    const struct sockaddr_in *server; /* to ask instead of those in /etc/resolv.conf, or NULL */
};

enum resolved { RESOLVED, NO_RECORDS, NO_DOMAIN, NO_ANSWER };

/* Large: made on the heap by who asks, and used for one question after the other. */
struct answer {
    ns_msg message;
    char owner[NS_MAXDNAME]; /* of the records: the name asked for, or what it is an alias of */
    const char *trouble;     /* with NO_ANSWER, static words */
    unsigned char bytes[RESOLVER_LONGEST];
};

/* What an errno means when a question got no answer; 0: the servers said so. Static. */
const char *resolver_trouble(int error);
/* What the packet of this length in .bytes says, to whomever it came. */
enum resolved answer_read(struct answer *answer, int length);
/* For how many seconds it may be remembered; 0: it does not say. */
uint32_t answer_lifetime(struct answer *answer);
/* How many records the answer has, of whatever type. */
int answer_count(const struct answer *answer);
/* The i-th of them, if it is of this type and about the name in question. */
bool answer_record(struct answer *answer, int i, ns_type type, ns_rr *record);
/* Any name in the data of a record, without a last dot. False: the record is cut. */
bool answer_any_name(const struct answer *answer, const unsigned char *data,
                     char name[NS_MAXDNAME]);
/* The name of a host in the data of a record; "" is the root. False: it is no such name. */
bool answer_name(struct answer *answer, const unsigned char *data, char name[NS_MAXDNAME]);

#endif
