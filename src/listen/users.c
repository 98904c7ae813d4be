/*
 * Reading the users file (see users.h), and asking libcrypt whether a password fits. A stranger
 * must not learn who is in the file: for a name that is not, a hash of the others is computed all
 * the same, chosen so that the times of such names are spread as theirs are. Knows nothing of SMTP.
 * Words made here never hold a byte of what was read: a line that does not parse may be a password.
 */
#include "listen/users.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/sasl_text.h"

/* ---- a line ---- */

bool users_prepare_name(const char *name, struct buffer *prepared, const char **why)
{
    *why = "the name holds what no name may hold, such as a control character";
    if (!sasl_prepare(name, true, prepared))
        return false;
    *why = "the name is empty";
    const char *text = buffer_text(prepared);
    if (!*text)
        return false;
    *why = "the name has more than 255 bytes";
    if (prepared->length > USERS_NAME_LONGEST)
        return false;
    *why = "a name cannot begin with '#', begin or end with a space, or hold a ':'";
    return *text != '#' && *text != ' ' && text[prepared->length - 1] != ' ' && !strchr(text, ':');
}

/* Old hashes that do not begin with '$' look at eight characters only; a password that somebody
 * put there in clear looks like one. */
static bool is_hash(const char *text)
{
    int found = crypt_checksalt(text);
    return *text == '$' && (found == CRYPT_SALT_OK || found == CRYPT_SALT_METHOD_LEGACY);
}

static bool parse_fields(char *line, struct user *user, const char **why)
{
    char *hash = strchr(line, ':');
    *why = "\"name:hash\" is wanted";
    if (!hash)
        return false;
    *hash++ = '\0';
    char *verifier = strchr(hash, ':');
    if (verifier)
        *verifier++ = '\0';
    struct buffer name = {0};
    bool good = users_prepare_name(line, &name, why);
    user->name = buffer_take(&name);
    if (!good)
        return false;
    *why = "behind the name no hash of crypt(5) is found";
    user->hash = hash;
    user->locked = *hash == '!' || *hash == '*';
    if (!user->locked && !is_hash(hash))
        return false;
    *why = "behind the hash no SCRAM-SHA-256 verifier (RFC 5803) is found";
    user->has_verifier = verifier && *verifier;
    return !user->has_verifier || sasl_verifier_parse(verifier, &user->verifier);
}

bool users_parse_line(char *line, struct user *user, const char **why)
{
    *user = (struct user){0};
    line = text_trim(line);
    if (!*line || *line == '#')
        return true;
    bool good = parse_fields(line, user, why);
    if (!good)
        users_free_line(user);
    return good;
}

void users_free_line(struct user *user)
{
    free(user->name);
    *user = (struct user){0};
}

/* ---- the file ---- */

void users_make_secret(unsigned char secret[SASL_SECRET_SIZE])
{
    if (getrandom(secret, SASL_SECRET_SIZE, 0) != SASL_SECRET_SIZE)
        impossible("no random numbers");
}

static struct outcome check_rights(const char *path, const struct stat *status)
{
    if (!S_ISREG(status->st_mode))
        return outcome_later("4.3.5", "%s is not a file", path);
    struct outcome outcome = outcome_done();
    bool ours = status->st_gid == getegid() || geteuid() == 0;
    if (status->st_uid != geteuid() && status->st_uid != 0)
        outcome = outcome_later("4.7.0", "%s belongs to another user (id %lu): chown it to root",
                                path, (unsigned long)status->st_uid);
    else if (status->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO) ||
             ((status->st_mode & S_IRGRP) && (status->st_uid != 0 || !ours)))
        outcome = outcome_later("4.7.0",
                                "%s is open to others: chmod 640 %s, with root as its owner and "
                                "our own group, or chmod 600",
                                path, path);
    if (!outcome_good(&outcome))
        outcome.exit_status = EX_NOPERM;
    return outcome;
}

