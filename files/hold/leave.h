/* When a node that is asked to end may end. Pure: the time and what was seen are handed in. */
#pragma once

#include <stdbool.h>

enum { QUIET_MS = 300, COUNT_MS = 100 };

struct leave {
    bool drained; /* by hand: not ready, but not on its way out */
    bool leaving; /* asked to end */
    bool stopped; /* the app has got its stop signal */
    long since;   /* when it was asked to end */
    long counted; /* when connections were counted last; 0: not yet */
    long quiet;   /* since when none was seen; -1: one was, or nothing was counted yet */
};

enum leave_step {
    LEAVE_WAIT,  /* nothing to do before leave_next */
    LEAVE_COUNT, /* connections are to be counted, and leave_counted told */
    LEAVE_IDLE,  /* send the stop signal: nothing is connected any more */
    LEAVE_LATE   /* send the stop signal: the time is up */
};

void leave_begin(struct leave *leave, long now);
enum leave_step leave_step(const struct leave *leave, long drain_ms, long finish_ms, long now);

/* How many connections there were; a negative count means that they cannot be counted. */
void leave_counted(struct leave *leave, int connections, long now);

/* When the next step may be due; -1 for never. */
long leave_next(const struct leave *leave, long drain_ms, long finish_ms);
