/*
 * Runs a program and all that it starts under ptrace(2), to prove what a crash or a fault leaves
 * behind: it kills one process, or every one, right before a given system call; or makes that call
 * fail; or writes down every call and what it did to the disk (record.c). Knows nothing of mail.
 *
 * Processes are named by their place in the tree (0, 0.1, 0.1.2: the second child of the first
 * child of 0), calls by their number within their process, so that both are the same in every run.
 * What ld.so does before a program begins is not counted.
 */
#include "tracer.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

enum { MOST_PROCESSES = 512, HANGS = 124 };

enum deed { NOTHING, KILL_ONE, KILL_ALL, FAIL };

static struct {
    enum deed deed;
    char name[NAME_SIZE];
    unsigned number;
    int call; /* of calls of this kind; -1: of all */
    enum change change;
    long error;      /* SKIPPED, ANSWERED */
    bool stays;      /* and every change of the disk after it fails as well */
    unsigned passed; /* calls of that kind */
    bool reached;
    bool no_unnamed; /* files without a name are not to be had */
} plan;

static struct process *processes[MOST_PROCESSES];
static size_t process_count;
static struct record record;
static const char *programs; /* the folder of those that count */
static volatile sig_atomic_t is_late, first_one;

static _Noreturn void stop(const char *what)
{
    fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* ---- the machine ---- */

#if defined(__x86_64__)

static bool set_number(pid_t pid, long number)
{
    return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), number) == 0;
}

static bool set_result(pid_t pid, long result)
{
    return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), result) == 0;
}

static bool set_third(pid_t pid, uint64_t value)
{
    return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rdx), value) == 0;
}

#elif defined(__aarch64__)

static bool set_number(pid_t pid, long number)
{
    int value = (int)number;
    struct iovec io = {&value, sizeof value};
    return ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &io) == 0;
}

static bool set_register(pid_t pid, int index, uint64_t value)
{
    struct user_pt_regs registers;
    struct iovec io = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) < 0)
        return false;
    registers.regs[index] = value;
    return ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &io) == 0;
}

static bool set_result(pid_t pid, long result)
{
    return set_register(pid, 0, (uint64_t)result);
}

static bool set_third(pid_t pid, uint64_t value)
{
    return set_register(pid, 2, value);
}

#else
#error "tests/crash/tracer.c does not know this machine's registers"
#endif

/* ---- processes ---- */

static struct process *find_process(pid_t pid)
{
    for (size_t i = 0; i < process_count; i++)
        if (processes[i]->pid == pid)
            return processes[i];
    return NULL;
}

static struct process *add_process(pid_t pid)
{
    struct process *process = calloc(1, sizeof *process);
    if (!process || process_count == MOST_PROCESSES)
        stop("too many processes");
    process->pid = pid;
    process->files = -1;
    processes[process_count++] = process;
    return process;
}

static void forget_process(const struct process *process)
{
    for (size_t i = 0; i < process_count; i++)
        if (processes[i] == process) {
            free(processes[i]);
            processes[i] = processes[--process_count];
            return;
        }
}

static void kill_all(void)
{
    for (size_t i = 0; i < process_count; i++)
        kill(processes[i]->pid, SIGKILL);
}

/* A program was started: is it one of ours, and where is its loader? */
static void look_at_program(struct process *process)
{
    char path[64], program[PATH_MAX + 1] = "", line[PATH_MAX + 128];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)process->pid);
    ssize_t length = readlink(path, program, sizeof program - 1);
    if (length > 0)
        program[length] = '\0';
    process->is_ours = strncmp(program, programs, strlen(programs)) == 0;
    process->loader[0] = process->loader[1] = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)process->pid);
    FILE *maps = fopen(path, "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (!strstr(line, "/ld-linux") || sscanf(line, "%lx-%lx", &from, &to) != 2)
            continue;
        if (!process->loader[0])
            process->loader[0] = from;
        process->loader[1] = to;
    }
    if (maps)
        fclose(maps);
}

/* Whose every call is stopped at; the others run freely until they fork. */
static bool is_watched(const struct process *process)
{
    if (record.is_full || plan.no_unnamed || (plan.stays && plan.deed == FAIL))
        return true;
    return plan.deed != NOTHING && (!plan.reached || process->call.change != LEFT_ALONE) &&
           strcmp(process->name, plan.name) == 0;
}

static void go_on(const struct process *process, int signal_number)
{
    /* One that was killed meanwhile is told of by waitpid. */
    (void)ptrace(is_watched(process) ? PTRACE_SYSCALL : PTRACE_CONT, process->pid, 0,
                 signal_number);
}

