/* weights: reading tensors out of a safetensors or PyTorch file as float. The file is read with pread into our memory, never
 * mapped: whoever changes it meanwhile can make a read fail, nothing else. */
#include "bauta/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

#include "bauta/op.h"
#include "safetensors.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors are little endian, and so are the tensors in memory");

enum { TAG = 0x57454948, CHUNK = 65536 };

struct ba_weights {
    uint32_t tag;
    int fd;
    int64_t data;            /* where the tensors begin in the file */
    char *label;
    bai_st_header h;
};

static int check(const ba_weights *w, ba_err *e)
{
    return w && w->tag == TAG ? BA_OK : ba_fail(e, BA_EARG, "weights expected, got %s",
        w ? "something else (freed?)" : "nothing");
}

int bai_weights_fd(const ba_weights *w) { return w->fd; }
const char *bai_weights_label(const ba_weights *w) { return w->label; }

/* What a file is that does not begin like a safetensors file; NULL when nothing is known about it. */
static const char *other_format(const unsigned char *p, int64_t n)
{
    if (n >= 2 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5)
        return "is a Python pickle of before PyTorch 1.6, which is not read; in Python: torch.save(torch.load(FILE), NEW)";
    if (n >= 8 && !memcmp(p, "\x89HDF\r\n\x1a\n", 8))
        return "is an HDF5 file; safetensors expected";
    return NULL;
}

/* Reads and judges the length in front, then the header. */
static int read_header(ba_weights *w, int64_t offset, int64_t bytes, ba_err *e)
{
    unsigned char front[8] = { 0 };
    uint64_t length = 0;
    int64_t have = bytes < 8 ? bytes : 8;
    if (bai_pread_all(w->fd, front, (size_t)have, offset))
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", w->label, errno ? strerror(errno) : "became shorter while it was read");
    if (have >= 4 && !memcmp(front, "PK\3\4", 4) && !offset)
        return bai_pth_parse(&w->h, w->fd, bytes, w->label, e); /* places in it count from the beginning: w->data stays 0 */
    const char *other = other_format(front, have);
    if (other)
        return ba_fail(e, BA_EDATA, "%.300s: %s", w->label, other);
    if (bytes < 8)
        return ba_fail(e, BA_EDATA, "%.300s: %lld bytes; a safetensors file has at least 8", w->label, (long long)bytes);
    memcpy(&length, front, 8);
    if (length > BAI_ST_HEADER)
        return ba_fail(e, BA_EDATA, "%.300s: header of %llu bytes; at most %d expected (is it safetensors?)", w->label,
            (unsigned long long)length, BAI_ST_HEADER);
    if ((int64_t)length > bytes - 8)
        return ba_fail(e, BA_EDATA, "%.300s: header of %llu bytes, the file has %lld behind the length", w->label,
            (unsigned long long)length, (long long)bytes - 8);
    char *text = malloc((size_t)length + 1);
    if (!text)
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory for its header", w->label);
    if (bai_pread_all(w->fd, text, (size_t)length, offset + 8)) {
        free(text);
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", w->label, errno ? strerror(errno) : "became shorter while it was read");
    }
    text[length] = 0;
    w->data = offset + 8 + (int64_t)length;
    return bai_st_parse(&w->h, text, (int64_t)length, bytes - 8 - (int64_t)length, w->label, e);
}

ba_weights *bai_weights_open(int fd, int64_t offset, int64_t bytes, const char *label, ba_err *e)
{
    ba_weights *w = calloc(1, sizeof *w);
    char *copy = strdup(label);
    if (!w || !copy) {
        ba_fail(e, BA_EMACHINE, "%.300s: no memory", label);
        close(fd);
        free(w);
        free(copy);
        return NULL;
    }
    *w = (ba_weights){ .tag = TAG, .fd = fd, .label = copy };
    if (read_header(w, offset, bytes, e)) {
        ba_weights_free(w);
        return NULL;
    }
    return w;
}

ba_weights *bai_weights_listed(int64_t n, const ba_weight_item *items, const char *label, ba_err *e)
{
    int64_t bytes = 0, data = 0;
    ba_weights *w = calloc(1, sizeof *w);
    char *copy = strdup(label), *head = bai_st_make(n, items, 0, NULL, &bytes, e), *text = NULL;
    if (!w || !copy || !head || !(text = malloc((size_t)bytes - 7))) {
        if (head || !e || !e->code)
            ba_fail(e, BA_EMACHINE, "%.300s: no memory", label);
        free(w);
        free(copy);
        free(head);
        return NULL;
    }
    memcpy(text, head + 8, (size_t)bytes - 8);
    text[bytes - 8] = 0;
    free(head);
    for (int64_t i = 0; i < n; i++)
        data += 4 * ba_type_count(&items[i].type);
    *w = (ba_weights){ .tag = TAG, .fd = -1, .label = copy };
    if (bai_st_parse(&w->h, text, bytes - 8, data, label, e)) {
        ba_weights_free(w);
        return NULL;
    }
    return w;
}

ba_weights *ba_weights_open(const char *path, ba_err *e)
{
    int64_t size;
    if (!path || !*path) {
        ba_fail(e, BA_EARG, "weights: a path expected");
        return NULL;
    }
    int fd = bai_file_open(AT_FDCWD, path, path, &size, e);
    return fd < 0 ? NULL : bai_weights_open(fd, 0, size, path, e);
}

