/* Part of postrider setup: what people and programs get to see. Shows no secret. */
#include "sendmail/setup_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/terminal.h"
#include "check/schedule.h"
#include "config/paths.h"
#include "queue/list.h"
#include "queue/queue.h"
#include "sendmail/check_print.h"
#include "setup/diff.h"

/* ---- before ---- */

static void show_change(const char *path, bool is_new, const struct buffer *before,
                        const struct buffer *after, bool secret)
{
    struct buffer lines = {0};
    diff_put(before, after, secret, &lines);
    if (lines.length)
        printf("%s%s\n%s", path, is_new ? " (new)" : "", buffer_text(&lines));
    buffer_free(&lines);
}

void setup_show_changes(const struct setup *setup)
{
    const struct plan_file *files[] = {&setup->config, &setup->credentials};
    for (size_t i = 0; i < 2; i++)
        if (plan_changes(files[i]))
            show_change(files[i]->file.path, !files[i]->file.there, &files[i]->before.text,
                        &files[i]->after.text, i == 1);
    if (setup->aliases_text.length)
        show_change(setup->aliases.path, !setup->aliases.there, &setup->aliases.content,
                    &setup->aliases_text, false);
}

void setup_show_findings(const struct setup *setup)
{
    const struct check_manners manners = check_manners();
    check_print_people(&setup->findings, &manners);
}

void setup_show_notes(const struct setup *setup)
{
    for (size_t i = 0; i < setup->import.note_count; i++) {
        struct buffer text = {0};
        import_format_note(&setup->import.notes[i], &text);
        puts(buffer_text(&text));
        buffer_free(&text);
    }
}

/* ---- the end ---- */

/* The record of the sender's domain, and who wants it; NULL: none is known to be wanted. */
static const struct provider *wants_spf(const struct setup *setup)
{
    const struct provider *provider = setup->wish.provider;
    return setup->wish.has_account && provider && provider->spf ? provider : NULL;
}

/* Whose record it is; NULL: nobody knows. */
static const char *sender_domain(const struct setup *setup)
{
    const struct wish *wish = &setup->wish;
    const struct smarthost *account = settings_smarthost(&setup->then, wish->name);
    bool is_account = wish->provider && wish->provider->own_sender && account;
    const char *list = is_account ? account->user : *wish->name ? wish->senders : NULL;
    const char *at = list ? strchr(list, '@') : NULL;
    if (is_account || *wish->name)
        return at ? at + 1 : NULL;
    return setup->then.domain;
}

static void put_spf(const struct provider *provider, const char *domain, struct buffer *step)
{
    int length = (int)strcspn(domain, ", \t");
    if (provider->own_sender)
        buffer_format(step,
                      "SPF: if %.*s is a domain of yours, a TXT record of it in the DNS has "
                      "to say \"v=spf1 %s ~all\"; if there is one, only that part is added",
                      length, domain, provider->spf);
    else
        buffer_format(step, "SPF: a TXT record of %.*s in the DNS has to say \"v=spf1 %s ~all\"%s",
                      length, domain, provider->spf,
                      provider->own_envelope ? ", if its own domain was set up there for bounces"
                                             : "; if there is one, only that part is added");
}

/* Mail from before there was an account waits for its next turn. */
static void put_waiting(const struct setup *setup, struct buffer *step)
{
    struct queue queue;
    struct list list = {0};
    const bool test_waits = *setup->test.id && !setup->test.delivered;
    if (!setup->installed || !setup->changed || setup->options.given & VERB_DRY_RUN || test_waits)
        return;
    struct outcome outcome = queue_open(setup->then.queue_directory, false, &queue);
    if (outcome_good(&outcome))
        outcome = list_read(&queue, &list);
    if (outcome_good(&outcome) && list.count)
        buffer_format(step,
                      "%zu message%s in the queue; to send them now: postrider queue retry --all",
                      list.count, list.count == 1 ? " is" : "s are");
    list_free(&list);
    queue_close(&queue);
}

