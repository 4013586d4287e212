/* Made-up input for everything in hold that reads bytes of others: fuzz SEED ROUNDS. Equal seeds make equal input.
 * Each input lies in memory of exactly its length, so that the sanitizers see the first byte too many. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "http.h"
#include "leave.h"
#include "options.h"
#include "signals.h"
#include "sockets.h"
#include "text.h"

static uint64_t state;
static int complete, more, bad, lines, variables, statuses;

static uint32_t made(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static void check(int condition, const char *what, const char *bytes, size_t length)
{
    if (condition) return;
    fprintf(stderr, "%s: %.*s\n", what, (int)length, bytes);
    abort();
}

/* Joins random pieces, then changes, takes away or doubles some bytes. */
static char *input(const char *const *pieces, size_t count, size_t most, size_t *length)
{
    char text[4096];
    size_t size = 0;
    uint32_t parts = made((uint32_t)most) + 1;
    for (uint32_t part = 0; part < parts; part++) {
        const char *piece = pieces[made((uint32_t)count)];
        size_t piece_length = strlen(piece);
        if (size + piece_length > 2048) break;
        memcpy(text + size, piece, piece_length);
        size += piece_length;
    }
    for (uint32_t change = made(3) == 0 ? made(4) : 0; change > 0 && size > 0; change--) {
        size_t at = made((uint32_t)size);
        if (made(3) == 0) {
            memmove(text + at, text + at + 1, size - at - 1);
            size--;
        } else {
            text[at] = (char)made(256);
        }
    }
    *length = size;
    char *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL) abort();
    memcpy(exact, text, size);
    return exact;
}

static void request(void)
{
    static const char *const pieces[] = {
        "GET /ready HTTP/1.1\r\n", "HEAD /stats?a=b HTTP/1.0\r\n", "POST / HTTP/1.1\r\n", "GET ", "/ready", "/draining",
        " HTTP/1.1",
        "\r\n", "\r\n", "\r\n\r\n", "Host: x\r\n", "Connection: close\r\n", "connection: a , keep-alive,\r\n", "A:\r\n",
        "Content-Length: 0\r\n", "Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n", ": x\r\n", "A b: c\r\n", "\r", "\n",
    };
    size_t length;
    char *bytes = input(pieces, sizeof pieces / sizeof *pieces, 8, &length);
    /* Half of them begin as a request does. */
    if (made(2) == 0 && length > 21) memcpy(bytes, "GET /ready HTTP/1.1\r\n", 21);

    struct http_request whole;
    enum http_verdict verdict = http_parse(bytes, length, &whole);
    if (verdict == HTTP_COMPLETE) {
        complete++;
        check(whole.length <= length && whole.length >= 18, "length", bytes, length);
        check(memcmp(bytes + whole.length - 4, "\r\n\r\n", 4) == 0, "end", bytes, length);
        check(memmem(bytes, whole.length - 1, "\r\n\r\n", 4) == NULL, "first end", bytes, length);
    } else if (verdict == HTTP_MORE) {
        more++;
    } else {
        bad++;
    }
    /* Packets may be cut anywhere: a shorter beginning may only ask for more, or have been bad by itself. */
    size_t cut = made((uint32_t)length + 1);
    char *beginning = malloc(cut > 0 ? cut : 1);
    if (beginning == NULL) abort();
    memcpy(beginning, bytes, cut);
    struct http_request early;
    enum http_verdict first = http_parse(beginning, cut, &early);
    if (first == HTTP_BAD) check(verdict == HTTP_BAD, "a bad beginning became good", bytes, length);
    if (first == HTTP_COMPLETE) {
        check(verdict == HTTP_COMPLETE && early.length == whole.length && early.target == whole.target &&
                  early.keep_alive == whole.keep_alive,
              "what follows changed a request", bytes, length);
    }
    free(beginning);
    free(bytes);
}

static void status(void)
{
    static const char *const pieces[] = {"HTTP/1.1 ", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 103 Early\r\n\r\n", "HTTP/1.1 503 \r\n",
                                         "200", " ", "\r\n\r\n", "HTTP/1.1 404\r\n"};
    size_t length;
    char *bytes = input(pieces, sizeof pieces / sizeof *pieces, 5, &length);
    int found = http_status(bytes, length);
    check(found == -1 || found == 0 || (found >= 200 && found <= 999), "status", bytes, length);
    free(bytes);
}

