/*
 * Landlock by system call. The numbers are the kernel's, written down here so that a build against
 * older headers locks just as well; landlock(7) says which version brought what.
 */
#include "base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Of files. The first three mean something for a file that is named itself. */
#define EXECUTE     BIT(0)
#define WRITE_FILE  BIT(1)
#define READ_FILE   BIT(2)
#define READ_DIR    BIT(3)
#define REMOVE_FILE BIT(5)
#define MAKE_REG    BIT(8)
#define ALL_OF_V1   (BIT(13) - 1)
#define REFER       BIT(13) /* 2 */
#define TRUNCATE    BIT(14) /* 3 */
#define IOCTL_DEV   BIT(15) /* 5 */
#define OWNING      (READ_FILE | READ_DIR | WRITE_FILE | REMOVE_FILE | MAKE_REG | REFER | TRUNCATE)
/* Of sockets: 4. */
#define BIND_TCP    BIT(0)
#define CONNECT_TCP BIT(1)
/* Of what is outside: 6. */
#define SCOPE_ABSTRACT_SOCKET BIT(0)
#define SCOPE_SIGNAL          BIT(1)

enum { ASK_VERSION = 1, RULE_PATH_BENEATH = 1 };

struct ruleset {
    uint64_t files, sockets, scopes;
};

struct rule {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed));

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    return version > 0 ? (int)version : 0;
}

/* All that the kernel can deny, but for what it then cannot allow again. */
static struct ruleset denied(int version, bool connecting)
{
    struct ruleset rules = {.files = ALL_OF_V1};
    if (version >= 2)
        rules.files |= REFER;
    if (version >= 3)
        rules.files |= TRUNCATE;
    if (version >= 4)
        rules.sockets = connecting ? BIND_TCP : BIND_TCP | CONNECT_TCP;
    if (version >= 5)
        rules.files |= IOCTL_DEV;
    if (version >= 6)
        rules.scopes = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
    return rules;
}

static struct outcome allow(int ruleset, const char *path, uint64_t rights, bool must_exist)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && !must_exist && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return outcome_done();
    struct stat info;
    struct outcome outcome = outcome_done();
    struct rule rule = {.allowed = rights, .folder = fd};
    if (fd < 0 || fstat(fd, &info) < 0) {
        outcome = outcome_errno(errno, "cannot open %s for the sandbox", path);
    } else {
        if (!S_ISDIR(info.st_mode))
            rule.allowed &= EXECUTE | WRITE_FILE | READ_FILE;
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
            outcome = outcome_errno(errno, "cannot have %s in the sandbox", path);
    }
    file_close(&fd);
    return outcome;
}

static struct outcome allow_all(int ruleset, const struct texts *paths, uint64_t rights,
                                bool must_exist)
{
    struct outcome outcome = outcome_done();
    for (size_t i = 0; paths && i < paths->count && outcome_good(&outcome); i++)
        outcome = allow(ruleset, paths->items[i], rights, must_exist);
    return outcome;
}

struct outcome landlock_enter(const struct landlock *limits)
{
    int version = landlock_version();
    if (version == 0)
        return outcome_done();
    struct ruleset rules = denied(version, limits->connecting);
    /* An older kernel takes a longer description, if it is zero where it knows nothing. */
    int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (fd < 0)
        return outcome_errno(errno, "cannot make a sandbox");
    /* What was written in vain is made empty, where it cannot be removed. */
    uint64_t writing = WRITE_FILE | MAKE_REG | (TRUNCATE & rules.files);
    if (limits->removing)
        writing |= REMOVE_FILE;
    struct outcome outcome = allow_all(fd, limits->readable, READ_FILE | READ_DIR, false);
    if (outcome_good(&outcome))
        outcome = allow_all(fd, limits->writable, writing, true);
    if (outcome_good(&outcome))
        outcome = allow_all(fd, limits->own, OWNING & rules.files, true);
    if (outcome_good(&outcome) && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        outcome = outcome_errno(errno, "cannot enter the sandbox");
    file_close(&fd);
    return outcome;
}
