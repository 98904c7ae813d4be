/*
 * The options of sendmail: letters may be clustered, a value is attached or the next argument, the
 * first argument that is no option ends them, as does "--". What other programs are known to pass
 * and what has no meaning here is accepted and ignored; everything else is refused in one line.
 */
#include "sendmail/options.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

enum { ENVID_LONGEST = 100 /* RFC 3461 4.4 */ };

enum value {
    VALUE_NONE,
    VALUE_NEEDED,  /* attached, else the next argument */
    VALUE_ATTACHED /* attached or none */
};

/* One letter of the table; take gets "" when there is no value, and may be NULL: ignored. */
struct known {
    char letter;
    enum value value;
    struct outcome (*take)(struct options *options, char letter, const char *value);
};

bool options_has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            return true;
    return false;
}

static struct outcome take_mode(struct options *options, char letter, const char *value)
{
    static const struct {
        const char *value;
        enum mode mode;
        bool foreground;
    } modes[] = {{"m", MODE_SUBMIT, false},  {"p", MODE_LIST, false},   {"i", MODE_ALIASES, false},
                 {"s", MODE_SESSION, false}, {"d", MODE_LISTEN, false}, {"D", MODE_LISTEN, true},
                 {"df", MODE_LISTEN, true},  {"v", MODE_VERIFY, false}, {"t", MODE_TEST, false}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(value, modes[i].value) == 0) {
            options->mode = modes[i].mode;
            options->foreground = modes[i].foreground;
            return outcome_done();
        }
    return outcome_refuse(EX_USAGE,
                          "the mode -%c%s is not built in; there are -bm, -bp, -bi, -bs, -bt, -bv, "
                          "-bd, -bD and -bdf",
                          letter, value);
}

/* "15m", "1h30m", "90s"; a number alone counts minutes, as sendmail has it. */
static struct outcome take_interval(struct options *options, const char *text)
{
    static const char units[] = "smhdw";
    static const uint64_t seconds[] = {1, 60, 3600, 86400, 604800};
    enum { MOST = 366 * 86400 };
    uint64_t total = 0;
    const char *at = text;
    while (*at >= '0' && *at <= '9' && total <= MOST) {
        uint64_t number = 0;
        for (; *at >= '0' && *at <= '9' && number <= MOST; at++)
            number = number * 10 + (uint64_t)(*at - '0');
        const char *unit = *at ? strchr(units, *at) : units + 1;
        if (!unit)
            break;
        total += number * seconds[unit - units];
        at += *at != '\0';
    }
    if (*at || total == 0 || total > MOST)
        return outcome_refuse(EX_USAGE,
                              "\"-q%.100s\" is no time between queue runs, such as -q15m or "
                              "-q1h30m, of up to a year",
                              text);
    options->interval = total;
    if (options->mode != MODE_LISTEN && options->mode != MODE_LIST)
        options->mode = MODE_TIMER;
    return outcome_done();
}

/* With -bp before it, the part that is to be listed; what goes on for ever has no use for one run.
 */
static struct outcome take_queue_run(struct options *options, char letter, const char *value)
{
    if (*value >= '0' && *value <= '9')
        return take_interval(options, value);
    if (options->mode != MODE_LIST && options->mode != MODE_LISTEN && options->mode != MODE_TIMER)
        options->mode = MODE_RUN;
    if (!*value || strcmp(value, "f") == 0)
        return outcome_done();
    bool negated = *value == '!';
    char kind = value[negated];
    if (!kind || !strchr("IRS", kind) || !value[negated + 1])
        return outcome_refuse(
            EX_USAGE,
            "the queue run -%c%s is not built in; -q runs the queue once, -q15m every so often, "
            "-qIpart, -qRpart and -qSpart what has this in its id, a recipient, the sender",
            letter, value);
    options->filters =
        memory_resize(options->filters, (options->filter_count + 1) * sizeof *options->filters);
    options->filters[options->filter_count++] =
        (struct filter){.kind = kind, .negated = negated, .part = value + negated + 1};
    return outcome_done();
}

/* -Mrm has its ids behind the options; -M one with it, and more there. */
static struct outcome take_message(struct options *options, char letter, const char *value)
{
    (void)letter;
    options->mode = strcmp(value, "rm") == 0 ? MODE_DELETE : MODE_RETRY;
    options->id = options->mode == MODE_RETRY ? value : NULL;
    return outcome_done();
}

static struct outcome take_text(struct options *options, char letter, const char *value)
{
    if (options_has_control(value))
        return outcome_refuse(EX_USAGE,
                              "the value of -%c holds a line end or another control "
                              "character; nothing was queued",
                              letter);
    if (letter == 'F')
        options->full_name = value;
    else
        options->sender = value;
    return outcome_done();
}

static struct outcome take_config(struct options *options, char letter, const char *value)
{
    if (!*value)
        return outcome_refuse(EX_USAGE, "-%c needs the name of a settings file", letter);
    options->config = value;
    return outcome_done();
}

static struct outcome take_flag(struct options *options, char letter, const char *value)
{
    (void)value;
    if (letter == 't')
        options->recipients_from_header = true;
    else if (letter == 'i')
        options->ignore_dots = true;
    else
        options->verbose = true;
    return outcome_done();
}

/* What travels is looked at byte by byte anyway; the caller's word only has to be a word. */
static struct outcome take_body_type(struct options *options, char letter, const char *value)
{
    (void)options;
    if (!text_equal(value, "7BIT") && !text_equal(value, "8BITMIME"))
        return outcome_refuse(EX_USAGE, "-%c takes 7BIT or 8BITMIME, not \"%s\"", letter, value);
    return outcome_done();
}

