/* Where addresses go: plain and virtual aliases, details, lists, circles, large ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "route/expand.h"

static char folder[64], text_path[96], second_path[96], list_path[96], other_path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postrider-expand-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(text_path, sizeof text_path, "%s/aliases", folder);
    snprintf(second_path, sizeof second_path, "%s/virtual", folder);
    snprintf(list_path, sizeof list_path, "%s/list", folder);
    snprintf(other_path, sizeof other_path, "%s/other", folder);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(text_path);
    unlink(second_path);
    unlink(list_path);
    unlink(other_path);
    return 0;
}

static int remove_folder(void **state)
{
    remove_files(state);
    return rmdir(folder);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_true(file_write(fd, text, strlen(text)));
    close(fd);
}

/* The users of this machine: names in lower case, but one that is not. */
static struct outcome find_user(void *context, const char *name, char **canonical)
{
    static const char *const users[] = {"joe", "jim", "jane", "Upper", "with+plus", NULL};
    (void)context;
    if (strcmp(name, "later") == 0)
        return outcome_later("4.3.0", "the user table cannot be read");
    for (size_t i = 0; users[i]; i++)
        if (strcmp(users[i], name) == 0) {
            *canonical = memory_copy(name, strlen(name));
            return outcome_done();
        }
    return outcome_never("5.1.1", "no user %s", name);
}

static struct aliases *aliases;
static struct texts warnings;
static struct settings settings = {.hostname = "st11.example.org"};
static struct expander expander;

/* Opens both files of aliases; local are st11.example.org, *.local.example and virtual.example. */
static void set_up(const char *text)
{
    struct texts files = {0};
    if (text)
        put(text_path, text);
    texts_add(&files, text_path);
    texts_add(&files, second_path);
    struct outcome outcome = aliases_open(&files, &aliases);
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    assert_true(outcome_good(&outcome));
    texts_free(&files);
    texts_split(&settings.local_domains, "*.local.example, virtual.example");
    expander = (struct expander){.settings = &settings, .aliases = aliases, .find_user = find_user};
}

static void tear_down(void)
{
    aliases_close(aliases);
    aliases = NULL;
    texts_free(&settings.local_domains);
}

static void expand_text(const char *recipient, struct targets *targets)
{
    struct address address;
    const char *why;
    assert_true(address_parse(recipient, &address, &why));
    expand(&expander, &address, targets);
    address_free(&address);
    assert_true(targets->count > 0);
}

/*
 * All targets with a space between them: "M:joe" mailbox, "R:a@b" remote, "E:5.1.1" or "E:4.3.5"
 * error; a '*' before what was aliased. Good until the next call.
 */
static const char *where(const char *recipient)
{
    static char all[512];
    struct targets targets = {0};
    expand_text(recipient, &targets);
    all[0] = '\0';
    for (size_t i = 0; i < targets.count; i++) {
        const struct target *target = &targets.items[i];
        char *address = address_text(&target->address);
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s%c:%s", i ? " " : "",
                 target->aliased ? "*" : "", "MREFC"[target->kind],
                 target -> kind == TARGET_ERROR ? target -> outcome.status : address);
        assert_int_equal(target->text != NULL,
                         target->kind == TARGET_FILE || target->kind == TARGET_COMMAND);
        if (target->kind == TARGET_MAILBOX || target->kind == TARGET_REMOTE)
            assert_int_equal(target->kind == TARGET_MAILBOX, target->address.domain == NULL);
        free(address);
    }
    targets_free(&targets);
    return all;
}

/* The first error's reason. Good until the next call. */
static const char *reason(const char *recipient)
{
    static char words[512];
    struct targets targets = {0};
    expand_text(recipient, &targets);
    snprintf(words, sizeof words, "no error");
    for (size_t i = targets.count; i > 0; i--)
        if (targets.items[i - 1].kind == TARGET_ERROR)
            snprintf(words, sizeof words, "%s", targets.items[i - 1].outcome.reason);
    targets_free(&targets);
    return words;
}

static void assert_reason(const char *recipient, const char *wanted)
{
    const char *words = reason(recipient);
    if (!strstr(words, wanted))
        print_error("\"%s\" is not in: %s\n", wanted, words);
    assert_non_null(strstr(words, wanted));
}

