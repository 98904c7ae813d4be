/* See dns_book.h. */
#include "check/dns_book.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct dns_page full = {
    .answered = true, .found = NO_ANSWER, .trouble = "too much was to be asked"};

static void add(struct dns_book *book, const char *name, ns_type type)
{
    struct dns_page *page = memory_get(sizeof *page);
    *page = (struct dns_page){.name = memory_copy(name, strlen(name)), .type = type};
    if (book->count == book->capacity) {
        book->capacity = book->capacity ? 2 * book->capacity : 64;
        book->pages = memory_resize(book->pages, book->capacity * sizeof *book->pages);
    }
    book->pages[book->count++] = page;
}

const struct dns_page *dns_book_look(struct dns_book *book, const char *name, ns_type type)
{
    for (size_t i = 0; i < book->count; i++) {
        const struct dns_page *page = book->pages[i];
        if (page->type == type && text_equal(page->name, name))
            return page->answered ? page : NULL;
    }
    if (book->count == DNS_BOOK_MOST)
        return &full;
    add(book, name, type);
    return NULL;
}

void dns_book_free(struct dns_book *book)
{
    for (size_t i = 0; i < book->count; i++) {
        free(book->pages[i]->name);
        texts_free(&book->pages[i]->values);
        free(book->pages[i]);
    }
    free(book->pages);
    *book = (struct dns_book){0};
}
