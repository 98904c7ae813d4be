/* Header fields: which lines are one, their exact bytes, folding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "mail/header.h"

/* Takes lines until the header ends; returns how many bytes it took. */
static size_t take(struct header *header, const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t line = newline ? (size_t)(newline - text) - at + 1 : length - at;
        if (!header_take_line(header, text + at, line))
            break;
        at += line;
    }
    return at;
}

static size_t take_text(struct header *header, const char *text)
{
    return take(header, text, strlen(text));
}

static void expect_format(const struct header *header, const char *text)
{
    struct buffer formatted = {0};
    header_format(header, &formatted);
    assert_string_equal(buffer_text(&formatted), text);
    buffer_free(&formatted);
}

static void test_exact_bytes(void **state)
{
    (void)state;
    const char *text = "From: a@b\nSubject : x\n\t folded \n  again\nX:\n\xFF: no field\n";
    struct header header = {0};
    size_t taken = take_text(&header, text);
    assert_int_equal(taken, strlen("From: a@b\nSubject : x\n\t folded \n  again\nX:\n"));
    assert_int_equal(header.count, 3);
    assert_true(field_is(&header.fields[1], "subject"));
    assert_string_equal(field_body(&header.fields[1]), " x\n\t folded \n  again\n");
    assert_string_equal(field_body(&header.fields[2]), "\n");
    expect_format(&header, "From: a@b\nSubject : x\n\t folded \n  again\nX:\n");
    header_free(&header);
}

static void test_S8_where_a_header_ends(void **state)
{
    (void)state;
    struct header header = {0};
    assert_false(header_take_line(&header, "\n", 1));
    assert_false(header_take_line(&header, "\r\n", 2));
    assert_false(header_take_line(&header, "", 0));
    assert_false(header_take_line(&header, " folded first line\n", 19));
    assert_false(header_take_line(&header, "no colon here\n", 14));
    assert_false(header_take_line(&header, ": x\n", 4));
    assert_true(header_take_line(&header, "From someone Tue Nov  3\n", 24));
    assert_int_equal(header.count, 0);
    assert_true(header_take_line(&header, "A: no LF", 8));
    assert_false(header_take_line(&header, "From someone Tue Nov  3\n", 24));
    assert_false(header_take_line(&header, "\n", 1));
    assert_true(header_take_line(&header, " \n", 2));
    expect_format(&header, "A: no LF\n \n");
    header_free(&header);
}

static void test_S8_nul_bytes_are_kept(void **state)
{
    (void)state;
    struct header header = {0};
    assert_true(header_take_line(&header, "A: x\0y\n", 7));
    assert_true(header_take_line(&header, "B: z\n", 5));
    assert_false(header_take_line(&header, "C\0: z\n", 6));
    assert_true(field_has_nul(&header.fields[0]));
    assert_false(field_has_nul(&header.fields[1]));
    struct buffer text = {0};
    header_format(&header, &text);
    assert_int_equal(text.length, 12);
    assert_memory_equal(text.data, "A: x\0y\nB: z\n", 12);
    buffer_free(&text);
    header_free(&header);
}

static void test_find_insert_replace_remove(void **state)
{
    (void)state;
    struct header header = {0};
    take_text(&header, "To: a\nBcc: b\nto : c\nBCC: d\nBccx: e\n");
    assert_int_equal(header_find(&header, "TO", 0), 0);
    assert_int_equal(header_find(&header, "To", 1), 2);
    assert_int_equal(header_find(&header, "To", 3), header.count);
    assert_int_equal(header_find(&header, "T", 0), header.count);
    header_remove_all(&header, "bcc");
    header_insert(&header, 0, "Received", "by x;\n\ttoday");
    header_insert(&header, header.count, "Date", "now");
    header_replace(&header, 2, " f,\n g\n");
    header_replace(&header, 3, field_body(&header.fields[3]) + 1);
    expect_format(&header, "Received: by x;\n\ttoday\nTo: a\nto : f,\n g\nBccx:e\nDate: now\n");
    header_free(&header);
}

/* Every line fits, none is blank, and without the folds it is what it was, but for white space. */
static void check_folded(const char *text, size_t length)
{
    struct buffer folded = {0};
    header_fold(text, length, &folded);
    size_t start = 0, at = 0;
    for (size_t i = 0; i < folded.length; i++) {
        if (folded.data[i] == '\n') {
            assert_true(i - start <= LINE_LONGEST);
            start = i + 1;
            continue;
        }
        if (folded.data[i] == ' ' || folded.data[i] == '\t')
            continue;
        while (text[at] == ' ' || text[at] == '\t' || text[at] == '\n')
            at++;
        assert_int_equal(folded.data[i], text[at]);
        at++;
    }
    while (at < length && strchr(" \t\n", text[at]))
        at++;
    assert_int_equal(at, length);
    buffer_free(&folded);
}

