/* The app: started as hold's child, and reaped with all orphans. */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "options.h"

/* Starts the app with that signal mask. Returns its process, or the negated exit code after a line that says why not. */
pid_t child_start(const struct options *options, const sigset_t *mask);

/* Reaps what has ended. Returns the app's exit code if it was among them (128 + signal when it was killed), else -1. */
int child_reap(pid_t app);
