/* Commands that print a password, as another program gives them to a shell. None is run. */
#ifndef SETUP_IMPORT_COMMAND_H
#define SETUP_IMPORT_COMMAND_H

#include "setup/import_account.h"
#include "setup/import_file.h"

/*
 * What stands for such a command with us: the password itself, for one that only prints it or a
 * file; a password_command, for one that needs no shell; or a note that says why not.
 */
void command_take_password(struct importing *importing, size_t note, const char *text,
                           struct said *password, struct said *command);

#endif
