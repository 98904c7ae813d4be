/* The users file: its lines, who may touch it, and that nobody learns who is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <crypt.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "listen/password.h"
#include "listen/users.h"
#include "listen/users_change.h"

static char folder[64], path[96];
static unsigned char secret[SASL_SECRET_SIZE];
static char cheap[CRYPT_OUTPUT_SIZE], costly[CRYPT_OUTPUT_SIZE];

/* ---- libcrypt, watched ---- */

static unsigned computed;
static char setting_used[CRYPT_OUTPUT_SIZE];

char *crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
    typedef char *function(const char *, const char *, struct crypt_data *);
    static union {
        void *found;
        function *call;
    } real;
    if (!real.found)
        real.found = dlsym(RTLD_NEXT, "crypt_r");
    computed++;
    snprintf(setting_used, sizeof setting_used, "%s", setting);
    return real.call(phrase, setting, data);
}

static void hash(const char *password, const char *setting, char *space)
{
    static struct crypt_data data;
    const char *found = crypt_r(password, setting, &data);
    assert_non_null(found);
    assert_true(found[0] == '$');
    snprintf(space, CRYPT_OUTPUT_SIZE, "%s", found);
}

/* ---- files ---- */

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postrider-users-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/users", folder);
    users_make_secret(secret);
    hash("hunter2", "$2b$04$abcdefghijklmnopqrstuu", cheap);
    hash("hunter3", "$2b$05$abcdefghijklmnopqrstuu", costly);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put_bytes(const void *data, size_t length, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(file_write(fd, data, length));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void put(const char *text)
{
    put_bytes(text, strlen(text), 0600);
}

static struct users open_file(void)
{
    struct users users;
    struct outcome outcome = users_open(path, secret, &users);
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    assert_true(outcome_good(&outcome));
    return users;
}

static struct outcome check(const char *name, const char *password)
{
    struct users users = open_file();
    struct outcome outcome = users_check_password(&users, name, password);
    users_close(&users);
    return outcome;
}

static enum result result_of(const char *name, const char *password)
{
    struct outcome outcome = check(name, password);
    return outcome.result;
}

static void add_user(struct buffer *text, const char *name, const char *hash_text,
                     const char *password)
{
    struct sasl_verifier verifier;
    buffer_format(text, "%s:%s", name, hash_text);
    if (password) {
        assert_true(sasl_verifier_make(password, &verifier));
        buffer_append_text(text, ":");
        sasl_verifier_format(&verifier, text);
    }
    buffer_append_text(text, "\n");
}

/* anna and berta with the cheap hash, carla with the costly one, dora locked; anna and carla have
 * verifiers. */
static void put_users(void)
{
    struct buffer text = {0};
    buffer_append_text(&text, "# who may send\n\n");
    add_user(&text, "anna", cheap, "hunter2");
    add_user(&text, "berta@example.org", cheap, NULL);
    add_user(&text, "carla", costly, "hunter3");
    buffer_format(&text, "dora:!%s:\nemma:*\n", cheap);
    put(buffer_text(&text));
    buffer_free(&text);
}

/* ---- tests ---- */

static void test_passwords(void **state)
{
    (void)state;
    put_users();
    assert_int_equal(result_of("anna", "hunter2"), DONE);
    assert_int_equal(result_of("berta@example.org", "hunter2"), DONE);
    assert_int_equal(result_of("carla", "hunter3"), DONE);
    assert_int_equal(result_of("anna", "hunter3"), NEVER);
    assert_int_equal(result_of("anna", "hunter"), NEVER);
    assert_int_equal(result_of("anna", ""), NEVER);
    assert_int_equal(result_of("Anna", "hunter2"), NEVER);
    assert_int_equal(result_of("ann", "hunter2"), NEVER);
    assert_int_equal(result_of("anna:", "hunter2"), NEVER);
    assert_int_equal(result_of("", "hunter2"), NEVER);
    assert_int_equal(result_of("# who may send", "hunter2"), NEVER);
    /* What stands in the file is no password. */
    assert_int_equal(result_of("anna", cheap), NEVER);
}

static void test_locked_users_never_sign_in(void **state)
{
    (void)state;
    put_users();
    static const char *const words[] = {"hunter2", "", "!", "*", "*0"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_int_equal(result_of("dora", words[i]), NEVER);
        assert_int_equal(result_of("emma", words[i]), NEVER);
    }
    struct buffer text = {0};
    add_user(&text, "anna", "!", "hunter2");
    put(buffer_text(&text));
    buffer_free(&text);
    struct sasl_verifier verifier;
    struct users users = open_file();
    struct outcome outcome = users_find_verifier(&users, "anna", &verifier);
    users_close(&users);
    assert_int_equal(outcome.result, NEVER);
}

/* One hash is computed each time, and for strangers one of those that users have. */
static void test_V6_unknown_users_cost_a_hash(void **state)
{
    (void)state;
    put_users();
    static const char *const known[] = {"anna", "berta@example.org", "carla"};
    for (size_t i = 0; i < 3; i++) {
        computed = 0;
        assert_int_equal(result_of(known[i], "wrong"), NEVER);
        assert_int_equal(computed, 1);
        assert_string_equal(setting_used, i == 2 ? costly : cheap);
    }
    unsigned costly_ones = 0;
    for (unsigned i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "stranger%u", i);
        computed = 0;
        assert_int_equal(result_of(name, "wrong"), NEVER);
        assert_int_equal(computed, 1);
        bool is_costly = strcmp(setting_used, costly) == 0;
        assert_true(is_costly || strcmp(setting_used, cheap) == 0);
        costly_ones += is_costly;
        /* Always the same one for the same name. */
        assert_int_equal(result_of(name, "wrong"), NEVER);
        assert_int_equal(strcmp(setting_used, costly) == 0, is_costly);
    }
    assert_in_range(costly_ones, 5, 40);
    static const char *const locked[] = {"dora", "emma"};
    for (size_t i = 0; i < 2; i++) {
        computed = 0;
        assert_int_equal(result_of(locked[i], "hunter2"), NEVER);
        assert_int_equal(computed, 1);
    }
    put("# nobody\n");
    computed = 0;
    assert_int_equal(result_of("anna", "hunter2"), NEVER);
    assert_int_equal(computed, 1);
    assert_true(setting_used[0] == '$');
}

