/*
 * What there is to be looked at, and by whom. Asks nobody and hears nobody: each part does that in
 * a process of its own (check_parts.h).
 */
#include "run/check_online.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/smarthost.h"
#include "run/check_dns.h"
#include "run/check_milter.h"
#include "run/check_parts.h"
#include "run/check_smarthost.h"

enum { SPARE_MS = 4000 /* for a part to tell what it has, before it is ended */ };

/* Each question is an allocation of its own, for the parts keep its place. */
struct plan {
    const struct settings *settings;
    int64_t deadline; /* of the parts */
    struct part *parts;
    size_t count;
    struct texts sections; /* names that questions point into */
};

static void add(struct plan *plan, void (*look)(const void *question, struct findings *findings),
                const void *question, size_t size, const char *topic, const char *name)
{
    struct part part = {.look = look,
                        .question = memory_copy(question, size),
                        .topic = topic,
                        .name = memory_copy(name, strlen(name))};
    plan->parts = memory_resize(plan->parts, (plan->count + 1) * sizeof *plan->parts);
    plan->parts[plan->count++] = part;
}

/* Kept for as long as the plan. */
static const char *keep_section(struct plan *plan, char *section)
{
    texts_add(&plan->sections, section);
    free(section);
    return plan->sections.items[plan->sections.count - 1];
}

static char *route_heading(const struct route *route)
{
    struct buffer text = {0};
    buffer_format(&text, "[route \"%s\"]", route->pattern);
    return buffer_take(&text);
}

static void add_peer(struct plan *plan, const struct smarthost_question *question)
{
    struct buffer name = {0};
    buffer_format(&name, "%s %s", question->section,
                  question->host     ? question->host
                  : question->domain ? question->domain
                                     : question->socket);
    add(plan, check_smarthost, question, sizeof *question,
        question->is_route ? "route" : "smarthost", buffer_text(&name));
    buffer_free(&name);
}

static void add_hosts(struct plan *plan, struct smarthost_question question)
{
    for (size_t i = 0; i < question.peer->hosts.count; i++) {
        question.host = question.peer->hosts.items[i];
        add_peer(plan, &question);
    }
}

static void add_smarthosts(struct plan *plan)
{
    const struct settings *settings = plan->settings;
    for (size_t i = 0; i < settings->smarthost_count; i++)
        add_hosts(plan,
                  (struct smarthost_question){
                      .settings = settings,
                      .peer = &settings->smarthosts[i],
                      .section = keep_section(plan, smarthost_heading(&settings->smarthosts[i])),
                      .deadline = plan->deadline});
}

/* A pattern stands for no domain that could be asked about. */
static void add_route(struct plan *plan, const struct route *route)
{
    struct smarthost_question question = {.settings = plan->settings,
                                          .peer = &route->to,
                                          .section = keep_section(plan, route_heading(route)),
                                          .is_route = true,
                                          .deadline = plan->deadline};
    if (route->via == VIA_HOSTS) {
        add_hosts(plan, question);
    } else if (route->via == VIA_LMTP) {
        question.socket = route->argument;
        add_peer(plan, &question);
    } else if (route->via == VIA_MX && !strchr(route->pattern, '*')) {
        question.domain = route->pattern;
        add_peer(plan, &question);
    }
}

static void add_dns(struct plan *plan)
{
    const struct dns_question question = {plan->settings, plan->deadline};
    add(plan, check_dns, &question, sizeof question, "dns", "what the DNS has");
}

static void add_milters(struct plan *plan)
{
    const struct texts *milters = &plan->settings->filter.milters;
    for (size_t i = 0; i < milters->count; i++) {
        const struct milter_question question = {plan->settings, milters->items[i]};
        if (text_starts(question.name, "inet:"))
            add(plan, check_milter, &question, sizeof question, "milter", question.name);
    }
}

/* Of several hosts of a smarthost one that works is enough: the others are worth a warning. */
static void weigh(struct plan *plan, const struct smarthost *peer)
{
    bool works = false;
    for (int step = 0; step < 2; step++)
        for (size_t i = 0; i < plan->count; i++) {
            struct part *part = &plan->parts[i];
            const struct smarthost_question *question = part->question;
            if (part->look != check_smarthost || question->peer != peer)
                continue;
            if (step == 0)
                works = works || finding_worst(&part->found) < FINDING_FAULT;
            else if (works)
                finding_soften(&part->found, FINDING_WARNING);
        }
}

static void free_plan(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free((void *)plan->parts[i].question);
        free(plan->parts[i].name);
    }
    free(plan->parts);
    texts_free(&plan->sections);
}

void check_online(const struct settings *settings, bool smarthosts_only, struct findings *findings)
{
    int64_t end = clock_ms() + (int64_t)ONLINE_S * 1000;
    struct plan plan = {.settings = settings, .deadline = end - SPARE_MS};
    /* The C library is less patient than by itself, so that a part can tell what it found. */
    if (setenv("RES_OPTIONS", "timeout:2 attempts:2", 1) < 0)
        impossible("an environment without room");
    add_smarthosts(&plan);
    if (!smarthosts_only) {
        for (size_t i = 0; i < settings->route_count; i++)
            add_route(&plan, &settings->routes[i]);
        add_dns(&plan);
        add_milters(&plan);
    }
    parts_look(plan.parts, plan.count, end);
    for (size_t i = 0; i < settings->smarthost_count; i++)
        weigh(&plan, &settings->smarthosts[i]);
    for (size_t i = 0; i < plan.count; i++)
        finding_take(findings, &plan.parts[i].found);
    free_plan(&plan);
}
