/* What a journal owes the sender: chosen once, told once, over any crash in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "queue/draft.h"
#include "queue/journal.h"
#include "queue/letter.h"

static char folder[] = "/tmp/postrider-journal-XXXXXX";
static struct queue queue;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    struct outcome outcome = queue_open(folder, true, &queue);
    return outcome_good(&outcome) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    queue_close(&queue);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct address parsed(const char *text)
{
    struct address address;
    const char *why;
    assert_true(address_parse(text, &address, &why));
    return address;
}

/* A message for three recipients with this request; opens it for work. */
static void commit(unsigned notify, const char *sender, struct letter *letter)
{
    struct envelope envelope = {.sender = parsed(sender)};
    envelope_add(&envelope, parsed("a@example.net"), notify, NULL);
    envelope_add(&envelope, parsed("b@example.net"), notify, "rfc822;bee@example.net");
    envelope_add(&envelope, parsed("c@example.net"), notify, NULL);
    struct draft *draft = draft_open(&queue, &envelope, NULL, 0);
    envelope_free(&envelope);
    char id[QUEUE_ID_SIZE];
    strcpy(id, draft_id(draft));
    struct outcome outcome = draft_commit(draft, NULL);
    assert_true(outcome_good(&outcome));
    assert_int_equal(letter_open(&queue, id, LETTER_WORK, true, letter, &outcome), LETTER_OPENED);
}

/* As after a crash: what was not saved is gone. */
static void reopen(struct letter *letter)
{
    char id[QUEUE_ID_SIZE];
    struct outcome problem;
    strcpy(id, letter->id);
    letter_close(letter);
    assert_int_equal(letter_open(&queue, id, LETTER_WORK, true, letter, &problem), LETTER_OPENED);
}

static void save(struct letter *letter)
{
    struct outcome outcome = journal_save(letter);
    assert_true(outcome_good(&outcome));
}

static void test_failures_are_chosen_and_told_once(void **state)
{
    (void)state;
    struct letter letter;
    size_t first = 99;
    commit(0, "ops@example.org", &letter);
    assert_int_equal(journal_choose(&letter, NOTIFY_FAILURE, &first), 0);
    journal_mark(&letter, 1, PROGRESS_FAILED, "5.1.1", "no");
    journal_mark(&letter, 2, PROGRESS_FAILED, "5.1.1", "no");
    assert_int_equal(journal_choose(&letter, NOTIFY_FAILURE, &first), 2);
    assert_int_equal(first, 1);
    save(&letter);
    reopen(&letter);
    /* Another one fails before the report is noted: it belongs in a report of its own. */
    journal_mark(&letter, 0, PROGRESS_FAILED, "5.1.1", "no");
    save(&letter);
    reopen(&letter);
    assert_int_equal(journal_choose(&letter, NOTIFY_FAILURE, &first), 2);
    assert_int_equal(first, 1);
    assert_false(letter_is_chosen(&letter, 0, NOTIFY_FAILURE));
    journal_told(&letter, NOTIFY_FAILURE);
    save(&letter);
    reopen(&letter);
    assert_int_equal(letter.recipients[1].progress, PROGRESS_BOUNCED);
    assert_int_equal(letter.recipients[0].progress, PROGRESS_FAILED);
    assert_false(letter_is_finished(&letter));
    assert_int_equal(journal_choose(&letter, NOTIFY_FAILURE, &first), 1);
    assert_int_equal(first, 0);
    journal_told(&letter, NOTIFY_FAILURE);
    assert_true(letter_is_finished(&letter));
    letter_close(&letter);
}

