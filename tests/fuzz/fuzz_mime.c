/* A message in 7-bit or 8-bit form: refused before a byte of it was given out, or fit to travel. */
#include <unistd.h>

#include "fuzz.h"
#include "mail/header.h"
#include "mail/mime.h"

static bool collect(void *context, const char *data, size_t length)
{
    must(length);
    buffer_append(context, data, length);
    return true;
}

static struct outcome convert(enum mime_form form, const void *data, size_t size,
                              struct buffer *out)
{
    int fd = fuzz_file(data, size);
    struct outcome dry = mime_convert(form, fd, 0, size, NULL, NULL);
    struct outcome outcome = mime_convert(form, fd, 0, size, collect, out);
    must(dry.result == outcome.result && outcome.result != LATER);
    must(outcome_good(&outcome) || out->length == 0);
    file_close(&fd);
    return outcome;
}

static void must_be_fit(enum mime_form form, const struct buffer *text)
{
    size_t column = 0;
    for (size_t i = 0; i < text->length; i++) {
        must(text->data[i] && (form == MIME_8BIT || (unsigned char)text->data[i] < 128));
        column = text->data[i] == '\n' ? 0 : column + 1;
        must(column <= LINE_LONGEST);
    }
}

static void try_form(enum mime_form form, const uint8_t *data, size_t size)
{
    struct buffer once = {0}, twice = {0}, thrice = {0};
    struct outcome outcome = convert(form, data, size, &once);
    if (outcome_good(&outcome)) {
        must_be_fit(form, &once);
        /* What is fit stays so, and soon as it is: only what was no header to the first hop, with
         * bytes in it that no header has, can be one to the second. */
        outcome = convert(form, buffer_text(&once), once.length, &twice);
        must(outcome_good(&outcome));
        must_be_fit(form, &twice);
        outcome = convert(form, buffer_text(&twice), twice.length, &thrice);
        must(outcome_good(&outcome) && thrice.length == twice.length);
        must(twice.length == 0 || memcmp(thrice.data, twice.data, twice.length) == 0);
    }
    buffer_free(&once);
    buffer_free(&twice);
    buffer_free(&thrice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_form(MIME_7BIT, data, size);
    try_form(MIME_8BIT, data, size);
    return 0;
}
