/* master.cf (master(5)): which of Postfix's programs are called from outside, and how. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "setup/import_postfix.h"

struct service {
    const char *name, *type, *command;
    bool options; /* "-o ..." behind the command */
};

/* Whether there is a "-o" that says more than a name for the log. */
static bool changes(const char *text)
{
    static const char option[] = "-o";
    for (const char *at = strstr(text, option); at; at = strstr(at + 1, option)) {
        bool begins = at == text || at[-1] == ' ' || at[-1] == '\t';
        const char *name = at + strlen(option) + strspn(at + strlen(option), " \t");
        if (begins && !text_starts(name, "syslog_name="))
            return true;
    }
    return false;
}

static bool parse(char *text, struct service *service)
{
    enum { BEFORE_COMMAND = 5 }; /* private, unprivileged, chroot, wakeup, processes */
    service->name = source_split(&text);
    service->type = source_split(&text);
    for (size_t i = 0; i < BEFORE_COMMAND; i++)
        source_split(&text);
    service->command = source_split(&text);
    service->options = changes(text);
    return *service->command != '\0';
}

/* "smtp", "25", "127.0.0.1:smtp": the place of the port. */
static const char *port_of(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon ? colon + 1 : name;
}

static bool is_port(const char *port, const char *name, const char *number)
{
    return strcmp(port, name) == 0 || strcmp(port, number) == 0;
}

static void take_other(struct postfix *postfix, const struct service *service, size_t note)
{
    struct import *import = postfix->importing->import;
    const char *port = port_of(service->name);
    bool smtpd = strcmp(service->command, "smtpd") == 0;
    if (smtpd && is_port(port, "submission", "587"))
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: a section [listen \"submission\"] with address = *:587, TLS, "
                 "require_auth and users does it; postrider passwd makes users");
    else if (smtpd && (is_port(port, "smtps", "465") || strcmp(port, "submissions") == 0))
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: a section [listen \"submissions\"] with tls = implicit, "
                 "require_auth and users does it; postrider passwd makes users");
    else if (strcmp(service->type, "inet") == 0)
        note_say(import, note, IMPORT_LEFT, "not taken over: a [listen] of ours has another port");
    else if (strcmp(service->command, "pipe") == 0)
        note_say(import, note, IMPORT_SAME, "means nothing unless a transport names it");
    else if (service->options)
        note_say(import, note, IMPORT_OTHER, "what stands behind -o is not taken over");
    else
        note_say(import, note, IMPORT_SAME, "a part of Postfix itself");
}

bool postfix_read_master(struct postfix *postfix, char **address, size_t *note)
{
    struct source source;
    struct source_line line;
    bool listens = false;
    bool there = source_open(postfix->importing, POSTFIX_MASTER, SOURCE_MAYBE, &source);
    while (there && source_next(postfix->importing, &source, SOURCE_INDENTED, &line)) {
        struct service service;
        size_t here = source_note(postfix->importing, &source, &line, NULL);
        if (!parse(line.text, &service)) {
            note_say(postfix->importing->import, here, IMPORT_LEFT,
                     "not taken over: it is no service");
            continue;
        }
        bool takes_mail =
            strcmp(service.type, "inet") == 0 &&
            (strcmp(service.command, "smtpd") == 0 || strcmp(service.command, "postscreen") == 0) &&
            is_port(port_of(service.name), "smtp", "25");
        if (!takes_mail || listens) {
            take_other(postfix, &service, here);
            continue;
        }
        const char *port = port_of(service.name);
        listens = true;
        *note = here;
        *address = port == service.name
                       ? memory_copy("", 0)
                       : memory_copy(service.name, (size_t)(port - service.name) - 1);
        if (service.options)
            note_say(postfix->importing->import, here, IMPORT_OTHER,
                     "what stands behind -o is not taken over");
    }
    source_free(&source);
    return listens;
}
