#include "http.h"

#include <string.h>
#include <strings.h>

struct part {
    const char *at;
    size_t length;
};

static bool equals(struct part part, const char *text)
{
    return part.length == strlen(text) && strncasecmp(part.at, text, part.length) == 0;
}

static struct part trimmed(struct part part)
{
    while (part.length > 0 && (part.at[0] == ' ' || part.at[0] == '\t')) {
        part.at++;
        part.length--;
    }
    while (part.length > 0 && (part.at[part.length - 1] == ' ' || part.at[part.length - 1] == '\t')) part.length--;
    return part;
}

/* Cuts off what is before the separator; without one, all that is left. */
static struct part next_part(struct part *rest, const char *separator, size_t size)
{
    const char *end = memmem(rest->at, rest->length, separator, size);
    struct part first = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->length};
    size_t used = end != NULL ? first.length + size : rest->length;
    rest->at += used;
    rest->length -= used;
    return first;
}

/* Refuses garbage at its first byte, before an end of its head that may never come. */
static bool plausible(const char *bytes, size_t length)
{
    if (length > 0 && (bytes[0] < 'A' || bytes[0] > 'Z')) return false;
    for (size_t at = 0; at < length; at++) {
        unsigned char byte = (unsigned char)bytes[at];
        if (byte == '\n' && (at == 0 || bytes[at - 1] != '\r')) return false;
        if (byte != '\n' && at > 0 && bytes[at - 1] == '\r') return false;
        if (byte < ' ' && byte != '\r' && byte != '\n' && byte != '\t') return false;
        if (byte == 0x7f) return false;
    }
    return true;
}

static bool request_line(struct part line, struct http_request *out, bool *old)
{
    struct part method = next_part(&line, " ", 1);
    struct part target = next_part(&line, " ", 1);
    if (method.length == 0 || target.length == 0 || line.length != 8) return false;
    if (memcmp(line.at, "HTTP/1.", 7) != 0 || (line.at[7] != '0' && line.at[7] != '1')) return false;
    *old = line.at[7] == '0';
    for (size_t at = 0; at < method.length; at++) {
        if (method.at[at] < 'A' || method.at[at] > 'Z') return false;
    }
    out->method = equals(method, "GET") ? METHOD_GET : equals(method, "HEAD") ? METHOD_HEAD : METHOD_OTHER;
    struct part path = next_part(&target, "?", 1);
    out->target = TARGET_OTHER;
    static const char *const paths[] = {[TARGET_READY] = "/ready", [TARGET_DRAINING] = "/draining", [TARGET_STATS] = "/stats"};
    for (size_t at = 0; at < TARGET_OTHER; at++) {
        if (path.length == strlen(paths[at]) && memcmp(path.at, paths[at], path.length) == 0) out->target = (enum http_target)at;
    }
    return true;
}

static bool header_line(struct part line, struct http_request *out)
{
    const char *colon = memchr(line.at, ':', line.length);
    if (colon == NULL || colon == line.at) return false;
    struct part name = next_part(&line, ":", 1);
    /* A blank in a name, or before it, is how requests are smuggled. */
    if (memchr(name.at, ' ', name.length) != NULL || memchr(name.at, '\t', name.length) != NULL) return false;
    struct part value = trimmed(line);
    if (equals(name, "transfer-encoding")) return false;
    if (equals(name, "content-length") && !equals(value, "0")) return false;
    if (!equals(name, "connection")) return true;
    while (value.length > 0) {
        struct part token = trimmed(next_part(&value, ",", 1));
        if (equals(token, "close")) out->keep_alive = false;
        if (equals(token, "keep-alive")) out->keep_alive = true;
    }
    return true;
}

enum http_verdict http_parse(const char *bytes, size_t length, struct http_request *out)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    size_t head = end != NULL ? (size_t)(end - bytes) + 4 : length;
    if (!plausible(bytes, head)) return HTTP_BAD;
    if (end == NULL) return HTTP_MORE;

    struct part rest = {bytes, head - 4};
    bool old;
    if (!request_line(next_part(&rest, "\r\n", 2), out, &old)) return HTTP_BAD;
    out->keep_alive = !old;
    out->length = head;
    while (rest.length > 0) {
        if (!header_line(next_part(&rest, "\r\n", 2), out)) return HTTP_BAD;
    }
    return HTTP_COMPLETE;
}

int http_status(const char *bytes, size_t length)
{
    static const char start[] = "HTTP/1.";
    for (;;) {
        size_t known = length < 7 ? length : 7;
        if (memcmp(bytes, start, known) != 0) return -1;
        if (length < 13) return 0;
        int status = 0;
        for (int at = 9; at < 12; at++) {
            if (bytes[at] < '0' || bytes[at] > '9') return -1;
            status = status * 10 + (bytes[at] - '0');
        }
        if (bytes[8] != ' ' || (bytes[12] != ' ' && bytes[12] != '\r' && bytes[12] != '\n') || status < 100) return -1;
        if (status >= 200) return status;
        const char *end = memmem(bytes, length, "\r\n\r\n", 4);
        if (end == NULL) return 0;
        length -= (size_t)(end - bytes) + 4;
        bytes = end + 4;
    }
}
