/* The queue on disk: drafts, letters, journals, listing, and what is set aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "queue/draft.h"
#include "queue/hop.h"
#include "queue/format.h"
#include "queue/journal.h"
#include "queue/letter.h"
#include "queue/list.h"
#include "queue/runner.h"

static char folder[] = "/tmp/postrider-queue-XXXXXX";
static struct queue queue;

/* Ours comes before the C library's: a disk that does not even let a file be cut. */
static bool cannot_cut;

int ftruncate(int fd, off_t length)
{
    if (cannot_cut) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_ftruncate, fd, length);
}

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

static void commit(const char *body, char id[QUEUE_ID_SIZE])
{
    struct envelope envelope = {.arrived = 1795000000, .uid = 1000, .user = strdup("ops")};
    envelope.sender = parsed("ops@example.org");
    envelope.envid = strdup("QQ 1+2");
    envelope.ret = RETURN_HEADERS;
    envelope_add(&envelope, parsed("\"odd name\"@example.net"), NOTIFY_SUCCESS | NOTIFY_FAILURE,
                 "rfc822;odd@example.net");
    envelope_add(&envelope, parsed("joe"), 0, NULL);
    struct draft *draft = draft_open(&queue, &envelope, NULL, 0);
    envelope_free(&envelope);
    strcpy(id, draft_id(draft));
    draft_put(draft, body, strlen(body));
    struct outcome outcome = draft_commit(draft, NULL);
    assert_true(outcome_good(&outcome));
}

static enum letter_found open_letter(const char *id, enum letter_access access,
                                     struct letter *letter)
{
    struct outcome problem;
    return letter_open(&queue, id, access, true, letter, &problem);
}

static void test_round_trip(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE];
    struct letter letter;
    commit("Subject: hi\n\nbody without end", id);
    assert_true(queue_is_id(id));
    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
    assert_int_equal(letter.count, 2);
    assert_string_equal(letter.recipients[0].address.local, "odd name");
    assert_string_equal(letter.recipients[0].orcpt, "rfc822;odd@example.net");
    assert_int_equal(letter.recipients[0].notify, NOTIFY_SUCCESS | NOTIFY_FAILURE);
    assert_null(letter.recipients[1].address.domain);
    assert_string_equal(letter.envelope.envid, "QQ 1+2");
    assert_string_equal(letter.envelope.user, "ops");
    assert_int_equal(letter.envelope.uid, 1000);
    assert_int_equal(letter.envelope.arrived, 1795000000);
    assert_int_equal(letter.size, strlen("Subject: hi\n\nbody without end\n"));
    assert_false(letter.eight_bit || letter.not_8bit);
    char text[64] = "";
    assert_true(file_read_at(letter.fd, text, sizeof text - 1, letter.start) > 0);
    assert_string_equal(text, "Subject: hi\n\nbody without end\n");
    letter_close(&letter);
}

/* Only what says so was submitted: a file without that line, an older one too, is a stranger's. */
static void test_origin(void **state)
{
    (void)state;
    for (int submitted = 0; submitted < 2; submitted++) {
        struct envelope envelope = {.arrived = 1795000000, .submitted = submitted};
        struct letter letter;
        char id[QUEUE_ID_SIZE];
        envelope_add(&envelope, parsed("joe"), 0, NULL);
        struct draft *draft = draft_open(&queue, &envelope, NULL, 0);
        envelope_free(&envelope);
        strcpy(id, draft_id(draft));
        draft_put(draft, "origin submitted\n", 17);
        struct outcome outcome = draft_commit(draft, NULL);
        assert_true(outcome_good(&outcome));
        assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
        assert_int_equal(letter.envelope.submitted, submitted);
        letter_close(&letter);
    }
}

static void test_flags(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE];
    struct letter letter;
    char body[2100];
    memset(body, 'a', sizeof body);
    body[998] = '\n';
    body[1997] = '\n';
    body[sizeof body - 1] = '\0';
    commit(body, id);
    assert_int_equal(open_letter(id, LETTER_LOOK, &letter), LETTER_OPENED);
    assert_false(letter.not_8bit);
    letter_close(&letter);
    body[998] = '\xe4';
    commit(body, id);
    assert_int_equal(open_letter(id, LETTER_LOOK, &letter), LETTER_OPENED);
    assert_true(letter.not_8bit && letter.eight_bit);
    letter_close(&letter);
}

