/*
 * What a traced process does, as lines of text: each call, and each change of a file or folder
 * below the root, with its data, from which tests/crash/disk.py makes what a power cut could leave.
 * Files are told apart by their inode numbers, folders by their paths. Fields are parted by tabs,
 * bytes are hexadecimal.
 *
 *   c ENTERED PROCESS NUMBER CALL RESULT KIND PATH   a call: how many lines there were when it
 * began, what its first descriptor is, or the file that it names w INODE AT BYTES        t INODE
 * SIZE            data, and a file's length o INODE PATH            a file has a (further) name;
 * the path may be empty: it has none d PATH                  a new folder u PATH                  r
 * PATH PATH             a name is gone, or another one T INODE SECONDS         m INODE MODE its
 * time, its mode s ENTERED INODE         S ENTERED PATH          a file, a folder is synced >
 * PROCESS BYTES                                 the last bytes of what went to a peer x PROCESS
 * STATUS                                its end
 */
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_DATA = 1 << 26, MOST_SENT = 1 << 16, MOST_PIECES = 1024 };

/* What a first argument is. */
enum shape { OTHER, FILE_NUMBER, NAME_AT, NAME, TWO_NAMES_AT, TWO_NAMES };

static enum shape shape_of(long number)
{
    switch (number) {
    case SYS_openat:
    case SYS_mkdirat:
    case SYS_unlinkat:
    case SYS_utimensat:
    case SYS_fchmodat:
    case SYS_newfstatat:
    case SYS_faccessat:
    case SYS_readlinkat:
#ifdef SYS_faccessat2
    case SYS_faccessat2:
#endif
        return NAME_AT;
#ifdef SYS_open
    case SYS_open:
    case SYS_creat:
    case SYS_mkdir:
    case SYS_rmdir:
    case SYS_unlink:
    case SYS_chmod:
    case SYS_stat:
    case SYS_lstat:
    case SYS_access:
    case SYS_readlink:
#endif
    case SYS_truncate:
    case SYS_chdir:
    case SYS_execve:
        return NAME;
    case SYS_linkat:
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2:
        return TWO_NAMES_AT;
#ifdef SYS_rename
    case SYS_rename:
    case SYS_link:
        return TWO_NAMES;
#endif
    case SYS_read:
    case SYS_write:
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_readv:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_lseek:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_fchmod:
    case SYS_fchown:
    case SYS_fstat:
    case SYS_fcntl:
    case SYS_flock:
    case SYS_close:
    case SYS_getdents64:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_ioctl:
        return FILE_NUMBER;
    default:
        return OTHER;
    }
}

/* ---- looking into a process ---- */

static bool read_memory(pid_t pid, uint64_t at, void *data, size_t length)
{
    struct iovec here = {data, length}, there = {(void *)(uintptr_t)at, length};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)length;
}

/* A page at a time, for behind the last one there may be nothing. */
static bool read_text(pid_t pid, uint64_t at, char *text, size_t size)
{
    size_t used = 0;
    while (used < size) {
        size_t length = 4096 - (at + used) % 4096;
        if (length > size - used)
            length = size - used;
        if (!read_memory(pid, at + used, text + used, length))
            return false;
        if (memchr(text + used, '\0', length))
            return true;
        used += length;
    }
    return false;
}

static void link_of(const struct process *process, int fd, char path[64])
{
    if (fd == AT_FDCWD)
        snprintf(path, 64, "/proc/%d/cwd", (int)process->pid);
    else
        snprintf(path, 64, "/proc/%d/fd/%d", (int)process->pid, fd);
}

static bool stat_fd(const struct process *process, int fd, struct stat *info)
{
    char path[64];
    link_of(process, fd, path);
    return stat(path, info) == 0;
}

/* Where a descriptor leads to; "" when nowhere. */
static void path_of_fd(const struct process *process, int fd, char path[PATH_MAX + 1])
{
    char link[64];
    link_of(process, fd, link);
    ssize_t length = readlink(link, path, PATH_MAX);
    path[length > 0 ? length : 0] = '\0';
}