static void test_success_is_owed_where_asked(void **state)
{
    (void)state;
    static const struct {
        unsigned notify;
        const char *sender;
        enum progress progress;
        bool owed;
    } cases[] = {
        {NOTIFY_SUCCESS, "ops@example.org", PROGRESS_DELIVERED, true},
        {NOTIFY_SUCCESS, "ops@example.org", PROGRESS_RELAYED, true},
        {NOTIFY_SUCCESS, "ops@example.org", PROGRESS_PASSED, false},
        {NOTIFY_SUCCESS, "<>", PROGRESS_DELIVERED, false},
        {NOTIFY_FAILURE, "ops@example.org", PROGRESS_DELIVERED, false},
        {0, "ops@example.org", PROGRESS_RELAYED, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct letter letter;
        size_t first;
        commit(cases[i].notify, cases[i].sender, &letter);
        for (size_t k = 0; k < 3; k++)
            journal_mark(&letter, k, cases[i].progress, "2.0.0", "fine");
        assert_int_equal(letter_is_finished(&letter), !cases[i].owed);
        save(&letter);
        reopen(&letter);
        assert_int_equal(journal_choose(&letter, NOTIFY_SUCCESS, &first), cases[i].owed ? 3 : 0);
        letter_close(&letter);
    }
}

static void test_delay_is_told_once_and_keeps_nothing(void **state)
{
    (void)state;
    struct letter letter;
    size_t first;
    commit(0, "ops@example.org", &letter);
    journal_late(&letter, 2);
    save(&letter);
    reopen(&letter);
    assert_int_equal(journal_choose(&letter, NOTIFY_DELAY, &first), 1);
    assert_int_equal(first, 2);
    journal_told(&letter, NOTIFY_DELAY);
    save(&letter);
    reopen(&letter);
    assert_true(letter.recipients[2].late);
    assert_int_equal(journal_choose(&letter, NOTIFY_DELAY, &first), 0);
    assert_int_equal(letter.recipients[2].progress, PROGRESS_PENDING);
    letter_close(&letter);
}

static void add(struct letter *letter, enum letter_kind kind, const char *address, const char *text,
                const char *sender)
{
    struct letter_recipient child = {.address = parsed(address), .kind = kind};
    child.text = (char *)(uintptr_t)text; /* only read */
    if (sender)
        child.sender = parsed(sender);
    journal_add_child(letter, 1, &child);
    address_free(&child.address);
    address_free(&child.sender);
}

static void expect_child(const struct letter *letter, size_t index, enum letter_kind kind,
                         const char *address, const char *text, const char *sender)
{
    const struct letter_recipient *child = &letter->recipients[index];
    char *found = address_text(&child->address), *from = address_text(&child->sender);
    assert_int_equal(child->kind, kind);
    assert_string_equal(found, address);
    assert_string_equal(child->text ? child->text : "none", text ? text : "none");
    assert_string_equal(from, sender ? sender : "");
    assert_int_equal(letter_ends_here(child), kind != LETTER_TO_REMOTE);
    free(found);
    free(from);
}

/* Every kind comes back as it was, whatever its text looks like. */
static void test_children(void **state)
{
    (void)state;
    static const char command[] = "/bin/x  \"a > from <b@c>\" to y .\t. ";
    struct letter letter;
    commit(NOTIFY_SUCCESS, "ops@example.org", &letter);
    size_t first = letter.count;
    add(&letter, LETTER_TO_MAILBOX, "joe", NULL, NULL);
    add(&letter, LETTER_TO_REMOTE, "\"x> from <y\\\"\"@example.org", NULL, "owner-b@example.net");
    add(&letter, LETTER_TO_FILE, "b@example.net", "/var/a b", "\"o > \\\" o\"@example.net");
    add(&letter, LETTER_TO_COMMAND, "b@example.net", command, NULL);
    add(&letter, LETTER_TO_COMMAND, "other@example.net", command, NULL); /* the same command */
    add(&letter, LETTER_TO_COMMAND, "b@example.net", "/var/a b", NULL);
    journal_expanded(&letter, 1, first);
    save(&letter);
    for (int times = 0; times < 2; times++) {
        assert_int_equal(letter.count, first + 5);
        expect_child(&letter, first, LETTER_TO_MAILBOX, "joe", NULL, NULL);
        expect_child(&letter, first + 1, LETTER_TO_REMOTE, "\"x> from <y\\\"\"@example.org", NULL,
                     "owner-b@example.net");
        expect_child(&letter, first + 2, LETTER_TO_FILE, "b@example.net", "/var/a b",
                     "\"o > \\\" o\"@example.net");
        expect_child(&letter, first + 3, LETTER_TO_COMMAND, "b@example.net", command, NULL);
        expect_child(&letter, first + 4, LETTER_TO_COMMAND, "b@example.net", "/var/a b", NULL);
        /* What the sender asked for goes to his own children alone, and here there are several. */
        assert_true(letter.recipients[1].several);
        assert_int_equal(letter.recipients[first].notify, NOTIFY_NEVER);
        assert_non_null(letter.recipients[first].orcpt);
        assert_int_equal(letter.recipients[first + 1].notify, 0);
        assert_null(letter.recipients[first + 1].orcpt);
        char *sender = address_text(letter_sender(&letter, first));
        assert_string_equal(sender, "ops@example.org");
        free(sender);
        reopen(&letter);
    }
    letter_close(&letter);
}

/* Its owner hears of failures, and the sender that it was expanded. */
static void test_only_child_of_a_list(void **state)
{
    (void)state;
    struct letter letter;
    commit(NOTIFY_SUCCESS, "ops@example.org", &letter);
    size_t first = letter.count;
    add(&letter, LETTER_TO_REMOTE, "x@example.com", NULL, "owner-b@example.net");
    journal_expanded(&letter, 1, first);
    save(&letter);
    reopen(&letter);
    assert_true(letter_owes(&letter, 1, NOTIFY_SUCCESS));
    journal_mark(&letter, first, PROGRESS_DELIVERED, "2.0.0", NULL);
    assert_false(letter_owes(&letter, first, NOTIFY_SUCCESS));
    letter_close(&letter);
}

static void expand_first(struct letter *letter, size_t children)
{
    static const char *const names[] = {"x@example.com", "y@example.com"};
    size_t first = letter->count;
    for (size_t i = 0; i < children; i++) {
        struct letter_recipient child = {.address = parsed(names[i]), .kind = LETTER_TO_REMOTE};
        journal_add_child(letter, 1, &child);
        address_free(&child.address);
    }
    journal_expanded(letter, 1, first);
    save(letter);
}

static void test_request_follows_an_only_child(void **state)
{
    (void)state;
    for (size_t children = 0; children < 3; children++) {
        struct letter letter;
        commit(NOTIFY_SUCCESS | NOTIFY_FAILURE, "ops@example.org", &letter);
        expand_first(&letter, children);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(letter_owes(&letter, 1, NOTIFY_SUCCESS), children != 1);
            for (size_t i = 3; i < letter.count; i++) {
                assert_int_equal(letter.recipients[i].notify,
                                 children == 1 ? NOTIFY_SUCCESS | NOTIFY_FAILURE : NOTIFY_FAILURE);
                assert_string_equal(letter.recipients[i].orcpt, "rfc822;bee@example.net");
                assert_ptr_equal(letter_original(&letter, i), &letter.recipients[1].address);
            }
            reopen(&letter);
        }
        letter_close(&letter);
    }
    struct letter letter;
    commit(NOTIFY_SUCCESS, "ops@example.org", &letter);
    expand_first(&letter, 2);
    assert_int_equal(letter.recipients[3].notify, NOTIFY_NEVER);
    letter_close(&letter);
}

