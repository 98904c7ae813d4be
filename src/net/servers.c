/* See servers.h. What else is in the file is about search lists and patience, which we do not use.
 */
#include "net/servers.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

enum { DOMAIN_PORT = 53, LONGEST_FILE = 65536 };

socklen_t server_size(const union server *server)
{
    return server->any.sa_family == AF_INET ? sizeof server->v4 : sizeof server->v6;
}

/* "fe80::1%eth0": a link has a name, or its number. */
static bool parse_scope(const char *name, uint32_t *scope)
{
    uint64_t number;
    *scope = if_nametoindex(name);
    if (*scope == 0 && text_to_number(name, 1, UINT32_MAX, &number))
        *scope = (uint32_t)number;
    return *scope != 0;
}

static bool parse_address(char *text, union server *server)
{
    memset(server, 0, sizeof *server);
    if (inet_pton(AF_INET, text, &server->v4.sin_addr) == 1) {
        server->v4.sin_family = AF_INET;
        server->v4.sin_port = htons(DOMAIN_PORT);
        return true;
    }
    char *link = strchr(text, '%');
    if (link)
        *link++ = '\0';
    if (inet_pton(AF_INET6, text, &server->v6.sin6_addr) != 1)
        return false;
    server->v6.sin6_family = AF_INET6;
    server->v6.sin6_port = htons(DOMAIN_PORT);
    return !link || parse_scope(link, &server->v6.sin6_scope_id);
}

size_t servers_parse(const char *text, union server servers[MOST_SERVERS])
{
    static const char blanks[] = " \t\r";
    size_t count = 0;
    char *copy = memory_copy(text, strlen(text)), *lines = NULL;
    for (char *line = strtok_r(copy, "\n", &lines); line && count < MOST_SERVERS;
         line = strtok_r(NULL, "\n", &lines)) {
        char *words = NULL, *word = strtok_r(line, blanks, &words);
        char *address =
            word && strcmp(word, "nameserver") == 0 ? strtok_r(NULL, blanks, &words) : NULL;
        if (address && parse_address(address, &servers[count]))
            count++;
    }
    free(copy);
    if (count == 0) {
        char here[] = "127.0.0.1";
        (void)parse_address(here, &servers[count++]);
    }
    return count;
}

size_t servers_find(union server servers[MOST_SERVERS])
{
    struct buffer content = {.limit = LONGEST_FILE};
    struct outcome outcome = file_load("/etc/resolv.conf", &content);
    size_t count = servers_parse(outcome_good(&outcome) ? buffer_text(&content) : "", servers);
    buffer_free(&content);
    return count;
}
