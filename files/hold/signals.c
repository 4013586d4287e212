#include "signals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "text.h"

/* As the kernel and Docker count. A C library may keep the first ones for itself and begin later. */
enum { FIRST_REAL_TIME = 34, LAST_REAL_TIME = 64 };

static const struct {
    const char *name;
    int number;
} names[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},     {"QUIT", SIGQUIT},     {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"BUS", SIGBUS},     {"FPE", SIGFPE},       {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},   {"PIPE", SIGPIPE},     {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT},   {"STOP", SIGSTOP},     {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU}, {"URG", SIGURG},     {"XCPU", SIGXCPU},     {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF}, {"WINCH", SIGWINCH}, {"IO", SIGIO},         {"PWR", SIGPWR},   {"SYS", SIGSYS},
};

int signal_number(const char *name)
{
    long number;
    if (text_number(name, 1, LAST_REAL_TIME, &number)) return (int)number;
    if (strncasecmp(name, "SIG", 3) == 0) name += 3;
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        if (strcasecmp(name, names[at].name) == 0) return names[at].number;
    }
    if (strcasecmp(name, "RTMIN") == 0) return FIRST_REAL_TIME;
    if (strcasecmp(name, "RTMAX") == 0) return LAST_REAL_TIME;
    if (strncasecmp(name, "RTMIN+", 6) == 0 && text_number(name + 6, 1, LAST_REAL_TIME - FIRST_REAL_TIME, &number)) {
        return FIRST_REAL_TIME + (int)number;
    }
    if (strncasecmp(name, "RTMAX-", 6) == 0 && text_number(name + 6, 1, LAST_REAL_TIME - FIRST_REAL_TIME, &number)) {
        return LAST_REAL_TIME - (int)number;
    }
    return 0;
}

const char *signal_text(int number)
{
    static char text[16];
    snprintf(text, sizeof text, "signal %d", number);
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        if (names[at].number == number) snprintf(text, sizeof text, "SIG%s", names[at].name);
    }
    return text;
}
