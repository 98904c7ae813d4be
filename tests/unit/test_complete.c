/* Recipients out of a header, and the completion of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "base/clock.h"
#include "mail/complete.h"

static struct header header_of(const char *text)
{
    struct header header = {0};
    while (*text) {
        size_t length = strcspn(text, "\n") + 1;
        assert_true(header_take_line(&header, text, length));
        text += length;
    }
    return header;
}

/* The recipients joined by ' ', or the reason of the refusal. */
static void expect_recipients(const char *text, const char *joined)
{
    struct header header = header_of(text);
    struct envelope envelope = {0};
    struct buffer found = {0};
    struct outcome outcome = complete_recipients(&header, "here.example", &envelope, NOTIFY_DELAY);
    if (!outcome_good(&outcome)) {
        assert_int_equal(outcome.exit_status, EX_DATAERR);
        assert_int_equal(outcome.result, NEVER);
        buffer_append_text(&found, outcome.reason);
    }
    for (size_t i = 0; i < envelope.count && outcome_good(&outcome); i++) {
        assert_int_equal(envelope.recipients[i].notify, NOTIFY_DELAY);
        if (i)
            buffer_append_byte(&found, ' ');
        address_format(&envelope.recipients[i].address, &found);
    }
    assert_string_equal(buffer_text(&found), joined);
    buffer_free(&found);
    envelope_free(&envelope);
    header_free(&header);
}

static void test_S9_recipients(void **state)
{
    (void)state;
    expect_recipients("Subject: x\n", "");
    expect_recipients("To: a@b,\n c, Joe <a@b>\nFrom: f@g\nCc : d@e\nbcc: \"x, y\" <h@i> (j)\n",
                      "a@b c@here.example d@e h@i");
    expect_recipients("Bcc: only@b\nBcc: second@b\n", "only@b second@b");
    expect_recipients("To: undisclosed-recipients:;\n", "");
    expect_recipients("To: team: a@b, c@d;\nCc:\n", "a@b c@d");
    expect_recipients("To: a@b (nested (paren, theses) \\) x)\n", "a@b");
    expect_recipients("Reply-To: x@y\nTo: a@b\nApparently-To: z@y\n", "a@b");
}

static void test_S9_errors_name_field_and_address(void **state)
{
    (void)state;
    expect_recipients("To: a@b\nCC: c@d,\n two words, e@f\n",
                      "CC: stray characters behind the address in \"two words\"");
    expect_recipients("Bcc: a@@b\n", "Bcc: empty domain in \"a@@b\"");
    expect_recipients("To: group: a@b\n", "To: group without ';' at its end in \"a@b\"");
}

static void test_S9_resent(void **state)
{
    (void)state;
    expect_recipients("Resent-To: new@b\nTo: a@b\nBcc: c@d\n", "new@b");
    expect_recipients("Resent-From: me\nResent-To: new@b\nResent-Bcc: hidden@b\n"
                      "Resent-From: other\nResent-To: old@b\nResent-Cc: older@b\nTo: a@b\n",
                      "new@b hidden@b");
    expect_recipients("Received: x\nResent-Cc: new@b\nReceived: y\nResent-To: old@b\nTo: a@b\n",
                      "new@b");
    expect_recipients("Resent-From: me@here\nTo: a@b\n", "");
}

static void test_S8_nul_in_a_recipient_field(void **state)
{
    (void)state;
    struct header header = {0};
    assert_true(header_take_line(&header, "To: a@b,\0c@d\n", 13));
    struct envelope envelope = {0};
    struct outcome outcome = complete_recipients(&header, "x", &envelope, 0);
    assert_int_equal(outcome.exit_status, EX_DATAERR);
    assert_non_null(strstr(outcome.reason, "To: NUL byte"));
    envelope_free(&envelope);
    header_free(&header);
}

static const struct address joe = {.local = "joe", .domain = NULL};

static struct completion completion_of(void)
{
    return (struct completion){
        .hostname = "host.example",
        .sender_domain = "send.example",
        .recipient_domain = "rcpt.example",
        .from = &joe,
        .received_from = "(from userid 1000)",
        .protocol = "local",
        .id = "QID",
        .now = 1793694600,
    };
}

#define RECEIVED                                                                                   \
    "Received: by host.example (Postrider) (from userid 1000)\n\twith local id QID;\n"             \
    "\tTue, 3 Nov 2026 09:30:00 +0100\n"
#define DATE  "Date: Tue, 3 Nov 2026 09:30:00 +0100\n"
#define WHOLE "Date: x\nMessage-ID: <x>\n"

/* Random digits of a Message-ID made by us become '*'. */
static void hide_random(char *text)
{
    char *random = strstr(text, "<QID.");
    for (random = random ? random + 5 : NULL; random && *random != '@'; random++)
        *random = '*';
}

static void expect_completed(const char *text, const struct completion *completion,
                             const char *completed)
{
    struct header header = header_of(text);
    complete_header(&header, completion);
    complete_received(&header, 0, completion);
    struct buffer formatted = {0};
    header_format(&header, &formatted);
    hide_random(formatted.data);
    assert_string_equal(formatted.data, completed);
    buffer_free(&formatted);
    header_free(&header);
}

