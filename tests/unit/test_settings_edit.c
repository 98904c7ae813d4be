/*
 * Settings files edited as text: what was meant reads back, all else stays, byte for byte where it
 * is a comment and value for value where it is a key; for files as people write them, and for
 * random ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/reader.h"
#include "setup/edit.h"

static void assert_good(const struct outcome *outcome)
{
    if (!outcome_good(outcome))
        print_error("%s\n", outcome->reason);
    assert_true(outcome_good(outcome));
}

static void open_text(struct edit *edit, const char *text)
{
    struct outcome outcome = edit_open(edit, "file", text, strlen(text));
    assert_good(&outcome);
}

/* What comes of one edit; value NULL: the key is commented out. */
static void assert_edit(const char *before, const char *section, const char *name, const char *key,
                        const char *value, const char *after)
{
    struct edit edit;
    open_text(&edit, before);
    struct outcome outcome = value ? edit_set(&edit, section, name, key, value)
                                   : edit_comment_out(&edit, section, name, key);
    assert_good(&outcome);
    assert_string_equal(buffer_text(&edit.text), after);
    edit_free(&edit);
}

static void test_value_in_its_place(void **state)
{
    (void)state;
    assert_edit("[smarthost]\nhost = a.example\nport = 25\n", "smarthost", "", "port", "587",
                "[smarthost]\nhost = a.example\nport = 587\n");
    /* spaces, comments, a missing line end, the case of names */
    assert_edit("; mine\n[smarthost]\n\nPort   :\t25 ; blocked\n# end", "smarthost", "", "port",
                "587", "; mine\n[smarthost]\n\nPort   :\t587 ; blocked\n# end");
    assert_edit("[SmartHost]\nport=25", "smarthost", "", "port", "587", "[SmartHost]\nport=587\n");
    assert_edit("[smarthost]\nuser =\n", "smarthost", "", "user", "me", "[smarthost]\nuser = me\n");
    assert_edit("[smarthost]\nuser = ; none\n", "smarthost", "", "user", "me",
                "[smarthost]\nuser = me ; none\n");
    assert_edit("[smarthost]\r\nport = 25\r\n", "smarthost", "", "port", "587",
                "[smarthost]\r\nport = 587\r\n");
    /* the section that was meant */
    assert_edit("[smarthost]\nport = 1\n[smarthost \"b\"]\nport = 2\n", "smarthost", "b", "port",
                "3", "[smarthost]\nport = 1\n[smarthost \"b\"]\nport = 3\n");
}

static void test_same_value_changes_nothing(void **state)
{
    (void)state;
    static const char text[] = "[mail]\nlocal_domains = a.example,\n   ; and\n\tb.example ; too\n"
                               "[smarthost]\nuser=me;you\n";
    assert_edit(text, "mail", "", "local_domains", "a.example, b.example", text);
    assert_edit(text, "smarthost", "", "user", "me;you", text);
    assert_edit(text, "smarthost", "", "port", NULL, text);
}

static void test_lists_with_all_their_lines(void **state)
{
    (void)state;
    static const char text[] = "[mail]\nlocal_domains = a.example, ; first\n    b.example,\n"
                               "; kept\n    c.example\ndomain = d.example\n";
    assert_edit(text, "mail", "", "local_domains", "x.example",
                "[mail]\nlocal_domains = x.example ; first\n; kept\ndomain = d.example\n");
    assert_edit(text, "mail", "", "local_domains", NULL,
                "[mail]\n;local_domains = a.example, ; first\n;    b.example,\n"
                ";    c.example\n; kept\ndomain = d.example\n");
    assert_edit("[smarthost \"a\"]\nhost = a.example\n", "smarthost", "a", "senders",
                "@a-domain-with-a-name.example, @another-domain.example, "
                "someone@somewhere-else.example, @last.example",
                "[smarthost \"a\"]\nhost = a.example\n"
                "senders = @a-domain-with-a-name.example, @another-domain.example, "
                "someone@somewhere-else.example,\n    @last.example\n");
}

static void test_where_a_key_goes(void **state)
{
    (void)state;
    /* behind its example, else behind the last key, however the next section looks */
    assert_edit("[mail]\n; The name.\n;domain = x\n; End.\n\n[queue]\n", "mail", "", "domain",
                "a.example",
                "[mail]\n; The name.\n;domain = x\ndomain = a.example\n; End.\n\n"
                "[queue]\n");
    assert_edit("[smarthost]\nhost = a,\n b\n\n; queue\n[queue]\n", "smarthost", "", "port", "25",
                "[smarthost]\nhost = a,\n b\nport = 25\n\n; queue\n[queue]\n");
    /* an example between a list and its next line would take that line */
    assert_edit("[smarthost]\nhost = a,\n;port = 25\n b\n", "smarthost", "", "port", "25",
                "[smarthost]\nhost = a,\n;port = 25\n b\nport = 25\n");
    /* an example of another section is none */
    assert_edit("[smarthost]\n;[smarthost \"b\"]\n;port = 9\n", "smarthost", "", "port", "25",
                "[smarthost]\nport = 25\n;[smarthost \"b\"]\n;port = 9\n");
}

