/* The text of an SPF record, and what its macros become. */
#include <unistd.h>

#include "filter/spf_macro.h"
#include "filter/spf_record.h"
#include "fuzz.h"

static const char *validated(void *context)
{
    ++*(int *)context;
    return "mx.sender.example";
}

/* Names as a client chooses them. */
static struct spf_names names(int *asked)
{
    return (struct spf_names){
        .local = "o.p-s+%{x}/\"",
        .sender_domain = "sender.example",
        .domain = "a-b.sender.example",
        .helo = "m\?\?.x",
        .address = "192.0.2.1",
        .readable = "192.0.2.1",
        .family = "in-addr",
        .receiver = "here.example",
        .validated = validated,
        .context = asked,
    };
}

static void expand(const char *text)
{
    int asked = 0;
    struct spf_names all = names(&asked);
    struct buffer words = {0}, domain = {0};
    bool good = spf_macro_expand(text, &all, true, &words);
    must(!good || words.length <= 1024 * strlen(text));
    if (spf_macro_is_domain(text) && spf_macro_expand_domain(text, &all, &domain)) {
        must(domain.length <= 253);
        must(domain.length == 0 || domain.data[domain.length - 1] != '.');
    }
    /* What the grammar takes can be expanded. */
    if (spf_macro_is_string(text)) {
        buffer_clear(&words);
        must(spf_macro_expand(text, &all, false, &words) || strchr(text, '%'));
    }
    buffer_free(&words);
    buffer_free(&domain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct spf_record record = {0};
    bool good = spf_record_is(text) && spf_record_parse(text, &record);
    for (size_t i = 0; good && i < record.count; i++) {
        const struct spf_term *term = &record.terms[i];
        must(term->kind <= SPF_UNKNOWN && term->result <= SPF_PERMERROR);
        must(term->bits4 <= 32 && term->bits6 <= 128 && term->network.bits <= 128);
        if (term->domain) {
            must(spf_macro_is_domain(term->domain) || term->kind == SPF_UNKNOWN);
            expand(term->domain);
        }
    }
    spf_record_free(&record);
    expand(text);
    free(text);
    return 0;
}
