/* last_words: the state of a run whose process crashes, written by the signal handler: nothing here allocates, locks or formats with printf.
 * The file is put in place as everywhere else: aside, flushed, renamed. What is damaged inside the process touches only its own memory; the
 * journal and the checkpoints are on the disk already. */
#include "last_words.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/crash.h"
#include "../base/file.h"

enum { ROOM = 1200 };

static const char temporary[] = ".state.json.0000000000000000.tmp"; /* one that a later start sweeps away */

static void number(char *out, int *n, const char *name, int64_t value)
{
    bai_crash_text(out, ROOM, n, "  \"");
    bai_crash_text(out, ROOM, n, name);
    bai_crash_text(out, ROOM, n, "\": ");
    bai_crash_number(out, ROOM, n, value);
    bai_crash_text(out, ROOM, n, ",\n");
}

/* Host names and our own sentences need no escapes; whatever would is replaced. */
static void text(char *out, int *n, const char *name, const char *value)
{
    char plain[320];
    size_t k = 0;
    for (; value[k] && k < sizeof plain - 1; k++)
        plain[k] = value[k] == '"' || value[k] == '\\' || value[k] < ' ' || value[k] > '~' ? '?' : value[k];
    plain[k] = 0;
    bai_crash_text(out, ROOM, n, "  \"");
    bai_crash_text(out, ROOM, n, name);
    bai_crash_text(out, ROOM, n, "\": \"");
    bai_crash_text(out, ROOM, n, plain);
    bai_crash_text(out, ROOM, n, "\",\n");
}

static int compose(char *out, const ba_run_state *s, const char *why, int code)
{
    struct timespec t;
    int n = 0;
    clock_gettime(CLOCK_REALTIME, &t);
    bai_crash_text(out, ROOM, &n, "{\n");
    number(out, &n, "format", 1);
    text(out, &n, "state", "failed");
    number(out, &n, "epoch", s->epoch);
    number(out, &n, "step", s->step);
    number(out, &n, "exit_code", code);
    text(out, &n, "reason", why);
    number(out, &n, "pid", s->pid);
    text(out, &n, "host", s->host);
    number(out, &n, "started", (int64_t)s->started);
    bai_crash_text(out, ROOM, &n, "  \"updated\": ");
    bai_crash_number(out, ROOM, &n, (int64_t)t.tv_sec);
    bai_crash_text(out, ROOM, &n, "\n}\n");
    return n;
}

static void write_state(void *ctx, const char *why, int code)
{
    const ba_run *r = ctx;
    char all[ROOM];
    (void)unlinkat(r->dirfd, ".reserve", 0);
    int n = compose(all, &r->state, why, code);
    int fd = openat(r->dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    int bad = bai_write_all(fd, all, (size_t)n) || fsync(fd);
    if (close(fd) || bad || renameat(r->dirfd, temporary, r->dirfd, "state.json"))
        (void)unlinkat(r->dirfd, temporary, 0);
    else
        (void)fsync(r->dirfd);
}

static ba_run *ours; /* the run that would be written; the last one opened */

void bai_last_words_begin(ba_run *r)
{
    ours = r;
    bai_crash_also(write_state, r, &r->state.step);
}

void bai_last_words_end(ba_run *r)
{
    if (ours != r)
        return;
    bai_crash_also(NULL, NULL, NULL);
    ours = NULL;
}
