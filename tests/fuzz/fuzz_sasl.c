/*
 * AUTH, the server's side: the first line names a mechanism, those that follow are the client's
 * messages. Nobody signs in unless the book has said so.
 */
#include <unistd.h>

#include "fuzz.h"
#include "net/sasl_server.h"

/* What the book was asked. */
struct asked {
    struct sasl_verifier verifier;
    bool good, found;
};

static struct outcome check_password(void *context, const char *name, const char *password)
{
    struct asked *asked = context;
    if (strcmp(name, "tim") != 0 || strcmp(password, "tanstaaftanstaaf") != 0)
        return outcome_never("5.7.8", "wrong");
    asked->good = true;
    return outcome_done();
}

static struct outcome find_verifier(void *context, const char *name, struct sasl_verifier *verifier)
{
    struct asked *asked = context;
    asked->found = true;
    if (strcmp(name, "tim") != 0) {
        sasl_verifier_invent("01234567890123456789012345678901", name, &asked->verifier, verifier);
        return outcome_never("5.7.8", "unknown");
    }
    *verifier = asked->verifier;
    return outcome_done();
}

static void must_be_base64(const char *text)
{
    must(text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")] ==
         '\0');
    must(strlen(text) % 4 == 0);
}

static void converse(struct sasl_server *server, char *messages, struct asked *asked)
{
    enum sasl_answer answer = SASL_CHALLENGE;
    struct buffer challenge = {0};
    for (char *message; answer == SASL_CHALLENGE && (message = strsep(&messages, "\n"));) {
        buffer_clear(&challenge);
        answer = sasl_server_step(server, message, &challenge);
        must_be_base64(buffer_text(&challenge));
    }
    must(answer != SASL_ACCEPTED || asked->good || asked->found);
    must(answer != SASL_ACCEPTED || strcmp(sasl_server_user(server), "tim") == 0);
    must(sasl_server_user(server));
    buffer_free(&challenge);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct asked asked;
    if (!asked.verifier.iterations)
        must(sasl_verifier_make("tanstaaftanstaaf", &asked.verifier));
    asked.good = asked.found = false;
    char *text = fuzz_text(data, size), *messages = text;
    const char *name = sasl_server_find(strsep(&messages, "\n"));
    if (name) {
        struct sasl_book book = {check_password, find_verifier, &asked};
        struct sasl_server *server = NULL;
        struct outcome outcome = sasl_server_start(&server, name, &book);
        must(outcome_good(&outcome));
        converse(server, messages, &asked);
        sasl_server_free(server);
    }
    free(text);
    return 0;
}
