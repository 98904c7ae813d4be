/* What is known of a message, as an object of JSON; see listing.h. */
#include "sendmail/listing.h"

#include <stdlib.h>

#include "base/json.h"

const char *listing_reason(const struct letter *letter, time_t due)
{
    const char *reason = letter_reason(letter);
    return reason ? reason : due ? "it was not tried yet" : "new";
}

static void put_address(struct buffer *json, const char *name, const struct address *address)
{
    char *text = address_text(address);
    json_text(json, name, text);
    free(text);
}

/* An alias that led to it, what the alias names, and what its sender asked for. */
static void put_details(struct buffer *json, const struct letter *letter, size_t index)
{
    const struct letter_recipient *recipient = &letter->recipients[index];
    if (recipient->parent >= 0)
        put_address(json, "original", letter_original(letter, index));
    if (!address_is_null(&recipient->sender))
        put_address(json, "sender", &recipient->sender);
    if (recipient->text)
        json_text(json, recipient->kind == LETTER_TO_COMMAND ? "command" : "file", recipient->text);
    if (recipient->notify)
        json_text(json, "notify", notify_text(recipient->notify));
    if (recipient->orcpt)
        json_text(json, "orcpt", recipient->orcpt);
}

static void put_recipients(struct buffer *json, const struct letter *letter, bool whole)
{
    static const char *const states[] = {
        [PROGRESS_PENDING] = "pending",     [PROGRESS_EXPANDED] = "expanded",
        [PROGRESS_DELIVERED] = "delivered", [PROGRESS_FAILED] = "failed",
        [PROGRESS_BOUNCED] = "bounced",     [PROGRESS_RELAYED] = "relayed",
        [PROGRESS_PASSED] = "relayed"};
    json_name(json, "recipients");
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < letter->count; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        json_next(json);
        buffer_append_byte(json, '{');
        put_address(json, "address", &recipient->address);
        json_text(json, "state", states[recipient->progress]);
        json_text(json, "status", recipient->status[0] ? recipient->status : NULL);
        json_text(json, "reason", recipient->reason);
        json_time(json, "time", recipient->when);
        if (whole)
            put_details(json, letter, i);
        buffer_append_byte(json, '}');
    }
    buffer_append_byte(json, ']');
}

static void put_letter(struct buffer *json, const struct letter *letter, time_t due, bool whole)
{
    bool held = letter_is_held(letter);
    put_address(json, "sender", &letter->envelope.sender);
    json_number(json, "size", (long long)letter->size);
    json_time(json, "arrived", letter->envelope.arrived);
    json_number(json, "uid", letter->envelope.uid);
    json_text(json, "user", letter->envelope.user);
    json_flag(json, "held", held);
    json_number(json, "tries", letter->tries);
    json_time(json, "next_try", held ? 0 : due);
    json_text(json, "reason", listing_reason(letter, due));
    if (whole)
        json_text(json, "envid", letter->envelope.envid);
    put_recipients(json, letter, whole);
}

void listing_put(struct buffer *json, const struct selected *selected, bool whole)
{
    buffer_append_byte(json, '{');
    json_text(json, "id", selected->entry->id);
    if (selected->letter)
        put_letter(json, selected->letter, selected->entry->due, whole);
    else
        json_text(json, "problem", selected->problem);
}
