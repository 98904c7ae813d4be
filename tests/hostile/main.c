/*
 * A hostile smarthost against the SMTP client: every script of the table, and others made at
 * random, each a dialogue of the real client code with a scripted server on loopback; then what
 * became of each recipient is compared with the model, and with what the server did.
 *
 * hostile [every=N] [random=N] [workers=N]: every N-th systematic script (1), so many random ones
 * (20000), in so many processes (16, for some wait). Or: hostile systematic=N, hostile seed=N: that
 * one script, and its dialogue is shown.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "files.h"
#include "mail/address.h"
#include "model.h"
#include "run/smtp.h"
#include "script.h"
#include "server.h"

enum {
    DEADLINE_MS = 150, /* for a dialogue in which somebody hangs */
    LIMIT_S = 60,      /* for any: the client has hung itself */
    LARGE = 3000,      /* lines of the message that is cut off in the middle */
    MOST_SHOWN = 20    /* violations that are printed, of each process */
};

#define PASSWORD "geheim-Passwort"

/* Each process has its own, in memory that all share. */
static struct count { /* nothing but unsigned long: see add_up */
    unsigned long dialogues, exact, connections, tls, delivered, queued, bounced, doubled,
        violations, rows[16];
} * count;

/* ---- messages ---- */

/* Written as they lie in the queue and, by hand, as they have to arrive. */
#define SMALL_A "Subject: a\n\n.\n..\n.dots\n\n.\r\nlast"
#define WIRE_A  "Subject: a\r\n\r\n.\r\n..\r\n.dots\r\n\r\n.\r\nlast\r\n"
#define SMALL_B "Subject: b\n\nwords\n"
#define WIRE_B  "Subject: b\r\n\r\nwords\r\n"
#define LINE    "a line of words that makes the message long, and there are many"

struct message {
    int fd;
    size_t size;
    char *wire;
    size_t wire_length;
};

static struct message small_a, large_a, small_b;

static void make_message(const char *text, const char *wire, size_t lines, struct message *message)
{
    struct buffer queued = {0}, sent = {0};
    buffer_append_text(&queued, text);
    buffer_append_text(&sent, wire);
    for (size_t i = 0; i < lines; i++) {
        buffer_append_text(&queued, i ? LINE "\n" : "\n" LINE "\n");
        buffer_append_text(&sent, LINE "\r\n");
    }
    message->fd = memfd_create("message", MFD_CLOEXEC);
    if (message->fd < 0 || write(message->fd, queued.data, queued.length) != (ssize_t)queued.length)
        abort();
    message->size = queued.length;
    message->wire_length = sent.length;
    message->wire = buffer_take(&sent);
    buffer_free(&queued);
}

/* ---- the client's side ---- */

struct letter {
    struct address sender, to[RECIPIENTS];
    struct smtp_recipient recipients[RECIPIENTS];
    struct transaction transaction;
    size_t finished;
};

/* In their order; only where there are chunks any go before A. */
enum { LETTER_A = 2, LETTER_B, LETTERS };

struct dialogue {
    struct letter letters[LETTERS];
    size_t given;
    bool wrong; /* the client did what no source expects */
};

static struct address parse(const char *text)
{
    struct address address;
    const char *why;
    if (!address_parse(text, &address, &why))
        abort();
    return address;
}

static void make_letter(struct letter *letter, const char *sender, const char *const to[],
                        size_t recipients, const struct message *message)
{
    *letter = (struct letter){.sender = parse(sender)};
    for (size_t i = 0; i < recipients; i++) {
        letter->to[i] = parse(to[i]);
        letter->recipients[i] = (struct smtp_recipient){
            .address = &letter->to[i], .outcome = outcome_later("4.0.0", "not tried")};
    }
    letter->transaction = (struct transaction){.sender = &letter->sender,
                                               .fd = message->fd,
                                               .size = message->size,
                                               .recipients = letter->recipients,
                                               .count = recipients};
}

static void free_letter(struct letter *letter)
{
    address_free(&letter->sender);
    for (size_t i = 0; i < letter->transaction.count; i++)
        address_free(&letter->to[i]);
}