static void test_V6_verifiers_of_strangers_are_stable(void **state)
{
    (void)state;
    put_users();
    struct sasl_verifier one, again, other;
    struct users users = open_file();
    struct outcome outcome = users_find_verifier(&users, "carla", &one);
    assert_int_equal(outcome.result, DONE);
    outcome = users_find_verifier(&users, "stranger", &one);
    assert_int_equal(outcome.result, NEVER);
    users_close(&users);
    users = open_file();
    outcome = users_find_verifier(&users, "stranger", &again);
    assert_string_equal(one.salt, again.salt);
    assert_string_equal(one.server_key, again.server_key);
    outcome = users_find_verifier(&users, "anna", &other);
    assert_int_equal(outcome.result, DONE);
    assert_int_equal(one.iterations, other.iterations);
    assert_int_equal(strlen(one.salt), strlen(other.salt));
    /* One who has no verifier looks like one who is not there. */
    outcome = users_find_verifier(&users, "berta@example.org", &one);
    assert_int_equal(outcome.result, NEVER);
    assert_int_equal(one.iterations, other.iterations);
    users_close(&users);
}

static void test_scram_is_for_all_or_nobody(void **state)
{
    (void)state;
    bool all;
    put_users();
    struct users users = open_file();
    struct outcome outcome = users_check(&users, &all);
    assert_true(outcome_good(&outcome));
    assert_false(all);
    users_close(&users);
    struct buffer text = {0};
    add_user(&text, "anna", cheap, "hunter2");
    add_user(&text, "berta", "!", NULL);
    put(buffer_text(&text));
    users = open_file();
    outcome = users_check(&users, &all);
    assert_true(outcome_good(&outcome));
    assert_true(all);
    users_close(&users);
    buffer_free(&text);
    put("");
    users = open_file();
    outcome = users_check(&users, &all);
    assert_true(outcome_good(&outcome));
    assert_false(all);
    users_close(&users);
}

static void expect_fault(const char *text, size_t length, const char *words)
{
    put_bytes(text, length, 0600);
    struct users users = open_file();
    bool all;
    struct sasl_verifier verifier;
    struct outcome outcome = users_check(&users, &all);
    if (!strstr(outcome.reason, words))
        print_error("\"%s\" is not in: %s\n", words, outcome.reason);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    assert_non_null(strstr(outcome.reason, words));
    assert_null(strstr(outcome.reason, "hunter"));
    assert_false(all);
    /* Nobody is turned away for it for good. */
    outcome = users_check_password(&users, "anna", "hunter2");
    assert_int_equal(outcome.result, LATER);
    assert_non_null(strstr(outcome.reason, words));
    outcome = users_find_verifier(&users, "anna", &verifier);
    assert_int_equal(outcome.result, LATER);
    users_close(&users);
}

#define FAULT(text, words) expect_fault(text, sizeof text - 1, words)

