/* See server.h. RFC 5321, 2033 (LMTP), 3207 (STARTTLS). */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "connection.h"

struct server {
    int tcp, local, order[2], answer[2];
    char address[32], path[108];
    gnutls_certificate_credentials_t good, strange;
    const struct script *script;
    const struct bodies *bodies;
    bool used[POINTS];
    struct record record;
};

/* One connection and its transaction. */
struct visit {
    struct server *server;
    bool before; /* the message is one of those that go before A */
    bool is_b, mail, accepted[ALL_RECIPIENTS], answered;
    struct connection wire;
};

static void die(const char *what)
{
    fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- replies ---- */

static void trouble(struct visit *visit, const char *words)
{
    visit->wire.over = true;
    if (!visit->server->record.trouble)
        visit->server->record.trouble = words;
}

/* What stands at the point, the first time; all is well from then on. */
static const struct behaviour *find(struct server *server, enum point point)
{
    size_t index = server->used[point] ? 0 : server->script->at[point];
    server->used[point] = true;
    return &behaviours[index];
}

/* RFC 2034, RFC 3463. */
static const char *find_status(const struct server *server, enum point point)
{
    if (!variant_chunks(server->script->variant))
        return "";
    if (point == AT_MAIL || point == AT_MAIL_B)
        return "2.1.0";
    if ((point >= AT_RCPT && point <= AT_RCPT_LAST) || point == AT_RCPT_B)
        return "2.1.5";
    return point == AT_DOT || point == AT_DOT_B || point == AT_RESET ? "2.0.0" : "";
}

static enum meaning reply(struct visit *visit, enum point point, const char *code)
{
    static _Thread_local struct text text;
    const struct behaviour *one = visit->before ? &behaviours[0] : find(visit->server, point);
    text.length = 0;
    text_compose(one, code, find_status(visit->server, point), &text);
    connection_utter(&visit->wire, one, &text);
    return one->meaning;
}

static void say(struct visit *visit, const char *line)
{
    connection_put(&visit->wire, line, strlen(line));
}

/* Whether a meaning lets the client go on. */
static bool is_good(enum meaning meaning)
{
    return meaning == GOOD || meaning == SURPLUS;
}

/* ---- what is said before mail ---- */

static void offer(struct text *text, const char *words)
{
    text_append(text, "250-", 4);
    text_append(text, words, strlen(words));
    text_append(text, "\r\n", 2);
}

/* Offers are made of what the variant has; other behaviours are as everywhere. */
static void hello(struct visit *visit, bool bare)
{
    static _Thread_local struct text text;
    enum variant variant = visit->server->script->variant;
    if (bare) {
        say(visit, "250 plain\r\n");
        return;
    }
    bool again = visit->wire.tls && variant != IMPLICIT;
    const struct behaviour *one = find(visit->server, again ? AT_HELLO_TLS : AT_HELLO);
    text.length = 0;
    if (!is_good(one->meaning) && one->meaning != SMALL && one->meaning != POOR) {
        text_compose(one, "250", "", &text);
        connection_utter(&visit->wire, one, &text);
        return;
    }
    bool more = (variant == STARTTLS || variant == OPPORTUNE) && !visit->wire.tls;
    offer(&text, "hostile.example");
    for (size_t i = 0; i < one->repeated; i++)
        offer(&text, "X-MORE");
    if (variant_pipelines(variant))
        offer(&text, "PIPELINING");
    if (more)
        offer(&text, "STARTTLS");
    if (variant_signs_in(variant) && visit->wire.tls && one->meaning != POOR)
        offer(&text, "AUTH PLAIN LOGIN");
    offer(&text, one->meaning == SMALL ? "SIZE 10" : "SIZE 100000000");
    for (size_t i = 0; one->meaning == SMALL && i < ALL_RECIPIENTS; i++)
        visit->server->record.refused[i] = true;
    if (variant_chunks(variant))
        offer(&text, "CHUNKING"), offer(&text, "ENHANCEDSTATUSCODES");
    text_append(&text, "250 8BITMIME\r\n", 14);
    if (one->meaning == SURPLUS)
        text_append(&text, "250 and more\r\n", 14);
    connection_utter(&visit->wire, one, &text);
}

static void shake_hands(struct visit *visit)
{
    struct server *server = visit->server;
    const struct behaviour *one = find(server, AT_HANDSHAKE);
    static _Thread_local struct text text;
    visit->wire.length = 0;
    if (one->meaning == BROKEN) {
        /* Not before the client has begun: else it is what C5 is about. */
        (void)connection_receive(&visit->wire);
        text.length = 0;
        text_compose(one, "250", "", &text);
        connection_utter(&visit->wire, one, &text);
        /* As a record of TLS it may have only begun. */
        shutdown(visit->wire.fd, SHUT_WR);
        connection_drain(&visit->wire);
        visit->wire.over = true;
        return;
    }
    if (gnutls_init(&visit->wire.tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL) < 0)
        die("gnutls_init");
    gnutls_set_default_priority(visit->wire.tls);
    gnutls_credentials_set(visit->wire.tls, GNUTLS_CRD_CERTIFICATE,
                           one->meaning == PERMANENT ? server->strange : server->good);
    gnutls_transport_set_int(visit->wire.tls, visit->wire.fd);
    gnutls_handshake_set_timeout(visit->wire.tls, CONNECTION_PATIENCE_MS);
    gnutls_record_set_timeout(visit->wire.tls, CONNECTION_PATIENCE_MS);
    int error;
    do
        error = gnutls_handshake(visit->wire.tls);
    while (error < 0 && !gnutls_error_is_fatal(error));
    if (error < 0)
        visit->wire.over = true; /* it does not like what it saw */
}

/* ---- mail ---- */

/* Recipients of the message at hand: from the first to the one before the second. Of those of
 * messages before A there is nothing to be noted. */
static size_t first_of(const struct visit *visit)
{
    return visit->is_b ? RECIPIENTS : 0;
}

static size_t end_of(const struct visit *visit)
{
    return visit->before ? 0 : visit->is_b ? ALL_RECIPIENTS : RECIPIENTS;
}

static bool has_accepted(const struct visit *visit)
{
    for (size_t i = first_of(visit); i < end_of(visit); i++)
        if (visit->accepted[i])
            return true;
    return false;
}

/* A 5yz that is about these, or about those who were accepted. */
static void note_refusal(struct visit *visit, enum meaning meaning, bool all)
{
    if (meaning == PERMANENT || meaning == SURPLUS)
        for (size_t i = first_of(visit); i < end_of(visit); i++)
            if (all || visit->accepted[i])
                visit->server->record.refused[i] = true;
}

/* Behind a reply too many, what is said to it is read as what is said to MAIL. */
static void reset(struct visit *visit)
{
    enum meaning meaning = reply(visit, AT_RESET, "250");
    if (meaning == SURPLUS || meaning == PERMANENT)
        visit->server->record.refused[RECIPIENTS] = true;
}

static void mail(struct visit *visit, const char *line)
{
    visit->is_b = strstr(line, "<b@") != NULL;
    visit->before = strstr(line, "<w@") != NULL;
    memset(visit->accepted, 0, sizeof visit->accepted);
    enum meaning meaning = reply(visit, visit->is_b ? AT_MAIL_B : AT_MAIL, "250");
    visit->mail = is_good(meaning);
    note_refusal(visit, meaning, true);
}

static void rcpt(struct visit *visit, const char *line)
{
    const char *user = strchr(line, '<');
    if (visit->before) {
        (void)reply(visit, AT_RCPT, "250");
        return;
    }
    if (!user || (user[1] != 'r' && user[1] != 's')) {
        trouble(visit, "a recipient that nobody named");
        return;
    }
    size_t index = user[1] == 's' ? RECIPIENTS : (size_t)(user[2] - '0');
    enum meaning meaning =
        reply(visit, user[1] == 's' ? AT_RCPT_B : (enum point)(AT_RCPT + index), "250");
    visit->accepted[index] = is_good(meaning) && visit->mail;
    if (meaning == SURPLUS)
        note_refusal(visit, meaning, true);
    else if (meaning == PERMANENT)
        visit->server->record.refused[index] = true;
}

/* The end of the message within what has come: behind its dot; 0: not there yet. */
static size_t find_end(const struct visit *visit)
{
    if (visit->wire.length >= 3 && memcmp(visit->wire.in, ".\r\n", 3) == 0)
        return 3;
    const char *end = memmem(visit->wire.in, visit->wire.length, "\r\n.\r\n", 5);
    return end ? (size_t)(end - visit->wire.in) + 5 : 0;
}

/* Whether it is the message, with its dots undone. */
static bool is_whole(const struct visit *visit, size_t length)
{
    const struct bodies *bodies = visit->server->bodies;
    bool is_a = !visit->is_b && !visit->before;
    const char *wanted = is_a ? bodies->a : bodies->b;
    const char *end = wanted + (is_a ? bodies->a_length : bodies->b_length);
    bool at_begin = true;
    for (size_t i = 0; i < length - 3; i++) {
        if (at_begin && visit->wire.in[i] == '.')
            i++;
        if (wanted == end || visit->wire.in[i] != *wanted++)
            return false;
        at_begin = visit->wire.in[i] == '\n';
    }
    return wanted == end;
}

static void note_copy(struct visit *visit, size_t recipient, enum meaning meaning)
{
    struct record *record = &visit->server->record;
    if (meaning == PERMANENT || meaning == UNKNOWN)
        record->refused[recipient] = true;
    /* Who closes instead of an answer may have taken it. */
    if (!is_good(meaning) && meaning != BROKEN)
        return;
    record->copies[recipient]++;
    record->told[recipient] = record->told[recipient] || is_good(meaning);
}

/* Of more replies than commands nobody can tell what each is about. */
static void note_surplus(struct visit *visit, bool each)
{
    struct record *record = &visit->server->record;
    record->refused[RECIPIENTS] = true;
    note_refusal(visit, SURPLUS, true);
    for (size_t i = first_of(visit); each && i < end_of(visit); i++)
        record->told[i] = record->told[i] || visit->accepted[i];
}

static void end_message(struct visit *visit)
{
    bool each = variant_is_lmtp(visit->server->script->variant);
    enum point dot = visit->is_b ? AT_DOT_B : AT_DOT;
    enum meaning meaning = each ? GOOD : reply(visit, dot, "250");
    if (meaning == SURPLUS)
        note_surplus(visit, false);
    for (size_t i = first_of(visit); i < end_of(visit); i++) {
        if (!visit->accepted[i])
            continue;
        if (each) {
            bool was_over = visit->wire.over;
            meaning = reply(visit, dot + (enum point)(i - first_of(visit)), "250");
            if (meaning == SURPLUS)
                note_surplus(visit, true);
            if (was_over)
                meaning = BROKEN;
        }
        note_copy(visit, i, meaning);
    }
    visit->mail = false;
}

static void data(struct visit *visit)
{
    struct server *server = visit->server;
    enum meaning meaning = reply(visit, visit->is_b ? AT_DATA_B : AT_DATA, "354");
    note_refusal(visit, meaning, meaning == SURPLUS);
    if (!is_good(meaning) || visit->wire.over)
        return;
    bool wanted = has_accepted(visit) || visit->before;
    size_t end;
    visit->answered = false;
    while (!(end = find_end(visit))) {
        /* In the middle of it. */
        if (visit->wire.length > 1000 && !visit->is_b && !visit->before && !server->used[AT_BODY] &&
            server->script->at[AT_BODY]) {
            note_refusal(visit, reply(visit, AT_BODY, "250"), false);
            visit->answered = true;
        }
        if (!connection_receive(&visit->wire))
            return;
    }
    if (wanted ? !is_whole(visit, end) : end != 3)
        server->record.damaged = true;
    connection_drop(&visit->wire, end);
    if (!visit->answered)
        end_message(visit);
    visit->mail = false;
}

/* All of the message behind its command, with no dots doubled (RFC 3030). */
static void chunk(struct visit *visit, const char *line)
{
    const struct bodies *bodies = visit->server->bodies;
    struct connection *wire = &visit->wire;
    const char *wanted = visit->is_b ? bodies->b : bodies->a;
    char *rest;
    size_t size = strtoul(line + strlen("BDAT "), &rest, 10);
    size_t right = visit->is_b ? bodies->b_length : bodies->a_length;
    if (strncmp(rest, " LAST", 5) != 0 || size > CONNECTION_ROOM) {
        trouble(visit, "a chunk that is not the last");
        return;
    }
    while (wire->length < size)
        if (!connection_receive(wire))
            return;
    if (size != right || memcmp(wire->in, wanted, size) != 0)
        visit->server->record.damaged = true;
    connection_drop(wire, size);
    end_message(visit);
}

/* ---- the dialogue ---- */

static bool is_clear(const struct visit *visit)
{
    return !visit->wire.tls && variant_signs_in(visit->server->script->variant);
}

static bool starts(const char *line, const char *verb)
{
    return strncmp(line, verb, strlen(verb)) == 0;
}

static void obey(struct visit *visit, const char *line)
{
    struct record *record = &visit->server->record;
    if (starts(line, "EHLO") || starts(line, "LHLO") || starts(line, "HELO"))
        hello(visit, *line == 'H');
    else if (starts(line, "MAIL"))
        mail(visit, line);
    else if (starts(line, "RCPT"))
        rcpt(visit, line);
    else if (starts(line, "DATA"))
        data(visit);
    else if (starts(line, "BDAT"))
        chunk(visit, line);
    else if (starts(line, "RSET"))
        reset(visit);
    else if (starts(line, "AUTH"))
        (void)reply(visit, AT_AUTH, "235");
    else if (starts(line, "QUIT"))
        (void)reply(visit, AT_QUIT, "221"), visit->wire.over = true;
    else if (starts(line, "STARTTLS")) {
        if (is_good(reply(visit, AT_STARTTLS, "220")) && !visit->wire.over)
            shake_hands(visit);
    } else
        trouble(visit, "a command that nobody knows");
    if (is_clear(visit) && (starts(line, "AUTH") || starts(line, "MAIL")))
        record->leaked = true;
}

static void serve(struct server *server, int fd)
{
    static struct visit visit; /* one at a time, and large */
    struct connection *wire = &visit.wire;
    int yes = 1;
    visit = (struct visit){.server = server, .wire.fd = fd};
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    server->record.connections++;
    if (server->script->variant == IMPLICIT)
        shake_hands(&visit);
    if (!wire->over)
        (void)reply(&visit, AT_GREETING, "220");
    while (!wire->over) {
        char *newline = memchr(wire->in, '\n', wire->length);
        if (!newline) {
            if (!connection_receive(wire))
                break;
            continue;
        }
        char line[1024];
        size_t length = (size_t)(newline - wire->in) + 1;
        snprintf(line, sizeof line, "%.*s", (int)length - 1, wire->in);
        connection_drop(wire, length);
        obey(&visit, line);
    }
    if (wire->idle)
        trouble(&visit, "the client neither speaks nor closes");
    if (wire->tls)
        gnutls_deinit(wire->tls);
    close(fd);
}

static void *work(void *argument)
{
    struct server *server = argument;
    for (;;) {
        struct pollfd wanted[] = {{.fd = server->local, .events = POLLIN},
                                  {.fd = server->tcp, .events = POLLIN},
                                  {.fd = server->order[0], .events = POLLIN}};
        if (poll(wanted, 3, -1) < 0)
            die("poll");
        char byte;
        /* Who is connected already is served before the dialogue is over. */
        if (wanted[0].revents || wanted[1].revents)
            serve(server, accept(wanted[0].revents ? server->local : server->tcp, NULL, NULL));
        else if (read(server->order[0], &byte, 1) != 1 || write(server->answer[1], &byte, 1) != 1)
            return NULL;
    }
}

/* ---- for the client's side ---- */

static gnutls_certificate_credentials_t load(const char *certificate, const char *key)
{
    gnutls_certificate_credentials_t credentials;
    if (gnutls_certificate_allocate_credentials(&credentials) < 0 ||
        gnutls_certificate_set_x509_key_file(credentials, certificate, key, GNUTLS_X509_FMT_PEM) <
            0)
        die("cannot load a certificate");
    return credentials;
}

struct server *server_start(const char *folder, const char *certificate, const char *strange,
                            const char *key)
{
    static struct server server;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    snprintf(server.path, sizeof server.path, "%s/%ld", folder, (long)getpid());
    memcpy(local.sun_path, server.path, sizeof local.sun_path);
    server.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server.local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server.tcp, (struct sockaddr *)&address, length) < 0 || listen(server.tcp, 16) < 0 ||
        getsockname(server.tcp, (struct sockaddr *)&address, &length) < 0 ||
        bind(server.local, (struct sockaddr *)&local, sizeof local) < 0 ||
        listen(server.local, 16) < 0 || pipe(server.order) < 0 || pipe(server.answer) < 0)
        die("cannot listen");
    snprintf(server.address, sizeof server.address, "127.0.0.1:%u", ntohs(address.sin_port));
    server.good = load(certificate, key);
    server.strange = load(strange, key);
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, &server) != 0)
        die("cannot start a thread");
    return &server;
}

const char *server_address(const struct server *server)
{
    return server->address;
}

const char *server_socket(const struct server *server)
{
    return server->path;
}

void server_begin(struct server *server, const struct script *script, const struct bodies *bodies)
{
    server->script = script;
    server->bodies = bodies;
    memset(server->used, 0, sizeof server->used);
    server->record = (struct record){0};
}

void server_end(struct server *server, struct record *record)
{
    char byte = 0;
    if (write(server->order[1], &byte, 1) != 1 || read(server->answer[0], &byte, 1) != 1)
        die("the server is gone");
    *record = server->record;
}
