/* run_save: the checkpoints folder: writing one, finding the newest good one, keeping three and the best. A new one is durable
 * under its final name before a link points to it, and old ones go last. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run_inner.h"

static int is_checkpoint(const char *name)
{
    size_t n = strlen(name);
    return n > 11 && n <= NAME_MAX && !strncmp(name, "epoch-", 6) && !strcmp(name + n - 5, ".ckpt");
}

static void label_of(const ba_run *r, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%.700s/checkpoints/%.255s", r->path, name);
}

static int newest_first(const void *a, const void *b)
{
    const bai_found *x = a, *y = b;
    if (x->block.step != y->block.step)
        return x->block.step < y->block.step ? 1 : -1;
    return strcmp(y->name, x->name);
}

/* A damaged file keeps its bytes under a name that nothing looks for. */
static void set_aside(ba_run *r, const char *name, const ba_err *why)
{
    char aside[NAME_MAX + 1], line[700];
    snprintf(aside, sizeof aside, "%.240s.damaged", name);
    if (renameat(r->savefd, name, r->savefd, aside))
        *aside = 0;
    snprintf(line, sizeof line, "%.500s; set aside, the one before is taken", why->msg);
    bai_run_notice(r, line);
}

static int add_found(bai_found **list, int64_t *n, const char *name, const bai_block *b)
{
    bai_found *more = realloc(*list, (size_t)(*n + 1) * sizeof *more);
    if (!more)
        return -1;
    *list = more;
    snprintf(more[*n].name, sizeof more->name, "%s", name);
    more[(*n)++].block = *b;
    return 0;
}

