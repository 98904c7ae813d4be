/*
 * The sandbox of a worker (base/sandbox.h): which paths a session with a next hop needs.
 */
#include "run/confine.h"

#include <string.h>
#include <time.h>

#include "base/sandbox.h"
#include "run/smtp_greeting.h"

/* The system's certificate authorities, wherever a distribution has them, and what the clocks of
 * rates are told apart by (queue/limit.h). */
static const char *const places[] = {"/etc/ssl/certs",           "/etc/pki/tls",
                                     "/etc/pki/ca-trust",        "/etc/ca-certificates",
                                     "/var/lib/ca-certificates", "/proc/sys/kernel/random/boot_id"};

static void add_file(struct texts *paths, const char *path)
{
    if (path && *path == '/')
        texts_add(paths, path);
}

struct outcome confine(const struct run *run, const struct smtp_hop *smtp)
{
    struct texts readable = {0}, own = {0};
    const struct sandbox sandbox = {
        .readable = &readable, .own = run ? &own : NULL, .local_sockets = true, .internet = true};
    sandbox_load_services();
    sandbox_add_system(&readable);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        texts_add(&readable, places[i]);
    if (smtp) {
        add_file(&readable, smtp->tls_trust);
        add_file(&readable, smtp->tls_certificate);
        add_file(&readable, smtp->tls_key);
    }
    for (size_t i = 0; run && i < run->settings.dkim_count; i++)
        for (size_t k = 0; k < run->settings.dkims[i].keys.count; k++)
            add_file(&readable, run->settings.dkims[i].keys.items[k]);
    if (run)
        texts_add(&own, run->queue.directory);
    if (smtp)
        smtp_load(smtp);
    tzset();
    struct outcome outcome = sandbox_enter(&sandbox);
    texts_free(&readable);
    texts_free(&own);
    return outcome;
}
