/* What hold is told on its command line and by its environment. */
#pragma once

#include <stdbool.h>

enum { RANGES = 16, HEADERS = 8 };

/* hold's own failures, as `docker run` counts them; 126 and 127 are those of a command that cannot run. */
enum { EXIT_HOLD = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct options {
    int port;   /* of the app */
    int listen; /* of hold */
    bool tcp;   /* the app is ready when it accepts a connection */
    const char *health_path;
    const char *health_host; /* NULL: the address */
    const char *health_headers[HEADERS];
    int health_header_count;
    struct {
        int low, high;
    } statuses[RANGES];
    int status_count;
    long interval_ms, timeout_ms, drain_ms, finish_ms;
    long gate_ms; /* how long the app's start waits for the balancer's first question */
    int stop_signal;
    const char *environment_file;
    bool environment_required; /* it was named, so it must be there */
    char **command;
};

/* Reads all of it; false after the line that says what is wrong. */
bool options_read(struct options *options, int count, char **arguments);

/* Whether an answer of that status means that the app is ready. */
bool options_status_ready(const struct options *options, int status);

/* Reads "200-399,401"; pure, for the tests too. */
bool options_statuses(struct options *options, const char *text);
