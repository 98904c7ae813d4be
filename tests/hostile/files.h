/* The server's certificates, in a folder of their own. What goes wrong ends the program. */
#ifndef TESTS_HOSTILE_FILES_H
#define TESTS_HOSTILE_FILES_H

struct files {
    char folder[64];
    char authority[80]; /* signed by itself: what the client trusts, and the good certificate */
    char strange[80];   /* one for another host */
    char key[80];       /* of both */
};

void files_make(struct files *files);
void files_remove(const struct files *files);

#endif