static struct transaction *next(void *context, bool wait)
{
    (void)wait;
    struct dialogue *dialogue = context;
    return dialogue->given < LETTERS ? &dialogue->letters[dialogue->given++].transaction : NULL;
}

static void progress(void *context, struct transaction *transaction)
{
    (void)context;
    (void)transaction;
}

static void finish(void *context, struct transaction *transaction)
{
    struct dialogue *dialogue = context;
    for (size_t i = 0; i < LETTERS; i++)
        if (&dialogue->letters[i].transaction == transaction)
            dialogue->letters[i].finished++;
}

static enum fate fate_of(const struct dialogue *dialogue, size_t recipient)
{
    const struct letter *letter = &dialogue->letters[recipient < RECIPIENTS ? LETTER_A : LETTER_B];
    const struct smtp_recipient *one = &letter->recipients[recipient % RECIPIENTS];
    if (!letter->finished || one->outcome.result == LATER)
        return QUEUED;
    return one->outcome.result == DONE ? DELIVERED : BOUNCED;
}

static size_t first_letter(const struct script *script)
{
    return variant_chunks(script->variant) ? 0 : LETTER_A;
}

/* ---- violations ---- */

static void violate(const struct script *script, const char *which, const char *words,
                    size_t recipient, unsigned value, unsigned wanted)
{
    static unsigned shown;
    char text[1024];
    count->violations++;
    if (shown++ == MOST_SHOWN)
        return;
    script_describe(script, text, sizeof text);
    printf("VIOLATION %s %s\n    %s; recipient %zu: %u, expected of %u\n", which, text, words,
           recipient, value, wanted);
    (void)fflush(stdout);
}

static void compare(const struct script *script, const char *which, const struct dialogue *dialogue,
                    const struct record *record)
{
    struct expected expected;
    model_expect(script, &expected);
    for (size_t i = 0; i < ALL_RECIPIENTS; i++) {
        enum fate fate = fate_of(dialogue, i);
        const unsigned copies = record->copies[i];
        if (!(fate & expected.fates[i]))
            violate(script, which, "another fate", i, fate, expected.fates[i]);
        if (fate == DELIVERED && !record->told[i])
            violate(script, which, "delivered, and no server said so", i, copies, 1);
        if (fate == BOUNCED && !record->refused[i])
            violate(script, which, "bounced, and no server refused it", i, 0, 0);
        if (copies > 1)
            violate(script, which, "taken twice", i, copies, 1);
        count->delivered += fate == DELIVERED;
        count->queued += fate == QUEUED;
        count->bounced += fate == BOUNCED;
        count->doubled += copies && fate != DELIVERED; /* it would be sent again: C2 */
    }
    count->exact += expected.exact;
    if (record->leaked)
        violate(script, which, "mail or a password in clear", 0, 0, 0);
    if (record->damaged)
        violate(script, which, "a message arrived that is not what was sent", 0, 0, 0);
    if (record->trouble)
        violate(script, which, record->trouble, 0, 0, 0);
    for (size_t i = first_letter(script); i < dialogue->given; i++)
        if (dialogue->letters[i].finished != 1)
            violate(script, which, "a message is not finished once", i,
                    (unsigned)dialogue->letters[i].finished, 1);
}

/* ---- a dialogue ---- */

static struct files files;
static bool is_shown; /* the dialogue is */

static void show(void *context, char direction, const char *line)
{
    (void)context;
    printf("%6lld %c %s\n", (long long)clock_ms() % 1000000, direction, line);
}

