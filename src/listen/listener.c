/* See listener.h. One loop over descriptors; children tell by how they end. */
#include "listen/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/network.h"
#include "filter/lists.h"
#include "listen/background.h"
#include "listen/clients.h"
#include "listen/confine.h"
#include "listen/notify.h"
#include "listen/orders.h"
#include "listen/runs.h"
#include "listen/session.h"

enum {
    ACCEPTS_AT_ONCE = 64, /* before others are looked after */
    BREATH_MS = 500,      /* no accepting for so long when there is no descriptor or process left */
    LISTS_EVERY_MS = 1000, /* files of lists are looked at for a change */
    GRACE_MS = 30000,      /* for what is at work when we stop: it may be writing its message */
    MOST_ORDERS_AT_ONCE = 64
};

struct parent {
    struct service service;
    struct doors doors;
    struct clients clients;
    struct runs runs;
    int signals;
    int stop[2];           /* sessions watch the reading end; we have the writing one */
    int orders[2];         /* sessions write, we read */
    int *lock;             /* of the one listener of the queue, and ours alone */
    int64_t lists_checked; /* clock_ms */
    int64_t breath;        /* clock_ms until which nobody is accepted */
    int64_t end;           /* clock_ms when the last sessions are ended; 0: we do not stop yet */
    struct pollfd *polled;
};

/* ---- sessions ---- */

/* In the child: what is the parent's alone goes. */
static void leave_parent(struct parent *parent)
{
    sigset_t none;
    sigemptyset(&none);
    /* Stopping is the parent's to say, however many processes a signal was sent to. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
    file_close(parent->lock);
    file_close(&parent->stop[1]);
    file_close(&parent->orders[0]);
    file_close(&parent->signals);
    file_close(&parent->runs.events);
    for (size_t i = 0; i < parent->doors.count; i++)
        file_close(&parent->doors.items[i].fd);
}

/* A list that cannot be read any more stays as it was. */
static void refresh_lists(struct parent *parent)
{
    struct service *service = &parent->service;
    struct lists *fresh;
    int64_t now = clock_ms();
    if (now - parent->lists_checked < LISTS_EVERY_MS)
        return;
    parent->lists_checked = now;
    if (!lists_have_changed(service->lists))
        return;
    struct outcome outcome = lists_load(&service->settings.filter, &fresh);
    if (outcome_good(&outcome)) {
        lists_free(service->lists);
        service->lists = fresh;
        log_notice("the lists of [filter] were read anew");
    } else {
        log_error("the lists of [filter] stay as they were: %s", outcome.reason);
    }
}

/* False: there is no process left for it. */
static bool start_session(struct parent *parent, const struct door *door, int fd,
                          const struct sockaddr *address)
{
    refresh_lists(parent);
    pid_t pid = fork();
    if (pid == 0) {
        const struct session_start start = {
            .service = &parent->service,
            .listener = &parent->service.settings.listeners[door->listener],
            .listener_index = door->listener,
            .fd = fd,
            .watch = parent->stop[0],
            .orders = parent->orders[1],
            .is_barred = clients_is_barred(&parent->clients, address),
            .address = address,
            .uid = getuid(),
        };
        leave_parent(parent);
        _exit(session_run(&start));
    }
    if (pid < 0) {
        log_error("cannot start a session: %s", strerror(errno));
        parent->breath = clock_ms() + BREATH_MS;
        return false;
    }
    clients_add(&parent->clients, pid, door->listener, address);
    return true;
}

/* Turned away at once, and without waiting: 421 if it goes into the buffer of the socket. */
static void turn_away(const struct listener *listener, int fd, const struct sockaddr *address,
                      const char *why)
{
    struct buffer client = {0}, line = {0};
    network_format_literal(address, &client);
    log_event("-", "rejected", "client", buffer_text(&client), "reason", why, NULL);
    buffer_format(&line, "421 4.7.0 %s\r\n", why);
    if (listener->tls != TLS_IMPLICIT)
        (void)send(fd, line.data, line.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    buffer_free(&client);
    buffer_free(&line);
}

static void reap(struct parent *parent)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        bool failed = WIFEXITED(status) && WEXITSTATUS(status) == EX_NOPERM;
        if (clients_remove(&parent->clients, pid, failed)) {
            /* Room may be left for one who waits. */
            parent->breath = 0;
            if (WIFSIGNALED(status))
                log_error("a session was ended by signal %d", WTERMSIG(status));
        } else {
            (void)runs_reap(&parent->runs, pid, status);
        }
    }
}

static void receive(struct parent *parent, const struct door *door, int fd,
                    const struct sockaddr *address)
{
    const struct listener *listener = &parent->service.settings.listeners[door->listener];
    /* Many programs share such an address, and none of them is to lock the others out. */
    bool is_trusted = networks_have(&listener->relay_networks, address);
    size_t all, same;
    reap(parent); /* who has just left makes room */
    clients_count(&parent->clients, door->listener, address, &all, &same);
    if (all >= listener->max_connections)
        turn_away(listener, fd, address, "too many connections, try again later");
    else if (!is_trusted && same >= listener->max_connections_per_client)
        turn_away(listener, fd, address, "too many connections from you, try again later");
    else if (!is_trusted && clients_is_barred(&parent->clients, address))
        turn_away(listener, fd, address, "too many failed attempts to sign in, try again later");
    else if (!start_session(parent, door, fd, address))
        turn_away(listener, fd, address, "too busy now, try again later");
}

