/* See ask.h. What comes back is not trusted to be findings: it is bounded, parsed and tamed. */
#include "check/ask.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/process.h"

enum { MOST_OUTPUT = 1 << 20, LIMIT_MS = 10 * 60 * 1000 };

static struct outcome run(const char *path, const char *const arguments[], struct buffer *output)
{
    size_t count = 0;
    while (arguments[count])
        count++;
    const char **argv = memory_get((count + 2) * sizeof *argv);
    argv[0] = path;
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = arguments[i];
    struct outcome outcome = process_capture((char *const *)argv, output, LIMIT_MS);
    free(argv);
    return outcome;
}

void ask_program(const char *name, const char *const arguments[], struct findings *findings)
{
    char path[4096];
    struct buffer output = {.limit = MOST_OUTPUT};
    process_find(name, path, sizeof path);
    const struct outcome outcome = run(path, arguments, &output);
    const bool understood = finding_parse(buffer_text(&output), output.length, findings);
    if (!outcome_good(&outcome))
        finding_add(findings, FINDING_FAULT, "programs", "%s", outcome.reason);
    else if (!understood)
        finding_add(findings, FINDING_FAULT, "programs",
                    "%s printed what is no finding: it is not the %s of this postrider", path,
                    name);
    buffer_free(&output);
}
