/* Binding addresses (see bind.h). Knows nothing of who connects. */
#include "listen/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/text.h"
#include "config/host.h"
#include "config/listener.h"

enum { PORT_SMTP = 25, PORT_SUBMISSIONS = 465, BACKLOG = 1024, FIRST_INHERITED = 3 };

static struct door *add_door(struct doors *doors, int fd, size_t listener, const char *name)
{
    doors->items = memory_resize(doors->items, (doors->count + 1) * sizeof *doors->items);
    struct door *door = &doors->items[doors->count++];
    *door = (struct door){.fd = fd, .listener = listener, .name = memory_copy(name, strlen(name))};
    return door;
}

/* ---- handed over ---- */

static unsigned port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

/* Host and port of an address in the settings; the caller frees *host. NULL: every address. */
static unsigned split(const struct listener *listener, const char *address, char **host)
{
    struct host parsed = {0};
    const char *why;
    uint64_t port = 0;
    if (*address == '*')
        (void)(address[1] && text_to_number(address + 2, 1, 65535, &port));
    else if (host_parse(address, &parsed, &why))
        port = parsed.port;
    *host = parsed.name;
    unsigned usual = listener->tls == TLS_IMPLICIT ? PORT_SUBMISSIONS : PORT_SMTP;
    return port ? (unsigned)port : usual;
}

/* The section that is called so; an empty name is none. */
static size_t find_by_name(const struct settings *settings, const char *name)
{
    size_t at = *name ? 0 : settings->listener_count;
    while (at < settings->listener_count && strcmp(settings->listeners[at].name, name) != 0)
        at++;
    return at;
}

static size_t find_by_port(const struct settings *settings, unsigned port)
{
    for (size_t i = 0; i < settings->listener_count; i++)
        for (size_t k = 0; k < settings->listeners[i].addresses.count; k++) {
            char *host;
            unsigned other =
                split(&settings->listeners[i], settings->listeners[i].addresses.items[k], &host);
            free(host);
            if (other == port)
                return i;
        }
    return settings->listener_count;
}

static struct outcome take_inherited(const struct settings *settings, int fd, const char *name,
                                     struct doors *doors)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address, size = sizeof(int);
    int listening = 0;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return outcome_refuse(EX_CONFIG,
                              "descriptor %d that was handed over is no listening socket", fd);
    size_t listener = find_by_name(settings, name);
    if (listener == settings->listener_count)
        listener = find_by_port(settings, port_of(&address));
    if (listener == settings->listener_count)
        listener = 0;
    add_door(doors, fd, listener, name)->inherited = true;
    return outcome_done();
}

struct outcome bind_inherited(const struct settings *settings, struct doors *doors)
{
    int count = process_handed_over();
    const char *given = getenv("LISTEN_FDNAMES");
    char *names = memory_copy(given ? given : "", given ? strlen(given) : 0), *rest = names;
    struct outcome outcome = outcome_done();
    if (count && settings->listener_count == 0)
        outcome = outcome_refuse(EX_CONFIG,
                                 "%s: sockets were handed over, yet there is no "
                                 "[listen] section",
                                 settings->path);
    for (int i = 0; i < count && outcome_good(&outcome); i++) {
        const char *name = strsep(&rest, ":");
        outcome = take_inherited(settings, FIRST_INHERITED + i, name ? name : "", doors);
    }
    free(names);
    return outcome;
}

/* ---- bound ---- */

/* What bind says of an address that one of our own doors has in its way; "": none has. */
static const char *find_in_the_way(const struct doors *old, const struct addrinfo *address)
{
    struct sockaddr_storage there;
    socklen_t length;
    for (size_t i = 0; old && i < old->count; i++) {
        length = sizeof there;
        if (old->items[i].fd >= 0 &&
            getsockname(old->items[i].fd, (struct sockaddr *)&there, &length) == 0 &&
            there.ss_family == address->ai_family &&
            port_of(&there) == port_of((const void *)address->ai_addr))
            return old->items[i].name;
    }
    return "";
}

static struct outcome cannot_bind(const char *name, const struct doors *old,
                                  const struct addrinfo *address)
{
    int error = errno;
    const char *own = find_in_the_way(old, address);
    if (error == EACCES)
        return outcome_refuse(EX_NOPERM,
                              "cannot listen on %s: only root may bind ports below 1024; start "
                              "the listener as root (it gives root up), or restart it",
                              name);
    if (error == EADDRINUSE && *own)
        return outcome_refuse(
            EX_OSERR, "cannot listen on %s as long as we listen on %s: that takes a restart", name,
            own);
    if (error == EADDRINUSE)
        return outcome_refuse(
            EX_OSERR, "cannot listen on %s: another program does; \"ss -ltnp\" names it", name);
    return outcome_errno(error, "cannot listen on %s", name);
}

/* A listening socket, or -1 with errno. */
static int open_socket(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    /* So that [::] and 0.0.0.0 do not take each other's port. */
    if (good && address->ai_family == AF_INET6)
        good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    good = good && bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    if (!good)
        file_close(&fd);
    return fd;
}