/* The folder, opened for listing. */
static DIR *listing(const ba_run *r, ba_err *e)
{
    int copy = openat(r->savefd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (d)
        return d;
    ba_fail(e, BA_EMACHINE, "%.300s/checkpoints: %s", r->path, strerror(errno));
    if (copy >= 0)
        close(copy);
    return NULL;
}

static int look_at(ba_run *r, const char *name, bai_found **list, int64_t *n, ba_err *e)
{
    char label[1100];
    bai_block b;
    ba_err why = { 0 };
    label_of(r, name, label, sizeof label);
    int code = bai_checkpoint_peek(r->savefd, name, label, &b, &why);
    if (code == BA_EDATA)
        set_aside(r, name, &why);
    else if (code) /* another format, or a machine that cannot read: not for us to step over */
        return ba_fail(e, code, "%s", why.msg);
    else if (add_found(list, n, name, &b))
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory", r->path);
    return BA_OK;
}

int64_t bai_save_list(ba_run *r, bai_found **out, ba_err *e)
{
    int64_t n = 0;
    int bad = BA_OK;
    DIR *d = listing(r, e);
    *out = NULL;
    if (!d)
        return BA_EMACHINE;
    for (struct dirent *f; !bad && (f = readdir(d));)
        if (is_checkpoint(f->d_name))
            bad = look_at(r, f->d_name, out, &n, e);
    closedir(d);
    if (bad) {
        free(*out);
        *out = NULL;
        return bad;
    }
    if (n)
        qsort(*out, (size_t)n, sizeof **out, newest_first);
    return n;
}

int bai_save_clear(ba_run *r, ba_err *e)
{
    int bad = BA_OK;
    DIR *d = listing(r, e);
    if (!d)
        return BA_EMACHINE;
    for (struct dirent *f; !bad && (f = readdir(d));)
        if ((is_checkpoint(f->d_name) || !strcmp(f->d_name, "last") || !strcmp(f->d_name, "best")) && unlinkat(r->savefd,
            f->d_name, 0))
            bad = ba_fail(e, BA_EMACHINE, "%.300s/checkpoints/%.100s: %s", r->path, f->d_name, strerror(errno));
    closedir(d);
    return bad;
}

int bai_save_find(ba_run *r, uint64_t run, ba_err *e)
{
    char label[1100], line[700];
    bai_found *found;
    int64_t n = bai_save_list(r, &found, e), i, best = -1;
    int bad = n < 0 ? (int)n : BA_OK;
    for (i = 0; i < n && !r->resumed && !bad; i++) {
        ba_err why = { 0 };
        label_of(r, found[i].name, label, sizeof label);
        if (found[i].block.run != run) {
            snprintf(line, sizeof line, "%.400s: belongs to an earlier run; not used", label);
            bai_run_notice(r, line);
        } else if (!(r->resumed = bai_checkpoint_open(r->savefd, found[i].name, label, &why))) {
            if (why.code == BA_EDATA)
                set_aside(r, found[i].name, &why);
            else
                bad = ba_fail(e, why.code, "%s", why.msg);
        } else if (bai_file_link(r->savefd, "last", found[i].name))
            bad = ba_fail(e, BA_EMACHINE, "%.300s/checkpoints/last: %s", r->path, strerror(errno));
    }
    for (i = i ? i - 1 : 0; r->resumed && i < n && best < 0; i++)
        if (found[i].block.run == run && found[i].block.best)
            best = i;
    if (best >= 0 && !bad && bai_file_link(r->savefd, "best", found[best].name))
        bad = ba_fail(e, BA_EMACHINE, "%.300s/checkpoints/best: %s", r->path, strerror(errno));
    free(found);
    if (!bad && !r->resumed)
        bad = ba_fail(e, BA_ERESUME, "%.300s: no complete checkpoint to resume from; begin again with --restart", r->path);
    return bad;
}

/* epoch-0007.ckpt, or with the step when that name is taken by another step of the same epoch. */
static void choose_name(ba_run *r, int64_t epoch, int64_t step, char *out, size_t size)
{
    bai_block b;
    snprintf(out, size, "epoch-%04lld.ckpt", (long long)epoch);
    if (!bai_checkpoint_peek(r->savefd, out, out, &b, NULL) && b.step != step)
        snprintf(out, size, "epoch-%04lld-step-%08lld.ckpt", (long long)epoch, (long long)step);
}

/* Removes all but the newest three and what `best` points to. A failure to remove harms nothing. */
static void prune(ba_run *r)
{
    bai_found *found;
    char best[NAME_MAX + 1] = "";
    ssize_t length = readlinkat(r->savefd, "best", best, sizeof best - 1);
    best[length > 0 ? length : 0] = 0;
    int64_t n = bai_save_list(r, &found, NULL);
    for (int64_t i = BAI_KEEP; i < n; i++)
        if (strcmp(found[i].name, best))
            (void)unlinkat(r->savefd, found[i].name, 0);
    free(found);
}

static int save(ba_run *r, const char *name, bai_block *b, const bai_content *c, ba_err *e)
{
    char label[1100];
    label_of(r, name, label, sizeof label);
    if (bai_checkpoint_write(r->savefd, name, label, b, c, e))
        return e->code;
    if (bai_file_link(r->savefd, "last", name) || (b->best && bai_file_link(r->savefd, "best", name)))
        return ba_fail(e, BA_EMACHINE, "%.300s: its link: %s", label, strerror(errno));
    return BA_OK;
}

int ba_run_checkpoint(ba_run *r, int64_t epoch, int64_t step, int32_t best, int32_t n_parts, const ba_part *parts,
                      int32_t n_values, const ba_attr *values, ba_err *e)
{
    char name[64];
    ba_err first = { 0 }, again = { 0 };
    if (bai_run_check(r, e))
        return BA_EARG;
    if (epoch < 0 || epoch > 99999999 || step < 0 || step > INT64_C(1) << 53)
        return ba_fail(e, BA_EARG, "checkpoint: epoch %lld, step %lld; 0 or more expected", (long long)epoch, (long long)step);
    if (bai_run_here(r, e) || bai_journal_sync(r->journal, e)) /* what it says about the journal must be on the disk first */
        return BA_EMACHINE;
    r->synced = bai_now(CLOCK_MONOTONIC);
    bai_block b = { .run = bai_journal_id(r->journal), .records = bai_journal_records(r->journal), .epoch = epoch,
        .step = step, .best = best != 0 };
    bai_content c = { n_parts, n_values, parts, values };
    choose_name(r, epoch, step, name, sizeof name);
    int bad = save(r, name, &b, &c, &first);
    if (bad == BA_EMACHINE && bai_run_make_room(r) && !(bad = save(r, name, &b, &c, &again)))
        bai_run_full(r, &first);
    if (!bad)
        prune(r);
    return bad ? ba_fail(e, first.code, "%s", first.msg) : BA_OK;
}

const ba_checkpoint *ba_run_resumed(const ba_run *r) { return r && r->tag == BAI_TAG_RUN ? r->resumed : NULL; }