static void name_child(struct process *parent, pid_t pid)
{
    struct process *child = find_process(pid);
    if (!child)
        child = add_process(pid);
    parent->children++;
    if (snprintf(child->name, NAME_SIZE, "%s.%u", parent->name, parent->children) >= NAME_SIZE)
        stop("too many generations");
    child->is_ours = parent->is_ours;
    memcpy(child->loader, parent->loader, sizeof child->loader);
    if (child->has_stopped)
        go_on(child, 0);
}

/* ---- calls ---- */

static void skip(struct process *process, long result)
{
    process->call.change = SKIPPED;
    process->call.result = result;
    /* One that every sandbox allows takes its place. */
    if (!set_number(process->pid, SYS_getpid))
        stop("cannot skip a call");
}

static void make_fail(struct process *process)
{
    struct call *call = &process->call;
    if (plan.change == SKIPPED) {
        skip(process, -plan.error);
    } else if (plan.change == ANSWERED) {
        call->change = ANSWERED;
        call->result = -plan.error;
    } else if (call->arguments[2] > 1) {
        call->change = SHORTENED;
        if (!set_third(process->pid, call->arguments[2] / 2))
            stop("cannot shorten a call");
    }
}

static void do_deed(struct process *process)
{
    plan.reached = true;
    if (plan.deed == KILL_ONE)
        kill(process->pid, SIGKILL);
    else if (plan.deed == KILL_ALL)
        kill_all();
    else if (plan.deed == FAIL)
        make_fail(process);
}

static bool asks_for_unnamed(const struct call *call)
{
    const uint64_t unnamed = 020000000; /* __O_TMPFILE */
    return call->number == SYS_openat && (call->arguments[2] & unnamed);
}

static bool is_meant(const struct process *process)
{
    if (plan.deed == NOTHING || plan.reached || strcmp(process->name, plan.name) != 0)
        return false;
    if (plan.call < 0)
        return process->calls == plan.number;
    return process->call.number == plan.call && ++plan.passed == plan.number;
}

static void enter_call(struct process *process, const struct ptrace_syscall_info *info)
{
    struct call *call = &process->call;
    bool in_loader = info->instruction_pointer >= process->loader[0] &&
                     info->instruction_pointer < process->loader[1];
    call->number = (long)info->entry.nr;
    for (size_t i = 0; i < ARGUMENTS; i++)
        call->arguments[i] = info->entry.args[i];
    call->counted = process->is_ours && !in_loader;
    call->change = LEFT_ALONE;
    process->is_inside = true;
    if (!call->counted)
        return;
    process->calls++;
    /* Else nobody but root could look into it. */
    if (call->number == SYS_prctl && call->arguments[0] == PR_SET_DUMPABLE)
        skip(process, 0);
    if (record.is_full || plan.stays)
        record_entry(&record, process);
    if (is_meant(process))
        do_deed(process);
    else if (plan.reached && plan.stays && record_is_change(&record, process))
        skip(process, -plan.error);
    else if (plan.no_unnamed && asks_for_unnamed(call))
        skip(process, -EOPNOTSUPP);
}

static void leave_call(struct process *process, long result)
{
    struct call *call = &process->call;
    if (!process->is_inside)
        return;
    process->is_inside = false;
    if (call->change == SHORTENED && !set_third(process->pid, call->arguments[2]))
        stop("cannot end a shortened call");
    if (call->change == SKIPPED || call->change == ANSWERED) {
        if (!set_result(process->pid, call->result))
            stop("cannot give a call its result");
        result = call->result;
    }
    call->change = LEFT_ALONE;
    if (call->counted && record.is_full)
        record_exit(&record, process, result);
}

static void look_at_call(struct process *process)
{
    struct ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        enter_call(process, &info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        leave_call(process, (long)info.exit.rval);
}

/* ---- the loop ---- */

static int count_files(const struct process *process)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)process->pid);
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void look_at_event(struct process *process, int event)
{
    unsigned long message = 0;
    if (event == PTRACE_EVENT_EXEC) {
        look_at_program(process);
    } else if (event == PTRACE_EVENT_EXIT) {
        process->files = count_files(process);
    } else if (ptrace(PTRACE_GETEVENTMSG, process->pid, 0, &message) == 0) {
        name_child(process, (pid_t)message);
    }
}

static void handle_stop(pid_t pid, int status)
{
    struct process *process = find_process(pid);
    int number = WSTOPSIG(status), event = status >> 16;
    if (!process) /* before its parent could tell of it */
        process = add_process(pid);
    if (!process->has_stopped) {
        process->has_stopped = true;
        if (*process->name)
            go_on(process, 0);
        return;
    }
    if (event)
        look_at_event(process, event);
    else if (number == (SIGTRAP | 0x80))
        look_at_call(process);
    go_on(process, event || number == (SIGTRAP | 0x80) ? 0 : number);
}