static void set_hop(const struct script *script, const struct server *server, struct texts *hosts,
                    struct buffer *secret, bool notes[2], struct smtp_hop *hop)
{
    enum variant variant = script->variant;
    texts_add(hosts, server_address(server));
    buffer_append_text(secret, PASSWORD);
    *hop = (struct smtp_hop){.hostname = "here.example",
                             .hosts = hosts,
                             .socket = variant_is_lmtp(variant) ? server_socket(server) : NULL,
                             .tls = variant == STARTTLS    ? TLS_STARTTLS
                                    : variant == IMPLICIT  ? TLS_IMPLICIT
                                    : variant == OPPORTUNE ? TLS_OPPORTUNISTIC
                                                           : TLS_OFF,
                             .tls_trust = files.authority,
                             .tls_fingerprint = "",
                             .tls_certificate = "",
                             .tls_key = "",
                             .auth = variant_signs_in(variant) ? AUTH_AUTO : AUTH_OFF,
                             .user = variant_signs_in(variant) ? "user" : NULL,
                             .secret = secret,
                             .trace = is_shown ? show : NULL,
                             .no_chunks = &notes[0],
                             .abrupt = &notes[1],
                             .deadline = script_hangs(script) ? clock_ms() + DEADLINE_MS : 0};
}

static void count_rows(const struct script *script)
{
    bool rows[16] = {[12] = true};
    for (size_t i = 0; i < POINTS; i++)
        if (script->at[i]) {
            rows[behaviours[script->at[i]].row] = true;
            rows[2] = rows[2] || (i >= AT_DOT && i <= AT_DOT_LAST &&
                                  behaviours[script->at[i]].meaning == BROKEN);
            rows[5] = rows[5] || (i == AT_STARTTLS && behaviours[script->at[i]].meaning == SURPLUS);
            rows[6] = rows[6] || i == AT_STARTTLS;
            rows[7] = rows[7] || i == AT_HANDSHAKE;
            rows[9] = rows[9] || i == AT_AUTH;
        }
    for (size_t i = 0; i < 16; i++)
        count->rows[i] += rows[i];
}

static int lowest_free(void)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    close(fd);
    return fd;
}

static void talk(struct server *server, const struct script *script, const char *which)
{
    static const char *const to_a[] = {"r0@there.example", "r1@there.example", "r2@there.example"};
    static const char *const to_b[] = {"s0@there.example"}, *const to_before[] = {
                                                                "w@there.example"};
    bool large = script->at[AT_BODY] || script->variant == MIXED;
    const struct message *a = large ? &large_a : &small_a;
    const struct bodies bodies = {a->wire, small_b.wire, a->wire_length, small_b.wire_length};
    struct dialogue dialogue = {.given = first_letter(script)};
    struct texts hosts = {0};
    struct buffer secret = {0};
    struct smtp_hop hop;
    struct record record;
    size_t transactions;
    int before = lowest_free();
    for (size_t i = 0; i < LETTER_A; i++)
        make_letter(&dialogue.letters[i], "w@here.example", to_before, 1, &small_b);
    make_letter(&dialogue.letters[LETTER_A], "a@here.example", to_a, RECIPIENTS, a);
    make_letter(&dialogue.letters[LETTER_B], "b@here.example", to_b, 1, &small_b);
    bool notes[2] = {false};
    set_hop(script, server, &hosts, &secret, notes, &hop);
    server_begin(server, script, &bodies);
    alarm(LIMIT_S);
    struct smtp_source source = {
        .context = &dialogue, .next = next, .progress = progress, .finish = finish};
    (void)smtp_deliver(&hop, &source, &transactions);
    alarm(0);
    server_end(server, &record);
    compare(script, which, &dialogue, &record);
    if (lowest_free() != before)
        violate(script, which, "a descriptor is left", 0, (unsigned)lowest_free(),
                (unsigned)before);
    count->dialogues++;
    count->connections += record.connections;
    count->tls +=
        script->variant == STARTTLS || script->variant == IMPLICIT || script->variant == OPPORTUNE;
    count_rows(script);
    texts_free(&hosts);
    buffer_free(&secret);
    for (size_t i = 0; i < LETTERS; i++)
        free_letter(&dialogue.letters[i]);
}

/* ---- all of them ---- */

struct wish {
    unsigned long every, random, workers, systematic, seed;
};

static void talk_random(struct server *server, size_t number)
{
    struct script script;
    char which[32];
    script_random(number, &script);
    snprintf(which, sizeof which, "seed=%zu", number);
    talk(server, &script, which);
}

