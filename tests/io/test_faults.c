/* test_faults: every file operation of a run's life fails, one after the other: once, from then on, or half way. Whatever was
 * acknowledged is on the disk, every file under a final name is whole, a run that lacks anything is never called
 * complete, every refusal is one line, and the order of writes, flushes and renames is right. */
#include <dirent.h>
#include <errno.h>
#include <hdf5.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "bauta/run.h"
#include "help.h"

static const ba_field fields[] = { { "step", BA_I64, 0, NULL, NULL }, { "x", BA_F64, 0, NULL, NULL } };
static char folder[400];
static ba_store *store;

typedef struct outcome { int64_t rows, saved; int errors, silent,
    complete; } outcome; /* rows, saved: acknowledged; silent: an error without a line */

static int note(outcome *o, int code, const ba_err *e)
{
    if (!code)
        return 0;
    o->errors++;
    o->silent += e->code == BA_OK || !*e->msg || e->code != code;
    return 1;
}

static int save(ba_run *r, int64_t step, ba_err *e)
{
    ba_part part = { "w", store };
    ba_attr v = BA_I("step", step);
    return ba_run_checkpoint(r, step / 10, step, step == 20, 1, &part, 1, &v, e);
}

static int rows(ba_run *r, int64_t t, int64_t from, int64_t to, outcome *o)
{
    ba_err e;
    for (int64_t i = from; i < to; i++) {
        double v[] = { (double)i, 0.5 * (double)i };
        e = (ba_err){ 0 };
        if (note(o, ba_run_row(r, t, v, 2, &e), &e))
            return 1;
        o->rows = i + 1;
        e = (ba_err){ 0 };
        if (note(o, ba_run_tick(r, i / 10, i + 1, &e), &e))
            return 1;
    }
    return 0;
}

/* What a trainer does, and what it does at the first error: one checkpoint, the last words, the end. */
static void life(const char *name, int mode, int64_t until, outcome *o)
{
    ba_err e = { 0 };
    ba_run *r = ba_run_open(folder, name, mode, 65536, &e);
    if (!r) {
        note(o, e.code ? e.code : BA_EBUG, &e);
        return;
    }
    int64_t step = ba_run_resumed(r) ? ba_checkpoint_step(ba_run_resumed(r)) : 0, t = ba_run_stream(r, "train", "", 2, fields,
        &e);
    int bad = t < 0 && note(o, (int)t, &e);
    o->rows = step;
    for (int64_t next; !bad && step < until; step = next) {
        next = step / 10 * 10 + 10;
        bad = rows(r, t, step, next, o);
        if (!bad && !(bad = note(o, save(r, next, &e), &e)))
            o->saved = next;
        if (!bad)
            bad = note(o, ba_run_document(r, "settings", "{}", 2, &e), &e) || note(o, ba_run_snapshot(r, &e), &e);
    }
    if (bad) {
        if (!save(r, o->rows, &e))
            o->saved = o->rows;
        (void)ba_run_finish(r, BA_RUN_FAILED, 5, "disk", &e);
    } else
        o->complete = !note(o, ba_run_finish(r, BA_RUN_COMPLETE, 0, NULL, &e), &e);
    ba_run_free(r);
}

static void check_rows(const char *path, const outcome *o, const char *what, long k)
{
    ba_err e = { 0 };
    ba_log *l = ba_log_open(path, &e);
    int64_t s = l ? ba_log_find(l, "train") : -1, n = s >= 0 ? ba_log_rows(l, s) : 0;
    double v[2];
    CHECK(n >= o->rows && (l || !o->rows), "%s %ld: %lld rows, %lld acknowledged; %s", what, k, (long long)n,
        (long long)o->rows, e.msg);
    CHECK(!l || !ba_log_damaged(l), "%s %ld: damaged", what, k);
    for (int64_t i = 0; i < n; i++)
        if (ba_log_read(l, s, 0, i, 1, v, &e) || ba_log_read(l, s, 1, i, 1, v + 1, &e) || v[0] != (double)i
            || v[1] != 0.5 * (double)i)
            CHECK(0, "%s %ld: row %lld is wrong", what, k, (long long)i);
    ba_log_free(l);
}

/* Everything that has the name of a checkpoint is one, and one is as new as was promised. */
static void check_saved(const char *path, const outcome *o, const char *what, long k)
{
    char file[800];
    ba_err e = { 0 };
    int64_t newest = 0;
    snprintf(file, sizeof file, "%s/checkpoints", path);
    DIR *d = opendir(file);
    for (struct dirent *f; d && (f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (n < 5 || strcmp(f->d_name + n - 5, ".ckpt"))
            continue;
        snprintf(file, sizeof file, "%s/checkpoints/%s", path, f->d_name);
        ba_checkpoint *c = ba_checkpoint_open(file, &e);
        CHECK(c, "%s %ld: %s", what, k, e.msg);
        if (c && ba_checkpoint_step(c) > newest)
            newest = ba_checkpoint_step(c);
        ba_checkpoint_free(c);
    }
    if (d)
        closedir(d);
    CHECK(newest >= o->saved, "%s %ld: the newest checkpoint is of step %lld, %lld was acknowledged", what, k,
        (long long)newest, (long long)o->saved);
}

static void check_hdf5(const char *path, const char *what, long k)
{
    char file[800];
    snprintf(file, sizeof file, "%s/run.h5", path);
    if (file_size(file) < 0)
        return;
    hid_t f = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT), d = f < 0 ? -1 : H5Dopen2(f, "train", H5P_DEFAULT);
    CHECK(d >= 0, "%s %ld: run.h5 does not open", what, k);
    if (d >= 0)
        H5Dclose(d);
    if (f >= 0)
        H5Fclose(f);
}

