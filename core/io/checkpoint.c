/* checkpoint: opening one. Nothing of the payload is parsed before all of its bytes have been summed and found right. */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/crc.h"
#include "bauta/op.h"
#include "../base/nearest.h"

enum { TAG = 0x43484b50, PIECE = 1 << 20 };

struct ba_checkpoint {
    uint32_t tag;
    bai_block block;
    ba_weights *w;
};

static int judge_block(const uint8_t p[BAI_BLOCK], int64_t size, const char *label, bai_block *b, ba_err *e)
{
    uint32_t version, block, crc;
    memcpy(&version, p + 8, 4);
    memcpy(&block, p + 12, 4);
    memcpy(&crc, p + BAI_BLOCK - 4, 4);
    if (memcmp(p, "BAUTACKP", 8))
        return ba_fail(e, BA_EDATA, "%.300s: is not a checkpoint", label);
    if (crc != bai_crc32c(0, p, BAI_BLOCK - 4))
        return ba_fail(e, BA_EDATA, "%.300s: damaged (its first block)", label);
    if (version != BAI_CHECKPOINT_VERSION || block != BAI_BLOCK)
        return ba_fail(e, BA_ERESUME, "%.300s: format %u; this bauta reads 1..%d", label, version, BAI_CHECKPOINT_VERSION);
    memcpy(&b->payload, p + 16, 8);
    memcpy(&b->run, p + 24, 8);
    memcpy(&b->records, p + 32, 8);
    memcpy(&b->epoch, p + 40, 8);
    memcpy(&b->step, p + 48, 8);
    memcpy(&b->best, p + 56, 4);
    memcpy(&b->crc, p + 60, 4);
    memcpy(b->sha, p + 64, 32);
    if (b->payload != (uint64_t)(size - BAI_BLOCK))
        return ba_fail(e, BA_EDATA, "%.300s: %lld bytes behind its first block, %llu expected", label,
            (long long)size - BAI_BLOCK, (unsigned long long)b->payload);
    return BA_OK;
}

/* Opens the file and judges its first block; a descriptor, or a negative code. */
static int open_block(int dirfd, const char *name, const char *label, int64_t *size, bai_block *b, ba_err *e)
{
    uint8_t p[BAI_BLOCK];
    int r = BA_OK, fd = bai_file_open(dirfd, name, label, size, e);
    if (fd < 0)
        return fd;
    if (*size < BAI_BLOCK)
        r = ba_fail(e, BA_EDATA, "%.300s: %lld bytes; a checkpoint has at least %d", label, (long long)*size, BAI_BLOCK);
    else if (bai_pread_all(fd, p, sizeof p, 0))
        r = ba_fail(e, BA_EMACHINE, "%.300s: %s", label, errno ? strerror(errno) : "became shorter while it was read");
    else
        r = judge_block(p, *size, label, b, e);
    if (!r)
        return fd;
    close(fd);
    return r;
}

static int verify(int fd, int64_t size, const char *label, const bai_block *b, ba_err *e)
{
    uint8_t sha[32], *piece = malloc(PIECE);
    bai_sha256 s;
    uint32_t crc = 0;
    int r = piece ? BA_OK : ba_fail(e, BA_EMACHINE, "%.300s: no memory", label);
    bai_sha256_begin(&s);
    for (int64_t at = BAI_BLOCK; at < size && !r; at += PIECE) {
        size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;
        if (bai_pread_all(fd, piece, n, at))
            r = ba_fail(e, BA_EMACHINE, "%.300s: %s", label, errno ? strerror(errno) : "became shorter while it was read");
        crc = bai_crc32c(crc, piece, n);
        bai_sha256_add(&s, piece, n);
    }
    bai_sha256_end(&s, sha);
    free(piece);
    if (!r && (crc != b->crc || memcmp(sha, b->sha, sizeof sha)))
        r = ba_fail(e, BA_EDATA, "%.300s: damaged (its bytes do not match their checksum)", label);
    return r;
}

