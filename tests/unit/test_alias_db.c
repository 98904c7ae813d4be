/* newaliases and the Berkeley DB: what is written, when it is believed, what happens when it is
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <db.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "route/alias_db.h"
#include "route/aliases.h"

static struct texts warnings;
static const struct settings settings = {.alias_commands = (char *)"mailer"};
static char folder[64], text_path[96], db_path[96], list_path[96], log_path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postrider-aliases-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(text_path, sizeof text_path, "%s/aliases", folder);
    snprintf(db_path, sizeof db_path, "%s/aliases.db", folder);
    snprintf(list_path, sizeof list_path, "%s/list", folder);
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    struct outcome outcome = log_to_file(log_path);
    return outcome_good(&outcome) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    log_close();
    unlink(text_path);
    unlink(db_path);
    unlink(list_path);
    unlink(log_path);
    return rmdir(folder);
}

static int start(void **state)
{
    (void)state;
    unlink(db_path);
    unlink(list_path);
    return truncate(log_path, 0);
}

static void put_bytes(const char *path, const void *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_true(file_write(fd, data, length));
    close(fd);
}

static void put(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
}

static void build(size_t right)
{
    size_t count;
    struct outcome outcome = aliases_build(text_path, &settings, NULL, &count, &warnings);
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    assert_true(outcome_good(&outcome));
    assert_int_equal(count, right);
}

static void expect_build_fault(const char *text, const char *words)
{
    size_t count;
    put(text_path, text);
    struct outcome outcome = aliases_build(text_path, &settings, NULL, &count, &warnings);
    if (!strstr(outcome.reason, words))
        print_error("\"%s\" is not in: %s\n", words, outcome.reason);
    assert_int_equal(outcome.result, LATER);
    assert_non_null(strstr(outcome.reason, words));
    assert_non_null(strstr(outcome.reason, text_path));
}

static struct aliases *opened(void)
{
    struct texts files = {0};
    struct aliases *aliases;
    texts_add(&files, text_path);
    struct outcome outcome = aliases_open(&files, &aliases);
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    assert_true(outcome_good(&outcome));
    texts_free(&files);
    return aliases;
}

/* The targets with '|' between them; "-" when there is no such key. Good until the next call. */
static const char *targets_of(const struct aliases *aliases, const char *key)
{
    static char all[256];
    struct texts targets = {0};
    bool found;
    struct outcome outcome = aliases_find(aliases, key, &targets, &found);
    assert_true(outcome_good(&outcome));
    assert_int_equal(found, targets.count > 0);
    snprintf(all, sizeof all, "%s", found ? "" : "-");
    for (size_t i = 0; i < targets.count; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "|" : "",
                 targets.items[i]);
    texts_free(&targets);
    return all;
}

static void expect_targets(const char *key, const char *right)
{
    struct aliases *aliases = opened();
    assert_string_equal(targets_of(aliases, key), right);
    aliases_close(aliases);
}

static void assert_logged(const char *words)
{
    struct buffer log = {0};
    struct outcome outcome = file_load(log_path, &log);
    assert_true(outcome_good(&outcome));
    if (*words ? !strstr(buffer_text(&log), words) : log.length != 0)
        fail_msg("log: %s; wanted: %s", buffer_text(&log), words);
    buffer_free(&log);
}

/* Whether lookups go to the database and not to the text, which holds the same. */
static bool database_is_used(void)
{
    struct stat status;
    const char *why;
    assert_int_equal(stat(text_path, &status), 0);
    struct alias_db *db = alias_db_open(db_path, &status, &why);
    bool used = db != NULL;
    alias_db_close(db);
    return used;
}

static void assert_folder_holds(const char *const *names)
{
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        bool known = entry->d_name[0] == '.';
        for (size_t i = 0; names[i] && !known; i++)
            known = strcmp(entry->d_name, names[i]) == 0;
        if (!known)
            fail_msg("left behind: %s", entry->d_name);
    }
    closedir(directory);
}

static const char *const good_names[] = {"aliases", "aliases.db", "list", "log", NULL};

