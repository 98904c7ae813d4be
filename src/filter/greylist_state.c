/* See greylist_state.h. */
#include "filter/greylist_state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

void greylist_state_path(const char *folder, struct buffer *path)
{
    buffer_format(path, "%s/greylist.lock", folder);
}

static const char state_format[] = "%c delayed %" SCNu64 " passed %" SCNu64 " known %" SCNu64
                                   " entries %" SCNu64 " copied %" SCNd64 "\n%699[^\n]";

void greylist_read_state(int fd, struct greylist_state *state)
{
    char text[2048] = "";
    ssize_t length = file_read_at(fd, text, sizeof text - 1, 0);
    *state = (struct greylist_state){.changing = ' '};
    if (length <= 0)
        return;
    text[length] = '\0';
    struct greylist_counts *counts = &state->counts;
    if (sscanf(text, state_format, &state->changing, &counts->delayed, &counts->passed,
               &counts->known, &counts->entries, &state->copied, state->swept) < 6)
        *state = (struct greylist_state){.changing = 'C'};
}

bool greylist_write_state(int fd, const struct greylist_state *state, char changing)
{
    const struct greylist_counts *counts = &state->counts;
    struct buffer text = {0};
    buffer_format(&text,
                  "%c delayed %" PRIu64 " passed %" PRIu64 " known %" PRIu64 " entries %" PRIu64
                  " copied %" PRId64 "\n%s\n",
                  changing, counts->delayed, counts->passed, counts->known, counts->entries,
                  state->copied, state->swept);
    bool good =
        file_write_at(fd, text.data, text.length, 0) && ftruncate(fd, (off_t)text.length) == 0;
    buffer_free(&text);
    return good;
}

bool greylist_read_counts(const char *folder, struct greylist_counts *counts)
{
    struct buffer path = {0};
    struct greylist_state state;
    greylist_state_path(folder, &path);
    int fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    buffer_free(&path);
    if (fd < 0)
        return false;
    greylist_read_state(fd, &state);
    file_close(&fd);
    *counts = state.counts;
    return true;
}
