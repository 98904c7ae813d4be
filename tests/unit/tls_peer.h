/*
 * Both ends of a handshake for the tests of the server's side: a session forked as the listener
 * forks them, which reports what it found, and a client that can be told to ask for anything.
 */
#ifndef TESTS_UNIT_TLS_PEER_H
#define TESTS_UNIT_TLS_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "certificate.h"
#include "net/stream.h"
#include "net/tls_server.h"

/* The session's process. What it says comes out of .report: "accepted" or why not, and how it
 * ended. */
struct served {
    pid_t pid;
    int client; /* the client's end of the connection, blocking */
    int report;
};

static inline void serve(int fd, int report, const struct tls_identity *identity, int watch,
                         int limit_ms)
{
    struct buffer words = {0};
    struct tls *tls;
    struct outcome outcome = tls_accept(&tls, fd, identity, watch, clock_ms() + limit_ms);
    if (!outcome_good(&outcome)) {
        buffer_format(&words, "%s %s\n", outcome.status, outcome.reason);
        (void)file_write(report, words.data, words.length);
        return;
    }
    buffer_append_text(&words, "accepted ");
    tls_describe_received(tls, &words);
    buffer_append_text(&words, "; ");
    tls_describe(tls, &words);
    buffer_append_text(&words, tls_client_is_verified(tls) ? "; vouched for: " : "; a stranger: ");
    tls_client_name(tls, &words);
    struct stream stream;
    stream_open(&stream, fd);
    stream_secure(&stream, tls);
    stream_allow(&stream, limit_ms);
    (void)stream_write(&stream, "hello\n", 6);
    struct buffer line = {0};
    size_t taken = 0;
    while (stream_line(&stream, &line)) {
        taken += line.length;
        buffer_clear(&line);
    }
    buffer_format(&words, "; ended with error %d after %zu bytes\n", stream.error, taken);
    (void)file_write(report, words.data, words.length);
    stream_close(&stream);
}

static inline struct served served_start(const struct tls_identity *identity, int watch,
                                         int limit_ms)
{
    int ends[2], report[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(pipe(report), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[1]);
        close(report[0]);
        serve(ends[0], report[1], identity, watch, limit_ms);
        _exit(0);
    }
    close(ends[0]);
    close(report[1]);
    return (struct served){pid, ends[1], report[0]};
}

/* Ends the client's end and hands out what the session said. */
static inline void served_end(struct served *served, char *report, size_t size)
{
    int status;
    char rest[256];
    /* What it has still to say is taken: a connection reset would hide it. */
    shutdown(served->client, SHUT_WR);
    fcntl(served->client, F_SETFL, 0);
    while (read(served->client, rest, sizeof rest) > 0)
        ;
    file_close(&served->client);
    ssize_t length = file_read(served->report, report, size - 1);
    assert_true(length > 0);
    report[length] = '\0';
    file_close(&served->report);
    assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
    assert_int_equal(status, 0);
}

/* What the client wants; everything may be left out. */
struct greeting {
    const char *priorities; /* "NORMAL" */
    const char *host, *alpn;
    const char *certificate, *key; /* PEM files */
    const gnutls_datum_t *ticket;  /* to resume with */
    size_t lines;                  /* to send, of 1000 bytes each */
    bool again;                    /* a second handshake on the same connection (TLS 1.2) */
};

/* What came of it. Free .ticket. */
struct meeting {
    bool good, resumed;
    char shown[100];          /* the common name of the server's certificate and its kind of key */
    unsigned char random[32]; /* the server's */
    gnutls_datum_t ticket;
    char report[1000];
};

static inline void note_certificate(gnutls_session_t session, char *shown, size_t size)
{
    unsigned count;
    char name[64] = "";
    size_t length = sizeof name;
    gnutls_x509_crt_t certificate;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &count);
    assert_non_null(der);
    assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
    assert_int_equal(gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER), 0);
    gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &length);
    int algorithm = gnutls_x509_crt_get_pk_algorithm(certificate, NULL);
    snprintf(shown, size, "%s %s", name, algorithm == GNUTLS_PK_RSA ? "RSA" : "EC");
    gnutls_x509_crt_deinit(certificate);
}

static inline void converse(gnutls_session_t session, const struct greeting *greeting,
                            struct meeting *meeting)
{
    char word[16];
    gnutls_datum_t client_random, server_random;
    note_certificate(session, meeting->shown, sizeof meeting->shown);
    gnutls_session_get_random(session, &client_random, &server_random);
    memcpy(meeting->random, server_random.data, sizeof meeting->random);
    meeting->resumed = gnutls_session_is_resumed(session);
    ssize_t length;
    do /* tickets come first */
        length = gnutls_record_recv(session, word, sizeof word);
    while (length == GNUTLS_E_AGAIN);
    meeting->good = length == 6;
    static char line[1001];
    snprintf(line, sizeof line, "%999s\n", "data");
    for (size_t i = 0; i < greeting->lines && meeting->good; i++)
        meeting->good = gnutls_record_send(session, line, 1000) == 1000;
    if (greeting->again)
        meeting->good = gnutls_handshake(session) >= 0;
    (void)gnutls_session_get_data2(session, &meeting->ticket);
    gnutls_bye(session, GNUTLS_SHUT_WR);
}

static inline void meet(const struct tls_identity *identity, const struct greeting *greeting,
                        struct meeting *meeting)
{
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    struct served served = served_start(identity, -1, 20000);
    memset(meeting, 0, sizeof *meeting);
    /* It shows its certificate whomever the server asks for. */
    gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT);
    gnutls_certificate_allocate_credentials(&credentials);
    if (greeting->certificate)
        assert_int_equal(gnutls_certificate_set_x509_key_file(credentials, greeting->certificate,
                                                              greeting->key, GNUTLS_X509_FMT_PEM),
                         0);
    const char *priorities = greeting->priorities ? greeting->priorities : "NORMAL";
    assert_int_equal(gnutls_priority_set_direct(session, priorities, NULL), 0);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (greeting->host)
        gnutls_server_name_set(session, GNUTLS_NAME_DNS, greeting->host, strlen(greeting->host));
    if (greeting->alpn) {
        gnutls_datum_t name = {(unsigned char *)greeting->alpn, (unsigned)strlen(greeting->alpn)};
        gnutls_alpn_set_protocols(session, &name, 1, 0);
    }
    if (greeting->ticket)
        gnutls_session_set_data(session, greeting->ticket->data, greeting->ticket->size);
    gnutls_transport_set_int(session, served.client);
    if (gnutls_handshake(session) >= 0)
        converse(session, greeting, meeting);
    served_end(&served, meeting->report, sizeof meeting->report);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
}

#endif