static void test_build_and_find(void **state)
{
    (void)state;
    put(text_path,
        "Root: joe, \"|/bin/cmd x\"\n@Example.org: jim\n\"Joe Smith\": j@x.example,\n k\n");
    build(3);
    assert_true(database_is_used());
    expect_targets("ROOT", "joe|\"|/bin/cmd x\"");
    expect_targets("@example.org", "jim");
    expect_targets("joe smith", "j@x.example|k");
    expect_targets("nobody", "-");
    expect_targets("", "-");
    assert_logged("");
    assert_folder_holds(good_names);
}

static void test_readable_as_sendmail_writes_it(void **state)
{
    (void)state;
    put(text_path, "joe: jim\n");
    build(1);
    DB *db;
    assert_int_equal(db_create(&db, NULL, 0), 0);
    assert_int_equal(db->open(db, NULL, db_path, NULL, DB_UNKNOWN, DB_RDONLY, 0), 0);
    DBTYPE type;
    assert_int_equal(db->get_type(db, &type), 0);
    assert_int_equal(type, DB_HASH);
    DBT key = {.data = "joe", .size = 4}, value = {0};
    assert_int_equal(db->get(db, NULL, &key, &value, 0), 0);
    assert_int_equal(value.size, 4);
    assert_string_equal(value.data, "jim");
    key = (DBT){.data = "@", .size = 2};
    assert_int_equal(db->get(db, NULL, &key, &value, 0), 0);
    db->close(db, 0);
}

static void test_no_database(void **state)
{
    (void)state;
    put(text_path, "joe: jim\n");
    expect_targets("joe", "jim");
    assert_logged("");
    unlink(text_path);
    expect_targets("joe", "-");
    assert_logged("");
}

static void test_text_newer_than_database(void **state)
{
    (void)state;
    put(text_path, "joe: old\n");
    build(1);
    put(text_path, "joe: new1\n");
    expect_targets("joe", "new1");
    assert_logged("the text has changed since it was made: run newaliases");
    build(1);
    /* Same size, and a time that goes back: an old text put back in its place. */
    put(text_path, "joe: new2\n");
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, text_path, times, 0), 0);
    expect_targets("joe", "new2");
    build(1);
    assert_true(database_is_used());
    unlink(text_path);
    expect_targets("joe", "new2");
    assert_logged("aliases is missing");
}

static void test_several_files(void **state)
{
    (void)state;
    put(text_path, "joe: first\njim: x\n");
    put(list_path, "joe: second\njane: y\n");
    struct texts files = {0};
    struct aliases *aliases;
    texts_add(&files, text_path);
    texts_add(&files, "/nonexistent/aliases");
    texts_add(&files, list_path);
    struct outcome outcome = aliases_open(&files, &aliases);
    assert_true(outcome_good(&outcome));
    assert_string_equal(targets_of(aliases, "joe"), "first");
    assert_string_equal(targets_of(aliases, "jane"), "y");
    struct buffer place = {0};
    aliases_place(aliases, "Jane", &place);
    assert_non_null(strstr(buffer_text(&place), "/list:2"));
    buffer_free(&place);
    aliases_close(aliases);
    texts_free(&files);
}

/* Q8: damage of every kind leads to the text, and says so. */
static void test_Q8_damaged_database(void **state)
{
    (void)state;
    put(text_path, "joe: jim\n");
    build(1);
    struct buffer whole = {0};
    struct outcome outcome = file_load(db_path, &whole);
    assert_true(outcome_good(&outcome));
    assert_true(whole.length > 4096);
    for (size_t length = 0; length < whole.length; length += length < 128 ? 1 : 997) {
        put_bytes(db_path, whole.data, length);
        expect_targets("joe", "jim");
        assert_false(database_is_used());
    }
    assert_logged("run newaliases");
    /* Every byte that is part of the check sum of a page, some of the time. */
    size_t refused = 0, changes = 0;
    for (size_t at = 0; at < whole.length; at += at < 256 ? 3 : 211) {
        whole.data[at] ^= 0x55;
        put_bytes(db_path, whole.data, whole.length);
        expect_targets("joe", "jim");
        expect_targets("nobody", "-");
        refused += !database_is_used();
        changes++;
        whole.data[at] ^= 0x55;
    }
    assert_true(refused > changes / 4);
    put_bytes(db_path, whole.data, whole.length);
    assert_true(database_is_used());
    buffer_free(&whole);
}

