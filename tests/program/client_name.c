/* Finds the name of a client: PORT of a name server, MILLISECONDS and ADDRESS as arguments; says
 * "NAME confirmed" or "NAME", "-" for none, and how many milliseconds it took. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "filter/client_name.h"

int main(int count, char **arguments)
{
    if (count != 4)
        return 64;
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons((unsigned short)atoi(arguments[1])),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct resolver resolver = {.server = &server};
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr *address = (struct sockaddr *)&four;
    if (inet_pton(AF_INET, arguments[3], &four.sin_addr) != 1) {
        address = (struct sockaddr *)&six;
        if (inet_pton(AF_INET6, arguments[3], &six.sin6_addr) != 1)
            return 65;
    }
    struct client_name name;
    int64_t began = clock_ms();
    client_name_find(address, &resolver, (uint64_t)atoi(arguments[2]), &name);
    printf("%s%s\n%" PRId64 "\n", name.name ? name.name : "-", name.confirmed ? " confirmed" : "",
           clock_ms() - began);
    free(name.name);
    return 0;
}
