/* See connection.h. */
#include "connection.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LATE_MS = 15, ONE_READ = 65536 };

static void wait_in_vain(struct connection *connection)
{
    connection->over = true;
    connection->idle = true;
}

static ssize_t take(struct connection *connection, char *data, size_t size)
{
    if (connection->tls)
        return gnutls_record_recv(connection->tls, data, size);
    struct pollfd ready = {.fd = connection->fd, .events = POLLIN};
    if (poll(&ready, 1, CONNECTION_PATIENCE_MS) == 0) {
        wait_in_vain(connection);
        return 0;
    }
    return recv(connection->fd, data, size, 0);
}

/* More of what the client says; false: it has nothing to say any more. */
bool connection_receive(struct connection *connection)
{
    if (connection->over || connection->length == CONNECTION_ROOM)
        return false;
    size_t room = CONNECTION_ROOM - connection->length;
    ssize_t count =
        take(connection, connection->in + connection->length, room < ONE_READ ? room : ONE_READ);
    if (count == GNUTLS_E_TIMEDOUT)
        wait_in_vain(connection);
    if (count > 0)
        connection->length += (size_t)count;
    else
        connection->over = true;
    return count > 0;
}

void connection_drop(struct connection *connection, size_t length)
{
    connection->length -= length;
    memmove(connection->in, connection->in + length, connection->length);
}

void connection_put(struct connection *connection, const char *data, size_t length)
{
    while (length && !connection->over) {
        ssize_t count = connection->tls ? gnutls_record_send(connection->tls, data, length)
                                        : send(connection->fd, data, length, MSG_NOSIGNAL);
        if (count <= 0)
            return; /* the client has heard enough */
        data += count;
        length -= (size_t)count;
    }
}

/* Until the client closes. */
void connection_drain(struct connection *connection)
{
    do
        connection->length = 0;
    while (connection_receive(connection));
}

void text_append(struct text *text, const char *data, size_t length)
{
    if (length > CONNECTION_ROOM - text->length)
        abort();
    memcpy(text->data + text->length, data, length);
    text->length += length;
}

/* The '%', and what stands behind it: a space or hyphen, if there are words. */
static const char *append_code(const char *at, const char *code, const char *status,
                               struct text *text)
{
    text_append(text, code, 3);
    if (!*status || (at[1] != ' ' && at[1] != '-'))
        return at;
    text_append(text, at + 1, 1);
    text_append(text, status, strlen(status));
    text_append(text, " ", 1);
    return at + 1;
}

void text_compose(const struct behaviour *one, const char *code, const char *status,
                  struct text *text)
{
    for (size_t times = one->repeated ? one->repeated : 1; times; times--)
        for (const char *at = one->text; *at; at++)
            if (*at == '%')
                at = append_code(at, code, status, text);
            else if (*at == '#')
                for (size_t i = 0; i < one->filler; i++)
                    text_append(text, "x", 1);
            else
                text_append(text, *at == '\1' ? "" : at, 1);
    if (one->repeated && one->meaning == GOOD)
        text_append(text, code, 3), text_append(text, "\r\n", 2);
}

/* Says it, and does what comes behind it. */
void connection_utter(struct connection *connection, const struct behaviour *one,
                      const struct text *text)
{
    if (one->late)
        (void)poll(NULL, 0, LATE_MS);
    for (size_t i = 0; one->bytewise && i < text->length; i++)
        connection_put(connection, text->data + i, 1);
    if (!one->bytewise)
        connection_put(connection, text->data, text->length);
    if (one->then == RESETS) {
        struct linger none = {.l_onoff = 1};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        connection->over = true;
    } else if (one->then == CLOSES) {
        if (connection->tls)
            gnutls_bye(connection->tls, GNUTLS_SHUT_WR);
        shutdown(connection->fd, SHUT_WR);
    }
    if (one->then == CLOSES || one->then == HANGS) {
        connection_drain(connection);
        connection->over = true;
    }
}
