/*
 * The settings of postrider.conf, every one with its default, read through inih; what is wrong is
 * named by file and line. The table in keys.c is the list of what there is.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "base/text.h"

enum tls_mode { TLS_STARTTLS, TLS_IMPLICIT, TLS_OPPORTUNISTIC, TLS_OFF };
enum auth_mode {
    AUTH_AUTO,
    AUTH_PLAIN,
    AUTH_LOGIN,
    AUTH_SCRAM_SHA_256,
    AUTH_CRAM_MD5,
    AUTH_EXTERNAL,
    AUTH_OAUTHBEARER,
    AUTH_XOAUTH2,
    AUTH_OFF
};

/* Never more than so many messages in so many seconds; a count of 0: no limit. */
struct rate {
    unsigned count;
    unsigned seconds;
};

/* [smarthost] and [smarthost "name"]. A named one takes nothing over from the default. */
struct smarthost {
    char *name; /* "" for [smarthost] */
    struct texts senders;
    struct texts hosts; /* "host", "host:port", "[v6]:port"; "srv:domain": by its SRV records */
    unsigned port;
    enum tls_mode tls;
    char *tls_trust;                 /* "system" or a PEM file */
    char *tls_fingerprint;           /* SHA-256, 64 lower-case hexadecimal digits; "": none */
    char *tls_certificate, *tls_key; /* PEM files; "": none */
    enum auth_mode auth;
    char *user; /* "": no AUTH */
    char *password_command;
    unsigned connections;
    struct rate rate;
};

enum via {
    VIA_HOSTS,     /* .to.hosts in turn */
    VIA_MX,        /* by the MX records of the recipient's domain (RFC 5321 5) */
    VIA_SMARTHOST, /* the one named in .argument, or when it is "" the one for the sender */
    VIA_LOCAL,     /* aliases and mailboxes of this machine */
    VIA_LMTP,      /* the socket at the path in .argument */
    VIA_HOLD,      /* stays in the queue until someone releases it */
    VIA_DISCARD,   /* is taken and thrown away */
    VIA_ERROR      /* is refused with the words in .argument */
};

/* [route "pattern"]: where mail for a recipient's domain goes. */
struct route {
    char *pattern; /* "example.org", "*.example.org" (below it) or "*" */
    enum via via;
    char *argument;
    struct smarthost to; /* for HOSTS, MX and LMTP: how to reach it, without AUTH */
    uint64_t *retry;     /* seconds; none: as in [queue] */
    size_t retry_count;
    uint64_t lifetime; /* seconds; 0: as in [queue] */
};

/* [listen] and [listen "name"]: where mail comes in over the network, and from whom. */
struct listener {
    char *name;             /* "" for [listen] */
    struct texts addresses; /* "192.0.2.1:25", "[::1]", "*:25", "localhost"; without a port: 25,
                               or 465 with TLS_IMPLICIT */
    enum tls_mode tls;      /* TLS_OFF, TLS_STARTTLS or TLS_IMPLICIT */
    struct texts tls_certificates, tls_keys; /* PEM files, pairwise; the name asked for chooses */
    char *tls_client_ca; /* PEM file: clients with a certificate of it count as signed in; "" */
    bool require_tls, require_auth;
    bool own_sender;             /* who signed in may send as himself alone */
    char *users;                 /* the file of those who may sign in; "": nobody */
    struct texts relay_networks; /* may relay without signing in; see config/network.h */
    struct texts relay_domains;  /* mail for these is taken from anyone */
    struct texts etrn_networks;  /* may ask for the mail of relay_domains to be sent (ETRN) */
    unsigned max_connections, max_connections_per_client;
    unsigned max_recipients; /* of one message */
    uint64_t timeout;        /* seconds that a client may take for a command or a block of data */
};

/* [dkim "pattern"]: mail by whom is signed, and with what (RFC 6376). */
struct dkim {
    char *pattern;          /* of authors' domains: "example.org", or "*.example.org" below it */
    const char *domain;     /* that signs: the pattern without its "*."; within .pattern */
    struct texts selectors; /* one for each key */
    struct texts keys;      /* PEM files of private keys, pairwise: a signature with each */
};

