/*
 * See cron.h. Knows where the crons of Linux keep their tables, which of them reads which, and a
 * line that runs the queue when it sees one.
 */
#include "check/cron.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "config/paths.h"

static const char topic[] = "schedule";
static const char cron_folder[] = "/etc/cron.d";

enum { LONGEST_TABLE = 1 << 20 };

/* What a line is to do. */
struct wish {
    bool systemd;       /* is running */
    const char *folder; /* run the scripts in it; NULL: run the queue */
};

/* ---- which cron ---- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* By what the program is in truth: busybox has many names, and fcron brings a crontab. */
static unsigned read_by(const char *program)
{
    char *path = access(program, X_OK) == 0 ? realpath(program, NULL) : NULL;
    const char *name = path ? last_part(path) : "";
    unsigned reads = 0;
    if (text_starts(name, "busybox"))
        reads = CRON_READS_ROOT;
    else if (text_starts(name, "fcron"))
        reads = CRON_READS_FCRON;
    else if (path)
        reads = CRON_READS_SYSTEM | CRON_READS_ROOT;
    free(path);
    return reads;
}

/* Debian's cron, cronie, dcron and busybox, fcron, bcron and systemd-cron. */
unsigned cron_reads(void)
{
    static const char *const programs[] = {
        "/usr/sbin/cron",  "/usr/sbin/crond",       "/sbin/crond",      "/usr/bin/crond",
        "/usr/sbin/fcron", "/usr/sbin/bcron-sched", "/usr/bin/crontab",
    };
    unsigned reads = 0;
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        reads |= read_by(programs[i]);
    return reads;
}

/* ---- lines ---- */

/* Whether it has "sendmail -q", "runq" or "postrider flush" in it. */
static bool runs_queue(char *line)
{
    static const char separators[] = " \t;&|()";
    const char *before = "";
    char *rest;
    for (char *word = strtok_r(line, separators, &rest); word;
         word = strtok_r(NULL, separators, &rest)) {
        const char *name = last_part(word);
        if (strcmp(name, "runq") == 0 ||
            (strcmp(before, "sendmail") == 0 && text_starts(word, "-q")) ||
            (strcmp(before, "postrider") == 0 &&
             (strcmp(word, "flush") == 0 || text_starts(word, "-q"))))
            return true;
        before = name;
    }
    return false;
}

static bool does(const struct wish *wish, char *line)
{
    if (*text_trim(line) == '#')
        return false;
    if (wish->folder)
        return strstr(line, "run-parts") && strstr(line, wish->folder);
    return !(wish->systemd && strstr(line, "-d /run/systemd/system ] ||")) && runs_queue(line);
}

static bool table_does(const struct wish *wish, const char *path)
{
    struct buffer line = {.limit = LONGEST_TABLE};
    struct input input = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
    struct stat status;
    bool found = false;
    if (input.fd < 0)
        return false;
    if (fstat(input.fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= LONGEST_TABLE)
        while (!found && input_line(&input, &line)) {
            found = line.length && !line.failed && does(wish, line.data);
            buffer_clear(&line);
        }
    input_free(&input);
    file_close(&input.fd);
    buffer_free(&line);
    return found;
}

/* ---- tables ---- */

/* cron looks at no other names, and run-parts neither. */
static bool is_cron_name(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return *name && strspn(name, allowed) == strlen(name);
}

/* Puts the path of the first file that runs the queue behind the buffer. scripts: it has to be
 * one. */
static bool find_in_folder(const struct wish *wish, const char *path, bool scripts,
                           struct buffer *table, struct findings *findings)
{
    DIR *folder = opendir(path);
    bool found = false;
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        buffer_clear(table);
        buffer_format(table, "%s/%s", path, entry->d_name);
        found = table_does(wish, buffer_text(table)) &&
                (!scripts || access(buffer_text(table), X_OK) == 0);
        if (found && !is_cron_name(entry->d_name)) {
            found = false;
            finding_add(findings, FINDING_HINT, topic,
                        "%s runs the queue, but cron takes no file whose name has a dot in it",
                        buffer_text(table));
        }
    }
    if (folder)
        closedir(folder);
    return found;
}

/* In a table alone, not in a folder of them. */
static bool find_in_tables(const struct wish *wish, unsigned reads, struct buffer *table)
{
    /* Those of root in Debian, Red Hat and Alpine can be read by root alone. */
    static const struct {
        enum cron_reads reads;
        const char *path;
    } tables[] = {
        {CRON_READS_SYSTEM, "/etc/crontab"},
        {CRON_READS_ROOT, "/var/spool/cron/crontabs/root"},
        {CRON_READS_ROOT, "/var/spool/cron/root"},
        {CRON_READS_ROOT, "/etc/crontabs/root"},
        {CRON_READS_FCRON, "/var/spool/fcron/root.orig"},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if ((tables[i].reads & reads) == 0 || !table_does(wish, tables[i].path))
            continue;
        buffer_clear(table);
        buffer_append_text(table, tables[i].path);
        return true;
    }
    return false;
}

/* Scripts that Alpine's own lines in root's crontab run. */
static bool find_periodic(const struct wish *wish, unsigned reads, struct buffer *table,
                          struct findings *findings)
{
    static const char *const folders[] = {"/etc/periodic/15min", "/etc/periodic/hourly"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        const struct wish parts = {.systemd = wish->systemd, .folder = folders[i]};
        if (find_in_tables(&parts, reads, table) &&
            find_in_folder(wish, folders[i], true, table, findings))
            return true;
    }
    return false;
}

static bool find(const struct wish *wish, unsigned reads, struct buffer *table,
                 struct findings *findings)
{
    if ((reads & CRON_READS_SYSTEM && find_in_folder(wish, cron_folder, false, table, findings)) ||
        find_in_tables(wish, reads, table) || find_periodic(wish, reads, table, findings))
        return true;
    buffer_clear(table);
    return false;
}

bool cron_find(unsigned reads, bool systemd, struct buffer *table, struct findings *findings)
{
    const struct wish wish = {.systemd = systemd};
    const unsigned all = CRON_READS_SYSTEM | CRON_READS_ROOT | CRON_READS_FCRON;
    if (find(&wish, reads, table, findings)) {
        finding_add(findings, FINDING_GOOD, topic, "%s runs the queue", buffer_text(table));
        return true;
    }
    find(&wish, all & ~reads, table, findings);
    return false;
}

/* ---- what to do ---- */

bool cron_remedy(unsigned reads, struct findings *findings)
{
    if (reads & CRON_READS_SYSTEM) {
        finding_remedy(findings, "echo '*/5 * * * * root %s/sendmail -q' > %s/postrider",
                       POSTRIDER_SBINDIR, cron_folder);
    } else if (reads) { /* these look at a table again when they are told to by the program */
        const char *program = reads & CRON_READS_ROOT ? "crontab" : "fcrontab";
        finding_remedy(findings, "(%s -l; echo '*/5 * * * * %s/sendmail -q') | %s -", program,
                       POSTRIDER_SBINDIR, program);
    }
    return reads != 0;
}