static void test_without_aliases(void **state)
{
    (void)state;
    set_up(NULL);
    assert_string_equal(where("joe"), "M:joe");
    assert_string_equal(where("joe@st11.example.org"), "M:joe");
    assert_string_equal(where("joe@ST11.Example.Org"), "M:joe");
    assert_string_equal(where("joe@localhost"), "M:joe");
    assert_string_equal(where("joe@a.local.example"), "M:joe");
    assert_string_equal(where("joe@local.example"), "R:joe@local.example");
    assert_string_equal(where("Joe@example.org"), "R:Joe@example.org");
    assert_string_equal(where("nobody"), "E:5.1.1");
    assert_string_equal(where("later"), "E:4.3.0");
    assert_string_equal(where("<>"), "E:5.1.3");
    expander.aliases = NULL;
    assert_string_equal(where("joe"), "M:joe");
    tear_down();
}

static void test_Q9_names_of_users(void **state)
{
    (void)state;
    set_up(NULL);
    assert_string_equal(where("JOE"), "M:joe");
    assert_string_equal(where("Upper"), "M:Upper");
    assert_string_equal(where("upper"), "E:5.1.1");
    assert_string_equal(where("joe+detail"), "M:joe");
    assert_string_equal(where("Joe+Detail+more"), "M:joe");
    assert_string_equal(where("with+plus"), "M:with+plus");
    assert_string_equal(where("\"../../etc/passwd\""), "E:5.1.1");
    assert_string_equal(where("+joe"), "E:5.1.1");
    tear_down();
}

static void test_plain_aliases(void **state)
{
    (void)state;
    set_up("Root: Joe, ops@Example.org\n"
           "ops: root, jim, root@st11.example.org\n"
           "jim+lists: jane\n"
           "gone: nobody, joe\n"
           "\"Joe Smith\": joe\n"
           "full: Joe Smith <JOE>, \\joe\n");
    assert_string_equal(where("root"), "*M:joe *R:ops@example.org");
    assert_string_equal(where("ROOT@st11.example.org"), "*M:joe *R:ops@example.org");
    assert_string_equal(where("root+cron"), "*M:joe *R:ops@example.org");
    assert_string_equal(where("root@example.com"), "R:root@example.com");
    assert_string_equal(where("ops"), "*M:joe *R:ops@example.org *M:jim");
    assert_string_equal(where("jim+lists"), "*M:jane");
    assert_string_equal(where("jim+other"), "M:jim");
    assert_string_equal(where("gone"), "*E:5.1.1 *M:joe");
    assert_string_equal(where("\"joe smith\""), "*M:joe");
    assert_string_equal(where("full"), "*M:joe");
    tear_down();
}

static void test_names_that_always_lead_somewhere(void **state)
{
    (void)state;
    set_up("root: joe\n");
    assert_string_equal(where("postmaster"), "*M:joe");
    assert_string_equal(where("Mailer-Daemon@localhost"), "*M:joe");
    assert_string_equal(where("postmaster+x"), "*M:joe");
    tear_down();
    set_up("postmaster: jim\n");
    assert_string_equal(where("mailer-daemon"), "*M:jim");
    tear_down();
    set_up("root: postmaster\n");
    assert_string_equal(where("mailer-daemon"), "*E:5.1.1"); /* no mailbox of root's here */
    tear_down();
    set_up("");
    assert_string_equal(where("mailer-daemon"), "*E:5.1.1");
    assert_reason("mailer-daemon", "no user root");
    tear_down();
}

static void test_own_name_and_backslash(void **state)
{
    (void)state;
    set_up("joe: joe, a@example.org\n"
           "jim: \\jim, b@example.org\n"
           "jane: JANE@st11.example.org, jane+copy\n"
           "list: \\joe, \\x@example.org\n"
           "both: joe, \\joe\n");
    assert_string_equal(where("joe"), "*M:joe *R:a@example.org");
    assert_string_equal(where("joe+x@localhost"), "*M:joe *R:a@example.org");
    assert_string_equal(where("jim"), "*M:jim *R:b@example.org");
    assert_string_equal(where("jane"), "*M:jane");
    assert_string_equal(where("list"), "*M:joe *R:x@example.org");
    assert_string_equal(where("both"), "*M:joe *R:a@example.org");
    tear_down();
}