struct outcome users_open(const char *path, const unsigned char secret[SASL_SECRET_SIZE],
                          struct users *users)
{
    *users = (struct users){.path = path};
    memcpy(users->secret, secret, sizeof users->secret);
    users->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (users->fd < 0)
        return outcome_errno(errno, "cannot read the users file %s", path);
    struct stat status;
    struct outcome outcome = fstat(users->fd, &status) == 0
                                 ? check_rights(path, &status)
                                 : outcome_errno(errno, "cannot read %s", path);
    if (!outcome_good(&outcome))
        file_close(&users->fd);
    return outcome;
}

void users_close(struct users *users)
{
    file_close(&users->fd);
    memory_wipe(users->secret, sizeof users->secret);
}

/* All of the file. */
struct table {
    char *content; /* what the users' hashes point into */
    size_t size;
    struct user *users;
    unsigned *lines; /* where they stand */
    size_t count, capacity;
};

static void free_table(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        users_free_line(&table->users[i]);
    memory_wipe(table->users, table->capacity * sizeof *table->users);
    memory_wipe(table->content, table->size);
    free(table->users);
    free(table->lines);
    free(table->content);
    *table = (struct table){0};
}

static const struct user *find_user(const struct table *table, const char *name)
{
    const struct user *found = NULL;
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->users[i].name, name) == 0)
            found = &table->users[i];
    return found;
}

static struct outcome take_line(struct table *table, const char *path, unsigned number, char *line)
{
    struct user user;
    const char *why;
    if (!users_parse_line(line, &user, &why))
        return outcome_refuse(EX_CONFIG, "%s:%u: %s", path, number, why);
    if (!user.name)
        return outcome_done();
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->users = memory_resize(table->users, table->capacity * sizeof *table->users);
        table->lines = memory_resize(table->lines, table->capacity * sizeof *table->lines);
    }
    table->lines[table->count] = number;
    table->users[table->count++] = user;
    return outcome_done();
}

/* By name, then in the order of the file. */
static int compare_users(const void *a, const void *b)
{
    const struct user *const *one = a, *const *two = b;
    int order = strcmp((*one)->name, (*two)->name);
    return order ? order : (*one > *two) - (*one < *two);
}

/* Strangers have the file read as often as they say EHLO: not in a time that grows with the square
 * of it. */
static struct outcome refuse_twins(const struct table *table, const char *path)
{
    size_t twin = SIZE_MAX;
    const struct user **sorted = memory_get((table->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < table->count; i++)
        sorted[i] = &table->users[i];
    qsort(sorted, table->count, sizeof *sorted, compare_users);
    for (size_t i = 1; i < table->count; i++) {
        size_t place = (size_t)(sorted[i] - table->users);
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0 && place < twin)
            twin = place;
    }
    free(sorted);
    if (twin == SIZE_MAX)
        return outcome_done();
    return outcome_refuse(EX_CONFIG, "%s:%u: the user stands here a second time", path,
                          table->lines[twin]);
}

static struct outcome read_content(const struct users *users, struct table *table)
{
    struct stat status;
    if (users->fd < 0)
        return outcome_later("4.3.5", "the users file %s is not open", users->path);
    if (fstat(users->fd, &status) < 0)
        return outcome_errno(errno, "cannot read %s", users->path);
    if (status.st_size > USERS_FILE_LONGEST)
        return outcome_refuse(EX_CONFIG, "%s is larger than %d bytes", users->path,
                              USERS_FILE_LONGEST);
    table->size = (size_t)status.st_size + 1;
    table->content = memory_get(table->size);
    ssize_t length = file_read_at(users->fd, table->content, table->size - 1, 0);
    if (length < 0)
        return outcome_errno(errno, "cannot read %s", users->path);
    if (memchr(table->content, '\0', (size_t)length))
        return outcome_refuse(EX_CONFIG, "%s holds a NUL byte", users->path);
    return outcome_done();
}

static struct outcome read_table(const struct users *users, struct table *table)
{
    *table = (struct table){0};
    struct outcome outcome = read_content(users, table);
    unsigned number = 0;
    for (char *line = table->content, *next; outcome_good(&outcome) && *line; line = next) {
        char *newline = strchr(line, '\n');
        next = newline ? newline + 1 : line + strlen(line);
        if (newline)
            *newline = '\0';
        outcome = take_line(table, users->path, ++number, line);
    }
    if (outcome_good(&outcome))
        outcome = refuse_twins(table, users->path);
    return outcome;
}

