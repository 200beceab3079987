/* test_full: disks that are really full: a small file system in memory, and a limit on the size of files. All that was
 * acknowledged is kept, the run says so, saves once more into its reserve, and ends with one line. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "bauta/run.h"
#include "help.h"

static const ba_field fields[] = { { "step", BA_I64, 0, NULL, NULL }, { "x", BA_F64, 0, NULL, NULL } };

/* Logs until something fails, then does what a trainer does; the rows are counted and everything is looked at again. */
static void fill(const char *folder, int64_t reserve, int expect_saved)
{
    char path[500];
    int64_t dim[] = { 100, 100 }, done = 0;
    ba_err e = { 0 }, last = { 0 };
    ba_run_state state;
    ba_store *s = fake_store();
    ba_store_add(s, "w", 2, dim, 0, 1, 0, NULL);
    ba_part part = { "w", s };
    ba_run *r = ba_run_open(folder, "r", BA_RUN_NEW, reserve, &e);
    CHECK(r, "%s", e.msg);
    int64_t t = ba_run_stream(r, "train", "", 2, fields, &e);
    CHECK(!ba_run_checkpoint(r, 0, 0, 0, 1, &part, 0, NULL, &e), "%s", e.msg);
    for (; done < 1000000; done++) {
        double v[] = { (double)done, 1.0 / (double)(done + 1) };
        if (ba_run_row(r, t, v, 2, &e))
            break;
        if (ba_run_tick(r, 0, done + 1, &e) < 0) {
            done++;
            break;
        }
    }
    CHECK(e.code == BA_EMACHINE && strstr(e.msg, "journal.bin: writing "), "%s", e.msg);
    printf("# %lld rows: %s\n", (long long)done, e.msg);
    int bad = ba_run_checkpoint(r, 0, done, 0, 1, &part, 0, NULL, &last);
    CHECK(expect_saved ? !bad : 1, "the last checkpoint: %s", last.msg);
    bad = ba_run_finish(r, BA_RUN_FAILED, 5, e.msg, &last);
    CHECK(!bad || *last.msg, "%s", last.msg);
    ba_run_free(r);
    snprintf(path, sizeof path, "%s/r", folder);
    CHECK(!expect_saved || (!ba_run_state_read(path, &state, &e) && !strcmp(state.state, "failed") && state.exit_code == 5),
        "%s", e.msg);
    ba_log *l = ba_log_open(path, &e);
    int64_t rows = ba_log_rows(l, ba_log_find(l, "train"));
    CHECK(rows == done && !ba_log_damaged(l) && !ba_log_torn(l), "%lld of %lld rows", (long long)rows, (long long)done);
    ba_log_free(l);
    snprintf(path, sizeof path, "%s/r/checkpoints/last", folder);
    ba_checkpoint *c = ba_checkpoint_open(path, &e);
    CHECK(c && (!expect_saved || ba_checkpoint_step(c) == done), "%s", e.msg);
    ba_checkpoint_free(c);
    ba_store_free(s);
}

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int bad = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return bad;
}

/* A file system of its own for this process; 0 when the machine allows it. */
static int mount_small(const char *at, const char *size)
{
    char map[40];
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWNS)) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
            return -1;
        snprintf(map, sizeof map, "0 %u 1", uid);
        (void)write_text("/proc/self/setgroups", "deny");
        if (write_text("/proc/self/uid_map", map))
            return -1;
        snprintf(map, sizeof map, "0 %u 1", gid);
        if (write_text("/proc/self/gid_map", map))
            return -1;
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return -1;
    return mount("none", at, "tmpfs", 0, size);
}

/* In a child, since the file system must not be seen by anybody else. */
static void test_small_disk(const char *folder)
{
    int status = 0;
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        check_passed = check_failed = 0;
        if (mount_small(folder, "size=1536k"))
            _exit(77);
        fill(folder, 512 << 10, 1);
        fflush(stdout);
        umount2(folder, MNT_DETACH);
        _exit(check_failed != 0 || !check_passed);
    }
    CHECK(waitpid(p, &status, 0) == p && WIFEXITED(status), "status %x", status);
    if (WEXITSTATUS(status) == 77)
        check_skip("a small file system", "this machine does not let us mount one");
    else
        CHECK(!WEXITSTATUS(status), "see above");
    check_group("a file system that is full");
}

static void test_size_limit(const char *folder)
{
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 100000;
    setrlimit(RLIMIT_FSIZE, &small);
    fill(folder, 0, 0);
    setrlimit(RLIMIT_FSIZE, &old);
    check_group("a limit on the size of files");
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    test_small_disk(temp_folder("small"));
    test_size_limit(temp_folder("limit"));
    return check_done();
}
