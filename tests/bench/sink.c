/*
 * A smarthost that takes everything, at a chosen distance: each reply leaves so many milliseconds
 * after what it answers came in, as over a long line. One thread a connection; with TLS and AUTH if
 * asked.
 *
 *     sink [-d MILLISECONDS] [-t CERTIFICATE KEY]
 *
 * Prints its port, and when its standard input ends what it has taken. RFC 5321, 2920, 3030, 3207,
 * 4954.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT = 1 << 16, REPLIES = 4096, LINE = 4096 };

static int delay_ms;
static unsigned long most_at_once; /* connections; 0: any number */
static bool offers_tls;
static gnutls_certificate_credentials_t credentials;
static atomic_ulong messages, bytes, connections, present;

struct reply {
    int64_t due;
    char text[512];
};

struct client {
    int fd;
    gnutls_session_t tls;  /* NULL: in clear */
    struct reply *replies; /* a ring */
    size_t first, count;
    char line[LINE];
    size_t length;
    bool in_data, starts_tls, ends;
    int dots;       /* how much of CR LF . CR LF has been seen */
    uint64_t chunk; /* bytes of a BDAT that are still to come */
    bool last;      /* of that BDAT */
    int auth;       /* lines of an AUTH dialogue that are still to come */
};

static int64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void say(struct client *client, const char *text)
{
    if (client->count == REPLIES) {
        client->ends = true; /* who sends so much unanswered is no client of a bench */
        return;
    }
    struct reply *reply = &client->replies[(client->first + client->count++) % REPLIES];
    reply->due = now_ms() + delay_ms;
    snprintf(reply->text, sizeof reply->text, "%s\r\n", text);
}

static void say_ehlo(struct client *client)
{
    say(client, "250-sink.example");
    say(client, "250-PIPELINING");
    say(client, "250-CHUNKING");
    say(client, "250-ENHANCEDSTATUSCODES");
    if (offers_tls && !client->tls)
        say(client, "250-STARTTLS");
    if (!offers_tls || client->tls)
        say(client, "250-AUTH PLAIN LOGIN");
    say(client, "250-8BITMIME");
    say(client, "250-SMTPUTF8");
    say(client, "250 SIZE 0");
}

static bool is_verb(const struct client *client, const char *verb)
{
    return strncasecmp(client->line, verb, strlen(verb)) == 0;
}

static void take_message(struct client *client)
{
    messages++;
    say(client, "250 2.0.0 taken");
}

static void take_bdat(struct client *client)
{
    char *end;
    client->chunk = strtoull(client->line + 5, &end, 10);
    client->last = strcasestr(end, "LAST") != NULL;
    if (client->chunk == 0 && client->last)
        take_message(client);
    else if (client->chunk == 0)
        say(client, "250 2.0.0 nothing");
}

static void take_auth(struct client *client)
{
    bool login = strncasecmp(client->line + 5, "LOGIN", 5) == 0;
    bool initial = strchr(client->line + 5, ' ') != NULL;
    client->auth = (login ? 2 : 1) - initial;
    say(client, client->auth ? "334 " : "235 2.7.0 signed in");
}

static void take_line(struct client *client)
{
    client->line[client->length] = '\0';
    client->length = 0;
    if (client->auth)
        say(client, --client->auth ? "334 " : "235 2.7.0 signed in");
    else if (is_verb(client, "EHLO"))
        say_ehlo(client);
    else if (is_verb(client, "HELO"))
        say(client, "250 sink.example");
    else if (is_verb(client, "MAIL"))
        say(client, "250 2.1.0 sender");
    else if (is_verb(client, "RCPT"))
        say(client, "250 2.1.5 recipient");
    else if (is_verb(client, "DATA"))
        client->in_data = true, client->dots = 2, say(client, "354 go on");
    else if (is_verb(client, "BDAT"))
        take_bdat(client);
    else if (is_verb(client, "AUTH"))
        take_auth(client);
    else if (is_verb(client, "STARTTLS"))
        client->starts_tls = true, say(client, "220 2.0.0 go on");
    else if (is_verb(client, "QUIT"))
        client->ends = true, say(client, "221 2.0.0 bye");
    else
        say(client, "250 2.0.0 well");
}

/* The message's end, CR LF . CR LF; the CR LF before it may be that of DATA. */
static void take_data_byte(struct client *client, char byte)
{
    static const char end[] = "\r\n.\r\n";
    bytes++;
    if (byte == end[client->dots])
        client->dots++;
    else
        client->dots = byte == '\r' ? 1 : 0;
    if (client->dots == 5) {
        client->in_data = false;
        take_message(client);
    }
}

static size_t take_chunk(struct client *client, size_t length)
{
    size_t part = client->chunk < length ? (size_t)client->chunk : length;
    client->chunk -= part;
    bytes += part;
    if (client->chunk == 0 && client->last)
        take_message(client);
    else if (client->chunk == 0)
        say(client, "250 2.0.0 a part");
    return part;
}

static void take_input(struct client *client, const char *input, size_t length)
{
    for (size_t i = 0; i < length && !client->ends && !client->starts_tls;) {
        if (client->chunk) {
            i += take_chunk(client, length - i);
        } else if (client->in_data) {
            take_data_byte(client, input[i++]);
        } else if (input[i] == '\n') {
            i++;
            take_line(client);
        } else if (client->length < LINE - 1) {
            if (input[i] != '\r')
                client->line[client->length++] = input[i];
            i++;
        } else {
            client->ends = true;
        }
    }
}