/* The first one's exit status, as a shell has it. */
static int follow(pid_t first)
{
    int result = 0, status;
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR) {
            if (is_late)
                kill_all();
            continue;
        }
        if (pid < 0)
            return is_late ? HANGS : result;
        if (WIFSTOPPED(status)) {
            handle_stop(pid, status);
            continue;
        }
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        struct process *process = find_process(pid);
        if (process) {
            record_end(&record, process, code);
            forget_process(process);
        }
        if (pid == first)
            result = code;
    }
}

static void be_late(int number)
{
    (void)number;
    is_late = 1;
}

/* Whoever ends the tracer means the program. */
static void pass_on(int number)
{
    kill((pid_t)first_one, number);
}

/* A listener gets its socket as systemd would give it. */
static void hand_over(int socket)
{
    char pid[24];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (dup2(socket, 3) != 3 || setenv("LISTEN_PID", pid, 1) < 0 ||
        setenv("LISTEN_FDS", "1", 1) < 0)
        stop("cannot hand a socket over");
}

static _Noreturn void become_program(char *const argv[], int socket)
{
    if (socket >= 0)
        hand_over(socket);
    /* How the heap lies decides how often it grows: the same calls in each run. */
    if (personality(ADDR_NO_RANDOMIZE) < 0 || ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
        stop("cannot be traced");
    raise(SIGSTOP);
    execv(argv[0], argv);
    stop(argv[0]);
}

static pid_t start(char *const argv[], int socket)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                         PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT |
                         PTRACE_O_EXITKILL;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        become_program(argv, socket);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, pid, 0, options) < 0)
        stop("cannot trace");
    struct process *process = add_process(pid);
    first_one = pid;
    signal(SIGTERM, pass_on);
    strcpy(process->name, "0");
    process->has_stopped = true;
    go_on(process, 0);
    return pid;
}

/* "0.1:17", or "0.1:17:write" for the 17th of one kind */
static void read_place(char *text)
{
    char *number = strchr(text, ':'), *call = number ? strchr(number + 1, ':') : NULL;
    if (!number || (size_t)(number - text) >= NAME_SIZE)
        stop("a place is NAME:NUMBER");
    *number++ = '\0';
    if (call)
        *call++ = '\0';
    strcpy(plan.name, text);
    plan.number = (unsigned)strtoul(number, NULL, 10);
    plan.call = call ? seccomp_syscall_resolve_name(call) : -1;
    if (call && plan.call < 0)
        stop(call);
}

static void read_fault(const char *text)
{
    plan.deed = FAIL;
    plan.change = strcmp(text, "short") == 0 ? SHORTENED : *text == '+' ? ANSWERED : SKIPPED;
    plan.stays = *text == '=';
    plan.error = strtol(text + strspn(text, "+="), NULL, 10);
}

int main(int argc, char **argv)
{
    const char *log = NULL;
    int socket = -1;
    struct itimerval limit = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 60}};
    int option;
    /* -o LOG, -R all of it; -r ROOT; -b PROGRAMS; -p PLACE with -k, -K or -f FAULT; -u; -l SOCKET;
     * -t S */
    while ((option = getopt(argc, argv, "+o:Rr:b:p:kKf:ul:t:")) != -1) {
        switch (option) {
        case 'o':
            log = optarg;
            break;
        case 'R':
            record.is_full = true;
            break;
        case 'r':
            record.root = optarg;
            break;
        case 'b':
            programs = optarg;
            break;
        case 'p':
            read_place(optarg);
            break;
        case 'k':
            plan.deed = KILL_ONE;
            break;
        case 'K':
            plan.deed = KILL_ALL;
            break;
        case 'f':
            read_fault(optarg);
            break;
        case 'u':
            plan.no_unnamed = true;
            break;
        case 'l':
            socket = (int)strtol(optarg, NULL, 10);
            break;
        case 't':
            limit.it_value.tv_sec = strtol(optarg, NULL, 10);
            break;
        default:
            return 125;
        }
    }
    record.log = log ? fopen(log, "we") : NULL;
    if (!record.log || !record.root || !programs || optind >= argc)
        stop("usage: tracer -o LOG -r ROOT -b PROGRAMS [...] PROGRAM [ARGUMENT...]");
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    struct sigaction late = {.sa_handler = be_late};
    sigaction(SIGALRM, &late, NULL);
    setitimer(ITIMER_REAL, &limit, NULL);
    int status = follow(start(argv + optind, socket));
    fprintf(record.log, "%s\n", is_late ? "late" : plan.reached ? "reached" : "end");
    return fclose(record.log) == 0 ? status : 125;
}
