/*
 * See greylist.h. One session at a time has the lock, and the database open. The lock file says
 * whether a change was cut off: then the database counts as damaged, and the copy that is made from
 * time to time takes its place, or none. Each change also looks at a few entries in their order and
 * forgets those whose time is over, so that the memory does not grow for ever.
 */
#include "filter/greylist.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/database.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/network.h"
#include "filter/greylist_state.h"

enum {
    PATIENCE_MS = 2000, /* for the lock */
    PROVED = 5,         /* triplets that came again make a client known */
    SWEPT = 8,          /* entries that are looked at with each change */
    COPY_EVERY = 3600,  /* seconds */
    TOUCH_EVERY = 3600, /* seconds between two notes that something known was seen */
    MOST_ENTRIES = 500000
};

/* A triplet, or a client ("c" before its range). */
struct entry {
    int64_t first, last; /* seconds since 1970 */
    uint32_t proved;     /* a triplet: 1 once it came again; a client: how many of its did */
};

struct memory {
    const char *folder;
    int lock;
    struct greylist_state state;
    struct database database;
    bool is_open;
};

static void make_path(const struct memory *memory, const char *name, struct buffer *path)
{
    buffer_format(path, "%s/%s", memory->folder, name);
}

/* ---- the lock ---- */

/* -1 with errno; ETIMEDOUT: others have it all the time. */
static int take_lock(const struct memory *memory)
{
    struct buffer path = {0};
    greylist_state_path(memory->folder, &path);
    int fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    buffer_free(&path);
    int64_t end = clock_ms() + PATIENCE_MS;
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (clock_ms() >= end) {
            file_close(&fd);
            errno = ETIMEDOUT;
            return -1;
        }
        (void)poll(NULL, 0, 2 + (int)clock_random(8));
    }
    return fd;
}

/* ---- the database ---- */

/* Whether the file can be given to libdb; one that is not there can. */
static bool is_sound(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    bool sound = database_find_fault(fd, DB_BTREE) == NULL;
    file_close(&fd);
    return sound;
}

static void replace_damaged(struct memory *memory, const char *path)
{
    struct buffer copy = {0};
    make_path(memory, "greylist.copy", &copy);
    bool has_copy = access(copy.data, F_OK) == 0 && is_sound(copy.data);
    log_error("the memory of the greylist was damaged: it goes on %s",
              has_copy ? "with what it knew at the last copy" : "with nothing");
    if (!has_copy || rename(copy.data, path) < 0)
        (void)unlink(path);
    memory->state.swept[0] = '\0';
    if (!has_copy)
        memory->state.counts.entries = 0;
    buffer_free(&copy);
}

/* A new database begins under this name of libdb's, which waits for ever for who left it behind. */
static void clear_way(const struct memory *memory)
{
    struct buffer path = {0};
    make_path(memory, "__db.greylist.db", &path);
    (void)unlink(path.data);
    buffer_free(&path);
}

static int open_database(struct memory *memory)
{
    struct buffer path = {0};
    make_path(memory, "greylist.db", &path);
    if (memory->state.changing != ' ' || !is_sound(path.data))
        replace_damaged(memory, path.data);
    if (access(path.data, F_OK) < 0)
        clear_way(memory);
    int error = greylist_write_state(memory->lock, &memory->state, 'C')
                    ? database_open(&memory->database, path.data, DB_BTREE, DB_CREATE)
                    : errno;
    memory->is_open = true;
    buffer_free(&path);
    return error;
}

static DBT item(const void *data, size_t size)
{
    DBT made;
    memset(&made, 0, sizeof made);
    made.data = (void *)(uintptr_t)data; /* libdb has no const, and only reads it */
    made.size = (u_int32_t)size;
    return made;
}

/* libdb's number; DB_NOTFOUND with the entry all zero. */
static int get(struct memory *memory, const char *key, struct entry *entry)
{
    DBT name = item(key, strlen(key)), value;
    memset(&value, 0, sizeof value);
    value.data = entry;
    value.ulen = sizeof *entry;
    value.flags = DB_DBT_USERMEM;
    DB *handle = memory->database.handle;
    int error = handle->get(handle, NULL, &name, &value, 0);
    if (error || value.size != sizeof *entry)
        *entry = (struct entry){0};
    return error;
}

