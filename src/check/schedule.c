/*
 * See schedule.h. Knows where systemd keeps its units, and which process is a listener; cron.c
 * knows of cron.
 */
#include "check/schedule.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/text.h"
#include "check/cron.h"
#include "check/rights.h"

static const char topic[] = "schedule";

/* ---- systemd ---- */

/* As sd_booted(3). */
static bool has_systemd(void)
{
    struct stat status;
    return lstat("/run/systemd/system", &status) == 0 && S_ISDIR(status.st_mode);
}

static const char *const unit_folders[] = {"/etc/systemd/system", "/run/systemd/system",
                                           "/usr/local/lib/systemd/system",
                                           "/usr/lib/systemd/system", "/lib/systemd/system"};

/* Whether a unit stands in one of the folder's .wants. */
static bool is_wanted(const char *folder, const char *unit)
{
    DIR *list = opendir(folder);
    struct buffer path = {0};
    bool found = false;
    for (struct dirent *entry; list && !found && (entry = readdir(list));) {
        const char *end = strrchr(entry->d_name, '.');
        if (!end || strcmp(end, ".wants") != 0)
            continue;
        struct stat status;
        buffer_clear(&path);
        buffer_format(&path, "%s/%s/%s", folder, entry->d_name, unit);
        found = lstat(buffer_text(&path), &status) == 0;
    }
    if (list)
        closedir(list);
    buffer_free(&path);
    return found;
}

static bool is_enabled(const char *unit)
{
    for (size_t i = 0; i < sizeof unit_folders / sizeof unit_folders[0]; i++)
        if (is_wanted(unit_folders[i], unit))
            return true;
    return false;
}

static bool find_unit(struct findings *findings)
{
    static const char *const units[] = {"postrider-queue.timer", "postrider.service"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!is_enabled(units[i]))
            continue;
        if (has_systemd()) {
            finding_add(findings, FINDING_GOOD, topic, "systemd runs the queue: %s is enabled",
                        units[i]);
            return true;
        }
        finding_add(findings, FINDING_HINT, topic, "%s is enabled, but systemd is not running here",
                    units[i]);
    }
    return false;
}

/* ---- what is at work ---- */

/* Whether a process with this id is one of ours, as far as can be told. */
static bool is_listener(pid_t pid)
{
    struct buffer path = {0}, name = {.limit = 64};
    buffer_format(&path, "/proc/%ld/comm", (long)pid);
    const struct outcome outcome = file_load(buffer_text(&path), &name);
    bool alive = kill(pid, 0) == 0 || errno == EPERM;
    bool ours = !outcome_good(&outcome) || text_starts(buffer_text(&name), "postrider-liste");
    buffer_free(&path);
    buffer_free(&name);
    return alive && ours;
}

/*
 * Whether a listener is at work, or (timer) what only runs the queue by the clock, by the process
 * id in its lock file. The lock itself is not tried: who gets it for a moment, and is stopped by
 * his caller then, would keep a listener from starting.
 */
static bool is_at_work(const struct queue *queue, bool timer)
{
    struct buffer text = {.limit = 64};
    uint64_t pid;
    if (!queue || queue->root < 0)
        return false;
    struct input input = {.fd = openat(queue->root, timer ? "timer.lock" : "listen.lock",
                                       O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
    bool read = input.fd >= 0 && input_line(&input, &text) && !text.failed;
    bool found =
        read && text_to_number(text_trim(text.data), 1, INT32_MAX, &pid) && is_listener((pid_t)pid);
    input_free(&input);
    file_close(&input.fd);
    buffer_free(&text);
    return found;
}

static bool find_process(const struct queue *queue, struct findings *findings)
{
    bool listener = is_at_work(queue, false);
    if (!listener && !is_at_work(queue, true))
        return false;
    finding_add(findings, FINDING_GOOD, topic, "%s is at work, and runs the queue",
                listener ? "a listener" : "postrider-listen");
    return true;
}

/* table: one that runs the queue, but that no cron here reads; "": there is none. */
static void say_nobody(unsigned reads, const char *table, struct findings *findings)
{
    if (*table)
        finding_add(findings, FINDING_WARNING, topic,
                    "nobody runs the queue: %s is for cron, and %s: mail that had to wait goes on "
                    "waiting until there is new mail",
                    table,
                    reads ? "not the cron here, which does not read it" : "there is no cron here");
    else
        finding_add(
            findings, FINDING_WARNING, topic,
            "nobody runs the queue: mail that had to wait goes on waiting until there is new "
            "mail%s",
            geteuid() == 0 ? "" : ", unless root's crontab does it, which only root can read");
    if (has_systemd())
        finding_remedy(findings, "systemctl enable --now postrider-queue.timer");
    else if (!cron_remedy(reads, findings))
        finding_remedy(findings, "postrider serve; or cron, once that is installed");
}

void check_schedule(const struct queue *queue, struct findings *findings)
{
    const unsigned reads = cron_reads();
    struct buffer table = {0};
    if (!find_unit(findings) && !cron_find(reads, has_systemd(), &table, findings) &&
        !find_process(queue, findings))
        say_nobody(reads, buffer_text(&table), findings);
    buffer_free(&table);
}

void check_own_schedule(const struct settings *settings, const struct queue *queue,
                        struct findings *findings)
{
    if (find_process(queue, findings))
        return;
    char *path = shell_word(settings->path);
    struct buffer line = {0};
    buffer_format(&line, "*/5 * * * * postrider flush -C %s", path);
    char *word = shell_word(buffer_text(&line)); /* a path in quotes, in a line in quotes */
    finding_add(findings, FINDING_HINT, topic,
                "mail that had to wait is tried again with new mail, or when your crontab says so");
    finding_remedy(findings, "(crontab -l; echo %s) | crontab -", word);
    free(word);
    buffer_free(&line);
    free(path);
}

static void say_socket_unit(struct findings *findings)
{
    finding_add(findings, FINDING_HINT, "listener",
                "postrider.socket is enabled: its addresses count, not those of [listen]");
    finding_remedy(findings, "systemctl cat postrider.socket");
}

void check_listener(const struct settings *settings, bool own, const struct queue *queue,
                    struct findings *findings)
{
    const bool socket = !own && has_systemd() && is_enabled("postrider.socket");
    if (socket)
        say_socket_unit(findings);
    if (!settings->listener_count || (socket && !is_at_work(queue, false)))
        return;
    if (is_at_work(queue, false)) {
        finding_add(findings, FINDING_GOOD, "listener", "a listener is at work");
        return;
    }
    finding_add(findings, FINDING_HINT, "listener",
                "no listener is at work, though there is a [listen] section");
    char *path = shell_word(settings->path);
    if (own)
        finding_remedy(findings, "postrider serve -C %s", path);
    else
        finding_remedy(findings, has_systemd() ? "systemctl enable --now postrider.service"
                                               : "postrider serve");
    free(path);
}