int bai_checkpoint_peek(int dirfd, const char *name, const char *label, bai_block *out, ba_err *e)
{
    int64_t size;
    int fd = open_block(dirfd, name, label, &size, out, e);
    if (fd < 0)
        return fd;
    close(fd);
    return BA_OK;
}

ba_checkpoint *bai_checkpoint_open(int dirfd, const char *name, const char *label, ba_err *e)
{
    int64_t size;
    ba_checkpoint *c = calloc(1, sizeof *c);
    if (!c) {
        ba_fail(e, BA_EMACHINE, "%.300s: no memory", label);
        return NULL;
    }
    c->tag = TAG;
    int fd = open_block(dirfd, name, label, &size, &c->block, e);
    if (fd >= 0 && verify(fd, size, label, &c->block, e)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0 && (c->w = bai_weights_open(fd, BAI_BLOCK, size - BAI_BLOCK, label, e)))
        return c;
    free(c);
    return NULL;
}

ba_checkpoint *ba_checkpoint_open(const char *path, ba_err *e)
{
    if (!path || !*path) {
        ba_fail(e, BA_EARG, "checkpoint: a path expected");
        return NULL;
    }
    return bai_checkpoint_open(AT_FDCWD, path, path, e);
}

void ba_checkpoint_free(ba_checkpoint *c)
{
    if (!c || c->tag != TAG)
        return;
    c->tag = 0;
    ba_weights_free(c->w);
    free(c);
}

static int check(const ba_checkpoint *c, ba_err *e)
{
    return c && c->tag == TAG ? BA_OK : ba_fail(e, BA_EARG, "checkpoint expected, got %s",
        c ? "something else (freed?)" : "nothing");
}

const bai_block *bai_checkpoint_block(const ba_checkpoint *c) { return &c->block; }
int64_t ba_checkpoint_epoch(const ba_checkpoint *c) { return check(c, NULL) ? -1 : c->block.epoch; }
int64_t ba_checkpoint_step(const ba_checkpoint *c) { return check(c, NULL) ? -1 : c->block.step; }
int64_t ba_checkpoint_values(const ba_checkpoint *c) { return check(c, NULL) ? 0 : ba_weights_notes(c->w); }

/* ---- tensors ---- */

/* The place in the file of tensor i of the store, whose shape must be the same. */
static int64_t place_of(const ba_checkpoint *c, const char *part, const ba_store *s, int64_t i, ba_err *e)
{
    char name[BAI_ST_NAME + 80];
    ba_type t;
    ba_weight_info w;
    if (ba_store_type(s, i, &t, e))
        return BA_EARG;
    snprintf(name, sizeof name, "%.63s/%.512s", part, ba_store_name(s, i));
    int64_t j = ba_weights_find(c->w, name);
    if (j < 0) {
        bai_nearest near = bai_nearest_begin(name);
        for (int64_t k = 0; k < ba_weights_count(c->w); k++)
            if (!ba_weights_info(c->w, k, &w, NULL))
                bai_nearest_try(&near, w.name);
        return ba_fail(e, BA_ERESUME, "%.150s: has no tensor %.150s%s%.150s", bai_weights_label(c->w), name,
            near.best ? "; nearest: " : "", near.best ? near.best : "");
    }
    if (ba_weights_info(c->w, j, &w, e))
        return BA_EDATA;
    int same = w.rank == t.rank;
    for (int k = 0; same && k < t.rank; k++)
        same = w.dim[k] == t.dim[k];
    return same ? j : ba_fail(e, BA_ERESUME, "%.200s: %.200s has another shape than in the model", bai_weights_label(c->w), name);
}

