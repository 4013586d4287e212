#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 512, SHOWN = 60, MAX_SECONDS = 86400 };

bool text_number(const char *text, long low, long high, long *number)
{
    if (text == NULL || *text == '\0' || strlen(text) > 9) return false;
    long value = 0;
    for (const char *digit = text; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') return false;
        value = value * 10 + (*digit - '0');
    }
    if (value < low || value > high) return false;
    *number = value;
    return true;
}

bool text_seconds(const char *text, long *milliseconds)
{
    char whole[16];
    if (text == NULL) return false;
    const char *point = strchr(text, '.');
    size_t length = point != NULL ? (size_t)(point - text) : strlen(text);
    if (length >= sizeof whole) return false;
    memcpy(whole, text, length);
    whole[length] = '\0';

    long seconds, parts = 0;
    if (!text_number(whole, 0, MAX_SECONDS, &seconds)) return false;
    if (point != NULL) {
        size_t digits = strlen(point + 1);
        if (digits > 3 || !text_number(point + 1, 0, 999, &parts)) return false;
        for (; digits < 3; digits++) parts *= 10;
    }
    *milliseconds = seconds * 1000 + parts;
    return true;
}

void say(const char *format, ...)
{
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    if (length > LINE - 2) length = LINE - 2;
    line[length] = '\n';
    /* There is nowhere to say that stderr is closed. */
    ssize_t written = write(STDERR_FILENO, line, (size_t)length + 1);
    (void)written;
}

void say_wrong(const char *what, const char *got, const char *want, const char *fix)
{
    char shown[SHOWN + 4];
    size_t length = 0;
    if (got == NULL) got = "nothing";
    for (; *got != '\0' && length < SHOWN; got++) shown[length++] = *got >= ' ' && *got <= '~' ? *got : '?';
    if (*got != '\0') {
        memcpy(shown + length, "...", 3);
        length += 3;
    }
    shown[length] = '\0';
    say("hold: %s: got %s, want %s (fix: %s)", what, shown, want, fix);
}