/* Accepts who waits at this door. */
static void open_door(struct parent *parent, const struct door *door)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE && clock_ms() >= parent->breath; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int fd =
            accept4(door->fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            log_error("cannot accept a connection: %s", strerror(errno));
            parent->breath = clock_ms() + BREATH_MS;
            return;
        }
        receive(parent, door, fd, (struct sockaddr *)&address);
        file_close(&fd);
    }
}

/* ---- reloading and stopping ---- */

static void keep_old(const struct outcome *why)
{
    log_error("not reloaded, the settings in force stay: %s", why->reason);
}

/* Who is connected counts for the listener of the same name. */
static void move_clients(struct parent *parent, const struct settings *fresh)
{
    const struct settings *old = &parent->service.settings;
    size_t *places = memory_get((old->listener_count + 1) * sizeof *places);
    for (size_t i = 0; i < old->listener_count; i++) {
        size_t at = 0;
        while (at < fresh->listener_count &&
               strcmp(fresh->listeners[at].name, old->listeners[i].name) != 0)
            at++;
        places[i] = at < fresh->listener_count ? at : SIZE_MAX;
    }
    clients_move(&parent->clients, places);
    free(places);
}

/* All of it, or nothing: the settings in force stay when anything of the new ones is wrong. */
static void reload(struct parent *parent)
{
    struct service fresh;
    struct doors doors = {0};
    struct outcome outcome = service_load(parent->service.config, parent->service.listens, &fresh);
    if (outcome_good(&outcome) &&
        strcmp(fresh.settings.queue_directory, parent->service.settings.queue_directory) != 0)
        outcome = outcome_refuse(EX_CONFIG, "another queue directory needs a restart");
    if (outcome_good(&outcome))
        outcome = confine_prepare(&fresh.settings);
    if (outcome_good(&outcome) && fresh.listens)
        outcome = bind_all(&fresh.settings, &parent->doors, &doors);
    if (!outcome_good(&outcome)) {
        keep_old(&outcome);
        doors_give_back(&doors, &parent->doors);
        doors_close(&doors);
        service_free(&fresh);
        return;
    }
    doors_close(&parent->doors);
    move_clients(parent, &fresh.settings);
    memcpy(fresh.secret, parent->service.secret, sizeof fresh.secret);
    fresh.generation = parent->service.generation + 1;
    service_free(&parent->service);
    parent->service = fresh;
    parent->doors = doors;
    outcome = log_to_file(parent->service.settings.log_file);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
    if (parent->service.listens)
        auth_look_at_files(&parent->service.settings);
    lists_look_at_files(parent->service.lists);
    doors_tell_of_unheard(&parent->doors, &parent->service.settings);
    log_notice("reloaded");
}

/* Another listener may begin from here on; only what is at work comes to its end. */
static void stop(struct parent *parent)
{
    if (parent->end)
        return;
    notify_stopping();
    log_notice("stopping");
    doors_close(&parent->doors);
    file_close(parent->lock);
    file_close(&parent->stop[1]);
    runs_stop(&parent->runs);
    parent->end = clock_ms() + GRACE_MS;
}

