#include "environment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

enum { FILE_MAX = 1024 * 1024 };

static bool named(const char *pair)
{
    size_t length = strcspn(pair, "=");
    if (length == 0 || pair[length] != '=' || (*pair >= '0' && *pair <= '9')) return false;
    return strspn(pair, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

bool environment_add(const char *path, char *text, size_t length, int (*add)(char *pair))
{
    /* With a NUL after each entry a value may hold line ends; written by people, an entry is a line. */
    bool lines = memchr(text, '\0', length) == NULL;
    char *end = text + length;
    int entry = 0;
    *end = '\0';
    for (char *pair = text, *next; pair < end; pair = next) {
        char *stop = memchr(pair, lines ? '\n' : '\0', (size_t)(end - pair));
        if (stop == NULL) stop = end;
        *stop = '\0';
        next = stop + 1;
        entry++;
        if (lines && (*pair == '\0' || *pair == '#')) continue;
        if (!named(pair)) {
            char got[64];
            snprintf(got, sizeof got, "%s %d without a name before =", lines ? "line" : "entry", entry);
            say_wrong(path, got, "NAME=value", "mend the file; values with line ends need a NUL after each entry");
            return false;
        }
        if (add(pair) != 0) {
            say_wrong(path, strerror(errno), "memory for its variables", "give the node more memory");
            return false;
        }
    }
    return true;
}

static int put(char *pair)
{
    return putenv(pair);
}

bool environment_load(const char *path, bool required)
{
    struct stat found;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT && !required) return true;
    if (file < 0 || fstat(file, &found) != 0 || !S_ISREG(found.st_mode)) {
        say_wrong(path, file < 0 ? strerror(errno) : "no regular file", "a file that the app's user can read",
                  "mount it, or leave out --environment-file");
        return false;
    }
    /* The entries stay where they are, because the environment points to them. */
    char *text = malloc(FILE_MAX + 1);
    size_t length = 0;
    ssize_t got = -1;
    while (text != NULL && length < FILE_MAX && (got = read(file, text + length, FILE_MAX - length)) > 0) {
        length += (size_t)got;
    }
    close(file);
    if (text == NULL || got < 0 || length == FILE_MAX) {
        say_wrong(path, text != NULL && got >= 0 ? "1 MiB or more" : strerror(errno), "a smaller file", "shorten it");
        return false;
    }
    return environment_add(path, text, length, put);
}
