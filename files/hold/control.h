/* `hold drain on`, `hold drain off` and `hold status`, for docker exec: they talk to the running hold of the same user. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { REPLY_MAX = 2048 };

/* Opens the socket; false after a line that says why not. */
bool control_open(void);
int control_fd(void);

/* Answers what has come: obey gets the command, and writes its reply. */
void control_handle(void (*obey)(const char *command, char reply[REPLY_MAX]));

/* Sends the command of the arguments and prints the reply; the exit code. */
int control_ask(int count, char **arguments);
