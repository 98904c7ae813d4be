/*
 * See questions.h. A question goes to one server after the other, and from the beginning again,
 * with pauses that grow. A packet counts only if it comes from the server that was asked, to the
 * port that asked, with the id and the question that were sent (RFC 5452).
 */
#include "net/questions.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "net/dial.h"
#include "net/servers.h"
#include "net/stream.h"

enum { LONGEST_QUESTION = 512, PACKETS_AT_ONCE = 8 };

/* Where a question stands. */
struct asked {
    unsigned char packet[LONGEST_QUESTION];
    int length;
    int sockets[MOST_SERVERS]; /* -1: that server has not been asked, or has failed */
    bool failed[MOST_SERVERS]; /* it has answered that it cannot, or cannot be reached */
    size_t tries;
    int64_t next;  /* clock_ms of the next try */
    int truncated; /* the server whose answer was cut; -1: none */
    bool cut;      /* and was not to be had whole */
    bool done;
    int error; /* errno of the last failure */
};

struct asking {
    const struct question *questions;
    size_t count;
    union server servers[MOST_SERVERS];
    size_t server_count;
    int64_t began, deadline;
    struct asked *asked;
    struct pollfd *polled;
    struct answer *answer;
    questions_take *take;
    void *context;
};

/* ---- whom to ask ---- */

static void find_servers(const struct resolver *resolver, struct asking *asking)
{
    if (resolver->server) {
        asking->servers[0].v4 = *resolver->server;
        asking->server_count = 1;
    } else {
        asking->server_count = servers_find(asking->servers);
    }
}

/* ---- one question ---- */

static void settle(struct asking *asking, size_t place, enum resolved found)
{
    struct asked *asked = &asking->asked[place];
    for (size_t i = 0; i < MOST_SERVERS; i++)
        file_close(&asked->sockets[i]);
    asked->done = true;
    asking->take(asking->context, place, found, asking->answer);
}

static void give_up(struct asking *asking, size_t place, const char *trouble)
{
    asking->answer->trouble = trouble;
    settle(asking, place, NO_ANSWER);
}

static bool make_packet(const struct question *question, struct asked *asked)
{
    asked->length = res_mkquery(ns_o_query, question->name, ns_c_in, question->type, NULL, 0, NULL,
                                asked->packet, sizeof asked->packet);
    /* The library's ids come from a clock. */
    if (asked->length > 0)
        ns_put16((uint16_t)clock_random(65536), asked->packet);
    return asked->length > 0;
}