void ba_weights_free(ba_weights *w)
{
    if (!w || w->tag != TAG)
        return;
    w->tag = 0;
    if (w->fd >= 0)
        close(w->fd);
    bai_st_clear(&w->h);
    free(w->label);
    free(w);
}

int64_t ba_weights_count(const ba_weights *w) { return check(w, NULL) ? 0 : w->h.count; }
int64_t ba_weights_notes(const ba_weights *w) { return check(w, NULL) ? 0 : w->h.notes; }

int64_t ba_weights_find(const ba_weights *w, const char *name)
{
    if (check(w, NULL) || !name)
        return -1;
    for (int64_t low = 0, high = w->h.count; low < high;) {
        int64_t mid = low + (high - low) / 2;
        int c = strcmp(name, w->h.entry[mid].name);
        if (!c)
            return mid;
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return -1;
}

static int check_at(const ba_weights *w, int64_t i, int64_t count, ba_err *e)
{
    if (check(w, e))
        return BA_EARG;
    return i >= 0 && i < count ? BA_OK : ba_fail(e, BA_EARG, "%.300s: number %lld of %lld", w->label, (long long)i,
        (long long)count);
}

int ba_weights_info(const ba_weights *w, int64_t i, ba_weight_info *out, ba_err *e)
{
    if (check_at(w, i, w ? w->h.count : 0, e))
        return BA_EARG;
    if (!out)
        return ba_fail(e, BA_EARG, "weights: nowhere to put the answer");
    const bai_st_entry *t = w->h.entry + i;
    *out = (ba_weight_info){ .name = t->name, .dtype = t->dtype->name, .rank = t->rank, .count = t->count,
        .bytes = t->end - t->begin };
    for (int k = 0; k < 8; k++)
        out->dim[k] = k < t->rank ? t->dim[k] : 1;
    return BA_OK;
}

int ba_weights_note(const ba_weights *w, int64_t i, ba_note *out, ba_err *e)
{
    if (check_at(w, i, w ? w->h.notes : 0, e))
        return BA_EARG;
    if (!out)
        return ba_fail(e, BA_EARG, "weights: nowhere to put the answer");
    *out = w->h.note[i];
    return BA_OK;
}

static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff, bits;
    if (exponent == 31)
        bits = sign | 0x7f800000 | fraction << 13;
    else if (exponent)
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    else { /* zero and subnormal numbers: fraction * 2^-24, exact in a float */
        float f = (float)fraction * 0x1p-24f;
        memcpy(&bits, &f, 4);
        bits |= sign;
    }
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static void convert(const bai_st_dtype *d, const char *in, int64_t n, float *out)
{
    uint16_t h;
    uint32_t bits;
    double f;
    for (int64_t i = 0; i < n; i++) {
        if (d->bytes == 8) {
            memcpy(&f, in + 8 * i, 8);
            out[i] = (float)f;
            continue;
        }
        memcpy(&h, in + 2 * i, 2);
        bits = (uint32_t)h << 16;
        if (d->name[0] == 'B')
            memcpy(out + i, &bits, 4);
        else
            out[i] = from_half(h);
    }
}

static int read_piece(const ba_weights *w, const bai_st_entry *t, void *to, int64_t offset, int64_t n, ba_err *e)
{
    if (!bai_pread_all(w->fd, to, (size_t)n, w->data + t->begin + offset))
        return BA_OK;
    return ba_fail(e, errno ? BA_EMACHINE : BA_EDATA, "%.200s: %.150s: %s", w->label, t->name,
        errno ? strerror(errno) : "the file became shorter while it was read");
}

int ba_weights_read(const ba_weights *w, int64_t i, float *out, int64_t count, ba_err *e)
{
    if (check_at(w, i, w ? w->h.count : 0, e))
        return BA_EARG;
    const bai_st_entry *t = w->h.entry + i;
    if (count != t->count || (!out && count))
        return ba_fail(e, BA_EARG, "%.200s: %.150s: room for %lld numbers given, it has %lld", w->label, t->name,
            (long long)count, (long long)t->count);
    if (!t->dtype->is_float)
        return ba_fail(e, BA_EDATA, "%.200s: %.150s: dtype %s; F32, F16, BF16 or F64 expected", w->label, t->name,
            t->dtype->name);
    int r = w->h.zip.count ? bai_zip_verify(&w->h.zip.member[t->member], w->fd, w->label, e) : BA_OK;
    if (r)
        return r;
    if (t->dtype->bytes == 4)
        return read_piece(w, t, out, 0, 4 * count, e);
    char *piece = malloc(CHUNK);
    r = piece ? BA_OK : ba_fail(e, BA_EMACHINE, "%.300s: no memory", w->label);
    int64_t most = CHUNK / t->dtype->bytes;
    for (int64_t done = 0; done < count && !r; done += most) {
        int64_t n = count - done < most ? count - done : most;
        if (!(r = read_piece(w, t, piece, done * t->dtype->bytes, n * t->dtype->bytes, e)))
            convert(t->dtype, piece, n, out + done);
    }
    free(piece);
    return r;
}
