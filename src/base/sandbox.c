/*
 * The list of system calls that are left to a sandboxed process. What is not on it says ENOSYS: a C
 * library has other ways then, and the next one, which tries a call that we do not know of, goes on
 * working. What neither we nor any library has a reason to call ends the process instead, so that
 * the kernel's log and our own tell of it.
 *
 * Names that an architecture or a version of libseccomp does not know are left out: the list has
 * the older forms, those of 32-bit machines and those with 64-bit times side by side.
 */
#include "base/sandbox.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/landlock.h"
#include "base/log.h"
#include "base/memory.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Calls that can do no harm, whatever their arguments. */
static const char *const allowed[] = {
    /* descriptors that are open */
    "read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev", "close",
    "lseek", "_llseek", "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6",
    "pselect6_time64", "dup", "flock", "fsync", "fdatasync", "ftruncate", "ftruncate64", "getdents",
    "getdents64",
    /* what is known of files */
    "fstat", "fstat64", "newfstatat", "fstatat64", "stat", "stat64", "lstat", "lstat64", "statx",
    "statfs", "statfs64", "fstatfs", "fstatfs64", "access", "faccessat", "faccessat2", "readlink",
    "readlinkat",
    /* sockets that are open */
    "recv", "recvfrom", "recvmsg", "send", "sendto", "sendmsg", "sendmmsg", "shutdown",
    "getsockname", "getpeername", "getsockopt", "setsockopt",
    /* memory */
    "brk", "munmap", "mremap", "madvise",
    /* time, chance, one's own signals, the end */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday",
    "time", "times", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "getrandom", "futex",
    "futex_time64", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaction", "sigprocmask",
    "sigreturn", "sigaltstack", "restart_syscall", "sched_yield", "exit", "exit_group",
    "set_robust_list", "rseq",
    /* who and where one is */
    "getpid", "getppid", "gettid", "getuid", "getuid32", "geteuid", "geteuid32", "getgid",
    "getgid32", "getegid", "getegid32", "getrlimit", "ugetrlimit", "getrusage", "uname", "sysinfo",
    "sched_getaffinity", "getcpu",
    /* a write that must not take for ever, see run/dialogue.c */
    "setitimer"};

/* What services that know users are asked with: some of their libraries have a loop of events. */
static const char *const of_local_sockets[] = {
    "connect",        "epoll_create",    "epoll_create1",    "epoll_ctl",
    "epoll_wait",     "epoll_pwait",     "epoll_pwait2",     "eventfd2",
    "timerfd_create", "timerfd_settime", "timerfd_settime64"};

/* Calls that nobody makes by mistake in a process that hears a peer. */
static const char *const hostile[] = {
    /* other programs and other processes' memory */
    "execve", "execveat", "uselib", "ptrace", "process_vm_readv", "process_vm_writev",
    "pidfd_getfd", "kcmp",
    /* other rights */
    "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid", "setregid32",
    "setresuid", "setresuid32", "setresgid", "setresgid32", "setfsuid", "setfsuid32", "setfsgid",
    "setfsgid32", "setgroups", "setgroups32", "capset",
    /* other views of the machine */
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "unshare", "setns", "open_by_handle_at",
    /* the machine itself */
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf",
    "perf_event_open", "userfaultfd", "iopl", "ioperm", "modify_ldt", "reboot", "swapon", "swapoff",
    "acct", "sethostname", "setdomainname", "settimeofday", "clock_settime", "clock_settime64",
    "stime", "adjtimex", "clock_adjtime", "clock_adjtime64", "quotactl", "syslog", "mknod",
    "mknodat"};

/* A call that is allowed when (argument & mask) == value, for both; several lines are several ways.
 */
struct way {
    const char *name;
    struct condition {
        unsigned argument;
        uint64_t mask, value; /* a mask of 0: none */
    } when[2];
};

#define INT     0xffffffffu /* the kernel looks at no more of an int */
#define OPENING (O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC)
#define UNNAMED (O_TMPFILE & ~O_DIRECTORY)

