/* See milter_macros.h. A table of names, when they are given unasked, and what they say. */
#include "filter/milter_macros.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "config/network.h"
#include "net/tls_server.h"
#include "route/route.h"

bool milter_client_address(const struct filter_client *client, struct buffer *address,
                           unsigned *port)
{
    char plain[INET6_ADDRSTRLEN] = "127.0.0.1";
    struct network network = {.family = AF_INET};
    *port = 0;
    if (client->address && network_of(client->address, &network)) {
        (void)inet_ntop(network.family, network.address, plain, sizeof plain);
        /* The port has the same place in both families. */
        *port = ntohs(((const struct sockaddr_in *)(const void *)client->address)->sin_port);
    }
    buffer_append_text(address, plain);
    return network.family == AF_INET6;
}

const char *milter_client_name(const struct milter_facts *facts)
{
    return facts->name->confirmed ? facts->name->name : facts->client->literal;
}

/* ---- what they say: nothing behind the buffer means that there is nothing to say ---- */

typedef void (*say)(const struct milter_facts *facts, struct buffer *value);

static void add_text(struct buffer *value, const char *text)
{
    if (text)
        buffer_append_text(value, text);
}

static void say_hostname(const struct milter_facts *facts, struct buffer *value)
{
    buffer_append_text(value, facts->settings->hostname);
}

static void say_version(const struct milter_facts *facts, struct buffer *value)
{
    (void)facts;
    buffer_append_text(value, "Postrider " POSTRIDER_VERSION);
}

static void say_service(const struct milter_facts *facts, struct buffer *value)
{
    const char *service = facts->client->service;
    buffer_append_text(value, service && *service ? service : "smtp");
}

static void say_client_name(const struct milter_facts *facts, struct buffer *value)
{
    buffer_append_text(value, milter_client_name(facts));
}

static void say_client_ptr(const struct milter_facts *facts, struct buffer *value)
{
    add_text(value, facts->name->name);
}

static void say_client_resolve(const struct milter_facts *facts, struct buffer *value)
{
    buffer_append_text(value, facts->name->confirmed ? "OK"
                              : facts->name->name    ? "FORGED"
                                                     : "FAIL");
}

static void say_client_address(const struct milter_facts *facts, struct buffer *value)
{
    unsigned port;
    (void)milter_client_address(facts->client, value, &port);
}

static void say_client_port(const struct milter_facts *facts, struct buffer *value)
{
    struct buffer address = {0};
    unsigned port;
    (void)milter_client_address(facts->client, &address, &port);
    buffer_format(value, "%u", port);
    buffer_free(&address);
}

/* "mx.example.org [192.0.2.1]", as sendmail has it. */
static void say_client(const struct milter_facts *facts, struct buffer *value)
{
    const struct client_name *name = facts->name;
    if (name->name)
        buffer_format(value, "%s ", name->name);
    buffer_append_byte(value, '[');
    say_client_address(facts, value);
    buffer_append_byte(value, ']');
    if (name->name && !name->confirmed)
        buffer_append_text(value, " (may be forged)");
}

static void say_tls_version(const struct milter_facts *facts, struct buffer *value)
{
    const char *version = facts->client->tls ? tls_facts(facts->client->tls).version : NULL;
    /* GnuTLS says "TLS1.3", others "TLSv1.3". */
    if (version)
        buffer_format(value, "TLSv%s", version + strcspn(version, "0123456789"));
}

static void say_cipher(const struct milter_facts *facts, struct buffer *value)
{
    add_text(value, facts->client->tls ? tls_facts(facts->client->tls).suite : NULL);
}

static void say_cipher_bits(const struct milter_facts *facts, struct buffer *value)
{
    if (facts->client->tls)
        buffer_format(value, "%u", tls_facts(facts->client->tls).bits);
}

static void say_verify(const struct milter_facts *facts, struct buffer *value)
{
    if (!facts->client->tls)
        return;
    struct buffer name = {0};
    tls_client_name(facts->client->tls, &name);
    buffer_append_text(value, tls_client_is_verified(facts->client->tls) ? "OK"
                              : name.length                              ? "FAIL"
                                                                         : "NO");
    buffer_free(&name);
}

static void say_subject(const struct milter_facts *facts, struct buffer *value)
{
    if (facts->client->tls)
        tls_client_name(facts->client->tls, value);
}

static void say_issuer(const struct milter_facts *facts, struct buffer *value)
{
    if (facts->client->tls)
        tls_client_issuer(facts->client->tls, value);
}

static void say_id(const struct milter_facts *facts, struct buffer *value)
{
    add_text(value, facts->client->id);
}

static void say_mechanism(const struct milter_facts *facts, struct buffer *value)
{
    add_text(value, facts->client->user ? facts->client->mechanism : NULL);
}

