#include "options.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "signals.h"
#include "text.h"

#define ENVIRONMENT_FILE "/run/secrets/.env"

enum { PORT = 1, LISTEN, HEALTH, PATH, STATUS, HOST, HEADER, INTERVAL, TIMEOUT, DRAIN, FINISH, GATE, STOP_SIGNAL, ENVIRONMENT };

static const struct option known[] = {
    {"port", required_argument, NULL, PORT},
    {"listen", required_argument, NULL, LISTEN},
    {"health", required_argument, NULL, HEALTH},
    {"health-path", required_argument, NULL, PATH},
    {"health-status", required_argument, NULL, STATUS},
    {"health-host", required_argument, NULL, HOST},
    {"health-header", required_argument, NULL, HEADER},
    {"interval-ms", required_argument, NULL, INTERVAL},
    {"timeout-ms", required_argument, NULL, TIMEOUT},
    {"drain-seconds", required_argument, NULL, DRAIN},
    {"finish-seconds", required_argument, NULL, FINISH},
    {"gate-seconds", required_argument, NULL, GATE},
    {"stop-signal", required_argument, NULL, STOP_SIGNAL},
    {"environment-file", required_argument, NULL, ENVIRONMENT},
    {NULL, 0, NULL, 0},
};

/* Text that can stand in a request: printable, and for all but header values without blanks. */
static bool sendable(const char *text, bool blanks)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~' || (*at == ' ' && !blanks)) return false;
    }
    return *text != '\0' && strlen(text) <= 255;
}

bool options_statuses(struct options *options, const char *text)
{
    options->status_count = 0;
    while (options->status_count < RANGES) {
        char low[4] = "", high[4] = "";
        size_t length = strcspn(text, ",-");
        if (length != 3) return false;
        memcpy(low, text, 3);
        memcpy(high, text, 3);
        text += length;
        if (*text == '-') {
            text++;
            if (strcspn(text, ",") != 3) return false;
            memcpy(high, text, 3);
            text += 3;
        }
        long from, to;
        if (!text_number(low, 200, 599, &from) || !text_number(high, from, 599, &to)) return false;
        options->statuses[options->status_count].low = (int)from;
        options->statuses[options->status_count].high = (int)to;
        options->status_count++;
        if (*text == '\0') return true;
        if (*text++ != ',') return false;
    }
    return false;
}

bool options_status_ready(const struct options *options, int status)
{
    for (int at = 0; at < options->status_count; at++) {
        if (status >= options->statuses[at].low && status <= options->statuses[at].high) return true;
    }
    return false;
}

static bool number(const char *what, const char *text, long low, long high, long *value)
{
    if (text_number(text, low, high, value)) return true;
    say_wrong(what, text, "a whole number in its range", "see docs/any-image.md");
    return false;
}

static bool seconds(const char *what, const char *text, long *value)
{
    if (text_seconds(text, value)) return true;
    say_wrong(what, text, "seconds from 0 to 86400, such as 2 or 0.5", "give a number");
    return false;
}

static bool header(struct options *options, const char *text)
{
    const char *colon = strchr(text, ':');
    size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    if (colon == NULL || colon == text || name != (size_t)(colon - text) || !sendable(text, true)) {
        say_wrong("--health-header", text, "a header of at most 255 characters", "--health-header 'Name: value'");
        return false;
    }
    if (options->health_header_count == HEADERS) {
        say_wrong("--health-header", "a ninth", "at most 8", "leave one out");
        return false;
    }
    options->health_headers[options->health_header_count++] = text;
    return true;
}

