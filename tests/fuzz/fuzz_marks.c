/*
 * Whose an Authentication-Results field is, what of strangers' words goes into fields of ours, and
 * lists in the DNS as items of a setting.
 */
#include <netinet/in.h>

#include "config/dns_zone.h"
#include "filter/marks.h"
#include "fuzz.h"

static const char hostname[] = "here.example";

static void take(struct header *header, const char *data, size_t size)
{
    while (size) {
        const char *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) + 1 : size;
        if (!header_take_line(header, data, length))
            return;
        data += length;
        size -= length;
    }
}

/* A name that is put before what else a field says is seen through all of it. */
static void claim(const char *text)
{
    struct header header = {0};
    struct buffer field = {0};
    buffer_format(&field, "Authentication-Results: %s\n", text);
    take(&header, field.data, field.length);
    if (header.count)
        (void)marks_claim(&header.fields[0], hostname);
    header_free(&header);
    buffer_clear(&field);
    buffer_format(&field, "Authentication-Results: (x) \"Here\" . example;%s\n", text);
    take(&header, field.data, field.length);
    must(header.count >= 1 && marks_claim(&header.fields[0], hostname));
    marks_remove_claims(&header, hostname);
    header_free(&header);
    buffer_free(&field);
}

/* Three fields, whatever is in them; no line that could be another. */
static void put(char *text)
{
    struct header header = {0}, again = {0};
    struct buffer printed = {0};
    struct sockaddr_in6 client = {.sin6_family = AF_INET6, .sin6_addr.s6_addr = {0x20, 1}};
    const struct spf_identities found = {.sender = {true, SPF_FAIL, text, NULL},
                                         .helo = {true, SPF_NONE, text, NULL},
                                         .sender_text = text};
    marks_put(&header, hostname, (struct sockaddr *)&client, text, &found);
    must(header.count == 3 && marks_end(&header, &found) == 3);
    must(marks_claim(&header.fields[0], hostname));
    for (size_t i = 0; i < header.count; i++) {
        const struct field *field = &header.fields[i];
        for (size_t k = 0; k < field->length; k++)
            must((unsigned char)field->text[k] >= ' ' ||
                 (field->text[k] == '\n' &&
                  (k + 1 == field->length || field->text[k + 1] == '\t')) ||
                 (field->text[k] == '\t' && field->text[k - 1] == '\n'));
    }
    header_format(&header, &printed);
    take(&again, printed.data, printed.length);
    must(again.count == 3);
    header_free(&header);
    header_free(&again);
    buffer_free(&printed);
}

static void parse(const char *text)
{
    struct dns_zone zone;
    const char *why;
    static const unsigned char outside[] = {126, 0, 0, 2};
    if (!dns_zone_parse(text, &zone, &why)) {
        must(zone.name == NULL && *why);
        return;
    }
    must(strlen(zone.name) <= DNS_ZONE_NAME_LONGEST && zone.weight <= 1000);
    must(zone.mask_count <= DNS_ZONE_MASKS_MOST && !dns_zone_lists(&zone, outside));
    for (size_t i = 0; i < zone.mask_count; i++)
        must(dns_zone_lists(&zone, zone.masks[i].low) && dns_zone_lists(&zone, zone.masks[i].high));
    dns_zone_free(&zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    claim(text);
    put(text);
    parse(text);
    free(text);
    return 0;
}
