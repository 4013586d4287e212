/* Text in and out: numbers of options, and lines for people. */
#pragma once

#include <stdbool.h>

/* Whole numbers without sign or blanks; false leaves *number alone. */
bool text_number(const char *text, long low, long high, long *number);

/* Seconds with at most three decimals, as milliseconds. */
bool text_seconds(const char *text, long *milliseconds);

/* One line on stderr in one write, so that it is not mixed with lines of the app. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "what: got X, want Y (fix: ...)". X is shortened and made printable. */
void say_wrong(const char *what, const char *got, const char *want, const char *fix);
