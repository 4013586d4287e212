/* Time that no change of the date moves. */
#pragma once

#include <time.h>

/* Milliseconds since some point in the past. */
static inline long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
