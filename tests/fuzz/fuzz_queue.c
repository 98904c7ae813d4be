/*
 * A file in spool/ and its journal, parted by a line "===", as a crash, a bad disk or another
 * program could leave them: opened, or refused, and what is opened can be written again.
 */
#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "queue/format.h"
#include "queue/letter.h"
#include "spool.h"

static char id[QUEUE_ID_SIZE];

static void put_file(int in, const void *data, size_t size)
{
    int fd = openat(in, id, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && file_write(fd, data, size));
    file_close(&fd);
}

/* Written as draft.c would, the envelope reads the same. */
static void must_last_envelope(const uint8_t *data, size_t size)
{
    int fd = fuzz_file(data, size);
    struct input input = {.fd = fd};
    struct seal seal;
    struct envelope one, two;
    off_t start;
    struct outcome outcome = format_read(&input, &seal, &one, &start);
    input_free(&input);
    file_close(&fd);
    if (outcome_good(&outcome)) {
        must(one.count && start <= (off_t)size);
        struct buffer text = {0}, again = {0};
        format_seal(&seal, &text);
        must(text.length == FORMAT_BODY_AT);
        format_envelope(&one, &text);
        fd = fuzz_file(text.data, text.length);
        input = (struct input){.fd = fd};
        outcome = format_read(&input, &seal, &two, &start);
        input_free(&input);
        file_close(&fd);
        must(outcome_good(&outcome) && start == (off_t)text.length);
        format_seal(&seal, &again);
        format_envelope(&two, &again);
        must(again.length == text.length && memcmp(again.data, text.data, text.length) == 0);
        for (size_t i = 0; i < one.count; i++)
            must(!address_is_null(&one.recipients[i].address));
        buffer_free(&text);
        buffer_free(&again);
        envelope_free(&two);
    }
    must_be_clean(outcome.reason);
    envelope_free(&one);
}

static void look_at(const struct letter *letter)
{
    bool finished = letter_is_finished(letter);
    for (size_t i = 0; i < letter->count; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        must(recipient->parent < (ssize_t)i && !address_is_null(&recipient->address));
        must(letter_original(letter, i) && letter_sender(letter, i));
        must(!finished || recipient->progress != PROGRESS_PENDING);
        if (recipient->reason)
            must_be_clean(recipient->reason);
        letter_owes(letter, i, NOTIFY_FAILURE);
        letter_ends_here(recipient);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct queue *queue = spool_queue();
    if (!*id)
        queue_new_id(id);
    const uint8_t *parting = memmem(data, size, "\n===\n", 5);
    size_t first = parting ? (size_t)(parting - data) + 1 : size;
    put_file(queue->spool, data, first);
    put_file(queue->journal, parting ? parting + 5 : data, parting ? size - first - 4 : 0);
    must_last_envelope(data, first);

    struct letter letter;
    struct outcome problem;
    if (letter_open(queue, id, LETTER_LOOK, false, &letter, &problem) == LETTER_OPENED) {
        look_at(&letter);
        letter_close(&letter);
    } else {
        must_be_clean(problem.reason);
    }
    return 0;
}