static void test_virtual_domains(void **state)
{
    (void)state;
    set_up("sales: jim\n"
           "joe@virtual.example: a@example.org\n"
           "joe+x@virtual.example: b@example.org\n"
           "sales@virtual.example: sales\n"
           "@other.example: joe\n"
           "jim@other.example: jim@other.example\n"
           "postmaster@other.example: postmaster\n"
           "root: jane\n");
    assert_string_equal(where("Joe@Virtual.example"), "*R:a@example.org");
    assert_string_equal(where("joe+x@virtual.example"), "*R:b@example.org");
    assert_string_equal(where("joe+y@virtual.example"), "*R:a@example.org");
    assert_string_equal(where("joe"), "M:joe");
    assert_string_equal(where("joe@localhost"), "M:joe");
    assert_string_equal(where("sales@virtual.example"), "*M:jim");
    /* Local without a catch-all: users and plain aliases have it. */
    assert_string_equal(where("jane@virtual.example"), "M:jane");
    assert_string_equal(where("nobody@virtual.example"), "E:5.1.1");
    /* A domain that is known by its keys alone. */
    assert_string_equal(where("anybody@other.example"), "*M:joe");
    assert_string_equal(where("jane@other.example"), "*M:joe");
    assert_string_equal(where("jim@other.example"), "*R:jim@other.example");
    assert_string_equal(where("postmaster@other.example"), "*M:jane");
    tear_down();
}

static void test_catch_all_in_a_local_domain(void **state)
{
    (void)state;
    put(second_path, "@virtual.example: joe@virtual.example, x@example.org\n"
                     "@a.local.example: nobody\n");
    set_up("joe: joe@virtual.example, jane\n"
           "jim@virtual.example: jim@virtual.example\n"
           "JIM: \\jim\n");
    /* The catch-all stands in another file; keys with the user come first all the same. */
    assert_string_equal(where("any@virtual.example"), "*M:joe *M:jane *R:x@example.org");
    assert_string_equal(where("jane@virtual.example"), "*M:joe *M:jane *R:x@example.org");
    assert_string_equal(where("jim@virtual.example"), "*M:jim");
    assert_string_equal(where("joe@a.local.example"), "*E:5.1.1");
    tear_down();
    unlink(second_path);
    set_up("joe@virtual.example: joe\njoe: joe@virtual.example\n");
    assert_string_equal(where("joe@virtual.example"), "*M:joe");
    assert_string_equal(where("joe"), "*M:joe");
    tear_down();
    set_up("jim@virtual.example: jim@a.local.example\njim@a.local.example: jim@virtual.example\n"
           "jane: jane+x\njane+x: jane, joe\njoe: joe@virtual.example\n"
           "joe@virtual.example: jane\n");
    assert_string_equal(where("jim@virtual.example"), "*M:jim");
    assert_string_equal(where("jane"), "*M:jane *E:5.4.6");
    tear_down();
}

static void test_Q8_circles(void **state)
{
    (void)state;
    set_up("a: b\nb: a\n"
           "c: d, x@example.org\nd: e+detail\ne: C@localhost\n"
           "p@one.example: q@two.example\n@two.example: p@one.example\n"
           "x: y, z\ny: z\nz: joe\n");
    assert_string_equal(where("a"), "*E:5.4.6");
    assert_reason("a", "the aliases run in a circle: a -> b -> a");
    assert_string_equal(where("c"), "*E:5.4.6 *R:x@example.org");
    assert_reason("c", "c -> d -> e -> c");
    assert_string_equal(where("p@one.example"), "*E:5.4.6");
    assert_reason("q@two.example", "@two.example -> p@one.example -> @two.example");
    /* Two ways to one alias are no circle. */
    assert_string_equal(where("x"), "*M:joe");
    tear_down();
}

/* a0 leads to a1 and so on; the last one to what is given. */
static void set_up_chain(unsigned length, const char *last)
{
    struct buffer text = {0};
    for (unsigned i = 0; i + 1 < length; i++)
        buffer_format(&text, "a%u: a%u\n", i, i + 1);
    buffer_format(&text, "a%u: %s\n", length - 1, last);
    set_up(buffer_text(&text));
    buffer_free(&text);
}