static void take_signals(struct parent *parent)
{
    struct signalfd_siginfo info;
    bool reloads = false;
    while (read(parent->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            stop(parent);
        else if (info.ssi_signo == SIGHUP)
            reloads = true;
    }
    reap(parent);
    if (reloads && !parent->end) {
        notify_reloading();
        reload(parent);
        notify_ready();
    }
}

/* The sessions of now can have nothing tried any more; those to come can. */
static void renew_orders(struct parent *parent)
{
    log_error("a session has shut the way by which all ask for queue runs: that is an intruder's "
              "deed; sessions to come have another one");
    file_close(&parent->orders[0]);
    file_close(&parent->orders[1]);
    if (!orders_open(parent->orders))
        log_error("nobody can ask for queue runs: %s", strerror(errno));
}

static void take_order(struct parent *parent, const struct order_place *place)
{
    const struct settings *settings = &parent->service.settings;
    if (place->generation == parent->service.generation &&
        place->listener < settings->listener_count &&
        place->domain < settings->listeners[place->listener].relay_domains.count)
        runs_ask(&parent->runs,
                 settings->listeners[place->listener].relay_domains.items[place->domain]);
}

static void take_orders(struct parent *parent)
{
    struct order_place place;
    for (int i = 0; i < MOST_ORDERS_AT_ONCE; i++) {
        enum orders came = orders_read(parent->orders[0], &place);
        if (came == ORDERS_NONE)
            return;
        if (came == ORDERS_SPOILT)
            renew_orders(parent);
        else
            take_order(parent, &place);
    }
}

/* ---- the loop ---- */

enum { POLL_SIGNALS, POLL_ORDERS, POLL_EVENTS, POLL_DOORS };

static int find_wait(const struct parent *parent)
{
    int wait = parent->end ? -1 : runs_wait(&parent->runs);
    int64_t now = clock_ms();
    int64_t until = parent->end ? parent->end : parent->breath > now ? parent->breath : 0;
    int64_t left = until > now ? until - now : until ? 0 : -1;
    return left >= 0 && (wait < 0 || left < wait) ? (int)left : wait;
}

static size_t fill_polled(struct parent *parent)
{
    size_t count = POLL_DOORS + parent->doors.count;
    bool breathing = parent->breath > clock_ms();
    parent->polled = memory_resize(parent->polled, count * sizeof *parent->polled);
    struct pollfd *polled = parent->polled;
    polled[POLL_SIGNALS] = (struct pollfd){.fd = parent->signals, .events = POLLIN};
    polled[POLL_ORDERS] = (struct pollfd){.fd = parent->orders[0], .events = POLLIN};
    polled[POLL_EVENTS] = (struct pollfd){.fd = runs_descriptor(&parent->runs), .events = POLLIN};
    for (size_t i = 0; i < parent->doors.count; i++)
        polled[POLL_DOORS + i] =
            (struct pollfd){.fd = breathing ? -1 : parent->doors.items[i].fd, .events = POLLIN};
    return count;
}

static void kill_sessions(const struct parent *parent)
{
    const struct clients *clients = &parent->clients;
    if (clients->count)
        log_error("%zu sessions did not come to an end and are killed", clients->count);
    for (size_t i = 0; i < clients->count; i++)
        kill(clients->connections[i].pid, SIGKILL);
}

static bool is_at_end(const struct parent *parent)
{
    if (!parent->end)
        return false;
    if (parent->clients.count == 0 && !runs_are_at_work(&parent->runs))
        return true;
    bool late = clock_ms() >= parent->end;
    if (late)
        kill_sessions(parent);
    return late;
}

static struct outcome serve(struct parent *parent)
{
    while (!is_at_end(parent)) {
        size_t count = fill_polled(parent);
        if (poll(parent->polled, count, find_wait(parent)) < 0 && errno != EINTR)
            return outcome_errno(errno, "cannot wait for connections");
        bool *open = memory_get(parent->doors.count + 1);
        for (size_t i = 0; i < parent->doors.count; i++)
            open[i] = parent->polled[POLL_DOORS + i].revents != 0;
        for (size_t i = 0; i < parent->doors.count; i++)
            if (open[i])
                open_door(parent, &parent->doors.items[i]);
        free(open);
        take_orders(parent);
        if (!parent->end)
            runs_advance(&parent->runs);
        take_signals(parent); /* last: the doors may be others then */
    }
    return outcome_done();
}

static void fill_signals(sigset_t *set)
{
    static const int numbers[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(set, numbers[i]);
}

void listener_block_signals(void)
{
    sigset_t wanted;
    fill_signals(&wanted);
    sigprocmask(SIG_SETMASK, &wanted, NULL);
}

static struct outcome open_parent(struct parent *parent, const struct queue *queue,
                                  uint64_t interval)
{
    sigset_t wanted;
    fill_signals(&wanted);
    parent->signals = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    if (parent->signals < 0 || pipe2(parent->stop, O_CLOEXEC) < 0 || !orders_open(parent->orders))
        return outcome_errno(errno, "cannot set the listener up");
    struct outcome outcome = outcome_done();
    if (parent->service.listens)
        outcome = confine_prepare(&parent->service.settings);
    if (outcome_good(&outcome))
        outcome = runs_open(&parent->runs, parent->service.config, &parent->service.settings, queue,
                            interval);
    return outcome;
}

static void close_parent(struct parent *parent)
{
    doors_close(&parent->doors);
    clients_free(&parent->clients);
    runs_close(&parent->runs);
    file_close(&parent->signals);
    for (size_t i = 0; i < 2; i++) {
        file_close(&parent->stop[i]);
        file_close(&parent->orders[i]);
    }
    free(parent->polled);
    service_free(&parent->service);
}

struct outcome listener_run(const struct listener_start *start)
{
    struct parent parent = {.service = *start->service,
                            .doors = *start->doors,
                            .lock = start->lock,
                            .signals = -1,
                            .stop = {-1, -1},
                            .orders = {-1, -1}};
    *start->service = (struct service){0};
    *start->doors = (struct doors){0};
    parent.runs.events = -1;
    struct outcome outcome = open_parent(&parent, start->queue, start->interval);
    if (outcome_good(&outcome)) {
        if (parent.service.listens)
            auth_look_at_files(&parent.service.settings);
        lists_look_at_files(parent.service.lists);
        background_ready(start->ready);
        notify_ready();
        outcome = serve(&parent);
    }
    close_parent(&parent);
    return outcome;
}