/* Connected: the kernel lets in what comes from there alone, and tells when nobody is there. */
static bool send_to(const union server *server, struct asked *asked, int *fd)
{
    if (*fd < 0)
        *fd = socket(server->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool sent = *fd >= 0 && connect(*fd, &server->any, server_size(server)) == 0 &&
                send(*fd, asked->packet, (size_t)asked->length, MSG_NOSIGNAL) == asked->length;
    if (!sent) {
        asked->error = errno;
        file_close(fd);
    }
    return sent;
}

/* Rounds through the servers begin at once, after a fifth of the time, and after half of it. */
static int64_t next_try(const struct asking *asking, size_t tries)
{
    static const int64_t begin[] = {0, 20, 50, 100};
    int64_t whole = asking->deadline - asking->began, servers = (int64_t)asking->server_count;
    size_t round = tries / asking->server_count;
    if (round >= sizeof begin / sizeof begin[0] - 1)
        return asking->deadline;
    int64_t place = (int64_t)(tries % asking->server_count);
    int64_t share = begin[round] * servers + (begin[round + 1] - begin[round]) * place;
    return asking->began + whole * share / (100 * servers);
}

/* Sends it to the next server that may know; when all have failed, that is the end of it. */
static void try_next(struct asking *asking, size_t place)
{
    struct asked *asked = &asking->asked[place];
    for (size_t i = 0; i < asking->server_count; i++) {
        size_t server = asked->tries++ % asking->server_count;
        if (asked->failed[server])
            continue;
        if (send_to(&asking->servers[server], asked, &asked->sockets[server])) {
            asked->next = next_try(asking, asked->tries);
            return;
        }
        asked->failed[server] = true;
    }
    for (size_t i = 0; i < asking->server_count; i++)
        if (asked->sockets[i] >= 0) {
            asked->next = asking->deadline;
            return;
        }
    give_up(asking, place,
            asked->cut ? "the answer was cut, and cannot be had whole"
                       : resolver_trouble(asked->error));
}

static void fail(struct asking *asking, size_t place, size_t server, int error)
{
    struct asked *asked = &asking->asked[place];
    file_close(&asked->sockets[server]);
    asked->failed[server] = true;
    asked->error = error;
    try_next(asking, place);
}

/* ---- answers ---- */

/* Whether a packet answers what was sent, cut or not; its question is the rest of ours. */
static bool is_answer(const struct asked *asked, const unsigned char *packet, int length)
{
    const unsigned char *sent = asked->packet;
    if (length < asked->length || memcmp(packet, sent, 2) != 0 || (packet[2] & 0xf8) != 0x80 ||
        memcmp(packet + 4, sent + 4, 2) != 0)
        return false;
    for (int i = NS_HFIXEDSZ; i < asked->length; i++) {
        bool in_name = i < asked->length - NS_QFIXEDSZ;
        if (in_name ? tolower(packet[i]) != tolower(sent[i]) : packet[i] != sent[i])
            return false;
    }
    return true;
}

/* True: the question is settled, or this server has failed. */
static bool take_packet(struct asking *asking, size_t place, size_t server, int length)
{
    struct asked *asked = &asking->asked[place];
    struct answer *answer = asking->answer;
    if (!is_answer(asked, answer->bytes, length))
        return false;
    if (answer->bytes[2] & 2) {
        asked->truncated = (int)server;
        return true;
    }
    if (ns_initparse(answer->bytes, length, &answer->message) < 0)
        return false;
    enum resolved found = answer_read(answer, length);
    if (found == NO_ANSWER)
        fail(asking, place, server, 0);
    else
        settle(asking, place, found);
    return true;
}

static void receive(struct asking *asking, size_t place, size_t server)
{
    struct asked *asked = &asking->asked[place];
    struct answer *answer = asking->answer;
    for (int i = 0; i < PACKETS_AT_ONCE; i++) {
        ssize_t length = recv(asked->sockets[server], answer->bytes, sizeof answer->bytes, 0);
        if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (length < 0) {
            fail(asking, place, server, errno);
            return;
        }
        if (take_packet(asking, place, server, (int)length))
            return;
    }
}

/* ---- over TCP ---- */

static bool read_bytes(struct stream *stream, unsigned char *place, size_t length)
{
    while (length) {
        const char *data;
        size_t count;
        if (!stream_block(stream, &data, &count))
            return false;
        count = count < length ? count : length;
        memcpy(place, data, count);
        stream_skip(stream, count);
        place += count;
        length -= count;
    }
    return true;
}

static int exchange(const struct asking *asking, const struct asked *asked, int fd, int64_t left)
{
    struct stream stream;
    unsigned char size[2], packet[2 + LONGEST_QUESTION];
    stream_open(&stream, fd);
    stream_allow(&stream, left);
    ns_put16((uint16_t)asked->length, packet);
    memcpy(packet + 2, asked->packet, (size_t)asked->length);
    int length = -1;
    if (stream_write(&stream, packet, 2 + (size_t)asked->length) &&
        read_bytes(&stream, size, sizeof size) &&
        read_bytes(&stream, asking->answer->bytes, ns_get16(size)))
        length = (int)ns_get16(size);
    stream_close(&stream);
    return length;
}

/* Meanwhile the answers of others wait for us, so that half of the time that is left must do. */
static void ask_by_tcp(struct asking *asking, size_t place)
{
    struct asked *asked = &asking->asked[place];
    union server *server = &asking->servers[asked->truncated];
    const struct addrinfo address = {.ai_family = server->any.sa_family,
                                     .ai_socktype = SOCK_STREAM,
                                     .ai_addr = &server->any,
                                     .ai_addrlen = server_size(server)};
    int fd = -1, length = -1;
    int64_t end = clock_ms() + (asking->deadline - clock_ms()) / 2;
    struct outcome outcome =
        dial_connect(&address, "the name server", (int)(end - clock_ms()), &fd);
    if (outcome_good(&outcome))
        length = exchange(asking, asked, fd, end - clock_ms());
    enum resolved found = is_answer(asked, asking->answer->bytes, length)
                              ? answer_read(asking->answer, length)
                              : NO_ANSWER;
    size_t from = (size_t)asked->truncated;
    asked->truncated = -1;
    asked->cut = found == NO_ANSWER;
    if (asked->cut)
        fail(asking, place, from, 0);
    else
        settle(asking, place, found);
}

/* ---- all of them ---- */

/* Waits for the next packet or the next try. False: nothing is waited for any more. */
static bool wait_for_some(struct asking *asking)
{
    int64_t until = asking->deadline;
    bool waiting = false;
    for (size_t i = 0; i < asking->count; i++) {
        const struct asked *asked = &asking->asked[i];
        bool waits = !asked->done;
        waiting = waiting || waits;
        if (waits && asked->next < until)
            until = asked->next;
        for (size_t k = 0; k < MOST_SERVERS; k++)
            asking->polled[i * MOST_SERVERS + k] =
                (struct pollfd){.fd = waits ? asked->sockets[k] : -1, .events = POLLIN};
    }
    int64_t left = until - clock_ms();
    if (waiting && poll(asking->polled, asking->count * MOST_SERVERS, left > 0 ? (int)left : 0) < 0)
        for (size_t i = 0; i < asking->count * MOST_SERVERS; i++)
            asking->polled[i].revents = 0;
    return waiting;
}

static void ask_all(struct asking *asking)
{
    bool in_time = true;
    /* What has come by the deadline is still taken. */
    while (wait_for_some(asking) && in_time) {
        int64_t now = clock_ms();
        in_time = now < asking->deadline;
        for (size_t i = 0; i < asking->count; i++) {
            struct asked *asked = &asking->asked[i];
            for (size_t k = 0; k < MOST_SERVERS; k++)
                if (!asked->done && asked->truncated < 0 &&
                    asking->polled[i * MOST_SERVERS + k].revents)
                    receive(asking, i, k);
            if (!asked->done && asked->truncated >= 0)
                ask_by_tcp(asking, i);
            else if (!asked->done && asked->next <= now && in_time)
                try_next(asking, i);
        }
    }
    for (size_t i = 0; i < asking->count; i++)
        if (!asking->asked[i].done)
            give_up(asking, i, resolver_trouble(ETIMEDOUT));
}

static void begin(struct asking *asking)
{
    for (size_t i = 0; i < asking->count; i++) {
        struct asked *asked = &asking->asked[i];
        *asked = (struct asked){.truncated = -1};
        for (size_t k = 0; k < MOST_SERVERS; k++)
            asked->sockets[k] = -1;
        if (!make_packet(&asking->questions[i], asked))
            give_up(asking, i, "it is no name of the DNS");
        else
            try_next(asking, i);
    }
}

void questions_ask(const struct resolver *resolver, const struct question *questions, size_t count,
                   int64_t deadline, struct answer *answer, questions_take *take, void *context)
{
    struct asking asking = {.questions = questions,
                            .count = count < QUESTIONS_MOST ? count : QUESTIONS_MOST,
                            .began = clock_ms(),
                            .deadline = deadline,
                            .answer = answer,
                            .take = take,
                            .context = context};
    find_servers(resolver, &asking);
    asking.asked = memory_get((asking.count + 1) * sizeof *asking.asked);
    asking.polled = memory_get((asking.count * MOST_SERVERS + 1) * sizeof *asking.polled);
    begin(&asking);
    ask_all(&asking);
    for (size_t i = asking.count; i < count; i++) {
        answer->trouble = "too many questions at once";
        take(context, i, NO_ANSWER, answer);
    }
    free(asking.asked);
    free(asking.polled);
}

static void note(void *context, size_t place, enum resolved found, struct answer *answer)
{
    (void)place;
    (void)answer;
    *(enum resolved *)context = found;
}

enum resolved questions_ask_one(const struct resolver *resolver, const char *name, ns_type type,
                                int64_t deadline, struct answer *answer)
{
    const struct question question = {.name = name, .type = type};
    enum resolved found = NO_ANSWER;
    questions_ask(resolver, &question, 1, deadline, answer, note, &found);
    return found;
}
