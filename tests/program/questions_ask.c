/* Asks the DNS several questions at once: PORT MILLISECONDS NAME TYPE ... as arguments; port 0 is
 * for the servers of /etc/resolv.conf. Says for each "NAME RESULT LIFETIME RECORDS ADDRESS", in the
 * order of the answers, and at the end how many milliseconds it took. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/questions.h"

static const char *const names[] = {"answer", "no records", "no domain", "no answer"};

static void take(void *context, size_t place, enum resolved found, struct answer *answer)
{
    const struct question *questions = context;
    char address[INET_ADDRSTRLEN] = "-";
    ns_rr record;
    printf("%s\t%s", questions[place].name, names[found]);
    if (found == NO_ANSWER) {
        printf("\t%s\n", answer->trouble);
        return;
    }
    int records = answer_count(answer);
    for (int i = 0; i < records; i++)
        if (answer_record(answer, i, ns_t_a, &record) && ns_rr_rdlen(record) == 4)
            inet_ntop(AF_INET, ns_rr_rdata(record), address, sizeof address);
    printf("\t%u\t%d\t%s\n", (unsigned)answer_lifetime(answer), records, address);
}

int main(int count, char **arguments)
{
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons((unsigned short)atoi(arguments[1])),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct resolver resolver = {.server = server.sin_port ? &server : NULL};
    size_t asked = (size_t)(count - 3) / 2;
    struct question *questions = calloc(asked + 1, sizeof *questions);
    struct answer *answer = calloc(1, sizeof *answer);
    for (size_t i = 0; i < asked; i++)
        questions[i] = (struct question){.name = arguments[3 + 2 * i],
                                         .type = (ns_type)atoi(arguments[4 + 2 * i])};
    int64_t began = clock_ms();
    questions_ask(&resolver, questions, asked, began + atoi(arguments[2]), answer, take, questions);
    printf("%lld\n", (long long)(clock_ms() - began));
    free(questions);
    free(answer);
    return 0;
}
