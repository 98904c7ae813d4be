/* See help.h. The completions of shells read this, too: contrib/completion. */
#include "sendmail/help.h"

#include <stdio.h>
#include <string.h>

#include "base/terminal.h"

static const char *const titles[GROUPS] = {
    [GROUP_QUEUE] = "Mail that waits, and mail that went",
    [GROUP_ORDER] = "Setting up, and whether all is right",
    [GROUP_LISTEN] = "Taking mail in",
    [GROUP_NAMES] = "By its other names",
};

static void print_title(const char *title)
{
    printf("\n%s%s%s\n", terminal_tone(TONE_TITLE), title, terminal_tone(TONE_PLAIN));
}

void help_print_all(void)
{
    size_t widest = 0;
    terminal_end_with_reader();
    for (const struct verb *verb = verbs_all(); verb->name; verb++)
        widest = strlen(verb->name) > widest ? strlen(verb->name) : widest;
    puts("usage: postrider COMMAND [-C FILE] [OPTION]... [ARGUMENT]...\n"
         "       postrider help [COMMAND] | --help | --version");
    for (int group = 0; group < GROUPS; group++) {
        print_title(titles[group]);
        for (const struct verb *verb = verbs_all(); verb->name; verb++)
            if ((int)verb->group == group)
                printf("  %-*s  %s\n", (int)widest, verb->name, verb->summary);
    }
    puts("\npostrider help COMMAND tells more, the manual page postrider(8) all.");
}

void help_print(const struct verb *verb)
{
    terminal_end_with_reader();
    const char *before = verb->group == GROUP_NAMES ? "" : "postrider ";
    printf("%s: %s\n\n", verb->name, verb->summary);
    for (const struct verb_form *form = verb->forms; form->arguments; form++)
        printf("  %s%s%s%s\n      %s\n", before, verb->name, *form->arguments ? " " : "",
               form->arguments, form->summary);
    printf("\nexample:\n    %s\n", verb->example);
    printf("\n-C FILE: settings to use instead of the installed ones; more in %s\n",
           verb->group == GROUP_NAMES ? "its manual page" : "postrider(8)");
}