struct outcome users_check(const struct users *users, bool *verifiers)
{
    struct table table;
    struct outcome outcome = read_table(users, &table);
    size_t able = 0, lacking = 0;
    for (size_t i = 0; i < table.count; i++) {
        able += !table.users[i].locked;
        lacking += !table.users[i].locked && !table.users[i].has_verifier;
    }
    *verifiers = outcome_good(&outcome) && able && !lacking;
    free_table(&table);
    return outcome;
}

/* ---- the questions ---- */

/* Who stands in for a name that cannot sign in: one who could, always the same one for the same
 * name. NULL: there is nobody. */
static const struct user *find_double(const struct users *users, const struct table *table,
                                      const char *name, bool verifier)
{
    unsigned able = 0;
    for (size_t i = 0; i < table->count; i++)
        able += !table->users[i].locked && (!verifier || table->users[i].has_verifier);
    if (!able)
        return NULL;
    unsigned chosen = sasl_verifier_choose(users->secret, name, able);
    for (size_t i = 0; i < table->count; i++)
        if (!table->users[i].locked && (!verifier || table->users[i].has_verifier) && chosen-- == 0)
            return &table->users[i];
    return NULL;
}

static struct outcome compare_password(const char *password, const char *hash)
{
    struct crypt_data *data = memory_get(sizeof *data);
    const char *found = crypt_r(password, hash, data);
    struct outcome outcome = outcome_never("5.7.8", "the password is wrong");
    if (!found || *found != '$')
        outcome = outcome_never("5.7.8", "libcrypt cannot compute the user's hash");
    else if (strlen(found) == strlen(hash) && memory_same(found, hash, strlen(hash)))
        outcome = outcome_done();
    memory_wipe(data, sizeof *data);
    free(data);
    return outcome;
}

/* Whatever is wrong with the file, whoever signs in may try again when it has been mended. */
static struct outcome as_later(struct outcome outcome)
{
    return outcome_later("4.7.0", "%s", outcome.reason);
}

struct outcome users_check_password(void *context, const char *name, const char *password)
{
    const struct users *users = context;
    struct table table;
    struct outcome outcome = read_table(users, &table);
    if (!outcome_good(&outcome)) {
        free_table(&table);
        return as_later(outcome);
    }
    const struct user *user = find_user(&table, name);
    const struct user *standing_in = find_double(users, &table, name, false);
    bool able = user && !user->locked;
    char fresh[CRYPT_GENSALT_OUTPUT_SIZE] = "";
    if (able)
        standing_in = user;
    else if (!standing_in)
        crypt_gensalt_rn(NULL, 0, NULL, 0, fresh, sizeof fresh);
    outcome = compare_password(password, standing_in ? standing_in->hash : fresh);
    if (!able)
        outcome = outcome_never("5.7.8", user ? "the user is locked" : "there is no such user");
    free_table(&table);
    return outcome;
}

struct outcome users_find_verifier(void *context, const char *name, struct sasl_verifier *verifier)
{
    const struct users *users = context;
    struct table table;
    struct outcome outcome = read_table(users, &table);
    if (outcome_good(&outcome)) {
        const struct user *user = find_user(&table, name);
        const struct user *standing_in = find_double(users, &table, name, true);
        sasl_verifier_invent(users->secret, name, standing_in ? &standing_in->verifier : NULL,
                             verifier);
        if (!user)
            outcome = outcome_never("5.7.8", "there is no such user");
        else if (user->locked)
            outcome = outcome_never("5.7.8", "the user is locked");
        else if (!user->has_verifier)
            outcome = outcome_never("5.7.8", "the user has no verifier: postrider passwd makes "
                                             "one");
        else
            *verifier = user->verifier;
    } else {
        outcome = as_later(outcome);
    }
    free_table(&table);
    return outcome;
}
