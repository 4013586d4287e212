/* What the kernel lists as TCP sockets of this network namespace (/proc/self/net/tcp and tcp6). */
#pragma once

#include <stdbool.h>

#include "address.h"

enum { LISTENERS = 16, STATE_ESTABLISHED = 1, STATE_LISTEN = 10 };

struct socket_line {
    struct address local, peer;
    int local_port, peer_port, state;
};

struct sockets {
    int connections;    /* established ones of the app's port whose peer is on another host */
    int listener_count; /* at most LISTENERS are kept */
    struct {
        struct address address;
        int port;
    } listeners[LISTENERS];
};

/* Reads one line of the list; false for its headline and for what is none. */
bool sockets_line(const char *line, struct socket_line *out);

/* Counts for the app's port; the listener on the own port is left out. False if the list cannot be read. */
bool sockets_look(int port, int own_port, struct sockets *found);
