/*
 * What the fuzz targets share. Each target is one parser that reads strangers' bytes and the
 * promises that it makes about whatever it takes; libFuzzer brings the bytes and, with the
 * sanitizers, sees to the memory.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise: the target ends where it is broken. */
#define must(promise)                                                                              \
    do {                                                                                           \
        if (!(promise)) {                                                                          \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #promise);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The bytes as an open file that stands at its beginning. */
static inline int fuzz_file(const void *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    must(fd >= 0 && file_write(fd, data, size) && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* The bytes as a string of their own, so that every byte read behind its NUL is found. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    return memory_copy((const char *)data, size);
}

/* Nothing that starts a line or steers a terminal. */
static inline void must_be_clean(const char *text)
{
    for (const char *c = text; *c; c++) {
        must((unsigned char)*c >= ' ' && *c != 127);
        must((unsigned char)*c != 0xC2 || (unsigned char)c[1] >= 0xA0);
    }
    must(text_is_utf8(text, strlen(text)));
}

/* It reads the same again once it is printed, as the queue and the next hop need it. */
static inline void must_last(const struct address *address)
{
    struct buffer printed = {0};
    buffer_append_byte(&printed, '<');
    address_format(address, &printed);
    buffer_append_byte(&printed, '>');
    must_be_clean(buffer_text(&printed));
    struct address again;
    const char *why;
    must(address_parse(buffer_text(&printed), &again, &why));
    must(address_equal(&again, address));
    address_free(&again);
    buffer_free(&printed);
}

#endif