/* Whether this is a queue file, with that as its second line and as its recipient; else why not. */
static bool is_read(const char *second, const char *recipient, const char *why)
{
    struct buffer text = {0};
    buffer_format(&text, "postrider 1\n%s\ntime 1\nuser 0 \nfrom <>\nto %s\n\nx\n", second,
                  recipient);
    int fd = memfd_create("letter", MFD_CLOEXEC);
    assert_true(fd >= 0 && file_write(fd, text.data, text.length) && lseek(fd, 0, SEEK_SET) == 0);
    struct input input = {.fd = fd};
    struct seal seal;
    struct envelope envelope;
    off_t start;
    struct outcome outcome = format_read(&input, &seal, &envelope, &start);
    if (outcome_good(&outcome))
        assert_int_equal(start, text.length - 2);
    else
        assert_string_equal(outcome.reason, why);
    envelope_free(&envelope);
    input_free(&input);
    close(fd);
    buffer_free(&text);
    return outcome_good(&outcome);
}

static void test_damaged_second_line(void **state)
{
    (void)state;
    static const char why[] = "its second line is damaged";
    assert_true(is_read("size 00000000000000000002 crc 1a2b3c4d flags --", "<root>", why));
    assert_true(is_read("size 00000000000000000002 crc 1a2b3c4d flags 8L", "<root>", why));
    static const char *const damaged[] = {
        "size 2 crc 1a2b3c4d flags --",
        "size 0000000000000000002 crc 1a2b3c4d flags --",
        "size 000000000000000000002 crc 1a2b3c4d flags --",
        "size 00000000000000000002 crc 1a2b3c4 flags --",
        "size 00000000000000000002 crc 1a2b3c4d flags -",
        "size 00000000000000000002 crc 1a2b3c4d flags ---",
        "size                    2 crc 1a2b3c4d flags --",
        "size +0000000000000000002 crc 1a2b3c4d flags --",
        "size -0000000000000000002 crc 1a2b3c4d flags --",
        "size 00000000000000000002 crc 1A2B3C4D flags --",
        "size 00000000000000000002 crc 0x1a2b3c flags --",
        "size 00000000000000000002 crc -a2b3c4d flags --",
        "size 00000000000000000002\tcrc 1a2b3c4d flags --",
        "size 00000000000000000002 crc 1a2b3c4d flags L8",
        "size 99999999999999999999 crc 1a2b3c4d flags --",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        if (is_read(damaged[i], "<root>", why))
            fail_msg("it was taken: %s", damaged[i]);
}

static void test_recipient_that_is_none(void **state)
{
    (void)state;
    static const char seal[] = "size 00000000000000000002 crc 1a2b3c4d flags --";
    static const char why[] = "a line of its envelope is damaged";
    assert_true(is_read(seal, "<root@here>", why));
    assert_false(is_read(seal, "<>", why));
    assert_false(is_read(seal, "", why));
    assert_false(is_read(seal, "<root", why));
}

static void test_limit_leaves_nothing(void **state)
{
    (void)state;
    struct envelope envelope = {0};
    envelope_add(&envelope, parsed("joe"), 0, NULL);
    struct draft *draft = draft_open(&queue, &envelope, NULL, 10);
    envelope_free(&envelope);
    assert_true(draft_put(draft, "0123456789", 10));
    assert_false(draft_put(draft, "x", 1));
    assert_false(draft_put(draft, "y", 1));
    struct outcome outcome = draft_commit(draft, NULL);
    assert_int_equal(outcome.result, NEVER);
    assert_string_equal(outcome.status, "5.3.4");
    struct list list;
    outcome = list_read(&queue, &list);
    assert_true(outcome_good(&outcome));
    assert_int_equal(list.count, 0);
    list_free(&list);
}

static void test_given_id_is_made_once(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE], report[QUEUE_ID_SIZE];
    queue_new_id(id);
    snprintf(report, sizeof report, "%.15sb3", id);
    for (int round = 0; round < 2; round++) {
        struct envelope envelope = {0};
        envelope_add(&envelope, parsed("joe"), 0, NULL);
        struct draft *draft = draft_open(&queue, &envelope, report, 0);
        envelope_free(&envelope);
        draft_put(draft, "\n", 1);
        bool existed;
        struct outcome outcome = draft_commit(draft, &existed);
        assert_true(outcome_good(&outcome));
        assert_int_equal(existed, round);
    }
}