static void test_bad_lines_are_named_and_not_quoted(void **state)
{
    (void)state;
    FAULT("# x\n\nanna\n", "/users:3: \"name:hash\" is wanted");
    FAULT("anna:hunter2\n", ":1: behind the name no hash");
    FAULT("anna:\n", ":1: behind the name no hash");
    FAULT("anna:hunter2hunter\n", ":1: behind the name no hash");
    FAULT("anna:_J9..rasmBYk8r9AiWNc\n", ":1: behind the name no hash");
    FAULT("anna:{SSHA}hunter\n", ":1: behind the name no hash");
    FAULT("anna:$9$hunter\n", ":1: behind the name no hash");
    FAULT("anna:$6$salt$hunter:hunter2\n", ":1: behind the hash no SCRAM-SHA-256 verifier");
    FAULT("anna:!:SCRAM-SHA-256$1:hunter$2:2\n", ":1: behind the hash no SCRAM");
    FAULT(":$6$salt$x\n", ":1: the name is empty");
    FAULT("an\x01na:$6$salt$x\n", ":1: the name holds");
    FAULT("an\xFFna:$6$salt$x\n", ":1: the name holds");
    FAULT("anna :$6$salt$x\n", ":1: a name cannot");
    FAULT("anna:!\nberta:!\nanna:$6$salt$x\n", ":3: the user stands here a second time");
    FAULT("b:!\na:!\nb:!\na:!\nb:!\n", ":3: the user stands here a second time");
    FAULT("anna:!\0\n", "holds a NUL byte");
    char text[400];
    memset(text, 'n', 256);
    snprintf(text + 256, sizeof text - 256, ":!\n");
    expect_fault(text, strlen(text), ":1: the name has more than 255 bytes");
    put(text + 1);
    assert_int_equal(result_of("anna", "hunter2"), NEVER);
}

/* A hash that libcrypt takes for one and cannot compute lets nobody in. */
static void test_hash_that_cannot_be_computed(void **state)
{
    (void)state;
    put("anna:$2b$04$abc\n");
    assert_int_equal(result_of("anna", "hunter2"), NEVER);
    assert_int_equal(result_of("anna", "*0"), NEVER);
}

static void test_line_ends_and_names(void **state)
{
    (void)state;
    struct buffer text = {0};
    buffer_format(&text, "anna:%s \r\n \t\nren\xC3\xA9:%s\nfi:%s", cheap, cheap, cheap);
    put(buffer_text(&text));
    buffer_free(&text);
    assert_int_equal(result_of("anna", "hunter2"), DONE);
    assert_int_equal(result_of("ren\xC3\xA9", "hunter2"), DONE);
    assert_int_equal(result_of("fi", "hunter2"), DONE);
}

static void test_files_open_to_others(void **state)
{
    (void)state;
    static const mode_t modes[] = {0604, 0602, 0601, 0620, 0610, 0660, 0644, 0666};
    static const char text[] = "anna:!\n";
    struct users users;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        put_bytes(text, sizeof text - 1, modes[i]);
        struct outcome outcome = users_open(path, secret, &users);
        assert_int_equal(outcome.result, LATER);
        assert_int_equal(outcome.exit_status, EX_NOPERM);
        assert_non_null(strstr(outcome.reason, "is open to others: chmod 640 "));
        assert_int_equal(users.fd, -1);
        users_close(&users);
    }
}

/* Whose file it may be; root alone can make those of others. */
static void test_owner_and_group(void **state)
{
    (void)state;
    static const char text[] = "anna:!\n";
    static const struct {
        uid_t owner;
        gid_t group;
        mode_t mode;
        bool good;
    } cases[] = {
        {0, 23456, 0640, true},  {0, 34567, 0640, false},     {12345, 23456, 0600, true},
        {0, 23456, 0660, false}, {12345, 23456, 0640, false}, {34567, 23456, 0640, false},
    };
    struct users users;
    if (geteuid() != 0) {
        put_bytes(text, sizeof text - 1, 0640);
        struct outcome outcome = users_open(path, secret, &users);
        assert_int_equal(outcome.exit_status, EX_NOPERM);
        return;
    }
    assert_int_equal(chmod(folder, 0755), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_bytes(text, sizeof text - 1, cases[i].mode);
        assert_int_equal(chown(path, cases[i].owner, cases[i].group), 0);
        assert_int_equal(setegid(23456), 0);
        assert_int_equal(seteuid(12345), 0);
        struct outcome outcome = users_open(path, secret, &users);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        if (outcome_good(&outcome) != cases[i].good)
            print_error("case %zu: %s\n", i, outcome.reason);
        assert_int_equal(outcome_good(&outcome), cases[i].good);
        users_close(&users);
    }
}