static void read_path(const struct process *process, int folder, uint64_t at,
                      char path[PATH_MAX + 1])
{
    static char name[PATH_MAX + 1], from[PATH_MAX + 1];
    *path = '\0';
    if (!read_text(process->pid, at, name, sizeof name))
        return;
    if (*name == '/') {
        strcpy(path, name);
        return;
    }
    path_of_fd(process, folder, from);
    if (!*name || strcmp(name, ".") == 0)
        strcpy(path, from);
    else if (snprintf(path, PATH_MAX + 1, "%s/%s", from, name) > PATH_MAX)
        *path = '\0';
}

/* ---- what counts ---- */

static bool is_below(const struct record *record, const char *path)
{
    size_t length = strlen(record->root);
    return strncmp(path, record->root, length) == 0 && (path[length] == '/' || !path[length]);
}

/* Without the root. */
static const char *short_path(const struct record *record, const char *path)
{
    if (!is_below(record, path))
        return path;
    path += strlen(record->root);
    return *path ? path + 1 : ".";
}

static bool is_file_below(const struct record *record, const struct process *process, int fd,
                          struct stat *info)
{
    char path[PATH_MAX + 1];
    if (!stat_fd(process, fd, info) || !S_ISREG(info->st_mode))
        return false;
    path_of_fd(process, fd, path);
    return is_below(record, path);
}

/* One letter; capitals are not below the root. */
static char kind_of(const struct record *record, const struct process *process, int fd)
{
    struct stat info;
    char path[PATH_MAX + 1];
    if (!stat_fd(process, fd, &info))
        return '-';
    path_of_fd(process, fd, path);
    bool below = is_below(record, path);
    switch (info.st_mode & S_IFMT) {
    case S_IFREG:
        return below ? 'f' : 'F';
    case S_IFDIR:
        return below ? 'd' : 'D';
    case S_IFSOCK:
        return 's';
    case S_IFIFO:
        return 'p';
    default:
        return 'c';
    }
}

/* ---- before a call ---- */

void record_entry(const struct record *record, struct process *process)
{
    struct call *call = &process->call;
    const uint64_t *arguments = call->arguments;
    struct stat info;
    call->entered = record->lines;
    call->paths[0][0] = call->paths[1][0] = '\0';
    call->existed = false;
    call->kind = '-';
    switch (shape_of(call->number)) {
    case NAME_AT:
        read_path(process, (int)arguments[0], arguments[1], call->paths[0]);
        break;
    case NAME:
        read_path(process, AT_FDCWD, arguments[0], call->paths[0]);
        break;
    case TWO_NAMES_AT:
        read_path(process, (int)arguments[0], arguments[1], call->paths[0]);
        read_path(process, (int)arguments[2], arguments[3], call->paths[1]);
        break;
    case TWO_NAMES:
        read_path(process, AT_FDCWD, arguments[0], call->paths[0]);
        read_path(process, AT_FDCWD, arguments[1], call->paths[1]);
        break;
    case FILE_NUMBER:
        call->kind = kind_of(record, process, (int)arguments[0]);
        if (strchr("fdFD", call->kind))
            path_of_fd(process, (int)arguments[0], call->paths[0]);
        return;
    case OTHER:
        return;
    }
    call->kind = is_below(record, call->paths[0]) ? 'n' : 'N';
    call->existed = call->paths[0][0] && lstat(call->paths[0], &info) == 0;
}

static bool makes_file(const struct call *call)
{
    uint64_t flags = call->arguments[2];
    return (flags & O_TMPFILE) == O_TMPFILE || ((flags & O_CREAT) && !call->existed);
}

bool record_is_change(const struct record *record, const struct process *process)
{
    const struct call *call = &process->call;
    struct stat info;
    switch (call->number) {
    case SYS_openat:
        return makes_file(call) && is_below(record, call->paths[0]);
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_fallocate:
    case SYS_fsync:
    case SYS_fdatasync:
        return is_file_below(record, process, (int)call->arguments[0], &info);
    case SYS_mkdirat:
    case SYS_linkat:
    case SYS_renameat2:
#ifdef SYS_renameat
    case SYS_renameat:
#endif
#ifdef SYS_rename
    case SYS_open:
    case SYS_creat:
    case SYS_mkdir:
    case SYS_link:
    case SYS_rename:
#endif
        return is_below(record, call->paths[0]) || is_below(record, call->paths[1]);
    default:
        return false;
    }
}

