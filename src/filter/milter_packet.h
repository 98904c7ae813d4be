/*
 * The packets of the milter protocol, version 6 as libmilter speaks it (and 2 to 5, as it did):
 * four bytes of length, a byte that says what it is, data. What is asked of a milter is put
 * together here, what one answers is taken apart. Pure; nothing that a milter says is believed
 * unseen.
 */
#ifndef FILTER_MILTER_PACKET_H
#define FILTER_MILTER_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include "net/reply.h"

/* What is asked. */
enum milter_command {
    MILTER_ABORT = 'A',
    MILTER_BODY = 'B',
    MILTER_CONNECT = 'C',
    MILTER_MACROS = 'D',
    MILTER_END = 'E', /* of the message */
    MILTER_HELO = 'H',
    MILTER_HEADER = 'L',
    MILTER_MAIL = 'M',
    MILTER_END_OF_HEADER = 'N',
    MILTER_OPTIONS = 'O',
    MILTER_QUIT = 'Q',
    MILTER_RCPT = 'R',
    MILTER_DATA = 'T'
};

/* What is answered. */
enum milter_word {
    MILTER_SAYS_SHUTDOWN = '4',
    MILTER_SAYS_ACCEPT = 'a',
    MILTER_SAYS_CONTINUE = 'c',
    MILTER_SAYS_DISCARD = 'd',
    MILTER_SAYS_FAIL_CONNECTION = 'f',
    MILTER_SAYS_PROGRESS = 'p',
    MILTER_SAYS_REJECT = 'r',
    MILTER_SAYS_SKIP = 's',
    MILTER_SAYS_TEMPFAIL = 't',
    MILTER_SAYS_REPLY = 'y',
    /* At the end of the message, before the answer. */
    MILTER_ADDS_RECIPIENT = '+',
    MILTER_DELETES_RECIPIENT = '-',
    MILTER_ADDS_RECIPIENT_WITH = '2', /* with parameters */
    MILTER_REPLACES_BODY = 'b',       /* the next part of it */
    MILTER_CHANGES_SENDER = 'e',
    MILTER_ADDS_FIELD = 'h',
    MILTER_INSERTS_FIELD = 'i',
    MILTER_CHANGES_FIELD = 'm',
    MILTER_QUARANTINES = 'q'
};

/* Steps that are left out or not answered when a milter wants it so. */
enum {
    MILTER_NO_CONNECT = 0x1,
    MILTER_NO_HELO = 0x2,
    MILTER_NO_MAIL = 0x4,
    MILTER_NO_RCPT = 0x8,
    MILTER_NO_BODY = 0x10,
    MILTER_NO_HEADER = 0x20,
    MILTER_NO_END_OF_HEADER = 0x40,
    MILTER_SILENT_HEADER = 0x80,
    MILTER_NO_UNKNOWN = 0x100,
    MILTER_NO_DATA = 0x200,
    MILTER_SKIPS = 0x400,
    MILTER_REFUSED_TOO = 0x800, /* recipients that have been refused: not offered by us */
    MILTER_SILENT_CONNECT = 0x1000,
    MILTER_SILENT_HELO = 0x2000,
    MILTER_SILENT_MAIL = 0x4000,
    MILTER_SILENT_RCPT = 0x8000,
    MILTER_SILENT_DATA = 0x10000,
    MILTER_SILENT_UNKNOWN = 0x20000,
    MILTER_SILENT_END_OF_HEADER = 0x40000,
    MILTER_SILENT_BODY = 0x80000,
    MILTER_LEADING_SPACE = 0x100000 /* values of fields begin right behind the colon */
};

/* Where macros are given, with the protocol's numbers. */
enum milter_stage {
    STAGE_CONNECT,
    STAGE_HELO,
    STAGE_MAIL,
    STAGE_RCPT,
    STAGE_DATA,
    STAGE_END,
    STAGE_END_OF_HEADER,
    STAGES
};

enum {
    MILTER_CHUNK = 65535,            /* most bytes of data that a milter gets in one packet */
    MILTER_LONGEST = 1024 * 1024,    /* most that is taken from one */
    MILTER_REPLY_LINES = 32,         /* of a reply that it makes */
    MILTER_REPLY_LINE_LONGEST = 980, /* bytes */
    MILTER_MACROS_MOST = 100         /* names that it may ask for at one stage */
};

/* ---- what we send ---- */

/* Begins a packet behind the buffer; the place is for milter_close, which fills its length in. */
size_t milter_open(struct buffer *packets, enum milter_command command);
void milter_close(struct buffer *packets, size_t place);
/* A number of four bytes, a text with its NUL. */
void milter_put_number(struct buffer *packets, uint32_t number);
void milter_put_text(struct buffer *packets, const char *text);
/* A whole packet without data. */
void milter_put(struct buffer *packets, enum milter_command command);
/* What we can do and leave out. */
void milter_put_options(struct buffer *packets);

/* ---- what comes back ---- */

/* The number in four bytes. */
uint32_t milter_number(const char *data);

/* What is agreed upon. */
struct milter_options {
    unsigned version;
    uint32_t actions, steps;
    bool asks[STAGES]; /* for macros of its own choice */
    struct texts macros[STAGES];
};

/* All of these: false with *why in static words when the data make no sense. */

/* The data of the answer to MILTER_OPTIONS. The options are the caller's to free either way. */
bool milter_parse_options(const char *data, size_t length, struct milter_options *options,
                          const char **why);
void milter_free_options(struct milter_options *options);

/*
 * The data of MILTER_SAYS_REPLY: an SMTP reply of 4yz or 5yz, with words fit to be passed on. "%%"
 * stands for '%' in it, as in the MTA that the protocol comes from. The caller frees the reply
 * either way.
 */
bool milter_parse_reply(const char *data, size_t length, struct reply *reply, const char **why);

/* One wish at the end of the message; the texts are within the data. */
struct milter_change {
    char kind;
    uint32_t index;         /* of a field */
    const char *name;       /* of a field; an address; the reason of a quarantine */
    const char *value;      /* of a field; "": it goes */
    const char *parameters; /* behind an address; NULL: none */
};

/* Whether an answer of this kind is such a wish. */
bool milter_is_change(char kind);
/* Not for parts of a body. */
bool milter_parse_change(char kind, const char *data, size_t length, struct milter_change *change,
                         const char **why);

#endif
