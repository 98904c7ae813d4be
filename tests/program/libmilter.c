/*
 * A milter with the real libmilter, for tests of how we agree with it: "SOCKET [negotiate]". Says
 * on standard output what it is told, one line each. What it is to do at the end of a message
 * stands in X-Do fields, parts with '|' between, "\n" for a line end; at earlier stages it goes by
 * the names of the hello, the sender and the recipients. With "negotiate" it asks for everything
 * that version 6 has.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmilter/mfapi.h>

enum { PARTS = 8, ORDERS = 32 };

struct talk {
    char *orders[ORDERS];
    size_t count;
    size_t bytes, chunks;
};

static int everything;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

static void say_macros(SMFICTX *ctx, const char *const *names)
{
    for (; *names; names++) {
        const char *value = smfi_getsymval(ctx, (char *)*names);
        if (value)
            say("macro %s=%s", *names, value);
    }
}

static void forget(struct talk *talk)
{
    for (size_t i = 0; i < talk->count; i++)
        free(talk->orders[i]);
    *talk = (struct talk){.count = 0};
}

/* What somebody's name asks for. */
static sfsistat answer(SMFICTX *ctx, const char *name)
{
    if (strstr(name, "accept"))
        return SMFIS_ACCEPT;
    if (strstr(name, "reject"))
        return SMFIS_REJECT;
    if (strstr(name, "tempfail"))
        return SMFIS_TEMPFAIL;
    if (strstr(name, "discard"))
        return SMFIS_DISCARD;
    if (strstr(name, "reply")) {
        smfi_setmlreply(ctx, "551", "5.1.6", "first line, 100%%", "second line", NULL);
        return SMFIS_REJECT;
    }
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
    static const char *const macros[] = {"j", "_", "v", "{daemon_name}", "{client_addr}", NULL};
    char text[INET6_ADDRSTRLEN] = "none";
    unsigned port = 0;
    if (address && address->sa_family == AF_INET) {
        struct sockaddr_in *four = (struct sockaddr_in *)address;
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        port = ntohs(four->sin_port);
    } else if (address && address->sa_family == AF_INET6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        port = ntohs(six->sin6_port);
    }
    say("connect %s %s %s", name, text, port ? "port" : "no port");
    say_macros(ctx, macros);
    smfi_setpriv(ctx, calloc(1, sizeof(struct talk)));
    return SMFIS_CONTINUE;
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
    static const char *const macros[] = {"{tls_version}", "{cipher}", NULL};
    say("helo %s", name);
    say_macros(ctx, macros);
    return answer(ctx, name);
}

static sfsistat on_sender(SMFICTX *ctx, char **words)
{
    static const char *const macros[] = {"i", "{auth_authen}", "{mail_addr}", "{mail_mailer}",
                                         NULL};
    forget(smfi_getpriv(ctx));
    say("mail %s", words[0]);
    say_macros(ctx, macros);
    return answer(ctx, words[0]);
}

static sfsistat on_recipient(SMFICTX *ctx, char **words)
{
    static const char *const macros[] = {"{rcpt_addr}", "{rcpt_mailer}", "{client_name}", NULL};
    say("rcpt %s", words[0]);
    say_macros(ctx, macros);
    return answer(ctx, words[0]);
}

