/* Address lists and single addresses as headers and command lines have them. */
#include <unistd.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    size_t length = strlen(text);
    struct addresses list = {0};
    const char *why = NULL;
    if (!addresses_parse(text, &list, &why))
        must(why && list.fault <= length);
    size_t behind = 0;
    for (size_t i = 0; i < list.count; i++) {
        const struct address_place *place = &list.items[i];
        must(place->start >= behind && place->start <= place->end && place->end <= length);
        behind = place->end;
        must_last(&place->address);
    }
    addresses_free(&list);

    struct address address;
    if (address_parse(text, &address, &why)) {
        must_last(&address);
        struct address copy = address_copy(&address);
        must(address_equal(&copy, &address));
        address_qualify(&copy, "example.org");
        must(address_is_null(&copy) || copy.domain);
        address_free(&copy);
    }
    address_free(&address);
    free(text);
    return 0;
}
