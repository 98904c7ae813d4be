/* See import_aliases.h. The file is read as newaliases does, up to the first thing it would refuse.
 */
#include "setup/import_aliases.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "route/alias_target.h"
#include "route/alias_text.h"
#include "setup/edit.h"

struct look {
    const char *path, *catch_all;
    bool has_catch_all, has_programs;
};

static struct outcome look_at(void *context, const struct alias *alias)
{
    struct look *look = context;
    struct texts targets = {0};
    const char *why = "a quote or a bracket that is not closed";
    bool good = alias_split(alias->value, &targets);
    if (look->catch_all && strcmp(alias->key, look->catch_all) == 0)
        look->has_catch_all = true;
    for (size_t i = 0; i < targets.count && good; i++) {
        struct alias_target target;
        good = alias_target_parse(targets.items[i], &target, &why);
        if (!good)
            break;
        if (target.kind == ALIAS_COMMAND ||
            (target.kind == ALIAS_FILE && strcmp(target.text, "/dev/null") != 0))
            look->has_programs = true;
        alias_target_free(&target);
    }
    texts_free(&targets);
    return good ? outcome_done() : alias_fault(look->path, alias->line, why);
}

void aliases_take(struct importing *importing, size_t note, const char *path, const char *catch_all)
{
    struct import *import = importing->import;
    struct source source;
    struct look look = {.path = path, .catch_all = catch_all};
    if (!take_setting(import, note, "mail", "", "aliases", path))
        return;
    if (source_open(importing, path, SOURCE_NAMED, &source)) {
        int fd = edit_make_file(source.data, source.length);
        struct outcome outcome = outcome_done();
        if (fd >= 0)
            outcome = alias_text_read(fd, path, look_at, &look);
        file_close(&fd);
        if (!outcome_good(&outcome))
            note_say(import, note, IMPORT_OTHER,
                     "ours does not understand all of it, which must "
                     "be mended: %s",
                     outcome.reason);
        if (look.has_catch_all)
            note_say(import, note, IMPORT_OTHER,
                     "its alias %s is a name as any other to ours; \"@DOMAIN: ...\" is for all of "
                     "a domain",
                     catch_all);
        if (look.has_programs)
            note_say(import, note, IMPORT_OTHER,
                     "its files and commands are off until alias_files and alias_commands name the "
                     "user whom they run as");
    }
    source_free(&source);
}
