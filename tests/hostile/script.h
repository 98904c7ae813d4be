/*
 * What a hostile smarthost does in one dialogue: a behaviour at each point, out of a table. Each is
 * met once; what comes again, on the same connection or another one, is as it should be.
 */
#ifndef TESTS_HOSTILE_SCRIPT_H
#define TESTS_HOSTILE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* How client and server speak. */
enum variant {
    PLAIN,     /* a round trip for each command */
    PIPELINED, /* RFC 2920 */
    STARTTLS,  /* required, and AUTH; pipelined */
    IMPLICIT,  /* TLS from the beginning, and AUTH */
    OPPORTUNE, /* TLS if it can be had; pipelined */
    LMTP,      /* RFC 2033, by a socket */
    LMTP_PIPELINED,
    CHUNKED, /* RFC 3030: each message leaves with its envelope, the second one behind the first;
                two messages go before A, and by the replies to them the client learns that it may
              */
    MIXED,   /* the same, but message A is too large for that */
    VARIANTS
};

/* Points of the dialogue. Message A has three recipients, B, which follows, has one. To messages
 * that go before them all is said as it should be. */
enum point {
    AT_GREETING,
    AT_HELLO, /* EHLO, LHLO */
    AT_STARTTLS,
    AT_HANDSHAKE,
    AT_HELLO_TLS,
    AT_AUTH,
    AT_MAIL,
    AT_RCPT, /* and the two behind it */
    AT_RCPT_LAST = AT_RCPT + 2,
    AT_DATA,
    AT_BODY,
    AT_DOT, /* or BDAT; by LMTP, too, of the three recipients */
    AT_DOT_LAST = AT_DOT + 2,
    AT_RESET,
    AT_MAIL_B,
    AT_RCPT_B,
    AT_DATA_B,
    AT_DOT_B,
    AT_QUIT,
    POINTS
};

enum { RECIPIENTS = 3 };

/* What a reply means to whoever reads it. */
enum meaning {
    GOOD,
    TEMPORARY,
    PERMANENT,
    CROWDED, /* too many recipients */
    UNKNOWN, /* BDAT is no command here */
    SESSION, /* 5yz, but about the session, not about mail */
    BROKEN,  /* no reply that could be used: the session is over */
    SURPLUS, /* GOOD, and a reply more than commands */
    SMALL,   /* GOOD, but no message is small enough */
    POOR     /* GOOD, but AUTH is not offered */
};

/* What the server does behind its reply. */
enum then { GOES_ON, CLOSES, RESETS, HANGS };

struct behaviour {
    const char *name;
    enum meaning meaning;
    enum then then;
    const char *text; /* '%' is the code that is good at that point, along with the enhanced one
                         where there are chunks; ASCII 1 becomes NUL */
    unsigned row;     /* of hardcases.md: C1 is 1 */
    bool late, bytewise;
    bool parts;       /* it is a server's leave: if it says no more, it read no more */
    bool bare;        /* never with the enhanced code of its place */
    bool for_message; /* with the enhanced code of one to a message, it or the reply more */
    size_t filler;    /* so many bytes take the place of a '#' in the text */
    size_t repeated;  /* the text comes so often; 0: once */
};

struct script {
    enum variant variant;
    unsigned char at[POINTS]; /* of the table of behaviours; 0: as it should be */
};

extern const struct behaviour behaviours[];
extern const size_t behaviour_count;

const char *variant_name(enum variant variant);
const char *point_name(enum point point);
bool variant_pipelines(enum variant variant);
bool variant_is_lmtp(enum variant variant);
bool variant_signs_in(enum variant variant);
bool variant_chunks(enum variant variant);

/* Whether the point is come to in this variant, and the behaviour has its place there. */
bool script_fits(enum variant variant, enum point point, size_t behaviour);
/* Whether the script has somebody hang: the client must be given a deadline. */
bool script_hangs(const struct script *script);
/* The script of this number of all systematic ones; false: there are no more. */
bool script_systematic(size_t number, struct script *script);
size_t script_count(void);
/* Two to four behaviours anywhere, by a number that seeds them. */
void script_random(size_t number, struct script *script);
/* For people; cut at the size. */
void script_describe(const struct script *script, char *text, size_t size);

#endif