static const struct way ways[] = {{"open", {{1, OPENING | UNNAMED, O_RDONLY}}},
                                  {"openat", {{2, OPENING | UNNAMED, O_RDONLY}}},
                                  /* Nothing becomes code. */
                                  {"mmap", {{2, PROT_EXEC, 0}}},
                                  {"mmap2", {{2, PROT_EXEC, 0}}},
                                  {"mprotect", {{2, PROT_EXEC, 0}}},
                                  {"fcntl", {{1, INT, F_GETFD}}},
                                  {"fcntl", {{1, INT, F_SETFD}}},
                                  {"fcntl", {{1, INT, F_GETFL}}},
                                  {"fcntl", {{1, INT, F_SETFL}}},
                                  {"fcntl", {{1, INT, F_DUPFD_CLOEXEC}}},
                                  {"fcntl", {{1, INT, F_GETLK}}},
                                  {"fcntl", {{1, INT, F_SETLK}}},
                                  {"fcntl", {{1, INT, F_SETLKW}}},
                                  {"fcntl", {{1, INT, F_OFD_GETLK}}},
                                  {"fcntl", {{1, INT, F_OFD_SETLK}}},
                                  {"fcntl", {{1, INT, F_OFD_SETLKW}}},
                                  {"ioctl", {{1, INT, FIONREAD}}},
                                  {"ioctl", {{1, INT, TCGETS}}},
                                  /* Name servers that are known by the link to them. */
                                  {"ioctl", {{1, INT, SIOCGIFINDEX}}},
                                  /* Limits are asked for, never set. */
                                  {"prlimit64", {{2, UINT64_MAX, 0}}}};

/* New files: without a name that they get by a link, or with one that was free. */
static const struct way ways_of_making[] = {
    {"openat", {{2, OPENING | UNNAMED, O_WRONLY | UNNAMED}}},
    {"openat", {{2, OPENING | UNNAMED, O_WRONLY | O_CREAT | O_EXCL}}},
    {"linkat", {{0, 0, 0}}}};

static const struct way ways_of_removing[] = {{"unlinkat", {{2, INT, 0}}}};

static const struct way ways_of_local_sockets[] = {{"socket", {{0, INT, AF_UNIX}}}};

/* Which addresses this machine has is asked over netlink, bound to nothing. */
static const struct way ways_of_internet[] = {
    {"socket", {{0, INT, AF_INET}}},
    {"socket", {{0, INT, AF_INET6}}},
    {"socket", {{0, INT, AF_NETLINK}, {2, INT, NETLINK_ROUTE}}},
    {"bind", {{0, 0, 0}}},
    {"connect", {{0, 0, 0}}}};

/* What Landlock keeps within one's own folders. */
static const char *const of_own[] = {
    "open",     "openat",    "unlink",    "unlinkat",         "rename",
    "renameat", "renameat2", "utimensat", "utimensat_time64", "fallocate"};

struct filter {
    scmp_filter_ctx context;
    int error; /* the first, as libseccomp has it: a negative errno */
};

static void add(struct filter *filter, uint32_t action, const char *name,
                const struct scmp_arg_cmp *conditions, unsigned count)
{
    int number = seccomp_syscall_resolve_name(name);
    if (filter->error || number == __NR_SCMP_ERROR)
        return;
    int error = seccomp_rule_add_array(filter->context, action, number, count, conditions);
    /* EDOM: this architecture has no such call. */
    if (error != 0 && error != -EDOM)
        filter->error = error;
}

static void add_all(struct filter *filter, uint32_t action, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(filter, action, names[i], NULL, 0);
}

static void add_ways(struct filter *filter, const struct way *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scmp_arg_cmp conditions[2];
        unsigned used = 0;
        for (size_t k = 0; k < COUNT(list[i].when); k++) {
            const struct condition *at = &list[i].when[k];
            if (at->mask)
                conditions[used++] =
                    SCMP_CMP64(at->argument, SCMP_CMP_MASKED_EQ, at->mask, at->value);
        }
        add(filter, SCMP_ACT_ALLOW, list[i].name, conditions, used);
    }
}