static int load_all(const ba_checkpoint *c, const char *part, ba_store *s, int64_t *at, float **v, ba_err *e)
{
    int64_t n = ba_store_count(s);
    ba_weight_info w;
    for (int64_t i = 0; i < n; i++) {
        if ((at[i] = place_of(c, part, s, i, e)) < 0)
            return (int)at[i];
        if (ba_weights_info(c->w, at[i], &w, e))
            return BA_EDATA;
        if (!(v[i] = malloc((size_t)(w.count ? w.count : 1) * sizeof(float))))
            return ba_fail(e, BA_EMACHINE, "%.200s: no memory", bai_weights_label(c->w));
        int bad = ba_weights_read(c->w, at[i], v[i], w.count, e);
        if (bad)
            return bad;
    }
    for (int64_t i = 0; i < n; i++)
        if (ba_weights_info(c->w, at[i], &w, e) || ba_store_write(s, i, v[i], w.count, e))
            return BA_EMACHINE;
    return BA_OK;
}

static int64_t tensors_of(const ba_checkpoint *c, const char *part)
{
    int64_t n = 0;
    size_t length = strlen(part);
    ba_weight_info w;
    for (int64_t i = 0; i < ba_weights_count(c->w); i++)
        n += !ba_weights_info(c->w, i, &w, NULL) && !strncmp(w.name, part, length) && w.name[length] == '/';
    return n;
}

int ba_checkpoint_load(const ba_checkpoint *c, const char *part, ba_store *s, ba_err *e)
{
    if (check(c, e))
        return BA_EARG;
    if (!part || !*part || !s)
        return ba_fail(e, BA_EARG, "checkpoint: a part's name and a store expected");
    int64_t n = ba_store_count(s), has = tensors_of(c, part);
    if (n != has)
        return ba_fail(e, BA_ERESUME, "%.200s: %.63s has %lld tensors there, %lld in the model", bai_weights_label(c->w), part,
            (long long)has, (long long)n);
    int64_t *at = calloc((size_t)n + 1, sizeof *at);
    float **v = calloc((size_t)n + 1, sizeof *v);
    int r = at && v ? load_all(c, part, s, at, v, e) : ba_fail(e, BA_EMACHINE, "%.300s: no memory", bai_weights_label(c->w));
    for (int64_t i = 0; v && i < n; i++)
        free(v[i]);
    free(at);
    free(v);
    return r;
}

/* ---- values ---- */

int ba_checkpoint_value(const ba_checkpoint *c, int64_t i, ba_attr *out, ba_err *e)
{
    ba_note n;
    if (check(c, e) || ba_weights_note(c->w, i, &n, e))
        return BA_EARG;
    if (!out)
        return ba_fail(e, BA_EARG, "checkpoint: nowhere to put the answer");
    char kind = n.value[0];
    if ((kind != 'i' && kind != 'f' && kind != 's') || n.value[1] != ':')
        return ba_fail(e, BA_EDATA, "%.200s: value '%.100s' is none of ours", bai_weights_label(c->w), n.key);
    *out = (ba_attr){ .name = n.key, .type = kind == 'i' ? BA_I64 : kind == 'f' ? BA_F64 : BA_STR };
    if (kind == 'i')
        out->value.i = strtoll(n.value + 2, NULL, 10);
    else if (kind == 'f') {
        uint64_t bits = strtoull(n.value + 2, NULL, 16);
        memcpy(&out->value.f, &bits, 8);
    }
    else
        out->value.s = n.value + 2;
    return BA_OK;
}

int ba_checkpoint_find(const ba_checkpoint *c, const char *name, ba_attr *out, ba_err *e)
{
    ba_note n;
    if (check(c, e))
        return BA_EARG;
    if (!name)
        return ba_fail(e, BA_EARG, "checkpoint: a name expected");
    for (int64_t i = 0; i < ba_weights_notes(c->w); i++)
        if (!ba_weights_note(c->w, i, &n, e) && !strcmp(n.key, name))
            return ba_checkpoint_value(c, i, out, e) ? BA_EDATA : 1;
    return 0;
}