static void test_Q8_long_chains(void **state)
{
    (void)state;
    set_up_chain(100, "joe");
    assert_string_equal(where("a0"), "*M:joe");
    tear_down();
    set_up_chain(100, "a0");
    assert_string_equal(where("a0"), "*E:5.4.6");
    assert_reason("a0", "a0 -> a1 -> a2 -> a3 -> (94 more) -> a98 -> a99 -> a0");
    tear_down();
    set_up_chain(1000, "joe");
    assert_string_equal(where("a0"), "*M:joe");
    tear_down();
    set_up_chain(1001, "joe");
    assert_string_equal(where("a0"), "*E:5.4.6");
    assert_reason("a0", "more than 1000");
    assert_string_equal(where("a1"), "*M:joe");
    tear_down();
}

/* A list of so many members, each with an alias of its own, below a chain: linear work. */
static void test_Q8_large_lists(void **state)
{
    (void)state;
    enum { MEMBERS = 100000 };
    struct buffer text = {0};
    for (unsigned i = 0; i < 100; i++)
        buffer_format(&text, "c%u: c%u\n", i, i + 1);
    buffer_append_text(&text, "c100: c0");
    for (unsigned i = 0; i < MEMBERS; i++)
        buffer_format(&text, ",\n m%u, M%u@example.org", i % (MEMBERS / 2), i);
    buffer_append_text(&text, "\n");
    for (unsigned i = 0; i < MEMBERS / 2; i++)
        buffer_format(&text, "m%u: joe, m%u@example.net\n", i, i);
    put(text_path, buffer_text(&text));
    buffer_free(&text);
    set_up(NULL);
    struct targets targets = {0};
    int64_t begin = clock_ms();
    expand_text("c0", &targets);
    int64_t took = clock_ms() - begin;
    assert_int_equal(targets.count, 1 + 1 + MEMBERS / 2 + MEMBERS);
    targets_free(&targets);
    tear_down();
    /* Work that grows with the square would take hours. */
    assert_true(took < 60000);
}

static void test_lists(void **state)
{
    (void)state;
    char text[512];
    put(list_path, "# the list\njoe\n  jim , a@example.org # comment\n\n"
                   "\"|/bin/x\"\n/tmp/file\nlist\n");
    snprintf(text, sizeof text, "list: :include:%s\nto: list, \":include:%s\"\n", list_path,
             list_path);
    set_up(text);
    assert_string_equal(where("list"), "*M:joe *M:jim *E:4.3.5 *E:5.7.1 *E:5.7.1 *E:5.1.1");
    tear_down();
    put(list_path, "joe\n\\list, a@example.org (comment)\r\nJane <jane>");
    set_up(NULL);
    assert_string_equal(where("list"), "*M:joe *E:5.1.1 *R:a@example.org *M:jane");
    tear_down();
    put(list_path, "# nobody\n");
    set_up(NULL);
    assert_string_equal(where("list"), "*E:5.2.4");
    tear_down();
}

static void test_Q8_lists_that_cannot_be_read(void **state)
{
    (void)state;
    char text[512];
    snprintf(text, sizeof text, "x: y\nlist: joe, :include:%s\nfolder: :include:%s\n", list_path,
             folder);
    set_up(text);
    assert_string_equal(where("list"), "*M:joe *E:4.3.5");
    assert_reason("list", "/aliases:2: cannot read ");
    assert_reason("list", "/list: No such file");
    assert_string_equal(where("folder"), "*E:4.3.5");
    assert_reason("folder", "/aliases:3: ");
    put(list_path, "joe\n");
    assert_int_equal(chmod(list_path, 0646), 0);
    assert_string_equal(where("list"), "*M:joe *E:4.3.5");
    assert_reason("list", "can be written by others: chmod go-w");
    unlink(list_path);
    assert_int_equal(mkfifo(list_path, 0644), 0);
    assert_reason("list", "is not a file");
    unlink(list_path);
    tear_down();
}

/* What a list that is somebody's secret holds is in no words. */
static void test_Q8_secret_file_as_list(void **state)
{
    (void)state;
    char text[512];
    put(list_path, "root:$y$secret$hash:19000:0:99999:7:::\njoe secret\n\"secret\n");
    snprintf(text, sizeof text, "list: :include:%s\n", list_path);
    set_up(text);
    struct targets targets = {0};
    expand_text("list", &targets);
    for (size_t i = 0; i < targets.count; i++) {
        assert_int_equal(targets.items[i].kind, TARGET_ERROR);
        assert_int_equal(targets.items[i].outcome.result, LATER);
        assert_null(strstr(targets.items[i].outcome.reason, "secret"));
        assert_string_equal(targets.items[i].address.local, "list");
    }
    targets_free(&targets);
    tear_down();
}