static void test_where_a_section_goes(void **state)
{
    (void)state;
    assert_edit("", "smarthost", "", "host", "a", "[smarthost]\nhost = a\n");
    assert_edit("[mail]\ndomain = a", "smarthost", "", "host", "a",
                "[mail]\ndomain = a\n\n[smarthost]\nhost = a\n");
    assert_edit("[mail]\n\n; How.\n;[smarthost]\n;host = b\n\n;[route \"x\"]\n\n[queue]\n",
                "smarthost", "", "host", "a",
                "[mail]\n\n; How.\n;[smarthost]\n;host = b\n\n[smarthost]\nhost = a\n\n"
                ";[route \"x\"]\n\n[queue]\n");
    /* what stands behind the example belongs to [mail] */
    assert_edit("[mail]\n;[smarthost]\ndomain = x\n", "smarthost", "", "host", "a",
                "[mail]\n;[smarthost]\ndomain = x\n\n[smarthost]\nhost = a\n");
    assert_edit("[smarthost]\nhost = a\n[queue]\n", "smarthost", "two", "host", "b",
                "[smarthost]\nhost = a\n\n[smarthost \"two\"]\nhost = b\n\n[queue]\n");
}

static void test_example_file(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct edit edit;
    struct outcome outcome = file_load("etc/postrider.conf", &text);
    assert_good(&outcome);
    open_text(&edit, buffer_text(&text));
    outcome = edit_set(&edit, "mail", "", "domain", "example.org");
    assert_good(&outcome);
    outcome = edit_set(&edit, "smarthost", "", "host", "smtp.example.net");
    assert_good(&outcome);
    outcome = edit_set(&edit, "smarthost", "", "user", "me");
    assert_good(&outcome);
    const char *now = buffer_text(&edit.text);
    assert_non_null(strstr(now, "\n;domain = example.org\ndomain = example.org\n"));
    const char *section = strstr(now, "\n[smarthost]\nhost = smtp.example.net\nuser = me\n");
    assert_non_null(section);
    assert_true(section < strstr(now, ";[smarthost \"news\"]"));
    /* without these lines it is the old file */
    outcome = edit_remove(&edit, "mail", "", "domain");
    assert_good(&outcome);
    assert_int_equal(edit.text.length, text.length + strlen("\n[smarthost]\nhost = "
                                                            "smtp.example.net\nuser = me\n"));
    edit_free(&edit);
    buffer_free(&text);
}

static void test_what_cannot_be_carried(void **state)
{
    (void)state;
    static const char text[] = "[smarthost]\npassword = old ; not part of it\n";
    static const char *const bad[] = {"qz ;b",  "qz\t;b", " qz",  "qz ",    "qz\nb", "qz\rb",
                                      "qz\xff", "qz\x01", "\tqz", "qz\x7f", ";qz"};
    static const char *const good[] = {
        "a;b", "\"a\"", "'a'", "a\\b\\", "#a", "[a]", "a=b:c", "a  b", "gr\xc3\xbc\xc3\x9f",
        "=",   ":",     "\\;"};
    struct buffer longest = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0] + 1; i++) {
        struct edit edit;
        if (longest.length == 0)
            for (int k = 0; k < 200; k++)
                buffer_append_byte(&longest, 'x');
        const char *value = i < sizeof bad / sizeof bad[0] ? bad[i] : buffer_text(&longest);
        open_text(&edit, text);
        struct outcome outcome = edit_set(&edit, "smarthost", "", "password", value);
        assert_int_equal(outcome.exit_status, EX_DATAERR);
        assert_null(strstr(outcome.reason, "qz"));
        assert_string_equal(buffer_text(&edit.text), text);
        edit_free(&edit);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct edit edit;
        open_text(&edit, "[smarthost]\n");
        struct outcome outcome = edit_set(&edit, "smarthost", "", "password", good[i]);
        assert_good(&outcome);
        assert_string_equal(edit_find(&edit, "smarthost", "", "password"), good[i]);
        edit_free(&edit);
    }
    buffer_free(&longest);
}