static sfsistat on_data(SMFICTX *ctx)
{
    (void)ctx;
    say("data");
    return SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    struct talk *talk = smfi_getpriv(ctx);
    if (strcmp(name, "X-Do") == 0 && talk->count < ORDERS)
        talk->orders[talk->count++] = strdup(value + strspn(value, " "));
    else
        say("header %s:%s", name, value);
    return everything ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_end_of_header(SMFICTX *ctx)
{
    (void)ctx;
    say("eoh");
    return SMFIS_CONTINUE;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t length)
{
    struct talk *talk = smfi_getpriv(ctx);
    (void)data;
    talk->bytes += length;
    talk->chunks++;
    return everything && talk->chunks == 2 ? SMFIS_SKIP : SMFIS_CONTINUE;
}

static void unescape(char *text)
{
    char *to = text;
    for (; *text; text++)
        if (text[0] == '\\' && text[1] == 'n') {
            *to++ = '\n';
            text++;
        } else {
            *to++ = *text;
        }
    *to = '\0';
}

static int replace_body(SMFICTX *ctx, const char *text, int lines)
{
    int status = MI_SUCCESS;
    for (int i = 0; i < lines && status == MI_SUCCESS; i++) {
        char line[256];
        int length = snprintf(line, sizeof line, "%s %d\r\n", text, i);
        status = smfi_replacebody(ctx, (unsigned char *)line, length);
    }
    return status;
}

static int change(SMFICTX *ctx, char *part[PARTS])
{
    const char *verb = part[0];
    if (strcmp(verb, "addheader") == 0)
        return smfi_addheader(ctx, part[1], part[2]);
    if (strcmp(verb, "insheader") == 0)
        return smfi_insheader(ctx, atoi(part[1]), part[2], part[3]);
    if (strcmp(verb, "chgheader") == 0)
        return smfi_chgheader(ctx, part[2], atoi(part[1]), part[3]);
    if (strcmp(verb, "delheader") == 0)
        return smfi_chgheader(ctx, part[2], atoi(part[1]), NULL);
    if (strcmp(verb, "chgfrom") == 0)
        return smfi_chgfrom(ctx, part[1], part[2]);
    if (strcmp(verb, "addrcpt") == 0)
        return smfi_addrcpt(ctx, part[1]);
    if (strcmp(verb, "addrcpt_par") == 0)
        return smfi_addrcpt_par(ctx, part[1], part[2]);
    if (strcmp(verb, "delrcpt") == 0)
        return smfi_delrcpt(ctx, part[1]);
    if (strcmp(verb, "replacebody") == 0)
        return replace_body(ctx, part[1], atoi(part[2]));
    if (strcmp(verb, "quarantine") == 0)
        return smfi_quarantine(ctx, part[1]);
    if (strcmp(verb, "progress") == 0)
        return smfi_progress(ctx);
    return MI_FAILURE;
}

static sfsistat on_end(SMFICTX *ctx)
{
    static const char *const macros[] = {"i", "{msg_id}", NULL};
    struct talk *talk = smfi_getpriv(ctx);
    sfsistat last = SMFIS_CONTINUE;
    say("end %zu bytes in %zu chunks", talk->bytes, talk->chunks);
    say_macros(ctx, macros);
    for (size_t i = 0; i < talk->count; i++) {
        char *part[PARTS] = {0}, *rest = talk->orders[i];
        unescape(rest);
        for (size_t p = 0; p < PARTS && rest; p++)
            part[p] = strsep(&rest, "|");
        if (strcmp(part[0], "answer") == 0)
            last = answer(ctx, part[1]);
        else
            say("did %s %s", part[0], change(ctx, part) == MI_SUCCESS ? "well" : "BADLY");
    }
    return last;
}

static sfsistat on_abort(SMFICTX *ctx)
{
    (void)ctx;
    say("abort");
    return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
    struct talk *talk = smfi_getpriv(ctx);
    if (talk) {
        say("close");
        forget(talk);
        free(talk);
        smfi_setpriv(ctx, NULL);
    }
    return SMFIS_CONTINUE;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
                             unsigned long unused, unsigned long unused_too,
                             unsigned long *our_actions, unsigned long *our_steps,
                             unsigned long *more, unsigned long *even_more)
{
    (void)unused, (void)unused_too;
    say("offered %lx %lx", actions, steps);
    if (!everything)
        return SMFIS_ALL_OPTS;
    *our_actions = actions;
    *our_steps = steps & (SMFIP_SKIP | SMFIP_NR_HDR | SMFIP_HDR_LEADSPC | SMFIP_NODATA);
    *more = *even_more = 0;
    smfi_setsymlist(ctx, SMFIM_CONNECT, "{client_addr}");
    smfi_setsymlist(ctx, SMFIM_ENVRCPT, "{rcpt_addr} {client_name}");
    return SMFIS_CONTINUE;
}

int main(int count, char **arguments)
{
    struct smfiDesc filter = {
        .xxfi_name = "libmilter",
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_ADDRCPT |
                      SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT | SMFIF_QUARANTINE | SMFIF_CHGFROM |
                      SMFIF_SETSYMLIST,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_helo,
        .xxfi_envfrom = on_sender,
        .xxfi_envrcpt = on_recipient,
        .xxfi_header = on_header,
        .xxfi_eoh = on_end_of_header,
        .xxfi_body = on_body,
        .xxfi_eom = on_end,
        .xxfi_abort = on_abort,
        .xxfi_close = on_close,
        .xxfi_data = on_data,
        .xxfi_negotiate = on_negotiate,
    };
    everything = count > 2;
    if (smfi_register(filter) != MI_SUCCESS || smfi_setconn(arguments[1]) != MI_SUCCESS ||
        smfi_opensocket(1) != MI_SUCCESS)
        return 1;
    say("ready");
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