/* The door that is open for this very address already; NULL: none. */
static struct door *find_open(struct doors *old, const struct addrinfo *address)
{
    struct sockaddr_storage there;
    for (size_t i = 0; old && i < old->count; i++) {
        socklen_t length = sizeof there;
        if (old->items[i].fd >= 0 &&
            getsockname(old->items[i].fd, (struct sockaddr *)&there, &length) == 0 &&
            length == address->ai_addrlen && memcmp(&there, address->ai_addr, length) == 0)
            return &old->items[i];
    }
    return NULL;
}

static struct outcome bind_one(size_t listener, const char *name, const struct addrinfo *address,
                               struct doors *old, struct doors *doors)
{
    const struct door *twin = find_open(doors, address);
    if (twin && twin->listener == listener)
        return outcome_done(); /* a name may have an address twice */
    if (twin)
        return outcome_refuse(EX_CONFIG, "%s: another [listen] section listens there as well",
                              name);
    struct door *open = find_open(old, address);
    if (open) {
        add_door(doors, open->fd, listener, name)->before = (size_t)(open - old->items) + 1;
        open->fd = -1;
        return outcome_done();
    }
    int fd = open_socket(address);
    if (fd >= 0) {
        add_door(doors, fd, listener, name);
        return outcome_done();
    }
    if (address->ai_family != AF_INET6 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return cannot_bind(name, old, address);
    log_notice("there is no IPv6 here for %s: not listening there", name);
    return outcome_done();
}

/* Host and port, whatever of it the settings leave unsaid. */
static char *name_door(const char *host, unsigned port)
{
    struct buffer name = {0};
    buffer_format(&name, host && strchr(host, ':') ? "[%s]:%u" : "%s:%u", host ? host : "*", port);
    return buffer_take(&name);
}

static struct outcome bind_host(size_t listener, const char *host, unsigned number,
                                struct doors *old, struct doors *doors)
{
    char port[8], *name = name_door(host, number);
    snprintf(port, sizeof port, "%u", number);
    const struct addrinfo wanted = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(host, port, &wanted, &found);
    struct outcome outcome = outcome_done();
    if (error)
        outcome = outcome_refuse(EX_CONFIG, "cannot listen on %s: %s", name, gai_strerror(error));
    for (const struct addrinfo *a = found; !error && a && outcome_good(&outcome); a = a->ai_next)
        outcome = bind_one(listener, name, a, old, doors);
    if (!error)
        freeaddrinfo(found);
    free(name);
    return outcome;
}

static struct outcome bind_address(const struct settings *settings, size_t listener,
                                   const char *address, struct doors *old, struct doors *doors)
{
    char *host;
    unsigned port = split(&settings->listeners[listener], address, &host);
    struct outcome outcome = bind_host(listener, host, port, old, doors);
    free(host);
    return outcome;
}

/* Those that were handed over stay, whatever addresses the settings name. */
static struct outcome take_over_inherited(const struct settings *settings, struct doors *old,
                                          struct doors *doors)
{
    struct outcome outcome = outcome_done();
    if (!settings->listener_count)
        return outcome_refuse(EX_CONFIG, "there is no [listen] section any more");
    for (size_t i = 0; i < old->count && outcome_good(&outcome); i++) {
        outcome = take_inherited(settings, old->items[i].fd, old->items[i].name, doors);
        if (outcome_good(&outcome)) {
            doors->items[doors->count - 1].before = i + 1;
            old->items[i].fd = -1;
        }
    }
    return outcome;
}

struct outcome bind_all(const struct settings *settings, struct doors *old, struct doors *doors)
{
    struct outcome outcome = outcome_done();
    if (old && old->count && old->items[0].inherited)
        return take_over_inherited(settings, old, doors);
    for (size_t i = 0; i < settings->listener_count; i++)
        for (size_t k = 0; k < settings->listeners[i].addresses.count; k++)
            if (outcome_good(&outcome))
                outcome = bind_address(settings, i, settings->listeners[i].addresses.items[k], old,
                                       doors);
    if (outcome_good(&outcome) && settings->listener_count && !doors->count)
        outcome = outcome_refuse(EX_OSERR, "there is no address to listen on");
    return outcome;
}

void doors_tell_of_unheard(const struct doors *doors, const struct settings *settings)
{
    if (!doors->count || !doors->items[0].inherited)
        return;
    for (size_t i = 0; i < settings->listener_count; i++) {
        size_t at = 0;
        while (at < doors->count && doors->items[at].listener != i)
            at++;
        if (at < doors->count)
            continue;
        char *heading = listener_heading(&settings->listeners[i]);
        log_error("nobody is heard for %s: sockets were handed over, and none of them has its name "
                  "or a port of its addresses",
                  heading);
        free(heading);
    }
}

void doors_give_back(struct doors *doors, struct doors *old)
{
    for (size_t i = 0; i < doors->count; i++)
        if (doors->items[i].before) {
            old->items[doors->items[i].before - 1].fd = doors->items[i].fd;
            doors->items[i].fd = -1;
        }
}

void doors_close(struct doors *doors)
{
    for (size_t i = 0; i < doors->count; i++) {
        file_close(&doors->items[i].fd);
        free(doors->items[i].name);
    }
    free(doors->items);
    *doors = (struct doors){0};
}
