/* Streams: deadlines, ends, writing while the peer writes; and names of hosts (dial). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "net/dial.h"
#include "net/stream.h"

struct pair {
    struct stream stream;
    int peer;
};

static void open_pair(struct pair *pair)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    stream_open(&pair->stream, ends[0]);
    stream_allow(&pair->stream, 5000);
    pair->peer = ends[1];
}

static void close_pair(struct pair *pair)
{
    stream_close(&pair->stream);
    stream_close(&pair->stream);
    file_close(&pair->peer);
}

static void test_lines(void **state)
{
    (void)state;
    struct pair pair;
    struct buffer line = {.limit = 10};
    open_pair(&pair);
    assert_false(stream_waiting(&pair.stream));
    assert_true(file_write(pair.peer, "one\r\ntwo\nlong one over it\n", 26));
    assert_true(stream_waiting(&pair.stream));
    assert_true(stream_line(&pair.stream, &line));
    assert_string_equal(buffer_text(&line), "one\r\n");
    buffer_clear(&line);
    assert_true(stream_line(&pair.stream, &line));
    assert_string_equal(buffer_text(&line), "two\n");
    buffer_clear(&line);
    assert_false(stream_line(&pair.stream, &line));
    assert_true(line.failed);
    buffer_free(&line);
    close_pair(&pair);
}

static void test_the_end(void **state)
{
    (void)state;
    struct pair pair;
    struct buffer line = {0};
    open_pair(&pair);
    assert_true(file_write(pair.peer, "cut", 3));
    file_close(&pair.peer);
    assert_false(stream_line(&pair.stream, &line));
    assert_true(pair.stream.ended);
    struct outcome outcome = stream_trouble(&pair.stream, "mx", "now");
    assert_string_equal(outcome.reason, "mx closed the connection now");
    assert_string_equal(outcome.status, "4.4.2");
    assert_true(stream_waiting(&pair.stream));
    assert_false(stream_write(&pair.stream, "x", 1));
    assert_true(pair.stream.broken);
    buffer_free(&line);
    close_pair(&pair);
}

static void test_the_deadline_of_reading(void **state)
{
    (void)state;
    struct pair pair;
    struct buffer line = {0};
    open_pair(&pair);
    stream_allow(&pair.stream, 100);
    int64_t began = clock_ms();
    assert_false(stream_line(&pair.stream, &line));
    assert_in_range(clock_ms() - began, 90, 1000);
    struct outcome outcome = stream_trouble(&pair.stream, "mx", "now");
    assert_string_equal(outcome.reason, "mx took too long now");
    buffer_free(&line);
    close_pair(&pair);
}

static void test_the_deadline_of_writing(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    static char block[4000000];
    stream_allow(&pair.stream, 100);
    int64_t began = clock_ms();
    assert_false(stream_write(&pair.stream, block, sizeof block));
    assert_in_range(clock_ms() - began, 90, 1000);
    close_pair(&pair);
}

/* A peer that writes all it has before it reads anything. */
static void stubborn_peer(int fd, size_t size)
{
    char block[1000];
    memset(block, 'p', sizeof block);
    block[sizeof block - 1] = '\n';
    for (size_t i = 0; i < size; i += sizeof block)
        if (!file_write(fd, block, sizeof block))
            _exit(1);
    size_t got = 0;
    for (ssize_t count; got < size && (count = read(fd, block, sizeof block)) > 0;)
        got += (size_t)count;
    _exit(got == size ? 0 : 2);
}

static void test_two_writers_do_not_block_each_other(void **state)
{
    (void)state;
    struct pair pair;
    enum { SIZE = 400000 };
    static char block[SIZE];
    int small = 4096;
    open_pair(&pair);
    (void)setsockopt(pair.peer, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    (void)setsockopt(pair.stream.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pair.stream.fd);
        stubborn_peer(pair.peer, 200000);
    }
    file_close(&pair.peer);
    stream_allow(&pair.stream, 20000);
    assert_true(stream_write(&pair.stream, block, 200000));
    struct buffer line = {0};
    for (int i = 0; i < 200; i++) {
        buffer_clear(&line);
        assert_true(stream_line(&pair.stream, &line));
        assert_int_equal(line.length, 1000);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    buffer_free(&line);
    close_pair(&pair);
}

static void test_what_is_held_is_bounded(void **state)
{
    (void)state;
    struct pair pair;
    static char block[1000000];
    memset(block, 'x', sizeof block);
    open_pair(&pair);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pair.stream.fd);
        (void)file_write(pair.peer, block, sizeof block);
        _exit(0);
    }
    stream_allow(&pair.stream, 500);
    assert_false(stream_write(&pair.stream, block, sizeof block));
    assert_true(pair.stream.end - pair.stream.start <= STREAM_HELD);
    close_pair(&pair);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* What is here already is still read; what would have to be read first is not, be it there or not.
 */
