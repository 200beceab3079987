/* bauta/system.h: what a program that embeds Bauta has to do with its system: signals and crashes, files, processors, other processes, notices. */
#ifndef BAUTA_SYSTEM_H
#define BAUTA_SYSTEM_H

#include "base.h"

#pragma GCC visibility push(default)
/* cdef begin */
/* ---- signals ---- */
/* SIGINT, SIGTERM, SIGUSR1 and SIGHUP only set a flag from now on; a second SIGINT ends the process with status 130, a second SIGTERM,
 * three seconds or more behind the first, with 143. SIGPIPE and SIGXFSZ are ignored. */
int ba_signal_install(ba_err *e);
int32_t ba_signal_pending(void);                      /* number of the last signal that came, or 0 */
/* From now on a crash ends the process with one line that names the plugin and what it was doing (status 4; 70 when no plugin was at
 * work), a plugin that ends the process likewise, and so does one that is not back after so many seconds (0: it may take any time;
 * opening a data set always may). A run that is open gets the state "failed" and stays resumable. Once in a process. */
int ba_crash_install(int64_t seconds, ba_err *e);

/* ---- files ---- */
/* Puts bytes under a name: complete and flushed, or not at all; an older file stays as it was on failure. */
int ba_file_put(const char *path, const void *data, int64_t bytes, ba_err *e);
/* SHA-256 as 64 hex digits and a zero: of bytes, of a file. */
int ba_digest(const void *data, int64_t bytes, char out[65], ba_err *e);
int ba_file_digest(const char *path, char out[65], ba_err *e);

/* ---- the machine ---- */
int32_t ba_processors(void);                          /* that this process may use (its affinity, not all that there are); at least 1 */

/* ---- other processes (to be used from one thread) ---- */
/* Starts the program argv[0] (a path; the list ends with NULL) with no input and everything it says appended to the file `output`.
 * It gets a process group of its own, and SIGTERM when this process ends. Returns its number. */
int64_t ba_process_start(const char *const *argv, const char *output, ba_err *e);
/* Waits for one of those that were started, at most so many seconds or until another signal came than before. Returns its number, or 0, which it
 * does at once when there is none; *status is its exit status, 128 and the number of the signal that ended it, or 255 when that cannot be known. */
int64_t ba_process_wait(double seconds, int32_t *status, ba_err *e);
int ba_process_signal(int64_t pid, int32_t number, ba_err *e); /* fine when it has ended already, or was not started here */
void ba_nap(double seconds);                          /* sleeps, or until another signal came than before */
/* cdef end */

/* Who hears of what is worth telling before it is over, or beside it ("unpacking x.tar.gz once into ..."): one line each, from any thread. At first
 * nobody does; NULL: nobody any more. For programs in C: Lua's functions cannot be called from here. */
void ba_notice_to(void (*hear)(const char *line));
#pragma GCC visibility pop

#endif
