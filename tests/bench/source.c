/*
 * A client that hands many messages to a listener, over so many sessions at a time, in lock-step
 * (each command waits for its reply) as simple programs do; with STARTTLS if asked. Every listener
 * of a bench gets the same bytes.
 *
 *     source [-s SESSIONS] [-m MESSAGES] [-l BYTES] [-k] [-t] HOST PORT RECIPIENT
 *
 * -k: a session keeps going for its share of the messages; else each message has a session of its
 * own. Prints the messages that were answered with 250, the seconds until the last of these, how
 * many were not because the listener said nothing for half a minute, and how many because it
 * refused, or closed the connection. In either case the message is given up.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 30 }; /* seconds */

static unsigned sessions = 1, wanted = 100, size = 4096;
static bool keeps, uses_tls;
static const char *recipient;
static struct addrinfo *where;
static gnutls_certificate_credentials_t credentials;
static atomic_uint begun, taken, silent, refused;
static struct timespec last; /* answer with 250 */
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;
static char *message;
static size_t message_length;

struct peer {
    int fd;
    gnutls_session_t tls;
    char input[8192];
    size_t start, end;
    bool silent; /* for so long that it is given up */
};

static ssize_t receive(struct peer *peer)
{
    ssize_t count;
    time_t began = time(NULL);
    /* After a ticket of TLS 1.3 it wants to be asked again, and says the same after a timeout. */
    do
        count = peer->tls ? gnutls_record_recv(peer->tls, peer->input, sizeof peer->input)
                          : recv(peer->fd, peer->input, sizeof peer->input, 0);
    while (peer->tls && (count == GNUTLS_E_INTERRUPTED || count == GNUTLS_E_AGAIN) &&
           time(NULL) - began < PATIENCE - 1);
    if (count < 0)
        peer->silent = peer->tls ? count == GNUTLS_E_AGAIN : errno == EAGAIN;
    return count;
}

static bool put(struct peer *peer, const char *text, size_t length)
{
    while (length) {
        ssize_t count = peer->tls ? gnutls_record_send(peer->tls, text, length)
                                  : send(peer->fd, text, length, MSG_NOSIGNAL);
        if (peer->tls && (count == GNUTLS_E_INTERRUPTED || count == GNUTLS_E_AGAIN))
            continue;
        if (count <= 0)
            return false;
        text += count;
        length -= (size_t)count;
    }
    return true;
}

static int next_byte(struct peer *peer)
{
    if (peer->start == peer->end) {
        ssize_t count = receive(peer);
        if (count <= 0)
            return -1;
        peer->start = 0;
        peer->end = (size_t)count;
    }
    return (unsigned char)peer->input[peer->start++];
}

/* The code of a whole reply; 0: the connection is gone. */
static int read_reply(struct peer *peer)
{
    for (;;) {
        char line[600];
        size_t length = 0;
        int byte;
        while ((byte = next_byte(peer)) >= 0 && byte != '\n')
            if (length < sizeof line - 1)
                line[length++] = (char)byte;
        if (byte < 0 || length < 3)
            return 0;
        line[length] = '\0';
        if (line[3] != '-')
            return atoi(line);
    }
}

static bool ask(struct peer *peer, const char *text, int code)
{
    return put(peer, text, strlen(text)) && read_reply(peer) == code;
}

static bool start_tls(struct peer *peer)
{
    int error;
    if (!ask(peer, "STARTTLS\r\n", 220) || gnutls_init(&peer->tls, GNUTLS_CLIENT) < 0)
        return false;
    gnutls_set_default_priority(peer->tls);
    gnutls_credentials_set(peer->tls, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(peer->tls, peer->fd);
    do
        error = gnutls_handshake(peer->tls);
    while (error < 0 && error != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(error));
    return error == 0 && ask(peer, "EHLO source.example\r\n", 250);
}

static bool open_peer(struct peer *peer)
{
    *peer = (struct peer){.fd = -1};
    int one = 1;
    struct timeval patience = {.tv_sec = PATIENCE};
    peer->fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || connect(peer->fd, where->ai_addr, where->ai_addrlen) < 0)
        return false;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return read_reply(peer) == 220 && ask(peer, "EHLO source.example\r\n", 250) &&
           (!uses_tls || start_tls(peer));
}

