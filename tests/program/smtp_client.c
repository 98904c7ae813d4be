/*
 * The SMTP client alone, for tests: smtp_client [name=value...] HOSTS FILE...
 *
 * domain=NAME goes to the MX hosts of a domain instead of HOSTS, socket=PATH to a socket by LMTP;
 * dns=PORT asks a name server on 127.0.0.1.
 *
 * Each FILE is one message: lines "from ADDRESS", "envid TEXT", "ret full|headers", "to ADDRESS
 * [NOTIFY-BITS [ORCPT]]" (with tabs in between), a blank line, the message. On standard output
 * come, separated by tabs, "recipient FILE ADDRESS RESULT STATUS REASON", "message FILE DSN-PASSED"
 * when one is finished, "again" for one that goes in a further session, and at the end "session
 * RESULT STATUS REASON", "transactions N", "abrupt" if it was, and "memory KILOBYTES". The trace
 * goes to standard error.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "mail/address.h"
#include "run/smtp.h"

enum { MOST_UNDER_WAY = 10 };

struct message {
    const char *path;
    struct address sender;
    struct address *addresses;
    struct transaction transaction;
};

struct queue {
    struct message *messages;
    size_t count, given, unfinished;
};

static void die(const char *what)
{
    fprintf(stderr, "smtp_client: %s\n", what);
    exit(64);
}

static const char *result_name(enum result result)
{
    return result == DONE ? "DONE" : result == LATER ? "LATER" : "NEVER";
}

static struct address parse(const char *text)
{
    struct address address;
    const char *why;
    if (!address_parse(text, &address, &why))
        die(why);
    return address;
}

static void add_recipient(struct message *message, char *words)
{
    struct transaction *transaction = &message->transaction;
    size_t count = transaction->count + 1;
    if ((transaction->count & (count - 2)) == 0 || count <= 2) { /* full: twice as many */
        transaction->recipients =
            memory_resize(transaction->recipients, 2 * count * sizeof *transaction->recipients);
        message->addresses =
            memory_resize(message->addresses, 2 * count * sizeof *message->addresses);
    }
    char *address = strsep(&words, "\t"), *notify = strsep(&words, "\t");
    message->addresses[count - 1] = parse(address);
    transaction->recipients[count - 1] =
        (struct smtp_recipient){.notify = notify ? (unsigned)atoi(notify) : 0,
                                .orcpt = words ? memory_copy(words, strlen(words)) : NULL,
                                .outcome = outcome_later("4.0.0", "not tried")};
    transaction->count = count;
}

static void look_at_body(struct transaction *transaction)
{
    struct stat status;
    if (fstat(transaction->fd, &status) < 0)
        die("fstat");
    transaction->size = (uint64_t)(status.st_size - transaction->start);
    static char block[FILE_BLOCK];
    off_t at = transaction->start;
    size_t line = 0;
    for (ssize_t count; (count = file_read_at(transaction->fd, block, sizeof block, at)) > 0;
         at += count)
        for (ssize_t i = 0; i < count; i++) {
            line = block[i] == '\n' ? 0 : line + 1;
            transaction->eight_bit = transaction->eight_bit || (unsigned char)block[i] > 127;
            transaction->not_8bit = transaction->not_8bit || !block[i] || line > 998;
        }
}

static void load(struct message *message, const char *path)
{
    message->path = path;
    struct transaction *transaction = &message->transaction;
    transaction->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (transaction->fd < 0)
        die(path);
    FILE *file = fopen(path, "re");
    if (!file)
        die(path);
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, file)) > 1;) {
        line[length - 1] = '\0';
        char *words = line;
        const char *key = strsep(&words, " ");
        if (!words)
            die("a line without a value");
        if (strcmp(key, "from") == 0)
            message->sender = parse(words);
        else if (strcmp(key, "to") == 0)
            add_recipient(message, words);
        else if (strcmp(key, "envid") == 0)
            transaction->envid = memory_copy(words, strlen(words));
        else if (strcmp(key, "ret") == 0)
            transaction->ret = strcmp(words, "full") == 0 ? RETURN_FULL : RETURN_HEADERS;
    }
    transaction->start = (off_t)ftell(file);
    fclose(file);
    free(line);
    transaction->sender = &message->sender;
    for (size_t i = 0; i < transaction->count; i++)
        transaction->recipients[i].address = &message->addresses[i];
    look_at_body(transaction);
}

static struct transaction *next(void *context, bool wait)
{
    struct queue *queue = context;
    if (queue->unfinished >= MOST_UNDER_WAY)
        die("next called with that many transactions unfinished");
    if (wait && queue->unfinished)
        die("next may wait while the server is waited for");
    if (queue->given == queue->count)
        return NULL;
    queue->unfinished++;
    return &queue->messages[queue->given++].transaction;
}

static struct outcome again(void *context, bool wait)
{
    const struct queue *queue = context;
    if (wait && queue->unfinished > MOST_UNDER_WAY)
        die("a message too many is left over");
    puts("again");
    return outcome_done();
}

/* Nothing is to be settled twice, and nothing is told early. */
static void progress(void *context, struct transaction *transaction)
{
    (void)context;
    bool any = false;
    for (size_t i = 0; i < transaction->count; i++)
        any = any || !transaction->recipients[i].settled;
    if (!any)
        die("progress of what is finished");
}