static void test_long_line_as_a_comment(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct edit edit;
    buffer_append_text(&text, "[smarthost]\nuser = ");
    for (int i = 0; i < 95; i++)
        buffer_append_text(&text, "\xc3\xbc"); /* 198 bytes in all */
    buffer_append_byte(&text, 'x');
    open_text(&edit, buffer_text(&text));
    struct outcome outcome = edit_comment_out(&edit, "smarthost", "", "user");
    assert_good(&outcome);
    assert_null(edit_find(&edit, "smarthost", "", "user"));
    assert_true(text_is_utf8(buffer_text(&edit.text), edit.text.length));
    edit_free(&edit);
    buffer_free(&text);
}

static void test_what_is_no_settings_file(void **state)
{
    (void)state;
    static const char *const bad[] = {"key = 1\n", "[mail\n", "[mail]\nword\n", "[a]\n[a]\n",
                                      "[a]\nb = 1\nb = 2\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct edit edit;
        struct outcome outcome = edit_open(&edit, "file", bad[i], strlen(bad[i]));
        assert_int_equal(outcome.exit_status, EX_CONFIG);
        assert_memory_equal(outcome.reason, "file:", 5);
        edit_free(&edit);
    }
}

/* ---- random files ---- */

static uint32_t random_state = 20261125;

static uint32_t below(uint32_t bound)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % bound;
}

static const struct {
    const char *section, *name;
} sections[] = {{"mail", ""},         {"smarthost", ""}, {"smarthost", "a"},
                {"smarthost", "b c"}, {"queue", ""},     {"route", "x.example"}};
static const char *const keys[] = {"host",   "senders", "user",          "port",
                                   "domain", "retry",   "local_domains", "via"};
enum { SECTIONS = sizeof sections / sizeof sections[0], KEYS = sizeof keys / sizeof keys[0] };

/* What the file should say: the values by section and key, NULL for none. */
struct model {
    char *values[SECTIONS][KEYS];
    bool present[SECTIONS];
};

static void put_word(struct buffer *text)
{
    static const char letters[] = "abcXYZ019.-_@*:;#=[]\"\\'%";
    buffer_append_byte(text, letters[below(3)]);
    for (uint32_t i = below(12); i > 0; i--)
        buffer_append_byte(text, letters[below(sizeof letters - 1)]);
}

static void put_value(struct buffer *text)
{
    put_word(text);
    for (uint32_t i = below(3); i > 0; i--) {
        buffer_append_text(text, below(2) ? ", " : " ");
        put_word(text);
    }
}

static void put_noise(struct buffer *text)
{
    static const char *const noise[] = {"\n",          "; a comment\n",      "   \n",
                                        "#host = x\n", ";port = 25\n",       ";[smarthost]\n",
                                        "  ; more\n",  ";   ;senders = x\n", ";[mail]\n"};
    while (below(3) == 0)
        buffer_append_text(text, noise[below(sizeof noise / sizeof noise[0])]);
}

static void put_section(struct buffer *text, size_t section)
{
    const char *name = sections[section].name;
    buffer_format(text, *name ? "[%s \"%s\"]\n" : "[%s%s]\n", sections[section].section, name);
    put_noise(text);
    bool first = true;
    for (size_t key = 0; key < KEYS; key++) {
        if (below(3) > 0)
            continue;
        buffer_format(text, "%s%s%s", first && below(4) == 0 ? "  " : "", keys[key],
                      below(2)   ? " = "
                      : below(2) ? "="
                                 : " :\t");
        put_value(text);
        buffer_append_text(text, below(4) ? "\n" : " ; why\n");
        first = false;
        while (below(4) == 0) {
            put_noise(text);
            buffer_append_text(text, below(2) ? "    " : "\t");
            put_value(text);
            buffer_append_text(text, "\n");
        }
        put_noise(text);
    }
}

static struct outcome take(void *context, const struct entry *entry)
{
    struct model *model = context;
    size_t section = 0, key = 0;
    while (section < SECTIONS && (strcmp(sections[section].section, entry->section) != 0 ||
                                  strcmp(sections[section].name, entry->name) != 0))
        section++;
    assert_true(section < SECTIONS);
    if (!entry->key) {
        assert_false(model->present[section]);
        model->present[section] = true;
        return outcome_done();
    }
    while (key < KEYS && strcmp(keys[key], entry->key) != 0)
        key++;
    assert_true(key < KEYS);
    char **value = &model->values[section][key];
    assert_true(!*value == !entry->continued);
    struct buffer whole = {0};
    if (*value)
        buffer_format(&whole, "%s, ", *value);
    buffer_append_text(&whole, entry->value);
    free(*value);
    *value = buffer_take(&whole);
    return outcome_done();
}