static void test_what_is_missing_gets_added(void **state)
{
    (void)state;
    struct completion completion = completion_of();
    expect_completed("Subject: x\n", &completion,
                     RECEIVED "Subject: x\nFrom: joe@send.example\n" DATE
                              "Message-ID: <QID.****************@host.example>\n");
    expect_completed("From: a@b\nmessage-id: <y>\ndate : z\n", &completion,
                     RECEIVED "From: a@b\nmessage-id: <y>\ndate : z\n");
}

static void test_from_with_a_name(void **state)
{
    (void)state;
    struct completion completion = completion_of();
    static const struct {
        const char *name, *from;
    } cases[] = {
        {"Joe Doe", "Joe Doe <joe@send.example>"},
        {"CronDaemon", "CronDaemon <joe@send.example>"},
        {"Doe, Joe \"J\"", "\"Doe, Joe \\\"J\\\"\" <joe@send.example>"},
        {"J\xC3\xB6", "=?utf-8?B?SsO2?= <joe@send.example>"},
        {"J\xC3\xBCrgen M\xC3\xBCller, x",
         "=?utf-8?Q?J=C3=BCrgen_M=C3=BCller=2C_x?= <joe@send.example>"},
        {"J\xF6 <x>", "=?unknown-8bit?Q?J=F6_=3Cx=3E?= <joe@send.example>"},
        {"a\r\nBcc: x@y", "\"a  Bcc: x@y\" <joe@send.example>"},
        {" ", "joe@send.example"},
        {"", "joe@send.example"},
        {NULL, "joe@send.example"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        completion.full_name = cases[i].name;
        char completed[500];
        snprintf(completed, sizeof completed, RECEIVED WHOLE "From: %s\n", cases[i].from);
        expect_completed(WHOLE, &completion, completed);
    }
    struct address null = {0};
    completion.from = &null;
    expect_completed(WHOLE, &completion, RECEIVED WHOLE "From: MAILER-DAEMON@send.example\n");
}

static void test_bare_names_are_completed_in_place(void **state)
{
    (void)state;
    struct completion completion = completion_of();
    expect_completed(WHOLE "From: root (Cron Daemon)\nTo: root\n", &completion,
                     RECEIVED WHOLE "From: root@send.example (Cron Daemon)\n"
                                    "To: root@rcpt.example\n");
    expect_completed(WHOLE "FROM:\"Cron Daemon\" <root>\nSender: a\nReply-To: b, c@d\n"
                           "To: \"x y\" (z),\n\tteam: a, <@r:b> ;, c@d\nCc : a . b (x)\nX-To: a\n",
                     &completion,
                     RECEIVED WHOLE
                     "FROM:\"Cron Daemon\" <root@send.example>\nSender: a@send.example\n"
                     "Reply-To: b@send.example, c@d\nTo: \"x y\"@rcpt.example (z),\n"
                     "\tteam: a@rcpt.example, <@r:b@rcpt.example> ;, c@d\n"
                     "Cc : a . b@rcpt.example (x)\nX-To: a\n");
}

static void test_what_does_not_parse_stays(void **state)
{
    (void)state;
    struct completion completion = completion_of();
    const char *text = WHOLE "From: Cron Daemon\nTo: root, two words\nCc: undisclosed: \nTo:\n";
    char completed[500];
    snprintf(completed, sizeof completed, RECEIVED "%s", text);
    expect_completed(text, &completion, completed);
    text = WHOLE "From: a@b\nSubject: nobody's\n";
    snprintf(completed, sizeof completed, RECEIVED "%s", text);
    expect_completed(text, &completion, completed);
}

static void test_bcc_goes_always(void **state)
{
    (void)state;
    struct completion completion = completion_of();
    expect_completed("Bcc: a@b\n" WHOLE "BCC : c@d,\n e@f,\n\tg@h\nFrom: x@y\nbcc:\nBccx: i\n",
                     &completion, RECEIVED WHOLE "From: x@y\nBccx: i\n");
}

static void test_S9_resent_is_completed(void **state)
{
    (void)state;
    struct completion completion = completion_of();
    expect_completed(
        "Received: old\nResent-To: a\nResent-Bcc: b\nResent-Sender: s\nSubject: x\n"
        "Resent-To: older\nBcc: c\n",
        &completion,
        RECEIVED
        "Received: old\nResent-From: joe@send.example\nResent-" DATE
        "Resent-Message-ID: <QID.****************@host.example>\nResent-To: a@rcpt.example\n"
        "Resent-Sender: s@send.example\nSubject: x\nResent-To: older\n");
    expect_completed("Resent-Bcc: b\nResent-Message-ID: <z>\nResent-Date: y\nResent-From: me\n",
                     &completion,
                     RECEIVED "Resent-Message-ID: <z>\nResent-Date: y\n"
                              "Resent-From: me@send.example\n");
}

static void test_trace(void **state)
{
    (void)state;
    struct completion completion = completion_of();
    completion.warning = "joe set sender to x@y\nBcc: z using -f";
    completion.received_from = "client.example ([192.0.2.1])\r\nX: y\xFF";
    completion.protocol = "ESMTPSA";
    expect_completed(WHOLE "From: a@b\n", &completion,
                     "Received: from client.example ([192.0.2.1])  X: y?\n"
                     "\tby host.example (Postrider)\n\twith ESMTPSA id QID;\n"
                     "\tTue, 3 Nov 2026 09:30:00 +0100\n"
                     "X-Authentication-Warning: host.example: joe set sender to x@y Bcc: z "
                     "using -f\n" WHOLE "From: a@b\n");
    completion = (struct completion){.hostname = "h", .now = 1793694600};
    expect_completed(WHOLE "From: a\nTo: b\n", &completion,
                     "Received: by h (Postrider);\n\tTue, 3 Nov 2026 09:30:00 +0100\n" WHOLE
                     "From: a\nTo: b\n");
}

static void test_S8_large_headers_take_linear_time(void **state)
{
    (void)state;
    const char *const lines[] = {"Bcc: a@b\n", "To: root\n", "Resent-X: a\n", " a,\n"};
    for (size_t kind = 0; kind < 4; kind++) {
        struct header header = {0};
        assert_true(header_take_line(&header, "To: x,\n", 7));
        for (size_t size = 0; size < 4 << 20; size += strlen(lines[kind]))
            assert_true(header_take_line(&header, lines[kind], strlen(lines[kind])));
        struct completion completion = completion_of();
        struct envelope envelope = {0};
        int64_t begin = clock_ms();
        struct outcome outcome = complete_recipients(&header, "x", &envelope, 0);
        assert_true(outcome_good(&outcome));
        complete_header(&header, &completion);
        complete_received(&header, 0, &completion);
        assert_true(clock_ms() - begin < 20000); /* quadratic would be hours */
        envelope_free(&envelope);
        header_free(&header);
    }
}

static uint32_t random_state = 5321;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % bound;
}

