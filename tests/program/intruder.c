/*
 * What a peer could do who got our program to run his code: stops a process that waits in a system
 * call, has it make others in its own name, and tells what came of each. As root:
 *
 *     intruder PID open:PATH write:PATH unlink:PATH exec:PATH socket:FAMILY kill:PID fork
 *     intruder PID call:fchmod,5,0 call:linkat,5,=name,5,=other,0
 *
 * (a call by its name, with numbers, and texts behind a '=') prints a line for each, "open:PATH 7"
 * or "open:PATH -13" (a descriptor, or an errno), or "exec:PATH killed 31" (the signal that ended
 * the process). A process that is left alive goes on as if nothing had been.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

typedef struct user_regs_struct registers;

enum { ARGUMENTS = 5, TEXT_MOST = 512 };

static pid_t pid;

#if defined(__x86_64__)
enum { CALL_SIZE = 2, RED_ZONE = 1024 }; /* "syscall" */

static void set_call(registers *at, long number, const long argument[ARGUMENTS])
{
    at->rip -= CALL_SIZE;
    at->orig_rax = (unsigned long long)-1; /* nothing to begin anew */
    at->rax = (unsigned long long)number;
    at->rdi = (unsigned long long)argument[0];
    at->rsi = (unsigned long long)argument[1];
    at->rdx = (unsigned long long)argument[2];
    at->r10 = (unsigned long long)argument[3];
    at->r8 = (unsigned long long)argument[4];
}

static long result(const registers *at)
{
    return (long)at->rax;
}

static unsigned long stack(const registers *at)
{
    return at->rsp;
}
#elif defined(__aarch64__)
enum { CALL_SIZE = 4, RED_ZONE = 1024, CALL = 0xd4000001 /* "svc #0" */ };

static void set_call(registers *at, long number, const long argument[ARGUMENTS])
{
    unsigned instruction = 0;
    struct iovec to = {&instruction, sizeof instruction}, from = {(void *)at->pc, CALL_SIZE};
    /* A call that is to begin anew has been gone back to by now. */
    if (process_vm_readv(pid, &to, 1, &from, 1, 0) != CALL_SIZE || instruction != CALL)
        at->pc -= CALL_SIZE;
    at->regs[8] = (unsigned long long)number;
    for (int i = 0; i < ARGUMENTS; i++)
        at->regs[i] = (unsigned long long)argument[i];
}

static long result(const registers *at)
{
    return (long)at->regs[0];
}

static unsigned long stack(const registers *at)
{
    return at->sp;
}
#else
#error "intruder.c does not know the registers of this machine"
#endif

static void give_up(const char *what)
{
    fprintf(stderr, "intruder: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void move_registers(int request, registers *at)
{
    struct iovec place = {at, sizeof *at};
    if (ptrace(request, pid, NT_PRSTATUS, &place) < 0)
        give_up("registers");
}

/* Behind what the process has on its stack; there is room for several. */
static long put_text(const registers *at, const char *text, int place)
{
    unsigned long there = stack(at) - RED_ZONE - 4096 + (unsigned long)place * TEXT_MOST;
    struct iovec from = {(void *)(uintptr_t)text, strlen(text) + 1},
                 to = {(void *)there, from.iov_len};
    if (process_vm_writev(pid, &from, 1, &to, 1, 0) != (ssize_t)from.iov_len)
        give_up("memory");
    return (long)there;
}

/* Lets it make one step; whether it is alive, else *status is how it ended. */
static int step(int *status)
{
    for (;;) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
            give_up("step");
        if (waitpid(pid, status, __WALL) != pid)
            give_up("wait");
        if (!WIFSTOPPED(*status))
            return 0;
        if (WSTOPSIG(*status) == SIGTRAP)
            return 1;
    }
}

static int make_call(const registers *before, const char *what, long number,
                     const long argument[ARGUMENTS])
{
    registers at = *before;
    int status;
    set_call(&at, number, argument);
    move_registers(PTRACE_SETREGSET, &at);
    if (!step(&status)) {
        printf("%s killed %d\n", what, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        return 0;
    }
    move_registers(PTRACE_GETREGSET, &at);
    printf("%s %ld\n", what, result(&at));
    return 1;
}

static const struct {
    const char *name;
    long number;
} calls[] = {{"dup", SYS_dup},       {"fchmod", SYS_fchmod},       {"fcntl", SYS_fcntl},
             {"flock", SYS_flock},   {"ftruncate", SYS_ftruncate}, {"linkat", SYS_linkat},
             {"openat", SYS_openat}, {"shutdown", SYS_shutdown},   {"unlinkat", SYS_unlinkat}};

/* "name,number,=text" */
static int try_call(const registers *before, const char *what, const char *operand)
{
    char words[2 * TEXT_MOST];
    long argument[ARGUMENTS] = {0};
    snprintf(words, sizeof words, "%s", operand);
    char *rest = words, *name = strsep(&rest, ","), *word;
    for (int i = 0; i < ARGUMENTS && (word = strsep(&rest, ",")); i++)
        argument[i] = *word == '=' ? put_text(before, word + 1, i) : strtol(word, NULL, 0);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0)
            return make_call(before, what, calls[i].number, argument);
    fprintf(stderr, "intruder: what is %s?\n", name);
    exit(2);
}

static int try(const registers *before, const char *what)
{
    const char *colon = strchr(what, ':'), *operand = colon ? colon + 1 : "";
    size_t length = colon ? (size_t)(colon - what) : strlen(what);
#define IS(word) (length == strlen(word) && strncmp(what, word, length) == 0)
    if (IS("open"))
        return make_call(before, what, SYS_openat,
                         (long[ARGUMENTS]){AT_FDCWD, put_text(before, operand, 0), O_RDONLY, 0});
    if (IS("write"))
        return make_call(
            before, what, SYS_openat,
            (long[ARGUMENTS]){AT_FDCWD, put_text(before, operand, 0), O_WRONLY | O_CREAT, 0600});
    if (IS("unlink"))
        return make_call(before, what, SYS_unlinkat,
                         (long[ARGUMENTS]){AT_FDCWD, put_text(before, operand, 0), 0, 0});
    if (IS("exec"))
        return make_call(before, what, SYS_execve,
                         (long[ARGUMENTS]){put_text(before, operand, 0), 0, 0, 0});
    if (IS("socket"))
        return make_call(before, what, SYS_socket, (long[ARGUMENTS]){atoi(operand), 1, 0, 0});
    if (IS("kill"))
        return make_call(before, what, SYS_kill, (long[ARGUMENTS]){atoi(operand), SIGKILL, 0, 0});
    if (IS("call"))
        return try_call(before, what, operand);
    if (IS("fork"))
        return make_call(before, what, SYS_clone, (long[ARGUMENTS]){SIGCHLD, 0, 0, 0});
    fprintf(stderr, "intruder: what is %s?\n", what);
    exit(2);
}

int main(int argc, char **argv)
{
    int status;
    registers before;
    pid = argc > 1 ? atoi(argv[1]) : 0;
    if (pid <= 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
        ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, __WALL) != pid ||
        !WIFSTOPPED(status))
        give_up("attach");
    move_registers(PTRACE_GETREGSET, &before);
    int alive = 1;
    for (int i = 2; i < argc && alive; i++)
        alive = try(&before, argv[i]);
    if (alive) {
        move_registers(PTRACE_SETREGSET, &before);
        if (ptrace(PTRACE_DETACH, pid, NULL, NULL) < 0)
            give_up("detach");
    }
    return 0;
}