static void test_lock(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE];
    struct letter first, second;
    commit("\n", id);
    assert_int_equal(open_letter(id, LETTER_WORK, &first), LETTER_OPENED);
    assert_int_equal(open_letter(id, LETTER_WORK, &second), LETTER_BUSY);
    assert_int_equal(open_letter(id, LETTER_LOOK, &second), LETTER_OPENED);
    letter_close(&second);
    struct outcome outcome = letter_remove(&first);
    assert_true(outcome_good(&outcome));
    letter_close(&first);
    assert_int_equal(open_letter(id, LETTER_WORK, &second), LETTER_GONE);
}

static void test_journal(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE];
    struct letter letter;
    commit("\n", id);
    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
    journal_mark(&letter, 0, PROGRESS_PENDING, "4.4.1", "no one there .");
    size_t first = letter.count;
    struct letter_recipient child = {.address = parsed("jane"), .kind = LETTER_TO_MAILBOX};
    journal_add_child(&letter, 1, &child);
    journal_add_child(&letter, 1, &child);
    journal_expanded(&letter, 1, first);
    address_free(&child.address);
    journal_tried(&letter);
    struct outcome outcome = journal_save(&letter);
    assert_true(outcome_good(&outcome));
    time_t due = clock_now() + 300;
    outcome = journal_set_due(&letter, due);
    assert_true(outcome_good(&outcome));
    letter_close(&letter);

    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
    assert_int_equal(letter.count, 3);
    assert_string_equal(letter.recipients[0].reason, "no one there .");
    assert_int_equal(letter.recipients[0].progress, PROGRESS_PENDING);
    assert_int_equal(letter.recipients[1].progress, PROGRESS_EXPANDED);
    assert_string_equal(letter.recipients[2].address.local, "jane");
    assert_int_equal(letter.recipients[2].parent, 1);
    assert_int_equal(letter.tries, 1);
    assert_false(letter_is_finished(&letter));
    journal_mark(&letter, 0, PROGRESS_DELIVERED, "2.0.0", NULL);
    journal_mark(&letter, 2, PROGRESS_BOUNCED, "5.1.1", "no");
    assert_false(letter_is_finished(&letter)); /* its sender is to hear of the success */
    size_t told;
    assert_int_equal(journal_choose(&letter, NOTIFY_SUCCESS, &told), 1);
    assert_int_equal(told, 0);
    journal_told(&letter, NOTIFY_SUCCESS);
    assert_true(letter_is_finished(&letter));
    letter_close(&letter);

    struct list list;
    outcome = list_read(&queue, &list);
    assert_true(outcome_good(&outcome));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.entries[0].due, due);
    list_free(&list);
}

static void append_to_journal(const char *id, const char *text)
{
    int fd = openat(queue.journal, id, O_WRONLY | O_APPEND | O_CREAT, 0640);
    assert_true(fd >= 0 && file_write(fd, text, strlen(text)));
    close(fd);
}

/* Q1: whatever the last write was cut down to, what it would have said is done again. */
static void test_Q1_torn_journal(void **state)
{
    (void)state;
    const char line[] = "delivered 1795000000 1 2.0.0 250 ok .\n";
    for (size_t cut = 0; cut < sizeof line - 3; cut++) {
        char id[QUEUE_ID_SIZE], part[64];
        struct letter letter;
        commit("\n", id);
        snprintf(part, sizeof part, "%.*s", (int)cut, line);
        append_to_journal(id, part);
        assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
        assert_int_equal(letter.recipients[1].progress, PROGRESS_PENDING);
        journal_mark(&letter, 0, PROGRESS_DELIVERED, "2.0.0", "fine");
        struct outcome outcome = journal_save(&letter);
        assert_true(outcome_good(&outcome));
        letter_close(&letter);
        assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
        assert_int_equal(letter.recipients[0].progress, PROGRESS_DELIVERED);
        assert_int_equal(letter.recipients[1].progress, PROGRESS_PENDING);
        letter_close(&letter);
    }
}

