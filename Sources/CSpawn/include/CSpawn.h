#ifndef FAVORITES_CSPAWN_H
#define FAVORITES_CSPAWN_H

#include <sys/types.h>

// Starts a program as the leader of a process group of its own: input from /dev/null, output and errors into `output`,
// every other file of this process closed, default signals. `arguments` and `environment` end with NULL and are
// copied. Returns 0 and the process in `process`, or an errno.
int favorites_spawn(const char *path, char *const arguments[], char *const environment[], int output, pid_t *process);

#endif