/* Q1: the lines of a report, cut anywhere, are as if not there. */
static void test_Q1_torn_lines(void **state)
{
    (void)state;
    static const char *const lines[] = {"report 1 failure .\n", "late 1 2 .\n",
                                        "told 1 failure .\n"};
    for (size_t i = 0; i < 3; i++)
        for (size_t cut = 0; cut < strlen(lines[i]) - 1; cut++) {
            struct letter letter;
            commit(0, "ops@example.org", &letter);
            journal_mark(&letter, 0, PROGRESS_FAILED, "5.1.1", "no");
            save(&letter);
            int fd = openat(queue.journal, letter.id, O_WRONLY | O_APPEND);
            assert_true(fd >= 0 && file_write(fd, lines[i], cut));
            close(fd);
            reopen(&letter);
            size_t first;
            assert_true(letter_owes(&letter, 0, NOTIFY_FAILURE));
            assert_false(letter_is_chosen(&letter, 0, NOTIFY_FAILURE));
            assert_false(letter_owes(&letter, 2, NOTIFY_DELAY));
            assert_int_equal(journal_choose(&letter, NOTIFY_FAILURE, &first), 1);
            letter_close(&letter);
        }
}

/* Damage on disk is no way to a terminal. */
static void test_words_of_a_damaged_journal_are_tame(void **state)
{
    (void)state;
    static const char line[] = "failed 1 0 5.\033.1 \xff\xc2\x9b[2J no .\n";
    struct letter letter;
    commit(0, "ops@example.org", &letter);
    journal_mark(&letter, 0, PROGRESS_FAILED, "5.1.1", "no");
    save(&letter);
    int fd = openat(queue.journal, letter.id, O_WRONLY | O_APPEND);
    assert_true(fd >= 0 && file_write(fd, line, strlen(line)));
    close(fd);
    reopen(&letter);
    assert_string_equal(letter.recipients[0].status, "5. .1");
    assert_string_equal(letter.recipients[0].reason, "???[2J no");
    letter_close(&letter);
}

static void expect_hold(struct letter *letter, bool held, bool by_route, bool released)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(letter->held, held);
        assert_int_equal(letter->by_route, by_route);
        assert_int_equal(letter->released, released);
        save(letter);
        reopen(letter);
    }
}

/* What a route holds and what somebody holds are two things; the last word counts. */
static void test_who_holds_it_is_remembered(void **state)
{
    (void)state;
    struct letter letter;
    commit(0, "ops@example.org", &letter);
    expect_hold(&letter, false, false, false);
    journal_hold_by_route(&letter);
    expect_hold(&letter, true, true, false);
    journal_hold(&letter);
    expect_hold(&letter, true, false, false);
    journal_release(&letter);
    expect_hold(&letter, false, false, true);
    journal_hold_by_route(&letter);
    expect_hold(&letter, true, true, false);
    letter_close(&letter);
}

int main(void)
{
#define IN_QUEUE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_QUEUE(test_failures_are_chosen_and_told_once),
        IN_QUEUE(test_success_is_owed_where_asked),
        IN_QUEUE(test_delay_is_told_once_and_keeps_nothing),
        IN_QUEUE(test_request_follows_an_only_child),
        IN_QUEUE(test_children),
        IN_QUEUE(test_only_child_of_a_list),
        IN_QUEUE(test_Q1_torn_lines),
        IN_QUEUE(test_words_of_a_damaged_journal_are_tame),
        IN_QUEUE(test_who_holds_it_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
