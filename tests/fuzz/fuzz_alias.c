/* The text of an aliases file, and the targets in it. */
#include <unistd.h>

#include "fuzz.h"
#include "route/alias_target.h"
#include "route/alias_text.h"

static struct outcome take(void *context, const struct alias *alias)
{
    size_t *count = context;
    ++*count;
    must(*alias->key && alias->line);
    must_be_clean(alias->key);
    const char *why;
    struct texts targets = {0};
    if (alias_split(alias->value, &targets))
        for (size_t i = 0; i < targets.count; i++) {
            struct alias_target target;
            if (!alias_target_parse(targets.items[i], &target, &why)) {
                must(why);
                continue;
            }
            must((target.kind == ALIAS_ADDRESS) == !target.text);
            if (target.kind == ALIAS_ADDRESS)
                must_last(&target.address);
            if (target.kind == ALIAS_FILE)
                must(target.text[0] == '/');
            alias_target_free(&target);
        }
    texts_free(&targets);
    return outcome_done();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = fuzz_file(data, size);
    size_t count = 0;
    struct outcome outcome = alias_text_read(fd, "aliases", take, &count);
    must(count <= size);
    if (!outcome_good(&outcome)) {
        must(outcome.result == LATER && strncmp(outcome.reason, "aliases:", 8) == 0);
        must_be_clean(outcome.reason);
    }
    file_close(&fd);
    return 0;
}
