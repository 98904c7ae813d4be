"""Faults: each system call of a scenario that can fail does so once, at each of its turns, and from
some calls on the whole disk fails. What was accepted is delivered in the end, what was refused leaves
nothing behind, every program ends by itself and says why, and the next run repairs.
"""

import errno
import fcntl
import os
from collections import Counter

from kills import FOR_ALL_ALONE, Result, bring_to_end, kind_of_call, perform_until_reached, record
from place import HANGS, digest
from promise import find_unnoted

# What ends a program on purpose (sysexits.h).
STATUSES = {0, *range(64, 79)}
TOLD_TO_END = 128 + 15  # what a listener that stops makes of a run that has not begun

FULL = ("ENOSPC", "EDQUOT", "EROFS", "EIO")
FILES_GONE = ("EMFILE", "ENFILE", "ENOMEM")
LOOKS = ("EIO", "ENOMEM")

# By what a call is about (record.c says how kinds are named; * is any): what it fails with. short:
# less is read or written than was asked for; +: it happens all the same.
FAULTS = {
    "openat": {"n": ("EMFILE", "EIO", "ENOMEM", "EINTR"), "N": ("EMFILE", "EIO")},
    "read": {"f": ("EIO", "EINTR", "short"), "F": ("EIO",), "p": ("EIO", "EINTR", "short"),
             "s": ("ECONNRESET", "EINTR", "short"), "*": ("EIO",)},
    "pread64": {"*": ("EIO", "EINTR", "short")},
    "write": {"f": (*FULL, "EINTR", "short"), "F": ("ENOSPC",), "p": ("EPIPE", "EINTR", "short"),
              "s": ("EINTR", "short")},
    "pwrite64": {"*": (*FULL, "EINTR", "short")},
    "fsync": {"*": ("EIO", "ENOSPC", "EINTR", "EDQUOT")},
    "fdatasync": {"*": ("EIO", "ENOSPC", "EINTR", "EDQUOT")},
    "ftruncate": {"*": ("EIO", "EINTR", "EROFS")},
    "fallocate": {"*": (*FULL, "EOPNOTSUPP", "EINTR")},
    "linkat": {"*": FULL}, "mkdir": {"n": FULL}, "mkdirat": {"n": FULL},
    "renameat": {"*": FULL}, "renameat2": {"*": FULL}, "rename": {"*": FULL},
    "unlinkat": {"*": ("EIO", "EROFS")}, "unlink": {"*": ("EIO", "EROFS")},
    "newfstatat": {"n": LOOKS, "f": LOOKS, "d": LOOKS, "N": ("EIO",)},
    "fstat": {"*": LOOKS}, "lstat": {"*": LOOKS}, "stat": {"*": LOOKS},
    "access": {"*": ("EIO",)}, "faccessat2": {"*": ("EIO",)}, "readlink": {"*": ("EIO",)},
    "getdents64": {"*": ("EIO", "ENOMEM")}, "lseek": {"f": ("EIO",)},
    "utimensat": {"*": ("EIO", "EROFS")}, "fchmod": {"*": ("EIO", "EPERM")},
    "fchown": {"*": ("EIO", "EPERM")}, "flock": {"*": ("EINTR", "ENOLCK")},
    "fcntl": {"*": ("ENOLCK", "EINTR", "EAGAIN")},
    "clone": {"*": ("EAGAIN", "ENOMEM")}, "clone3": {"*": ("EAGAIN", "ENOMEM")},
    "execve": {"*": ("ENOMEM", "EIO")}, "pipe2": {"*": ("EMFILE", "ENFILE")},
    "socketpair": {"*": ("EMFILE",)}, "socket": {"*": ("EMFILE", "ENOMEM")},
    "dup": {"*": ("EMFILE",)}, "dup2": {"*": ("EBUSY", "EMFILE")}, "dup3": {"*": ("EMFILE",)},
    "close": {"f": ("+EIO", "+EINTR"), "s": ("+EINTR",)},
    "connect": {"*": ("ECONNREFUSED", "ETIMEDOUT", "EINTR", "ENETUNREACH")},
    "accept4": {"*": ("EMFILE", "ECONNABORTED", "EINTR", "ENOMEM")},
    "accept": {"*": ("EMFILE", "ECONNABORTED", "EINTR", "ENOMEM")},
    "sendto": {"*": ("EINTR", "short")},
    "recvfrom": {"*": ("ECONNRESET", "EINTR", "short")},
    "poll": {"*": ("EINTR", "ENOMEM")}, "ppoll": {"*": ("EINTR", "ENOMEM")},
    "wait4": {"*": ("EINTR",)}, "waitid": {"*": ("EINTR",)},
    "rt_sigtimedwait": {"*": ("EINTR", "EAGAIN")},
    "clock_nanosleep": {"*": ("EINTR",)}, "nanosleep": {"*": ("EINTR",)},
    "mmap": {"*": ("ENOMEM",)}, "mremap": {"*": ("ENOMEM",)},
    "getrandom": {"*": ("EINTR", "ENOSYS")}, "memfd_create": {"*": ("EMFILE", "ENOMEM")},
    "landlock_create_ruleset": {"*": ("ENOSYS", "EOPNOTSUPP", "ENOMEM")},
    "landlock_add_rule": {"*": ("ENOMEM",)}, "landlock_restrict_self": {"*": ("E2BIG", "EPERM")},
    "seccomp": {"*": ("ENOSYS", "EINVAL", "ENOMEM", "EACCES")}, "prctl": {"*": ("EPERM", "EINVAL")},
    "capget": {"*": ("EPERM",)}, "capset": {"*": ("EPERM",)},
    "setresuid": {"*": ("EPERM", "EAGAIN")}, "setresgid": {"*": ("EPERM",)},
    "setgroups": {"*": ("EPERM", "ENOMEM")}, "setsid": {"*": ("EPERM",)}, "chdir": {"*": ("EACCES", "EIO")},
    "prlimit64": {"*": ("EPERM",)}, "setpriority": {"*": ("EACCES",)}, "ioprio_set": {"*": ("EPERM",)},
    "personality": {"*": ("EPERM",)}, "sched_setscheduler": {"*": ("EPERM",)},
    "sched_setaffinity": {"*": ("EPERM", "EINVAL")}, "sched_getaffinity": {"*": ("EINVAL", "EPERM")},
    "close_range": {"*": ("ENOSYS", "ENOMEM")}, "fstatfs": {"*": ("EIO", "ENOSYS")},
    "readlinkat": {"*": ("EIO", "ENOMEM")},
    "setsockopt": {"*": ("ENOPROTOOPT", "ENOBUFS")}, "getsockopt": {"*": ("ENOBUFS",)},
    "getsockname": {"*": ("ENOBUFS",)}, "getpeername": {"*": ("ENOBUFS", "ENOTCONN")},
    "shutdown": {"*": ("ENOTCONN",)}, "signalfd4": {"*": ("EMFILE", "ENOMEM")},
    "inotify_init1": {"*": ("EMFILE", "ENOMEM")}, "inotify_add_watch": {"*": ("ENOSPC", "ENOMEM")},
}
# All else that a scenario calls cannot fail, for a reason.
NEVER_FAIL = {
    "tells what the process itself is": (
        "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "gettid"),
    "has no error": ("alarm", "umask", "setfsuid", "setfsgid", "exit", "exit_group"),
    "fails only for arguments that are wrong": (
        "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "setitimer", "set_robust_list", "getitimer", "clock_gettime",
        "sched_yield", "kill"),
    "never comes back": ("rt_sigreturn", "restart_syscall"),
    "is the heap's, which memory.py makes fail": ("brk", "munmap", "mprotect", "madvise"),
    "waits for a lock of libc's, which looks again": ("futex",),
    "asks for a terminal, and there is none": ("ioctl",),
}
CANNOT_FAIL = {call for calls in NEVER_FAIL.values() for call in calls}
# From such a call on every change of the disk fails.
STAYING = ("ENOSPC", "EIO", "EROFS")
CHANGES = {"write": "f", "pwrite64": "f", "fsync": "fd", "fdatasync": "f", "fallocate": "f",
           "openat": "n", "mkdir": "n", "mkdirat": "n", "linkat": "n", "renameat": "n",
           "rename": "n"}
MAKES = os.O_CREAT | (os.O_TMPFILE & ~os.O_DIRECTORY)


LOCKS = {fcntl.F_SETLK, fcntl.F_SETLKW, fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW, fcntl.F_OFD_GETLK}


def number_of(name):
    """As the tracer wants it: "short", or an error's number behind its sign."""
    sign = name[0] if name[0] in "+=" else ""
    return name if name == "short" else f"{sign}{getattr(errno, name[len(sign):])}"


def faults_of(line):
    """What one call of the record can fail with."""
    call, kind, third = line[4], line[6], int(line[7], 16)
    if call not in FAULTS and call not in CANNOT_FAIL:
        raise AssertionError(f"{call} is neither among what can fail nor among what cannot")
    if call == "fcntl" and int(line[9], 16) not in LOCKS:
        return ["EMFILE"] if int(line[9], 16) in (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC) else []
    # libdb forgets what it has freed when it cannot close; what it writes has no name yet.
    if call == "close" and line[8].endswith((".db", ".db.new")):
        return []
    table = FAULTS.get(call, {})
    found = list(table.get(kind, table.get("*", ())))
    changes = kind in CHANGES.get(call, "")
    if call == "openat":
        changes = changes and bool(third & MAKES)
        found += FULL[:3] if changes else ()
    if changes:
        found += [f"={one}" for one in STAYING]
    return found


def list_turns(scenario, place):
    """Each with its kind: (process, call, the how many-th of its kind, fault)."""
    _, run = record(scenario, place)
    turns, counts = [], Counter()
    for line in run.record:
        if line[0] != "c":
            continue
        process, call = line[2], line[4]
        counts[process, call] += 1
        # Who comes next to a dot-lock that stays waits for half a minute.
        waits = call == "unlinkat" and line[8].endswith(".lock")
        kind = FOR_ALL_ALONE if waits else kind_of_call(line)
        turns += [(kind, (process, call, counts[process, call], fault))
                  for fault in faults_of(line)]
    return turns


def check_ends(run, usual=None, lasting=()):
    """Every program ended by itself, and the first one said why it did not do what it should. Those that
    last long have no more open files at their usual end than usual."""
    faults = [f"{name} ended with {status}" for name, status in run.ends.items()
              if status not in STATUSES and not (name != "0" and status == TOLD_TO_END)]
    words = run.err.strip().splitlines()
    if run.status != 0 and not words:
        faults.append(f"status {run.status} without a word")
    for name in lasting if usual and run.ends == usual.ends else ():
        if run.files[name] > usual.files[name]:
            faults.append(f"{name} has {run.files[name]} files open at its end, not "
                          f"{usual.files[name]}")
    return faults


def perform_without(scenario, place, begin):
    """The run in which nothing fails."""
    place.restore(begin)
    run = scenario.perform(place, [])
    assert run.status == 0, f"{scenario.name}: {run.status} {run.err}"
    return run


def play(scenario, place, turns, seen):
    result = Result(scenario.name)
    scenario.is_faulty = True
    scenario.prepare(place)
    begin = place.save()
    usual = perform_without(scenario, place, begin)
    for process, call, number, fault in turns:
        result.turns += 1
        run = perform_until_reached(place, scenario, begin, ["-p", f"{process}:{number}:{call}", "-f",
                                                             number_of(fault)])
        words = f"{scenario.name}, {process} {call} {number} {fault}"
        result.missed += not run.reached
        if run.late or run.status == HANGS:
            result.faults.append(f"{words}: it hangs")
            continue
        faults = check_ends(run, usual, scenario.lasting)
        nodes = place.save()
        name = digest(nodes, scenario.name, place.smarthost.taken(), scenario.is_done(run))
        if seen.is_new(name):
            result.states += 1
            may_repeat = find_unnoted(nodes, place.smarthost.taken())
            faults += bring_to_end(scenario, place, run, may_repeat)
        result.faults += [f"{words}: {one}" for one in faults]
    return result
