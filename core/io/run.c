/* run: opening a run's folder (lock, mode, clearing up, going on from a checkpoint) and its last words. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bauta/system.h"
#include "last_words.h"

enum { PARTS = 8 };

static const char *const endings[] = { "complete", "stopped", "failed" };

void bai_run_notice(ba_run *r, const char *line)
{
    size_t at = strlen(r->notice);
    if (at + strlen(line) + 2 < sizeof r->notice)
        snprintf(r->notice + at, sizeof r->notice - at, "%s%s", at ? "\n" : "", line);
}

/* ---- folders ---- */

static int judge_name(const char *name, ba_err *e)
{
    int parts = 0;
    for (const char *p = name; p; parts++) {
        char part[80];
        size_t n = strcspn(p, "/");
        if (n < 1 || n > 63)
            return ba_fail(e, BA_EARG, "run name '%.200s': parts of 1 to 63 characters expected", name);
        memcpy(part, p, n);
        part[n] = 0;
        if (part[0] == '.' || !bai_is_name(part, "._-", 63))
            return ba_fail(e, BA_EARG, "run name '%.200s': letters, digits, . _ - in each part expected, no dot in front", name);
        p = p[n] ? p + n + 1 : NULL;
    }
    return parts <= PARTS ? BA_OK : ba_fail(e, BA_EARG, "run name '%.200s': %d parts; at most %d expected", name, parts, PARTS);
}

