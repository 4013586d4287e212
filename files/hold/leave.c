#include "leave.h"

void leave_begin(struct leave *leave, long now)
{
    if (leave->leaving) return;
    leave->leaving = true;
    leave->since = now;
    leave->quiet = -1;
}

enum leave_step leave_step(const struct leave *leave, long drain_ms, long finish_ms, long now)
{
    if (!leave->leaving || leave->stopped) return LEAVE_WAIT;
    long passed = now - leave->since;
    if (passed >= finish_ms) return LEAVE_LATE;
    /* Only what is seen after the drain counts: before, the balancer may still open connections. */
    if (passed < drain_ms) return LEAVE_WAIT;
    if (leave->quiet >= 0 && now - leave->quiet >= QUIET_MS) {
        /* Whenever the balancer reads another configuration, it takes this node for one that is up until its next probe.
         * Right after that probe, it sends nothing here for as long as its configuration stays. */
        long since_told = now - leave->told;
        if (leave->told == 0 || since_told >= SILENT_MS) return LEAVE_IDLE;
        if (since_told <= TOLD_MS) return leave->counted >= leave->told ? LEAVE_IDLE : LEAVE_COUNT;
    }
    return now - leave->counted >= COUNT_MS ? LEAVE_COUNT : LEAVE_WAIT;
}

void leave_told(struct leave *leave, long now)
{
    if (leave->leaving) leave->told = now;
}

void leave_counted(struct leave *leave, int connections, long now)
{
    leave->counted = now;
    if (connections != 0) {
        leave->quiet = -1;
    } else if (leave->quiet < 0) {
        leave->quiet = now;
    }
}

long leave_next(const struct leave *leave, long drain_ms, long finish_ms)
{
    if (!leave->leaving || leave->stopped) return -1;
    long finish = leave->since + finish_ms, drained = leave->since + drain_ms;
    long next = leave->counted + COUNT_MS > drained ? leave->counted + COUNT_MS : drained;
    return next < finish ? next : finish;
}