static void say_user(const struct milter_facts *facts, struct buffer *value)
{
    add_text(value, facts->client->user);
}

static void say_mailer(const struct milter_facts *facts, const struct address *address,
                       struct buffer *value)
{
    if (address && !address_is_null(address))
        buffer_append_text(value,
                           route_is_local(facts->settings, address->domain) ? "local" : "esmtp");
}

static void say_host(const struct address *address, struct buffer *value)
{
    add_text(value, address ? address->domain : NULL);
}

static void say_address(const struct address *address, struct buffer *value)
{
    if (address)
        address_format(address, value);
}

static void say_mail_mailer(const struct milter_facts *facts, struct buffer *value)
{
    say_mailer(facts, facts->sender, value);
}

static void say_mail_host(const struct milter_facts *facts, struct buffer *value)
{
    say_host(facts->sender, value);
}

static void say_mail_address(const struct milter_facts *facts, struct buffer *value)
{
    if (facts->sender && address_is_null(facts->sender))
        buffer_append_text(value, "<>");
    else
        say_address(facts->sender, value);
}

static void say_rcpt_mailer(const struct milter_facts *facts, struct buffer *value)
{
    say_mailer(facts, facts->recipient, value);
}

static void say_rcpt_host(const struct milter_facts *facts, struct buffer *value)
{
    say_host(facts->recipient, value);
}

static void say_rcpt_address(const struct milter_facts *facts, struct buffer *value)
{
    say_address(facts->recipient, value);
}

static void say_message_id(const struct milter_facts *facts, struct buffer *value)
{
    char *words = facts->header ? header_words(facts->header, "Message-ID") : NULL;
    add_text(value, words);
    free(words);
}

/* ---- the table ---- */

#define AT(stage) (1u << STAGE_##stage)

static const struct macro {
    const char *name;
    unsigned given; /* where it is unasked */
    say say;
} macros[] = {
    {"j", AT(CONNECT), say_hostname},
    {"_", AT(CONNECT), say_client},
    {"v", AT(CONNECT), say_version},
    {"daemon_name", AT(CONNECT), say_service},
    {"client_addr", AT(CONNECT), say_client_address},
    {"client_name", AT(CONNECT), say_client_name},
    {"client_ptr", AT(CONNECT), say_client_ptr},
    {"client_port", AT(CONNECT), say_client_port},
    {"client_resolve", AT(CONNECT), say_client_resolve},
    {"tls_version", AT(HELO), say_tls_version},
    {"cipher", AT(HELO), say_cipher},
    {"cipher_bits", AT(HELO), say_cipher_bits},
    {"verify", AT(HELO), say_verify},
    {"cert_subject", AT(HELO), say_subject},
    {"cert_issuer", AT(HELO), say_issuer},
    {"i", AT(MAIL) | AT(RCPT) | AT(DATA) | AT(END_OF_HEADER) | AT(END), say_id},
    {"auth_type", AT(MAIL), say_mechanism},
    {"auth_authen", AT(MAIL), say_user},
    {"mail_mailer", AT(MAIL), say_mail_mailer},
    {"mail_host", AT(MAIL), say_mail_host},
    {"mail_addr", AT(MAIL), say_mail_address},
    {"rcpt_mailer", AT(RCPT), say_rcpt_mailer},
    {"rcpt_host", AT(RCPT), say_rcpt_host},
    {"rcpt_addr", AT(RCPT), say_rcpt_address},
    {"msg_id", AT(END), say_message_id},
};

enum { MACROS = sizeof macros / sizeof macros[0], VALUE_MOST = 2048 /* bytes */ };

static bool is_wanted(const struct milter_options *options, enum milter_stage stage,
                      const struct macro *macro)
{
    if (!options->asks[stage])
        return macro->given & 1u << stage;
    const struct texts *names = &options->macros[stage];
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], macro->name) == 0)
            return true;
    return false;
}

void milter_put_macros(const struct milter_options *options, enum milter_stage stage,
                       enum milter_command command, const struct milter_facts *facts,
                       struct buffer *packets)
{
    struct buffer value = {.limit = VALUE_MOST};
    size_t before = packets->length, place = milter_open(packets, MILTER_MACROS);
    buffer_append_byte(packets, (char)command);
    size_t empty = packets->length;
    for (size_t i = 0; i < MACROS; i++) {
        if (!is_wanted(options, stage, &macros[i]))
            continue;
        buffer_clear(&value);
        macros[i].say(facts, &value);
        if (!value.length || value.failed)
            continue;
        bool is_long = macros[i].name[1] != '\0';
        buffer_format(packets, is_long ? "{%s}" : "%s", macros[i].name);
        buffer_append_byte(packets, '\0');
        milter_put_text(packets, buffer_text(&value));
    }
    buffer_free(&value);
    milter_close(packets, place);
    if (packets->length == empty)
        packets->length = before;
}