enum spf_mode { SPF_OFF, SPF_MARK, SPF_REJECT };
enum milter_default { MILTER_TEMPFAIL, MILTER_ACCEPT, MILTER_REJECT };

/* [filter]: what the listener asks before it takes mail from strangers. Lists have items, or
 * "file:/path" of a file with an item a line. */
struct filtering {
    struct texts block_senders, allow_senders; /* addresses, "@domain", patterns with '*' */
    struct texts block_clients, allow_clients; /* see config/network.h */
    struct texts block_helo, allow_helo;       /* names, patterns with '*' */
    char *contact;             /* whom those who are refused may write to, and are let through to;
                                  "": postmaster at our hostname */
    struct texts dnsbl, dnswl; /* see config/dns_zone.h */
    unsigned dnsbl_threshold;  /* sum of weights from which a client is refused */
    uint64_t dns_timeout;      /* seconds for all lists in the DNS about a client, and for SPF */
    bool greylist;
    uint64_t greylist_delay, greylist_window, greylist_lifetime; /* seconds */
    struct texts milters;               /* "unix:/path", "inet:host:port" */
    enum milter_default milter_default; /* when one does not answer */
    uint64_t milter_timeout;            /* seconds for one answer */
    enum spf_mode spf;
};

struct settings {
    char *path; /* the file, absolute; "" when there is none and all are defaults */
    char *hostname;
    char *domain;
    struct texts local_domains;
    struct texts aliases;
    char *mailbox_directory;
    char *log_file; /* "": none */
    uint64_t max_message_size;
    unsigned max_hops;            /* Received: fields of a message that is not looping yet */
    struct texts masquerade;      /* "pattern: address" */
    char *alias_files;            /* the user who writes files of aliases; "": nobody */
    char *alias_commands;         /* the user who runs commands of aliases; "": nobody */
    uint64_t alias_time;          /* seconds that such a command may take for one message */
    struct smarthost *smarthosts; /* in the file's order */
    size_t smarthost_count;
    struct route *routes; /* in the file's order */
    size_t route_count;
    struct listener *listeners; /* in the file's order */
    size_t listener_count;
    struct dkim *dkims; /* in the file's order */
    size_t dkim_count;
    struct filtering filter;
    char *queue_directory;
    uint64_t *retry; /* seconds, at least one */
    size_t retry_count;
    uint64_t warn;     /* seconds; 0: the sender is never told of a delay */
    uint64_t lifetime; /* seconds */
};

/*
 * Reads the file; a path of NULL means the compiled default, which may be missing (all defaults).
 * DONE, or EX_CONFIG with "file:line: what, and what to do", or EX_NOPERM for a file that may not
 * be read, or that root is given and another user owns. All paths in it come out absolute: relative
 * ones count from the file's folder. For a file other than the compiled default, the queue is in
 * $XDG_STATE_HOME or ~/.local/state unless the file says where. The caller frees either way.
 */
struct outcome settings_load(const char *path, struct settings *settings);
/* The same of an open file, as if what is in it stood at this path, which need not be there. */
struct outcome settings_read(int fd, const char *path, struct settings *settings);
void settings_free(struct settings *settings);
/* What to call the settings file in words: its path, or where it would be. Belongs to settings. */
const char *settings_file(const struct settings *settings);
/* The smarthost of this name, "" for the default; NULL: there is none. */
const struct smarthost *settings_smarthost(const struct settings *settings, const char *name);
/*
 * The smarthost for mail from this sender, "" being the null sender: the one that names the address
 * in its senders, else the domain ("@domain"), else a pattern with '*'; else the default. Case does
 * not count. NULL: there is none.
 */
const struct smarthost *settings_smarthost_for(const struct settings *settings,
                                               const char *sender_address);
/* The longest that a message may be left alone for: a step of the retry schedules, or what a rate
 * goes by; seconds. */
uint64_t settings_longest_wait(const struct settings *settings);
/* Where credentials live: beside the settings in use. The caller frees. */
char *settings_credentials_path(const struct settings *settings);
/* Where a key for signatures lies when no setting says so: dkim/NAME.pem beside the settings. The
 * caller frees. */
char *settings_key_path(const struct settings *settings, const char *name);

#endif
