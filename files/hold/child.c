#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "environment.h"
#include "text.h"

static void become_app(const struct options *options, const sigset_t *mask, int failure)
{
    unsigned char code = EXIT_HOLD;
    /* A group of its own: an app that signals its group does not reach hold. It gets the terminal, if there is one. */
    setpgid(0, 0);
    tcsetpgrp(STDIN_FILENO, getpgrp());
    if (environment_load(options->environment_file, options->environment_required)) {
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(options->command[0], options->command);
        code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
        char got[128] = "";
        strncat(got, options->command[0], 40);
        strcat(got, ": ");
        strncat(got, strerror(errno), 60);
        say_wrong("command", got, "a program that this container can run",
                  "correct the image's entrypoint or command; docker inspect shows them");
    }
    ssize_t told = write(failure, &code, 1);
    (void)told;
    _exit(code);
}

pid_t child_start(const struct options *options, const sigset_t *mask)
{
    int failure[2];
    pid_t app = -1;
    if (pipe2(failure, O_CLOEXEC) == 0) app = fork();
    if (app < 0) {
        say_wrong("start of the app", strerror(errno), "a new process", "raise the node's pids or memory");
        return -EXIT_HOLD;
    }
    if (app == 0) become_app(options, mask, failure[1]);
    close(failure[1]);

    /* The pipe closes without a word when the app's program takes over. */
    unsigned char code = 0;
    ssize_t got;
    do got = read(failure[0], &code, 1);
    while (got < 0 && errno == EINTR);
    close(failure[0]);
    if (got != 1) return app;
    waitpid(app, NULL, 0);
    return -(pid_t)code;
}

int child_reap(pid_t app)
{
    int status, code = -1;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
        if (ended == app) code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return code;
}