/* Whatever the header is: no Bcc is left, and a second completion changes only the trace. */
static void check_completed(struct header *header)
{
    struct completion completion = completion_of();
    struct envelope envelope = {0};
    struct outcome outcome = complete_recipients(header, "x", &envelope, 0);
    assert_true(outcome_good(&outcome) || outcome.exit_status == EX_DATAERR);
    for (size_t i = 0; i < envelope.count; i++)
        assert_non_null(envelope.recipients[i].address.domain);
    envelope_free(&envelope);
    complete_header(header, &completion);
    complete_received(header, 0, &completion);
    assert_int_equal(header_find(header, "Bcc", 0), header->count);
    assert_int_equal(header_find(header, "Resent-Bcc", 0), header->count);
    struct buffer once = {0}, twice = {0};
    header_format(header, &once);
    complete_header(header, &completion);
    complete_received(header, 0, &completion);
    header_format(header, &twice);
    /* Only one more trace field has come, on top. */
    assert_memory_equal(buffer_text(&twice), "Received:", strlen("Received:"));
    assert_int_equal(twice.length - once.length, header->fields[0].length);
    assert_string_equal(buffer_text(&twice) + header->fields[0].length, buffer_text(&once));
    buffer_free(&once);
    buffer_free(&twice);
}

static void test_random_mutations(void **state)
{
    (void)state;
    const char seed[] = "Resent-To: a, b@c\nResent-Bcc: d\nReceived: x\nFrom: root (Cron D)\n"
                        "To: \"x, y\" <z>, team: u, v@w;\nBcc: q,\n r\nSubject: s\n t\n";
    const char bytes[] = "<>()[]\"\\,;:@. \t\r\n\xC3\xBC\xFF-a";
    for (int round = 0; round < 20000; round++) {
        char text[sizeof seed];
        memcpy(text, seed, sizeof seed);
        for (uint32_t edits = random_below(8); edits; edits--)
            text[random_below(sizeof seed - 2)] = bytes[random_below(sizeof bytes - 1)];
        struct header header = {0};
        for (const char *line = text + (round % 2 ? 0 : 44); *line;) {
            size_t length = strcspn(line, "\n") + 1;
            if (!header_take_line(&header, line, length))
                break;
            line += length;
        }
        check_completed(&header);
        header_free(&header);
    }
}

static int set_zone(void **state)
{
    (void)state;
    return setenv("TZ", "CET-1", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_S9_recipients),
        cmocka_unit_test(test_S9_errors_name_field_and_address),
        cmocka_unit_test(test_S9_resent),
        cmocka_unit_test(test_S8_nul_in_a_recipient_field),
        cmocka_unit_test(test_what_is_missing_gets_added),
        cmocka_unit_test(test_from_with_a_name),
        cmocka_unit_test(test_bare_names_are_completed_in_place),
        cmocka_unit_test(test_what_does_not_parse_stays),
        cmocka_unit_test(test_bcc_goes_always),
        cmocka_unit_test(test_S9_resent_is_completed),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_S8_large_headers_take_linear_time),
        cmocka_unit_test(test_random_mutations),
    };
    return cmocka_run_group_tests(tests, set_zone, NULL);
}
