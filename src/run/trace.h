/* The SMTP dialogue for a person, on standard output. */
#ifndef RUN_TRACE_H
#define RUN_TRACE_H

/* A line of the dialogue for struct smtp_hop's trace: ">>> " sent, "<<< " received, "*** " remark.
 */
void trace_line(void *context, char direction, const char *line);
/* A remark about a recipient that no dialogue tells of: "*** who: words", or the other way round.
 */
void trace_remark(const char *before, const char *behind);

#endif
