#include "control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "options.h"
#include "text.h"

/* An abstract name: no file, so a read-only root file system does not matter; it ends with its network namespace. */
#define NAME "evenkeel-hold"

enum { COMMAND = 32, SECONDS = 2 };

static int control = -1;

static socklen_t name(struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, NAME, sizeof NAME - 1);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof NAME);
}

bool control_open(void)
{
    struct sockaddr_un address;
    socklen_t length = name(&address);
    control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (control >= 0 && bind(control, (struct sockaddr *)&address, length) == 0 && listen(control, 8) == 0) return true;
    say_wrong("socket " NAME, strerror(errno), "a free one", "run one hold per network namespace");
    return false;
}

int control_fd(void)
{
    return control;
}

void control_handle(void (*obey)(const char *command, char reply[REPLY_MAX]))
{
    char command[COMMAND] = "", reply[REPLY_MAX] = "!command: got none, want one (fix: hold drain on)";
    struct ucred peer;
    socklen_t size = sizeof peer;
    int fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    /* The peer sends right after it has connected. One that does not must not keep hold from its work. */
    struct timeval patience = {.tv_usec = 50000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t got = recv(fd, command, sizeof command - 1, 0);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) {
        strcpy(reply, "!user: got another one, want the user that hold runs as (fix: docker exec without --user)");
    } else if (got > 0) {
        obey(command, reply);
    }
    send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

int control_ask(int count, char **arguments)
{
    char command[COMMAND], reply[REPLY_MAX];
    struct sockaddr_un address;
    struct timeval patience = {.tv_sec = SECONDS};
    socklen_t length = name(&address);
    ssize_t got = -1;

    int wanted = snprintf(command, sizeof command, count > 1 ? "%s %s" : "%s", arguments[0], count > 1 ? arguments[1] : "");
    if (count > 2 || wanted >= COMMAND) {
        say_wrong("command", arguments[0], "drain on, drain off or status", "hold drain on");
        return EXIT_HOLD;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0) {
        if (send(fd, command, strlen(command), MSG_NOSIGNAL) > 0) got = recv(fd, reply, sizeof reply - 1, 0);
    }
    if (got <= 0) {
        say_wrong("node", got == 0 ? "no answer" : strerror(errno), "one that runs here", "docker exec into a node");
        return EXIT_HOLD;
    }
    reply[got] = '\0';
    if (reply[0] == '!') {
        say("hold: %s", reply + 1);
        return EXIT_HOLD;
    }
    puts(reply);
    return 0;
}