/* Children whose expansion a crash cut short count for nothing once it was made again. */
static void test_Q1_cut_expansion(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE];
    struct letter letter;
    commit("\n", id);
    append_to_journal(id, "add 1 mailbox <old> .\nadd 1 mailbox <jane> .\n");
    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
    assert_int_equal(letter.recipients[2].progress, PROGRESS_EXPANDED);
    size_t first = letter.count;
    struct letter_recipient child = {.address = parsed("jane"), .kind = LETTER_TO_MAILBOX};
    journal_add_child(&letter, 1, &child);
    journal_expanded(&letter, 1, first);
    struct outcome outcome = journal_save(&letter);
    assert_true(outcome_good(&outcome));
    letter_close(&letter);
    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
    assert_int_equal(letter.count, 5);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(letter.recipients[i].progress, PROGRESS_EXPANDED);
    assert_int_equal(letter.recipients[4].progress, PROGRESS_PENDING);
    letter_close(&letter);
    address_free(&child.address);
}

static off_t journal_size(const char *id)
{
    struct stat info;
    return fstatat(queue.journal, id, &info, 0) == 0 ? info.st_size : -1;
}

/* A disk that is full within a write: so many bytes of a file, and no more. */
static void limit_files(rlim_t size)
{
    struct rlimit limit = {.rlim_cur = size, .rlim_max = RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* What was written in part is cut off again, and stands there once in the end. */
static void test_Q1_journal_on_a_full_disk(void **state)
{
    (void)state;
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        char id[QUEUE_ID_SIZE];
        struct letter letter;
        struct letter_recipient child = {.address = parsed("jane"), .kind = LETTER_TO_MAILBOX};
        commit("\n", id);
        append_to_journal(id, "tried 1 .\n");
        off_t before = journal_size(id);
        assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
        journal_add_child(&letter, 1, &child);
        journal_expanded(&letter, 1, 2);
        signal(SIGXFSZ, SIG_IGN);
        limit_files((rlim_t)before + 30); /* the child, and a piece of its parent's line */
        cannot_cut = spoilt;
        struct outcome outcome = journal_save(&letter);
        limit_files(RLIM_INFINITY);
        cannot_cut = false;
        assert_int_equal(outcome.result, LATER);
        assert_int_equal(journal_size(id), spoilt ? before + 30 : before);

        /* There is room again: what could not be cut is not written behind itself. */
        outcome = journal_save(&letter);
        assert_int_equal(outcome.result, spoilt ? LATER : DONE);
        letter_close(&letter);
        assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
        assert_int_equal(letter.count, 3);
        assert_int_equal(letter.recipients[1].progress,
                         spoilt ? PROGRESS_PENDING : PROGRESS_EXPANDED);
        assert_int_equal(letter.recipients[2].progress,
                         spoilt ? PROGRESS_EXPANDED : PROGRESS_PENDING);
        letter_close(&letter);
        address_free(&child.address);
    }
}

/* A failure of an alias's own name is a child like any other, not the parent once more. */
static void test_child_named_as_its_parent(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE];
    struct letter letter;
    struct letter_recipient child = {.address = parsed("joe"), .kind = LETTER_TO_REMOTE};
    commit("\n", id);
    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
    journal_add_child(&letter, 1, &child);
    journal_add_child(&letter, 1, &child);
    assert_int_equal(letter.count, 3);
    letter_close(&letter);
    address_free(&child.address);
}

static void damage(const char *id, off_t at, const char *bytes)
{
    int fd = openat(queue.spool, id, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), at), strlen(bytes));
    close(fd);
}

