/* postrider-listen passwd: who may sign in at the listener, as postrider passwd asks for it. */
#ifndef LISTEN_PASSWD_H
#define LISTEN_PASSWD_H

#include "base/outcome.h"

/* argv begins with "passwd": [-C FILE] [--file FILE] [--delete | --check] [--] NAME. */
struct outcome passwd_run(int argc, char *const argv[]);

#endif
