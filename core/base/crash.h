/* crash: code of plugins may crash, hang or leave. What each thread is doing in which plugin is noted here, so that the last words of the
 * process can say it: one line, the run's state, an exit status. */
#ifndef BAI_CRASH_H
#define BAI_CRASH_H

#include <stdint.h>

typedef struct bai_note { const char *name, *what; int64_t item, since; } bai_note;

/* Around every call into a plugin, on the calling thread. name must live as long as the process (a descriptor's); what: "score", "read of
 * sample"; item: a number after it, or -1. patient: the call may take as long as it likes (opening a data set). Calls may nest: enter returns
 * what was noted before, leave puts it back. */
bai_note bai_crash_enter(const char *name, const char *what, int64_t item, int patient);
void bai_crash_leave(bai_note before);

/* What else is to be done when the process must end, in a signal handler: only what may be done there. why: the sentence; code: the exit
 * status. at: the step that the sentence names. also NULL: nothing. */
typedef void bai_last_words(void *ctx, const char *why, int code);
void bai_crash_also(bai_last_words *also, void *ctx, const int64_t *at);

/* Building texts in a signal handler. Append at *used, never beyond size; the text ends with a zero. */
void bai_crash_text(char *out, int size, int *used, const char *text);
void bai_crash_number(char *out, int size, int *used, int64_t number);

#endif
