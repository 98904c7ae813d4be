/* Asking another program of ours what it finds. */
#ifndef CHECK_ASK_H
#define CHECK_ASK_H

#include "check/finding.h"

/*
 * Runs the program of this name with these arguments (NULL-terminated, without its name), with the
 * rights of this very process, and adds what it prints to the list; standard error stays. One that
 * crashes, prints something else or does not end is a fault of its own.
 */
void ask_program(const char *name, const char *const arguments[], struct findings *findings);

#endif