static void check_state(const char *path, const outcome *o, const char *what, long k)
{
    ba_run_state s = { 0 };
    ba_err e = { 0 };
    int bad = ba_run_state_read(path, &s, &e);
    int complete = !bad && !strcmp(s.state, "complete"), all = o->rows == 30 && o->saved == 30;
    /* the last operation of all may fail when the word is on the disk already; then it is true */
    CHECK(o->complete ? complete : !complete || all, "%s %ld: state '%s'", what, k, s.state);
}

static void check_all(const char *name, const outcome *o, const char *what, long k)
{
    char path[500];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_rows(path, o, what, k);
    check_saved(path, o, what, k);
    check_hdf5(path, what, k);
    check_state(path, o, what, k);
    CHECK(!o->silent, "%s %ld: an error without a line", what, k);
    CHECK(o->errors || o->complete, "%s %ld: neither complete nor an error", what, k);
    remove_tree(path);
}

static const struct { const char *what; enum fault kind; int error, step; } kinds[] = {
    { "no room once, at", FAULT_ONCE, ENOSPC, 1 }, { "I/O error once, at", FAULT_ONCE, EIO, 1 }, { "no room from",
        FAULT_FOREVER, ENOSPC, 1 },
    { "I/O error from", FAULT_FOREVER, EIO, 3 }, { "quota, half a write at", FAULT_TORN, EDQUOT, 1 }, { "interrupted once, at",
        FAULT_ONCE, EINTR, 2 },
};

static long test_new(int i, long *all)
{
    long k = 1, points = 0;
    for (;; k += kinds[i].step, points++) {
        outcome o = { 0 };
        fault_arm(kinds[i].kind, k, kinds[i].error);
        life("new", BA_RUN_NEW, 30, &o);
        long n = fault_disarm();
        check_all("new", &o, kinds[i].what, k);
        if (k > n)
            break;
    }
    *all = k - 1;
    return points;
}

/* The same while a killed run is being resumed; and afterwards, without faults, it is resumed all the same. */
static long test_resume(int i)
{
    char from[450], to[450];
    outcome o = { 0 };
    long k = 1, points = 0;
    snprintf(from, sizeof from, "%s/seed", folder);
    snprintf(to, sizeof to, "%s/res", folder);
    remove_tree(from);
    fault_arm(FAULT_NONE, 0, 0);
    life("seed", BA_RUN_NEW, 20, &o);
    CHECK(o.complete, "seed");
    for (;; k += kinds[i].step + 1, points++) {
        o = (outcome){ 0 };
        copy_tree(from, to);
        fault_arm(kinds[i].kind, k, kinds[i].error);
        life("res", BA_RUN_RESUME, 30, &o);
        long n = fault_disarm();
        if (o.rows < 20) { /* it had not begun: all that was there is there */
            o.rows = o.saved = 20;
            o.complete = !o.errors;
        }
        char path[450];
        snprintf(path, sizeof path, "%s/res", folder);
        check_rows(path, &o, kinds[i].what, k);
        check_saved(path, &o, kinds[i].what, k);
        check_hdf5(path, kinds[i].what, k);
        CHECK(!o.silent && (o.errors || o.complete), "%s %ld", kinds[i].what, k);
        outcome after = { 0 };
        life("res", BA_RUN_RESUME, 30, &after);
        CHECK(after.complete && after.rows == 30, "%s %ld: resumed afterwards: %lld rows", kinds[i].what, k,
            (long long)after.rows);
        check_all("res", &after, "resumed after", k);
        if (k > n)
            break;
    }
    return points;
}

static void test_order(void)
{
    outcome o = { 0 };
    const char *first;
    char path[500];
    order_begin();
    life("order", BA_RUN_NEW, 40, &o);
    life("order", BA_RUN_RESTART, 20, &o);
    life("order", BA_RUN_RESUME, 30, &o);
    long bad = order_end(&first);
    CHECK(!bad && o.complete, "%ld violations, the first: %s", bad, first);
    snprintf(path, sizeof path, "%s/order", folder);
    remove_tree(path);
    check_group("flushed, then renamed, then the folder flushed");
}

int main(void)
{
    int64_t dim[] = { 40, 50 };
    long all = 0, points = 0;
    signal(SIGXFSZ, SIG_IGN);
    store = fake_store();
    ba_store_add(store, "weight", 2, dim, 0, 0.1, 0, NULL);
    snprintf(folder, sizeof folder, "%s", temp_folder("faults"));
    test_order();
    for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++) {
        points += test_new(i, &all);
        check_group(kinds[i].what);
    }
    printf("# %ld file operations in a run, %ld points\n", all, points);
    points = 0;
    for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++)
        points += test_resume(i);
    printf("# %ld points while resuming\n", points);
    check_group("failures while resuming");
    ba_store_free(store);
    return check_done();
}