static void test_missing_file_and_folder(void **state)
{
    (void)state;
    struct users users;
    unlink(path);
    struct outcome outcome = users_open(path, secret, &users);
    assert_int_equal(outcome.result, LATER);
    users_close(&users);
    outcome = users_open("/dev/null", secret, &users);
    assert_int_equal(outcome.result, LATER);
    assert_string_equal(outcome.reason, "/dev/null is not a file");
    users_close(&users);
}

/* All mechanisms against the file, as the listener uses it. */
static void test_file_as_a_book(void **state)
{
    (void)state;
    put_users();
    struct users users = open_file();
    const struct sasl_book book = {users_check_password, users_find_verifier, &users};
    struct sasl_server *server;
    struct buffer challenge = {0};
    struct outcome outcome = sasl_server_start(&server, "PLAIN", &book);
    assert_true(outcome_good(&outcome));
    assert_int_equal(sasl_server_step(server, "AGFubmEAaHVudGVyMg==", &challenge), SASL_ACCEPTED);
    assert_string_equal(sasl_server_user(server), "anna");
    sasl_server_free(server);
    buffer_free(&challenge);
    users_close(&users);
}

/* ---- changing the file ---- */

static void expect_content(const char *before, const char *behind)
{
    struct buffer text = {0};
    struct outcome outcome = file_load(path, &text);
    assert_true(outcome_good(&outcome));
    size_t length = strlen(before);
    assert_true(text.length >= length + strlen(behind));
    assert_memory_equal(buffer_text(&text), before, length);
    assert_string_equal(buffer_text(&text) + text.length - strlen(behind), behind);
    buffer_free(&text);
}

static mode_t mode_of_file(void)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void expect_changed(struct outcome outcome)
{
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    assert_true(outcome_good(&outcome));
    assert_int_equal(mode_of_file(), 0600);
}

