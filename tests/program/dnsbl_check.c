/* Asks dnsbl_check what it thinks: PORT FOLDER MILLISECONDS THRESHOLD as arguments, "ADDRESS BLOCK
 * ALLOW SECONDS" a line in (lists with commas, SECONDS from now), "RESULT NAMES REASON
 * MILLISECONDS" out. The log goes to FOLDER/log. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "filter/dnsbl.h"

static const char *const results[] = {"nothing", "allows", "blocks"};

static void answer(char *words[4], struct dnsbl_question *question)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    bool is_six = strchr(words[0], ':') != NULL;
    struct texts block = {0}, allow = {0};
    struct buffer names = {0}, reason = {0};
    if (inet_pton(is_six ? AF_INET6 : AF_INET, words[0],
                  is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr) != 1)
        exit(64);
    texts_split(&block, words[1]);
    texts_split(&allow, words[2]);
    question->client = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    question->block = &block;
    question->allow = &allow;
    question->now = clock_now() + atol(words[3]);
    int64_t began = clock_ms();
    enum listed listed = dnsbl_check(question, &names, &reason);
    printf("%s\t%s\t%s\t%lld\n", results[listed], buffer_text(&names), buffer_text(&reason),
           (long long)(clock_ms() - began));
    fflush(stdout);
    texts_free(&block);
    texts_free(&allow);
    buffer_free(&names);
    buffer_free(&reason);
}

int main(int count, char **arguments)
{
    if (count != 5)
        return 64;
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons((unsigned short)atoi(arguments[1])),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct resolver resolver = {.server = &server};
    struct dnsbl_question question = {.folder = arguments[2],
                                      .limit_ms = atol(arguments[3]),
                                      .threshold = (unsigned)atoi(arguments[4]),
                                      .resolver = &resolver};
    struct buffer log = {0};
    buffer_format(&log, "%s/log", arguments[2]);
    log_open("dnsbl_check");
    (void)log_to_file(buffer_text(&log));
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        char *words[4], *rest = line;
        line[length - 1] = '\0';
        for (size_t i = 0; i < 4; i++)
            words[i] = strsep(&rest, "\t");
        answer(words, &question);
    }
    free(line);
    buffer_free(&log);
    return 0;
}