static bool one(struct options *options, int option, const char *text)
{
    long value = 0;
    switch (option) {
    case PORT:
        if (!number("--port", text, 1, 65535, &value)) return false;
        options->port = (int)value;
        return true;
    case LISTEN:
        if (!number("--listen", text, 1, 65535, &value)) return false;
        options->listen = (int)value;
        return true;
    case HEALTH:
        options->tcp = strcmp(text, "tcp") == 0;
        if (options->tcp || strcmp(text, "http") == 0) return true;
        say_wrong("--health", text, "http or tcp", "--health http");
        return false;
    case PATH:
        options->health_path = text;
        if (*text == '/' && sendable(text, false)) return true;
        say_wrong("--health-path", text, "a path of at most 255 characters", "--health-path /healthz");
        return false;
    case STATUS:
        if (options_statuses(options, text)) return true;
        say_wrong("--health-status", text, "at most 16 statuses or ranges from 200 to 599", "--health-status 200-399,401");
        return false;
    case HOST:
        options->health_host = text;
        if (sendable(text, false)) return true;
        say_wrong("--health-host", text, "a host name", "--health-host www.example.org");
        return false;
    case HEADER:
        return header(options, text);
    case INTERVAL:
        return number("--interval-ms", text, 50, 3600000, &options->interval_ms);
    case TIMEOUT:
        return number("--timeout-ms", text, 10, 600000, &options->timeout_ms);
    case DRAIN:
        return seconds("--drain-seconds", text, &options->drain_ms);
    case FINISH:
        return seconds("--finish-seconds", text, &options->finish_ms);
    case GATE:
        return seconds("--gate-seconds", text, &options->gate_ms);
    case STOP_SIGNAL:
        options->stop_signal = signal_number(text);
        if (options->stop_signal != 0) return true;
        say_wrong("--stop-signal", text, "a signal's name or number", "--stop-signal SIGTERM");
        return false;
    case ENVIRONMENT:
        options->environment_file = text;
        options->environment_required = true;
        return true;
    default:
        return false; /* getopt has said what is wrong with it */
    }
}

/* A managed node gets its own times this way: an image's are for a container that was started by hand. */
static bool from_environment(struct options *options)
{
    const char *drain = getenv("EVENKEEL_DRAIN_SECONDS"), *finish = getenv("EVENKEEL_FINISH_SECONDS");
    if (drain != NULL && !seconds("EVENKEEL_DRAIN_SECONDS", drain, &options->drain_ms)) return false;
    return finish == NULL || seconds("EVENKEEL_FINISH_SECONDS", finish, &options->finish_ms);
}

/* Follows from what was given. */
static bool complete(struct options *options, bool path_given)
{
    if (options->port == 0) {
        say_wrong("--port", "nothing", "the app's port", "--port 80");
        return false;
    }
    if (options->port == options->listen) {
        say_wrong("--port", "the port that hold listens on", "another", "give --listen another port");
        return false;
    }
    if (options->tcp && (path_given || options->status_count > 0 || options->health_header_count > 0)) {
        say_wrong("--health", "tcp with options of an HTTP check", "one kind of check", "--health http");
        return false;
    }
    /* Without a page for the purpose, a redirect or a refusal shows that the app works. */
    if (options->status_count == 0) options_statuses(options, path_given ? "200-399" : "200-499");
    if (options->command[0] == NULL) {
        say_wrong("command", "nothing", "a program after --", "hold --port 80 -- nginx -g 'daemon off;'");
        return false;
    }
    return true;
}

bool options_read(struct options *options, int count, char **arguments)
{
    memset(options, 0, sizeof *options);
    options->listen = 9180;
    options->health_path = "/";
    options->interval_ms = 2000;
    options->timeout_ms = 1000;
    options->drain_ms = 2000;
    options->finish_ms = 8000;
    options->stop_signal = SIGTERM;
    options->environment_file = ENVIRONMENT_FILE;

    bool path_given = false;
    int option;
    /* "+": what follows the command belongs to the command. */
    while ((option = getopt_long(count, arguments, "+", known, NULL)) != -1) {
        if (option == PATH) path_given = true;
        if (!one(options, option, optarg)) return false;
    }
    options->command = arguments + optind;
    return from_environment(options) && complete(options, path_given);
}
