/* The SMTP dialogue for a person, on standard output. */
#ifndef RUN_TRACE_H
#define RUN_TRACE_H

/* A line of the dialogue for struct smtp_hop's trace: ">>> " sent, "<<< " received, "*** " remark.
 */
void trace_line(void *context, char direction, const char *line);

#endif