/* Lines for people, each a step that is left. */
static void list_steps(const struct setup *setup, struct texts *steps)
{
    struct buffer step = {0};
    const struct provider *provider = wants_spf(setup);
    const char *domain = sender_domain(setup);
    if (provider && domain) {
        put_spf(provider, domain, &step);
        texts_add(steps, buffer_text(&step));
        buffer_clear(&step);
    }
    if (provider) {
        buffer_format(&step, "DKIM: %s shows the records that it wants in the DNS",
                      provider->title);
        texts_add(steps, buffer_text(&step));
        buffer_clear(&step);
    }
    struct findings schedule = {0};
    if (setup->installed)
        check_schedule(NULL, &schedule);
    if (schedule.count && finding_worst(&schedule) > FINDING_HINT) {
        const struct finding *last = &schedule.items[schedule.count - 1];
        buffer_format(&step, "mail that had to wait is tried again by: %s",
                      last->remedy ? last->remedy : last->text);
        texts_add(steps, buffer_text(&step));
        buffer_clear(&step);
    }
    finding_free(&schedule);
    if (!setup->installed && !setup->options.config && access(POSTRIDER_CONFIG, F_OK) == 0)
        texts_add(steps, "this is for your own mail alone; for that of the whole machine: sudo "
                         "postrider setup");
    put_waiting(setup, &step);
    if (step.length) {
        texts_add(steps, buffer_text(&step));
        buffer_clear(&step);
    }
    buffer_append_text(&step, "a look at all of it: postrider check --online");
    if (!setup->installed)
        buffer_format(&step, " -C %s", setup->path);
    texts_add(steps, buffer_text(&step));
    buffer_free(&step);
}

/* Paths of what was written, or would be. */
static void list_files(const struct setup *setup, struct texts *files)
{
    if (plan_changes(&setup->config))
        texts_add(files, setup->config.file.path);
    if (plan_changes(&setup->credentials))
        texts_add(files, setup->credentials.file.path);
    if (setup->aliases_text.length)
        texts_add(files, setup->aliases.path);
}

static void show_list(const struct texts *items, const char *before, const char *behind)
{
    for (size_t i = 0; i < items->count; i++) {
        char *text = terminal_text(items->items[i]);
        printf("%s%s%s\n", before, text, behind);
        free(text);
    }
}

void setup_show_end(const struct setup *setup)
{
    struct texts files = {0}, steps = {0};
    bool dry = setup->options.given & VERB_DRY_RUN;
    list_files(setup, &files);
    list_steps(setup, &steps);
    show_list(&files, dry ? "would be written: " : "written: ", "");
    show_list(&setup->dropped, "no longer counts: ", "; it is a comment now");
    show_list(&setup->removed, "no longer counts: ", "; it was for another account, and is gone");
    show_list(&setup->alias_notes, "left as it is: the alias that is there, instead of ", "");
    if (!setup->changed)
        puts("nothing to change");
    if (setup->test.words.length)
        printf("test message: %s\n", buffer_text(&setup->test.words));
    if (!dry && (setup->changed || setup->may_ask))
        show_list(&steps, "next: ", "");
    puts(setup->changed ? "changed" : "unchanged");
    texts_free(&files);
    texts_free(&steps);
}

static void put_list(struct buffer *json, const char *name, const struct texts *items)
{
    json_name(json, name);
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < items->count; i++) {
        json_next(json);
        json_string(json, items->items[i]);
    }
    buffer_append_byte(json, ']');
}

static void add_all(struct texts *list, const struct texts *more)
{
    for (size_t i = 0; i < more->count; i++)
        texts_add(list, more->items[i]);
}

void setup_show_json(const struct setup *setup)
{
    struct texts files = {0}, steps = {0}, notes = {0}, dropped = {0};
    struct buffer json = {0};
    if (setup->changed)
        list_files(setup, &files);
    list_steps(setup, &steps);
    for (size_t i = 0; i < setup->import.note_count; i++) {
        struct buffer text = {0};
        import_format_note(&setup->import.notes[i], &text);
        texts_add(&notes, buffer_text(&text));
        buffer_free(&text);
    }
    add_all(&dropped, &setup->dropped);
    add_all(&dropped, &setup->removed);
    buffer_append_byte(&json, '{');
    json_flag(&json, "changed", setup->changed);
    json_flag(&json, "dry_run", setup->options.given & VERB_DRY_RUN);
    put_list(&json, "files", &files);
    put_list(&json, "dropped", &dropped);
    put_list(&json, "notes", &notes);
    check_put_json(&setup->findings, &json);
    json_text(&json, "test", setup->test.words.length ? buffer_text(&setup->test.words) : NULL);
    json_flag(&json, "test_delivered", setup->test.delivered);
    put_list(&json, "next", &steps);
    buffer_append_byte(&json, '}');
    puts(buffer_text(&json));
    texts_free(&files);
    texts_free(&steps);
    texts_free(&notes);
    texts_free(&dropped);
    buffer_free(&json);
}