static int put(struct memory *memory, const char *key, const struct entry *entry, bool is_new)
{
    DBT name = item(key, strlen(key)), value = item(entry, sizeof *entry);
    DB *handle = memory->database.handle;
    int error = handle->put(handle, NULL, &name, &value, 0);
    memory->state.counts.entries += !error && is_new;
    return error;
}

/* ---- forgetting ---- */

static bool is_over(const struct entry *entry, const struct greylist_rules *rules, time_t now,
                    bool crowded)
{
    int64_t age = now - entry->last;
    if (entry->proved)
        return age > (int64_t)rules->lifetime;
    return crowded || age > (int64_t)rules->window;
}

static void keep_place(struct greylist_state *state, const DBT *key)
{
    size_t length = key->size < sizeof state->swept - 1 ? key->size : sizeof state->swept - 1;
    memcpy(state->swept, key->data, length);
    state->swept[length] = '\0';
}

/* The next few entries in their order, and from the beginning again after the last. */
static int sweep(struct memory *memory, const struct greylist_rules *rules, time_t now)
{
    DBC *cursor;
    DB *handle = memory->database.handle;
    bool crowded = memory->state.counts.entries > MOST_ENTRIES;
    int error = handle->cursor(handle, NULL, &cursor, 0);
    if (error)
        return error;
    DBT key = item(memory->state.swept, strlen(memory->state.swept)), value;
    memset(&value, 0, sizeof value);
    error = cursor->get(cursor, &key, &value, DB_SET_RANGE);
    for (int i = 0; i < SWEPT && !error; i++) {
        struct entry entry = {0};
        keep_place(&memory->state, &key);
        if (value.size == sizeof entry)
            memcpy(&entry, value.data, sizeof entry);
        if (is_over(&entry, rules, now, crowded)) {
            error = cursor->del(cursor, 0);
            memory->state.counts.entries -= memory->state.counts.entries > 0;
        }
        if (!error)
            error = cursor->get(cursor, &key, &value, DB_NEXT);
    }
    if (error == DB_NOTFOUND) {
        memory->state.swept[0] = '\0';
        error = 0;
    }
    int closed = cursor->close(cursor);
    return error ? error : closed;
}

/* ---- the rules ---- */

static void append_client(const struct sockaddr *address, struct buffer *key)
{
    struct network network;
    if (!network_of(address, &network))
        return;
    size_t bytes = network.family == AF_INET ? 3 : 8;
    buffer_append_byte(key, network.family == AF_INET ? '4' : '6');
    for (size_t i = 0; i < bytes; i++)
        buffer_format(key, "%02x", network.address[i]);
}

static void make_triplet(const struct greylist_question *question, struct buffer *key)
{
    buffer_append_byte(key, 't');
    append_client(question->client, key);
    buffer_format(key, " %s %s", question->sender, question->recipient);
    text_lower(key->data);
    text_clean(key->data);
    if (key->length > GREYLIST_KEY_LONGEST - 1) {
        key->length = GREYLIST_KEY_LONGEST - 1;
        key->data[key->length] = '\0';
    }
}

static struct outcome come_again(uint64_t seconds)
{
    char words[32];
    return outcome_later("4.7.1", "not known here yet: please try again in %s",
                         text_from_seconds(seconds ? seconds : 1, words, sizeof words));
}

/* A triplet came again in time: its client has proved itself once more. */
static int prove_client(struct memory *memory, const char *key, struct entry *client, time_t now)
{
    bool is_new = client->first == 0;
    if (is_new)
        client->first = now;
    client->last = now;
    client->proved++;
    return put(memory, key, client, is_new);
}

static int note_seen(struct memory *memory, const char *key, struct entry *entry, time_t now)
{
    memory->state.counts.known++;
    if (now - entry->last < TOUCH_EVERY && now >= entry->last)
        return 0;
    entry->last = now;
    return put(memory, key, entry, false);
}

/* A clock that was put back must keep nobody waiting for longer than the delay. */
static bool begins_anew(const struct entry *entry, const struct greylist_rules *rules, time_t now)
{
    if (entry->first == 0 || entry->first > now || entry->last > now)
        return true;
    return now - entry->last > (int64_t)(entry->proved ? rules->lifetime : rules->window);
}

