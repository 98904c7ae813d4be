/* What this machine calls itself, from its own files: never a question to the network. */
#ifndef CONFIG_IDENTITY_H
#define CONFIG_IDENTITY_H

/*
 * The full name of the host: gethostname; without a dot in it, the full name that the hosts file
 * has for it; else the mail name; else the short name. The caller frees.
 */
char *identity_hostname(void);
/* The first line of the mailname file when it is a domain; else NULL. The caller frees. */
char *identity_mailname(void);

#endif