/* ---- after a call ---- */

static void put_bytes(FILE *log, const unsigned char *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        putc(digits[data[i] >> 4], log);
        putc(digits[data[i] & 15], log);
    }
}

static void end_line(struct record *record)
{
    putc('\n', record->log);
    record->lines++;
}

#define PUT(record, ...) (fprintf((record)->log, __VA_ARGS__), end_line(record))

/* What was written, as one piece; the caller frees. */
static unsigned char *read_data(const struct process *process, size_t length)
{
    const struct call *call = &process->call;
    unsigned char *data = malloc(length + 1);
    struct iovec pieces[MOST_PIECES];
    bool is_vector = call->number == SYS_writev || call->number == SYS_pwritev;
    if (!data || length > MOST_DATA)
        abort();
    if (!is_vector) {
        if (!read_memory(process->pid, call->arguments[1], data, length))
            abort();
        return data;
    }
    size_t count = call->arguments[2] < MOST_PIECES ? call->arguments[2] : MOST_PIECES, used = 0;
    if (!read_memory(process->pid, call->arguments[1], pieces, count * sizeof *pieces))
        abort();
    for (size_t i = 0; i < count && used < length; i++) {
        size_t part = pieces[i].iov_len < length - used ? pieces[i].iov_len : length - used;
        if (!read_memory(process->pid, (uintptr_t)pieces[i].iov_base, data + used, part))
            abort();
        used += part;
    }
    return data;
}

static off_t place_of(const struct process *process, int fd)
{
    char path[64], line[128];
    long long place = -1;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)process->pid, fd);
    FILE *file = fopen(path, "re");
    if (file && fgets(line, sizeof line, file))
        (void)sscanf(line, "pos: %lld", &place);
    if (file)
        fclose(file);
    return place;
}

static void note_write(struct record *record, const struct process *process, size_t length)
{
    const struct call *call = &process->call;
    int fd = (int)call->arguments[0];
    struct stat info;
    if (length == 0)
        return;
    if (!is_file_below(record, process, fd, &info)) {
        if (kind_of(record, process, fd) != 's')
            return;
        unsigned char *data = read_data(process, length);
        size_t from = length > MOST_SENT ? length - MOST_SENT : 0;
        fprintf(record->log, ">\t%s\t", process->name);
        put_bytes(record->log, data + from, length - from);
        end_line(record);
        free(data);
        return;
    }
    bool has_place = call->number == SYS_pwrite64 || call->number == SYS_pwritev;
    off_t at = has_place ? (off_t)call->arguments[3] : place_of(process, fd) - (off_t)length;
    unsigned char *data = read_data(process, length);
    fprintf(record->log, "w\t%lu\t%lld\t", (unsigned long)info.st_ino, (long long)at);
    put_bytes(record->log, data, length);
    end_line(record);
    free(data);
}

static void put_name(struct record *record, const struct stat *info, const char *path)
{
    PUT(record, "o\t%lu\t%o\t%s", (unsigned long)info->st_ino, (unsigned)info->st_mode & 07777,
        path);
}

static void note_open(struct record *record, const struct process *process, int fd, uint64_t flags)
{
    const struct call *call = &process->call;
    struct stat info;
    if (!is_file_below(record, process, fd, &info))
        return;
    if ((flags & O_TMPFILE) == O_TMPFILE)
        put_name(record, &info, "");
    else if (!call->existed)
        put_name(record, &info, short_path(record, call->paths[0]));
    else if (flags & O_TRUNC)
        PUT(record, "t\t%lu\t0", (unsigned long)info.st_ino);
}

static void note_sync(struct record *record, const struct process *process)
{
    int fd = (int)process->call.arguments[0];
    struct stat info;
    char path[PATH_MAX + 1];
    path_of_fd(process, fd, path);
    if (!stat_fd(process, fd, &info) || !is_below(record, path))
        return;
    if (S_ISDIR(info.st_mode))
        PUT(record, "S\t%lu\t%s", process->call.entered, short_path(record, path));
    else
        PUT(record, "s\t%lu\t%lu\t%d", process->call.entered, (unsigned long)info.st_ino,
            process->call.number == SYS_fsync);
}

