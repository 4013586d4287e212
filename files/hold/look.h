/* Looks whether the app answers, at each address that the balancer asks hold at. */
#pragma once

#include <poll.h>
#include <stdbool.h>

#include "address.h"
#include "options.h"

enum { LOOKS = 8 };

/* Begins with the addresses that this container has, so that the first question finds an answer. */
void look_begin(const struct options *options, long now);

/* Whether the app was ready at the last look at that address. A new address is looked at from now on. */
bool look_ready(const struct address *address, long now);

/* The same where the balancer asked last. */
bool look_ready_latest(void);

/* Looks that are due begin here, and those whose time is up end. */
void look_start(const struct options *options, long now);

/* Fills in what to wait for, and returns how many. */
int look_polls(struct pollfd polls[LOOKS]);
void look_handle(const struct options *options, const struct pollfd *polls, int count, long now);

/* When the next look begins or ends. */
long look_next(void);

/* The node leaves: no looks any more, because their connections would count as users. */
void look_end(void);
