/* A line of the users file, and names and passwords in their prepared form. */
#include <unistd.h>

#include "fuzz.h"
#include "listen/users.h"

static void try_line(char *line)
{
    struct user user;
    const char *why = NULL;
    if (!users_parse_line(line, &user, &why)) {
        must(why);
        return;
    }
    if (user.name) {
        must(*user.name && strlen(user.name) <= USERS_NAME_LONGEST && !strchr(user.name, ':'));
        must_be_clean(user.name);
        must(user.hash && *user.hash && !strchr(user.hash, ':'));
        must(user.locked == (*user.hash == '!' || *user.hash == '*'));
        if (user.has_verifier) {
            struct buffer text = {0};
            struct sasl_verifier again;
            sasl_verifier_format(&user.verifier, &text);
            must(sasl_verifier_parse(buffer_text(&text), &again));
            must(again.iterations == user.verifier.iterations);
            buffer_free(&text);
        }
    }
    users_free_line(&user);
}

/* What is in its prepared form stays in it. */
static void try_name(const char *name)
{
    struct buffer once = {0}, twice = {0};
    const char *why = NULL;
    if (users_prepare_name(name, &once, &why)) {
        must_be_clean(buffer_text(&once));
        must(users_prepare_name(buffer_text(&once), &twice, &why));
        must(strcmp(buffer_text(&once), buffer_text(&twice)) == 0);
    } else {
        must(why);
    }
    buffer_free(&once);
    buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    try_name(text);
    try_line(text);
    free(text);
    return 0;
}