static void note_link(struct record *record, const char *path)
{
    struct stat info;
    if (is_below(record, path) && lstat(path, &info) == 0)
        put_name(record, &info, short_path(record, path));
}

static void note_rename(struct record *record, const struct call *call)
{
    if (is_below(record, call->paths[0]) && is_below(record, call->paths[1]))
        PUT(record, "r\t%s\t%s", short_path(record, call->paths[0]),
            short_path(record, call->paths[1]));
}

static void note_path(struct record *record, char letter, const char *path)
{
    if (is_below(record, path))
        PUT(record, "%c\t%s", letter, short_path(record, path));
}

static void note_time(struct record *record, const struct process *process)
{
    const struct call *call = &process->call;
    struct stat info;
    bool found = call->arguments[1]
                     ? lstat(call->paths[0], &info) == 0 && is_below(record, call->paths[0])
                     : is_file_below(record, process, (int)call->arguments[0], &info);
    if (found)
        PUT(record, "T\t%lu\t%lld", (unsigned long)info.st_ino, (long long)info.st_mtime);
}

static void note_effect(struct record *record, const struct process *process, long result)
{
    const struct call *call = &process->call;
    struct stat info;
    switch (call->number) {
    case SYS_openat:
        note_open(record, process, (int)result, call->arguments[2]);
        break;
#ifdef SYS_open
    case SYS_open:
        note_open(record, process, (int)result, call->arguments[1]);
        break;
    case SYS_creat:
        note_open(record, process, (int)result, O_CREAT | O_TRUNC);
        break;
    case SYS_mkdir:
        note_path(record, 'd', call->paths[0]);
        break;
    case SYS_unlink:
    case SYS_rmdir:
        note_path(record, 'u', call->paths[0]);
        break;
    case SYS_link:
        note_link(record, call->paths[1]);
        break;
    case SYS_rename:
#endif
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2:
        note_rename(record, call);
        break;
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_sendto:
        note_write(record, process, (size_t)result);
        break;
    case SYS_ftruncate:
        if (is_file_below(record, process, (int)call->arguments[0], &info))
            PUT(record, "t\t%lu\t%lld", (unsigned long)info.st_ino, (long long)info.st_size);
        break;
    case SYS_fallocate:
        if (!(call->arguments[1] & FALLOC_FL_KEEP_SIZE))
            abort();
        break;
    case SYS_fsync:
    case SYS_fdatasync:
        note_sync(record, process);
        break;
    case SYS_linkat:
        note_link(record, call->paths[1]);
        break;
    case SYS_mkdirat:
        note_path(record, 'd', call->paths[0]);
        break;
    case SYS_unlinkat:
        note_path(record, 'u', call->paths[0]);
        break;
    case SYS_utimensat:
        note_time(record, process);
        break;
    case SYS_fchmod:
        if (is_file_below(record, process, (int)call->arguments[0], &info))
            PUT(record, "m\t%lu\t%o", (unsigned long)info.st_ino, (unsigned)info.st_mode & 07777);
        break;
    /* What nobody here does: to be written down when somebody begins to. */
    case SYS_copy_file_range:
    case SYS_sendfile:
    case SYS_symlinkat:
    case SYS_truncate:
    case SYS_sync:
    case SYS_syncfs:
        abort();
    default:
        break;
    }
}

void record_exit(struct record *record, const struct process *process, long result)
{
    const struct call *call = &process->call;
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)call->number);
    PUT(record, "c\t%lu\t%s\t%u\t%s\t%ld\t%c\t%llx\t%s\t%llx", call->entered, process->name,
        process->calls, name ? name : "?", result, call->kind,
        (unsigned long long)call->arguments[2], short_path(record, call->paths[0]),
        (unsigned long long)call->arguments[1]);
    free(name);
    if (result >= 0 || result < -4095)
        note_effect(record, process, result);
}

void record_end(struct record *record, const struct process *process, int status)
{
    PUT(record, "x\t%s\t%d\t%d", process->name, status, process->files);
}