/* All that the list of calls depends on. */
struct wishes {
    bool making, removing, owning, local_sockets, internet;
};

static void add_list(struct filter *filter, const struct wishes *wishes)
{
    add_all(filter, SCMP_ACT_KILL_PROCESS, hostile, COUNT(hostile));
    add_all(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
    add_ways(filter, ways, COUNT(ways));
    if (wishes->making)
        add_ways(filter, ways_of_making, COUNT(ways_of_making));
    if (wishes->removing)
        add_ways(filter, ways_of_removing, COUNT(ways_of_removing));
    if (wishes->owning)
        add_all(filter, SCMP_ACT_ALLOW, of_own, COUNT(of_own));
    if (wishes->local_sockets) {
        add_all(filter, SCMP_ACT_ALLOW, of_local_sockets, COUNT(of_local_sockets));
        add_ways(filter, ways_of_local_sockets, COUNT(ways_of_local_sockets));
    }
    if (wishes->internet)
        add_ways(filter, ways_of_internet, COUNT(ways_of_internet));
}

/* The program that a context stands for, as the kernel takes it; 0 or a negative errno. */
static int export_program(scmp_filter_ctx context, struct sock_fprog *program)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = seccomp_export_bpf(context, fd);
    off_t size = error == 0 ? lseek(fd, 0, SEEK_CUR) : 0;
    program->filter = memory_get((size_t)size + 1);
    program->len = (unsigned short)((size_t)size / sizeof *program->filter);
    if (error == 0 && (size <= 0 || file_read_at(fd, program->filter, (size_t)size, 0) != size))
        error = -EIO;
    file_close(&fd);
    return error;
}

/*
 * Making the program costs more time and memory than all else here: the one that was made last is
 * kept, so that processes that are forked from here on share it.
 */
static struct {
    struct wishes wishes;
    struct sock_fprog program;
} kept;

static struct outcome make_program(const struct wishes *wishes)
{
    if (kept.program.len && memcmp(&kept.wishes, wishes, sizeof *wishes) == 0)
        return outcome_done();
    free(kept.program.filter);
    kept.program = (struct sock_fprog){0};
    struct filter filter = {.context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS))};
    if (!filter.context)
        return outcome_errno(ENOMEM, "cannot filter system calls");
    /* The calls of other architectures, which the kernel may have as well. */
    filter.error = seccomp_attr_set(filter.context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    add_list(&filter, wishes);
    struct sock_fprog program = {0};
    if (!filter.error)
        filter.error = export_program(filter.context, &program);
    seccomp_release(filter.context);
    if (filter.error) {
        free(program.filter);
        return outcome_errno(-filter.error, "cannot filter system calls");
    }
    kept.program = program;
    kept.wishes = *wishes;
    return outcome_done();
}

/*
 * Folders that have files without a name. Which ones do is found out once, and shared as the
 * program is: to make a file for it costs more than all else here.
 */
static struct texts known;

static bool has_unnamed(const char *folder)
{
    for (size_t i = 0; i < known.count; i++)
        if (strcmp(known.items[i], folder) == 0)
            return true;
    if (!file_can_be_named())
        return false;
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    bool has = fd >= 0 || !file_lacks_unnamed(errno);
    if (fd >= 0)
        texts_add(&known, folder);
    file_close(&fd);
    return has;
}

/* Where files without a name are not to be had, those with one have to be removed. */
static bool must_remove(const struct texts *folders)
{
    bool must = false;
    for (size_t i = 0; folders && i < folders->count && !must; i++)
        must = !has_unnamed(folders->items[i]);
    return must;
}

/* ---- what is read and loaded for others ---- */

