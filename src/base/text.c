/* Text to value and back. */
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

enum { CHARACTER_LONGEST = 4 /* bytes of UTF-8, RFC 3629 */ };

void texts_add(struct texts *list, const char *text)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 8;
        list->items = memory_resize(list->items, list->capacity * sizeof *list->items);
    }
    list->items[list->count++] = memory_copy(text, strlen(text));
}

void texts_free(struct texts *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct texts){0};
}

void texts_split(struct texts *list, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, ",");
        char *item = memory_copy(text, length);
        char *trimmed = text_trim(item);
        if (*trimmed)
            texts_add(list, trimmed);
        free(item);
        text += length + (text[length] == ',');
    }
}

/* Bytes of the character that begins here; 0: it is no UTF-8. */
static size_t character_length(const char *text, size_t length)
{
    for (size_t size = 1; size <= length && size <= CHARACTER_LONGEST; size++)
        if (text_is_utf8(text, size))
            return size;
    return 0;
}

void text_tame(char *text, size_t length)
{
    while (length) {
        size_t size = character_length(text, length);
        bool steers = size == 2 && (unsigned char)text[0] == 0xC2 && (unsigned char)text[1] < 0xA0;
        if (size == 1 && ((unsigned char)*text < ' ' || *text == 127))
            *text = ' ';
        if (size == 0)
            size = 1, *text = '?';
        if (steers)
            memset(text, '?', size);
        text += size;
        length -= size;
    }
}

void text_clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = ' ';
}

void text_lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text += 'a' - 'A';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

char *text_trim(char *text)
{
    while (is_space(*text))
        text++;
    size_t length = strlen(text);
    while (length && is_space(text[length - 1]))
        text[--length] = '\0';
    return text;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

bool text_equal(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b))
        a++, b++;
    return *a == *b;
}

bool text_starts(const char *text, const char *with)
{
    while (*with && lower(*text) == lower(*with))
        text++, with++;
    return !*with;
}

bool text_match(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (lower(*pattern) == lower(*text)) {
            pattern++, text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* Digits with one unit letter behind them, at most, by a table of letters and factors. */
static bool to_scaled(const char *text, const char *letters, const uint64_t *factors,
                      uint64_t *value)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno)
        return false;
    uint64_t factor = 1;
    if (*end) {
        const char *letter = strchr(letters, lower(*end));
        if (!letter || end[1])
            return false;
        factor = factors[letter - letters];
    }
    if (number > UINT64_MAX / factor)
        return false;
    *value = number * factor;
    return true;
}

bool text_to_size(const char *text, uint64_t *bytes)
{
    static const uint64_t factors[] = {1024, 1024L * 1024, 1024L * 1024 * 1024};
    return to_scaled(text, "kmg", factors, bytes);
}

bool text_to_seconds(const char *text, uint64_t *seconds)
{
    static const uint64_t factors[] = {1, 60, 3600, 86400, 604800};
    return to_scaled(text, "smhdw", factors, seconds);
}

bool text_to_rate(const char *text, unsigned *count, unsigned *seconds)
{
    static const struct {
        char letter;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 60 * 60}, {'d', 24 * 60 * 60}};
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && number < UINT32_MAX; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    if (digits == 0 || number == 0 || number >= UINT32_MAX || text[digits] != '/')
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (text[digits + 1] == units[i].letter && text[digits + 2] == '\0') {
            *count = (unsigned)number;
            *seconds = units[i].seconds;
            return true;
        }
    return false;
}

bool text_to_number(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
    return to_scaled(text, "", NULL, number) && *number >= low && *number <= high;
}

const char *text_from_seconds(uint64_t seconds, char *space, size_t size)
{
    static const struct {
        uint64_t length;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t unit = 0;
    while (unit < 3 && seconds < units[unit].length)
        unit++;
    uint64_t whole = seconds / units[unit].length;
    uint64_t rest = seconds % units[unit].length;
    if (unit < 3 && rest >= units[unit + 1].length)
        snprintf(space, size, "%llu%c%llu%c", (unsigned long long)whole, units[unit].letter,
                 (unsigned long long)(rest / units[unit + 1].length), units[unit + 1].letter);
    else
        snprintf(space, size, "%llu%c", (unsigned long long)whole, units[unit].letter);
    return space;
}

bool text_is_utf8(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + length;
    while (p < end) {
        unsigned char c = *p++;
        if (c < 0x80)
            continue;
        unsigned more = c >= 0xC2 && c < 0xE0   ? 1
                        : c >= 0xE0 && c < 0xF0 ? 2
                        : c >= 0xF0 && c < 0xF5 ? 3
                                                : 0;
        if (!more || (size_t)(end - p) < more)
            return false;
        unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        for (; more; more--, p++, low = 0x80, high = 0xBF)
            if (*p < low || *p > high)
                return false;
    }
    return true;
}

bool text_is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 128)
            return false;
    return true;
}
