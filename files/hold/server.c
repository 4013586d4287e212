#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"
#include "text.h"

/* So few new connections per round that each is read at least once before the next ones may take its place. */
enum { ACCEPTS = SERVER_CONNECTIONS / 4, BACKLOG = 512 };

struct connection {
    int fd;
    bool answered; /* it has asked properly at least once */
    long last;     /* when it was accepted or last answered: sending single bytes makes it no younger */
    size_t length;
    char bytes[HTTP_REQUEST_MAX];
};

static int listener = -1;
static struct connection connections[SERVER_CONNECTIONS];
static struct connection *polled[SERVER_CONNECTIONS];

bool server_open(int port)
{
    struct address any = {.family = AF_INET6};
    struct sockaddr_storage bound;
    int off = 0, on = 1;
    for (int at = 0; at < SERVER_CONNECTIONS; at++) connections[at].fd = -1;

    /* One socket for both families; a kernel without IPv6 has IPv4 alone. */
    for (;;) {
        listener = socket(any.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (listener >= 0) {
            if (any.family == AF_INET6) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
            setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            socklen_t length = address_to(&any, port, &bound);
            if (bind(listener, (struct sockaddr *)&bound, length) == 0 && listen(listener, BACKLOG) == 0) return true;
        }
        int why = errno;
        if (listener >= 0) close(listener);
        if (any.family == AF_INET6 && why != EADDRINUSE && why != EACCES) {
            any.family = AF_INET;
            continue;
        }
        char what[32];
        snprintf(what, sizeof what, "port %d", port);
        say_wrong(what, strerror(why), "a free port for /ready", "move what listens there, or give --listen another port");
        return false;
    }
}

int server_polls(struct pollfd polls[SERVER_POLLS])
{
    int count = 0;
    for (int at = 0; at < SERVER_CONNECTIONS; at++) {
        if (connections[at].fd < 0) continue;
        polled[count] = &connections[at];
        polls[count++] = (struct pollfd){.fd = connections[at].fd, .events = POLLIN};
    }
    polls[count] = (struct pollfd){.fd = listener, .events = POLLIN};
    return count + 1;
}

static void drop(struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
}

/* False if the answer did not fit into the socket's buffer: a client that does not read loses its connection. */
static bool answer(const struct connection *connection, const char *status, const char *body, bool head, bool keep)
{
    char text[STATS_MAX + 256];
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n%s%s\r\n%s", status,
                          strlen(body), *body != '\0' ? "Content-Type: application/json; charset=utf-8\r\n" : "",
                          keep ? "" : "Connection: close\r\n", head ? "" : body);
    return send(connection->fd, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) == length;
}

/* Answers one request; false if the connection is to be closed. */
static bool serve(struct connection *connection, const struct http_request *request,
                  const struct server_answers *answers)
{
    bool head = request->method == METHOD_HEAD, keep = request->keep_alive;
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    struct address local;
    char stats[STATS_MAX];

    if (request->target == TARGET_OTHER) {
        return answer(connection, "404 Not Found", "", head, keep) && keep;
    }
    if (request->method == METHOD_OTHER) {
        return answer(connection, "405 Method Not Allowed\r\nAllow: GET, HEAD", "", head, keep) && keep;
    }
    if (request->target == TARGET_STATS) {
        answers->stats(stats);
        return answer(connection, "200 OK", stats, head, keep) && keep;
    }
    if (request->target == TARGET_DRAINING) {
        return answer(connection, answers->draining() ? "200 OK" : "404 Not Found", "", head, keep) && keep;
    }
    bool ready = getsockname(connection->fd, (struct sockaddr *)&name, &size) == 0 && address_from(&name, &local) &&
                 answers->ready(&local);
    return answer(connection, ready ? "200 OK" : "503 Service Unavailable", "", head, keep) && keep;
}

/* Reads once and answers all whole requests; false if the connection is to be closed. */
static bool converse(struct connection *connection, const struct server_answers *answers)
{
    ssize_t got = recv(connection->fd, connection->bytes + connection->length,
                       sizeof connection->bytes - connection->length, MSG_DONTWAIT);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    connection->length += (size_t)got;

    struct http_request request;
    enum http_verdict verdict;
    while ((verdict = http_parse(connection->bytes, connection->length, &request)) == HTTP_COMPLETE) {
        connection->answered = true;
        connection->last = now_ms();
        if (!serve(connection, &request, answers)) return false;
        connection->length -= request.length;
        memmove(connection->bytes, connection->bytes + request.length, connection->length);
    }
    if (verdict == HTTP_BAD) {
        answer(connection, "400 Bad Request", "", false, false);
        return false;
    }
    if (connection->length == sizeof connection->bytes) {
        answer(connection, "431 Request Header Fields Too Large", "", false, false);
        return false;
    }
    return true;
}

/* The connection that was silent for longest; first those that never asked properly, so that a flood of connections does
   not cost the balancer its own. NULL without any. */
static struct connection *oldest(void)
{
    struct connection *found = NULL;
    for (int at = 0; at < SERVER_CONNECTIONS; at++) {
        struct connection *one = &connections[at];
        if (one->fd < 0) continue;
        if (found == NULL || one->answered < found->answered ||
            (one->answered == found->answered && one->last < found->last)) {
            found = one;
        }
    }
    return found;
}

static void make_room(void)
{
    struct connection *found = oldest();
    if (found != NULL) drop(found);
}

static struct connection *place(void)
{
    for (;;) {
        for (int at = 0; at < SERVER_CONNECTIONS; at++) {
            if (connections[at].fd < 0) return &connections[at];
        }
        make_room();
    }
}

void server_handle(const struct pollfd *polls, int count, const struct server_answers *answers)
{
    for (int at = 0; at < count - 1; at++) {
        if (polls[at].revents != 0 && !converse(polled[at], answers)) drop(polled[at]);
    }
    if (polls[count - 1].revents == 0) return;
    for (int accepted = 0; accepted < ACCEPTS; accepted++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) make_room();
        if (fd < 0) return;
        struct connection *connection = place();
        connection->fd = fd;
        connection->answered = false;
        connection->last = now_ms();
        connection->length = 0;
        /* What the first packet brought is answered at once. */
        if (!converse(connection, answers)) drop(connection);
    }
}
