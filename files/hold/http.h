/* The requests that hold answers, read from bytes. Pure, and the part that strangers reach: tests/hold/fuzz.c tries it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_REQUEST_MAX = 2048 };

enum http_verdict { HTTP_MORE, HTTP_COMPLETE, HTTP_BAD };
enum http_method { METHOD_GET, METHOD_HEAD, METHOD_OTHER };
enum http_target { TARGET_READY, TARGET_DRAINING, TARGET_STATS, TARGET_OTHER };

struct http_request {
    enum http_method method;
    enum http_target target;
    bool keep_alive;
    size_t length; /* bytes of the request; what follows belongs to the next one */
};

/* Whether the bytes begin with a whole request. A request with a body is a bad one. */
enum http_verdict http_parse(const char *bytes, size_t length, struct http_request *out);

/* The status of an answer's first line (200 to 999); 0 if more bytes are needed, -1 if it is not HTTP.
   Answers as 103, which another one follows, are skipped. */
int http_status(const char *bytes, size_t length);
