/* Telling who started us how we are: systemd, by sd_notify(3)'s protocol, when it wants to know. */
#ifndef LISTEN_NOTIFY_H
#define LISTEN_NOTIFY_H

/* Connections are accepted from now on. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

#endif
