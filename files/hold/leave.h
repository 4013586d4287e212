/* When a node that is asked to end may end. Pure: the time and what was seen are handed in. */
#pragma once

#include <stdbool.h>

enum { QUIET_MS = 300, COUNT_MS = 100 };

/* How long after an answer of 503 its effect is sure, and after which silence there is nothing left to answer to. */
enum { TOLD_MS = 60, SILENT_MS = 750 };

struct leave {
    bool drained; /* by hand: not ready, but not on its way out */
    bool leaving; /* asked to end */
    bool stopped; /* the app has got its stop signal */
    long since;   /* when it was asked to end */
    long counted; /* when connections were counted last; 0: not yet */
    long told;    /* when the balancer was told last that this node is not ready; 0: not since it leaves */
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

/* The balancer has asked, and has been told that this node is not ready. */
void leave_told(struct leave *leave, long now);

/* How many connections there were; a negative count means that they cannot be counted. */
void leave_counted(struct leave *leave, int connections, long now);

/* When the next step may be due; -1 for never. */
long leave_next(const struct leave *leave, long drain_ms, long finish_ms);
