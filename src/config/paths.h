/*
 * Where an installation has its files, set by the Makefile. The values here are those of a
 * build without it.
 */
#ifndef CONFIG_PATHS_H
#define CONFIG_PATHS_H

#ifndef POSTRIDER_CONFIG
#define POSTRIDER_CONFIG "/etc/postrider/postrider.conf"
#endif
#ifndef POSTRIDER_ALIASES
#define POSTRIDER_ALIASES "/etc/aliases"
#endif
#ifndef POSTRIDER_SPOOL
#define POSTRIDER_SPOOL "/var/spool/postrider"
#endif
#ifndef POSTRIDER_MAILDIR
#define POSTRIDER_MAILDIR "/var/mail"
#endif
#ifndef POSTRIDER_MAILNAME
#define POSTRIDER_MAILNAME "/etc/mailname"
#endif

#endif