static void test_long_lines_fold_at_white_space(void **state)
{
    (void)state;
    struct buffer line = {0};
    buffer_append_text(&line, "Subject:");
    for (int i = 0; i < 700; i++)
        buffer_format(&line, "%cword%d", i % 7 ? ' ' : '\t', i);
    buffer_append_text(&line, "\n");
    struct buffer folded = {0};
    header_fold(line.data, line.length, &folded);
    /* Taking the new line ends out gives the very bytes. */
    size_t kept = 0;
    for (size_t i = 0; i + 1 < folded.length; i++)
        if (folded.data[i] != '\n')
            folded.data[kept++] = folded.data[i];
    assert_int_equal(kept + 1, line.length);
    assert_memory_equal(folded.data, line.data, kept);
    check_folded(line.data, line.length);
    buffer_free(&folded);
    buffer_free(&line);
}

static void test_long_words_and_blanks(void **state)
{
    (void)state;
    enum { SIZE = 5000 };
    char text[SIZE + 1] = "X: ";
    memset(text + 3, 'w', SIZE - 3);
    text[SIZE - 1] = '\n';
    check_folded(text, SIZE);
    for (int i = 0; i < 1200; i++)
        memcpy(text + 3 + 4 * i, "\xF0\x9F\x93\xAF", 4);
    check_folded(text, SIZE);
    struct buffer folded = {0};
    header_fold(text, SIZE, &folded);
    assert_null(strstr(folded.data, "\n \x9F"));
    assert_null(strstr(folded.data, "\n \x93"));
    assert_null(strstr(folded.data, "\n \xAF"));
    buffer_clear(&folded);
    memset(text + 3, ' ', SIZE - 4);
    text[2500] = 'w';
    check_folded(text, SIZE);
    header_fold(text, SIZE, &folded);
    for (char *line = strchr(folded.data, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
        assert_int_not_equal(line[1 + strspn(line + 1, " ")], '\n');
    buffer_clear(&folded);
    header_fold("A: exact\n", 9, &folded);
    assert_string_equal(folded.data, "A: exact\n");
    buffer_free(&folded);
}

static void test_line_of_just_998_stays(void **state)
{
    (void)state;
    char text[1001] = "A: ";
    memset(text + 3, 'x', 996);
    text[10] = ' ';
    text[998] = '\n';
    struct buffer folded = {0};
    header_fold(text, 999, &folded);
    assert_int_equal(folded.length, 999);
    buffer_clear(&folded);
    text[998] = 'x';
    text[999] = '\n';
    header_fold(text, 1000, &folded);
    assert_int_equal(folded.length, 1001);
    assert_int_equal(folded.data[10], '\n');
    buffer_free(&folded);
}

static void test_S8_large_headers_take_linear_time(void **state)
{
    (void)state;
    const char *const lines[] = {"A:\n", " x\n", "Bcc: a\n"};
    for (size_t kind = 0; kind < 3; kind++) {
        struct header header = {0};
        int64_t begin = clock_ms();
        assert_true(header_take_line(&header, "First: x\n", 9));
        for (size_t size = 0; size < 4 << 20; size += strlen(lines[kind]))
            assert_true(header_take_line(&header, lines[kind], strlen(lines[kind])));
        header_remove_all(&header, "Bcc");
        struct buffer text = {0};
        header_format(&header, &text);
        assert_true(kind == 2 ? text.length == 9 : text.length >= 4 << 20);
        assert_true(clock_ms() - begin < 20000); /* quadratic would be hours */
        buffer_free(&text);
        header_free(&header);
    }
}

static uint32_t random_state = 5322;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % bound;
}

static void test_random_lines(void **state)
{
    (void)state;
    char text[4000];
    for (int round = 0; round < 3000; round++) {
        /* Long runs of each kind, so that every fold is met. */
        size_t length = 0;
        while (length < sizeof text - 700) {
            size_t run = 1 + random_below(random_below(4) ? 40 : 600);
            uint32_t kind = random_below(3);
            memset(text + length, kind == 0 ? ' ' : kind == 1 ? 'w' : 0xBC, run);
            length += run;
        }
        memcpy(text, "N:", 2);
        text[length++] = '\n';
        check_folded(text, length);
        struct header header = {0};
        text[random_below((uint32_t)length)] = "\n\0:\r"[random_below(4)];
        size_t taken = take(&header, text, length);
        assert_true(taken <= length);
        for (size_t i = 0; i < header.count; i++)
            assert_non_null(field_body(&header.fields[i]));
        header_free(&header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_bytes),
        cmocka_unit_test(test_S8_where_a_header_ends),
        cmocka_unit_test(test_S8_nul_bytes_are_kept),
        cmocka_unit_test(test_find_insert_replace_remove),
        cmocka_unit_test(test_long_lines_fold_at_white_space),
        cmocka_unit_test(test_long_words_and_blanks),
        cmocka_unit_test(test_line_of_just_998_stays),
        cmocka_unit_test(test_S8_large_headers_take_linear_time),
        cmocka_unit_test(test_random_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
