#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 8192 };

/* Reads that many hexadecimal digits and moves on; false if there are fewer. */
static bool hex(const char **at, int digits, uint32_t *value)
{
    *value = 0;
    for (; digits > 0; digits--, (*at)++) {
        char digit = **at;
        uint32_t nibble;
        if (digit >= '0' && digit <= '9') {
            nibble = (uint32_t)(digit - '0');
        } else if (digit >= 'A' && digit <= 'F') {
            nibble = (uint32_t)(digit - 'A') + 10;
        } else {
            return false;
        }
        *value = *value << 4 | nibble;
    }
    return true;
}

static bool literal(const char **at, char wanted)
{
    if (**at != wanted) return false;
    (*at)++;
    return true;
}

/* The kernel prints an address as words of 32 bits in the machine's byte order. */
static bool endpoint(const char **at, struct address *address, int *port)
{
    size_t digits = strspn(*at, "0123456789ABCDEF");
    if (digits != 8 && digits != 32) return false;
    uint32_t words[4] = {0}, number;
    for (size_t word = 0; word < digits / 8; word++) {
        if (!hex(at, 8, &words[word])) return false;
    }
    if (!literal(at, ':') || !hex(at, 4, &number)) return false;
    *address = digits == 8 ? address_v4(words) : address_v6(words, 0);
    *port = (int)number;
    return true;
}

bool sockets_line(const char *line, struct socket_line *out)
{
    const char *at = line + strspn(line, " ");
    size_t digits = strspn(at, "0123456789");
    uint32_t state;
    if (digits == 0) return false;
    at += digits;
    if (!literal(&at, ':') || !literal(&at, ' ')) return false;
    if (!endpoint(&at, &out->local, &out->local_port) || !literal(&at, ' ')) return false;
    if (!endpoint(&at, &out->peer, &out->peer_port) || !literal(&at, ' ')) return false;
    if (!hex(&at, 2, &state)) return false;
    out->state = (int)state;
    return true;
}

static void add(const struct socket_line *line, int port, int own_port, struct sockets *found)
{
    if (line->state == STATE_LISTEN && line->local_port != own_port && found->listener_count < LISTENERS) {
        found->listeners[found->listener_count].address = line->local;
        found->listeners[found->listener_count].port = line->local_port;
        found->listener_count++;
    }
    /* A program in the container that asks the app at the container's own address is no user either. */
    if (line->state == STATE_ESTABLISHED && line->local_port == port && !address_loopback(&line->peer) &&
        !address_equal(&line->peer, &line->local)) {
        found->connections++;
    }
}

/* 1 = read, 0 = there is none, -1 = it cannot be read. */
static int look_at(const char *path, int port, int own_port, struct sockets *found)
{
    static char bytes[CHUNK + 1];
    size_t kept = 0;
    ssize_t got;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return errno == ENOENT ? 0 : -1;
    while ((got = read(file, bytes + kept, CHUNK - kept)) > 0) {
        size_t length = kept + (size_t)got;
        char *line = bytes, *end;
        while ((end = memchr(line, '\n', length - (size_t)(line - bytes))) != NULL) {
            struct socket_line read_line;
            *end = '\0';
            if (sockets_line(line, &read_line)) add(&read_line, port, own_port, found);
            line = end + 1;
        }
        kept = length - (size_t)(line - bytes);
        /* A line is shorter than 200 bytes: one that fills the buffer is none. */
        if (kept == CHUNK) kept = 0;
        memmove(bytes, line, kept);
    }
    close(file);
    return got < 0 ? -1 : 1;
}

bool sockets_look(int port, int own_port, struct sockets *found)
{
    memset(found, 0, sizeof *found);
    int four = look_at("/proc/self/net/tcp", port, own_port, found);
    int six = look_at("/proc/self/net/tcp6", port, own_port, found);
    return four > 0 && six >= 0;
}