static void test_what_is_watched_ends_reading(void **state)
{
    (void)state;
    struct pair pair;
    const char *data;
    size_t length;
    int watch[2];
    struct buffer line = {0};
    open_pair(&pair);
    assert_int_equal(pipe2(watch, O_CLOEXEC), 0);
    pair.stream.watch = watch[0];
    assert_true(file_write(pair.peer, "one\ntwo\n", 8));
    assert_true(stream_line(&pair.stream, &line));
    assert_string_equal(buffer_text(&line), "one\n");
    assert_true(file_write(pair.peer, "three\n", 6));
    file_close(&watch[1]);
    pair.stream.looked = 0;
    buffer_clear(&line);
    assert_true(stream_line(&pair.stream, &line));
    assert_string_equal(buffer_text(&line), "two\n");
    assert_false(stream_block(&pair.stream, &data, &length));
    assert_int_equal(pair.stream.error, ECANCELED);
    assert_true(stream_write(&pair.stream, "bye", 3));
    pair.stream.watch = -1;
    assert_true(stream_block(&pair.stream, &data, &length));
    assert_int_equal(length, 6);
    buffer_free(&line);
    file_close(&watch[0]);
    close_pair(&pair);

    open_pair(&pair);
    assert_int_equal(pipe2(watch, O_CLOEXEC), 0);
    pair.stream.watch = watch[0];
    pair.stream.looked = clock_ms();
    file_close(&watch[1]);
    assert_false(stream_block(&pair.stream, &data, &length));
    assert_int_equal(pair.stream.error, ECANCELED);
    file_close(&watch[0]);
    close_pair(&pair);
}

static void test_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        unsigned port;
    } good[] = {
        {"mx.example", "mx.example", 25},   {"mx.example:2525", "mx.example", 2525},
        {"[::1]:465", "::1", 465},          {"[::1]", "::1", 25},
        {"2001:db8::1", "2001:db8::1", 25}, {"192.0.2.1:65535", "192.0.2.1", 65535},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char *host = NULL;
        unsigned port = 0;
        assert_true(dial_parse(good[i].text, 25, &host, &port));
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
        free(host);
    }
    static const char *const bad[] = {"",     ":25",   "mx:0",    "mx:65536", "mx:x",   "mx:",
                                      "[::1", "[]:25", "[::1]25", "[::1]:",   "mx:25x", "mx:-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *host = NULL;
        unsigned port = 0;
        assert_false(dial_parse(bad[i], 25, &host, &port));
        assert_null(host);
    }
}

static bool loopback(const char *text, int family)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    bool is_six = family == AF_INET6;
    assert_int_equal(inet_pton(family, text, is_six ? (void *)&six.sin6_addr : &four.sin_addr), 1);
    return dial_is_loopback(is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four);
}

static void test_loopback(void **state)
{
    (void)state;
    assert_true(loopback("127.0.0.1", AF_INET));
    assert_true(loopback("127.255.0.9", AF_INET));
    assert_false(loopback("128.0.0.1", AF_INET));
    assert_false(loopback("0.0.0.0", AF_INET));
    assert_true(loopback("::1", AF_INET6));
    assert_true(loopback("::ffff:127.0.0.1", AF_INET6));
    assert_false(loopback("::ffff:10.0.0.1", AF_INET6));
    assert_false(loopback("::", AF_INET6));
    assert_false(loopback("fe80::1", AF_INET6));
}

static void test_dialling(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    struct addrinfo *found;
    struct outcome outcome = dial_resolve("127.0.0.1", ntohs(address.sin_port), true, &found);
    assert_int_equal(outcome.result, DONE);
    outcome = dial_connect(found, "me", 2000, &fd);
    assert_int_equal(outcome.result, LATER);
    assert_string_equal(outcome.status, "4.4.1");
    assert_int_equal(listen(listener, 1), 0);
    outcome = dial_connect(found, "me", 2000, &fd);
    assert_int_equal(outcome.result, DONE);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    freeaddrinfo(found);
    close(fd);
    close(listener);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_the_end),
        cmocka_unit_test(test_the_deadline_of_reading),
        cmocka_unit_test(test_the_deadline_of_writing),
        cmocka_unit_test(test_two_writers_do_not_block_each_other),
        cmocka_unit_test(test_what_is_held_is_bounded),
        cmocka_unit_test(test_what_is_watched_ends_reading),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_dialling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
