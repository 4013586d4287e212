/* hold: the first process of a container whose image knows nothing of the balancer.
 *
 * It starts the image's own command, tells the balancer at /ready whether to send requests here, and keeps a request to
 * end from the app until the balancer has turned to other nodes and the last connection is idle. It is not in the path
 * of the requests. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "control.h"
#include "leave.h"
#include "look.h"
#include "options.h"
#include "server.h"
#include "signals.h"
#include "sockets.h"
#include "text.h"

static struct options options;
static struct leave leave;
static pid_t app; /* 0: not started yet */
static bool asked; /* the balancer has been told that this node is not ready */

static bool draining(void)
{
    return leave.drained || leave.leaving;
}

static bool ready(const struct address *local)
{
    asked = true;
    leave_told(&leave, now_ms());
    return !leave.leaving && look_ready(local, now_ms()) && !leave.drained;
}

/* What Evenkeel's own images say at this place, as far as it can be known from outside the app. */
static void stats(char text[STATS_MAX])
{
    /* Kept for a moment: a flood of questions must not cost a list of the kernel's sockets each. */
    static struct sockets found;
    static long looked = -1;
    static bool known;
    char node[65] = "";
    if (looked < 0 || now_ms() - looked >= COUNT_MS) {
        known = sockets_look(options.port, options.listen, &found);
        looked = now_ms();
    }
    gethostname(node, sizeof node - 1);
    for (char *at = node; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\') *at = '?';
    }
    int length = snprintf(text, STATS_MAX, "{\"node\":\"%s\",\"draining\":%s,\"ready\":%s,\"connections\":%d,\"listeners\":[",
                          node, draining() ? "true" : "false", look_ready_latest() && !draining() ? "true" : "false",
                          known ? found.connections : -1);
    for (int at = 0; at < found.listener_count; at++) {
        char listener[ADDRESS_TEXT];
        address_text(&found.listeners[at].address, found.listeners[at].port, listener);
        length += snprintf(text + length, (size_t)(STATS_MAX - length), "%s\"%s\"", at > 0 ? "," : "", listener);
    }
    snprintf(text + length, (size_t)(STATS_MAX - length), "]}\n");
}

static void obey(const char *command, char reply[REPLY_MAX])
{
    if (strcmp(command, "status") == 0) {
        stats(reply);
        reply[strcspn(reply, "\n")] = '\0';
    } else if (strcmp(command, "drain on") != 0 && strcmp(command, "drain off") != 0) {
        strcpy(reply, "!command: got another, want drain on, drain off or status (fix: hold drain on)");
    } else if (leave.leaving) {
        strcpy(reply, "!drain: got a node that is stopping, want a running one (fix: none, it cannot be taken back)");
    } else {
        leave.drained = strcmp(command, "drain on") == 0;
        strcpy(reply, leave.drained ? "draining" : "not draining");
    }
}

static void stop_app(void)
{
    leave.stopped = true;
    kill(app, options.stop_signal);
}

/* Takes the next step of the way out, if one is due. */
static void step(long now)
{
    struct sockets found;
    switch (leave_step(&leave, options.drain_ms, options.finish_ms, now)) {
    case LEAVE_COUNT:
        leave_counted(&leave, sockets_look(options.port, options.listen, &found) ? found.connections : -1, now);
        /* What was counted may be the last that was missing. */
        if (leave_step(&leave, options.drain_ms, options.finish_ms, now) == LEAVE_IDLE) stop_app();
        break;
    case LEAVE_LATE:
        if (!sockets_look(options.port, options.listen, &found)) {
            say("hold: %s after %ld ms, because the kernel's list of connections cannot be read (fix: mount /proc)",
                signal_text(options.stop_signal), now - leave.since);
        } else if (found.connections != 0) {
            say("hold: %s after %ld ms, although %d connections are open (fix: raise finish_seconds)",
                signal_text(options.stop_signal), now - leave.since, found.connections);
        }
        stop_app();
        break;
    case LEAVE_IDLE:
        stop_app();
        break;
    case LEAVE_WAIT:
        break;
    }
}