/* What is known of the triplet decides. */
static int judge_triplet(struct memory *memory, const struct greylist_rules *rules, const char *key,
                         time_t now, struct outcome *outcome, bool *proved)
{
    struct entry entry;
    int error = get(memory, key, &entry);
    if (error && error != DB_NOTFOUND)
        return error;
    bool is_new = error == DB_NOTFOUND;
    uint64_t age = (uint64_t)(now - entry.first);
    if (begins_anew(&entry, rules, now)) {
        entry = (struct entry){.first = now, .last = now};
        *outcome = come_again(rules->delay);
        memory->state.counts.delayed++;
        return put(memory, key, &entry, is_new);
    }
    if (entry.proved)
        return note_seen(memory, key, &entry, now);
    if (age < rules->delay) {
        *outcome = come_again(rules->delay - age);
        memory->state.counts.delayed++;
        return 0;
    }
    entry.proved = 1;
    entry.last = now;
    *proved = true;
    memory->state.counts.passed++;
    return put(memory, key, &entry, false);
}

static int decide(struct memory *memory, const struct greylist_rules *rules,
                  const struct greylist_question *question, struct outcome *outcome)
{
    struct buffer client_key = {0}, key = {0};
    struct entry client;
    time_t now = question->now;
    bool proved = false;
    buffer_append_byte(&client_key, 'c');
    append_client(question->client, &client_key);
    make_triplet(question, &key);
    int error = get(memory, client_key.data, &client);
    if (!error && begins_anew(&client, rules, now))
        client.proved = 0; /* forgotten, though nobody has come to take it out */
    if (!error && client.proved >= PROVED)
        error = note_seen(memory, client_key.data, &client, now);
    else if (!error || error == DB_NOTFOUND)
        error = judge_triplet(memory, rules, key.data, now, outcome, &proved);
    if (!error && proved)
        error = prove_client(memory, client_key.data, &client, now);
    if (!error)
        error = sweep(memory, rules, now);
    buffer_free(&client_key);
    buffer_free(&key);
    return error;
}

/* ---- the whole ---- */

static bool copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    char *block = memory_block(FILE_BLOCK);
    ssize_t count = -1;
    bool good = in >= 0 && out >= 0;
    while (good && (count = file_read(in, block, FILE_BLOCK)) > 0)
        good = file_write(out, block, (size_t)count);
    free(block);
    file_close(&in);
    file_close(&out);
    return good && count == 0;
}

/* Something to go on with should the database be damaged. */
static void make_copy(struct memory *memory, time_t now)
{
    struct buffer path = {0}, fresh = {0}, copy = {0};
    int64_t age = now - memory->state.copied;
    if (age >= 0 && age < COPY_EVERY)
        return;
    make_path(memory, "greylist.db", &path);
    make_path(memory, "greylist.new", &fresh);
    make_path(memory, "greylist.copy", &copy);
    if (copy_file(path.data, fresh.data) && rename(fresh.data, copy.data) == 0)
        memory->state.copied = now;
    else
        (void)unlink(fresh.data);
    buffer_free(&path);
    buffer_free(&fresh);
    buffer_free(&copy);
}

static void close_memory(struct memory *memory, int *error, time_t now)
{
    if (memory->is_open) {
        if (!*error)
            *error = database_flush(&memory->database);
        int closed = database_close(&memory->database);
        if (!*error)
            *error = closed;
        if (!*error)
            make_copy(memory, now);
        /* After an error it stays marked as damaged. */
        if (!*error && !greylist_write_state(memory->lock, &memory->state, ' '))
            *error = errno;
    }
    file_close(&memory->lock);
}

struct outcome greylist_check(const char *folder, const struct greylist_rules *rules,
                              const struct greylist_question *question)
{
    struct memory memory = {.folder = folder};
    struct outcome outcome = outcome_done();
    memory.lock = take_lock(&memory);
    int error = memory.lock < 0 ? errno : 0;
    if (!error) {
        greylist_read_state(memory.lock, &memory.state);
        error = open_database(&memory);
    }
    if (!error)
        error = decide(&memory, rules, question, &outcome);
    close_memory(&memory, &error, question->now);
    if (!error)
        return outcome;
    log_error("the greylist cannot be used, mail goes on without it: %s",
              error > 0 ? strerror(error) : db_strerror(error));
    return outcome_done();
}