static void finish(void *context, struct transaction *transaction)
{
    struct queue *queue = context;
    queue->unfinished--;
    const char *path = NULL;
    for (size_t i = 0; i < queue->count; i++)
        if (&queue->messages[i].transaction == transaction)
            path = queue->messages[i].path;
    if (!path)
        die("a transaction that nobody gave");
    for (size_t i = 0; i < transaction->count; i++) {
        const struct smtp_recipient *recipient = &transaction->recipients[i];
        char *address = address_text(recipient->address);
        printf("recipient\t%s\t%s\t%s\t%s\t%s\n", path, address,
               result_name(recipient->outcome.result), recipient->outcome.status,
               recipient->outcome.reason);
        free(address);
    }
    printf("message\t%s\t%s\n", path, transaction->dsn_passed ? "yes" : "no");
}

static void trace(void *context, char direction, const char *line)
{
    (void)context;
    fprintf(stderr, "%c %s\n", direction, line);
}

/* The position of a word in a list of words. */
static int position(const char *list, const char *word)
{
    struct texts words = {0};
    texts_split(&words, list);
    for (size_t i = 0; i < words.count; i++)
        if (strcmp(words.items[i], word) == 0) {
            texts_free(&words);
            return (int)i;
        }
    die(word);
    return 0;
}

static const struct sockaddr_in *name_server(const char *port)
{
    static struct sockaddr_in server = {.sin_family = AF_INET};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)atoi(port));
    return &server;
}

static void set(struct smtp_hop *hop, struct buffer *secret, const char *name, const char *value)
{
    if (strcmp(name, "tls") == 0)
        hop->tls = (enum tls_mode)position("starttls,implicit,opportunistic,off", value);
    else if (strcmp(name, "auth") == 0)
        hop->auth = (enum auth_mode)position(
            "auto,plain,login,scram-sha-256,cram-md5,external,oauthbearer,xoauth2,off", value);
    else if (strcmp(name, "trust") == 0)
        hop->tls_trust = value;
    else if (strcmp(name, "fingerprint") == 0)
        hop->tls_fingerprint = value;
    else if (strcmp(name, "certificate") == 0)
        hop->tls_certificate = value;
    else if (strcmp(name, "key") == 0)
        hop->tls_key = value;
    else if (strcmp(name, "user") == 0)
        hop->user = value;
    else if (strcmp(name, "password") == 0)
        buffer_append_text(secret, value);
    else if (strcmp(name, "hostname") == 0)
        hop->hostname = value;
    else if (strcmp(name, "port") == 0)
        hop->port = (unsigned)atoi(value);
    else if (strcmp(name, "domain") == 0)
        hop->domain = value;
    else if (strcmp(name, "socket") == 0)
        hop->socket = value;
    else if (strcmp(name, "dns") == 0)
        hop->name_server = name_server(value);
    else if (strcmp(name, "percent") == 0)
        hop->timeout_percent = (unsigned)atoi(value);
    else
        die(name);
}

static void give_back(struct queue *queue)
{
    for (size_t i = 0; i < queue->count; i++) {
        struct message *message = &queue->messages[i];
        for (size_t k = 0; k < message->transaction.count; k++) {
            address_free(&message->addresses[k]);
            free((char *)message->transaction.recipients[k].orcpt);
        }
        free((char *)message->transaction.envid);
        free(message->transaction.recipients);
        free(message->addresses);
        address_free(&message->sender);
        file_close(&message->transaction.fd);
    }
    free(queue->messages);
}

/*
 * The most this program ever had, in KiB. Not by getrusage: what that says goes back before exec,
 * to the size of the test that started us.
 */
static long most_memory(void)
{
    char line[256];
    long most = -1;
    FILE *status = fopen("/proc/self/status", "re");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &most) == 1)
            break;
    if (status)
        fclose(status);
    if (most < 0)
        die("the kernel does not say how much memory we had");
    return most;
}

int main(int argc, char **argv)
{
    process_settle();
    struct texts hosts = {0};
    struct buffer secret = {0};
    bool no_chunks = false, abrupt = false;
    struct smtp_hop hop = {.hostname = "here.example",
                           .hosts = &hosts,
                           .port = 587,
                           .tls = TLS_OFF,
                           .tls_trust = "system",
                           .auth = AUTH_OFF,
                           .secret = &secret,
                           .no_chunks = &no_chunks,
                           .abrupt = &abrupt,
                           .trace = trace};
    int first = 1;
    for (char *value; first < argc && (value = strchr(argv[first], '=')); first++) {
        *value = '\0';
        set(&hop, &secret, argv[first], value + 1);
    }
    if (first == argc)
        die("no hosts");
    texts_split(&hosts, argv[first++]);
    struct queue queue = {.count = (size_t)(argc - first)};
    queue.messages = memory_get((queue.count + 1) * sizeof *queue.messages);
    for (size_t i = 0; i < queue.count; i++)
        load(&queue.messages[i], argv[first + (int)i]);
    struct smtp_source source = {
        .context = &queue, .next = next, .again = again, .progress = progress, .finish = finish};
    size_t transactions = 0;
    struct outcome outcome = smtp_deliver(&hop, &source, &transactions);
    if (queue.unfinished)
        die("a transaction was not finished");
    printf("session\t%s\t%s\t%s\n", result_name(outcome.result), outcome.status, outcome.reason);
    printf("transactions\t%zu\n", transactions);
    if (abrupt)
        puts("abrupt");
    printf("memory\t%ld\n", most_memory());
    give_back(&queue);
    texts_free(&hosts);
    buffer_wipe(&secret);
    return 0;
}
