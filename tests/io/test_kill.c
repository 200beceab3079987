/* test_kill: a process that logs and saves at full speed is killed, at random moments and at random file operations (half way
 * through a write, too). Nothing it had acknowledged is lost, nothing that is read is wrong, the newest checkpoint opens, and it
 * goes on from there as if nothing had happened. Several hundred kills. */
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "bauta/run.h"
#include "help.h"

enum { EVERY = 40, LIVES = 12, FOLDERS = 14 };

static const ba_field fields[] = { { "step", BA_I64, 0, NULL, NULL }, { "x", BA_F64, 0, NULL, NULL }, { "y", BA_F64, 0, NULL,
    NULL } };
static char folder[400], path[500];

static double x_of(int64_t step) { return 1.0 / (double)(step + 3); }

static void tell(int fd, int64_t what)
{
    if (write(fd, &what, sizeof what) != sizeof what)
        _exit(3);
}

/* The victim. Tells every row it has logged (step + 1) and every checkpoint it has made (-step). */
static void live(int fd, long kill_at, ba_store *s)
{
    ba_err e = { 0 };
    if (kill_at)
        fault_arm(FAULT_KILL, kill_at, 0);
    ba_run *r = ba_run_open(folder, "r", BA_RUN_RESUME, 65536, &e);
    if (!r && e.code == BA_ERESUME)
        r = ba_run_open(folder, "r", BA_RUN_RESTART, 65536, &e);
    if (!r) {
        fprintf(stderr, "%s\n", e.msg);
        _exit(4);
    }
    int64_t step = ba_run_resumed(r) ? ba_checkpoint_step(ba_run_resumed(r)) : 0, t = ba_run_stream(r, "train", "", 3, fields,
        &e);
    ba_part part = { "w", s };
    fault_disarm();
    tell(fd, INT64_MAX); /* what was there may be shorter now, by the rows behind the checkpoint */
    if (kill_at)
        fault_arm(FAULT_KILL, 1 + kill_at * 7, 0);
    for (;; step++) {
        double row[] = { (double)step, x_of(step), (double)(step % 10) };
        if (ba_run_row(r, t, row, 3, &e))
            _exit(5);
        tell(fd, step + 1);
        if (step % EVERY == EVERY - 1) {
            ba_attr v = BA_I("step", step + 1);
            if (ba_run_checkpoint(r, (step + 1) / EVERY, step + 1, step % (3 * EVERY) == EVERY - 1, 1, &part, 1, &v, &e))
                _exit(6);
            tell(fd, -(step + 1));
        }
        if (step % (5 * EVERY) == EVERY && ba_run_snapshot(r, &e))
            _exit(7);
    }
}

typedef struct told { int64_t rows, saved; int begun; } told;

static void hear(int fd, told *t)
{
    int64_t what;
    while (read(fd, &what, sizeof what) == sizeof what) {
        if (what == INT64_MAX) {
            t->begun = 1;
            t->rows = t->saved;
        } else if (what > 0)
            t->rows = what;
        else
            t->saved = -what;
    }
}

static long damaged, wrong, lost, unreadable, older;

static void check_rows(told *t)
{
    ba_err e = { 0 };
    ba_log *l = ba_log_open(path, &e);
    int64_t s = l ? ba_log_find(l, "train") : -1, n = s >= 0 ? ba_log_rows(l, s) : 0;
    if (!l && (t->rows || t->begun))
        unreadable++;
    if (!t->begun && n < t->rows) /* killed while resuming: what lies behind the checkpoint is made again */
        t->rows = n > t->saved ? n : t->saved;
    lost += n < t->rows;
    if (l)
        damaged += ba_log_damaged(l) != 0;
    for (int64_t i = 0; i < n; i++) {
        double v[3];
        for (int c = 0; c < 3; c++)
            if (ba_log_read(l, s, c, i, 1, v + c, &e))
                wrong++;
        wrong += v[0] != (double)i || v[1] != x_of(i) || v[2] != (double)(i % 10);
    }
    ba_log_free(l);
}

static void check_saved(const told *t)
{
    char file[600];
    ba_err e = { 0 };
    snprintf(file, sizeof file, "%s/checkpoints/last", path);
    ba_checkpoint *c = ba_checkpoint_open(file, &e);
    if (!c && t->saved)
        unreadable++;
    if (c)
        older += ba_checkpoint_step(c) < t->saved;
    ba_checkpoint_free(c);
    snprintf(file, sizeof file, "%s/run.h5", path);
    if (file_size(file) < 0)
        return;
    hid_t f = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT), d = f < 0 ? -1 : H5Dopen2(f, "train", H5P_DEFAULT);
    unreadable += d < 0;
    if (d >= 0)
        H5Dclose(d);
    if (f >= 0)
        H5Fclose(f);
}

/* One life and its end. Returns whether it had come to log anything. */
static void one_life(uint64_t *seed, told *t, ba_store *s, int by_operation)
{
    int p[2], status = 0;
    if (pipe(p)) {
        perror("pipe");
        exit(1);
    }
    long at = by_operation ? 1 + (long)(noise(seed) % (noise(seed) % 2 ? 40 : 400)) : 0;
    pid_t child = fork();
    if (!child) {
        close(p[0]);
        live(p[1], at, s);
    }
    close(p[1]);
    if (!by_operation) {
        usleep((useconds_t)(300 + noise(seed) % 12000));
        kill(child, SIGKILL);
    }
    t->begun = 0;
    hear(p[0], t);
    close(p[0]);
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the victim ended by itself: %x", status);
    check_rows(t);
    check_saved(t);
}

int main(void)
{
    uint64_t seed = 20260726;
    ba_err e = { 0 };
    int64_t dim[] = { 16, 16 }, steps = 0;
    ba_store *s = fake_store();
    ba_store_add(s, "weight", 2, dim, 0, 0.1, 0, NULL);
    snprintf(folder, sizeof folder, "%s", temp_folder("kill"));
    snprintf(path, sizeof path, "%s/r", folder);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (int f = 0; f < FOLDERS; f++) {
        told t = { 0 };
        remove_tree(path);
        for (int i = 0; i < 2 * LIVES; i++)
            one_life(&seed, &t, s, i % 2);
        steps += t.rows;
        ba_run *r = ba_run_open(folder, "r", BA_RUN_RESUME, 0, &e);
        CHECK(r && !ba_run_finish(r, BA_RUN_COMPLETE, 0, NULL, &e), "after %d kills: %s", 2 * LIVES, e.msg);
        ba_run_free(r);
    }
    CHECK(!lost, "%ld times acknowledged rows were lost", lost);
    CHECK(!wrong, "%ld wrong rows", wrong);
    CHECK(!unreadable, "%ld unreadable files", unreadable);
    CHECK(!older, "%ld times the last checkpoint was older than an acknowledged one", older);
    CHECK(!damaged, "%ld journals with damage", damaged);
    printf("# %d kills, %lld steps\n", 2 * LIVES * FOLDERS, (long long)steps);
    ba_store_free(s);
    check_group("kills");
    return check_done();
}