static void talk_systematic(struct server *server, size_t number)
{
    struct script script;
    char which[32];
    if (!script_systematic(number, &script))
        return;
    snprintf(which, sizeof which, "systematic=%zu", number);
    talk(server, &script, which);
}

static int work(const struct wish *wish, unsigned long worker)
{
    struct server *server = server_start(files.folder, files.authority, files.strange, files.key);
    if (wish->systematic != ULONG_MAX) {
        talk_systematic(server, wish->systematic);
    } else if (wish->seed != ULONG_MAX) {
        talk_random(server, wish->seed);
    } else {
        for (size_t i = worker; i * wish->every < script_count(); i += wish->workers)
            talk_systematic(server, i * wish->every);
        for (size_t i = worker; i < wish->random; i += wish->workers)
            talk_random(server, i);
    }
    unlink(server_socket(server));
    return 0;
}

static void read_wish(int argc, char **argv, struct wish *wish)
{
    const struct {
        const char *name;
        unsigned long *value;
    } names[] = {{"every", &wish->every},
                 {"random", &wish->random},
                 {"workers", &wish->workers},
                 {"systematic", &wish->systematic},
                 {"seed", &wish->seed}};
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        size_t at = 0;
        while (equals && at < 5 &&
               strncmp(names[at].name, argv[i], (size_t)(equals - argv[i])) != 0)
            at++;
        if (!equals || at == 5) {
            fprintf(stderr, "usage: hostile [every=N] [random=N] [workers=N] | systematic=N | "
                            "seed=N\n");
            exit(64);
        }
        *names[at].value = strtoul(equals + 1, NULL, 10);
    }
    if (!wish->every)
        wish->every = 1;
    if (!wish->workers || wish->systematic != ULONG_MAX || wish->seed != ULONG_MAX)
        wish->workers = 1;
    is_shown = wish->systematic != ULONG_MAX || wish->seed != ULONG_MAX;
}

static void print(unsigned long broken)
{
    static const unsigned rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    printf("  dialogues by row of hardcases:");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        printf(" C%u %lu", rows[i], count->rows[rows[i]]);
    printf("\n  %lu with TLS, %lu connections; recipients: %lu delivered, %lu queued, %lu bounced, "
           "%lu taken without an answer (C2)\n",
           count->tls, count->connections, count->delivered, count->queued, count->bounced,
           count->doubled);
    printf("hostile smarthost: %lu dialogues, %lu of them with one right end, %lu violations\n",
           count->dialogues, count->exact, count->violations + broken);
}

static void add_up(struct count *to, const struct count *one)
{
    unsigned long *sum = (unsigned long *)(void *)to;
    const unsigned long *more = (const unsigned long *)(const void *)one;
    for (size_t i = 0; i < sizeof *to / sizeof *sum; i++)
        sum[i] += more[i];
}

int main(int argc, char **argv)
{
    struct wish wish = {1, 20000, 16, ULONG_MAX, ULONG_MAX};
    process_settle();
    read_wish(argc, argv, &wish);
    size_t size = wish.workers * sizeof *count;
    struct count *counts =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED || script_count() == 0)
        abort();
    files_make(&files);
    make_message(SMALL_A, WIRE_A, 0, &small_a);
    make_message(SMALL_A, WIRE_A, LARGE, &large_a);
    make_message(SMALL_B, WIRE_B, 0, &small_b);
    for (unsigned long i = 0; i < wish.workers; i++) {
        count = counts + i;
        pid_t pid = fork();
        if (pid < 0)
            abort();
        if (pid == 0)
            exit(work(&wish, i));
    }
    unsigned long broken = 0;
    for (int status; wait(&status) > 0;)
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            printf("VIOLATION a client ended with status %d\n", status);
            broken++;
        }
    count = counts;
    for (unsigned long i = 1; i < wish.workers; i++)
        add_up(count, counts + i);
    files_remove(&files);
    print(broken);
    return count->violations + broken || !count->dialogues ? 1 : 0;
}
