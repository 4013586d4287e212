/* The listener that the balancer asks: fixed answers, few connections, no threads. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "address.h"

enum { SERVER_CONNECTIONS = 64, SERVER_POLLS = SERVER_CONNECTIONS + 1, STATS_MAX = 2048 };

/* What the answers need to know; all are asked at the time of the request. */
struct server_answers {
    bool (*ready)(const struct address *local);
    bool (*draining)(void);
    void (*stats)(char text[STATS_MAX]);
};

/* Listens; false after a line that says why not. */
bool server_open(int port);

/* Fills in what to wait for, and returns how many. */
int server_polls(struct pollfd polls[SERVER_POLLS]);

/* Handles what has come. */
void server_handle(const struct pollfd *polls, int count, const struct server_answers *answers);