static void test_Q8_lists_in_circles(void **state)
{
    (void)state;
    char text[512];
    snprintf(text, sizeof text, ":include:%s\njoe\n", other_path);
    put(list_path, text);
    snprintf(text, sizeof text, "jim\n:include:%s/../%s/list\n", folder, strrchr(folder, '/') + 1);
    put(other_path, text);
    snprintf(text, sizeof text, "list: :include:%s\n", list_path);
    set_up(text);
    assert_string_equal(where("list"), "*M:jim *E:5.4.6 *M:joe");
    assert_reason("list", "the aliases run in a circle: ");
    tear_down();
}

static void test_files_and_commands(void **state)
{
    (void)state;
    set_up("f: /var/tmp/x\nc: \"|/bin/x a, b\", joe\nbad: :include:list\nworse: a b\n");
    assert_string_equal(where("f"), "*E:5.7.1");
    assert_reason("f", "alias f: delivery into a file is not allowed");
    assert_string_equal(where("c"), "*E:5.7.1 *M:joe");
    assert_reason("c", "delivery to a command is not allowed");
    assert_string_equal(where("bad"), "*E:4.3.5");
    assert_reason("bad", "/aliases:3: target :include:list: ");
    assert_string_equal(where("worse"), "*E:4.3.5");
    tear_down();
}

static void test_files_and_commands_that_are_allowed(void **state)
{
    (void)state;
    char text[512];
    put(list_path, "/var/tmp/y\n|/bin/y\nalias\n/dev/null\n");
    snprintf(text, sizeof text,
             "f: /var/tmp/x, \"/var/tmp/x\", null\nc: \"|/bin/x a, b\", joe\nnull: /dev/null\n"
             "again: c, |\"/bin/x a, b\"\nbad: |x\nlist: :include:%s\nalias: |/bin/z\n",
             list_path);
    set_up(text);
    assert_string_equal(where("null"), "*F:null");
    assert_string_equal(where("f"), "*E:5.7.1 *F:null");
    settings.alias_files = settings.alias_commands = (char *)"mailer";
    assert_string_equal(where("f"), "*F:f *F:null");
    assert_string_equal(where("c"), "*C:c *M:joe");
    assert_string_equal(where("again"), "*C:c *M:joe");
    assert_string_equal(where("bad"), "*E:4.3.5");
    assert_reason("bad", "/aliases:5: the command is not an absolute path");
    assert_string_equal(where("list"), "*E:5.7.1 *E:5.7.1 *C:alias *F:list");
    assert_reason("list", "not allowed in an included list");
    struct targets targets = {0};
    expand_text("c@st11.example.org", &targets);
    assert_string_equal(targets.items[0].text, "/bin/x a, b");
    assert_string_equal(targets.items[0].address.domain, "st11.example.org");
    targets_free(&targets);
    settings.alias_files = settings.alias_commands = NULL;
    tear_down();
}

/* Targets with their owner: "R:a@b<owner@c". Good until the next call. */
static const char *owners(const char *recipient)
{
    static char all[512];
    struct targets targets = {0};
    expand_text(recipient, &targets);
    all[0] = '\0';
    for (size_t i = 0; i < targets.count; i++) {
        char *address = address_text(&targets.items[i].address);
        char *owner = address_text(&targets.items[i].owner);
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s<%s", i ? " " : "", address, owner);
        free(address);
        free(owner);
    }
    targets_free(&targets);
    return all;
}

static void test_owners(void **state)
{
    (void)state;
    char text[512];
    put(list_path, "x@y.example\n\\joe\n");
    settings.domain = (char *)"mg.example.org";
    snprintf(text, sizeof text,
             "staff: :include:%s, more\nowner-staff: jim\nmore: z@y.example\nowner-more: jim\n"
             "wrap: staff, w@y.example\n\"v\"@virtual.example: v@y.example\n"
             "owner-v@virtual.example: jim\nowner-joe: jane\nall: owner-staff, joe\n"
             "owner-owner-staff: jane\n@st11.example.org: jane\nowner-plain@virtual.example: jim\n"
             "plain: p@y.example\n",
             list_path);
    set_up(text);
    assert_string_equal(owners("Staff"), "x@y.example<owner-staff@mg.example.org "
                                         "joe<owner-staff@mg.example.org "
                                         "z@y.example<owner-more@mg.example.org");
    assert_string_equal(owners("wrap"), "x@y.example<owner-staff@mg.example.org "
                                        "joe<owner-staff@mg.example.org "
                                        "z@y.example<owner-more@mg.example.org w@y.example<");
    assert_string_equal(owners("v+detail@virtual.example"), "v@y.example<owner-v@virtual.example");
    assert_string_equal(owners("all"), "jim< joe<");
    assert_string_equal(owners("plain"), "p@y.example<");
    assert_string_equal(owners("x@st11.example.org"), "jane<");
    settings.domain = NULL;
    tear_down();
}