/* Walks down a path, making what is missing; a descriptor of the last folder or a negative code. */
static int walk(const char *path, ba_err *e)
{
    int at = open(*path == '/' ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;
    for (const char *p = path; at >= 0 && *p;) {
        char part[NAME_MAX + 1];
        size_t n = strcspn(p, "/");
        if (n > NAME_MAX) {
            close(at);
            return ba_fail(e, BA_EARG, "%.300s: %s", path, strerror(ENAMETOOLONG));
        }
        memcpy(part, p, n);
        part[n] = 0;
        p += n + (p[n] == '/');
        if (!n)
            continue;
        next = openat(at, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (next < 0 && errno == ENOENT && !bai_folder_make(at, part))
            next = openat(at, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int why = errno;
        close(at);
        errno = why;
        at = next;
    }
    return at >= 0 ? at : ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(errno));
}

/* Removes what a killed process has left: names that only bai_put_begin makes. The lock is ours, so nobody else needs them. */
static void sweep(int dirfd)
{
    int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (struct dirent *f; (f = readdir(d));)
        if (bai_is_temporary(f->d_name))
            (void)unlinkat(dirfd, f->d_name, 0);
    closedir(d);
}

static int exists(int dirfd, const char *name)
{
    struct stat st;
    return !fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW);
}

/* ---- the three ways in ---- */

static int make_journal(ba_run *r, const char *label, ba_err *e)
{
    uint64_t id;
    if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
        return ba_fail(e, BA_EMACHINE, "%.300s: no random number to be had", r->path);
    return bai_journal_create(r->dirfd, "journal.bin", label, id, e);
}

static int begin_new(ba_run *r, const char *label, ba_err *e)
{
    ba_run_state s = { .state = "unknown" };
    if (!exists(r->dirfd, "journal.bin"))
        return make_journal(r, label, e);
    (void)bai_state_read(r->dirfd, r->path, &s, NULL);
    return ba_fail(e, BA_ERESUME, "%.200s: holds a run already (%s, epoch %lld, step %lld); "
        "continue it with --resume or begin again with --restart",
        r->path, s.state, (long long)s.epoch, (long long)s.step);
}

/* The new journal comes first: its id makes all that is older worthless, should we be killed in between. */
static int begin_again(ba_run *r, const char *label, ba_err *e)
{
    int bad = make_journal(r, label, e);
    if (!bad && unlinkat(r->dirfd, "run.h5", 0) && errno != ENOENT)
        bad = ba_fail(e, BA_EMACHINE, "%.300s/run.h5: %s", r->path, strerror(errno));
    return bad ? bad : bai_save_clear(r, e);
}

static int go_on(ba_run *r, const char *label, ba_err *e)
{
    ba_run_state s = { .state = "unknown" };
    if (!exists(r->dirfd, "journal.bin"))
        return ba_fail(e, BA_ERESUME, "%.300s: holds no run to resume", r->path);
    bai_reader *old = bai_reader_open(r->dirfd, "journal.bin", label, e);
    if (!old)
        return e->code;
    uint64_t id = bai_reader_id(old);
    bai_reader_free(old);
    if (!bai_state_read(r->dirfd, r->path, &s, NULL) && !strcmp(s.state, "running"))
        bai_run_notice(r, "the previous start ended without a word (killed?)");
    int bad = bai_save_find(r, id, e);
    if (bad)
        return bad;
    const bai_block *b = bai_checkpoint_block(r->resumed);
    r->state.epoch = b->epoch;
    r->state.step = b->step;
    return bai_journal_cut(r->dirfd, "journal.bin", label, b->records, e);
}

static int take_reserve(ba_run *r, int64_t bytes, ba_err *e)
{
    (void)unlinkat(r->dirfd, ".reserve", 0);
    if (!bytes)
        return BA_OK;
    int fd = openat(r->dirfd, ".reserve", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int why = fd < 0 ? errno : posix_fallocate(fd, 0, (off_t)bytes);
    if (fd >= 0 && close(fd) && !why)
        why = errno;
    r->reserve = fd >= 0;
    if (!why)
        return BA_OK;
    bai_run_make_room(r);
    return ba_fail(e, BA_EMACHINE, "%.300s: no room for the %lld bytes kept for a last checkpoint: %s", r->path,
        (long long)bytes, strerror(why));
}

static int begin_events(ba_run *r, int32_t mode, ba_err *e)
{
    static const ba_field fields[] = {
        { "time", BA_F64, 0, "s", "seconds since 1970" }, { "epoch", BA_I64, 0, NULL, "whole epochs done" }, { "step", BA_I64,
            0, NULL, "steps done" },
        { "kind", BA_STR, 15, NULL, "what kind of event" }, { "text", BA_STR, 240, NULL, "in words" },
    };
    r->events = ba_run_stream(r, "events", "what happened, and when", 5, fields, e);
    if (r->events < 0)
        return (int)r->events;
    for (const char *p = r->notice; *p;) {
        char line[241];
        size_t n = strcspn(p, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(n < 240 ? n : 240), p);
        if (ba_run_event(r, "notice", line, e))
            return BA_EMACHINE;
        p += n + (p[n] == '\n');
    }
    return ba_run_event(r, mode == BA_RUN_RESUME ? "resume" : "start", r->state.host, e);
}

static int open_all(ba_run *r, int32_t mode, int64_t reserve, ba_err *e)
{
    char label[1100];
    snprintf(label, sizeof label, "%s/journal.bin", r->path);
    if ((r->lockfd = bai_lock(r->dirfd, r->path, e)) < 0)
        return r->lockfd;
    sweep(r->dirfd);
    if (bai_folder_make(r->dirfd, "checkpoints") || (r->savefd = openat(r->dirfd, "checkpoints",
        O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return ba_fail(e, BA_EMACHINE, "%.300s/checkpoints: %s", r->path, strerror(errno));
    sweep(r->savefd);
    int bad = mode == BA_RUN_NEW ? begin_new(r, label, e) : mode == BA_RUN_RESUME ? go_on(r, label, e) : begin_again(r, label, e);
    if (bad || (bad = take_reserve(r, reserve, e)) || (bad = bai_state_write(r->dirfd, r->path, &r->state, e)))
        return bad;
    if (!(r->journal = bai_journal_open(r->dirfd, "journal.bin", label, e)) || !(r->log = bai_log_open(r->dirfd, "journal.bin",
        label, e)))
        return BA_EMACHINE;
    if ((bad = bai_run_adopt(r, e)))
        return bad;
    return begin_events(r, mode, e);
}

ba_run *ba_run_open(const char *dir, const char *name, int32_t mode, int64_t reserve, ba_err *e)
{
    ba_err mine = { 0 };
    e = e ? e : &mine;
    if (!dir || !*dir || !name || judge_name(name, e)) {
        if (!dir || !*dir || !name)
            ba_fail(e, BA_EARG, "run: a folder and a name expected");
        return NULL;
    }
    if (mode < BA_RUN_NEW || mode > BA_RUN_RESTART || reserve < 0 || reserve > INT64_C(1) << 40) {
        ba_fail(e, BA_EARG, "run: mode %d and a reserve of %lld bytes", mode, (long long)reserve);
        return NULL;
    }
    ba_run *r = calloc(1, sizeof *r);
    if (!r) {
        ba_fail(e, BA_EMACHINE, "run: no memory");
        return NULL;
    }
    *r = (ba_run){ .tag = BAI_TAG_RUN, .dirfd = -1, .savefd = -1, .lockfd = -1 };
    r->synced = r->drawn = bai_now(CLOCK_MONOTONIC);
    r->state = (ba_run_state){ .state = "running", .pid = getpid(), .started = bai_now(CLOCK_REALTIME),
        .updated = bai_now(CLOCK_REALTIME) };
    gethostname(r->state.host, sizeof r->state.host - 1);
    if (snprintf(r->path, sizeof r->path, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name) >= (int)sizeof r->path)
        ba_fail(e, BA_EARG, "%.300s: %s", dir, strerror(ENAMETOOLONG));
    else if ((r->dirfd = walk(r->path, e)) >= 0 && !open_all(r, mode, reserve, e)) {
        bai_last_words_begin(r);
        return r;
    }
    if (r->dirfd >= 0 && r->lockfd >= 0)
        bai_run_make_room(r);
    ba_run_free(r);
    return NULL;
}

/* ---- the end ---- */

int ba_run_finish(ba_run *r, int32_t how, int32_t exit_code, const char *reason, ba_err *e)
{
    ba_err mine = { 0 }, later;
    if (bai_run_check(r, e))
        return BA_EARG;
    if (how < BA_RUN_COMPLETE || how > BA_RUN_FAILED)
        return ba_fail(e, BA_EARG, "run: ending %d; BA_RUN_COMPLETE, _STOPPED or _FAILED expected", how);
    bai_run_make_room(r);
    int bad = ba_run_sync(r, &mine);
    if (!bad)
        bad = ba_run_snapshot(r, &mine);
    if (bad && how == BA_RUN_COMPLETE) { /* complete means that all of it is on the disk */
        how = BA_RUN_FAILED;
        exit_code = 5;
        reason = mine.msg;
    }
    snprintf(r->state.state, sizeof r->state.state, "%s", endings[how]);
    snprintf(r->state.reason, sizeof r->state.reason, "%.319s", reason ? reason : "");
    r->state.exit_code = exit_code;
    r->state.updated = bai_now(CLOCK_REALTIME);
    if (bai_state_write(r->dirfd, r->path, &r->state, &later) && !bad) {
        bad = later.code;
        mine = later;
    }
    bai_last_words_end(r); /* not before: a crash on the way here is a reason, too */
    r->finished = 1;
    return bad ? ba_fail(e, mine.code ? mine.code : BA_EMACHINE, "%s", mine.msg) : BA_OK;
}

void ba_run_free(ba_run *r)
{
    if (!r || r->tag != BAI_TAG_RUN)
        return;
    r->tag = 0;
    bai_last_words_end(r);
    ba_checkpoint_free(r->resumed);
    bai_journal_free(r->journal);
    ba_log_free(r->log);
    for (int64_t i = 0; i < r->tables; i++)
        bai_table_clear(r->table + i);
    free(r->table);
    free(r->row);
    if (r->savefd >= 0)
        close(r->savefd);
    if (r->dirfd >= 0)
        close(r->dirfd);
    if (r->lockfd >= 0)
        close(r->lockfd); /* last: from here on another may begin */
    free(r);
}

const char *ba_run_path(const ba_run *r) { return r && r->tag == BAI_TAG_RUN ? r->path : ""; }
const char *ba_run_notice(const ba_run *r) { return r && r->tag == BAI_TAG_RUN ? r->notice : ""; }

int ba_file_put(const char *path, const void *data, int64_t bytes, ba_err *e)
{
    const char *base;
    if (!path || !*path || bytes < 0 || (!data && bytes))
        return ba_fail(e, BA_EARG, "file: a path and its bytes expected");
    int dirfd = bai_folder_of(path, &base);
    int bad = dirfd < 0 || bai_file_put(dirfd, base, data, (size_t)bytes) ? ba_fail(e, BA_EMACHINE, "%.300s: %s", path,
        strerror(errno)) : BA_OK;
    if (dirfd >= 0)
        close(dirfd);
    return bad;
}
