/* postrider.conf: taken whole, or refused in words that name a line of it. */
#include <unistd.h>

#include "config/settings.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = fuzz_file(data, size);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct settings settings;
    struct outcome outcome = settings_load(path, &settings);
    if (outcome_good(&outcome)) {
        must(settings.retry_count && settings.hostname && settings.queue_directory[0] == '/');
        const struct smarthost *smarthost = settings_smarthost_for(&settings, "ops@example.org");
        must(!smarthost || smarthost->connections);
    } else {
        must(strncmp(outcome.reason, path, strlen(path)) == 0);
        must_be_clean(outcome.reason);
    }
    settings_free(&settings);
    file_close(&fd);
    return 0;
}