static void test_Q8_database_of_another_program(void **state)
{
    (void)state;
    static const int orders[] = {0, 1234, 4321}; /* byte orders */
    put(text_path, "joe: text\n");
    for (size_t i = 0; i < 3; i++) {
        unlink(db_path);
        DB *db;
        assert_int_equal(db_create(&db, NULL, 0), 0);
        if (orders[i])
            assert_int_equal(db->set_lorder(db, orders[i]), 0);
        assert_int_equal(db->open(db, NULL, db_path, NULL, i ? DB_HASH : DB_BTREE, DB_CREATE, 0644),
                         0);
        DBT key = {.data = "joe", .size = 4}, value = {.data = "foreign", .size = 8};
        assert_int_equal(db->put(db, NULL, &key, &value, 0), 0);
        assert_int_equal(db->close(db, 0), 0);
        expect_targets("joe", "text");
        assert_false(database_is_used());
    }
    assert_logged("another program has made it: run newaliases");
    assert_logged("no Berkeley DB hash of this machine: run newaliases");
    put(db_path, "not a database at all");
    expect_targets("joe", "text");
    unlink(db_path);
    assert_int_equal(mkdir(db_path, 0755), 0);
    expect_targets("joe", "text");
    assert_int_equal(rmdir(db_path), 0);
    assert_int_equal(mkfifo(db_path, 0644), 0);
    expect_targets("joe", "text");
}

static void put_pair(DB *db, const char *key_text, const char *value_text)
{
    DBT key = {.data = (void *)(uintptr_t)key_text, .size = (u_int32_t)strlen(key_text) + 1};
    DBT value = {.data = (void *)(uintptr_t)value_text, .size = (u_int32_t)strlen(value_text) + 1};
    assert_int_equal(db->put(db, NULL, &key, &value, 0), 0);
}

/* libdb can crash over a damaged page that has no check sum, so that no such page may reach it. */
static void test_Q8_database_without_check_sums(void **state)
{
    (void)state;
    put(text_path, "joe: text\n");
    struct stat source;
    assert_int_equal(stat(text_path, &source), 0);
    char made_from[96];
    snprintf(made_from, sizeof made_from, "1 %jd.%09ld %jd", (intmax_t)source.st_mtim.tv_sec,
             source.st_mtim.tv_nsec, (intmax_t)source.st_size);
    for (unsigned sums = 0; sums < 2; sums++) {
        unlink(db_path);
        DB *db;
        assert_int_equal(db_create(&db, NULL, 0), 0);
        if (sums)
            assert_int_equal(db->set_flags(db, DB_CHKSUM), 0);
        assert_int_equal(db->open(db, NULL, db_path, NULL, DB_HASH, DB_CREATE, 0644), 0);
        put_pair(db, "joe", "database");
        put_pair(db, "\001postrider source", made_from);
        assert_int_equal(db->close(db, 0), 0);
        expect_targets("joe", sums ? "database" : "text");
    }
}

static void test_files_that_others_can_write(void **state)
{
    (void)state;
    struct texts files = {0};
    struct aliases *aliases;
    put(text_path, "joe: jim\n");
    build(1);
    assert_int_equal(chmod(db_path, 0666), 0);
    expect_targets("joe", "jim");
    assert_logged("everybody can write it");
    assert_int_equal(chmod(text_path, 0666), 0);
    texts_add(&files, text_path);
    struct outcome outcome = aliases_open(&files, &aliases);
    assert_int_equal(outcome.result, LATER);
    assert_string_equal(outcome.status, "4.3.5");
    assert_null(aliases);
    assert_non_null(strstr(outcome.reason, "chmod o-w"));
    assert_int_equal(chmod(text_path, 0644), 0);
    texts_free(&files);
}

static void test_lookup_in_a_broken_text(void **state)
{
    (void)state;
    struct texts files = {0};
    struct aliases *aliases;
    texts_add(&files, text_path);
    put(text_path, "a: b\nbroken\n");
    struct outcome outcome = aliases_open(&files, &aliases);
    assert_int_equal(outcome.result, LATER);
    assert_null(aliases);
    assert_non_null(strstr(outcome.reason, "aliases:2: "));
    texts_free(&files);
    put(text_path, "a: first\nA: second\n");
    expect_targets("a", "first");
    assert_logged("aliases:2: a is an alias already in line 1");
}