static void test_users_are_put_in_and_taken_out(void **state)
{
    (void)state;
    bool all;
    unlink(path);
    expect_changed(users_put(path, false, "anna", "hunter2"));
    assert_int_equal(result_of("anna", "hunter2"), DONE);
    expect_changed(users_put(path, false, "berta", "hunter3"));
    expect_changed(users_put(path, false, "anna", "hunter4"));
    assert_int_equal(result_of("anna", "hunter2"), NEVER);
    assert_int_equal(result_of("anna", "hunter4"), DONE);
    assert_int_equal(result_of("berta", "hunter3"), DONE);
    struct users users = open_file();
    struct outcome outcome = users_check(&users, &all);
    users_close(&users);
    assert_true(outcome_good(&outcome));
    assert_true(all);
    expect_changed(users_delete(path, false, "anna"));
    assert_int_equal(result_of("anna", "hunter4"), NEVER);
    assert_int_equal(result_of("berta", "hunter3"), DONE);
    outcome = users_delete(path, false, "anna");
    assert_int_equal(outcome.exit_status, EX_NOUSER);
    expect_changed(users_delete(path, false, "berta"));
    expect_content("", "");
    outcome = users_delete(path, false, "berta");
    assert_int_equal(outcome.exit_status, EX_NOUSER);
    unlink(path);
    outcome = users_delete(path, false, "berta");
    assert_int_equal(outcome.result, LATER);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_other_lines_stay(void **state)
{
    (void)state;
    put("# first\n\n berta:! \nanna:!\n# last");
    expect_changed(users_put(path, false, "anna", "hunter2"));
    expect_content("# first\n\n berta:! \nanna:$", "\n# last");
    assert_int_equal(result_of("anna", "hunter2"), DONE);
    expect_changed(users_put(path, false, "carla", "hunter3"));
    assert_int_equal(result_of("carla", "hunter3"), DONE);
    expect_changed(users_delete(path, false, "carla"));
    expect_changed(users_delete(path, false, "anna"));
    expect_content("# first\n\n berta:! \n# last\n", "");
}

static void test_a_file_with_a_fault_stays_as_it_was(void **state)
{
    (void)state;
    static const char text[] = "anna:!\nberta:hunter2\n";
    put(text);
    struct outcome outcome = users_put(path, false, "anna", "hunter2");
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    assert_non_null(strstr(outcome.reason, "/users:2: behind the name no hash"));
    expect_content(text, "");
    put_bytes("anna:!\0\n", 8, 0600);
    outcome = users_delete(path, false, "anna");
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    assert_non_null(strstr(outcome.reason, "/users:1: the line holds a NUL byte"));
}

static void test_mode_that_was_too_wide_is_mended(void **state)
{
    (void)state;
    put_bytes("anna:!\n", 7, 0666);
    struct outcome outcome = users_put(path, false, "anna", "hunter2");
    assert_true(outcome_good(&outcome));
    assert_int_equal(mode_of_file() & ~(mode_t)S_IRGRP, 0600);
    assert_int_equal(result_of("anna", "hunter2"), DONE);
    char target[sizeof path + 8];
    snprintf(target, sizeof target, "%s.real", path);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    outcome = users_put(path, false, "anna", "hunter3");
    assert_int_equal(outcome.result, LATER);
    unlink(target);
}

/* ---- passwords on standard input ---- */

static struct outcome hear(const char *text, size_t length, struct buffer *password)
{
    int ends[2], old = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    assert_true(file_write(ends[1], text, length));
    close(ends[0]);
    close(ends[1]);
    struct outcome outcome = password_read(true, password);
    assert_int_equal(dup2(old, STDIN_FILENO), STDIN_FILENO);
    close(old);
    return outcome;
}

static void expect_heard(const char *text, const char *right)
{
    struct buffer password = {0};
    struct outcome outcome = hear(text, strlen(text), &password);
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    assert_true(outcome_good(&outcome));
    assert_string_equal(buffer_text(&password), right);
    buffer_wipe(&password);
}

static void expect_unheard(const char *text, size_t length, int status, const char *words)
{
    struct buffer password = {0};
    struct outcome outcome = hear(text, length, &password);
    if (!strstr(outcome.reason, words))
        print_error("\"%s\" is not in: %s\n", words, outcome.reason);
    assert_int_equal(outcome.exit_status, status);
    assert_non_null(strstr(outcome.reason, words));
    assert_null(strstr(outcome.reason, "hunter"));
    buffer_wipe(&password);
}

#define UNHEARD(text, status, words) expect_unheard(text, sizeof text - 1, status, words)

static void test_passwords_from_a_pipe(void **state)
{
    (void)state;
    expect_heard("hunter2\nmore\n", "hunter2");
    expect_heard("hunter2\r\n", "hunter2");
    expect_heard(" hunter 2 ", " hunter 2 ");
    expect_heard("\xEF\xAC\x81sh\n", "fish");
    UNHEARD("", EX_NOINPUT, "there is no password");
    UNHEARD("\n", EX_DATAERR, "empty");
    UNHEARD("\xC2\xAD\n", EX_DATAERR, "empty"); /* a soft hyphen, which is mapped to nothing */
    UNHEARD("hunter\0"
            "2\n",
            EX_DATAERR, "control character");
    UNHEARD("hunter\t2\n", EX_DATAERR, "control character");
    UNHEARD("hunter\x1B[A\n", EX_DATAERR, "control character");
    UNHEARD("hunter\xFF\n", EX_DATAERR, "UTF-8");
    UNHEARD("hunter\xF0\x9F\xA6\x8A\n", EX_DATAERR, "Unicode 3.2"); /* a fox, of Unicode 9 */
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    text[511] = '\n';
    char right[512];
    memset(right, 'x', 511);
    right[511] = '\0';
    expect_heard(text, right);
    unlink(path);
    struct outcome outcome = users_put(path, false, "anna", right);
    assert_true(outcome_good(&outcome));
    assert_int_equal(result_of("anna", right), DONE);
    right[510] = 'y';
    assert_int_equal(result_of("anna", right), NEVER);
    text[511] = 'x';
    text[512] = '\n';
    expect_unheard(text, 513, EX_DATAERR, "more than 511 bytes");
    expect_unheard(text + 600, 2399, EX_DATAERR, "more than 511 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_locked_users_never_sign_in),
        cmocka_unit_test(test_V6_unknown_users_cost_a_hash),
        cmocka_unit_test(test_V6_verifiers_of_strangers_are_stable),
        cmocka_unit_test(test_scram_is_for_all_or_nobody),
        cmocka_unit_test(test_bad_lines_are_named_and_not_quoted),
        cmocka_unit_test(test_hash_that_cannot_be_computed),
        cmocka_unit_test(test_line_ends_and_names),
        cmocka_unit_test(test_files_open_to_others),
        cmocka_unit_test(test_owner_and_group),
        cmocka_unit_test(test_missing_file_and_folder),
        cmocka_unit_test(test_file_as_a_book),
        cmocka_unit_test(test_users_are_put_in_and_taken_out),
        cmocka_unit_test(test_other_lines_stay),
        cmocka_unit_test(test_a_file_with_a_fault_stays_as_it_was),
        cmocka_unit_test(test_mode_that_was_too_wide_is_mended),
        cmocka_unit_test(test_passwords_from_a_pipe),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
