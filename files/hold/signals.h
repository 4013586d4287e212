/* Names of signals, as Docker writes them in STOPSIGNAL. */
#pragma once

/* The number of SIGQUIT, QUIT, 3 or SIGRTMIN+3; 0 if there is none. */
int signal_number(const char *name);

/* Its name, or its number as text. The text stays valid until the next call. */
const char *signal_text(int number);