static void assert_set_aside(const char *id)
{
    struct letter letter;
    assert_int_equal(open_letter(id, LETTER_LOOK, &letter), LETTER_BROKEN);
    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_BROKEN);
    assert_int_equal(faccessat(queue.corrupt, id, F_OK, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(faccessat(queue.spool, id, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_Q3_damaged_files(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE];
    commit("Subject: x\n\nbody\n", id);
    damage(id, 10, "2");
    assert_set_aside(id);
    commit("Subject: x\n\nbody\n", id);
    damage(id, 60, "X");
    assert_set_aside(id);
    for (off_t length = 1; length < 200; length += 13) {
        commit("Subject: x\n\nbody\n", id);
        char path[128];
        snprintf(path, sizeof path, "%s/spool/%s", folder, id);
        assert_int_equal(truncate(path, length), 0);
        assert_set_aside(id);
    }
    struct letter letter;
    commit("Subject: x\n\nbody\n", id);
    assert_int_equal(open_letter(id, LETTER_LOOK, &letter), LETTER_OPENED);
    off_t body = letter.start;
    letter_close(&letter);
    damage(id, body + 3, "\n");
    struct outcome problem;
    assert_int_equal(letter_open(&queue, id, LETTER_WORK, true, &letter, &problem), LETTER_BROKEN);
    assert_int_equal(problem.result, NEVER);
}

/* As a power cut leaves one that was not synced, and who may remove nothing one that he cannot
 * finish. */
static void test_Q1_empty_file_was_accepted_from_nobody(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE], path[128];
    struct letter letter;
    commit("Subject: x\n\nbody\n", id);
    snprintf(path, sizeof path, "%s/spool/%s", folder, id);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(open_letter(id, LETTER_LOOK, &letter), LETTER_BROKEN);
    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_GONE);
    assert_int_equal(faccessat(queue.corrupt, id, F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(faccessat(queue.spool, id, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_Q3_foreign_things(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE];
    queue_new_id(id);
    assert_int_equal(mkdirat(queue.spool, id, 0700), 0);
    assert_set_aside(id);
    queue_new_id(id);
    assert_int_equal(symlinkat("/etc/passwd", queue.spool, id), 0);
    assert_set_aside(id);
    queue_new_id(id);
    assert_int_equal(mkfifoat(queue.spool, id, 0600), 0);
    assert_set_aside(id);
    queue_new_id(id);
    assert_int_equal(mknodat(queue.spool, id, S_IFSOCK | 0600, 0), 0);
    assert_set_aside(id);

    /* Beside a message: nobody waits for the other end of a FIFO. */
    struct letter letter;
    struct hop_state hop;
    struct run_trace trace = RUN_TRACE_NONE;
    alarm(20);
    commit("\n", id);
    assert_int_equal(mkfifoat(queue.journal, id, 0600), 0);
    assert_int_equal(open_letter(id, LETTER_WORK, &letter), LETTER_OPENED);
    journal_tried(&letter);
    struct outcome outcome = journal_save(&letter);
    assert_int_equal(outcome.result, LATER);
    letter_close(&letter);
    assert_int_equal(mkfifoat(queue.hops, "hop-x", 0600), 0);
    hop_read(&queue, "x", &hop);
    assert_int_equal(hop.until, 0);
    assert_int_equal(mkfifoat(queue.runs, id, 0600), 0);
    runner_read_traces(&queue, &trace);
    assert_true(trace.careful);
    runner_clear_traces(&queue, &trace, false);
    alarm(0);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_the_oldest_that_are_due(void **state)
{
    (void)state;
    char ids[7][QUEUE_ID_SIZE];
    for (size_t i = 0; i < 7; i++)
        commit("\n", ids[i]);
    /* Ids of one microsecond are in no order. */
    qsort(ids, 7, sizeof ids[0], by_text);
    append_to_journal(ids[1], "tried 1 .\n");
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = clock_now() + 60}};
    assert_int_equal(utimensat(queue.journal, ids[1], times, 0), 0);

    struct list taken = {0}, due;
    list_add(&taken, ids[0]);
    list_add(&taken, ids[3]);
    static const struct {
        size_t most, count;
        bool more;
    } cases[] = {{0, 0, true}, {1, 1, true},  {2, 2, true},
                 {3, 3, true}, {4, 4, false}, {9, 4, false}};
    static const size_t wanted[] = {2, 4, 5, 6};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct list_wish wish = {
            .longest_wait = 3600, .taken = &taken, .most = cases[i].most, .since = "~"};
        struct outcome outcome = list_read_due(&queue, &wish, &due);
        assert_true(outcome_good(&outcome) && due.later && !due.rubbish);
        assert_int_equal(due.more, cases[i].more);
        assert_int_equal(due.count, cases[i].count);
        for (size_t k = 0; k < due.count; k++)
            assert_string_equal(due.entries[k].id, ids[wanted[k]]);
        list_free(&due);
    }
    size_t count;
    struct outcome outcome = list_count_due(&queue, 3600, &count);
    assert_true(outcome_good(&outcome));
    assert_int_equal(count, 6);
    list_free(&taken);
}

static void test_new_ones_whatever_there_is_of_old_ones(void **state)
{
    (void)state;
    char ids[7][QUEUE_ID_SIZE];
    for (size_t i = 0; i < 7; i++)
        commit("\n", ids[i]);
    qsort(ids, 7, sizeof ids[0], by_text);

    /* The last three are new. */
    static const struct {
        size_t most, most_new, count, first_new;
        bool more;
    } cases[] = {{0, 2, 2, 0, true},  {0, 9, 3, 0, true},  {1, 0, 1, 1, true}, {2, 1, 3, 2, true},
                 {4, 3, 7, 4, false}, {9, 9, 7, 4, false}, {0, 0, 0, 0, true}};
    const struct list taken = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct list due;
        const struct list_wish wish = {.longest_wait = 3600,
                                       .taken = &taken,
                                       .most = cases[i].most,
                                       .most_new = cases[i].most_new,
                                       .since = ids[4]};
        struct outcome outcome = list_read_due(&queue, &wish, &due);
        assert_true(outcome_good(&outcome));
        assert_int_equal(due.more, cases[i].more);
        assert_int_equal(due.count, cases[i].count);
        for (size_t k = 0; k < due.count; k++) {
            size_t wanted = k < cases[i].first_new ? k : k - cases[i].first_new + 4;
            assert_string_equal(due.entries[k].id, ids[wanted]);
        }
        list_free(&due);
    }
}

static void test_id_of_a_time(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE], bound[QUEUE_ID_SIZE];
    time_t before = clock_now();
    queue_new_id(id);
    queue_id_of_time(before, bound);
    assert_true(strcmp(bound, id) <= 0);
    queue_id_of_time(clock_now() + 1, bound);
    assert_true(strcmp(bound, id) > 0);
}

static void test_sweep(void **state)
{
    (void)state;
    char id[QUEUE_ID_SIZE], kept[QUEUE_ID_SIZE];
    commit("\n", kept);
    append_to_journal(kept, "tried 1 .\n");
    queue_new_id(id);
    append_to_journal(id, "tried 1 .\n");
    struct list list;
    struct outcome outcome = list_read(&queue, &list);
    assert_true(outcome_good(&outcome) && list.rubbish);
    list_free(&list);
    letter_sweep(&queue);
    assert_int_equal(faccessat(queue.journal, id, F_OK, 0), -1);
    assert_int_equal(faccessat(queue.journal, kept, F_OK, 0), 0);
    outcome = list_read(&queue, &list);
    assert_true(outcome_good(&outcome) && !list.rubbish);
    list_free(&list);
}

static bool in_spool(const char *name)
{
    return faccessat(queue.spool, name, F_OK, 0) == 0;
}

/* Drafts where files without a name cannot be: a writer that lives keeps his for as long. */
static void test_sweep_drafts(void **state)
{
    (void)state;
    char name[QUEUE_ID_SIZE + 1] = ".";
    queue_new_id(name + 1);
    int fd = openat(queue.spool, name, O_RDWR | O_CREAT, 0640);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    struct list list;
    struct outcome outcome = list_read(&queue, &list);
    assert_true(outcome_good(&outcome) && list.rubbish && list.count == 0);
    list_free(&list);
    const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(futimens(fd, old), 0);
    letter_sweep(&queue);
    assert_true(in_spool(name)); /* locked */
    close(fd);
    assert_int_equal(utimensat(queue.spool, name, NULL, 0), 0);
    letter_sweep(&queue);
    assert_true(in_spool(name)); /* young: not locked yet */
    assert_int_equal(utimensat(queue.spool, name, old, 0), 0);
    letter_sweep(&queue);
    assert_false(in_spool(name));
}

static void test_hops(void **state)
{
    (void)state;
    struct hop_state hop;
    hop_read(&queue, "mail/../x", &hop);
    assert_int_equal(hop.until, 0);
    struct outcome why = outcome_later("4.4.1", "connection refused: really");
    hop_failed(&queue, "mail/../x", &why, 60);
    hop_failed(&queue, "mail/../x", &why, 60);
    hop_read(&queue, "mail/../x", &hop);
    assert_int_equal(hop.failures, 2);
    assert_string_equal(hop.status, "4.4.1");
    assert_string_equal(hop.reason, "connection refused: really");
    assert_in_range(hop.until, clock_now() + 58, clock_now() + 61);
    /* Q4: the clock is put back by a year: nothing waits for a year. */
    const time_t year = 31536000;
    const struct timespec ahead[2] = {{.tv_sec = clock_now() + year},
                                      {.tv_sec = clock_now() + year}};
    int fd = openat(queue.hops, "hop-mail_.._x", O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    dprintf(fd, "2 4.4.1 %lld down", (long long)(clock_now() + year - 60));
    close(fd);
    assert_int_equal(utimensat(queue.hops, "hop-mail_.._x", ahead, 0), 0);
    hop_read(&queue, "mail/../x", &hop);
    assert_int_equal(hop.until, 0);
    hop_works(&queue, "mail/../x");
    hop_read(&queue, "mail/../x", &hop);
    assert_int_equal(hop.failures, 0);
}

static void test_runner_lock_and_traces(void **state)
{
    (void)state;
    int first, second;
    struct outcome outcome = runner_lock(&queue, &first);
    assert_true(outcome_good(&outcome) && first >= 0);
    outcome = runner_lock(&queue, &second);
    assert_true(outcome_good(&outcome));
    assert_int_equal(second, -1);
    runner_unlock(&first);
    outcome = runner_lock(&queue, &second);
    assert_true(outcome_good(&outcome) && second >= 0);
    runner_unlock(&second);

    runner_wake(&queue, "/nonexistent"); /* starts nothing, but leaves its mark */
    assert_true(runner_has_mark(&queue) && runner_has_mark(&queue));
    assert_true(runner_take_mark(&queue));
    assert_false(runner_has_mark(&queue) || runner_take_mark(&queue));

    struct run_trace trace = RUN_TRACE_NONE, later = RUN_TRACE_NONE;
    runner_read_traces(&queue, &trace);
    assert_false(trace.careful);
    outcome = runner_leave_trace(&queue, &trace);
    assert_true(outcome_good(&outcome));
    runner_read_traces(&queue, &later);
    assert_false(later.careful); /* that run is alive */
    close(trace.fd);             /* now it is dead */
    runner_read_traces(&queue, &later);
    assert_true(later.careful);
    /* One that died since the last look is not said to be settled. */
    struct run_trace other = RUN_TRACE_NONE;
    outcome = runner_leave_trace(&queue, &other);
    assert_true(outcome_good(&outcome));
    close(other.fd);
    runner_clear_traces(&queue, &later, true);
    runner_read_traces(&queue, &later);
    assert_true(later.careful);
    assert_int_equal(later.dead.count, 1);
    assert_string_equal(later.dead.entries[0].id, other.id);
    runner_clear_traces(&queue, &later, true);
    runner_read_traces(&queue, &later);
    assert_false(later.careful);

    /* What could not be noted is seen by others at once, and stays. */
    outcome = runner_leave_trace(&queue, &later);
    assert_true(outcome_good(&outcome));
    runner_keep_trace(&later);
    assert_true(later.careful);
    runner_clear_traces(&queue, &later, true);
    other = RUN_TRACE_NONE;
    runner_read_traces(&queue, &other);
    assert_int_equal(other.dead.count, 1);
    runner_clear_traces(&queue, &other, true);
}

int main(void)
{
#define IN_QUEUE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_QUEUE(test_round_trip),
        IN_QUEUE(test_origin),
        IN_QUEUE(test_flags),
        cmocka_unit_test(test_damaged_second_line),
        cmocka_unit_test(test_recipient_that_is_none),
        IN_QUEUE(test_limit_leaves_nothing),
        IN_QUEUE(test_given_id_is_made_once),
        IN_QUEUE(test_lock),
        IN_QUEUE(test_journal),
        IN_QUEUE(test_Q1_torn_journal),
        IN_QUEUE(test_Q1_cut_expansion),
        IN_QUEUE(test_Q1_journal_on_a_full_disk),
        IN_QUEUE(test_child_named_as_its_parent),
        IN_QUEUE(test_Q3_damaged_files),
        IN_QUEUE(test_Q3_foreign_things),
        IN_QUEUE(test_Q1_empty_file_was_accepted_from_nobody),
        IN_QUEUE(test_the_oldest_that_are_due),
        IN_QUEUE(test_new_ones_whatever_there_is_of_old_ones),
        cmocka_unit_test(test_id_of_a_time),
        IN_QUEUE(test_sweep),
        IN_QUEUE(test_sweep_drafts),
        IN_QUEUE(test_hops),
        IN_QUEUE(test_runner_lock_and_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