static void sockets(void)
{
    static const char *const pieces[] = {
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000", "  12: 0501A8C0:0050 0901A8C0:D431 01 0",
        "   1: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000501A8C0:C000 01", "  sl  local_address", " ", "0",
        ":", "0A", "FFFFFFFF",
    };
    size_t length;
    char *bytes = input(pieces, sizeof pieces / sizeof *pieces, 4, &length);
    char *line = strndup(bytes, length);
    struct socket_line found;
    if (sockets_line(line, &found)) {
        lines++;
        check(found.local_port >= 0 && found.local_port <= 65535 && found.state <= 255, "socket", bytes, length);
        char text[ADDRESS_TEXT];
        address_text(&found.peer, found.peer_port, text);
        check(strlen(text) >= 5, "address", text, strlen(text));
    }
    free(line);
    free(bytes);
}

static int count_variable(char *pair)
{
    check(strchr(pair, '=') != NULL && *pair != '=', "variable", pair, strlen(pair));
    variables++;
    return 0;
}

static void file(void)
{
    static const char *const pieces[] = {"A=b\n", "_X9=\n", "# no\n", "\n", "C", "=", "long name=x\n", "D=e f=g", "\t"};
    size_t length;
    char *bytes = input(pieces, sizeof pieces / sizeof *pieces, 6, &length);
    char *text = malloc(length + 1);
    if (text == NULL) abort();
    memcpy(text, bytes, length);
    for (size_t at = 0; made(2) == 0 && at < length; at++) {
        if (text[at] == '\n') text[at] = '\0';
    }
    environment_add("file", text, length, count_variable);
    free(text);
    free(bytes);
}

static void words(void)
{
    static const char *const pieces[] = {"200", "-", "399", ",", "401", "599", "SIG", "RTMIN+", "3", "TERM", "0.", "25", "x"};
    size_t length;
    char *bytes = input(pieces, sizeof pieces / sizeof *pieces, 5, &length);
    char *text = strndup(bytes, length);
    struct options options;
    long milliseconds = 0;
    if (options_statuses(&options, text)) {
        statuses++;
        check(options.status_count >= 1 && options.status_count <= RANGES, "statuses", bytes, length);
        check(options_status_ready(&options, options.statuses[0].low), "low", bytes, length);
    }
    if (text_seconds(text, &milliseconds)) check(milliseconds >= 0 && milliseconds < 86401000, "seconds", bytes, length);
    int number = signal_number(text);
    check(number >= 0 && number <= 64, "signal", bytes, length);
    free(text);
    free(bytes);
}

/* Whatever happens, a node that was asked to end ends within finish, and not before it was quiet after its drain. */
static void leaving(void)
{
    struct leave leave = {0};
    long now = 1000 + made(1000), drain = made(3000), finish = drain + made(3000);
    leave_begin(&leave, now);
    for (long passed = 0, quiet = 0;; passed = now - leave.since) {
        if (made(4) == 0) leave_told(&leave, now);
        enum leave_step step = leave_step(&leave, drain, finish, now);
        if (step == LEAVE_LATE) {
            check(passed >= finish, "late", "", 0);
            return;
        }
        check(passed < finish, "not late", "", 0);
        if (step == LEAVE_IDLE) {
            check(passed >= drain + QUIET_MS && now - quiet >= QUIET_MS, "idle", "", 0);
            return;
        }
        if (step == LEAVE_COUNT) {
            int connections = made(3) == 0 ? (int)made(3) - 1 : 0;
            if (connections != 0 || leave.quiet < 0) quiet = connections == 0 ? now : now + 1;
            leave_counted(&leave, connections, now);
        }
        long next = leave_next(&leave, drain, finish);
        check(next > now || step == LEAVE_WAIT, "next", "", 0);
        now = next > now ? next : now + 1;
    }
}

int main(int count, char **arguments)
{
    if (count != 3) return 2;
    state = (uint64_t)strtoull(arguments[1], NULL, 10) * 0x9E3779B97F4A7C15u + 1;
    for (long round = strtol(arguments[2], NULL, 10); round > 0; round--) {
        request();
        status();
        sockets();
        file();
        words();
        leaving();
    }
    printf("complete=%d more=%d bad=%d sockets=%d variables=%d statuses=%d\n", complete, more, bad, lines, variables, statuses);
    return 0;
}
