/* See terminal.h. Encodings: UTF-8 (RFC 3629) and what is not. */
#include "base/terminal.h"

#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/memory.h"
#include "base/text.h"

enum { DEFAULT_COLUMNS = 80, DOTS = 3 };

bool terminal_is_there(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

static bool has_colours(void)
{
    const char *kind = getenv("TERM"), *plain = getenv("NO_COLOR");
    return terminal_is_there() && kind && *kind && strcmp(kind, "dumb") != 0 && !(plain && *plain);
}

const char *terminal_tone(enum terminal_tone tone)
{
    static const char *const begins[] = {
        [TONE_PLAIN] = "\x1B[0m", [TONE_TITLE] = "\x1B[1m",    [TONE_GOOD] = "\x1B[32m",
        [TONE_NOTE] = "\x1B[36m", [TONE_WARNING] = "\x1B[33m", [TONE_FAULT] = "\x1B[31m"};
    static int colours = -1; /* a long table asks often */
    if (colours < 0)
        colours = has_colours();
    return colours ? begins[tone] : "";
}

bool terminal_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE",
                                        "LANG"}; /* the first one that is set */
    const char *locale = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !(locale && *locale); i++)
        locale = getenv(names[i]);
    return locale && (text_match("*.UTF-8*", locale) || text_match("*.utf8*", locale));
}

size_t terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
        return DEFAULT_COLUMNS;
    return size.ws_col;
}

/* Bytes of the UTF-8 character that the text begins with; 0: it is none. */
static size_t character_length(const char *text, size_t length)
{
    for (size_t count = 1; count <= 4 && count <= length; count++)
        if (text_is_utf8(text, count))
            return count;
    return 0;
}

/* Whether a character of several bytes has a meaning of its own to a terminal. */
static bool is_command(const char *text, size_t length)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (length == 2)
        return byte[0] == 0xC2 && byte[1] < 0xA0; /* C1 */
    if (length != 3 || byte[0] != 0xE2)
        return false;
    /* U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069 */
    return (byte[1] == 0x80 &&
            (byte[2] == 0x8E || byte[2] == 0x8F || (byte[2] >= 0xA8 && byte[2] <= 0xAE))) ||
           (byte[1] == 0x81 && byte[2] >= 0xA6 && byte[2] <= 0xA9);
}

static bool is_control(char byte)
{
    return (unsigned char)byte < ' ' || byte == 127;
}

void terminal_put(struct buffer *buffer, const char *text, size_t length, bool tabs)
{
    for (size_t at = 0; at < length;) {
        size_t count = character_length(text + at, length - at);
        bool stays = tabs && (text[at] == '\t' || text[at] == '\n');
        if (count == 0 || (count == 1 && is_control(text[at]) && !stays) ||
            is_command(text + at, count))
            buffer_append_byte(buffer, '?');
        else
            buffer_append(buffer, text + at, count);
        at += count ? count : 1;
    }
}

char *terminal_text(const char *text)
{
    struct buffer buffer = {0};
    terminal_put(&buffer, text, strlen(text), false);
    return buffer_take(&buffer);
}

/*
 * Columns of the character that the text begins with, and how many bytes it has. What is known of
 * characters is the C library's; no locale of the environment has a say, for this is a program with
 * rights that its caller has not. Where the library has no UTF-8, each has one column.
 */
static size_t character_columns(const char *text, size_t *length)
{
    static locale_t utf8;
    static bool asked;
    wchar_t character;
    mbstate_t state = {0};
    *length = 1;
    if ((unsigned char)*text < 0x80)
        return 1;
    *length = character_length(text, strlen(text));
    *length += !*length;
    if (!asked)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    asked = true;
    if (!utf8)
        return 1;
    locale_t before = uselocale(utf8);
    bool known = mbrtowc(&character, text, *length, &state) == *length;
    int columns = known ? wcwidth(character) : 1;
    uselocale(before);
    return columns < 0 ? 1 : (size_t)columns;
}

/* The bytes of the text's first characters that have together at most so many columns, which become
 * those that they have. */
static size_t bytes_of(const char *text, size_t *columns)
{
    size_t at = 0, used = 0, length;
    while (text[at]) {
        size_t more = character_columns(text + at, &length);
        if (used + more > *columns)
            break;
        used += more;
        at += length;
    }
    *columns = used;
    return at;
}

size_t terminal_width(const char *text)
{
    size_t columns = SIZE_MAX / 2;
    bytes_of(text, &columns);
    return columns;
}

void terminal_print(const char *text, size_t width, bool cut)
{
    size_t have = terminal_width(text);
    if (cut && have > width && width > DOTS) {
        have = width - DOTS;
        size_t bytes = bytes_of(text, &have);
        printf("%.*s...", (int)bytes, text);
        have += DOTS;
    } else {
        fputs(text, stdout);
    }
    printf("%*s", have < width ? (int)(width - have) : 0, "");
}

void terminal_fold(struct buffer *buffer, const char *text, size_t columns, size_t indent)
{
    size_t used = indent;
    for (bool first = true; *(text += strspn(text, " ")); first = false) {
        size_t length = strcspn(text, " ");
        char *word = memory_copy(text, length);
        size_t width = terminal_width(word);
        if (!first && used + 1 + width > columns) {
            buffer_format(buffer, "\n%*s", (int)indent, "");
            used = indent;
        } else if (!first) {
            buffer_append_byte(buffer, ' ');
            used++;
        }
        buffer_append_text(buffer, word);
        used += width;
        free(word);
        text += length;
    }
}

static size_t waiting; /* columns */

void terminal_wait(const char *words)
{
    if (!terminal_is_there())
        return;
    waiting = terminal_width(words);
    fputs(words, stdout);
    fflush(stdout);
}

void terminal_go_on(void)
{
    if (waiting)
        printf("\r%*s\r", (int)waiting, "");
    waiting = 0;
}

void terminal_end_with_reader(void)
{
    signal(SIGPIPE, SIG_DFL);
}

bool terminal_confirm(const char *question)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return true;
    fprintf(stderr, "%s [y/N] ", question);
    int first = getchar();
    for (int c = first; c != '\n' && c != EOF;)
        c = getchar();
    return first == 'y' || first == 'Y';
}
