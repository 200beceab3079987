/* test_power: the power goes after every file operation of a run's life, in several ways each. Rows that were flushed and
 * checkpoints that were acknowledged are there, no row is wrong, everything under a final name is whole, and the run resumes. */
#include <dirent.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "bauta/run.h"
#include "help.h"
#include "replay.h"

static const ba_field fields[] = { { "step", BA_I64, 0, NULL, NULL }, { "x", BA_F64, 0, NULL, NULL } };
static ba_store *store;
static char folder[400], cut[450];
static long lost, wrong, broken, stuck;

static double x_of(double step) { return 1 / (step + 2); }

static void session(int mode, int64_t until)
{
    ba_err e = { 0 };
    ba_run *r = ba_run_open(folder, "r", mode, 0, &e);
    CHECK(r, "%s", e.msg);
    int64_t step = ba_run_resumed(r) ? ba_checkpoint_step(ba_run_resumed(r)) : 0, saved = step, t = ba_run_stream(r, "train",
        "", 2, fields, &e);
    ba_part part = { "w", store };
    for (int bad = 0; !bad && step < until;) {
        double v[] = { (double)step, x_of((double)step) };
        bad = ba_run_row(r, t, v, 2, &e);
        step++;
        if (!bad && step % 17 == 0 && !(bad = ba_run_sync(r, &e)))
            replay_promise(step, saved);
        if (!bad && step % 40 == 0 && !(bad = ba_run_checkpoint(r, step / 40, step, step == 80, 1, &part, 0, NULL, &e)))
            replay_promise(step, saved = step);
        if (!bad && step % 60 == 0)
            bad = ba_run_snapshot(r, &e);
        CHECK(!bad, "%s", e.msg);
    }
    CHECK(!ba_run_finish(r, BA_RUN_STOPPED, 85, "enough", &e), "%s", e.msg);
    replay_promise(step, saved);
    ba_run_free(r);
}

/* Rows in order and right; at least `least`, and the first `least` without a gap. */
static void look_at_rows(const char *path, int64_t least)
{
    double v[2], last = -1;
    ba_log *l = ba_log_open(path, NULL);
    int64_t s = ba_log_find(l, "train"), n = s < 0 ? 0 : ba_log_rows(l, s);
    lost += n < least;
    for (int64_t i = 0; i < n; i++) {
        if (ba_log_read(l, s, 0, i, 1, v, NULL) || ba_log_read(l, s, 1, i, 1, v + 1, NULL) || v[0] <= last || v[1] != x_of(v[0]))
            wrong++;
        lost += i < least && v[0] != (double)i;
        last = v[0];
    }
    ba_log_free(l);
}

static void look_at_files(int64_t saved)
{
    char path[800];
    ba_run_state state;
    int64_t newest = 0;
    snprintf(path, sizeof path, "%s/r/checkpoints", cut);
    DIR *d = opendir(path);
    for (struct dirent *f; d && (f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (n < 5 || strcmp(f->d_name + n - 5, ".ckpt"))
            continue;
        snprintf(path, sizeof path, "%s/r/checkpoints/%s", cut, f->d_name);
        ba_checkpoint *c = ba_checkpoint_open(path, NULL);
        broken += !c;
        if (c && ba_checkpoint_step(c) > newest)
            newest = ba_checkpoint_step(c);
        ba_checkpoint_free(c);
    }
    if (d)
        closedir(d);
    lost += newest < saved;
    snprintf(path, sizeof path, "%s/r/state.json", cut);
    if (file_size(path) >= 0) {
        snprintf(path, sizeof path, "%s/r", cut);
        broken += ba_run_state_read(path, &state, NULL) != 0;
    }
    snprintf(path, sizeof path, "%s/r/run.h5", cut);
    if (file_size(path) >= 0) {
        hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
        broken += f < 0;
        if (f >= 0)
            H5Fclose(f);
    }
}

static void power_cut(long n, int64_t page, uint64_t seed)
{
    int64_t rows, saved;
    char path[500];
    ba_err e = { 0 };
    replay_promised(n, &rows, &saved);
    replay_build(n, page, seed, cut);
    snprintf(path, sizeof path, "%s/r", cut);
    look_at_rows(path, rows);
    look_at_files(saved);
    if (saved) {
        ba_run *r = ba_run_open(cut, "r", BA_RUN_RESUME, 0, &e);
        stuck += !r;
        if (!r)
            printf("# after operation %ld: %s\n", n, e.msg);
        int64_t step = r ? ba_checkpoint_step(ba_run_resumed(r)) : 0;
        ba_run_free(r);
        look_at_rows(path, step);
    }
    remove_tree(cut);
}

int main(void)
{
    int64_t dim[] = { 50, 60 };
    uint64_t seed = 31;
    long cases = 0;
    store = fake_store();
    ba_store_add(store, "weight", 2, dim, 0, 0.1, 0, NULL);
    snprintf(folder, sizeof folder, "%s", temp_folder("power"));
    snprintf(cut, sizeof cut, "%s.cut", folder);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    replay_begin(folder);
    session(BA_RUN_NEW, 130);
    replay_promise(120, 120); /* what a resume goes on from */
    session(BA_RUN_RESUME, 210);
    replay_promise(0, 0); /* thrown away on demand */
    session(BA_RUN_RESTART, 90);
    long all = replay_end();
    for (long n = 0; n <= all; n++) {
        power_cut(n, 4096, noise(&seed));
        power_cut(n, 512, noise(&seed));
        power_cut(n, n % 2 ? 4096 : 512, noise(&seed));
        cases += 3;
    }
    CHECK(!lost, "%ld times something promised was lost", lost);
    CHECK(!wrong, "%ld wrong rows", wrong);
    CHECK(!broken, "%ld broken files under final names", broken);
    CHECK(!stuck, "%ld times no resume", stuck);
    printf("# %ld operations, %ld power cuts\n", all, cases);
    ba_store_free(store);
    check_group("power cuts");
    return check_done();
}
