/*
 * postrider route, and sendmail -bv and -bt: where mail for an address would go, and why: every
 * alias, list, route and smarthost on the way, by the very functions that a queue run goes by.
 * Delivers nothing and asks no network.
 */
#ifndef RUN_EXPLAIN_H
#define RUN_EXPLAIN_H

#include "base/outcome.h"

/*
 * argv: "route", then -C FILE, --sender ADDRESS (who would send it; else the caller), --json,
 * --test (the addresses are lines on standard input), "--" and addresses. EX_NOUSER when one of
 * them, or one that it leads to, goes nowhere.
 */
struct outcome explain_run(int argc, char *const argv[]);

#endif
