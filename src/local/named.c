/*
 * Whether root has named a user as the one for files or commands of aliases. The caller, who speaks
 * with the network, tells us whom to become: should he be taken over, that must not be anybody. It
 * is the one line that we ever look for in the settings, and only in a file that nobody but root
 * can have written.
 */
#include "local/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>

/* Root's, and closed to the others. */
static void check_owner(const char *path)
{
    struct stat info;
    if (stat(path, &info) < 0)
        end(EX_CONFIG, "cannot look at %s: %s", path, strerror(errno));
    int by_group = (info.st_mode & S_IWGRP) && info.st_gid != 0;
    if (info.st_uid != 0 || by_group || (info.st_mode & S_IWOTH))
        end(EX_CONFIG, "%s must belong to root and be closed to others, or it names no user", path);
}

/* "key = user", and perhaps a comment. */
static int says(const char *line, const char *key, const char *user)
{
    static const char blanks[] = " \t\r\n";
    line += strspn(line, blanks);
    if (strncasecmp(line, key, strlen(key)) != 0)
        return 0;
    line += strlen(key);
    line += strspn(line, blanks);
    if (*line != '=' && *line != ':')
        return 0;
    line++;
    line += strspn(line, blanks);
    size_t length = strcspn(line, blanks);
    return length == strlen(user) && strncmp(line, user, length) == 0;
}

void check_named(const char *key, const char *user)
{
    static const char path[] = POSTRIDER_CONFIG;
    char folder[] = POSTRIDER_CONFIG;
    *strrchr(folder, '/') = '\0';
    check_owner(folder);
    check_owner(path);
    FILE *file = fopen(path, "re");
    if (!file)
        end(EX_CONFIG, "cannot read %s: %s", path, strerror(errno));
    char *line = NULL;
    size_t capacity = 0;
    int found = 0;
    while (!found && getline(&line, &capacity, file) > 0)
        found = says(line, key, user);
    free(line);
    fclose(file);
    if (!found)
        end(EX_CONFIG, "%s has no line \"%s = %s\"", path, key, user);
}
