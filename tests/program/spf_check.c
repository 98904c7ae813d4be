/* Asks spf_check what it thinks: "PORT ADDRESS HELO SENDER" a line in, "result explanation" out. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "filter/spf.h"

static enum spf_result check(char *words[4], struct buffer *explanation)
{
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons((unsigned short)atoi(words[0])),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct resolver resolver = {.server = &server};
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    bool is_six = strchr(words[1], ':') != NULL;
    if (inet_pton(is_six ? AF_INET6 : AF_INET, words[1],
                  is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr) != 1)
        exit(64);
    char *at = strrchr(words[3], '@');
    char *domain = at ? at + 1 : words[2];
    if (at)
        *at = '\0';
    const struct spf_query query = {
        .client = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four,
        .helo = words[2],
        .local = at && at != words[3] ? words[3] : "postmaster",
        .domain = domain,
        .receiver = "receiver.example",
        .resolver = &resolver,
        .question_ms = 3000,
        .deadline = clock_ms() + 20000,
    };
    return spf_check(&query, explanation);
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        char *words[4], *rest = line;
        line[length - 1] = '\0';
        for (size_t i = 0; i < 4; i++)
            words[i] = strsep(&rest, "\t");
        struct buffer explanation = {0};
        enum spf_result result = check(words, &explanation);
        printf("%s\t%s\n", spf_result_name(result), buffer_text(&explanation));
        fflush(stdout);
        buffer_free(&explanation);
    }
    free(line);
    return 0;
}
