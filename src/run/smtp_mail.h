/*
 * A message on its way through the client: what became of each recipient so far, and the form in
 * which it fits the server at hand. It outlives a session that ended before anything can have come
 * of it.
 */
#ifndef RUN_SMTP_MAIL_H
#define RUN_SMTP_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "mail/mime.h"
#include "run/smtp_session.h"

enum smtp_state { STATE_WAITING, STATE_ACCEPTED, STATE_SETTLED };

struct smtp_mail {
    struct transaction *transaction;
    unsigned char *states;   /* enum smtp_state of each recipient */
    size_t waiting;          /* recipients that are */
    enum mime_form form;     /* in which it leaves */
    uint64_t size;           /* for SIZE= */
    struct buffer signature; /* fields that sign it in this form */
    bool carried;            /* over from a session that it was meant for */
    bool counted;            /* by the rate, and offered to nobody yet */
    struct smtp_mail *next;  /* in a list; NULL: it is the last, or in none */
};

/* The next one of the source, or NULL; wait: as smtp_source has it. */
struct smtp_mail *smtp_mail_take(const struct smtp_source *source, bool wait);
/* Behind all others of the list, before them, and the first of it, or NULL. */
void smtp_mail_push(struct smtp_mail **list, struct smtp_mail *mail);
void smtp_mail_put_first(struct smtp_mail **list, struct smtp_mail *mail);
struct smtp_mail *smtp_mail_pop(struct smtp_mail **list);
/* Chooses the form for this session, and settles the recipients that the server cannot serve. */
void smtp_mail_prepare(struct smtp_mail *mail, const struct smtp_session *session);
/* A recipient's end. */
void smtp_mail_settle(struct smtp_mail *mail, size_t index, const struct outcome *outcome);
void smtp_mail_accept(struct smtp_mail *mail, size_t index);
/* Who was accepted waits again: nothing came of that. */
void smtp_mail_withdraw(struct smtp_mail *mail);
/* The same end for all that are in this state. */
void smtp_mail_settle_all(struct smtp_mail *mail, enum smtp_state state,
                          const struct outcome *outcome);
/* Who is not settled is for later: that is the outcome, and the mail is finished. */
void smtp_mail_put_off(struct smtp_mail *mail, const struct smtp_source *source,
                       const struct outcome *outcome);
/* Gives it back to its source and frees it; everybody is settled. */
void smtp_mail_finish(struct smtp_mail *mail, const struct smtp_source *source);

/* The commands, with the parameters that the server offers and the message needs. */
void smtp_mail_put_from(const struct smtp_mail *mail, struct smtp_session *session);
void smtp_mail_put_to(const struct smtp_mail *mail, size_t index, struct smtp_session *session);

#endif
