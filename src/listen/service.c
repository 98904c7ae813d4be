/* See service.h. */
#include "listen/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "filter/lists.h"
#include "listen/users.h"
#include "net/tls_server.h"

static struct outcome load_identities(struct service *service)
{
    const struct settings *settings = &service->settings;
    service->identities = memory_get((settings->listener_count + 1) * sizeof *service->identities);
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < settings->listener_count && outcome_good(&outcome); i++) {
        const struct listener *listener = &settings->listeners[i];
        if (listener->tls != TLS_OFF)
            outcome = tls_identity_load(&listener->tls_certificates, &listener->tls_keys,
                                        listener->tls_client_ca, &service->identities[i]);
    }
    return outcome;
}

struct outcome service_load(const char *config, bool listens, struct service *service)
{
    *service = (struct service){.config = config, .listens = listens};
    users_make_secret(service->secret);
    struct outcome outcome = settings_load(config, &service->settings);
    if (outcome_good(&outcome))
        outcome = lists_load(&service->settings.filter, &service->lists);
    return outcome_good(&outcome) && listens ? load_identities(service) : outcome;
}

void service_keep_secret(struct service *service, const struct queue *queue)
{
    const ssize_t size = sizeof service->secret;
    unsigned char kept[SASL_SECRET_SIZE];
    int fd = openat(queue->root, "listen.secret", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                    S_IRUSR | S_IWUSR);
    if (fd >= 0 && file_read_at(fd, kept, sizeof kept, 0) == size)
        memcpy(service->secret, kept, sizeof kept);
    else if (fd < 0 || !file_write_at(fd, service->secret, sizeof service->secret, 0))
        log_error("cannot keep %s/listen.secret, by which strangers are not told who may sign in: "
                  "%s",
                  queue->directory, strerror(errno));
    memory_wipe(kept, sizeof kept);
    file_close(&fd);
}

void service_free(struct service *service)
{
    for (size_t i = 0; service->identities && i < service->settings.listener_count; i++)
        tls_identity_free(service->identities[i]);
    free(service->identities);
    lists_free(service->lists);
    settings_free(&service->settings);
    *service = (struct service){0};
}
