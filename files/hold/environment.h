/* The file with the app's secret variables. Read by the app's process, so that hold never has them in its memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Adds NAME=value of the file to the environment; a name that is there already gets the new value.
   Returns false after a line that says what is wrong. A value is never printed. */
bool environment_load(const char *path, bool required);

/* The same with the file's content, of that length; text[length] must be writable. */
bool environment_add(const char *path, char *text, size_t length, int (*add)(char *pair));
