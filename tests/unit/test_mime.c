/* Messages in 7-bit form, and encoded words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "mail/header.h"
#include "mail/mime.h"

static bool collect(void *context, const char *data, size_t length)
{
    assert_true(length > 0);
    buffer_append(context, data, length);
    return true;
}

static bool stop_at_once(void *context, const char *data, size_t length)
{
    (void)data;
    (void)length;
    ++*(int *)context;
    return false;
}

/* The message lies behind some other bytes, as in a queue file, and before some. */
static int file_of(const char *data, size_t length)
{
    int fd = memfd_create("message", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(file_write(fd, "before\n", 7) && file_write(fd, data, length) &&
                file_write(fd, "\n--b\nbehind \xFF", 13));
    return fd;
}

static struct outcome convert(const char *data, size_t length, struct buffer *out)
{
    int fd = file_of(data, length);
    struct outcome outcome = mime_convert(MIME_7BIT, fd, 7, length, collect, out);
    close(fd);
    return outcome;
}

/* Lines and bytes that any next hop carries. */
static void check_fit(const char *data, size_t length)
{
    size_t column = 0;
    for (size_t i = 0; i < length; i++) {
        assert_true((unsigned char)data[i] < 128 && data[i]);
        column = data[i] == '\n' ? 0 : column + 1;
        assert_true(column <= LINE_LONGEST);
    }
}

/* For a next hop that takes bytes over 127, and no long lines. */
static void expect_wide(const char *text, const char *converted)
{
    struct buffer out = {0};
    int fd = file_of(text, strlen(text));
    struct outcome outcome = mime_convert(MIME_8BIT, fd, 7, strlen(text), collect, &out);
    close(fd);
    assert_string_equal(outcome.reason, "");
    assert_string_equal(buffer_text(&out), converted);
    buffer_free(&out);
}

static void expect_bytes(const char *data, size_t length, const char *converted)
{
    struct buffer out = {0};
    struct outcome outcome = convert(data, length, &out);
    assert_string_equal(outcome.reason, "");
    assert_int_equal(outcome.result, DONE);
    assert_string_equal(buffer_text(&out), converted);
    check_fit(out.data, out.length);
    buffer_free(&out);
}

static void expect(const char *text, const char *converted)
{
    expect_bytes(text, strlen(text), converted);
}

static void refuse(const char *text)
{
    struct buffer out = {0};
    struct outcome outcome = convert(text, strlen(text), &out);
    assert_int_equal(outcome.result, NEVER);
    assert_string_equal(outcome.status, "5.6.3");
    assert_int_equal(out.length, 0);
    buffer_free(&out);
}

#define MIME "MIME-Version: 1.0\n"
#define QP   "Content-Transfer-Encoding: quoted-printable\n"

static void test_what_fits_stays(void **state)
{
    (void)state;
    const char *const messages[] = {
        "",
        "\n",
        "\nbody",
        "Subject: x\n",
        "Subject: x\nbody without an empty line\n",
        "Subject: x\n\nbody \n.\n--b\n",
        "Content-Type: text/plain\n\nno version\n",
        "Content-Transfer-Encoding: BASE64 (x)\n\nAAAA\n",
        MIME
        "Content-Type: multipart/mixed; boundary=b\n\nhi\n--b\n\none\n--b\nX: y\n\ntwo\n--b--\n"
        "bye",
        MIME "Content-Type: multipart/signed; boundary=b\n\n--b\n\none\n--b--\n",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        expect(messages[i], messages[i]);
}

#define LONG                                                                                       \
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy" \
    "yyyyyyyy"
#define LONGER LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG

/* One long line is no reason to change what travels as it is. */
static void test_eight_bits_may_stay(void **state)
{
    (void)state;
    const char *const head = "From: J\xC3\xBC <j\xC3\xBC@x.example>\nX: \xC3\xBC\n";
    struct buffer text = {0}, converted = {0};
    buffer_format(
        &text,
        "%s" MIME "Content-Type: multipart/mixed; boundary=b\n"
        "Content-Transfer-Encoding: 8bit\n\npre \xC3\xBC\n"
        "--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        "\xC3\xBC\n"
        "--b\nContent-Type: text/html; charset=utf-8\n\n%s\xC3\xBC\n"
        "--b\nContent-Type: multipart/signed; boundary=s\n\n--s\n\n\xC3\xBC\n--s--\n"
        "--b--\n",
        head, LONGER);
    struct outcome outcome = outcome_done();
    int fd = file_of(text.data, text.length);
    outcome = mime_convert(MIME_8BIT, fd, 7, text.length, collect, &converted);
    close(fd);
    assert_string_equal(outcome.reason, "");
    const char *end = strstr(buffer_text(&converted), "--b\nContent-Type: text/html");
    assert_non_null(end);
    size_t before = (size_t)(end - converted.data);
    assert_memory_equal(converted.data, text.data, before);
    const char *const html = "--b\nContent-Type: text/html; charset=utf-8\n" QP "\nyyy";
    assert_memory_equal(end, html, strlen(html));
    const char *const tail =
        "--b\nContent-Type: multipart/signed; boundary=s\n\n--s\n\n\xC3\xBC\n--s--\n--b--\n";
    assert_string_equal(buffer_text(&converted) + converted.length - strlen(tail), tail);
    buffer_free(&text);
    buffer_free(&converted);
    expect_wide("Subject: \xC3\xBC\n\n\xC3\xBC\n", "Subject: \xC3\xBC\n\n\xC3\xBC\n");
}

/* Without the quotes that they need, as scripts write them and readers take them. */
static void test_boundaries_without_quotes(void **state)
{
    (void)state;
    expect(MIME "Content-Type: multipart/mixed; boundary=----=_Part_1\n\n"
                "------=_Part_1\n\n\xE9\n------\n------=_Part_1--\n",
           MIME "Content-Type: multipart/mixed; boundary=----=_Part_1\n\n"
                "------=_Part_1\nContent-Type: text/plain; charset=unknown-8bit\n" QP
                "\n=E9\n------\n------=_Part_1--\n");
    expect(MIME "Content-Type: multipart/mixed; boundary=a/b:c?d (x); y=z\n\n"
                "--a/b:c?d\n\n\xE9\n--a/b:c?d--\n",
           MIME "Content-Type: multipart/mixed; boundary=a/b:c?d (x); y=z\n\n"
                "--a/b:c?d\nContent-Type: text/plain; charset=unknown-8bit\n" QP
                "\n=E9\n--a/b:c?d--\n");
    /* What is missing behind quotes leaves no doubt, nor does a comment behind a token. */
    expect(MIME "Content-Type: multipart/mixed; boundary=\"b\" charset=utf-8\n\n"
                "--b\nContent-Type: text/plain; charset=x y=z\n\n\xE9\n--b--\n",
           MIME "Content-Type: multipart/mixed; boundary=\"b\" charset=utf-8\n\n"
                "--b\nContent-Type: text/plain; charset=x y=z\n" QP "\n=E9\n--b--\n");
    expect(MIME "Content-Type: multipart/mixed; boundary=b(c)\n\n--b\n\n\xE9\n--b--\n",
           MIME "Content-Type: multipart/mixed; boundary=b(c)\n\n"
                "--b\nContent-Type: text/plain; charset=unknown-8bit\n" QP "\n=E9\n--b--\n");
    /* Where nobody knows how far it goes, nobody changes anything. */
    refuse(MIME "Content-Type: multipart/mixed; boundary=-=_(1)\n\n---=_\n\n\xE9\n---=_--\n");
    refuse(MIME "Content-Type: multipart/mixed; boundary=a\\b\n\n--a\n\n\xE9\n--a--\n");
    refuse(MIME "Content-Type: multipart/mixed; boundary=a b\n\n--a\n\n\xE9\n--a--\n");
}

static void test_C10_plain_text(void **state)
{
    (void)state;
    expect("Subject: x\n\nGr\xC3\xBC\xC3\x9F"
           "e = \n.\n",
           "Subject: x\nContent-Type: text/plain; charset=utf-8\n" QP MIME
           "\nGr=C3=BC=C3=9Fe =3D=20\n.\n");
    expect("Subject: x\n\nGr\xFC\xDF"
           "e\t",
           "Subject: x\nContent-Type: text/plain; "
           "charset=unknown-8bit\n" QP MIME "\nGr=FC=DFe=09");
    expect("\n\xC3\xBC\xC3",
           "Content-Type: text/plain; charset=unknown-8bit\n" QP MIME "\n=C3=BC=C3");
    expect(MIME
           "Content-Type: text/plain; format=flowed;\nContent-Transfer-Encoding: 8bit\n\n\xE9\n",
           MIME "Content-Type: text/plain; format=flowed; charset=unknown-8bit\n" QP "\n=E9\n");
    expect(MIME "Content-Type: text/html\nContent-Transfer-Encoding: BINARY\n\n\xE9\n",
           MIME "Content-Type: text/html\n" QP "\n=E9\n");
    expect(MIME "content-type: TEXT/PLAIN (x); CharSet=\"latin1\"\n\n\xE9\n",
           MIME "content-type: TEXT/PLAIN (x); CharSet=\"latin1\"\n" QP "\n=E9\n");
    expect(MIME "Content-Transfer-Encoding: 8bit\n\nplain\n",
           MIME "Content-Transfer-Encoding: 7bit\n\nplain\n");
    expect("no header \xC3\xBC\n",
           "Content-Type: text/plain; charset=utf-8\n" QP MIME "\nno header =C3=BC\n");
}

static void test_S8_nul_and_long_lines(void **state)
{
    (void)state;
    expect_bytes("A: b\0c\n\nx\0y\r\n", 13,
                 "A: b?c\nContent-Type: text/plain; charset=us-ascii\n" QP MIME "\nx=00y=0D\n");
    enum { SIZE = 5 << 20 };
    char *text = malloc(SIZE);
    memset(text, 'l', SIZE);
    text[0] = '\n';
    struct buffer out = {0};
    struct outcome outcome = convert(text, SIZE, &out);
    assert_int_equal(outcome.result, DONE);
    check_fit(out.data, out.length);
    /* Without the soft breaks it is the line that it was. */
    const char *body = strstr(out.data, "\n\n");
    assert_non_null(body);
    size_t letters = 0;
    for (body += 2; *body; body++)
        letters += *body == 'l';
    assert_int_equal(letters, SIZE - 1);
    buffer_free(&out);
    free(text);
}

static void test_soft_breaks(void **state)
{
    (void)state;
    char text[200] = "\n\xFF";
    memset(text + 2, 'x', 72);
    memcpy(text + 74, "--b--\n-- \n", 11);
    struct buffer out = {0};
    struct outcome outcome = convert(text, strlen(text), &out);
    assert_int_equal(outcome.result, DONE);
    /* No line of it may begin with what was in the middle of one, if that looks like a boundary. */
    assert_non_null(strstr(out.data, "x=\n=2D-b--\n--=20\n"));
    check_fit(out.data, out.length);
    buffer_free(&out);
}

static void test_parts(void **state)
{
    (void)state;
    expect("Content-Type: multipart/mixed; x=\"\\\"\"; boundary=\"b (1)\"\n"
           "Content-Transfer-Encoding: 8bit\n\npre\xFF\n"
           "--b (1) \t\nContent-Type: text/plain; charset=utf-8\n\n\xC3\xBC\n\n"
           "--b (1)\n\n7bit\n--b (1)x\n"
           "--b (1)\n\xC3\xBC\n"
           "--b (1)\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\nAAA=\n"
           "--b (1)\nContent-Type: multipart/alternative;\n boundary=in\n\n"
           "--in\nSubject: no blank line\n--in\n\n\xE9\n--in--\n\nepilogue\xFF\n"
           "--b (1)--\nend\xFF",
           "Content-Type: multipart/mixed; x=\"\\\"\"; boundary=\"b (1)\"\n"
           "Content-Transfer-Encoding: 7bit\n" MIME "\npre?\n"
           "--b (1)\nContent-Type: text/plain; charset=utf-8\n" QP "\n=C3=BC\n\n"
           "--b (1)\n\n7bit\n--b (1)x\n"
           "--b (1)\nContent-Type: text/plain; charset=utf-8\n" QP "\n=C3=BC\n"
           "--b (1)\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\nAAA=\n"
           "--b (1)\nContent-Type: multipart/alternative;\n boundary=in\n\n"
           "--in\nSubject: no blank line\n--in\n"
           "Content-Type: text/plain; charset=unknown-8bit\n" QP "\n=E9\n--in--\n\nepilogue?\n"
           "--b (1)--\nend?");
}

static void test_an_outer_boundary_ends_inner_parts(void **state)
{
    (void)state;
    expect(MIME
           "Content-Type: multipart/mixed; boundary=o\n\n--o\n"
           "Content-Type: multipart/mixed; boundary=i\n\n--i\n\n\xE9\n--o\n\n--i\n\xE9\n--o--\n"
           "--i\n",
           MIME "Content-Type: multipart/mixed; boundary=o\n\n--o\n"
                "Content-Type: multipart/mixed; boundary=i\n\n--i\n"
                "Content-Type: text/plain; charset=unknown-8bit\n" QP "\n=E9\n--o\n"
                "Content-Type: text/plain; charset=unknown-8bit\n" QP "\n--i\n=E9\n--o--\n--i\n");
}

static void test_encapsulated_messages(void **state)
{
    (void)state;
    expect(
        MIME "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: \xC3\xBC\n\n\xC3\xBC\n"
             "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
             "Subject: two\nContent-Type: text/plain\n\n\xC3\xBC\n--b--\n",
        MIME "Content-Type: multipart/digest; boundary=b\n\n--b\n\n"
             "Subject: =?utf-8?Q?=C3=BC?=\nContent-Type: text/plain; charset=utf-8\n" QP MIME
             "\n=C3=BC\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\n"
             "Subject: two\nContent-Type: text/plain; charset=utf-8\n" QP MIME "\n=C3=BC\n--b--\n");
}

static void test_what_is_encoded_already(void **state)
{
    (void)state;
    expect(MIME "Content-Transfer-Encoding: quoted-printable\n\nx=C3=bc\xC3\xBC=\n=3D \n=zz=4\n",
           MIME "Content-Transfer-Encoding: quoted-printable\n\nx=C3=bc=C3=BC=\n=3D \n=zz=4\n");
    struct buffer text = {0}, wanted = {0};
    buffer_append_text(&text, MIME "Content-Transfer-Encoding: base64\n\n");
    buffer_append_text(&wanted, buffer_text(&text));
    for (int i = 0; i < 1000; i++)
        buffer_append_byte(&text, "abcd"[i % 4]);
    buffer_append_text(&text, "ab\nc=\n\n");
    for (int i = 0; i < 1004; i++) {
        if (i && i % 76 == 0)
            buffer_append_byte(&wanted, '\n');
        buffer_append_byte(&wanted, i == 1003 ? '=' : "abcd"[i % 4]);
    }
    buffer_append_byte(&wanted, '\n');
    expect(buffer_text(&text), buffer_text(&wanted));
    buffer_free(&text);
    buffer_free(&wanted);

    /* A long line of quoted-printable: no escape is torn. */
    buffer_append_text(&text, MIME QP "\n");
    for (int i = 0; i < 400; i++)
        buffer_append_text(&text, "=41x");
    buffer_append_text(&text, "=\n");
    struct buffer out = {0};
    struct outcome outcome = convert(text.data, text.length, &out);
    assert_int_equal(outcome.result, DONE);
    size_t escapes = 0;
    for (const char *c = strstr(out.data, "=41"); c; c = strstr(c + 1, "=41"))
        escapes++;
    assert_int_equal(escapes, 400);
    for (const char *c = strchr(out.data, '\n'), *next; c && (next = strchr(c + 1, '\n')); c = next)
        assert_true(next - c <= 77);
    buffer_free(&out);
    buffer_free(&text);
}

static void test_C10_what_must_not_change(void **state)
{
    (void)state;
    refuse(MIME "Content-Type: multipart/signed; boundary=b\n\n--b\n\n\xE9\n--b--\n");
    refuse(MIME "Content-Type: multipart/encrypted; boundary=b\n\n--b\n\n\xE9\n--b--\n");
    refuse(MIME "Content-Type: multipart/mixed; boundary=o\n\n--o\n\n\xE9\n--o\n"
                "Content-Type: multipart/Signed; boundary=b\n\n--b\nSubject: \xE9\n\n\n--b--\n");
    refuse(MIME "Content-Type: message/partial; id=x\n\n\xE9\n");
    refuse(MIME "Content-Type: multipart/mixed\n\n--b\n\n\xE9\n");
    refuse(MIME "Content-Type: multipart/mixed; boundary=b\n\nno parts \xE9\n");
    refuse(MIME "Content-Type: multipart/mixed; boundary=b\n"
                "Content-Transfer-Encoding: base64\n\n--b\n\n\xE9\n");
    refuse(MIME "Content-Transfer-Encoding: x-uuencode\n\n\xE9\n");
    /* Outside of the signature there is nothing that would break it. */
    expect(
        MIME "Content-Type: multipart/signed; boundary=b\nSubject: \xC3\xA9\n\n--b\n\nx\n--b--\n",
        MIME "Content-Type: multipart/signed; boundary=b\nSubject: =?utf-8?Q?=C3=A9?=\n\n--b\n\nx\n"
             "--b--\n");
}

static void test_header_fields(void **state)
{
    (void)state;
    expect("Subject: Re: plain J\xC3\xBC J\xC3\xBC,\n\tplain \xC3\xBC\n",
           "Subject: Re: plain =?utf-8?Q?J=C3=BC_J=C3=BC=2C?=\n\tplain =?utf-8?Q?=C3=BC?=\n");
    expect("Subject:\xFC\nX-Note: \xC3\xBC\nList-Id: \xC3\xBC <x>\n",
           "Subject:=?unknown-8bit?Q?=FC?=\nX-Note: =?utf-8?Q?=C3=BC?=\nList-Id: ?? <x>\n");
    expect("From: \"J\xC3\xBC, x\" <j@b>, J\xC3\xBC y<j@c> (b\xC3\xBC),\n Joe <d@e>\n",
           "From: =?utf-8?Q?J=C3=BC=2C_x?= <j@b>, =?utf-8?Q?J=C3=BC_y?=<j@c> (=?utf-8?B?YsO8?=),"
           "\n Joe <d@e>\n");
    expect("To: j@b\xC3\xBC.org, <j@b\xC3\xBC.org>, t\xC3\xA9"
           "am: <\xC3\xBC@b>;\nCc: \"\xC3\xBC\n",
           "To: j@xn--b-eha.org, <j@xn--b-eha.org>, =?utf-8?Q?t=C3=A9am?=: <??@b>;\nCc: \"??\n");
    expect("Content-Disposition: x; filename=\"\xC3\xBC.pdf\"\n\n",
           "Content-Disposition: x; filename=\"??.pdf\"\n\n");
    struct buffer text = {0}, out = {0};
    buffer_append_text(&text, "References:");
    for (int i = 0; i < 300; i++)
        buffer_format(&text, " <%d@example.org>", i);
    buffer_append_text(&text, "\n\nx\n");
    struct outcome outcome = convert(text.data, text.length, &out);
    assert_int_equal(outcome.result, DONE);
    check_fit(out.data, out.length);
    assert_non_null(strstr(out.data, "<299@example.org>\n\nx\n"));
    buffer_free(&text);
    buffer_free(&out);
}

static void expect_words(const char *text, const char *words)
{
    struct buffer out = {0};
    mime_encode_words(text, &out);
    assert_string_equal(buffer_text(&out), words);
    buffer_free(&out);
}

static void test_encoded_words(void **state)
{
    (void)state;
    expect_words("", "");
    expect_words("plain (text)", "plain (text)");
    expect_words("two\r\nlines", "two  lines");
    expect_words("Gr\xC3\xBC\xC3\x9F"
                 "e (von) mir?",
                 "=?utf-8?Q?Gr=C3=BC=C3=9F"
                 "e_=28von=29_mir=3F?=");
    expect_words("\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82",
                 "=?utf-8?B?0J/RgNC40LLQtdGC?=");
    expect_words("caf\xE9", "=?unknown-8bit?Q?caf=E9?=");
    struct buffer text = {0}, out = {0};
    for (int i = 0; i < 100; i++)
        buffer_append_text(&text, "\xF0\x9F\x93\xAF");
    mime_encode_words(buffer_text(&text), &out);
    for (const char *line = out.data; line;) {
        assert_true(strcspn(line, "\n") <= 75);
        /* Each word holds whole characters: their base64 begins with the same digits. */
        assert_non_null(strstr(line, "=?utf-8?B?8J+Tr"));
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    buffer_free(&text);
    buffer_free(&out);
}

static void test_sink_and_file_errors(void **state)
{
    (void)state;
    int calls = 0;
    int fd = file_of("\n\xFF\n", 3);
    struct outcome outcome = mime_convert(MIME_7BIT, fd, 7, 3, stop_at_once, &calls);
    assert_int_equal(outcome.result, LATER);
    assert_int_equal(calls, 1);
    outcome = mime_convert(MIME_7BIT, fd, 7, 3, NULL, NULL);
    assert_int_equal(outcome.result, DONE);
    outcome = mime_convert(MIME_7BIT, fd, 7, 3000, stop_at_once,
                           &calls); /* the file is shorter than that */
    assert_int_equal(outcome.result, LATER);
    assert_int_equal(calls, 1);
    close(fd);
    outcome = mime_convert(MIME_7BIT, -1, 0, 3, stop_at_once, &calls);
    assert_int_equal(outcome.result, LATER);
}

static void test_deep_nesting_is_bounded(void **state)
{
    (void)state;
    struct buffer text = {0}, out = {0};
    for (int i = 0; i < 1000; i++)
        buffer_format(&text, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    buffer_append_text(&text, "\nseven bits\n");
    struct outcome outcome = convert(text.data, text.length, &out);
    assert_int_equal(outcome.result, DONE);
    buffer_append_text(&text, "\xC3\xBC\n");
    refuse(buffer_text(&text));
    buffer_clear(&text);
    for (int i = 0; i < 100000; i++)
        buffer_append_text(&text, "Content-Type: message/rfc822\n\n");
    buffer_append_text(&text, "\n\xC3\xBC\n");
    refuse(buffer_text(&text));
    buffer_free(&text);
    buffer_free(&out);
}

static void test_large_messages_take_linear_time(void **state)
{
    (void)state;
    const char *const fillings[] = {
        "--b\n\n", "--b\n\n\xFF\n", "--b", "--b \n", "X:\n", "Content-Transfer-Encoding: 8bit\n"};
    for (size_t f = 0; f < sizeof fillings / sizeof fillings[0]; f++) {
        struct buffer text = {0}, out = {0};
        buffer_append_text(&text, f < 4 ? "Content-Type: multipart/mixed; boundary=b\n\n" : "");
        while (text.length < 3 << 20)
            buffer_append_text(&text, fillings[f]);
        buffer_append_text(&text, "\n");
        int64_t begin = clock_ms();
        struct outcome outcome = convert(text.data, text.length, &out);
        assert_int_equal(outcome.result, f == 2 ? NEVER : DONE); /* f == 2: one line, no parts */
        assert_true(clock_ms() - begin < 30000);                 /* quadratic would be hours */
        buffer_free(&text);
        buffer_free(&out);
    }
}

static uint32_t random_state = 2045;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % bound;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c - 'A' + 10;
}

/* What a decoder makes of quoted-printable. */
static void decode_quoted(const char *text, size_t length, struct buffer *plain)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '=') {
            buffer_append_byte(plain, text[i]);
        } else if (text[i + 1] == '\n') {
            i++;
        } else {
            buffer_append_byte(plain, (char)(16 * hex_value(text[i + 1]) + hex_value(text[i + 2])));
            i += 2;
        }
    }
}