static struct outcome take_notify(struct options *options, char letter, const char *value)
{
    if (!notify_parse(value, &options->notify))
        return outcome_refuse(EX_USAGE,
                              "-%c takes never, or a list of success, failure and delay, not "
                              "\"%s\"",
                              letter, value);
    return outcome_done();
}

static struct outcome take_return(struct options *options, char letter, const char *value)
{
    if (text_equal(value, "full"))
        options->ret = RETURN_FULL;
    else if (text_equal(value, "hdrs"))
        options->ret = RETURN_HEADERS;
    else
        return outcome_refuse(EX_USAGE, "-%c takes full or hdrs, not \"%s\"", letter, value);
    return outcome_done();
}

static struct outcome take_envelope_id(struct options *options, char letter, const char *value)
{
    struct buffer plain = {0};
    if (!*value || strlen(value) > ENVID_LONGEST || !xtext_parse(value, &plain)) {
        buffer_free(&plain);
        return outcome_refuse(EX_USAGE, "-%c takes xtext (RFC 3461) of at most %d characters",
                              letter, ENVID_LONGEST);
    }
    free(options->envid);
    options->envid = buffer_take(&plain);
    return outcome_done();
}

static struct outcome take_delivery(struct options *options, char way)
{
    if (way == 'i')
        options->delivery = DELIVERY_WAIT;
    else if (way == 'q' || way == 'd')
        options->delivery = DELIVERY_QUEUE;
    else if (way == 'b' || way == '\0')
        options->delivery = DELIVERY_BACKGROUND;
    else
        return outcome_refuse(EX_USAGE, "the way of delivery is b, i or q, not \"%c\"", way);
    return outcome_done();
}

/* -oX, the options of sendmail.cf by their old letters: nearly all are about a sendmail.cf. */
static struct outcome take_setting(struct options *options, char letter, const char *value)
{
    (void)letter;
    if (value[0] == 'd')
        return take_delivery(options, value[1]);
    if (value[0] == 'i')
        options->ignore_dots = true;
    else if (value[0] == 'v')
        options->verbose = true;
    return outcome_done();
}

/* -O name=value, the same by their long names. */
static struct outcome take_long_setting(struct options *options, char letter, const char *value)
{
    (void)letter;
    size_t length = strcspn(value, "=");
    const char *rest = value[length] ? value + length + 1 : "";
    if (text_starts(value, "DeliveryMode="))
        return take_delivery(options, *rest >= 'A' && *rest <= 'Z' ? (char)(*rest + 32) : *rest);
    if (text_equal(value, "IgnoreDots") || text_equal(value, "IgnoreDots=true"))
        options->ignore_dots = true;
    return outcome_done();
}

static const struct known table[] = {
    {'A', VALUE_NEEDED, NULL},
    {'B', VALUE_NEEDED, take_body_type},
    {'b', VALUE_NEEDED, take_mode},
    {'C', VALUE_NEEDED, take_config},
    {'d', VALUE_ATTACHED, NULL},
    {'e', VALUE_NEEDED, NULL},
    {'F', VALUE_NEEDED, take_text},
    {'f', VALUE_NEEDED, take_text},
    {'G', VALUE_NONE, NULL},
    {'h', VALUE_NEEDED, NULL},
    {'i', VALUE_NONE, take_flag},
    {'L', VALUE_NEEDED, NULL},
    {'M', VALUE_NEEDED, take_message},
    {'m', VALUE_NONE, NULL},
    {'N', VALUE_NEEDED, take_notify},
    {'n', VALUE_NONE, NULL},
    {'O', VALUE_NEEDED, take_long_setting},
    {'o', VALUE_NEEDED, take_setting},
    {'q', VALUE_ATTACHED, take_queue_run},
    {'R', VALUE_NEEDED, take_return},
    {'r', VALUE_NEEDED, take_text},
    {'t', VALUE_NONE, take_flag},
    {'U', VALUE_NONE, NULL},
    {'V', VALUE_NEEDED, take_envelope_id},
    {'v', VALUE_NONE, take_flag},
};

static const struct known *find(char letter)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].letter == letter)
            return &table[i];
    return NULL;
}

/* The letters of one argument; *next is the argument behind it, and moves when it is a value. */
static struct outcome take_cluster(const char *letters, char *const **next, struct options *options)
{
    while (*letters) {
        char letter = *letters++;
        const struct known *known = find(letter);
        if (!known)
            return outcome_refuse(EX_USAGE,
                                  "unknown option -%c (addresses that begin with a dash "
                                  "go behind --)",
                                  letter);
        const char *value = "";
        if (known->value != VALUE_NONE) {
            value = letters;
            letters += strlen(letters);
        }
        if (known->value == VALUE_NEEDED && !*value) {
            if (!**next)
                return outcome_refuse(EX_USAGE, "-%c needs a value", letter);
            value = *(*next)++;
        }
        struct outcome outcome = known->take ? known->take(options, letter, value) : outcome_done();
        if (!outcome_good(&outcome))
            return outcome;
    }
    return outcome_done();
}

struct outcome options_parse(int argc, char *const argv[], enum mode mode, struct options *options)
{
    *options = (struct options){.mode = mode};
    char *const *next = argv + 1;
    while (*next && (*next)[0] == '-' && (*next)[1]) {
        const char *argument = *next++;
        if (strcmp(argument, "--") == 0)
            break;
        struct outcome outcome = take_cluster(argument + 1, &next, options);
        if (!outcome_good(&outcome))
            return outcome;
    }
    options->arguments = next;
    options->argument_count = (size_t)(argv + argc - next);
    return outcome_done();
}

void options_free(struct options *options)
{
    free(options->envid);
    options->envid = NULL;
    free(options->filters);
    options->filters = NULL;
    options->filter_count = 0;
}
