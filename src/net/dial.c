/* Names to addresses, addresses to connections. It writes and reads no byte. */
#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

bool dial_parse(const char *text, unsigned default_port, char **host, unsigned *port)
{
    const char *begin = text, *end, *behind;
    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        if (!end)
            return false;
        behind = end + 1;
    } else {
        const char *colon = strchr(text, ':');
        /* More than one colon without brackets: an IPv6 address. */
        end = colon && !strchr(colon + 1, ':') ? colon : text + strlen(text);
        behind = end;
    }
    uint64_t number = default_port;
    if (*behind && (*behind != ':' || !text_to_number(behind + 1, 1, 65535, &number)))
        return false;
    if (end == begin)
        return false;
    *host = memory_copy(begin, (size_t)(end - begin));
    *port = (unsigned)number;
    return true;
}

/*
 * RFC 6761, 6.3: the name of this host itself is not to be looked up; it is known even where there
 * is no /etc/hosts.
 */
static bool is_localhost(const char *host)
{
    size_t length = strlen(host);
    if (length > 0 && host[length - 1] == '.')
        length--;
    return length == 9 && strncasecmp(host, "localhost", 9) == 0;
}

struct outcome dial_resolve(const char *host, unsigned port, struct addrinfo **addresses)
{
    /* No AI_ADDRCONFIG: offline it would hide names that /etc/hosts knows. An address that cannot
     * be reached fails at once when it is tried. */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int error = getaddrinfo(is_localhost(host) ? NULL : host, service, &hints, addresses);
    if (error == 0 && *addresses)
        return outcome_done();
    int cause = errno;
    *addresses = NULL;
    return outcome_later("4.4.3", "cannot resolve %s: %s", host,
                         error == EAI_SYSTEM ? strerror(cause) : gai_strerror(error));
}

/* 0 or errno. */
static int wait_connected(int fd, int limit_ms)
{
    int64_t deadline = clock_ms() + limit_ms;
    struct pollfd wanted = {.fd = fd, .events = POLLOUT};
    for (;;) {
        int64_t left = deadline - clock_ms();
        if (left <= 0)
            return ETIMEDOUT;
        int count = poll(&wanted, 1, (int)left);
        if (count < 0 && errno != EINTR)
            return errno;
        if (count > 0)
            break;
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return errno;
    return error;
}

static int try_connect(const struct addrinfo *address, int limit_ms, int *fd)
{
    *fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 address->ai_protocol);
    if (*fd < 0)
        return errno;
    int error = 0;
    if (connect(*fd, address->ai_addr, address->ai_addrlen) < 0)
        error = errno == EINPROGRESS || errno == EINTR ? wait_connected(*fd, limit_ms) : errno;
    if (error)
        file_close(fd);
    return error;
}

struct outcome dial_connect(const struct addrinfo *address, const char *host, int limit_ms, int *fd)
{
    int error = try_connect(address, limit_ms, fd);
    if (error) {
        struct buffer text = {0};
        dial_format(address->ai_addr, &text);
        struct outcome outcome = outcome_later("4.4.1", "cannot connect to %s, address %s: %s",
                                               host, buffer_text(&text), strerror(error));
        buffer_free(&text);
        return outcome;
    }
    /* We write whole groups of commands; nothing is gained by waiting for more. Without it things
     * are slower only. */
    int on = 1;
    (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return outcome_done();
}

void dial_format(const struct sockaddr *address, struct buffer *text)
{
    char name[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
        if (inet_ntop(AF_INET6, &six->sin6_addr, name, sizeof name))
            buffer_format(text, "[%s]:%u", name, ntohs(six->sin6_port));
    } else if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        if (inet_ntop(AF_INET, &four->sin_addr, name, sizeof name))
            buffer_format(text, "%s:%u", name, ntohs(four->sin_port));
    }
}

bool dial_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) && six->sin6_addr.s6_addr[12] == 127);
}