/* The balancer takes a new server for one that is up until its first probe. What is refused meanwhile it sends to another
 * node; what an app answers that is still starting reaches the user. So the app starts when that probe has been answered. */
static bool may_start(long begun, long now)
{
    return app == 0 && (asked || now - begun >= options.gate_ms);
}

static void take(const struct signalfd_siginfo *signal)
{
    int number = (int)signal->ssi_signo;
    if (number == SIGCHLD || app == 0) return; /* what has ended is reaped in every round */
    if (number == SIGTERM || number == SIGINT) {
        leave_begin(&leave, now_ms());
        look_end();
    } else if (number == SIGQUIT) {
        leave_begin(&leave, now_ms());
        look_end();
        /* Servers take a second one for "now". */
        if (!leave.stopped) stop_app();
    } else if (signal->ssi_pid != (unsigned)getpid()) {
        /* Not what hold's own writing to a closed pipe caused. */
        kill(app, number);
    }
}

/* Whether a signal ends hold that has nothing to end yet. */
static bool ends(int number)
{
    return app == 0 && (number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP);
}

static int wait_ms(long begun, long now)
{
    if (app == 0) return options.gate_ms > now - begun ? (int)(options.gate_ms - (now - begun)) : 0;
    long next = look_next(), step_due = leave_next(&leave, options.drain_ms, options.finish_ms);
    if (next < 0 || (step_due >= 0 && step_due < next)) next = step_due;
    if (next < 0) return -1;
    return next > now ? (int)(next - now) : 0;
}

static int run(int signals, const sigset_t *mask)
{
    long begun = now_ms();
    static const struct server_answers answers = {ready, draining, stats};
    struct pollfd polls[2 + SERVER_POLLS + LOOKS];
    polls[0] = (struct pollfd){.fd = signals, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = control_fd(), .events = POLLIN};
    for (;;) {
        if (may_start(begun, now_ms())) {
            app = child_start(&options, mask);
            if (app < 0) return -app;
            look_begin(&options, now_ms());
        }
        int code = app == 0 ? -1 : child_reap(app);
        if (code >= 0) return code;

        int servers = server_polls(polls + 2), seen = look_polls(polls + 2 + servers);
        if (poll(polls, (nfds_t)(2 + servers + seen), wait_ms(begun, now_ms())) < 0 && errno != EINTR) return EXIT_HOLD;

        struct signalfd_siginfo signal;
        while (read(signals, &signal, sizeof signal) == sizeof signal) {
            if (ends((int)signal.ssi_signo)) return 128 + (int)signal.ssi_signo;
            take(&signal);
        }
        long now = now_ms();
        if (polls[1].revents != 0) control_handle(obey);
        look_handle(&options, polls + 2 + servers, seen, now);
        server_handle(polls + 2, servers, &answers);
        if (app != 0 && !leave.leaving) look_start(&options, now);
        step(now);
    }
}

/* All signals that can wait come through a descriptor; the app gets the mask that hold was started with. */
static int catch_signals(sigset_t *before)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t at = 0; at < sizeof synchronous / sizeof *synchronous; at++) sigdelset(&all, synchronous[at]);
    /* Ignored, it would take the app's exit code from us. */
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &all, before);
    return signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
}

int main(int count, char **arguments)
{
    sigset_t before;
    if (count > 1 && (strcmp(arguments[1], "drain") == 0 || strcmp(arguments[1], "status") == 0)) {
        return control_ask(count - 1, arguments + 1);
    }
    if (!options_read(&options, count, arguments) || !server_open(options.listen) || !control_open()) return EXIT_HOLD;
    /* Below another first process, as with docker run --init, orphans come here too. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int signals = catch_signals(&before);
    if (signals < 0) {
        say_wrong("signalfd", strerror(errno), "a descriptor", "raise the node's limit of open files");
        return EXIT_HOLD;
    }
    return run(signals, &before);
}