static ssize_t receive(struct client *client, char *space, size_t size)
{
    if (!client->tls)
        return recv(client->fd, space, size, 0);
    ssize_t count;
    do
        count = gnutls_record_recv(client->tls, space, size);
    while (count == GNUTLS_E_INTERRUPTED || count == GNUTLS_E_AGAIN);
    return count;
}

static bool send_all(struct client *client, const char *text, size_t length)
{
    while (length) {
        ssize_t count = client->tls ? gnutls_record_send(client->tls, text, length)
                                    : send(client->fd, text, length, MSG_NOSIGNAL);
        if (count == GNUTLS_E_INTERRUPTED || count == GNUTLS_E_AGAIN)
            continue;
        if (count <= 0)
            return false;
        text += count;
        length -= (size_t)count;
    }
    return true;
}

/* Sends what is due, in one write; how long until the next reply is, -1: there is none. */
static int flush(struct client *client, bool *good)
{
    static _Thread_local char out[1 << 16];
    size_t length = 0;
    int64_t now = now_ms();
    while (client->count) {
        const struct reply *reply = &client->replies[client->first];
        size_t size = strlen(reply->text);
        if (reply->due > now || length + size > sizeof out)
            break;
        memcpy(out + length, reply->text, size);
        length += size;
        client->first = (client->first + 1) % REPLIES;
        client->count--;
    }
    *good = send_all(client, out, length);
    if (!client->count)
        return -1;
    int64_t rest = client->replies[client->first].due - now_ms();
    return rest > 0 ? (int)rest : 0;
}

static bool start_tls(struct client *client)
{
    client->starts_tls = false;
    client->length = 0;
    int error = gnutls_init(&client->tls, GNUTLS_SERVER);
    if (error < 0)
        return false;
    gnutls_set_default_priority(client->tls);
    gnutls_credentials_set(client->tls, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(client->tls, client->fd);
    do
        error = gnutls_handshake(client->tls);
    while (error < 0 && !gnutls_error_is_fatal(error));
    return error == 0;
}

static bool has_input(const struct client *client, int limit_ms)
{
    if (client->tls && gnutls_record_check_pending(client->tls) > 0)
        return true;
    struct pollfd poller = {.fd = client->fd, .events = POLLIN};
    return poll(&poller, 1, limit_ms) > 0;
}

static void talk(struct client *client)
{
    char *input = malloc(INPUT);
    bool good = input != NULL;
    client->ends = most_at_once && present > most_at_once;
    say(client,
        client->ends ? "421 4.7.0 too many connections from you" : "220 sink.example ESMTP");
    while (good) {
        int wait = flush(client, &good);
        if (!good || (client->ends && !client->count))
            break;
        if (client->starts_tls && !client->count) {
            good = start_tls(client);
            continue;
        }
        if (client->ends || client->starts_tls) {
            if (wait > 0)
                poll(NULL, 0, wait);
            continue;
        }
        if (!has_input(client, wait))
            continue;
        ssize_t count = receive(client, input, INPUT);
        good = count > 0;
        if (good)
            take_input(client, input, (size_t)count);
    }
    free(input);
}

static void *serve(void *argument)
{
    struct client client = {.fd = (int)(intptr_t)argument};
    int one = 1;
    setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client.replies = calloc(REPLIES, sizeof *client.replies);
    if (client.replies)
        talk(&client);
    if (client.tls)
        gnutls_deinit(client.tls);
    free(client.replies);
    close(client.fd);
    present--;
    return NULL;
}

static void *accept_all(void *argument)
{
    int door = (int)(intptr_t)argument;
    for (;;) {
        pthread_t thread;
        int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        connections++;
        present++;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0) {
            pthread_detach(thread);
        } else {
            present--;
            close(fd);
        }
    }
    return NULL;
}

static void read_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-d") == 0 && i + 1 < argc) {
            delay_ms = atoi(argv[++i]);
        } else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            most_at_once = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "-t") == 0 && i + 2 < argc) {
            offers_tls = true;
            gnutls_certificate_allocate_credentials(&credentials);
            if (gnutls_certificate_set_x509_key_file(credentials, argv[i + 1], argv[i + 2],
                                                     GNUTLS_X509_FMT_PEM) < 0) {
                fprintf(stderr, "sink: no such certificate\n");
                exit(1);
            }
            i += 2;
        } else {
            fprintf(stderr,
                    "usage: sink [-d MILLISECONDS] [-c CONNECTIONS] [-t CERTIFICATE KEY]\n");
            exit(64);
        }
    }
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (door < 0 || bind(door, (struct sockaddr *)&address, length) < 0 || listen(door, 1024) < 0 ||
        getsockname(door, (struct sockaddr *)&address, &length) < 0)
        fail("sink");
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    pthread_t thread;
    if (pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)door) != 0)
        fail("sink");
    /* A line on standard input: the counts so far; its end: the last of them. */
    char line[64];
    bool more;
    do {
        more = fgets(line, sizeof line, stdin) != NULL;
        printf("messages %lu bytes %lu connections %lu\n", messages, bytes, connections);
        fflush(stdout);
    } while (more);
    return 0;
}
