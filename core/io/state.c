/* state: state.json, replaced as a whole. `complete` in it is the only proof that a run has succeeded. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/file.h"
#include "lock.h"

enum { LARGEST = 65536 };

/* JSON text must be UTF-8; a reason may hold a file name that is not. */
static json_t *text(const char *s)
{
    char plain[sizeof ((ba_run_state *)0)->reason];
    json_t *t = json_string(s);
    if (t)
        return t;
    snprintf(plain, sizeof plain, "%s", s);
    for (char *p = plain; *p; p++)
        if (*p & 0x80)
            *p = '?';
    return json_string(plain);
}

int bai_state_write(int dirfd, const char *path, const ba_run_state *s, ba_err *e)
{
    json_t *o = json_pack("{s:i, s:o, s:I, s:I, s:i, s:o, s:I, s:o, s:f, s:f}", "format", 1, "state", text(s->state),
        "epoch", (json_int_t)s->epoch, "step", (json_int_t)s->step, "exit_code", (int)s->exit_code, "reason", text(s->reason),
        "pid", (json_int_t)s->pid, "host", text(s->host), "started", s->started, "updated", s->updated);
    char *all = o ? json_dumps(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15)) : NULL;
    int r = BA_OK;
    if (!all)
        r = ba_fail(e, BA_EMACHINE, "%.200s/state.json: no memory", path);
    else {
        size_t n = strlen(all);
        all[n] = '\n'; /* in the place of the closing zero */
        if (bai_file_put(dirfd, "state.json", all, n + 1))
            r = ba_fail(e, BA_EMACHINE, "%.200s/state.json: %s", path, strerror(errno));
    }
    free(all);
    json_decref(o);
    return r;
}

static void take_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *s = json_string_value(json_object_get(o, key));
    snprintf(out, size, "%s", s ? s : "");
}

static int64_t take_number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static int known_state(const char *s)
{
    return !strcmp(s, "running") || !strcmp(s, "complete") || !strcmp(s, "stopped") || !strcmp(s, "failed");
}

int bai_state_read(int dirfd, const char *path, ba_run_state *out, ba_err *e)
{
    char label[300];
    int64_t size;
    json_error_t why;
    snprintf(label, sizeof label, "%.200s/state.json", path);
    char *all = bai_file_read(dirfd, "state.json", label, LARGEST, &size, e);
    if (!all)
        return BA_EDATA;
    json_t *o = json_loadb(all, (size_t)size, JSON_REJECT_DUPLICATES, &why);
    free(all);
    if (!o)
        return ba_fail(e, BA_EDATA, "%s:%d: %.150s", label, why.line, why.text);
    *out = (ba_run_state){ .epoch = take_number(o, "epoch"), .step = take_number(o, "step"), .pid = take_number(o, "pid"),
        .exit_code = (int32_t)take_number(o, "exit_code"), .started = json_number_value(json_object_get(o, "started")),
        .updated = json_number_value(json_object_get(o, "updated")) };
    take_text(o, "state", out->state, sizeof out->state);
    take_text(o, "host", out->host, sizeof out->host);
    take_text(o, "reason", out->reason, sizeof out->reason);
    json_decref(o);
    return known_state(out->state) ? BA_OK : ba_fail(e, BA_EDATA,
        "%s: state '%s'; running, complete, stopped or failed expected", label, out->state);
}

int ba_run_state_read(const char *path, ba_run_state *out, ba_err *e)
{
    if (!path || !*path || !out)
        return ba_fail(e, BA_EARG, "run: a folder and a place for its state expected");
    int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ba_fail(e, BA_EDATA, "%.300s: %s", path, strerror(errno));
    int r = bai_state_read(dirfd, path, out, e);
    if (!r)
        out->alive = bai_lock_held(dirfd) == 1;
    close(dirfd);
    return r;
}