static void read_model(const char *text, size_t length, struct model *model)
{
    const struct reader reader = {.section = take, .value = take, .context = model, .too_long = ""};
    *model = (struct model){0};
    int fd = edit_make_file(text, length);
    assert_true(fd >= 0);
    struct outcome outcome = reader_read(&reader, fd, "file");
    assert_good(&outcome);
    close(fd);
}

static void free_model(struct model *model)
{
    for (size_t section = 0; section < SECTIONS; section++)
        for (size_t key = 0; key < KEYS; key++)
            free(model->values[section][key]);
}

/* As a list: how it is parted into lines is no matter. */
static bool is_same_value(const char *a, const char *b)
{
    struct texts first = {0}, second = {0};
    if (!a || !b)
        return !a && !b;
    texts_split(&first, a);
    texts_split(&second, b);
    bool same = first.count == second.count;
    for (size_t i = 0; same && i < first.count; i++)
        same = strcmp(first.items[i], second.items[i]) == 0;
    texts_free(&first);
    texts_free(&second);
    return same;
}

static size_t count_comments(const char *text)
{
    size_t count = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        const char *start = line + strspn(line, " \t");
        count += *start == ';' || *start == '#';
        if (!line[strcspn(line, "\n")])
            break;
    }
    return count;
}

/* One edit of the text, and what it should then say. */
static void edit_at_random(struct edit *edit)
{
    struct model before, after;
    struct buffer value = {0}, old = {0};
    size_t section = below(SECTIONS), key = below(KEYS);
    const char *name = sections[section].name, *word = sections[section].section;
    bool easy = below(2), sets = below(4) > 0;
    read_model(buffer_text(&edit->text), edit->text.length, &before);
    buffer_append(&old, buffer_text(&edit->text), edit->text.length);
    if (easy)
        put_word(&value);
    else
        for (uint32_t i = below(260); i > 0; i--)
            buffer_append_byte(&value, (char)(below(8) ? ' ' + below(95) : 1 + below(255)));
    struct outcome outcome =
        sets ? edit_set(edit, word, name, keys[key], buffer_text(&value))
             : (below(2) ? edit_comment_out : edit_remove)(edit, word, name, keys[key]);
    read_model(buffer_text(&edit->text), edit->text.length, &after);
    if (easy || !sets)
        assert_good(&outcome);
    if (!outcome_good(&outcome))
        assert_string_equal(buffer_text(&edit->text), buffer_text(&old));
    for (size_t i = 0; i < SECTIONS; i++)
        for (size_t k = 0; k < KEYS; k++) {
            bool meant = i == section && k == key && outcome_good(&outcome);
            const char *wanted = !meant ? before.values[i][k] : sets ? buffer_text(&value) : NULL;
            if (!is_same_value(wanted, after.values[i][k])) {
                print_error("[%s \"%s\"] %s: wanted %s, is %s\n--- before\n%s--- after\n%s",
                            sections[i].section, sections[i].name, keys[k], wanted ? wanted : "-",
                            after.values[i][k] ? after.values[i][k] : "-", buffer_text(&old),
                            buffer_text(&edit->text));
                fail();
            }
        }
    assert_true(count_comments(buffer_text(&edit->text)) >= count_comments(buffer_text(&old)));
    free_model(&before);
    free_model(&after);
    buffer_free(&value);
    buffer_free(&old);
}

static void test_random_files(void **state)
{
    (void)state;
    for (int round = 0; round < 1500; round++) {
        struct buffer text = {0};
        struct edit edit;
        put_noise(&text);
        for (size_t section = 0; section < SECTIONS; section++)
            if (below(2))
                put_section(&text, section);
        if (text.length && below(4) == 0)
            text.data[--text.length] = '\0';
        open_text(&edit, buffer_text(&text));
        for (uint32_t edits = 1 + below(5); edits > 0; edits--)
            edit_at_random(&edit);
        edit_free(&edit);
        buffer_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_in_its_place),
        cmocka_unit_test(test_same_value_changes_nothing),
        cmocka_unit_test(test_lists_with_all_their_lines),
        cmocka_unit_test(test_where_a_key_goes),
        cmocka_unit_test(test_where_a_section_goes),
        cmocka_unit_test(test_example_file),
        cmocka_unit_test(test_what_cannot_be_carried),
        cmocka_unit_test(test_long_line_as_a_comment),
        cmocka_unit_test(test_what_is_no_settings_file),
        cmocka_unit_test(test_random_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