static void test_random_bodies_decode_to_themselves(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        char text[1500] = "\n";
        size_t length = 2 + random_below(random_below(3) ? 100 : sizeof text - 2);
        const char bytes[] = "=- \t\n\r.x\xC3\xBC";
        for (size_t i = 1; i < length; i++)
            text[i] = random_below(3) ? bytes[random_below(sizeof bytes)] : (char)random_below(256);
        text[1] = '\xFF';
        struct buffer out = {0}, plain = {0};
        struct outcome outcome = convert(text, length, &out);
        assert_int_equal(outcome.result, DONE);
        check_fit(out.data, out.length);
        const char *body = strstr(out.data, "\n\n") + 2;
        decode_quoted(body, out.length - (size_t)(body - out.data), &plain);
        assert_int_equal(plain.length, length - 1);
        assert_memory_equal(plain.data, text + 1, length - 1);
        for (size_t i = 1; i < out.length; i++)
            assert_false(out.data[i] == '\n' && strchr(" \t\r", out.data[i - 1]));
        buffer_free(&out);
        buffer_free(&plain);
    }
}

/* Whatever it is: the result travels, and there is nothing left to do for a second time. */
static void test_random_mutations(void **state)
{
    (void)state;
    const char seed[] =
        "From: \"J\xC3\xBC\" <a@b> (c), \xFF\nSubject: s \xC3\xBC\n t\n" MIME
        "Content-Type: multipart/mixed; boundary=\"o\" (x)\n\npre\n--o\nContent-Type: text/plain;\n"
        " charset=x\nContent-Transfer-Encoding: 8bit\n\n\xC3\xBC\xFF=\n--o\n"
        "Content-Type: message/rfc822\n\nSubject: y\nContent-Type: multipart/digest; boundary=i\n\n"
        "--i\n\nTo: z\n\n\xFF\n--i--\n--o\nContent-Transfer-Encoding: base64\n\nAA==\n--o\n" QP
        "\n=C3=\nx\n--o\nContent-Type: multipart/signed; "
        "boundary=s\n\n--s\n\nx\n--s--\n--o--\nepi\n";
    const char bytes[] = "<>()\"\\,;:=-/ \t\r\n\0\xC3\xBC\xFFois";
    int done = 0, never = 0;
    for (int round = 0; round < 12000; round++) {
        char text[sizeof seed];
        memcpy(text, seed, sizeof seed);
        size_t length = sizeof seed - 1;
        for (uint32_t edits = random_below(10); edits; edits--) {
            size_t at = random_below((uint32_t)length);
            if (random_below(6) == 0) {
                size_t cut = random_below((uint32_t)(length - at < 30 ? length - at : 30));
                memmove(text + at, text + at + cut, length - at - cut);
                length -= cut;
            } else {
                text[at] = bytes[random_below(sizeof bytes - 1)];
            }
        }
        struct buffer once = {0}, twice = {0};
        struct outcome outcome = convert(text, length, &once);
        assert_int_not_equal(outcome.result, LATER);
        if (outcome.result == DONE) {
            check_fit(buffer_text(&once), once.length);
            outcome = convert(buffer_text(&once), once.length, &twice);
            assert_int_equal(outcome.result, DONE);
            /* A NUL in a type makes it opaque; the '?' that it becomes does not. */
            if (!memchr(text, '\0', length))
                assert_string_equal(buffer_text(&once), buffer_text(&twice));
            done++;
        } else {
            assert_int_equal(once.length, 0);
            never++;
        }
        buffer_free(&once);
        buffer_free(&twice);
    }
    assert_true(done > 100 && never > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_stays),
        cmocka_unit_test(test_eight_bits_may_stay),
        cmocka_unit_test(test_boundaries_without_quotes),
        cmocka_unit_test(test_C10_plain_text),
        cmocka_unit_test(test_S8_nul_and_long_lines),
        cmocka_unit_test(test_soft_breaks),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_an_outer_boundary_ends_inner_parts),
        cmocka_unit_test(test_encapsulated_messages),
        cmocka_unit_test(test_what_is_encoded_already),
        cmocka_unit_test(test_C10_what_must_not_change),
        cmocka_unit_test(test_header_fields),
        cmocka_unit_test(test_encoded_words),
        cmocka_unit_test(test_sink_and_file_errors),
        cmocka_unit_test(test_deep_nesting_is_bounded),
        cmocka_unit_test(test_large_messages_take_linear_time),
        cmocka_unit_test(test_random_bodies_decode_to_themselves),
        cmocka_unit_test(test_random_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