/* /etc itself is not named: our own files, with passwords among them, are below it. */
static const char *const system_paths[] = {"/etc/passwd",
                                           "/etc/passwd.cache",
                                           "/etc/passwd.cache.ixname",
                                           "/etc/group",
                                           "/etc/nsswitch.conf",
                                           "/etc/userdb",
                                           "/etc/machine-id",
                                           "/etc/hosts",
                                           "/etc/host.conf",
                                           "/etc/resolv.conf",
                                           "/etc/gai.conf",
                                           "/etc/services",
                                           "/etc/localtime",
                                           "/usr",
                                           "/lib",
                                           "/run/systemd",
                                           "/run/userdb",
                                           "/run/host/userdb",
                                           "/run/nscd",
                                           "/run/resolvconf",
                                           "/run/NetworkManager",
                                           "/var/db",
                                           "/var/cache/nscd",
                                           "/var/lib/misc",
                                           "/var/lib/sss",
                                           "/var/lib/extrausers"};

void sandbox_add_system(struct texts *readable)
{
    for (size_t i = 0; i < COUNT(system_paths); i++)
        texts_add(readable, system_paths[i]);
}

/* "passwd: files systemd [NOTFOUND=return]" */
static void load_services(char *line)
{
    static const char separators[] = " \t\r\n";
    char *rest = NULL, *word = strtok_r(line, separators, &rest);
    if (!word || (strcmp(word, "passwd:") != 0 && strcmp(word, "hosts:") != 0))
        return;
    while ((word = strtok_r(NULL, separators, &rest)) && *word != '#') {
        struct buffer name = {0};
        buffer_format(&name, "libnss_%s.so.2", word);
        /* For good: the C library finds it in memory. Some are part of it, and are no file. */
        if (isalnum((unsigned char)*word) && !strchr(word, '/'))
            (void)dlopen(buffer_text(&name), RTLD_NOW);
        buffer_free(&name);
    }
}

void sandbox_load_services(void)
{
    struct buffer line = {.limit = 4096};
    struct input input = {.fd = open("/etc/nsswitch.conf", O_RDONLY | O_CLOEXEC | O_NOCTTY)};
    while (input.fd >= 0 && input_line(&input, &line)) {
        if (line.data && !line.failed)
            load_services(line.data);
        buffer_clear(&line);
    }
    file_close(&input.fd);
    input_free(&input);
    buffer_free(&line);
}

/* ---- entering ---- */

static struct wishes wishes_of(const struct sandbox *sandbox)
{
    return (struct wishes){.making = sandbox->writable && sandbox->writable->count,
                           .removing = must_remove(sandbox->writable),
                           .owning = sandbox->own && sandbox->own->count,
                           .local_sockets = sandbox->local_sockets,
                           .internet = sandbox->internet};
}

/* A kernel with filters looks for one at NULL; another one, or what emulates one, does not know of
 * them. */
static bool has_filters(void)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == 0 || errno != EINVAL;
}

struct outcome sandbox_prepare(const struct sandbox *sandbox)
{
    sandbox_load_services();
    /* What they load themselves, when they are asked for the first time. */
    (void)getpwnam("no-such-user");
    tzset();
    if (landlock_version() == 0)
        log_notice("this kernel has no Landlock: what hears peers is held by a filter of system "
                   "calls and the rights of its user alone");
    const struct wishes wishes = wishes_of(sandbox);
    return make_program(&wishes);
}

struct outcome sandbox_enter(const struct sandbox *sandbox)
{
    const struct wishes wishes = wishes_of(sandbox);
    const struct landlock limits = {.readable = sandbox->readable,
                                    .writable = sandbox->writable,
                                    .own = sandbox->own,
                                    .removing = wishes.removing,
                                    .connecting = wishes.internet};
    bool filters = has_filters();
    struct outcome outcome = filters ? make_program(&wishes) : outcome_done();
    if (!outcome_good(&outcome))
        return outcome;
    if (!filters)
        log_notice("this kernel filters no system calls: what hears peers is held by Landlock and "
                   "the rights of its user alone");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return outcome_errno(errno, "cannot give up new privileges");
    outcome = landlock_enter(&limits);
    if (outcome_good(&outcome) && filters &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &kept.program, 0, 0) < 0)
        outcome = outcome_errno(errno, "cannot filter system calls");
    return outcome;
}
