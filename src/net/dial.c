/* Names to addresses, addresses to connections. It writes and reads no byte. */
#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <time.h>
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

/* A name with a dot at its end is looked up as it is; what is an address stays one. */
static int look_up(const char *host, const char *service, bool absolute,
                   const struct addrinfo *hints, struct addrinfo **addresses)
{
    unsigned char binary[16];
    size_t length = strlen(host);
    if (is_localhost(host))
        return getaddrinfo(NULL, service, hints, addresses);
    if (!absolute || length == 0 || host[length - 1] == '.' ||
        inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1)
        return getaddrinfo(host, service, hints, addresses);
    struct buffer name = {0};
    buffer_format(&name, "%s.", host);
    int error = getaddrinfo(buffer_text(&name), service, hints, addresses);
    int cause = errno;
    buffer_free(&name);
    errno = cause;
    return error;
}

struct outcome dial_resolve(const char *host, unsigned port, bool absolute,
                            struct addrinfo **addresses)
{
    /* No AI_ADDRCONFIG: offline it would hide names that /etc/hosts knows. An address that cannot
     * be reached fails at once when it is tried. */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int error = look_up(host, service, absolute, &hints, addresses);
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

static int try_connect(const struct sockaddr *address, socklen_t size, int limit_ms, int *fd)
{
    *fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return errno;
    int error = 0;
    if (connect(*fd, address, size) < 0)
        error = errno == EINPROGRESS || errno == EINTR ? wait_connected(*fd, limit_ms) : errno;
    if (error)
        file_close(fd);
    return error;
}

struct outcome dial_connect(const struct addrinfo *address, const char *host, int limit_ms, int *fd)
{
    int error = try_connect(address->ai_addr, address->ai_addrlen, limit_ms, fd);
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

struct outcome dial_connect_local(const char *path, int limit_ms, int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return outcome_later("4.3.5", "the path of a socket has %zu bytes at the most, not %s",
                             sizeof address.sun_path - 1, path);
    memcpy(address.sun_path, path, strlen(path));
    int64_t deadline = clock_ms() + limit_ms;
    int error;
    /* A Unix socket whose queue is full says EAGAIN, and gives nothing to wait for. */
    while ((error = try_connect((const struct sockaddr *)&address, sizeof address, limit_ms, fd)) ==
               EAGAIN &&
           clock_ms() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    if (error)
        return outcome_later("4.4.1", "cannot connect to the socket %s: %s", path,
                             strerror(error == EAGAIN ? ETIMEDOUT : error));
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

/* The address alone, 16 bytes: IPv4 in its mapped form. */
static bool plain_address(const struct sockaddr *address, struct in6_addr *plain)
{
    if (address->sa_family == AF_INET6) {
        *plain = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        return true;
    }
    if (address->sa_family != AF_INET)
        return false;
    *plain = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(plain->s6_addr + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    return true;
}

static bool is_same(const struct sockaddr *a, const struct sockaddr *b)
{
    struct in6_addr first, second;
    return plain_address(a, &first) && plain_address(b, &second) &&
           memcmp(&first, &second, sizeof first) == 0;
}

/* 0.0.0.0 and ::, which connect to this machine. */
static bool is_unspecified(const struct sockaddr *address)
{
    static const struct sockaddr_in four = {.sin_family = AF_INET};
    static const struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    return is_same(address, (const struct sockaddr *)&four) ||
           is_same(address, (const struct sockaddr *)&six);
}

bool dial_is_own(const struct sockaddr *address)
{
    if (dial_is_loopback(address) || is_unspecified(address))
        return true;
    struct ifaddrs *interfaces;
    if (getifaddrs(&interfaces) < 0)
        return false;
    bool own = false;
    for (const struct ifaddrs *one = interfaces; one && !own; one = one->ifa_next)
        own = one->ifa_addr && is_same(one->ifa_addr, address);
    freeifaddrs(interfaces);
    return own;
}

bool dial_leads_here(int fd)
{
    struct sockaddr_storage near, far;
    socklen_t near_size = sizeof near, far_size = sizeof far;
    struct sockaddr *peer = (struct sockaddr *)&far;
    if (getsockname(fd, (struct sockaddr *)&near, &near_size) < 0 ||
        getpeername(fd, peer, &far_size) < 0)
        return false;
    return is_same((struct sockaddr *)&near, peer) || dial_is_own(peer);
}
