/* The SMTP dialogue for a person, on standard output. */
#ifndef RUN_DIALOGUE_H
#define RUN_DIALOGUE_H

/* A line of the dialogue for struct smtp_hop's trace: ">>> " sent, "<<< " received, "*** " remark.
 */
void dialogue_line(void *context, char direction, const char *line);
/* A remark about a recipient that no dialogue tells of: "*** who: words", or the other way round.
 */
void dialogue_remark(const char *before, const char *behind);

#endif
