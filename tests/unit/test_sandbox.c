/* What a sandboxed process can still do, and what it cannot: each test tries it in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/landlock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "queue/draft.h"

static char folder[] = "/tmp/postrider-sandbox-XXXXXX";
static char readable[64], secret[64], spool[64], old_letter[80], socket_path[64];
static struct queue queue;
static struct texts readables, writables;
/* As a session of the listener has it. */
static struct sandbox session = {
    .readable = &readables, .writable = &writables, .local_sockets = true};

/* ---- a kernel of another age: ours come before the C library's ---- */

static int faked_version = -1; /* of Landlock; -1: the kernel's own */
static uint64_t asked[3];      /* what was to be denied: files, sockets, scopes */
static bool no_unnamed_files;

long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_landlock_create_ruleset && faked_version >= 0) {
        if (faked_version == 0) {
            errno = ENOSYS;
            return -1;
        }
        if (a[2] == 1)
            return faked_version;
        memcpy(asked, (const void *)a[0], sizeof asked);
    }
    long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int open_by_call(int at, const char *path, int flags, unsigned mode)
{
    if (no_unnamed_files && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    unsigned mode = va_arg(list, unsigned);
    va_end(list);
    return open_by_call(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    unsigned mode = va_arg(list, unsigned);
    va_end(list);
    return open_by_call(at, path, flags, mode);
}

/* ---- children ---- */

/* In a child: says where it failed and ends. */
#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            dprintf(2, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #what, strerror(errno));            \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)
/* It fails with one of two error numbers. */
#define REFUSED(what) MUST((what) < 0 && (errno == EACCES || errno == ENOSYS))

/* The status of a child that enters and does this. */
static int in_sandbox(const struct sandbox *sandbox, void (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct outcome outcome = sandbox_enter(sandbox);
        if (!outcome_good(&outcome)) {
            dprintf(2, "%s\n", outcome.reason);
            _exit(2);
        }
        body();
        _exit(0);
    }
    return process_wait(pid);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    assert_true(fd >= 0 && file_write(fd, text, strlen(text)));
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(readable, sizeof readable, "%s/readable", folder);
    snprintf(secret, sizeof secret, "%s/secret", folder);
    snprintf(spool, sizeof spool, "%s/spool", folder);
    snprintf(old_letter, sizeof old_letter, "%s/old", spool);
    snprintf(socket_path, sizeof socket_path, "%s/log", folder);
    struct outcome outcome = queue_open(folder, true, &queue);
    write_file(readable, "for all\n");
    write_file(secret, "From ada: a mailbox\n");
    write_file(old_letter, "an older letter\n");
    sandbox_add_system(&readables);
    texts_add(&readables, "/nowhere/at/all");
    texts_add(&readables, readable);
    texts_add(&writables, spool);
    session.writable = &writables;
    return outcome_good(&outcome) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    faked_version = -1;
    no_unnamed_files = false;
    queue_close(&queue);
    texts_free(&readables);
    texts_free(&writables);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* ---- files ---- */

static void read_what_may_be_read(void)
{
    struct buffer content = {0};
    struct outcome outcome = file_load(readable, &content);
    MUST(outcome_good(&outcome));
    MUST(strcmp(buffer_text(&content), "for all\n") == 0);
}

static void open_outside(void)
{
    MUST(open(secret, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    MUST(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    MUST(open("/proc/self/mem", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    MUST(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES);
    /* Neither by the descriptor of a folder that was open before. */
    MUST(openat(queue.root, "secret", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
}

static void change_what_is_readable(void)
{
    REFUSED(open(readable, O_WRONLY | O_CLOEXEC));
    REFUSED(open(readable, O_RDWR | O_CLOEXEC));
    REFUSED(open(readable, O_RDONLY | O_TRUNC | O_CLOEXEC));
    REFUSED(truncate(readable, 0));
    REFUSED(chmod(readable, 0666));
    int fd = open(readable, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0);
    REFUSED(fchmod(fd, 0666));
    REFUSED(fchmod(fd, 0640));
    REFUSED(fchown(fd, 1, 1));
    /* A queue that nobody may enter takes no mail, and sends none. */
    REFUSED(fchmod(queue.spool, 0));
    REFUSED(fchmod(queue.journal, 0640));
}

static void test_only_what_is_named_can_be_read(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(&session, read_what_may_be_read), 0);
    assert_int_equal(in_sandbox(&session, open_outside), 0);
    assert_int_equal(in_sandbox(&session, change_what_is_readable), 0);
}

static void commit_letter(void)
{
    struct envelope envelope = {.arrived = 1795000000, .uid = 1000, .user = strdup("ops")};
    const char *why;
    struct address ben;
    MUST(address_parse("ben", &ben, &why) && address_parse("ada@here", &envelope.sender, &why));
    envelope_add(&envelope, ben, 0, NULL);
    struct draft *draft = draft_open(&queue, &envelope, NULL, 0);
    MUST(draft_put(draft, "Subject: hi\n\nbody\n", 18));
    struct outcome outcome = draft_commit(draft, NULL);
    if (!outcome_good(&outcome))
        dprintf(2, "%s\n", outcome.reason);
    MUST(outcome_good(&outcome));
    envelope_free(&envelope);
}

static void drop_letter(void)
{
    struct envelope envelope = {.arrived = 1795000000};
    struct draft *draft = draft_open(&queue, &envelope, NULL, 0);
    MUST(draft_put(draft, "Subject: hi\n", 12));
    draft_drop(draft);
}

/* Names in the spool, hidden ones too. */
static int count_names(void)
{
    char command[128], text[32] = "";
    snprintf(command, sizeof command, "ls -A %s | wc -l", spool);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(text, sizeof text, pipe));
    pclose(pipe);
    return atoi(text);
}

static void test_letters_are_committed(void **state)
{
    (void)state;
    assert_int_equal(count_names(), 1);
    assert_int_equal(in_sandbox(&session, commit_letter), 0);
    assert_int_equal(count_names(), 2);
    assert_int_equal(in_sandbox(&session, drop_letter), 0);
    assert_int_equal(count_names(), 2);
}

static void test_letters_are_committed_without_unnamed_files(void **state)
{
    (void)state;
    no_unnamed_files = true;
    assert_int_equal(in_sandbox(&session, commit_letter), 0);
    assert_int_equal(count_names(), 2);
    assert_int_equal(in_sandbox(&session, drop_letter), 0);
    assert_int_equal(count_names(), 2);
}

static void touch_older_letters(void)
{
    MUST(open(old_letter, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    MUST(openat(queue.spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES);
    REFUSED(openat(queue.spool, "old", O_WRONLY | O_CLOEXEC));
    REFUSED(openat(queue.spool, "old", O_WRONLY | O_APPEND | O_CLOEXEC));
    REFUSED(openat(queue.spool, "old", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    REFUSED(openat(queue.spool, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    REFUSED(unlinkat(queue.spool, "old", 0));
    REFUSED(unlink(old_letter));
    REFUSED(renameat(queue.spool, "old", queue.spool, "new"));
    REFUSED(linkat(queue.root, "secret", queue.spool, "new", 0) < 0 && errno == EXDEV
                ? (errno = EACCES, -1)
                : 0);
    REFUSED(symlinkat(secret, queue.spool, "new"));
    REFUSED(mkdirat(queue.spool, "new", 0700));
    REFUSED(openat(queue.journal, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    MUST(openat(queue.spool, "old", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0 &&
         errno == EEXIST);
}

static void test_older_letters_are_out_of_reach(void **state)
{
    (void)state;
    struct buffer content = {0};
    assert_int_equal(in_sandbox(&session, touch_older_letters), 0);
    struct outcome outcome = file_load(old_letter, &content);
    assert_true(outcome_good(&outcome));
    assert_string_equal(buffer_text(&content), "an older letter\n");
    buffer_free(&content);
    assert_int_equal(count_names(), 1);
}

static void make_a_file(void)
{
    REFUSED(openat(queue.spool, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    REFUSED(openat(queue.spool, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
}

static void test_nothing_is_writable_unless_asked_for(void **state)
{
    (void)state;
    session.writable = NULL;
    assert_int_equal(in_sandbox(&session, make_a_file), 0);
}

static void test_a_missing_spool_is_an_error(void **state)
{
    (void)state;
    texts_add(&writables, "/nowhere/at/all");
    assert_int_equal(in_sandbox(&session, read_what_may_be_read), 2);
}

static void use_own_folder(void)
{
    int fd = openat(queue.spool, "old", O_RDWR | O_CLOEXEC);
    MUST(fd >= 0 && file_write(fd, "x", 1) && ftruncate(fd, 0) == 0 && futimens(fd, NULL) == 0);
    MUST(openat(queue.spool, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640) >= 0);
    MUST(renameat(queue.spool, "new", queue.spool, "newer") == 0);
    /* Between folders: from version 2 of Landlock on. */
    if (landlock_version() >= 2)
        MUST(renameat(queue.spool, "newer", queue.corrupt, "newer") == 0);
    MUST(unlinkat(queue.spool, "old", 0) == 0);
    MUST(openat(queue.spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
    MUST(fallocate(openat(queue.journal, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0640), 0, 0, 10) ==
         0);
    open_outside();
    REFUSED(open(readable, O_WRONLY | O_CLOEXEC));
    REFUSED(unlink(readable));
    REFUSED(renameat(AT_FDCWD, readable, queue.spool, "stolen"));
    REFUSED(symlinkat(secret, queue.spool, "link"));
}

static void test_own_folders_are_as_free_as_before(void **state)
{
    (void)state;
    struct texts folders = {0};
    const char *const names[] = {"spool", "journal", "corrupt"};
    for (size_t i = 0; i < 3; i++) {
        char path[80];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        texts_add(&folders, path);
    }
    const struct sandbox runner = {.readable = &readables, .own = &folders};
    assert_int_equal(in_sandbox(&runner, use_own_folder), 0);
    texts_free(&folders);
}

/* ---- other programs and processes, other rights ---- */

static void execute(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

static void execute_by_descriptor(void)
{
    syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0);
}

static void trace_parent(void)
{
    ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void mount_something(void)
{
    mount("none", "/tmp", "tmpfs", 0, NULL);
}

static void make_a_namespace(void)
{
    unshare(CLONE_NEWUSER);
}

static void become_somebody(void)
{
    syscall(SYS_setuid, getuid());
}

static void test_intruders_end(void **state)
{
    (void)state;
    void (*const tries[])(void) = {execute,         execute_by_descriptor, trace_parent,
                                   mount_something, make_a_namespace,      become_somebody};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++)
        assert_int_equal(in_sandbox(&session, tries[i]), 128 + SIGSYS);
}

static void multiply(void)
{
    REFUSED(fork());
    REFUSED((int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    REFUSED(system("true") == 0 ? 0 : -1);
    /* Signals to others, and their limits. */
    REFUSED(kill(getppid(), SIGTERM));
    REFUSED((int)syscall(SYS_tgkill, getppid(), getppid(), SIGTERM));
    struct rlimit limit = {0, 0};
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    REFUSED(prlimit(getppid(), RLIMIT_NOFILE, &limit, NULL));
    REFUSED(setrlimit(RLIMIT_CORE, &limit));
    REFUSED(prctl(PR_SET_DUMPABLE, 1));
    REFUSED((int)syscall(SYS_io_uring_setup, 1, NULL));
    REFUSED((int)syscall(99999)); /* from next year's kernel */
}

static void test_it_stays_alone(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(&session, multiply), 0);
}

static void make_code(void)
{
    size_t size = 4096;
    int all = PROT_READ | PROT_WRITE | PROT_EXEC, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    MUST(mmap(NULL, size, all, flags, -1, 0) == MAP_FAILED && errno == ENOSYS);
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    MUST(data != MAP_FAILED);
    REFUSED(mprotect(data, size, PROT_READ | PROT_EXEC));
    MUST(mprotect(data, size, PROT_READ) == 0);
}

static void test_data_stays_data(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(&session, make_code), 0);
}

static void test_rights_are_gone_for_good(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        struct outcome outcome = sandbox_enter(&session);
        char text[8192];
        ssize_t length = file_read(status, text, sizeof text);
        MUST(outcome_good(&outcome) && length > 0 && file_write(ends[1], text, (size_t)length));
        _exit(0);
    }
    close(ends[1]);
    char text[8193] = "";
    assert_true(file_read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_int_equal(process_wait(pid), 0);
    assert_non_null(strstr(text, "\nNoNewPrivs:\t1\n"));
    assert_non_null(strstr(text, "\nSeccomp:\t2\n"));
}

/* ---- sockets ---- */

static void log_locally(void)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    snprintf(place.sun_path, sizeof place.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    MUST(fd >= 0 && connect(fd, (struct sockaddr *)&place, sizeof place) == 0);
    MUST(send(fd, "a line", 6, MSG_NOSIGNAL) == 6);
    /* As syslog() does it, whether there is a /dev/log here or not. */
    log_open("test_sandbox");
    log_notice("from a sandbox");
}

static void no_sockets(void)
{
    REFUSED(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REFUSED(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int ends[2];
    REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}

static void no_internet(void)
{
    REFUSED(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REFUSED(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REFUSED(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REFUSED(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static void test_local_sockets(void **state)
{
    (void)state;
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    snprintf(place.sun_path, sizeof place.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&place, sizeof place), 0);
    assert_int_equal(in_sandbox(&session, log_locally), 0);
    char line[16] = "";
    assert_int_equal(recv(fd, line, sizeof line, MSG_DONTWAIT), 6);
    close(fd);
    assert_int_equal(in_sandbox(&session, no_internet), 0);
    const struct sandbox deaf = {.readable = &readables};
    assert_int_equal(in_sandbox(&deaf, no_sockets), 0);
}

static struct sockaddr_in listening;

/* A peer's connection must not become one to somebody else. */
static void lead_elsewhere(void)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    REFUSED(connect(STDIN_FILENO, &nobody, sizeof nobody) == 0
                ? connect(STDIN_FILENO, (struct sockaddr *)&listening, sizeof listening)
                : -1);
}

static int open_listener(void)
{
    socklen_t size = sizeof listening;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listening = (struct sockaddr_in){.sin_family = AF_INET};
    listening.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&listening, size), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&listening, &size), 0);
    return fd;
}

static void test_a_connection_stays_what_it_is(void **state)
{
    (void)state;
    int fd = open_listener(), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&listening, sizeof listening), 0);
    int kept = dup(STDIN_FILENO);
    assert_int_equal(dup2(client, STDIN_FILENO), STDIN_FILENO);
    int status = in_sandbox(&session, lead_elsewhere);
    assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
    close(kept);
    close(client);
    close(fd);
    /* Before version 4 Landlock says nothing about connections. */
    if (landlock_version() >= 4)
        assert_int_equal(status, 0);
}

static void connect_out(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(fd >= 0 && connect(fd, (struct sockaddr *)&listening, sizeof listening) == 0);
    int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    MUST(datagram >= 0 && connect(datagram, (struct sockaddr *)&listening, sizeof listening) == 0 &&
         send(datagram, "question", 8, 0) == 8);
    struct addrinfo *found, wish = {.ai_socktype = SOCK_STREAM};
    MUST(getaddrinfo("localhost", "25", &wish, &found) == 0);
    freeaddrinfo(found);
    struct sockaddr_in any = {.sin_family = AF_INET};
    REFUSED(
        bind(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&any, sizeof any));
    REFUSED(listen(fd, 1));
    REFUSED(accept(fd, NULL, NULL));
}

static void test_internet(void **state)
{
    (void)state;
    int fd = open_listener();
    session.internet = true;
    assert_int_equal(in_sandbox(&session, connect_out), 0);
    session.internet = false;
    close(fd);
}

/* ---- what libraries do ---- */

static void use_libraries(void)
{
    MUST(getpwnam("root") != NULL);
    errno = 0;
    MUST(getpwnam("no-such-user-here") == NULL && (errno == 0 || errno == ENOENT));
    time_t now = time(NULL);
    struct tm parts;
    char text[64];
    MUST(localtime_r(&now, &parts) && strftime(text, sizeof text, "%c", &parts));
    MUST(clock_ms() > 0 && clock_now_us() > 0 && clock_random(10) < 10);
    struct timespec pause = {.tv_nsec = 1000};
    MUST(nanosleep(&pause, NULL) == 0);
    /* Heap and large blocks that grow, shrink and go. */
    for (size_t size = 16; size < 64u << 20; size *= 2) {
        char *block = malloc(size);
        MUST(block != NULL);
        memset(block, 1, size < 65536 ? size : 65536);
        block = realloc(block, size * 2);
        MUST(block != NULL);
        free(block);
    }
    signal(SIGALRM, SIG_IGN);
    struct statvfs info;
    MUST(fstatvfs(queue.spool, &info) == 0);
    MUST(sysconf(_SC_NPROCESSORS_ONLN) > 0);
    struct flock question = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(readable, O_RDONLY | O_CLOEXEC);
    MUST(fcntl(fd, F_GETLK, &question) == 0 && flock(fd, LOCK_SH) == 0);
    void *data = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    MUST(data != MAP_FAILED && memcmp(data, "for all", 7) == 0 && munmap(data, 4096) == 0);
}

static void test_libraries_work(void **state)
{
    (void)state;
    struct outcome outcome = sandbox_prepare(&session);
    assert_true(outcome_good(&outcome));
    assert_int_equal(in_sandbox(&session, use_libraries), 0);
}

/* ---- other kernels ---- */

static void test_without_landlock_the_filter_holds(void **state)
{
    (void)state;
    faked_version = 0;
    assert_int_equal(landlock_version(), 0);
    assert_int_equal(in_sandbox(&session, read_what_may_be_read), 0);
    assert_int_equal(in_sandbox(&session, change_what_is_readable), 0);
    assert_int_equal(in_sandbox(&session, commit_letter), 0);
    assert_int_equal(in_sandbox(&session, no_internet), 0);
    assert_int_equal(in_sandbox(&session, execute), 128 + SIGSYS);
}

static void has_no_new_privileges(void)
{
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    if (landlock_version() > 0)
        MUST(open(secret, O_RDONLY) < 0 && errno == EACCES);
}

/* For this process and its children, by a filter that is the last one. */
static bool forget_filters(void)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
    return context &&
           seccomp_rule_add(context, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                            SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP, 0)) == 0 &&
           seccomp_load(context) == 0;
}

static void test_without_filters_landlock_holds(void **state)
{
    (void)state;
    static void (*const bodies[])(void) = {read_what_may_be_read, commit_letter,
                                           has_no_new_privileges};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(forget_filters() ? in_sandbox(&session, bodies[i]) : 3);
        assert_int_equal(process_wait(pid), 0);
    }
}

static void do_nothing(void)
{
}

/* A kernel that has them, and no room for one: who goes on would have none. */
static void test_what_cannot_be_locked_in_is_told(void **state)
{
    (void)state;
    const struct rlimit none = {1, RLIM_INFINITY};
    struct sandbox other = session;
    other.internet = true; /* a list that was not made yet */
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(in_sandbox(&other, do_nothing), 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

/* A kernel refuses to deny what it does not know. */
static void test_each_version_is_asked_for_what_it_knows(void **state)
{
    (void)state;
    static const struct {
        int files, sockets, scopes; /* bits */
    } known[] = {[1] = {13, 0, 0}, [2] = {14, 0, 0}, [3] = {15, 0, 0}, [4] = {15, 2, 0},
                 [5] = {16, 2, 0}, [6] = {16, 2, 2}, [7] = {16, 2, 2}};
    int newest = landlock_version();
    const struct landlock limits = {.readable = &readables, .writable = &writables};
    for (int version = 1; version <= 7 && version <= newest; version++) {
        faked_version = version;
        pid_t pid = fork();
        if (pid == 0) {
            MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
            struct outcome outcome = landlock_enter(&limits);
            MUST(outcome_good(&outcome));
            MUST(asked[0] == (UINT64_C(1) << known[version].files) - 1);
            MUST(asked[1] == (UINT64_C(1) << known[version].sockets) - 1);
            MUST(asked[2] == (UINT64_C(1) << known[version].scopes) - 1);
            commit_letter();
            open_outside();
            _exit(0);
        }
        assert_int_equal(process_wait(pid), 0);
    }
}

/* The filter is made once, and anew for other wishes. */
static void test_prepared(void **state)
{
    (void)state;
    struct sandbox other = {.readable = &readables, .internet = true};
    struct outcome outcome = sandbox_prepare(&session);
    assert_true(outcome_good(&outcome));
    assert_int_equal(in_sandbox(&session, commit_letter), 0);
    assert_int_equal(in_sandbox(&session, no_internet), 0);
    assert_int_equal(in_sandbox(&other, make_a_file), 0);
    outcome = sandbox_prepare(&other);
    assert_true(outcome_good(&outcome));
    assert_int_equal(in_sandbox(&other, make_a_file), 0);
    assert_int_equal(in_sandbox(&session, commit_letter), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_what_is_named_can_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_letters_are_committed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_letters_are_committed_without_unnamed_files, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_older_letters_are_out_of_reach, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_writable_unless_asked_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_missing_spool_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_own_folders_are_as_free_as_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_intruders_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_stays_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_data_stays_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rights_are_gone_for_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_local_sockets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_connection_stays_what_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_internet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_libraries_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_landlock_the_filter_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_filters_landlock_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_locked_in_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_version_is_asked_for_what_it_knows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_prepared, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