static void test_Q8_build_faults_keep_the_old_database(void **state)
{
    (void)state;
    char text[256];
    put(text_path, "joe: jim\n");
    build(1);
    struct stat before, after;
    assert_int_equal(stat(db_path, &before), 0);
    expect_build_fault("a: b\nb\n", "aliases:2: no ':'");
    expect_build_fault("a: b\n\nA: c\n", "aliases:3: a is an alias already in line 1");
    expect_build_fault("a: b\nc: a b\n", "aliases:2: target a b: ");
    expect_build_fault("a: joe # comment\n", "aliases:1: target joe # comment: a comment needs");
    expect_build_fault("x: y\na: :include:/nonexistent/list\n", "aliases:2: cannot read /nonexis");
    expect_build_fault("a: :include:list\n", "not absolute");
    snprintf(text, sizeof text, "a: :include:%s\n", folder);
    expect_build_fault(text, "aliases:1: ");
    snprintf(text, sizeof text, "a: :include:%s\n", list_path);
    put(list_path, "ok@x.example\nroot:secret:hash\n");
    expect_build_fault(text, "a member in ");
    size_t count;
    struct outcome outcome = aliases_build(text_path, &settings, NULL, &count, &warnings);
    assert_null(strstr(outcome.reason, "secret"));
    put(list_path, "x\n");
    assert_int_equal(chmod(list_path, 0666), 0);
    expect_build_fault(text, "chmod go-w");
    assert_int_equal(stat(db_path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_folder_holds(good_names);
}

static void test_Q8_circles_in_newaliases(void **state)
{
    (void)state;
    char text[256];
    expect_build_fault("a: b\nb: a\n", "aliases:1: the aliases run in a circle: a -> b -> a");
    expect_build_fault("x: a\na: b\nb: c+d\nc: y, a\n", "circle: a -> b -> c -> a");
    expect_build_fault("a@x.example: b\nb: j@y.example\n@y.example: A@x.example\n",
                       "a@x.example -> b -> @y.example -> a@x.example");
    snprintf(text, sizeof text, "a: :include:%s\n", list_path);
    put(list_path, text + 3);
    expect_build_fault(text, "circle: /tmp");
    put(list_path, "b\n");
    snprintf(text, sizeof text, "a: :include:%s\nb: a\n", list_path);
    expect_build_fault(text, "list -> b -> a");
    /* One's own name, a way that is gone twice, and names behind '\' are no circles. */
    put(text_path, "a: a, b\nb: c\nc: d, \\a, C\ne: b, c, E+x\n@x.example: j@x.example\n");
    build(5);
    put(text_path, "joe@v.example: joe\njoe: joe@v.example, joe+x, list@w.example\n"
                   "@w.example: jim@w.example\njim: JIM@w.example\n");
    build(4);
    put(list_path, "a, x\n");
    snprintf(text, sizeof text, "a: :include:%s\n", list_path);
    put(text_path, text);
    build(1);
}

/* A long chain and a large list; both take about as long as reading the file. */
static void test_Q8_large_files(void **state)
{
    (void)state;
    enum { MEMBERS = 100000 };
    struct buffer text = {0};
    for (unsigned i = 0; i < MEMBERS; i++)
        buffer_format(&text, "a%u: a%u\n", i, i + 1);
    buffer_append_text(&text, "list: x");
    for (unsigned i = 0; i < MEMBERS; i++)
        buffer_format(&text, ",\n member%u@example.org", i);
    put_bytes(text_path, text.data, text.length);
    buffer_free(&text);
    build(MEMBERS + 1);
    assert_true(database_is_used());
    struct aliases *aliases = opened();
    assert_string_equal(targets_of(aliases, "a77777"), "a77778");
    struct texts targets = {0};
    bool found;
    struct outcome outcome = aliases_find(aliases, "list", &targets, &found);
    assert_true(outcome_good(&outcome));
    assert_int_equal(targets.count, MEMBERS + 1);
    texts_free(&targets);
    aliases_close(aliases);
    assert_logged("");
}

/* Lookups beside a builder see the one state or the other, never half of one. */
static void test_Q8_rebuilt_during_lookups(void **state)
{
    (void)state;
    put(text_path, "joe: jim\n");
    build(1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        size_t count;
        for (unsigned i = 0; i < 60; i++) {
            struct outcome outcome = aliases_build(text_path, &settings, NULL, &count, &warnings);
            if (!outcome_good(&outcome))
                _exit(1);
        }
        _exit(0);
    }
    int status;
    pid_t ended;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
        struct aliases *aliases = opened();
        assert_string_equal(targets_of(aliases, "joe"), "jim");
        assert_string_equal(targets_of(aliases, "nobody"), "-");
        aliases_close(aliases);
    }
    assert_int_equal(ended, child);
    assert_int_equal(status, 0);
    assert_logged(""); /* never had to fall back to the text */
    assert_folder_holds(good_names);
}

static void test_who_may_read_the_database(void **state)
{
    (void)state;
    struct stat status;
    mode_t mask = umask(0);
    put(text_path, "joe: jim\n");
    assert_int_equal(chmod(text_path, 0640), 0);
    build(1);
    umask(0777);
    assert_int_equal(stat(db_path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(chmod(text_path, 0644), 0);
    build(1);
    umask(mask);
    assert_int_equal(stat(db_path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
}

/* S6: neither the present folder nor the environment has a say in how a database is opened. */
static void test_S6_hostile_folder_and_environment(void **state)
{
    (void)state;
    char here[4096], config[96], data[96];
    put(text_path, "joe: jim\n");
    assert_non_null(getcwd(here, sizeof here));
    snprintf(config, sizeof config, "%s/DB_CONFIG", folder);
    snprintf(data, sizeof data, "%s/evil", folder);
    /* libdb, when it reads this, refuses to open anything. */
    put(config, "no such parameter\nset_data_dir evil\nset_tmp_dir evil\n");
    setenv("DB_HOME", folder, 1);
    setenv("TMPDIR", data, 1);
    assert_int_equal(chdir(folder), 0);
    build(1);
    bool used = database_is_used();
    expect_targets("joe", "jim");
    assert_int_equal(chdir(here), 0);
    unsetenv("DB_HOME");
    unsetenv("TMPDIR");
    assert_int_equal(unlink(config), 0);
    assert_true(used);
    assert_logged("");
    assert_folder_holds(good_names);
}

static void test_folder_that_cannot_be_written(void **state)
{
    (void)state;
    size_t count;
    struct outcome outcome = aliases_build("/proc/version", &settings, NULL, &count, &warnings);
    assert_int_equal(outcome.result, LATER);
    assert_int_equal(count, 0);
    outcome = aliases_build("/nonexistent/aliases", &settings, NULL, &count, &warnings);
    assert_int_equal(outcome.result, LATER);
    assert_non_null(strstr(outcome.reason, "/nonexistent/aliases"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_build_and_find, start),
        cmocka_unit_test_setup(test_readable_as_sendmail_writes_it, start),
        cmocka_unit_test_setup(test_no_database, start),
        cmocka_unit_test_setup(test_text_newer_than_database, start),
        cmocka_unit_test_setup(test_several_files, start),
        cmocka_unit_test_setup(test_Q8_damaged_database, start),
        cmocka_unit_test_setup(test_Q8_database_of_another_program, start),
        cmocka_unit_test_setup(test_Q8_database_without_check_sums, start),
        cmocka_unit_test_setup(test_files_that_others_can_write, start),
        cmocka_unit_test_setup(test_lookup_in_a_broken_text, start),
        cmocka_unit_test_setup(test_Q8_build_faults_keep_the_old_database, start),
        cmocka_unit_test_setup(test_Q8_circles_in_newaliases, start),
        cmocka_unit_test_setup(test_Q8_large_files, start),
        cmocka_unit_test_setup(test_Q8_rebuilt_during_lookups, start),
        cmocka_unit_test_setup(test_who_may_read_the_database, start),
        cmocka_unit_test_setup(test_S6_hostile_folder_and_environment, start),
        cmocka_unit_test_setup(test_folder_that_cannot_be_written, start),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
