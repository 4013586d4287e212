#include "look.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "text.h"

/* An app that starts is looked at often, so that it joins soon. What it sends beyond its first line is read and thrown
   away up to a limit: to hang up earlier would look like a fault in the app's log. */
enum { STARTING_MS = 250, UNASKED_MS = 60000, HEAD = 512, READ_MAX = 65536 };

static struct look {
    bool used;
    struct address address;
    long asked, next, deadline;
    int fd;         /* -1 between two looks */
    bool connected; /* and the request is sent */
    bool judged;    /* the result of this look is known */
    bool ready, was_ready;
    size_t length, read;
    char head[HEAD];
} looks[LOOKS];

static struct look *polled[LOOKS], *latest;

static struct look *find(const struct address *address, long now)
{
    struct look *oldest = &looks[0];
    for (int at = 0; at < LOOKS; at++) {
        if (looks[at].used && address_equal(&looks[at].address, address)) return &looks[at];
        if (looks[at].used < oldest->used || (looks[at].used == oldest->used && looks[at].asked < oldest->asked)) {
            oldest = &looks[at];
        }
    }
    if (oldest->used && oldest->fd >= 0) close(oldest->fd);
    *oldest = (struct look){.used = true, .address = *address, .asked = now, .next = now, .fd = -1};
    return oldest;
}

void look_begin(const struct options *options, long now)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0) return;
    int found = 0;
    for (struct ifaddrs *one = list; one != NULL && found < LOOKS / 2; one = one->ifa_next) {
        struct address address;
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_UP) == 0) continue;
        address = address_v4(&((struct sockaddr_in *)one->ifa_addr)->sin_addr);
        if (address_loopback(&address)) continue;
        latest = find(&address, now);
        found++;
    }
    freeifaddrs(list);
    look_start(options, now);
}

bool look_ready(const struct address *address, long now)
{
    struct look *look = find(address, now);
    look->asked = now;
    latest = look;
    return look->ready;
}

bool look_ready_latest(void)
{
    return latest != NULL && latest->ready;
}

static void judge(const struct options *options, struct look *look, bool ready, const char *why, long now)
{
    if (!look->judged) {
        look->judged = true;
        /* One line per change, but none for an app that has not come up yet. */
        if (look->was_ready && ready != look->ready) {
            char text[ADDRESS_TEXT];
            address_text(&look->address, options->port, text);
            say("hold: the app at %s is %s: %s", text, ready ? "ready again" : "not ready", why);
        }
        look->ready = ready;
        if (ready) look->was_ready = true;
    }
    long pause = look->was_ready || options->interval_ms < STARTING_MS ? options->interval_ms : STARTING_MS;
    look->next = now + pause;
}

static void finish(struct look *look)
{
    close(look->fd);
    look->fd = -1;
}

/* Sends the request; false if the look is over. */
static bool ask(const struct options *options, struct look *look, long now)
{
    char request[4096], host[ADDRESS_TEXT];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(look->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        judge(options, look, false, strerror(error), now);
        return false;
    }
    if (options->tcp) {
        judge(options, look, true, "it accepts connections", now);
        return false;
    }
    look->connected = true;
    address_text(&look->address, options->port, host);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: evenkeel-hold\r\nAccept: */*\r\n", options->health_path,
                          options->health_host != NULL ? options->health_host : host);
    for (int at = 0; at < options->health_header_count; at++) {
        length += snprintf(request + length, sizeof request - (size_t)length, "%s\r\n", options->health_headers[at]);
    }
    length += snprintf(request + length, sizeof request - (size_t)length, "Connection: close\r\n\r\n");
    if (send(look->fd, request, (size_t)length, MSG_NOSIGNAL) == length) return true;
    judge(options, look, false, "it does not take the request", now);
    return false;
}

/* Reads what is there; false if the look is over. */
static bool hear(const struct options *options, struct look *look, long now)
{
    char rest[1024];
    bool head = !look->judged;
    ssize_t got = head ? recv(look->fd, look->head + look->length, HEAD - look->length, 0)
                       : recv(look->fd, rest, sizeof rest, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) {
        judge(options, look, false, got == 0 ? "it closes the connection" : strerror(errno), now);
        return false;
    }
    look->read += (size_t)got;
    if (head) {
        look->length += (size_t)got;
        int status = http_status(look->head, look->length);
        char why[32];
        snprintf(why, sizeof why, "it answers %d", status);
        if (status > 0) {
            judge(options, look, options_status_ready(options, status), why, now);
        } else if (status < 0 || look->length == HEAD) {
            judge(options, look, false, "it does not answer in HTTP", now);
            return false;
        }
    }
    return look->read < READ_MAX;
}

static void start(const struct options *options, struct look *look, long now)
{
    struct sockaddr_storage to;
    socklen_t size = address_to(&look->address, options->port, &to);
    look->judged = look->connected = false;
    look->length = look->read = 0;
    look->deadline = now + options->timeout_ms;
    look->fd = socket(look->address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (look->fd < 0) {
        judge(options, look, false, strerror(errno), now);
    } else if (connect(look->fd, (struct sockaddr *)&to, size) != 0 && errno != EINPROGRESS) {
        judge(options, look, false, strerror(errno), now);
        finish(look);
    }
}

void look_start(const struct options *options, long now)
{
    for (int at = 0; at < LOOKS; at++) {
        struct look *look = &looks[at];
        if (!look->used) continue;
        /* A container in two networks is asked in one of them. */
        if (look->fd < 0 && look != latest && now - look->asked >= UNASKED_MS) {
            look->used = false;
            continue;
        }
        if (look->fd >= 0 && now >= look->deadline) {
            judge(options, look, false, "it does not answer in time", now);
            finish(look);
        } else if (look->fd < 0 && now >= look->next) {
            start(options, look, now);
        }
    }
}

int look_polls(struct pollfd polls[LOOKS])
{
    int count = 0;
    for (int at = 0; at < LOOKS; at++) {
        struct look *look = &looks[at];
        if (!look->used || look->fd < 0) continue;
        polled[count] = look;
        polls[count++] = (struct pollfd){.fd = look->fd, .events = look->connected ? POLLIN : POLLOUT};
    }
    return count;
}

void look_handle(const struct options *options, const struct pollfd *polls, int count, long now)
{
    for (int at = 0; at < count; at++) {
        struct look *look = polled[at];
        /* Another question may have taken its place since the wait. */
        if (polls[at].revents == 0 || look->fd != polls[at].fd) continue;
        if (!(look->connected ? hear : ask)(options, look, now)) finish(look);
    }
}

long look_next(void)
{
    long next = -1;
    for (int at = 0; at < LOOKS; at++) {
        if (!looks[at].used) continue;
        long due = looks[at].fd >= 0 ? looks[at].deadline : looks[at].next;
        if (next < 0 || due < next) next = due;
    }
    return next;
}

void look_end(void)
{
    for (int at = 0; at < LOOKS; at++) {
        if (looks[at].used && looks[at].fd >= 0) finish(&looks[at]);
        looks[at].used = false;
    }
    latest = NULL;
}