static void test_through_the_database(void **state)
{
    (void)state;
    size_t count;
    char db_path[128];
    snprintf(db_path, sizeof db_path, "%s.db", text_path);
    put(text_path, "a: b, joe\nb: \"Odd, Name\" <jim>, x@Example.org\n@y.example: A\n");
    struct outcome outcome = aliases_build(text_path, &settings, NULL, &count, &warnings);
    assert_true(outcome_good(&outcome));
    assert_int_equal(count, 3);
    set_up(NULL);
    assert_string_equal(where("z@y.example"), "*M:jim *R:x@example.org *M:joe");
    tear_down();
    unlink(db_path);
}

/* Dense graphs of few names: whatever they are, the walk ends with at least one target. */
static void test_fuzz(void **state)
{
    (void)state;
    static const char *const names[] = {"a",           "b",           "c+d",         "c",
                                        "@v.example",  "a@v.example", "joe",         "root",
                                        "postmaster",  "b+x",         "@w.example",  "c@w.example",
                                        "B@localhost", "\\joe",       "/f",          "|c",
                                        "x y",         "joe+z",       "A@V.example", "d"};
    enum { KEYS = 12, NAMES = sizeof names / sizeof names[0] };
    uint64_t random = 0xA0761D6478BD642Fu;
    for (unsigned round = 0; round < 3000; round++) {
        struct buffer text = {0};
        for (unsigned i = 0; i < KEYS; i++) {
            buffer_format(&text, "%s: ", names[i]);
            for (unsigned more = 0; more < 3; more++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                const char *name = names[(random >> 33) % NAMES];
                buffer_format(&text, "%s%s", *name == '@' ? "q" : "", name);
                buffer_append_text(&text, more < 2 ? ", " : "\n");
            }
        }
        set_up(buffer_text(&text));
        buffer_free(&text);
        for (size_t i = 0; i < NAMES; i++) {
            struct targets targets = {0};
            struct address address;
            const char *why;
            if (!address_parse(names[i], &address, &why))
                continue;
            expand(&expander, &address, &targets);
            assert_true(targets.count > 0);
            address_free(&address);
            targets_free(&targets);
        }
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_without_aliases, remove_files),
        cmocka_unit_test_teardown(test_Q9_names_of_users, remove_files),
        cmocka_unit_test_teardown(test_plain_aliases, remove_files),
        cmocka_unit_test_teardown(test_names_that_always_lead_somewhere, remove_files),
        cmocka_unit_test_teardown(test_own_name_and_backslash, remove_files),
        cmocka_unit_test_teardown(test_virtual_domains, remove_files),
        cmocka_unit_test_teardown(test_catch_all_in_a_local_domain, remove_files),
        cmocka_unit_test_teardown(test_Q8_circles, remove_files),
        cmocka_unit_test_teardown(test_Q8_long_chains, remove_files),
        cmocka_unit_test_teardown(test_Q8_large_lists, remove_files),
        cmocka_unit_test_teardown(test_lists, remove_files),
        cmocka_unit_test_teardown(test_Q8_lists_that_cannot_be_read, remove_files),
        cmocka_unit_test_teardown(test_Q8_secret_file_as_list, remove_files),
        cmocka_unit_test_teardown(test_Q8_lists_in_circles, remove_files),
        cmocka_unit_test_teardown(test_files_and_commands, remove_files),
        cmocka_unit_test_teardown(test_files_and_commands_that_are_allowed, remove_files),
        cmocka_unit_test_teardown(test_owners, remove_files),
        cmocka_unit_test_teardown(test_through_the_database, remove_files),
        cmocka_unit_test_teardown(test_fuzz, remove_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