static void close_peer(struct peer *peer)
{
    if (peer->fd < 0)
        return;
    (void)ask(peer, "QUIT\r\n", 221);
    if (peer->tls)
        gnutls_deinit(peer->tls);
    close(peer->fd);
    peer->fd = -1;
}

static bool hand_over(struct peer *peer)
{
    char command[500];
    snprintf(command, sizeof command, "RCPT TO:<%s>\r\n", recipient);
    return ask(peer, "MAIL FROM:<source@source.example>\r\n", 250) && ask(peer, command, 250) &&
           ask(peer, "DATA\r\n", 354) && put(peer, message, message_length) &&
           read_reply(peer) == 250;
}

static void count_message(bool good, bool was_silent)
{
    pthread_mutex_lock(&last_lock);
    *(good ? &taken : was_silent ? &silent : &refused) += 1;
    if (good)
        clock_gettime(CLOCK_MONOTONIC, &last);
    pthread_mutex_unlock(&last_lock);
}

static void *work(void *unused)
{
    struct peer peer = {.fd = -1};
    (void)unused;
    while (begun++ < wanted) {
        bool good = (peer.fd >= 0 || open_peer(&peer)) && hand_over(&peer);
        count_message(good, peer.silent);
        if (!keeps || !good)
            close_peer(&peer);
    }
    close_peer(&peer);
    return NULL;
}

static void make_message(void)
{
    static const char head[] = "From: source@source.example\r\nSubject: a message of a bench\r\n"
                               "Message-ID: <bench@source.example>\r\n"
                               "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\n";
    message = malloc(sizeof head + size + size / 60 * 2 + 200);
    if (!message)
        exit(71);
    strcpy(message, head);
    message_length = strlen(head);
    while (message_length < size) {
        memset(message + message_length, 'a' + (char)(message_length % 26), 70);
        memcpy(message + message_length + 70, "\r\n", 2);
        message_length += 72;
    }
    memcpy(message + message_length, ".\r\n", 3);
    message_length += 3;
}

static void usage(void)
{
    fputs("usage: source [-s SESSIONS] [-m MESSAGES] [-l BYTES] [-k] [-t] HOST PORT RECIPIENT\n",
          stderr);
    exit(64);
}

int main(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "s:m:l:kt")) != -1) {
        unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;
        if (option == 's')
            sessions = number;
        else if (option == 'm')
            wanted = number;
        else if (option == 'l')
            size = number;
        else if (option == 'k')
            keeps = true;
        else if (option == 't')
            uses_tls = true;
        else
            usage();
    }
    if (argc - optind != 3 || !sessions)
        usage();
    recipient = argv[optind + 2];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(argv[optind], argv[optind + 1], &hints, &where) != 0 ||
        gnutls_certificate_allocate_credentials(&credentials) < 0)
        return 68;
    signal(SIGPIPE, SIG_IGN);
    make_message();
    struct timespec before;
    pthread_t *threads = calloc(sessions, sizeof *threads);
    if (!threads)
        return 71;
    clock_gettime(CLOCK_MONOTONIC, &before);
    last = before;
    for (unsigned i = 0; i < sessions; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            return 71;
    for (unsigned i = 0; i < sessions; i++)
        pthread_join(threads[i], NULL);
    printf("%u %.6f %u %u\n", taken,
           (double)(last.tv_sec - before.tv_sec) + (double)(last.tv_nsec - before.tv_nsec) / 1e9,
           silent, refused);
    free(threads);
    return taken ? 0 : 1;
}
